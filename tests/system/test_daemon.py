#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""edgemediad as it is used: a growing trace, checks, both HTTP faces, reloads, restarts, wrong configurations and databases, hostile
clients, what systemd is told, memory, and a stopped snmpd."""
import csv
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from edgemediad import BUILD, PROGRAM, Daemon, StunServer, Trace, free_port, sanitized, wait_for  # noqa: E402
from private_snmpd import Snmpd, find_snmpd  # noqa: E402
from whole import measure, worst_of_runs  # noqa: E402

SRC = os.environ.get("EM_SRCDIR", ".")
NOBODY = 65534
STALL_S = 0.25 if sanitized() else 0.05
RSS_MAX = 16 * 1024 * 1024
GROWTH_MAX = 512 * 1024


def directory():
    d = tempfile.TemporaryDirectory(prefix="em-daemon-")
    os.chmod(d.name, 0o755)
    return d


def check(name, uri, **options):
    more = "".join(f" {key} = {value}" for key, value in options.items())
    return f'    check "{name}" {{ uri = "{uri}" interval = 1{more} }}\n'


def edge(*checks, name="oslo"):
    return f'edge "{name}" {{\n' + "".join(checks) + "}\n"


def source(path, name="fe01"):
    return f'source "{name}" {{ type = trace path = "{path}" }}\n'


def promtool(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert done.returncode == 0 and not done.stdout and not done.stderr, (done.stdout + done.stderr).decode()


def metric(text, series):
    for line in text.decode().splitlines():
        if line.startswith(series + " "):
            return float(line.split(" ")[1])
    raise AssertionError(f"{series} is not there")


def test_status_and_metrics_over_both_faces():
    stun = StunServer()
    with directory() as d:
        trace = Trace(f"{d}/a.log")
        trace.fail("one")
        trace.fail("one")
        with Daemon(d, edge(check("stun", f"stun:127.0.0.1:{stun.port}")) + source(f"{d}/*.log")) as daemon:
            daemon.start()
            wait_for("the first call", lambda: daemon.status()["code_23"] == 1)
            trace.fail("two", code=24, ice="0x200")
            trace.fail("three", code=51004, ice="0x100")
            trace.fail("four")
            wait_for("four calls", lambda: daemon.status()["calls"] == 4)
            row = wait_for("the check", lambda: (r := daemon.check("stun")) and r["verdict"] == "ok" and r)
            assert row["address"] == "127.0.0.1" and row["port"] == stun.port and row["up"] == 1 and row["stun_us"] > 0, row
            s = daemon.status("web")
            got = {k: s[k] for k in ("calls", "reports", "duplicates", "code_23", "tcp_nat_check", "code_23_tcp_nat", "media_failures")}
            assert got == {"calls": 4, "reports": 5, "duplicates": 1, "code_23": 2, "tcp_nat_check": 3, "code_23_tcp_nat": 2,
                           "media_failures": 3}, got
            assert s["codes"] == {"23": 2, "24": 1, "51004": 1} and s["media"] == {"application-sharing": 3}, s
            assert s["ice_warnings"] == {"0x100": 3, "0x200": 1, "0x8000000": 2}, s["ice_warnings"]
            assert s["schema_version"] == 1 and s["sources"][0]["state"] == "caught-up" and s["edges"][0]["verdict"] == "ok", s
            for over in ("control", "web"):
                code, headers, text = daemon.get("/metrics", over)
                assert code == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
                assert metric(text, "edgemedia_code23_failures_total") == 2
                assert metric(text, f'edgemedia_check_up{{edge="oslo",check="stun",address="127.0.0.1"}}') == 1
                assert metric(text, 'edgemedia_recent_code_23_calls{window="5m"}') == 2
                assert metric(text, "process_resident_memory_bytes") > 1e6
            code, headers, text = daemon.get("/metrics", "web", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
            assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0") and text.endswith(b"\n# EOF\n")
            code, headers, text = daemon.get("/api/v1/failures?limit=2", "web")
            rows = json.loads(text)["failures"]
            assert [r["call_id"] for r in rows] == ["four", "two"] and rows[0]["ice_warnings"] == "0x8000100", rows
            h = json.loads(daemon.get("/api/v1/history?range=1h", "web")[2])
            assert (h["step"], h["slots"], h["truncated"]) == (60, 60, False) and h["start"] + 60 * 60 > time.time() - 60, h
            events = ("media_failures", "code_23", "tcp_nat_check", "code_23_tcp_nat")
            assert [(x["series"], sum(x["values"])) for x in h["series"]] == [(e, got[e]) for e in events], (h["series"], got)
            h = json.loads(daemon.get("/api/v1/history?series=codes,media,ice_warnings&range=60d")[2])
            assert sum(sum(x["values"]) for x in h["series"] if x["series"] == "codes") == 4, h["series"]
            assert all(len(x["values"]) == 720 for x in h["series"]), h["series"]
            h = wait_for("probes in the history", lambda: [x for x in json.loads(
                daemon.get("/api/v1/history?series=verdict,rtt_us&edge=%6fslo&check=stun")[2])["series"] if any(x["values"])])
            assert [(x["series"], x["edge"], x["check"], x["address"]) for x in h] == [
                ("verdict", "oslo", "stun", "127.0.0.1"), ("rtt_us", "oslo", "stun", "127.0.0.1")], h
            assert {v for v in h[0]["values"] if v} == {"ok"} and all(v is None or v > 0 for v in h[1]["values"]), h
            assert len(json.loads(daemon.get("/api/v1/failures?since=1h")[2])["failures"]) == 3
            assert json.loads(daemon.get(f"/api/v1/failures?since={int(time.time()) + 60}")[2])["failures"] == []
            assert stat.S_IMODE(os.stat(daemon.control).st_mode) == 0o660
            assert daemon.stop() == 0
            assert not os.path.exists(daemon.control)
    stun.close()


def test_metrics_please_promtool():
    if not shutil.which("promtool"):
        return "promtool is not installed"
    with directory() as d:
        trace = Trace(f"{d}/a.log")
        trace.fail("one")
        with Daemon(d, edge(check("closed", f"udp:127.0.0.1:{free_port()}")) + source(f"{d}/*.log")) as daemon:
            daemon.start()
            wait_for("the call", lambda: daemon.status()["code_23"] == 1)
            wait_for("the check", lambda: daemon.check("closed")["probes"])
            for over in ("control", "web"):
                promtool(daemon.get("/metrics", over)[2])
    return None


def test_restart_keeps_counters_and_numbers():
    stun = StunServer()
    with directory() as d:
        trace = Trace(f"{d}/a.log")
        trace.fail("one")
        body = edge(check("a", f"stun:127.0.0.1:{free_port()}"), check("b", f"stun:127.0.0.1:{stun.port}")) + source(f"{d}/*.log")
        with Daemon(d, body) as daemon:
            daemon.start()
            before = wait_for("two probes", lambda: (r := daemon.check("b")) and r["probes"] >= 2 and r)
            wait_for("the call", lambda: daemon.status()["calls"] == 1)
            daemon.stop(signal.SIGINT)
            trace.fail("one")
            trace.fail("two")
            daemon.configure(edge(check("b", f"stun:127.0.0.1:{stun.port}")) + source(f"{d}/*.log"))
            daemon.start()
            wait_for("the second call", lambda: daemon.status()["calls"] == 2)
            after = wait_for("a probe", lambda: (r := daemon.check("b")) and r["probes"] > before["probes"] and r)
            assert daemon.status()["duplicates"] == 1 and daemon.status()["reports"] == 3
            same = ("edge", "check", "address_index")
            assert [before[k] for k in same] == [after[k] for k in same], (before, after)
    stun.close()


def test_every_address_of_a_name_has_its_row():
    stun = StunServer()
    with directory() as d, Daemon(d, edge(check("name", f"stun:localhost:{stun.port}"))) as daemon:
        daemon.start()
        rows = wait_for("addresses", lambda: (r := daemon.status()["checks"]) and all(x["address"] for x in r) and r)
        assert [r["verdict"] for r in rows if r["address"] == "127.0.0.1"] == ["ok"], rows
        assert {r["address"] for r in rows} <= {"127.0.0.1", "::1"}, rows
        assert all(r["verdict"] == "refused" and r["up"] == 0 for r in rows if r["address"] == "::1"), rows
        again = wait_for("the second probe", lambda: (r := daemon.status()["checks"]) and all(x["probes"] >= 2 for x in r) and r)
        assert [r["address_index"] for r in again] == [r["address_index"] for r in rows]
        stun.silent = True
        row = wait_for("silence", lambda: next((r for r in daemon.status()["checks"] if r["verdict"] == "filtered"), None))
        assert row["address"] == "127.0.0.1" and row["stun_retransmits"] > 0 and row["failed_probes"] == 1, row
        assert "check is down" in daemon.log_text()
    stun.close()


def test_every_address_of_an_edge_is_tested():
    stun = StunServer()
    oslo = f'edge "oslo" {{ address = {{ "localhost", "127.0.0.1" }} {check("stun", f"stun::{stun.port}")} }}\n'
    bergen = f'edge "bergen" {{ address = {{ "127.0.0.1", "::1" }} {check("own", f"stun:127.0.0.1:{stun.port}")} }}\n'
    with directory() as d, Daemon(d, oslo + bergen) as daemon:
        daemon.start()
        rows = wait_for("a probe of each", lambda: (r := daemon.status()["checks"]) and all(x["probes"] for x in r) and r)
        found = {(r["edge_name"], r["name"], r["address"]): (r["uri"], r["verdict"]) for r in rows}
        for name in ("localhost", "127.0.0.1"):
            assert found[("oslo", f"stun {name}", "127.0.0.1")] == (f"stun:{name}:{stun.port}", "ok"), found
        assert found[("bergen", "own", "127.0.0.1")][1] == "ok", found
        assert found[("bergen", "::1", "::1")][0] == "stun:[::1]", found
        assert {(e, n) for e, n, _ in found} == {("oslo", "stun localhost"), ("oslo", "stun 127.0.0.1"), ("bergen", "own"), ("bergen", "::1")}
    stun.close()


def test_reload_changes_only_what_changed():
    stun = StunServer()
    good = check("good", f"stun:127.0.0.1:{stun.port}")
    with directory() as d:
        Trace(f"{d}/a.log").fail("one")
        with Daemon(d, edge(good) + source(f"{d}/*.log")) as daemon:
            daemon.start()
            before = wait_for("two probes", lambda: (r := daemon.check("good")) and r["probes"] >= 2 and r)
            wait_for("the call", lambda: daemon.status()["calls"] == 1)  # the last message of a log is held back for a while
            daemon.reload(edge(good, check("second", f"udp:127.0.0.1:{stun.port}")) + edge(name="empty") + source(f"{d}/*.log"))
            now = daemon.check("good")
            assert now["probes"] >= before["probes"] and now["verdict"] == "ok" and now["changed_time"] == before["changed_time"], now
            wait_for("the second check", lambda: (daemon.check("second") or {}).get("verdict") == "ok")
            assert [e["name"] for e in daemon.status()["edges"]] == ["oslo", "empty"]
            daemon.reload(edge(check("second", f"udp:127.0.0.1:{stun.port}")) + source(f"{d}/*.log"))
            wait_for("the check to go", lambda: daemon.check("good") is None)
            daemon.reload(edge(good))
            now = wait_for("the check to be back", lambda: daemon.check("good"))
            assert now["probes"] >= before["probes"] and now["check"] == before["check"], now
            status = daemon.status()
            assert status["sources"] == [] and status["calls"] == 1, (status["calls"], status["sources"], status["bytes"])
    stun.close()


def test_bad_reload_changes_nothing():
    stun = StunServer()
    with directory() as d, Daemon(d, edge(check("good", f"stun:127.0.0.1:{stun.port}"))) as daemon:
        daemon.start()
        assert daemon.get("/healthz")[0] == 200
        daemon.reload("frobnicate = 1\nedge \"x\" { check \"y\" { interval = 0 } }\n")
        log = daemon.log_text()
        assert "edgemedia.conf:5: \"frobnicate\" is not known" in log and "interval:" in log and "uri is missing" in log, log
        code, _, body = daemon.get("/healthz")
        assert code == 503 and "was not read again" in json.loads(body)["reasons"][0], body
        probes = daemon.check("good")["probes"]
        wait_for("another probe", lambda: daemon.check("good")["probes"] > probes)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            daemon.options["web_listen"] = f"127.0.0.1:{taken.getsockname()[1]}"
            daemon.reload("")
            assert daemon.get("/healthz")[0] == 503 and daemon.check("good") and daemon.get("/", "web")[0] == 200
        daemon.options["web_listen"] = f"127.0.0.1:{daemon.port}"
        daemon.reload("")
        assert daemon.get("/healthz", "web")[0] == 200 and daemon.status()["checks"] == []
        other = free_port()
        daemon.options["web_listen"] = f"127.0.0.1:{other}"
        daemon.reload("")
        daemon.port = other
        assert daemon.get("/healthz", "web")[0] == 200
    stun.close()


def run(*arguments, **how):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20, **how)


def test_many_reloads_while_probes_run():
    dice = random.Random(5)
    stun, closed = StunServer(), free_port()
    uris = (f"udp:127.0.0.1:{closed}", f"tcp:127.0.0.1:{closed}", f"stun:localhost:{stun.port}", f"tcp:127.0.0.1:{stun.port}")

    def body():
        return "".join(edge(*(check(f"c{i}", dice.choice(uris), timeout=dice.choice((0.2, 1))) for i in dice.sample(range(60), 40)),
                            name=name) for name in ("a", "b"))

    stun.silent = True
    with directory() as d, Daemon(d, body(), concurrent_probes=50) as daemon:
        daemon.start()
        for _ in range(15):
            daemon.options["concurrent_probes"] = dice.choice((10, 50))
            daemon.reload(body())
            rows = daemon.status()["checks"]
            assert len({(r["edge_name"], r["name"]) for r in rows}) == 80
            assert len({(r["edge"], r["check"], r["address_index"]) for r in rows}) == len(rows)
            time.sleep(dice.random() * 0.3)
        assert daemon.stop() == 0
    stun.close()


def test_test_config():
    with directory() as d:
        daemon = Daemon(d, edge(check("a", f"stun:127.0.0.1:{free_port()}")))
        done = run("--test-config", "-c", daemon.conf)
        assert (done.returncode, done.stdout) == (0, f"{daemon.conf} is good: 1 edges, 1 checks, 0 sources\n"), done
        assert not os.path.exists(daemon.database)
        daemon.configure('edgee "x" { }\nedge "x" {\n check "c" { uri = "gopher:h"\n timeout = no } }\n')
        done = run("--test-config", "-c", daemon.conf)
        lines = done.stderr.splitlines()
        assert done.returncode == 2 and done.stdout == "" and len(lines) == 3, done
        assert [line.split(":")[1] for line in lines] == ["5", "7", "8"] and 'is "edge" meant?' in lines[0], lines
        assert run("-f", "-c", daemon.conf).returncode == 2
        assert run("-f", "-c", f"{d}/none").returncode == 2
        for wrong in (["--frobnicate"], ["-c"], ["more"], ["--log-level", "loud"]):
            done = run(*wrong)
            assert done.returncode == 2 and done.stderr.startswith("edgemediad: "), (wrong, done)
        assert run("--help").returncode == 0 and run("--version").stdout.startswith("edgemediad ")


def test_documents_agree():
    """Every word of the configuration and every option is in its manual page, and the examples are good."""
    with open(f"{SRC}/agent/conf_rows.c", encoding="utf-8") as f:
        words = set(re.findall(r'(?:OPTION|LATER)\("(\w+)"|\{ "(\w+)", ROWS', f.read()))
    with open(f"{SRC}/doc/edgemedia.conf.5", encoding="utf-8") as f:
        page = f.read()
    for later, block in words:
        assert re.search(rf"(?m)^\.(It )?Ic {later or block}\b", page), later or block
    for word in ("database", "web_listen", "control_socket", "agentx_address", "concurrent_probes", "uri", "interval", "timeout",
                 "degraded_rtt", "source_ports", "user", "password_file", "secret_file", "address", "type", "path", "from_start"):
        assert word in {w[0] for w in words} and f".It Ic {word} Ns" in page, word
    with open(f"{SRC}/doc/edgemediad.8", encoding="utf-8") as f:
        manual = f.read()
    for option in re.findall(r"--([\w-]+)", run("--help").stdout.split("SIGHUP")[0]):
        assert re.search(rf"Fl (\w , )?-{option}|, -{option}", manual), option
    with directory() as d:
        example = re.sub(r"/etc/edgemedia/[\w.]+", f"{d}/pw", page.split(".Bd -literal\n")[1].split(".Ed")[0])
        with open(f"{d}/pw", "w", encoding="ascii") as f:
            f.write("secret\n")
        with open(f"{d}/page.conf", "w", encoding="utf-8") as f:
            f.write(example)
        for file in (f"{d}/page.conf", f"{SRC}/packaging/edgemedia.conf.example"):
            done = run("--test-config", "-c", file)
            assert done.returncode == 0, done


def make_newer(path):
    daemon = Daemon(os.path.dirname(path))
    daemon.start()
    daemon.stop()
    os.unlink(daemon.log)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 9999")
    database.close()


def test_database_errors():
    with directory() as d:
        for name, make, word in (
            ("corrupt", lambda p: open(p, "wb").write(random.Random(1).randbytes(65536)), "edgemedia.db"),
            ("newer", make_newer, "newer"),
            ("foreign", lambda p: sqlite3.connect(p).executescript("CREATE TABLE t(a)").close(), "another program"),
            ("missing directory", None, "none/"),
        ):
            daemon = Daemon(d) if make else Daemon(d, database=f"{d}/none/edgemedia.db")
            for end in ("", "-wal", "-shm"):
                if os.path.exists(daemon.database + end):
                    os.unlink(daemon.database + end)
            if os.path.exists(daemon.log):
                os.unlink(daemon.log)
            if make:
                make(daemon.database)
                with open(daemon.database, "rb") as f:
                    kept = f.read()
            code, log = daemon.fails_to_start()
            assert code == 2 and word in log and "cannot start" in log, (name, code, log)
            if make:
                with open(daemon.database, "rb") as f:
                    assert f.read() == kept, f"{name}: the file was touched"


def test_ordinary_user_and_read_only_database():
    how = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with directory() as d:
        daemon = Daemon(d)
        daemon.program = f"{d}/edgemediad"  # the build directory may be closed to others
        shutil.copy(PROGRAM, daemon.program)
        for path in (d, daemon.conf):
            os.chown(path, NOBODY if how else -1, -1)
        daemon.start(**how)
        assert "running as root" not in daemon.log_text()
        assert daemon.stop() == 0
        os.chmod(daemon.database, 0o444)
        os.chmod(d, 0o555)
        code, log = daemon.fails_to_start(**how)
        os.chmod(d, 0o755)
        assert code == 2 and "cannot start" in log and "edgemedia.db" in log, log


def test_one_daemon_for_each_socket_and_database():
    with directory() as d, Daemon(d) as first:
        first.start()
        for name in ("2", "3"):
            os.mkdir(f"{d}/{name}")
        second = Daemon(f"{d}/2", control_socket=first.control)
        code, log = second.fails_to_start()
        assert code == 2 and "another process has" in log, log
        third = Daemon(f"{d}/3", database=first.database)
        code, log = third.fails_to_start()
        assert code == 2 and "edgemedia.db" in log.splitlines()[-1], log
        assert first.get("/healthz")[0] == 200
        first.process.kill()
        first.process.wait()
        assert os.path.exists(first.control)
        first.start()
        first.stop()
        with open(first.control, "w", encoding="ascii"):
            pass
        code, log = first.fails_to_start()
        assert code == 2 and "is no socket" in log, log


def test_background():
    with directory() as d:
        daemon = Daemon(d)
        done = run("-c", daemon.conf)
        assert done.returncode == 0 and " error: " not in done.stderr, done
        pid = None
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    if daemon.conf.encode() in f.read().split(b"\0"):
                        pid = int(entry)
            except OSError:
                continue
        assert pid and daemon.get("/healthz")[0] == 200
        os.kill(pid, signal.SIGTERM)
        wait_for("the end", lambda: not os.path.exists(daemon.control))
        os.unlink(daemon.database)
        os.mkdir(daemon.database)
        done = run("-c", daemon.conf)
        assert done.returncode == 2 and "cannot start" in done.stderr, done


HOSTILE = ["<script>alert(1)</script>", "=HYPERLINK(\"http://evil.example\")", "+1,2", "@SUM(A1)", "-2+3\\n\"", "＝1"]


def found(daemon, query):
    """All pages of a query, two failures in each."""
    rows, cursor = [], None
    while True:
        page = json.loads(daemon.get(f"/api/v1/failures?limit=2&{query}" + (f"&cursor={cursor}" if cursor else ""))[2])
        assert len(page["failures"]) <= 2, page
        rows += page["failures"]
        cursor = page["next"]
        if not cursor:
            return rows


def test_failures_are_found_page_by_page():
    with directory() as d:
        trace = Trace(f"{d}/a.log")
        with Daemon(d, edge(check("stun", "stun:127.0.0.1:9")) + source(f"{d}/*.log")) as daemon:
            for i, name in enumerate(HOSTILE):
                if name.isascii():
                    trace.fail(f"{i}{name}".replace('"', "'"), reason=name.replace('"', "'"), relay=f"198.51.100.{i % 2 + 1}:4", to=f"b@p{i % 3}.example")
            trace.fail("other", code=24, ice="0x200", relay="127.0.0.1:4")
            daemon.start()
            wait_for("the calls", lambda: daemon.status()["calls"] == 6)
            own = wait_for("the edge's address", lambda: {p["name"]: p["own"] for p in daemon.status()["peers"] if p["kind"] == "relay" and daemon.check("stun")})
            assert own == {"127.0.0.1": True, "198.51.100.1": False, "198.51.100.2": False}, own
            every = found(daemon, "")
            assert [r["call_id"] for r in every][:1] == ["other"] and len(every) == 6, every
            for query, want in (("code=24", 1), ("code=23", 5), ("ice=0x200", 1), ("ice=0x8000100", 5), ("media=audio", 0), ("media=application-sharing", 6),
                                ("peer=198.51.100.1", 3), ("peer=P1.example", 2), ("call_id=other", 1), ("text=EVIL", 1), ("text=%3cscript", 1), ("since=1h", 6),
                                ("until=1h", 0), ("code=23&peer=198.51.100.1&text=sum", 0)):
                assert len(found(daemon, query)) == want, (query, want)
            code, headers, text = daemon.get("/api/v1/failures?format=csv&limit=1000", "web")
            assert code == 200 and headers["Content-Type"] == "text/csv; charset=utf-8; header=present", headers
            assert headers["Content-Disposition"] == 'attachment; filename="failed-calls.csv"' and "X-Next-Cursor" not in headers, headers
            assert text.replace(b"\r\n", b"").count(b"\n") == 0 and text.endswith(b"\r\n"), text
            table = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
            assert [r["call_id"] for r in table] == [r["call_id"] for r in every], table
            assert sorted(table[0]) == sorted(set().union(*every) - {"schema_version"}), table[0]
            for cell in (cell for row in table for cell in row.values()):
                assert not cell.strip().startswith(("=", "+", "-", "@")), cell
            assert {r["reason"] for r in table} >= {"'=HYPERLINK('http://evil.example')", "'+1,2", "'@SUM(A1)", "<script>alert(1)</script>"}, table
            first = daemon.get("/api/v1/failures?format=csv&limit=2")
            rest = daemon.get(f"/api/v1/failures?format=csv&limit=1000&cursor={first[1]['X-Next-Cursor']}")
            assert first[2] + rest[2].split(b"\r\n", 1)[1] == text, (first, rest)
            assert daemon.get("/api/v1/failures?download=1", "web")[1]["Content-Disposition"] == 'attachment; filename="failed-calls.json"'
            done = subprocess.run([f"{BUILD}/edgemedia", "failures", "--all", "--csv", "--socket", daemon.control], capture_output=True, timeout=30, check=False)
            assert done.returncode == 1 and done.stdout == text, (done, text)
            done = subprocess.run([f"{BUILD}/edgemedia", "failures", "--peer", "198.51.100.1", "--since", "2h", "--code", "23", "--socket", daemon.control],
                                  capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 1 and done.stdout.count("198.51.100.1:4") == 3 and len(done.stdout.splitlines()) == 4, done


def test_http_rules():
    with directory() as d, Daemon(d) as daemon:
        daemon.start()
        for over in ("control", "web"):
            for path, code in (("/", 200), ("/metrics", 200), ("/healthz", 200), ("/api/v1/status", 200), ("/api/v1/failures", 200),
                               ("/nothing", 404), ("/metrics/", 404), ("/../etc/passwd", 404), ("/%2e%2e/x", 404),
                               ("/api/v1/failures?limit=1000", 200), ("/api/v1/failures?limit=1001", 400), ("/api/v1/failures?limit=0", 400), ("/api/v1/failures?since=x", 400),
                               *((f"/api/v1/failures?{wrong}", 400) for wrong in (
                                   "until=-1", "code=x", "code=4294967296", "ice=256", "ice=0xg", "media=sound", "limit=1e3", "cursor=1", "cursor=1-0", "cursor=1-2x",
                                   "cursor=-1-2", "format=xml", "download=2", "peer=" + "p" * 256, "call_id=" + "c" * 256, "text=" + "t" * 256)),
                               ("/api/v1/failures?code=&ice=&media=&peer=&call_id=&text=&since=&until=&cursor=&format=", 200),
                               ("/api/v1/failures?cursor=9223372036854775807-9223372036854775807&peer=%00&call_id=%ff&text=%3Cscript%3E", 200),
                               ("/api/v1/history", 200), ("/api/v1/history?range=2h", 400), ("/api/v1/history?series=x", 400),
                               ("/api/v1/history?series=rtt_us", 400), ("/api/v1/history?series=rtt_us&edge=nobody", 200),
                               ("/api/v1/history?series=" + "media," * 400, 400)):
                got, headers, body = daemon.get(path, over)
                assert got == code, (path, got, body)
                assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store", headers
                head, headers, nothing = daemon.get(path, over, "HEAD")
                assert head == code and nothing == b"" and (path == "/metrics" or int(headers["Content-Length"]) > 0), (path, head)
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
                got, headers, _ = daemon.get("/metrics", over, method)
                assert got == 405 and headers["Allow"] == "GET, HEAD", (method, got)
        for host, code in (("evil.example.com", 403), ("localhost.evil.example.com", 403), ("127.0.0.1.evil", 403), ("localhost", 200),
                           (f"127.0.0.1:{daemon.port}", 200), ("[::1]:1", 200), ("LOCALHOST:80", 200)):
            assert daemon.get("/healthz", "web", headers={"Host": host})[0] == code, host


def raw(daemon, data, wait=3.0):
    """What comes back until the other side closes or nothing comes for a while."""
    got = b""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=wait) as s:
        try:
            s.sendall(data)
            while chunk := s.recv(65536):
                got += chunk
        except OSError:
            pass
    return got


def test_hostile_clients_do_no_harm():
    dice = random.Random(23)
    with directory() as d, Daemon(d) as daemon:
        daemon.start()
        assert b" 200 " not in raw(daemon, b"GET / HTTP/1.1\r\nX: " + b"a" * 100000 + b"\r\n\r\n").split(b"\r\n")[0]
        assert b" 200 " not in raw(daemon, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n").split(b"\r\n")[0]
        assert b" 200 " not in raw(daemon, b"POST /metrics HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100000)
        raw(daemon, b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"ffffffffffffffff\r\n" * 100, 0.3)
        raw(daemon, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200, 0.3)
        raw(daemon, b"GET / HTTP/9.9\r\n\r\n", 0.3)
        for _ in range(40):
            raw(daemon, dice.randbytes(dice.randrange(1, 3000)) + b"\r\n\r\n", 0.02)
        begin = time.monotonic()
        slow = [socket.create_connection(("127.0.0.1", daemon.port), timeout=30) for _ in range(200)]
        for s in slow:
            s.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert daemon.get("/healthz", "web")[0] == 200, "200 slow clients keep others out"
        assert daemon.get("/healthz")[0] == 200
        last, gone = slow[-1], None
        while gone is None and time.monotonic() - begin < 16:
            time.sleep(0.5)
            try:
                last.sendall(b"a")
                last.setblocking(False)
                gone = last.recv(100) == b"" or None
            except BlockingIOError:
                pass
            except OSError:
                gone = True
        assert gone, "a client that sends a byte now and then stays for ever"
        for s in slow:
            s.close()
        wait_for("descriptors to be closed", lambda: len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 60, 5)
        assert daemon.get("/healthz", "web")[0] == 200
        assert daemon.stop() == 0


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS:"))


def private(pid):
    """What the process has for itself alone: no file that others map, too, makes it differ."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Private_Dirty:"))


