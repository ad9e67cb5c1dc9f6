#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real `edgemedia probe msturn:...` against a relay that was written apart from it (msturn_server.py), over UDP and TCP: without credentials,
with right and wrong ones, with those of MRAS, over IPv6, and against every misbehaviour of that relay."""
import base64
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from edgemediad import wait_for  # noqa: E402
from msturn_server import MISBEHAVIOURS, RELAYING, Relay  # noqa: E402

BOTH = ("udp", "tcp")
TOKEN = bytes.fromhex("02000024") + bytes(range(200, 252))  # as MRAS gives it: binary, 56 bytes


def probe(relay, transport, user=None, password=None, timeout="5", host=None, scheme="msturn"):
    """The one result, with `exit` and `seconds`."""
    command = [f"{BUILD}/edgemedia", "probe", "--json", "--timeout", timeout]
    with tempfile.NamedTemporaryFile("w", prefix="em-password-", encoding="utf-8") as f:
        if user:
            f.write(f"{password}\n")
            f.flush()
            command += ["--user", user, "--password-file", f.name]
        start = time.monotonic()
        done = subprocess.run([*command, f"{scheme}:{host or relay.host}:{relay.port}?transport={transport}"], capture_output=True, text=True,
                              timeout=30, check=False)
    assert done.stderr == "", done.stderr
    result, = [json.loads(line) for line in done.stdout.splitlines()]
    assert result["dialect"] == "ms" and result["transport"] == transport[:3], result
    return {**result, "exit": done.returncode, "seconds": time.monotonic() - start}


def check_phases(result, transport, *phases):
    assert set(result["phases"]) == {*phases, *(("connect_us", "tls_us") if transport == "tcp" else ())}, result


def test_without_credentials():
    for transport in BOTH:
        with Relay() as relay:
            r = probe(relay, transport)
        assert r["verdict"] == "ok" and r["exit"] == 0 and "401" in r["reason"], r
        assert r["mapped_address"].startswith("127.0.0.1:") and r["relayed_address"] is None, r
        check_phases(r, transport, "stun_us")
        assert [h["attributes"] for h in relay.history] == [[0x000F, 0x8008]], relay.history


def check_allocation(transport, name="user1", word="pass", **how):
    with Relay(**how) as relay:
        r = probe(relay, transport, name, word)
        assert r["verdict"] == "ok" and r["exit"] == 0 and "released again" in r["reason"], r
        assert r["relayed_address"] == "127.0.0.1:50123" and r["software"] == "7.0.1.2.3", r
        check_phases(r, transport, "stun_us", "allocate_us")
        assert not relay.allocations, relay.allocations
    assert [(h["signed"], h["lifetime"]) for h in relay.history] == [(False, None), (True, None), (True, 0)], relay.history


def test_allocation_made_and_released():
    for transport in BOTH:
        check_allocation(transport)


def test_relay_of_a_newer_version_gets_sha_1_as_announced():
    for transport in BOTH:
        check_allocation(transport, version=6)


def test_credentials_as_mras_gives_them():
    secret = b"\x00\xffsecret\x80"
    text = ["base64:" + base64.b64encode(x).decode() for x in (TOKEN, secret)]
    for transport in BOTH:
        check_allocation(transport, *text, user=TOKEN, password=secret)


def test_wrong_credentials():
    for transport in BOTH:
        for user, password in (("user1", "other"), ("user2", "pass"), ("üser", "pässwörd")):
            with Relay() as relay:
                r = probe(relay, transport, user, password)
            assert r["verdict"] == "auth-failed" and r["exit"] == 1 and r["relayed_address"] is None, r


def test_credentials_that_are_no_base64():
    with Relay() as relay:
        r = probe(relay, "udp", "base64:AA=A", "pass")
    assert r["verdict"] == "error" and "base64" in r["reason"] and not relay.history, r


def test_ipv6():
    for transport in BOTH:
        with Relay("::1") as relay:
            r = probe(relay, transport, "user1", "pass", host="[::1]")
        assert r["verdict"] == "ok" and r["relayed_address"] == "[::1]:50123", r


def test_the_next_request_goes_where_the_challenge_says():
    """Over UDP to the relay's own address; the answer may come from there."""
    with Relay() as own, Relay(alternate=("127.0.0.1", own.port)) as shared:
        own.nonces = shared.nonces
        r = probe(shared, "udp", "user1", "pass")
        assert r["verdict"] == "ok" and r["relayed_address"] == "127.0.0.1:50123", r
        assert len(shared.history) == 1 and len(own.history) == 2, (shared.history, own.history)


