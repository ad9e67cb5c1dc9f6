#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes through two allocations of a real coturn and back, over UDP and TCP; what a relay refuses; nothing is left behind."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from certificates import OPENSSL, Authority  # noqa: E402
from test_probe import TURNSERVER, Coturn  # noqa: E402

SECRET = ("--use-auth-secret", "--static-auth-secret=north")
USER = ("--lt-cred-mech", "--user=bob:north")


def command(uri, password, *options, user=None, timeout="5"):
    with tempfile.NamedTemporaryFile("w", prefix="em-relay-", suffix=".pw", encoding="utf-8") as f:
        f.write(password + "\n")
        f.flush()
        how = ["--user", user, "--password-file", f.name] if user else ["--secret-file", f.name]
        got = subprocess.run([f"{BUILD}/edgemedia", "probe", "--json", "--timeout", timeout, *how, *options, uri],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert got.returncode in (0, 1), got
    return json.loads(got.stdout), got.returncode


def released(server, how_many):
    """Every allocation was given back: as many refreshes to lifetime 0, for the same sessions."""
    end = time.monotonic() + 5
    while True:
        made = set(re.findall(r"session (\d+): new, realm", server.text()))
        gone = set(re.findall(r"session (\d+): refreshed, realm=<r.example>, username=<[^>]*>, lifetime=0", server.text()))
        if len(made) == how_many and made == gone:
            return
        assert time.monotonic() < end, server.text()
        time.sleep(0.05)


def test_bytes_come_back():
    if not TURNSERVER:
        return "no turnserver here"
    for transport in ("udp", "tcp"):
        with Coturn(*SECRET, "--min-port=50000", "--max-port=50999") as server:
            r, status = command(server.uri("relay", transport), "north")
            assert status == 0 and r["verdict"] in ("ok", "degraded") and r["loss"] == 0, r
            assert (r["sent"], r["received"], r["packets_sent"], r["packets_received"]) == (4000, 4000, 20, 20), r
            assert r["phases"]["relay_us"] >= 380000 and r["phases"]["allocate_us"] > 0 and r["relayed_port_in_range"] is True, r
            assert 0 < r["rtt_min_us"] <= r["rtt_us"] <= r["rtt_max_us"] and r["relayed_address"].startswith("127.0.0.1:50"), r
            released(server, 2)
            r, status = command(server.uri("relay", transport), "north", "--relay-ports", "60000-60009")
            assert r["verdict"] == "degraded" and "is not in 60000-60009" in r["reason"] and r["relayed_port_in_range"] is False, r
            released(server, 4)
    return None


def carried(r, status):
    assert status == 0 and r["verdict"] in ("ok", "degraded") and r["loss"] == 0, r
    assert (r["sent"], r["received"], r["packets_sent"], r["packets_received"]) == (4000, 4000, 20, 20), r


def test_two_servers():
    if not TURNSERVER:
        return "no turnserver here"
    with Coturn(*SECRET) as near, Coturn(*SECRET) as far:
        for transport in ("udp", "tcp"):
            carried(*command(f"relay:127.0.0.1:{near.port}?transport={transport}&far=127.0.0.1:{far.port}", "north"))
        for server in (near, far):
            released(server, 2)
        with Coturn(*SECRET, "--denied-peer-ip=127.0.0.0-127.255.255.255") as strict:
            r, status = command(f"relay:127.0.0.1:{near.port}?far=127.0.0.1:{strict.port}", "north")
            assert status == 1 and r["verdict"] == "degraded" and "forbids" in r["reason"] and "(far leg)" in r["reason"], r
            released(strict, 1)
        released(near, 3)
    r, status = command(f"relay:127.0.0.1:{near.port}?far=nowhere.invalid", "north")
    assert status == 1 and r["verdict"] == "refused", r
    return None


def test_tcp_allocations():
    """RFC 6062: four connections, over TCP and over TLS."""
    if not TURNSERVER or not OPENSSL:
        return "no turnserver or no openssl here"
    with tempfile.TemporaryDirectory(prefix="em-relay-") as directory:
        authority = Authority(directory, "/O=Example/CN=Good CA")
        with Coturn(*SECRET, tls=authority.issue("IP:127.0.0.1")) as server:
            carried(*command(f"{server.uri('relay', 'tcp')}&relayed=tcp", "north"))
            released(server, 2)
            secure = f"relays:127.0.0.1:{server.tls_port}"
            for query in ("", "?relayed=tcp", f"?far=127.0.0.1:{server.tls_port}"):
                r, status = command(secure + query, "north", "--ca-file", authority.certificate)
                carried(r, status)
                assert r["transport"] == "tls" and r["certificate_issuer"] == "CN=Good CA,O=Example", r
            released(server, 8)
            r, status = command(secure, "north")
            assert status == 1 and r["verdict"] == "tls-failed" and "not trusted here" in r["reason"], r
        with Coturn(*SECRET, "--denied-peer-ip=127.0.0.0-127.255.255.255") as server:
            r, status = command(f"{server.uri('relay', 'tcp')}&relayed=tcp", "north")
            assert status == 1 and r["verdict"] == "degraded" and "forbids" in r["reason"], r
            released(server, 2)
    return None


def test_refusals_are_told_apart():
    if not TURNSERVER:
        return "no turnserver here"
    with Coturn(*USER, "--total-quota=1") as server:
        r, status = command(server.uri("relay", "udp"), "north", user="bob")
        assert status == 1 and r["verdict"] == "degraded" and "the relay is up" in r["reason"] and "486 " in r["reason"] and "(far leg)" in r["reason"], r
        released(server, 1)
        r, status = command(server.uri("relay", "udp"), "south", user="bob")
        assert status == 1 and r["verdict"] == "auth-failed" and r["loss"] is None, r
    with Coturn(*SECRET, "--denied-peer-ip=127.0.0.0-127.255.255.255") as server:
        for transport in ("udp", "tcp"):
            r, status = command(server.uri("relay", transport), "north")
            assert status == 1 and r["verdict"] == "degraded" and "forbids its own relayed address" in r["reason"], r
        released(server, 4)
    r, status = command(server.uri("relay", "udp"), "north", timeout="2")
    assert status == 1 and r["verdict"] == "refused" and "the relay is up" not in r["reason"], r
    return None


def test_interrupted_leaves_nothing():
    if not TURNSERVER:
        return "no turnserver here"
    with Coturn(*SECRET) as server, tempfile.TemporaryDirectory(prefix="em-relay-") as directory:
        with open(f"{directory}/secret", "w", encoding="utf-8") as f:
            f.write("north\n")
        p = subprocess.Popen([f"{BUILD}/edgemedia", "probe", "--secret-file", f"{directory}/secret", server.uri("relay", "udp")],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        end = time.monotonic() + 5
        while len(set(re.findall(r"session (\d+): new, realm", server.text()))) < 2 and time.monotonic() < end:
            time.sleep(0.005)
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=10)
        released(server, 2)
    return None


if __name__ == "__main__":
    tap.run(globals())
