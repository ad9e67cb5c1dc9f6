#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""edgemediad is killed with SIGKILL at 100 random moments while it reads a trace that grows and is rotated, by rename and by copy and
truncate in turn; after a rename its writer goes on in the old file for a while, and now and then it pauses in the middle of a message.
When the last one has caught up, every counter equals what the generator of the trace knows to be true.

EM_KILLS and EM_SEED in the environment choose how often and which moments."""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from edgemediad import Daemon, sanitized, wait_for  # noqa: E402

BUILD = os.environ.get("EM_BUILDDIR", ".")
KILLS = int(os.environ.get("EM_KILLS", "100"))
SEED = int(os.environ.get("EM_SEED", str(random.randrange(1 << 31))))
LONGEST_S = 0.8 if sanitized() else 0.4  # a process lives up to so long
ALONE_S = 0.25  # with LONGEST_S less than the 1.2 s of a generation of 1500 records
RECORDS = 24000  # at PACE_US each the generator is at it for about as long as the kills go on
PACE_US = 800
TOTALS = ("bytes", "messages", "reports", "duplicates", "unkeyed", "malformed", "calls", "media_failures", "code_23", "tcp_nat_check",
          "code_23_tcp_nat")


def generator(logs, truth, rotate_every, late, form):
    """A process that writes and rotates LOGS/trace.log, pauses in the middle of records, and after a rotation by rename writes some
    more to the old file, through the descriptor that it has; the truth appears when it is done."""
    return subprocess.Popen([f"{BUILD}/tests/bench/gen_trace", f"--dir={logs}", f"--truth={truth}", f"--seed={SEED}",
                             f"--records={RECORDS}", f"--rotate-every={rotate_every}", f"--pace-us={PACE_US}", "--failing=4",
                             f"--late={late}", f"--pause-every={RECORDS // 4}", f"--format={form}"],
                            stdin=subprocess.DEVNULL)


class Alone:
    """The writer may go on for ALONE_S without a process that has looked at its files, then it waits. On a busy machine a start, or an end in the middle
    of a write to the disk, may outlast a whole generation of a file, which nobody could read then. A thread stops it: a question to a process that
    waits for the disk has no answer in time either."""

    def __init__(self, writer):
        self.writer, self.timer, self.lock, self.waits = writer, None, threading.Lock(), False

    def stop(self):
        with self.lock:
            if self.timer and self.writer.poll() is None:
                self.writer.send_signal(signal.SIGSTOP)
                self.waits = True

    def begins(self):
        self.timer = threading.Timer(ALONE_S, self.stop)
        self.timer.daemon = True
        self.timer.start()

    def ends(self):
        with self.lock:
            if self.timer:
                self.timer.cancel()
            self.timer = None
            if self.waits:
                self.writer.send_signal(signal.SIGCONT)
            self.waits = False


def has_looked(daemon):
    return daemon.answers() and daemon.status()["sources"][0]["state"] != "starting"


def live_and_be_killed(daemon, rng, alone, look):
    """look: it lives until it has looked at the files at least; otherwise it may be killed at any moment of its start, too."""
    daemon.spawn()
    if look:
        wait_for("its first look at the files", lambda: has_looked(daemon), 20)
        alone.ends()
    time.sleep(rng.uniform(0, LONGEST_S))
    assert daemon.process.poll() is None, f"edgemediad ended with {daemon.process.returncode}: {daemon.log_text()}"
    if look:
        alone.begins()
    daemon.process.send_signal(signal.SIGKILL)
    assert daemon.process.wait(20) == -signal.SIGKILL
    daemon.process = None


def counters(status):
    """What the scan contract names, without what was never seen."""
    return {**{name: status[name] for name in TOTALS},
            **{table: {key: n for key, n in status[table].items() if n} for table in ("codes", "ice_warnings", "media")}}


def caught_up(daemon):
    source = daemon.status()["sources"][0]
    return source["state"] == "caught-up" and source["lag_bytes"] == 0


def differences(have, want):
    return "; ".join(f"{name}: {have[name]}, true is {want[name]}" for name in want if have[name] != want[name])


def check_against(daemon, want):
    """The counters are the true ones when everything is read, and a restart changes nothing."""
    for life in ("after the last kill", "after a restart at rest"):
        daemon.start()
        try:
            wait_for("the end of the trace", lambda: caught_up(daemon) and counters(daemon.status()) == want, 60)
        except AssertionError:
            raise AssertionError(f"{life}, seed {SEED}: {differences(counters(daemon.status()), want)}") from None
        assert daemon.stop() == 0


def killed_while_reading(pattern, rotate_every, look, enough, late=20, form="ocslogger"):
    """enough(kills, writer is at work): whether it was killed often enough."""
    rng = random.Random(SEED)
    kills = 0
    with tempfile.TemporaryDirectory(prefix="em-crash-") as d:
        os.mkdir(f"{d}/logs")
        truth = f"{d}/truth.json"
        writer = generator(f"{d}/logs", truth, rotate_every, late, form)
        alone = Alone(writer)
        try:
            with Daemon(d, f'source "trace" {{ type = trace path = "{d}/logs/{pattern}" }}\n') as daemon:
                if look:
                    alone.begins()
                while not enough(kills, writer.poll() is None):
                    live_and_be_killed(daemon, rng, alone, look)
                    kills += 1
                alone.ends()
                assert writer.wait(90) == 0
                with open(truth, encoding="utf-8") as f:
                    want = counters(json.load(f))
                check_against(daemon, want)
        finally:
            alone.ends()
            if writer.poll() is None:
                writer.kill()
            writer.wait()
        print(f"# seed {SEED}: {kills} kills, {len(os.listdir(d + '/logs')) - 1} rotations, {want['messages']} messages")


def test_100_kills_change_no_counter():
    killed_while_reading("trace.log*", 240, False, lambda kills, writing: kills >= KILLS)


def test_kills_change_no_counter_when_rotated_files_match_no_pattern():
    killed_while_reading("trace.log", 1500, True, lambda kills, writing: not writing)


def test_kills_change_no_counter_of_bare_messages():
    killed_while_reading("trace.log", 1500, True, lambda kills, writing: not writing, form="sip")


if __name__ == "__main__":
    tap.run(dict(globals()))
