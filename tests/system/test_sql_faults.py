#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources in databases, over a real PostgreSQL and a real SQLite: what goes wrong is said, holds nothing else up, and does not last."""
import contextlib
import datetime
import json
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from databases import PASSWORD, Postgres, Sqlite  # noqa: E402
from edgemediad import Daemon, wait_for  # noqa: E402
from test_sql_source import QUERY, caught_up, counts, row, source  # noqa: E402


def error_of(daemon, name, words):
    return wait_for(f"{name} to say {words}", lambda: words in row(daemon, name)["error"] and row(daemon, name)["error"], 20)


def test_what_goes_wrong_is_said_and_does_not_last():
    with contextlib.ExitStack() as stack:
        postgres, lite = stack.enter_context(Postgres()), stack.enter_context(Sqlite())
        d = stack.enter_context(tempfile.TemporaryDirectory(prefix="em-sql-"))
        for base in (postgres, lite):
            base.put("ErrorReport", *(base.error(time.time() - 100 + 5 * i, f"{base.name}-{i}@example.com") for i in range(3)))
            base.put("ErrorReport", base.error(time.time(), "\x1b[31mred@example.com", text="no code in it", code=7))
        slow = "timeout = 1"
        body = "".join([
            source("good", postgres, d), source("good2", lite, d),
            source("driver", lite, d, connection="Driver=Nobody;Database=x"),
            source("closed", postgres, d, connection="Driver=PostgreSQL Unicode;Server=127.0.0.1;Port=1;Database=x"),
            source("column", lite, d, "query", 'query = "SELECT ErrorTime, DialogId FROM ErrorReportView WHERE ErrorTime >= ?"'),
            source("time", lite, d, "query", 'query = "SELECT MsDiagId FROM ErrorReportView WHERE ErrorTime >= ?"'),
            source("table", postgres, d, "query", 'query = "SELECT ErrorTime, MsDiagId FROM Nowhere WHERE ErrorTime >= ?"'),
            source("order", postgres, d, "query", f'query = "{QUERY} WHERE ErrorTime >= ? ORDER BY ErrorTime DESC"'),
            source("zone", postgres, d, "query", """query = "SELECT ErrorTime AT TIME ZONE 'UTC' AS time, 7 AS code, 'zone-' || DialogId AS call_id
                FROM ErrorReportView WHERE ErrorTime AT TIME ZONE 'UTC' >= ? ORDER BY 1" """),
            *(source(f"long-{base.name}", base, d, "query", f'''query = "SELECT ErrorTime AS time, DialogId AS call_id,
                MsDiagHeader || {base.long} AS header FROM ErrorReportView WHERE ErrorTime >= ? ORDER BY 1"''') for base in (postgres, lite)),
            source("slow", postgres, d, "query", f'{slow} query = "{postgres.sleeps}"'),
            source("slow2", lite, d, "query", f'{slow} query = "{lite.sleeps}"')])
        wrong = source("login", postgres, d).replace("user = reader", "user = somebody")
        with Daemon(d, body + wrong) as daemon:
            daemon.start()
            caught_up(daemon, "good", "good2", "zone", "long-postgres", "long-sqlite")
            wait_for("the calls", lambda: counts(daemon, "code_23") == (6,))
            for name, words in (("driver", "connecting: connection: is the driver's package installed?"), ("closed", "connecting: is the server up"),
                                ("column", "says why a call failed"), ("time", "no column is called ErrorTime"), ("table", "nowhere"),
                                ("order", "write ORDER BY"), ("slow", "query: timeout: is there an index on the time?"),
                                ("slow2", "no answer in 6 s"), ("login", "connecting: is the server up, are connection, user and password right?")):
                said = error_of(daemon, name, words)
                assert PASSWORD not in said and row(daemon, name)["state"] == "failed", said
            for name in ("long-postgres", "long-sqlite"):  # what there is of a text that is too long counts, and the row is malformed
                assert (row(daemon, name)["reports"], row(daemon, name)["malformed"]) == (3, 4), row(daemon, name)
            zones = [f for f in json.loads(daemon.get("/api/v1/failures")[2])["failures"] if f["call_id"].startswith("zone-")]
            times = [datetime.datetime.fromisoformat(f["time"].replace("Z", "+00:00")).timestamp() for f in zones]
            assert len(times) == 4 and all(time.time() - 200 < at <= time.time() for at in times), zones
            assert daemon.status()["code_23"] == 6 and PASSWORD not in daemon.log_text(), daemon.log_text()
            postgres.stop()
            wait_for("word of the stop", lambda: row(daemon, "good")["state"] == "failed")
            lite.put("ErrorReport", lite.error(time.time(), "meanwhile@example.com"))
            wait_for("the other one", lambda: counts(daemon, "code_23") == (7,))
            postgres.start()
            postgres.put("ErrorReport", postgres.error(time.time(), "again@example.com"))
            wait_for("a new connection", lambda: counts(daemon, "code_23") == (8,), 30)
            wait_for("word of it", lambda: "source good: answers again" in daemon.log_text())
            assert daemon.stop() == 0, daemon.log_text()


if __name__ == "__main__":
    tap.run(globals())
