#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources that ask log servers: each preset, exactly once over restarts and kills, and whatever a server can do wrong."""
import contextlib
import os
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import log_servers  # noqa: E402
import tap  # noqa: E402
from certificates import Authority  # noqa: E402
from edgemediad import Daemon, sanitized, wait_for  # noqa: E402
from log_servers import Servers  # noqa: E402

PRESETS = {
    "loki": 'preset = loki query = "{job=\\"sip\\"}"',
    "elasticsearch": 'preset = elasticsearch index = "sip-*" query = "host.name:fe01"',
    "homer": 'preset = homer7 user = "monitor" password_file = "%(d)s/password"',
    "generic": 'preset = generic text = "/items/*/sip/text" time_field = "/items/*/when" cursor = "/next"',
}
COUNTERS = ("calls", "media_failures", "code_23", "tcp_nat_check", "code_23_tcp_nat", "unkeyed", "malformed", "duplicates", "reports")


def directory():
    d = tempfile.TemporaryDirectory(prefix="em-http-")
    with open(f"{d.name}/password", "w", encoding="utf-8") as f:
        f.write('se"cret\n')
    os.chmod(f"{d.name}/password", 0o600)
    return d


def source(d, name, server, more="", page=7, interval=1):
    path = "/generic?after={cursor}&n={limit}" if name == "generic" else ""
    return (f'source "{name}" {{ type = http {PRESETS[name] % {"d": d}} url = "{server.url}{path}" interval = {interval} page = {page} '
            f'{more} }}\n')


def row(daemon, name):
    return next(r for r in daemon.status()["sources"] if r["name"] == name)


def counts(daemon):
    status = daemon.status()
    return {name: status[name] for name in COUNTERS}


def caught_up(daemon, *names):
    wait_for(f"{names} to catch up", lambda: all(row(daemon, name)["state"] == "caught-up" for name in names))


def fill(server, n, prefix="call", ago=600):
    """n calls, three at each time."""
    now = time.time()
    for i in range(n):
        server.add(now - ago + i // 3, f"{prefix}-{i}@example.com")


def each(servers, what, n):
    for name, server in servers.items():
        what(server, n, name)


def expect(daemon, code_23, reports):
    """All calls of all presets, and the counters of each: no report came twice."""
    wait_for(f"{code_23} calls: {counts(daemon)}", lambda: daemon.status()["code_23"] == code_23)
    caught_up(daemon, *PRESETS)
    for name in PRESETS:
        r = row(daemon, name)
        assert (r["reports"], r["duplicates"], r["unkeyed"], r["malformed"]) == (reports, 0, 1, 0), (r, reports)


def test_each_preset():
    """What was there, what came while the daemon was killed, and what came late; a look-alike, and a report without a Call-ID."""
    with directory() as d, contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(Servers()) for name in PRESETS}
        each(servers, fill, 60)
        for name, server in servers.items():
            server.add(time.time() - 300, None)
            server.add(time.time() - 300, f"other-{name}@example.com", code=1023, ice="0x0")
        with Daemon(d, "".join(source(d, name, server) for name, server in servers.items())) as daemon:
            daemon.start()
            expect(daemon, 240, 62)
            daemon.stop(signal.SIGKILL)
            for name, server in servers.items():
                fill(server, 5, f"while-{name}", ago=20)
            daemon.start()
            expect(daemon, 260, 67)
            for name, server in servers.items():
                if name != "generic":  # its cursor is the order in which records came
                    server.records.insert(0, (int((time.time() - 50) * 1e9), log_servers.bye(f"late-{name}@example.com")))
            wait_for("those that came late", lambda: daemon.status()["code_23"] == 263)
            assert "203.0.113.7:4" in daemon.get("/api/v1/failures")[2].decode()
            assert servers["loki"].asked[-1]["headers"]["Accept-Encoding"] == "gzip"
            assert daemon.stop() == 0, daemon.log_text()


