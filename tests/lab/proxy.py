#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sits in the middle of the lab's firewall and takes over what is redirected to it: proxy.py MODE PORT [FAR-PORT [CERTIFICATE KEY]]. It says
"ready" and goes on until it is ended. Over TCP

    alert      answers whatever comes with a TLS alert          mute    takes it and says nothing
    http       answers with an HTTP error                       tls     ends TLS with the certificate, and passes on what was inside
    rst        passes on, slowly, and resets after RST_S

and over TCP and UDP, passing on: address (rewrites the port of XOR-MAPPED-ADDRESS), address-crc (and makes FINGERPRINT right again), media (changes a
byte of what comes back, once it is media)."""
import os
import select
import socket
import ssl
import struct
import sys
import threading
import time
import zlib

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
from firewall import OUT4, OUT6  # noqa: E402

ANSWERS = {
    "alert": bytes([0x15, 3, 1, 0, 2, 2, 80]),
    "http": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "mute": b"",
}
RST_S, SLOW_S, SLOW_BYTES, MEDIA_AFTER = 0.4, 0.05, 8192, 20000
XOR_MAPPED, FINGERPRINT, CRC_MASK = 0x20, 0x8028, 0x5354554E


def rewrite_address(message, crc):
    """A STUN message with another port in its XOR-MAPPED-ADDRESS."""
    new, at = bytearray(message), 20
    while at + 4 <= len(new):
        kind, length = struct.unpack_from(">HH", new, at)
        if kind == XOR_MAPPED:
            new[at + 6] ^= 1
        if kind == FINGERPRINT and crc:
            struct.pack_into(">I", new, at + 4, zlib.crc32(bytes(new[:at])) ^ CRC_MASK)
        at += 4 + (length + 3) // 4 * 4
    return bytes(new)


def is_media(data):
    """RTP, or a channel's data, or what Microsoft's relays wrap it in: Data indications, data frames."""
    return data[0] == 0x80 or data[0] >> 6 == 1 or data[:2] in (b"\x01\x15", b"\x03\x00")


def rewriting(mode):
    """What is done to bytes on their way back: a function of the bytes, and how many there were before."""
    if mode == "media":
        return lambda data, before: data[:-1] + bytes([data[-1] + 1 & 255]) if is_media(data) or before > MEDIA_AFTER else data
    if mode in ("address", "address-crc"):
        return lambda data, before: rewrite_address(data, mode == "address-crc") if data[0] < 4 else data
    return lambda data, before: data


def pump(near, far, mode):
    """Both ways until one side ends."""
    change, back, end = rewriting(mode), 0, time.monotonic() + (RST_S if mode == "rst" else 30)
    while True:
        ready = select.select([near, far], [], [], max(0, end - time.monotonic()))[0]
        if time.monotonic() >= end:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        for one in ready:
            data = one.recv(SLOW_BYTES)
            if not data:
                return
            (far if one is near else near).sendall(change(data, back) if one is far else data)
            back += len(data) if one is far else 0
        time.sleep(SLOW_S if mode == "rst" else 0)


def serve(conn, mode, far_port, context):
    try:
        with conn:
            conn.settimeout(30)
            if mode in ANSWERS:
                if conn.recv(4096):
                    conn.sendall(ANSWERS[mode])
                while conn.recv(4096):
                    pass
                return
            v4 = conn.getpeername()[0].startswith("::ffff:")
            near = context.wrap_socket(conn, server_side=True) if context else conn
            with socket.create_connection((OUT4 if v4 else OUT6, far_port), 5) as far:
                pump(near, far, mode)
            near.close()
    except OSError:
        pass


def serve_datagrams(listener, mode, far_port):
    """A socket towards the far end for each client."""
    change, clients, back = rewriting(mode), {}, {}
    while True:
        for one in select.select([listener, *clients.values()], [], [])[0]:
            data, client = one.recvfrom(4096)
            if one is not listener:
                client = back[one]
                listener.sendto(change(data, 0), client)
                continue
            if client not in clients:
                v4 = client[0].startswith("::ffff:")
                clients[client] = socket.socket(socket.AF_INET if v4 else socket.AF_INET6, socket.SOCK_DGRAM)
                clients[client].connect((OUT4 if v4 else OUT6, far_port))
                back[clients[client]] = client
            clients[client].send(data)


def main():
    mode, port, far_port = sys.argv[1], int(sys.argv[2]), int((sys.argv + ["50000"])[3])
    context = None
    if mode == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[4:6])
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    datagrams.bind(("::", port))
    threading.Thread(target=serve_datagrams, args=(datagrams, mode, far_port), daemon=True).start()
    print("ready", flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], mode, far_port, context), daemon=True).start()


if __name__ == "__main__":
    main()
