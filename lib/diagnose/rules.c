/* SPDX-License-Identifier: GPL-3.0-or-later
 * The rules, in the order in which they are asked: a rule gives way to kinds that stand above it. */
#include "diagnose/rules.h"

#define RULE(k, s, condition, shown, by_calls, give_way, said, advise, refuted)                              \
    {                                                                                                        \
        .kind = EM_FINDING_##k, .severity = EM_SEVERITY_##s, .look = condition, .signs = shown,              \
        .calls = by_calls, .unless = give_way, .text = said, .advice = advise, .refute = refuted             \
    }

const struct em_rule em_rules[] = {
    RULE(NAME_WRONG, CRITICAL, em_look_name, EM_SIGN(DNS_FAILED), false, 0,
         "The name in {path} does not resolve: {what}",
         "Compare the A, AAAA and SRV records with the edge's addresses, asking the name servers that users "
         "ask.",
         "The name resolves on the machines of users, and only this machine's resolver fails."),
    RULE(CERTIFICATE_ENDING, WARNING, em_look_certificate, EM_SIGN_CERTIFICATE, false, 0,
         "The certificate on {path} is valid until {what}",
         "Renew it; clients refuse the service from that moment on.",
         "Another certificate is presented to clients on another path: compare the issuer."),
    RULE(PROBES_FAIL_CALLS_PASS, WARNING, em_look_probes_only, EM_SIGNS_DOWN, false, 0,
         "Every check of {edge} is down, yet calls are reported without a media failure",
         "Look at the path from this machine to the edge first: its firewall, its routes, the source address "
         "that the edge allows.",
         "No media call went through this edge meanwhile, or a second probe elsewhere fails alike."),
    RULE(EDGE_UNREACHABLE, CRITICAL, em_look_unreachable, EM_SIGNS_BLOCKED, false,
         EM_UNLESS(NAME_WRONG) | EM_UNLESS(PROBES_FAIL_CALLS_PASS), "Nothing of {edge} answers",
         "Check power, routes and the firewall in front of the edge; `edgemedia probe` from another network "
         "tells which side it is.",
         "A probe from another network gets answers: then the path from here is blocked, not the edge."),
    RULE(
        UDP_BLOCKED, CRITICAL, em_look_udp, EM_SIGNS_BLOCKED, false,
        EM_UNLESS(EDGE_UNREACHABLE) | EM_UNLESS(PROBES_FAIL_CALLS_PASS),
        "UDP to {edge} is blocked; only TCP gets through, which media then fall back to",
        "Ask who runs the firewall between here and the edge to pass UDP 3478 and UDP 50000-59999 both ways.",
        "The edge itself does not listen on UDP: a probe beside it, without the firewall, is silent too."),
    RULE(TLS_INSPECTION, CRITICAL, em_look_tls, EM_SIGN(INTERCEPTED), true, 0,
         "Something on {path} answers in place of {edge}: {what}",
         "Exempt the edge's addresses from TLS inspection and proxies on TCP 443: media over TURN are no web "
         "traffic.",
         "The answer comes from the edge itself: another service is bound to this port there."),
    RULE(PARTNER_ONLY, WARNING, em_look_partner, 0, true, 0,
         "{what} failed calls of the last hour share the far relay {path}",
         "Give this partner the time, the codes and the relay address; ask them to test their edge and their "
         "firewall.",
         "Calls with other partners fail as well, or there were none with others."),
    RULE(APPLICATION_INSPECTION, CRITICAL, em_look_inspection, EM_SIGNS_INTERFERED, true, 0,
         "{what}: likely a device that inspects applications on the path to {edge}",
         "On each firewall of the path set an application override for TCP 50000-59999 to the edge, then see "
         "whether it ends. One "
         "candidate: PAN-OS from 6.1.3 to before 7.0.3, a known defect.",
         "With the override in force it goes on; or `edgemedia path` shows a random payload lost just like "
         "media: then it is loss or a port filter."),
    RULE(REWRITTEN, WARNING, em_look_rewritten, EM_SIGN(MANGLED), false, 0,
         "Something on {path} rewrites addresses or payload: {what}",
         "Switch off SIP or STUN helpers (ALG) for the edge's addresses on the firewalls of the path.",
         "A probe that takes another path sees the same: then the edge itself reports the wrong address."),
    RULE(NAT_ADDRESS_WRONG, CRITICAL, em_look_nat, EM_SIGN_RELAYED, false, 0,
         "{edge} hands out the relay address {what}, which nobody outside can reach",
         "Set the public address of the A/V service (NAT-enabled public IP) on the edge, or external-ip on "
         "coturn.",
         "All users of this relay are inside and route to that address."),
    RULE(CREDENTIALS_REJECTED, CRITICAL, em_look_credentials, EM_SIGN(AUTH_FAILED), true, 0,
         "The relay of {edge} refuses credentials: {what}",
         "Compare user and password or shared secret with the server's, and both clocks: short-lived "
         "credentials expire.",
         "Only the account of the probe is wrong: calls report no expired credentials (0x4000)."),
    RULE(PORTS_EXHAUSTED, CRITICAL, em_look_exhausted, 0, true, 0,
         "The relay of {edge} has no free media port left",
         "Look at the relay's allocations and its port range; widen the range, or find the client that leaks "
         "allocations.",
         "The port range is free at the time of the failures: a client's own port range was meant."),
    RULE(ADDRESS_BROKEN, WARNING, em_look_address, EM_SIGNS_DOWN, false, EM_UNLESS(UDP_BLOCKED),
         "One of several addresses of a name does not work: {path}: {what}",
         "Take the address out of DNS until the server behind it is mended: clients choose among the "
         "addresses at random.",
         "The address is not meant to serve this port."),
    RULE(RELAY_DOWN, CRITICAL, em_look_relay, EM_SIGNS_DOWN, false,
         EM_UNLESS(EDGE_UNREACHABLE) | EM_UNLESS(UDP_BLOCKED) | EM_UNLESS(PROBES_FAIL_CALLS_PASS),
         "The service on {path} does not work while its machine answers: {what}",
         "Look at the A/V Edge or TURN service and its log on that machine; restart it if it hangs.",
         "The service is meant to be off, or listens on another port."),
    RULE(RANGE_BLOCKED, CRITICAL, em_look_range, EM_SIGNS_BLOCKED, false,
         EM_UNLESS(EDGE_UNREACHABLE) | EM_UNLESS(UDP_BLOCKED) | EM_UNLESS(PROBES_FAIL_CALLS_PASS),
         "{what} of {edge} are blocked: {path}",
         "Compare the firewall's rule for the edge with 50000-59999, TCP and UDP, in both directions; "
         "`edgemedia sweep` lists the ports.",
         "Nobody listens on these ports when no call is up, and the firewall drops what is refused "
         "elsewhere."),
    RULE(MEDIA_ONLY, WARNING, em_look_media, 0, true,
         EM_UNLESS(PARTNER_ONLY) | EM_UNLESS(APPLICATION_INSPECTION),
         "{what} failed calls of the last hour are of one kind: {path}",
         "Look for what only this media uses: its ports, its bandwidth policy, TCP for sharing, its "
         "conferencing service.",
         "Hardly any other media was used in that hour."),
    RULE(CALLS_FAIL_PROBES_PASS, WARNING, em_look_calls_only, 0, true,
         EM_UNLESS(PARTNER_ONLY) | EM_UNLESS(APPLICATION_INSPECTION) | EM_UNLESS(MEDIA_ONLY) |
             EM_UNLESS(TLS_INSPECTION) | EM_UNLESS(CREDENTIALS_REJECTED) | EM_UNLESS(PORTS_EXHAUSTED),
         "{what} calls failed in the last hour while every check of {edge} is up",
         "Place a second probe where the failing users are, and test the media ports from there; this path "
         "is not theirs.",
         "The failed calls did not go through this edge."),
    RULE(SOURCE_SILENT, WARNING, em_look_silent, 0, false, 0, "The source {path} brings no evidence: {what}",
         "Check that the log is still written, its path and its permissions; without it call failures are "
         "not counted.",
         "There is truly no signalling at this time."),
    RULE(CLOCK_SKEW, NOTICE, em_look_skew, 0, false, 0,
         "The source {path} is {what} ahead of this machine's clock",
         "Synchronise both clocks, and check the time zone in which the source writes.",
         "This machine's clock is the wrong one."),
};
const size_t em_rules_n = sizeof em_rules / sizeof *em_rules;
