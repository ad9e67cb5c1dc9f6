#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast `edgemedia scan` reads each format, with one job on one CPU: every format of tests/bench/gen_trace, UTF-16, messages in columns of JSON and
of a table, captures, and compressed traces beside what only unpacks them. Files in page cache; the best of some runs, whose CPU time other load
disturbs least. Exit 1: a wrong count, or a format below its target (400 MB/s; UTF-16 1000 MB/s; gzip as fast as zcat, within a tenth).

    bench_formats.py [MIB]      size of each file, 128; BENCH_RUNS (5), BENCH_ONLY (names, separated by blanks)
"""

import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("EM_BUILDDIR", ".")
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
ONLY = os.environ.get("BENCH_ONLY", "").split()
TARGET, TARGET_UTF16, TARGET_PACKED = 400, 1000, 0.9
FORMATS = ("ocslogger", "uccapi", "sip", "avaya", "bare", "ngrep", "sofia", "sofia-log", "chan_sip", "pjsip", "pjsua", "expressway", "syslog",
           "syslog-lines", "caret")
PACKERS = (("gzip", ["gzip", "-1"], ["zcat"]), ("xz", ["xz", "-0"], ["xzcat"]), ("zstd", ["zstd", "-q", "-3"], ["zstdcat"]))
PACKET_MAX = 60000  # bytes of a message in one UDP packet


def generate(path, fmt, size, *more):
    """Writes a trace and returns how many calls with code 23 it has."""
    subprocess.run([f"{BUILD}/tests/bench/gen_trace", "--format", fmt, "--plain", "--bytes", str(size), "--out", path, "--truth", path + ".truth",
                    *more], check=True)
    with open(path + ".truth", encoding="ascii") as f:
        return json.load(f)["code_23"]


def messages(path):
    """The messages of a trace in which they stand bare."""
    with open(path, "rb") as f:
        text = f.read().replace(b"\r\n", b"\n")
    starts = [m.start() for m in re.finditer(rb"^(?:[A-Z]+ sips?:[^\n]* SIP/2\.0|SIP/2\.0 [1-6]\d\d [^\n]*)$", text, re.M)]
    for begin, end in zip(starts, starts[1:] + [len(text)]):
        yield text[begin:end].replace(b"\n", b"\r\n")


def json_rows(path, bare):
    with open(path, "w", encoding="utf-8") as f:
        for n, m in enumerate(messages(bare)):
            f.write(json.dumps({"sid": n, "create_date": 1793491200000 + n, "raw": m.decode("utf-8", "replace")}) + "\n")


def table_rows(path, bare):
    """As a database's client writes a column with line breaks."""
    with open(path, "wb") as f:
        for n, m in enumerate(messages(bare)):
            f.write(b'%d,2026-11-01 00:00:00,"%s"\n' % (n, m.replace(b'"', b'""')))


def udp(message):
    head = struct.pack("!HHHH", 5060, 5060, 8 + len(message), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + 8 + len(message), 0, 0, 64, 17, 0, bytes([192, 0, 2, 10]), bytes([10, 0, 0, 5]))
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + head + message


def pcap(path, bare):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 1))
        for n, m in enumerate(messages(bare)):
            packet = udp(m[:PACKET_MAX])
            f.write(struct.pack("<IIII", 1793491200 + n // 1000, n % 1000 * 1000, len(packet), len(packet)) + packet)


def pcapng(path, bare):
    with open(path, "wb") as f:
        f.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28) + struct.pack("<IIHHII", 1, 20, 1, 0, 1 << 18, 20))
        for n, m in enumerate(messages(bare)):
            packet = udp(m[:PACKET_MAX])
            padded = packet + bytes(-len(packet) % 4)
            us = 1793491200000000 + n * 1000
            size = 32 + len(padded)
            f.write(struct.pack("<IIIIIII", 6, size, 0, us >> 32, us & 0xFFFFFFFF, len(packet), len(packet)) + padded + struct.pack("<I", size))


def measure(argv):
    """The least CPU time of the runs, and the last one's output."""
    best, out = None, b""
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as p:
            out = p.stdout.read() if argv[0].endswith("edgemedia") else drain(p.stdout)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = took if best is None else min(best, took)
    return best, out


def drain(pipe):
    while pipe.read1(1 << 20):
        pass
    return b""


class Table:
    def __init__(self):
        self.failed = False

    def row(self, name, path, want, target, size=None, peer=None):
        size = size or os.path.getsize(path)
        took, out = measure([f"{BUILD}/edgemedia", "scan", "--json", path])
        got = json.loads(out.splitlines()[-1])["code_23"]
        rate = size / took / 1e6
        more = ""
        ok = got == want
        if peer:
            other, _ = measure([*peer, path])
            ok = ok and (target is None or other / took >= target)
            more = f"   {peer[0]} {size / other / 1e6:6.0f} MB/s, scan/{peer[0]} {took / other:.2f}"
        elif target is not None:
            ok = ok and rate >= target
        self.failed = self.failed or not ok
        print(f"  {name:14} {rate:7.0f} MB/s{more}" + ("" if got == want else f"   counts {got}, truth {want}") + ("" if ok else "   MISSED"), flush=True)


def wanted(name):
    return not ONLY or name in ONLY


def main():
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    size = mib << 20
    table = Table()
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    print(f"{mib} MiB each, one job on CPU {cpu}, least CPU time of {RUNS} runs; MB/s of the trace, unpacked", flush=True)
    with tempfile.TemporaryDirectory(prefix="edgemedia-bench-") as d:
        path = os.path.join(d, "trace")
        for fmt in FORMATS:
            if wanted(fmt):
                table.row(fmt, path, generate(path, fmt, size), TARGET)
        if wanted("utf-16"):
            table.row("utf-16", path, generate(path, "ocslogger", size, "--encoding", "utf-16le"), TARGET_UTF16)
        want = generate(path, "ocslogger", size)
        for name, pack, unpack in PACKERS:
            if wanted(name) and shutil.which(pack[0]):
                with open(path + ".packed", "wb") as f:
                    subprocess.run([*pack, "-c", path], stdout=f, check=True)
                table.row(name, path + ".packed", want, TARGET_PACKED, os.path.getsize(path), unpack)
        bare = os.path.join(d, "bare")
        want = generate(bare, "bare", size)
        for name, make in (("json", json_rows), ("table", table_rows), ("pcap", pcap), ("pcapng", pcapng)):
            if wanted(name):
                make(path, bare)
                table.row(name, path, want, TARGET)
    if table.failed:
        print("bench_formats: a target is missed, or a count is wrong")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
