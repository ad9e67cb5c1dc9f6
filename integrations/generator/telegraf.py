# SPDX-License-Identifier: GPL-3.0-or-later
"""Telegraf's inputs.snmp, with numeric OIDs, so that it needs no MIB."""
from snmp_exporter import KINDS, names, tables


def field(f, tag=False, indent="    "):
    section = "inputs.snmp.table.field" if f.table.index_n else "inputs.snmp.field"
    lines = [f"{indent}[[{section}]]", f'{indent}  name = "{f.json}"', f'{indent}  oid = ".{f.oid}"']
    if tag:
        lines.append(f"{indent}  is_tag = true")
    return lines


def files(words):
    lines = ["# SPDX-License-Identifier: GPL-3.0-or-later", "# Copy to /etc/telegraf/telegraf.d/ and name the hosts that run edgemediad.", "[[inputs.snmp]]",
             '  agents = ["udp://127.0.0.1:161"]', "  version = 2", '  community = "public"', '  name = "edgemedia"', '  agent_host_tag = "source"']
    for table in tables(words):
        wanted = [f for f in table.columns if f.kind in KINDS and f.kind != "time"]
        if not table.index_n:
            for f in wanted:
                lines += ["", f"  # {f.sentence}", *field(f, indent="  ")]
            continue
        lines += ["", f"  # {table.help}", "  [[inputs.snmp.table]]", f'    name = "edgemedia_{table.json}"', "    index_as_tag = true",
                  '    inherit_tags = ["source"]']
        for f in names(table):
            lines += field(f, tag=True)
        for f in wanted:
            lines += field(f)
    return {"telegraf/edge-media.conf": "\n".join(lines) + "\n"}
