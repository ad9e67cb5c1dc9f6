#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes through firewalls: a network namespace with a responder behind nftables rules, on the real kernel. What the rule does must be what
the verdict says. Skipped where namespaces or nft are not to be had."""
import os
import re
import subprocess
import sys
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import namespaces  # noqa: E402
import tap  # noqa: E402

PROBE, CLI = f"{BUILD}/tests/system/probe_real", f"{BUILD}/edgemedia"
V4, V6, OPEN, CLOSED = namespaces.FAR4, namespaces.FAR6, 50000, 50010
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


class Lab(namespaces.Pair):
    responder = None

    def connect(self):
        super().connect()
        command = self.far.command(CLI, "respond", V4, str(OPEN))
        self.responder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while self.probe("tcp")[0] != "ok":
            assert time.monotonic() < end, "the responder does not answer"

    def __exit__(self, *_):
        if self.responder:
            self.responder.terminate()
            self.responder.wait(10)
        super().__exit__()

    def probe(self, transport, address=V4, port=OPEN, timeout="1200ms"):
        """The verdict, its reason, the seconds."""
        host = f"[{address}]" if ":" in address else address
        got = self.near.run(PROBE, timeout, f"{transport}:{host}:{port}").stdout.splitlines()
        return got[0].split(" ")[1], re.search("reason=(.*)", got[0]).group(1), int(got[1].split("=")[1]) / 1e6


def each(lab, transport, rows, address=V4):
    wrong = []
    for rule, want, reason in rows:
        lab.far.rules(f"{transport} dport {OPEN}-{CLOSED} {rule}" if rule else "")
        verdict, text, seconds = lab.probe(transport, address)
        if verdict != want or reason not in text or seconds > 1.3:
            wrong.append(f"{transport} {rule or 'no rule'}: {verdict}: {text} ({seconds} s)")
    assert not wrong, "\n".join(wrong)


def check_closed(lab):
    lab.far.rules("")
    verdict, text, _ = lab.probe("udp", port=CLOSED)
    assert verdict == "refused" and "ICMP port unreachable" in text, (verdict, text)
    verdict, text, _ = lab.probe("tcp", port=CLOSED)
    assert verdict == "refused" and "TCP reset" in text, (verdict, text)


def check_no_route(lab):
    lab.far.rules("")
    for transport, address, family in (("udp", "203.0.113.1", "IPv4"), ("tcp", "203.0.113.1", "IPv4"), ("udp", "2001:db9::1", "IPv6"),
                                       ("tcp", "2001:db9::1", "IPv6")):
        verdict, text, seconds = lab.probe(transport, address)
        assert verdict == "unreachable" and text == f"this machine has no {family} route to it: Network is unreachable", (verdict, text)
        assert seconds < 1, seconds


test_udp_paths = namespaces.in_lab(Lab, lambda lab: each(lab, "udp", PATHS["udp"]))
test_tcp_paths = namespaces.in_lab(Lab, lambda lab: each(lab, "tcp", PATHS["tcp"]))
test_udp_paths_over_ipv6 = namespaces.in_lab(Lab, lambda lab: each(lab, "udp", PATHS6, V6))
test_tcp_paths_over_ipv6 = namespaces.in_lab(Lab, lambda lab: each(lab, "tcp", PATHS6, V6))
test_closed_ports = namespaces.in_lab(Lab, check_closed)
test_no_route = namespaces.in_lab(Lab, check_no_route)

if __name__ == "__main__":
    namespaces.with_sudo_if_needed()
    tap.run(globals())
