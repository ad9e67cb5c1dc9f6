#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web endpoint as a browser meets it, without one: files, headers, names that it answers to, server-sent events, many clients."""
import gzip
import http.client
import json
import os
import socket
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from edgemediad import Daemon, StunServer, Trace, free_port, wait_for  # noqa: E402

SRC = os.environ.get("EM_SRCDIR", ".")
FILES = {"/": "index.html", "/app.css": "app.css", "/app.js": "app.js", "/graphs.js": "graphs.js", "/uplot.js": "uplot.js", "/uplot.css": "uplot.css"}
PAGE_MAX = 250 * 1000
STREAMS_MAX = 16


def directory():
    return tempfile.TemporaryDirectory(prefix="em-web-")


def test_files_are_those_of_the_source():
    with directory() as d, Daemon(d) as daemon:
        daemon.start()
        size = 0
        for path, name in FILES.items():
            with open(f"{SRC}/web/{name}", "rb") as f:
                want = f.read()
            size += len(want)
            code, headers, body = daemon.get(path, "web")
            assert code == 200 and body == want and headers["Content-Encoding"] is None, path
            code, headers, packed = daemon.get(path, "web", headers={"Accept-Encoding": "br, gzip, deflate"})
            assert code == 200, path
            assert headers["Content-Encoding"] is None or gzip.decompress(packed) == want, path
            code, again, body = daemon.get(path, "web", headers={"If-None-Match": headers["ETag"]})
            assert code == 304 and body == b"" and again["ETag"] == headers["ETag"], path
            assert daemon.get(path, "web", headers={"If-None-Match": '"other"'})[0] == 200, path
        assert size < PAGE_MAX, f"the page has {size} bytes"


def test_every_answer_forbids_what_is_not_ours():
    with directory() as d, Daemon(d) as daemon:
        daemon.start()
        for path in (*FILES, "/nothing", "/api/v1/status", "/metrics", "/healthz", "/api/v1/failures?limit=x"):
            headers = daemon.get(path, "web")[1]
            policy = headers["Content-Security-Policy"]
            for word in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
                assert word in policy, (path, policy)
            assert "unsafe" not in policy and "http:" not in policy, policy
            assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer", (path, headers)


def test_no_path_leads_out():
    with directory() as d, Daemon(d) as daemon:
        daemon.start()
        for path in ("/..", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/app.js/..", "/app.js%00.css", "/APP.JS", "/web/app.js", "/app.js/",
                     "/..%2f..%2fetc/passwd", "/%", "/%zz", "/\\..\\app.js", "/index.html", "/./app.js"):
            code = daemon.get(path, "web")[0]
            assert code in (400, 404), (path, code)
        code, _, body = daemon.get("//app.js", "web")  # a host and no path
        assert code in (400, 404) or body.startswith(b"<!DOCTYPE html>"), (code, body)


def test_only_our_names_are_answered():
    with directory() as d, Daemon(d, web_names="monitor.example.com, edge-monitor.local") as daemon:
        daemon.start()
        for host, want in (("monitor.example.com", 200), ("MONITOR.example.com:443", 200), ("edge-monitor.local", 200), ("localhost", 200),
                           ("monitor.example.com.evil.example", 403), ("evil.example", 403), ("192.0.2.1", 403), ("monitor.example.com:1@evil", 403),
                           ("", 403), ("localhost:evil", 403), ("xmonitor.example.com", 403), ("monitor.example.com,", 403)):
            code = daemon.get("/", "web", headers={"Host": host})[0]
            assert code == want, (host, code)
        daemon.options["web_names"] = "other.example.com"
        daemon.reload("")
        assert daemon.get("/", "web", headers={"Host": "other.example.com"})[0] == 200
        assert daemon.get("/", "web", headers={"Host": "monitor.example.com"})[0] == 403


def test_listening_beyond_loopback_must_be_said():
    with directory() as d:
        for listen in ("0.0.0.0:1", "192.0.2.1:9823", "[::]:9823"):
            daemon = Daemon(d, web_listen=listen)
            status, log = daemon.fails_to_start()
            assert status == 2 and "can be reached from other machines" in log and "web_remote = yes" in log, (status, log)
        port = free_port()
        with Daemon(d, web_listen=f"0.0.0.0:{port}", web_remote="yes") as daemon:
            daemon.port = port
            daemon.start()
            for host, want in (("192.0.2.1", 200), (f"192.0.2.1:{port}", 200), ("[2001:db8::1]:80", 200), ("localhost", 200), ("evil.example", 403),
                               ("1.2.3.4.evil.example", 403), ("[2001:db8::1", 403), ("[::1]evil", 403)):
                assert daemon.get("/healthz", "web", headers={"Host": host})[0] == want, host


class Events:
    """One client of /api/v1/events."""

    def __init__(self, daemon):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=15)
        self.connection.request("GET", "/api/v1/events")
        self.answer = self.connection.getresponse()

    def next(self):
        """(serial, status)"""
        event = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if not line:
                assert event["event"] == "status", event
                return int(event["id"]), json.loads(event["data"])
            name, _, value = line.partition(": ")
            event[name] = value

    def close(self):
        self.connection.close()


def test_events_carry_the_status():
    stun = StunServer()
    with directory() as d:
        trace = Trace(f"{d}/fe.log")
        with Daemon(d, f'source "fe" {{ type = trace path = "{d}/fe.log" }}\nedge "e" {{ check "c" {{ uri = "stun:127.0.0.1:{stun.port}" }} }}\n') as daemon:
            daemon.start()
            events = [Events(daemon) for _ in range(3)]
            assert all(e.answer.status == 200 and e.answer.headers["Content-Type"] == "text/event-stream" for e in events)
            first = [e.next() for e in events]
            trace.fail("a\r\n\r\ndata: {}".replace("\r\n", " "), 23)
            for e, (serial, _) in zip(events, first):
                status = {"code_23": 0}
                while status["code_23"] == 0:
                    before, (serial, status) = serial, e.next()
                    assert serial > before, (serial, before)
                assert status["code_23"] == 1 and set(status) == set(daemon.status()), "an event is not the status"
            for e in events:
                e.close()
    stun.close()


def test_events_have_a_bound_on_clients():
    with directory() as d, Daemon(d) as daemon:
        daemon.start()
        events = [Events(daemon) for _ in range(STREAMS_MAX)]
        assert all(e.answer.status == 200 for e in events)
        refused = Events(daemon)
        assert refused.answer.status == 503 and b"/api/v1/status" in refused.answer.read()
        assert daemon.get("/healthz", "web")[0] == 200
        events.pop().close()
        wait_for("a free place", lambda: Events(daemon).answer.status == 200, 10)
        for e in events:
            e.close()
        assert daemon.stop() == 0  # with clients that still listen


def test_a_thousand_slow_clients():
    with directory() as d, Daemon(d) as daemon:
        daemon.start()
        slow = []
        for i in range(1000):
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.settimeout(5)
            slow.append(s)
            try:
                s.connect(("127.0.0.1", daemon.port))
                s.sendall((b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\r\nX: ")[i % 2])
            except OSError:
                pass
        begin = time.monotonic()
        assert daemon.get("/healthz", "web")[0] == 200 and daemon.get("/app.js", "web")[0] == 200
        assert time.monotonic() - begin < 5, "slow clients keep others out"
        assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 500
        for s in slow:
            s.close()
        wait_for("descriptors to be closed", lambda: len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 60, 10)
        assert daemon.get("/", "web")[0] == 200 and daemon.stop() == 0


tap.run(globals())
