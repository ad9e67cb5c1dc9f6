#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints ports of 127.0.0.1 that nobody uses, UDP and TCP both, as shell assignments: free_ports.py NAME[=COUNT]...; NAME=10 gives a run of
ten as NAME_FIRST and NAME_LAST. They lie below the range from which the kernel takes the ports of outgoing connections."""
import random
import socket
import sys


def ephemeral_first():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
            return int(f.read().split()[0])
    except OSError:
        return 32768


def hold(port):
    """Both sockets bound to the port, or None."""
    held = []
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET, kind)
        held.append(s)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            for each in held:
                each.close()
            return None
    return held


def run_of(count, top, taken):
    for _ in range(1000):
        first = random.randrange(10000, top - count)
        ports = range(first, first + count)
        held = [] if any(p in taken for p in ports) else [hold(p) for p in ports]
        if held and all(held):
            taken.update(dict(zip(ports, held)))
            return first
    sys.exit("free_ports: found none")


def main():
    top = max(ephemeral_first(), 12000)
    taken = {}  # keeps the sockets until all are found
    for argument in sys.argv[1:]:
        name, _, count = argument.partition("=")
        first = run_of(int(count or 1), top, taken)
        if count:
            print(f"{name}_FIRST={first} {name}_LAST={first + int(count) - 1}")
        else:
            print(f"{name}_PORT={first}")


if __name__ == "__main__":
    main()
