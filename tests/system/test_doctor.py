#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""edgemedia doctor: each usual reason why a manager sees nothing, made on purpose with a private snmpd, and the line that mends it."""
import http.server
import json
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import namespaces  # noqa: E402
import tap  # noqa: E402
from private_snmpd import Snmpd, find_snmpd  # noqa: E402
from edgemediad import BUILD, Daemon, free_port, wait_for  # noqa: E402

CLI = f"{BUILD}/edgemedia"
WHO = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
with open(f"{BUILD}/config.h", encoding="ascii") as config:
    ROOT = next(line.split('"')[1] for line in config if line.startswith("#define EM_MIB_ROOT "))


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


class Place:
    """A directory with everything as it should be; a test breaks one thing."""

    def __init__(self, d):
        self.d = d
        self.agent = f"127.0.0.1:{free_port()}"
        self.user, self.more = WHO, []
        os.mkdir(f"{d}/mibs")
        for name in ("SNMPv2-SMI", "EDGE-MEDIA-MIB.txt"):
            write(f"{d}/mibs/{name}", "")
        write(f"{d}/snmp.conf", "# mibs :\n")
        self.conf = write(f"{d}/edgemedia.conf", f'agentx_address = "{d}/agentx"\ncontrol_socket = "{d}/control"\n')
        self.snmpd(master="master agentx", socket=f"agentXSocket {d}/agentx", access="rocommunity public default -V ours",
                   view=f"view ours included .{ROOT}", address="agentaddress udp:161")

    def snmpd(self, **lines):
        self.lines = {**getattr(self, "lines", {}), **lines}
        write(f"{self.d}/snmpd.conf", "\n".join(self.lines.values()) + "\n")

    def run(self, *more, inside=()):
        return subprocess.run([*inside, CLI, "doctor", "-c", self.conf, "--snmpd-conf", f"{self.d}/snmpd.conf", "--snmp-conf", f"{self.d}/snmp.conf",
                               "--mib-dir", f"{self.d}/mibs", "--agent", self.agent, "--user", self.user, "--timeout", "0.2", *self.more, *more],
                              capture_output=True, text=True, check=False, timeout=30)

    def looks(self, **how):
        got = self.run("--json", **how)
        answer = json.loads(got.stdout)
        assert answer["schema_version"] == 1 and got.stderr == "", got
        rows = {row["name"]: row for row in answer["checks"]}
        assert answer["bad"] == sum(row["result"] == "bad" for row in rows.values())
        assert got.returncode == (1 if answer["bad"] else 0), got
        return rows

    def one(self, name, result, found, mend="", **how):
        row = self.looks(**how)[name]
        assert row["result"] == result and found in row["found"] and mend in row.get("mend", ""), row
        assert result != "ok" or "mend" not in row, row


def place(test):
    def run():
        with tempfile.TemporaryDirectory(prefix="em-doctor-") as d:
            os.chmod(d, 0o755)
            return test(Place(d))

    return run


