# SPDX-License-Identifier: GPL-3.0-or-later
"""Three network namespaces: inside (192.0.2.1), a firewall that forwards, outside (198.51.100.2) with edgemedia respond on PORTS and 443, a coturn on
3478 and (TLS) 5349, and a name server; IPv4 and IPv6. Held by processes (tests/system/namespaces.py), so nothing remains when the test ends,
however it does."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [f"{os.environ.get('EM_SRCDIR', '.')}/tests/system"]
import namespaces  # noqa: E402

BUILD, HERE = os.environ.get("EM_BUILDDIR", "."), os.path.dirname(os.path.abspath(__file__))
CLI, TURNSERVER = f"{BUILD}/edgemedia", shutil.which("turnserver")
OUT4, OUT6, OTHER4, PORTS, PROXY_PORT, READY_S = "198.51.100.2", "2001:db8:2::2", "198.51.100.3", "50000-50009", 9000, 20
FIREWALL4, SECRET, LIAR_PORT = "198.51.100.1", "north", 5353
FORWARD = (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1), ("ipv4/icmp_ratelimit", 0), ("ipv6/icmp/ratelimit", 0),
           ("netfilter/nf_conntrack_acct", 1))
# name of the near end, its addresses, name of the far end, its addresses; the firewall holds the far end of the first, the near of the second
CABLES = (("in0", "192.0.2.1/24", "2001:db8:1::1/64", "fw0", "192.0.2.254/24", "2001:db8:1::fe/64"),
          ("fw1", f"{FIREWALL4}/24", "2001:db8:2::1/64", "out0", f"{OUT4}/24", f"{OUT6}/64"))


class Firewall:
    def __init__(self, certificate=None):
        """certificate: that of the TURN server, and its key; None: there is no TURN server."""
        self.certificate = certificate

    def __enter__(self):
        self.places, self.programs = [], []
        self.directory = tempfile.TemporaryDirectory(prefix="em-lab-")
        try:
            self.inside = self.place(None)
            self.middle = self.place(self.inside)
            self.outside = self.place(self.inside)
            self.cable()
            self.serve()
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
        self.outside.run("ip", "addr", "add", f"{OTHER4}/24", "dev", "out0")
        for place, v4, v6 in ((self.inside, "192.0.2.254", "2001:db8:1::fe"), (self.outside, FIREWALL4, "2001:db8:2::1")):
            place.run("ip", "route", "add", "default", "via", v4)
            place.run("ip", "-6", "route", "add", "default", "via", v6)
        self.middle.run("nft", "add table inet lab; add chain inet lab f { type filter hook forward priority 0; }; add rule inet lab f ct state new")
        for name, value in FORWARD:
            self.middle.run("sh", "-c", f"echo {value} >/proc/sys/net/{name}")

    def start(self, place, first_word, *words):
        """A program in there, once its first line begins with first_word."""
        program = subprocess.Popen(place.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.programs.append(program)
        said = program.stdout.readline()
        assert said.startswith(first_word), f"{' '.join(words)} said {said!r}"
        return program

    def serve(self):
        for address in (OUT4, OUT6):
            for ports in (PORTS, "443-443"):
                self.start(self.outside, "listening", CLI, "respond", address, ports)
        self.start(self.outside, "ready", sys.executable, f"{HERE}/name_server.py", OUT4, "53", "true")
        with open(self.secret_file(), "w", encoding="utf-8") as f:
            f.write(f"{SECRET}\n")
        wanted = [f"udp:{OUT4}:50000", f"udp:[{OUT6}]:50000"]
        if self.certificate:
            self.relay()
            wanted += [f"turns:{OUT4}:5349", f"turns:[{OUT6}]:5349", f"turn:{OUT4}:3478", f"turn:[{OUT6}]:3478"]
        end = time.monotonic() + READY_S
        while self.inside.run(CLI, "probe", "--insecure", *wanted, check=False).returncode != 0:
            assert time.monotonic() < end, "the far ends do not answer through the firewall"

    def relay(self):
        words = [TURNSERVER, "-n", "--no-cli", "--no-dtls", "-L", OUT4, "-L", OUT6, "-E", OUT4, "-E", OUT6, "-p", "3478",
                 "--tls-listening-port", "5349", "--cert", self.certificate[0], "--pkey", self.certificate[1], "-r", "r.example",
                 "--use-auth-secret", f"--static-auth-secret={SECRET}", "--min-port=50010", "--max-port=50999", "--log-file", "stdout",
                 "--pidfile", f"{self.directory.name}/pid", "--userdb", f"{self.directory.name}/db"]
        self.programs.append(subprocess.Popen(self.outside.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL, cwd=self.directory.name))

    def secret_file(self):
        return f"{self.directory.name}/secret"

    def proxy(self, mode, *more):
        return self.start(self.middle, "ready", sys.executable, f"{HERE}/proxy.py", mode, str(PROXY_PORT), *more)

    def liar(self, how):
        return self.start(self.middle, "ready", sys.executable, f"{HERE}/name_server.py", "::", str(LIAR_PORT), how)

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
            for pipe in (program.stdout, program.stdin):
                if pipe:
                    pipe.close()
        for place in reversed(self.places):
            place.close()
        self.directory.cleanup()
