#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What probes cost, beside bare loops, check_tcp and check_snmp, in turn and pinned alike; what a daemon with 2,000 checks costs; what a responder on 10,000 ports holds.
Exit 1: a missed target. What is not here (coturn, check_tcp) is told and left out.

BENCH_RUNS (5), BENCH_SECONDS (35) of the daemon; BENCH_CHECKS (2000)."""
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
from edgemediad import Daemon, free_port, sanitized, wait_for  # noqa: E402
import namespaces  # noqa: E402
from private_snmpd import Snmpd, find_snmpd  # noqa: E402
from test_probe import TURNSERVER, Coturn  # noqa: E402

RUNS, SECONDS, CHECKS = (int(os.environ.get(n, d)) for n, d in (("BENCH_RUNS", 5), ("BENCH_SECONDS", 35), ("BENCH_CHECKS", 2000)))
INTERVAL_S, BINDINGS, ALLOCATIONS, PROCESSES, PORTS, BULK_FIRST = 30, 2000, 300, 75, 10000, 20000
CHECK_TCP, CHECK_SNMP = (next((p for p in (f"/usr/lib/nagios/plugins/{name}", shutil.which(name)) if p and os.path.exists(p)), None)
                         for name in ("check_tcp", "check_snmp"))
PLUGIN = f"{BUILD}/plugins/check_edge_media"
CPUS = sorted(os.sched_getaffinity(0))
HERE, THERE = CPUS[-1], CPUS[0]
missed = []


def pinned(*words):
    return ["taskset", "-c", str(HERE), *words]


def told(name, text, good):
    print(f"{name:<12} {text}{'' if good else '  MISSED'}", flush=True)
    if not good:
        missed.append(name)


class Respond:
    """edgemedia respond on loopback, on the other CPU."""

    def __init__(self, ports, *options, place=()):
        """place: the beginning of a command that runs the rest in a namespace, where every port is free."""
        self.first = free_port() if ports == 1 else BULK_FIRST
        self.process = subprocess.Popen([*place, "taskset", "-c", str(THERE), f"{BUILD}/edgemedia", "respond", *options, "127.0.0.1",
                                         f"{self.first}-{self.first + ports - 1}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.ready = self.process.stdout.readline().startswith("listening")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=20)


def rate(how, count, *words):
    return float(subprocess.run(pinned(f"{BUILD}/tests/bench/probe_rate", how, str(count), *words), check=True, stdout=subprocess.PIPE, text=True).stdout)


def in_turn(count, *words):
    """Medians of ours and of the bare loop."""
    pairs = [(rate("ours", count, *words), rate("bare", count, *words)) for _ in range(RUNS)]
    return [statistics.median(side) for side in zip(*pairs)]


def bench_binding():
    with Respond(1) as far:
        ours, bare = in_turn(BINDINGS, f"stun:127.0.0.1:{far.first}")
    told("binding", f"{ours:.0f} us, bare loop {bare:.0f} us: {ours / bare:.2f} of it (target 1.5)", ours / bare <= 1.5)


def bench_allocations():
    if not TURNSERVER:
        print("allocations  left out: no turnserver")
        return
    with Coturn("--use-auth-secret", "--static-auth-secret=north") as server:
        os.sched_setaffinity(server.process.pid, {THERE})
        ours, bare = in_turn(ALLOCATIONS, server.uri("turn", "udp"), "north")
    told("allocations", f"{ours:.0f} in a second, bare loop {bare:.0f}: {ours / bare:.2f} of it (target 0.7)", ours / bare >= 0.7)


def wall(words):
    """From the spawn to the end, in ms: a program that only pins would be measured along with the short ones."""
    start = time.monotonic()
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    status = os.waitpid(pid, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 0, words
    return 1000 * (time.monotonic() - start)


def walls(*commands):
    """The median of each, in turn, on the CPU of the others."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {HERE})
    try:
        rounds = [[wall(words) for words in commands] for _ in range(PROCESSES)]
    finally:
        os.sched_setaffinity(0, before)
    return [statistics.median(side) for side in zip(*rounds)]


