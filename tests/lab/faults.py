# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the firewall lab: what the firewall does wrong, how one looks at it, and the verdicts that are right."""
import json
from typing import Callable, NamedTuple

import firewall

BOTH, TCP, UDP = ("tcp", "udp"), ("tcp",), ("udp",)
TIMEOUT_S = "3"
PATIENT_S = "20"  # six requests by the RTO schedule: all are lost to 20 % loss in 1 of 15,000 runs
HOSTS = (firewall.OUT4, f"[{firewall.OUT6}]")
MEDIA = "meta l4proto { tcp, udp } th dport 50000-50009"
BACK = "meta l4proto { tcp, udp } th sport 50000-50009"
CHANNEL = "udp dport 3478 @th,64,8 0x40"  # ChannelData towards the relay
MS, MS_TCP = f"udp dport {firewall.MS_PORT}", f"tcp dport {firewall.MS_PORT}"
MS_SEND, MS_CONTROL, MS_DATA = f"{MS} @th,64,16 0x0004", f"{MS_TCP} @ih,0,16 0x0200", f"{MS_TCP} @ih,0,16 0x0300"  # Send requests; frames
TAKE = f"meta l4proto {{ tcp, udp }} th dport {{ 443, 3478, {firewall.MS_PORT}, 5349, 50000-50009 }} redirect to :{firewall.PROXY_PORT}"
TAKE_NAMES = f"meta l4proto {{ tcp, udp }} th dport 53 redirect to :{firewall.LIAR_PORT}"


class Row(NamedTuple):
    """One verdict: what was looked at, what is right, what was given and why."""
    what: str
    want: frozenset
    given: str
    text: str


class Fault(NamedTuple):
    name: str
    transports: tuple
    forward: str  # rules for packets that pass
    want: set
    look: Callable = None  # look(lab, fault): rows; None: probe()
    proxy: tuple = ()  # mode of the proxy that takes the ports over, and what else it is told
    liar: str = ""  # what the name server does that takes the place of the true one
    relay: bool = False  # needs the TURN server
    slow: bool = False  # is begun first


def status_is_true(done, verdicts):
    """0 only where media gets through everywhere."""
    assert done.returncode == (0 if set(verdicts) <= {"ok", "degraded"} else 1), f"exit status {done.returncode}: {done.stdout}"


def run_probe(lab, uris, *options, timeout=TIMEOUT_S):
    done = lab.inside.run(firewall.CLI, "probe", "--json", "--timeout", timeout, *options, *uris, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["uri"] for row in rows} == set(uris), done.stdout
    status_is_true(done, (row["verdict"] for row in rows))
    return rows


def rows_of(results, want):
    return [Row(f"{r['uri']} {r['address']}", frozenset(want), r["verdict"], r["reason"]) for r in results]


def probe(lab, fault):
    """A STUN exchange with the responder, over each transport and both families."""
    uris = [f"{t}:{host}:50000" for t in fault.transports for host in HOSTS]
    return rows_of(run_probe(lab, uris, timeout=PATIENT_S if "random loss" in fault.name else TIMEOUT_S), fault.want)


def at(*wanted):
    """Probes with a verdict each: at(("tcp", 443, "ok"), ("tcp", 50000, "filtered"))."""
    def look(lab, _):
        want = {f"{t}:{host}:{port}": {verdict} for t, port, verdict in wanted for host in HOSTS}
        return [row for r in run_probe(lab, list(want)) for row in rows_of([r], want[r["uri"]])]
    return look


def swept(first, last, payload="stun", **wanted):
    """A sweep of some ports. wanted: a verdict for each run of ports that is not fault.want, p50003_50006="filtered"."""
    def want_of(port, fault):
        for run, verdict in wanted.items():
            low, high = run[1:].split("_")
            if int(low) <= port <= int(high):
                return {verdict}
        return fault.want

    def look(lab, fault):
        rows = []
        for transport in fault.transports:
            for host in (firewall.OUT4, firewall.OUT6):
                done = lab.inside.run(firewall.CLI, "sweep", "--json", f"--{transport}", "--timeout", "1", "--payload", payload, host,
                                      f"{first}-{last}", check=False)
                result = json.loads(done.stdout)
                status_is_true(done, result["verdicts"])
                got = {port: e["verdict"] for e in result["exceptions"] for port in range(e["first"], e["last"] + 1)}
                rows += [Row(f"{payload} {transport} {host}:{port}", frozenset(want_of(port, fault)), got.get(port, "ok"), "")
                         for port in range(first, last + 1)]
        return rows
    return look


