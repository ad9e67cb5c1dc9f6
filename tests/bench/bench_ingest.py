#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""edgemediad reads a trace in which every message reports another failed call, while a manager asks for a counter over a real snmpd without a pause:
failed calls in a second of the daemon's CPU time, and the slowest answer. The daemon has one CPU, the manager and snmpd the other. Exit 1: a
missed target, or no snmpd.

BENCH_CALLS (500000)."""
import os
import sys
import tempfile
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import snmpv2c  # noqa: E402
from edgemediad import RECORD, Daemon  # noqa: E402
from private_snmpd import Snmpd, find_snmpd, wait_for  # noqa: E402

CALLS = int(os.environ.get("BENCH_CALLS", "500000"))
LEAST_PER_S, SLOWEST_MS, PIECE = 50000, 50, 10000
MANAGER_CPU, DAEMON_CPU = (sorted(os.sched_getaffinity(0)) * 2)[:2]


def mib_root():
    with open(f"{BUILD}/config.h", encoding="ascii") as f:
        return next(snmpv2c.oid(line.split('"')[1]) for line in f if line.startswith("#define EM_MIB_ROOT "))


def write_trace(path):
    now = time.gmtime(time.time() - 3600)
    day, clock = time.strftime("%m/%d/%Y", now), time.strftime("%H:%M:%S", now)
    with open(path, "w", encoding="ascii", newline="\r\n") as f:
        for first in range(0, CALLS, PIECE):
            f.write("".join(RECORD.format(n=n, call=f"{n * 2654435761 % 2**32:08x}-{n}@example.com", code=23, ice="0x8000100", to=f"u{n % 5000}@example.com",
                                          relay=f"203.0.113.{n % 40}:{50000 + n % 9999}", reason="Call failed to establish", day=day, time=clock)
                            for n in range(first, min(CALLS, first + PIECE))))


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def main():
    if not find_snmpd():
        print("bench_ingest: no snmpd to ask through; install the package snmpd, or: ./quickstart bench")
        return 1
    os.sched_setaffinity(0, {MANAGER_CPU})
    counter = mib_root() + (1, 1, 1, 0)
    with tempfile.TemporaryDirectory(prefix="edgemedia-bench-") as d:
        snmpd = Snmpd(d)
        snmpd.start()
        os.mkdir(f"{d}/logs")
        write_trace(f"{d}/trace")
        with Daemon(d, f'source "fe01" {{ type = trace path = "{d}/logs/*.log" }}\n', agentx_address=snmpd.agentx) as daemon:
            daemon.start()
            for thread in os.listdir(f"/proc/{daemon.process.pid}/task"):
                os.sched_setaffinity(int(thread), {DAEMON_CPU})
            manager = snmpv2c.Manager(snmpd.port)
            ask = lambda: manager.get(counter)[0]  # noqa: E731
            wait_for("the counter", lambda: ask()[1] == snmpv2c.COUNTER64, 20)
            before, begun, slowest, asked = cpu_s(daemon.process.pid), time.monotonic(), 0.0, 0
            os.rename(f"{d}/trace", f"{d}/logs/a.log")
            while True:
                moment = time.monotonic()
                value = ask()[2]
                slowest, asked = max(slowest, time.monotonic() - moment), asked + 1
                if value == CALLS:
                    break
                assert time.monotonic() - begun < 300, f"{value} of {CALLS} after 300 s"
            wall, cpu = time.monotonic() - begun, cpu_s(daemon.process.pid) - before
            manager.close()
        snmpd.close()
    print(f"ingest of {CALLS} failed calls: {wall:.1f} s, {CALLS / cpu:.0f} in a second of CPU time (target: at least {LEAST_PER_S})")
    print(f"meanwhile {asked} GETs, the slowest {slowest * 1000:.1f} ms (target: at most {SLOWEST_MS})")
    return 0 if CALLS / cpu >= LEAST_PER_S and slowest * 1000 <= SLOWEST_MS else 1


sys.exit(main())
