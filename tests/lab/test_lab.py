#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall lab: the middle of three namespaces misbehaves in each way of a table, and edgemedia probe must name it. Prints which verdict
was given for which fault. Skipped where namespaces or nft are not to be had."""
import concurrent.futures
import json
import os
import queue
import sys

SRC = os.environ.get("EM_SRCDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import firewall  # noqa: E402
import namespaces  # noqa: E402
import tap  # noqa: E402

LABS, TIMEOUT_S = 3, "3"
BOTH, TCP, UDP = ("tcp", "udp"), ("tcp",), ("udp",)
MEDIA = "meta l4proto { tcp, udp } th dport 50000-50009"
REDIRECT = f"tcp dport 50000-50009 redirect to :{firewall.PROXY_PORT}"

PATIENT_S = "20"  # six requests by the RTO schedule: all are lost to 20 % loss in 1 of 15,000 runs

# name, transports, rules for packets that pass, mode of the proxy or None, the verdicts that are right
FAULTS = (
    ("clean", BOTH, "", None, {"ok"}),
    ("drop all", BOTH, f"{MEDIA} drop", None, {"filtered"}),
    ("answers lost", BOTH, "meta l4proto { tcp, udp } th sport 50000-50009 drop", None, {"filtered"}),
    ("reject with RST", TCP, "tcp dport 50000-50009 reject with tcp reset", None, {"refused"}),
    ("reject port unreachable", BOTH, f"{MEDIA} reject with icmpx type port-unreachable", None, {"refused"}),
    ("reject admin-prohibited", BOTH, f"{MEDIA} reject with icmpx type admin-prohibited", None, {"prohibited"}),
    ("host unreachable", BOTH, f"{MEDIA} reject with icmpx type host-unreachable", None, {"unreachable"}),
    ("net unreachable", BOTH, f"{MEDIA} reject with icmpx type no-route", None, {"unreachable"}),
    ("other ports dropped", BOTH, "ct direction original meta l4proto { tcp, udp } th dport != 50000-50009 drop", None, {"ok"}),
    ("source-port rule missing", BOTH, f"{MEDIA} th sport != 20000-20009 drop", None, {"filtered"}),
    ("handshake then drop", TCP, "tcp dport 50000-50009 meta length > 80 drop", None, {"blackholed"}),
    ("RST on payload", TCP, "tcp dport 50000-50009 meta length > 80 reject with tcp reset", None, {"reset"}),
    ("large packets dropped", BOTH, f"{MEDIA} meta length > 1000 drop", None, {"ok"}),
    ("20 % loss of requests", UDP, f"{MEDIA} numgen random mod 100 < 20 drop", None, {"ok", "degraded"}),
    ("table full", BOTH, f"{MEDIA} ct state new drop", None, {"filtered"}),
    ("proxy answers TLS alert", TCP, "", "alert", {"intercepted"}),
    ("proxy answers HTTP", TCP, "", "http", {"intercepted"}),
    ("proxy swallows payload", TCP, "", "mute", {"silent"}),
)


def uris(transports):
    return [f"{t}:{host}:50000" for t in transports for host in (firewall.OUT4, f"[{firewall.OUT6}]")]


def judge(lab, fault):
    """What was found wrong and what was given, a line for each URI."""
    name, transports, forward, mode, want = fault
    proxy = lab.proxy(mode) if mode else None
    lab.rules(forward, REDIRECT if mode else "")
    wanted = uris(transports)
    out = lab.inside.run(firewall.CLI, "probe", "--json", "--timeout", PATIENT_S if "loss" in name else TIMEOUT_S, *wanted, check=False).stdout
    if proxy:
        proxy.terminate()
        proxy.wait(10)
    rows = [json.loads(line) for line in out.splitlines()]
    assert sorted(row["uri"] for row in rows) == sorted(wanted), f"{name}: {out}"
    return [(name, "/".join(sorted(want)), row["verdict"], row["verdict"] in want, f"{row['uri']}: {row['reason']}") for row in rows]


def work(faults, found):
    with firewall.Firewall() as lab:
        while True:
            try:
                fault = faults.get_nowait()
            except queue.Empty:
                return
            found.extend(judge(lab, fault))


def matrix(found):
    """Expected against given, a line for each pair that occurred."""
    pairs = sorted({(want, got) for _, want, got, _, _ in found})
    lines = [f"{'expected':<14} {'given':<14} times"]
    lines += [f"{want:<14} {got:<14} {sum((w, g) == (want, got) for _, w, g, _, _ in found):5}" for want, got in pairs]
    right = sum(good for *_, good, _ in found)
    return lines + [f"right: {right} of {len(found)}, {100 * right / len(found):.1f} %"]


def test_every_fault_gets_its_verdict():
    why = namespaces.missing()
    if why:
        return f"no network namespaces with nftables here: {why}"
    faults, found = queue.Queue(), []
    for fault in FAULTS:
        faults.put(fault)
    with concurrent.futures.ThreadPoolExecutor(LABS) as pool:
        for worker in [pool.submit(work, faults, found) for _ in range(LABS)]:
            worker.result()
    for line in matrix(found):
        print(f"# {line}")
    wrong = [f"{name}: expected {want}, given {got}: {text}" for name, want, got, good, text in found if not good]
    assert not wrong and {row[0] for row in found} == {fault[0] for fault in FAULTS}, "\n".join(wrong)
    return None


if __name__ == "__main__":
    namespaces.with_sudo_if_needed()
    tap.run(globals())
