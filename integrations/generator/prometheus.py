# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus: recording rules, alerts, and promtool's tests of them."""
import json

RUNBOOK = "https://example.org/edgemedia/alerts"  # where this installation keeps its instructions: the only line to change
FOR = "5m"


def text(value):
    """A YAML scalar."""
    return json.dumps(value, ensure_ascii=False)


def recordings(words):
    m = words.metric
    return [
        ("instance:edgemedia_code23_failures:rate1h", f"rate({m('totals.code_23')}[1h]) * 3600"),
        ("instance:edgemedia_code23_tcp_nat_failures:rate1h", f"rate({m('totals.code_23_tcp_nat')}[1h]) * 3600"),
        ("instance:edgemedia_tcp_nat_check_failures:rate1h", f"rate({m('totals.tcp_nat_check')}[1h]) * 3600"),
        ("instance_edge:edgemedia_checks_down:sum", f"{m('edges.checks')} - {m('edges.checks_up')}"),
        ("instance_edge_check:edgemedia_check_failed_probes:ratio_rate15m",
         f"rate({m('checks.failed_probes')}[15m]) / rate({m('checks.probes')}[15m])"),
        ("instance_edge_check:edgemedia_tcp_retransmits:rate15m", f"rate({m('checks.tcp_retransmits')}[15m])"),
    ]


def alerts(words):
    """name, expression, for, severity, summary, description."""
    m = words.metric
    recent = m("recent.code_23_tcp_nat_1h")
    return [
        ("EdgeMediaCallsFailOnTcpNat", f'{recent}{{window="1h"}} > 2', "0m", "critical",
         "Calls fail with diagnostic code 23 and the ICE warning for TCP NAT connectivity.",
         "{{ $value }} calls of the last hour on {{ $labels.instance }} failed in the way that a firewall on the media path makes them fail. "
         "`edgemedia findings` says what is known, `edgemedia failures` which calls."),
        ("EdgeMediaCode23Rising", f"{m('recent.code_23_1h')}{{window=\"1h\"}} > 10", "15m", "warning",
         "Calls fail with diagnostic code 23.",
         "{{ $value }} calls of the last hour on {{ $labels.instance }} failed between an inside and a remote endpoint."),
        ("EdgeMediaCheckDown", f"{m('checks.up')} == 0", FOR, "critical",
         "A media port of an edge does not work.",
         "{{ $labels.check }} of {{ $labels.edge }} at {{ $labels.address }} has not passed for 5 minutes: `edgemedia status` has the reason."),
        ("EdgeMediaEdgeDown", f"{m('edges.checks_up')} == 0 and {m('edges.checks')} > 0", FOR, "critical",
         "No media port of an edge works.",
         "All checks of {{ $labels.edge }} fail."),
        ("EdgeMediaRangeBlocked", f"{m('ranges.clear')} == 0", "10m", "warning",
         "Media ports of a range do not work.",
         "The range {{ $labels.range }} of {{ $labels.edge }} has ports that media does not get through: `edgemedia status` lists them."),
        ("EdgeMediaCriticalFinding", f'{m("finding_counts.findings")}{{severity="critical"}} > 0', "0m", "critical",
         "Edge Media Monitor found a cause for failing media.",
         "{{ $labels.kind }} on {{ $labels.edge }}: `edgemedia findings` tells the evidence and what to do."),
        ("EdgeMediaCertificateEnds", f"0 < {m('checks.certificate_expiry')} < time() + 14 * 86400", "1h", "warning",
         "A certificate of an edge ends within two weeks.",
         "The certificate behind {{ $labels.check }} of {{ $labels.edge }} ends in {{ $value | humanizeTimestamp }}."),
        ("EdgeMediaSourceSilent", f"{m('daemon.sources_failed')} > 0", "15m", "warning",
         "A source of call failures cannot be read.",
         "{{ $value }} sources of {{ $labels.instance }} fail, so that failures may go uncounted: `edgemedia status` names them."),
        ("EdgeMediaMonitorStale", f"time() - {m('daemon.snapshot_time')} > 300", FOR, "warning",
         "The monitor's numbers are old.",
         "edgemediad on {{ $labels.instance }} answers with numbers older than 5 minutes."),
        ("EdgeMediaMonitorAbsent", f"absent({m('daemon.start_time')})", "10m", "warning",
         "Nothing watches the media of the edges.",
         "No edgemediad is scraped: is it running, and is its web_listen the target of a job?"),
    ]


