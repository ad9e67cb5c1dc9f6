#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges of ports in the daemon: swept again and again, shown in every face alike, kept over a reload, judged by the plugin."""
import os
import re
import socket
import subprocess
import sys
import tempfile

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system", f"{SRC}/demo"]
import free_ports  # noqa: E402
import tap  # noqa: E402
from edgemediad import Daemon, wait_for  # noqa: E402

CLI, PLUGIN = f"{BUILD}/edgemedia", f"{BUILD}/plugins/check_edge_media"


class Ports:
    """Thirty ports: a responder on the first twenty, nobody on the rest, but for the last one, which takes everything and says nothing."""

    def __enter__(self):
        self.first = free_ports.run_of(30, {})
        self.process = subprocess.Popen([CLI, "respond", "127.0.0.1", f"{self.first}-{self.first + 19}"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        assert self.process.stdout.readline().startswith(b"listening")
        self.mute = socket.create_server(("127.0.0.1", self.first + 29))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.mute.close()

    def range(self, name, last, **options):
        words = " ".join(f"{key} = {value}" for key, value in options.items())
        return f'range "{name}" {{ ports = "{self.first}-{self.first + last}" timeout = 0.5 interval = 1 rate = 10000 {words} }}\n'


def config(*ranges):
    return 'edge "oslo" {\naddress = { "127.0.0.1" }\n' + "".join(ranges) + "}\n"


def swept(daemon, *names):
    def look():
        rows = {row["name"]: row for row in daemon.status()["ranges"]}
        return rows if all(name in rows and rows[name]["sweeps"] > 0 for name in names) else None
    return wait_for("sweeps", look)


def plugin(daemon, *words):
    return subprocess.run([PLUGIN, "--socket", daemon.control, "-m", "ports", *words], capture_output=True, text=True, timeout=30, check=False)


def test_what_a_sweep_finds():
    with tempfile.TemporaryDirectory() as d, Ports() as p:
        with Daemon(d, config(p.range("good", 19), p.range("mixed", 29), p.range("udp", 29, transport="udp"),
                              p.range("share", 4, payload="sharing"), p.range("idle", 0, host='"127.0.0.9"'))) as daemon:
            daemon.start()
            rows = swept(daemon, "good", "mixed", "udp", "share", "idle")
            for name, verdict, clear, ports in (("good", "ok", 1, {"ok": 20}), ("mixed", "silent", 0, {"ok": 20, "refused": 9, "silent": 1}),
                                                ("udp", "ok", 1, {"ok": 20, "refused": 10}), ("share", "ok", 1, {"ok": 5}),
                                                ("idle", "refused", 1, {"refused": 1})):
                row = rows[name]
                found = {key[6:].replace("_", "-"): n for key, n in row.items() if key.startswith("ports_") and n}
                assert (row["verdict"], row["clear"], found) == (verdict, clear, ports), row
                assert row["tested"] == sum(ports.values()) and row["addresses"] == 1, row
            rows = [row for row in daemon.status()["port_exceptions"] if row["range_name"] == "mixed"]
            rows = [(row["first_port"] - p.first, row["last_port"] - p.first, row["verdict"], row["ports"]) for row in rows]
            assert rows == [(29, 29, "silent", 1), (20, 28, "refused", 9)], rows
            text = daemon.get("/metrics")[2].decode()
            for verdict, n in (("ok", 20), ("refused", 9), ("silent", 1), ("filtered", 0)):
                assert re.search(rf'edgemedia_range_ports{{edge="oslo",range="mixed",verdict="{verdict}"}} {n}\n', text), verdict
            got = plugin(daemon, "--check", "mixed")
            assert got.returncode == 2 and "oslo/mixed silent: 30 ports tested: 1 silent 9 refused" in got.stdout, got
            assert plugin(daemon, "--check", "good", "--check", "udp", "--check", "idle").returncode == 0
            daemon.stop()
            assert "range is not clear: 30 ports tested" in daemon.log_text(), daemon.log_text()


def test_samples_cover_the_range():
    """Six rounds of five ports meet each of thirty ports once: all that are refused, and the mute one, were among them."""
    with tempfile.TemporaryDirectory() as d, Ports() as p:
        with Daemon(d, config(p.range("r", 29, sample=5))) as daemon:
            daemon.start()
            seen, found = 0, {}
            while seen < 6:
                row = wait_for("a sweep", lambda: next((r for r in daemon.status()["ranges"] if r["sweeps"] > seen), None))
                assert row["tested"] == 5 and row["sweeps"] == seen + 1, row
                seen = row["sweeps"]
                for verdict in ("ok", "refused", "silent"):
                    found[verdict] = found.get(verdict, 0) + row[f"ports_{verdict}"]
            assert found == {"ok": 20, "refused": 9, "silent": 1}, found


def test_reload_and_restart():
    with tempfile.TemporaryDirectory() as d, Ports() as p:
        kept = p.range("kept", 9)
        with Daemon(d, config(kept, p.range("gone", 9))) as daemon:
            daemon.start()
            before = swept(daemon, "kept", "gone")
            daemon.reload(config(p.range("new", 4), kept))
            after = swept(daemon, "kept", "new")
            assert set(after) == {"kept", "new"} and after["kept"]["range"] == before["kept"]["range"], after
            assert after["kept"]["changed_time"] == before["kept"]["changed_time"], after
            assert after["new"]["range"] not in {row["range"] for row in before.values()}, after
            sweeps = after["kept"]["sweeps"]
        with Daemon(d, config(kept)) as daemon:
            daemon.start()
            row = daemon.status()["ranges"][0]
            assert row["sweeps"] >= sweeps and row["range"] == before["kept"]["range"], (sweeps, row)


if __name__ == "__main__":
    tap.run(globals())
