#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's file descriptor store, played by a small fake of it: what is written to deleted files around a restart, or a kill, counts once."""
import array
import os
import signal
import socket
import sys
import tempfile

SRC = os.environ.get("EM_SRCDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from edgemediad import Daemon, wait_for  # noqa: E402

STORE_MAX = 128  # FileDescriptorStoreMax of the unit
# Puts the descriptors named by its first argument at 3, 4, ... and becomes the program, as systemd does.
BECOME = """
import os, sys
given = [int(n) for n in sys.argv[1].split(",") if n]
apart = [os.dup(fd) for fd in given]
while any(fd < 3 + len(given) for fd in apart):
    apart = [os.dup(fd) for fd in apart]
for i, fd in enumerate(apart):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""
MESSAGE = ('TL_INFO(TF_PROTOCOL) [0]0A1C.0F24::11/23/2026-05:02:11.123.00 (SIPStack,SIPAdminLog::ProtocolRecord::Flush:2387.idx(196))[1]\r\n'
           '$$begin_record\r\nDirection: incoming\r\nStart-Line: BYE sip:alice@example.com SIP/2.0\r\n'
           'From: <sip:bob@example.com>;tag=1\r\nTo: <sip:alice@example.com>;tag=2\r\nCSeq: 3 BYE\r\nCall-ID: {call}\r\n'
           'ms-client-diagnostics: 23; reason="Call failed";CalleeMediaDebug="audio:ICEWarn=0x8000100"\r\n'
           'Message-Body: -\r\n$$end_record\r\n')


class Manager(Daemon):
    """A daemon with a service manager that keeps its descriptors over a restart."""

    def __init__(self, directory, body):
        super().__init__(directory, body)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(f"{directory}/notify")
        self.notify.setblocking(False)
        self.kept = {}
        self.written = 0

    def listen(self):
        """What the daemon said since the last time."""
        while True:
            try:
                text, control, _, _ = self.notify.recvmsg(4096, socket.CMSG_SPACE(16 * 4))
            except BlockingIOError:
                return self.kept
            fds = array.array("i")
            for level, kind, data in control:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                fds.frombytes(data)
            said = dict(line.split("=", 1) for line in text.decode().splitlines())
            name = said.get("FDNAME")
            if "FDSTORE" in said:
                assert len(fds) == 1 and name not in self.kept and len(self.kept) < STORE_MAX, (said, self.kept)
                self.kept[name] = fds[0]
            elif "FDSTOREREMOVE" in said:
                os.close(self.kept.pop(name))
            else:
                assert not fds, said

    def command(self, *more):
        self.listen()
        return [sys.executable, "-c", BECOME, ",".join(map(str, self.kept.values())), ":".join(self.kept), *super().command(*more)]

    def start(self, *more, **how):
        self.listen()
        return super().start(*more, pass_fds=tuple(self.kept.values()), env={**os.environ, "NOTIFY_SOCKET": f"{self.directory}/notify"}, **how)

    def write(self, *files):
        for f in files:
            f.write(MESSAGE.format(call=f"call-{self.written}@example.com"))
            f.flush()
            self.written += 1

    def until_counted(self):
        row = wait_for(f"{self.written} messages", lambda: (lambda r: r if r["messages"] >= self.written else None)(self.status()["sources"][0]))
        assert (row["messages"], row["reports"], row["duplicates"], row["missed"]) == (self.written, self.written, 0, 0), row
        assert self.status()["calls"] == self.written, self.status()
        self.listen()


def test_deleted_files_are_read_on():
    with tempfile.TemporaryDirectory(prefix="em-kept-") as d:
        os.mkdir(f"{d}/logs")
        with Manager(d, f'source "fe01" {{ type = trace path = "{d}/logs/*.log" }}\n') as daemon, \
                open(f"{d}/logs/before.log", "w", encoding="utf-8") as before, open(f"{d}/logs/down.log", "w", encoding="utf-8") as down:
            daemon.write(before, down)
            daemon.start()
            daemon.until_counted()
            wait_for("both are kept", lambda: len(daemon.listen()) == 2)
            os.remove(before.name)
            daemon.write(before, down)
            daemon.until_counted()
            for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
                daemon.stop(how)
                if os.path.exists(down.name):
                    os.remove(down.name)
                daemon.write(before, down)
                daemon.start()
                daemon.until_counted()
                daemon.write(before)
                daemon.until_counted()
                assert len(daemon.kept) == 2, daemon.kept
            daemon.reload(f'source "fe01" {{ type = trace path = ["{d}/logs/*.log", "{d}/other/*.log"] }}\n')  # another source of that name
            daemon.write(before, down)
            daemon.until_counted()
            assert len(daemon.kept) == 2, daemon.kept
            daemon.reload("")
            wait_for("nothing is kept", lambda: not daemon.listen())
            assert daemon.stop() == 0, daemon.log_text()


def test_what_somebody_else_kept():
    """Descriptors that are not ours, or no files, are given back."""
    with tempfile.TemporaryDirectory(prefix="em-kept-") as d:
        os.mkdir(f"{d}/logs")
        with Manager(d, f'source "fe01" {{ type = trace path = "{d}/logs/*.log" }}\n') as daemon:
            for name in ("other", "trace-1-0-0", "trace-9-1-1", "trace-1-x", "t" * 255):
                daemon.kept[name] = os.open(d, os.O_RDONLY)
            daemon.start()
            wait_for("all of them are given back", lambda: not daemon.listen())
            assert daemon.stop() == 0, daemon.log_text()


if __name__ == "__main__":
    tap.run(globals())