def relayed(*queries, scheme="relay"):
    """Bytes through two allocations of the TURN server, which is behind the firewall."""
    def look(lab, fault):
        uris = [f"{scheme}:{host}{query}" for query in queries or ("",) for host in HOSTS]
        return rows_of(run_probe(lab, uris, "--insecure", "--secret-file", lab.secret_file()), fault.want)
    return look


def ms_relayed(lab, fault):
    """The same through a relay that speaks Microsoft's dialect, which lives as long as the look at it."""
    secret = lab.secret_file()
    relays = [lab.ms_relay(address) for address in (firewall.OUT4, firewall.OUT6)]
    uris = [f"msrelay:{host}:{firewall.MS_PORT}?transport={transport}" for transport in fault.transports for host in HOSTS]
    try:
        return rows_of(run_probe(lab, uris, "--user", firewall.MS_USER, "--password-file", secret), fault.want)
    finally:
        for relay in relays:
            relay.terminate()
            relay.wait(10)


def turns(*options, certificate_of=None):
    def look(lab, fault):
        options_now = [*options, *(["--ca-file", lab.authorities[certificate_of]] if certificate_of else [])]
        return rows_of(run_probe(lab, [f"turns:{host}:5349" for host in HOSTS], *options_now), fault.want)
    return look


def named(name, **wanted):
    """A name that the lab's name server knows; wanted: another verdict for an address, a198_51_100_3="filtered"."""
    def look(lab, fault):
        results = run_probe(lab, [f"udp:{name}:50000"], "--name-server", firewall.OUT4)
        want = {key[1:].replace("_", "."): {verdict} for key, verdict in wanted.items()}
        assert set(want) <= {r["address"] for r in results}, results
        return [row for r in results for row in rows_of([r], want.get(r["address"], fault.want))]
    return look


def old_and_new(lab, fault):
    """The connections that were there before the rule live, a new one is what fault.want says."""
    holders = []
    lab.rules("ct state new accept")
    for host in (firewall.OUT4, firewall.OUT6):
        holders.append(lab.start(lab.inside, "ready", firewall.sys.executable, f"{firewall.HERE}/hold.py", host, "50001"))
    lab.rules(fault.forward)
    rows = probe(lab, fault)
    for holder in holders:
        holder.stdin.write("\n")
        holder.stdin.flush()
        rows.append(Row("what was connected before", frozenset({"alive"}), holder.stdout.readline().strip(), ""))
    return rows


