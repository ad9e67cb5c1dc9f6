# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana: two dashboards with the same questions, one over /metrics of edgemediad, one over snmp_exporter."""
import json

import snmp_exporter

SCHEMA = 39
UNITS = {"microseconds": "s", "bytes": "bytes", "days": "d"}
WIDTH, HEIGHT = 12, 8
SELECT = 'job=~"$job",instance=~"$instance"'


class Direct:
    """Series as edgemediad names them."""
    title, uid, probe = "Edge Media", "edge-media-direct", "edges.checks"

    def __init__(self, words):
        self.words = words

    def series(self, f, more=""):
        fixed = f",{f.fixed_label}" if f.fixed_label else ""
        return f"{f.family}{{{SELECT}{fixed}{more}}}"

    def legend(self, f):
        words = [f"{{{{{label}}}}}" for label in f.table.labels]
        if f.fixed_label:
            words.append(f"{{{{{f.fixed_label.split('=')[0]}}}}}")
        return " ".join(words) or "{{instance}}"

    def all(self):
        """One list of fields for each panel: a family with fixed labels is one panel."""
        return [fields for fields in self.words.metrics().values() if fields[0].kind in ("counter", "gauge", "number", "time")]

    def name(self, fields):
        return fields[0].family

    def query(self, fields):
        f = fields[0]
        return f"{f.family}{{{SELECT}}}"

    def probe_series(self):
        return self.words.metric(self.probe)

    def scale(self, f):
        return ""


class Exported(Direct):
    """Series as snmp_exporter names them: the MIB's objects."""
    title, uid = "Edge Media by SNMP", "edge-media-snmp"

    def series(self, f, more=""):
        return f"{f.object}{{{SELECT}{more}}}"

    def legend(self, f):
        return " ".join(f"{{{{{n.object}}}}}" for n in snmp_exporter.names(f.table)) or "{{instance}}"

    def all(self):
        return [[f] for t in snmp_exporter.tables(self.words) for f in t.columns if f.kind in ("counter", "gauge", "number")]

    def name(self, fields):
        return fields[0].object

    def query(self, fields):
        return self.series(fields[0])

    def probe_series(self):
        return self.words.field(self.probe).object

    def scale(self, f):
        return " / 1e6" if f.unit == "microseconds" else ""


def target(expression, legend, instant=False):
    entry = {"datasource": {"type": "prometheus", "uid": "$datasource"}, "expr": expression, "legendFormat": legend, "refId": "A"}
    if instant:
        entry.update(instant=True, format="table")
    return entry


def panel(kind, title, description, targets, unit="short", **options):
    for letter, entry in zip("ABCDEFGH", targets):
        entry["refId"] = letter
    return {"type": kind, "title": title, "description": description, "datasource": {"type": "prometheus", "uid": "$datasource"}, "targets": targets,
            "fieldConfig": {"defaults": {"unit": unit, "min": 0, **options.pop("defaults", {})}, "overrides": []}, "options": options.pop("options", {})}


def title_of(f):
    text = f.json.removesuffix("_us").replace("_", " ")
    return f"{f.table.json.replace('_', ' ').capitalize()}: {text}"


def generic(face, fields):
    f = fields[0]
    query, unit = face.query(fields), UNITS.get(f.unit, "short")
    if f.kind == "counter":
        query, unit = f"rate({query}[$__rate_interval])", "cps" if f.unit != "bytes" else "Bps"
    elif f.kind == "time":
        query, unit = f"time() - {query}", "s"
    else:
        query += face.scale(f)
    title = title_of(f)
    if f.kind == "time":
        title += ", age"
    return panel("timeseries", title, f.sentence, [target(query, face.legend(f))], unit)


def first_row(face, words):
    """What an operator looks at first."""
    both, code23, nat = (words.field(f"totals.{name}") for name in ("code_23_tcp_nat", "code_23", "tcp_nat_check"))
    up, down = words.field("daemon.checks_up"), words.field("daemon.checks_down")
    colours = {"mode": "thresholds"}
    steps = {"color": colours, "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "red", "value": 1}]}}
    stat = {"colorMode": "background", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    rise = [target(f"increase({face.series(f)}[1h])", name) for f, name in ((both, "code 23 and TCP NAT"), (code23, "code 23"), (nat, "TCP NAT check"))]
    return [
        panel("stat", "Calls that a firewall may have failed, last hour", both.help, [target(f"increase({face.series(both)}[1h])", "calls")],
              defaults=steps, options=stat),
        panel("stat", "Checks that fail now", down.help, [target(face.series(down), "checks")], defaults=steps, options=stat),
        panel("timeseries", "Failed calls in an hour", code23.help, rise),
        panel("timeseries", "Checks that pass and fail", up.help, [target(face.series(up), "pass"), target(face.series(down), "fail")]),
    ]


def laid_out(rows):
    """[(row's title, panels)] with places and numbers."""
    panels, y, number = [], 0, 1
    for row, (title, inside) in enumerate(rows):
        panels.append({"type": "row", "title": title, "collapsed": False, "id": number, "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []})
        number, y = number + 1, y + 1
        for at, entry in enumerate(inside):
            entry.update(id=number, gridPos={"h": HEIGHT, "w": WIDTH, "x": at % 2 * WIDTH, "y": y + at // 2 * HEIGHT})
            panels.append(entry)
            number += 1
        y += (len(inside) + 1) // 2 * HEIGHT
    return panels


def variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": {"type": "prometheus", "uid": "$datasource"}, "query": query, "definition": query,
            "refresh": 2, "multi": True, "includeAll": True, "allValue": ".+", "current": {"text": "All", "value": "$__all"}, "sort": 1}


def dashboard(face, words):
    rows, last = [("Media", first_row(face, words))], None
    for fields in face.all():
        table = fields[0].table
        if table is not last:
            rows.append((table.help, []))
            last = table
        rows[-1][1].append(generic(face, fields))
    probe = face.probe_series()
    return {
        "uid": face.uid, "title": face.title, "id": None, "schemaVersion": SCHEMA, "version": 1, "editable": False, "graphTooltip": 1, "refresh": "1m",
        "tags": ["edge-media"], "time": {"from": "now-24h", "to": "now"}, "timezone": "", "annotations": {"list": []}, "links": [],
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {"text": "default", "value": "default"}},
            variable("job", "Job", f"label_values({probe}, job)"),
            variable("instance", "Instance", f'label_values({probe}{{job=~"$job"}}, instance)')]},
        "panels": laid_out(rows)}


def files(words):
    return {f"grafana/{face.uid}.json": json.dumps(dashboard(face, words), indent=2) + "\n" for face in (Direct(words), Exported(words))}
