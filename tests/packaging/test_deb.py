#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages. Debian's: built from the tarball, without a word from lintian, installed, used, upgraded, removed and purged in a fresh Debian 12
(debootstrap in a mount and process namespace of the test's own), for which it needs root and the mirrors of this machine. RPM's: built."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

SRC, BUILD = os.path.abspath(os.environ.get("EM_SRCDIR", ".")), os.path.abspath(os.environ.get("EM_BUILDDIR", "."))
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/demo"]
import free_ports  # noqa: E402
import tap  # noqa: E402

PACKAGES = ["edgemedia", "edgemedia-doc", "edgemediad", "monitoring-plugins-edgemedia"]
OLDER = "0.0.1-0em1"
CONF, DATABASE = "etc/edgemedia/edgemedia.conf", "var/lib/edgemedia/edgemedia.db"
# Mounts what programs expect, refuses to start services, and goes on in the new root; all of it ends with the namespaces.
ENTER = """set -e
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --rbind /dev dev
exec chroot . /bin/sh -ec "$2" """


def run(*words, timeout=600, **how):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL, **how)


def must(*words, **how):
    done = run(*words, **how)
    assert done.returncode == 0, f"{words[:3]}: exit {done.returncode}: {(done.stdout + done.stderr)[-3000:]}"
    return done.stdout


