# SPDX-License-Identifier: GPL-3.0-or-later
"""A path with hops: inside - near router - firewall - far router - outside, five network namespaces, IPv4 and IPv6. The firewall in the middle
is the second hop and misbehaves as it is told; outside stands edgemedia respond."""
import os
import subprocess
import sys
import time

sys.path[:0] = [f"{os.environ.get('EM_SRCDIR', '.')}/tests/system"]
import namespaces  # noqa: E402

BUILD, HERE = os.environ.get("EM_BUILDDIR", "."), os.path.dirname(os.path.abspath(__file__))
CLI = f"{BUILD}/edgemedia"
OUT4, OUT6, PORTS, PROXY_PORT, READY_S = "198.51.100.2", "2001:db8:2::2", "50000-50009", 9000, 20
# Cables in order: what the left place and the right place are called on it; the firewall is the third place.
CABLES = (("192.0.2.1", "192.0.2.254", "2001:db8:1::1", "2001:db8:1::fe"), ("198.18.1.1", "198.18.1.2", "2001:db8:a::1", "2001:db8:a::2"),
          ("198.18.2.1", "198.18.2.2", "2001:db8:b::1", "2001:db8:b::2"), ("198.51.100.1", OUT4, "2001:db8:2::1", OUT6))
HOPS4, HOPS6 = [cable[1] for cable in CABLES], [cable[3] for cable in CABLES]
FIREWALL = 2  # which hop it is


class Path:
    def __enter__(self):
        self.places, self.programs = [], []
        try:
            for _ in range(len(CABLES) + 1):
                self.places.append(namespaces.Namespace(self.places[0] if self.places else None))
            self.inside, self.firewall, self.outside = self.places[0], self.places[FIREWALL], self.places[-1]
            self.cable()
            self.route()
            self.respond()
        except BaseException:
            self.__exit__()
            raise
        return self

    def cable(self):
        for i, (left4, right4, left6, right6) in enumerate(CABLES):
            near, far = self.places[i], self.places[i + 1]
            near.run("ip", "link", "add", f"r{i}", "type", "veth", "peer", "name", f"l{i + 1}", "netns", far.pid)
            for place, link, v4, v6 in ((near, f"r{i}", left4, left6), (far, f"l{i + 1}", right4, right6)):
                place.run("ip", "addr", "add", f"{v4}/24", "dev", link)
                place.run("ip", "addr", "add", f"{v6}/64", "dev", link, "nodad")
                place.run("ip", "link", "set", "lo", "up")
                place.run("ip", "link", "set", link, "up")

    def route(self):
        """Towards the outside by default, and back to where inside is."""
        for i, (_, right4, _, right6) in enumerate(CABLES):
            self.places[i].run("ip", "route", "add", "default", "via", right4)
            self.places[i].run("ip", "-6", "route", "add", "default", "via", right6)
        for i, (left4, _, left6, _) in enumerate(CABLES[1:], 2):
            for net, via, family in (("192.0.2.0/24", left4, "-4"), ("2001:db8:1::/64", left6, "-6")):
                self.places[i].run("ip", family, "route", "add", net, "via", via)
        self.outside.run("ip", "route", "add", "198.18.0.0/16", "via", CABLES[-1][0])
        for place in self.places[1:-1]:
            for name, value in (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1), ("ipv6/icmp/ratelimit", 0), ("ipv4/icmp_ratelimit", 0)):
                place.run("sh", "-c", f"echo {value} >/proc/sys/net/{name}")

    def start(self, place, first_word, *words):
        """A program in there, once its first line begins with first_word."""
        program = subprocess.Popen(place.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.programs.append(program)
        said = program.stdout.readline()
        assert said.startswith(first_word), f"{' '.join(words)} said {said!r}"
        return program

    def respond(self):
        for address in (OUT4, OUT6):
            self.start(self.outside, "listening", CLI, "respond", address, PORTS)
        end = time.monotonic() + READY_S
        while self.inside.run(CLI, "probe", f"udp:{OUT4}:50000", f"udp:[{OUT6}]:50000", check=False).returncode != 0:
            assert time.monotonic() < end, "the responder does not answer at the end of the path"

    def proxy(self, mode):
        return self.start(self.firewall, "ready", sys.executable, f"{HERE}/proxy.py", mode, str(PROXY_PORT))

    def rules(self, forward, nat=""):
        """Replaces what the firewall does with packets that pass (forward) and before it looks where they go (nat)."""
        text = f"flush ruleset\ntable inet lab {{\nchain f {{ type filter hook forward priority 0; policy accept;\n{forward}\n}}\n"
        if nat:
            text += f"chain n {{ type nat hook prerouting priority -100; policy accept;\n{nat}\n}}\n"
        self.firewall.run("nft", "-f", "-", input=text + "}\n")

    def __exit__(self, *_):
        for program in self.programs:
            program.terminate()
            program.wait(10)
            program.stdout.close()
        for place in reversed(self.places):
            place.close()
