#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps through firewalls: a network namespace with a responder behind nftables rules, on the real kernel. Every sub-range must be shown as
what the rule made of it. Skipped where namespaces or nft are not to be had."""
import json
import os
import subprocess
import sys
import tempfile
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import namespaces  # noqa: E402
import tap  # noqa: E402

CLI = f"{BUILD}/edgemedia"
V4, V6, FIRST, LAST = namespaces.FAR4, namespaces.FAR6, 50000, 50199
DATA = "meta length > 80"  # a TCP handshake has shorter packets, over IPv6 too


class Lab(namespaces.Pair):
    def __init__(self):
        self.responders = []

    def connect(self):
        super().connect()
        for address in (V4, V6):
            command = self.far.command(CLI, "respond", address, f"{FIRST}-{LAST}")
            self.responders.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        for responder in self.responders:
            assert responder.stdout.readline().startswith(b"listening")

    def __exit__(self, *_):
        for responder in self.responders:
            responder.terminate()
            responder.wait(10)
            responder.stdout.close()
        super().__exit__()

    def sweep(self, *words, address=V4, ports=f"{FIRST}-{LAST}", limit=None, want=None):
        command = self.near.command(CLI, "sweep", "--json", "--rate", "max", *words, address, ports)
        if limit:
            command = ["sh", "-c", f"ulimit -n {limit}; exec \"$@\"", "sh", *command]
        begin = time.monotonic()
        got = namespaces.run(*command, check=False)
        result = json.loads(got.stdout)
        assert not got.stderr, got.stderr
        result["wall"] = time.monotonic() - begin
        bad = any(verdict not in ("ok", "degraded", "refused") for verdict in result["verdicts"])
        assert got.returncode == (1 if bad else 0) and (want is None or got.returncode == want), (got, result)
        return result


def shown(result):
    return [(run["first"], run["last"], run["verdict"]) for run in result["exceptions"]]


# each rule is put on ten ports of its own: (rule, verdict)
TCP = [("drop", "filtered"), ("reject with tcp reset", "refused"), ("reject with icmpx type admin-prohibited", "prohibited"),
       ("reject with icmpx type host-unreachable", "unreachable"), (f"{DATA} drop", "blackholed"),
       (f"{DATA} reject with tcp reset", "reset")]
UDP = [("drop", "filtered"), ("reject with icmpx type port-unreachable", "refused"), ("reject with icmpx type admin-prohibited", "prohibited"),
       ("reject with icmpx type host-unreachable", "unreachable")]


def each_rule(lab, transport, rows, address):
    starts = range(FIRST + 10, FIRST + 10 + 20 * len(rows), 20)
    lab.far.rules("\n".join(f"{transport} dport {start}-{start + 9} {rule}" for start, (rule, _) in zip(starts, rows)))
    got = lab.sweep(f"--{transport}", "--timeout", "1", address=address, want=1)
    want = [(start, start + 9, verdict) for start, (_, verdict) in zip(starts, rows)]
    assert shown(got) == want, f"{transport} {address}: {shown(got)}"
    assert got["tested"] == LAST - FIRST + 1 == sum(got["verdicts"].values()), got
    assert got["verdicts"]["ok"] == got["tested"] - 10 * len(rows), got
    assert got["wall"] < 2.5, got


def check_rules(lab):
    for transport, rows in (("tcp", TCP), ("udp", UDP)):
        for address in (V4, V6):
            each_rule(lab, transport, rows, address)


def check_closed(lab):
    lab.far.rules("")
    for transport in ("tcp", "udp"):
        got = lab.sweep(f"--{transport}", "--rate", "500", ports="40000-40199", want=0)  # the kernel sends 1000 ICMP messages in a second
        assert got["verdicts"] == {"refused": 200} and shown(got) == [(40000, 40199, "refused")], got


def check_source_ports(lab):
    """The firewall lets in only what comes from a media port."""
    lab.far.rules("tcp sport != 20000-20999 drop\nudp sport != 20000-20999 drop")
    for transport in ("tcp", "udp"):
        assert lab.sweep(f"--{transport}", "--timeout", "0.5", ports="50000-50019", want=1)["verdicts"] == {"filtered": 20}
        assert lab.sweep(f"--{transport}", "--source-port", "20000-20999", want=0)["verdicts"] == {"ok": 200}
    # fewer source ports than conversations: TCP shares them, UDP waits for one
    lab.far.rules("tcp sport != 20000-20003 drop\nudp sport != 20000-20003 drop")
    for transport in ("tcp", "udp"):
        assert lab.sweep(f"--{transport}", "--source-port", "20000-20003", want=0)["verdicts"] == {"ok": 200}


def check_few_descriptors(lab):
    """Fewer descriptors than silent ports: slower, not wrong."""
    lab.far.rules(f"tcp dport {FIRST}-{FIRST + 99} drop")
    got = lab.sweep("--timeout", "0.3", limit=90, want=1)
    assert got["verdicts"] == {"filtered": 100, "ok": 100} and shown(got) == [(FIRST, FIRST + 99, "filtered")], got


def check_loss(lab):
    """Random loss is told as degraded or ok, never as a blocked port."""
    lab.far.rules("numgen random mod 100 < 10 drop")
    for transport in ("tcp", "udp"):
        got = lab.sweep(f"--{transport}", "--timeout", "6", want=0)
        assert got["verdicts"].get("degraded", 0) >= 5 and got["retransmits"] >= 5, got
        assert got["verdicts"]["ok"] + got["verdicts"]["degraded"] == 200, got


def check_pace(lab):
    lab.far.rules("")
    got = lab.sweep("--rate", "400", want=0)
    assert 0.4 < got["seconds"] < 1 and got["verdicts"] == {"ok": 200}, got
    assert lab.sweep("--sample", "50", want=0)["tested"] == 50


# what a path does to a stream, on ten ports of its own
SHARING = {
    "tcp": [("meta length > 900 drop", "blackholed"), (f"{DATA} quota over 200 kbytes drop", "blackholed"),
            (f"{DATA} quota over 200 kbytes reject with tcp reset", "reset"), ("meta length > 900 @th,800,16 set 0x4141", "mangled")],
    "udp": [("meta length > 900 @th,800,16 set 0x4141", "mangled"), ("meta length 100-1300 drop", "blackholed"),
            ("meta length > 200 numgen random mod 100 < 15 drop", "degraded")],
}


def check_sharing(lab):
    lab.far.rules("")
    for transport in SHARING:
        for address in (V4, V6):
            got = lab.sweep(f"--{transport}", "--payload", "sharing", ports="50100-50119", address=address, want=0)
            assert got["verdicts"] == {"ok": 20} and got["bytes"] == 20 * 345400 and got["stalls"] == 0, got
    for transport, rows in SHARING.items():
        for rule, verdict in rows:
            lab.far.rules(f"{transport} dport 50100-50104 {rule}")
            got = lab.sweep(f"--{transport}", "--payload", "sharing", "--timeout", "1.2", ports="50100-50109")
            assert got["verdicts"] == {verdict: 5, "ok": 5}, (transport, rule, got)
    assert lab.sweep("--payload", "sharing", "--sample", "2", ports="40000-40009", want=0)["verdicts"] == {"refused": 2}


def check_key(lab):
    """Strangers get nothing: over UDP silence, over TCP a closed connection."""
    with tempfile.TemporaryDirectory() as where:
        with open(f"{where}/key", "w", encoding="ascii") as key, open(f"{where}/other", "w", encoding="ascii") as other:
            key.write("a shared key\n")
            other.write("another key\n")
        lab.far.rules("")
        responder = subprocess.Popen(lab.far.command(CLI, "respond", "--key-file", f"{where}/key", V4, "41000-41009"),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            assert responder.stdout.readline().startswith(b"listening")
            for transport, stranger in (("tcp", "protocol-error"), ("udp", "filtered")):
                for payload in ("stun", "sharing"):
                    words = [f"--{transport}", "--timeout", "0.6", "--payload", payload]
                    assert lab.sweep(*words, "--key-file", f"{where}/key", ports="41000-41009", want=0)["verdicts"] == {"ok": 10}
                    assert lab.sweep(*words, ports="41000-41009", want=1)["verdicts"] == {stranger: 10}
                    assert lab.sweep(*words, "--key-file", f"{where}/other", ports="41000-41009", want=1)["verdicts"] == {stranger: 10}
        finally:
            responder.terminate()
            responder.wait(10)


test_every_rule_on_ports_of_its_own = namespaces.in_lab(Lab, check_rules)
test_sharing = namespaces.in_lab(Lab, check_sharing)
test_shared_key = namespaces.in_lab(Lab, check_key)
test_closed_ports = namespaces.in_lab(Lab, check_closed)
test_source_ports = namespaces.in_lab(Lab, check_source_ports)
test_few_descriptors = namespaces.in_lab(Lab, check_few_descriptors)
test_random_loss = namespaces.in_lab(Lab, check_loss)
test_pace_and_sample = namespaces.in_lab(Lab, check_pace)

if __name__ == "__main__":
    namespaces.with_sudo_if_needed()
    tap.run(globals())
