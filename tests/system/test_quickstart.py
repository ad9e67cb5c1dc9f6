#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""./quickstart on the build under test: shows the main job, ends when asked to, and leaves neither a process nor a file behind."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.path.abspath(os.environ.get("EM_BUILDDIR", "."))
sys.path[:0] = [f"{SRC}/tests"]
import tap  # noqa: E402


def base_mibs():
    """The base MIBs' directory, asked for once: npm would take its time again and again where it fails."""
    asked = subprocess.run([f"{SRC}/demo/base_mibs", f"{BUILD}/npm"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return asked.stdout.strip()


MIBS = base_mibs()


def start(directory, *options, **environment):
    env = {**os.environ, "EM_BUILD": BUILD, "TMPDIR": directory, "EM_MIBS": MIBS, **environment}
    env = {name: value for name, value in env.items() if value is not None}
    return subprocess.Popen([f"{SRC}/quickstart", *options], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def members(session):
    """Processes that still belong to the session (pid, command)."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                stat = f.read()
        except OSError:
            continue
        name, rest = stat[stat.index("(") + 1:stat.rindex(")")], stat[stat.rindex(")") + 2:].split()
        if int(rest[3]) == session and rest[0] != "Z":
            found.append((int(pid), name))
    return found


def check_nothing_left(process, directory):
    deadline = time.monotonic() + 5
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not members(process.pid), members(process.pid)
    left = [name for name in os.listdir(directory) if name.startswith("edgemedia.")]
    assert not left, left


def test_once_shows_everything_and_exits_0():
    for _ in range(2):
        with tempfile.TemporaryDirectory(prefix="emq", dir="/tmp") as directory:
            process = start(directory, "--once")
            out, err = process.communicate(timeout=110)
            assert process.returncode == 0, f"exit {process.returncode}\n{out}\n{err}"
            check_nothing_left(process, directory)
        for words in ("turn-udp", "refused", "EDGE MEDIA CRITICAL", "edgemedia_code23_failures_total 3", 'edgemedia_check_up{', "0x8000100", "code 23", "http://127.0.0.1:"):
            assert words in out, f"{words!r} is not in\n{out}\n{err}"


def test_ctrl_c_ends_it():
    with tempfile.TemporaryDirectory(prefix="emq", dir="/tmp") as directory:
        process = start(directory)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        text = "".join(lines)
        assert re.search(r"http://127\.0\.0\.1:\d+/", text), text + (process.stderr.read() if process.poll() is not None else "")
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 0, process.returncode
        check_nothing_left(process, directory)


def test_nothing_is_left_when_it_is_killed():
    with tempfile.TemporaryDirectory(prefix="emq", dir="/tmp") as directory:
        process = start(directory)
        assert any("Ctrl-C" in line for line in process.stdout)  # read until then
        process.kill()
        process.communicate(timeout=30)
        deadline = time.monotonic() + 10
        while members(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not members(process.pid), members(process.pid)


def test_failure_is_told_and_leaves_nothing():
    with tempfile.TemporaryDirectory(prefix="emq", dir="/tmp") as directory, tempfile.TemporaryDirectory(prefix="emb", dir="/tmp") as build:
        for name in ("edgemedia", "edgemediad", "check_edge_media"):
            path = f"{build}/{name}"
            with open(path, "w", encoding="ascii") as f:
                f.write("#!/bin/sh\necho broken on purpose\nexit 1\n")
            os.chmod(path, 0o755)
        process = start(directory, "--once", EM_BUILD=build)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 2 and "broken on purpose" in err, (process.returncode, err)
        check_nothing_left(process, directory)


def test_without_base_mibs_numbers_are_shown():
    with tempfile.TemporaryDirectory(prefix="emq", dir="/tmp") as directory, tempfile.TemporaryDirectory(prefix="emb", dir="/tmp") as build:
        for name in ("edgemedia", "edgemediad", "plugins"):
            os.symlink(f"{BUILD}/{name}", f"{build}/{name}")
        with open(f"{build}/npm-that-fails", "w", encoding="ascii") as f:
            f.write("#!/bin/sh\necho npm ERR! reason: no route on purpose\nexit 1\n")
        os.chmod(f"{build}/npm-that-fails", 0o755)
        os.mkdir(f"{build}/bin")
        os.symlink("../npm-that-fails", f"{build}/bin/npm")
        process = start(directory, "--once", EM_BUILD=build, EM_MIBS=None, PATH=f"{build}/bin:{os.environ['PATH']}")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0 and "by numbers" in out and '"turn-udp"' in out, f"{out}\n{err}"
        assert "base MIBs" in err and "no route on purpose" in err and "EM_MIBS=DIR" in err, err
        check_nothing_left(process, directory)


def test_a_checkout_is_shared_by_users():
    """What one user built is in nobody's way: another one builds beside it, and is told when the sources cannot be prepared."""
    with tempfile.TemporaryDirectory(prefix="emq", dir="/tmp") as checkout:
        os.chmod(checkout, 0o755)
        os.mkdir(f"{checkout}/tests")
        shutil.copy(f"{SRC}/tests/build", f"{checkout}/tests/build")

        def ask(*words, prefix=()):
            return subprocess.run([*prefix, f"{checkout}/tests/build", *words], capture_output=True, text=True, check=False, timeout=20)

        assert ask("--where").stdout.strip() == f"{checkout}/build"
        os.mkdir(f"{checkout}/build")
        assert ask("--where").stdout.strip() == f"{checkout}/build"
        if os.geteuid() == 0:  # the other way round, somebody else than the owner of build/
            stranger = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
            assert ask("--where", prefix=stranger).stdout.strip() == f"{checkout}/build-nobody"
            got = ask(f"{checkout}/build-nobody/x", prefix=stranger)
            assert got.returncode == 1 and "cannot be written by nobody" in got.stderr and "sudo chown" in got.stderr, got
            os.mkdir(f"{checkout}/build-nobody")
            os.chmod(f"{checkout}/build-nobody", 0o777)
            got = ask(f"{checkout}/build-nobody/x", prefix=stranger)
            assert got.returncode == 1 and "belongs to root" in got.stderr, got


def test_usage():
    for options, status in ((["--help"], 0), (["--no-such"], 2), (["--once", "more"], 2)):
        got = subprocess.run([f"{SRC}/quickstart", *options], env=dict(os.environ, EM_BUILD=BUILD), capture_output=True, text=True, check=False,
                             timeout=20)
        assert got.returncode == status and "quickstart" in got.stdout + got.stderr, got


if __name__ == "__main__":
    tap.run(globals())
