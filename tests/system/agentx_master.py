# SPDX-License-Identifier: GPL-3.0-or-later
"""A small AgentX master for tests (RFC 2741): it takes subagents in, asks them, and breaks the rules when it is told to."""
import os
import socket
import struct

OPEN, CLOSE, REGISTER, UNREGISTER, GET, GET_NEXT, NOTIFY, PING, INDEX, DEINDEX, ADD_CAPS, REMOVE_CAPS, RESPONSE = 1, 2, 3, 4, 5, 6, 12, 13, 14, 15, 16, 17, 18
NETWORK_ORDER = 0x10
HEADER = 20
REQUEST_DENIED = 268


def oid(numbers, include=False):
    return struct.pack(">BBBB", len(numbers), 0, include, 0) + b"".join(struct.pack(">I", n) for n in numbers)


def pdu(kind, session, transaction, packet, payload=b"", flags=NETWORK_ORDER):
    return struct.pack(">BBBBIIII", 1, kind, flags, 0, session, transaction, packet, len(payload)) + payload


class Session:
    """One subagent that has connected."""

    def __init__(self, connection, number=1):
        self.socket = connection
        self.socket.settimeout(10)
        self.number = number
        self.asked = 0

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def receive(self):
        """(kind, session, transaction, packet, payload)"""
        head = self.read(HEADER)
        flags = head[2]
        _, kind, _, _, session, transaction, packet, size = struct.unpack((">" if flags & NETWORK_ORDER else "<") + "BBBBIIII", head)
        return kind, session, transaction, packet, self.read(size)

    def answer(self, message, error=0, session=None):
        _, number, transaction, packet, _ = message
        self.send(pdu(RESPONSE, self.number if session is None else session, transaction, packet, struct.pack(">IHH", 100, error, 0)))
        return number

    def send(self, data):
        self.socket.sendall(data)

    def welcome(self, errors=None):
        """Answers until the objects are registered: (kinds seen). errors: {kind: error}"""
        kinds = []
        while True:
            message = self.receive()
            kinds.append(message[0])
            self.answer(message, (errors or {}).get(message[0], 0))
            if message[0] == ADD_CAPS or (errors and message[0] in errors):
                return kinds

    def next_kind(self, kind):
        """Answers everything until a message of that kind comes."""
        while True:
            message = self.receive()
            if message[0] == kind:
                return message
            if message[0] != RESPONSE:
                self.answer(message)

    def get(self, numbers, kind=GET):
        """The payload of the answer."""
        self.asked += 1
        self.send(pdu(kind, self.number, self.asked, self.asked, oid(numbers) + oid(())))
        while True:
            message = self.next_kind(RESPONSE)
            if message[3] == self.asked:
                return message[4]

    def ended(self):
        """Whether the subagent has closed it; answers what it asks until then."""
        try:
            while True:
                self.answer(self.receive())
        except EOFError:
            return True
        except OSError as e:
            return not isinstance(e, TimeoutError)

    def close(self):
        self.socket.close()


class Master:
    def __init__(self, path):
        self.path = path
        self.listener = None
        self.listen()

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.listener.settimeout(20)

    def accept(self, number=1):
        return Session(self.listener.accept()[0], number)

    def close(self):
        self.listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
