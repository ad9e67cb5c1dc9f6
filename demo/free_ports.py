#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints ports of 127.0.0.1 that nobody uses, UDP and TCP both, as shell assignments: free_ports.py NAME[=COUNT]...; NAME=10 gives a run of
ten as NAME_FIRST and NAME_LAST. They lie below the range from which the kernel takes the ports of outgoing connections. Tests import take():
its ports stay theirs until they end, since each port goes with a name that only one process of this network namespace can have."""
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
    """A socket with the name of the port, and sockets bound to the port over TCP and UDP; or None."""
    held = []
    for family, kind, address in ((socket.AF_UNIX, socket.SOCK_DGRAM, f"\0edgemedia-port-{port}"),
                                  (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
                                  (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port))):
        s = socket.socket(family, kind)
        held.append(s)
        try:
            s.bind(address)
        except OSError:
            for each in held:
                each.close()
            return None
    return held


def run_of(count, taken):
    """The first of count ports in a row; taken gets what holds each."""
    top = max(ephemeral_first(), 12000)
    for _ in range(1000):
        first = random.randrange(10000, top - count)
        held = {}
        for port in range(first, first + count):
            held[port] = hold(port)
            if not held[port]:
                break
        if all(held.values()):
            taken.update(held)
            return first
        for each in filter(None, held.values()):
            for s in each:
                s.close()
    sys.exit("free_ports: found none")


NAMES = []  # of the ports that this process took


def take(count=1):
    """The first of count ports in a row that nobody uses, and that no other process gets from here as long as this one lives."""
    held = {}
    first = run_of(count, held)
    for name, *bound in held.values():
        NAMES.append(name)
        for s in bound:
            s.close()
    return first


def main():
    taken = {}  # keeps the sockets until all are found
    for argument in sys.argv[1:]:
        name, _, count = argument.partition("=")
        first = run_of(int(count or 1), taken)
        if count:
            print(f"{name}_FIRST={first} {name}_LAST={first + int(count) - 1}")
        else:
            print(f"{name}_PORT={first}")


if __name__ == "__main__":
    main()
