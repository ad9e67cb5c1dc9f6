#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reloads and ends of edgemediad in the middle of something: a page that nobody reads, a database that refuses."""
import os
import signal
import socket
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from edgemediad import Daemon, Trace, wait_for  # noqa: E402

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


if __name__ == "__main__":
    tap.run(dict(globals()))
