# SPDX-License-Identifier: GPL-3.0-or-later
"""A small name server for tests on loopback, over UDP and TCP, which can also be dead, slow and lying.

    Dns({("turn.example.com", "A"): ["127.0.0.1"], ("_turn._udp.example.com", "SRV"): [(10, 5, 3478, "turn.example.com")]})

A name that is not there does not exist; one with other types has no data. In place of a list: "SERVFAIL", "REFUSED", "NOTIMP", "never",
("after", seconds, list), ("raw", bytes behind the header's counts) and ("truncated", list: whole over TCP only)."""
import socket
import struct
import threading
import time

TYPES = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33}
CODES = {"SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
NAMES = {number: name for name, number in TYPES.items()}


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def decode(data, at):
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin1"))
        at += data[at] + 1
    return ".".join(labels), at + 1


def record(owner, kind, value):
    if kind == "A":
        data = socket.inet_aton(value)
    elif kind == "AAAA":
        data = socket.inet_pton(socket.AF_INET6, value)
    elif kind == "CNAME":
        data = encode(value)
    else:
        data = struct.pack(">HHH", *value[:3]) + encode(value[3])
    return encode(owner) + struct.pack(">HHIH", TYPES[kind], 1, 60, len(data)) + data


class Dns:
    def __init__(self, zone, at="127.0.0.1", port=0):
        self.zone = zone
        self.asked = []
        family = socket.AF_INET6 if ":" in at else socket.AF_INET
        while True:
            self.udp = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                self.udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            self.udp.bind((at, port))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp = socket.create_server((at, self.port), family=family, dualstack_ipv6=at == "::")
                break
            except OSError:
                self.udp.close()
                if port:
                    raise
        self.address = f"{at}:{self.port}"
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in (self.udp, self.tcp):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def serve_udp(self):
        while True:
            try:
                data, client = self.udp.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self.one, args=(data, lambda a, c=client: self.udp.sendto(a, c), False), daemon=True).start()

    def serve_tcp(self):
        while True:
            try:
                connection = self.tcp.accept()[0]
            except OSError:
                return
            data = connection.recv(4096)
            self.one(data[2:], lambda a, c=connection: c.sendall(struct.pack(">H", len(a)) + a), True)

    def one(self, data, send, tcp):
        try:
            answer = self.answer(data, tcp)
            if answer:
                send(answer)
        except (OSError, IndexError, struct.error):
            pass

    def answer(self, data, tcp):
        name, at = decode(data, 12)
        kind = NAMES.get(struct.unpack(">H", data[at:at + 2])[0], "?")
        question = data[12:at + 4]
        self.asked.append((name, kind))
        entry = self.zone.get((name.lower(), kind), self.zone.get((name.lower(), "*")))
        if entry is None:
            entry = [] if any(n == name.lower() for n, _ in self.zone) else "NXDOMAIN"
        truncated = False
        if isinstance(entry, tuple) and entry[0] == "after":
            time.sleep(entry[1])
            entry = entry[2]
        if isinstance(entry, tuple) and entry[0] == "truncated":
            truncated, entry = not tcp, entry[1] if tcp else []
        if entry == "never":
            return None
        if isinstance(entry, tuple):
            return data[:2] + b"\x81\x80\0\1" + entry[1]
        code = CODES.get(entry, 0) if isinstance(entry, str) else 0
        records = [] if code else [record(*(r if isinstance(r, tuple) and r[1] in TYPES else (name, kind, r))) for r in entry]
        flags = 0x8180 | code | (0x0200 if truncated else 0)
        return data[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)
