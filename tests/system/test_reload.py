#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reloads and ends of edgemediad in the middle of something: a page that nobody reads, a database that refuses."""
import json
import os
import resource
import signal
import socket
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from edgemediad import Daemon, StunServer, Trace, wait_for  # noqa: E402

CALLS = 1000  # their page is larger than what a Unix socket takes


def directory():
    return tempfile.TemporaryDirectory(prefix="em-reload-")


def source(path):
    return f'source "fe01" {{ type = trace path = "{path}" }}\n'


def many_failures(d):
    trace = Trace(f"{d}/a.log")
    for i in range(CALLS):
        trace.fail(f"call {i}")
    daemon = Daemon(d, source(f"{d}/*.log")).start()
    wait_for("the trace", lambda: daemon.status()["calls"] == CALLS)
    return daemon


def ask_and_do_not_read(daemon):
    """A client whose page is on its way for as long as the client is there."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(10)
    s.connect(daemon.control)
    s.sendall(f"GET /api/v1/failures?limit={CALLS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert s.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
    return s


def test_the_control_socket_moves_while_a_page_is_not_read():
    with directory() as d, many_failures(d) as daemon:
        with ask_and_do_not_read(daemon):
            daemon.control = daemon.options["control_socket"] = f"{d}/other"
            daemon.reload(source(f"{d}/*.log"))
            assert daemon.get("/healthz")[0] == 200
        assert daemon.status()["calls"] == CALLS
        assert daemon.stop() == 0, daemon.log_text()


def test_the_end_while_a_page_is_not_read():
    for sig in (signal.SIGTERM, signal.SIGINT):
        with directory() as d, many_failures(d) as daemon, ask_and_do_not_read(daemon), ask_and_do_not_read(daemon):
            assert daemon.stop(sig) == 0, daemon.log_text()


def check(name, port):
    return f'check "{name}" {{ uri = "stun:127.0.0.1:{port}" interval = 1000 timeout = 1 }}\n'


def edges(oslo, *more):
    return f'edge "oslo" {{ {oslo} }}\n' + "".join(f'edge "{name}" {{ }}\n' for name in more)


def limit_files(daemon, size):
    """From now on the daemon's files cannot become larger."""
    _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def in_force(daemon):
    """As of a snapshot that is taken from now on."""
    last = daemon.status()["daemon"]["snapshot_time"]
    status = wait_for("a snapshot", lambda: (s := daemon.status())["daemon"]["snapshot_time"] > last and s)
    return ([(e["name"], e["checks"]) for e in status["edges"]], sorted((c["name"], c["uri"]) for c in status["checks"]),
            [s["name"] for s in status["sources"]], status["daemon"]["config_time"])


def test_a_database_that_refuses_leaves_the_old_configuration():
    stun = StunServer()
    a, b = check("a", stun.port), check("b", stun.port)
    with directory() as d, Daemon(d, edges(a + b)) as daemon:
        daemon.start()
        wait_for("both checks", lambda: all(c["probes"] for c in daemon.status()["checks"]))
        daemon.reload(edges(a, "bergen"))  # the last thing that is written; a's next probe is minutes away
        before = in_force(daemon)
        limit_files(daemon, os.path.getsize(daemon.log) + 4096)
        # b has a number already, the source has none: only the last step fails
        refused = [edges(a + b) + source(f"{d}/*.log"), edges(b, "bergen") + source(f"{d}/*.log"), source(f"{d}/*.log")]
        for body in refused:
            daemon.options["control_socket"] = f"{d}/other"
            daemon.reload(body)
            now = in_force(daemon)
            assert now == before, (before, now)
            assert not os.path.exists(f"{d}/other")
            code, _, page = daemon.get("/healthz")
            reason = json.loads(page)["reasons"][0]
            assert code == 503 and "not in force" in reason and daemon.database in reason, reason
        limit_files(daemon, resource.RLIM_INFINITY)
        daemon.options["control_socket"] = daemon.control
        for body, names in zip(refused, (["a", "b"], ["b"], [])):
            daemon.reload(body)
            now = in_force(daemon)
            assert [name for name, _ in now[1]] == names and now[2] == ["fe01"] and daemon.get("/healthz")[0] == 200, now
    stun.close()


if __name__ == "__main__":
    tap.run(dict(globals()))
