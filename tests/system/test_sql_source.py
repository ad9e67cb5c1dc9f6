#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources in databases, over a real PostgreSQL and a real SQLite: both presets and a query, exactly once whatever ends when."""
import os
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from databases import PASSWORD, Postgres, Sqlite  # noqa: E402
from edgemediad import Daemon, sanitized, wait_for  # noqa: E402

QUERY = "SELECT ErrorTime AS time, ErrorReportSeq AS seq, DialogId AS call_id, MsDiagHeader AS header FROM ErrorReportView"
ORDERED = f"{QUERY} WHERE ErrorTime >= ? ORDER BY ErrorTime, ErrorReportSeq"


def source(name, base, d, preset="lcscdr", more="", connection=None):
    return (f'source "{name}" {{ type = sql preset = {preset} connection = "{connection or base.connection()}" {base.login(d)} '
            f'interval = 1 {more} }}\n')


def row(daemon, name):
    return next(r for r in daemon.status()["sources"] if r["name"] == name)


def caught_up(daemon, *names):
    wait_for(f"{names} to catch up: {[row(daemon, n) for n in names]}", lambda: all(row(daemon, n)["state"] == "caught-up" for n in names), 20)


def counts(daemon, *names):
    return tuple(daemon.status()[name] for name in names)


def presets(base):
    """What was there, what came while the daemon was killed, what came late, what changed; NULLs, and look-alikes."""
    with tempfile.TemporaryDirectory(prefix="em-sql-") as d:
        then = round(time.time() - 600)
        base.put("ErrorReport", *(base.error(then + i // 4 + 0.003, f"call-{i}@example.com", seq=i % 4) for i in range(40)))
        base.put("ErrorReport", *(base.error(then + 0.5, f"same-{i}@example.com", seq=i) for i in range(20)))  # more than a page at one time
        base.put("ErrorReport", base.error(then + 20.0, None), base.error(then + 21.0, "code@example.com", text="", tags=False),
                 base.error(then + 22.0, "other@example.com", code=51004), base.error(then + 23.0, "not@example.com", code=1023),
                 base.error(then + 24.0, "call-1@example.com"), (then + 25.0, 1, "none@example.com;x;y", None, None, None, None, 200, "fe01"))
        base.put("Dialog", (then + 1.5, 1, "call-2@example.com;a;b"), (then + 2.5, 1, "quiet@example.com;a;b"))
        base.put("MediaLine", (then + 1.5, 1, 3, -2147483648, None, 1), (then + 2.5, 1, 0, None, 0x100, 1), (then + 3.5, 1, 1, None, None, 1))
        body = source("cdr", base, d, more="page = 7") + source("qoe", base, d, "qoemetrics", "page = 2")
        with Daemon(d, body) as daemon:
            daemon.start()
            caught_up(daemon, "cdr", "qoe")
            # 60 and the one by its code; the unkeyed one is no call. Two of the others have other codes, and one was told twice.
            assert counts(daemon, "code_23", "calls", "unkeyed", "malformed", "duplicates") == (61, 64, 1, 0, 1), daemon.status()
            assert counts(daemon, "tcp_nat_check") == (63,), daemon.status()  # all with a header, 51004 and 1023 too, and the QoE report's
            assert (row(daemon, "cdr")["reports"], row(daemon, "qoe")["reports"]) == (65, 2), daemon.status()
            daemon.stop(signal.SIGKILL)
            base.put("ErrorReport", *(base.error(time.time() - 1, f"while-{i}@example.com", seq=i) for i in range(5)))
            daemon.start()
            wait_for("those of meanwhile", lambda: counts(daemon, "code_23") == (66,))
            base.put("ErrorReport", base.error(time.time() - 300, "late@example.com"))
            base.execute("UPDATE MediaLine SET CallerIceWarningFlags = 256 WHERE SessionSeq = 1 AND MediaLineLabel = 1")
            base.put("Dialog", (then + 3.5, 1, "call-3@example.com;a;b"))
            base.put("ErrorReport", base.error(time.time() - 300, "late-2@example.com"))
            wait_for("those that came late", lambda: counts(daemon, "code_23") == (68,))
            wait_for("the row that changed", lambda: row(daemon, "qoe")["reports"] == 3)
            assert counts(daemon, "tcp_nat_check") == (70,), daemon.status()  # call-3 has it already
            assert "203.0.113.7:4" in daemon.get("/api/v1/failures")[2].decode()
            caught_up(daemon, "cdr", "qoe")
            assert daemon.stop() == 0, daemon.log_text()
            assert PASSWORD not in daemon.log_text() and "source " not in daemon.log_text(), daemon.log_text()


def test_presets_in_postgresql():
    with Postgres() as base:
        presets(base)
        too_much_for_memory(base)


def test_presets_in_sqlite():
    with Sqlite() as base:
        presets(base)


def killed(base):
    """Between an answer and its commit, too, the worker or the daemon."""
    with tempfile.TemporaryDirectory(prefix="em-sql-") as d:
        base.put("ErrorReport", *(base.error(time.time() - 500 + i // 3, f"call-{i}@example.com", seq=i) for i in range(120)))
        body = source("cdr", base, d, more="page = 5") + source("own", base, d, "query", f'page = 11 query = "{ORDERED}"')
        with Daemon(d, body) as daemon:
            for i in range(5):
                daemon.spawn()
                time.sleep(0.05 + 0.04 * i)  # some moment or other
                daemon.stop(signal.SIGKILL)
            daemon.start()
            caught_up(daemon, "cdr", "own")
            expected = (120, 120, 240, 120)
            assert counts(daemon, "calls", "code_23", "reports", "duplicates") == expected, daemon.status()
            for pid in children(daemon.process.pid):
                os.kill(pid, signal.SIGKILL)
            wait_for("word of it", lambda: daemon.log_text().count("was ended by signal 9") == 2)
            base.put("ErrorReport", base.error(time.time(), "after@example.com"))
            wait_for("a new worker", lambda: counts(daemon, "code_23") == (121,) and counts(daemon, "reports") == (242,), 20)
            workers = children(daemon.process.pid)
            assert daemon.stop() == 0, daemon.log_text()
            assert len(workers) == 2 and not any(os.path.exists(f"/proc/{pid}") for pid in workers), workers


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as f:
        return [int(word) for word in f.read().split()]


def test_kills_change_no_count_in_postgresql():
    with Postgres() as base:
        killed(base)


def test_kills_change_no_count_in_sqlite():
    with Sqlite() as base:
        killed(base)


def too_much_for_memory(base):
    """psqlodbc would hold all of it for each page, and systemd's limit is of the daemon, too."""
    with tempfile.TemporaryDirectory(prefix="em-sql-") as d:
        base.execute("CREATE TABLE Big AS SELECT now() AT TIME ZONE 'UTC' + i * interval '1 ms' - interval '60 s' AS t, repeat('x', 8000) AS x "
                     "FROM generate_series(1, 12000) AS i; GRANT SELECT ON Big TO reader")
        query = "SELECT t AS time, 7 AS code, x AS from_uri, 'a@b' AS call_id FROM Big WHERE t >= ? ORDER BY t"
        with Daemon(d, source("big", base, d, "query", f'query = "{query}"')) as daemon:
            daemon.start()
            wait_for("a page", lambda: row(daemon, "big")["reports"] >= 1000)
            peak = most_memory(*children(daemon.process.pid))
            assert sanitized() or peak < 64 * 1024, f"{peak} kB"
            assert daemon.stop() == 0, daemon.log_text()


def most_memory(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


if __name__ == "__main__":
    tap.run(globals())
