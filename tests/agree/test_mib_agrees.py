#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One catalogue, many faces: what libsmi, net-snmp and the parsers of JavaScript and Python read in the MIB is what the catalogue says, and its metrics are named by the
rules of OpenMetrics."""
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from private_snmpd import find_mibs  # noqa: E402

DUMP = json.loads(subprocess.run([f"{BUILD}/tests/agree/dump_catalogue"], capture_output=True, text=True, check=True).stdout)
CATALOGUE = DUMP["tables"]
TYPES = {"text": "EmText", "number": "Unsigned32", "gauge": "Gauge32", "counter": "Counter64", "time": "DateAndTime",
         "stamp": "TimeStamp", "ice": "EmIceWarnings"}
MIB_FILE = f"{BUILD}/mibs/built/EDGE-MEDIA-MIB.txt"
MIBS = find_mibs()
WHY_NOT = None if MIBS and shutil.which("smidump") else "no smidump" if MIBS else "no base MIBs: set EM_MIBS"


def load_mib():
    """What libsmi understands of the MIB."""
    out = subprocess.run(["smidump", "-f", "python", MIB_FILE], capture_output=True, text=True, check=True,
                         env=dict(os.environ, SMIPATH=MIBS)).stdout
    return ast.literal_eval(out[out.index("MIB = ") + 6 :])


MIB = load_mib() if not WHY_NOT else None


def root():
    with open(f"{BUILD}/config.h", encoding="ascii") as f:
        return re.search(r'#define EM_MIB_ROOT "([0-9.]+)"', f.read()).group(1)


def objects():
    """(table, field, name, oid) of everything in the catalogue that has an object"""
    for t in CATALOGUE:
        entry = ".1" if t["index_n"] else ""
        for f in t["fields"]:
            if f["subid"] and not f["foreign"]:
                yield t, f, t["snmp"] + f["snmp"], f"{root()}.1.{t['arc']}{entry}.{f['subid']}"


def words(text):
    return " ".join(text.split())


def camel(name, capital=False):
    first, *rest = re.split("[- _]", name)
    return (first[:1].upper() + first[1:] if capital else first) + "".join(w[:1].upper() + w[1:] for w in rest)


def skip_without_mibs(test):
    def run():
        return WHY_NOT or test()

    return run


@skip_without_mibs
def test_every_quantity_is_in_the_mib():
    for _, f, name, oid in objects():
        node = MIB["nodes"].get(name)
        assert node, f"{name} is not in the MIB"
        assert node["oid"] == oid, f"{name}: {node['oid']} for {oid}"
        assert node.get("units") == f["unit"], f"{name}: units {node.get('units')} for {f['unit']}"
        assert words(node["description"]).startswith(words(f["help"])), f"{name}: description"
        assert node["access"] == ("noaccess" if f["kind"] == "index" else "readonly"), f"{name}: {node['access']}"
        kind = node["syntax"]["type"]
        if f["kind"] == "index":
            assert kind["basetype"] == "Unsigned32" and kind["ranges"] == [{"min": "1", "max": "2147483647"}], f"{name}: {kind}"
        elif f["kind"] == "enum":
            want = "TruthValue" if f["title"] == "truth" else f"Em{camel(f['title'], True)}Value"
            assert kind["name"] == want, f"{name}: {kind}"
        else:
            assert kind["name"] == TYPES[f["kind"]], f"{name}: {kind}"


@skip_without_mibs
def test_the_mib_has_nothing_else():
    leaves = {n for n, node in MIB["nodes"].items() if node["nodetype"] in ("scalar", "column")}
    assert leaves == {name for _, _, name, _ in objects()}
    tables = {n for n, node in MIB["nodes"].items() if node["nodetype"] == "table"}
    assert tables == {t["snmp"] + "Table" for t in CATALOGUE if t["index_n"]}


@skip_without_mibs
def test_enumerations_are_the_lists_of_names():
    for t in CATALOGUE:
        for f in t["fields"]:
            if f["kind"] != "enum":
                continue
            if f["title"] == "truth":
                assert f["names"] == ["true", "false"], "TruthValue is true(1), false(2)"
                continue
            kind = MIB["typedefs"][f"Em{camel(f['title'], True)}Value"]
            got = [(v["number"], n) for n, v in kind.items() if isinstance(v, dict) and v.get("nodetype") == "namednumber"]
            assert sorted(got, key=lambda g: int(g[0])) == [(str(i), camel(n)) for i, n in enumerate(f["names"], 1)], f"{t['snmp']}{f['snmp']}: {got}"


@skip_without_mibs
def test_ice_bits_are_the_table_of_warnings():
    kind = MIB["typedefs"]["EmIceWarnings"]
    got = {n: int(v["number"]) for n, v in kind.items() if isinstance(v, dict) and v.get("nodetype") == "namednumber"}
    names = {warning["bit"]: warning["name"] for warning in DUMP["ice"]}
    want = {camel(names.get(1 << bit, f"bit{bit}")): bit for bit in range(32)}
    assert got == want, f"{set(got.items()) ^ set(want.items())}"


@skip_without_mibs
def test_indexes_agree():
    for t in CATALOGUE:
        if not t["index_n"]:
            continue
        want = [f["snmp"] if f["foreign"] else t["snmp"] + f["snmp"] for f in t["fields"][: t["index_n"]]]
        got = [n for n in MIB["nodes"][t["snmp"] + "Entry"]["linkage"]]
        assert got == want, f"{t['snmp']}: {got} for {want}"


@skip_without_mibs
def test_every_object_is_in_one_group():
    members = [m for g in MIB["groups"].values() for m in g["members"]]
    assert len(members) == len(set(members))
    assert set(members) == {name for _, f, name, _ in objects() if f["kind"] != "index"} | {name for name, _, _ in notifications()}
    (compliance,) = MIB["compliances"].values()
    assert set(compliance["requires"]) == set(MIB["groups"]), "a group is not in the compliance statement"


def notifications():
    """(name, oid, event) of each, raising and clearing"""
    for e in DUMP["events"]:
        yield e["raise"], f"{root()}.0.{e['arc']}", e
        yield e["clear"], f"{root()}.0.{e['arc'] + 1}", e


@skip_without_mibs
def test_every_event_is_a_pair_of_notifications():
    assert set(MIB["notifications"]) == {name for name, _, _ in notifications()}
    for name, where, e in notifications():
        node = MIB["notifications"][name]
        prefix, fields = next((t["snmp"], t["fields"]) for t in CATALOGUE if t["json"] == e["table"])
        assert node["oid"] == where, f"{name}: {node['oid']}"
        want = [prefix + next(f["snmp"] for f in fields if f["json"] == json) for json in e["fields"]]
        assert list(node["objects"]) == want, f"{name}: {list(node['objects'])}"
        assert words(node["description"]).startswith(words(e["raise_help" if name == e["raise"] else "clear_help"])), name
        assert name != e["raise"] or (e["clear"] in node["description"] and words(e["advice"]) in words(node["description"])), name
        assert name != e["clear"] or e["raise"] in node["description"], name


@skip_without_mibs
def test_net_snmp_reads_the_same():
    env = dict(os.environ, MIBDIRS=f"{MIBS}:{BUILD}/mibs/built", MIBS="EDGE-MEDIA-MIB", SNMPCONFPATH="/dev/null", SNMP_PERSISTENT_DIR="/dev/null/none")
    if not shutil.which("snmptranslate"):
        return "no snmptranslate"
    all_objects = list(objects())
    got = subprocess.run(["snmptranslate", "-On", *[f"EDGE-MEDIA-MIB::{name}" for _, _, name, _ in all_objects]],
                         capture_output=True, text=True, check=True, env=env)
    assert got.stdout.split() == ["." + oid for _, _, _, oid in all_objects], got.stderr
    return None


JAVASCRIPT = """
const store = require(process.argv[1]).createModuleStore();
store.loadFromFile(process.argv[2]);
const module = store.getModule("EDGE-MEDIA-MIB");
const oids = {};
for (const name in module) if (module[name].OID) oids[name] = module[name].OID;
console.log(JSON.stringify(oids));
"""


def read_as_catalogue(oids):
    assert {name: oids.get(name) for _, _, name, _ in objects()} == {name: oid.removesuffix(".0") for _, _, name, oid in objects()}


@skip_without_mibs
def test_the_parser_of_net_snmp_for_node_reads_the_same():
    package = os.path.normpath(f"{MIBS}/../..")  # which has the base MIBs, too
    if not shutil.which("node") or not os.path.exists(f"{package}/index.js"):
        return "no node" if os.path.exists(f"{package}/index.js") else "no npm package net-snmp"
    got = subprocess.run(["node", "-e", JAVASCRIPT, "--", package, MIB_FILE], capture_output=True, text=True, check=False)
    assert got.returncode == 0 and not got.stderr, got.stderr
    read_as_catalogue(json.loads(got.stdout))
    return None


@skip_without_mibs
def test_pysmi_reads_the_same():
    if not shutil.which("mibdump"):
        return "no mibdump"
    with tempfile.TemporaryDirectory(prefix="em-pysmi-") as to:
        got = subprocess.run(["mibdump", f"--mib-source=file://{os.path.dirname(os.path.abspath(MIB_FILE))}", f"--mib-source=file://{os.path.abspath(MIBS)}",
                              "--destination-format=json", f"--destination-directory={to}", "EDGE-MEDIA-MIB"], capture_output=True, text=True,
                             check=False)
        assert got.returncode == 0 and "Failed MIBs: \n" in got.stderr, got.stderr
        with open(f"{to}/EDGE-MEDIA-MIB.json", encoding="utf-8") as f:
            read_as_catalogue({name: what["oid"] for name, what in json.load(f).items() if "oid" in what})
    return None


def metrics():
    for t in CATALOGUE:
        for f in t["fields"]:
            if f["metric"]:
                yield t, f


def test_metric_names_follow_the_rules():
    for t, f in metrics():
        name, where = f["metric"], f"{t['json']}.{f['json']}"
        assert re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name), f"{where}: {name}"
        assert not re.search("_(total|created|count|sum|bucket|info)$", name) or f["kind"] == "text", f"{where}: suffix of {name}"
        if f["kind"] == "time":
            assert name.endswith("_timestamp_seconds"), f"{where}: {name}"
        for unit, suffix in (("microseconds", "_seconds"), ("bytes", "_bytes")):
            assert f["unit"] != unit or name.endswith(suffix), f"{where}: {name} in {unit}"
        assert f["kind"] in ("gauge", "counter", "time", "text", "number"), f"{where}: a metric of kind {f['kind']}"


def test_metric_families_are_consistent():
    families, samples = {}, set()
    for t, f in metrics():
        kind = families.setdefault(f["metric"], (t["json"], f["kind"], f["unit"]))
        assert kind == (t["json"], f["kind"], f["unit"]), f"{f['metric']} is of two kinds, units or tables"
        sample = (f["metric"], f["label"])
        assert sample not in samples, f"{sample} twice"
        samples.add(sample)
    help_of = {}
    for _, f in metrics():
        sentence = f["help"].split(". ")[0].rstrip(".")
        assert help_of.setdefault(f["metric"], sentence) == sentence, f"{f['metric']}: two help texts"


def test_labels_are_valid_and_unambiguous():
    for t in CATALOGUE:
        row = [f["label"] for f in t["fields"] if f["label"] and not f["metric"]]
        assert len(row) == len(set(row)), f"{t['json']}: a label twice"
        for label in row:
            assert re.fullmatch("[a-z][a-z0-9_]*", label), label
        for f in t["fields"]:
            if f["metric"] and f["label"] and f["kind"] != "text":
                name = re.fullmatch('([a-z][a-z0-9_]*)="[^"\\\\\n]*"', f["label"])
                assert name and name.group(1) not in row, f"{t['json']}.{f['json']}: {f['label']}"
        if t["index_n"] and any(f["metric"] for f in t["fields"]):
            assert row, f"{t['json']}: the metrics of its rows cannot be told apart"


def test_names_are_unique():
    for key in ("json", "subid"):
        for t in CATALOGUE:
            seen = [f[key] for f in t["fields"] if f[key]]
            assert len(seen) == len(set(seen)), f"{t['json']}: {key} twice"
    names = [name for _, _, name, _ in objects()]
    assert len(names) == len(set(names))


if __name__ == "__main__":
    tap.run(globals())
