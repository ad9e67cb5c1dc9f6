# SPDX-License-Identifier: GPL-3.0-or-later
"""Three network namespaces: inside (192.0.2.1), a firewall that forwards, outside (198.51.100.2) with edgemedia respond on PORTS; IPv4 and
IPv6. Held by processes (tests/system/namespaces.py), so nothing remains when the test ends, however it does."""
import os
import subprocess
import sys
import time

sys.path[:0] = [f"{os.environ.get('EM_SRCDIR', '.')}/tests/system"]
import namespaces  # noqa: E402

BUILD, HERE = os.environ.get("EM_BUILDDIR", "."), os.path.dirname(os.path.abspath(__file__))
CLI = f"{BUILD}/edgemedia"
OUT4, OUT6, PORTS, PROXY_PORT, READY_S = "198.51.100.2", "2001:db8:2::2", "50000-50009", 9000, 20
# name of the near end, its addresses, name of the far end, its addresses; the firewall holds the far end of the first, the near of the second
FORWARD = (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1), ("ipv4/icmp_ratelimit", 0), ("ipv6/icmp/ratelimit", 0))
CABLES = (("in0", "192.0.2.1/24", "2001:db8:1::1/64", "fw0", "192.0.2.254/24", "2001:db8:1::fe/64"),
          ("fw1", "198.51.100.1/24", "2001:db8:2::1/64", "out0", f"{OUT4}/24", f"{OUT6}/64"))


class Firewall:
    def __enter__(self):
        self.places, self.programs = [], []
        try:
            self.inside = self.place(None)
            self.middle = self.place(self.inside)
            self.outside = self.place(self.inside)
            self.cable()
            self.respond()
        except BaseException:
            self.__exit__()
            raise
        return self

    def place(self, parent):
        self.places.append(namespaces.Namespace(parent))
        return self.places[-1]

    def cable(self):
        for near, far, (a, a4, a6, b, b4, b6) in zip(self.places, self.places[1:], CABLES):
            near.run("ip", "link", "add", a, "type", "veth", "peer", "name", b, "netns", far.pid)
            for place, link, v4, v6 in ((near, a, a4, a6), (far, b, b4, b6)):
                place.run("ip", "addr", "add", v4, "dev", link)
                place.run("ip", "addr", "add", v6, "dev", link, "nodad")
                place.run("ip", "link", "set", "lo", "up")
                place.run("ip", "link", "set", link, "up")
        for place, v4, v6 in ((self.inside, "192.0.2.254", "2001:db8:1::fe"), (self.outside, "198.51.100.1", "2001:db8:2::1")):
            place.run("ip", "route", "add", "default", "via", v4)
            place.run("ip", "-6", "route", "add", "default", "via", v6)
        for name, value in FORWARD:
            self.middle.run("sh", "-c", f"echo {value} >/proc/sys/net/{name}")

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
            assert time.monotonic() < end, "the responder does not answer through the firewall"

    def proxy(self, mode):
        return self.start(self.middle, "ready", sys.executable, f"{HERE}/proxy.py", mode, str(PROXY_PORT))

    def rules(self, forward, nat=""):
        """Replaces what the firewall does with packets that pass (forward) and before it looks where they go (nat)."""
        text = f"flush ruleset\ntable inet lab {{\nchain f {{ type filter hook forward priority 0; policy accept;\n{forward}\n}}\n"
        if nat:
            text += f"chain n {{ type nat hook prerouting priority -100; policy accept;\n{nat}\n}}\n"
        self.middle.run("nft", "-f", "-", input=text + "}\n")

    def __exit__(self, *_):
        for program in self.programs:
            program.terminate()
            program.wait(10)
            program.stdout.close()
        for place in reversed(self.places):
            place.close()
