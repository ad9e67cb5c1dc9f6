#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SNMP thread under a real snmpd: every cell, walks, one moment per answer, snmpd restarted, stopped and absent."""
import codecs
import datetime
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import snmpv2c  # noqa: E402
import tap  # noqa: E402
from private_snmpd import Snmpd, end_with_parent, find_mibs, find_snmpd, free_ports, wait_for  # noqa: E402

BUILD = os.environ.get("EM_BUILDDIR", ".")
ROWS, ROWS_BACK_S = 60, 20
codecs.register_error("byte", lambda e: ("?", e.start + 1))


def mib_root():
    for line in open(f"{BUILD}/config.h", encoding="ascii"):
        if line.startswith("#define EM_MIB_ROOT "):
            return snmpv2c.oid(line.split('"')[1])
    raise SystemExit("Bail out! config.h has no EM_MIB_ROOT")


ROOT = mib_root()
OBJECTS = ROOT + (1,)
SCALAR = OBJECTS + (1, 1, 0)
DISCONTINUITY = OBJECTS + (1, 12, 0)
SYS_UP_TIME = snmpv2c.oid("1.3.6.1.2.1.1.3.0")


class Demo:
    """tests/system/snmp_demo"""

    def __init__(self, directory, agentx, *way, inherited=()):
        self.directory = directory
        self.log_path = f"{directory}/demo.log"
        env = dict(os.environ, SNMP_PERSISTENT_DIR=f"{directory}/demo-state")
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([f"{BUILD}/tests/system/snmp_demo", agentx, str(ROWS), *way], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1, env=env,
                                        pass_fds=inherited, preexec_fn=end_with_parent)
        assert self.process.stdout.readline() == "ready\n", "the demo does not start"

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().split()

    def connected(self):
        return self.tell("connected") == ["connected", "1"]

    def cells(self):
        """[(oid, kind, raw text)] in the order of a walk"""
        path = f"{self.directory}/cells"
        assert self.tell(f"dump {path}")[0] == "dumped"
        with open(path, encoding="ascii") as f:
            rows = [line.rstrip("\n").split(" ") for line in f]
        return sorted((OBJECTS + snmpv2c.oid(name), kind, raw) for name, kind, raw in rows)

    def lines(self, word):
        with open(self.log_path, encoding="utf-8") as f:
            return [line for line in f if word in line]

    def stop(self, wait_ms):
        """(milliseconds that em_snmp_stop took, exit status)"""
        took = int(self.tell(f"stop {wait_ms}")[1])
        return took, self.process.wait(10)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


