/* SPDX-License-Identifier: GPL-3.0-or-later
 * Findings: how claims become them, and how they end. */
#include "diagnose/diagnose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "diagnose/rules.h"

enum {
    PROBES_TO_RAISE = 2,
    OBSERVATIONS_MANY = 10,
    KEY_MAX = EM_NAME_MAX + EM_NAME_MAX + EM_TEXT_MAX + 4,
    WORDS_MAX = 1024,
};

const struct em_diagnosis_limits em_diagnosis_default_limits = {
    .raise_after_us = 30 * EM_US_PER_S,
    .clear_after_us = 90 * EM_US_PER_S,
    .calls_window_us = 3600 * EM_US_PER_S,
    .source_silent_us = 6 * 3600 * EM_US_PER_S,
    .skew_us = 120 * EM_US_PER_S,
    .calls_few = 3,
    .certificate_days = 21,
};

struct finding {
    struct em_finding_row row;
    struct em_evidence_row evidence[EM_EVIDENCE_MAX];
    size_t evidence_n;
    int64_t first_mono_us, claimed_mono_us; /* of the claims, without a gap that ended it */
    int64_t probe_us;                       /* the newest probe that saw it */
    unsigned probes;                        /* that saw it */
    bool raised;
};

struct em_diagnosis {
    struct em_diagnosis_limits limits;
    struct em_diagnosis_memory memory;
    struct finding *finding;
    size_t n, left_out;
    struct em_finding_count_row *count; /* pairs of edge and kind that were ever there */
    size_t count_n;
};

struct em_diagnosis *em_diagnosis_new(const struct em_diagnosis_limits *limits,
                                      const struct em_diagnosis_memory *memory)
{
    struct em_diagnosis *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->limits = *limits;
    d->memory = *memory;
    return d;
}

void em_diagnosis_free(struct em_diagnosis *d)
{
    if (!d)
        return;
    free(d->finding);
    free(d->count);
    free(d);
}

void em_diagnosis_limit(struct em_diagnosis *d, const struct em_diagnosis_limits *limits)
{
    d->limits = *limits;
}

/* --- words ------------------------------------------------------------------------------------------------------------------- */

static void words(const char *pattern, const struct em_claim *c, char to[EM_TEXT_MAX])
{
    const struct {
        struct slice mark;
        const char *text;
    } marks[] = { { SLICE("{edge}"), *c->edge ? c->edge : "the edge" },
                  { SLICE("{path}"), c->path },
                  { SLICE("{what}"), c->what } };
    struct slice rest = slice_of(pattern);
    char text[WORDS_MAX];
    struct buf b = buf_over(text, sizeof text);

    while (rest.n > 0) {
        bool mark = false;

        for (size_t i = 0; i < sizeof marks / sizeof *marks && !mark; i++)
            if ((mark = slice_skip(&rest, marks[i].mark)))
                buf_text(&b, marks[i].text);
        if (!mark) {
            buf_u8(&b, (uint8_t)*rest.p);
            rest = slice_from(rest, 1);
        }
    }
    slice_copy(slice_of(buf_str(&b)), to, EM_TEXT_MAX);
}

static const struct em_rule *rule_of(enum em_finding_kind kind)
{
    for (size_t i = 0; i < em_rules_n; i++)
        if (em_rules[i].kind == kind)
            return &em_rules[i];
    return &em_rules[0];
}

/* --- one finding ------------------------------------------------------------------------------------------------------------- */

static struct finding *find(struct em_diagnosis *d, const struct em_claim *c)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct em_finding_row *row = &d->finding[i].row;

        if (row->kind == c->kind && strcmp(row->edge, c->edge) == 0 && strcmp(row->path, c->path) == 0)
            return &d->finding[i];
    }
    return NULL;
}

static struct finding *add(struct em_diagnosis *d, const struct em_claim *c, int64_t mono_us,
                           struct em_why *why)
{
    char key[KEY_MAX];
    struct finding *f, *more;