class Machine:
    """A Debian 12 of its own in a directory."""

    def __init__(self, root):
        self.root = root
        must("debootstrap", "--variant=minbase", "bookworm", root)
        os.chmod(root, 0o755)
        # The mirrors of this machine, which may have updates that its packages need.
        os.remove(f"{root}/etc/apt/sources.list")
        for what in ("/etc/apt", "/etc/resolv.conf", "/etc/hosts"):
            copy = f"{root}{what}"
            if os.path.isdir(what):
                shutil.copytree(what, copy, dirs_exist_ok=True, symlinks=True)
            elif os.path.exists(what):
                shutil.copy(what, copy)
        with open(f"{root}/usr/sbin/policy-rc.d", "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nexit 101\n")
        os.chmod(f"{root}/usr/sbin/policy-rc.d", 0o755)
        self.must("apt-get update -q")

    def run(self, script):
        return run("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh", self.root, script,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"})

    def must(self, script):
        done = self.run(script)
        assert done.returncode == 0, f"{script}: exit {done.returncode}: {(done.stdout + done.stderr)[-3000:]}"
        return done.stdout

    def path(self, name):
        return f"{self.root}/{name}"

    def has(self, name):
        return os.path.lexists(self.path(name))

    def install(self, debs):
        """apt-get install of package files, which keeps what the operator changed."""
        for deb in debs:
            shutil.copy(deb, self.path("tmp"))
        names = " ".join(f"/tmp/{os.path.basename(deb)}" for deb in debs)
        return self.must(f"apt-get install -q -y --no-install-recommends -o Dpkg::Options::=--force-confold {names}")

    def end(self):
        shutil.rmtree(self.root, ignore_errors=True)


class State:
    machine = None
    debs = []


def older(deb, out):
    """The same package as an earlier version would have been."""
    tree = f"{out}/tree"
    must("dpkg-deb", "-R", deb, tree)
    control = f"{tree}/DEBIAN/control"
    with open(control, encoding="utf-8") as f:
        text = re.sub(r"^Version: .*$", f"Version: {OLDER}", f.read(), flags=re.M)
    with open(control, "w", encoding="utf-8") as f:
        f.write(text)
    made = f"{out}/{os.path.basename(deb).split('_')[0]}_{OLDER}.deb"
    must("dpkg-deb", "--root-owner-group", "-b", tree, made)
    shutil.rmtree(tree)
    return made


def test_packages_are_built_from_the_tarball():
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    must("make", "-s", "-C", BUILD, "deb", env={**env, "DEB_BUILD_OPTIONS": f"nocheck parallel={os.cpu_count()}"})
    State.debs = [deb for deb in sorted(glob.glob(f"{BUILD}/deb/*.deb")) if "-dbgsym_" not in deb]
    assert sorted(os.path.basename(deb).split("_")[0] for deb in State.debs) == PACKAGES, State.debs


def test_lintian_has_no_word():
    changes, = glob.glob(f"{BUILD}/deb/*.changes")
    done = run("lintian", "--allow-root", "--profile", "debian", "--fail-on", "error,warning", changes)
    assert done.returncode == 0 and not done.stdout.strip(), done.stdout + done.stderr


def test_rpm_packages_are_built_from_the_tarball():
    tarball, = glob.glob(f"{BUILD}/deb/*.orig.tar.xz")
    with tempfile.TemporaryDirectory(prefix="em-rpm-") as out:
        name = "-".join(os.path.basename(tarball).removesuffix(".orig.tar.xz").split("_")) + ".tar.xz"
        shutil.copy(tarball, f"{out}/{name}")
        # Debian has neither the names of the packages that it needs nor where units are.
        must("rpmbuild", "-ta", "--nodeps", "-D", f"_topdir {out}/rpm", "-D", "_unitdir /usr/lib/systemd/system", f"{out}/{name}")
        made = sorted(os.path.basename(rpm).rsplit("-", 2)[0] for rpm in glob.glob(f"{out}/rpm/RPMS/*/*.rpm"))
    assert made == ["edgemedia", "edgemediad", "nagios-plugins-edgemedia"], made


def test_a_fresh_machine_takes_an_earlier_version():
    if os.geteuid() != 0:
        return "needs root for debootstrap"
    State.machine = machine = Machine(tempfile.mkdtemp(prefix="em-deb-"))
    with tempfile.TemporaryDirectory(prefix="em-deb-old-") as out:
        machine.install([older(deb, out) for deb in State.debs])
    assert machine.must("id -un edgemedia").strip() == "edgemedia"
    assert machine.has(CONF) and machine.has("lib/systemd/system/edgemediad.service")
    return None


def test_the_first_verdict_needs_no_configuration():
    if not State.machine:
        return "needs root for debootstrap"
    began = time.monotonic()
    port = free_ports.take()
    text = State.machine.must(f"""
        edgemedia respond 127.0.0.1 {port}-{port} >/tmp/respond 2>&1 & responder=$!
        trap 'kill $responder' EXIT
        until grep -q '^listening' /tmp/respond; do kill -0 $responder && sleep 0.05; done
        /usr/lib/nagios/plugins/check_edge_media --probe stun:127.0.0.1:{port}""")
    assert "OK" in text, text
    print(f"# a verdict after {time.monotonic() - began:.2f} s")
    return None


def test_the_daemon_starts_with_what_is_installed():
    if not State.machine:
        return "needs root for debootstrap"
    State.machine.must("edgemediad --test-config -c /etc/edgemedia/edgemedia.conf")
    # As systemd does it: the places by tmpfiles.d, the user by sysusers.d.
    State.machine.must(f"""
        install -d -o edgemedia -g edgemedia /var/lib/edgemedia /run/edgemedia
        su -s /bin/sh edgemedia -c '/usr/sbin/edgemediad -f -c /etc/edgemedia/edgemedia.conf' >/tmp/d.out 2>&1 & daemon=$!
        trap 'kill $daemon; wait $daemon || :' EXIT
        for i in $(seq 200); do edgemedia status >/tmp/status 2>&1 && test -s /{DATABASE} && exit 0; sleep 0.05; done
        cat /tmp/d.out /tmp/status; exit 1""")
    return None


def test_an_upgrade_keeps_what_is_the_operators():
    if not State.machine:
        return "needs root for debootstrap"
    with open(State.machine.path(CONF), "a", encoding="ascii") as f:
        f.write("# the operator's line\n")
    State.machine.install(State.debs)
    versions = State.machine.must("dpkg-query -W -f '${Version}\\n' " + " ".join(PACKAGES)).split()
    assert len(set(versions)) == 1 and OLDER not in versions, versions
    with open(State.machine.path(CONF), encoding="ascii") as f:
        assert f.read().endswith("# the operator's line\n")
    assert State.machine.has(DATABASE)
    return None


def test_remove_keeps_configuration_and_database():
    if not State.machine:
        return "needs root for debootstrap"
    State.machine.must("apt-get remove -q -y " + " ".join(PACKAGES))
    assert State.machine.has(CONF) and State.machine.has(DATABASE)
    for gone in ("usr/sbin/edgemediad", "usr/bin/edgemedia", "usr/lib/nagios/plugins/check_edge_media"):
        assert not State.machine.has(gone), gone
    return None


def test_purge_leaves_nothing():
    if not State.machine:
        return "needs root for debootstrap"
    State.machine.must("apt-get purge -q -y edgemediad") # the others left nothing that a purge could take
    left = State.machine.must("find / -xdev -name '*edgemedia*' -not -path '/proc/*' -not -path '/run/*' -not -path '/tmp/*' -not -path '/var/log/*' "
                              "-not -path '/var/cache/*'").split()
    assert not left, left
    return None


try:
    tap.run(globals())
finally:
    if State.machine:
        State.machine.end()
