#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A relay that speaks Microsoft's TURN dialect over UDP and TCP (pseudo-TLS hello first, then frames), written from the wire description and not from
the code under test: challenge, credentials, allocation, release, and many ways to behave badly. With --relay it relays, too: Send requests and Data
indications over UDP; over TCP Set Active Destination, after which data frames are a connection between two relayed addresses.

    msturn_server.py [--version N] [--user NAME --password TEXT] [--misbehave KIND] [--relay HOW] [ADDRESS [PORT]]

prints "listening on ADDRESS port N" and serves until it is ended. MISBEHAVIOURS and RELAYING list the kinds."""
import argparse
import hashlib
import hmac
import os
import random
import select
import signal
import socket
import struct
import threading
import time

ALLOCATE, SUCCESS, ERROR = 0x0003, 0x0103, 0x0113
SEND, DATA, SET_ACTIVE, ACTIVE, NOT_ACTIVE = 0x0004, 0x0115, 0x0006, 0x0106, 0x0116
CONTROL, END_TO_END = 0x0200, 0x0300  # frames
COOKIE = bytes.fromhex("000f000472c64bc6")
MISBEHAVIOURS = {
    "wrong-id": "answers carry another transaction id",
    "huge": "the challenge carries a software text of 60,000 bytes (TCP) or 8,000 (UDP)",
    "stale": "every signed request gets 438 and a new nonce",
    "redirect": "every request gets 300 and the address of this server",
    "refuse": "401 in answer to every request",
    "no-nonce": "the challenge has no nonce",
    "bad-integrity": "success with an integrity that is wrong",
    "no-integrity": "success without integrity",
    "keep": "the release leaves 55 s of lifetime",
    "cut": "answers lack their last byte",
    "mute": "reads and never answers",
    "mute-hello": "TCP: answers the hello, then nothing",
    "drip": "TCP: a byte of the answer each half second",
    "alert": "TCP: a TLS alert in answer to the hello",
    "split-hello": "TCP: the hello in two records",
    "no-hello": "TCP: the hello is taken for a frame: FIN",
    "http": "TCP: HTTP in answer to the hello",
    "standard": "answers in standard STUN",
    "quota": "486 in answer to every signed request",
}

RELAYING = {
    "all": "every packet",
    "most": "UDP: three of four",
    "one-way": "what the first allocation sends",
    "none": "no packet",
    "altered": "the last byte of each packet is another one",
    "refused": "TCP: Set Active Destination is answered with 403",
    "closed": "TCP: the connection ends with the third packet",
}


def attr(kind, value):
    return struct.pack("!HH", kind, len(value)) + value  # no padding


def address(endpoint, xor=bytes(16)):
    ip, port = endpoint[:2]
    raw = socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)
    port ^= int.from_bytes(xor[:2], "big")
    return struct.pack("!BBH", 0, 2 if ":" in ip else 1, port) + bytes(a ^ b for a, b in zip(raw, xor))


def endpoint(value):
    return (socket.inet_ntop(socket.AF_INET6 if value[1] == 2 else socket.AF_INET, value[4:]), int.from_bytes(value[2:4], "big"))


def parse(data):
    """(type, transaction id, {attribute: value}, offset of the integrity), or None."""
    if len(data) < 28 or data[20:28] != COOKIE or len(data) != 20 + int.from_bytes(data[2:4], "big"):
        return None
    found, at, integrity = {}, 20, None
    while at + 4 <= len(data):
        kind, size = struct.unpack_from("!HH", data, at)
        if at + 4 + size > len(data):
            return None
        if kind == 0x0008:
            integrity = at
        found.setdefault(kind, data[at + 4:at + 4 + size])
        at += 4 + size
    return (int.from_bytes(data[:2], "big"), data[4:20], found, integrity) if at == len(data) else None


class Relay:
    """port 0: one that is free on UDP and TCP both. history: a dict for each request that was understood."""

    def __init__(self, host="127.0.0.1", port=0, *, user=b"user1", password=b"pass", realm=b'"rtcmedia"', version=2, misbehave=None,
                 alternate=None, relaying=None):
        """relaying: one of RELAYING; None: allocations are made of nothing."""
        assert misbehave is None or misbehave in MISBEHAVIOURS, misbehave
        self.host, self.user, self.password, self.realm, self.version = host, user, password, realm, version
        self.misbehave, self.alternate, self.relaying, self.sent = misbehave, alternate, relaying, 0
        assert relaying is None or relaying in RELAYING, relaying
        self.nonces, self.allocations, self.history, self.clients = {}, {}, [], []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        while True:
            self.tcp, self.udp = socket.socket(family, socket.SOCK_STREAM), socket.socket(family, socket.SOCK_DGRAM)
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.tcp.bind((host, port))
            try:
                self.udp.bind((host, self.tcp.getsockname()[1]))
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
                if port:
                    raise
        self.port = self.tcp.getsockname()[1]
        self.tcp.listen(16)
        self.stop_r, self.stop_w = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.failure = None

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        os.write(self.stop_w, b"x")
        self.thread.join(10)
        for s in (self.tcp, self.udp, *(c["socket"] for c in self.clients)):
            s.close()
        for peer in list(self.allocations):
            self.release(peer)
        os.close(self.stop_r)
        os.close(self.stop_w)
        if self.failure:
            raise self.failure

    # --- messages

    def key(self, nonce, sha256):
        realm = self.realm.strip(b'"')
        if not sha256:
            return hashlib.md5(self.user + b":" + realm + b":" + self.password).digest()
        first = hmac.new(nonce, self.password, hashlib.sha256).digest()
        return hmac.new(first, b"\x01TURN\x00" + self.user + realm + b"\x00\x00\x01\x00", hashlib.sha256).digest()

    @staticmethod
    def digest(key, text, sha256):
        return hmac.new(key, text + bytes(-len(text) % 64), hashlib.sha256 if sha256 else hashlib.sha1).digest()

    def message(self, kind, tid, attributes, sign=None):
        """sign: (nonce, sha256)."""
        body = COOKIE + b"".join(attributes)
        size = len(body) + ((36 if sign[1] else 24) if sign else 0)
        data = struct.pack("!HH", kind, size) + tid + body
        if sign:
            key = self.key(*sign) if self.misbehave != "bad-integrity" else b"another key"
            data += attr(0x0008, self.digest(key, data, sign[1]))
        return data

    def error(self, tid, code, reason, *more, sign=None):
        return self.message(ERROR, tid, [attr(0x8008, struct.pack("!I", self.version)),
                                         attr(0x0009, bytes([0, 0, code // 100, code % 100]) + reason), *more], sign)

    def challenge(self, tid, peer, code=401, udp=True):
        nonce = os.urandom(19)  # an odd size: what follows it is not aligned
        self.nonces[peer] = nonce
        at = self.alternate or (self.host, self.port)
        more = [attr(0x000E, address(at)), attr(0x0014, nonce), attr(0x0015, self.realm), attr(0x0001, address((self.host, self.port))),
                attr(0x8095, b"session1"), attr(0x8020, address(peer, tid))]
        if self.misbehave == "no-nonce":
            del more[1]
        if self.misbehave == "huge":
            more.append(attr(0x8022, b"x" * (8000 if udp else 60000)))
        return self.error(tid, code, b"401 Unauthorized: a reason of some length", *more)

    def answer(self, data, peer, udp):
        request = parse(data)
        if not request or request[0] not in ((ALLOCATE, SEND, SET_ACTIVE) if self.relaying else (ALLOCATE,)):
            return None
        _, tid, found, integrity = request
        lifetime = found.get(0x000D)
        self.history.append({"signed": integrity is not None, "lifetime": lifetime and int.from_bytes(lifetime, "big"), "udp": udp,
                             "attributes": list(found), "version": found.get(0x8008), "size": len(found.get(0x0008, b"")), "bytes": data})
        if self.misbehave == "standard":
            return struct.pack("!HH", ERROR, 8) + tid + attr(0x0009, b"\0\0\4\1")
        if self.misbehave == "wrong-id":
            tid = tid[:-1] + bytes([tid[-1] ^ 1])
        if self.misbehave == "redirect":
            return self.error(tid, 300, b"Try Alternate", attr(0x000E, address((self.host, self.port))))
        if integrity is None or self.misbehave == "refuse":
            return self.challenge(tid, peer, udp=udp)
        return self.signed(data, peer, request, tid)

    def signed(self, data, peer, request, tid):
        found, integrity = request[2], request[3]
        nonce = self.nonces.get(peer)
        sha256 = self.version >= 3 and int.from_bytes(found.get(0x8008, b"\0"), "big") >= 3
        if self.misbehave == "stale" or found.get(0x0014) != nonce:
            return self.challenge(tid, peer, 438)
        right = found.get(0x0015) == self.realm and found.get(0x0006) == self.user and \
            hmac.compare_digest(found[0x0008], self.digest(self.key(nonce, sha256), data[:integrity], sha256)) and \
            found.get(0x8095) == b"session1" and integrity + 4 + len(found[0x0008]) == len(data)
        if not right:
            return self.challenge(tid, peer)
        if self.misbehave == "quota":
            return self.error(tid, 486, b"Allocation Quota Reached", sign=(nonce, sha256))
        if request[0] == ALLOCATE:
            return self.allocate(peer, found, tid, (nonce, sha256))
        allocation = self.allocations[peer]
        self.count(allocation, found)
        if request[0] == SEND:
            self.send(allocation, endpoint(found[0x0011]), found[0x0013])
            return None
        return self.set_active(allocation, endpoint(found[0x0011]), tid, (nonce, sha256))

    def count(self, allocation, found):
        """A client that did not see or believe our success does not know the connection; Send requests may get lost, and their numbers with them."""
        if 0x8050 in found:
            connection, number = found[0x8050][:20], int.from_bytes(found[0x8050][20:], "big")
            next_one = allocation["number"] + 1
            assert connection == allocation["connection"] and (number > allocation["number"] if self.relaying else number == next_one), found[0x8050]
            allocation["number"] = number

    def allocate(self, peer, found, tid, sign):
        lifetime = int.from_bytes(found.get(0x000D, struct.pack("!I", 60)), "big")
        allocation = self.allocations.get(peer) or {"peer": peer, "connection": os.urandom(20), "number": 0, "relayed": (self.host, 50123), "allowed": set(),
                                                    "listening": None, "through": None}
        self.count(allocation, found)
        if lifetime and self.relaying and not allocation["listening"]:
            self.open(allocation)
        if lifetime:
            self.allocations[peer] = allocation
        else:
            self.release(peer)
        lifetime = 55 if self.misbehave == "keep" and not lifetime else lifetime
        attributes = [attr(0x000D, struct.pack("!I", lifetime)), attr(0x0001, address(allocation["relayed"])),
                      attr(0x8008, struct.pack("!I", self.version)), attr(0x8020, address(peer, tid)),
                      attr(0x8050, allocation["connection"] + struct.pack("!I", allocation["number"])), attr(0x8022, b"7.0.1.2.3")]
        return self.message(SUCCESS, tid, attributes, None if self.misbehave == "no-integrity" else sign)

    def release(self, peer):
        allocation = self.allocations.pop(peer, None)
        for name in ("listening", "through"):
            if allocation and allocation[name]:
                allocation[name].close()

    # --- relaying

    def open(self, allocation):
        """The relayed address, of the transport that it was asked for over, in the range of an edge."""
        tcp = any(c["peer"] == allocation["peer"] for c in self.clients)
        while True:
            s = socket.socket(self.udp.family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
            try:
                s.bind((self.host, random.randint(50000, 59999)))
                break
            except OSError:
                s.close()
        if tcp:
            s.listen(4)
        allocation.update(listening=s, relayed=s.getsockname()[:2], first=not self.allocations)

    def through(self, allocation, data):
        """What of a packet gets through; None: nothing."""
        self.sent += 1
        if self.relaying == "none" or (self.relaying == "one-way" and not allocation["first"]) or (self.relaying == "most" and self.sent % 4 == 0):
            return None
        if self.relaying == "closed" and allocation["through"] and self.sent > 2:
            allocation["through"].close()
            allocation["through"] = None
            return None
        return data[:-1] + bytes([(data[-1] + 1) % 256]) if self.relaying == "altered" else data

    def send(self, allocation, to, data):
        allocation["allowed"].add(to[0])
        data = self.through(allocation, data)
        if data:
            allocation["listening"].sendto(data, to)

    def set_active(self, allocation, to, tid, sign):
        """The peer of a data connection: it is connected to, and may connect. A connection that the other side does not want ends at once."""
        if self.relaying == "refused":
            return self.message(NOT_ACTIVE, tid, [attr(0x0009, b"\0\0\4\3Forbidden")], sign)
        while select.select([allocation["listening"]], [], [], 0)[0]:
            allocation["listening"].accept()[0].close()  # it came before it was wanted
        allocation["allowed"].add(to[0])
        s = socket.socket(self.udp.family, socket.SOCK_STREAM)
        s.connect(to)
        allocation["through"] = s
        return self.message(ACTIVE, tid, [], sign)

    def relay(self, allocation, ready):
        """What came to a relayed address, or over its data connection."""
        peer, listening = allocation["peer"], allocation["listening"]
        client = next((c for c in self.clients if c["peer"] == peer), None)
        if listening in ready and client and select.select([listening], [], [], 0)[0]:  # set_active() may have taken it
            s, far = listening.accept()
            if far[0] in allocation["allowed"]:
                allocation["through"] = s
            else:
                s.close()
        elif listening in ready and not client:
            data, far = listening.recvfrom(65536)
            if far[0] in allocation["allowed"]:
                message = struct.pack("!HH", DATA, len(COOKIE) + len(address(far)) + 4 + 4 + len(data)) + os.urandom(16) + COOKIE + \
                    attr(0x0012, address(far)) + attr(0x0013, data)
                self.udp.sendto(message, peer)
        if allocation["through"] and allocation["through"] in ready:
            try:
                data = allocation["through"].recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                allocation["through"].close()
                allocation["through"] = None
            elif client:
                client["socket"].sendall(struct.pack("!HH", END_TO_END, len(data)) + data)

    # --- transports

    def run(self):
        try:
            self.serve()
        except Exception as e:  # what the client did wrong: told by __exit__
            self.failure = e

    def serve(self):
        while True:
            sockets = {c["socket"]: c for c in self.clients}
            relayed = [s for a in self.allocations.values() for s in (a["listening"], a["through"]) if s]
            ready, _, _ = select.select([self.stop_r, self.tcp, self.udp, *sockets, *relayed], [], [])
            if self.stop_r in ready:
                return
            if self.udp in ready:
                data, peer = self.udp.recvfrom(65536)
                answer = self.answer(data, peer[:2], True) if self.misbehave != "mute" else None
                if answer:
                    self.udp.sendto(answer[:-1] if self.misbehave == "cut" else answer, peer)
            if self.tcp in ready:
                s, peer = self.tcp.accept()
                self.clients.append({"socket": s, "peer": peer[:2], "bytes": b"", "greeted": False})
            for s in ready:
                if s in sockets:
                    self.read(sockets[s])
            for allocation in list(self.allocations.values()):
                self.relay(allocation, ready)

    def end(self, client):
        client["socket"].close()
        self.release(client["peer"])
        self.clients.remove(client)

    def read(self, client):
        try:
            data = client["socket"].recv(65536)
        except OSError:
            data = b""
        if not data:
            self.end(client)
            return
        client["bytes"] += data
        try:
            if self.misbehave != "mute":
                self.greet(client)
                self.frames(client)
        except (BrokenPipeError, ConnectionResetError):
            self.end(client)

    def greet(self, client):
        hello, fixed = client["bytes"][:50], bytes.fromhex("160301002d010000290301")
        if client["greeted"] or len(hello) < 50:
            return
        client["bytes"], client["greeted"] = client["bytes"][50:], True
        assert hello[:11] == fixed and hello[43:] == bytes.fromhex("00000200180100"), hello.hex()
        say = bytes.fromhex("160301004e020000460301") + os.urandom(32) + b"\x20" + os.urandom(32) + bytes.fromhex("0018000e000000")
        if self.misbehave == "split-hello":
            say = bytes.fromhex("160301004a") + say[5:79] + bytes.fromhex("1603010004") + say[79:]
        elif self.misbehave == "alert":
            say = bytes.fromhex("15030100020228")
        elif self.misbehave == "http":
            say = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        elif self.misbehave == "no-hello":
            self.end(client)
            return
        client["socket"].sendall(say)

    def frames(self, client):
        while client in self.clients and client["greeted"] and len(client["bytes"]) >= 4 and self.misbehave != "mute-hello":
            kind, size = struct.unpack_from("!HH", client["bytes"])
            assert kind == CONTROL or (kind == END_TO_END and self.relaying), client["bytes"].hex()
            if len(client["bytes"]) < 4 + size:
                return
            what, client["bytes"] = client["bytes"][4:4 + size], client["bytes"][4 + size:]
            if kind == END_TO_END:
                self.forward(self.allocations[client["peer"]], what)
                continue
            answer = self.answer(what, client["peer"], False)
            if answer:
                self.say(client, struct.pack("!HH", CONTROL, len(answer)) + answer)

    def forward(self, allocation, data):
        data = self.through(allocation, data)
        if data and allocation["through"]:
            allocation["through"].sendall(data)

    def say(self, client, data):
        if self.misbehave != "drip":
            client["socket"].sendall(data[:-1] if self.misbehave == "cut" else data)
            return
        for byte in data:
            client["socket"].sendall(bytes([byte]))
            time.sleep(0.5)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    args.add_argument("address", nargs="?", default="127.0.0.1")
    args.add_argument("port", nargs="?", type=int, default=0)
    args.add_argument("--user", default="user1")
    args.add_argument("--password", default="pass")
    args.add_argument("--version", type=int, default=2)
    args.add_argument("--misbehave", choices=MISBEHAVIOURS)
    args.add_argument("--relay", choices=RELAYING)
    how = args.parse_args()
    with Relay(how.address, how.port, user=how.user.encode(), password=how.password.encode(), version=how.version,
               misbehave=how.misbehave, relaying=how.relay) as relay:
        print(f"listening on {how.address} port {relay.port}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
