/* SPDX-License-Identifier: GPL-3.0-or-later
 * Conditions over what the checks saw. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "diagnose/rules.h"

static const char *const relay_schemes[] = { "turn", "turns", "msturn", "relay", "relays", "msrelay", NULL };

/* "tcp 203.0.113.7:50000" */
static const char *path_of(const struct em_check_row *row, char text[EM_TEXT_MAX])
{
    bool v6 = strchr(row->address, ':');
    struct buf b = buf_over(text, EM_TEXT_MAX);

    buf_print(&b, "%s ", em_name_of(&em_transport_names, row->transport));
    if (*row->address)
        buf_print(&b, v6 ? "[%s]:%u" : "%s:%u", row->address, row->port);
    else
        buf_print(&b, "%.200s", row->uri);
    buf_str(&b);
    return text;
}

static struct em_claim *claim_check(struct em_claims *c, const struct em_rule *rule,
                                    const struct em_view_edge *e, const struct em_check_row *row)
{
    char path[EM_TEXT_MAX];
    struct em_claim *claim = em_claim_add(c, rule, e, path_of(row, path));

    if (claim) {
        slice_copy(slice_of(row->reason), claim->what, sizeof claim->what);
        em_claim_check(claim, row);
    }
    return claim;
}

/* Another address of the same check is up. */
static bool sibling_is_up(const struct em_view_edge *e, const struct em_check_row *row)
{
    for (const struct em_check_row *r = e->check; r < e->check + e->n; r++)
        if (r->check == row->check && r != row && r->up)
            return true;
    return false;
}

static bool is_media_port(const struct em_check_row *row)
{
    return row->port >= EM_MEDIA_PORT_FIRST && row->port <= EM_MEDIA_PORT_LAST;
}

/* --- names, credentials, certificates ---------------------------------------------------------------------------------------- */

void em_look_name(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                  struct em_claims *c)
{
    (void)v;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        struct em_claim *claim;

        if (row->verdict != EM_VERDICT_DNS_FAILED)
            continue;
        if ((claim = em_claim_add(c, rule, e, row->uri))) {
            slice_copy(slice_of(row->reason), claim->what, sizeof claim->what);
            em_claim_check(claim, row);
        }
    }
}

/* A certificate that has ended fails the check itself; its date is known all the same. */
void em_look_certificate(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                         struct em_claims *c)
{
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        int64_t left_us = row->certificate_expiry - v->now_us;
        struct em_claim *claim;
        char value[EM_TEXT_MAX], time[EM_TIME_TEXT_MAX];

        if (row->certificate_expiry == 0 ||
            left_us > (int64_t)v->limits->certificate_days * 86400 * EM_US_PER_S ||
            !(claim = claim_check(c, rule, e, row)))
            continue;
        em_time_text(row->certificate_expiry, time);
        snprintf(value, sizeof value, "certificate valid until %s", time);
        em_claim_evidence(claim, row->probe_time, "certificate", value);
        slice_copy(slice_of(time), claim->what, sizeof claim->what);
        claim->at_once = true;
    }
}

static bool credentials_expired(const struct em_failure_row *row)
{
    return row->ice_known == 1 && (row->ice_warnings & 0x4000);
}

void em_look_credentials(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                         struct em_claims *c)
{
    struct em_claim *claim = NULL;
    unsigned calls = 0;

    (void)v;
    for (size_t i = 0; i < e->calls->n; i++)
        calls += credentials_expired(e->calls->call[i]);
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        if (row->verdict != EM_VERDICT_AUTH_FAILED)
            continue;
        if (!claim && !(claim = em_claim_add(c, rule, e, "relay")))
            return;
        slice_copy(slice_of(row->reason), claim->what, sizeof claim->what);
        em_claim_check(claim, row);
    }
    if (!claim && calls >= v->limits->calls_few && (claim = em_claim_add(c, rule, e, "relay")))
        slice_copy(SLICE("calls report expired or unknown TURN credentials (0x4000)"), claim->what,
                   sizeof claim->what);
    if (claim)
        em_claim_calls(claim, e->calls, credentials_expired);
}

/* --- what comes through ------------------------------------------------------------------------------------------------------ */

static bool tested(const struct em_check_row *row)
{
    return row->verdict != EM_VERDICT_UNTESTED && row->verdict != EM_VERDICT_ERROR;
}

