#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes through firewalls: a network namespace with a responder behind nftables rules, on the real kernel. What the rule does must be what
the verdict says. Skipped where namespaces or nft are not to be had."""
import os
import re
import shutil
import subprocess
import sys
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests"]
import tap  # noqa: E402

PROBE, CLI = f"{BUILD}/tests/system/probe_real", f"{BUILD}/edgemedia"
NEAR, FAR = f"em-near-{os.getpid()}", f"em-far-{os.getpid()}"
V4, V6, OPEN, CLOSED = "192.0.2.2", "2001:db8::2", 50000, 50010
DATA = "meta length > 60"  # a TCP handshake has shorter packets

# rule for the port range ("" = none), what is asked for the open port: (verdict, part of the reason)
PATHS = {
    "udp": [
        ("", "ok", "STUN answer"),
        ("drop", "filtered", "no answer to 2 requests"),
        ("reject with icmp type port-unreachable", "refused", "ICMP port unreachable from 192.0.2.2"),
        ("reject with icmp type admin-prohibited", "prohibited", "communication administratively prohibited from 192.0.2.2"),
        ("reject with icmp type host-prohibited", "prohibited", "host administratively prohibited"),
        ("reject with icmp type net-prohibited", "prohibited", "network administratively prohibited"),
        ("reject with icmp type prot-unreachable", "prohibited", "protocol unreachable"),
        ("reject with icmp type host-unreachable", "unreachable", "ICMP host unreachable"),
        ("reject with icmp type net-unreachable", "unreachable", "ICMP network unreachable"),
    ],
    "tcp": [
        ("", "ok", "STUN answer"),
        ("drop", "filtered", "no answer to the TCP handshake"),
        ("reject with tcp reset", "refused", "TCP reset"),
        ("reject with icmp type port-unreachable", "refused", "ICMP port unreachable from 192.0.2.2"),
        ("reject with icmp type admin-prohibited", "prohibited", "communication administratively prohibited from 192.0.2.2"),
        ("reject with icmp type host-prohibited", "prohibited", "host administratively prohibited"),
        ("reject with icmp type net-prohibited", "prohibited", "network administratively prohibited"),
        ("reject with icmp type prot-unreachable", "prohibited", "protocol unreachable"),
        ("reject with icmp type host-unreachable", "unreachable", "ICMP host unreachable"),
        ("reject with icmp type net-unreachable", "unreachable", "ICMP network unreachable"),
        (f"{DATA} drop", "blackholed", "connected, but 0 of 44 bytes were acknowledged"),
        (f"{DATA} reject with tcp reset", "reset", "once data was sent"),
        (f"{DATA} reject with icmp type admin-prohibited", "blackholed", "ICMP messages said that it is unreachable"),
    ],
}
PATHS6 = [
    ("reject with icmpv6 type port-unreachable", "refused", "ICMPv6 port unreachable from 2001:db8::2"),
    ("reject with icmpv6 type admin-prohibited", "prohibited", "ICMPv6 administratively prohibited from 2001:db8::2"),
    ("reject with icmpv6 type no-route", "unreachable", "ICMPv6 no route from 2001:db8::2"),
    ("reject with icmpv6 type addr-unreachable", "unreachable", "ICMPv6 address unreachable from 2001:db8::2"),
]


def run(*words, check=True, **how):
    return subprocess.run(words, check=check, capture_output=True, text=True, timeout=30, **how)


class Lab:
    def __enter__(self):
        self.responder = None
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        for name in (NEAR, FAR):
            run("ip", "netns", "add", name)
        run("ip", "link", "add", "near0", "netns", NEAR, "type", "veth", "peer", "name", "far0", "netns", FAR)
        for name, link, v4, v6 in ((NEAR, "near0", "192.0.2.1", "2001:db8::1"), (FAR, "far0", V4, V6)):
            run("ip", "-n", name, "addr", "add", f"{v4}/24", "dev", link)
            run("ip", "-n", name, "addr", "add", f"{v6}/64", "dev", link, "nodad")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", link, "up")
        run("ip", "netns", "exec", FAR, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit")
        self.responder = subprocess.Popen(["ip", "netns", "exec", FAR, CLI, "respond", V4, str(OPEN)], stdin=subprocess.DEVNULL,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while probe("tcp")[0] != "ok":
            assert time.monotonic() < end, "the responder does not answer"

    def __exit__(self, *_):
        if self.responder:
            self.responder.terminate()
            self.responder.wait(10)
        for name in (NEAR, FAR):
            run("ip", "netns", "del", name, check=False)

    def rule(self, text):
        run("ip", "netns", "exec", FAR, "nft", "-f", "-", input=f"flush ruleset\ntable inet t {{ chain i {{\n"
            f"type filter hook input priority 0; policy accept\n{text}\n}}\n}}\n")


def probe(transport, address=V4, port=OPEN, timeout="1200ms"):
    host = f"[{address}]" if ":" in address else address
    got = run("ip", "netns", "exec", NEAR, PROBE, timeout, f"{transport}:{host}:{port}").stdout.splitlines()
    return got[0].split(" ")[1], re.search("reason=(.*)", got[0]).group(1), int(got[1].split("=")[1]) / 1e6


def missing():
    if os.geteuid() != 0:
        return "needs root"
    if not shutil.which("ip") or not shutil.which("nft"):
        return "needs ip and nft"
    if run("ip", "netns", "add", f"{NEAR}-try", check=False).returncode != 0:
        return "no network namespaces here"
    filters = run("ip", "netns", "exec", f"{NEAR}-try", "nft", "add", "table", "inet", "t", check=False).returncode == 0
    run("ip", "netns", "del", f"{NEAR}-try")
    return None if filters else "this kernel has no nftables"


def each(lab, transport, rows, address=V4):
    wrong = []
    for rule, want, reason in rows:
        lab.rule(f"{transport} dport {OPEN}-{CLOSED} {rule}" if rule else "")
        verdict, text, seconds = probe(transport, address)
        if verdict != want or reason not in text or seconds > 1.3:
            wrong.append(f"{transport} {rule or 'no rule'}: {verdict}: {text} ({seconds} s)")
    assert not wrong, "\n".join(wrong)


def in_lab(check):
    def test():
        why = missing()
        if why:
            return why
        with Lab() as lab:
            check(lab)
        return None
    return test


def check_closed(lab):
    lab.rule("")
    verdict, text, _ = probe("udp", port=CLOSED)
    assert verdict == "refused" and "ICMP port unreachable" in text, (verdict, text)
    verdict, text, _ = probe("tcp", port=CLOSED)
    assert verdict == "refused" and "TCP reset" in text, (verdict, text)


def check_no_route(lab):
    lab.rule("")
    for transport, address in (("udp", "203.0.113.1"), ("tcp", "203.0.113.1"), ("tcp", "2001:db9::1")):
        verdict, text, seconds = probe(transport, address)
        assert verdict == "error" and "Network is unreachable" in text and seconds < 1, (verdict, text)


test_udp_paths = in_lab(lambda lab: each(lab, "udp", PATHS["udp"]))
test_tcp_paths = in_lab(lambda lab: each(lab, "tcp", PATHS["tcp"]))
test_udp_paths_over_ipv6 = in_lab(lambda lab: each(lab, "udp", PATHS6, V6))
test_tcp_paths_over_ipv6 = in_lab(lambda lab: each(lab, "tcp", PATHS6, V6))
test_closed_ports = in_lab(check_closed)
test_no_route = in_lab(check_no_route)

if __name__ == "__main__":
    tap.run(globals())
