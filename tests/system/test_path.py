#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""edgemedia path against real far ends on loopback: the responder, a mute server, a web server, a closed port; its JSON, table, exit status,
source ports, progress bar and interruption."""
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system", f"{SRC}/demo"]
import free_ports  # noqa: E402
import tap  # noqa: E402

CLI, PLUGIN = f"{BUILD}/edgemedia", f"{BUILD}/plugins/check_edge_media"
TCP = ["handshake", "stun-framed", "stun", "ms-allocate", "pseudo-tls", "tls", "random", "stun-1400", "random-1400"]
KEYS = ("name", "tries", "answered", "acknowledged", "dropped", "reset", "closed", "intercepted", "retransmits", "rtt_us")


class Responder:
    def __init__(self, address="127.0.0.1"):
        self.address = address

    def __enter__(self):
        self.port = free_ports.run_of(2, {})
        self.process = subprocess.Popen([CLI, "respond", self.address, f"{self.port}-{self.port + 1}"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        assert self.process.stdout.readline().startswith(b"listening")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


class Server:
    """Takes connections, remembers where they come from, and gives this answer to what is sent; "" to none."""

    def __init__(self, answer):
        self.answer, self.sources = answer, []

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        while True:
            try:
                conn, source = self.socket.accept()
            except OSError:
                return
            self.sources.append(source[1])
            threading.Thread(target=self.talk, args=(conn,), daemon=True).start()

    def talk(self, conn):
        with conn:
            try:
                while conn.recv(4096):
                    if self.answer:
                        conn.sendall(self.answer)
            except OSError:
                pass

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)  # or the thread takes one more
        self.socket.close()


def path(*words, want):
    got = subprocess.run([CLI, "path", *words], capture_output=True, text=True, timeout=60, check=False)
    assert got.returncode == want, got
    return got.stdout


def found(*words, want):
    return json.loads(path("--json", "--rounds", "2", *words, want=want))


def test_responder_over_tcp():
    with Responder() as r:
        for words in ([f"127.0.0.1:{r.port}"], ["127.0.0.1", str(r.port)], [f"tcp:127.0.0.1:{r.port}"], [f"turn:127.0.0.1:{r.port}?transport=tcp"],
                      ["--transport", "tcp", f"udp:127.0.0.1:{r.port}"]):
            got = found(*words, want=0)
            assert got["schema_version"] == 1 and (got["filter"], got["verdict"], got["hops"], got["dropped_after"]) == ("none", "ok", [], None), got
            assert [p["name"] for p in got["payloads"]] == TCP and all(p["tries"] == 2 for p in got["payloads"]), got
            assert all(key in p for p in got["payloads"] for key in KEYS), got
            by = {p["name"]: p for p in got["payloads"]}
            assert all(by[name]["answered"] == 2 for name in ("handshake", "stun-framed", "stun", "stun-1400")), got
            assert all(by[name]["closed"] == 2 for name in ("ms-allocate", "pseudo-tls", "tls", "random", "random-1400")), got
            assert by["stun"]["rtt_us"] > 0 and by["handshake"]["rtt_us"] is None and 0 < got["unseen"] < 1, got


def test_responder_over_udp_and_ipv6():
    with Responder("::1") as r:
        got = found("--transport", "udp", f"[::1]:{r.port}", want=0)
        by = {p["name"]: p for p in got["payloads"]}
        assert got["verdict"] == "ok" and got["transport"] == "udp" and got["address"] == "::1", got
        assert all(by[name]["answered"] == 2 for name in ("stun", "stun-1400", "media")) and by["ms-allocate"]["dropped"] == 2, got
        assert found(f"[::1]:{r.port}", want=0)["filter"] == "none"


def test_table():
    with Responder() as r:
        out = path("--rounds", "2", f"127.0.0.1:{r.port}", want=0)
        assert re.search(r"^Payload +Tries +Answered +Closed +Rtt ms$", out, re.M) and re.search(r"^stun-framed +2 +2 +0 +\d", out, re.M), out
        assert "Filter: none" in out and "would have been seen with 95 %" in out, out


def test_far_ends_that_are_no_relay():
    with Server(b"") as mute, Server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web:
        got = found(f"127.0.0.1:{mute.port}", want=1)
        assert (got["filter"], got["verdict"]) == ("none", "silent") and got["payloads"][2]["acknowledged"] == 2, got
        got = found(f"127.0.0.1:{web.port}", want=1)
        assert (got["filter"], got["verdict"]) == ("content", "intercepted"), got
        # the answer that came first, to whichever payload, is told
        assert "HTTP/1.1 400 Bad Request" in got["reason"] or "no answer to the pseudo-TLS hello" in got["reason"], got
    got = found(f"127.0.0.1:{web.port}", want=0)
    assert (got["filter"], got["verdict"]) == ("none", "refused") and got["payloads"][0]["refused"] == 2, got


def test_source_ports():
    first = free_ports.run_of(20, {})
    with Server(b"") as mute:
        found("--source-ports", f"{first}-{first + 19}", "--timeout", "1", f"127.0.0.1:{mute.port}", want=1)
        assert len(mute.sources) == 18 and len(set(mute.sources)) > 5, mute.sources
        assert all(first <= port <= first + 19 for port in mute.sources), mute.sources


def test_a_name_that_is_none():
    got = subprocess.run([CLI, "path", "no-such-host.invalid:50000"], capture_output=True, text=True, timeout=60, check=False)
    assert got.returncode == 2 and not got.stdout and "cannot resolve no-such-host.invalid" in got.stderr, got


def test_progress_and_interruption():
    with Responder() as r:
        ours, theirs = pty.openpty()
        process = subprocess.Popen([CLI, "path", "--rounds", "100", f"127.0.0.1:{r.port}"], stdout=subprocess.PIPE, stderr=theirs, text=True)
        os.close(theirs)
        seen = b""
        while b"tries/s" not in seen:
            seen += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=30)[0]
        os.close(ours)
        assert process.returncode == 2 and "Filter: none" in out, out


def test_probe_and_plugin():
    with Responder() as r:
        got = subprocess.run([CLI, "probe", "--json", f"path:127.0.0.1:{r.port}?transport=udp"], capture_output=True, text=True, timeout=60, check=False)
        row = json.loads(got.stdout)
        assert got.returncode == 0 and (row["verdict"], row["path_filter"], row["path_hop"], row["path_hop_address"]) == ("ok", "none", 0, None), row
        got = subprocess.run([PLUGIN, "-t", "15", "--probe", f"path:127.0.0.1:{r.port}"], capture_output=True, text=True, timeout=60, check=False)
        assert got.returncode == 0 and "1 of 1 checks ok" in got.stdout, got


if __name__ == "__main__":
    tap.run(globals())
