#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's name server: name_server.py ADDRESS PORT HOW. It says "ready" and goes on until it is ended. HOW: true (knows the names below), nothing
(no name exists) or itself (every name is the firewall: a block page)."""
import os
import sys
import threading

sys.path[:0] = [f"{os.environ.get('EM_SRCDIR', '.')}/tests/system", os.path.dirname(os.path.abspath(__file__))]
from dns import Dns  # noqa: E402
from firewall import FIREWALL4, OTHER4, OUT4, OUT6  # noqa: E402

ZONES = {
    "true": {
        ("both.example.com", "A"): [OUT4], ("both.example.com", "AAAA"): [OUT6],
        ("two.example.com", "A"): [OUT4, OTHER4],
        ("slow.example.com", "A"): ("after", 1.2, [OUT4]),
        ("sinkhole.example.com", "A"): ["0.0.0.0"],
    },
    "nothing": {},
    "itself": {("both.example.com", "A"): [FIREWALL4]},
}

if __name__ == "__main__":
    with Dns(ZONES[sys.argv[3]], sys.argv[1], int(sys.argv[2])):
        print("ready", flush=True)
        threading.Event().wait()
