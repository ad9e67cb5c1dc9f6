#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: SRV discovery, every address of every target, and name servers that are dead, slow, refusing and lying."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from certificates import OPENSSL, Authority  # noqa: E402
from dns import Dns  # noqa: E402
from edgemediad import Daemon, wait_for  # noqa: E402
from test_probe import TURNSERVER, Coturn, free_port  # noqa: E402


def probe(dns, *uris, timeout="3", options=()):
    """The rows, the exit status and the seconds."""
    start = time.monotonic()
    got = subprocess.run([f"{BUILD}/edgemedia", "probe", "--json", "--timeout", timeout, "--name-server", dns.address, *options, *uris],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert got.returncode in (0, 1), got
    return [json.loads(line) for line in got.stdout.splitlines()], got.returncode, time.monotonic() - start


def one(dns, uri, **how):
    rows, status, seconds = probe(dns, uri, **how)
    assert len(rows) == 1, rows
    return rows[0], status, seconds


class Responder:
    """edgemedia respond on one port of several addresses."""

    def __init__(self, *addresses):
        self.port = free_port()
        self.processes = []
        for address in addresses:
            p = subprocess.Popen([f"{BUILD}/edgemedia", "respond", address, f"{self.port}-{self.port}"], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.processes.append(p)
            line = p.stdout.readline()
            assert line.startswith("listening"), line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self.processes:
            p.terminate()
            p.communicate(timeout=10)


def test_the_plugin():
    with Responder("127.0.0.1") as r, Dns({("a.example.com", "A"): ["127.0.0.1"]}) as dns:
        for servers, status, words in ((dns.address, 0, "OK"), ("a.example.com", 3, "--name-server must be an address")):
            got = subprocess.run([f"{BUILD}/plugins/check_edge_media", f"--probe=stun:a.example.com:{r.port}", f"--name-server={servers}"],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
            assert got.returncode == status and words in got.stdout + got.stderr, got


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def test_srv_targets_are_all_tested():
    v6 = ["::1"] if has_ipv6() else []
    with Responder("127.0.0.1", "127.0.0.2", *v6) as r, Dns({
            ("_stun._udp.example.com", "SRV"): [(20, 0, r.port, "b.example.com"), (10, 1, r.port, "a.example.com"),
                                                (30, 0, r.port, "gone.example.com"), (40, 0, 9, "a.example.com")],
            ("_stun._tcp.example.com", "SRV"): [(1, 1, r.port, "a.example.com")],
            ("a.example.com", "A"): ["127.0.0.1"], ("a.example.com", "AAAA"): v6,
            ("b.example.com", "A"): ["127.0.0.2"]}) as dns:
        rows, status, _ = probe(dns, "stun:example.com", timeout="5")
        got = {(x["address"], x["port"]): x["verdict"] for x in rows}
        want = {("127.0.0.1", r.port): "ok", ("127.0.0.2", r.port): "ok", (None, 3478): "dns-failed", ("127.0.0.1", 9): "refused"}
        want.update({("::1", p): v for p, v in ((r.port, "ok"), (9, "refused"))} if v6 else {})
        assert got == want and status == 1, (got, want)
        gone = next(x for x in rows if x["address"] is None)
        assert "gone.example.com, of an SRV record: the name does not exist (NXDOMAIN)" in gone["reason"], gone
        assert all(x["phases"]["resolve_us"] > 0 for x in rows), rows
        assert ("_stun._udp.example.com", "SRV") in dns.asked, dns.asked
        rows, status, _ = probe(dns, "stun:example.com?transport=tcp")
        assert status == 0 and {x["address"] for x in rows} == {"127.0.0.1", *v6}, rows


def test_no_srv_means_the_name_itself():
    with Responder("127.0.0.1") as r, Dns({("edge.example.com", "A"): ["127.0.0.1"],
                                           ("odd.example.com", "A"): ["127.0.0.1"], ("_stun._udp.odd.example.com", "SRV"): "REFUSED",
                                           ("none.example.com", "A"): ["127.0.0.1"],
                                           ("_stuns._tcp.none.example.com", "SRV"): [(0, 0, 0, "")]}) as dns:
        for name in ("edge", "odd"):
            x, _, _ = one(dns, f"stun:{name}.example.com", timeout="1")
            assert (x["address"], x["port"]) == ("127.0.0.1", 3478), x
        x, status, _ = one(dns, f"stun:edge.example.com:{r.port}")
        assert status == 0 and ("_stun._udp.edge.example.com", "SRV") in dns.asked, x
        before = len(dns.asked)
        x, status, _ = one(dns, f"stun:edge.example.com:{r.port}")
        assert status == 0 and all(kind != "SRV" for _, kind in dns.asked[before:]), dns.asked
        x, status, _ = one(dns, "stuns:none.example.com")
        assert status == 1 and x["verdict"] == "dns-failed" and "does not offer _stuns._tcp" in x["reason"], x
        rows, _, _ = probe(dns, "stun:localhost", timeout="1")  # the hosts file, with one line for it or two
        got = {x["address"] for x in rows}
        assert ("_stun._udp.localhost", "SRV") not in dns.asked and got and got <= {"127.0.0.1", "::1"} and len(got) == len(rows), rows


def test_failures_are_told_apart():
    ring = [("ring.example.com", "CNAME", "b.example.com"), ("b.example.com", "CNAME", "ring.example.com")]
    alias = [("alias.example.com", "CNAME", "nothing.example.com")]
    with Dns({("empty.example.com", "TXT"): [], ("broken.example.com", "*"): "SERVFAIL", ("closed.example.com", "*"): "REFUSED",
              ("old.example.com", "*"): "NOTIMP", ("ring.example.com", "A"): ring, ("ring.example.com", "AAAA"): ring,
              ("alias.example.com", "A"): alias, ("alias.example.com", "AAAA"): alias,
              ("zero.example.com", "A"): ["0.0.0.0"], ("many.example.com", "A"): ["224.0.0.1"],
              ("junk.example.com", "*"): ("raw", b"\0\1\0\0\0\0junk"),
              ("dead.example.com", "*"): "never"}) as dns:
        for name, words in (("gone", "does not exist (NXDOMAIN)"), ("empty", "has no address (no data)"), ("broken", "SERVFAIL"),
                            ("closed", "REFUSED"), ("old", "NOTIMP"), ("ring", "lie: its aliases lead in a ring"),
                            ("alias", "is an alias of nothing.example.com, which has no address"),
                            ("zero", "lie: they say 0.0.0.0"), ("many", "lie: they say 224.0.0.1"),
                            ("dead", "no answer from the name servers in time"), ("junk", "the name servers")):
            x, status, seconds = one(dns, f"stun:{name}.example.com:3478", timeout="1.5")
            assert status == 1 and x["verdict"] == "dns-failed" and words in x["reason"], (name, x)
            assert x["address"] is None and x["phases"]["resolve_us"] > 0 and x["phases"].keys() == {"resolve_us"}, x
            assert seconds < 2.5, (name, seconds)


def test_dead_and_unreachable_name_servers():
    with Dns({}) as dns:
        address = dns.address
    class Gone:  # noqa: E306
        pass
    Gone.address = address
    for uri in ("stun:edge.example.com", "stun:edge.example.com:3478"):
        x, status, seconds = one(Gone, uri, timeout="2")
        assert status == 1 and x["verdict"] == "dns-failed" and "name servers" in x["reason"] and seconds < 3, (x, seconds)


def test_slow_name_servers():
    with Responder("127.0.0.1") as r, Dns({("slow.example.com", "A"): ("after", 1.3, ["127.0.0.1"]), ("slow.example.com", "AAAA"): [],
                                           ("big.example.com", "A"): ("truncated", ["127.0.0.1"])}) as dns:
        x, status, _ = one(dns, f"stun:slow.example.com:{r.port}", timeout="5")
        assert status == 0 and 1.2e6 < x["phases"]["resolve_us"] < 4e6, x
        x, status, _ = one(dns, f"stun:big.example.com:{r.port}", timeout="5")
        assert status == 0, x
        x, status, seconds = one(dns, f"stun:slow.example.com:{r.port}", timeout="1")
        assert status == 1 and x["verdict"] == "dns-failed" and 0.9 < seconds < 1.6, (x, seconds)


def test_turns_by_srv_checks_the_name_of_the_uri():
    if not TURNSERVER or not OPENSSL:
        return "no turnserver or openssl here"
    with tempfile.TemporaryDirectory(prefix="em-names-") as directory:
        ca = Authority(directory, "/O=Example/CN=Good CA")
        with Coturn("--use-auth-secret", "--static-auth-secret=north", tls=ca.issue("DNS:example.com")) as server, \
                Dns({("_turns._tcp.example.com", "SRV"): [(0, 0, server.tls_port, "host7.provider.example")],
                     ("_turns._tcp.example.net", "SRV"): [(0, 0, server.tls_port, "host7.provider.example")],
                     ("host7.provider.example", "A"): ["127.0.0.1"]}) as dns:
            x, status, _ = one(dns, "turns:example.com", options=("--ca-file", ca.certificate))
            assert status == 0 and x["verdict"] == "ok" and x["port"] == server.tls_port, x
            x, status, _ = one(dns, "turns:example.net", options=("--ca-file", ca.certificate))
            assert status == 1 and x["verdict"] == "tls-failed" and "not for example.net but for example.com" in x["reason"], x
    return None


def test_daemon_shows_a_row_for_each_place():
    with Responder("127.0.0.1", "127.0.0.2") as r, Responder("127.0.0.1") as other, Dns({
            ("_stun._udp.example.com", "SRV"): [(10, 0, r.port, "a.example.com"), (20, 0, other.port, "a2.example.com")],
            ("a.example.com", "A"): ["127.0.0.1", "127.0.0.2"], ("a2.example.com", "A"): ["127.0.0.1"]}) as dns, \
            tempfile.TemporaryDirectory(prefix="em-names-") as directory:
        daemon = Daemon(directory, 'edge "e" { check "c" { uri = "stun:example.com"  interval = 1 } }\n', name_servers=dns.address).start()
        try:
            want = {f"127.0.0.1:{r.port}", f"127.0.0.2:{r.port}", f"127.0.0.1:{other.port}"}
            rows = wait_for("three rows", lambda: (got := daemon.status()["checks"]) and {x["address"] for x in got} == want and got)
            assert all(x["verdict"] in ("ok", "degraded") for x in rows), rows
            assert {x["port"] for x in rows} == {r.port, other.port}, rows
        finally:
            assert daemon.stop() == 0


if __name__ == "__main__":
    tap.run(globals())
