# SPDX-License-Identifier: GPL-3.0-or-later
"""A path with hops: inside - near router - firewall - far router - outside, five network namespaces, IPv4 and IPv6. The firewall in the middle
is the second hop and misbehaves as it is told; outside stands edgemedia respond."""
from places import CLI, OUT4, OUT6, PORTS, PROXY_PORT, Lab, cable  # noqa: F401  (PROXY_PORT: for the tests)

# Cables in order: what the left place and the right place are called on it; the firewall is the third place.
CABLES = (("192.0.2.1", "192.0.2.254", "2001:db8:1::1", "2001:db8:1::fe"), ("198.18.1.1", "198.18.1.2", "2001:db8:a::1", "2001:db8:a::2"),
          ("198.18.2.1", "198.18.2.2", "2001:db8:b::1", "2001:db8:b::2"), ("198.51.100.1", OUT4, "2001:db8:2::1", OUT6))
HOPS4, HOPS6 = [cable[1] for cable in CABLES], [cable[3] for cable in CABLES]
FIREWALL = 2  # which hop it is


class Path(Lab):
    def make(self):
        for _ in range(len(CABLES) + 1):
            self.place()
        self.inside, self.middle, self.outside = self.places[0], self.places[FIREWALL], self.places[-1]
        for i, (left4, right4, left6, right6) in enumerate(CABLES):
            cable(self.places[i], self.places[i + 1], (f"r{i}", f"{left4}/24", f"{left6}/64"), (f"l{i + 1}", f"{right4}/24", f"{right6}/64"))
        self.route()
        self.respond()

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

    def respond(self):
        for address in (OUT4, OUT6):
            self.start(self.outside, "listening", CLI, "respond", address, PORTS)
        self.wait_for_answers(f"udp:{OUT4}:50000", f"udp:[{OUT6}]:50000")
