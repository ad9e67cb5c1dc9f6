#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""edgemedia as a person or a script sees it: results on stdout, messages on stderr, exit status, JSON names, tables, bad input."""
import base64
import contextlib
import csv
import fcntl
import hashlib
import html.parser
import io
import json
import os
import pty
import re
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import xml.etree.ElementTree
import zlib

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system", f"{SRC}/demo"]
import tap  # noqa: E402
import free_ports  # noqa: E402
from edgemediad import sanitized  # noqa: E402

CLI = f"{BUILD}/edgemedia"
COMMANDS = ("decode", "scan", "probe", "sweep", "path", "respond", "status", "failures", "findings", "explain", "doctor", "config", "graph",
            "report")
SHARING = ('ms-client-diagnostics: 23; reason="Call failed to establish";CallerMediaDebug="application-sharing:ICEWarn=0x8000100,'
           'LocalSite=10.0.0.1:5000,LocalMR=198.51.100.10:52910,RemoteSite=192.168.0.2:5001,RemoteMR=203.0.113.7:57234"')


def cli(*arguments, stdin=b"", want=None, env=None):
    got = subprocess.run([CLI, *arguments], input=stdin, capture_output=True, check=False, timeout=60, env=dict(os.environ, **(env or {})))
    if want is not None:
        assert got.returncode == want, f"{arguments}: exit {got.returncode}, want {want}: {got.stdout!r} {got.stderr!r}"
    return got.returncode, got.stdout.decode(), got.stderr.decode()


def answer(*arguments, **more):
    return json.loads(cli(*arguments, **more)[1])


def expect(got, **want):
    for key, value in want.items():
        assert got.get(key) == value, f"{key}: got {got.get(key)!r}, want {value!r}"


# --- what all commands do alike ---

def test_help_and_version_everywhere():
    for words in ([], *([c] for c in COMMANDS)):
        for option in ("--help", "-h"):
            _, out, err = cli(*words, option, want=0)
            assert out.startswith("Usage: edgemedia") and not err, out + err
            assert all(len(line) <= 80 for line in out.splitlines()), [x for x in out.splitlines() if len(x) > 80]
        for option in ("--version", "-V"):
            _, out, err = cli(*words, option, want=0)
            first, late = out.split("\n", 1)
            assert re.fullmatch(r"edgemedia( \w+)? \d+\.\d+\.\d+", first) and not err, out + err
            assert not late or not words and re.fullmatch(r"loaded when needed:\n(  lib\S+ +[^(\n]+\n)+", late), late


def test_wrong_usage_is_told_on_stderr_with_exit_2():
    for words in ([], ["no-such-command"], ["\033[31mred"], ["scan"], ["scan", "--no-such-option", "x"], ["scan", "--jobs", "many", "x"],
                  ["scan", "--jobs"], ["decode"], ["probe"], ["probe", "gopher:x"], ["probe", "--timeout", "-1", "stun:127.0.0.1"],
                  ["sweep"], ["sweep", "127.0.0.1"], ["sweep", "127.0.0.1", "0-9"], ["sweep", "--rate", "0", "127.0.0.1", "1-9"],
                  ["sweep", "--tcp", "--udp", "127.0.0.1", "1-9"], ["sweep", "--payload", "x", "127.0.0.1", "1-9"], ["sweep", "", "1-9"],
                  ["sweep", "--sample", "0", "127.0.0.1", "1-9"], ["path"], ["path", "x"], ["path", "127.0.0.1:0"], ["path", "127.0.0.1", "x"], ["path", "--rounds", "0", "127.0.0.1:9"],
                  ["path", "--transport", "sctp", "127.0.0.1:9"], ["path", "a", "1", "2"], ["respond"], ["respond", "nowhere", "1-2"], ["respond", "127.0.0.1", "9-1"], ["status", "x"], ["failures", "-n", "0"],
                  ["probe", "--user", "u", "stun:127.0.0.1"], ["probe", "--password-file", "/dev/null", "stun:127.0.0.1"]):
        _, out, err = cli(*words, want=2)
        assert (err or words == []) and "\033" not in err, f"{words}: {out!r} {err!r}"
        assert not out or words == [], f"{words}: {out!r}"


def test_manual_page_has_every_option():
    with open(f"{SRC}/doc/edgemedia.1", encoding="utf-8") as f:
        page = f.read().replace("\\-", "-")
    for command in COMMANDS:
        out = cli(command, "--help", want=0)[1]
        for letter, name in re.findall(r"^\s+(?:-(\w), )?--([\w-]+)", out, re.M):
            assert re.search(rf"Fl {letter} , -{name}\b", page), f"edgemedia.1 lacks -{letter}, --{name} of {command}"


