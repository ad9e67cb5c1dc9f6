#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sits in the middle of the lab's firewall and takes TCP connections over: proxy.py MODE PORT. It says "ready" and goes on until it is
ended. Modes: alert (answers whatever comes with a TLS alert), http (with an HTTP error), mute (takes it and says nothing)."""
import socket
import sys
import threading

ANSWERS = {
    "alert": bytes([0x15, 3, 1, 0, 2, 2, 80]),
    "http": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "mute": b"",
}


def serve(conn, answer):
    with conn:
        conn.settimeout(30)
        try:
            if conn.recv(4096) and answer:
                conn.sendall(answer)
            while conn.recv(4096):
                pass
        except OSError:
            pass


def main():
    mode, port = sys.argv[1:]
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    print("ready", flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], ANSWERS[mode]), daemon=True).start()


if __name__ == "__main__":
    main()
