#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command that README.md, CONTRIBUTING.md, a page of doc/ or a manual page shows is run: here, on loopback, with what is an example in it replaced;
or by the test that ELSEWHERE names (```console blocks: tests/lab/test_documents.py). A command that neither is true of fails this test."""
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

SRC, BUILD = os.path.abspath(os.environ.get("EM_SRCDIR", ".")), os.path.abspath(os.environ.get("EM_BUILDDIR", "."))
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from edgemediad import Daemon, StunServer, Trace, wait_for  # noqa: E402
from private_snmpd import Snmpd, find_mibs, find_snmpd  # noqa: E402

BESIDE = 6
PROGRAMS = {"edgemedia": f"{BUILD}/edgemedia", "edgemediad": f"{BUILD}/edgemediad", "check_edge_media": f"{BUILD}/plugins/check_edge_media"}
OTHERS = ("snmpwalk", "snmpget", "snmptable", "curl", "ssh", "make", "rpmbuild", "autoreconf", "systemctl", "systemd-sysusers", "systemd-tmpfiles", "install",
          "sudoedit", "sudo", "apt", "./quickstart", "./configure", "demo/lab", "promtool")
# What cannot run beside other tests: a command as it begins, the test that runs the same, and words of that test that show it.
ELSEWHERE = (
    ("./quickstart", "tests/system/test_quickstart.py", "--once"),
    ("autoreconf", "tests/build", "autoreconf"),
    ("./configure", "tests/build", "configure"),
    ("make check", "tests/run", "check"),
    ("make lint", "tests/run", "lint"),
    ("make deb", "tests/packaging/test_deb.py", '"deb", env'),
    ("make install", "tests/system/test_install.py", 'make("install", root)'),
    ("systemd-sysusers", "tests/system/test_install.py", "systemd-sysusers"),
    ("systemd-tmpfiles", "tests/system/test_install.py", "systemd-tmpfiles"),
    ("install -m 644", "tests/system/test_install.py", "snmpd-edgemedia.conf"),
    ("systemctl", None, None),  # a machine whose first process is systemd
    ("/usr/lib/nagios/plugins/check_edge_media --probe", "tests/packaging/test_deb.py", "/usr/lib/nagios/plugins/check_edge_media --probe stun:"),
    ("edgemedia config init", "tests/system/test_config.py", '"init"'),
    ("edgemedia config check", "tests/system/test_config.py", '"check"'),
    ("sudoedit", None, None),  # an editor
    ("ssh", None, None),  # another machine
    ("demo/lab", "tests/lab/test_documents.py", "demo/lab"),
    ("check_edge_media -m code23 -H monitor -v 3", "tests/system/test_plugin.py", "authPriv"),
    ("make", "tests/build", "make"),
)


def without_roff(line):
    for plain, roff in (('"', r"\(dq"), ("-", r"\-"), ("", r"\&"), ("\\", r"\e")):
        line = line.replace(roff, plain)
    return line


def commands_of(path):
    """Lines of indented and fenced blocks, and .Dl of manual pages, that begin with a program; joined by &&: each."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if path.endswith(".md"):
        text = re.sub(r"^```console\n.*?^```$", "", text, flags=re.M | re.S)
        fenced = "\n".join(re.findall(r"^```\n(.*?)^```$", text, re.M | re.S))
        lines = [line[4:] for line in text.splitlines() if line.startswith("    ")] + fenced.splitlines()
    else:
        lines = [without_roff(line.split(" ", 1)[1]) for line in text.splitlines() if line.startswith(".Dl ")]
    for line in lines:
        line = re.sub(r"\s+#.*", "", line.removeprefix("$ ")).strip()
        for part in re.split(r" && ", line):
            part = re.sub(r"^sudo( -u \w+)? ", "", part).strip()
            if part and (part.split()[0] in (*PROGRAMS, *OTHERS) or part.startswith(("build/demo/", "/usr/lib/nagios"))):
                yield part


DOCUMENTS = [f"{SRC}/README.md", f"{SRC}/CONTRIBUTING.md", *sorted(glob.glob(f"{SRC}/doc/*.md")), *sorted(glob.glob(f"{SRC}/doc/*.[1-8]"))]


class Place:
    """A daemon with its logs, its snmpd and an edge that answers, for everything that an example names."""

    def __init__(self, directory):
        self.d = directory
        os.makedirs(f"{directory}/logs")
        shutil.copy(f"{SRC}/demo/sample.log", f"{directory}/sample.log")
        Trace(f"{directory}/logs/a.log").fail("one")
        self.stun = StunServer()
        self.snmpd = Snmpd(directory)
        self.snmpd.start()
        self.daemon = Daemon(directory, f'edge "oslo" {{ check "stun" {{ uri = "stun:127.0.0.1:{self.stun.port}" }} }}\n'
                             f'source "fe01" {{ type = trace path = "{directory}/logs/*.log" }}\n', agentx_address=self.snmpd.agentx)
        self.daemon.start()
        wait_for("the first probe", lambda: self.daemon.status()["daemon"]["checks_up"] == 1, 20)
        wait_for("SNMP", lambda: self.daemon.status()["daemon"]["snmp_connected"] == 1, 20)

    def close(self):
        self.daemon.stop()
        self.snmpd.close()
        self.stun.close()

    def private(self, command):
        """The command with what is an example in it, or what is there once on a machine, replaced by what is private here."""
        for what, by in ((r"^build/demo/", ""), (r"\bdemo/sample\.log", f"{SRC}/demo/sample.log"), (r" \| jq .*", ""), (r"\*\.log", "sample.log"),
                         (r"/var/log/sfb", f"{self.d}/logs"), (r"\b(edge\.example\.(com|org)|198\.51\.100\.2)(:\d+)?", f"127.0.0.1:{self.stun.port}"),
                         (r"(127\.0\.0\.1:\d+) 50000-59999", r"127.0.0.1 50000-50009"), (r"^edgemedia (status|explain|graph|report|findings|failures)",
                                                                                       rf"edgemedia \1 --socket {self.d}/control"),
                         (r"^edgemedia doctor", f"edgemedia doctor --socket {self.d}/control -a 127.0.0.1:{self.snmpd.port}"),
                         (r"/run/edgemedia/control", f"{self.d}/control"), (r"127\.0\.0\.1:9823", f"127.0.0.1:{self.daemon.port}"),
                         (r"^edgemediad --test-config -c \S+", f"edgemediad --test-config -c {self.daemon.conf}"),
                         (r"-H monitor", f"-H 127.0.0.1 -p {self.snmpd.port}"), (r"\blocalhost (?=\.?1\.3|EDGE)", f"127.0.0.1:{self.snmpd.port} "),
                         (r"-M \S+", f"-M {find_mibs()}:{BUILD}/mibs/built"), (r"-C public|-c public|--community \w+", lambda found: found[0].rsplit(" ", 1)[0] + " public")):
            command = re.sub(what, by, command)
        return re.sub(r"^(\w+)", lambda found: PROGRAMS.get(found[1], found[1]), command)

    def run(self, command):
        """What is wrong; None: it ran, and told good or bad news."""
        env = {**os.environ, "SNMPCONFPATH": "/dev/null", "SNMP_PERSISTENT_DIR": f"{self.d}/snmp", "MIBDIRS": f"{find_mibs()}:{BUILD}/mibs/built", "MIBS": ""}
        assert not re.search(r"example\.(com|org)|\b(?!127\.0\.0\.1)\d+\.\d+\.\d+\.\d+:", self.private(command)), f"{command} would leave this machine"
        done = subprocess.run(["bash", "-c", self.private(command)], cwd=self.d, capture_output=True, text=True, check=False, timeout=60, env=env,
                              stdin=subprocess.DEVNULL)
        wrote = done.stdout or re.search(r"--(output|report)", command)
        if done.returncode not in (0, 1) or not wrote or re.search(r"No Such|Usage:", done.stdout + done.stderr):
            return f"{command}\n  run as {self.private(command)}: exit {done.returncode}: {done.stdout[-300:]} {done.stderr[-300:]}"
        return None


def elsewhere(command):
    return next((row for row in ELSEWHERE if command.startswith(row[0])), None)


def test_every_command_runs():
    if not find_snmpd() or not find_mibs():
        return "no snmpd" if find_mibs() else "no base MIBs: set EM_MIBS"
    shown = {command for path in DOCUMENTS for command in commands_of(path)}
    here = sorted(command for command in shown if not elsewhere(command))
    assert len(here) >= 20, here
    with tempfile.TemporaryDirectory(prefix="em-shown-") as d:
        place = Place(d)
        try:
            with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
                wrong = [w for w in pool.map(place.run, here) if w]
        finally:
            place.close()
    print(f"# {len(here)} commands were run here, {len(shown) - len(here)} are run elsewhere")
    assert not wrong, "\n".join(wrong)
    return None


def test_what_is_run_elsewhere_is():
    shown = {command for path in DOCUMENTS for command in commands_of(path)}
    for begins, path, words in ELSEWHERE:
        assert any(elsewhere(command)[0] == begins for command in shown if elsewhere(command)), f"no document shows {begins} any more"
        if path:
            with open(f"{SRC}/{path}", encoding="utf-8") as f:
                assert words in f.read(), f"{path} does not have {words}"


if __name__ == "__main__":
    tap.run(globals())
