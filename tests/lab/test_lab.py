#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall lab: the middle of three namespaces misbehaves in each way of a table (faults.py), and edgemedia must name it. Prints which verdict
was given for which fault. Skipped where namespaces or nft are not to be had. EM_LAB=WORD: only faults with WORD in their name."""
import concurrent.futures
import os
import queue
import sys
import tempfile
import time

SRC = os.environ.get("EM_SRCDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system", f"{SRC}/tests/lab"]
import firewall  # noqa: E402
import namespaces  # noqa: E402
import tap  # noqa: E402
from certificates import OPENSSL, Authority  # noqa: E402
from faults import FAULTS, TAKE, TAKE_NAMES, probe  # noqa: E402

LABS = 4
NAMES = f"IP:{firewall.OUT4},IP:{firewall.OUT6}"


class Trust:
    """The TURN server's authority and the proxy's; None of it without openssl and a TURN server."""

    def __init__(self, directory):
        self.certificates, self.files = {}, {}
        for name, subject in (("good", "/O=Example/CN=Good CA"), ("other", "/O=Firewall Inc/CN=Inspection CA")):
            if OPENSSL and firewall.TURNSERVER:
                authority = Authority(directory, subject)
                self.certificates[name], self.files[name] = authority.issue(NAMES), authority.certificate


def judge(lab, fault, trust):
    """What was found wrong and what was given: (name, row) for each verdict."""
    started = []
    if fault.proxy:
        started.append(lab.proxy(*fault.proxy, *(trust.certificates["other"] if fault.proxy[0] == "tls" else ())))
    if fault.liar:
        started.append(lab.liar(fault.liar))
    lab.rules(fault.forward, TAKE if fault.proxy else TAKE_NAMES if fault.liar else "")
    try:
        return [(fault.name, row) for row in (fault.look or probe)(lab, fault)]
    finally:
        for program in started:
            program.terminate()
            program.wait(10)


def work(faults, found, took, trust):
    with firewall.Firewall(trust.certificates.get("good")) as lab:
        lab.authorities = trust.files
        while True:
            try:
                fault = faults.get_nowait()
            except queue.Empty:
                return
            start = time.monotonic()
            found.extend(judge(lab, fault, trust))
            took[fault.name] = time.monotonic() - start


def matrix(found):
    """Expected against given, a line for each pair that occurred."""
    words = [("/".join(sorted(row.want)), row.given) for _, row in found]
    lines = [f"{'expected':<14} {'given':<14} times"]
    lines += [f"{want:<14} {given:<14} {words.count((want, given)):5}" for want, given in sorted(set(words))]
    right = sum(row.given in row.want for _, row in found)
    return lines + [f"right: {right} of {len(found)}, {100 * right / len(found):.1f} %"]


def test_every_fault_gets_its_verdict():
    why = namespaces.missing()
    if why:
        return f"no network namespaces with nftables here: {why}"
    faults, found, took, tried = queue.Queue(), [], {}, set()
    with tempfile.TemporaryDirectory(prefix="em-lab-") as directory:
        trust = Trust(directory)
        for fault in sorted(FAULTS, key=lambda fault: not fault.slow):
            if os.environ.get("EM_LAB", "") in fault.name and (trust.certificates or not fault.relay):
                faults.put(fault)
                tried.add(fault.name)
        with concurrent.futures.ThreadPoolExecutor(LABS) as pool:
            for worker in [pool.submit(work, faults, found, took, trust) for _ in range(LABS)]:
                worker.result()
    for line in matrix(found) + [f"faults: {len(tried)}; slowest: " + ", ".join(
            f"{name} {took[name]:.1f} s" for name in sorted(took, key=took.get)[:-4:-1])]:
        print(f"# {line}")
    if len(tried) < len(FAULTS) and not os.environ.get("EM_LAB"):
        print("# no turnserver or no openssl here: the faults of relays and TLS were not tried")
    wrong = [f"{name}: expected {'/'.join(sorted(row.want))}, given {row.given}: {row.what}: {row.text}" for name, row in found
             if row.given not in row.want]
    assert not wrong and {name for name, _ in found} == tried, "\n".join(wrong)
    return None


if __name__ == "__main__":
    namespaces.with_sudo_if_needed()
    tap.run(globals())