def test_result_that_cannot_be_written_is_an_error():
    with open("/dev/full", "wb") as full:
        got = subprocess.run([CLI, "decode", "0x100"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert got.returncode == 2 and b"No space left" in got.stderr, got


def test_reader_that_goes_away_is_no_noise():
    read, write = os.pipe()
    os.close(read)
    got = subprocess.run([CLI, "scan", "--failures", f"{SRC}/demo/sample.log"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert got.returncode == 2 and not got.stderr, got


# --- decode ---

def test_decode_explains_the_value_of_the_story():
    got = answer("decode", "--json", "0x8000100", want=0)
    expect(got, schema_version=1, value="0x8000100", unknown="0x0")
    assert [w["bit"] for w in got["warnings"]] == ["0x100", "0x8000000"], got
    expect(got["warnings"][0], name="tcp-nat-connectivity-failed", benign=True)
    out = cli("decode", "0x8000100", want=0)[1]
    assert "0x8000100" in out and "0x100 " in out and "TCP through NAT" in out, out


def test_decode_explains_our_own_words():
    got = answer("decode", "--json", "blackholed", want=0)
    expect(got, schema_version=1, verdict="blackholed")
    assert "edgemedia path" in got["advice"] and "refute" not in got, got
    got = answer("decode", "--json", "application-inspection", want=0)
    expect(got, finding="application-inspection")
    assert "override" in got["advice"] and got["refute"] and got["meaning"], got
    out = cli("decode", "blackholed", "udp-blocked", want=0)[1]
    assert out.startswith("verdict blackholed: ") and "\nfinding udp-blocked: " in out and "what to do" in out and "wrong if" in out, out


def test_decode_reads_all_forms_of_a_value():
    for text, value in (("0x12b", "0x12b"), ("299", "0x12b"), ("134217984", "0x8000100"), ("0X8000100", "0x8000100"), ("0", "0x0"),
                        ("-2147483648", "0x80000000"), ("4294967295", "0xffffffff")):
        expect(answer("decode", "--json", "--", text, want=0), value=value)
    got = answer("decode", "--json", "0x80000800", want=0)
    expect(got, unknown="0x80000000")


def test_decode_reads_headers_damaged_ones_too():
    forms = (
        SHARING,
        SHARING.split(": ", 1)[1],
        SHARING.replace('"', "\u201d"),
        SHARING.replace("; reason", " ;  Reason").replace(",", ", "),
        SHARING.replace("RemoteMR", "\r\nRemoteMR"),
        "**" + SHARING.replace(":", "**:", 1),
        SHARING + ";",
        '23; reason="x"; UserType="Caller"; MediaType="application-sharing"; ICEWarn="0x8000100"; LocalMR="198.51.100.10:52910"; '
        'RemoteMR="203.0.113.7:57234"',
    )
    for form in forms:
        got = answer("decode", "--json", form, want=0)
        expect(got, schema_version=1, code=23, side="caller", media="application-sharing", ice_warnings="0x8000100",
               local_relay="198.51.100.10:52910", remote_relay="203.0.113.7:57234")
    out = cli("decode", SHARING, want=0)[1]
    assert "23" in out and "0x8000100" in out and "203.0.113.7:57234" in out, out


def test_decode_does_not_invent():
    expect(answer("decode", "--json", '23.7; reason="x"', want=0), code=23, ice_warnings=None, remote_relay=None, media="unknown")
    expect(answer("decode", "--json", 'ms-diagnostics: 1023; reason="x"', want=0), code=1023)
    for text in ("", "hello", "x-ms-diagnostics: 2000003;reason=x", "0x", "0x123456789", "reason=23"):
        _, out, err = cli("decode", "--", text, want=2)
        assert not out and err, f"{text!r}: {out}"


def test_decode_reads_standard_input():
    lines = [json.loads(x) for x in cli("decode", "--json", "-", stdin=f"{SHARING}\r\nMs-Client-Diagnostics: 51004; reason=\"y\"\n".encode(),
                                        want=0)[1].splitlines()]
    assert [x["code"] for x in lines] == [23, 51004], lines
    expect(answer("decode", "--json", "-", stdin=b"0x100\n", want=0), value="0x100")


def test_decode_escapes_what_strangers_wrote():
    out = cli("decode", '23; reason="\033]0;owned\007"', want=0)[1]
    assert "\033" not in out and "\\x1B" in out.replace("\\x1b", "\\x1B"), repr(out)


# --- scan ---

def test_scan_counts_each_call_once():
    got = answer("scan", "--json", f"{SRC}/demo/sample.log", f"{SRC}/demo/growing.log", f"{SRC}/demo/sample.log", want=1)
    expect(got, schema_version=1, calls=6, code_23=3, tcp_nat_check=5, code_23_tcp_nat=3, media_failures=4, unkeyed=0, malformed=0, reports=12,
           duplicates=6, codes={"23": 3, "24": 1, "51004": 1, "51007": 1})
    assert got["ice_warnings"]["0x8000000"] == 2 and got["media"] == {"application-sharing": 2, "audio": 2}, got
    assert got["bytes"] == 2 * os.path.getsize(f"{SRC}/demo/sample.log") + os.path.getsize(f"{SRC}/demo/growing.log"), got


def test_scan_lists_failures_and_then_the_totals():
    lines = [json.loads(x) for x in cli("scan", "--failures", "--json", f"{SRC}/demo/sample.log", want=1)[1].splitlines()]
    assert [x.get("code") for x in lines] == [51007, 23, 51004, None], lines
    assert lines[-1] == answer("scan", "--json", f"{SRC}/demo/sample.log", want=1), lines[-1]


def test_scan_lists_failures():
    lines = [json.loads(x) for x in cli("scan", "--failures", f"{SRC}/demo/sample.log", want=1)[1].splitlines()]
    assert [x["code"] for x in lines] == [51007, 23, 51004], lines
    expect(lines[1], call_id="b1946ac92492d2347c6235b4d2611184", cseq="2 BYE", side="caller", media="application-sharing",
           ice_warnings="0x8000100", local_relay="198.51.100.10:52910", remote_relay="203.0.113.7:57234", format="ocslogger",
           file=f"{SRC}/demo/sample.log")
    with open(f"{SRC}/demo/sample.log", "rb") as f:
        f.seek(lines[1]["offset"])
        assert b"b1946ac92492d2347c6235b4d2611184" in f.read(2000), lines[1]


def test_scan_reads_standard_input():
    with open(f"{SRC}/demo/sample.log", "rb") as f:
        text = f.read()
    expect(answer("scan", "--json", "-", stdin=text, want=1), code_23=1, bytes=len(text))
    expect(answer("scan", "--json", "-", stdin=b"", want=0), code_23=0, bytes=0, codes={})


def test_scan_prints_a_table_for_people():
    out = cli("scan", "--jobs", "4", f"{SRC}/demo/sample.log", want=1)[1]
    for words in ("calls with code 23", "TCP NAT", "51004", "0x8000000", "media-failure"):
        assert words in out, out
    assert "\033" not in out, out


def test_scan_goes_on_behind_a_file_that_cannot_be_read():
    with tempfile.TemporaryDirectory(prefix="edgemedia-cli-") as directory:
        with open(f"{directory}/x.etl", "wb") as f:
            f.write(bytes(range(256)) * 4096)
        code, out, err = cli("scan", "--json", f"{directory}/none", f"{directory}/x.etl", f"{SRC}/demo/sample.log", want=2)
        expect(json.loads(out), code_23=1)
        assert "none: No such file" in err and "x.etl" in err and len(err.splitlines()) == 2, f"{code} {err}"


def test_scan_takes_directories_and_patterns():
    whole = answer("scan", "--json", f"{SRC}/demo/sample.log", f"{SRC}/demo/growing.log", want=1)
    with tempfile.TemporaryDirectory(prefix="edgemedia-cli-") as directory:
        os.makedirs(f"{directory}/logs/older")
        shutil.copy(f"{SRC}/demo/sample.log", f"{directory}/logs/a.log")
        shutil.copy(f"{SRC}/demo/growing.log", f"{directory}/logs/older/b.log")
        shutil.copy(f"{SRC}/demo/sample.log", f"{directory}/logs/.hidden")
        os.symlink("..", f"{directory}/logs/older/loop")
        with open(f"{directory}/logs/x.etl", "wb") as f:
            f.write(bytes(range(256)) * 64)
        _, out, err = cli("scan", "--json", f"{directory}/logs", want=1)
        assert json.loads(out) == {**whole, "bytes": whole["bytes"] + 16384}, out
        assert "x.etl is binary" in err and len(err.splitlines()) == 1, err
        for jobs in ("1", "3"):
            got = answer("scan", "--json", "-J", jobs, f"{directory}/logs/*.log", f"{directory}/logs/old*", want=1)
            assert got == whole, got
        assert "none*: No such file" in cli("scan", f"{directory}/none*", want=2)[2]


class Page(html.parser.HTMLParser):
    """Elements must close in order; every element and attribute must be one that the report has reason to use."""
    ELEMENTS = set("html head meta title style body main h1 h2 p b code table caption thead tbody tr th td svg g line rect text".split())
    EMPTY = {"meta", "line", "rect"}
    ATTRIBUTES = set("charset lang http-equiv content name class role aria-label aria-hidden viewbox preserveaspectratio x y x1 x2 y1 y2 width height "
                     "text-anchor".split())

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.style, self.policy, self.count = [], "", "", "", {}
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        assert tag in self.ELEMENTS and all(name in self.ATTRIBUTES for name, _ in attrs), f"{tag} {attrs}"
        attrs = dict(attrs)
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert tag in self.EMPTY or self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data


def report_of(directory, *arguments, want=1):
    cli("scan", "--report", f"{directory}/report.html", *arguments, want=want)
    assert sorted(x for x in os.listdir(directory) if "report" in x) == ["report.html"]
    with open(f"{directory}/report.html", encoding="utf-8") as f:
        return Page(f.read())


def test_report_is_a_page_that_stands_alone():
    with tempfile.TemporaryDirectory(prefix="edgemedia-cli-") as directory:
        page = report_of(directory, "--jobs", "3", f"{SRC}/demo/sample.log", f"{SRC}/demo/growing.log")
        for words in ("sample.log", "0x8000000", "application-sharing", "media-failure", "51004", "Far relay"):
            assert words in page.text, words
        digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
        assert page.policy.startswith("default-src 'none'; ") and f"'sha256-{digest}'" in page.policy, \
            f"the style's hash is {digest}, the policy says {page.policy}"
        assert "unsafe" not in page.policy and "url(" not in page.style and "import" not in page.style
        for row in ("prefers-color-scheme:dark", "@media print"):
            assert row in page.style, row
        assert report_of(directory, "--until", "2001-01-01", f"{SRC}/demo/sample.log", want=0).text.count("None.") == 1
        assert "Reports before 2001-01-01T00:00:00Z" in report_of(directory, "--until", "2001-01-01", f"{SRC}/demo/sample.log", want=0).text
        assert "Not every file" in report_of(directory, f"{directory}/none", f"{SRC}/demo/sample.log", want=2).text


def test_nothing_hostile_reaches_the_report():
    hostile = "\"'><script>alert(1)</script><img src=x onerror=y>&lt;\x1b[31m\x9b\x00\u202e]]>--></style></table>"
    mild = "<script>alert(3)</script>&\x1b[31m\x9b"  # what a relay's address may hold
    text = "".join(f"BYE sip:a@b.example SIP/2.0\r\nCall-ID: {n}{hostile}\r\nFrom: {hostile}\r\nms-client-diagnostics: 23; reason=\"{hostile}\";"
                   f"CallerMediaDebug=\"audio:ICEWarn=0x8000100,LocalMR={mild}:1,RemoteMR={n}{mild}:2\"\r\n\r\n" for n in range(120))
    with tempfile.TemporaryDirectory(prefix="edgemedia-cli-") as directory:
        name = f"{directory}/" + "<img src=x onerror=alert(2)>&\"'\n\x1b[31m.log"
        with open(name, "wb") as f:
            f.write(text.encode("utf-8", "replace"))
        page = report_of(directory, name, f"{SRC}/demo/sample.log")
        assert "<script>alert(1)" in page.text and "119<script>alert(3)</script>&" in page.text and "<img src=x onerror=alert(2)>" in page.text, page.text[:2000]
        assert not [c for c in page.text if ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160], page.text[:2000]
        assert "all others" in page.text


def test_report_that_cannot_be_written_is_told_before_the_scan():
    with tempfile.TemporaryDirectory(prefix="edgemedia-cli-") as directory:
        for path in (directory, f"{directory}/none/report.html", "/dev/null", f"{directory}/" + "x" * 300):
            _, out, err = cli("scan", "--report", path, f"{SRC}/demo/sample.log", want=2)
            assert "report" in err and "cannot be written" in err and not out, err
        assert not os.listdir(directory)


def peak_of_scan(path, *more):
    """The peak of resident memory in KiB, mapped pages of the file included (VmHWM), and the answer. It opens the FIFO when it is through."""
    fifo = f"{path}.fifo"
    os.mkfifo(fifo)
    with subprocess.Popen([CLI, "scan", "--json", *more, path, fifo], stdout=subprocess.PIPE) as process:
        with open(fifo, "wb"), open(f"/proc/{process.pid}/status", encoding="ascii") as f:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1])
        return peak, json.loads(process.communicate(timeout=60)[0])


def test_scan_needs_16_mib_whatever_the_file():
    bye = b"BYE sip:a@example.com SIP/2.0\r\nCall-ID: %d\r\nCSeq: 2 BYE\r\nms-client-diagnostics: 23; reason=\"failed\"\r\nX: %s\r\n\r\n"
    with tempfile.TemporaryDirectory(prefix="edgemedia-cli-") as directory:
        for name, text, size in (("messages", bye % (2, b"x" * 16000), 64 << 20), ("one line", b"x" * (1 << 20), 64 << 20),
                                 ("nothing", b"", 256 << 20), ("utf-16", (bye % (2, b"x" * 16000)).decode().encode("utf-16le"), 32 << 20)):
            path = f"{directory}/{name}"
            with open(path, "wb") as f:
                while text and f.tell() < size:
                    f.write(text)
                f.seek(size)
                last = b"\r\n" + bye % (1, b"")
                f.write(last.decode().encode("utf-16le") if name == "utf-16" else last)
            peak, got = peak_of_scan(path)
            assert got["code_23"] == (1 if name in ("one line", "nothing") else 2), f"{name}: {got}"
            assert sanitized() or peak <= 16384, f"{name}: {peak} KiB"
            os.unlink(path)


def test_scan_counts_within_a_window_of_time():
    times = sorted(json.loads(x)["time"] for x in cli("scan", "-f", f"{SRC}/demo/sample.log", want=1)[1].splitlines())
    assert times[0] != times[-1], times
    before = answer("scan", "--json", "--until", times[-1], f"{SRC}/demo/sample.log", want=1)
    after = answer("scan", "--json", "--since", times[-1], "--jobs", "2", f"{SRC}/demo/sample.log")
    whole = answer("scan", "--json", f"{SRC}/demo/sample.log", want=1)
    assert 0 < before["reports"] < whole["reports"] == before["reports"] + after["reports"], f"{before} {after}"
    expect(answer("scan", "--json", "--since", "@9999999999", f"{SRC}/demo/sample.log"), reports=0, messages=whole["messages"])
    for words in (["--since", "soon"], ["--since", "2015"], ["--since", "2015-09-29", "--until", "2015-09-28"], ["--until", "-1"]):
        err = cli("scan", *words, f"{SRC}/demo/sample.log", want=2)[2]
        assert "--since" in err or "--until" in err, err


def test_names_of_files_do_not_reach_the_terminal():
    # A file's name can be anything but "/" and NUL: here it would set the window's title, end the line, and colour what follows.
    name = b"x\033]0;owned\007\n\033[31m\xc2\x9b.etl"
    with tempfile.TemporaryDirectory(prefix="edgemedia-cli-") as directory:
        path = os.path.join(os.fsencode(directory), name)
        with open(path, "wb") as f:
            f.write(bytes(range(256)) * 4096)
        for words in (["scan", path], ["scan", path + b"none"], ["scan", b"--" + name], ["scan", b"--jobs=" + name, path], [b"x" + name],
                      ["probe", b"--user", b"u", b"--password-file", path + b"none", b"turn:127.0.0.1"], ["probe", b"stun:" + name],
                      ["probe", b"--source-port", name, b"stun:127.0.0.1"], ["respond", name, b"1-2"], ["respond", b"127.0.0.1", name],
                      ["decode", name], ["status", b"--socket", path], ["failures", b"--socket", path], ["status", name]):
            got = subprocess.run([CLI, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
            said = got.stdout + got.stderr
            assert got.returncode == 2, f"{words}: {got}"
            assert not set(said) & (set(range(32)) - {10}) and b"\xc2\x9b" not in said and b"\n\\x1b[31m" not in said, f"{words}: {said!r}"


def with_terminal(command, feed=None, env=None):
    """Runs with standard error, and output, on a terminal; returns what both said there."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=follower, stderr=follower,
                               env={**os.environ, "TERM": "xterm", **(env or {})})
    os.close(follower)
    if feed:
        feed(process.stdin)
    process.stdin.close()
    said = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        said += chunk
    os.close(leader)
    process.wait(30)
    return process.returncode, said.decode()


def test_scan_shows_progress_on_a_terminal_only():
    def slowly(to):
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            to.write(b"no trace, but text\n" * 4096)
            to.flush()
            time.sleep(0.02)

    for jobs in ("1", "2"):
        said = with_terminal([CLI, "scan", "--jobs", jobs, "-", f"{SRC}/demo/sample.log"], slowly)[1]
        assert re.search(r"\r\x1b\[K[\d.]+ [KM]iB  [\d.]+ [KMG]?i?B/s", said), repr(said[:300])
    process = subprocess.Popen([CLI, "scan", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    slowly(process.stdin)
    _, err = process.communicate()
    assert not err, err


# --- probe and respond ---

class Responder:
    def __init__(self, *options, address="127.0.0.1", first=None):
        self.first = first or free_ports.take(3)
        self.process = subprocess.Popen([CLI, "respond", *options, address, f"{self.first}-{self.first + 2}"], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.line = self.process.stdout.readline().decode()

    def __enter__(self):
        assert self.line.startswith("listening"), self.line + self.process.stderr.read().decode()
        return self

    def __exit__(self, *what):
        self.process.terminate()
        self.out, self.err = self.process.communicate(timeout=10)
        self.status = self.process.returncode


def test_probe_of_the_responder_is_ok():
    with Responder() as r:
        for uri in (f"udp:127.0.0.1:{r.first}", f"tcp:127.0.0.1:{r.first + 1}", f"stun:127.0.0.1:{r.first + 2}",
                    f"stun:127.0.0.1:{r.first + 2}?transport=tcp"):
            got = answer("probe", "--json", uri, want=0)
            expect(got, uri=uri, address="127.0.0.1", verdict="ok", retransmits=0)
            assert got["rtt_us"] > 0 and got["phases"]["stun_us"] > 0 and "allocate_us" not in got["phases"], got
            assert ("connect_us" in got["phases"]) == (got["transport"] == "tcp"), got
        out = cli("probe", f"stun:127.0.0.1:{r.first}", f"tcp:127.0.0.1:{r.first + 1}", want=0)[1]
        assert len(re.findall(r"\bok\b", out)) == 2 and "Verdict" in out, out
    assert r.status == 0 and b"requests" in r.err, (r.status, r.err)


def test_respond_serves_only_what_is_asked_for():
    with Responder("--udp") as r:
        expect(answer("probe", "--json", f"udp:127.0.0.1:{r.first}", want=0), verdict="ok")
        expect(answer("probe", "--json", f"tcp:127.0.0.1:{r.first}", want=1), verdict="refused")
        code, _, err = cli("respond", "--udp", "127.0.0.1", f"{r.first}-{r.first}", want=2)
        assert "in use" in err, f"{code} {err}"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def test_sweep_of_the_responder():
    # a sweep takes the first address of a name, and which one localhost has first is up to the hosts file
    with Responder() as r, Responder(address="::1", first=r.first) if has_ipv6() else contextlib.nullcontext():
        for kind in ("--tcp", "--udp"):
            got = answer("sweep", "--json", kind, "--rate", "max", "localhost" if kind == "--tcp" else "127.0.0.1", f"{r.first}-{r.first + 2}", want=0)
            assert sorted(got) == ["exceptions", "ports_per_second", "retransmits", "schema_version", "seconds", "tested", "tested_again", "verdicts"], got
            expect(got, tested=3, verdicts={"ok": 3}, exceptions=[], retransmits=0, tested_again=0)
        expect(answer("sweep", "--json", "--sample", "1", "127.0.0.1", f"{r.first}-{r.first + 2}", want=0), tested=1, verdicts={"ok": 1})
        out = cli("sweep", "127.0.0.1", f"{r.first}-{r.first + 2}", want=0)[1]
        assert "3 clear (the path is open): ok 3" in out and "Verdict" not in out, out


def test_probe_tells_bad_news_with_exit_1():
    port = free_ports.take()
    for kind in ("tcp", "udp"):
        expect(answer("probe", "--json", f"{kind}:127.0.0.1:{port}", want=1), verdict="refused")
    expect(answer("probe", "--json", "--timeout", "2", "stun:nothing.invalid", want=1), verdict="dns-failed", address=None)


def test_probe_of_a_silent_port_ends_at_its_timeout():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        begin = time.monotonic()
        got = answer("probe", "--json", "--timeout", "0.7", f"stun:127.0.0.1:{s.getsockname()[1]}", want=1)
        took = time.monotonic() - begin
    expect(got, verdict="filtered", rtt_us=None)
    assert got["retransmits"] >= 1 and took < 1.5, (took, got)


# --- status and failures ---

STATUS = {
    "schema_version": 1, "code_23": 7, "tcp_nat_check": 8, "code_23_tcp_nat": 5, "media_failures": 9,
    "recent": {"code_23_5m": 1, "code_23_1h": 2, "code_23_1d": 3, "code_23_tcp_nat_1h": 0},
    "daemon": {"version": "0.1.0", "checks_down": 0, "sources_failed": 0},
    "edges": [{"edge": 1, "name": "oslo", "verdict": "ok", "checks": 1, "checks_up": 1}],
    "checks": [{"edge_name": "oslo", "name": "turn-udp", "address": "192.0.2.1", "port": 3478, "transport": "udp", "verdict": "ok",
                "rtt_us": 1500, "reason": "evil \u001b[31mtext"}],
    "sources": [{"name": "fe01", "state": "caught-up", "files": 2, "bytes": 2048, "reports": 12}],
    "diagnostic_codes": [{"number": 23, "meaning": "m", "code_class": "media-failure", "calls": 7}, {"number": 24, "calls": 0, "meaning": "quiet"}],
    "ice_warning_bits": [{"value": "0x100", "text": "TCP NAT", "calls": 8}],
}
FAILURES = {"schema_version": 1, "failures": [{"time": "2026-11-23T09:15:40Z", "code": 23, "ice_warnings": "0x8000100", "call_id": "abc",
                                               "media": "audio", "side": "caller", "remote_relay": "203.0.113.7:57234", "reason": "r"}]}


class Daemon:
    """Answers HTTP on a Unix socket with what it was given, or what was given for the beginning of a path, and notes the paths."""

    def __init__(self, body, status="200 OK", places=None):
        bodies = {"": body, **(places or {})}
        texts = {path: body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n" for path, body in bodies.items()}
        self.paths = paths = []
        self.directory = tempfile.TemporaryDirectory(prefix="edgemedia-cli-")
        self.path = f"{self.directory.name}/control"

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                paths.append(self.rfile.readline().decode().split()[1])
                while self.rfile.readline().strip():
                    pass
                text = texts[max((path for path in texts if paths[-1].startswith(path)), key=len)]
                self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)

        self.server = socketserver.ThreadingUnixStreamServer(self.path, Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *what):
        self.server.shutdown()
        self.server.server_close()
        self.directory.cleanup()


def test_status_shows_tables():
    with Daemon(STATUS) as d:
        out = cli("status", "--socket", d.path, want=0)[1]
        for words in ("turn-udp", "1.500", "fe01", "2.0 KiB", "0x100", "oslo", "\\x1B[31mtext"):
            assert words.lower() in out.lower(), f"{words}: {out}"
        assert "quiet" not in out and "\033" not in out, out
        assert answer("status", "--json", "-s", d.path, want=0) == STATUS
        assert set(d.paths) == {"/api/v1/status"}, d.paths


def test_status_is_watched():
    with Daemon(STATUS) as d:
        out = cli("status", "-w", "-n", "3", "-i", "0.1", "-s", d.path, want=0)[1]
        assert len(re.findall(r"^edgemedia status  \d{4}-\S+$", out, re.M)) == 3 and "\033" not in out, out
        assert out.count("Failed calls ") >= 3 and out.startswith("edgemedia status "), out
        lines = cli("status", "-w", "-j", "-n", "2", "-i", "0.1", "-s", d.path, want=0)[1].splitlines()
        assert [json.loads(x) for x in lines] == [STATUS] * 2, lines
    out = cli("status", "-w", "-n", "2", "-i", "0.1", "-s", "/no/such", want=2)[1]
    assert out.count("cannot reach edgemediad at /no/such") == 2, out


def screen_of(d, rows, ends):
    """What status --watch writes to a terminal of so many rows until it is told to end; and its exit status."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 60, 0, 0))
    child = subprocess.Popen([CLI, "status", "-w", "-i", "0.1", "-s", d.path], stdin=inner, stdout=inner, stderr=inner, start_new_session=True,
                             env=dict(os.environ, TERM="xterm"))
    os.close(inner)
    said = b""
    while said.count(b"\033[?2026l") < 3:
        said += os.read(outer, 65536)
    child.send_signal(ends)
    with contextlib.suppress(OSError):
        while more := os.read(outer, 65536):
            said += more
    os.close(outer)
    return said.decode(), child.wait(10)


def test_status_on_a_terminal_is_drawn_in_place_and_leaves_it_in_order():
    with Daemon(STATUS) as d:
        for rows in (5, 50):
            said, status = screen_of(d, rows, signal.SIGINT)
            enter, leave = "\033[?1049h\033[?25l\033[?7l", "\033[?7h\033[?25h\033[?1049l"
            assert status == 0 and said.startswith(enter) and said.endswith(leave), (status, said)
            assert said.count(enter) == said.count(leave) == 1 and "\033[2J" not in said, said
            frames = said[len(enter):-len(leave)].split("\033[?2026h")[1:]
            for frame in frames[:-1]:
                assert frame.startswith("\033[H") and frame.endswith("\033[J\033[?2026l"), frame
                assert frame.count("\n") <= rows - 1 and not re.search("[^\r]\n", frame), frame
            assert ("more lines)" in frames[0]) == (rows == 5), frames[0]


HOSTILE = "</title><script>alert(1)</script>\033[31m\"'&|\x00\u202e"
HISTORY = {"schema_version": 1, "range": "1h", "start": 1763920800, "step": 60, "slots": 4, "truncated": False}


def drawn(series, *words):
    """The elements of a graph made of these series, which a strict reader of XML took."""
    with Daemon(dict(HISTORY, series=series)) as d:
        out = cli("graph", "-s", d.path, *words, want=0)[1]
        path, = d.paths
    assert "\033" not in out and "<script" not in out and "\x00" not in out, out
    return xml.etree.ElementTree.fromstring(out.encode()), path


def words_of(svg):
    return [x.text for x in svg.iter() if x.tag.endswith(("}title", "}desc", "}text"))]


def test_graph_is_an_image_with_axes_units_and_a_legend():
    svg, path = drawn([{"series": "media_failures", "values": [0, 7, 0, 1]}, {"series": "code_23", "values": [0, 3, 0, 0]}], "-r", "1h")
    assert path == "/api/v1/history?series=media_failures,code_23,tcp_nat_check,code_23_tcp_nat&range=1h", path
    texts = words_of(svg)
    assert texts[0] == "Failed calls, 1h" and texts[1].endswith("failed calls: 8; code 23: 3") and svg.get("role") == "img", texts
    assert {"calls", "UTC", "18:00", "0", "8", "failed calls: 8", "code 23: 3"} <= set(texts), texts
    lines = [x.get("d") for x in svg.iter() if x.tag.endswith("}path")]
    assert len(lines) == 2 and all(x.count("M") == 1 and x.count("L") == 3 for x in lines), lines


def test_graph_of_round_trips_has_gaps_and_milliseconds():
    svg, path = drawn([{"series": "rtt_us", "edge": "o s", "check": "a", "address": "192.0.2.1", "values": [1500, None, 2500, None]}],
                      "-e", "o s&x=", "-c", "a", "round-trips")
    assert path.endswith("&edge=o%20s%26x%3D&check=a"), path
    assert "round trip a 192.0.2.1: 2.00 ms" in words_of(svg), words_of(svg)
    line, = [x.get("d") for x in svg.iter() if x.tag.endswith("}path")]
    assert line.count("M") == 2 and "L" not in line, line


def test_graph_of_verdicts_is_bands_and_hostile_text_stays_text():
    svg, _ = drawn([{"series": "verdict", "edge": "e", "check": HOSTILE, "address": "", "values": ["ok", "ok", "blackholed", None]}] * 70, "-e", HOSTILE.replace("\x00", ""), "verdicts")
    texts = words_of(svg)
    assert "and 6 more that are not drawn" in texts and any("</title><script>" in x for x in texts), texts[:4]
    assert any(x.endswith("not tested, or not able to 1 min, answered 2 min, lets connect, then disturbs 1 min") for x in texts), texts[:4]
    svg, _ = drawn([{"series": "relays", "peer": HOSTILE, "values": [2**64 - 1, -5, "x", 1e300]}, {"series": "relays", "peer": "", "values": [0, 0, 0, 1]},
                    {"series": "relays", "peer": "short", "values": [1]}, {"series": "relays", "peer": "zero", "values": [0] * 4}, 7], "relays")
    assert "others: 1" in words_of(svg) and not any("short" in x or "zero" in x for x in words_of(svg)), words_of(svg)


FINDING = {"id": 7, "kind": "partner-only", "severity": "warning", "edge": HOSTILE, "path": "", "since": "2026-11-23T10:00:00Z", "confidence": "high",
           "text": HOSTILE, "advice": "call them", "refute": HOSTILE, "evidence": [{"time": "2026-11-23T10:00:00Z", "source": HOSTILE, "value": "7 calls"}]}
PLACES = {"/api/v1/history": dict(HISTORY, series=[{"series": "code_23", "values": [0, 3, 0, 0]}, {"series": "relays", "peer": HOSTILE, "values": [1, 2, 3, 4]},
                                                   {"series": "verdict", "check": HOSTILE, "values": ["ok", "ok", "blackholed", None]}]),
          "/api/v1/findings": {"findings": [FINDING], "history": [dict(FINDING, ended="2026-11-23T11:00:00Z")]},
          "/api/v1/failures": {"failures": [{"time": "2026-11-23T10:00:00Z", "code": 23, "ice_warnings": "0x8000100", "call_id": HOSTILE, "reason": HOSTILE}]}}


class ReportPage(Page):
    ELEMENTS = Page.ELEMENTS | set("div path desc".split())
    EMPTY = Page.EMPTY | {"path"}
    ATTRIBUTES = Page.ATTRIBUTES | set("xmlns fill stroke stroke-width stroke-linejoin d font-family font-size".split())


def test_report_of_the_daemon_stands_alone_and_hostile_text_stays_text():
    status = dict(STATUS, edges=[dict(STATUS["edges"][0], name=HOSTILE.replace("\x00", ""))] * 25)
    with tempfile.TemporaryDirectory(prefix="em-report-") as where, Daemon(status, places=PLACES) as d:
        cli("report", "-s", d.path, "-o", f"{where}/r.html", want=0)
        assert os.listdir(where) == ["r.html"]
        with open(f"{where}/r.html", encoding="utf-8", newline="") as f:
            text = f.read()
        page = ReportPage(text)
        assert "\033" not in text and "\0" not in text and page.count["svg"] == 5 + 20, page.count
        digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page.policy and "default-src 'none'" in page.policy, (digest, page.policy)
        for words in ("Finding 7: ", "call them", "7 calls", "0x8000100", "turn-udp", "The first 20 edges are drawn", "Findings that are over"):
            assert words in page.text, words
        cli("report", "-s", d.path, "-r", "7d", want=0)
        assert any("range=7d" in path for path in d.paths), d.paths
        assert "The latest failed calls" not in cli("report", "-s", d.path, "-f", "0", want=0)[1]
        assert "cannot be written" in cli("report", "-s", d.path, "-o", f"{where}/none/r.html", want=2)[2]
    with Daemon([]) as d:
        assert "not a JSON object" in cli("report", "-s", d.path, want=2)[2]
    assert "edgemediad" in cli("report", "-s", "/nowhere", want=2)[2]


def pixels_of(png):
    """(width, height, the colours) of a PNG of 8 bits RGB."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n"), png[:20]
    chunks, at = {}, 8
    while at < len(png):
        size, = struct.unpack(">I", png[at:at + 4])
        kind, body = png[at + 4:at + 8], png[at + 8:at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size:at + 12 + size])[0] == zlib.crc32(kind + body), kind
        chunks[kind] = chunks.get(kind, b"") + body
        at += 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    raw = zlib.decompress(chunks[b"IDAT"])
    assert (depth, colour, b"IEND" in chunks) == (8, 2, True) and len(raw) == height * (1 + 3 * width)
    return width, height, len(set(raw))


def test_graph_is_the_same_image_as_png():
    series = [{"series": "media_failures", "values": [0, 7, 0, 1]}]
    with tempfile.TemporaryDirectory(prefix="em-graph-") as where, Daemon(dict(HISTORY, series=series)) as d:
        svg = xml.etree.ElementTree.fromstring(cli("graph", "-s", d.path, want=0)[1])
        with open(f"{where}/suppressions", "w", encoding="ascii") as f:
            f.write("leak:libfontconfig.so\n")  # what fontconfig has read it keeps until the process ends
        env = dict(os.environ, LSAN_OPTIONS=f"suppressions={where}/suppressions:print_suppressions=0")
        done = subprocess.run([CLI, "graph", "-s", d.path, "-f", "png"], capture_output=True, check=False, timeout=20, env=env)
        if b"no librsvg" in done.stderr:
            assert done.returncode == 2 and not done.stdout
            return "this build has no librsvg"
        assert done.returncode == 0, done.stderr
        width, height, values = pixels_of(done.stdout)
        assert (width, height) == tuple(2 * int(side) for side in svg.get("viewBox").split()[2:]) and values > 10, (width, height, values)
        cli("graph", "-s", d.path, "-o", f"{where}/G.PNG", want=0, env=env)
        with open(f"{where}/G.PNG", "rb") as f:
            assert f.read() == done.stdout
        cli("graph", "-s", d.path, "-f", "svg", "-o", f"{where}/g.png", want=0)
        with open(f"{where}/g.png", "rb") as f:
            assert b"<svg" in f.read(200)
        assert "svg or png" in cli("graph", "-s", d.path, "-f", "gif", want=2)[2]
    return None


def test_graph_is_written_whole_and_refuses_what_is_wrong():
    with tempfile.TemporaryDirectory(prefix="em-graph-") as where, Daemon(dict(HISTORY, series=[])) as d:
        cli("graph", "-s", d.path, "-o", f"{where}/g.svg", want=0)
        with open(f"{where}/g.svg", encoding="utf-8") as f:
            assert "Nothing was counted" in f.read()
        assert os.listdir(where) == ["g.svg"]
        assert "cannot be written" in cli("graph", "-s", d.path, "-o", f"{where}/none/g.svg", want=2)[2]
        for words in (["nothing"], ["verdicts"], ["calls", "codes"], ["-e", "x" * 1000, "verdicts"]):
            assert "Usage:" in cli("graph", "-s", d.path, *words, want=2)[2]
    for body in (b"no", b"[]", b"{}", b'{"slots":1441,"series":[]}', b'{"slots":1,"series":7}'):
        with Daemon(body) as d:
            assert "answered something that is not" in cli("graph", "-s", d.path, want=2)[2]


def test_status_tells_bad_news_with_exit_1():
    for group, key in (("daemon", "checks_down"), ("daemon", "sources_failed"), ("recent", "code_23_tcp_nat_1h")):
        with Daemon(dict(STATUS, **{group: dict(STATUS[group], **{key: 1})})) as d:
            cli("status", "--socket", d.path, want=1)


def test_failures_asks_for_no_more_than_the_daemon_gives():
    most = re.search(r"(\d+) at most", cli("failures", "--help", want=0)[1])[1]
    with open(f"{SRC}/lib/expo/expo.h", encoding="utf-8") as f:
        assert f"EM_EXPO_FAILURES_MAX = {most}," in f.read()
    with open(f"{SRC}/agent/web.h", encoding="utf-8") as f:
        assert "EM_WEB_FAILURES_MAX = EM_EXPO_FAILURES_MAX," in f.read()
    with Daemon(FAILURES) as d:
        cli("failures", "-n", most, "--socket", d.path, want=1)
        assert d.paths == [f"/api/v1/failures?limit={most}"], d.paths
        cli("failures", "-n", str(int(most) + 1), "--socket", d.path, want=2)


def test_failures_shows_a_table():
    with Daemon(FAILURES) as d:
        out = cli("failures", "-n", "5", "--socket", d.path, want=1)[1]
        assert "0x8000100" in out and "203.0.113.7:57234" in out and len(out.splitlines()) == 2, out
        assert answer("failures", "--json", "--socket", d.path, want=1) == FAILURES
        assert d.paths == ["/api/v1/failures?limit=5", "/api/v1/failures?limit=20"], d.paths
    with Daemon({"schema_version": 1, "failures": []}) as d:
        cli("failures", "--socket", d.path, want=0)


def test_failures_asks_for_what_is_looked_for():
    with Daemon({"schema_version": 1, "failures": []}) as d:
        cli("failures", "--code", "23", "--ice", "0x100", "--media", "audio", "--peer", "a.example", "--call-id", "a/b?&c=%d \u00e9", "--text", "<x>", "--since",
            "2026-11-23T14:00", "--until", "@1795500000", "--socket", d.path, want=0)
        assert d.paths == ["/api/v1/failures?limit=20&since=1795442400&until=1795500000&code=23&ice=0x100&media=audio&peer=a.example"
                           "&call_id=a%2Fb%3F%26c%3D%25d%20%C3%A9&text=%3Cx%3E"], d.paths
    for wrong in (("--since", "soon"), ("--until", "x"), ("--code", "-1"), ("--json", "--csv"), ("--text", "t" * 5000), ("--code", "4294967295")):
        assert cli("failures", *wrong, "--socket", "/nonexistent", want=2)[2], wrong


def test_failures_follows_pages():
    with Daemon(dict(FAILURES, next="17-4")) as d:  # of a daemon that never moves on, two
        assert len(cli("failures", "--all", "--socket", d.path, want=1)[1].splitlines()) == 3
        assert d.paths == ["/api/v1/failures?limit=1000", "/api/v1/failures?limit=1000&cursor=17-4"], d.paths
    with Daemon(dict(FAILURES, next="17-4")) as d:
        assert len(cli("failures", "-n", "2", "--json", "--socket", d.path, want=1)[1].splitlines()) == 2
        assert d.paths == ["/api/v1/failures?limit=2", "/api/v1/failures?limit=1&cursor=17-4"], d.paths


def test_failures_as_csv_have_no_formula_and_no_escape():
    row = dict(FAILURES["failures"][0], call_id="=cmd|' /C calc'!A0", reason="\x1b[31m\"a\",\r\n<script>", source="@x", file="-1", to="+1", offset=7)
    with Daemon({"failures": [row]}) as d:
        out = cli("failures", "--csv", "--socket", d.path, want=1)[1]
    assert "\x1b" not in out, out
    head, cells = list(csv.reader(io.StringIO(out, newline="")))
    got = dict(zip(head, cells))
    assert got["call_id"] == "'=cmd|' /C calc'!A0" and got["source"] == "'@x" and got["file"] == "'-1" and got["to"] == "'+1" and got["offset"] == "7", got
    assert got["reason"] == '\ufffd[31m"a",\ufffd\ufffd<script>' and got["ice_warnings"] == "0x8000100" and got["from"] == "", got


def test_daemon_that_does_not_answer_is_exit_2():
    for command in ("status", "failures"):
        _, out, err = cli(command, "--socket", "/nonexistent/control", want=2)
        assert not out and "/nonexistent/control" in err and "is it running" in err, err
        for body, status in ((b"no\033json", "200 OK"), (b"[1]", "200 OK"), (b"{}" if command == "failures" else b"7", "200 OK"),
                             (b"sorry\n", "503 Service Unavailable")):
            with Daemon(body, status) as d:
                _, out, err = cli(command, "--socket", d.path, want=2)
                assert not out and err and "\033" not in err, (body, out, err)


def test_colour_is_for_terminals_and_can_be_refused():
    with Daemon(STATUS) as d:
        command = [CLI, "status", "--socket", d.path]
        assert "\033[32mok" in with_terminal(command, env={"NO_COLOR": ""})[1]
        assert "\033[" not in with_terminal(command, env={"NO_COLOR": "1"})[1]
        assert "\033[" not in with_terminal(command, env={"NO_COLOR": "", "TERM": "dumb"})[1]


if __name__ == "__main__":
    tap.run(globals())
