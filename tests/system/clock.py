# SPDX-License-Identifier: GPL-3.0-or-later
"""What a measured time owes to the machine: threads that are ready to run and get no processor are late through no fault of their own."""
import os
import subprocess
import tempfile
import threading


def waited(*pids):
    """The seconds for which the threads of these processes, and the one that asks, were ready to run and had no processor; 0.0 where nobody
    counts them (CONFIG_SCHED_INFO)."""
    nanoseconds = 0
    for pid, threads in [(pid, os.listdir(f"/proc/{pid}/task")) for pid in pids] + [(os.getpid(), [threading.get_native_id()])]:
        for thread in threads:
            try:
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
                    nanoseconds += int(f.read().split()[1])
            except (OSError, IndexError):
                pass
    return nanoseconds / 1e9


def run(*command):
    """Runs a command; (exit status, what it said on both outputs, the seconds for which it or we had no processor)."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        before = waited()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # what the kernel counted goes with the zombie
        idle = waited(process.pid) - before
        status = process.wait()
        told.seek(0)
        return status, told.read(), idle
