# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole product on loopback, for tests: snmpd, coturn, `edgemedia respond`, edgemediad and a trace that the generator lets grow; and
what is asked of it: the SNMP tools of net-snmp, the metrics, the plugin, the command, and how long answers take."""
import functools
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from clock import waited
from edgemediad import BUILD, Daemon, Trace, free_port, free_ports, wait_for
from private_snmpd import Snmpd, end_with_parent
from test_probe import Coturn

ROOT = "1.3.6.1.4.1.8072.9999.9999.23.1"
BACK_S = 20
TOTALS = {"code_23": 1, "tcp_nat_check": 2, "code_23_tcp_nat": 3, "media_failures": 4, "reports": 5, "duplicates": 6, "unkeyed": 7,
          "malformed": 8, "calls": 9, "messages": 10, "bytes": 11}  # the scan contract's name, the scalar of EDGE-MEDIA-MIB
METRICS = {"code_23": "code23_failures", "tcp_nat_check": "tcp_nat_check_failures", "code_23_tcp_nat": "code23_tcp_nat_failures",
           "media_failures": "media_failures", "reports": "reports", "duplicates": "duplicate_reports", "unkeyed": "unkeyed_reports",
           "malformed": "malformed_messages", "calls": "calls", "messages": "messages", "bytes": "read_bytes"}
V2 = ["-v2c", "-c", "public"]
V3 = ["-v3", "-l", "authPriv", "-u", "monitor", "-a", "SHA", "-A", "auth-secret", "-x", "AES", "-X", "priv-secret"]
V3_USER = "createUser monitor SHA auth-secret AES priv-secret\nrouser monitor authPriv\n"
RUNS, TRIES = 3, 12
NOTHING = "No Such"  # what the tools print in place of a value


def run(*command, timeout=60):
    """A program's exit status, output and messages; it finds no MIBs and no configuration of this machine."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
                          env={**os.environ, "MIBS": "", "SNMPCONFPATH": "/nonexistent"})


def edgemedia(*arguments):
    return run(f"{BUILD}/edgemedia", *arguments)


def start(*command, **how):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent, **how)


def end(process):
    """SIGTERM; the exit status, or SIGKILL and an error."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{process.args[0]} does not end") from None


def dead_udp():
    """A socket that takes datagrams and never answers."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    return s


def silent_tcp(backlog=1500):
    """A socket that takes connections, acknowledges what comes and never says a word."""
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind(("127.0.0.1", 0))
    s.listen(backlog)
    return s


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS:"))


