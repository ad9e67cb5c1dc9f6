/* SPDX-License-Identifier: GPL-3.0-or-later
 * The table of ICE warning flags. Source: Lync/Skype for Business Resource Kit, chapter 9. */
#include "evidence/ice.h"

const struct em_ice_warning em_ice_warnings[] = {
    { 0x1, "turn-server-unreachable", "The TURN server could not be reached.", false },
    { 0x2, "turn-udp-allocation-failed", "An allocation over UDP on the TURN server failed.", false },
    { 0x4, "turn-udp-send-failed", "Sending over UDP to the TURN server failed.", false },
    { 0x8, "turn-tcp-allocation-failed", "An allocation over TCP on the TURN server failed.", false },
    { 0x10, "turn-tcp-send-failed", "Sending over TCP to the TURN server failed.", false },
    { 0x20, "local-connectivity-failed", "Connectivity between the local addresses failed.", false },
    { 0x40, "udp-nat-connectivity-failed", "Connectivity over UDP through NAT failed.", false },
    { 0x80, "udp-turn-connectivity-failed", "Connectivity over UDP through the TURN server failed.", false },
    { 0x100, "tcp-nat-connectivity-failed", "Connectivity over TCP through NAT failed.", true },
    { 0x200, "tcp-turn-connectivity-failed", "Connectivity over TCP through the TURN server failed.", true },
    { 0x400, "message-integrity-failed", "The message integrity of a connectivity check was wrong.", false },
    { 0x800, "unpublished-800", "A flag without a published meaning.", false },
    { 0x1000, "policy-server-configured", "A bandwidth policy server is configured.", true },
    { 0x2000, "connectivity-check-request-failed",
      "A connectivity check could not be sent, for lack of memory or by a send error.", false },
    { 0x4000, "turn-credentials-expired", "The TURN credentials are unknown or have expired.", false },
    { 0x8000, "bandwidth-policy-removed-candidates", "The bandwidth policy removed candidates.", false },
    { 0x10000, "bandwidth-policy-reduced-bandwidth", "The bandwidth policy reduced the bandwidth.", true },
    { 0x20000, "bandwidth-policy-keep-alive-failed", "The keep-alive of the bandwidth policy failed.", true },
    { 0x40000, "bandwidth-policy-allocation-failed", "The bandwidth policy refused an allocation.", false },
    { 0x80000, "no-turn-server-configured", "No TURN server is configured.", false },
    { 0x100000, "multiple-turn-servers-configured", "Several TURN servers are configured.", true },
    { 0x200000, "port-range-exhausted", "No port of the media port range was free.", false },
    { 0x400000, "received-alternate-server", "The TURN server named another server.", false },
    { 0x800000, "pseudo-tls-failed", "The pseudo-TLS handshake failed: something on the path inspects TLS.",
      false },
    { 0x1000000, "http-proxy-configured", "An HTTP proxy is configured.", true },
    { 0x2000000, "http-proxy-authentication-failed", "The HTTP proxy refused the credentials.", false },
    { 0x4000000, "tcp-tcp-turn-connectivity-failed",
      "Connectivity checks from TCP to TCP over TURN servers failed.", false },
    { 0x8000000, "use-candidate-checks-failed", "The final checks, those with use-candidate, failed.",
      false },
};
const size_t em_ice_warnings_n = sizeof em_ice_warnings / sizeof *em_ice_warnings;

const struct em_ice_warning *em_ice_find(uint32_t bit)
{
    for (size_t i = 0; i < em_ice_warnings_n; i++)
        if (em_ice_warnings[i].bit == bit)
            return &em_ice_warnings[i];
    return NULL;
}

bool em_ice_read(struct slice s, uint32_t *value)
{
    uint32_t v;

    if (slice_starts_nocase(s, SLICE("0x"))) {
        if (!slice_hex_u32(&s, &v) || s.n > 0)
            return false;
    } else if (slice_skip(&s, SLICE("-"))) { /* SQL shows the upper half as negative numbers */
        if (!slice_u32(&s, UINT32_C(0x80000000), &v) || s.n > 0)
            return false;
        v = -v;
    } else if (!slice_u32(&s, UINT32_MAX, &v) || s.n > 0) {
        return false;
    }
    *value = v;
    return true;
}
