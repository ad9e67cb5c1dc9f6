#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS of the daemon's own listeners: the web endpoint, and posts and HEP to sources with client certificates; what clients do wrong; a certificate that is
renewed."""
import concurrent.futures
import http.client
import json
import os
import shutil
import socket
import ssl
import sys
import tempfile
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
SRC = os.environ.get("EM_SRCDIR", ".")
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
from certificates import Authority  # noqa: E402
from edgemediad import Daemon, free_port, wait_for  # noqa: E402

SDN = ('<LyncDiagnostics Version="C"><ConnectionInfo><CallId>{call}</CallId><TimeStamp>2026-11-23T10:00:00Z</TimeStamp></ConnectionInfo>'
       '<Error Type="applicationsharing"><Properties><MSDiagnosticsClient>23; reason="x";CallerMediaDebug="application-sharing:'
       'ICEWarn=0x8000100"</MSDiagnosticsClient></Properties></Error></LyncDiagnostics>')
PATIENCE_S = 10
warnings.simplefilter("ignore", DeprecationWarning)  # old versions of TLS are the point


def context(authority, certificate=None, most=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(authority.certificate)
    if certificate:
        c.load_cert_chain(*certificate)
    if most:
        c.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        c.set_ciphers("ALL:@SECLEVEL=0")
        c.maximum_version = most
    return c


def ask(port, how, method="GET", path="/healthz", body=None):
    """(status, body)"""
    c = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=how)
    try:
        c.request(method, path, body=body, headers={"Content-Type": "text/xml"} if body else {})
        answer = c.getresponse()
        return answer.status, answer.read()
    finally:
        c.close()


def is_refused(port, how, **what):
    """With TLS 1.3 a client whose certificate is not taken learns it with the answer only."""
    try:
        got = ask(port, how, **what)
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        return True
    raise AssertionError(f"it was answered {got}")


def shown(port, authority):
    """The serial number of the certificate."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s, \
            context(authority).wrap_socket(s, server_hostname="127.0.0.1") as t:
        return t.getpeercert()["serialNumber"]


def put(certificate, d):
    """As who renews does: the new files in place of the old ones."""
    for path, name in zip(certificate, ("web.crt", "web.key")):
        shutil.copy(path, f"{d}/{name}.new")
        os.chmod(f"{d}/{name}.new", 0o600)
        os.replace(f"{d}/{name}.new", f"{d}/{name}")


def in_the_clear(port):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        c.request("GET", "/healthz")
        return c.getresponse().status
    except (ConnectionError, http.client.HTTPException):
        return None
    finally:
        c.close()


def test_the_web_endpoint_speaks_tls():
    with tempfile.TemporaryDirectory(prefix="em-tls-") as d:
        good = Authority(d, "/O=Example/CN=Good CA")
        put(good.issue("IP:127.0.0.1"), d)
        tls = f'web_certificate = "{d}/web.crt"\nweb_key = "{d}/web.key"\n'
        with Daemon(d, tls) as daemon:
            daemon.start()
            how = context(good)
            assert ask(daemon.port, how)[0] == 200
            assert b"edgemedia_media_call_failures_total" in ask(daemon.port, how, path="/metrics")[1]
            assert json.loads(ask(daemon.port, how, path="/api/v1/status")[1])["schema_version"] == 1
            assert in_the_clear(daemon.port) is None
            assert is_refused(daemon.port, context(good, most=ssl.TLSVersion.TLSv1_1))
            assert is_refused(daemon.port, context(Authority(d, "/O=Example/CN=Other CA")))
            with socket.create_connection(("127.0.0.1", daemon.port), PATIENCE_S) as s, how.wrap_socket(s, server_hostname="127.0.0.1") as t:
                t.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                heard = b""
                while b"event: status" not in heard:
                    heard += t.recv(65536)
            many(daemon.port, how)
            # renewed, half-way first: the old one stays until both files fit
            before = shown(daemon.port, good)
            new = good.issue("IP:127.0.0.1")
            shutil.copy(new[0], f"{d}/web.crt")
            assert shown(daemon.port, good) == before and "stays in force" in daemon.log_text(), daemon.log_text()
            put(new, d)
            after = shown(daemon.port, good)
            assert after != before and "the certificate was read again" in daemon.log_text(), daemon.log_text()
            daemon.reload("")
            assert in_the_clear(daemon.port) == 200
            daemon.reload(tls)
            assert in_the_clear(daemon.port) is None and shown(daemon.port, good) == after
            assert daemon.stop() == 0, daemon.log_text()


