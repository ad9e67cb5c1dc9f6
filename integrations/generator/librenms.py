# SPDX-License-Identifier: GPL-3.0-or-later
"""LibreNMS: sensors of a Linux host that runs edgemediad."""
from words import GOOD, POOR, WAITING, WINDOW
from yamltext import document

MIB = "EDGE-MEDIA-MIB"
OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3


def generic(name):
    if name in GOOD:
        return OK
    if name in POOR:
        return WARNING
    return UNKNOWN if name == WAITING else CRITICAL


def state(words, table, shown):
    f = words.field(f"{table}.verdict")
    labels = " ".join(f"{{{{ ${words.field(f'{table}.{name}').object} }}}}" for name in shown)
    return {"oid": f"{MIB}::{f.table.snmp}Table", "value": f"{MIB}::{f.object}", "num_oid": f".{f.oid}.{{{{ $index }}}}",
            "descr": labels, "index": f"{f.object}.{{{{ $index }}}}", "state_name": f.object,
            "states": [{"descr": name, "graph": 1, "value": number, "generic": generic(name)} for name, number in f.code.items()]}


def count(words, path, warning, critical):
    f = words.field(path)
    entry = {"oid": f"{MIB}::{f.object}", "num_oid": f".{f.oid.removesuffix('.0')}.{{{{ $index }}}}", "descr": f.sentence.rstrip("."),
             "index": f"{f.object}.{{{{ $index }}}}"}
    if critical is not None:
        entry.update(warn_limit=warning, high_limit=critical)
    return entry


def files(words):
    rows = [state(words, "edges", ["name"]), state(words, "checks", ["edge_name", "name", "address"]), state(words, "ranges", ["edge_name", "name"])]
    counts = [count(words, f"recent.code_23_tcp_nat_{WINDOW}", 0, 2), count(words, f"recent.code_23_{WINDOW}", 5, 10),
              count(words, f"recent.tcp_nat_check_{WINDOW}", None, None), count(words, f"recent.media_failures_{WINDOW}", None, None)]
    return {"librenms/linux-edge-media.yaml": document(
        ["Merge into resources/definitions/os_discovery/linux.yaml, and copy EDGE-MEDIA-MIB.txt to mibs/EDGE-MEDIA-MIB."],
        {"mib": MIB, "modules": {"sensors": {"state": {"data": rows}, "count": {"data": counts}}}})}
