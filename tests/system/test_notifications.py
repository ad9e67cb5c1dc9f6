#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every notification of the MIB on its way from an observation through edgemediad and a real snmpd to a real snmptrapd, in v2c and in v3
with authentication and privacy; what goes with it is what a GET answers; snmpd away in between."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from private_snmpd import Snmpd, end_with_parent, find_mibs, find_snmpd, free_udp_port  # noqa: E402
from edgemediad import BUILD, Daemon, StunServer, Trace, wait_for  # noqa: E402

ENGINE = "0x80001f8804656d74657374"
USER = "-u trapper -l authPriv -a SHA-256 -A authpassword -x AES -X privpassword"
QUICK = "notification_rate = 600\nnotification_delay = 0\nfinding_clear = 2\nfailure_threshold = 3\n"


def find_trapd():
    return shutil.which("snmptrapd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))


def why_not():
    if not find_snmpd() or not find_trapd():
        return "no snmpd or no snmptrapd"
    return None if find_mibs() else "no base MIBs: set EM_MIBS"


class Trapd:
    """snmptrapd, which writes what it receives to a file: a line for each."""

    def __init__(self, directory):
        self.port = free_udp_port()
        self.path = f"{directory}/traps"
        conf = f"{directory}/snmptrapd.conf"
        os.mkdir(f"{directory}/trapd-state", mode=0o700)
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"authCommunity log traps\ncreateUser -e {ENGINE} trapper SHA-256 authpassword AES privpassword\nauthUser log trapper priv\n"
                    "format2 %P|%V;|%v\\n\noutputOption eQ\n")
        env = dict(os.environ, SNMP_PERSISTENT_DIR=f"{directory}/trapd-state", MIBDIRS=f"{find_mibs()}:{BUILD}/mibs/built",
                   MIBS="EDGE-MEDIA-MIB", SNMPCONFPATH=directory)
        with open(f"{directory}/snmptrapd.log", "ab") as log:
            self.process = subprocess.Popen([find_trapd(), "-f", "-C", "-c", conf, "-Lf", self.path, f"udp:127.0.0.1:{self.port}"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, preexec_fn=end_with_parent)
        wait_for("snmptrapd", lambda: "NET-SNMP version" in self.text(), 10)

    def text(self):
        try:
            with open(self.path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def received(self, version=""):
        """[(name without em, {object with its index: value})] in order"""
        out = []
        for line in self.text().splitlines():
            found = re.match(r".*(TRAP2), SNMP v(\S+),.*?\|(.*)", line)
            if not found or not found.group(2).startswith(version):
                continue
            binds = {}
            for part in found.group(3).split(";"):
                name, eq, value = part.partition(" = ")
                if eq:
                    binds[name.strip().split("::")[-1]] = value.strip().strip('"')
            which = binds.get("snmpModules.1.1.4.1.0", "")
            if which.startswith("EDGE-MEDIA-MIB::em"):
                out.append((which.split("::em")[1], binds))
        return out

    def names(self, version=""):
        return [name for name, _ in self.received(version)]

    def close(self):
        self.process.kill()
        self.process.wait()


class Lab:
    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="em-notify-")
        d = self.d = self.holder.name
        self.trapd = Trapd(d)
        to = f"127.0.0.1:{self.trapd.port}"
        self.snmpd = Snmpd(d, f"trap2sink {to} traps\ntrapsess -v 3 -e {ENGINE} {USER} {to}\n")
        self.snmpd.start()
        self.server = StunServer()

    def daemon(self, body, **options):
        return Daemon(self.d, QUICK + body, agentx_address=self.snmpd.agentx, **options)

    def get(self, *objects):
        out = subprocess.run(["snmpget", "-v2c", "-c", "public", "-OeQ", f"127.0.0.1:{self.snmpd.port}", *[f"EDGE-MEDIA-MIB::{o}" for o in objects]],
                             capture_output=True, text=True, check=True, timeout=20,
                             env=dict(os.environ, MIBDIRS=f"{find_mibs()}:{BUILD}/mibs/built", MIBS="EDGE-MEDIA-MIB", SNMPCONFPATH="/dev/null")).stdout
        return dict(line.split("::", 1)[1].split(" = ", 1) for line in out.splitlines())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.snmpd.close()
        self.trapd.close()
        self.holder.cleanup()


def edge(port, more=""):
    return f'edge "oslo" {{ check "stun" {{ uri = "stun:127.0.0.1:{port}" interval = 1 timeout = 0.3 }} {more} }}\n'


def media_range(port):
    return f'range "media" {{ ports = "{port}" transport = udp host = "127.0.0.1" interval = 1 timeout = 0.3 }}'


def source(d):
    return f'source "fe01" {{ type = trace path = "{d}/logs/*.log" }}\n'


def came(lab, *names):
    for version in ("2c", "3"):
        wait_for(f"{names} over v{version}: {lab.trapd.names()}", lambda v=version: set(names) <= set(lab.trapd.names(v)), 20)


def test_all_of_them_in_v2c_and_v3():
    with Lab() as lab:
        lab.server.silent = True
        with lab.daemon(edge(lab.server.port, media_range(lab.server.port)) + source(lab.d)) as daemon:
            daemon.start()
            came(lab, "CheckFailed", "RangeBlocked", "SourceStalled", "FindingRaised")
            lab.server.silent = False
            os.mkdir(f"{lab.d}/logs")
            trace = Trace(f"{lab.d}/logs/a.log")
            for i in range(3):
                trace.fail(f"call {i}")
            came(lab, "CheckRecovered", "RangeRecovered", "SourceRecovered", "FailureRateHigh")
            daemon.reload("notification_rate = 600\nnotification_delay = 0\nfailure_threshold = 0\n" + edge(lab.server.port))
            came(lab, "FailureRateNormal")
            got = dict(lab.trapd.received("2c"))
            check = got["CheckRecovered"]
            assert check["emCheckEdgeName.1.1.1"] == "oslo" and check["emCheckVerdict.1.1.1"] == "1", check
            assert got["CheckFailed"]["emCheckVerdict.1.1.1"] == "4" and got["CheckFailed"]["emCheckAddress.1.1.1"] == "127.0.0.1", got["CheckFailed"]
            same = [k for k in check if k.startswith("emCheck") and not k.startswith("emCheckReason.")]  # it holds the last round trip
            asked = lab.get(*same)
            assert len(same) == 8 and "emCheckReason.1.1.1" in check and all(asked[k].strip('"') == check[k] for k in same), (asked, check)
            assert got["FailureRateHigh"]["emMediaFailuresLast5Minutes.0"].split(" ")[0] == "3", got["FailureRateHigh"]
            wait_for("the counters", lambda: int(lab.get("emDaemonNotificationsSent.0")["emDaemonNotificationsSent.0"]) >= 9)
            assert lab.get("emDaemonNotificationsDropped.0", "emDaemonSnmpConnected.0") == {
                "emDaemonNotificationsDropped.0": "0", "emDaemonSnmpConnected.0": "1"}
            wait_for("the metric", lambda: re.search(r"^edgemedia_notifications_sent_total ([9]|\d\d)", daemon.get("/metrics")[2].decode(), re.M))


def test_a_finding_is_cleared():
    with Lab() as lab:
        lab.server.silent = True
        with lab.daemon(edge(lab.server.port)) as daemon:
            daemon.start()
            came(lab, "FindingRaised")
            lab.server.silent = False
            wait_for("the end of the finding", lambda: "FindingCleared" in lab.trapd.names("3"))
            raised, cleared = (dict(lab.trapd.received("2c"))[name] for name in ("FindingRaised", "FindingCleared"))
            index = next(k for k in raised if k.startswith("emFindingKind."))
            assert raised[index] == cleared[index] and raised["emFindingText" + index[13:]], (raised, cleared)


def test_the_present_state_after_snmpd_was_away():
    with Lab() as lab:
        with lab.daemon(edge(lab.server.port)) as daemon:
            daemon.start()
            now = lambda name: daemon.status()["daemon"][name]  # noqa: E731
            is_up = lambda: (daemon.check("stun") or {}).get("up") == 1  # noqa: E731
            # a busy machine may have failed the first probe: whatever that led to is over before anything is measured
            wait_for("up", lambda: is_up() and now("snmp_connected") == 1 and now("notifications_pending") == 0)
            wait_for("what was sent", lambda: len(lab.trapd.names()) == 2 * now("notifications_sent"))
            dropped, told = now("notifications_dropped"), len(lab.trapd.names())
            lab.snmpd.kill()
            wait_for("noticed", lambda: now("snmp_connected") == 0)
            lab.server.silent = True
            wait_for("down", lambda: not is_up() and now("notifications_pending") >= 1)
            lab.server.silent = False
            wait_for("up again", lambda: is_up() and now("notifications_dropped") >= dropped + 2)
            lab.server.silent = True
            wait_for("down again", lambda: not is_up() and now("notifications_pending") >= 1)
            assert len(lab.trapd.names()) == told, lab.trapd.names()
            failed, recovered = (lab.trapd.names("2c").count(name) for name in ("CheckFailed", "CheckRecovered"))
            lab.snmpd.start()
            wait_for("CheckFailed in both versions", lambda: all(lab.trapd.names(v).count("CheckFailed") == failed + 1 for v in ("2c", "3")))
            assert "CheckRecovered" not in lab.trapd.names()[told:], lab.trapd.names()
            assert daemon.stop() == 0, daemon.log_text()
            lab.server.silent = False
            daemon.start()  # what the process before it raised is cleared by this one
            wait_for("CheckRecovered in both versions", lambda: all(lab.trapd.names(v).count("CheckRecovered") == recovered + 1 for v in ("2c", "3")))
            assert lab.trapd.names("2c").count("CheckFailed") == failed + 1, lab.trapd.names()


if __name__ == "__main__":
    SKIP = why_not()
    tap.run({name: ((lambda: SKIP) if SKIP else test) for name, test in list(globals().items()) if name.startswith("test_")})
