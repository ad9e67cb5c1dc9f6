#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client in the lab that keeps what it has: a TCP connection and a UDP socket towards a responder. hold.py ADDRESS PORT says "ready" once both have
had an answer; for each line on its standard input it asks again over both, and says "alive" or "dead"."""
import os
import socket
import struct
import sys

WAIT_S = 2


def ask(connection, framed):
    tid = os.urandom(12)
    request = struct.pack(">HHI", 1, 8, 0x2112A442) + tid + struct.pack(">HH", 0x8022, 4) + b"hold"  # an answer is at most twice as long
    connection.sendall(struct.pack(">H", len(request)) + request if framed else request)
    answer = connection.recv(1500)[2 if framed else 0:]
    return answer[:2] == b"\x01\x01" and answer[8:20] == tid


def alive(tcp, udp):
    try:
        return ask(tcp, True) and ask(udp, False)
    except OSError:
        return False


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    tcp = socket.create_connection((address, port), WAIT_S)
    udp = socket.socket(tcp.family, socket.SOCK_DGRAM)
    udp.settimeout(WAIT_S)
    udp.connect((address, port))
    print("ready" if alive(tcp, udp) else "dead", flush=True)
    for _ in sys.stdin:
        print("alive" if alive(tcp, udp) else "dead", flush=True)


if __name__ == "__main__":
    main()
