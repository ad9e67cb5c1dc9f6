# SPDX-License-Identifier: GPL-3.0-or-later
"""collectd's plugin snmp."""
from snmp_exporter import names, tables


def data(f):
    kind = "derive" if f.kind == "counter" else "gauge"
    lines = [f'  <Data "{f.object}">', f"    # {f.sentence}", f'    Type "{kind}"', f"    Table {'true' if f.table.index_n else 'false'}"]
    if f.table.index_n:
        lines += [f'    PluginInstance "{f.object}"']
        if names(f.table):
            lines.append(f'    TypeInstanceOID ".{names(f.table)[-1].oid}"')
    else:
        lines += [f'    TypeInstance "{f.object}"']
    return lines + [f'    Values ".{f.oid}"', "  </Data>"]


def files(words):
    wanted = [f for t in tables(words) for f in t.columns if f.kind in ("counter", "gauge", "enum")]
    lines = ["# SPDX-License-Identifier: GPL-3.0-or-later", "# Copy to /etc/collectd/collectd.conf.d/; \"derive\" and \"gauge\" are types of its types.db.",
             "LoadPlugin snmp", "<Plugin snmp>"]
    for f in wanted:
        lines += data(f)
    lines += ['  <Host "edge-media">', '    Address "127.0.0.1"', "    Version 2", '    Community "public"', "    Interval 60"]
    lines += [f'    Collect "{f.object}"' for f in wanted]
    return {"collectd/edge-media.conf": "\n".join(lines + ["  </Host>", "</Plugin>"]) + "\n"}
