# SPDX-License-Identifier: GPL-3.0-or-later
"""A Zabbix 6.0 template: scalars as items, tables by low-level discovery, value maps, triggers."""
from words import GOOD, POOR, WAITING, WINDOW, stable_uuid
from yamltext import document

TEMPLATE = "Edge Media Monitor by SNMP"
GROUP = "Templates/Applications"
DISCOVERED = ("edges", "checks", "ranges", "sources", "diagnostic_codes", "ice_warning_bits", "media_kinds", "peers")
UNITS = {"bytes": "B", "microseconds": "s", "days": "d"}


def key(f):
    return f"edgemedia.{f.table.json}.{f.json}"


def identity(*words):
    return stable_uuid("zabbix", *words).hex


def tags(component):
    return [{"tag": "component", "value": component.replace("_", "-")}]


def item(f, suffix="", name=None, oid=None):
    entry = {"uuid": identity("item", key(f)), "name": name or f"Edge media: {f.json.replace('_', ' ')}", "type": "SNMP_AGENT",
             "snmp_oid": oid or f.oid, "key": f"{key(f)}{suffix}", "delay": "1m"}
    if f.kind in ("text", "time", "ice"):
        entry.update(value_type="CHAR", history="7d", trends="0")
    elif f.kind == "enum":
        entry["valuemap"] = {"name": f.title}
    elif f.unit == "microseconds":
        entry.update(value_type="FLOAT")
    if f.unit in UNITS:
        entry["units"] = UNITS[f.unit]
    entry["description"] = f.help
    if f.unit == "microseconds":
        entry["preprocessing"] = [{"type": "MULTIPLIER", "parameters": ["0.000001"]}]
    if f.kind == "counter":
        entry["name"] += " per hour"
        entry.update(value_type="FLOAT")
        entry["preprocessing"] = [{"type": "CHANGE_PER_SECOND", "parameters": [""]}, {"type": "MULTIPLIER", "parameters": ["3600"]}]
    entry["tags"] = tags(f.table.json)
    return entry


def trigger(name, expression, priority, description):
    return {"uuid": identity("trigger", name), "expression": expression, "name": name, "priority": priority, "description": description}


def not_good(f):
    """The condition that a verdict is a bad one."""
    last = f"last(/{TEMPLATE}/{key(f)}[{{#SNMPINDEX}}])"
    return " and ".join(f"{last}<>{f.code[word]}" for word in (*GOOD, *POOR, WAITING))


def discovery(table):
    named = [f for f in table.columns if f.kind == "text" and f.label and not f.metric]
    macros = {f: "{#" + f.json.upper() + "}" for f in named}
    shown = " ".join(macros.values())
    prototypes = []
    for f in table.columns:
        if f in named or f.kind in ("ice", "number") or f.json == "up":
            continue
        entry = item(f, "[{#SNMPINDEX}]", f"Edge media: {shown}: {f.json.replace('_', ' ')}", f"{f.oid}.{{#SNMPINDEX}}")
        if f.json == "verdict":
            entry["trigger_prototypes"] = [trigger(f"Edge media: {shown} is {{ITEM.LASTVALUE}}", not_good(f), "HIGH",
                                                   "`edgemedia status` has the reason; `edgemedia findings` what is known about the cause.")]
        prototypes.append(entry)
    return {"uuid": identity("discovery", table.json), "name": f"Edge media: {table.json.replace('_', ' ')}", "type": "SNMP_AGENT",
            "snmp_oid": "discovery[" + ",".join(x for f in named for x in (macros[f], f.oid)) + "]",
            "key": f"edgemedia.{table.json}.discovery", "delay": "10m", "lifetime": "7d", "description": table.help,
            "item_prototypes": prototypes}


def value_maps(words):
    maps = {}
    for table in words.tables.values():
        for f in table.columns:
            if f.kind == "enum":
                maps[f.title] = [{"value": str(number), "newvalue": name} for name, number in f.code.items()]
    return [{"uuid": identity("valuemap", name), "name": name, "mappings": rows} for name, rows in maps.items()]


def scalars(words):
    items = []
    for table in words.tables.values():
        if not table.index_n:
            items += [item(f) for f in table.columns if f.kind != "stamp"]
    by_key = {entry["key"]: entry for entry in items}

    def raise_on(path, name, operator, value, priority, description):
        f = words.field(path)
        by_key[key(f)]["triggers"] = [trigger(name, f"last(/{TEMPLATE}/{key(f)}){operator}{value}", priority, description)]

    raise_on(f"recent.code_23_tcp_nat_{WINDOW}", "Edge media: calls fail with code 23 and the TCP NAT warning", ">", "{$EDGEMEDIA.CODE23.TCPNAT.MAX}", "HIGH",
             "A firewall on the media path makes calls fail like this.")
    raise_on(f"recent.code_23_{WINDOW}", "Edge media: calls fail with code 23", ">", "{$EDGEMEDIA.CODE23.MAX}", "WARNING",
             "Media connectivity failed between inside and remote endpoints.")
    raise_on("daemon.sources_failed", "Edge media: a source of call failures cannot be read", ">", "0", "WARNING", "Failures may go uncounted.")
    return items


def files(words):
    template = {"uuid": identity("template"), "template": TEMPLATE, "name": TEMPLATE,
                "description": "Media paths and failed calls of real-time edges, from edgemediad behind the host's snmpd.",
                "groups": [{"name": GROUP}], "items": scalars(words),
                "discovery_rules": [discovery(words.table(name)) for name in DISCOVERED],
                "macros": [{"macro": "{$EDGEMEDIA.CODE23.MAX}", "value": "10", "description": "Calls of an hour"},
                           {"macro": "{$EDGEMEDIA.CODE23.TCPNAT.MAX}", "value": "2", "description": "Calls of an hour"}],
                "valuemaps": value_maps(words)}
    export = {"zabbix_export": {"version": "6.0", "date": "2026-11-23T00:00:00Z",
                                "groups": [{"uuid": "a571c0d144b14fd4a87a9d9b2aa9fcd6", "name": GROUP}], "templates": [template]}}
    return {"zabbix/edge-media-by-snmp.yaml": document(["Import under Configuration, Templates (Zabbix 6.0 or later)."], export)}
