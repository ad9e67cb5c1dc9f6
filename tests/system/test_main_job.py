#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job end to end: a trace made by the generator, read by edgemediad, seen through a real snmpd, over HTTP, by the plugin and by
the command, all with the numbers that the generator knows to be true; a restarted snmpd; SNMP while 500 checks are due; and the time that
probes of dead addresses take."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))), os.path.dirname(os.path.abspath(__file__))]
import tap  # noqa: E402
from edgemediad import BUILD, Daemon, StunServer, free_port, sanitized, wait_for  # noqa: E402
from private_snmpd import Snmpd  # noqa: E402
from snmpv2c import Manager, oid  # noqa: E402

ROOT = "1.3.6.1.4.1.8072.9999.9999.23"
CHECKS = 500
STALL_S = 0.05 * (10 if sanitized() else 1)
BACK_S = 20

# The scan contract's name, and the scalar of EDGE-MEDIA-MIB.
SCALARS = {"code_23": 1, "tcp_nat_check": 2, "code_23_tcp_nat": 3, "media_failures": 4, "reports": 5, "duplicates": 6, "unkeyed": 7,
           "malformed": 8, "calls": 9, "messages": 10}
METRICS = {"code_23": "edgemedia_code23_failures_total", "tcp_nat_check": "edgemedia_tcp_nat_check_failures_total",
           "code_23_tcp_nat": "edgemedia_code23_tcp_nat_failures_total", "media_failures": "edgemedia_media_failures_total",
           "reports": "edgemedia_reports_total", "duplicates": "edgemedia_duplicate_reports_total",
           "unkeyed": "edgemedia_unkeyed_reports_total", "malformed": "edgemedia_malformed_messages_total"}


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)


def scalar(manager, number):
    return manager.get(oid(f"{ROOT}.1.1.{number}.0"))[0]


def trace(directory):
    """A trace in three files, and the truth about it."""
    done = run(f"{BUILD}/tests/bench/gen_trace", f"--out={directory}/trace.log", "--files=3", "--bytes=3000000", "--format=mixed", "--failing=5",
               "--seed=23", f"--truth={directory}/truth.json")
    assert done.returncode == 0, done.stderr
    with open(f"{directory}/truth.json", encoding="ascii") as f:
        return json.load(f)