def test_plugin_probes_a_relay():
    with Relay() as relay:
        for transport in BOTH:
            done = subprocess.run([f"{BUILD}/plugins/check_edge_media", "--probe", f"msturn:127.0.0.1:{relay.port}?transport={transport}"],
                                  capture_output=True, text=True, timeout=20, check=False)
            assert done.returncode == 0 and "OK" in done.stdout, done


def test_daemon_takes_a_check_of_a_relay():
    with tempfile.TemporaryDirectory(prefix="em-msturn-") as directory:
        with open(f"{directory}/password", "w", encoding="ascii") as f:
            f.write("base64:AP8=\n")
        with open(f"{directory}/conf", "w", encoding="ascii") as f:
            f.write(f'database = "{directory}/db"\ncontrol_socket = "{directory}/socket"\nweb_listen = ""\n'
                    'edge "oslo" { address = { "192.0.2.1" }\n  check "udp" { uri = "msturn:?transport=udp" }\n'
                    '  check "tcp" { uri = "msturn:?transport=tcp"  user = "base64:AgAAJA=="  '
                    f'password_file = "{directory}/password" }}\n}}\n')
        done = subprocess.run([f"{BUILD}/edgemediad", "--test-config", "-c", f"{directory}/conf"], capture_output=True, text=True, timeout=20,
                              check=False)
        assert done.returncode == 0, done


