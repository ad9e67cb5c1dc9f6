#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managers as Debian has them. Nagios 4 and Icinga 2 run check_edge_media by the commands that integrations/ ships, on private configurations:
what they keep of it (state, output, performance data) is what the plugin said, in every state, with text of strangers in it. Prometheus scrapes
/metrics, and SNMP through snmp_exporter with the shipped module: both ways bring the same."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))), os.path.dirname(os.path.abspath(__file__))]
import tap  # noqa: E402
from edgemediad import BUILD, Daemon, StunServer, Trace, free_port, sanitized, wait_for  # noqa: E402
from private_snmpd import Snmpd, end_with_parent  # noqa: E402

FILES = f"{os.environ.get('EM_SRCDIR', '.')}/integrations"
PLUGIN = f"{BUILD}/plugins/check_edge_media"
PATIENCE_S = 60 if sanitized() else 30
HOSTILE = "<script>alert(1)</script> | 'quoted'=7;;; `id` &amp; %s"  # the name of a check
ME = ("root" if os.getuid() == 0 else os.environ.get("USER") or subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip())
GROUP = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout.strip()


class Site:
    """A daemon that has one failed call, one check that is well and one that is not; and the services that ask it, by name: options."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="em-managers-")
        os.chmod(self.directory, 0o755)
        self.stun = StunServer()
        self.trace = Trace(f"{self.directory}/sip.log")
        self.trace.fail("one@example.com")
        edge = f'edge "oslo" {{\n check "stun" {{ uri = "stun:127.0.0.1:{self.stun.port}" interval = 3600 }}\n check "{HOSTILE}" {{ uri = "tcp:127.0.0.1:{free_port()}" interval = 3600 }}\n}}\n'
        os.mkdir(f"{self.directory}/snmp")
        self.snmpd = Snmpd(f"{self.directory}/snmp")
        self.snmpd.start()
        self.daemon = Daemon(self.directory, edge + f'source "fe" {{ type = trace path = "{self.directory}/sip.log" }}\n',
                             agentx_address=self.snmpd.agentx)
        self.daemon.start(preexec_fn=end_with_parent)
        wait_for("the call", lambda: self.daemon.status()["code_23"] == 1)
        wait_for("both checks", lambda: self.daemon.status()["daemon"]["checks_untested"] == 0)
        here = ["--socket", self.daemon.control]
        self.services = {
            "ok": [*here, "--mode", "code23", "--total", "--warning", "5"],
            "warning": [*here, "--mode", "code23", "--total", "--warning", "0", "--critical", "5"],
            "critical": [*here, "--mode", "ports"],
            "unknown": [*here, "--mode", "ports", "--edge", "nobody"],
            "hostile": [*here, "--mode", "all", "--total", "--verbose"],
            "probe": ["--probe", f"stun:127.0.0.1:{self.stun.port}"],
        }
        self.said = {name: self.ask(options) for name, options in self.services.items()}

    @staticmethod
    def ask(options):
        done = subprocess.run([PLUGIN, *options], capture_output=True, text=True, timeout=60, check=False)
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    def close(self):
        self.daemon.stop()
        self.snmpd.close()
        self.stun.close()
        shutil.rmtree(self.directory)


def steady(text):
    """Without the round trips and ages, which are others at every run."""
    return re.sub(r"\d+(\.\d+)?( ?(ms|us|s)\b|e-\d+s?)", "#", text)


def taken_apart(said):
    """First line, further lines and performance data, as the guidelines for plugins divide them."""
    head, _, rest = said.rstrip("\n").partition("\n")
    first, _, data = head.partition("|")
    longer, _, more = rest.partition("|")
    return first.strip(), longer.strip(), " ".join((data.strip() + " " + more.replace("\n", " ").strip()).split())


def run_until(command, done, what, then=lambda: None):
    """Runs a manager in the foreground until done(), and through then(); ends it."""
    log = tempfile.TemporaryFile("w+")
    with log, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent) as process:
        def ready():
            assert process.poll() is None, f"{what} ended with {process.returncode}"
            return done()
        try:
            wait_for(what, ready, PATIENCE_S)
            then()
        except AssertionError:
            log.seek(0)
            print("\n".join(f"# {line}" for line in log.read().splitlines()[-30:]))
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def compare(site, name, state, output, longer, data):
    status, said = site.said[name]
    first, more, numbers = taken_apart(said)
    assert state == status, f"{name}: state {state}, exit status {status}"
    assert steady(output) == steady(first), f"{name}: {output!r} of {first!r}"
    assert steady(longer) == steady(more), f"{name}: {longer!r} of {more!r}"
    assert steady(data) == steady(numbers), f"{name}: {data!r} of {numbers!r}"


def test_the_states_are_all_there():
    states = {name: status for name, (status, _) in site.said.items()}
    assert states == {"ok": 0, "warning": 1, "critical": 2, "unknown": 3, "hostile": 2, "probe": 0}, states
    assert "script" in site.said["hostile"][1], site.said["hostile"]


# --- Nagios 4 -----------------------------------------------------------------------------------------------------------------------

def nagios_conf(d, site):
    with open(f"{FILES}/nagios/edge-media.cfg", encoding="utf-8") as f:
        commands = re.findall(r"define command \{.*?\n\}", f.read(), re.S)
    text = "\n".join(commands).replace("/usr/lib/nagios/plugins/check_edge_media", PLUGIN).replace("/run/edgemedia/control", site.daemon.control)
    days = "".join(f" {day}day 00:00-24:00\n" for day in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun"))
    text += f"\ndefine timeperiod {{\n timeperiod_name always\n alias always\n{days}}}\n"
    text += "define contact {\n contact_name nobody\n host_notifications_enabled 0\n service_notifications_enabled 0\n" \
            " host_notification_period always\n service_notification_period always\n" \
            " host_notification_commands check_edge_media\n service_notification_commands check_edge_media\n}\n"
    text += "define host {\n host_name edge\n address 127.0.0.1\n max_check_attempts 1\n check_period always\n contacts nobody\n active_checks_enabled 0\n}\n"
    for name, options in site.services.items():
        if options[0] == "--probe":
            command = f"check_edge_media_probe!{options[1]}"
        elif options[1] == site.daemon.control:
            command = "check_edge_media_socket!" + " ".join(options[2:])
        else:
            command = "check_edge_media!" + " ".join(options)
        text += f"define service {{\n host_name edge\n service_description {name}\n check_command {command}\n max_check_attempts 1\n" \
                " check_interval 2\n retry_interval 2\n check_period always\n contacts nobody\n notifications_enabled 0\n}\n"
    with open(f"{d}/objects.cfg", "w", encoding="utf-8") as f:
        f.write(text)
    os.mkdir(f"{d}/results")
    with open(f"{d}/nagios.cfg", "w", encoding="utf-8") as f:
        f.write(f"""log_file={d}/nagios.log
