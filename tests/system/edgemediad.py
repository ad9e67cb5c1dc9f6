# SPDX-License-Identifier: GPL-3.0-or-later
"""An edgemediad for tests: its configuration, database, sockets and log in one directory of the test; and what it talks to."""
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.append(f"{os.environ.get('EM_SRCDIR', '.')}/demo")
import free_ports  # noqa: E402

BUILD = os.environ.get("EM_BUILDDIR", ".")
PROGRAM = f"{BUILD}/edgemediad"
COOKIE = 0x2112A442


def sanitized():
    with open(f"{BUILD}/Makefile", encoding="utf-8") as f:
        return any(line.startswith("EM_CFLAGS =") and "-fsanitize=" in line for line in f)


def wait_for(what, condition, seconds=15):
    """What condition() came to when it was true for the first time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.03)


def free_port():
    """A port of 127.0.0.1 that nobody uses, over TCP and UDP, and no other test either."""
    return free_ports.take()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """Daemon(directory, body): body is the configuration behind the daemon's own options."""

    def __init__(self, directory, body="", **options):
        self.directory = directory
        self.control = f"{directory}/control"
        self.database = f"{directory}/edgemedia.db"
        self.conf = f"{directory}/edgemedia.conf"
        self.log = f"{directory}/edgemediad.log"
        self.port = free_port()
        self.options = {"database": self.database, "control_socket": self.control, "web_listen": f"127.0.0.1:{self.port}",
                        "agentx_address": "", **options}
        self.program = PROGRAM
        self.process = None
        self.configure(body)

    def configure(self, body):
        head = "".join(f'{name} = "{value}"\n' for name, value in self.options.items())
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(head + body)

    def command(self, *more):
        return [self.program, "-c", self.conf, *more]

    def spawn(self, *more, **how):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command("-f", *more), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **how)

    def start(self, *more, **how):
        self.spawn(*more, **how)
        wait_for(f"start of edgemediad ({self.log_text()})", self.answers, 20)
        return self

    def answers(self):
        assert self.process.poll() is None, f"edgemediad ended with {self.process.returncode}: {self.log_text()}"
        try:
            return self.get("/healthz")[0] in (200, 503)
        except OSError:
            return False

    def fails_to_start(self, *more, **how):
        """The exit status and the log."""
        self.spawn(*more, **how)
        status = self.process.wait(20)
        self.process = None
        return status, self.log_text()

    def stop(self, sig=signal.SIGTERM):
        if not self.process:
            return None
        self.process.send_signal(sig)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"edgemediad does not end: {self.log_text()}") from None
        self.process = None
        return status

    def reload(self, body):
        self.configure(body)
        lines = self.reloads()
        self.process.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: self.reloads() > lines)

    def reloads(self):
        return sum("was read again" in line or "stays in force" in line for line in self.log_text().splitlines())

    def log_text(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def get(self, path, over="control", method="GET", headers=None):
        """(status, headers, body)"""
        c = UnixConnection(self.control) if over == "control" else http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            c.request(method, path, headers=headers or {})
            answer = c.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            c.close()

    def status(self, over="control"):
        code, _, body = self.get("/api/v1/status", over)
        assert code == 200, body
        return json.loads(body)

    def check(self, name):
        """The only row of the check of that name, or None."""
        rows = [row for row in self.status()["checks"] if row["name"] == name]
        assert len(rows) <= 1, rows
        return rows[0] if rows else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.stop()


class StunServer:
    """Answers STUN Binding requests over UDP, on a thread."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.requests = 0
        self.silent = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                data, (host, port) = self.socket.recvfrom(2048)
            except OSError:
                return
            if len(data) < 20 or struct.unpack(">HHI", data[:8])[0::2] != (0x0001, COOKIE):
                continue
            self.requests += 1
            if self.silent:
                continue
            address = struct.unpack(">I", socket.inet_aton(host))[0] ^ COOKIE
            attribute = struct.pack(">HHBBHI", 0x0020, 8, 0, 1, port ^ (COOKIE >> 16), address)
            self.socket.sendto(struct.pack(">HHI", 0x0101, len(attribute), COOKIE) + data[8:20] + attribute, (host, port))

    def close(self):
        self.socket.close()


RECORD = """TL_INFO(TF_PROTOCOL) [1]0B5C.1A2C::{day}-{time}.001.{n:08X} (SIPStack,SIPAdminLog::ProtocolRecord::Flush:\
ProtocolRecord.cpp(265))[{n}] $$begin_record
Trace-Correlation-Id: {n}
Instance-Id: {n:08X}
Direction: incoming;source="internal edge";destination="external edge"
Peer: 192.0.2.31:50217
Message-Type: request
Start-Line: BYE sip:b@example.com SIP/2.0
From: <sip:a@example.com>;tag=1
To: <sip:{to}>;tag=2
Call-ID: {call}
CSeq: 2 BYE
Content-Length: 0
ms-client-diagnostics: {code}; reason="{reason}";CallerMediaDebug="application-sharing:ICEWarn={ice},LocalSite=10.0.0.1:1,\
LocalMR=198.51.100.10:2,RemoteSite=10.0.0.2:3,RemoteMR={relay},LocalLocation=2,RemoteLocation=1,FederationType=0"
Message-Body: -
$$end_record

"""


class Trace:
    """A trace that grows by records of failed calls."""

    def __init__(self, path):
        self.path = path
        self.n = 0

    def fail(self, call, code=23, ice="0x8000100", relay="203.0.113.7:4", to="b@example.com", reason="A reason"):
        self.n += 1
        now = time.gmtime()
        text = RECORD.format(n=self.n, call=call, code=code, ice=ice, relay=relay, to=to, reason=reason, day=time.strftime("%m/%d/%Y", now), time=time.strftime("%H:%M:%S", now))
        with open(self.path, "a", encoding="ascii", newline="") as f:
            f.write(text.replace("\n", "\r\n"))