    if (d->n == EM_FINDINGS_MAX) {
        d->left_out++;
        return NULL;
    }
    if (!(more = realloc(d->finding, (d->n + 1) * sizeof *more))) {
        em_fail(why, EM_ERR_MEMORY, "no memory for a finding");
        return NULL;
    }
    d->finding = more;
    f = &d->finding[d->n];
    *f = (struct finding) { .first_mono_us = mono_us };
    f->row.kind = c->kind;
    memcpy(f->row.edge, c->edge, sizeof f->row.edge);
    memcpy(f->row.path, c->path, sizeof f->row.path);
    snprintf(key, sizeof key, "%s/%s/%s", em_name_of(&em_finding_kind_names, c->kind), c->edge, c->path);
    if (d->memory.number(d->memory.arg, key, &f->row.id, why) < 0)
        return NULL;
    d->n++;
    return f;
}

static enum em_confidence confidence_of(const struct finding *f, const struct em_claim *c)
{
    if ((c->probes && c->calls > 0) || f->row.observations >= OBSERVATIONS_MANY)
        return EM_CONFIDENCE_HIGH;
    return f->row.observations > 1 ? EM_CONFIDENCE_MEDIUM : EM_CONFIDENCE_LOW;
}

static void update(struct finding *f, const struct em_claim *c, int64_t mono_us)
{
    const struct em_rule *rule = rule_of(c->kind);
    int64_t newest_us = 0;

    f->claimed_mono_us = mono_us;
    f->evidence_n = c->evidence_n;
    for (size_t i = 0; i < c->evidence_n; i++) {
        f->evidence[i] = c->evidence[i];
        f->evidence[i].id = f->row.id;
        newest_us = c->evidence[i].time > newest_us ? c->evidence[i].time : newest_us;
    }
    if (c->probes && newest_us != f->probe_us) {
        f->probe_us = newest_us;
        f->probes++;
    }
    f->row.severity = rule->severity;
    f->row.seen = newest_us;
    f->row.observations = (uint64_t)f->probes + c->calls;
    if (f->row.observations == 0)
        f->row.observations = 1;
    f->row.confidence = confidence_of(f, c);
    words(rule->text, c, f->row.text);
    words(rule->advice, c, f->row.advice);
    words(rule->refute, c, f->row.refute);
}

static bool ripe(const struct em_diagnosis *d, const struct finding *f, const struct em_claim *c,
                 int64_t mono_us)
{
    return c->at_once || c->calls > 0 || f->probes >= PROBES_TO_RAISE ||
           (!c->probes && mono_us - f->first_mono_us >= d->limits.raise_after_us);
}

/* --- counts ------------------------------------------------------------------------------------------------------------------ */

static void count(struct em_diagnosis *d, const struct em_finding_row *row, int by)
{
    struct em_finding_count_row *more;
    size_t i = 0;

    while (i < d->count_n && (d->count[i].kind != row->kind || strcmp(d->count[i].edge, row->edge) != 0))
        i++;
    if (i == d->count_n) {
        if (d->count_n == EM_FINDINGS_MAX || !(more = realloc(d->count, (d->count_n + 1) * sizeof *more)))
            return; /* one line less in the metrics; the findings themselves are all there */
        d->count = more;
        d->count[d->count_n++] = (struct em_finding_count_row) { .number = (uint32_t)i + 1,
                                                                 .kind = row->kind,
                                                                 .severity = row->severity };
        memcpy(d->count[i].edge, row->edge, sizeof row->edge);
    }
    d->count[i].findings += (uint64_t)(int64_t)by;
}

/* --- all of them ------------------------------------------------------------------------------------------------------------- */

static bool worth_asking(const struct em_rule *r, const struct em_view_edge *e)
{
    if (r->signs == 0 && !r->calls)
        return !*e->name;
    return (r->signs & e->signs) || (r->calls && e->calls->n > 0);
}