def bench_process():
    if not CHECK_TCP:
        print("process      left out: no check_tcp")
        return
    with Respond(1) as far:
        uri = f"tcp:127.0.0.1:{far.first}"
        command, plugin, its = walls((f"{BUILD}/edgemedia", "probe", uri), (PLUGIN, "--probe", uri),
                                     (CHECK_TCP, "-H", "127.0.0.1", "-p", str(far.first)))
    for name, ours, target in (("edgemedia probe", command, 1.0), ("check_edge_media --probe", plugin, 0.6)):
        told("process", f"{name} {ours:.2f} ms, check_tcp {its:.2f} ms: {ours / its:.2f} of it (target {target})", ours / its <= target)


def bench_plugin_snmp():
    """Beside the plugin that asks an agent for one number."""
    if not CHECK_SNMP or not find_snmpd():
        print("plugin -H    left out: no check_snmp, or no snmpd")
        return
    with tempfile.TemporaryDirectory(prefix="edgemedia-bench-") as directory:
        snmpd = Snmpd(directory)
        daemon = Daemon(directory, agentx_address=snmpd.agentx)
        ask = (PLUGIN, "-H", "127.0.0.1", "-p", str(snmpd.port), "-C", "public", "-m", "code23")
        try:
            snmpd.start()
            daemon.start()
            wait_for("an answer to the plugin", lambda: subprocess.run(ask, check=False, stdout=subprocess.DEVNULL).returncode == 0)
            ours, its = walls(ask, (CHECK_SNMP, "-H", "127.0.0.1", "-p", str(snmpd.port), "-C", "public", "-P", "2c", "-o", "1.3.6.1.2.1.1.3.0"))
        finally:
            daemon.stop()
            snmpd.close()
    told("plugin -H", f"check_edge_media -H {ours:.2f} ms, check_snmp {its:.2f} ms: {ours / its:.2f} of it (target 0.9)", ours / its <= 0.9)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def bench_daemon():
    """Two intervals pass: one to begin, one that is measured."""
    with Respond(1) as far, tempfile.TemporaryDirectory(prefix="edgemedia-bench-") as directory:
        checks = "\n".join(f'check "c{i}" {{ uri = "udp:127.0.0.1:{far.first}"  interval = {INTERVAL_S} }}' for i in range(CHECKS // 10))
        daemon = Daemon(directory, "".join(f'edge "e{e}" {{\n{checks}\n}}\n' for e in range(10))).start()
        try:
            wait_for("every check's first result", lambda: daemon.get("/healthz")[0] == 200, 2 * INTERVAL_S)
            pid, start = daemon.process.pid, time.monotonic()
            before = cpu_s(pid)
            time.sleep(SECONDS)
            share = 100 * (cpu_s(pid) - before) / (time.monotonic() - start)
            told("daemon", f"{CHECKS} checks every {INTERVAL_S} s: {share:.2f} % of a core (target 3), RSS {rss_kib(pid)} KiB", share < 3)
        finally:
            daemon.stop()


def bench_responder():
    """On UDP and TCP at once where so many descriptors are to be had, else on one after the other."""
    why = namespaces.missing()
    if why:
        print(f"responder    left out: {why}")
        return
    space = namespaces.Namespace()
    space.run("ip", "link", "set", "lo", "up")
    both = resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 2 * PORTS + 5000
    for transports in ((("--tcp", "--udp"),) if both else (("--tcp",), ("--udp",))):
        with Respond(PORTS, *transports, place=space.command()) as far:
            name = " ".join(t[2:] for t in transports)
            if not far.ready:
                told("responder", f"{PORTS} ports, {name}: it does not start", False)
                continue
            rss = rss_kib(far.process.pid)
            sweeps = [subprocess.run(space.command(*pinned(f"{BUILD}/edgemedia", "sweep", "--json", "--rate", "max", transport, "127.0.0.1",
                                            f"{far.first}-{far.first + PORTS - 1}")), check=False, capture_output=True, text=True).stdout
                      for transport in transports]
            wrong = [out[:160] for out in sweeps if f'"verdicts":{{"ok":{PORTS}}}' not in out]
            told("responder", f"{PORTS} ports, {name}: RSS {rss} KiB (target 8192), after sweeps {rss_kib(far.process.pid)} KiB{wrong or ''}",
                 rss <= 8192 and not wrong)
    space.close()


if __name__ == "__main__":
    if sanitized():
        sys.exit("bench_probe: a build with sanitizers measures nothing")
    for bench in (bench_binding, bench_allocations, bench_process, bench_plugin_snmp, bench_responder, bench_daemon):
        bench()
    sys.exit(1 if missed else 0)
