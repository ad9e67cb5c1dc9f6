# SPDX-License-Identifier: GPL-3.0-or-later
"""What the labs have in common: namespaces with cables between them, programs in them, and a firewall in the middle that does as it is told. A lab fills in
`inside`, `middle` and `outside`. Everything is held by processes (tests/system/namespaces.py), so nothing remains when the test ends, however it does."""
import os
import subprocess
import sys
import time

sys.path[:0] = [f"{os.environ.get('EM_SRCDIR', '.')}/tests/system"]
import namespaces  # noqa: E402

BUILD, HERE = os.environ.get("EM_BUILDDIR", "."), os.path.dirname(os.path.abspath(__file__))
CLI = f"{BUILD}/edgemedia"
OUT4, OUT6, PORTS, PROXY_PORT, READY_S = "198.51.100.2", "2001:db8:2::2", "50000-50009", 9000, 20


def cable(near, far, left, right):
    """A cable between two places; each end: name, IPv4 with its prefix, IPv6 with its prefix."""
    near.run("ip", "link", "add", left[0], "type", "veth", "peer", "name", right[0], "netns", far.pid)
    for place, (link, v4, v6) in ((near, left), (far, right)):
        place.run("ip", "addr", "add", v4, "dev", link)
        place.run("ip", "addr", "add", v6, "dev", link, "nodad")
        place.run("ip", "link", "set", "lo", "up")
        place.run("ip", "link", "set", link, "up")


class Lab:
    inside = middle = outside = None

    def __enter__(self):
        self.places, self.programs = [], []
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.terminate()
            program.wait(10)
            for pipe in (program.stdout, program.stdin):
                if pipe:
                    pipe.close()
        for place in reversed(self.places):
            place.close()

    def place(self):
        self.places.append(namespaces.Namespace(self.places[0] if self.places else None))
        return self.places[-1]

    def start(self, place, first_word, *words):
        """A program in there, once its first line begins with first_word."""
        program = subprocess.Popen(place.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.programs.append(program)
        said = program.stdout.readline()
        assert said.startswith(first_word), f"{' '.join(words)} said {said!r}"
        return program

    def wait_for_answers(self, *uris):
        """Until probes from inside reach all of these."""
        end = time.monotonic() + READY_S
        while self.inside.run(CLI, "probe", "--insecure", *uris, check=False).returncode != 0:
            assert time.monotonic() < end, "the far ends do not answer through the lab"

    def proxy(self, mode, *more):
        return self.start(self.middle, "ready", sys.executable, f"{HERE}/proxy.py", mode, str(PROXY_PORT), *more)

    def rules(self, forward, nat=""):
        """Replaces what the firewall does with packets that pass (forward) and before it looks where they go (nat)."""
        text = f"flush ruleset\ntable inet lab {{\nchain f {{ type filter hook forward priority 0; policy accept;\n{forward}\n}}\n"
        if nat:
            text += f"chain n {{ type nat hook prerouting priority -100; policy accept;\n{nat}\n}}\n"
        self.middle.run("nft", "-f", "-", input=text + "}\n")