def test_tshark_agrees_with_what_was_sent():
    if not shutil.which("tshark") or not shutil.which("text2pcap"):
        return "no tshark here"
    with Relay() as relay:
        assert probe(relay, "udp", "user1", "pass")["verdict"] == "ok"
    with tempfile.TemporaryDirectory(prefix="em-tshark-") as directory:
        text, capture = f"{directory}/hex", f"{directory}/pcap"
        with open(text, "w", encoding="ascii") as f:
            f.writelines("000000 " + h["bytes"].hex(" ") + "\n" for h in relay.history)
        subprocess.run(["text2pcap", "-q", "-u", "40000,3478", text, capture], check=True, capture_output=True, timeout=30)
        fields = ["stun.type", "stun.att.type", "stun.att.ms.version", "stun.att.lifetime", "stun.att.realm", "_ws.malformed"]
        got = subprocess.run(["tshark", "-r", capture, "-o", "stun.stunversion:MS-TURN", "-T", "fields", "-E", "separator=|", "-E", "occurrence=a",
                              *(x for f in fields for x in ("-e", f))],
                             check=True, capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": directory})
    rows = [dict(zip(fields, line.split("|"))) for line in got.stdout.splitlines()]
    sent = ["000f 8008", "000f 8008 8095 0014 0015 0006 0008", "000f 8008 000d 8095 8050 0014 0015 0006 0008"]
    assert [" ".join(t[2:] for t in r["stun.att.type"].split(",")) for r in rows] == sent, got.stdout
    assert all(r["stun.type"] == "0x0003" and not r["_ws.malformed"] for r in rows), got.stdout
    assert rows[1]["stun.att.realm"] == '"rtcmedia"' and rows[2]["stun.att.lifetime"] == "0", got.stdout
    return None


# kind: (udp without, udp with, tcp without, tcp with credentials); None: the misbehaviour is not seen there
WANT = {
    "wrong-id": ("filtered", "filtered", "protocol-error", "protocol-error"),
    "huge": ("ok", "ok", "protocol-error", "protocol-error"),
    "stale": ("ok", "protocol-error") * 2,
    "redirect": ("degraded", "degraded") * 2,
    "refuse": ("ok", "auth-failed") * 2,
    "no-nonce": ("protocol-error", "protocol-error") * 2,
    "bad-integrity": ("ok", "protocol-error") * 2,
    "no-integrity": ("ok", "protocol-error") * 2,
    "keep": ("ok", "degraded") * 2,
    "cut": ("protocol-error", "protocol-error") * 2,
    "mute": ("filtered", "filtered", "silent", "silent"),
    "mute-hello": (None, None, "silent", "silent"),
    "drip": (None, None, "protocol-error", "protocol-error"),
    "alert": (None, None, "intercepted", "intercepted"),
    "split-hello": (None, None, "mangled", "mangled"),
    "no-hello": (None, None, "protocol-error", "protocol-error"),
    "http": (None, None, "intercepted", "intercepted"),
    "standard": ("protocol-error", "protocol-error") * 2,
    "quota": ("ok", "degraded") * 2,
}


def check_misbehaviour(kind):
    for i, want in enumerate(WANT[kind]):
        if want is None:
            continue
        with Relay(misbehave=kind) as relay:
            r = probe(relay, BOTH[i // 2], *(("user1", "pass") if i % 2 else ()), timeout="0.7")
        assert r["verdict"] == want, (kind, BOTH[i // 2], i % 2, r)
        assert r["exit"] == (0 if want in ("ok", "degraded") else 1) and r["seconds"] < 2.5, (kind, r)
        assert all(" " <= c < "\x7f" for c in r["reason"]), r


# RELAYING -> (over UDP, over TCP): verdict, exit status, words of the reason, packets that came back at most and at least
LOOPS = {
    "all": (("ok", 0, "20 of 20 packets", 20, 20),) * 2,
    "most": (("degraded", 0, "only ", 18, 2),) * 2,
    "one-way": (("filtered", 1, "reached the far side, but none came back", 0, 0),) * 2,
    "none": (("filtered", 1, "none of 20 packets got through", 0, 0),) * 2,
    "altered": (("mangled", 1, "20 came altered", 0, 0),) * 2,
    "refused": (None, ("degraded", 1, "does not connect its one relayed address", None, None)),
    "closed": (None, ("filtered", 1, "2 of 20 packets reached the far side", 0, 0)),
}


def check_loop(kind, transport, want):
    verdict, status, words, most, least = want
    with Relay(relaying=kind) as relay:
        r = probe(relay, transport, "user1", "pass", timeout="8", scheme="msrelay")
        if verdict == "ok" and r["tcp_retransmits"]:  # a relay that gets no processor is late with its ACK, and the kernel sends again
            verdict = "degraded"
        assert (r["verdict"], r["exit"]) == (verdict, status) and words in r["reason"], (kind, r)
        wait_for(f"both allocations to be given back, {kind} over {transport}", lambda: not relay.allocations, 3)
    if most is not None:
        assert least <= r["packets_received"] <= most and r["packets_sent"] == 20, r
        assert r["relayed_port_in_range"] and r["phases"]["allocate_us"] > 0 and r["phases"]["relay_us"] > 0, r
    if least == 20:
        assert 0 < r["rtt_min_us"] <= r["rtt_us"] <= r["rtt_max_us"] and r["loss"] == 0 and r["sent"] == r["received"] == 4000, r


def test_bytes_through_two_allocations_and_back():
    assert set(LOOPS) == set(RELAYING), set(LOOPS) ^ set(RELAYING)
    loops = [(kind, transport, want) for kind, wants in LOOPS.items() for transport, want in zip(BOTH, wants) if want]
    with concurrent.futures.ThreadPoolExecutor(len(loops)) as pool:
        for done in [pool.submit(check_loop, *loop) for loop in loops]:
            done.result()


def test_a_loop_needs_credentials_and_leaves_nothing_behind():
    for transport in BOTH:
        for words in ((), ("user1", "wrong")):
            with Relay(relaying="all") as relay:
                r = probe(relay, transport, *words, scheme="msrelay")
                assert r["verdict"] == "auth-failed" and r["exit"] == 1, r
                wait_for("nothing to be held", lambda: not relay.allocations, 3)
        with Relay(relaying="none") as relay:  # the time is up among the packets
            r = probe(relay, transport, "user1", "pass", timeout="0.5", scheme="msrelay")
            assert r["verdict"] == "filtered" and r["exit"] == 1 and r["seconds"] < 2, r
            wait_for("both allocations to be given back", lambda: not relay.allocations, 3)


def test_a_loop_over_two_relays():
    """One of them refuses the credentials: the reason names the leg."""
    for transport in BOTH:
        with Relay(relaying="all") as near, Relay(relaying="all", password=b"another") as far:
            r = probe(near, f"{transport}&far=127.0.0.1:{far.port}", "user1", "pass", scheme="msrelay")
            assert r["verdict"] == "auth-failed" and "far leg" in r["reason"], r
            wait_for("both allocations to be given back", lambda: not near.allocations and not far.allocations, 3)


def test_every_misbehaviour_is_listed():
    assert set(WANT) == set(MISBEHAVIOURS), set(WANT) ^ set(MISBEHAVIOURS)


for name in WANT:
    globals()[f"test_a_relay_that_misbehaves_{name}"] = lambda kind=name: check_misbehaviour(kind)

if __name__ == "__main__":
    tap.run(globals())
