/* SPDX-License-Identifier: GPL-3.0-or-later
 * Conditions over failed calls, and over what calls and checks say together. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/slice.h"
#include "diagnose/rules.h"
#include "evidence/peer.h"

#define PEERS_WINDOW_US (3600 * EM_US_PER_S) /* of media_failures_1h */

enum { TCP_NAT_FAILED = 0x100, PORTS_EXHAUSTED = 0x200000, USE_CANDIDATE_FAILED = 0x8000000 };

static bool is_sharing(const struct em_failure_row *row)
{
    return row->media == EM_MEDIA_APPLICATION_SHARING;
}

/* Code 23 and the ICE warnings of a TCP path that opens and then carries nothing. */
static bool has_signature(const struct em_failure_row *row)
{
    return row->code == 23 && row->ice_known == 1 &&
           (row->ice_warnings & (TCP_NAT_FAILED | USE_CANDIDATE_FAILED));
}

static bool is_inspected_sharing(const struct em_failure_row *row)
{
    return has_signature(row) && is_sharing(row);
}

static size_t count(const struct em_view_calls *calls, bool (*fits)(const struct em_failure_row *row))
{
    size_t n = 0;

    for (size_t i = 0; i < calls->n; i++)
        n += fits(calls->call[i]);
    return n;
}

/* The far relay's address that all calls which name one share, and most do; "" = there is none. */
static void far_relay_of_all(const struct em_view_calls *calls, char relay[EM_TEXT_MAX])
{
    size_t named = 0;

    *relay = '\0';
    for (size_t i = 0; i < calls->n; i++) {
        struct slice host = em_peer_host(slice_of(calls->call[i]->remote_relay));

        if (host.n == 0)
            continue;
        if (named++ == 0) {
            slice_copy(host, relay, EM_TEXT_MAX);
        } else if (!slice_eq(host, slice_of(relay))) {
            *relay = '\0';
            return;
        }
    }
    if (named * 100 < calls->n * EM_MOST_PERCENT)
        *relay = '\0';
}

/* The peer of this kind that the calls of the last hour share, and that most of them have; NULL: there is none. The counts of peers know
 * every call of the hour, the list of failures only the latest. */
static const struct em_peer_row *peer_of_all(const struct em_view *v, uint32_t kind)
{
    uint32_t others = kind == EM_PEER_RELAY ? EM_PEER_OTHER_RELAYS : EM_PEER_OTHER_DOMAINS;
    const struct em_windows *w = em_snapshot_row(v->s, EM_T_WINDOWS, 0);
    const struct em_peer_row *only = NULL;

    for (size_t i = 0; i < v->s->t[EM_T_PEER].n; i++) {
        const struct em_peer_row *row = em_snapshot_row(v->s, EM_T_PEER, i);

        if (row->media_failures_1h == 0 || (row->kind != kind && row->kind != others))
            continue;
        if (only || row->kind == others)
            return NULL;
        only = row;
    }
    return only && only->media_failures_1h * 100 >= w->media_failures_1h * EM_MOST_PERCENT ? only : NULL;
}

static const struct em_peer_row *peer_named(const struct em_view *v, const char *relay)
{
    char address[EM_ADDRESS_MAX];

    if (!em_peer_relay(slice_of(relay), address))
        return NULL;
    for (size_t i = 0; i < v->s->t[EM_T_PEER].n; i++) {
        const struct em_peer_row *row = em_snapshot_row(v->s, EM_T_PEER, i);

        if (row->kind == EM_PEER_RELAY && strcmp(row->name, address) == 0)
            return row;
    }
    return NULL;
}

static void peer_evidence(struct em_claim *claim, const struct em_peer_row *row)
{
    char source[EM_NAME_MAX], value[EM_TEXT_MAX], first[EM_TIME_TEXT_MAX];
    struct buf s = buf_over(source, sizeof source), v = buf_over(value, sizeof value);

    if (!row)
        return;
    em_time_text(row->first_time, first);
    buf_print(&s, "far %s", em_name_of(&em_peer_kind_names, row->kind));
    buf_print(&v, "%.150s: %llu failed calls in the last hour, %llu since %s", row->name,
              (unsigned long long)row->media_failures_1h, (unsigned long long)row->media_failures, first);
    em_claim_evidence(claim, row->last_time, buf_str(&s), buf_str(&v));
}

/* Where the far side reported, its far relay is the edge itself, and no partner. */
static bool is_own(const struct em_view_edge *e, const char *relay)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->check[i].address, relay) == 0)
            return true;
    return false;
}

/* With one edge all calls are its own, and the counts of peers say it; with several, the calls of each do. */
void em_look_partner(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                     struct em_claims *c)
{
    bool counted = v->n <= 2 && v->limits->calls_window_us == PEERS_WINDOW_US && v->s->t[EM_T_PEER].n > 0;
    char relay[EM_TEXT_MAX];
    const struct em_peer_row *peer;
    uint64_t calls = e->calls->n;
    struct em_claim *claim;

    far_relay_of_all(e->calls, relay);
    peer = counted ? peer_of_all(v, EM_PEER_RELAY) : peer_named(v, relay);
    if (counted) {
        slice_copy(slice_of(peer ? peer->name : ""), relay, sizeof relay);
        calls = peer ? peer->media_failures_1h : 0;
    }
    if (e->calls->n == 0 || calls < v->limits->calls_few + EM_CALLS_MORE || !*relay || is_own(e, relay) ||
        !(claim = em_claim_add(c, rule, e, relay)))
        return;
    snprintf(claim->what, sizeof claim->what, "all %llu", (unsigned long long)calls);
    peer_evidence(claim, peer);
    peer_evidence(claim, counted ? peer_of_all(v, EM_PEER_DOMAIN) : NULL);
    em_claim_calls(claim, e->calls, NULL);
}