def of_session(session):
    """The processes of a session, zombies included."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.getsid(int(name)) == session:
                found.append(int(name))
        except ProcessLookupError:
            pass
    return found


class Snmp:
    """What the SNMP tools of net-snmp see: {object below ROOT: value as text}."""

    def __init__(self, port):
        self.target = f"127.0.0.1:{port}"

    def tool(self, name, *objects, version=V2):
        done = run(name, *version, "-t2", "-r1", "-m", "", "-On", "-OQ", "-Oe", self.target, *(f"{ROOT}.{o}" for o in objects))
        if done.returncode:
            return {}
        lines = re.findall(rf"^\.{re.escape(ROOT)}\.([0-9.]+) = (.*(?:\n(?!\.1\.3).*)*)", done.stdout, re.M)
        return {name: value.strip().strip('"') for name, value in lines}

    def get(self, *objects, **how):
        return self.tool("snmpget", *objects, **how)

    def number(self, scalar):
        """None as long as there is no such number."""
        value = self.get(scalar).get(scalar, NOTHING)
        return None if value.startswith(NOTHING) else int(value)

    def walk(self, below, **how):
        """{} when there is nothing there."""
        return {name: value for name, value in self.tool("snmpbulkwalk", below, **how).items() if not value.startswith(NOTHING)}

    def column(self, table, column):
        """{index: value}"""
        below = f"{table}.1.{column}"
        return {name[len(below) + 1:]: value for name, value in self.walk(below).items()}


def metrics(text):
    """{series: value}"""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line and line[0] != "#"}


class Meter(threading.Thread):
    """Asks processes (of) again and again, and keeps how long each answer took; and how much of that they and we had to wait for a processor,
    which is not their fault."""

    def __init__(self, ask, of=(), pause_s=0.002):
        super().__init__(daemon=True)
        self.ask, self.of, self.pause_s, self.seconds, self.waits, self.failure = ask, of, pause_s, [], [], None
        self.over = threading.Event()

    def run(self):
        try:
            while not self.over.wait(self.pause_s):
                before, begin = waited(*self.of), time.perf_counter()
                self.ask()
                self.seconds.append(time.perf_counter() - begin)
                self.waits.append(waited(*self.of) - before)
        except Exception as e:  # told by measure()
            self.failure = e

    def __str__(self):
        return f"median {self.median() * 1000:.2f} ms, worst {self.worst() * 1000:.1f} ms of {len(self.seconds)}"

    def median(self):
        return statistics.median(self.seconds)

    def worst(self):
        return max(self.seconds)

    def worst_by_itself(self):
        return max(took - waits for took, waits in zip(self.seconds, self.waits))


def measure(seconds, *asks, of=()):
    """A meter for each, all at the same time; of: the processes that are asked."""
    meters = [Meter(ask, of) for ask in asks]
    for m in meters:
        m.start()
    time.sleep(seconds)
    for m in meters:
        m.over.set()
    for m in meters:
        m.join(30)
        if m.failure or not m.seconds:
            raise AssertionError(f"no answer: {m.failure}")
    return meters


def worst_of_runs(what, bound_s, once, runs=RUNS):
    """once() returns the seconds that were found, what is left of them without the time for which those concerned had no processor, and the
    seconds that a bystander was late by. The worst of the runs must be within the bound. One that is not tells nothing when the machine kept
    the processor, or when the bystander was late by half the bound too, and is done again; where the machine never gives way, the
    median of what is left is judged."""
    found, busy = [], []
    for _ in range(TRIES):
        seconds, itself, noise = once()
        if seconds > bound_s and (itself <= bound_s or noise >= bound_s / 2):
            print(f"# {what}: {seconds * 1000:.1f} ms does not count, {itself * 1000:.1f} ms without waiting for a processor, "
                  f"a bystander was late by {noise * 1000:.1f} ms", flush=True)
            busy.append(max(itself, 0.0))
            continue
        found.append(seconds)
        if seconds > bound_s or len(found) == runs:
            break
    worst = max(found or [statistics.median(busy)])
    print(f"# {what}: {f'worst of {len(found)} runs' if found else 'without waiting for a processor'} {worst * 1000:.1f} ms, {bound_s * 1000:.0f} ms are allowed", flush=True)
    assert worst <= bound_s, f"{what}: {worst * 1000:.1f} ms, at most {bound_s * 1000:.0f} ms are allowed"
    return None


class Whole:
    """snmpd, coturn, responder, edgemediad. self.truth is what the counters must come to."""

    VERDICTS = {"turn-udp": "ok", "turn-tcp": "ok", "stun-udp": "ok", "stun-tcp": "ok", "media-udp": "ok", "media-tcp": "ok",
                "dead-udp": "filtered", "closed-tcp": "refused"}

    def __enter__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="em-main-")
        self.directory = d = self.holder.name
        self.ends = [self.holder.cleanup]  # what undoes the rest, last first
        try:
            self.logs, self.truth = f"{d}/logs", {}
            os.mkdir(self.logs)
            self.coturn = Coturn("--lt-cred-mech", "--user=probe:north").__enter__()
            self.ends.append(self.coturn.__exit__)
            self.snmpd = Snmpd(d, V3_USER)
            self.ends.append(self.snmpd.close)
            self.snmpd.start()
            self.snmp = Snmp(self.snmpd.port)
            self.dead = dead_udp()
            self.ends.append(self.dead.close)
            self.respond()
            self.daemon = Daemon(d, self.configuration(), agentx_address=self.snmpd.agentx)
            self.ends.append(self.daemon.__exit__)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        while self.ends:
            self.ends.pop()()

    def respond(self):
        for _ in range(5):
            self.media = free_ports.take(4)
            self.responder = start(f"{BUILD}/edgemedia", "respond", "127.0.0.1", f"{self.media}-{self.media + 3}", stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
            self.ends += [self.responder.stdout.close, functools.partial(end, self.responder)]
            if self.responder.stdout.readline().startswith("listening"):
                return
        raise AssertionError("the responder does not start")

    def configuration(self):
        with open(f"{self.directory}/turn.pw", "w", encoding="ascii") as f:
            f.write("north\n")
        turn = f"turn:127.0.0.1:{self.coturn.port}?transport="
        uris = {"turn-udp": turn + "udp", "turn-tcp": turn + "tcp", "stun-udp": f"stun:127.0.0.1:{self.coturn.port}",
                "stun-tcp": f"stun:127.0.0.1:{self.coturn.port}?transport=tcp", "media-udp": f"udp:127.0.0.1:{self.media}",
                "media-tcp": f"tcp:127.0.0.1:{self.media + 3}", "dead-udp": f"udp:127.0.0.1:{self.dead.getsockname()[1]}",
                "closed-tcp": f"tcp:127.0.0.1:{free_port()}"}
        assert uris.keys() == self.VERDICTS.keys()
        secret = f'user = "probe" password_file = "{self.directory}/turn.pw"'
        checks = (f'check "{name}" {{ uri = "{uri}" interval = 2 timeout = 1 {secret if name.startswith("turn") else ""} }}\n'
                  for name, uri in uris.items())
        return f'edge "oslo" {{\n{"".join(checks)}}}\nsource "fe01" {{ type = trace path = "{self.logs}/*.log*" }}\n'

    def start(self):
        self.daemon.start(preexec_fn=end_with_parent, start_new_session=True)

    def generator(self, records, rotate_every, pace_us):
        return start(f"{BUILD}/tests/bench/gen_trace", f"--dir={self.logs}", f"--truth={self.directory}/truth.json", "--seed=23",
                     f"--records={records}", f"--rotate-every={rotate_every}", f"--pace-us={pace_us}", "--failing=4")

    def read_truth(self):
        with open(f"{self.directory}/truth.json", encoding="ascii") as f:
            self.truth = json.load(f)

    def fail(self, call):
        """One more failed call, in a log of its own."""
        log = Trace(f"{self.logs}/more.log")
        before = os.path.getsize(log.path) if os.path.exists(log.path) else 0
        log.fail(call)
        t = self.truth
        for name in ("code_23", "tcp_nat_check", "code_23_tcp_nat", "media_failures", "reports", "calls", "messages"):
            t[name] += 1
        t["bytes"] += os.path.getsize(log.path) - before
        for table, key in (("codes", "23"), ("ice_warnings", "0x100"), ("ice_warnings", "0x8000000"), ("media", "application-sharing")):
            t[table][key] = t[table].get(key, 0) + 1

    def files(self):
        return sorted(f"{self.logs}/{name}" for name in os.listdir(self.logs))

    def counted(self, status=None):
        """The totals of the daemon."""
        status = status or self.daemon.status()
        return {name: status[name] for name in TOTALS}

    def true_totals(self):
        return {name: self.truth[name] for name in TOTALS}

    def over_snmp(self):
        """The totals by snmpget; {} when they are not there."""
        got = self.snmp.get(*(f"1.{n}.0" for n in TOTALS.values()))
        if not got or any(value.startswith(NOTHING) for value in got.values()):
            return {}
        return {name: int(got[f"1.{n}.0"]) for name, n in TOTALS.items()}

    def wait_for_truth(self, seconds=BACK_S):
        for what, look in (("the daemon", self.counted), ("SNMP", self.over_snmp)):
            try:
                wait_for(what, lambda: look() == self.true_totals(), seconds)
            except AssertionError:
                raise AssertionError(f"after {seconds} s: {what} has {look()}, true is {self.true_totals()}") from None

    def wait_for_verdicts(self):
        wait_for("a probe of every check", lambda: all(row["probes"] for row in self.daemon.status()["checks"]), BACK_S)
        wait_for("the verdicts over SNMP", lambda: "0" not in self.snmp.column(12, 15).values() and self.snmp.column(12, 15), BACK_S)

    def probes(self):
        return {row["name"]: row["probes"] for row in self.daemon.status()["checks"]}

    def plugin(self, *arguments):
        """Its answer over SNMPv2c, SNMPv3 and the control socket: [(exit status, line)]."""
        ways = (["-H", "127.0.0.1", "-p", str(self.snmpd.port), "-v2c", "-C", "public"], ["-H", "127.0.0.1", "-p", str(self.snmpd.port), *V3],
                ["--socket", self.daemon.control])
        answers = [run(f"{BUILD}/plugins/check_edge_media", *arguments, *way) for way in ways]
        return [(a.returncode, a.stdout + a.stderr) for a in answers]


def tools():
    """The first of the programs of others that is not here, or None."""
    return next((name for name in ("snmpget", "snmpwalk", "snmpbulkwalk", "turnserver") if not shutil.which(name)), None)
