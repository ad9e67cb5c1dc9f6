# SPDX-License-Identifier: GPL-3.0-or-later
"""STUN and TURN servers that do everything wrong, for tests on loopback: one port, UDP and TCP.

    with Hostile("wrong-id") as server: ... server.port

A manner is a function of the request: the pieces of what is sent, each bytes or a number of seconds to wait. What is never closed stays open until the
test ends."""
import os
import socket
import struct
import sys
import threading
import zlib

sys.path[:0] = [f"{os.environ.get('EM_SRCDIR', '.')}/demo"]
import free_ports  # noqa: E402

COOKIE, BINDING, ALLOCATE, SUCCESS, ERROR = 0x2112A442, 1, 3, 0x100, 0x110
XOR_MAPPED, ERROR_CODE, REALM, NONCE, ALTERNATE, SOFTWARE = 0x20, 9, 0x14, 0x15, 0x8023, 0x8022


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def message(request, kind, attributes, tid=None, length=None, fingerprint=True):
    body = b"".join(attributes)
    size = len(body) + (8 if fingerprint else 0) if length is None else length
    out = struct.pack(">HHI", kind, size, COOKIE) + (tid or request[8:20]) + body
    return out + (attribute(0x8028, struct.pack(">I", zlib.crc32(out) ^ 0x5354554E)) if fingerprint else b"")


MAPPED = attribute(XOR_MAPPED, b"\0\1" + struct.pack(">HI", 40000 ^ 0x2112, 0xC6336401 ^ COOKIE))


def method(request):
    return request[1] & 0x0F


def good(request, **how):
    return message(request, method(request) | SUCCESS, [MAPPED], **how)


def error(request, code, *more):
    return message(request, method(request) | ERROR, [attribute(ERROR_CODE, bytes([0, 0, code // 100, code % 100]) + b"no"), *more])


def challenge(request, code=401):
    return error(request, code, attribute(REALM, b"r.example"), attribute(NONCE, os.urandom(8).hex().encode()))


def redirect(request, port):
    return error(request, 300, attribute(ALTERNATE, b"\0\1" + struct.pack(">H", port) + bytes([127, 0, 0, 1])))


def signed(request):
    at = 20
    while at + 4 <= len(request):
        kind, size = struct.unpack_from(">HH", request, at)
        if kind == 6:
            return True
        at += 4 + size + -size % 4
    return False


MANNERS = {
    "good": lambda r, s: [good(r)],
    "wrong-id": lambda r, s: [good(r, tid=os.urandom(12))],
    "length-too-long": lambda r, s: [good(r, length=2000)],
    "length-too-short": lambda r, s: [good(r, length=4)],
    "length-odd": lambda r, s: [good(r, length=21)],
    "attribute-past-the-end": lambda r, s: [message(r, method(r) | SUCCESS, [struct.pack(">HH", XOR_MAPPED, 60000), bytes(8)])],
    "huge-attribute": lambda r, s: [message(r, method(r) | SUCCESS, [MAPPED, attribute(SOFTWARE, b"A" * (60000 if s.tcp else 8000))])],
    "many-attributes": lambda r, s: [message(r, method(r) | SUCCESS, [attribute(0x8001 + i % 9, b"") for i in range(300)] + [MAPPED])],
    "nothing-inside": lambda r, s: [message(r, method(r) | SUCCESS, [])],
    "a-request-back": lambda r, s: [r],
    "noise": lambda r, s: [b"\x81" + os.urandom(200)],
    "noise-for-ever": lambda r, s: [x for _ in range(200) for x in (b"\x81" + os.urandom(1000), 0.01)],
    "indications-for-ever": lambda r, s: [x for _ in range(300) for x in (message(r, 0x17, [attribute(0x13, b"x" * 100)], tid=os.urandom(12)), 0.01)],
    "byte-a-second": lambda r, s: [x for b in good(r) for x in (bytes([b]), 1.0)],
    "never": lambda r, s: [],
    "close": lambda r, s: [None],
    "half": lambda r, s: [good(r)[:30], None],
    "ring": lambda r, s: [redirect(r, s.other.port)],
    "to-itself": lambda r, s: [redirect(r, s.port)],
    "stale-for-ever": lambda r, s: [challenge(r, 438 if signed(r) else 401)],
    "another-realm-each-time": lambda r, s: [error(r, 401, attribute(REALM, os.urandom(4).hex().encode()), attribute(NONCE, b"n"))],
    "refuses": lambda r, s: [challenge(r)],
    "unsigned-success": lambda r, s: [good(r) if signed(r) else challenge(r)],
    "error-without-code": lambda r, s: [message(r, method(r) | ERROR, [])],
    "code-999": lambda r, s: [message(r, method(r) | ERROR, [attribute(ERROR_CODE, bytes([0, 0, 9, 99]))])],
    "nonce-of-5000": lambda r, s: [error(r, 401, attribute(REALM, b"r"), attribute(NONCE, b"n" * 1500))],
}


class Hostile:
    def __init__(self, manner, tcp):
        self.manner, self.tcp, self.other = manner, tcp, self
        self.port = free_ports.take()
        self.stop = threading.Event()
        self.connections = []
        if tcp:
            self.socket = socket.create_server(("127.0.0.1", self.port))
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(("127.0.0.1", self.port))
        threading.Thread(target=self.serve_tcp if tcp else self.serve_udp, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        for s in (self.socket, *self.connections):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def say(self, request, send):
        """False: close."""
        for piece in MANNERS[self.manner](request, self):
            if piece is None:
                return False
            if isinstance(piece, float):
                if self.stop.wait(piece):
                    return False
            else:
                send(piece)
        return True

    def serve_udp(self):
        while not self.stop.is_set():
            try:
                request, client = self.socket.recvfrom(4096)
                if not request:
                    continue
                threading.Thread(target=self.quietly, args=(request, lambda p, c=client: self.socket.sendto(p, c)), daemon=True).start()
            except OSError:
                return

    def quietly(self, request, send):
        try:
            return self.say(request, send)
        except OSError:
            return False

    def serve_tcp(self):
        while not self.stop.is_set():
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve_one, args=(connection,), daemon=True).start()

    def serve_one(self, connection):
        try:
            while True:
                request = connection.recv(4096)
                if not request:
                    return
                if not self.quietly(request, connection.sendall):
                    connection.close()
                    return
        except OSError:
            pass