void em_look_udp(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                 struct em_claims *c)
{
    unsigned udp = 0, blocked = 0, tcp_up = 0;
    struct em_claim *claim;

    (void)v;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        bool is_udp = row->transport == EM_TRANSPORT_UDP;

        udp += is_udp && tested(row);
        blocked += is_udp && em_path_blocked(row->verdict);
        tcp_up += !is_udp && row->up;
    }
    if (udp == 0 || blocked < udp || tcp_up == 0 || !(claim = em_claim_add(c, rule, e, "udp")))
        return;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++)
        if ((row->transport == EM_TRANSPORT_UDP && tested(row)) ||
            (row->transport != EM_TRANSPORT_UDP && row->up))
            em_claim_check(claim, row);
}

void em_look_unreachable(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                         struct em_claims *c)
{
    unsigned blocked = 0;
    struct em_claim *claim;

    (void)v;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++)
        blocked += em_path_blocked(row->verdict);
    if (e->up > 0 || blocked == 0 || blocked < e->down || !(claim = em_claim_add(c, rule, e, "all")))
        return;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++)
        if (em_path_blocked(row->verdict))
            em_claim_check(claim, row);
}

static bool tls_failed_in_calls(const struct em_failure_row *row)
{
    return row->ice_known == 1 && (row->ice_warnings & 0x800000);
}

void em_look_tls(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                 struct em_claims *c)
{
    struct em_claim *claim = NULL;
    unsigned calls = 0;

    (void)v;
    for (size_t i = 0; i < e->calls->n; i++)
        calls += tls_failed_in_calls(e->calls->call[i]);
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++)
        if (row->verdict == EM_VERDICT_INTERCEPTED && !is_media_port(row) &&
            (claim = claim_check(c, rule, e, row)))
            em_claim_calls(claim, e->calls, tls_failed_in_calls);
    if (!claim && calls >= v->limits->calls_few && (claim = em_claim_add(c, rule, e, "tls"))) {
        slice_copy(SLICE("calls report that the pseudo-TLS handshake failed (0x800000)"), claim->what,
                   sizeof claim->what);
        em_claim_calls(claim, e->calls, tls_failed_in_calls);
    }
}

void em_look_rewritten(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                       struct em_claims *c)
{
    (void)v;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++)
        if (row->verdict == EM_VERDICT_MANGLED)
            claim_check(c, rule, e, row);
}

void em_look_address(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                     struct em_claims *c)
{
    (void)v;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        struct em_claim *claim;

        if (row->up || !tested(row) || em_path_interfered(row->verdict) || !sibling_is_up(e, row) ||
            !(claim = claim_check(c, rule, e, row)))
            continue;
        for (const struct em_check_row *r = e->check; r < e->check + e->n; r++)
            if (r->check == row->check && r->up)
                em_claim_check(claim, r);
    }
}

/* The machine answers: something else at the address is up, or the refusal itself came from it. */
void em_look_relay(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                   struct em_claims *c)
{
    (void)v;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        bool answers = row->verdict == EM_VERDICT_REFUSED, silent = row->verdict == EM_VERDICT_SILENT ||
                                                                    row->verdict == EM_VERDICT_FILTERED ||
                                                                    row->verdict == EM_VERDICT_PROTOCOL_ERROR;
        struct em_claim *claim;

        if (row->up || is_media_port(row) || sibling_is_up(e, row) ||
            (!answers && !em_scheme_is(row, relay_schemes)))
            continue;
        for (const struct em_check_row *r = e->check; r < e->check + e->n && silent && !answers; r++)
            answers = r->up && r->transport == row->transport && r->port == row->port &&
                      strcmp(r->address, row->address) == 0;
        if (!answers || !(claim = claim_check(c, rule, e, row)))
            continue;
        for (const struct em_check_row *r = e->check; r < e->check + e->n; r++)
            if (r->up && strcmp(r->address, row->address) == 0)
                em_claim_check(claim, r);
    }
}