def test_idle_memory():
    stun = StunServer()
    with directory() as d:
        trace = Trace(f"{d}/a.log")
        for i in range(300):
            trace.fail(f"call {i}")
        body = edge(*(check(f"c{i}", f"stun:127.0.0.1:{stun.port}") for i in range(10))) + source(f"{d}/*.log")
        with Daemon(d, body, agentx_address=f"{d}/agentx") as daemon:
            daemon.start()
            wait_for("the trace", lambda: daemon.status()["calls"] == 300)
            wait_for("a probe of each", lambda: all(row["probes"] for row in daemon.status()["checks"]))
            seen = []
            for n in (5, 195, 1800):
                for _ in range(n):
                    daemon.get("/metrics")
                seen.append(private(daemon.process.pid))
            size = rss(daemon.process.pid)
            text = ", ".join(f"{n / 1048576:.2f}" for n in seen)
            print(f"# private memory with 10 checks, a trace and the SNMP thread, after 5, 200 and 2000 scrapes: {text} MiB")
            print(f"# RSS then: {size / 1048576:.1f} MiB")
            assert max(seen) - seen[0] <= GROWTH_MAX, text
            assert size <= RSS_MAX, f"{size / 1048576:.1f} MiB"
    stun.close()


def test_systemd_is_told():
    with directory() as d, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(f"{d}/notify")
        s.settimeout(10)

        def told(what):
            end = time.monotonic() + 10
            while time.monotonic() < end:
                if s.recv(4096).decode().split("=")[0] == what:
                    return
            raise AssertionError(f"{what} was not told")

        with Daemon(d) as daemon:
            daemon.start(env={**os.environ, "NOTIFY_SOCKET": f"{d}/notify", "WATCHDOG_USEC": "400000"})
            told("READY")
            told("STATUS")
            begin = time.monotonic()
            for _ in range(5):
                told("WATCHDOG")
            assert time.monotonic() - begin < 2.5
            daemon.reload("")
            told("RELOADING")
            told("READY")
            daemon.stop()
            told("STOPPING")


