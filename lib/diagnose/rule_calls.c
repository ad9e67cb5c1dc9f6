/* SPDX-License-Identifier: GPL-3.0-or-later
 * Conditions over failed calls, and over what calls and checks say together. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/slice.h"
#include "diagnose/rules.h"

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
static void far_relay_of_all(const struct em_view_calls *calls, char relay[EM_ENDPOINT_MAX])
{
    size_t named = 0;

    *relay = '\0';
    for (size_t i = 0; i < calls->n; i++) {
        const char *this = calls->call[i]->remote_relay;
        const char *colon = strrchr(this, ':');
        size_t host = colon ? (size_t)(colon - this) : strlen(this);

        if (!*this)
            continue;
        if (named++ == 0) {
            slice_copy((struct slice) { this, host }, relay, EM_ENDPOINT_MAX);
        } else if (strlen(relay) != host || memcmp(relay, this, host) != 0) {
            *relay = '\0';
            return;
        }
    }
    if (named * 100 < calls->n * EM_MOST_PERCENT)
        *relay = '\0';
}

void em_look_partner(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                     struct em_claims *c)
{
    char relay[EM_ENDPOINT_MAX];
    struct em_claim *claim;

    (void)v;
    far_relay_of_all(e->calls, relay);
    if (e->calls->n < v->limits->calls_few + EM_CALLS_MORE || !*relay ||
        !(claim = em_claim_add(c, rule, e, relay)))
        return;
    snprintf(claim->what, sizeof claim->what, "all %zu", e->calls->n);
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