/* A TCP connection to a media port opens, and then its payload is dropped, reset, or answered by somebody else. */
static bool is_inspected_path(const struct em_check_row *row)
{
    bool tcp_media = row->transport == EM_TRANSPORT_TCP && row->port >= EM_MEDIA_PORT_FIRST &&
                     row->port <= EM_MEDIA_PORT_LAST;

    if (*row->path_filter) /* a differential test knows it from loss and from packets that are too large */
        return strcmp(row->path_filter, "content") == 0;
    return row->verdict == EM_VERDICT_BLACKHOLED || (tcp_media && row->verdict == EM_VERDICT_RESET) ||
           (tcp_media && row->verdict == EM_VERDICT_INTERCEPTED);
}

void em_look_inspection(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                        struct em_claims *c)
{
    size_t alike = count(e->calls, is_inspected_sharing);
    bool by_calls = alike >= v->limits->calls_few && alike * 100 >= e->calls->n * EM_MOST_PERCENT &&
                    !em_claims_have(c, e->name, EM_FINDING_PARTNER_ONLY);
    struct em_claim *claim = NULL;
    char hop[EM_HOP_TEXT_MAX] = "";

    (void)v;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++) {
        if (!is_inspected_path(row))
            continue;
        if (!claim && !(claim = em_claim_add(c, rule, e, "tcp media")))
            return;
        em_claim_check(claim, row);
        claim->at_once |= *row->path_filter; /* many connections, and a test of chance */
        if (!*hop)
            em_hop_text(row, hop);
    }
    for (const struct em_range_row *row = e->range; row < e->range + e->ranges_n; row++) {
        if (row->transport != EM_TRANSPORT_TCP ||
            row->ports_blackholed + row->ports_reset + row->ports_intercepted == 0)
            continue;
        if (!claim && !(claim = em_claim_add(c, rule, e, "tcp media")))
            return;
        em_claim_range(claim, row);
    }
    if (!claim && by_calls)
        claim = em_claim_add(c, rule, e, "tcp media");
    if (!claim)
        return;
    em_claim_calls(claim, e->calls, has_signature);
    if (claim->probes)
        snprintf(claim->what, sizeof claim->what,
                 "Connections open and their payload does not get through%s%s", hop,
                 claim->calls ? ", and calls fail with code 23 and TCP NAT checks" : "");
    else
        snprintf(claim->what, sizeof claim->what,
                 "%u calls of application sharing failed with code 23 and TCP NAT checks", claim->calls);
}

static bool is_exhausted(const struct em_failure_row *row)
{
    return row->ice_known == 1 && (row->ice_warnings & PORTS_EXHAUSTED);
}

void em_look_exhausted(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                       struct em_claims *c)
{
    struct em_claim *claim;

    (void)v;
    if (count(e->calls, is_exhausted) == 0 || !(claim = em_claim_add(c, rule, e, "relay ports")))
        return;
    em_claim_calls(claim, e->calls, is_exhausted);
}

void em_look_media(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                   struct em_claims *c)
{
    const struct em_view_calls *calls = e->calls;
    struct em_claim *claim;

    (void)v;
    if (calls->n < v->limits->calls_few + EM_CALLS_MORE || calls->call[0]->media == EM_MEDIA_UNKNOWN)
        return;
    for (size_t i = 1; i < calls->n; i++)
        if (calls->call[i]->media != calls->call[0]->media)
            return;
    if (!(claim = em_claim_add(c, rule, e, em_name_of(&em_media_names, calls->call[0]->media))))
        return;
    snprintf(claim->what, sizeof claim->what, "all %zu", calls->n);
    em_claim_calls(claim, calls, NULL);
}

void em_look_calls_only(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                        struct em_claims *c)
{
    struct em_claim *claim;

    (void)v;
    if (e->calls->n < v->limits->calls_few || e->up == 0 || e->down > 0 ||
        !(claim = em_claim_add(c, rule, e, "calls")))
        return;
    snprintf(claim->what, sizeof claim->what, "%zu", e->calls->n);
    em_claim_calls(claim, e->calls, NULL);
}

/* Reports of calls still come, none of them of a media failure, although the edge has been down for long. */
void em_look_probes_only(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                         struct em_claims *c)
{
    const struct em_windows *w = em_snapshot_row(v->s, EM_T_WINDOWS, 0);
    const struct em_source_row *source = NULL;
    struct em_claim *claim;

    for (size_t i = 0; i < v->s->t[EM_T_SOURCE].n; i++) {
        const struct em_source_row *row = em_snapshot_row(v->s, EM_T_SOURCE, i);

        if (row->state == EM_SOURCE_CAUGHT_UP && row->report_time > v->now_us - EM_DOWN_LONG_S * EM_US_PER_S)
            source = row;
    }
    if (!source || w->media_failures_1h > 0 || e->down == 0)
        return;
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++)
        if (row->up || row->changed_time > v->now_us - EM_DOWN_LONG_S * EM_US_PER_S)
            return;
    if (!(claim = em_claim_add(c, rule, e, "all")))
        return;
    em_claim_evidence(claim, source->report_time, source->name, "call reports without a media failure");
    for (const struct em_check_row *row = e->check; row < e->check + e->n; row++)
        em_claim_check(claim, row);
}
