#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""check_edge_media against a control socket and an snmpd of the test's own: numbers, thresholds, and everything that goes wrong.

Whatever happens, a run must end by itself with status 0 to 3, say one line that begins with EDGE MEDIA, nothing on standard error, and have
no '|' but the one before the perfdata."""
import copy
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edgemediad import PROGRAM as DAEMON, Daemon, StunServer, Trace, sanitized  # noqa: E402
from private_snmpd import Snmpd, find_snmpd, free_udp_port, wait_for  # noqa: E402

BUILD = os.environ.get("EM_BUILDDIR", ".")
PLUGIN = f"{BUILD}/plugins/check_edge_media"
OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = ["OK", "WARNING", "CRITICAL", "UNKNOWN"]
SLOWEST_S = 2.0  # a run that has nothing to wait for, on a busy machine
SANITIZED = sanitized()
GRACE_S = 2.0 if SANITIZED else 0.6  # start of the process and a busy machine, beyond --timeout


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


def check_shape(out, err, status, lines):
    expect(status in range(4), f"exit status {status}: {out!r} {err!r}")
    expect(err == b"", f"standard error: {err[:300]!r}")
    text = out.decode("utf-8")
    expect(text.endswith("\n"), f"no newline at the end: {text!r}")
    got = text[:-1].split("\n")
    expect(got[0].startswith(f"EDGE MEDIA {WORDS[status]} - "), f"status {status} and {got[0]!r}")
    expect(lines is None or len(got) == lines, f"{len(got)} lines in place of {lines}: {text!r}")
    expect(got[0].count("|") <= 1 and not any("|" in line for line in got[1:]), f"a '|' too many: {text!r}")
    expect(not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), f"controls: {text!r}")
    return got


def run(*args, status=None, says=None, lines=1, within=SLOWEST_S, env=None, **more):
    """The lines; checks all that must always hold."""
    begin = time.monotonic()
    done = subprocess.run([PLUGIN, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                          env=dict(os.environ, **(env or {})), **more)
    took = time.monotonic() - begin
    got = check_shape(done.stdout, done.stderr, done.returncode, lines)
    expect(status is None or done.returncode == status, f"{args}: status {done.returncode}, wanted {status}: {got[0]}")
    expect(says is None or says in got[0], f"{args}: {got[0]!r} does not say {says!r}")
    expect(took < within, f"{args}: took {took:.2f} s: {got[0]}")
    return got


def perfdata(line):
    """{label: (number or None, unit, warn, crit, min)}, by the rules of the guidelines."""
    found = {}
    if " | " not in line:
        return found
    item = re.compile(r"(?:'((?:[^']|'')+)'|([^'= ]+))=(U|-?[0-9.]+)([a-zA-Z%]*)(?:;([^; ]*))?(?:;([^; ]*))?(?:;([^; ]*))?(?: |$)")
    rest = line.split(" | ", 1)[1]
    while rest:
        m = item.match(rest)
        expect(m, f"perfdata: {rest!r}")
        label = (m[1] or m[2]).replace("''", "'")
        expect("::" not in label and "=" not in label, f"label {label!r}")
        expect(all(re.fullmatch(r"[-+0-9.eE]*", m[i] or "") for i in (5, 6, 7)), f"Icinga drops {m[0]!r}")
        found[label] = (None if m[3] == "U" else float(m[3]), m[4], m[5] or "", m[6] or "", m[7] or "")
        rest = rest[m.end():]
    expect(len({label[:19] for label in found}) == len(found), f"labels alike in 19 characters: {sorted(found)}")
    return found


# --- the daemon's JSON -------------------------------------------------------------------------------------------------------

TOTALS = {"bytes": 1, "messages": 100, "reports": 90, "duplicates": 3, "unkeyed": 1, "malformed": 0, "calls": 60,
          "media_failures": 41, "code_23": 17, "tcp_nat_check": 12, "code_23_tcp_nat": 9}
RECENT = {"media_failures": (3, 8, 41), "code_23": (1, 3, 17), "tcp_nat_check": (0, 4, 12), "code_23_tcp_nat": (0, 2, 9)}


def check_row(edge, number, name, verdict, reason="", rtt_us=0, address="192.0.2.1", address_index=1, edge_name="oslo"):
    row = {"edge": edge, "check": number, "address_index": address_index, "edge_name": edge_name, "name": name, "uri": f"stun:{name}",
           "address": address, "port": 3478, "transport": "udp", "dialect": "rfc", "verdict": verdict, "up": int(verdict == "ok"),
           "reason": reason, "probes": 5, "failed_probes": 0}
    return dict(row, rtt_us=rtt_us) if rtt_us else row


def source_row(number, name, state, error="", lag=0):
    return {"source": number, "name": name, "type": "trace", "state": state, "location": "/x", "error": error, "files": 1,
            "lag_bytes": lag, "malformed": 0}


def status():
    recent = {f"{name}_{window}": v for name, values in RECENT.items() for window, v in zip(("5m", "1h", "1d"), values)}
    recent["failure_threshold"] = 5
    return {"schema_version": 1, **TOTALS, "discontinuity_time": "2026-01-01T00:00:00Z", "codes": {"23": 17}, "recent": recent,
            "daemon": {"version": "0.1.0", "snapshot_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}, "edges": [],
            "checks": [check_row(1, 1, "turn-udp", "ok", "answered", 12300), check_row(1, 2, "turn-tcp", "ok", "answered", 45000)],
            "sources": [source_row(1, "fe01", "caught-up")]}


def http(body, head="HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", length=None):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"{head}Content-Length: {len(body) if length is None else length}\r\nConnection: close\r\n\r\n".encode() + body


class Socket:
    """A control socket that answers each connection with one handler: bytes, or a function of the connection."""

    def __init__(self, answer):
        self.holder = tempfile.TemporaryDirectory(prefix="edgemedia-plugin-")
        self.path = f"{self.holder.name}/control"
        self.answer, self.requests, self.over = answer, [], False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.one, args=(peer,), daemon=True).start()

    def one(self, peer):
        with peer:
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    part = peer.recv(4096)
                    if not part:
                        return
                    request += part
                self.requests.append(request)
                if callable(self.answer):
                    self.answer(peer, self)
                else:
                    peer.sendall(self.answer)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        self.holder.cleanup()


def test_options():
    for option in ("--help", "-h"):
        done = subprocess.run([PLUGIN, option], capture_output=True, check=False, timeout=10)
        expect(done.returncode == 3 and not done.stderr and done.stdout.startswith(b"Usage: check_edge_media "), option)
        expect(max(map(len, done.stdout.decode().split("\n"))) <= 80, "help is wider than 80 columns")
    with open(f"{os.environ.get('EM_SRCDIR', '.')}/doc/check_edge_media.1", encoding="ascii") as f:
        manual = set(re.findall(r" -([a-z][a-z0-9-]*)", re.sub(r"(?m)^(?!.*\bFl\b).*$", "", f.read())))
    told = set(re.findall(r"(?m)^ .*?--([a-z][a-z0-9-]*)", done.stdout.decode().split("\nMETRIC")[0]))
    expect(told == manual & told and not {m for m in manual if len(m) > 2} - told, f"help and manual differ: {told ^ manual}")
    for option in ("--version", "-V"):
        done = subprocess.run([PLUGIN, option], capture_output=True, check=False, timeout=10)
        expect(done.returncode == 3 and not done.stderr and re.fullmatch(rb"check_edge_media \(edgemedia\) \S+\n", done.stdout), option)
    for args, says in ((["-?"], "-?"), (["--nonsense"], "--nonsense"), ([], "where to look"), (["-H"], "needs a value"),
                       (["-H", "h", "-m", "opinions"], "modes are code23, tcp-nat, failures, ports, sources, findings, all"),
                       (["-H", "h", "-m", "code23", "-w", "5|6"], "is not a range"), (["-H", "h", "-v", "1"], "64-bit")):
        got = run(*args, status=UNKNOWN, says=says, lines=None)
        expect(2 <= len(got) <= 23 and got[1].startswith("Usage: "), f"usage: {got}")


def test_socket_modes():
    with Socket(http(status())) as s:
        at = f"--socket={s.path}"
        line = run(at, "-m", "code23", status=WARNING, says="WARNING - 3 code-23 calls in 1 hour, 2 with TCP NAT failure")[0]
        expect(len(line.split(" | ")[0]) < 80, f"{line!r} is long")
        p = perfdata(line)
        expect(p["code23"] == (3, "", "0", "5", "0") and p["code23_total"] == (17, "c", "", "", "0"), f"{p}")
        run(at, "-m", "code23", "--window=5m", status=WARNING, says="1 code-23 call in 5 minutes")
        run(at, "-m", "code23", "--window=1d", status=CRITICAL, says="17 code-23 calls in 1 day, 9 with TCP NAT failure")
        run(at, "-m", "code23", "-w", "3", "-c", "10", status=OK, says="3 code-23 calls in 1 hour")
        run(at, "-m", "code23", "-w", "@3:5", status=WARNING)
        run(at, "-m", "code23", "-c", "4:", status=CRITICAL)
        run(at, "-m", "code23", "-w", "~:2", "-c", "code23-tcp-nat=1", status=CRITICAL, says="2 code-23 calls with TCP NAT failure")
        run(at, "-m", "code23", "--total", "-w", "17", status=OK, says="17 code-23 calls in total")
        run(at, "-m", "code23", "--total", "-w", "10", "-c", "16", status=CRITICAL, says="17 code-23 calls in total")
        run(at, "-m", "tcp-nat", status=WARNING, says="2 code-23 calls with TCP NAT failure in 1 hour")
        run(at, "-m", "tcp-nat", "-c", "3", status=CRITICAL, says="4 TCP NAT check failures in 1 hour, 2 with code 23")
        run(at, "-m", "failures", status=WARNING, says="8 media failures in 1 hour, 3 with code 23")
        p = perfdata(run(at, "-m", "ports", status=OK, says="2 of 2 checks ok")[0])
        expect(p["oslo/turn-udp"] == (0.0123, "s", "", "", "0") and p["checks_ok"][0] == 2, f"{p}")
        run(at, "-m", "sources", status=OK, says="1 of 1 sources ok")
        run(at, "-m", "all", status=WARNING, says="code-23 calls in 1 hour")
        run(at, status=WARNING, says="code-23 calls in 1 hour")
        run(at, "-w", "code23=9", "-c", "failures=5", status=CRITICAL, says="8 media failures")
        got = run(at, "-m", "ports", "-vv", status=OK, lines=None)
        expect(len(got) == 4 and "oslo/turn-udp" in got[1] and "edgemediad 0.1.0" in got[3], f"{got}")
        expect(all(r.startswith(b"GET /api/v1/status HTTP/1.1\r\n") for r in s.requests), f"{s.requests[0]}")


def test_socket_checks():
    broken = status()
    broken["checks"] += [
        check_row(2, 1, "turn|udp\n::x", "blackholed", "payload never acknowledged | \x1b[31m'=;\u0000", edge_name="a='b"),
        check_row(3, 1, "stun", "untested", edge_name="rome", address="2001:db8::1"),
        check_row(3, 1, "stun", "degraded", "3 retransmits", 90000, edge_name="rome", address="2001:db8::2", address_index=2)]
    broken["sources"].append(source_row(2, "fe02", "failed", "permission denied"))
    with Socket(http(broken)) as s:
        at = f"--socket={s.path}"
        p = perfdata(run(at, "-m", "ports", status=CRITICAL, says="a='b/turn!udp")[0])
        expect(p["rome/stun"][0] is None and p["rome/stun/2"][0] == 0.09 and p["checks_down"][0] == 1, f"{p}")
        run(at, "-m", "ports", "--edge=rome", status=WARNING, says="rome/stun degraded: 3 retransmits; rome/stun untested")
        run(at, "-m", "ports", "--edge=rome", "--edge=oslo", "--check=turn-udp", status=OK, says="1 of 1 checks ok")
        run(at, "-m", "ports", "--check=nosuch", status=UNKNOWN, says="no check has that")
        run(at, "-m", "ports", "-w", "0", "-c", "1", status=WARNING, says="a='b/turn!udp")
        run(at, "-m", "ports", "--edge=oslo", "-w", "rtt=0.02", status=WARNING, says="oslo/turn-tcp answered in 0.045 s")
        run(at, "-m", "sources", status=CRITICAL, says="source fe02 failed: permission denied")
        got = run(at, "-m", "all", "-v", status=CRITICAL, lines=None)
        expect(len(got) > 4 and len(got[0]) < 1000, f"{got}")
    many = status()
    many["checks"] = [check_row(1, i + 1, f"a-rather-long-name-of-a-check-{i}", "ok", "", 1000 + i) for i in range(2000)]
    with Socket(http(many)) as s:
        line = run(f"--socket={s.path}", "-m", "ports", status=OK, says="2000 of 2000 checks ok")[0]
        expect(len(line) < 1000 and perfdata(line)["rtt_max"][0] == 0.002999, line)
        run(f"--socket={s.path}", "-m", "ports", "--perfdata=full", status=OK)
        perfdata(run(f"--socket={s.path}", "-m", "ports", "--perfdata=full", status=OK)[0])


def silence(_peer, server):
    while not server.over:
        time.sleep(0.02)


def half(peer, server):
    peer.sendall(http(status())[:400])
    silence(peer, server)


def endless(peer, server):
    peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"schema_version\":1,\"x\":\"")
    while not server.over:
        peer.sendall(b"x" * 65536)


def drip(peer, server):
    for byte in http(status()):
        if server.over:
            return
        peer.sendall(bytes([byte]))
        time.sleep(0.02)


def test_socket_misbehaves():
    other = status()
    other["schema_version"] = 2
    lacks = status()
    del lacks["code_23"]
    wrong = status()
    wrong["checks"] = [{"verdict": 5}]
    old = status()
    old["daemon"]["snapshot_time"] = "2020-01-01T00:00:00Z"
    cases = [  # name, answer, arguments, status, words, slowest
        ("garbage", os.urandom(4096).replace(b"\r", b"x"), [], UNKNOWN, "is not edgemediad's HTTP", 2),
        ("plain text", b"hello\n", [], UNKNOWN, "is not edgemediad's HTTP", 2),
        ("not JSON", http(b"<html>hello</html>"), [], UNKNOWN, "not JSON", 2),
        ("no body", http(b""), [], UNKNOWN, "ends in its middle", 2),
        ("binary body", http(bytes(range(256)) * 10), [], UNKNOWN, "not JSON", 2),
        ("another JSON", http({"a": 1}), [], UNKNOWN, "no schema_version", 2),
        ("newer schema", http(other), [], UNKNOWN, "schema version 2", 2),
        ("key missing", http(lacks), [], UNKNOWN, 'no "code_23"', 2),
        ("wrong rows", http(wrong), [], UNKNOWN, "in checks", 2),
        ("deep", http(b"[" * 100000), [], UNKNOWN, "not JSON", 2),
        ("status 404", http(b"no", "HTTP/1.1 404 Not Found\r\n"), [], UNKNOWN, "HTTP status 404", 2),
        ("status 503", http(b"no", "HTTP/1.1 503 Busy\r\n"), [], UNKNOWN, "HTTP status 503", 2),
        ("redirect", http(b"", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"), [], UNKNOWN, "HTTP status 302", 2),
        ("truncated", http(json.dumps(status()).encode()[:300], length=5000), [], UNKNOWN, "closed before", 2),
        ("cut JSON", http(json.dumps(status()).encode()[:300]), [], UNKNOWN, "ends in its middle", 2),
        ("closed", lambda peer, server: None, [], UNKNOWN, "closed before", 2),
        ("stale", http(old), ["-m", "ports"], UNKNOWN, "s old", 2),
        ("stale, but allowed", http(old), ["--max-age=0"], WARNING, "code-23", 2),
        ("silence", silence, ["-t", "0.6"], CRITICAL, "does not answer", 1 + GRACE_S),
        ("silence as unknown", silence, ["-t", "0.6", "--timeout-result=unknown"], UNKNOWN, "does not answer", 1 + GRACE_S),
        ("silence as 1", silence, ["-t", "500ms", "--timeout-result=1"], WARNING, "does not answer", 1 + GRACE_S),
        ("half an answer", half, ["-t", "1"], CRITICAL, "did not end in time", 1 + GRACE_S),
        ("byte by byte", drip, ["-t", "1"], CRITICAL, "in time", 1 + GRACE_S),
        ("endless", endless, ["-t", "8"], UNKNOWN, "larger than 64 MiB", 9),
    ]
    for name, answer, args, want, words, slowest in cases:
        with Socket(answer) as s:
            try:
                run(f"--socket={s.path}", *args, status=want, says=words, within=slowest)
            except Failed as why:
                raise Failed(f"{name}: {why}") from None


def test_socket_cannot_be_reached():
    with tempfile.TemporaryDirectory(prefix="edgemedia-plugin-") as d:
        run(f"--socket={d}/nothing", status=CRITICAL, says="no control socket")
        run(f"--socket={d}/nothing", "--timeout-result=3", status=UNKNOWN, says="no control socket")
        run(f"--socket={d}", status=UNKNOWN, says="is not a socket")
        run(f"--socket={d}/{'x' * 200}", status=UNKNOWN, says="longer than 107")
        run(f"--socket={d}/a|b\x1b\n", status=CRITICAL, says="a!b\\x1b\\x0a")
        s = socket.socket(socket.AF_UNIX)
        s.bind(f"{d}/dead")
        s.close()
        run(f"--socket={d}/dead", status=CRITICAL, says="nobody listens")
        s = socket.socket(socket.AF_UNIX)  # listens, but its queue is full and nobody accepts
        s.bind(f"{d}/full")
        s.listen(0)
        waiting = []
        for _ in range(4):
            c = socket.socket(socket.AF_UNIX)
            c.setblocking(False)
            c.connect_ex(f"{d}/full")
            waiting.append(c)
        run(f"--socket={d}/full", "-t", "1", status=CRITICAL, within=1 + GRACE_S)
        for c in waiting + [s]:
            c.close()


def test_socket_permission():
    if os.geteuid() != 0:
        with Socket(http(status())) as s:
            os.chmod(s.path, 0)
            run(f"--socket={s.path}", status=UNKNOWN, says="no permission")
        return
    with Socket(http(status())) as s:
        os.chmod(s.path, 0o600)
        os.chmod(s.holder.name, 0o755)
        program = f"{s.holder.name}/check_edge_media"
        shutil.copy(PLUGIN, program)
        os.chmod(program, 0o755)
        done = subprocess.run([program, f"--socket={s.path}"], capture_output=True, check=False, timeout=10, user=65534,
                              group=65534, extra_groups=[], cwd="/")
        got = check_shape(done.stdout, done.stderr, done.returncode, 1)
        expect(done.returncode == UNKNOWN and "no permission" in got[0], got[0])


# --- rates with a state file -------------------------------------------------------------------------------------------------

def later(path, seconds):
    """Moves the state file's sample back in time, in place of waiting."""
    text = open(path, encoding="ascii").read()
    moved = re.sub(r"(?m)^time_us (\d+)$", lambda m: f"time_us {int(m[1]) - seconds * 1000000}", text)
    with open(path, "w", encoding="ascii") as f:
        f.write(moved)


