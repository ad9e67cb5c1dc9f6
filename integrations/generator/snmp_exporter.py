# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' snmp_exporter: generator.yml, and the snmp.yml that it makes, in the form of Debian 12's version too."""
from yamltext import document

MODULE = "edgemedia"
LEFT_OUT = ("recent_failures", "finding_evidence", "port_exceptions")  # rows of text that come and go: for people, not for series
KINDS = {"counter": "counter", "gauge": "gauge", "number": "gauge", "time": "DateAndTime", "stamp": "gauge", "enum": "EnumAsStateSet"}


def tables(words):
    return [t for t in words.tables.values() if t.json not in LEFT_OUT]


def names(table):
    """The columns that say which row it is."""
    return [f for f in table.columns if f.kind == "text" and f.label and not f.metric]


def lookups(words):
    """The names of rows, by the indexes that lead to them."""
    return [([i.object for i in t.indexes], n) for t in tables(words) if t.index_n for n in names(t)]


def metric(words, table, f):
    oid = f.oid.removesuffix(".0")
    entry = {"name": f.object, "oid": oid, "type": KINDS[f.kind], "help": f"{f.sentence} - {oid}"}
    if table.index_n:
        indexes = [i.object for i in table.indexes]
        entry["indexes"] = [{"labelname": name, "type": "gauge"} for name in indexes]
        found = [{"labels": sources, "labelname": n.object, "oid": n.oid, "type": "DisplayString"}
                 for sources, n in lookups(words) if set(sources) <= set(indexes)]
        if found:
            entry["lookups"] = found
    if f.kind == "enum":
        entry["enum_values"] = f.snmp_code
    return entry


def module(words):
    metrics = [metric(words, t, f) for t in tables(words) for f in t.columns if f.kind in KINDS]
    return {"walk": [t.oid for t in tables(words)], "metrics": metrics}


def generator(words):
    columns = [f for t in tables(words) for f in t.fields if f.subid and not f.foreign]
    overrides = {f.object: {"type": "EnumAsStateSet"} for f in columns if f.kind == "enum"}
    overrides.update({f.object: {"ignore": True} for f in columns if f.kind not in KINDS})
    return {"auths": {"public_v2": {"version": 2, "community": "public"}},
            "modules": {MODULE: {"walk": [t.oid for t in tables(words)],
                                 "lookups": [{"source_indexes": sources, "lookup": n.object} for sources, n in lookups(words)],
                                 "overrides": overrides}}}


def files(words):
    made = module(words)
    old = {MODULE: {**made, "version": 2, "auth": {"community": "public"}}}
    new = {"auths": {"public_v2": {"version": 2, "community": "public"}}, "modules": {MODULE: made}}
    usage = ["Scrape with ?module=edgemedia; the community of your snmpd takes the place of \"public\"."]
    return {
        "snmp_exporter/generator.yml": document(["Input of snmp_exporter's generator, version 0.23 or later; EDGE-MEDIA-MIB.txt stands in its mibs/."],
                                                generator(words)),
        "snmp_exporter/snmp.yml": document(["For snmp_exporter 0.23 or later.", *usage], new),
        "snmp_exporter/snmp-0.21.yml": document(["For snmp_exporter up to 0.22, as in Debian 12.", *usage], old),
    }
