#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of a real TURN server (coturn) on loopback, over UDP and TCP: without credentials, with right and wrong ones, with a shared
secret; allocations are gone afterwards; and a server that is stopped is noticed in time."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system", f"{SRC}/demo"]
import clock  # noqa: E402
import free_ports  # noqa: E402
import tap  # noqa: E402
from private_snmpd import wait_for  # noqa: E402

PROBE = f"{BUILD}/tests/system/probe_real"
TURNSERVER = shutil.which("turnserver")
BINDING = bytes.fromhex("000100002112a442") + b"probe-system"


def probe(uri, *credentials, timeout="3s"):
    """[(address, verdict, {key: value})], the seconds that it took, and those without waiting for a processor."""
    status, told, idle = clock.run(PROBE, timeout, uri, *credentials)
    assert status == 0, told
    *results, done = told.splitlines()
    rows = []
    for line in results:
        address, verdict, rest = line.split(" ", 2)
        rows.append((address, verdict, dict(re.findall(r"(\w+)=(.*?)(?= \w+=|$)", rest))))
    seconds = int(done.split("=")[1]) / 1e6
    return rows, (seconds, seconds - idle)


def one(uri, *credentials, **how):
    rows, seconds = probe(uri, *credentials, **how)
    assert len(rows) == 1, rows
    return rows[0][1], rows[0][2], seconds


