#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""integrations/ and doc/reference.md: that what is committed is what the catalogue and the options make today, and that the programs that integrations are
for accept them."""
import filecmp
import glob
import grp
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

SRC, BUILD = os.path.abspath(os.environ.get("EM_SRCDIR", ".")), os.path.abspath(os.environ.get("EM_BUILDDIR", "."))
sys.path[:0] = [f"{SRC}/tests"]
import tap  # noqa: E402

FILES = f"{SRC}/integrations"


def run(*words, **how):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL, **how)


def must(*words, **how):
    done = run(*words, **how)
    assert done.returncode == 0, f"{words[0]}: exit {done.returncode}: {(done.stdout + done.stderr)[-2000:]}"
    return done.stdout + done.stderr


def lacks(program):
    return None if shutil.which(program) else f"no {program}"


def of(name):
    with open(f"{FILES}/{name}", encoding="utf-8") as f:
        return f.read()


def catalogue():
    return json.loads(must(f"{BUILD}/tests/agree/dump_catalogue"))["tables"]


def families():
    return {f"edgemedia_{f['metric']}" + ("_total" if f["kind"] == "counter" else "")
            for t in catalogue() for f in t["fields"] if f["metric"] and f["kind"] != "text"}


def test_files_are_those_of_this_catalogue():
    with tempfile.TemporaryDirectory(prefix="em-integrations-") as out:
        must(sys.executable, f"{FILES}/generator/generate.py", BUILD, out)
        names = [os.path.relpath(f"{at}/{name}", out) for at, _, inside in os.walk(out) for name in inside]
        assert len(names) > 15, names
        old = [n for n in names if not os.path.exists(f"{SRC}/{n}") or not filecmp.cmp(f"{out}/{n}", f"{SRC}/{n}", shallow=False)]
        assert not old, f"run make update-generated and commit: {old}"


def test_prometheus_rules_hold():
    if lacks("promtool"):
        return lacks("promtool")
    must("promtool", "check", "rules", f"{FILES}/prometheus/edge-media.rules.yml")
    assert "SUCCESS" in must("promtool", "test", "rules", "edge-media.test.yml", cwd=f"{FILES}/prometheus")
    return None


def test_prometheus_rules_name_families_that_exist():
    used = set(re.findall(r"edgemedia_\w+", re.sub(r"record: \S+|instance\w*:\S+", "", of("prometheus/edge-media.rules.yml"))))
    assert used and used <= families(), used - families()


def test_grafana_dashboards_keep_the_rules():
    for path in glob.glob(f"{FILES}/grafana/*.json"):
        with open(path, encoding="utf-8") as f:
            board = json.load(f)
        variables = {v["name"]: v for v in board["templating"]["list"]}
        assert list(variables) == ["datasource", "job", "instance"], variables
        assert not board["editable"] and board["id"] is None and board["uid"] and "__inputs" not in board
        assert all(variables[name]["multi"] and variables[name]["refresh"] == 2 for name in ("job", "instance"))
        panels = [p for p in board["panels"] if p["type"] != "row"]
        assert len({p["id"] for p in board["panels"]}) == len(board["panels"])
        for panel in panels:
            assert panel["title"] and panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["targets"] and panel["datasource"]["uid"] == "$datasource"
            for target in panel["targets"]:
                assert 'job=~"$job"' in target["expr"] and 'instance=~"$instance"' in target["expr"], target
                for counter in re.findall(r"\w+_total(?=\{)", target["expr"]):
                    assert re.search(rf"(rate|increase)\({counter}", target["expr"]), target


def test_the_direct_dashboard_shows_every_family():
    text = of("grafana/edge-media-direct.json")
    missing = [name for name in families() if f"{name}{{" not in text]
    assert not missing, missing


def old_form(path, out):
    """generator.yml for the generator of Debian 12, in which a module has its own version and community."""
    with open(path, encoding="utf-8") as f:
        made = yaml.safe_load(f)
    for module in made["modules"].values():
        module.update(version=2, auth={"community": "public"})
    with open(out, "w", encoding="utf-8") as f:
        yaml.safe_dump({"modules": made["modules"]}, f, sort_keys=False)


def comparable(metrics):
    return {m["name"]: {k: sorted(v, key=str) if k == "lookups" else v for k, v in m.items() if k != "help"} for m in metrics}


def test_snmp_exporters_generator_makes_the_same():
    mibs = os.environ.get("EM_MIBS")
    if not mibs:
        return "no base MIBs: set EM_MIBS"
    if lacks("prometheus-snmp-generator"):
        return lacks("prometheus-snmp-generator")
    with tempfile.TemporaryDirectory(prefix="em-generator-") as out:
        shutil.copy(f"{SRC}/mibs/EDGE-MEDIA-MIB.txt", out)
        old_form(f"{FILES}/snmp_exporter/generator.yml", f"{out}/generator.yml")
        must("prometheus-snmp-generator", "generate", "-o", f"{out}/made.yml", cwd=out, env={**os.environ, "MIBDIRS": f"{out}:{mibs}"})
        with open(f"{out}/made.yml", encoding="utf-8") as f:
            made = yaml.safe_load(f)["edgemedia"]
    ours = yaml.safe_load(of("snmp_exporter/snmp-0.21.yml"))["edgemedia"]
    theirs, mine = comparable(made["metrics"]), comparable(ours["metrics"])
    assert sorted(theirs) == sorted(mine), sorted(set(theirs) ^ set(mine))
    different = [name for name in mine if mine[name] != theirs[name]]
    assert not different, f"{mine[different[0]]} but the generator: {theirs[different[0]]}"
    assert yaml.safe_load(of("snmp_exporter/snmp.yml"))["modules"]["edgemedia"]["metrics"] == ours["metrics"]
    return None


def test_snmp_exporter_takes_it():
    if lacks("prometheus-snmp-exporter"):
        return lacks("prometheus-snmp-exporter")
    said = must("prometheus-snmp-exporter", f"--config.file={FILES}/snmp_exporter/snmp-0.21.yml", "--dry-run")
    assert "parsed successfully" in said, said
    return None


def test_zabbix_template_is_consistent():
    export = yaml.safe_load(of("zabbix/edge-media-by-snmp.yaml"))["zabbix_export"]
    template, = export["templates"]
    assert export["version"] == "6.0"
    identities = re.findall(r'uuid: "?([0-9a-f]{32})"?', of("zabbix/edge-media-by-snmp.yaml"))
    assert len(identities) == len(set(identities)) and all(i[12] == "4" and i[16] in "89ab" for i in identities)
    items = template["items"] + [p for r in template["discovery_rules"] for p in r["item_prototypes"]]
    keys = [i["key"] for i in items]
    assert len(keys) == len(set(keys))
    maps = {m["name"] for m in template["valuemaps"]}
    assert all(i["valuemap"]["name"] in maps for i in items if "valuemap" in i)
    macros = {m["macro"] for m in template["macros"]}
    for item in items:
        for trigger in item.get("triggers", []) + item.get("trigger_prototypes", []):
            assert set(re.findall(r"/(edgemedia\.[^)]*)\)", trigger["expression"])) <= set(keys), trigger
            assert set(re.findall(r"\{\$[A-Z0-9.]+\}", trigger["expression"])) <= macros, trigger


def test_librenms_and_director_are_data():
    sensors = yaml.safe_load(of("librenms/linux-edge-media.yaml"))["modules"]["sensors"]
    assert {s["generic"] for row in sensors["state"]["data"] for s in row["states"]} == {0, 1, 2, 3}
    basket = json.loads(of("icinga-director/edge-media-basket.json"))
    command, = basket["Command"].values()
    assert [str(f["datafield_id"]) for f in command["fields"]] == list(basket["Datafield"])
    assert len(command["arguments"]) == len(basket["Datafield"])


def test_icinga2_takes_it():
    if lacks("icinga2"):
        return lacks("icinga2")
    with tempfile.TemporaryDirectory(prefix="em-icinga-") as out:
        with open(f"{out}/icinga2.conf", "w", encoding="utf-8") as f:
            f.write(f"""include <itl>
