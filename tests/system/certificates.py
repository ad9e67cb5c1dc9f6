# SPDX-License-Identifier: GPL-3.0-or-later
"""Authorities and certificates for tests, made by the openssl command in a directory of the test; and TLS servers that show them."""
import shutil
import socket
import ssl
import subprocess
import threading

OPENSSL = shutil.which("openssl")


def openssl(*arguments):
    subprocess.run([OPENSSL, *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                   timeout=30)


class Authority:
    def __init__(self, directory, name):
        """name: "/O=Example/CN=Good CA"."""
        self.base = f"{directory}/{name.rsplit('=', 1)[1].replace(' ', '-')}"
        self.certificate, self.key = f"{self.base}.crt", f"{self.base}.key"
        self.count = 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key, "-out",
                self.certificate, "-subj", name, "-days", "3650", "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, names, days=30, usage="serverAuth"):
        """A certificate for "IP:127.0.0.1,DNS:turn.example.com", with its key: two files."""
        self.count += 1
        base = f"{self.base}-{self.count}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{base}.key", "-out",
                f"{base}.csr", "-subj", "/CN=a server of the tests")
        with open(f"{base}.ext", "w", encoding="utf-8") as f:
            f.write(f"subjectAltName={names}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-extfile",
                f"{base}.ext", "-out", f"{base}.crt", "-days", str(days))
        return f"{base}.crt", f"{base}.key"

    def itself(self, names):
        """A certificate that nobody but its own key signed."""
        base = f"{self.base}-itself"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{base}.key", "-out",
                f"{base}.crt", "-subj", "/CN=a server of the tests", "-days", "30", "-addext", f"subjectAltName={names}")
        return f"{base}.crt", f"{base}.key"

    def issue_expired(self, names):
        """openssl x509 -req knows no start in the past; `ca` does."""
        self.count += 1
        base = f"{self.base}-{self.count}"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{base}.key", "-out",
                f"{base}.csr", "-subj", "/CN=a server of the tests")
        with open(f"{base}.cnf", "w", encoding="utf-8") as f:
            f.write(f"[ca]\ndefault_ca=c\n[c]\ndatabase={base}.db\nserial={base}.serial\nnew_certs_dir={base}.d\ndefault_md=sha256\n"
                    f"policy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName={names}\n")
        with open(f"{base}.db", "w", encoding="utf-8"):
            pass
        with open(f"{base}.serial", "w", encoding="utf-8") as f:
            f.write("77\n")
        subprocess.run(["mkdir", f"{base}.d"], check=True)
        openssl("ca", "-batch", "-config", f"{base}.cnf", "-cert", self.certificate, "-keyfile", self.key, "-in", f"{base}.csr", "-out",
                f"{base}.crt", "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-notext")
        return f"{base}.crt", f"{base}.key"


class Server:
    """A loopback TCP server in threads of its own: serve(connection) for each client."""

    def __init__(self, serve):
        self.serve = serve
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection):
        try:
            self.serve(connection)
        except (OSError, ValueError):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.open:
            connection.close()


def server_context(certificate, **options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    for name, value in options.items():
        setattr(context, name, value)
    return context


def pump(source, to):
    try:
        while True:
            data = source.recv(4096)
            if not data:
                break
            to.sendall(data)
    except (OSError, ValueError):
        pass
    for s in (source, to):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def intercepting(certificate, port):
    """What serve() of a Server must be, to end TLS with that certificate and go on in the clear to a TCP port of loopback."""
    def serve(connection):
        with server_context(certificate).wrap_socket(connection, server_side=True) as inside, \
                socket.create_connection(("127.0.0.1", port)) as outside:
            back = threading.Thread(target=pump, args=(outside, inside), daemon=True)
            back.start()
            pump(inside, outside)
            back.join(5)
    return serve