class Everything:
    """snmpd and edgemediad with a trace and two checks, in one directory."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="em-main-")
        d = self.directory.name
        self.truth = trace(d)
        self.stun = StunServer()
        self.snmpd = Snmpd(d)
        self.snmpd.start()
        body = (f'edge "oslo" {{ check "up" {{ uri = "stun:127.0.0.1:{self.stun.port}" interval = 1 }}\n'
                f'check "down" {{ uri = "tcp:127.0.0.1:{free_port()}" interval = 1 }} }}\n'
                f'source "fe01" {{ type = trace path = "{d}/trace.log.*" }}\n')
        self.daemon = Daemon(d, body, agentx_address=self.snmpd.agentx).start()
        self.manager = Manager(self.snmpd.port)
        wait_for("all reports", lambda: self.daemon.status()["reports"] == self.truth["reports"], 30)
        wait_for("both checks", lambda: all(row["probes"] for row in self.daemon.status()["checks"]), 10)
        wait_for("the same over SNMP", lambda: scalar(self.manager, SCALARS["reports"])[2] == self.truth["reports"], BACK_S)
        return self

    def __exit__(self, *_):
        self.manager.close()
        self.daemon.__exit__()
        self.snmpd.close()
        self.stun.close()
        self.directory.cleanup()


def test_every_face_tells_the_truth():
    with Everything() as e:
        # The last messages of quiet files come a little later than the last report.
        wait_for("all messages", lambda: e.daemon.status()["messages"] == e.truth["messages"], 15)
        wait_for("them over SNMP", lambda: scalar(e.manager, SCALARS["messages"])[2] == e.truth["messages"], 15)
        status, web = e.daemon.status(), e.daemon.status("web")
        metrics = e.daemon.get("/metrics", "web")[2].decode().splitlines()
        files = [f"{e.directory.name}/trace.log.{i}" for i in range(3)]
        scan = json.loads(run(f"{BUILD}/edgemedia", "scan", "--json", *files).stdout)
        for name, number in SCALARS.items():
            want = e.truth[name]
            got = {"socket": status[name], "web": web[name], "scan": scan[name], "snmp": scalar(e.manager, number)[2]}
            if name in METRICS:
                got["metrics"] = int(float(next(m for m in metrics if m.startswith(METRICS[name] + " ")).split()[1]))
            assert set(got.values()) == {want}, f"{name}: want {want}, got {got}"
        for name in ("codes", "ice_warnings", "media"):
            assert status[name] == scan[name] == e.truth[name], name
        verdicts = {row["name"]: row["verdict"] for row in status["checks"]}
        assert verdicts == {"up": "ok", "down": "refused"}, verdicts
        column = [value for _, _, value in e.manager.walk(oid(f"{ROOT}.1.12.1.10"))]
        assert sorted(column) == [1, 3], column
        tools_agree(e)


def tools_agree(e):
    """snmpwalk = snmpbulkwalk, and the plugin says the same through SNMP and through the socket."""
    walks = [run(tool, "-v2c", "-c", "public", "-m", "", "-On", "-Cc", f"127.0.0.1:{e.snmpd.port}", ROOT + ".1.1").stdout for tool in ("snmpwalk", "snmpbulkwalk")]
    assert walks[0] == walks[1] and walks[0].count(b"\n") == len(SCALARS) + 2, walks
    plugin = [f"{BUILD}/plugins/check_edge_media", "--mode", "code23", "--total"]
    over_snmp = run(*plugin, "-H", "127.0.0.1", "-p", str(e.snmpd.port), "-C", "public")
    over_socket = run(*plugin, "--socket", e.daemon.control)
    assert over_snmp.stdout == over_socket.stdout and over_snmp.returncode == over_socket.returncode == 2, (over_snmp, over_socket)
    table = run(f"{BUILD}/edgemedia", "status", "--socket", e.daemon.control).stdout.decode()
    assert "refused" in table and str(e.truth["code_23_tcp_nat"]) in table, table


def test_rows_are_back_after_a_restart_of_snmpd():
    with Everything() as e:
        e.snmpd.kill()
        e.snmpd.start()

        def back():
            tag_value = scalar(e.manager, SCALARS["reports"])
            return tag_value[2] == e.truth["reports"]

        begin = time.monotonic()
        wait_for("the rows", back, BACK_S)
        print(f"# rows back after {time.monotonic() - begin:.1f} s")


def test_probes_go_on_while_snmpd_is_stopped():
    with Everything() as e:
        e.snmpd.pause()
        before = e.daemon.check("up")["probes"]
        wait_for("ten more probes", lambda: e.daemon.check("up")["probes"] >= before + 10, 20)
        assert e.daemon.get("/metrics", "web")[0] == 200
        e.snmpd.resume()
        wait_for("newer values over SNMP", lambda: max(v for _, _, v in e.manager.walk(oid(f"{ROOT}.1.12.1.15"))) > before + 10, BACK_S)


def worst_get(manager, seconds):
    worst, end, n = 0.0, time.monotonic() + seconds, 0
    while time.monotonic() < end:
        begin = time.monotonic()
        scalar(manager, 1)
        worst = max(worst, time.monotonic() - begin)
        n += 1
        time.sleep(0.002)
    return worst, n


def test_500_checks_at_once_do_not_stall_snmp():
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # bound and never read: silence
    dead.bind(("127.0.0.1", 0))
    uris = (f"udp:127.0.0.1:{dead.getsockname()[1]}", f"tcp:127.0.0.1:{free_port()}")
    body = 'edge "oslo" {' + "".join(f'check "c{i}" {{ uri = "{uris[i % 2]}" interval = 1 timeout = 1 }}\n' for i in range(CHECKS)) + "}"
    best = 9.0
    with tempfile.TemporaryDirectory(prefix="em-main-") as d:
        snmpd = Snmpd(d)
        snmpd.start()
        manager = Manager(snmpd.port)
        try:
            with Daemon(d, body, agentx_address=snmpd.agentx, concurrent_probes=CHECKS) as daemon:
                daemon.start()
                wait_for("rows over SNMP", lambda: scalar(manager, 1)[1] == 0x46, BACK_S)
                for attempt in range(3):  # another process of the machine can only make it worse
                    worst, n = worst_get(manager, 3)
                    print(f"# attempt {attempt}: worst latency of an SNMP GET {worst * 1000:.1f} ms of {n}, 500 checks every second")
                    best = min(best, worst)
                    if best <= STALL_S:
                        break
                assert sum(row["probes"] for row in daemon.status()["checks"]) >= CHECKS
        finally:
            manager.close()
            snmpd.close()
            dead.close()
    assert best <= STALL_S, f"{best * 1000:.1f} ms"


def test_a_dead_address_ends_at_its_timeout():
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dead.bind(("127.0.0.1", 0))
    late = 9.0
    for _ in range(3):
        begin = time.monotonic()
        done = run(f"{BUILD}/edgemedia", "probe", "--json", "--timeout", "1", f"stun:127.0.0.1:{dead.getsockname()[1]}")
        late = min(late, time.monotonic() - begin - 1.0)
        answer = json.loads(done.stdout)
        assert answer["verdict"] == "filtered" and done.returncode == 1, answer
    dead.close()
    print(f"# the whole command took {late * 1000:.0f} ms more than its timeout of 1 s, start and end included")
    assert 0 <= late <= 0.1 * (5 if sanitized() else 1), f"{late * 1000:.0f} ms"


if __name__ == "__main__":
    tap.run(dict(globals()))
