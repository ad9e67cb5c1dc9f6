#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what is made of the catalogue into a copy of the source tree's folders: what other monitoring systems need to show the numbers
(integrations/, see doc/integrations.md), and the operator's reference (doc/). generate.py BUILD OUT"""
import os
import sys

sys.dont_write_bytecode = True
import checkmk  # noqa: E402
import collectd  # noqa: E402
import completion  # noqa: E402
import grafana  # noqa: E402
import icinga  # noqa: E402
import librenms  # noqa: E402
import prometheus  # noqa: E402
import reference  # noqa: E402
import snmp_exporter  # noqa: E402
import telegraf  # noqa: E402
import zabbix  # noqa: E402
from words import Words  # noqa: E402

ROOT = "1.3.6.1.4.1.8072.9999.9999.23"  # the default of configure --with-mib-root, as in mibs/EDGE-MEDIA-MIB.txt
INTEGRATIONS = (icinga, prometheus, grafana, snmp_exporter, telegraf, zabbix, librenms, collectd, checkmk, completion)
FOLDERS = {"integrations": INTEGRATIONS, "doc": (reference,)}


def main():
    build, out = sys.argv[1:]
    words = Words(build, ROOT)
    for folder, modules in FOLDERS.items():
        for module in modules:
            for name, text in module.files(words).items():
                path = os.path.join(out, folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)


main()
