/* SPDX-License-Identifier: GPL-3.0-or-later
 * Claims: what conditions believe, with the observations behind it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "diagnose/rules.h"

bool em_claims_have(const struct em_claims *c, const char *edge, enum em_finding_kind kind)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->claim[i].kind == kind && strcmp(c->claim[i].edge, edge) == 0)
            return true;
    return false;
}

/* Edges are looked at one after the other: claims on this one are at the end of the list. */
static bool gives_way(const struct em_claims *c, const struct em_rule *rule, const char *edge)
{
    for (size_t i = c->n; i-- > 0 && strcmp(c->claim[i].edge, edge) == 0;)
        if (rule->unless & UINT32_C(1) << c->claim[i].kind)
            return true;
    return false;
}

static bool make_room(struct em_claims *c)
{
    size_t room = c->room ? 2 * c->room : 16;
    struct em_claim *more;

    if (c->n < c->room)
        return true;
    if (c->room >= EM_FINDINGS_MAX) {
        c->left_out++;
        return false;
    }
    room = room < EM_FINDINGS_MAX ? room : EM_FINDINGS_MAX;
    if (!(more = realloc(c->claim, room * sizeof *more))) {
        c->no_memory = true;
        return false;
    }
    c->claim = more;
    c->room = room;
    return true;
}

struct em_claim *em_claim_add(struct em_claims *c, const struct em_rule *rule, const struct em_view_edge *e,
                              const char *path)
{
    struct em_claim *claim;

    if (gives_way(c, rule, e->name) || !make_room(c))
        return NULL;
    claim = &c->claim[c->n++];
    memset(claim, 0, sizeof *claim);
    claim->kind = rule->kind;
    slice_copy(slice_of(e->name), claim->edge, sizeof claim->edge);
    slice_copy(slice_of(path), claim->path, sizeof claim->path);
    return claim;
}

void em_claim_evidence(struct em_claim *c, int64_t time_us, const char *source, const char *value)
{
    struct em_evidence_row *row;

    if (c->evidence_n == EM_EVIDENCE_MAX)
        return;
    row = &c->evidence[c->evidence_n++];
    *row = (struct em_evidence_row) { .evidence = (uint32_t)c->evidence_n, .time = time_us };
    slice_copy(slice_of(source), row->source, sizeof row->source);
    slice_copy(slice_of(value), row->value, sizeof row->value);
}

void em_claim_check(struct em_claim *c, const struct em_check_row *row)
{
    char source[EM_NAME_MAX], value[EM_TEXT_MAX];
    struct buf s = buf_over(source, sizeof source), v = buf_over(value, sizeof value);

    c->probes = true;
    buf_print(&s, "check %s", row->name);
    buf_print(&v, "%s", em_name_of(&em_verdict_names, row->verdict));
    if (*row->address)
        buf_print(&v, " at %s port %u over %s", row->address, row->port,
                  em_name_of(&em_transport_names, row->transport));
    if (*row->reason)
        buf_print(&v, ": %s", row->reason);
    em_claim_evidence(c, row->probe_time, buf_str(&s), buf_str(&v));
}

void em_claim_range(struct em_claim *c, const struct em_range_row *row)
{
    char source[EM_NAME_MAX], value[EM_TEXT_MAX];
    struct buf s = buf_over(source, sizeof source), v = buf_over(value, sizeof value);

    c->probes = true;
    buf_print(&s, "range %s", row->name);
    buf_print(&v,
              "%s %u-%u at %.100s: of %llu tested ports %llu ok, %llu refused, %llu blocked, %llu disturbed",
              em_name_of(&em_transport_names, row->transport), row->first_port, row->last_port, row->host,
              (unsigned long long)row->tested, (unsigned long long)row->ports_ok,
              (unsigned long long)row->ports_refused, (unsigned long long)em_ports_blocked(row),
              (unsigned long long)em_ports_interfered(row));
    em_claim_evidence(c, row->sweep_time, buf_str(&s), buf_str(&v));
}

static void call_evidence(struct em_claim *c, const struct em_failure_row *row)
{
    char value[EM_TEXT_MAX];
    struct buf v = buf_over(value, sizeof value);

    buf_print(&v, "code %u", row->code);
    if (row->ice_known == 1)
        buf_print(&v, ", ICE warnings 0x%x", row->ice_warnings);
    if (row->media != EM_MEDIA_UNKNOWN)
        buf_print(&v, ", %s", em_name_of(&em_media_names, row->media));
    if (*row->remote_relay)
        buf_print(&v, ", far relay %s", row->remote_relay);
    buf_print(&v, ", Call-ID %.100s", row->call_id);
    em_claim_evidence(c, row->time, "call", buf_str(&v));
}

void em_claim_calls(struct em_claim *c, const struct em_view_calls *calls,
                    bool (*fits)(const struct em_failure_row *row))
{
    for (size_t i = 0; i < calls->n; i++) {
        if (fits && !fits(calls->call[i]))
            continue;
        c->calls++;
        call_evidence(c, calls->call[i]);
    }
}
