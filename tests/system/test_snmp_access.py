#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what over SNMP, with the tools of net-snmp: nothing can be set, contexts have nothing, SNMPv3 with authentication and privacy,
the view of doc/snmp.md."""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from private_snmpd import Snmpd, find_snmpd  # noqa: E402
from edgemediad import BUILD, Daemon, wait_for  # noqa: E402

SRC = os.environ.get("EM_SRCDIR", ".")
with open(f"{BUILD}/config.h", encoding="ascii") as config:
    ROOT = "." + next(line.split('"')[1] for line in config if line.startswith("#define EM_MIB_ROOT "))
REPORTS, VERSION = f"{ROOT}.1.1.5.0", f"{ROOT}.1.3.1.0"


def user_of(name, auth="SHA-256", privacy="AES"):
    return ("-v3", "-u", name, "-l", "authPriv", "-a", auth, "-A", "authpassword", "-x", privacy, "-X", "privpassword")


class Lab:
    def __init__(self, extra=""):
        self.holder = tempfile.TemporaryDirectory(prefix="em-access-")
        self.snmpd = Snmpd(self.holder.name, extra)
        self.daemon = Daemon(self.holder.name, "", agentx_address=self.snmpd.agentx)

    def __enter__(self):
        self.snmpd.start()
        self.daemon.start()
        wait_for("the session", lambda: self.daemon.status()["daemon"]["snmp_connected"] == 1)
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()
        self.snmpd.close()
        self.holder.cleanup()

    def tool(self, name, *words):
        """(exit status, what it says); the last word is a tuple: what is asked for"""
        *options, what = words
        got = subprocess.run([name, "-t", "1", "-r", "1", "-On", *options, f"127.0.0.1:{self.snmpd.port}", *what], capture_output=True,
                             text=True, check=False, timeout=30,
                             env=dict(os.environ, MIBS="", SNMPCONFPATH="/dev/null", SNMP_PERSISTENT_DIR=f"{self.holder.name}/tool-state"))
        return got.returncode, got.stdout + got.stderr


V2 = ("-v2c", "-c", "private")


def test_nothing_can_be_set():
    with Lab() as lab:
        for what in ((REPORTS, "u", "5"), (VERSION, "s", "mine"), (f"{ROOT}.1.12.1.4.1.1.1", "s", "name"), (f"{ROOT}.9.9.0", "i", "1")):
            status, said = lab.tool("snmpset", *V2, what)
            assert status != 0 and re.search("notWritable|not writable|That object does not support modification", said), (what, said)
        assert "0.1.0" in lab.tool("snmpget", *V2, (VERSION,))[1]


def test_contexts_have_nothing():
    with Lab("createUser reader SHA-256 authpassword AES privpassword\n"
             "view everything included .1\nrouser -s usm reader priv -V everything *\n") as lab:
        status, said = lab.tool("snmpget", *user_of("reader"), (VERSION,))
        assert status == 0 and "0.1.0" in said, said
        status, said = lab.tool("snmpget", *user_of("reader"), "-n", "other", (VERSION,))
        assert status != 0 and "0.1.0" not in said and ("No Response" in said or "ontext" in said), said  # snmpd 5.9 does not answer at all
        assert "0.1.0" in lab.tool("snmpget", *user_of("reader"), (VERSION,))[1], "alive"


def test_version_3_with_authentication_and_privacy():
    users = (("SHA", "AES"), ("SHA-256", "AES"), ("SHA-512", "AES"))
    conf = "".join(f"createUser user{i} {a} authpassword {p} privpassword\nrouser user{i} priv\n" for i, (a, p) in enumerate(users))
    with Lab(conf) as lab:
        want = None
        for i, (auth, privacy) in enumerate(users):
            status, said = lab.tool("snmpbulkwalk", *user_of(f"user{i}", auth, privacy), (f"{ROOT}.1.2",))
            assert status == 0 and (lines := [line for line in said.splitlines() if line.startswith(ROOT)]) and len(lines) == 13 and want in (None, lines), said
            want = lines
        status, said = lab.tool("snmpget", *user_of("user1", "SHA"), (VERSION,))
        assert status != 0 and "uthentication" in said, said
        status, said = lab.tool("snmpget", "-v3", "-u", "user1", "-l", "noAuthNoPriv", (VERSION,))
        assert status != 0 and "authorizationError" in said, said


def test_the_view_of_the_page():
    """doc/snmp.md shows a view: who has it sees our subtree and the system group, and nothing else; as it stands there."""
    with open(f"{SRC}/doc/snmp.md", encoding="utf-8") as f:
        block = re.search(r"```\n(createUser.*?)```", f.read(), re.S).group(1)
    block = block.replace("1.3.6.1.4.1.8072.9999.9999.23", ROOT[1:]).replace('"..."', '"longenough"')
    with Lab(block) as lab:
        who = ("-v3", "-u", "monitor", "-l", "authPriv", "-a", "SHA-256", "-A", "longenough", "-x", "AES", "-X", "longenough")
        assert "0.1.0" in lab.tool("snmpget", *who, (VERSION,))[1]
        assert lab.tool("snmpget", *who, (".1.3.6.1.2.1.1.3.0",))[0] == 0
        assert "No Such" in lab.tool("snmpget", *who, (".1.3.6.1.2.1.25.1.1.0",))[1] or "No more" in lab.tool("snmpwalk", *who, (".1.3.6.1.2.1.25",))[1]
        status, said = lab.tool("snmpset", *who, (VERSION, "s", "mine"))
        assert status != 0, said


if __name__ == "__main__":
    WHY = None if find_snmpd() else "no snmpd"
    tap.run({name: ((lambda: WHY) if WHY else test) for name, test in list(globals().items()) if name.startswith("test_")})
