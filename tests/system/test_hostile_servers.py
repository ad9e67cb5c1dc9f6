#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that do everything wrong (hostile_server.py), all asked at once: each probe ends at its deadline at the latest, with the verdict of the table. And
credentials that are wrong, expired, empty, not ASCII, or no text."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import unicodedata

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from hostile_server import Hostile  # noqa: E402
from test_probe import TURNSERVER, Coturn  # noqa: E402

TIMEOUT_S, OVER_S = 2.0, 1.0

# manner, kinds, verdict over UDP, verdict over TCP
BROKEN = (
    ("good", "stun", "ok", "ok"),
    ("wrong-id", "stun turn", "filtered", "protocol-error"),
    ("length-too-long", "stun turn", "protocol-error", "protocol-error"),
    ("length-too-short", "stun", "protocol-error", "protocol-error"),
    ("length-odd", "stun", "protocol-error", "protocol-error"),
    ("attribute-past-the-end", "stun turn", "protocol-error", "protocol-error"),
    ("huge-attribute", "stun turn", "protocol-error", "protocol-error"),
    ("many-attributes", "stun", "ok", "ok"),
    ("nothing-inside", "stun turn", "protocol-error", "protocol-error"),
    ("a-request-back", "stun turn", "filtered", "protocol-error"),
    ("noise", "stun turn", "protocol-error", "protocol-error"),
    ("noise-for-ever", "stun turn", "protocol-error", "protocol-error"),
    ("indications-for-ever", "stun turn", "filtered", "protocol-error"),
    ("byte-a-second", "stun turn", "protocol-error", "protocol-error"),
    ("never", "stun turn", "filtered", "silent"),
    ("close", "stun turn", "filtered", "protocol-error"),
    ("half", "stun turn", "protocol-error", "protocol-error"),
    ("ring", "stun turn relay", "degraded", "degraded"),
    ("to-itself", "stun turn relay", "degraded", "degraded"),
    ("stale-for-ever", "turn relay", "protocol-error", "protocol-error"),
    ("another-realm-each-time", "turn relay", "auth-failed", "auth-failed"),
    ("refuses", "turn relay", "auth-failed", "auth-failed"),
    ("unsigned-success", "turn relay", "protocol-error", "protocol-error"),
    ("error-without-code", "stun turn relay", "protocol-error", "protocol-error"),
    ("code-999", "stun turn relay", "protocol-error", "protocol-error"),
    ("nonce-of-5000", "turn relay", "protocol-error", "protocol-error"),
)


def write(directory, name, data):
    path = f"{directory}/{name}"
    with open(path, "wb") as f:
        f.write(data)
    return path


def probe(uris, user, password):
    with tempfile.TemporaryDirectory(prefix="em-hostile-") as directory:
        how = ["--user", user, "--password-file", write(directory, "pw", password)] if user else []
        start = time.monotonic()
        got = subprocess.run([f"{BUILD}/edgemedia", "probe", "--json", "--timeout", str(TIMEOUT_S), *how, *uris], stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=30, check=False)
    assert got.returncode in (0, 1), got
    return {(row := json.loads(line))["uri"]: row for line in got.stdout.splitlines()}, time.monotonic() - start


def test_each_ends_in_time_with_its_verdict():
    with contextlib.ExitStack() as stack:
        wanted = {}
        for tcp in (False, True):
            ring = stack.enter_context(Hostile("ring", tcp))
            for manner, kinds, *verdicts in BROKEN:
                server = stack.enter_context(Hostile(manner, tcp))
                if manner == "ring":
                    server.other, ring.other = ring, server
                for kind in kinds.split():
                    wanted[f"{kind}:127.0.0.1:{server.port}?transport={'tcp' if tcp else 'udp'}"] = (manner, verdicts[tcp])
        rows, seconds = probe(list(wanted), "bob", b"north\n")
        assert seconds < TIMEOUT_S + OVER_S, seconds
        assert rows.keys() == wanted.keys()
        wrong = [f"{uri} {manner}: {rows[uri]['verdict']} in place of {verdict}: {rows[uri]['reason']}" for uri, (manner, verdict) in wanted.items()
                 if rows[uri]["verdict"] != verdict]
        assert not wrong, "\n".join(wrong)
        assert all(ord(c) >= 32 for row in rows.values() for c in row["reason"]), rows


def undisturbed(uris, *who):
    """On a machine that has too much to do, TCP retransmits even over loopback, and the probe rightly says so: then it is asked again."""
    for _ in range(5):
        rows, _ = probe(uris, *who)
        if not any("TCP had to retransmit" in row["reason"] for row in rows.values()):
            break
    return rows


def test_credentials():
    """Those that a real server knows, and others. The user's name was given to it in composed form (NFC); it is typed in any form."""
    if not TURNSERVER:
        return "no turnserver here"
    name, password = "Zoë", "pässwörd ♦"
    apart = [unicodedata.normalize("NFD", text) for text in (name, password)]
    with Coturn("--lt-cred-mech", f"--user={name}:{password}", "--user=bob:north") as server:
        for user, typed, verdict, words in (
                ("bob", b"north\n", "ok", "released"), ("bob", b"south\n", "auth-failed", "refused the credentials"),
                ("bob", b"north\r\n", "ok", "released"), ("carol", b"north\n", "auth-failed", "refused"),
                (name, password.encode() + b"\n", "ok", "released"), (apart[0], apart[1].encode() + b"\n", "ok", "released"),
                (name, password.replace(" ", "\u2003").encode() + b"\n", "ok", "released"),
                (name, password.upper().encode() + b"\n", "auth-failed", "refused"),
                ("bob", b"nor\tth\n", "error", "the password cannot be used: the character U+0009"),
                ("bob", b"nor\xffth\n", "error", "the password cannot be used: it is not UTF-8"),
                ("b\u00adob", b"north\n", "error", "the user name cannot be used: the character U+00AD"),
                ("bob" * 80, b"north\n", "auth-failed", "refused"), ("bob", b"n" * 500 + b"\n", "auth-failed", "refused")):
            rows = undisturbed([server.uri(kind, transport) for kind in ("turn", "relay") for transport in ("udp", "tcp")], user, typed)
            for row in rows.values():
                assert row["verdict"] == verdict and (words in row["reason"] or words == "released"), (user, typed, row)
    return None


def test_expired_credentials():
    """REST credentials whose time is over, given as user and password."""
    if not TURNSERVER:
        return "no turnserver here"
    with Coturn("--use-auth-secret", "--static-auth-secret=north") as server:
        rows, _ = probe([server.uri("turn", "udp"), server.uri("turn", "tcp")], "1000000000:bob", b"0mKE7GNgaiC5wBxZ2fleEK5N8s0=\n")
        assert all(row["verdict"] == "auth-failed" for row in rows.values()), rows
    return None


def test_empty_credentials():
    with tempfile.TemporaryDirectory(prefix="em-hostile-") as directory:
        empty = write(directory, "pw", b"\n")
        for option in ("--password-file", "--secret-file"):
            got = subprocess.run([f"{BUILD}/edgemedia", "probe", "--user", "bob", option, empty, "turn:127.0.0.1:9"],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
            assert got.returncode == 2 and empty in got.stderr, got


if __name__ == "__main__":
    tap.run(globals())