class Listener:
    """Something at a Unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class FakeDaemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A control socket with an answer of our own."""
    daemon_threads = True

    def __init__(self, path, status, health=200):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                body = json.dumps(status).encode() if "status" in self.path else b'{"reasons":["the disk is full"]}'
                self.send_response(200 if "status" in self.path else health)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self):
                return "local"

            def log_message(self, *_):
                pass

        super().__init__(path, Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


@place
def test_no_configuration(p):
    os.unlink(p.conf)
    p.one("configuration", "bad", "cannot be read: No such file", "sudo editor")


@place
def test_the_daemon_does_not_run(p):
    p.one("daemon", "bad", "does not run", "sudo systemctl start edgemediad")
    with Listener(f"{p.d}/control"):
        pass
    p.one("daemon", "bad", "Connection refused", "sudo systemctl start edgemediad")


@place
def test_the_control_socket_is_not_for_everybody(p):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return "needs root and setpriv"
    with Listener(f"{p.d}/control"):
        os.chmod(f"{p.d}/control", 0o600)
        other = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        if subprocess.run([*other, CLI, "--version"], capture_output=True, check=False).returncode != 0:
            shutil.copy(CLI, f"{p.d}/edgemedia")  # a build directory that others cannot reach
            other += (f"{p.d}/edgemedia",)
            got = subprocess.run([*other, "doctor", "-c", p.conf, "--json"], capture_output=True, text=True, check=False).stdout
            row = next(r for r in json.loads(got)["checks"] if r["name"] == "daemon")
            assert row["result"] == "bad" and "usermod -aG edgemedia" in row["mend"], row
        else:
            p.one("daemon", "bad", "you may not use", "usermod -aG edgemedia", inside=other)
    return None


@place
def test_what_the_daemon_says_about_itself(p):
    status = {"daemon": {"snmp_connected": 0, "sources": 1},
              "sources": [{"name": "fe01", "state": "waiting", "location": "/var/log/sfb/*.log", "error": ""}],
              "findings": [{"kind": "clock-skew", "text": "the clock of this machine is 900 s ahead"}]}
    with FakeDaemon(f"{p.d}/control", status, health=503):
        p.one("health", "bad", "the disk is full", "--test-config")
        p.one("sources", "bad", "fe01", "cat /var/log/sfb/*.log")
        p.one("clock", "bad", "900 s ahead", "timedatectl set-ntp true")
        p.one("agentx-session", "bad", "not connected")


@place
def test_snmpd_is_no_master(p):
    p.snmpd(master="# master agentx")
    p.one("master-agentx", "bad", 'no line "master agentx"', "echo 'master agentx' | sudo tee -a")


@place
def test_the_socket_is_elsewhere(p):
    p.snmpd(socket="agentXSocket /run/other/master")
    p.one("agentx-socket", "bad", "/run/other/master", f"agentXSocket /run/other/master,{p.d}/agentx")
    p.snmpd(socket=f"agentXSocket {p.d}/agentx")
    p.one("agentx-socket", "bad", "snmpd does not run", "sudo systemctl restart snmpd")
    with Listener(f"{p.d}/agentx"):
        pass
    p.one("agentx-socket", "bad", "snmpd has ended", "sudo systemctl restart snmpd")


@place
def test_the_socket_is_not_for_the_daemon(p):
    with Listener(f"{p.d}/agentx"):
        p.one("agentx-socket", "ok", "may use")
        os.chmod(f"{p.d}/agentx", 0o700)
        p.user = "nobody"
        p.one("agentx-socket", "bad", "agentXPerms", "agentXPerms 0660 0755 Debian-snmp nobody")
        p.user = "no-such-user-here"
        p.one("agentx-socket", "note", "there is no user")


@place
def test_snmp_is_switched_off(p):
    write(p.conf, f'agentx_address = ""\ncontrol_socket = "{p.d}/control"\n')
    p.one("agentx-socket", "bad", "switched off", "agentx_address")


@place
def test_the_community_is_unknown(p):
    p.more = ["--community", "secret"]
    p.one("community", "bad", '"secret"', "rocommunity secret")


@place
def test_the_view_leaves_us_out(p):
    p.one("view", "ok", "sees")
    p.snmpd(view="view ours included .1.3.6.1.2.1.1")
    p.one("view", "bad", '"ours"', f"view ours included .{ROOT}")
    os.mkdir(f"{p.d}/more")
    write(f"{p.d}/more/a.conf", "view ours included .1.3.6.1.4.1\n")
    p.snmpd(more=f"includeDir {p.d}/more")
    p.one("view", "ok", "sees")


@place
def test_snmpd_listens_on_loopback_only(p):
    p.snmpd(address="agentaddress  127.0.0.1,[::1]")
    p.one("agent-address", "note", "another machine", "agentaddress udp:161")


@place
def test_names_of_the_mib(p):
    write(f"{p.d}/snmp.conf", "mibs :\n")
    p.one("mibs-line", "note", '"mibs :"', "mibs +EDGE-MEDIA-MIB")
    p.one("mib-files", "ok", "are there")
    os.unlink(f"{p.d}/mibs/SNMPv2-SMI")
    p.one("mib-files", "note", "SNMPv2-SMI", "npm install")
    os.unlink(f"{p.d}/mibs/EDGE-MEDIA-MIB.txt")
    p.one("mib-files", "note", "EDGE-MEDIA-MIB is in none")


def test_firewall():
    why = namespaces.missing()
    if why:
        return why

    @place
    def look(p):
        inside = ("unshare", "-n")
        for rules, result in (("", "ok"), ("policy drop;", "bad"), ("policy drop; udp dport 161 accept", "ok")):
            write(f"{p.d}/rules", f"table inet filter {{ chain input {{ type filter hook input priority 0; {rules}\n}}\n}}\n")
            p.one("firewall", result, "", "udp dport 161 accept" if result == "bad" else "",
                  inside=(*inside, "sh", "-c", f'nft -f {p.d}/rules && exec "$@"', "sh"))

    return look()


def test_a_private_snmpd():
    """All is well; then the community is wrong, the view is narrow, and snmpd is gone."""
    if not find_snmpd():
        return "no snmpd"
    with tempfile.TemporaryDirectory(prefix="em-doctor-") as d:
        p = Place(d)
        snmpd = Snmpd(d, f"agentaddress udp:127.0.0.1:{free_port()}\nview narrow included .1.3.6.1.2.1.1\nrocommunity small 127.0.0.1 -V narrow\n")
        p.agent = f"127.0.0.1:{snmpd.port}"
        p.conf = f"{d}/edgemedia.conf"
        snmpd.start()
        try:
            with Daemon(d, "", agentx_address=snmpd.agentx) as daemon:
                daemon.start()
                wait_for("the session", lambda: daemon.status()["daemon"]["snmp_connected"] == 1)
                rows = p.looks()
                assert [r["name"] for r in rows.values() if r["result"] == "bad"] == [], rows
                assert all(rows[n]["result"] == "ok" for n in ("daemon", "health", "agentx-socket", "agentx-session", "view", "answer")), rows
                text = p.run()
                assert text.returncode == 0 and "ok      answer: snmpd at" in text.stdout and "\033" not in text.stdout, text
                p.more = ["--community", "small"]
                p.one("view", "bad", '"narrow"')
                p.one("answer", "bad", "its view leaves it out")
                p.more = ["--community", "wrong"]
                p.one("answer", "bad", "the community is wrong")
                p.more = []
                snmpd.kill()
                p.one("answer", "bad", "nobody listens", "sudo systemctl start snmpd")
        finally:
            snmpd.close()
    return None


def test_wrong_usage():
    got = subprocess.run([CLI, "doctor", "now"], capture_output=True, text=True, check=False)
    assert got.returncode == 2 and "no argument" in got.stderr and got.stdout == "", got


if __name__ == "__main__":
    tap.run(globals())