def test_killed_again_and_again():
    """Between an answer and its commit, too: all four at once, and no count differs from what the servers have."""
    with directory() as d, Servers() as server:
        fill(server, 120)
        body = "".join(source(d, name, server) for name in PRESETS)
        with Daemon(d, body) as daemon:
            for i in range(5):
                daemon.spawn()
                time.sleep(0.1 + 0.04 * i)
                daemon.stop(signal.SIGKILL)
            daemon.start()
            caught_up(daemon, *PRESETS)
            now = counts(daemon)
            assert (now["calls"], now["code_23"], now["reports"], now["duplicates"]) == (120, 120, 480, 360), now
            for name in PRESETS:
                assert row(daemon, name)["reports"] == 120, row(daemon, name)
            assert daemon.stop() == 0


TROUBLES = [
    ("an answer that is cut", log_servers.closing(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\""), "bytes remaining"),
    ("a body without an end", log_servers.never_ends, "longer than"),
    ("no HTTP", log_servers.closing(b"220 mail.example.com ESMTP\r\n"), "HTTP/0.9"),
    ("a gzip bomb", log_servers.bomb(64), "longer than"),
    ("damaged gzip", log_servers.body(b"nonsense", [("Content-Encoding", "gzip")]), "content"),
    ("10,000 levels", log_servers.body(log_servers.DEEP), "64 levels"),
    ("two million arrays", log_servers.body(log_servers.MANY), "arrays"),
    ("no JSON", log_servers.body(b"<html>"), "no JSON"),
    ("JSON that ends early", log_servers.body(b'{"data":{'), "ends early"),
    ("another kind of server", log_servers.body(b'{"version":1}'), "nothing at /data/result"),
    ("a ring of redirects", None, "in a ring"),
    ("a redirect elsewhere", log_servers.redirect("http://127.0.0.2:1/x"), "another place"),
    ("a redirect to a file", log_servers.redirect("file:///etc/passwd"), "no HTTP URL"),
    ("a failure", log_servers.status(500, text=b"boom\x1b[31m"), "boom\\x1b[31m"),
    ("not allowed", log_servers.status(401), "not accepted"),
    ("silence", log_servers.silent, "timed out"),
]


def test_whatever_a_server_does_is_said_and_does_not_last():
    """A server for each trouble, which has it once it was asked twice."""
    with directory() as d, contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Servers()) for _ in TROUBLES]
        for i, server in enumerate(servers):
            server.add(time.time(), f"before-{i}@example.com")
        timeout_s, patience_s = (3, 60) if sanitized() else (1, 15)  # a ring of redirects must come round within the timeout
        body = "".join(source(d, "loki", s, f"timeout = {timeout_s}", page=1).replace('"loki"', f'"s{i}"', 1) for i, s in enumerate(servers))
        with Daemon(d, body) as daemon:
            daemon.start()
            wait_for("the calls", lambda: daemon.status()["code_23"] == len(TROUBLES))
            for server, (_, trouble, _) in zip(servers, TROUBLES):
                with server.lock:
                    server.troubles = [trouble] * 3 if trouble else [log_servers.redirect("/loki/api/v1/round")] * 12
            errors = {}

            def all_failed():
                for r in daemon.status()["sources"]:
                    if r["state"] == "failed":
                        errors[int(r["name"][1:])] = r["error"]
                return len(errors) == len(TROUBLES)
            wait_for(f"all troubles: {sorted(errors)}", all_failed, patience_s)
            for i, (what, _, said) in enumerate(TROUBLES):
                assert said in errors[i], (what, errors[i])
            for i, server in enumerate(servers):
                with server.lock:
                    server.troubles = []
                server.add(time.time(), f"after-{i}@example.com")
            wait_for("what came after it", lambda: daemon.status()["code_23"] == 2 * len(TROUBLES), patience_s)
            with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
                peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
            assert peak < 400 * 1024 or sanitized(), f"{peak} KiB"
            assert daemon.stop() == 0, daemon.log_text()


