#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""STUN and TURN over TLS: coturn with good, expired, misnamed and unknown certificates, a proxy that ends TLS with a certificate of its
own, servers that are none, and a daemon that remembers who issued the certificate."""
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from certificates import OPENSSL, Authority, Server, intercepting, server_context  # noqa: E402
from edgemediad import Daemon, wait_for  # noqa: E402
from test_probe import TURNSERVER, Coturn  # noqa: E402

NAMES = "IP:127.0.0.1,DNS:turn.example.com"
SECRET = ("--use-auth-secret", "--static-auth-secret=north")


def probe(uri, *options, timeout="5"):
    """What the command says of one address, and its exit status."""
    got = subprocess.run([f"{BUILD}/edgemedia", "probe", "--json", "--timeout", timeout, *options, uri], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=30, check=False)
    assert got.returncode in (0, 1), got
    rows = [json.loads(line) for line in got.stdout.splitlines()]
    assert len(rows) == 1, got
    return rows[0], got.returncode


class Scene:
    """A directory with two authorities, gone afterwards."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="em-tls-")
        self.directory = self.temporary.name
        self.good = Authority(self.directory, "/O=Example/CN=Good CA")
        self.other = Authority(self.directory, "/O=Firewall Inc/CN=Inspection CA")
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()


def needs(*what):
    return next((f"no {name} here" for name, there in zip(("turnserver", "openssl"), what) if not there), None)


def test_coturn_over_tls():
    if needs(TURNSERVER, OPENSSL):
        return needs(TURNSERVER, OPENSSL)
    with Scene() as s, Coturn(*SECRET, tls=s.good.issue(NAMES, days=30)) as server:
        secret = f"{s.directory}/secret"
        with open(secret, "w", encoding="utf-8") as f:
            f.write("north\n")
        for uri in (f"stuns:127.0.0.1:{server.tls_port}", f"turns:127.0.0.1:{server.tls_port}?transport=tcp"):
            r, status = probe(uri, "--ca-file", s.good.certificate)
            assert status == 0 and r["verdict"] == "ok" and r["transport"] == "tls", r
            assert r["certificate_days_left"] == 29 and r["certificate_issuer"] == "CN=Good CA,O=Example", r
            assert 0 < r["phases"]["tls_us"] < 3e6 and r["phases"]["connect_us"] > 0 and r["phases"]["stun_us"] > 0, r
        r, status = probe(f"turns:127.0.0.1:{server.tls_port}", "--ca-file", s.good.certificate, "--secret-file", secret)
        assert status == 0 and r["verdict"] == "ok" and r["relayed_address"].startswith("127.0.0.1:"), r
        assert "lifetime=0" in server.text(), server.text()
        r, status = probe(f"turns:127.0.0.1:{server.tls_port}", "--ca-file", s.good.certificate, "--issuer", "CN=Good CA,O=Example")
        assert status == 0, r
        r, status = probe(f"turns:127.0.0.1:{server.tls_port}")
        assert status == 1 and r["verdict"] == "tls-failed" and "not trusted here" in r["reason"] and "Good CA" in r["reason"], r
        r, status = probe(f"turns:127.0.0.1:{server.tls_port}", "--insecure")
        assert status == 0 and r["verdict"] == "ok" and "(insecure: the certificate is from" in r["reason"], r
    return None