def test_state_file():
    with tempfile.TemporaryDirectory(prefix="edgemedia-plugin-") as d:
        file, now = f"{d}/state", status()
        with Socket(http(now)) as s:
            args = [f"--socket={s.path}", "--mode=code23", f"--state={file}", "-w", "5", "-c", "10"]
            run(*args, status=OK, says="3 code-23 calls in 1 hour, 2 with TCP NAT failure; first run")
            later(file, 1800)
            run(*args, status=OK, says="0 code-23 calls per hour")
            later(file, 1800)
            now["code_23"] += 4
            s.answer = http(now)
            expect(perfdata(run(*args, status=WARNING, says="code-23 calls per hour")[0])["code23"][0] > 7, "rate")
            later(file, 600)
            now["code_23"] += 4
            s.answer = http(now)
            run(*args, "--per=10m", status=OK, says="code-23 calls per 10 minutes")
            later(file, 3600)
            now["code_23"] = 7
            s.answer = http(now)
            run(*args, status=WARNING, says="code-23 calls per hour")
            later(file, 3600)
            now["discontinuity_time"] = "2026-02-02T00:00:00Z"
            now["code_23"] = 11
            s.answer = http(now)
            run(*args, status=CRITICAL, says="code-23 calls per hour")
            for garbage in (b"", b"garbage\n", os.urandom(100000), open(file, "rb").read()[:-4]):
                with open(file, "wb") as f:
                    f.write(garbage)
                run(*args, status=OK, says="first run")
            later(file, -3600)
            run(*args, status=OK, says="the clock went back")
            os.symlink(file, f"{d}/link")
            later(file, 3600)
            run(*args[:2], f"--state={d}/link")
            run(*args[:2], f"--state={d}", status=UNKNOWN, says="state file")
            run(*args[:2], f"--state={d}/no/such", status=UNKNOWN, says="state file")
            run(*args[:2], "--state=/dev/null", status=UNKNOWN, says="not a regular file")
            os.mkfifo(f"{d}/fifo")
            run(*args[:2], f"--state={d}/fifo", status=UNKNOWN, says="not a regular file")
            with open(file, "rb") as holder:
                fcntl.flock(holder, fcntl.LOCK_EX)
                run(*args[:3], "-t", "1", status=UNKNOWN, says="another run holds it locked", within=1 + GRACE_S)
            many = [subprocess.Popen([PLUGIN, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(12)]
            for p in many:
                out, err = p.communicate(timeout=30)
                check_shape(out, err, p.returncode, 1)
        with Socket(http(now)) as s:
            run(f"--socket={s.path}", "-m", "code23", f"--state={file}", "-w", "5", status=OK, says="another target")
        expect(sorted(os.listdir(d)) == ["fifo", "link", "state"], f"left behind: {os.listdir(d)}")


# --- SNMP --------------------------------------------------------------------------------------------------------------------

PASS = r"""
import bisect, os, sys
cache = [None, []]
def key(o): return tuple(int(x) for x in o.strip(".").split("."))
def rows():
    s = os.stat(sys.argv[1])
    now = s.st_ino, s.st_mtime_ns, s.st_size  # the number alone is given again to a later file
    if cache[0] != now:
        lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
        cache[:] = now, sorted((key(l.split(" ", 2)[0]), l.split(" ", 2)[1:]) for l in lines)
    return cache[1]
def tell(o, t, v):
    print("." + ".".join(map(str, o))); print(t); print(v, flush=True)
while True:
    command = sys.stdin.readline().strip()
    if command == "PING":
        print("PONG", flush=True)
    elif command in ("get", "getnext"):
        at, list_ = key(sys.stdin.readline()), rows()
        i = (bisect.bisect_left if command == "get" else bisect.bisect_right)([r[0] for r in list_], at)
        hit = list_[i:i + 1] if command != "get" or list_[i:i + 1] and list_[i][0] == at else []
        if hit: tell(hit[0][0], *hit[0][1])
        else: print("NONE", flush=True)
    elif not command:
        break
"""


def mib_root():
    for line in open(f"{BUILD}/config.h", encoding="ascii"):
        if line.startswith("#define EM_MIB_ROOT "):
            return line.split('"')[1]
    raise SystemExit("Bail out! config.h has no EM_MIB_ROOT")


VERDICTS = ["ok", "degraded", "refused", "filtered", "prohibited", "unreachable", "blackholed", "silent", "reset", "intercepted", "mangled",
            "auth-failed", "dns-failed", "tls-failed", "protocol-error", "error", "untested"]


def octets(raw):
    return "octet", " ".join(f"{b:02x}" for b in raw) or "20"


def objects(s):
    """The objects as numbers from the MIB, typed here once more on purpose: the plugin computes them."""
    text = lambda v: ("string", v if v else " ")
    out = {}
    for number, name in enumerate(("code_23", "tcp_nat_check", "code_23_tcp_nat", "media_failures", "reports", "duplicates", "unkeyed",
                                   "malformed", "calls", "messages", "bytes"), 1):
        out[f"1.{number}.0"] = ("counter64", s[name])
    out["1.12.0"] = ("timeticks", 0)
    for number, name in enumerate(("code_23", "tcp_nat_check", "code_23_tcp_nat", "media_failures")):
        for k, window in enumerate(("5m", "1h", "1d")):
            out[f"2.{3 * number + k + 1}.0"] = ("gauge", s["recent"][f"{name}_{window}"])
    out["2.13.0"] = ("gauge", s["recent"]["failure_threshold"])
    t = time.gmtime()
    out["3.1.0"] = text("0.1.0")
    out["3.4.0"] = octets(struct.pack(">HBBBBBB", t.tm_year, t.tm_mon, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, 0))
    for row in s["checks"]:
        index = f"{row['edge']}.{row['check']}.{row['address_index']}"
        cells = {3: text(row["edge_name"]), 4: text(row["name"]), 5: text(row["uri"]), 6: text(row["address"]),
                 10: ("integer", VERDICTS.index(row["verdict"]) + 1), 12: text(row["reason"]), 13: octets(bytes(8)),
                 17: ("gauge", row.get("rtt_us", 0))}
        out.update({f"12.1.{column}.{index}": cell for column, cell in cells.items()})
    for row in s["sources"]:
        cells = {2: text(row["name"]), 4: ("integer", ["starting", "reading", "caught-up", "waiting", "failed"].index(row["state"]) + 1),
                 6: text(row["error"]), 8: ("gauge", row["lag_bytes"]), 14: ("counter64", 0)}
        out.update({f"15.1.{column}.{row['source']}": cell for column, cell in cells.items()})
    return out


class Lab:
    """An snmpd whose objects are lines of a file."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="edgemedia-plugin-")
        d = self.holder.name
        self.root, self.file = mib_root(), f"{d}/objects"
        with open(f"{d}/pass.py", "w", encoding="ascii") as f:
            f.write(PASS)
        self.put({})
        self.snmpd = Snmpd(d, f"view narrow included .1.3.6.1.2.1.1\nrocommunity narrow 127.0.0.1 -V narrow\n"
                              f"createUser monitor SHA-256 auth-secret AES priv-secret\nrouser monitor authPriv\n"
                              f"createUser plain SHA auth-secret\nrouser plain authNoPriv\n"
                              f"pass_persist .{self.root}.1 {sys.executable} {d}/pass.py {self.file}\n")
        self.snmpd.start()

    def put(self, found):
        with open(self.file + ".new", "w", encoding="utf-8") as f:
            for name, (kind, value) in found.items():
                f.write(f"{self.root}.1.{name} {kind} {value}\n")
        os.rename(self.file + ".new", self.file)

    def at(self, *more):
        return ["-H", "127.0.0.1", "-p", str(self.snmpd.port), *more]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.snmpd.close()
        self.holder.cleanup()


V3 = ["-v", "3", "-l", "authPriv", "-u", "monitor", "-a", "SHA-256", "-A", "auth-secret", "-x", "AES", "-X", "priv-secret"]


def test_snmp():
    if not find_snmpd():
        return "SKIP no snmpd"
    s = status()
    s["code_23"] = 2**53 + 2
    s["checks"] += [check_row(7, i + 1, f"check{i}", "ok", "x" * 100, 1000 + i, edge_name="many") for i in range(100)]
    with Lab() as lab:
        lab.put(objects(s))
        p = perfdata(run(*lab.at("-m", "code23"), status=WARNING, says="3 code-23 calls in 1 hour, 2 with TCP NAT failure")[0])
        expect(p["code23_total"] == (2**53 + 2, "c", "", "", "0"), f"{p}")
        run(*lab.at("-m", "code23", "-v", "2c", "-C", "public", "--window=1d"), status=CRITICAL, says="17 code-23 calls in 1 day")
        run(*lab.at("-m", "tcp-nat", "--total", "-w", "11"), status=WARNING, says="12 TCP NAT check failures in total")
        run(*lab.at("-m", "failures"), status=WARNING, says="8 media failures in 1 hour, 3 with code 23")
        run(*lab.at("-m", "ports"), status=OK, says="102 of 102 checks ok", within=10)
        p = perfdata(run(*lab.at("-m", "ports", "--perfdata=full"), status=OK, within=10)[0])
        expect(p["many/check99"][0] == 0.001099 and p["oslo/turn-udp"][0] == 0.0123, f"{p}")
        run(*lab.at("-m", "sources"), status=OK, says="1 of 1 sources ok")
        run(*lab.at("--mode=all", "-H", "localhost", "-4"), status=WARNING, says="code-23", within=10)
        del s["checks"][2:]
        s["checks"][1].update(verdict="blackholed", reason="payload never acknowledged|\x07")
        lab.put(objects(s))
        run(*lab.at("-m", "ports"), status=CRITICAL, says="oslo/turn-tcp blackholed: payload never acknowledged!\\x07")
        s["checks"] = []
        lab.put(objects(s))
        run(*lab.at("-m", "ports"), status=UNKNOWN, says="has no checks")


def test_snmp_v3():
    if not find_snmpd():
        return "SKIP no snmpd"

    def changed(**kw):
        args = copy.copy(V3)
        for letter, value in kw.items():
            args[args.index("-" + letter) + 1] = value
        return args

    with Lab() as lab:
        lab.put(objects(status()))
        run(*lab.at("-m", "code23", *V3), status=WARNING, says="3 code-23 calls")
        run(*lab.at("-m", "ports", *V3), status=OK, says="2 of 2 checks ok")
        run(*lab.at("-m", "code23", "-v3", "-u", "plain", "-l", "authNoPriv", "-A", "auth-secret"), status=WARNING, says="3 code-23")
        with open(f"{lab.holder.name}/auth", "w", encoding="ascii") as f:
            f.write("auth-secret\n")
        run(*lab.at("-m", "code23", "-u", "monitor", "-a", "SHA-256", f"--auth-password-file={lab.holder.name}/auth"), status=WARNING,
            says="3 code-23 calls", env={"CHECK_EDGE_MEDIA_PRIV_PASSWORD": "priv-secret"})
        for args, words in ((changed(A="wrong-secret"), "wrong SNMPv3 authentication password"), (changed(u="nobody"), "does not know this"),
                            (changed(a="SHA"), "wrong SNMPv3 authentication password or protocol"), (changed(a="ROT13"), "-a: the protocol"),
                            (changed(x="ROT13"), "-x: the protocol"), (changed(A="short"), "at least 8"),
                            (changed(l="secret"), "-l: the level"), (changed(n="x") if "-n" in V3 else changed(l="authNoPriv"), None)):
            run(*lab.at("-m", "code23", "-t", "3", *args), status=UNKNOWN, says=words, lines=None, within=4)
        line = run(*lab.at("-m", "code23", "-t", "1", *changed(X="wrong-secret")), within=1 + GRACE_S)[0]
        expect("privacy" in line, line)


def test_snmp_goes_wrong():
    if not find_snmpd():
        return "SKIP no snmpd"
    with Lab() as lab:
        run(*lab.at("-m", "code23"), status=UNKNOWN, says=f"its view must include .{lab.root}, and edgemediad must be connected")
        lab.put(objects(status()))
        run(*lab.at("-m", "code23", "-C", "narrow"), status=UNKNOWN, says="its view must include")
        run(*lab.at("-m", "code23", "-C", "wrong", "-t", "1"), status=CRITICAL, says="a wrong community (which looks the same)", within=1 + GRACE_S)
        wrong = objects(status())
        wrong["1.1.0"] = ("string", "seven")
        lab.put(wrong)
        run(*lab.at("-m", "code23"), status=UNKNOWN, says="emCode23Failures has a type that is not the MIB's")
        wrong = objects(status())
        del wrong["2.2.0"]
        lab.put(wrong)
        run(*lab.at("-m", "code23"), status=UNKNOWN, says="emCode23LastHour")
        holes = objects(status())
        del holes["12.1.10.1.1.1"]  # a row without a verdict, one without a round trip
        del holes["12.1.17.1.2.1"]
        lab.put(holes)
        run(*lab.at("-m", "ports"), status=UNKNOWN, says="oslo/turn-udp")
        index = objects(status())
        index["12.1.3.1.1"] = ("string", "short index")
        lab.put(index)
        run(*lab.at("-m", "ports"), status=UNKNOWN, says="its index is not the MIB's")
        newer = objects(status())
        newer["12.1.10.1.1.1"] = ("integer", 99)
        lab.put(newer)
        run(*lab.at("-m", "ports"), status=UNKNOWN, says="oslo/turn-udp unknown verdict")
        lab.snmpd.pause()
        run(*lab.at("-m", "code23", "-t", "1"), status=CRITICAL, says="no answer over SNMP", within=1 + GRACE_S)
        run(*lab.at("-m", "code23", "-t", "1", "--timeout-result=warning", *V3), status=WARNING, says="no answer over SNMPv3", within=1 + GRACE_S)
        lab.snmpd.resume()
    port = str(free_udp_port())
    run("-H", "127.0.0.1", "-p", port, "-t", "0.5", status=CRITICAL, says=f"no answer over SNMP from 127.0.0.1:{port}", within=0.5 + GRACE_S)
    run("-H", "::1", "-p", port, "-t", "0.5", says=f"[::1]:{port}", within=0.5 + GRACE_S)
    run("-H", "no-such-host.invalid", "-t", "2", status=CRITICAL, says="no-such-host.invalid does not resolve", within=2 + GRACE_S)
    run("-H", "udp:127.0.0.1", "-t", "2", says="does not resolve", within=2 + GRACE_S)
    run("-H", "", status=UNKNOWN, says="is not a host", lines=None)


class Liar:
    """An SNMP agent that answers every request with a function of its bytes."""

    def __init__(self, answer):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = str(self.socket.getsockname()[1])
        self.answer, self.over = answer, False
        self.socket.settimeout(0.05)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.over:
            try:
                packet, peer = self.socket.recvfrom(65536)
                for answer in self.answer(packet):
                    self.socket.sendto(answer, peer)
            except TimeoutError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join(5)
        self.socket.close()


def response(packet):
    """The request as a response, with its NULL values."""
    return [packet.replace(b"public\xa0", b"public\xa2").replace(b"public\xa5", b"public\xa2")]


def test_snmp_liars():
    for name, answer in (("echo", lambda p: [p]), ("garbage", lambda p: [os.urandom(200)]), ("nothing inside", response),
                         ("cut", lambda p: [response(p)[0][:n] for n in range(0, len(p), 3)]),
                         ("flipped", lambda p: [bytes(b ^ 4 if i == n else b for i, b in enumerate(response(p)[0]))
                                                for n in range(60)])):
        with Liar(answer) as liar:
            try:
                run("-H", "127.0.0.1", "-p", liar.port, "-m", "code23", "-t", "1", within=1 + GRACE_S)
            except Failed as why:
                raise Failed(f"{name}: {why}") from None


def test_snmp_agent():
    """The daemon's own SNMP thread with made-up values of every kind, over AgentX."""
    demo = f"{BUILD}/tests/system/snmp_demo"
    if not find_snmpd() or not os.path.exists(demo):
        return "SKIP no snmpd or no SNMP agent in this build"
    with tempfile.TemporaryDirectory(prefix="edgemedia-plugin-") as d:
        snmpd = Snmpd(d)
        snmpd.start()
        at = ["-H", "127.0.0.1", "-p", str(snmpd.port), "--max-age=0"]
        with subprocess.Popen([demo, snmpd.agentx, "80"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, bufsize=1, env=dict(os.environ, SNMP_PERSISTENT_DIR=f"{d}/state")) as p:
            def tell(line):
                p.stdin.write(line + "\n")
                return p.stdout.readline().split()
            try:
                expect(p.stdout.readline() == "ready\n", "the demo does not start")
                wait_for("AgentX", lambda: tell("connected") == ["connected", "1"], 20)
                tell("publish")
                tell(f"dump {d}/cells")
                cells = dict(line.rstrip("\n").split(" ")[::2] for line in open(f"{d}/cells", encoding="ascii"))
                found = perfdata(run(*at, "-m", "failures", "-w", "0", within=10)[0])
                for number, name in enumerate(("code23", "tcp-nat", "code23-tcp-nat", "failures"), 1):
                    expect(found[f"{name}_total"][0] == float(cells[f"1.{number}.0"]), f"{name}: {found} {cells[f'1.{number}.0']}")
                    gauge = min(int(cells[f"2.{3 * number - 1}.0"]), 2**32 - 1)
                    expect(found[name][0] == gauge, f"{name}: {found[name]}, wanted {gauge}")
                verdicts = [int(v) for name, v in cells.items() if name.startswith("12.1.10.")]
                verdicts += [1 if v == "3" else int(v) for name, v in cells.items() if name.startswith("13.1.8.")]  # of a range refused is clear
                found = perfdata(run(*at, "-m", "ports", within=10)[0])
                expect(found["checks"][0] == len(verdicts) and found["checks_ok"][0] == verdicts.count(1), f"{found}")
                expect(found["checks_down"][0] == sum(v not in (1, 2, 16, 17) for v in verdicts), f"{found}")
                perfdata(run(*at, "-m", "ports", "--perfdata=full", within=10)[0])
                run(*at, "-m", "ports", "-vvv", lines=None, within=10)
                expect(perfdata(run(*at, "-m", "sources", within=10)[0])["sources"][0] == 80, "sources")
            finally:
                p.kill()
                snmpd.close()


def test_daemon():
    """edgemediad itself: the same numbers over its socket and over SNMP, and what is said when it stops."""
    if not find_snmpd() or not os.path.exists(DAEMON):
        return "SKIP no snmpd or no edgemediad in this build"
    with tempfile.TemporaryDirectory(prefix="edgemedia-plugin-") as d:
        stun, trace, snmpd = StunServer(), Trace(f"{d}/trace.log"), Snmpd(d)
        snmpd.start()
        for call, ice in (("a@x", "0x8000100"), ("b@x", "0x12b"), ("b@x", "0x12b"), ("c@x", "0x1")):
            trace.fail(call, ice=ice)
        body = f'''edge "oslo" {{
    check "stun" {{ uri = "stun:127.0.0.1:{stun.port}" interval = 1 }}
    check "dead" {{ uri = "stun:127.0.0.1:{free_udp_port()}" interval = 1 }}
}}
source "fe01" {{ type = trace path = "{trace.path}" }}
'''
        by_snmp, by_socket = ["-H", "127.0.0.1", "-p", str(snmpd.port)], [f"--socket={d}/control"]
        try:
            with Daemon(d, body, agentx_address=snmpd.agentx).start() as daemon:
                wait_for("three calls", lambda: daemon.status()["code_23"] == 3, 15)
                wait_for("both checks", lambda: all(c["verdict"] != "untested" for c in daemon.status()["checks"]), 15)
                wait_for("AgentX", lambda: subprocess.run([PLUGIN, *by_snmp, "-m", "ports"], stdout=subprocess.PIPE, check=False,
                                                          timeout=30).returncode == CRITICAL, 20)
                for at in by_socket, by_snmp:
                    run(*at, "-m", "code23", status=WARNING, says="3 code-23 calls in 1 hour, 2 with TCP NAT failure")
                    run(*at, "-m", "code23", "--total", "-w", "2", "-c", "5", status=WARNING, says="3 code-23 calls in total")
                    run(*at, "-m", "tcp-nat", "-w", "1", status=WARNING, says="2 TCP NAT check failures in 1 hour, 2 with code 23")
                    run(*at, "-m", "failures", status=OK, says="3 media failures")
                    run(*at, "-m", "ports", status=CRITICAL, says="oslo/dead refused")
                    expect(perfdata(run(*at, "-m", "ports", "--check=stun", status=OK)[0])["oslo/stun"][1] == "s", "rtt")
                    run(*at, "-m", "sources", status=OK, says="1 of 1 sources ok")
                    run(*at, "-m", "all", status=CRITICAL, says="oslo/dead refused")
                daemon.process.send_signal(signal.SIGSTOP)
                run(*by_socket, "-t", "1", status=CRITICAL, says="does not answer", within=1 + GRACE_S)
                daemon.process.send_signal(signal.SIGCONT)
            run(*by_socket, status=CRITICAL, says="control")
            run(*by_snmp, status=UNKNOWN, says="edgemediad must be connected")
        finally:
            snmpd.close()
            stun.close()


# --- probing without a daemon ------------------------------------------------------------------------------------------------

def stun_answer(packet, peer):
    """A Binding success response with XOR-MAPPED-ADDRESS (RFC 8489)."""
    address = socket.inet_pton(socket.AF_INET6 if ":" in peer[0] else socket.AF_INET, peer[0])
    key = packet[4:20]
    value = struct.pack(">BBH", 0, 2 if len(address) == 16 else 1, peer[1] ^ 0x2112) + bytes(a ^ k for a, k in zip(address, key))
    return struct.pack(">HHHH", 0x0101, 4 + len(value), packet[4] << 8 | packet[5], packet[6] << 8 | packet[7]) + packet[8:20] + \
        struct.pack(">HH", 0x0020, len(value)) + value


class Stun:
    """A UDP server that answers each datagram with a function of it and of its sender; None: silence."""

    def __init__(self, answer=stun_answer, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.socket.settimeout(0.05)
        self.answer, self.over = answer, False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.over:
            try:
                packet, peer = self.socket.recvfrom(65536)
                answer = self.answer(packet, peer)
                if answer is not None:
                    self.socket.sendto(answer, peer)
            except TimeoutError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join(5)
        self.socket.close()


def test_probe():
    with Stun() as good, Stun(lambda packet, peer: None) as mute, Stun(lambda packet, peer: b"\x01\x01|garbage" * 9) as liar:
        ok, silent = f"--probe=stun:127.0.0.1:{good.port}", f"--probe=stun:127.0.0.1:{mute.port}"
        p = perfdata(run(ok, status=OK, says="1 of 1 checks ok")[0])
        expect(0 < p["stun-udp:127.0.0.1"][0] < 1 and p["stun-udp:127.0.0.1"][1] == "s", f"{p}")
        run(ok, "-m", "ports", "-w", "rtt=10", "-c", "rtt=20", status=OK)
        run(ok, "-c", "rtt=0.000001", status=CRITICAL, says="answered in")
        run(silent, "-t", "1", status=CRITICAL, says="filtered", within=1 + GRACE_S)
        run(silent, "-t", "3", status=CRITICAL, says="filtered", within=3 + GRACE_S)
        p = perfdata(run(ok, silent, "-t", "1", status=CRITICAL, says=f"{silent[8:]} filtered", within=1 + GRACE_S)[0])
        expect(p["checks"][0] == 2 and p["checks_ok"][0] == 1 and p["checks_down"][0] == 1, f"{p}")
        run(f"--probe=stun:127.0.0.1:{liar.port}", "-t", "1", status=CRITICAL, within=1 + GRACE_S)
        got = run(ok, "-vv", status=OK, lines=None)
        expect(f"stun:127.0.0.1:{good.port} 127.0.0.1: ok" in got[1], f"{got}")
    run(f"--probe=stun:127.0.0.1:{free_udp_port()}", "-t", "3", status=CRITICAL, says="refused", within=3 + GRACE_S)
    run(f"--probe=tcp:127.0.0.1:{free_udp_port()}", "-t", "3", status=CRITICAL, says="refused", within=3 + GRACE_S)
    run("--probe=stun:no-such-host.invalid", "-t", "2", status=CRITICAL, says="dns-failed", within=2 + GRACE_S)
    run("--probe=nonsense", status=UNKNOWN, says="nonsense")
    run("--probe=stun:127.0.0.1:1", "-m", "code23", status=UNKNOWN, says="needs a daemon", lines=None)
    if socket.has_ipv6:
        try:
            six = Stun(host="::1")
        except OSError:
            return
        with six:
            p = perfdata(run(f"--probe=stun:[::1]:{six.port}", status=OK)[0])
            expect("probe1" in p, f"{p}")


def test_scan():
    with tempfile.TemporaryDirectory(prefix="edgemedia-plugin-") as d:
        one, two, state = Trace(f"{d}/one.log"), Trace(f"{d}/two.log"), f"{d}/state"
        for call, ice in (("a@x", "0x8000100"), ("b@x", "0x12b"), ("b@x", "0x12b"), ("c@x", "0x1")):
            one.fail(call, ice=ice)
        two.fail("c@x", ice="0x1")
        files = [f"--scan={one.path}", f"--scan={two.path}"]
        p = perfdata(run(*files, "-m", "code23", status=WARNING, says="3 code-23 calls in total, 2 with TCP NAT failure")[0])
        expect(p["code23_total"] == (3, "c", "0", "5", "0"), f"{p}")
        run(*files, "-w", "code23=3", status=OK, says="3 code-23 calls in total")
        args = [*files, "-m", "code23", f"--state={state}", "-w", "5"]
        run(*args, status=OK, says="3 code-23 calls in total, 2 with TCP NAT failure; first run")
        later(state, 1800)
        run(*args, status=OK, says="0 code-23 calls per hour")
        later(state, 1800)
        for n in range(4):
            two.fail(f"new{n}@x")
        run(*args, status=WARNING, says="code-23 calls per hour")
        run(files[0], *args[2:], status=OK, says="another target")
        run("--scan=/nonexistent", "-m", "code23", status=UNKNOWN, says="cannot read /nonexistent")
        run(f"--scan={d}", "-m", "code23", status=UNKNOWN)
        run(*files, "-m", "ports", status=UNKNOWN, says="needs a daemon", lines=None)
        with open(f"{d}/random", "wb") as f:
            f.write(os.urandom(100000))
        run(f"--scan={d}/random", "-m", "code23", status=None)


def test_json():
    with tempfile.TemporaryDirectory(prefix="edgemedia-plugin-") as d:
        trace = Trace(f"{d}/one.log")
        trace.fail("a|\"b@x", ice="0x8000100")
        for args, state in (([f"--scan={trace.path}", "-m", "code23", "-w", "@5:9", "-c", "0"], CRITICAL), (["--scan=/nonexistent"], UNKNOWN),
                            (["--scan=/nonexistent", "-m", "ports"], UNKNOWN)):
            done = subprocess.run([PLUGIN, "--output-format=json", *args], capture_output=True, check=False, timeout=10)
            said = json.loads(done.stdout)
            words = ["OK", "WARNING", "CRITICAL", "UNKNOWN"]
            expect(done.returncode == state and said["exit_code"] == state and said["state"] == words[state] and not done.stderr, f"{args}: {said}")
            expect(said["schema_version"] == 1 and said["summary"] and done.stdout.count(b"\n") == 1, f"{args}: {said}")
            if state == CRITICAL:
                expect([p for p in said["perfdata"] if p["label"] == "code23_total"] ==
                       [{"label": "code23_total", "value": 1, "unit": "c", "warning": "@5:9", "critical": "0"}], f"{said}")
                expect(said["problems"] and said["problems"][0]["state"] == "CRITICAL", f"{said}")
        run("--scan=/nonexistent", "--output-format=xml", status=UNKNOWN, says="--output-format is text or json", lines=None)


def test_extra_opts():
    with tempfile.TemporaryDirectory(prefix="edgemedia-plugin-") as d:
        trace = Trace(f"{d}/one.log")
        trace.fail("a@x")
        for name, text in (("own.ini", f"[check_edge_media]\nscan = {trace.path}\nm=code23\nc = 0\n"), ("plugins.ini", f"[two]\nscan={trace.path}\n")):
            with open(f"{d}/{name}", "w", encoding="ascii") as f:
                f.write(text)
        run(f"--extra-opts=@{d}/own.ini", status=CRITICAL, says="1 code-23 call")
        run("-c", "5", f"--extra-opts=@{d}/own.ini", "-w", "9", status=OK, says="1 code-23 call")  # the command line has the last word
        os.environ.update(MP_CONFIG_FILE=f"{d}/own.ini", NAGIOS_CONFIG_PATH=f"/nonexistent:{d}")
        try:
            run("--extra-opts", status=CRITICAL, says="1 code-23 call")
            del os.environ["MP_CONFIG_FILE"]
            run("--extra-opts=two", "-m", "failures", status=None, says="1 ")
            run("--extra-opts=three", status=UNKNOWN, says="has no section [three]", lines=None)
        finally:
            os.environ.pop("MP_CONFIG_FILE", None)
            del os.environ["NAGIOS_CONFIG_PATH"]
        run("--extra-opts=@/nonexistent", status=UNKNOWN, says="cannot read /nonexistent", lines=None)
        run("--edge", "--extra-opts=@/nonexistent", f"--scan={trace.path}", status=None)  # the name of an edge


# --- the process itself ------------------------------------------------------------------------------------------------------

def waiting_plugin(server):
    """A run that waits for the socket's answer."""
    before = len(server.requests)
    p = subprocess.Popen([PLUGIN, f"--socket={server.path}", "-t", "20"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for("the plugin asks", lambda: len(server.requests) > before, 5)
    return p


def test_signals():
    with Socket(silence) as s:
        for sig, want, words in ((signal.SIGTERM, UNKNOWN, "stopped by a signal"), (signal.SIGINT, UNKNOWN, "stopped by a signal"),
                                 (signal.SIGHUP, UNKNOWN, "stopped by a signal"), (signal.SIGALRM, CRITICAL, "timed out while waiting")):
            p = waiting_plugin(s)
            p.send_signal(sig)
            out, err = p.communicate(timeout=5)
            got = check_shape(out, err, p.returncode, 1)
            expect(p.returncode == want and words in got[0], f"{sig}: {p.returncode} {got}")
    with Socket(http(status())) as s:
        for stream in ("/dev/full", None):
            with open(stream or "/dev/null", "wb") as f:
                p = subprocess.Popen([PLUGIN, f"--socket={s.path}", "-m", "ports"], stdout=f if stream else subprocess.PIPE,
                                     stderr=subprocess.PIPE)
                if not stream:
                    p.stdout.close()
                err = p.stderr.read()
                p.stderr.close()
                expect(p.wait(5) == OK and err == b"", f"output to {stream}: {p.returncode} {err}")
        done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', PLUGIN, f"--socket={s.path}", "-m", "ports"], stderr=subprocess.PIPE,
                              check=False, timeout=10)
        expect(done.returncode == OK and done.stderr == b"", f"closed output: {done.returncode} {done.stderr}")


def test_little_memory():
    big = status()
    big["checks"] = [check_row(1, i + 1, f"check-{i}", "ok", "x" * 150, 1000) for i in range(20000)]
    with Socket(http(big)) as s:
        run(f"--socket={s.path}", "-m", "ports", status=OK, says="20000 of 20000 checks ok", within=10)
        for kib in (200000, 100000, 70000, 60000, 50000):
            done = subprocess.run(["sh", "-c", f'ulimit -v {kib}; exec "$0" "$@"', PLUGIN, f"--socket={s.path}", "-m", "ports"],
                                  capture_output=True, check=False, timeout=30)
            if done.returncode == 127:
                break  # not enough for the dynamic linker
            check_shape(done.stdout, done.stderr, done.returncode, 1)


def test_leaves_no_files():
    with tempfile.TemporaryDirectory(prefix="edgemedia-plugin-") as d:
        env = {"HOME": d, "SNMP_PERSISTENT_DIR": f"{d}/state", "TMPDIR": d}
        run("-H", "127.0.0.1", "-p", str(free_udp_port()), "-t", "0.3", *V3, env=env, cwd=d)
        expect(os.listdir(d) == [], f"made {os.listdir(d)}")


def main():
    tests = [(name, f) for name, f in globals().items() if name.startswith("test_")]
    if SANITIZED:  # the address space of a sanitizer cannot be limited; the plain build has this test
        tests.remove(("test_little_memory", test_little_memory))
    print(f"1..{len(tests)}", flush=True)
    for number, (name, test) in enumerate(tests, 1):
        begin = time.monotonic()
        try:
            skipped = test()
            print(f"ok {number} - {name}" + (f" # {skipped}" if skipped else ""), flush=True)
            print(f"# {time.monotonic() - begin:.1f} s", flush=True)
        except Exception as why:  # pylint: disable=broad-except
            print(f"not ok {number} - {name}", flush=True)
            detail = str(why) if isinstance(why, Failed) else traceback.format_exc()
            print("".join(f"# {line}\n" for line in detail.split("\n")), end="", flush=True)


if __name__ == "__main__":
    main()
