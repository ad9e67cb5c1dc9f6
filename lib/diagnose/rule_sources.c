/* SPDX-License-Identifier: GPL-3.0-or-later
 * Conditions over the sources of evidence. They belong to no edge. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "diagnose/rules.h"

static void silent(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                   struct em_claims *c, const struct em_source_row *row)
{
    int64_t silent_us = v->now_us - row->read_time;
    struct em_claim *claim;

    if (row->state != EM_SOURCE_FAILED && row->state != EM_SOURCE_WAITING &&
        (row->read_time == 0 || silent_us < v->limits->source_silent_us))
        return;
    if (!(claim = em_claim_add(c, rule, e, row->name)))
        return;
    if (row->state == EM_SOURCE_FAILED)
        snprintf(claim->what, sizeof claim->what, "%s", *row->error ? row->error : "it cannot be read");
    else if (row->state == EM_SOURCE_WAITING)
        snprintf(claim->what, sizeof claim->what, "nothing is there to read from at %.100s", row->location);
    else
        snprintf(claim->what, sizeof claim->what, "nothing new for %lld hours",
                 (long long)(silent_us / EM_US_PER_S / 3600));
    em_claim_evidence(claim, row->read_time, row->name, claim->what);
}

void em_look_silent(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                    struct em_claims *c)
{
    for (size_t i = 0; i < v->s->t[EM_T_SOURCE].n; i++)
        silent(v, e, rule, c, em_snapshot_row(v->s, EM_T_SOURCE, i));
}

void em_look_skew(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                  struct em_claims *c)
{
    for (size_t i = v->s->t[EM_T_FAILURE].n; i-- > 0;) {
        const struct em_failure_row *row = em_snapshot_row(v->s, EM_T_FAILURE, i);
        int64_t ahead_us = row->time - v->now_us;
        struct em_claim *claim;
        char value[EM_TEXT_MAX], time[EM_TIME_TEXT_MAX];
        bool had = false;

        for (size_t k = 0; k < c->n; k++)
            had = had || (c->claim[k].kind == rule->kind && !strcmp(c->claim[k].path, row->source));
        if (ahead_us < v->limits->skew_us || had || !(claim = em_claim_add(c, rule, e, row->source)))
            continue;
        em_time_text(row->time, time);
        snprintf(value, sizeof value, "a call failed at %s", time);
        snprintf(claim->what, sizeof claim->what, "%lld seconds", (long long)(ahead_us / EM_US_PER_S));
        em_claim_evidence(claim, v->now_us, row->source, value);
    }
}
