#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings end to end: edgemediad inside, a firewall that misbehaves in the middle, a trace that reports what such a path would report. For each
fault the expected findings and no others within two probe intervals; none before it, and none after it is lifted. Prints a table."""
import concurrent.futures
import json
import os
import queue
import sys
import tempfile
import time

SRC = os.environ.get("EM_SRCDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import certificates  # noqa: E402
import firewall  # noqa: E402
import namespaces  # noqa: E402
import tap  # noqa: E402
from edgemediad import Daemon, Trace, wait_for  # noqa: E402

LABS, INTERVAL_S, TIMEOUT_S, CLEAR_S = 10, 3, 1.5, 4
SLACK_S = 4  # a snapshot, a busy machine
MEDIA = "meta l4proto { tcp, udp } th dport 50000-50009"



def fails(n, ice, code=23, relays=1):
    """Failed calls of application sharing, in turn with so many far relays."""
    return [{"ice": ice, "code": code, "relay": f"203.0.113.{7 + i % relays}:4"} for i in range(n)]


# name, rules for packets that pass, rules before, mode of the proxy, failed calls, other settings, findings expected
FAULTS = (
    ("clean", "", "", None, (), {}, set()),
    ("one call fails, paths are well", "", "", None, fails(1, "0x100"), {}, set()),
    ("application inspection on media", "tcp dport 50000-50009 meta length > 80 drop", "", None, fails(4, "0x8000100"), {}, {"application-inspection"}),
    ("media ports blocked", f"{MEDIA} drop", "", None, (), {}, {"range-blocked"}),
    ("a sub-range blocked", "tcp dport 50003-50006 drop", "", None, (), {}, {"range-blocked"}),
    ("UDP blocked, TCP gets through", "meta l4proto udp drop", "", None, (), {}, {"udp-blocked"}),
    ("one of two addresses broken", "meta nfproto ipv6 drop", "", None, (), {}, {"address-broken"}),
    ("TLS interception on TCP 443", "", f"tcp dport 443 redirect to :{firewall.PROXY_PORT}", "alert", (), {}, {"tls-inspection"}),
    ("credentials rejected", "", "", None, (), {"secret": "wrong"}, {"credentials-rejected"}),
    ("source silent", "", "", None, (), {"silent": "2"}, {"source-silent"}),
    ("everything blocked", "drop", "", None, (), {}, {"edge-unreachable"}),
    ("addresses are rewritten", "", f"udp dport 50000 redirect to :{firewall.PROXY_PORT}", "address", (), {}, {"rewritten"}),
    ("the relay's port refuses", "meta l4proto { tcp, udp } th dport 3478 reject", "", None, (), {}, {"relay-down"}),
    ("the name is gone", "", "", None, (), {"name": "gone.example.com"}, {"name-wrong"}),
    ("calls fail, paths are well", "", "", None, fails(4, "0x40", 24, relays=2), {}, {"calls-fail-probes-pass"}),
    ("all with one partner", "", "", None, fails(6, "0x8000100"), {}, {"partner-only"}),
    ("only sharing fails", "", "", None, fails(6, "0x40", 24, relays=3), {}, {"media-only"}),
    ("calls tell of TLS inspection", "", "", None, fails(3, "0x800000", relays=3), {}, {"tls-inspection"}),
    ("calls tell of expired credentials", "", "", None, fails(3, "0x4000", relays=3), {}, {"credentials-rejected"}),
    ("a call finds no relay port", "", "", None, fails(1, "0x200000"), {}, {"ports-exhausted"}),
)


class Place:
    """A lab with a daemon inside."""

    def __init__(self, lab, directory):
        self.lab, self.d = lab, directory
        os.mkdir(f"{directory}/logs")
        for secret in ("right", "wrong"):
            with open(f"{directory}/{secret}", "w", encoding="ascii") as f:
                f.write(firewall.SECRET if secret == "right" else "south")
        self.trace = Trace(f"{directory}/logs/a.log")
        self.trace.fail("before", ice="0x100")  # a source that never brought anything is not silent
        self.daemon = Daemon(directory, self.body())
        plain = self.daemon.command
        self.daemon.command = lambda *more: lab.inside.command(*plain(*more))
        self.calls = 0

    def body(self, secret="right", silent="1d", name="both.example.com"):
        pace = f"interval = {INTERVAL_S} timeout = {TIMEOUT_S}"
        checks = {"media-tcp": f"tcp:{name}:50000", "media-udp": f"udp:{name}:50000", "web": f"tcp:{firewall.OUT4}:443"}
        text = "".join(f'check "{name}" {{ uri = "{uri}" {pace} }}\n' for name, uri in checks.items())
        text += f'check "turn" {{ uri = "turn:{firewall.OUT4}:3478" secret_file = "{self.d}/{secret}" {pace} }}\n'
        text += f'range "tcp" {{ ports = "{firewall.PORTS}" transport = tcp host = "{firewall.OUT4}" {pace} }}\n'
        # the name server is part of the test, not of the fault: it is asked beside the firewall
        return (f'name_servers = "127.0.0.1:{firewall.LIAR_PORT}"\nfinding_clear = {CLEAR_S}\nfinding_delay = {INTERVAL_S}\nfinding_calls_window = 5\n'
                f'finding_source_silent = {silent}\nedge "oslo" {{ {text} }}\nsource "fe01" {{ type = trace path = "{self.d}/logs/*.log" }}\n')

    def findings(self):
        return {f["kind"] for f in json.loads(self.daemon.get("/api/v1/findings")[2])["findings"]}

    def steady(self, want, seconds):
        """(the findings after at most so many seconds, when they came); they must then stay for an interval."""
        begin = time.monotonic()
        while (found := self.findings()) != want and time.monotonic() - begin < seconds:
            time.sleep(0.1)
        came = time.monotonic() - begin
        others = set()
        end = time.monotonic() + INTERVAL_S
        while found == want and time.monotonic() < end:
            others |= self.findings() - want
            time.sleep(0.1)
        return found | others, came

    def judge(self, fault):
        name, forward, nat, mode, calls, settings, want = fault
        proxy = self.lab.proxy(mode) if mode else None
        self.lab.rules(forward, nat)
        if settings:
            self.daemon.reload(self.body(**settings))
        for call in calls:
            self.calls += 1
            self.trace.fail(f"call {self.calls}", **call)
        found, came = self.steady(want, 2 * (INTERVAL_S * 1.1 + TIMEOUT_S) + SLACK_S)
        self.lab.rules("")
        if proxy:
            proxy.terminate()
            proxy.wait(10)
        if settings:
            self.daemon.reload(self.body())
        left, cleared = self.steady(set(), CLEAR_S + 5 + 2 * (INTERVAL_S * 1.1 + TIMEOUT_S) + SLACK_S)
        return name, want, found, left, came, cleared


def work(certificate, faults, rows):
    with firewall.Firewall(certificate) as lab, tempfile.TemporaryDirectory(prefix="em-findings-lab-") as d:
        lab.start(lab.inside, "ready", sys.executable, f"{os.path.dirname(os.path.abspath(__file__))}/name_server.py", "127.0.0.1",
                  str(firewall.LIAR_PORT), "true")
        place = Place(lab, d)
        with place.daemon as daemon:
            daemon.start()
            wait_for("all checks", lambda: all(c["up"] for c in daemon.status()["checks"]) and len(daemon.status()["checks"]) == 6
                     and daemon.status()["ranges"][0]["clear"] == 1, 30)
            while True:
                try:
                    fault = faults.get_nowait()
                except queue.Empty:
                    return
                rows.append(place.judge(fault))


def words(kinds):
    return " ".join(sorted(kinds)) or "-"


def test_every_fault_gives_its_findings_and_no_others():
    why = namespaces.missing() or (None if firewall.TURNSERVER else "no coturn") or (None if certificates.OPENSSL else "no openssl")
    if why:
        return why
    faults, rows = queue.Queue(), []
    for fault in FAULTS:
        faults.put(fault)
    with tempfile.TemporaryDirectory(prefix="em-findings-ca-") as d:
        certificate = certificates.Authority(d, "/O=Example/CN=Good CA").issue(f"IP:{firewall.OUT4},IP:{firewall.OUT6}")
        with concurrent.futures.ThreadPoolExecutor(LABS) as pool:
            for worker in [pool.submit(work, certificate, faults, rows) for _ in range(LABS)]:
                worker.result()
    print(f"# {'fault':<34} {'expected':<24} {'given':<24} {'left':<8} came s  cleared s")
    for name, want, found, left, came, cleared in rows:
        print(f"# {name:<34} {words(want):<24} {words(found):<24} {words(left):<8} {came:6.1f}  {cleared:6.1f}")
    wrong = [row for row in rows if row[2] != row[1] or row[3]]
    assert not wrong and {row[0] for row in rows} == {fault[0] for fault in FAULTS}, wrong
    return None


if __name__ == "__main__":
    namespaces.with_sudo_if_needed()
    tap.run(globals())
