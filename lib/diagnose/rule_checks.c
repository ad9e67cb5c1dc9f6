/* SPDX-License-Identifier: GPL-3.0-or-later
 * Conditions over what the checks saw. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "diagnose/rules.h"
#include "net/net.h"

static const char *const relay_schemes[] = { "turn", "turns", "msturn", "relay", NULL };

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
    if (!claim && calls >= EM_CALLS_FEW && (claim = em_claim_add(c, rule, e, "relay")))
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
    if (!claim && calls >= EM_CALLS_FEW && (claim = em_claim_add(c, rule, e, "tls"))) {
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

    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        if (row->transport != transport || !is_media_port(row) || sibling_is_up(e, row))
            continue;
        good += row->up;
        if (!em_path_blocked(row->verdict))
            continue;
        bad++;
        first = row->port < first ? row->port : first;
        last = row->port > last ? row->port : last;
    }
    if (bad == 0 || e->up == 0)
        return;
    snprintf(path, sizeof path, first == last ? "%s %u" : "%s %u-%u",
             em_name_of(&em_transport_names, transport), first, last);
    if (!(claim = em_claim_add(c, rule, e, path)))
        return;
    snprintf(claim->what, sizeof claim->what, "%u of %u tested media ports", bad, bad + good);
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++)
        if (row->transport == transport && is_media_port(row) && em_path_blocked(row->verdict))
            em_claim_check(claim, row);
}

void em_look_range(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                   struct em_claims *c)
{
    (void)v;
    look_ports(e, EM_TRANSPORT_TCP, rule, c);
    look_ports(e, EM_TRANSPORT_UDP, rule, c);
}

/* --- addresses --------------------------------------------------------------------------------------------------------------- */

static bool is_private(const struct em_addr *a)
{
    static const struct {
        uint32_t net, mask;
    } v4[] = { { 0x0a000000, 0xff000000 }, { 0xac100000, 0xfff00000 }, { 0xc0a80000, 0xffff0000 },
               { 0x7f000000, 0xff000000 }, { 0xa9fe0000, 0xffff0000 }, { 0x64400000, 0xffc00000 } };

    if (a->u.any.sa_family == AF_INET) {
        uint32_t host = ntohl(a->u.v4.sin_addr.s_addr);

        for (size_t i = 0; i < sizeof v4 / sizeof *v4; i++)
            if ((host & v4[i].mask) == v4[i].net)
                return true;
        return false;
    }
    return (a->u.v6.sin6_addr.s6_addr[0] & 0xfe) == 0xfc || /* unique local */
           (a->u.v6.sin6_addr.s6_addr[0] == 0xfe && (a->u.v6.sin6_addr.s6_addr[1] & 0xc0) == 0x80);
}

/* "192.0.2.1:50000" -> the address of it. */
static bool relayed_address(const char *endpoint, struct em_addr *a)
{
    char host[EM_ADDRESS_MAX];
    const char *colon = strrchr(endpoint, ':');
    struct slice s = colon ? (struct slice) { endpoint, (size_t)(colon - endpoint) } : slice_of("");

    return slice_copy(s, host, sizeof host) && em_addr_read(host, 0, a);
}

/* A relay behind NAT that was not told its public address hands out its private one. */
void em_look_nat(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                 struct em_claims *c)
{
    (void)v;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        struct em_addr relayed, server;
        struct em_claim *claim;

        if (!*row->relayed_address || !relayed_address(row->relayed_address, &relayed) ||
            !em_addr_read(row->address, 0, &server) || !is_private(&relayed) || is_private(&server) ||
            !(claim = claim_check(c, rule, e, row)))
            continue;
        snprintf(claim->what, sizeof claim->what, "%s", row->relayed_address);
    }
}
