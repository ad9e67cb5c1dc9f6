#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""make install: what an operator's machine gets, and that what is installed works as it is: configuration, systemd's files, snmpd's."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.path.abspath(os.environ.get("EM_BUILDDIR", "."))
sys.path[:0] = [f"{SRC}/tests"]
import tap  # noqa: E402

EXPOSURE_MAX = 2.0  # of systemd-analyze security; this number only goes down
WANTED = ["sbin/edgemediad", "bin/edgemedia", "lib/systemd/system/edgemediad.service", "lib/sysusers.d/edgemedia.conf",
          "lib/tmpfiles.d/edgemedia.conf", "share/snmp/mibs/EDGE-MEDIA-MIB.txt", "lib/nagios/plugins/check_edge_media",
          "share/doc/edgemedia/snmpd-edgemedia.conf", "share/doc/edgemedia/edgemedia.conf.example"]


def run(*words, **how):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL, **how)


def make(target, root):
    places = ["prefix=/usr/local", "sysconfdir=/etc", "localstatedir=/var", f"DESTDIR={root}"]
    done = run("make", "-s", "--no-print-directory", "-C", BUILD, target, *places,
               env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")})
    assert done.returncode == 0, done.stderr
    return root


def files(root):
    return {os.path.relpath(f"{at}/{name}", root) for at, _, names in os.walk(root) for name in names}


def test_everything_is_installed_and_goes_again():
    with tempfile.TemporaryDirectory(prefix="em-install-") as root:
        make("install", root)
        have = files(root)
        missing = [name for name in WANTED if f"usr/local/{name}" not in have] + [n for n in ("etc/edgemedia/edgemedia.conf",) if n not in have]
        assert not missing, missing
        make("uninstall", root)
        assert not files(root), files(root)


def test_a_changed_configuration_is_nobody_elses():
    with tempfile.TemporaryDirectory(prefix="em-install-") as root:
        make("install-data-local", root)
        conf = f"{root}/etc/edgemedia/edgemedia.conf"
        with open(conf, "a", encoding="ascii") as f:
            f.write("# mine\n")
        for target in ("install-data-local", "uninstall-local"):
            make(target, root)
            with open(conf, encoding="ascii") as f:
                assert f.read().endswith("# mine\n"), target


def test_every_example_of_a_configuration_is_accepted():
    examples = {"packaging/edgemedia.conf.example": None}
    for at in [f"{SRC}/README.md", *(f"{SRC}/doc/{name}" for name in os.listdir(f"{SRC}/doc") if not name.endswith(".png"))]:
        with open(at, encoding="utf-8") as f:
            text = f.read()
        if at.endswith(".5"):
            blocks = [b.replace("\\(dq", '"').replace("\\&", "") for b in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.M | re.S)]
        else:
            blocks = re.findall(r"(?:^ {4}.*\n|^\n)+", text, re.M) + re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
        for n, block in enumerate(b for b in blocks if re.search(r'^\s*(?:edge|source) "', b, re.M)):
            examples[f"{os.path.basename(at)}, block {n + 1}"] = block
    with open(f"{SRC}/packaging/edgemedia.conf.example", encoding="ascii") as f:
        examples["packaging/edgemedia.conf.example"] = f.read()
    assert len(examples) >= 3, examples.keys()
    wrong = []
    with tempfile.TemporaryDirectory(prefix="em-example-") as where:
        secret = r"/etc/edgemedia/(\w+\.(?:pw|token))"
        for name in set(re.findall(secret, "\n".join(examples.values()))):
            with open(f"{where}/{name}", "w", encoding="ascii") as f:
                f.write("secret\n")
        os.chmod(where, 0o700)
        for name, text in examples.items():
            with open(f"{where}/edgemedia.conf", "w", encoding="ascii") as f:
                f.write(re.sub(secret, rf"{where}/\1", text))
            done = run(f"{BUILD}/edgemediad", "--test-config", "-c", f"{where}/edgemedia.conf")
            if done.returncode != 0:
                wrong.append(f"{name}: {done.stdout}{done.stderr}")
    assert not wrong, "\n".join(wrong)


def test_systemd_takes_the_unit_and_finds_it_tight():
    if not shutil.which("systemd-analyze"):
        return "systemd-analyze is not installed"
    with tempfile.TemporaryDirectory(prefix="em-unit-") as root:
        make("install-nodist_systemdsystemunitDATA", root)
        unit = f"{root}/usr/local/lib/systemd/system/edgemediad.service"
        with open(unit, encoding="ascii") as f:
            text = f.read()
        assert re.search(r"^ExecStart=/\S+/sbin/edgemediad -f -c /\S+/edgemedia/edgemedia\.conf$", text, re.M), text
        assert not re.search(r"@\w+@", text), text
        done = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        assert exposure and float(exposure.group(1)) <= EXPOSURE_MAX, done.stdout[-300:] + done.stderr
    return None


def test_user_and_directories_are_made():
    """sysusers and tmpfiles of systemd take the files, below a root of the test's own."""
    if os.geteuid() != 0 or not shutil.which("systemd-sysusers"):
        return "needs root and systemd-sysusers" if os.environ.get("CI") != "true" or os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="em-users-") as root:
        make("install-data-local", root)
        os.makedirs(f"{root}/etc", exist_ok=True)
        for tool, words in (("systemd-sysusers", []), ("systemd-tmpfiles", ["--create"])):
            done = run(tool, f"--root={root}", *words, "edgemedia.conf")
            assert done.returncode == 0, f"{tool}: {done.stderr}"
        with open(f"{root}/etc/passwd", encoding="ascii") as f:
            uid = int(next(line for line in f if line.startswith("edgemedia:")).split(":")[2])
        for path, mode in (("var/lib/edgemedia", 0o750), ("run/edgemedia", 0o755)):
            at = os.stat(f"{root}/{path}")
            assert at.st_uid == uid and at.st_mode & 0o7777 == mode, (path, at)
    return None


if __name__ == "__main__":
    tap.run(globals())
