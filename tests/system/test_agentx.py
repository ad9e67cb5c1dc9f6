#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SNMP thread against AgentX masters that come and go, refuse, and break every rule: it connects again, shows the same values, grows by
nothing, and holds nobody else up."""
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import agentx_master as ax  # noqa: E402
import tap  # noqa: E402
from private_snmpd import end_with_parent  # noqa: E402
from edgemediad import BUILD, Daemon, StunServer, sanitized, wait_for  # noqa: E402

SESSIONS, WARM, GROWTH_KIB = 1000, 200, 256
with open(f"{BUILD}/config.h", encoding="ascii") as config:
    ROOT = tuple(int(n) for n in next(line.split('"')[1] for line in config if line.startswith("#define EM_MIB_ROOT ")).split("."))
REPORTS = ROOT + (1, 1, 5, 0)


class Demo:
    """tests/system/snmp_demo, whose net-snmp has a clock that the test moves"""

    def __init__(self, d, path):
        self.log_path = f"{d}/demo.log"
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([f"{BUILD}/tests/system/snmp_demo", path, "5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, bufsize=1, preexec_fn=end_with_parent)
        assert self.process.stdout.readline() == "ready\n"
        self.tell("publish")

    def tell(self, line):
        """An answer within half a second: the main thread is never held up."""
        begin = time.monotonic()
        self.process.stdin.write(line + "\n")
        answer = self.process.stdout.readline()
        assert answer, f"it ended: {self.text()[-2000:]}"
        assert sanitized() or time.monotonic() - begin < 0.5, f"{line}: {time.monotonic() - begin:.1f} s"
        return answer.strip()

    def text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def lost(self):
        wait_for("the loss", lambda: self.tell("connected") == "connected 0", 20)

    def size(self):
        """(descriptors, threads, KiB in memory)"""
        pid = self.process.pid
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            status = dict(line.split(":", 1) for line in f)
        return len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"]), int(status["VmRSS"].split()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


def with_master(test):
    def run():
        with tempfile.TemporaryDirectory(prefix="em-agentx-") as d:
            master = ax.Master(f"{d}/master")
            try:
                with Demo(d, master.path) as demo:
                    return test(d, master, demo)
            finally:
                master.close()

    return run


def again(demo, master, errors=None):
    """The next session, when the time for it has come. Attempts that were given up meanwhile wait in the listener before it."""
    for _ in range(10):
        demo.tell("skip 10")
        session = master.accept()
        try:
            session.welcome(errors)
            return session
        except (EOFError, OSError):
            session.close()
    raise AssertionError("every session is given up")


def value(session):
    return session.get(REPORTS)[8:]


@with_master
def test_a_thousand_sessions_leave_nothing_behind(_, master, demo):
    session = master.accept()
    session.welcome()
    first, sizes = value(session), {}
    for n in range(1, SESSIONS + 1):
        session.close()
        demo.lost()
        session = again(demo, master)
        if n in (WARM, SESSIONS):
            assert value(session) == first, "another value"
            sizes[n] = demo.size()
    (fds, threads, kib), (fds_after, threads_after, kib_after) = sizes[WARM], sizes[SESSIONS]
    print(f"# after {WARM} sessions: {fds} descriptors, {threads} threads, {kib} KiB; after {SESSIONS}: {fds_after}, {threads_after}, {kib_after} KiB")
    assert (fds_after, threads_after) == (fds, threads)
    assert sanitized() or kib_after - kib < GROWTH_KIB, f"{kib_after - kib} KiB more"


@with_master
def test_one_line_down_and_one_up(_, master, demo):
    session = master.accept()
    session.welcome()
    session.close()
    master.close()
    demo.lost()
    for _ in range(5):
        demo.tell("skip 10")
        time.sleep(0.05)
    master.listen()
    session = again(demo, master)
    assert len(value(session)) > 8
    text = demo.text()
    assert text.count("lost the SNMP master agent") == 1 and text.count("connected to the SNMP master agent") == 2, text
    assert text.count("warning") == 1, text


@with_master
def test_registration_refused(_, master, demo):
    session = master.accept()
    session.welcome({ax.REGISTER: ax.REQUEST_DENIED})
    session.close()
    demo.lost()
    session = again(demo, master, {ax.OPEN: ax.REQUEST_DENIED})
    session.close()
    session = again(demo, master)
    assert len(value(session)) > 8
    assert demo.text().count("net-snmp:") <= 3, demo.text()


def random_bytes(seed, n):
    return random.Random(seed).randbytes(n)


def flood(kind, session, n=20000):
    name = ax.oid(REPORTS) + ax.oid(())
    return b"".join(ax.pdu(kind, session, i, i, name) for i in range(n))


GET_PAYLOAD = ax.oid(REPORTS) + ax.oid(())
HASTY_SET = (ax.pdu(8, 1, 1, 1, struct.pack(">HH", 2, 0) + ax.oid(REPORTS) + struct.pack(">I", 5)) +
             ax.pdu(9, 1, 1, 1) + ax.pdu(11, 1, 1, 1))
HOSTILE = {
    "half a header": b"\x01\x05\x10\x00\x00",
    "half a message": ax.pdu(ax.GET, 1, 1, 1, GET_PAYLOAD)[:-3],
    "another version": b"\x02" + ax.pdu(ax.GET, 1, 1, 1, GET_PAYLOAD)[1:],
    "a length of 4 GiB": struct.pack(">BBBBIIII", 1, ax.GET, 0x10, 0, 1, 1, 1, 0xFFFFFFFF) + b"x" * 5000,
    "a length of 2 GiB": struct.pack(">BBBBIIII", 1, ax.GET, 0x10, 0, 1, 1, 1, 0x7FFFFFEC) + b"x" * 5000,
    "a length of 16 MiB that comes": struct.pack(">BBBBIIII", 1, ax.GET, 0x10, 0, 1, 1, 1, 1 << 24) + bytes(1 << 24),
    "an odd length": ax.pdu(ax.GET, 1, 1, 1, GET_PAYLOAD + b"x"),
    "an identifier longer than its message": ax.pdu(ax.GET, 1, 1, 1, b"\xff\x00\x00\x00" + bytes(8)),
    "an identifier of 255 numbers": ax.pdu(ax.GET, 1, 1, 1, b"\xff\x00\x00\x00" + bytes(4 * 255) + ax.oid(())),
    "identifiers of 128 numbers": ax.pdu(ax.GET_NEXT, 1, 1, 1, ax.oid([2**32 - 1] * 128) + ax.oid([2**32 - 1] * 128)),
    "a prefix": ax.pdu(ax.GET_NEXT, 1, 1, 1, b"\x00\xff\x01\x00" + ax.oid(())),
    "no range": ax.pdu(ax.GET, 1, 1, 1, b""),
    "half a range": ax.pdu(ax.GET, 1, 1, 1, ax.oid(REPORTS)),
    "a wrong session": ax.pdu(ax.GET, 0xDEADBEEF, 1, 1, GET_PAYLOAD),
    "a response that nobody asked for": ax.pdu(ax.RESPONSE, 1, 9, 9, struct.pack(">IHH", 0, 0, 0)) * 100,
    "a response with variables of all kinds": b"".join(
        ax.pdu(ax.RESPONSE, 1, 9, 9, struct.pack(">IHH", 0, 0, 0) + struct.pack(">HH", t, 0) + ax.oid(REPORTS) + b"\x00\x00\x00\xff") for t in range(0, 140)),
    "an octet string longer than its message": ax.pdu(8, 1, 1, 1, struct.pack(">HH", 4, 0) + ax.oid(REPORTS) + struct.pack(">I", 0xFFFFFFF0)),
    "a context": ax.pdu(ax.GET, 1, 1, 1, struct.pack(">I", 4) + b"ctx1" + GET_PAYLOAD, flags=0x18),
    "a context longer than its message": ax.pdu(ax.GET, 1, 1, 1, struct.pack(">I", 0x7FFFFFFF) + b"ctx1" + GET_PAYLOAD, flags=0x18),
    "every kind of message without a payload": b"".join(ax.pdu(kind, 1, 1, kind, b"") for kind in range(0, 256)),
    "every kind of message with rubbish": b"".join(ax.pdu(kind, 1, 1, kind, random_bytes(kind, 64)) for kind in range(0, 256)),
    "the other byte order": struct.pack("<BBBBIIII", 1, ax.GET, 0, 0, 1, 1, 1, 36) + bytes(36),
    **{f"a SET that waits for no answer, {n}": HASTY_SET for n in range(10)},  # net-snmp by itself crashes at one of them
    "a close": ax.pdu(ax.CLOSE, 1, 1, 1, b"\x05\x00\x00\x00"),
    "a flood of questions": flood(ax.GET, 1),
    "a flood for another session": flood(ax.GET_NEXT, 77),
    **{f"rubbish {seed}": random_bytes(seed, 4096) for seed in range(10)},
    **{f"rubbish behind a header {seed}": ax.pdu(random.Random(seed).choice((5, 6, 7, 8, 18)), 1, 1, 1, random_bytes(seed, 400)) for seed in range(20)},
}


def provoke(session, data):
    session.socket.settimeout(0.1)
    try:
        session.send(data)
        while session.socket.recv(65536):
            pass
    except OSError:
        pass
    session.close()


@with_master
def test_masters_that_break_the_rules(_, master, demo):
    session = again(demo, master)
    first = value(session)
    for what, data in HOSTILE.items():
        provoke(session, data)
        demo.lost()
        try:
            session = again(demo, master)
            assert value(session) == first, "another value"
        except (OSError, EOFError, AssertionError) as e:
            raise AssertionError(f"after {what}: {e!r} {demo.text()[-1500:]}") from e
    print(f"# {len(HOSTILE)} provocations; {demo.size()[2]} KiB")
    assert "Sanitizer" not in demo.text() and "runtime error" not in demo.text(), demo.text()[-3000:]


@with_master
def test_another_context_is_an_error(_, master, demo):
    session = master.accept()
    session.welcome()
    first = value(session)
    for kind in (ax.GET, ax.GET_NEXT, 7):
        session.send(ax.pdu(kind, 1, 50 + kind, 50 + kind, struct.pack(">I", 4) + b"ctx1" + (b"\0\0\0\1" if kind == 7 else b"") + GET_PAYLOAD, flags=0x18))
        while (message := session.next_kind(ax.RESPONSE))[3] != 50 + kind:
            pass
        _, error, _ = struct.unpack(">IHH", message[4][:8])
        assert error == 262 and len(message[4]) == 8, (kind, message)
    assert value(session) == first and demo.tell("connected") == "connected 1"


@with_master
def test_answers_to_open_that_break_the_rules(_, master, demo):
    answers = (b"", b"\x01", ax.pdu(ax.RESPONSE, 7, 0, 1, b""), ax.pdu(ax.RESPONSE, 7, 0, 1, b"\0\0\0\1"), b"x" * 4096,
               struct.pack(">BBBBIIII", 1, ax.RESPONSE, 0x10, 0, 7, 0, 1, 0x7FFFFFFC), ax.pdu(ax.GET, 7, 0, 1, GET_PAYLOAD))
    for data in (*answers, None):
        while True:  # attempts that were given up meanwhile wait in the listener
            session = master.accept()
            try:
                if data is None:
                    session.welcome()
                else:
                    session.receive()
                break
            except (EOFError, OSError):
                demo.tell("skip 10")
        if data is not None:
            provoke(session, data)
            demo.tell("skip 10")
    assert len(value(session)) > 8


def cpu_ns(pid):
    """What all its threads have used."""
    used = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
            used += int(f.read().split()[0])
    return used


def test_the_daemon_probes_while_its_master_is_hostile():
    server = StunServer()
    with tempfile.TemporaryDirectory(prefix="em-agentx-") as d:
        master = ax.Master(f"{d}/master")
        body = f'edge "oslo" {{ check "stun" {{ uri = "stun:127.0.0.1:{server.port}" interval = 1 timeout = 0.3 }} }}\n'
        with Daemon(d, body, agentx_address=master.path) as daemon:
            daemon.start()
            session = master.accept()
            session.welcome()
            session.send(flood(ax.GET, 1, 2000) + random_bytes(1, 4096))
            session.close()
            master.close()
            wait_for("the loss", lambda: daemon.status()["daemon"]["snmp_connected"] == 0)
            before, begin = server.requests, time.monotonic()
            used = cpu_ns(daemon.process.pid)
            wait_for("three probes", lambda: server.requests >= before + 3)
            share = (cpu_ns(daemon.process.pid) - used) / 1e9 / (time.monotonic() - begin)
            print(f"# CPU while the master is away, with a probe a second: {100 * share:.1f} %")
            assert sanitized() or share < 0.01, share
            master.listen()
            session = master.accept()
            session.welcome()
            wait_for("the session", lambda: daemon.status()["daemon"]["snmp_connected"] == 1)
            assert daemon.status()["daemon"]["snmp_connections"] == 2
            assert len(re.findall("lost the SNMP master", daemon.log_text())) == 1, daemon.log_text()
            session.close()
        master.close()
    server.close()


def connected(daemon):
    return daemon.status()["daemon"]["snmp_connected"] == 1


def test_another_address_is_connected_to_by_a_reload():
    with tempfile.TemporaryDirectory(prefix="em-agentx-") as d:
        first, second = ax.Master(f"{d}/first"), ax.Master(f"{d}/second")
        try:
            with Daemon(d, "", agentx_address=first.path) as daemon:
                daemon.start()
                session = first.accept()
                session.welcome()
                seen = value(session)
                for master in (second, first):
                    daemon.options["agentx_address"] = master.path
                    begin = time.monotonic()
                    daemon.reload("")
                    other = master.accept()
                    other.welcome()
                    assert sanitized() or time.monotonic() - begin < 2, "not tried at once"
                    assert value(other) == seen and session.ended(), "the first connection goes on"
                    session = other
                for address in ("", f"{d}/nobody"):
                    daemon.options["agentx_address"] = address
                    daemon.reload("")
                    wait_for("no session", lambda: not connected(daemon))
                assert session.ended()
                wait_for("the advice", lambda: "there is no such socket" in daemon.log_text())
                daemon.options["agentx_address"] = second.path
                daemon.reload("")
                other = second.accept()
                other.welcome()
                assert value(other) == seen
                wait_for("the session", lambda: connected(daemon))
                text = daemon.log_text()
                assert text.count("left the SNMP master agent") == 3 and text.count("no SNMP master agent") == 1 and "lost the" not in text, text
                other.close()
                session.close()
        finally:
            first.close()
            second.close()


@with_master
def test_a_lost_master_is_tried_soon_and_then_more_seldom(_, master, demo):
    master.accept().welcome()  # and that session is dropped
    demo.lost()
    begin, tried = time.monotonic(), []
    for _ in range(3):
        master.accept().close()
        tried.append(time.monotonic() - begin)
    print("# tried after " + ", ".join(f"{t:.1f} s" for t in tried))
    assert 0.4 < tried[0] < 2 and tried[1] - tried[0] > 0.9 and tried[2] - tried[1] > 1.9, tried


if __name__ == "__main__":
    tap.run(globals())
