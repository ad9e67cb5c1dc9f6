#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""libnice, which speaks Microsoft's dialects of TURN and ICE too, agrees with what we write, and we with what it writes."""
import os
import subprocess
import sys

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests"]
import tap  # noqa: E402

ORACLE = f"{BUILD}/tests/system/nice_oracle"


def test_libnice_and_we_agree():
    if not os.path.exists(ORACLE):
        return "built without libnice-dev"
    done = subprocess.run([ORACLE], capture_output=True, text=True, timeout=20, check=True)
    lines = done.stdout.splitlines()
    bad = [line for line in lines if not line.startswith("ok ")]
    assert len(lines) == 14 and not bad, done.stdout
    return None


if __name__ == "__main__":
    tap.run(globals())