static int claim_all(const struct em_view *v, struct em_claims *claims, struct em_why *why)
{
    for (size_t e = 0; e < v->n; e++)
        for (size_t r = 0; r < em_rules_n; r++)
            if (worth_asking(&em_rules[r], &v->edge[e]))
                em_rules[r].look(v, &v->edge[e], &em_rules[r], claims);
    return claims->no_memory ? em_fail(why, EM_ERR_MEMORY, "no memory for what was observed") : 0;
}

static int take_claim(struct em_diagnosis *d, const struct em_claim *c, const struct em_snapshot *s,
                      int64_t mono_us, bool *changed, struct em_why *why)
{
    struct finding *f = find(d, c);
    size_t before = d->left_out;

    if (!f && !(f = add(d, c, mono_us, why)))
        return d->left_out > before ? 0 : EM_ERR_SYSTEM;
    update(f, c, mono_us);
    if (f->raised || !ripe(d, f, c, mono_us))
        return 0;
    f->raised = true;
    f->row.since = s->wall_us;
    d->memory.raised(d->memory.arg, &f->row, &f->row.since);
    count(d, &f->row, 1);
    *changed = true;
    return 0;
}

/* What is not claimed any more waits for its end, or is forgotten when it never was a finding. */
static void end_others(struct em_diagnosis *d, const struct em_snapshot *s, int64_t mono_us, bool *changed)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->n; i++) {
        struct finding *f = &d->finding[i];
        bool claimed = f->claimed_mono_us == mono_us,
             over = !claimed && mono_us - f->claimed_mono_us >= d->limits.clear_after_us;

        if (f->raised && over) {
            d->memory.ended(d->memory.arg, &f->row, s->wall_us);
            count(d, &f->row, -1);
            *changed = true;
        }
        if (!over)
            d->finding[kept++] = *f;
    }
    d->n = kept;
}

int em_diagnosis_observe(struct em_diagnosis *d, const struct em_snapshot *s, int64_t mono_us, bool *changed,
                         struct em_why *why)
{
    struct em_claims claims = { 0 };
    struct em_view view;
    int err = em_view_init(&view, s, &d->limits, why);

    *changed = false;
    if (err < 0)
        return err;
    if ((err = claim_all(&view, &claims, why)) == 0) {
        d->left_out = claims.left_out;
        for (size_t i = 0; i < claims.n && err == 0; i++)
            err = take_claim(d, &claims.claim[i], s, mono_us, changed, why);
        if (err == 0)
            end_others(d, s, mono_us, changed);
    }
    free(claims.claim);
    em_view_fini(&view);
    return err;
}

void em_diagnosis_counts(const struct em_diagnosis *d, size_t counts[EM_T_COUNT])
{
    for (size_t i = 0; i < d->n; i++) {
        counts[EM_T_FINDING] += d->finding[i].raised;
        counts[EM_T_EVIDENCE] += d->finding[i].raised ? d->finding[i].evidence_n : 0;
    }
    counts[EM_T_FINDING_COUNT] = d->count_n;
}

void em_diagnosis_fill(const struct em_diagnosis *d, struct em_snapshot *s)
{
    size_t rows = 0, evidence = 0;

    for (size_t i = 0; i < d->n && rows < s->t[EM_T_FINDING].n; i++) {
        const struct finding *f = &d->finding[i];

        if (!f->raised)
            continue;
        *(struct em_finding_row *)em_snapshot_row(s, EM_T_FINDING, rows++) = f->row;
        for (size_t k = 0; k < f->evidence_n && evidence < s->t[EM_T_EVIDENCE].n; k++)
            *(struct em_evidence_row *)em_snapshot_row(s, EM_T_EVIDENCE, evidence++) = f->evidence[k];
    }
    for (size_t i = 0; i < d->count_n && i < s->t[EM_T_FINDING_COUNT].n; i++)
        *(struct em_finding_count_row *)em_snapshot_row(s, EM_T_FINDING_COUNT, i) = d->count[i];
}

size_t em_diagnosis_left_out(const struct em_diagnosis *d)
{
    return d->left_out;
}
