#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An independent reader, tshark, agrees with what we write: nothing malformed, every fingerprint right, and the types, addresses, names and
numbers that were meant. The same bytes are the seeds tests/vectors/stun/own-*.bin."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests"]
import tap  # noqa: E402

SAMPLES = {}
for line in subprocess.run([f"{BUILD}/tests/system/wire_samples"], capture_output=True, text=True, timeout=10, check=True).stdout.splitlines():
    NAME, TRANSPORT, HEX = line.split()
    SAMPLES[NAME] = (TRANSPORT, bytes.fromhex(HEX))

FIELDS = ["frame.number", "stun.type", "stun.att.type", "stun.att.crc32.status", "stun.att.ipv4", "stun.att.ipv6", "stun.att.port",
          "stun.att.error.class", "stun.att.error", "stun.att.username", "stun.att.realm", "stun.att.nonce", "stun.att.lifetime",
          "stun.channel", "stun.att.channelnum", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message"]
WARNING = 6291456  # PI_WARN of tshark; notes are below it

# What tshark must find. Attributes in their order, the fingerprint left out.
WANT = {
    "binding-request": {"type": "0x0001", "att": "8022"},
    "binding-success-v4": {"type": "0x0101", "att": "0020 0001", "ipv4": {"192.0.2.7"}, "port": {"50000"}},
    "binding-success-v6": {"type": "0x0101", "att": "0020", "ipv6": {"2001:db8::9"}, "port": {"50443"}},
    "binding-unknown-attributes": {"type": "0x0111", "att": "0009 000a", "error": "4,20"},
    "binding-redirect": {"type": "0x0111", "att": "0009 8023", "error": "3,0", "ipv6": {"2001:db8::9"}, "port": {"50443"}},
    "allocate-unsigned": {"type": "0x0003", "att": "0019"},
    "allocate-challenge": {"type": "0x0113", "att": "0009 0014 0015", "error": "4,1", "realm": "r.example", "nonce": "n1"},
    "allocate-signed": {"type": "0x0003", "att": "0019 000d 001a 0018 0006 0014 0015 0008", "username": "bob", "realm": "r.example",
                        "nonce": "n1", "lifetime": "600"},
    "allocate-stale": {"type": "0x0113", "att": "0009 0014 0015", "error": "4,38", "nonce": "n2"},
    "allocate-both-families": {"type": "0x0003", "att": "0019 8000 0006 0014 0015 0008", "nonce": "n2"},
    "allocate-success": {"type": "0x0103", "att": "0016 0020 000d 0022 0008", "ipv4": {"192.0.2.7"}, "ipv6": {"2001:db8::9"},
                         "port": {"50000", "50443"}, "lifetime": "600"},
    "refresh": {"type": "0x0004", "att": "000d 0006 0014 0015 0008", "lifetime": "0"},
    "allocate-challenge-sha256": {"type": "0x0113", "att": "0009 0014 0015 8002", "error": "4,1"},
    "allocate-signed-sha256": {"type": "0x0003", "att": "0019 0022 001e 0014 0015 8002 001d 001c"},
    "create-permission": {"type": "0x0008", "att": "0012 0012", "ipv4": {"192.0.2.7"}, "ipv6": {"2001:db8::9"}, "port": {"50000", "50443"}},
    "channel-bind": {"type": "0x0009", "att": "000c 0012", "channel": "0x4000", "ipv6": {"2001:db8::9"}, "port": {"50443"}},
    "send": {"type": "0x0016", "att": "0012 0013", "ipv4": {"192.0.2.7"}},
    "data": {"type": "0x0017", "att": "0012 0013", "ipv6": {"2001:db8::9"}},
    "channel-data": {"type": "", "att": "", "channel": "0x4fff"},
}


def dissect(transport):
    """{name: {field: text}} of the samples over this transport, each in a packet of its own."""
    names = [n for n, (t, _) in SAMPLES.items() if t == transport]
    with tempfile.TemporaryDirectory(prefix="em-tshark-") as directory:
        text, capture = f"{directory}/hex", f"{directory}/pcap"
        with open(text, "w", encoding="ascii") as f:
            for name in names:
                f.write("000000 " + SAMPLES[name][1].hex(" ") + "\n")
        ports = ["-u" if transport == "udp" else "-T", "40000,3478"]
        subprocess.run(["text2pcap", "-q", *ports, text, capture], check=True, capture_output=True, timeout=30)
        command = ["tshark", "-r", capture, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a", "-d", f"{transport}.port==3478,stun",
                   "-o", "tcp.desegment_tcp_streams:FALSE", *(x for f in FIELDS for x in ("-e", f))]
        got = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": directory})
    rows = [dict(zip(FIELDS, line.split("|"))) for line in got.stdout.splitlines()]
    assert len(rows) == len(names), got.stdout + got.stderr
    return dict(zip(names, rows))


def check_one(name, row):
    want = WANT[name]
    types = [t[2:] for t in row["stun.att.type"].split(",") if t]
    assert not row["_ws.malformed"], row
    assert all(int(s) < WARNING for s in row["_ws.expert.severity"].split(",") if s), row
    assert row["stun.type"] == want["type"], row
    if want["att"]:
        assert types == [*want["att"].split(), "8028"], row
        assert row["stun.att.crc32.status"] in ("1", "Good"), row
    assert "error" not in want or f'{row["stun.att.error.class"]},{row["stun.att.error"]}' == want["error"], row
    for field in ("username", "realm", "nonce", "lifetime"):
        assert field not in want or row[f"stun.att.{field}"] == want[field], row
    for field in ("ipv4", "ipv6", "port"):
        assert field not in want or want[field] == set(row[f"stun.att.{field}"].split(",")), row
    assert want.get("channel", "") == row["stun.channel"] + row["stun.att.channelnum"], row


def check(transport):
    if not shutil.which("tshark") or not shutil.which("text2pcap"):
        return "no tshark here"
    for name, row in dissect(transport).items():
        try:
            check_one(name, row)
        except AssertionError as e:
            raise AssertionError(f"{name}: {e}") from None
    return None


def test_every_sample_is_known():
    assert set(SAMPLES) == set(WANT), set(SAMPLES) ^ set(WANT)


def test_tshark_agrees_with_messages():
    return check("udp")


def test_tshark_agrees_with_channel_data():
    return check("tcp")


def test_samples_are_the_seeds():
    for name, (_, data) in SAMPLES.items():
        seed = pathlib.Path(f"{SRC}/tests/vectors/stun/own-{name}.bin")
        assert seed.read_bytes() == data, f"{seed.name} differs from what is written now"


if __name__ == "__main__":
    tap.run(globals())
