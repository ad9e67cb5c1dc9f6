#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A walk while everything changes: identifiers always increase, and what was there all the time is there, during hundreds of publications and
during reloads that add and remove rows."""
import os
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import snmpv2c  # noqa: E402
import tap  # noqa: E402
from private_snmpd import Snmpd, find_snmpd  # noqa: E402
from edgemediad import Daemon, wait_for  # noqa: E402
from test_snmp import OBJECTS, Lab  # noqa: E402

SECONDS = 3
WHY = None if find_snmpd() else "no snmpd"


def increasing(walked):
    names = [bind[0] for bind in walked]
    assert all(a < b for a, b in zip(names, names[1:])), "a walk does not increase"
    return set(names)


class Meanwhile:
    """Calls something again and again, on a thread."""

    def __init__(self, what):
        self.what, self.ended, self.times = what, threading.Event(), 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.is_set():
            self.what(self.times)
            self.times += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def test_during_publications():
    if WHY:
        return WHY
    with Lab() as lab:
        cells = {c[0] for c in lab.demo.cells()}
        with Meanwhile(lambda _: lab.demo.tell("publish")) as publications:
            begin, walks = time.monotonic(), 0
            while time.monotonic() - begin < SECONDS:
                for bulk in (20, 0):
                    walked = increasing(lab.manager.walk(OBJECTS, **({"bulk": bulk} if bulk else {})))
                    assert walked == cells, f"{len(walked ^ cells)} cells differ"
                    walks += 1
            rate = publications.times / (time.monotonic() - begin)
        print(f"# {walks} walks of {len(cells)} cells during {rate:.0f} publications a second")
    return None


def edges(names):
    return "".join(f'edge "{name}" {{ check "a" {{ uri = "stun:127.0.0.1:1" interval = 1000 timeout = 0.1 }} }}\n' for name in names)


def test_during_reloads():
    if WHY:
        return WHY
    with tempfile.TemporaryDirectory(prefix="em-walk-") as d:
        snmpd = Snmpd(d)
        snmpd.start()
        every = [f"edge {i}" for i in range(12)]
        stay, come_and_go = every[::2], every[1::2]
        try:
            with Daemon(d, edges(every), agentx_address=snmpd.agentx) as daemon:
                daemon.start()
                wait_for("every row", lambda: len(daemon.status()["checks"]) == len(every))
                numbers = {row["name"]: row["edge"] for row in daemon.status()["edges"]}
                manager = snmpv2c.Manager(snmpd.port)
                column = OBJECTS + (10, 1, 2)
                wait_for("rows over SNMP", lambda: len(manager.walk(column)) == len(every), 20)
                with Meanwhile(lambda n: daemon.reload(edges(stay if n % 2 == 0 else every))) as reloads:
                    begin, sizes = time.monotonic(), set()
                    while time.monotonic() - begin < SECONDS or len(sizes) < 2:
                        names = increasing(manager.walk(OBJECTS, bulk=7))
                        rows = {name[-1] for name in names if name[: len(column)] == column}
                        assert {numbers[name] for name in stay} <= rows <= set(numbers.values()), rows
                        sizes.add(len(rows))
                        assert time.monotonic() - begin < 30, f"always {sizes} rows"
                print(f"# {reloads.times} reloads, of {len(come_and_go)} edges each")
                manager.close()
        finally:
            snmpd.close()
    return None


if __name__ == "__main__":
    tap.run({name: test for name, test in globals().items() if name in ("test_during_publications", "test_during_reloads")})