def rules(words):
    lines = ["# SPDX-License-Identifier: GPL-3.0-or-later", "# Edge Media Monitor: name this file under rule_files in prometheus.yml.", "groups:",
             "  - name: edgemedia.rules", "    rules:"]
    for record, expression in recordings(words):
        lines += [f"      - record: {record}", f"        expr: {text(expression)}"]
    lines += ["  - name: edgemedia.alerts", "    rules:"]
    for name, expression, wait, severity, summary, description in alerts(words):
        lines += [f"      - alert: {name}", f"        expr: {text(expression)}", f"        for: {wait}", "        labels:",
                  f"          severity: {severity}", "        annotations:", f"          summary: {text(summary)}",
                  f"          description: {text(description)}", f"          runbook_url: {RUNBOOK}#{name.lower()}"]
    return "\n".join(lines) + "\n"


def unit_tests(words):
    """For each alert a series that raises it, and one that does not."""
    m = words.metric
    row = {"instance": "edgemon:9823", "job": "edgemedia"}
    check = {**row, "edge": "oslo", "check": "turn", "address": "192.0.2.1"}
    cases = [  # alert, family, labels, values that raise it, values that do not, further series, minutes, labels of the alert
        ("EdgeMediaCallsFailOnTcpNat", "recent.code_23_tcp_nat_1h", {**row, "window": "1h"}, "3x20", "2x20", {}, 5),
        ("EdgeMediaCode23Rising", "recent.code_23_1h", {**row, "window": "1h"}, "11x30", "10x30", {}, 20),
        ("EdgeMediaCheckDown", "checks.up", check, "0x20", "1x20", {}, 10),
        ("EdgeMediaEdgeDown", "edges.checks_up", {**row, "edge": "oslo"}, "0x20", "1x20", {"edges.checks": "2x20"}, 10),
        ("EdgeMediaRangeBlocked", "ranges.clear", {**row, "edge": "oslo", "range": "media"}, "0x20", "1x20", {}, 15),
        ("EdgeMediaCriticalFinding", "finding_counts.findings",
         {**row, "edge": "oslo", "kind": "application-inspection", "severity": "critical"}, "1x20", "0x20", {}, 5),
        ("EdgeMediaCertificateEnds", "checks.certificate_expiry", check, "1000000x90", "9999999x90", {}, 70),
        ("EdgeMediaSourceSilent", "daemon.sources_failed", row, "1x30", "0x30", {}, 20),
        ("EdgeMediaMonitorStale", "daemon.snapshot_time", row, "0x30", "0+60x30", {}, 15),
        ("EdgeMediaMonitorAbsent", "daemon.start_time", row, "_x30", "1x30", {}, 15),
    ]
    named = {name: (severity, summary, description) for name, _, _, severity, summary, description in alerts(words)}
    if sorted(named) != sorted(case[0] for case in cases):
        raise LookupError(f"alerts without a test: {sorted(set(named) ^ {case[0] for case in cases})}")
    lines = ["# SPDX-License-Identifier: GPL-3.0-or-later", "# promtool test rules edge-media.test.yml", "rule_files:", "  - edge-media.rules.yml",
             "evaluation_interval: 1m", "tests:"]
    for alert, path, labels, bad, good, more, minutes in cases:
        for values, raised in ((bad, True), (good, False)):
            lines += ["  - interval: 1m", "    input_series:"]
            for family, numbers in [(path, values)] + list(more.items()):
                inside = ",".join(f'{k}="{v}"' for k, v in labels.items())
                lines += [f"      - series: {text(m(family) + '{' + inside + '}')}", f"        values: {text(numbers)}"]
            lines += ["    alert_rule_test:", f"      - eval_time: {minutes}m", f"        alertname: {alert}"]
            if raised:
                severity, summary, description = named[alert]
                shown = {} if alert == "EdgeMediaMonitorAbsent" else labels
                value = values.split("x")[0]
                for word, with_ in [("{{ $value | humanizeTimestamp }}", "1970-01-12 13:46:40 +0000 UTC"), ("{{ $value }}", value)] + [
                        (f"{{{{ $labels.{k} }}}}", v) for k, v in labels.items()]:
                    description = description.replace(word, with_)
                lines += ["        exp_alerts:", "          - exp_labels:", f"              severity: {severity}"]
                lines += [f"              {k}: {text(v)}" for k, v in shown.items() if k != "severity"]
                lines += ["            exp_annotations:", f"              summary: {text(summary)}", f"              description: {text(description)}",
                          f"              runbook_url: {RUNBOOK}#{alert.lower()}"]
            else:
                lines += ["        exp_alerts: []"]
    return "\n".join(lines) + "\n"


def files(words):
    return {"prometheus/edge-media.rules.yml": rules(words), "prometheus/edge-media.test.yml": unit_tests(words)}