def many(port, how):
    """More clients than it takes, who do not say what they should; and somebody who does."""
    idle = []
    try:
        for i in range(80):
            s = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
            s.sendall((b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00", b"\x16\x03\x01\xff\xff", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 300)[i % 6])
            idle.append(s)
        assert ask(port, how)[0] == 200
    finally:
        for s in idle:
            s.close()


def test_clients_need_their_certificate():
    with tempfile.TemporaryDirectory(prefix="em-tls-") as d:
        good, other = Authority(d, "/O=Example/CN=Good CA"), Authority(d, "/O=Example/CN=Other CA")
        put(good.issue("IP:127.0.0.1"), d)
        port = free_port()
        body = (f'source "sdn" {{ type = sdn listen = "127.0.0.1:{port}" certificate = "{d}/web.crt" key = "{d}/web.key" '
                f'client_ca = "{good.certificate}" }}\n')
        client = context(good, good.issue("DNS:sdn.example.com", usage="clientAuth"))
        strangers = [("shows no certificate", context(good)),
                     ("unable to get local issuer", context(good, other.issue("DNS:sdn.example.com", usage="clientAuth"))),
                     ("expired", context(good, good.issue_expired("DNS:sdn.example.com"))),
                     ("unsuitable certificate purpose", context(good, good.issue("DNS:sdn.example.com"))),
                     ("TLS that are too old", context(good, most=ssl.TLSVersion.TLSv1_1))]
        with Daemon(d, body) as daemon:
            daemon.start()
            for words, how in strangers:
                assert is_refused(port, how, method="POST", path="/", body=SDN.format(call="stranger"))
                said = wait_for(words, lambda: words in error(daemon) and error(daemon))  # noqa: B023
                assert "did not get in" in said, said
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s:
                s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                assert s.recv(100) == b""
            wait_for("word of it", lambda: "what came is not TLS" in error(daemon))
            assert daemon.log_text().count("did not get in") == 1, daemon.log_text()  # one a minute
            assert daemon.status()["calls"] == 0
            with concurrent.futures.ThreadPoolExecutor(100) as pool:
                posts = [pool.submit(ask, port, client, "POST", "/", SDN.format(call=f"call-{i}@example.com")) for i in range(100)]
                assert [p.result()[0] for p in posts] == [200] * 100
            wait_for("a snapshot with all of them", lambda: daemon.status()["calls"] == 100)
            assert (daemon.status()["code_23"], daemon.status()["malformed"]) == (100, 0), daemon.status()
            slow(port)
            assert daemon.stop() == 0, daemon.log_text()


def test_agents_send_hep_over_tls():
    with tempfile.TemporaryDirectory(prefix="em-tls-") as d, open(f"{SRC}/tests/vectors/hep/bye.hep", "rb") as f:
        bye = f.read()
        good = Authority(d, "/O=Example/CN=Good CA")
        put(good.issue("IP:127.0.0.1"), d)
        port = free_port()
        body = (f'source "hep" {{ type = hep listen = "127.0.0.1:{port}" certificate = "{d}/web.crt" key = "{d}/web.key" '
                f'client_ca = "{good.certificate}" }}\n')
        agent = context(good, good.issue("DNS:agent.example.com", usage="clientAuth"))
        with Daemon(d, body) as daemon:
            daemon.start()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # no way round TLS
                s.settimeout(PATIENCE_S)
                s.connect(("127.0.0.1", port))
                s.send(bye)
                try:
                    raise AssertionError(s.recv(1))
                except ConnectionRefusedError:
                    pass
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s:
                s.sendall(bye)
                wait_for("word of it", lambda: "did not get in: what came is not TLS" in error(daemon))
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s, context(good).wrap_socket(s, server_hostname="127.0.0.1") as t:
                t.sendall(bye)  # with TLS 1.3 it learns later that it did not get in
                wait_for("word of it", lambda: "shows no certificate" in error(daemon))
            assert daemon.status()["sources"][0]["messages"] == 0, daemon.status()
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s, agent.wrap_socket(s, server_hostname="127.0.0.1") as t:
                for part in (bye + bye[:9], bye[9:-1], bye[-1:]):
                    t.sendall(part)
                wait_for("both packets", lambda: daemon.status()["sources"][0]["messages"] == 2)
            row = daemon.status()
            assert (row["code_23"], row["duplicates"], row["malformed"], error(daemon)) == (1, 1, 0, ""), row
            assert daemon.stop() == 0, daemon.log_text()


def error(daemon):
    return daemon.status()["sources"][0]["error"]


def slow(port):
    """A hello that comes byte by byte is read as one that does not."""
    hello = ssl.MemoryBIO()
    how = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    how.check_hostname, how.verify_mode = False, ssl.CERT_NONE
    try:
        how.wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
    except ssl.SSLWantReadError:
        pass
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in hello.read():
            s.sendall(bytes([byte]))
        assert s.recv(1) == b"\x16"


def test_what_is_configured():
    with tempfile.TemporaryDirectory(prefix="em-tls-") as d:
        good = Authority(d, "/O=Example/CN=Good CA")
        one, two = good.issue("IP:127.0.0.1"), good.issue("IP:127.0.0.1")
        rows = [(f'web_listen = "192.0.2.1:9823"\nweb_certificate = "{one[0]}"\nweb_key = "{one[1]}"\n', None),
                (f'web_certificate = "{one[0]}"\n', "web_certificate needs web_key"),
                (f'web_key = "{one[1]}"\n', "web_key goes with web_certificate"),
                (f'web_client_ca = "{one[0]}"\n', "web_client_ca goes with web_certificate"),
                (f'web_certificate = "{one[0]}"\nweb_key = "{two[1]}"\n', "is not the key"),
                (f'web_certificate = "{d}/none"\nweb_key = "{two[1]}"\n', "No such file"),
                (f'web_certificate = "{one[1]}"\nweb_key = "{one[1]}"\n', "no PEM certificate"),
                (f'source "s" {{ type = sdn listen = "192.0.2.1:1"\ncertificate = "{one[0]}" key = "{one[1]}" }}\n', "remote = yes"),
                (f'source "s" {{ type = sdn listen = "192.0.2.1:1" certificate = "{one[0]}" key = "{one[1]}" client_ca = "{one[0]}" }}\n', None),
                (f'source "s" {{ type = hep listen = "192.0.2.1:1" certificate = "{one[0]}" key = "{one[1]}" client_ca = "{one[0]}" }}\n', None),
                (f'source "s" {{ type = hep listen = "127.0.0.1:1" certificate = "{one[0]}" key = "{two[1]}" }}\n', "is not the key"),
                (f'source "s" {{ type = qoe listen = "127.0.0.1:1" client_ca = "{one[0]}" }}\n', "goes with a certificate"),
                (f'source "s" {{ type = qoe listen = "127.0.0.1:1" certificate = "{one[0]}" }}\n', "needs its key")]
        for text, words in rows:
            with Daemon(d, web_listen="") as daemon:
                daemon.options.pop("web_listen")
                daemon.configure(text)
                status, log = daemon.fails_to_start("--test-config")
                assert (status == 0) == (words is None) and (words or "") in log, (text, status, log)
                os.remove(daemon.log)


if __name__ == "__main__":
    tap.run(globals())
