# SPDX-License-Identifier: GPL-3.0-or-later
"""Three network namespaces: inside (192.0.2.1), a firewall that forwards, outside (198.51.100.2) with edgemedia respond on PORTS and 443, a coturn on
3478 and (TLS) 5349, and a name server; IPv4 and IPv6."""
import shutil
import subprocess
import sys
import tempfile

from places import CLI, HERE, OUT4, OUT6, PORTS, PROXY_PORT, Lab, cable  # noqa: F401  (PROXY_PORT: for the tests)

TURNSERVER, OTHER4 = shutil.which("turnserver"), "198.51.100.3"
FIREWALL4, SECRET, LIAR_PORT = "198.51.100.1", "north", 5353
MS_PORT, MS_USER = 3480, "user1"
FORWARD = (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1), ("ipv4/icmp_ratelimit", 0), ("ipv6/icmp/ratelimit", 0),
           ("netfilter/nf_conntrack_acct", 1))
# The near end and the far end; the firewall holds the far end of the first, the near of the second
CABLES = ((("in0", "192.0.2.1/24", "2001:db8:1::1/64"), ("fw0", "192.0.2.254/24", "2001:db8:1::fe/64")),
          (("fw1", f"{FIREWALL4}/24", "2001:db8:2::1/64"), ("out0", f"{OUT4}/24", f"{OUT6}/64")))


class Firewall(Lab):
    def __init__(self, certificate=None):
        """certificate: that of the TURN server, and its key; None: there is no TURN server."""
        self.certificate = certificate
        self.directory = tempfile.TemporaryDirectory(prefix="em-lab-")

    def __exit__(self, *_):
        super().__exit__()
        self.directory.cleanup()

    def make(self):
        self.inside, self.middle, self.outside = self.place(), self.place(), self.place()
        for near, far, ends in zip(self.places, self.places[1:], CABLES):
            cable(near, far, *ends)
        self.route()
        self.serve()

    def route(self):
        self.outside.run("ip", "addr", "add", f"{OTHER4}/24", "dev", "out0")
        for place, v4, v6 in ((self.inside, "192.0.2.254", "2001:db8:1::fe"), (self.outside, FIREWALL4, "2001:db8:2::1")):
            place.run("ip", "route", "add", "default", "via", v4)
            place.run("ip", "-6", "route", "add", "default", "via", v6)
        self.middle.run("nft", "add table inet lab; add chain inet lab f { type filter hook forward priority 0; }; add rule inet lab f ct state new")
        for name, value in FORWARD:
            self.middle.run("sh", "-c", f"echo {value} >/proc/sys/net/{name}")

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
        self.wait_for_answers(*wanted)

    def relay(self):
        words = [TURNSERVER, "-n", "--no-cli", "--no-dtls", "-L", OUT4, "-L", OUT6, "-E", OUT4, "-E", OUT6, "-p", "3478",
                 "--tls-listening-port", "5349", "--cert", self.certificate[0], "--pkey", self.certificate[1], "-r", "r.example",
                 "--use-auth-secret", f"--static-auth-secret={SECRET}", "--min-port=50010", "--max-port=50999", "--log-file", "stdout",
                 "--pidfile", f"{self.directory.name}/pid", "--userdb", f"{self.directory.name}/db"]
        self.programs.append(subprocess.Popen(self.outside.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL, cwd=self.directory.name))

    def secret_file(self):
        return f"{self.directory.name}/secret"

    def ms_relay(self, address):
        """A relay in Microsoft's dialect, on both transports."""
        return self.start(self.outside, "listening", sys.executable, f"{HERE}/../system/msturn_server.py", address, str(MS_PORT),
                          "--relay", "all", "--user", MS_USER, "--password", SECRET)

    def liar(self, how):
        return self.start(self.middle, "ready", sys.executable, f"{HERE}/name_server.py", "::", str(LIAR_PORT), how)
