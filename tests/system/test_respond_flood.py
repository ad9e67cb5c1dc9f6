#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The responder under a flood of 100,000 datagrams, half of them requests: its memory stays as it is, it sends no more than was sent to it twice
over, and it answers afterwards."""
import os
import random
import socket
import subprocess
import sys

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/demo"]
import free_ports  # noqa: E402
import tap  # noqa: E402

CLI, FLOOD, GROWTH_KIB = f"{BUILD}/edgemedia", 100000, 2048
REQUEST = bytes.fromhex("000100002112a442") + b"0123456789ab"


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def test_a_flood_of_datagrams():
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    port = free_ports.run_of(1, {})
    with subprocess.Popen([CLI, "respond", "--udp", "127.0.0.1", f"{port}-{port}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as responder:
        try:
            assert responder.stdout.readline().startswith(b"listening")
            junk = [dice.randbytes(dice.randrange(1400)) for _ in range(64)] + [REQUEST] * 64
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.connect(("127.0.0.1", port))
                s.settimeout(10)
                s.send(REQUEST)
                s.recv(2048)
                before, received, sent = rss(responder.pid), 0, 0
                s.setblocking(False)
                for _ in range(FLOOD):
                    sent += s.send(dice.choice(junk))
                    try:
                        received += len(s.recv(2048))
                    except BlockingIOError:
                        pass
                assert rss(responder.pid) - before < GROWTH_KIB, (before, rss(responder.pid), f"seed {seed}")
                assert received <= 2 * sent, (received, sent)
            assert subprocess.run([CLI, "probe", f"udp:127.0.0.1:{port}"], stdout=subprocess.DEVNULL, timeout=30, check=False).returncode == 0
        finally:
            responder.terminate()
            responder.communicate(timeout=10)


if __name__ == "__main__":
    tap.run(globals())
