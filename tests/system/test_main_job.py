#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job end to end: snmpd, coturn, responder and edgemediad are real, the trace grows and is rotated; every face tells what the
generator knows to be true. Then snmpd is restarted, and stopped; 500 checks are due at once; dead addresses are probed; and the daemon
ends and starts again. The cases stand in this order and share one installation, which is in `whole`."""
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))), os.path.dirname(os.path.abspath(__file__))]
import clock  # noqa: E402
import tap  # noqa: E402
from edgemediad import BUILD, Daemon, free_port, sanitized, wait_for  # noqa: E402
from private_snmpd import Snmpd, end_with_parent  # noqa: E402
from snmpv2c import Manager, oid  # noqa: E402
from whole import (BACK_S, METRICS, TOTALS, V3, Meter, Snmp, Whole, dead_udp, edgemedia, end, measure, metrics, of_session,  # noqa: E402
                   rss, silent_tcp, tools, worst_of_runs)

SLOW = 10 if sanitized() else 1
STALL_S = 0.05 * SLOW
LATE_S = 0.1 * (5 if sanitized() else 1)
RSS_MAX = 16 << 20
CHECKS = 500
OK, CRITICAL = 0, 2
INFORMATION = (51004, 51007)  # codes that are reported without a failure; the daemon counts them and does not list them
NUMBERS = {"ok": 1, "degraded": 2, "refused": 3, "filtered": 4}  # of the verdicts, in the MIB

whole = Whole()


def note(text):
    print(f"# {text}", flush=True)


def bystander():
    """Asked beside the daemon that is measured: one that has next to nothing to do. When it is late, the machine is busy with other things."""
    return whole.daemon.get("/healthz", "web")


def watched(run):
    """(the two that run() came to, how late a bystander was meanwhile)"""
    meter = Meter(bystander)
    meter.start()
    try:
        found = run()
    finally:
        meter.over.set()
        meter.join(30)
    return *found, meter.worst() if meter.seconds else 0.0


# --- counting -----------------------------------------------------------------------------------------------------------------------

def test_the_counters_grow_with_the_trace():
    generator = whole.generator(records=3000, rotate_every=700, pace_us=1000)
    seen = []
    try:
        while generator.poll() is None:
            seen.append(whole.snmp.number("1.5.0"))
            time.sleep(0.1)
        assert generator.wait() == 0
    finally:
        end(generator)
    whole.read_truth()
    whole.wait_for_truth()
    numbers = [n for n in seen if n is not None]
    assert numbers == sorted(numbers) and len(set(numbers)) >= 5, f"emReports while the trace grew: {seen}"
    t = whole.truth
    note(f"{t['messages']} messages, {t['reports']} reports in {len(whole.files())} files; emReports went through {len(set(numbers))} values")


def test_every_counter_on_every_face_is_the_true_one():
    scan = json.loads(edgemedia("scan", "--json", *whole.files()).stdout)
    walks = [whole.snmp.tool(tool, "1") for tool in ("snmpwalk", "snmpbulkwalk")]
    status, web = whole.daemon.status(), whole.daemon.status("web")
    found = [metrics(whole.daemon.get("/metrics", over)[2].decode()) for over in ("web", "control")]
    for name, number in TOTALS.items():
        got = {"scan": scan[name], "control": status[name], "web": web[name], "snmpget": whole.snmp.number(f"1.{number}.0"),
               "snmpget -v3": int(whole.snmp.get(f"1.{number}.0", version=V3)[f"1.{number}.0"]),
               "snmpwalk": int(walks[0][f"1.{number}.0"]), "snmpbulkwalk": int(walks[1][f"1.{number}.0"]),
               "metrics": found[0][f"edgemedia_{METRICS[name]}_total"], "metrics by control": found[1][f"edgemedia_{METRICS[name]}_total"]}
        assert set(got.values()) == {whole.truth[name]}, f"{name}: true is {whole.truth[name]}, got {got}"


def table_of_metrics(series, label):
    found = metrics(whole.daemon.get("/metrics", "web")[2].decode())
    head = f'edgemedia_{series}_total{{{label}="'
    return {name[len(head):].split('"')[0]: int(n) for name, n in found.items() if name.startswith(head) and n}


def table_of_snmp(table, key, calls, spelled=str):
    keys, numbers = whole.snmp.column(table, key), whole.snmp.column(table, calls)
    assert keys.keys() == numbers.keys() and keys, f"table {table}: {keys} {numbers}"
    return {spelled(keys[index]): int(n) for index, n in numbers.items() if n != "0"}


def test_codes_warnings_and_media_on_every_face_are_the_true_ones():
    scan = json.loads(edgemedia("scan", "--json", *whole.files()).stdout)
    status = whole.daemon.status()
    snmp = {"codes": table_of_snmp(16, 2, 5), "ice_warnings": table_of_snmp(17, 2, 6, lambda n: hex(int(n, 0))), "media": table_of_snmp(18, 2, 3)}
    series = {"codes": table_of_metrics("call_failures", "code"), "ice_warnings": table_of_metrics("ice_warnings", "warning"),
              "media": table_of_metrics("media_call_failures", "media")}
    for name in snmp:
        got = {"scan": scan[name], "status": status[name], "snmp": snmp[name], "metrics": series[name]}
        assert all(g == whole.truth[name] for g in got.values()), f"{name}: true is {whole.truth[name]}, got {got}"


def test_each_failure_is_listed_once():
    scanned = [json.loads(line) for line in edgemedia("scan", "--failures", *whole.files()).stdout.splitlines()]
    told = edgemedia("failures", "--json", "--limit=1000", "--socket", whole.daemon.control)
    assert told.returncode == 1, told
    listed = json.loads(told.stdout)["failures"]
    assert len(scanned) == sum(whole.truth["codes"].values()), f"{len(scanned)} scanned, true is {whole.truth['codes']}"
    want = sorted((f["call_id"], f["code"]) for f in scanned if f["code"] not in INFORMATION)
    assert sorted((f["call_id"], f["code"]) for f in listed) == want, \
        f"{len(want)} failures scanned, {len(listed)} listed"
    calls, codes = whole.snmp.column(20, 3), whole.snmp.column(20, 5)
    rows = [(calls[index], int(codes[index])) for index in calls]
    assert rows and len(set(rows)) == len(rows) and set(rows) <= set(want), f"{len(rows)} rows of emRecentFailureTable"
    note(f"{len(want)} failures, {len(rows)} of them in emRecentFailureTable")
    text = edgemedia("failures", "--limit=1000", "--socket", whole.daemon.control).stdout
    assert all(f["call_id"] in text for f in listed), text[:2000]


# --- checks -------------------------------------------------------------------------------------------------------------------------

def test_the_check_table_tells_what_became_of_each_port():
    whole.wait_for_verdicts()
    rows = {row["name"]: row for row in whole.daemon.status("web")["checks"]}
    assert {name: row["verdict"] for name, row in rows.items()} == Whole.VERDICTS, rows
    columns = {n: whole.snmp.column(12, n) for n in (3, 4, 6, 7, 10, 11, 12)}
    up = {name: n for name, n in metrics(whole.daemon.get("/metrics", "web")[2].decode()).items() if name.startswith("edgemedia_check_up")}
    for name, row in rows.items():
        index = f"{row['edge']}.{row['check']}.{row['address_index']}"
        is_up = int(row["verdict"] == "ok")
        want = {3: "oslo", 4: name, 6: "127.0.0.1", 7: str(row["port"]), 10: str(NUMBERS[row["verdict"]]), 11: str(is_up)}
        got = {n: columns[n][index] for n in want}
        assert got == want and columns[12][index], f"{name}: {got}"
        assert row["up"] == is_up and up[f'edgemedia_check_up{{edge="oslo",check="{name}",address="127.0.0.1"}}'] == is_up, (row, up)
    assert len(columns[4]) == len(rows) == len(up), (columns[4], up)
    for name in ("turn-udp", "turn-tcp"):
        assert rows[name]["relayed_address"] and rows[name]["allocate_us"] > 0 and "Coturn" in rows[name]["software"], rows[name]
    assert rows["closed-tcp"]["reason"] and rows["dead-udp"]["failed_probes"] == rows["dead-udp"]["probes"], rows


def agree(*arguments):
    """The one answer of the plugin over all three ways. Live values may change between two questions: then all are asked again."""
    for _ in range(8):
        answers = whole.plugin(*arguments)
        if len(set(answers)) == 1:
            return answers[0]
    raise AssertionError("SNMPv2c, SNMPv3 and socket: " + " / ".join(map(str, answers)))


def test_the_plugin_says_the_same_over_snmp_v2c_v3_and_the_socket():
    t = whole.truth
    totals = {"code23": f"code23_total={t['code_23']}c", "tcp-nat": f"tcp-nat_total={t['tcp_nat_check']}c",
              "failures": f"failures_total={t['media_failures']}c"}
    for mode, number in totals.items():
        status, line = agree("--mode", mode, "--total", "-w", "0", "-c", "0")
        assert status == CRITICAL and number in line, (mode, status, line)
        status, line = agree("--mode", mode, "--total", "-w", "1000000", "-c", "1000000")
        assert status == OK and number in line, (mode, status, line)
    status, line = agree("--mode", "ports")
    bad = sum(v != "ok" for v in Whole.VERDICTS.values())
    assert status == CRITICAL and f"checks={len(Whole.VERDICTS)};" in line and f"checks_down={bad};" in line, line
    for name, verdict in Whole.VERDICTS.items():
        status, line = agree("--mode", "ports", f"--check={name}")
        assert status == (OK if verdict == "ok" else CRITICAL) and (verdict == "ok" or f"oslo/{name} {verdict}" in line), line
    good = [f"--check={name}" for name, verdict in Whole.VERDICTS.items() if verdict == "ok"]
    status, line = agree("--mode", "ports", *good)
    assert status == OK and "checks_down=0;" in line, line
    status, line = agree("--mode", "all", "--total")
    assert status == CRITICAL and all(n in line for n in totals.values()) and f"{bad} of {len(Whole.VERDICTS)} checks down" in line, line


def test_the_command_shows_status():
    shown = edgemedia("status", "--socket", whole.daemon.control)
    assert shown.returncode == 1, shown
    lines = [line.split() for line in shown.stdout.splitlines()]
    for words, name in ((["code", "23"], "code_23"), (["TCP", "NAT"], "tcp_nat_check"), (["both"], "code_23_tcp_nat")):
        assert next(line for line in lines if line[:len(words)] == words)[-1] == str(whole.truth[name]), shown.stdout
    for name, verdict in Whole.VERDICTS.items():
        assert any(line[:2] == ["oslo", name] and verdict in line for line in lines), shown.stdout
    told = json.loads(edgemedia("status", "--json", "--socket", whole.daemon.control).stdout)
    assert whole.counted(told) == whole.true_totals() and told["codes"] == whole.truth["codes"], told


# --- snmpd is restarted, and stopped ------------------------------------------------------------------------------------------------

def test_rows_are_back_after_a_restart_of_snmpd():
    before = whole.snmp.column(12, 4)
    whole.snmpd.kill(signal.SIGTERM)
    whole.snmpd.start()
    begin = time.monotonic()
    wait_for("the rows", lambda: whole.snmp.column(12, 4) == before, BACK_S)
    note(f"rows are back {time.monotonic() - begin:.1f} s after snmpd answers again")
    assert whole.over_snmp() == whole.counted() == whole.true_totals(), whole.over_snmp()
    agree("--mode", "code23", "--total")


def test_probes_and_metrics_go_on_while_snmpd_is_stopped():
    def once():
        assert whole.daemon.get("/metrics", "web")[0] == 200
        with tempfile.TemporaryDirectory(prefix="em-beside-") as d, Daemon(d) as beside:
            beside.start(preexec_fn=end_with_parent)
            meter, noise = measure(3, lambda: whole.daemon.get("/metrics", "web"), lambda: beside.get("/metrics", "web"),
                                   of=(whole.daemon.process.pid,))
        note(f"/metrics while snmpd is stopped: {meter}")
        return meter.worst(), meter.worst_by_itself(), noise.worst()

    before = whole.probes()
    whole.snmpd.pause()
    try:
        stopped = time.monotonic()
        worst_of_runs("/metrics while snmpd is stopped", STALL_S, once)
        whole.fail("while snmpd is stopped")
        wait_for("that failure", lambda: whole.counted() == whole.true_totals(), BACK_S)
        wait_for("three more probes of every check", lambda: all(n >= before[name] + 3 for name, n in whole.probes().items()), 20)
        note(f"snmpd was stopped for {time.monotonic() - stopped:.1f} s")
    finally:
        whole.snmpd.resume()
    now, begin = sum(whole.probes().values()), time.monotonic()
    wait_for("newer rows", lambda: sum(map(int, whole.snmp.column(12, 15).values())) > now, BACK_S)
    note(f"rows go on {time.monotonic() - begin:.1f} s later")
    whole.wait_for_truth()


# --- 500 checks due at once ---------------------------------------------------------------------------------------------------------

def many_checks(uris, interval=1):
    checks = (f'check "c{i}" {{ uri = "{uris[i % len(uris)]}" interval = {interval} timeout = 1 }}\n' for i in range(CHECKS))
    return f'edge "oslo" {{\n{"".join(checks)}}}\n'


def held_back(daemon, seconds):
    """The daemon stands still until each of its checks is overdue; then all are due at once."""
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    daemon.process.send_signal(signal.SIGCONT)


def stall_by(daemon, snmpd, manager):
    """The seconds by which 500 checks at once make /healthz and SNMP GET slower than at rest, as worst_of_runs wants them."""
    asks = (lambda: daemon.get("/healthz", "web"), lambda: manager.get(oid("1.3.6.1.4.1.8072.9999.9999.23.1.1.1.0")))
    idle = stall_by.idle = stall_by.idle or measure(2, *asks)
    if not daemon.status()["checks"]:
        dead, closed = stall_by.dead.getsockname()[1], free_port()
        daemon.reload(many_checks((f"udp:127.0.0.1:{dead}", f"tcp:127.0.0.1:{closed}")))
        wait_for("all checks", lambda: all(row["probes"] for row in daemon.status()["checks"]), 15 * SLOW)
    before = sum(row["probes"] for row in daemon.status()["checks"])
    held_back(daemon, 1.5)
    *busy, noise = measure(2.5, *asks, bystander, of=(daemon.process.pid, snmpd.process.pid))
    status = daemon.status()
    verdicts = {row["verdict"] for row in status["checks"]}
    assert len(status["checks"]) == CHECKS and verdicts == {"filtered", "refused"}, verdicts
    assert sum(row["probes"] for row in status["checks"]) >= before + CHECKS
    for name, rest, load in zip(("/healthz", "SNMP GET"), idle, busy):
        note(f"{name}: at rest {rest}; with {CHECKS} checks due at once {load}")
    pairs = list(zip(idle, busy))
    return (max(load.worst() - rest.median() for rest, load in pairs), max(load.worst_by_itself() - rest.median() for rest, load in pairs),
            noise.worst())


def test_500_checks_due_at_once_stall_neither_snmp_nor_http():
    stall_by.idle, stall_by.dead = None, dead_udp()
    with tempfile.TemporaryDirectory(prefix="em-many-") as d:
        snmpd = Snmpd(d)
        manager = Manager(snmpd.port)
        try:
            snmpd.start()
            with Daemon(d, agentx_address=snmpd.agentx, concurrent_probes=CHECKS) as daemon:
                daemon.start(preexec_fn=end_with_parent)
                wait_for("its objects", lambda: Snmp(snmpd.port).number("1.1.0") == 0, BACK_S)
                worst_of_runs("worse than the median at rest", STALL_S, lambda: stall_by(daemon, snmpd, manager))
        finally:
            manager.close()
            snmpd.close()
            stall_by.dead.close()


# --- timeouts -----------------------------------------------------------------------------------------------------------------------

def test_a_dead_address_ends_at_its_timeout():
    dead, silent, full = dead_udp(), silent_tcp(), silent_tcp(0)
    waiting = [socket.socket() for _ in range(4)]
    for s in waiting:  # with its queue full a port does not answer handshakes
        s.setblocking(False)
        s.connect_ex(full.getsockname())
    name_server = f"127.0.0.1:{dead.getsockname()[1]}"  # takes questions and never answers
    port = {"dead": dead.getsockname()[1], "silent": silent.getsockname()[1], "full": full.getsockname()[1]}
    cases = ((f"udp:127.0.0.1:{port['dead']}", "filtered"), (f"turn:127.0.0.1:{port['dead']}", "filtered"),
             (f"tcp:127.0.0.1:{port['full']}", "filtered"), (f"tcp:127.0.0.1:{port['silent']}", "silent"),
             ("stun:edge.example.com:3478", "dns-failed"))
    for uris, verdict in (*(((uri,), verdict) for uri, verdict in cases), ((cases[0][0],) * 250, "filtered")):
        def command():
            begin = time.monotonic()
            status, told, idle = clock.run(f"{BUILD}/edgemedia", "probe", "--json", "--timeout", "1", "--name-server", name_server, *uris)
            late, lines = time.monotonic() - begin - 1, told.splitlines()
            assert status == 1 and {json.loads(line)["verdict"] for line in lines} == {verdict}, lines
            assert len(lines) == len(uris) and late >= 0, (late, lines)
            return late, late - idle
        worst_of_runs(f"{len(uris)} x {uris[0]} {verdict} after its timeout, the command's start and end included", LATE_S,
                      lambda: watched(command))
    for s in (dead, silent, full, *waiting):
        s.close()


class Listener(threading.Thread):
    """Takes connections, says nothing, and keeps when each began and when the other side ended it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket, self.lives = silent_tcp(), []
        self.port = self.socket.getsockname()[1]

    def run(self):
        poll, open_now = select.epoll(), {}
        poll.register(self.socket, select.EPOLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self.socket.fileno():
                    s = self.socket.accept()[0]
                    open_now[s.fileno()] = (s, time.monotonic())
                    poll.register(s, select.EPOLLRDHUP)
                else:
                    s, begin = open_now.pop(fd)
                    self.lives.append((begin, time.monotonic()))
                    poll.unregister(fd)
                    s.close()

    def since(self, moment):
        return [(begin, end) for begin, end in self.lives if begin > moment]


def latest_end(listener):
    """The seconds by which the last of 500 probes that were due at once outlived its timeout; and without waiting for a processor."""
    body = many_checks((f"tcp:127.0.0.1:{listener.port}",))
    with tempfile.TemporaryDirectory(prefix="em-silent-") as d, Daemon(d, body, concurrent_probes=CHECKS) as daemon:
        daemon.start(preexec_fn=end_with_parent)
        wait_for("all checks", lambda: daemon.status()["daemon"]["checks_untested"] == 0, 10 * SLOW)
        held_back(daemon, 2.5)
        began, idle = time.monotonic(), clock.waited(daemon.process.pid)
        wait_for("probes", lambda: len(listener.since(began)) >= CHECKS, 10 * SLOW)
        idle = clock.waited(daemon.process.pid) - idle
        lives = listener.since(began)[:CHECKS]
        verdicts = {row["verdict"] for row in daemon.status()["checks"]}
        assert verdicts == {"silent"}, verdicts
    first, last = min(begin for begin, _ in lives), max(begin for begin, _ in lives)
    seconds = [end - begin for begin, end in lives]
    note(f"{CHECKS} probes of a silent port began within {(last - first) * 1000:.0f} ms and lived {min(seconds):.3f} to {max(seconds):.3f} s")
    early = [s for s in seconds if s <= 0.8]  # SIGSTOP came while a probe began: its time was running before its connection was made
    assert len(early) <= 1, early
    return max(seconds) - 1, max(seconds) - 1 - idle


def test_500_checks_due_at_once_end_at_their_timeout():
    listener = Listener()
    listener.start()
    worst_of_runs("later than the timeout", LATE_S, lambda: watched(lambda: latest_end(listener)), 2)


# --- memory, and the end ------------------------------------------------------------------------------------------------------------

def settled(pid):
    """The resident memory once it does not change any more for two seconds."""
    seen = [rss(pid)]
    end_at = time.monotonic() + 15
    while time.monotonic() < end_at and not (len(seen) > 8 and len(set(seen[-8:])) == 1):
        time.sleep(0.25)
        seen.append(rss(pid))
    return seen[-1]


def test_idle_memory():
    size = settled(whole.daemon.process.pid)
    note(f"RSS of edgemediad, its trace read, {len(Whole.VERDICTS)} checks, AgentX open: {size / (1 << 20):.1f} MiB")
    assert size <= RSS_MAX or sanitized(), f"{size / (1 << 20):.1f} MiB"


def test_idle_memory_with_500_checks():
    dead, closed = dead_udp(), free_port()
    with tempfile.TemporaryDirectory(prefix="em-memory-") as d:
        snmpd = Snmpd(d)
        try:
            snmpd.start()
            body = many_checks((f"udp:127.0.0.1:{dead.getsockname()[1]}", f"tcp:127.0.0.1:{closed}"), interval=60)
            with Daemon(d, body, agentx_address=snmpd.agentx) as daemon:
                daemon.start(preexec_fn=end_with_parent)
                wait_for("its objects", lambda: Snmp(snmpd.port).number("1.1.0") == 0, BACK_S)
                wait_for("all checks", lambda: daemon.status()["daemon"]["checks_untested"] == 0, 15 * SLOW)
                size = settled(daemon.process.pid)
        finally:
            snmpd.close()
            dead.close()
    note(f"RSS of edgemediad with {CHECKS} checks, AgentX open: {size / (1 << 20):.1f} MiB")
    assert size <= RSS_MAX or sanitized(), f"{size / (1 << 20):.1f} MiB"


def numbers():
    """Everything that must outlive a process: which rows there are, under which numbers, and since when it is counted."""
    status = whole.daemon.status()
    rows = sorted((row["edge"], row["check"], row["address_index"], row["name"]) for row in status["checks"])
    tables = {table: whole.snmp.column(table, column) for table, column in ((10, 2), (12, 4), (15, 2), (16, 2), (17, 2), (18, 2), (20, 3))}
    return {"checks": rows, "sources": [(s["source"], s["name"]) for s in status["sources"]], "edges": [(e["edge"], e["name"]) for e in status["edges"]],
            "since": status["discontinuity_time"], "totals": whole.counted(status), "snmp": whole.over_snmp(), **tables}


def test_an_orderly_end_and_a_restart_that_keeps_counters_and_numbers():
    before, probes = numbers(), whole.probes()
    session, begin = whole.daemon.process.pid, time.monotonic()
    assert whole.daemon.stop(signal.SIGTERM) == 0, whole.daemon.log_text()
    note(f"edgemediad ended {time.monotonic() - begin:.2f} s after SIGTERM")
    assert not of_session(session) and not os.path.exists(whole.daemon.control), of_session(session)
    assert whole.snmp.number("1.1.0") is None, "a counter answers without the daemon"
    whole.start()
    wait_for("its rows", lambda: whole.snmp.column(12, 4) == before[12], BACK_S)
    after = numbers()
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, changed
    assert all(n >= probes[name] for name, n in whole.probes().items()), (probes, whole.probes())


def test_what_was_logged_while_the_daemon_was_away_is_counted_once():
    assert whole.daemon.stop() == 0
    whole.fail("while the daemon is away")
    whole.start()
    whole.wait_for_truth()
    scan = json.loads(edgemedia("scan", "--json", *whole.files()).stdout)
    assert {name: scan[name] for name in TOTALS} == whole.true_totals(), scan


def test_nothing_is_left_behind():
    processes = [p.pid for p in (whole.daemon.process, whole.snmpd.process, whole.coturn.process, whole.responder)]
    sessions = of_session(whole.daemon.process.pid)
    assert sessions == [whole.daemon.process.pid], sessions
    assert whole.daemon.stop() == 0 and end(whole.responder) == 0
    whole.__exit__()
    left = [pid for pid in processes if os.path.exists(f"/proc/{pid}")]
    assert not left and not os.path.exists(whole.directory), left


if __name__ == "__main__":
    missing = tools()
    if missing:
        print(f"1..0 # SKIP no {missing} here")
        sys.exit(0)
    with whole:
        tap.run(dict(globals()))