cfg_file={d}/objects.cfg
object_cache_file={d}/objects.cache
precached_object_file={d}/objects.precache
status_file={d}/status.dat
status_update_interval=1
nagios_user={ME}
nagios_group={GROUP}
check_external_commands=0
command_file={d}/command
query_socket={d}/query
lock_file={d}/lock
temp_file={d}/temp
temp_path={d}
check_result_path={d}/results
state_retention_file={d}/retention.dat
check_workers=1
interval_length=1
max_service_check_spread=1
service_inter_check_delay_method=n
service_interleave_factor=1
enable_notifications=0
check_for_updates=0
process_performance_data=1
service_perfdata_file={d}/perfdata
service_perfdata_file_template=$SERVICEDESC$\\t$SERVICEPERFDATA$
service_perfdata_file_mode=a
service_perfdata_file_processing_interval=0
illegal_macro_output_chars=`~$&|'"<>
date_format=iso8601
""")


def nagios_services(d):
    try:
        with open(f"{d}/status.dat", encoding="utf-8") as f:
            text = f.read()
    except FileNotFoundError:
        return {}
    rows = (dict(line.strip().split("=", 1) for line in block.splitlines() if "=" in line)
            for block in re.findall(r"servicestatus \{(.*?)\n\t?\}", text, re.S))
    return {row["service_description"]: row for row in rows if row["has_been_checked"] == "1"}


def test_nagios_keeps_what_the_plugin_said():
    program = shutil.which("nagios4", path="/usr/sbin:/usr/local/sbin")
    if not program:
        return "no nagios4"
    with tempfile.TemporaryDirectory(prefix="em-nagios-") as d:
        nagios_conf(d, site)
        run_until([program, f"{d}/nagios.cfg"], lambda: set(nagios_services(d)) == set(site.services), "all services checked by Nagios")
        for name, row in nagios_services(d).items():
            compare(site, name, int(row["current_state"]), row["plugin_output"].strip(), row["long_plugin_output"].replace("\\n", "\n").strip(),
                    row["performance_data"].strip())
        with open(f"{d}/perfdata", encoding="utf-8") as f:
            kept = dict(line.rstrip("\n").split("\t", 1) for line in f)
        for name, (_, said) in site.said.items():
            numbers = taken_apart(said)[2]
            assert steady(kept[name]) == steady(numbers), f"{name}: {kept[name]!r} of {numbers!r}"
    return None


# --- Icinga 2 -----------------------------------------------------------------------------------------------------------------------

def icinga_conf(d, site):
    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") + '"'

    services = ""
    for name, options in site.services.items():
        names = iter(options)
        variables = ""
        for option in names:
            if option in ("--total", "--verbose"):
                variables += f"  vars.edge_media_{option[2:]} = true\n"
            else:
                variables += f"  vars.edge_media_{option[2:].replace('-', '_')} = {quoted(next(names))}\n"
        services += f'object Service "{name}" {{\n  host_name = "edge"\n  check_command = "edge_media"\n  max_check_attempts = 1\n' \
                    f"  check_interval = 2s\n{variables}}}\n"
    with open(f"{d}/icinga2.conf", "w", encoding="utf-8") as f:
        f.write(f"""include <itl>
object CheckerComponent "checker" {{ }}
object FileLogger "log" {{
  severity = "information"
  path = "{d}/icinga2.log"
}}
object PerfdataWriter "perfdata" {{
  host_perfdata_path = "{d}/host-perfdata"
  service_perfdata_path = "{d}/perfdata"
  host_temp_path = "{d}/host-perfdata.new"
  service_temp_path = "{d}/perfdata.new"
  service_format_template = "$service.name$\\t$service.state_id$\\t$service.perfdata$"
}}
include "{FILES}/icinga2/edge-media-command.conf"
object Host "edge" {{
  check_command = "dummy"
  address = "192.0.2.1"
  enable_active_checks = false
}}
{services}""")


def icinga_services(d):
    """Of the state file: netstrings of JSON, after the program has ended."""
    with open(f"{d}/icinga2.state", "rb") as f:
        text = f.read()
    found = {}
    while text:
        length, _, text = text.partition(b":")
        row, text = json.loads(text[:int(length)]), text[int(length) + 1:]
        result = row.get("update", {}).get("last_check_result") if row.get("type") == "Service" else None
        if result:
            found[row["name"].split("!")[1]] = result
    return found


def test_icinga_keeps_what_the_plugin_said():
    if not shutil.which("icinga2", path="/usr/sbin:/usr/local/sbin:/usr/bin"):
        return "no icinga2"
    with tempfile.TemporaryDirectory(prefix="em-icinga-") as d:
        os.chmod(d, 0o755)
        icinga_conf(d, site)

        def written():
            try:
                with open(f"{d}/perfdata.new", encoding="utf-8") as f:
                    return len(set(line.split("\t")[0] for line in f)) == len(site.services) or None
            except FileNotFoundError:
                return None

        defines = {"PluginDir": f"{BUILD}/plugins", "DataDir": d, "CacheDir": d, "LogDir": d, "InitRunDir": d, "SpoolDir": d,
                   "StatePath": f"{d}/icinga2.state", "PidPath": f"{d}/icinga2.pid", "VarsPath": f"{d}/icinga2.vars",
                   "ObjectsPath": f"{d}/icinga2.debug", "ModAttrPath": f"{d}/modified.conf", "RunAsUser": ME, "RunAsGroup": GROUP}
        command = ["/usr/sbin/icinga2", "daemon", "-c", f"{d}/icinga2.conf"]
        for name, value in defines.items():
            command += ["-D", f"{name}={value}"]
        run_until(command, written, "all services checked by Icinga")
        kept = icinga_services(d)
        assert set(kept) == set(site.services), set(kept)
        for name, result in kept.items():
            first, _, longer = result["output"].partition("\n")
            compare(site, name, int(result["state"]), first.strip(), longer.strip(), " ".join(map(str, result["performance_data"] or [])))
    return None


# --- Prometheus, and snmp_exporter behind it ------------------------------------------------------------------------------------------

def scraped(port, query):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}", timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def prometheus_conf(d, exporter_port):
    with open(f"{d}/prometheus.yml", "w", encoding="utf-8") as f:
        f.write(f"""global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: direct
    static_configs: [ {{ targets: [ "127.0.0.1:{site.daemon.port}" ] }} ]
  - job_name: snmp
    metrics_path: /snmp
    params: {{ module: [ edgemedia ], target: [ "127.0.0.1:{site.snmpd.port}" ] }}
    static_configs: [ {{ targets: [ "127.0.0.1:{exporter_port}" ] }} ]
""")


def compare_scraped(port):
    """Every total, and the state of each check, in Prometheus: what came by /metrics and what came by SNMP through the exporter."""
    table, = (t for t in json.loads(subprocess.run([f"{BUILD}/tests/agree/dump_catalogue"], capture_output=True, text=True, check=True).stdout)["tables"]
              if t["json"] == "totals")
    fields = [f for f in table["fields"] if f["kind"] == "counter" and f["metric"] and f["snmp"]]
    assert len(fields) >= 8, fields
    for field in fields:
        direct, = scraped(port, f"edgemedia_{field['metric']}_total")
        over_snmp, = scraped(port, field["snmp"] if field["snmp"].startswith("em") else f"em{field['snmp']}")
        assert float(direct["value"][1]) == float(over_snmp["value"][1]), (direct, over_snmp)
    probes = {row["metric"]["check"]: row["value"][1] for row in scraped(port, "edgemedia_check_probes_total")}
    assert set(probes) == {"stun", HOSTILE}, probes
    assert {row["metric"]["emCheckName"]: row["value"][1] for row in scraped(port, "emCheckProbes")} == probes


def test_prometheus_scrapes_the_same_over_http_and_through_snmp_exporter():
    programs = [shutil.which(name) for name in ("prometheus", "prometheus-snmp-exporter")]
    if not all(programs):
        return "no prometheus or no prometheus-snmp-exporter"
    with tempfile.TemporaryDirectory(prefix="em-prometheus-") as d:
        exporter_port, port = free_port(), free_port()
        prometheus_conf(d, exporter_port)
        exporter = [programs[1], f"--config.file={FILES}/snmp_exporter/snmp-0.21.yml", f"--web.listen-address=127.0.0.1:{exporter_port}"]
        command = [programs[0], f"--config.file={d}/prometheus.yml", f"--storage.tsdb.path={d}/data", f"--web.listen-address=127.0.0.1:{port}"]

        def both_are_up():
            try:
                return len(scraped(port, "up == 1")) == 2
            except OSError:
                return False

        run_until(exporter, lambda: run_until(command, both_are_up, "both ways scraped", then=lambda: compare_scraped(port)) or True,
                  "snmp_exporter")
    return None


if __name__ == "__main__":
    site = Site()
    try:
        tap.run(dict(globals()))
    finally:
        site.close()