include <plugins>
template Service "generic-service" {{ max_check_attempts = 1 }}
include "{FILES}/icinga2/edge-media-command.conf"
include "{FILES}/icinga2/edge-media-services.conf"
object Host "edge" {{
    check_command = "dummy"
    address = "192.0.2.1"
    vars.edge_media = true
    vars.edge_media_uris["oslo turn"] = "turn:edge.example.org:3478"
}}
""")
        os.chmod(out, 0o755)
        me, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name  # else it tries to become who it usually is
        said = must("icinga2", "daemon", "-C", "-c", f"{out}/icinga2.conf", "-D", f"PluginDir={BUILD}/plugins", "-D", f"DataDir={out}",
                    "-D", f"CacheDir={out}", "-D", f"LogDir={out}", "-D", f"InitRunDir={out}", "-D", f"RunAsUser={me}", "-D", f"RunAsGroup={group}")
    services = re.search(r"Instantiated (\d+) Services", said)
    assert services and int(services.group(1)) == 5, said
    return None


def test_bash_completes():
    for program, words, wanted in (("edgemedia", ["sc"], "scan"), ("edgemedia", ["probe", "--ti"], "--timeout="),
                                   ("check_edge_media", ["--pro"], "--probe="), ("edgemediad", ["--test"], "--test-config")):
        script = f"""
            . /usr/share/bash-completion/bash_completion && . {FILES}/completion/{program}.bash
            COMP_WORDS=({program} {' '.join(words)}); COMP_CWORD={len(words)}
            COMP_LINE="{program} {' '.join(words)}"; COMP_POINT=${{#COMP_LINE}}
            compopt() {{ :; }}
            _{program}; printf '%s\\n' "${{COMPREPLY[@]}}" """
        if not os.path.exists("/usr/share/bash-completion/bash_completion"):
            return "no bash-completion"
        said = must("bash", "-c", script).split()
        assert wanted in said, f"{program} {words}: {said}"
    return None


def test_zsh_reads_its_completion():
    if lacks("zsh"):
        return lacks("zsh")
    for path in glob.glob(f"{FILES}/completion/_*"):
        must("zsh", "-n", path)
    return None


def test_the_local_check_of_checkmk_speaks_its_format():
    with tempfile.TemporaryDirectory(prefix="em-checkmk-") as out:
        plugin = f"{out}/plugin"
        with open(plugin, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\necho \"EDGE MEDIA WARNING - 3 calls failed | 'code23'=3;0;5;0 'lag'=0B\"\necho more\nexit 1\n")
        os.chmod(plugin, 0o755)
        lines = must("sh", f"{FILES}/checkmk/edge_media", env={**os.environ, "EDGE_MEDIA_PLUGIN": plugin}).splitlines()
    assert len(lines) == 4, lines
    assert lines[0] == '1 "Edge media findings" code23=3;0;5;0|lag=0B EDGE MEDIA WARNING - 3 calls failed ', lines[0]


tap.run(globals())
