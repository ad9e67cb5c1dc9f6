#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real agents: Kamailio's siptrace sends HEP of what passes through it to edgemediad, SIP traffic comes from sipp, and what sipp says of its calls
is what is counted; posts over HTTP to the same daemon."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

SRC = os.environ.get("EM_SRCDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from edgemediad import Daemon, free_port, wait_for  # noqa: E402

KAMAILIO = shutil.which("kamailio", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
SIPP = shutil.which("sipp")
CALLS = 20

KAMAILIO_CONF = """
debug=1
log_stderror=yes
children=1
listen=udp:127.0.0.1:{sip}
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "siptrace.so"
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", {version})
modparam("siptrace", "hep_capture_id", 2001)
modparam("siptrace", "duplicate_uri", "sip:127.0.0.1:{hep}")
request_route {{
    sip_trace();
    sl_send_reply("200", "OK");
}}
"""

# Every call ends with one BYE, which the caller repeats once under the same Call-ID, as a second hop would show it.
BYE = """  <send{retrans}>
    <![CDATA[
      BYE sip:ola@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:kari@contoso.example>;tag=[call_number]
      To: <sip:ola@fabrikam.example>;tag=7
      Call-ID: [call_id]
      CSeq: {cseq} BYE
      Max-Forwards: 70
      Ms-client-diagnostics: 23; reason="Call failed to establish due to a media connectivity failure when one endpoint is internal and the other is remote";CallerMediaDebug="audio:ICEWarn=0x8000100,LocalMR=198.51.100.1:50001,RemoteMR=203.0.113.9:52000"
      Content-Length: 0

    ]]>
  </send>
  <recv response="200"/>
"""
SCENARIO = ('<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="media failures">\n'
            + BYE.format(cseq=2, retrans=' retrans="500"') + BYE.format(cseq=3, retrans=' retrans="500"') + "</scenario>\n")


def missing():
    return next((f"no {name} here" for name, there in (("kamailio", KAMAILIO), ("sipp", SIPP)) if not there), None)


class Kamailio:
    def __init__(self, directory, hep, version=3):
        self.port = free_port()
        self.conf = f"{directory}/kamailio.cfg"
        self.log = f"{directory}/kamailio.log"
        self.directory = directory
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(KAMAILIO_CONF.format(sip=self.port, hep=hep, version=version))

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([KAMAILIO, "-DD", "-E", "-f", self.conf, "-Y", self.directory, "-w", self.directory, "-m", "16", "-M", "4"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()[-2000:]


def call(directory, port, calls):
    """sipp's calls through Kamailio; it repeats what is not answered yet, so Kamailio may still be starting."""
    scenario = f"{directory}/scenario.xml"
    with open(scenario, "w", encoding="utf-8") as f:
        f.write(SCENARIO)
    got = subprocess.run([SIPP, "-sf", scenario, "-i", "127.0.0.1", "-p", str(free_port()), "-m", str(calls), "-r", "100", "-timeout", "20s",
                          "-timeout_error", "-nostdin", f"127.0.0.1:{port}"],
                         cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert got.returncode == 0, f"sipp ended with {got.returncode}: {got.stdout[-1500:]} {got.stderr[-500:]}"


def source(daemon, name):
    return next(row for row in daemon.status()["sources"] if row["name"] == name)


def until(daemon, name, ready):
    """The row of the source as soon as it is ready."""
    return wait_for(f"the source {name}", lambda: (lambda row: row if ready(row) else None)(source(daemon, name)))


@contextlib.contextmanager
def listening(kind):
    """(its directory, the daemon, the port of its only source, which is named as its kind)"""
    with tempfile.TemporaryDirectory(prefix="em-listen-") as directory:
        port = free_port()
        with Daemon(directory, f'source "{kind}" {{ type = {kind} listen = "127.0.0.1:{port}" }}\n') as daemon:
            daemon.start()
            yield directory, daemon, port


def test_kamailio_and_sipp():
    if missing():
        return missing()
    with listening("hep") as (directory, daemon, port), Kamailio(directory, port) as kamailio:
        call(directory, kamailio.port, CALLS)
        row = until(daemon, "hep", lambda r: r["messages"] >= 2 * CALLS)
        assert row["malformed"] == 0, (row, kamailio.said())
        assert row["type"] == "hep" and row["state"] == "caught-up" and row["location"] == f"127.0.0.1:{port}", row
        counted = daemon.status()
        assert counted["code_23"] == counted["tcp_nat_check"] == counted["code_23_tcp_nat"] == counted["calls"] == CALLS, counted
        assert counted["duplicates"] == counted["reports"] - CALLS and counted["unkeyed"] == 0, counted
    return None


def test_an_old_version():
    if missing():
        return missing()
    with listening("hep") as (directory, daemon, port), Kamailio(directory, port, version=2) as kamailio:
        call(directory, kamailio.port, 1)
        row = until(daemon, "hep", lambda r: r["malformed"] >= 2)
        assert "let the agent send version 3" in row["error"] and row["reports"] == 0, row
    return None


def test_posts():
    with listening("sdn") as (_, daemon, port):
        with open(f"{SRC}/tests/vectors/sdn/error.xml", "rb") as f:
            body = f.read()
        for _ in range(2):
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            c.request("POST", "/site", body, {"Content-Type": "text/xml"})
            assert c.getresponse().status == 200
            c.close()
        row = until(daemon, "sdn", lambda r: r["messages"])
        assert row["messages"] == 1 and row["malformed"] == 0 and row["reports"] == 2, row


if __name__ == "__main__":
    tap.run(globals())
