#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""edgemedia path through a firewall that is the second of four hops and misbehaves in each way of a table: the filter, the verdict and the hop
must be named. Prints what was expected and what was given. Skipped where namespaces or nft are not to be had."""
import concurrent.futures
import json
import os
import queue
import sys
import time

SRC = os.environ.get("EM_SRCDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import namespaces  # noqa: E402
import path_lab  # noqa: E402
import tap  # noqa: E402

LABS = 8  # side by side: they mostly wait
PORT, GOOD = 50000, 50001
STUN = "@ih,32,32 0x2112a442", "@ih,48,32 0x2112a442"  # the magic cookie, bare and behind a length of RFC 4571


def media(transport, *conditions):
    return f"{transport} dport {PORT} " + " ".join(conditions)


def each(transport, *conditions):
    """A rule for bare and one for framed STUN."""
    return "\n".join(media(transport, cookie, *conditions) for cookie in STUN)


def per_connection(share):
    """Marks so many of a hundred new connections."""
    return media("tcp", f"ct state new numgen random mod 100 < {share} ct mark set 1")


HOP, BEHIND, NOWHERE = path_lab.FIREWALL, path_lab.FIREWALL + 1, None
# name, transport, rules, proxy, more options, filter, verdict, after which hop (several: any of them)
FAULTS = [
    ("clean", "tcp", "", None, (), "none", "ok", NOWHERE),
    ("port dropped", "tcp", media("tcp", "drop"), None, ("--rounds", "5", "--good-port", str(GOOD)), "port", "filtered", HOP),
    ("port dropped, nothing to compare with", "tcp", media("tcp", "drop"), None, ("--rounds", "5"), "port", "filtered", HOP),
    ("answers of the port dropped", "tcp", f"tcp sport {PORT} drop", None, ("--rounds", "5", "--good-port", str(GOOD)), "port", "filtered", BEHIND),
    ("port prohibited", "tcp", media("tcp", "reject with icmpx type admin-prohibited"), None, ("--good-port", str(GOOD)), "port", "prohibited", HOP),
    ("30 % of connections dropped", "tcp", media("tcp", "jhash tcp sport mod 100 seed 0x23 < 30 drop"), None, ("--good-port", str(GOOD)),
     "port", "filtered", HOP),
    ("30 % of new connections held up", "tcp", media("tcp", "ct state new numgen random mod 100 < 30 drop"), None, ("--no-hops",),
     "port", "degraded", NOWHERE),
    ("STUN dropped", "tcp", each("tcp", "drop"), None, (), "content", "blackholed", HOP),
    ("any payload dropped", "tcp", media("tcp", "meta length > 80 drop"), None, (), "content", "blackholed", HOP),
    ("TLS dropped", "tcp", media("tcp", "@ih,0,16 0x1603 drop"), None, (), "content", "blackholed", HOP),
    ("STUN dropped in 30 % of connections", "tcp", per_connection(30) + "\n" + each("tcp", "ct mark 1 drop"), None, (), "content", "blackholed", HOP),
    ("STUN dropped in 15 % of connections", "tcp", per_connection(15) + "\n" + each("tcp", "ct mark 1 drop"), None, ("--no-hops",),
     "content", "blackholed", NOWHERE),
    ("half of the packets with STUN dropped", "tcp", each("tcp", "numgen random mod 100 < 50 drop"), None, ("--no-hops",),
     "content", "blackholed", NOWHERE),
    ("large dropped", "tcp", media("tcp", "meta length > 1000 drop"), None, (), "size", "blackholed", HOP),
    ("5 % loss", "tcp", media("tcp", "numgen random mod 100 < 5 drop"), None, (), "loss", "degraded", NOWHERE),
    ("20 % loss", "tcp", media("tcp", "numgen random mod 100 < 20 drop"), None, (), "loss", "degraded", NOWHERE),
    ("50 % loss", "tcp", media("tcp", "numgen random mod 100 < 50 drop"), None, (), "loss", "degraded", NOWHERE),
    ("RST on payload", "tcp", media("tcp", "meta length > 80 reject with tcp reset"), None, (), "content", "reset", HOP),
    ("RST on STUN, now and then", "tcp", each("tcp", "numgen random mod 100 < 40 reject with tcp reset"), None, (), "content", "reset", HOP),
    ("proxy answers TLS alert", "tcp", "", "alert", ("--good-port", str(GOOD)), "content", "intercepted", HOP - 1),
    ("proxy answers HTTP", "tcp", "", "http", ("--good-port", str(GOOD)), "content", "intercepted", HOP - 1),
    ("proxy swallows payload", "tcp", "", "mute", (), "none", "silent", NOWHERE),
    ("nobody listens", "tcp", f"tcp dport {PORT} reject with tcp reset", None, (), "none", "refused", NOWHERE),
    ("clean", "udp", "", None, (), "none", "ok", NOWHERE),
    ("port dropped", "udp", media("udp", "drop"), None, ("--rounds", "5", "--good-port", str(GOOD)), "port", "filtered", HOP),
    ("port prohibited", "udp", media("udp", "reject with icmpx type admin-prohibited"), None, ("--good-port", str(GOOD)), "port", "prohibited", HOP),
    ("large dropped", "udp", media("udp", "meta length > 1000 drop"), None, (), "size", "filtered", HOP),
    ("media frames dropped", "udp", media("udp", "@ih,0,8 0x80 drop"), None, ("--no-hops",), "content", "filtered", NOWHERE),
    ("all that would be answered dropped", "udp", each("udp", "drop"), None, ("--rounds", "5", "--good-port", str(GOOD)), "port", "filtered", HOP),
    ("the far end is silent", "udp", f"udp sport {PORT} drop", None, ("--rounds", "5", "--good-port", str(GOOD)), "port", "filtered", BEHIND),
    ("20 % loss", "udp", media("udp", "numgen random mod 100 < 20 drop"), None, (), "loss", "degraded", NOWHERE),
]
OVER_IPV6 = {"clean", "port dropped", "port prohibited", "STUN dropped", "large dropped", "RST on payload", "20 % loss"}


def judge(lab, fault, v6):
    """What was expected and what was given: (expected, given, right, text)."""
    name, transport, forward, mode, more, want, verdict, hop = fault
    address = path_lab.OUT6 if v6 else path_lab.OUT4
    hops = path_lab.HOPS6 if v6 else path_lab.HOPS4
    proxy = lab.proxy(mode) if mode else None
    lab.rules(forward, f"tcp dport {PORT} redirect to :{path_lab.PROXY_PORT}" if mode else "")
    begun = time.monotonic()
    done = lab.inside.run(path_lab.CLI, "path", "--json", "--transport", transport, *more, address, str(PORT), check=False, timeout=120)
    if proxy:
        proxy.terminate()
        proxy.wait(10)
    assert done.stdout, f"{name}: {done.stderr}"
    got = json.loads(done.stdout)
    after = got["dropped_after"]
    expected = (want, verdict, hop and (hop, hops[hop - 1]))
    given = (got["filter"], got["verdict"], after and (after["ttl"], after["address"]))
    status = 0 if (want, verdict) in (("none", "ok"), ("none", "refused")) else 1
    where = f"{name} ({transport}, IPv{6 if v6 else 4}, {time.monotonic() - begun:.0f} s)"
    return (where, expected, given, expected == given and done.returncode == status, got["reason"], got["payloads"])


def work(todo, found):
    with path_lab.Path() as lab:
        while True:
            try:
                fault, v6 = todo.get_nowait()
            except queue.Empty:
                return
            found.append(judge(lab, fault, v6))


def words(outcome):
    chosen, verdict, after = outcome
    return f"{chosen} {verdict}" + (f" after hop {after[0]}" if after else "")


def matrix(found):
    pairs = sorted({(words(want), words(got)) for _, want, got, *_ in found})
    lines = [f"{'expected':<34} {'given':<34} times"]
    lines += [f"{a:<34} {b:<34} {sum((words(w), words(g)) == (a, b) for _, w, g, *_ in found):5}" for a, b in pairs]
    right = sum(row[3] for row in found)
    return lines + [f"right: {right} of {len(found)}, {100 * right / len(found):.1f} %"]


def test_every_fault_gets_its_filter_and_its_hop():
    why = namespaces.missing()
    if why:
        return f"no network namespaces with nftables here: {why}"
    only = os.environ.get("EM_LAB_ONLY", "")
    todo, found = queue.Queue(), []
    for fault in sorted(FAULTS, key=lambda fault: "connections" not in fault[0]):  # what takes longest comes first
        for v6 in (False, True) if fault[0] in OVER_IPV6 else (False,):
            if only in fault[0]:
                todo.put((fault, v6))
    with concurrent.futures.ThreadPoolExecutor(LABS) as pool:
        for worker in [pool.submit(work, todo, found) for _ in range(min(LABS, todo.qsize()))]:
            worker.result()
    for where, *_, reason, _ in found:
        print(f"# {where}: {reason}")
    for line in matrix(found):
        print(f"# {line}")
    wrong = [f"{where}: expected {want}, given {got}: {reason}\n{payloads}" for where, want, got, good, reason, payloads in found if not good]
    assert not wrong, "\n".join(wrong)
    return None


if __name__ == "__main__":
    namespaces.with_sudo_if_needed()
    tap.run(globals())
