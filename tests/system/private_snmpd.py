# SPDX-License-Identifier: GPL-3.0-or-later
"""A private snmpd for tests: its own configuration, AgentX socket, UDP port and state, all in one directory of the test."""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.append(f"{os.environ.get('EM_SRCDIR', '.')}/demo")
import free_ports  # noqa: E402
from snmpv2c import Manager, oid  # noqa: E402

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
SYS_UPTIME = oid("1.3.6.1.2.1.1.3.0")


def end_with_parent():
    """For preexec_fn: the kernel ends the child when the test is gone, however that happened."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def find_snmpd():
    return shutil.which("snmpd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))


def find_mibs():
    """The directory with the base MIBs (SNMPv2-SMI, SNMPv2-TC, SNMPv2-CONF), or None: $EM_MIBS, else what the build directory has."""
    build = os.environ.get("EM_BUILDDIR", ".")
    for path in (os.environ.get("EM_MIBS"), f"{build}/mibs-base", f"{build}/node_modules/net-snmp/lib/mibs"):
        if path and any(os.path.exists(f"{path}/SNMPv2-SMI{end}") for end in ("", ".mib", ".txt", ".my")):
            return os.path.abspath(path)
    return None


def free_udp_port():
    return free_ports.take()


def wait_for(what, condition, seconds):
    """The seconds that it took; raises AssertionError when it did not come true."""
    begin = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - begin
        if time.monotonic() - begin > seconds:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


class Snmpd:
    def __init__(self, directory, extra=""):
        self.directory = directory
        self.agentx = f"{directory}/agentx"
        self.port = free_udp_port()
        self.process = None
        with open(f"{directory}/snmpd.conf", "w", encoding="ascii") as conf:
            conf.write(
                f"master agentx\nagentXSocket {self.agentx}\nrocommunity public 127.0.0.1\nrwcommunity private 127.0.0.1\n"
                f"dontLogTCPWrappersConnects yes\n{extra}"
            )

    def start(self):
        env = dict(os.environ, SNMP_PERSISTENT_DIR=f"{self.directory}/state", MIBS="", SNMPCONFPATH=self.directory)
        with open(f"{self.directory}/snmpd.log", "ab") as log:
            self.process = subprocess.Popen(
                [find_snmpd(), "-f", "-Lo", "-I", "-smux", "-C", "-c", f"{self.directory}/snmpd.conf", f"udp:127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                preexec_fn=end_with_parent)
        wait_for("snmpd answers", self.answers, 10)

    def answers(self):
        manager = Manager(self.port, timeout=0.5)
        try:
            return manager.get(SYS_UPTIME)[0][2] >= 0
        except TimeoutError:
            return False
        finally:
            manager.close()

    def kill(self, how=signal.SIGKILL):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(10)
            self.process = None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process:
            self.resume()
            self.kill()