def test_the_plugin():
    if needs(TURNSERVER, OPENSSL):
        return needs(TURNSERVER, OPENSSL)
    with Scene() as s, Coturn(*SECRET, tls=s.good.issue(NAMES, days=30)) as server:
        for options, status, words in ((["--ca-file", s.good.certificate], 0, "OK"), (["-v"], 2, "not trusted here"),
                                       (["--insecure", "-vv"], 0, "(insecure: the certificate is from"), (["-v", "--ca-file", "/nowhere"], 3, "/nowhere")):
            got = subprocess.run([f"{BUILD}/plugins/check_edge_media", f"--probe=turns:127.0.0.1:{server.tls_port}", *options],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
            assert got.returncode == status and words in got.stdout, got
    return None


def test_certificates_that_are_not_good():
    if needs(TURNSERVER, OPENSSL):
        return needs(TURNSERVER, OPENSSL)
    with Scene() as s:
        for certificate, words, days in ((s.good.issue_expired(NAMES), "the certificate expired on 2021-01-01, ", None),
                                         (s.good.issue("IP:127.0.0.2,DNS:other.example.com"),
                                          "the certificate is not for 127.0.0.1 but for other.example.com", 29),
                                         (s.other.issue(NAMES), "the certificate is from CN=Inspection CA,O=Firewall Inc", 29)):
            with Coturn(*SECRET, tls=certificate) as server:
                r, status = probe(f"turns:127.0.0.1:{server.tls_port}", "--ca-file", s.good.certificate)
                assert status == 1 and r["verdict"] == "tls-failed" and words in r["reason"], r
                assert r["certificate_days_left"] == days if days else r["certificate_days_left"] < -1000, r
                assert r["phases"]["tls_us"] > 0 and "stun_us" not in r["phases"] and r["sent"] == 0, r
                r, status = probe(f"turns:127.0.0.1:{server.tls_port}", "--insecure")
                assert status == 0 and "(insecure: the certificate" in r["reason"], r
    return None


def test_certificate_signed_by_itself():
    if needs(TURNSERVER, OPENSSL):
        return needs(TURNSERVER, OPENSSL)
    with Scene() as s, Coturn(*SECRET, tls=s.good.itself(NAMES)) as server:
        r, status = probe(f"stuns:127.0.0.1:{server.tls_port}")
        assert status == 1 and r["verdict"] == "tls-failed" and "signed by itself" in r["reason"], r
    return None


def test_proxy_that_ends_tls():
    if needs(TURNSERVER, OPENSSL):
        return needs(TURNSERVER, OPENSSL)
    with Scene() as s, Coturn(*SECRET) as server, Server(intercepting(s.other.issue(NAMES), server.port)) as proxy:
        uri = f"turns:127.0.0.1:{proxy.port}"
        r, status = probe(uri, "--ca-file", s.good.certificate, "--issuer", "CN=Good CA,O=Example")
        assert status == 1 and r["verdict"] == "intercepted" and "Inspection CA" in r["reason"] and "Good CA" in r["reason"], r
        r, status = probe(uri, "--ca-file", s.other.certificate, "--issuer", "CN=Good CA,O=Example")  # a firewall's CA on this machine
        assert status == 1 and r["verdict"] == "intercepted", r
        r, status = probe(uri, "--ca-file", s.good.certificate)
        assert status == 1 and r["verdict"] == "tls-failed", r
        r, status = probe(uri, "--ca-file", s.other.certificate)  # it passes TURN on: without a recorded issuer it cannot be told
        assert status == 0, r
    return None


def say(data, then=None):
    def serve(connection):
        connection.recv(4096)
        connection.sendall(data)
        if then != "close":
            time.sleep(8)
        connection.close()
    return serve


def old_tls(certificate):
    def serve(connection):
        context = server_context(certificate)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.wrap_socket(connection, server_side=True)
    return serve


def one_byte_a_moment(data):
    def serve(connection):
        connection.recv(4096)
        for b in data:
            connection.sendall(bytes([b]))
            time.sleep(0.3)
    return serve


def test_servers_that_are_none():
    if needs(True, OPENSSL):
        return needs(True, OPENSSL)
    with Scene() as s:
        rows = (("HTTP", say(b"HTTP/1.1 400 Bad Request\r\n\r\n", "close"), "intercepted", "HTTP/1.1 400 Bad Request"),
                ("SSH", say(b"SSH-2.0-x\r\n"), "protocol-error", "SSH-2.0-x"),
                ("control characters", say(b"\x1b[2J\x07"), "protocol-error", "1b 5b 32 4a 07"),
                ("an alert", say(b"\x15\x03\x03\x00\x02\x02\x28"), "tls-failed", "alert 40"),
                ("damage", say(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"), "tls-failed", "the TLS handshake failed"),
                ("the end", say(b"", "close"), "tls-failed", "closed during the TLS handshake, after 0 bytes"),
                ("silence", say(b""), "silent", "no answer to the TLS handshake"),
                ("an endless record", one_byte_a_moment(b"\x16\x03\x03\x40\x00" + bytes(40)), "silent", "TLS handshake"),
                ("old TLS", old_tls(s.good.issue(NAMES)), "tls-failed", "TLS"))
        for name, serve, verdict, words in rows:
            with Server(serve) as server:
                start = time.monotonic()
                r, status = probe(f"stuns:127.0.0.1:{server.port}", timeout="1.5")
                assert status == 1 and r["verdict"] == verdict and words in r["reason"], (name, r)
                assert "\x1b" not in json.dumps(r) and time.monotonic() - start < 2.5, (name, r)
    return None


def test_server_that_resets():
    def serve(connection):
        connection.recv(4096)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    with Server(serve) as server:
        r, status = probe(f"turns:127.0.0.1:{server.port}")
        assert status == 1 and r["verdict"] == "reset" and "during the TLS handshake" in r["reason"], r


def test_ca_file_that_is_none():
    with Server(say(b"")) as server:
        for path, words in (("/nonexistent/ca.pem", "cannot be read: No such file"), ("/dev/null", "no PEM certificate")):
            r, status = probe(f"turns:127.0.0.1:{server.port}", "--ca-file", path)
            assert status == 1 and r["verdict"] == "error" and words in r["reason"], r


def row_of(daemon):
    checks = daemon.status()["checks"]
    return checks[0] if checks and checks[0]["verdict"] != "untested" else None


def test_daemon_remembers_the_issuer():
    if needs(TURNSERVER, OPENSSL):
        return needs(TURNSERVER, OPENSSL)
    with Scene() as s, Coturn(*SECRET) as server:
        both = f"{s.directory}/both.pem"  # the firewall's authority is trusted on this machine, as it will be
        with open(both, "w", encoding="utf-8") as to:
            for authority in (s.good, s.other):
                with open(authority.certificate, encoding="utf-8") as f:
                    to.write(f.read())
        certificate = [s.good.issue(NAMES, days=30)]
        with Server(lambda c: intercepting(certificate[0], server.port)(c)) as front:
            body = f"""edge "e" {{ check "c" {{ uri = "turns:127.0.0.1:{front.port}"  interval = 1  ca_file = "{both}" }} }}\n"""
            daemon = Daemon(s.directory, body).start()
            try:
                row = wait_for("a first result", lambda: row_of(daemon))
                assert row["verdict"] in ("ok", "degraded") and row["certificate_days_left"] == 29, row
                assert row["certificate_issuer"] == "CN=Good CA,O=Example" and row["certificate_expiry"][:2] == "20", row
                assert row["tls_us"] > 0, row
                certificate[0] = s.good.issue(NAMES, days=90)
                row = wait_for("the new certificate", lambda: (r := row_of(daemon))["certificate_days_left"] == 89 and r)
                assert row["verdict"] in ("ok", "degraded"), row
                assert daemon.stop() == 0
                certificate[0] = s.other.issue(NAMES, days=60)
                daemon.start()
                row = wait_for("another issuer", lambda: row_of(daemon))
                assert row["verdict"] == "intercepted" and "Inspection CA" in row["reason"] and row["up"] == 0, row
                certificate[0] = s.good.issue(NAMES, days=50)
                row = wait_for("the old issuer again", lambda: (r := row_of(daemon))["certificate_days_left"] == 49 and r)
                assert row["verdict"] in ("ok", "degraded"), row
                certificate[0] = s.other.issue(NAMES, days=60)
                daemon.configure(body.replace("interval = 1", 'interval = 1  issuer = "CN=Inspection CA,O=Firewall Inc"'))
                daemon.stop()
                daemon.start()
                row = wait_for("the issuer of the configuration", lambda: row_of(daemon))
                assert row["verdict"] in ("ok", "degraded"), row
            finally:
                daemon.stop()
    return None


if __name__ == "__main__":
    tap.run(globals())
