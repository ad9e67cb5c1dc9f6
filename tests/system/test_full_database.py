#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that has no room left while edgemediad reads a trace: it says so, goes on serving, and counts on exactly where it was when
there is room again."""
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import namespaces  # noqa: E402
import tap  # noqa: E402
from edgemediad import BUILD, PROGRAM, Daemon, StunServer, Trace, wait_for  # noqa: E402

FULL_KIB, BATCH = 1024, 40
NAMES = ("calls", "reports", "duplicates", "code_23", "tcp_nat_check", "code_23_tcp_nat", "media_failures", "messages", "bytes")


def directory():
    return tempfile.TemporaryDirectory(prefix="em-full-")


def log_calls(trace, n):
    """n more calls, each twice."""
    for _ in range(n):
        call = f"call {trace.n}"
        trace.fail(call)
        trace.fail(call)


def reasons(daemon):
    code, _, page = daemon.get("/healthz")
    return json.loads(page)["reasons"] if code == 503 else []


def stopped(daemon):
    return daemon.status()["sources"][0]["state"] == "failed"


def fill(daemon, trace):
    """Logs calls until the database has no room for them."""
    for _ in range(200):
        want = daemon.status()["calls"] + 1
        log_calls(trace, BATCH)
        wait_for("a commit or a failure", lambda: daemon.status()["calls"] >= want or stopped(daemon))
        if stopped(daemon):
            return
    raise AssertionError("the database never fills up")


def truth(trace):
    with tempfile.NamedTemporaryFile("w", suffix=".log") as end:  # in a file of its own, so that nothing is held back
        done = subprocess.run([f"{BUILD}/edgemedia", "scan", "--json", trace.path, end.name], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    return {name: found[name] for name in NAMES}


def counts(daemon):
    status = daemon.status()
    return {name: status[name] for name in NAMES}


def story(daemon, trace, word, make_room):
    """From the moment when the database is full."""
    said = reasons(daemon)
    assert word in said[0] and daemon.database in said[0], said
    row = daemon.status()["sources"][0]
    assert said == reasons(daemon) and word in row["error"], row
    log_calls(trace, BATCH)
    probes = daemon.check("a")["probes"]
    wait_for("probes while it is full", lambda: daemon.check("a")["probes"] >= probes + 2)
    assert daemon.get("/metrics", "web")[0] == 200
    assert stopped(daemon) and reasons(daemon) and counts(daemon)["calls"] < truth(trace)["calls"], counts(daemon)
    make_room()
    want = truth(trace)
    try:
        wait_for("everything is counted", lambda: counts(daemon) == want, 20)
    except AssertionError:
        raise AssertionError(f"true is {want}, counted is {counts(daemon)}") from None
    wait_for("it is well again", lambda: daemon.get("/healthz")[0] == 200, 15)
    assert "can be written again" in daemon.log_text() or "reading goes on" in daemon.log_text(), daemon.log_text()
    assert daemon.stop() == 0
    daemon.start()
    wait_for("the counters after a restart", lambda: counts(daemon) == want)
    assert daemon.stop() == 0


def body(d, stun):
    return (f'edge "oslo" {{ check "a" {{ uri = "stun:127.0.0.1:{stun.port}" interval = 1 }} }}\n'
            f'source "fe01" {{ type = trace path = "{d}/*.log" }}\n')


def test_a_limit_of_the_file_size():
    stun = StunServer()
    with directory() as d:
        os.mkdir(f"{d}/logs")
        trace = Trace(f"{d}/logs/a.log")
        with Daemon(d, body(f"{d}/logs", stun)) as daemon:
            daemon.start()
            pid, unlimited = daemon.process.pid, resource.RLIM_INFINITY
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_KIB * 1024, hard))
            fill(daemon, trace)
            story(daemon, trace, "database", lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, hard)))
    stun.close()


def namespace():
    """The command that gives its own mounts to what follows, or None."""
    way = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if not shutil.which("unshare") or subprocess.run([*way, "mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", "/mnt"], stderr=subprocess.DEVNULL,
                                                     check=False).returncode:
        return None
    return way


def test_a_file_system_without_room():
    way = namespace()
    if not way:
        return "no mount namespace here, neither of a user nor with sudo"
    stun = StunServer()
    with directory() as d:
        for name in ("logs", "small"):
            os.mkdir(f"{d}/{name}")
        trace = Trace(f"{d}/logs/a.log")
        daemon = Daemon(d, body(f"{d}/logs", stun), database=f"{d}/small/edgemedia.db")
        daemon.database = f"{d}/small/edgemedia.db"
        keeper = subprocess.Popen([*way, "sh", "-c", f"mount -t tmpfs -o size={17 * FULL_KIB}k tmpfs {d}/small && "
                                   f"head -c {16 * FULL_KIB * 1024} /dev/zero >{d}/small/filler && echo ready && exec cat"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert keeper.stdout.readline() == "ready\n", "no file system"
            # --root and --wd: those of the keeper, which a chroot has elsewhere than the namespace has its own
            enter = ["nsenter", f"--target={keeper.pid}", "--mount", "--root", "--wd",
                     *([] if os.geteuid() == 0 else ["--user", "--preserve-credentials"])]
            daemon.command = lambda *more: [*enter, PROGRAM, "-c", daemon.conf, *more]
            with daemon:
                daemon.start()
                fill(daemon, trace)
                story(daemon, trace, "cannot grow", lambda: subprocess.run([*enter, "rm", f"{d}/small/filler"], check=True))
        finally:
            keeper.stdin.close()
            keeper.wait(10)
            keeper.stdout.close()
    stun.close()
    return None


if __name__ == "__main__":
    namespaces.with_sudo_if_needed(lambda: not namespace())
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    tap.run(dict(globals()))
