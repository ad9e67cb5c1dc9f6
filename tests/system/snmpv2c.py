# SPDX-License-Identifier: GPL-3.0-or-later
"""A small SNMPv2c manager for tests: requests over UDP with BER written by hand, values as they are on the wire, so that a test
compares octets and not what a tool prints. GET, GETNEXT, GETBULK; no retries but the time-out's."""
import socket

GET, GETNEXT, RESPONSE, SET, GETBULK = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5
INTEGER, OCTETS, NULL, OID, GAUGE, TICKS, COUNTER64 = 0x02, 0x04, 0x05, 0x06, 0x42, 0x43, 0x46
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB = 0x80, 0x81, 0x82


def _length(n):
    if n < 0x80:
        return bytes([n])
    body = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(body)]) + body


def _tlv(tag, body):
    return bytes([tag]) + _length(len(body)) + body


def _integer(n, tag=INTEGER):
    return _tlv(tag, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def _subid(n):
    out = [n & 0x7F]
    n >>= 7
    while n:
        out.append(0x80 | (n & 0x7F))
        n >>= 7
    return bytes(reversed(out))


def _oid(oid):
    body = _subid(oid[0] * 40 + oid[1]) if len(oid) > 1 else _subid(oid[0] * 40)
    return _tlv(OID, body + b"".join(_subid(n) for n in oid[2:]))


def _read(data, at):
    """(tag, value octets, position behind)"""
    tag, n, at = data[at], data[at + 1], at + 2
    if n & 0x80:
        size = n & 0x7F
        n, at = int.from_bytes(data[at : at + size], "big"), at + size
    return tag, data[at : at + n], at + n


def _parse_oid(body):
    numbers, value = [], 0
    for octet in body:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return (first, numbers[0] - 40 * first, *numbers[1:])


def _parse_value(tag, body):
    if tag == INTEGER:
        return int.from_bytes(body, "big", signed=True)
    if tag in (GAUGE, TICKS, COUNTER64, 0x41):
        return int.from_bytes(body, "big")
    if tag == OID:
        return _parse_oid(body)
    return bytes(body)


def oid(text):
    return tuple(int(n) for n in text.strip(".").split("."))


def packet(kind, names, request_id=1, a=0, b=0, community=b"public"):
    """A whole request; a and b are non-repeaters and max-repetitions of a GETBULK."""
    binds = b"".join(_tlv(0x30, _oid(n) + _tlv(NULL, b"")) for n in names)
    pdu = _tlv(kind, _integer(request_id) + _integer(a) + _integer(b) + _tlv(0x30, binds))
    return _tlv(0x30, _integer(1) + _tlv(OCTETS, community) + pdu)


class Manager:
    def __init__(self, port, community="public", timeout=5.0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(timeout)
        self.community = community.encode()
        self.request_id = 0

    def close(self):
        self.socket.close()

    def request(self, kind, names, a=0, b=0):
        """[(oid, tag, value)]; raises TimeoutError without an answer, RuntimeError on an error status."""
        self.request_id = self.request_id % 0x7FFFFFFF + 1
        self.socket.send(packet(kind, names, self.request_id, a, b, self.community))
        while True:
            try:
                answer = self.socket.recv(65536)
            except ConnectionRefusedError:
                raise TimeoutError("nobody listens") from None
            got = self._parse(answer)
            if got is not None:
                return got

    def _parse(self, data):
        _, message, _ = _read(data, 0)
        at = _read(message, 0)[2]
        at = _read(message, at)[2]
        _, pdu, _ = _read(message, at)
        _, request_id, at = _read(pdu, 0)
        if int.from_bytes(request_id, "big") != self.request_id:
            return None  # late answer to a request given up
        _, status, at = _read(pdu, at)
        _, index, at = _read(pdu, at)
        _, binds, _ = _read(pdu, at)
        if int.from_bytes(status, "big"):
            raise RuntimeError(f"error-status {int.from_bytes(status, 'big')} at {int.from_bytes(index, 'big')}")
        out, at = [], 0
        while at < len(binds):
            _, bind, at = _read(binds, at)
            _, name, value_at = _read(bind, 0)
            tag, value, _ = _read(bind, value_at)
            out.append((_parse_oid(name), tag, _parse_value(tag, value)))
        return out

    def get(self, *names):
        return self.request(GET, names)

    def next(self, *names):
        return self.request(GETNEXT, names)

    def walk(self, root, bulk=0):
        """Everything below root, in the order of the agent."""
        out, name = [], root
        while True:
            for bind in self.request(GETBULK, [name], 0, bulk) if bulk else self.next(name):
                if bind[0][: len(root)] != root or bind[1] == END_OF_MIB:
                    return out
                if bind[0] <= name:
                    raise RuntimeError(f"not increasing: {name} then {bind[0]}")
                out.append(bind)
                name = bind[0]
