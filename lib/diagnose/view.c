/* SPDX-License-Identifier: GPL-3.0-or-later
 * Puts a snapshot in order for the conditions: checks by edge, failed calls by the edge that they went through. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/slice.h"
#include "diagnose/rules.h"
#include "evidence/peer.h"

bool em_path_blocked(uint32_t verdict)
{
    return verdict == EM_VERDICT_FILTERED || verdict == EM_VERDICT_PROHIBITED ||
           verdict == EM_VERDICT_UNREACHABLE;
}

bool em_path_interfered(uint32_t verdict)
{
    return verdict == EM_VERDICT_BLACKHOLED || verdict == EM_VERDICT_SILENT || verdict == EM_VERDICT_RESET ||
           verdict == EM_VERDICT_INTERCEPTED || verdict == EM_VERDICT_MANGLED;
}

const char *em_hop_text(const struct em_check_row *row, char to[EM_HOP_TEXT_MAX])
{
    bool known = *row->path_hop_address;

    *to = '\0';
    if (row->path_hop)
        snprintf(to, EM_HOP_TEXT_MAX, " behind hop %u%s%s%s", (unsigned)row->path_hop, known ? " (" : "",
                 row->path_hop_address, known ? ")" : "");
    return to;
}

bool em_scheme_is(const struct em_check_row *row, const char *const *schemes)
{
    struct slice rest = slice_of(row->uri), scheme;

    if (!slice_until(&rest, ':', &scheme))
        return false;
    for (; *schemes; schemes++)
        if (slice_eq(scheme, slice_of(*schemes)))
            return true;
    return false;
}

uint64_t em_ports_blocked(const struct em_range_row *row)
{
    return row->ports_filtered + row->ports_prohibited + row->ports_unreachable;
}

uint64_t em_ports_interfered(const struct em_range_row *row)
{
    return row->ports_blackholed + row->ports_silent + row->ports_reset + row->ports_intercepted +
           row->ports_mangled;
}

/* So are ranges. */
static void ranges_init(struct em_view *v)
{
    const struct em_snapshot *s = v->s;
    size_t at = 0;

    for (size_t i = 0; i + 1 < v->n; i++) {
        const struct em_edge_row *row = em_snapshot_row(s, EM_T_EDGE, i);
        struct em_view_edge *e = &v->edge[i];

        e->range = em_snapshot_row(s, EM_T_RANGE, at);
        for (; at < s->t[EM_T_RANGE].n; at++, e->ranges_n++) {
            const struct em_range_row *range = em_snapshot_row(s, EM_T_RANGE, at);

            if (range->edge != row->edge)
                break;
            e->signs |= em_ports_blocked(range) > 0 ? EM_SIGN(FILTERED) : 0;
            e->signs |= em_ports_interfered(range) > 0 ? EM_SIGN(BLACKHOLED) : 0;
        }
    }
    v->edge[v->n - 1].range = em_snapshot_row(s, EM_T_RANGE, at); /* none, as for the checks below */
}

/* Checks are sorted by edge: each edge has a run of them. */
static void edges_init(struct em_view *v)
{
    const struct em_snapshot *s = v->s;
    size_t at = 0;

    for (size_t i = 0; i + 1 < v->n; i++) {
        const struct em_edge_row *row = em_snapshot_row(s, EM_T_EDGE, i);
        struct em_view_edge *e = &v->edge[i];

        e->name = row->name;
        e->check = em_snapshot_row(s, EM_T_CHECK, at);
        for (; at < s->t[EM_T_CHECK].n; at++, e->n++) {
            const struct em_check_row *check = em_snapshot_row(s, EM_T_CHECK, at);

            if (check->edge != row->edge)
                break;
            e->signs |= UINT32_C(1) << check->verdict;
            e->signs |= *check->relayed_address ? EM_SIGN_RELAYED : 0;
            e->signs |= check->certificate_expiry ? EM_SIGN_CERTIFICATE : 0;
            e->up += check->up;
            e->down +=
                !check->up && check->verdict != EM_VERDICT_UNTESTED && check->verdict != EM_VERDICT_ERROR;
        }
    }
    v->edge[v->n - 1].name = "";
    v->edge[v->n - 1].check =
        em_snapshot_row(s, EM_T_CHECK, at); /* none of them, and no null pointer to count from */
}

/* A relay of a failed call, and which edge it turned out to be. */
struct relay {
    struct slice host;
    size_t call;
    bool local;
};