/* Media ports by transport: one claim for all that are blocked. */
static void look_ports(const struct em_view_edge *e, enum em_transport transport, const struct em_rule *rule,
                       struct em_claims *c)
{
    unsigned bad = 0, good = 0, first = UINT16_MAX, last = 0;
    char path[EM_TEXT_MAX];
    struct em_claim *claim;
    char hop[EM_HOP_TEXT_MAX] = "";

    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        if (row->transport != transport || !is_media_port(row) || sibling_is_up(e, row))
            continue;
        good += row->up;
        if (!em_path_blocked(row->verdict))
            continue;
        bad++;
        if (!*hop)
            em_hop_text(row, hop);
        first = row->port < first ? row->port : first;
        last = row->port > last ? row->port : last;
    }
    if (bad == 0 || e->up == 0)
        return;
    snprintf(path, sizeof path, first == last ? "%s %u" : "%s %u-%u",
             em_name_of(&em_transport_names, transport), first, last);
    if (!(claim = em_claim_add(c, rule, e, path)))
        return;
    snprintf(claim->what, sizeof claim->what, "%u of %u tested media ports%s%s%s", bad, bad + good,
             *hop ? " (packets vanish" : "", hop, *hop ? ")" : "");
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++)
        if (row->transport == transport && is_media_port(row) && em_path_blocked(row->verdict))
            em_claim_check(claim, row);
}

/* A swept range, when something else of the edge or of the range answers. */
static void look_swept(const struct em_view_edge *e, const struct em_range_row *row,
                       const struct em_rule *rule, struct em_claims *c)
{
    uint64_t bad = em_ports_blocked(row);
    char path[EM_TEXT_MAX];
    struct em_claim *claim;

    if (bad == 0 || (e->up == 0 && row->tested == bad))
        return;
    snprintf(path, sizeof path, "%s %u-%u", em_name_of(&em_transport_names, row->transport), row->first_port,
             row->last_port);
    if (!(claim = em_claim_add(c, rule, e, path)))
        return;
    snprintf(claim->what, sizeof claim->what, "%llu of %llu tested media ports", (unsigned long long)bad,
             (unsigned long long)row->tested);
    em_claim_range(claim, row);
}

void em_look_range(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                   struct em_claims *c)
{
    (void)v;
    look_ports(e, EM_TRANSPORT_TCP, rule, c);
    look_ports(e, EM_TRANSPORT_UDP, rule, c);
    for (const struct em_range_row *row = e->range; row < e->range + e->ranges_n; row++)
        look_swept(e, row, rule, c);
}

struct address {
    int family;
    uint8_t bytes[16];
};

/* --- addresses --------------------------------------------------------------------------------------------------------------- */

/* "10.1.2.3", "10.1.2.3:50000", "[fd00::1]:50000": false when it is no address. */
static bool read_address(const char *text, struct address *a)
{
    struct slice s = slice_of(text), host = s;
    char plain[EM_ADDRESS_MAX];

    if (slice_skip(&s, SLICE("[")))
        slice_until(&s, ']', &host);
    else if (slice_until(&s, ':', &host) && slice_find_char(s, ':') != SIZE_MAX)
        host = slice_of(text); /* IPv6 without a port */
    if (!slice_copy(host, plain, sizeof plain))
        return false;
    a->family = strchr(plain, ':') ? AF_INET6 : AF_INET;
    return inet_pton(a->family, plain, a->bytes) == 1;
}

/* RFC 1918, RFC 6598, loopback and link-local; RFC 4193 and link-local of IPv6. */
static bool is_private(const struct address *a)
{
    static const struct {
        uint8_t net[2], mask[2];
    } v4[] = { { { 10, 0 }, { 255, 0 } },  { { 172, 16 }, { 255, 240 } },  { { 192, 168 }, { 255, 255 } },
               { { 127, 0 }, { 255, 0 } }, { { 169, 254 }, { 255, 255 } }, { { 100, 64 }, { 255, 192 } } };

    if (a->family == AF_INET6)
        return (a->bytes[0] & 0xfe) == 0xfc || (a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80);
    for (size_t i = 0; i < sizeof v4 / sizeof *v4; i++)
        if ((a->bytes[0] & v4[i].mask[0]) == v4[i].net[0] && (a->bytes[1] & v4[i].mask[1]) == v4[i].net[1])
            return true;
    return false;
}

/* A relay behind NAT that was not told its public address hands out its private one. */
void em_look_nat(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                 struct em_claims *c)
{
    (void)v;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        struct address relayed, server;
        struct em_claim *claim;

        if (!*row->relayed_address || !read_address(row->relayed_address, &relayed) ||
            !read_address(row->address, &server) || !is_private(&relayed) || is_private(&server) ||
            !(claim = claim_check(c, rule, e, row)))
            continue;
        snprintf(claim->what, sizeof claim->what, "%s", row->relayed_address);
    }
}