def test_stopped_snmpd_stalls_nothing():
    if not find_snmpd():
        return "snmpd is not installed"
    stun = StunServer()
    with directory() as d:
        snmpd = Snmpd(d)
        snmpd.start()
        try:
            with Daemon(d, edge(check("a", f"stun:127.0.0.1:{stun.port}")), agentx_address=snmpd.agentx) as daemon:
                daemon.start()
                wait_for("a probe", lambda: daemon.check("a")["probes"] >= 1)
                snmpd.pause()
                os.mkdir(f"{d}/beside")
                with Daemon(f"{d}/beside") as beside:
                    beside.start()

                    def once():
                        asked, noise = measure(4, lambda: daemon.get("/healthz", "web"), lambda: beside.get("/healthz", "web"), of=(daemon.process.pid,))
                        return asked.worst(), asked.worst_by_itself(), noise.worst()

                    probes, begin = daemon.check("a")["probes"], time.monotonic()
                    worst_of_runs("/healthz with a stopped snmpd", STALL_S, once, 2)
                    probed = daemon.check("a")["probes"] - probes
                    assert probed >= (time.monotonic() - begin) / 1.1 - 2, probed
                begin = time.monotonic()
                assert daemon.stop() == 0
                assert time.monotonic() - begin < 5
        finally:
            snmpd.close()
    stun.close()
    return None


if sanitized():
    del test_idle_memory  # its shadow memory is not ours

if __name__ == "__main__":
    tap.run(dict(globals()))
