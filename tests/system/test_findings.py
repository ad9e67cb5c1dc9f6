#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of a running daemon: raised by calls and by probes, the same in JSON, metrics and the command, kept over a restart."""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from private_snmpd import Snmpd, find_snmpd  # noqa: E402
from edgemediad import BUILD, Daemon, StunServer, Trace, wait_for  # noqa: E402


def edge(port):
    return f'edge "oslo" {{ check "stun" {{ uri = "stun:127.0.0.1:{port}" interval = 1 timeout = 0.3 }} }}\n'


def findings(daemon):
    code, _, body = daemon.get("/api/v1/findings?history=10")
    assert code == 200, body
    return json.loads(body)


def kinds(daemon):
    return sorted(f["kind"] for f in findings(daemon)["findings"])


def command(daemon, *arguments):
    got = subprocess.run([f"{BUILD}/edgemedia", arguments[0], "--socket", daemon.control, *arguments[1:]], capture_output=True, text=True,
                         check=False, timeout=20)
    return got.returncode, got.stdout, got.stderr


def plugin(*where):
    got = subprocess.run([f"{BUILD}/plugins/check_edge_media", *where, "--mode", "findings"], capture_output=True, text=True,
                         check=False, timeout=20)
    return got.returncode, got.stdout


def counted(daemon, kind):
    text = daemon.get("/metrics")[2].decode()
    found = re.search(rf'edgemedia_findings{{edge="oslo",kind="{kind}",severity="[a-z]+"}} (\d+)', text)
    return int(found.group(1)) if found else None


def test_calls_with_green_checks_are_application_inspection():
    server = StunServer()
    with tempfile.TemporaryDirectory(prefix="em-findings-") as d:
        trace = Trace(f"{d}/a.log")
        with Daemon(d, edge(server.port) + f'source "fe01" {{ type = trace path = "{d}/*.log" }}\n') as daemon:
            daemon.start()
            wait_for("the check", lambda: (daemon.check("stun") or {}).get("verdict") == "ok")
            assert kinds(daemon) == []
            assert command(daemon, "findings")[0] == 0
            assert plugin("--socket", daemon.control) == (0, "EDGE MEDIA OK - nothing is found to be wrong | findings=0;;;0\n")
            for i in range(4):
                trace.fail(f"call {i}")
            wait_for("the finding", lambda: kinds(daemon) == ["application-inspection"])
            finding = findings(daemon)["findings"][0]
            for key in ("id", "kind", "severity", "edge", "path", "text", "advice", "since", "confidence", "evidence"):
                assert key in finding, key
            assert finding["edge"] == "oslo" and finding["observations"] == 4, finding
            assert len(finding["evidence"]) == 4 and all("0x8000100" in e["value"] for e in finding["evidence"]), finding
            assert counted(daemon, "application-inspection") == 1
            in_status = daemon.status()["findings"]
            assert [f["id"] for f in in_status] == [finding["id"]], in_status
            state, out = plugin("--socket", daemon.control)
            assert state == 2 and "application override" in out and "findings=1" in out, out
            code, out, _ = command(daemon, "explain", str(finding["id"]))
            assert code == 1 and "PAN-OS" in out and "call 0" in out, out
            assert command(daemon, "findings", "--json")[0] == 1
            twice = command(daemon, "explain", str(finding["id"]), str(finding["id"]))
            assert twice == (1, out, ""), twice
            code, _, err = command(daemon, "explain", "99999")
            assert code == 2 and "99999" in err and "edgemedia findings" in err, err
    server.close()


def test_plugin_says_the_same_over_snmp():
    if not find_snmpd():
        return "no snmpd"
    server = StunServer()
    server.silent = True
    with tempfile.TemporaryDirectory(prefix="em-findings-") as d:
        snmpd = Snmpd(d)
        snmpd.start()
        try:
            with Daemon(d, f'source "fe01" {{ type = trace path = "{d}/nothing/*.log" }}\n' + edge(server.port), agentx_address=snmpd.agentx) as daemon:
                daemon.start()
                wait_for("the finding", lambda: "edge-unreachable" in kinds(daemon))
                over_snmp = ("-H", "127.0.0.1", "-p", str(snmpd.port), "-C", "public")
                wait_for("the finding over SNMP", lambda: plugin(*over_snmp)[0] == 2)
                assert plugin(*over_snmp) == plugin("--socket", daemon.control), (plugin(*over_snmp), plugin("--socket", daemon.control))
        finally:
            snmpd.close()
            server.close()
    return None


def test_silent_edge_is_found_and_remembered():
    server = StunServer()
    server.silent = True
    with tempfile.TemporaryDirectory(prefix="em-findings-") as d:
        with Daemon(d, edge(server.port)) as daemon:
            daemon.start()
            wait_for("the finding", lambda: kinds(daemon) == ["edge-unreachable"])
            before = findings(daemon)["findings"][0]
            assert daemon.stop() == 0
            daemon.start()
            wait_for("the finding after a restart", lambda: kinds(daemon) == ["edge-unreachable"])
            after = findings(daemon)["findings"][0]
            assert (after["id"], after["since"]) == (before["id"], before["since"]), (before, after)
            assert findings(daemon)["history"] == []
    server.close()


if __name__ == "__main__":
    tap.run(globals())
