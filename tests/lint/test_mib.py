#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""EDGE-MEDIA-MIB: the committed file is what mibgen prints, and the strictest check finds nothing to say, whatever the root."""
import os
import shutil
import subprocess
import sys
import tempfile

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from private_snmpd import find_mibs  # noqa: E402

DEFAULT_ROOT = "1.3.6.1.4.1.8072.9999.9999.23"


def mibgen(*root):
    return subprocess.run([f"{BUILD}/mibs/mibgen", *root], capture_output=True, text=True, check=False)


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def test_committed_mib_is_generated():
    assert read(f"{SRC}/mibs/EDGE-MEDIA-MIB.txt") == mibgen(DEFAULT_ROOT).stdout, "run make update-mib and set REVISION in mibs/mibgen.c"


def test_built_mib_has_the_configured_root():
    assert read(f"{BUILD}/mibs/built/EDGE-MEDIA-MIB.txt") == mibgen().stdout


def test_smilint_is_silent():
    mibs = find_mibs()
    if not shutil.which("smilint") or not mibs:
        return "no smilint" if mibs else "no base MIBs: set EM_MIBS"
    for root in (DEFAULT_ROOT, "1.3.6.1.4.1.64999", "1.3.6.1.4.1.64999.7"):
        with tempfile.TemporaryDirectory(prefix="edgemedia-mib-") as directory:
            path = f"{directory}/EDGE-MEDIA-MIB.txt"
            with open(path, "w", encoding="ascii") as f:
                f.write(mibgen(root).stdout)
            got = subprocess.run(["smilint", "-l", "6", "-s", "-m", path], capture_output=True, text=True, check=False,
                                 env=dict(os.environ, SMIPATH=mibs))
            said = got.stdout + got.stderr  # it exits 0 whatever it finds
            assert not said, f"root {root}: {said}"
    return None


def test_unusable_roots_are_refused():
    for root in ("1.3.6.1.4.1", "1.3.6.1.4.1.", "1.3.6.1.2.1.1", "1.3.6.1.4.1.5..6", "1.3.6.1.4.1.4294967296", "x", "1.3.6.1.4.1.5x"):
        got = mibgen(root)
        assert got.returncode == 2 and not got.stdout and got.stderr.startswith("mibgen: "), f"{root}: {got}"


if __name__ == "__main__":
    tap.run(globals())