FAULTS = (
    Fault("clean", BOTH, "", {"ok"}),
    Fault("clean, sharing", BOTH, "", {"ok"}, swept(50000, 50001, "sharing")),
    Fault("drop all", BOTH, f"{MEDIA} drop", {"filtered"}),
    Fault("drop a part of the range", BOTH, "meta l4proto { tcp, udp } th dport 50003-50006 drop", {"ok"},
          swept(50000, 50009, p50003_50006="filtered")),
    Fault("answers lost", BOTH, f"{BACK} drop", {"filtered"}),
    Fault("reject with RST", TCP, "tcp dport 50000-50009 reject with tcp reset", {"refused"}),
    Fault("reject port unreachable", BOTH, f"{MEDIA} reject with icmpx type port-unreachable", {"refused"}),
    Fault("reject admin-prohibited", BOTH, f"{MEDIA} reject with icmpx type admin-prohibited", {"prohibited"}),
    Fault("host unreachable", BOTH, f"{MEDIA} reject with icmpx type host-unreachable", {"unreachable"}),
    Fault("net unreachable", BOTH, f"{MEDIA} reject with icmpx type no-route", {"unreachable"}),
    Fault("only 443 open", BOTH, "ct direction original meta l4proto { tcp, udp } th dport != 443 drop", set(),
          at(("tcp", 443, "ok"), ("udp", 443, "ok"), ("tcp", 50000, "filtered"), ("udp", 50000, "filtered"))),
    Fault("UDP blocked", BOTH, "meta l4proto udp drop", set(), at(("tcp", 50000, "ok"), ("udp", 50000, "filtered"), ("udp", 443, "filtered"))),
    Fault("other ports dropped", BOTH, "ct direction original meta l4proto { tcp, udp } th dport != 50000-50009 drop", {"ok"}),
    Fault("source-port rule missing", BOTH, f"{MEDIA} th sport != 20000-20009 drop", {"filtered"}),
    Fault("handshake then drop", TCP, "tcp dport 50000-50009 meta length > 80 drop", {"blackholed"}),
    Fault("drop after 60,000 bytes", TCP, "ct bytes > 60000 drop", {"blackholed"}, swept(50000, 50001, "sharing")),
    Fault("drop after 60,000 bytes, UDP", UDP, "ct bytes > 60000 drop", {"degraded"}, swept(50000, 50000, "sharing"), slow=True),
    Fault("drop after 60,000 bytes, STUN", BOTH, "ct bytes > 60000 drop", {"ok"}),
    Fault("RST on payload", TCP, "tcp dport 50000-50009 meta length > 80 reject with tcp reset", {"reset"}),
    Fault("RST after 0.4 s", TCP, "", {"reset"}, swept(50000, 50001, "sharing"), proxy=("rst",)),
    Fault("large packets dropped, STUN", BOTH, f"{MEDIA} meta length > 1000 drop", {"ok"}),
    Fault("large packets dropped, sharing", TCP, f"{MEDIA} meta length > 1000 drop", {"blackholed"}, swept(50000, 50001, "sharing")),
    Fault("large packets dropped, sharing over UDP", UDP, f"{MEDIA} meta length > 1000 drop", {"degraded"}, swept(50000, 50000, "sharing"), slow=True),
    Fault("5 % loss", UDP, f"{MEDIA} numgen inc mod 20 0 drop", {"degraded"}, swept(50000, 50000, "sharing"), slow=True),
    Fault("20 % random loss", UDP, f"{MEDIA} numgen random mod 100 < 20 drop", {"ok", "degraded"}),
    Fault("50 % loss", UDP, f"{MEDIA} numgen inc mod 2 0 drop", {"degraded"}, swept(50000, 50000, "sharing"), slow=True),
    Fault("table full", BOTH, f"{MEDIA} ct state new drop", {"filtered"}, old_and_new),
    Fault("proxy answers TLS alert", TCP, "", {"intercepted"}, proxy=("alert",)),
    Fault("proxy answers HTTP", TCP, "", {"intercepted"}, proxy=("http",)),
    Fault("proxy swallows payload", TCP, "", {"silent"}, proxy=("mute",)),
    Fault("proxy passes everything on", BOTH, "", {"ok"}, proxy=("none",)),
    Fault("proxy rewrites XOR-MAPPED-ADDRESS", BOTH, "", {"mangled"}, proxy=("address",)),
    Fault("proxy rewrites XOR-MAPPED-ADDRESS and FINGERPRINT", BOTH, "", {"mangled"},
          lambda lab, fault: rows_of(run_probe(lab, [f"stun:{host}:3478{t}" for t in ("", "?transport=tcp") for host in HOSTS]), fault.want),
          proxy=("address-crc", "3478"), relay=True),
    Fault("proxy rewrites media", BOTH, "", {"mangled"}, swept(50000, 50001, "sharing"), proxy=("media",)),
    Fault("TLS, clean", TCP, "", {"ok"}, turns("--issuer", "CN=Good CA,O=Example", certificate_of="good"), relay=True),
    Fault("proxy ends TLS", TCP, "", {"tls-failed"}, turns(certificate_of="good"), proxy=("tls", "3478"), relay=True),
    Fault("proxy ends TLS, another issuer than recorded", TCP, "", {"intercepted"},
          turns("--issuer", "CN=Good CA,O=Example", certificate_of="good"), proxy=("tls", "3478"), relay=True),
    Fault("proxy ends TLS, its authority is trusted here", TCP, "", {"intercepted"},
          turns("--issuer", "CN=Good CA,O=Example", certificate_of="other"), proxy=("tls", "3478"), relay=True),
    Fault("relay, clean", BOTH, "", {"ok"}, relayed("", "?transport=tcp", "?transport=tcp&relayed=tcp"), relay=True),
    Fault("relay over TLS, clean", TCP, "", {"ok"}, relayed("", "?relayed=tcp", scheme="relays"), relay=True),
    Fault("relay, media dropped", UDP, f"{CHANNEL} drop", {"filtered"}, relayed(), relay=True),
    Fault("relay, a third of media lost", UDP, "\n".join(f"meta nfproto {family} {CHANNEL} numgen inc mod 3 0 drop" for family in ("ipv4", "ipv6")),
          {"degraded"}, relayed(), relay=True),
    Fault("relay, media altered", UDP, "", {"mangled"}, relayed(), proxy=("media", "3478"), relay=True),
    Fault("relay, UDP blocked", BOTH, "meta l4proto udp drop", {"filtered"}, relayed(), relay=True),
    Fault("relay, UDP blocked, over TCP", BOTH, "meta l4proto udp drop", {"ok"}, relayed("?transport=tcp"), relay=True),
    Fault("msrelay, clean", BOTH, "", {"ok"}, ms_relayed),
    Fault("msrelay, UDP blocked", UDP, "meta l4proto udp drop", {"filtered"}, ms_relayed),
    Fault("msrelay, UDP blocked, over TCP", TCP, "meta l4proto udp drop", {"ok"}, ms_relayed),
    Fault("msrelay, media dropped", UDP, f"{MS_SEND} drop", {"filtered"}, ms_relayed),
    Fault("msrelay, a third of media lost", UDP, "\n".join(f"meta nfproto {family} {MS_SEND} numgen inc mod 3 0 drop" for family in ("ipv4", "ipv6")),
          {"degraded"}, ms_relayed),
    Fault("msrelay, media dropped, over TCP", TCP, f"{MS_DATA} drop", {"filtered"}, ms_relayed),
    Fault("msrelay, media altered", BOTH, "", {"mangled"}, ms_relayed, proxy=("media", str(firewall.MS_PORT))),
    Fault("msrelay, hello passes, frames dropped", TCP, f"{MS_CONTROL} drop", {"blackholed"}, ms_relayed),
    Fault("msrelay, handshake then drop", TCP, f"{MS_TCP} meta length > 80 drop", {"blackholed"}, ms_relayed),
    Fault("msrelay, RST on payload", TCP, f"{MS_TCP} meta length > 80 reject with tcp reset", {"reset"}, ms_relayed),
    Fault("msrelay, proxy answers TLS alert", TCP, "", {"intercepted"}, ms_relayed, proxy=("alert",)),
    Fault("msrelay, proxy answers HTTP", TCP, "", {"intercepted"}, ms_relayed, proxy=("http",)),
    Fault("names, clean", UDP, "", {"ok"}, named("both.example.com")),
    Fault("one of two addresses broken", UDP, f"ip daddr {firewall.OTHER4} drop", {"ok"}, named("two.example.com", a198_51_100_3="filtered")),
    Fault("DNS dead", UDP, "th dport 53 drop", {"dns-failed"}, named("both.example.com")),
    Fault("DNS slow", UDP, "", {"ok"}, named("slow.example.com")),
    Fault("DNS says 0.0.0.0", UDP, "", {"dns-failed"}, named("sinkhole.example.com")),
    Fault("DNS lies: no such name", UDP, "", {"dns-failed"}, named("both.example.com"), liar="nothing"),
    Fault("DNS lies: the firewall's own address", UDP, "", {"refused"}, named("both.example.com"), liar="itself"),
)
