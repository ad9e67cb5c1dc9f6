#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what other monitoring systems need to show this one's numbers: generate.py BUILD OUT. See doc/integrations.md."""
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
import snmp_exporter  # noqa: E402
import telegraf  # noqa: E402
import zabbix  # noqa: E402
from words import Words  # noqa: E402

ROOT = "1.3.6.1.4.1.8072.9999.9999.23"  # the default of configure --with-mib-root, as in mibs/EDGE-MEDIA-MIB.txt
MODULES = (icinga, prometheus, grafana, snmp_exporter, telegraf, zabbix, librenms, collectd, checkmk, completion)


def main():
    build, out = sys.argv[1:]
    words = Words(build, ROOT)
    for module in MODULES:
        for name, text in module.files(words).items():
            path = os.path.join(out, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)


main()
