#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One snapshot, three faces: what SNMP answers, what /api/v1/status says and what /metrics says are the same numbers. The snapshot is
made up and holds every kind of value, some too large for SNMP's gauges, some texts that are no UTF-8."""
import datetime
import json
import os
import re
import shutil
import subprocess
import sys

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests"]
import tap  # noqa: E402

GAUGE_MAX = 2**32 - 1
ROWS = 20


def run(program, *arguments):
    out = subprocess.run([f"{BUILD}/tests/agree/{program}", *arguments], capture_output=True, check=True).stdout
    return json.loads(out)


CATALOGUE = run("dump_catalogue")["tables"]
FACES = run("dump_faces", str(ROWS))
STATUS = FACES["status"]


def snmp_rows():
    """{table's json name: [{field's json name: value}, ...]}, rows in order; texts as bytes"""
    rows = {t["json"]: {} for t in CATALOGUE}
    by_arc = {t["arc"]: t for t in CATALOGUE}
    for name, kind, value in FACES["snmp"]:
        arc, *rest = (int(n) for n in name.split("."))
        t = by_arc[arc]
        if t["index_n"]:
            subid, index = rest[1], tuple(rest[2:])
        else:
            subid, index = rest[0], ()
        field = next(f for f in t["fields"] if f["subid"] == subid and not f["foreign"])
        rows[t["json"]].setdefault(index, {})[field["json"]] = bytes.fromhex(value) if kind == 4 else value
    return {t: [rows[t][index] for index in sorted(rows[t])] for t in rows}


SNMP = snmp_rows()


def date(octets):
    """Microseconds of a DateAndTime in UTC, which has tenths of a second; None: never."""
    if octets == bytes(8):
        return None
    assert len(octets) == 11 and octets[8:] == b"+\0\0", octets
    year, month, day, hour, minute, second, tenth = (int.from_bytes(octets[:2], "big"), *octets[2:8])
    moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.timezone.utc)
    return int(moment.timestamp()) * 1000000 + tenth * 100000


def same_text(octets, text):
    """SNMP has a question mark for each octet that is no UTF-8, the others U+FFFD for what cannot be read."""
    return re.fullmatch(re.escape(text).replace("\ufffd", r"\?+"), octets.decode("utf-8"))


def same_number(kind, snmp, number):
    return snmp == number or (kind == "gauge" and snmp == GAUGE_MAX <= number)


def same_json(f, value, row, json_row):
    got = json_row.get(f["json"])
    if f["kind"] == "text":
        return same_text(value, got or "")
    if f["kind"] == "time":
        if date(value) is None:
            return got is None
        moment = datetime.datetime.strptime(got.replace("Z", "+0000"), "%Y-%m-%dT%H:%M:%S.%f%z" if "." in got else "%Y-%m-%dT%H:%M:%S%z")
        return date(value) <= round(moment.timestamp() * 1000) * 1000 < date(value) + 100000
    if f["kind"] == "enum":
        want = f["names"][value - 1]
        return got == ({"true": True, "false": False}[want] if f["title"] == "truth" else want)
    if f["kind"] == "ice":
        bits = sum(1 << n for n in range(32) if value[n // 8] & 0x80 >> n % 8)
        return got == (hex(bits) if row["ice_known"] == 1 else None)
    return same_number(f["kind"], value, got or 0)


def json_rows(t):
    if t["json"] == "totals":
        return [STATUS]
    return STATUS[t["json"]] if t["index_n"] else [STATUS[t["json"]]]


def test_snmp_and_json_agree():
    compared = 0
    for t in CATALOGUE:
        rows = json_rows(t)
        assert len(rows) == len(SNMP[t["json"]]), f"{t['json']}: {len(rows)} rows in JSON, {len(SNMP[t['json']])} in SNMP"
        for row, json_row in zip(SNMP[t["json"]], rows):
            for f in t["fields"]:
                if f["kind"] in ("index", "stamp") or f["no_json"]:
                    continue
                assert same_json(f, row[f["json"]], row, json_row), f"{t['json']}.{f['json']}: SNMP {row[f['json']]}, JSON {json_row.get(f['json'])}"
                compared += 1
    print(f"# {compared} values")
    assert compared > 500


def samples(text):
    """{name: [(labels, value), ...]} in the order of the text"""
    found = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        name, labels, value = re.fullmatch(r"([a-z0-9_]+)(?:\{(.*)\})? (\S+)", line).groups()
        found.setdefault(name, []).append((dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or "")), value))
    return found


def wanted(metric):
    """[(table, field, row), ...]: the samples that a family has, in their order"""
    out = []
    for t in CATALOGUE:
        fields = [f for f in t["fields"] if f["metric"] == metric]
        for row in SNMP[t["json"]]:
            out += [(t, f, row) for f in fields if not (f["absent_if_zero"] and f["kind"] != "text" and row[f["json"]] == 0)]
    return out


def same_sample(f, value, text):
    if f["kind"] == "text":
        return text == "1"
    if f["kind"] == "time":
        us = round(float(text) * 1e6)
        return us == 0 if date(value) is None else date(value) <= us < date(value) + 100000
    if f["unit"] == "microseconds" and f["metric"].endswith("_seconds"):
        whole, _, part = text.partition(".")
        return same_number("gauge", value, int(whole) * 1000000 + int((part + "000000")[:6]))
    return same_number(f["kind"], value, int(text))


def labels_agree(t, f, row, labels):
    for of in t["fields"]:
        if of["label"] and not of["metric"]:
            want, got = row[of["json"]], labels.pop(of["label"], None)
            if of["kind"] == "enum":
                want = of["names"][want - 1]
            assert got is not None, f"{t['json']}.{f['json']}: no label {of['label']}"
            text = re.sub(r"\\(.)", r"\1", got)
            assert same_text(want, text) if isinstance(want, bytes) else str(want) == text, f"{t['json']}.{f['json']}: {of['label']}={got} for {want}"
    if f["label"] and f["kind"] == "text":
        return same_text(row[f["json"]], labels.pop(f["label"]))
    return labels == (dict([re.fullmatch('(.*)="(.*)"', f["label"]).groups()]) if f["label"] else {})


def metrics_agree(text):
    found, compared = samples(text), 0
    for metric in {f["metric"]: None for t in CATALOGUE for f in t["fields"] if f["metric"]}:
        want = wanted(metric)
        name = f"edgemedia_{metric}" + ("_total" if want and want[0][1]["kind"] == "counter" else "")
        got = found.pop(name, [])
        assert len(got) == len(want), f"{name}: {len(got)} samples for {len(want)}"
        for (labels, value), (t, f, row) in zip(got, want):
            assert same_sample(f, row[f["json"]], value), f"{name}: {value}, SNMP {row[f['json']]}"
            assert labels_agree(t, f, row, labels), f"{name}: labels {labels}"
            compared += 1
    assert not found, f"metrics that are not in the catalogue: {list(found)}"
    print(f"# {compared} samples")


def test_snmp_and_openmetrics_agree():
    metrics_agree(FACES["openmetrics"])


def test_snmp_and_prometheus_agree():
    metrics_agree(FACES["prometheus"])


def test_promtool_has_nothing_to_say():
    if not shutil.which("promtool"):
        return "no promtool"
    got = subprocess.run(["promtool", "check", "metrics"], input=FACES["prometheus"], capture_output=True, text=True, check=False)
    assert got.returncode == 0 and not got.stdout + got.stderr, got.stdout + got.stderr
    return None


if __name__ == "__main__":
    tap.run(globals())
