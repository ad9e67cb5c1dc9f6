/* SPDX-License-Identifier: GPL-3.0-or-later
 * Made-up calls and the truth about them; see gen_calls.h. */
#include "tests/bench/gen_calls.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const gen_media_names[GEN_MEDIA_N] = { "audio", "video", "application-sharing" };

/* SplitMix64. */
static uint64_t next_random(struct gen_random *r)
{
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint32_t gen_below(struct gen_random *r, uint32_t n)
{
    return (uint32_t)((next_random(r) >> 32) * n >> 32);
}

static bool one_in(struct gen_calls *g, uint32_t n)
{
    return gen_below(&g->random, n) == 0;
}

/* --- reports ------------------------------------------------------------------------------------------------------ */

static uint32_t any_ice(struct gen_calls *g)
{
    static const uint32_t seen[] = { 0x0,       0x12b,     0x320,     0x80000,   0x80012b,
                                     0x8000100, 0x8000100, 0x4000320, 0x40003a0, 0x1000020,
                                     0x400100,  0x2,       0x80000100 };

    return seen[gen_below(&g->random, sizeof seen / sizeof *seen)];
}

static struct gen_blob any_blob(struct gen_calls *g, enum gen_side side)
{
    return (struct gen_blob) { .side = side,
                               .media = gen_below(&g->random, GEN_MEDIA_N),
                               .ice_known = !one_in(g, 8),
                               .ice = any_ice(g) };
}

static struct gen_report report_of(struct gen_calls *g, uint32_t code, uint32_t blobs)
{
    enum gen_side first = gen_below(&g->random, 2);
    struct gen_report r = { .code = code, .blobs_n = blobs };

    for (uint32_t i = 0; i < blobs; i++)
        r.blobs[i] = any_blob(g, i == 0 ? first : GEN_CALLER + GEN_CALLEE - first);
    return r;
}

static struct gen_step *add_step(struct gen_call *c, enum gen_kind kind)
{
    struct gen_step *s = &c->steps[c->steps_n++];

    *s = (struct gen_step) { .kind = kind, .copies = 1 };
    return s;
}

static void add_report(struct gen_calls *g, struct gen_step *s, struct gen_report r)
{
    if (s->reports_n == 0)
        s->copies = 1 + gen_below(&g->random, GEN_COPIES_MAX);
    s->reports[s->reports_n++] = r;
}

static uint32_t any_media_failure(struct gen_calls *g)
{
    static const uint32_t codes[] = { 21, 22, 24, 25, 26, 31, 32, 34 };

    return codes[gen_below(&g->random, sizeof codes / sizeof *codes)];
}

static uint32_t any_other_failure(struct gen_calls *g)
{
    static const uint32_t codes[] = { 1023, 23000, 2300003, 52063, 52017, 10003, 1034, 1010, 7008, 231 };

    return codes[gen_below(&g->random, sizeof codes / sizeof *codes)];
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static void plan_healthy(struct gen_call *c)
{
    static const enum gen_kind kinds[] = { GEN_INVITE, GEN_TRYING, GEN_OK, GEN_ACK, GEN_BYE, GEN_BYE_OK };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        add_step(c, kinds[i]);
}

/* Media failed: mostly a BYE after 183 or 200. Sometimes the callee told its own view before, or both sides hang up with one. */
static void plan_media_failure(struct gen_calls *g, struct gen_call *c, uint32_t code)
{
    struct gen_step *s;

    add_step(c, GEN_INVITE);
    if (one_in(g, 2)) {
        s = add_step(c, GEN_OK);
        if (one_in(g, 2))
            add_report(g, s, report_of(g, 51007, 1));
    } else {
        add_step(c, GEN_PROGRESS);
    }
    s = add_step(c, one_in(g, 4) ? GEN_CANCEL : GEN_BYE);
    add_report(g, s, report_of(g, code, 1 + gen_below(&g->random, 2)));
    if (one_in(g, 6))
        add_report(g, s, report_of(g, any_other_failure(g), 0));
    if (one_in(g, 4))
        add_report(g, add_step(c, GEN_BYE), report_of(g, one_in(g, 3) ? any_media_failure(g) : code, 1));
}

static void plan_other_failure(struct gen_calls *g, struct gen_call *c)
{
    add_step(c, GEN_INVITE);
    add_report(g, add_step(c, GEN_REFUSED), report_of(g, any_other_failure(g), gen_below(&g->random, 2)));
    add_step(c, GEN_ACK);
}

static void plan_information(struct gen_calls *g, struct gen_call *c)
{
    add_step(c, GEN_INVITE);
    add_report(g, add_step(c, GEN_OK), report_of(g, 51007, 1));
    add_report(g, add_step(c, GEN_BYE), report_of(g, 51004, 1));
}

static void name_call(struct gen_calls *g, struct gen_call *c, bool reports)
{
    c->keyed = true;
    if (reports && g->last_id[0] && one_in(g, 20)) { /* equal but for case: another call */
        for (size_t i = 0; i < sizeof c->id; i++)
            c->id[i] = (char)(g->last_id[i] >= 'a' && g->last_id[i] <= 'f' ? g->last_id[i] - 'a' + 'A'
                                                                           : g->last_id[i]);
        g->last_id[0] = '\0';
        return;
    }
    snprintf(c->id, sizeof c->id, "abcd%08" PRIx32 "%04" PRIx64 "%016" PRIx64, g->made,
             next_random(&g->random) & 0xFFFF, next_random(&g->random));
    if (reports)
        memcpy(g->last_id, c->id, sizeof g->last_id);
}

/* --- the truth ---------------------------------------------------------------------------------------------------- */

static uint64_t *code_counter(struct gen_truth *t, uint32_t code)
{
    for (uint32_t i = 0; i < t->codes_n; i++)
        if (t->codes[i].code == code)
            return &t->codes[i].calls;
    if (t->codes_n == GEN_CODES_MAX)
        abort();
    t->codes[t->codes_n].code = code;
    return &t->codes[t->codes_n++].calls;
}

static bool is_media_failure(uint32_t code)
{
    return code >= 21 && code <= 39;
}

/* What one call adds, whatever the order in which its messages are logged. */
static void count_call(struct gen_truth *t, const struct gen_call *c)
{
    uint32_t codes[GEN_STEPS_MAX * GEN_HEADERS_MAX], codes_n = 0, ice = 0, media = 0;
    bool failed = false, code_23 = false;

    for (uint32_t s = 0; s < c->steps_n; s++)
        for (uint32_t i = 0; i < c->steps[s].reports_n; i++) {
            const struct gen_report *r = &c->steps[s].reports[i];
            uint32_t k = 0;

            while (k < codes_n && codes[k] != r->code)
                k++;
            if (k == codes_n)
                codes[codes_n++] = r->code;
            failed |= is_media_failure(r->code);
            code_23 |= r->code == 23;
            for (uint32_t b = 0; b < r->blobs_n; b++) {
                ice |= r->blobs[b].ice_known ? r->blobs[b].ice : 0;
                media |= is_media_failure(r->code) ? 1u << r->blobs[b].media : 0;
            }
        }
    if (codes_n == 0)
        return;
    t->calls++;
    t->media_failures += failed;
    t->code_23 += code_23;
    t->tcp_nat_check += (ice & 0x100) != 0;
    t->code_23_tcp_nat += code_23 && ice & 0x100;
    for (uint32_t k = 0; k < codes_n; k++)
        ++*code_counter(t, codes[k]);
    for (uint32_t b = 0; b < 32; b++)
        t->ice[b] += ice >> b & 1;
    for (uint32_t m = 0; m < GEN_MEDIA_N; m++)
        t->media[m] += media >> m & 1;
}

void gen_call_new(struct gen_calls *g, struct gen_call *c)
{
    bool reports = one_in(g, g->failing);
    uint32_t dice = gen_below(&g->random, 20);

    memset(c, 0, sizeof *c);
    c->number = g->made++;
    c->cseq = 1 + gen_below(&g->random, 20);
    name_call(g, c, reports);
    if (!reports) {
        plan_healthy(c);
        return;
    }
    if (dice < 10)
        plan_media_failure(g, c, 23);
    else if (dice < 13)
        plan_media_failure(g, c, any_media_failure(g));
    else if (dice < 16)
        plan_other_failure(g, c);
    else
        plan_information(g, c);
    c->keyed = !one_in(g, 25);
    if (c->keyed)
        count_call(&g->truth, c);
}

static bool same_report(const struct gen_report *a, const struct gen_report *b)
{
    if (a->code != b->code || a->blobs_n != b->blobs_n)
        return false;
    for (uint32_t i = 0; i < a->blobs_n; i++)
        if (a->blobs[i].side != b->blobs[i].side || a->blobs[i].media != b->blobs[i].media ||
            a->blobs[i].ice_known != b->blobs[i].ice_known ||
            (a->blobs[i].ice_known && a->blobs[i].ice != b->blobs[i].ice))
            return false;
    return true;
}

static void count_report(struct gen_truth *t, struct gen_call *c, struct gen_report *r)
{
    t->reports++;
    if (!c->keyed) {
        t->unkeyed++;
        return;
    }
    t->duplicates += r->written;
    for (uint32_t s = 0; s < c->steps_n; s++)
        for (uint32_t i = 0; i < c->steps[s].reports_n; i++)
            if (same_report(&c->steps[s].reports[i], r))
                c->steps[s].reports[i].written = true;
}

/* A call without reports goes in order; the copies of the others come in any order, as files of several hops do. */
struct gen_step *gen_call_next(struct gen_calls *g, struct gen_call *c)
{
    uint32_t left = 0, pick;
    struct gen_step *s = NULL;
    bool ordered = true;

    for (uint32_t i = 0; i < c->steps_n; i++) {
        left += c->steps[i].copies > 0;
        ordered &= c->steps[i].reports_n == 0;
    }
    if (left == 0)
        return NULL;
    pick = ordered ? 0 : gen_below(&g->random, left);
    for (uint32_t i = 0; i < c->steps_n && !s; i++)
        if (c->steps[i].copies > 0 && pick-- == 0)
            s = &c->steps[i];
    s->copies--;
    for (uint32_t i = 0; i < s->reports_n; i++)
        count_report(&g->truth, c, &s->reports[i]);
    return s;
}

void gen_truth_write(const struct gen_truth *t, FILE *to)
{
    const struct {
        const char *name;
        uint64_t v;
    } rows[] = { { "bytes", t->bytes },
                 { "messages", t->messages },
                 { "reports", t->reports },
                 { "duplicates", t->duplicates },
                 { "unkeyed", t->unkeyed },
                 { "malformed", t->malformed },
                 { "calls", t->calls },
                 { "media_failures", t->media_failures },
                 { "code_23", t->code_23 },
                 { "tcp_nat_check", t->tcp_nat_check },
                 { "code_23_tcp_nat", t->code_23_tcp_nat } };
    const char *comma = "";

    fputc('{', to);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(to, "\"%s\":%" PRIu64 ",", rows[i].name, rows[i].v);
    fputs("\"codes\":{", to);
    for (uint32_t i = 0; i < t->codes_n; i++, comma = ",")
        fprintf(to, "%s\"%" PRIu32 "\":%" PRIu64, comma, t->codes[i].code, t->codes[i].calls);
    fputs("},\"ice_warnings\":{", to);
    comma = "";
    for (uint32_t b = 0; b < 32; b++)
        if (t->ice[b] > 0) {
            fprintf(to, "%s\"0x%" PRIx32 "\":%" PRIu64, comma, UINT32_C(1) << b, t->ice[b]);
            comma = ",";
        }
    fputs("},\"media\":{", to);
    comma = "";
    for (uint32_t m = 0; m < GEN_MEDIA_N; m++)
        if (t->media[m] > 0) {
            fprintf(to, "%s\"%s\":%" PRIu64, comma, gen_media_names[m], t->media[m]);
            comma = ",";
        }
    fputs("}}\n", to);
}