def test_it_waits_as_long_as_it_is_told():
    with directory() as d, Servers() as server:
        server.add(time.time(), "one@example.com")
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))  # 2 s from now on, at least
        for status, value in ((503, date), (429, "1")):
            server.troubles.append(log_servers.status(status, [("Retry-After", value)]))
        with Daemon(d, source(d, "loki", server)) as daemon:
            daemon.start()
            began = time.monotonic()
            wait_for("the call", lambda: daemon.status()["code_23"] == 1)
            assert time.monotonic() - began > 2, time.monotonic() - began
            assert len(server.asked) <= 4, len(server.asked)
            assert "too busy" in daemon.log_text()


def test_a_token_that_ends():
    with directory() as d, Servers() as server:
        server.add(time.time(), "one@example.com")
        with Daemon(d, source(d, "homer", server)) as daemon:
            daemon.start()
            wait_for("the call", lambda: daemon.status()["code_23"] == 1)
            logins = server.count("/auth")
            server.tokens += 10  # those that were given are not good any more
            server.add(time.time(), "two@example.com")
            wait_for("another call", lambda: daemon.status()["code_23"] == 2)
            assert server.count("/auth") == logins + 1
            assert "not accepted" not in daemon.log_text()
            with open(f"{d}/password", "w", encoding="utf-8") as f:
                f.write("wrong\n")
            daemon.reload(source(d, "homer", server))
            error = wait_for("a refusal", lambda: row(daemon, "homer")["error"])
            assert "not accepted" in error, error
            assert "wrong" not in daemon.log_text() and "se\"cret" not in daemon.log_text()


def test_tls_and_its_certificate():
    with directory() as d:
        good, other = Authority(d, "/O=Example/CN=Good CA"), Authority(d, "/O=Example/CN=Other CA")
        with Servers(log_servers.tls(*good.issue("IP:127.0.0.1"))) as server:
            server.add(time.time(), "one@example.com")
            with Daemon(d, source(d, "loki", server, f'ca_file = "{other.certificate}"')) as daemon:
                daemon.start()
                error = wait_for("a refusal", lambda: row(daemon, "loki")["error"])
                assert "certificate" in error and daemon.status()["code_23"] == 0, error
                daemon.reload(source(d, "loki", server, f'ca_file = "{good.certificate}" tenant = "ops"'))
                wait_for("the call", lambda: daemon.status()["code_23"] == 1)
                assert server.asked[-1]["headers"]["X-Scope-OrgID"] == "ops"
                daemon.reload(source(d, "loki", server, "insecure = yes since = 7200"))
                wait_for("it to go on", lambda: row(daemon, "loki")["state"] == "caught-up")


def test_mistakes_are_told():
    with directory() as d, Servers() as server:
        for wrong, said in (("preset = splunk", "homer7, loki"), ("preset = loki", "query: is missing"),
                            ("preset = elasticsearch", "index: is missing"), ("preset = generic", "text: write a JSON Pointer"),
                            ('preset = generic text = "/a" time_field = "b"', "time_field: write a JSON Pointer"),
                            ('preset = generic text = "/a" cursor = "/b"', "go together"),
                            ('preset = homer7 user = "a"', "password_file: is missing"),
                            ('preset = homer7 proxy = "proxy"', "proxy: write http://"),
                            ('preset = homer7 path = "/x"', "path is not for sources of type http")):
            daemon = Daemon(d, f'source "x" {{ type = http url = "{server.url}" {wrong} }}\n')
            status, log = daemon.fails_to_start()
            assert status != 0 and said in log, (wrong, log)
        daemon = Daemon(d, 'source "x" { type = http preset = homer7 url = "ftp://a" }\n')
        assert "write http://" in daemon.fails_to_start()[1]


if __name__ == "__main__":
    tap.run(globals())