def answers(port):
    """On UDP and TCP both: the server opens them one after the other."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.1).close()
    except OSError:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.1)
        s.connect(("127.0.0.1", port))
        try:
            s.send(BINDING)
            return s.recv(1500)[8:20] == BINDING[8:]
        except OSError:
            return False


def free_port():
    return free_ports.take()


class Coturn:
    def __init__(self, *options, tls=None):
        """tls: certificate and key; then self.tls_port is there, too."""
        self.options = options
        self.tls_port = free_port() if tls else None
        self.tls = ["--tls-listening-port", str(self.tls_port), "--cert", tls[0], "--pkey", tls[1]] if tls else ["--no-tls"]

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="em-coturn-")
        self.port = free_port()
        self.log = f"{self.directory.name}/log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [TURNSERVER, "-n", "--no-cli", *self.tls, "--no-dtls", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", str(self.port),
                 "-r", "r.example", "--allow-loopback-peers", "-v", "--log-file", "stdout", "--pidfile", f"{self.directory.name}/pid",
                 "--userdb", f"{self.directory.name}/db", *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory.name)
        end = time.monotonic() + 15
        while not answers(self.port):
            assert self.process.poll() is None and time.monotonic() < end, self.text()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(15)
        self.directory.cleanup()

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def uri(self, kind, transport):
        return f"{kind}:127.0.0.1:{self.port}" + ("?transport=tcp" if transport == "tcp" else "")


def each_transport(check):
    """Runs check(server, transport) over both; a server of its own, because the log of each is read."""
    def test():
        if not TURNSERVER:
            return "no turnserver here"
        for transport in ("udp", "tcp"):
            check(transport)
        return None
    return test


def check_binding(transport):
    with Coturn("--use-auth-secret", "--static-auth-secret=north") as server:
        verdict, r, _ = one(server.uri("stun", transport))
        assert verdict == "ok" and r["mapped"].startswith("127.0.0.1:"), r
        assert "Coturn" in r["software"] and r["requests"] == "1" and int(r["rtt_us"]) > 0, r
        assert (int(r["connect_us"]) > 0) == (transport == "tcp"), r
        verdict, r, _ = one(f"{transport}:127.0.0.1:{server.port}")
        assert verdict == "ok", r


def check_no_credentials(transport):
    with Coturn("--use-auth-secret", "--static-auth-secret=north") as server:
        verdict, r, _ = one(server.uri("turn", transport))
        assert verdict == "ok" and "401" in r["reason"] and not r["relayed"], r
        assert "new, realm" not in server.text(), server.text()


def released(server, how_many):
    """As many refreshes to lifetime 0 as allocations, and the server agreed."""
    text = server.text()
    made = re.findall(r"session (\d+): new, realm=<r.example>", text)
    gone = re.findall(r"session (\d+): refreshed, realm=<r.example>, username=<[^>]*>, lifetime=0", text)
    assert len(made) == how_many and made == gone, text


def check_secret(transport):
    with Coturn("--use-auth-secret", "--static-auth-secret=north") as server:
        verdict, r, _ = one(server.uri("turn", transport), "secret", "north")
        assert verdict == "ok" and r["relayed"].startswith("127.0.0.1:") and int(r["allocate_us"]) > 0, r
        assert r["requests"] == "3", r
        released(server, 1)
        verdict, r, _ = one(server.uri("turn", transport), "secret", "south")
        assert verdict == "auth-failed" and not r["relayed"], r
        released(server, 1)


def check_password(transport):
    with Coturn("--lt-cred-mech", "--user=bob:north") as server:
        verdict, r, _ = one(server.uri("turn", transport), "bob", "north")
        assert verdict == "ok" and r["relayed"].startswith("127.0.0.1:"), r
        released(server, 1)
        for wrong in (("bob", "south"), ("eve", "north")):
            verdict, r, _ = one(server.uri("turn", transport), *wrong)
            assert verdict == "auth-failed" and r["requests"] == "2", r
        released(server, 1)


def check_quota(transport):
    with Coturn("--lt-cred-mech", "--user=bob:north", "--total-quota=1") as server:
        holder = subprocess.Popen(["turnutils_uclient", "-u", "bob", "-w", "north", "-p", str(server.port), "-e", "127.0.0.1", "-m", "1",
                                   "-n", "1000", "-z", "50", "-c", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 10
            while "new, realm" not in server.text():
                assert time.monotonic() < end, server.text()
                time.sleep(0.05)
            verdict, r, _ = one(server.uri("turn", transport), "bob", "north")
            assert verdict == "degraded" and "486" in r["reason"], (verdict, r)
        finally:
            holder.terminate()
            holder.wait(10)


test_binding_is_answered = each_transport(check_binding)
test_401_without_credentials_is_ok = each_transport(check_no_credentials)
test_shared_secret_makes_and_releases_an_allocation = each_transport(check_secret)
test_password_makes_and_releases_an_allocation = each_transport(check_password)


def test_quota_reached_is_degraded():
    if not TURNSERVER or not shutil.which("turnutils_uclient"):
        return "no turnserver here"
    return check_quota("udp")


def stands_still(pid):
    """A signal reaches the threads of a process one after the other; one that still runs would answer."""
    states = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii", errors="replace") as f:
            states.append(f.read().rpartition(")")[2].split()[0])
    return set(states) == {"T"}


def test_stopped_server_ends_at_the_timeout():
    if not TURNSERVER:
        return "no turnserver here"
    with Coturn("--use-auth-secret", "--static-auth-secret=north") as server:
        server.process.send_signal(signal.SIGSTOP)
        wait_for("all its threads stand still", lambda: stands_still(server.process.pid), 5)
        for kind, want in (("stun", "filtered"), ("turn", "filtered")):
            verdict, r, (seconds, itself) = one(server.uri(kind, "udp"), timeout="800ms")
            assert verdict == want and r["requests"] == "2", (verdict, r)
            assert seconds >= 0.8 and itself <= 0.9, (seconds, itself)
        verdict, r, (seconds, itself) = one(server.uri("turn", "tcp"), timeout="800ms")  # the kernel takes connection and payload
        assert verdict == "silent" and seconds >= 0.8 and itself <= 0.9, (verdict, r, seconds, itself)
    return None


def test_ended_server_is_refused():
    if not TURNSERVER:
        return "no turnserver here"
    with Coturn("--use-auth-secret", "--static-auth-secret=north") as server:
        port = server.port
    for uri in (f"stun:127.0.0.1:{port}", f"turn:127.0.0.1:{port}?transport=tcp"):
        verdict, r, (seconds, itself) = one(uri)
        assert verdict == "refused" and itself < 1, (verdict, r, seconds, itself)
    return None


if __name__ == "__main__":
    tap.run(globals())