static int relay_order(const void *a, const void *b)
{
    const struct relay *x = a, *y = b;
    size_t n = x->host.n < y->host.n ? x->host.n : y->host.n;
    int order = n > 0 ? memcmp(x->host.p, y->host.p, n) : 0;

    return order ? order : (x->host.n > y->host.n) - (x->host.n < y->host.n);
}

static size_t relays_of(const struct em_failure_row **call, size_t n, struct relay *relay)
{
    size_t relays = 0;

    for (size_t i = 0; i < n; i++) {
        if (*call[i]->local_relay)
            relay[relays++] = (struct relay) { em_peer_host(slice_of(call[i]->local_relay)), i, true };
        if (*call[i]->remote_relay)
            relay[relays++] = (struct relay) { em_peer_host(slice_of(call[i]->remote_relay)), i, false };
    }
    qsort(relay, relays, sizeof *relay, relay_order);
    return relays;
}

/* edge_of[call] becomes the edge that one of the call's relays is an address of: the local relay rather than the remote one. */
static void match(const struct em_view *v, const struct relay *relay, size_t relays,
                  size_t edge_of[EM_RECENT_MAX])
{
    bool local[EM_RECENT_MAX] = { false };

    for (size_t e = 0; relays > 0 && e + 1 < v->n; e++) {
        for (size_t k = 0; k < v->edge[e].n; k++) {
            struct relay wanted = { slice_of(v->edge[e].check[k].address), 0, false };
            const struct relay *found = bsearch(&wanted, relay, relays, sizeof *relay, relay_order);

            if (!found || wanted.host.n == 0)
                continue;
            while (found > relay && relay_order(found - 1, &wanted) == 0)
                found--;
            for (; found < relay + relays && relay_order(found, &wanted) == 0; found++)
                if (!local[found->call]) {
                    edge_of[found->call] = e;
                    local[found->call] = found->local;
                }
        }
    }
}

/* Media failures of the window, newest first, one row for each call: the one with code 23 where there is one. */
static size_t window_of(const struct em_view *v, const struct em_failure_row *call[EM_RECENT_MAX])
{
    size_t n = 0;

    for (size_t i = v->s->t[EM_T_FAILURE].n; i-- > 0;) {
        const struct em_failure_row *row = em_snapshot_row(v->s, EM_T_FAILURE, i);
        size_t same = 0;

        if (row->code_class != EM_CODE_MEDIA_FAILURE || n == EM_RECENT_MAX ||
            row->time < v->now_us - v->limits->calls_window_us)
            continue;
        while (same < n && strcmp(call[same]->call_id, row->call_id) != 0)
            same++;
        if (same == n)
            call[n++] = row;
        else if (row->code == 23)
            call[same] = row;
    }
    return n;
}

static int calls_init(struct em_view *v, struct em_why *why)
{
    const struct em_failure_row *call[EM_RECENT_MAX];
    size_t edge_of[EM_RECENT_MAX], n = window_of(v, call), only = v->n == 2 ? 0 : v->n - 1;
    struct relay relay[2 * EM_RECENT_MAX];

    for (size_t i = 0; i < n; i++)
        edge_of[i] = only; /* with one edge configured there is no doubt */
    match(v, relay, relays_of(call, n, relay), edge_of);
    if (!(v->calls = calloc(n + 1, sizeof *v->calls)))
        return em_fail(why, EM_ERR_MEMORY, "no memory to look at failed calls");
    for (size_t e = 0; e < v->n; e++)
        v->edge[e].calls = &v->calls[0];
    v->calls_n = 1;
    for (size_t i = 0; i < n; i++) {
        struct em_view_edge *e = &v->edge[edge_of[i]];
        struct em_view_calls *of;

        if (e->calls == &v->calls[0])
            e->calls = &v->calls[v->calls_n++];
        of = &v->calls[e->calls - v->calls];
        of->call[of->n++] = call[i];
    }
    return 0;
}

int em_view_init(struct em_view *v, const struct em_snapshot *s, const struct em_diagnosis_limits *limits,
                 struct em_why *why)
{
    *v = (struct em_view) { .s = s, .limits = limits, .now_us = s->wall_us, .n = s->t[EM_T_EDGE].n + 1 };
    int err;

    if (!(v->edge = calloc(v->n, sizeof *v->edge)))
        return em_fail(why, EM_ERR_MEMORY, "no memory to look at edges");
    edges_init(v);
    ranges_init(v);
    if ((err = calls_init(v, why)) < 0)
        em_view_fini(v);
    return err;
}

void em_view_fini(struct em_view *v)
{
    free(v->edge);
    free(v->calls);
    *v = (struct em_view) { 0 };
}
