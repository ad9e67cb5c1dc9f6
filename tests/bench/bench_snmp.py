#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the SNMP face is, under a real snmpd: a GET of one of our scalars beside one that snmpd serves itself, and a walk of the
check table with 10,000 rows beside the same rows under net-snmp's table_container; a GET beside lldpd's subagent. In turn, medians. Also the idle RSS. Exit 1: a missed target, or no snmpd.

BENCH_ROUNDS (GETs in a run, 2000), BENCH_RUNS (5), BENCH_ROWS (10000)."""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests/system"]
import snmpv2c  # noqa: E402
from private_snmpd import Snmpd, find_snmpd, wait_for  # noqa: E402

ROUNDS, RUNS, ROWS = (int(os.environ.get(n, d)) for n, d in (("BENCH_ROUNDS", 2000), ("BENCH_RUNS", 5), ("BENCH_ROWS", 10000)))
SYS_UP_TIME = snmpv2c.oid("1.3.6.1.2.1.1.3.0")
LLDP_INTERVAL = snmpv2c.oid("1.0.8802.1.1.2.1.1.1.0")
SNMP_IN_PKTS = snmpv2c.oid("1.3.6.1.2.1.11.1.0")  # snmpd's own counter


def mib_root():
    with open(f"{BUILD}/config.h", encoding="ascii") as f:
        return next(snmpv2c.oid(line.split('"')[1]) for line in f if line.startswith("#define EM_MIB_ROOT "))


OBJECTS = mib_root() + (1,)


def cpus():
    """(for the manager, for the agents): one each where the machine has two"""
    have = sorted(os.sched_getaffinity(0))
    return (have[0], have[1]) if len(have) > 1 else (have[0], have[0])


MANAGER_CPU, AGENT_CPU = cpus()


ONE_BY_ONE = ((4,), (10,), (15,))  # a text, an enumeration, a counter
TOGETHER = ((4, 5, 6, 7, 8, 9, 10, 15),)  # as a manager reads a table, row by row
WALKS = ((0, "GETNEXT", ONE_BY_ONE, "a column at a time", 1), (10, "GETBULK 10", ONE_BY_ONE, "a column at a time", 1),
         (0, "GETNEXT", TOGETHER, "eight columns together", 0.83), (10, "GETBULK 10", TOGETHER, "eight columns together", 0.83))  # 1 / 1.2


class Side:
    """An snmpd and one subagent, pinned to the agents' CPU."""

    def __init__(self, program, *publish, words=()):
        self.holder = tempfile.TemporaryDirectory(prefix="edgemedia-bench-")
        self.snmpd = Snmpd(self.holder.name)
        self.snmpd.start()
        self.agent = subprocess.Popen([program, self.snmpd.agentx, str(ROWS), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True, bufsize=1)
        self.agent.stdout.readline()
        for pid in (self.snmpd.process.pid, self.agent.pid):
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(thread), {AGENT_CPU})
        for line in publish:
            self.agent.stdin.write(line + "\n")
            self.agent.stdout.readline()
        manager = snmpv2c.Manager(self.snmpd.port)
        table = OBJECTS + (12, 1)
        wait_for("rows", lambda: manager.next(table)[0][0][: len(table)] == table, 20)
        manager.close()

    def rss_kib(self):
        with open(f"/proc/{self.agent.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def close(self):
        self.agent.stdin.close()
        self.agent.kill()
        self.agent.wait()
        self.agent.stdout.close()
        self.snmpd.close()
        self.holder.cleanup()


class Lldpd:
    """lldpd under an snmpd of its own, in namespaces where it has an interface that leads nowhere, and a /run."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="edgemedia-bench-")
        self.snmpd = Snmpd(self.holder.name)
        self.snmpd.start()
        script = "mount -t tmpfs none /run && mkdir -p /run/lldpd && ip link add lldp0 type veth peer name lldp1 && ip link set lldp0 up && " \
                 '{ "$@" </dev/null & cat >/dev/null; }'  # the namespace ends with its first process, which ends with us
        self.agent = subprocess.Popen(["unshare", "-nmpf", "sh", "-c", script, "sh", find_lldpd(), "-d", "-x", "-X", self.snmpd.agentx, "-u",
                                       f"{self.holder.name}/control", "-I", "lldp0", "-L", "/bin/true"], stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pinned)
        os.sched_setaffinity(self.snmpd.process.pid, {AGENT_CPU})
        manager = snmpv2c.Manager(self.snmpd.port)
        try:
            wait_for("lldpd's objects", lambda: manager.get(LLDP_INTERVAL)[0][1] == snmpv2c.INTEGER, 20)
        except AssertionError:
            self.close()
            raise
        finally:
            manager.close()

    def close(self):
        self.agent.stdin.close()
        self.agent.wait()
        self.snmpd.close()
        self.holder.cleanup()


def pinned():
    os.sched_setaffinity(0, {AGENT_CPU})


def find_lldpd():
    return shutil.which("lldpd", path="/usr/sbin:/usr/local/sbin")


def beside_lldpd(ours, targets):
    """A GET of a number that each subagent has, in turn."""
    if os.geteuid() != 0 or not find_lldpd():
        print("GET beside lldpd: not measured; it needs root and the package lldpd")
        return
    theirs = Lldpd()
    try:
        runs = [(get(ours, SYS_UP_TIME, runs=1)[1], get(theirs, SYS_UP_TIME, LLDP_INTERVAL, runs=1)[1]) for _ in range(RUNS)]
    finally:
        theirs.close()
    mine, peer = (statistics.median(column) for column in zip(*runs))
    targets.ratio(f"GET p50: lldpMessageTxInterval of lldpd {peer:.1f} us, emCode23Failures {mine:.1f} us", mine, peer, 1)


def client(*arguments):
    pin = ["taskset", "-c", str(MANAGER_CPU)] if shutil.which("taskset") else []
    out = subprocess.run([*pin, f"{BUILD}/tests/bench/snmp_client", *map(str, arguments)], capture_output=True, text=True, check=True)
    return [float(word) for word in out.stdout.split()]


def dotted(oid):
    return "." + ".".join(map(str, oid))


def get(side, other, name=OBJECTS + (1, 1, 0), runs=RUNS):
    """medians over the runs: (p50 of snmpd's own, p50 of the subagent's), microseconds"""
    packets = [snmpv2c.packet(snmpv2c.GET, [which]).hex() for which in (other, name)]
    took = [client("get", side.snmpd.port, ROUNDS, *packets) for _ in range(runs)]
    return [statistics.median(column) for column in zip(*took)]


def walk(ours, theirs, bulk, walks):
    """medians over the runs, microseconds for a cell: (table_container, ours); walks: columns that are walked together, walk by walk"""
    took = ([], [])
    for _ in range(RUNS):
        for side, list_of in ((theirs, took[0]), (ours, took[1])):
            cells, seconds = 0, 0.0
            for columns in walks:
                n, s = client("walk", side.snmpd.port, bulk, *(dotted(OBJECTS + (12, 1, column)) for column in columns))
                cells, seconds = cells + n, seconds + s
            if cells != sum(map(len, walks)) * ROWS:
                sys.exit(f"bench_snmp: {cells} cells walked for {sum(map(len, walks)) * ROWS}")
            list_of.append(seconds / cells * 1e6)
    return [statistics.median(column) for column in took]


class Targets:
    """Prints each figure beside the most that it may be, and keeps whether one was missed."""

    missed = False

    def ratio(self, words, ours, theirs, most):
        print(f"{words}, {ours / theirs:.2f} times (target: at most {most})")
        self.missed |= ours / theirs > most

    def kib(self, words, kib, most):
        print(f"{words} {kib} KiB (target: at most {most})")
        self.missed |= kib > most


def main():
    if not os.path.exists(f"{BUILD}/tests/bench/snmp_client"):
        print("bench_snmp: this build has no agent, so there is nothing to measure")
        return 0
    if not find_snmpd():
        print("bench_snmp: no snmpd to compare with; install the package snmpd, or: ./quickstart bench")
        return 1
    targets = Targets()
    ours = Side(f"{BUILD}/tests/system/snmp_demo", "publish")
    theirs = Side(f"{BUILD}/tests/bench/snmp_container")
    try:
        for name, other in (("sysUpTime", SYS_UP_TIME), ("snmpInPkts", SNMP_IN_PKTS)):
            builtin, mine = get(ours, other)
            targets.ratio(f"GET p50: {name} {builtin:.1f} us, emCode23Failures {mine:.1f} us", mine, builtin, 2)
        beside_lldpd(ours, targets)
        for bulk, name, walks, what, most in WALKS:
            container, mine = walk(ours, theirs, bulk, walks)
            targets.ratio(f"walk of {ROWS} rows, {what}, {name}: table_container {container:.1f} us a cell, ours {mine:.1f} us", mine, container, most)
        print(f"RSS with {ROWS} rows in every table that holds so many: {ours.rss_kib()} KiB")
        alike = Side(f"{BUILD}/tests/system/snmp_demo", "publish", words=("checks",))
        try:
            targets.ratio(f"RSS with {ROWS} rows of checks only: {alike.rss_kib()} KiB, table_container {theirs.rss_kib()} KiB", alike.rss_kib(),
                          theirs.rss_kib(), 1)
        finally:
            alike.close()
    finally:
        ours.close()
        theirs.close()
    idle = subprocess.Popen([f"{BUILD}/tests/system/snmp_demo", "/nonexistent", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    idle.stdout.readline()
    idle.stderr.readline()  # it has said that there is no master: the thread is idle
    with open(f"/proc/{idle.pid}/status", encoding="ascii") as f:
        rss = [line.split()[1] for line in f if line.startswith(("VmRSS", "RssAnon"))]
    targets.kib(f"idle RSS of a process with the SNMP thread, {rss[1]} KiB of it its own:", int(rss[0]), 16384)
    idle.communicate("stop 1000\n")
    return 1 if targets.missed else 0


if __name__ == "__main__":
    sys.exit(main())
