# SPDX-License-Identifier: GPL-3.0-or-later
"""Two network namespaces with a cable between them, for tests: near (192.0.2.1, 2001:db8::1) and far (192.0.2.2, 2001:db8::2). Each is held
by a process that waits on a pipe of this one, so it goes when the test goes, however that happens. Nothing is mounted and nothing is named
below /run, so a bare chroot will do. An ordinary user gets them inside a user namespace, or, where those are forbidden, with sudo."""
import os
import subprocess
import sys

FAR4, FAR6 = "192.0.2.2", "2001:db8::2"
LINKS = (("near0", "192.0.2.1", "2001:db8::1"), ("far0", FAR4, FAR6))
os.environ["PATH"] += ":/usr/sbin:/sbin"  # nft and ip, which an ordinary user's PATH does not have
KEPT = ("EM_SRCDIR", "EM_BUILDDIR", "EM_MIBS", "PATH", "PYTHONDONTWRITEBYTECODE", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")


def run(*words, check=True, **how):
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=how.pop("timeout", 30), **how)
    assert not check or done.returncode == 0, f"{' '.join(words)}: exit status {done.returncode}: {done.stderr.strip()}"
    return done


class Namespace:
    """A network namespace; one with a parent lies in the same user namespace as that."""

    def __init__(self, parent=None):
        make, enter = ["unshare", "-n"], ["nsenter"]
        if os.geteuid() != 0:
            make = ["unshare", "-n"] if parent else ["unshare", "-U", "-r", "-n"]
            enter = ["nsenter", "--preserve-credentials", "-U"]
        command = [*(parent.enter if parent else []), *make, "sh", "-c", "echo $$; exec cat"]
        self.holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pid = self.holder.stdout.readline().strip()
        if not self.pid:
            raise OSError(self.close() or "unshare said nothing")
        self.enter = [*enter, "-t", self.pid, "-n"]

    def close(self):
        """Ends the holder; what it said on standard error."""
        return self.holder.communicate()[1].strip()

    def command(self, *words):
        """The words of a command that runs words in here."""
        return [*self.enter, *words]

    def run(self, *words, **how):
        return run(*self.command(*words), **how)

    def rules(self, text):
        """text becomes the rules of a chain of nftables that sees all packets that come in."""
        self.run("nft", "-f", "-", input=f"flush ruleset\ntable inet t {{ chain i {{\n"
                 f"type filter hook input priority 0; policy accept\n{text}\n}}\n}}\n")


class Pair:
    """near and far, connected; far tells about every packet that it refuses."""

    def __enter__(self):
        self.near = self.far = None
        try:
            self.near = Namespace()
            self.far = Namespace(self.near)
            self.connect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def connect(self):
        self.near.run("ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", self.far.pid)
        for place, (link, v4, v6) in zip((self.near, self.far), LINKS):
            place.run("ip", "addr", "add", f"{v4}/24", "dev", link)
            place.run("ip", "addr", "add", f"{v6}/64", "dev", link, "nodad")
            place.run("ip", "link", "set", "lo", "up")
            place.run("ip", "link", "set", link, "up")
        for name in ("ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"):
            self.far.run("sh", "-c", f"echo 0 >/proc/sys/net/{name}")

    def __exit__(self, *_):
        for place in (self.far, self.near):
            if place:
                place.close()


def missing():
    """Why there can be no such pair with rules here, or None."""
    try:
        with Pair() as pair:
            pair.far.rules("")
    except (AssertionError, OSError) as e:
        return str(e).replace("\n", " ")
    return None


def with_sudo_if_needed(lacks=missing):
    """To be called first: the test goes on as root where an ordinary user lacks something, but has sudo without a password."""
    if os.geteuid() != 0 and lacks() and run("sh", "-c", "sudo -n true", check=False).returncode == 0:
        kept = [f"{name}={os.environ[name]}" for name in KEPT if name in os.environ]
        os.execvp("sudo", ["sudo", "-n", "env", *kept, sys.executable, *sys.argv])


def in_lab(lab, check):
    """A test that makes a lab (a class) and lets check look at it; skipped where there are no namespaces."""
    def test():
        why = missing()
        if why:
            return f"no network namespaces with nftables here: {why}"
        with lab() as made:
            check(made)
        return None
    return test
