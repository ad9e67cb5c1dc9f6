#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a real headless Chromium: it loads without an error in light, dark and on a phone, its numbers are those of the JSON and of SNMP,
hostile text stays text, axe-core finds no violation. The screenshots stay in the build directory, in screenshots/."""
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from private_snmpd import Snmpd  # noqa: E402
from edgemediad import BUILD, Daemon, StunServer, Trace, wait_for  # noqa: E402
from whole import TOTALS, Snmp  # noqa: E402

SRC = os.environ.get("EM_SRCDIR", ".")
MODULES = os.environ.get("EM_WEB_PACKAGES") or f"{BUILD}/node_modules"
CHROMIUM = shutil.which("chromium")
HOSTILE = ["<script>window.pwned=1</script>", "<img src=x onerror=window.pwned=2>", "=HYPERLINK(1)", "\"'><b>x</b>", "%3Cscript%3E", "javascript:window.pwned=3"]
CODES = [23, 23, 22]
ICE = ["0x8000100", "0x100", "0x20"]
FAR = [("203.0.113.7:4", "b@fabrikam.example"), ("203.0.113.8:4", "b@fabrikam.example"), ("<script>window.pwned=4</script>", "b@<img src=x onerror=window.pwned=5>")]
CALLS = 12


def why_not():
    if not CHROMIUM or not shutil.which("node"):
        return "no chromium or no node"
    return None if os.path.exists(f"{MODULES}/playwright-core") and os.path.exists(f"{MODULES}/axe-core") else "no playwright-core: set EM_WEB_PACKAGES"


def drive(daemon):
    shots = f"{BUILD}/screenshots"
    os.makedirs(shots, exist_ok=True)
    report = os.path.abspath(f"{shots}/report.html")
    subprocess.run([f"{BUILD}/edgemedia", "report", "--socket", daemon.control, "--range", "1h", "--output", report], check=True, timeout=60)
    what = json.dumps({"report": report, "modules": os.path.abspath(MODULES), "chromium": CHROMIUM, "port": daemon.port, "shots": shots})
    env = {name: value for name, value in os.environ.items() if not name.endswith("SAN_OPTIONS")}
    done = subprocess.run(["node", f"{SRC}/tests/web/drive.js", what], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def scene(directory, snmpd, good, dead):
    """A daemon with two edges, one of which does not answer, and with failed calls whose names are hostile."""
    trace = Trace(f"{directory}/fe.log")
    body = f'source "fe" {{ type = trace path = "{directory}/fe.log" }}\n'
    for name, port in (("oslo", good.port), ("<b>bergen</b>", dead.port)):
        body += f'edge "{name}" {{ check "stun" {{ uri = "stun:127.0.0.1:{port}" interval = 1 timeout = 0.3 }} }}\n'
    daemon = Daemon(directory, body, agentx_address=snmpd.agentx).start()
    for i in range(CALLS):
        trace.fail(f"call-{i}-{HOSTILE[i % len(HOSTILE)]}", CODES[i % len(CODES)], ICE[i % len(ICE)], *FAR[i % len(FAR)], reason=HOSTILE[(i + 1) % 3])
    wait_for("the calls", lambda: daemon.status()["code_23"] + daemon.status()["codes"].get("22", 0) == CALLS)
    wait_for("a finding", lambda: {f["kind"] for f in daemon.status()["findings"]} >= {"edge-unreachable"})
    return daemon


def plain(text):
    return int(re.sub(r"\D", "", text))


def judge_numbers(used, status, snmp):
    for name in ("media_failures", "code_23", "tcp_nat_check", "code_23_tcp_nat"):
        assert plain(used["totals"][name]) == status[name] == snmp.number(f"1.{TOTALS[name]}.0"), (name, used["totals"], status[name])
        assert plain(used["recent"][name]) == status["recent"][f"{name}_1h"], (name, used["recent"])
    assert sorted(used["edges"]) == sorted(e["name"] for e in status["edges"]), used["edges"]
    assert used["edges"][0] == "<b>bergen</b>" and used["verdicts"] == ["✕ filtered", "✓ ok"], (used["edges"], used["verdicts"])
    assert [f.lower() for f in used["findings"]] and {f.lower() for f in used["findings"]} == {f["text"].lower() for f in status["findings"]}, used["findings"]
    assert used["word"] == "✕ Media is broken" and "What to do" in used["facts"] and "Since" in used["facts"], used
    assert used["paths"] == ["stun"] and used["meaning"] == ["0x100", "0x8000000"], (used["paths"], used["meaning"])
    assert used["live"].startswith("live "), used["live"]


def judge_calls(used, failures):
    assert [row[8] for row in used["rows"]] == [f["call_id"] for f in failures], used["rows"]
    assert used["json"]["failures"] == failures and used["json"]["next"] is None, "the JSON that is downloaded is not that of the daemon"
    rows = list(csv.DictReader(io.StringIO(used["csv"], newline="")))
    assert [row["call_id"].lstrip("'") for row in rows] == [f["call_id"] for f in failures], rows
    assert not any(cell[:1] in ("=", "+", "-", "@") for row in rows for cell in row.values()), "a cell that is a formula"
    assert used["of_code_22"] == CALLS // 3 and used["of_text"] == 1 and used["of_all_again"] == CALLS, used
    assert used["of_flag_100"] == sum(bool(int(f["ice_warnings"], 16) & 0x100) for f in failures), used["of_flag_100"]
    assert used["of_call"] == 1 and used["of_future"] == [0, "No failed call fits."], (used["of_call"], used["of_future"])
    assert used["form_of_finding"] == "application-sharing", used["form_of_finding"]
    assert 0 < used["of_finding"] <= CALLS and used["focus"] == "Show all calls", (used["of_finding"], used["focus"])


def judge_peers(used, status):
    """What a stranger wrote in place of an address or a domain is no peer."""
    want = {kind: [(p["name"], p["media_failures"]) for p in status["peers"] if p["kind"] == kind] for kind in ("relay", "domain")}
    assert want == {"relay": [("203.0.113.7", CALLS // 3), ("203.0.113.8", CALLS // 3)], "domain": [("fabrikam.example", CALLS // 3 * 2)]}, want
    for kind, rows in want.items():
        assert [(row[0], plain(row[2])) for row in used[f"{kind}s"]] == rows, used[f"{kind}s"]
    assert used["only"].endswith("in the last hour only fabrikam.example."), used["only"]
    assert used["of_peer"] == CALLS // 3 and used["peer"] == used["link"] == "203.0.113.7", (used["of_peer"], used["peer"], used["link"])
    assert {row["remote_relay"] for row in csv.DictReader(io.StringIO(used["csv_of_peer"], newline=""))} == {"203.0.113.7:4"}, used["csv_of_peer"]
    assert any("203.0.113.7" in s and "203.0.113.8" in s for s in used["sums"]), used["sums"]


def test_page_in_a_browser():
    if why_not():
        return why_not()
    good, dead = StunServer(), StunServer()
    dead.silent = True
    with tempfile.TemporaryDirectory(prefix="em-page-") as d:
        snmpd = Snmpd(d)
        snmpd.start()
        with scene(d, snmpd, good, dead) as daemon:
            snmp = Snmp(snmpd.port)
            wait_for("SNMP", lambda: snmp.number(f"1.{TOTALS['media_failures']}.0") == CALLS)
            found = drive(daemon)
            assert found["messages"] == [], found["messages"]
            for name, seen in found["looks"].items():
                assert seen["violations"] == [], (name, seen["violations"])
                assert seen["width"] <= seen["wanted"], f"{name}: {seen['width']} px wide"
            for seen in found["reports"]:
                assert seen["violations"] == [] and seen["pages"] > 0 and seen["width"] <= 1000, (seen["violations"], seen["width"])
                assert "Nothing of <b>bergen</b> answers" in seen["text"], seen["text"][:2000]
            used = found["used"]
            assert used["pwned"] is None and used["alien"] == 0 and used["scripts"] == ["/app.js", "/uplot.js", "/graphs.js"], used
            assert used["first_tab"] == "skip" and used["closed_by_key"], used
            judge_numbers(used, daemon.status(), snmp)
            judge_peers(used, daemon.status())
            judge_calls(used, json.loads(daemon.get("/api/v1/failures?limit=1000")[2])["failures"])
        snmpd.close()
    good.close()
    dead.close()
    return None


tap.run(globals())