def date_and_time(us):
    if us == 0:
        return bytes(8)
    t = datetime.datetime.fromtimestamp(us // 1000000, datetime.timezone.utc)
    return t.year.to_bytes(2, "big") + bytes([t.month, t.day, t.hour, t.minute, t.second, us % 1000000 // 100000]) + b"+\0\0"


def on_the_wire(kind, raw):
    """(tag, value) that the cell must have; a stamp's value is looked at elsewhere"""
    if kind == "text":
        text = bytes.fromhex(raw).decode("utf-8", "byte")
        while len(text.encode()) > 255:
            text = text[:-1]
        return snmpv2c.OCTETS, text.encode()
    number = int(raw)
    return {
        "enum": lambda: (snmpv2c.INTEGER, number),
        "number": lambda: (snmpv2c.GAUGE, number),
        "gauge": lambda: (snmpv2c.GAUGE, min(number, 2**32 - 1)),
        "counter": lambda: (snmpv2c.COUNTER64, number),
        "time": lambda: (snmpv2c.OCTETS, date_and_time(number)),
        "ice": lambda: (snmpv2c.OCTETS, int(f"{number:032b}"[::-1], 2).to_bytes(4, "big")),
        "stamp": lambda: (snmpv2c.TICKS, None),
    }[kind]()


def agrees(bind, kind, raw):
    tag, value = on_the_wire(kind, raw)
    return bind[1] == tag and (value is None or bind[2] == value)


class Lab:
    """One directory with an snmpd, a demo and a manager; every test gets its own."""

    def __init__(self, *way, published=True, start=True, inherited=()):
        self.holder = tempfile.TemporaryDirectory(prefix="edgemedia-snmp-")
        self.snmpd = Snmpd(self.holder.name)
        self.demo = self.manager = None
        self.way, self.start, self.published, self.inherited = way, start, published, inherited

    def __enter__(self):
        try:
            return self.set_up()
        except BaseException:
            self.__exit__()
            raise

    def set_up(self):
        if self.start:
            self.snmpd.start()
        self.demo = Demo(self.holder.name, self.snmpd.agentx, *self.way, inherited=self.inherited)
        self.manager = snmpv2c.Manager(self.snmpd.port)
        if self.published:
            self.demo.tell("publish")
        if self.start:
            wait_for("the subagent connects", self.demo.connected, 10)
            if self.published:
                wait_for("a row", self.rows_are_there, 10)
        return self

    def rows_are_there(self):
        quick = snmpv2c.Manager(self.snmpd.port, timeout=0.5)
        try:
            return quick.get(SCALAR)[0][1] == snmpv2c.COUNTER64
        except (TimeoutError, RuntimeError):
            return False
        finally:
            quick.close()

    def __exit__(self, *_):
        if self.demo:
            self.demo.close()
        self.snmpd.close()
        if self.manager:
            self.manager.close()
        self.holder.cleanup()


def test_nothing_before_the_first_snapshot():
    with Lab(published=False) as lab:
        wait_for("registered", lambda: lab.manager.get(SCALAR)[0][1] == snmpv2c.NO_SUCH_INSTANCE, 5)
        assert lab.manager.walk(OBJECTS) == []
        lab.demo.tell("publish")
        assert lab.manager.get(SCALAR)[0][1] == snmpv2c.COUNTER64


def every_cell(*way):
    with Lab(*way) as lab:
        cells = lab.demo.cells()
        for i in range(0, len(cells), 25):
            part = cells[i : i + 25]
            for bind, (name, kind, raw) in zip(lab.manager.get(*[c[0] for c in part]), part):
                assert bind[0] == name and agrees(bind, kind, raw), f"GET {name}: {bind} for {kind} {raw}"
        walked = lab.manager.walk(OBJECTS)
        assert [b[0] for b in walked] == [c[0] for c in cells], "GETNEXT chain is not the list of cells"
        assert all(agrees(b, kind, raw) for b, (_, kind, raw) in zip(walked, cells))
        assert lab.manager.walk(OBJECTS, bulk=20) == walked, "GETBULK differs from GETNEXT"
        print(f"# {len(cells)} cells")


def test_every_cell_answers_and_walks_agree():
    every_cell()


def test_every_cell_the_ordinary_way():
    every_cell("ordinary")


def test_debian_tools_walk_the_same():
    with Lab() as lab:
        cells = lab.demo.cells()

        def tool(name):
            out = subprocess.run([name, "-v2c", "-c", "public", "-On", "-Oe", "-Ox", f"127.0.0.1:{lab.snmpd.port}",
                                  ".".join(map(str, OBJECTS))], capture_output=True, text=True, timeout=60,
                                 env=dict(os.environ, MIBS="", SNMPCONFPATH=lab.holder.name), check=True).stdout
            return [line for line in out.splitlines() if line.startswith(".1.")]

        walk, bulk = tool("snmpwalk"), tool("snmpbulkwalk")
        assert walk == bulk
        assert [snmpv2c.oid(line.split(" ")[0]) for line in walk] == [c[0] for c in cells]


def odd_requests(*way):
    with Lab(*way) as lab:
        cells, m = lab.demo.cells(), lab.manager
        first, last = cells[0][0], cells[-1][0]
        for name, want in (
            (OBJECTS, first), (ROOT, first), (OBJECTS + (1,), first), (OBJECTS + (1, 1), first),
            (OBJECTS + (12,), next(c[0] for c in cells if c[0][len(OBJECTS)] == 12)),
            (first + (0, 7), cells[1][0]), (cells[200][0] + (9,), cells[201][0]),
        ):
            assert m.next(name)[0][0] == want, f"behind {name}"
        beyond = m.next(last)[0]
        assert beyond[1] == snmpv2c.END_OF_MIB or beyond[0][: len(OBJECTS)] != OBJECTS
        for name, want in (
            (OBJECTS + (12, 1, 2, 1, 1, 1), snmpv2c.NO_SUCH_OBJECT), (OBJECTS + (12, 1, 99, 1, 1, 1), snmpv2c.NO_SUCH_OBJECT),
            (OBJECTS + (12, 1, 4, 9999, 1, 1), snmpv2c.NO_SUCH_INSTANCE), (first[:-1] + (1,), snmpv2c.NO_SUCH_INSTANCE),
            (OBJECTS + (12, 1, 4, 1), snmpv2c.NO_SUCH_INSTANCE), (ROOT + (7,), snmpv2c.NO_SUCH_OBJECT),
        ):
            assert m.get(name)[0][1] == want, f"GET {name}"
        writer = snmpv2c.Manager(lab.snmpd.port, community="private")
        try:
            writer.request(snmpv2c.SET, [SCALAR])
            raise AssertionError("SET worked")
        except RuntimeError:
            pass
        finally:
            writer.close()
        assert m.get(SCALAR)[0][1] == snmpv2c.COUNTER64, "alive after a SET"


def test_odd_requests():
    odd_requests()


def test_odd_requests_the_ordinary_way():
    odd_requests("ordinary")


def test_listed_in_sys_or_table():
    with Lab() as lab:
        wait_for("sysORTable", lambda: any(b[2] == ROOT for b in lab.manager.walk(snmpv2c.oid("1.3.6.1.2.1.1.9.1.2"))), 5)


def test_one_answer_is_of_one_moment():
    with Lab() as lab:
        counters = [(name, int(raw)) for name, kind, raw in lab.demo.cells() if kind == "counter"]
        step = max(1, len(counters) // 8)
        chosen = counters[::step]
        seen = set()
        for _ in range(300):
            lab.demo.tell("publish")
            got = lab.manager.get(*[c[0] for c in chosen])
            ages = {bind[2] - was for bind, (_, was) in zip(got, chosen)}
            assert len(ages) == 1, f"cells of several moments in one answer: {ages}"
            seen |= ages
        assert max(seen) == 300, "the newest snapshot is not the one shown"


def test_time_stamp_is_sys_up_time():
    with Lab() as lab:
        sys_up_time, stamp = (b[2] for b in lab.manager.get(SYS_UP_TIME, DISCONTINUITY))
        assert 0 < stamp <= sys_up_time + 2, f"{stamp} {sys_up_time}"
        wait_for("ticks", lambda: lab.manager.get(SYS_UP_TIME)[0][2] >= sys_up_time + 30, 5)
        assert lab.manager.get(DISCONTINUITY)[0][2] == stamp, "a time stamp wavers"


def test_snmpd_restarted():
    with Lab() as lab:
        stamp = lab.manager.get(DISCONTINUITY)[0][2]  # the snapshot is to be clearly older than the next snmpd
        wait_for("ticks", lambda: lab.manager.get(SYS_UP_TIME)[0][2] >= stamp + 30, 5)
        lab.snmpd.kill()
        wait_for("noticed", lambda: not lab.demo.connected(), 3)
        lab.snmpd.start()
        took = wait_for("rows are back", lab.rows_are_there, ROWS_BACK_S)
        print(f"# rows back after {took:.1f} s")
        assert lab.manager.get(DISCONTINUITY)[0][2] == 0, "a moment before the agent's start is stamp 0"
        assert lab.manager.walk(OBJECTS + (10,)), "tables are back"
        assert len(lab.demo.lines("connected to")) == 2 and len(lab.demo.lines("lost the SNMP master")) == 1


def test_snmpd_absent_at_first():
    with Lab(start=False) as lab:
        wait_for("said", lambda: lab.demo.lines("no SNMP master agent"), 5)
        with socket.socket(socket.AF_UNIX) as nobody:
            nobody.bind(lab.snmpd.agentx)
            nobody.listen()
            nobody.settimeout(15)
            for _ in range(2):  # the second try comes when the first one is over
                nobody.accept()[0].close()
        os.unlink(lab.snmpd.agentx)
        assert len(lab.demo.lines("warning")) == 1, "says it again and again"
        lab.snmpd.start()
        took = wait_for("rows", lab.rows_are_there, ROWS_BACK_S)
        print(f"# rows after {took:.1f} s")
        assert len(lab.demo.lines("connected to")) == 1


def unread(path):
    """The bytes that lie unread in the connections of the server on a Unix socket."""
    shown = subprocess.run(["ss", "-xnH", "state", "connected"], capture_output=True, text=True, check=True).stdout
    return sum(int(words[2]) for words in map(str.split, shown.splitlines()) if path in words[3:6])


def test_snmpd_stopped():
    with Lab() as lab:
        lab.snmpd.pause()
        begin, slowest = time.monotonic(), 0.0
        while lab.demo.connected():  # the ping finds out
            before = time.monotonic()
            lab.demo.tell("publish")
            slowest = max(slowest, time.monotonic() - before)
            assert time.monotonic() - begin < 20, "never noticed"
            time.sleep(0.02)
        print(f"# noticed after {time.monotonic() - begin:.1f} s; slowest command {slowest * 1000:.1f} ms")
        assert slowest < 0.5, "the main thread was held up"
        lab.snmpd.resume()
        print(f"# rows back {wait_for('rows', lab.rows_are_there, ROWS_BACK_S):.1f} s after it went on")
        lab.snmpd.pause()
        wait_for("the next ping", lambda: unread(lab.snmpd.agentx) > 0, 10)
        took, status = lab.demo.stop(300)
        assert took < 1000 and status == 0, f"em_snmp_stop took {took} ms, exit status {status}"


def test_descriptors_beyond_1024():
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        return f"at most {hard} descriptors"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    for number, name in enumerate(free_ports.NAMES):  # out of the way: no child gets them, so it would find room in their places
        free_ports.NAMES[number] = socket.socket(fileno=fcntl.fcntl(name, fcntl.F_DUPFD_CLOEXEC, 1500))
        name.close()
    busy = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        with Lab(inherited=busy) as lab:
            assert min(int(fd) for fd in os.listdir(f"/proc/{lab.demo.process.pid}/fd") if os.readlink(
                f"/proc/{lab.demo.process.pid}/fd/{fd}").startswith("socket:")) > 1023
            cells = lab.demo.cells()
            assert [b[0] for b in lab.manager.walk(OBJECTS, bulk=20)] == [c[0] for c in cells]
            lab.snmpd.kill()
            lab.snmpd.start()
            wait_for("rows are back", lab.rows_are_there, ROWS_BACK_S)
            took, status = lab.demo.stop(5000)
            assert took < 1000 and status == 0
    finally:
        for fd in busy:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return None


def test_stops_at_once():
    with Lab() as lab:
        took, status = lab.demo.stop(5000)
        assert took < 1000 and status == 0, f"{took} ms, exit status {status}"
        wait_for("unregistered", lambda: lab.manager.get(SCALAR)[0][1] == snmpv2c.NO_SUCH_OBJECT, 5)
        assert not os.path.exists(f"{lab.holder.name}/demo-state"), "net-snmp left a file"


def test_snmptable_is_readable():
    mibs = find_mibs()
    if not mibs:
        return "no base MIBs: set EM_MIBS"
    with Lab() as lab:
        out = subprocess.run(["snmptable", "-v2c", "-c", "public", "-M", f"{mibs}:{BUILD}/mibs/built", "-m", "EDGE-MEDIA-MIB", "-CH", "-Cf", "|",
                              f"127.0.0.1:{lab.snmpd.port}", "EDGE-MEDIA-MIB::emCheckTable"], capture_output=True, text=True,
                             timeout=30, env=dict(os.environ, SNMPCONFPATH=lab.holder.name), check=True)
        rows = [line.split("|") for line in out.stdout.splitlines() if "|" in line]
        assert len(rows) == ROWS, f"{len(rows)} rows\n{out.stdout[:500]}{out.stderr[:500]}"
        assert all(len(r) == len(rows[0]) for r in rows), "a cell is missing"
        assert "?" not in [r[7] for r in rows], "an empty verdict"
    return None


if __name__ == "__main__":
    if not find_snmpd():
        print("1..0 # SKIP no snmpd")
        sys.exit(0)
    tap.run(globals())
