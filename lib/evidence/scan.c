/* SPDX-License-Identifier: GPL-3.0-or-later
 * Exact counting of whole files in memory. Text of calls is not kept: a call, a call's code and a report are known by 64-bit hashes
 * under a random key, so that nobody can make a trace in which two of them meet. Among n calls two meet by chance with a probability
 * of about n^2 / 2^65: 3 in 10^8 for a million calls, 7 in 10^5 for the maximum of 50 million; the number would then be one too small. */
#include "evidence/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "evidence/scan_state.h"

enum { MEMBERS_PER_CALL = 8 }; /* codes and reports that a call may have, on average, before the limit */

struct em_scan *em_scan_new(em_scan_failure_fn failure, void *arg)
{
    struct em_scan *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->failure = failure;
    s->arg = arg;
    em_random(&em_clock_system, &s->key, sizeof s->key);
    hashtab_init(&s->calls, sizeof(struct em_call_state), EM_SCAN_CALLS_MAX);
    hashtab_init(&s->codes, sizeof(uint32_t), (size_t)EM_SCAN_CALLS_MAX * MEMBERS_PER_CALL);
    hashtab_init(&s->reports, 0, (size_t)EM_SCAN_CALLS_MAX * MEMBERS_PER_CALL);
    return s;
}

void em_scan_between(struct em_scan *s, int64_t since_us, int64_t until_us)
{
    s->since = since_us;
    s->until = until_us;
    s->windowed = true;
}

void em_scan_free(struct em_scan *s)
{
    if (!s)
        return;
    hashtab_fini(&s->calls);
    hashtab_fini(&s->codes);
    hashtab_fini(&s->reports);
    free(s);
}

/* --- one report --------------------------------------------------------------------------------------------------- */

/* A code beyond the maximum has no row; it counts in the totals. */
static void count_code(struct em_scan_result *r, uint32_t code)
{
    size_t i = 0;

    while (i < r->codes_n && r->codes[i].code < code)
        i++;
    if (i == r->codes_n || r->codes[i].code != code) {
        if (r->codes_n == EM_CODES_MAX)
            return;
        memmove(&r->codes[i + 1], &r->codes[i], (r->codes_n - i) * sizeof r->codes[0]);
        r->codes[i].code = code;
        r->codes[i].calls = 0;
        r->codes_n++;
    }
    r->codes[i].calls++;
}

static void add(struct em_scan_result *r, uint32_t code, const struct em_count_delta *d)
{
    em_count_add(&r->totals, d);
    if (d->code)
        count_code(r, code);
    for (uint32_t bit = 0; bit < EM_ICE_BITS; bit++)
        r->ice[bit] += d->ice >> bit & 1;
    for (uint32_t m = 0; m < EM_MEDIA_COUNT; m++)
        r->media[m] += d->media >> m & 1;
}

static uint64_t mix(const struct em_scan *s, uint64_t call, uint64_t what)
{
    uint64_t words[2] = { call, what };

    return em_hash(&s->key, words, sizeof words);
}

static void tell_failure(struct em_scan *s, const struct em_report *report)
{
    struct em_failure_row row;

    em_report_row(report, &row);
    slice_copy(slice_of(s->name), row.file, sizeof row.file);
    s->failure(s->arg, &row);
}

static bool in_window(struct em_scan *s, const struct em_report *report)
{
    if (report->time_us == 0)
        s->result.untimed++;
    return report->time_us != 0 && report->time_us >= s->since && report->time_us < s->until;
}

void scan_report(void *scan, const struct em_report *report)
{
    struct em_scan *s = scan;
    struct em_count_delta d;
    struct em_call_state *state;
    bool new_call, new_code = false, new_report;
    uint64_t call;
    void *value, *code = NULL;

    if (s->err || (s->windowed && !in_window(s, report)))
        return;
    if (report->call_id.n == 0) {
        d = em_count_report(report, NULL, false, false);
        add(&s->result, report->code, &d);
        return;
    }
    call = em_hash(&s->key, report->call_id.p, report->call_id.n);
    s->code_key = mix(s, call, report->code);
    if ((!report->no_code && (s->err = hashtab_add(&s->codes, s->code_key, &new_code, &code)) != 0) ||
        (s->err = hashtab_add(&s->reports, mix(s, call, em_report_key(report)), &new_report, NULL)) != 0 ||
        (s->err = hashtab_add(&s->calls, call, &new_call, &value)) != 0)
        return;
    if (code)
        memcpy(code, &report->code, sizeof report->code);
    state = value;
    d = em_count_report(report, state, new_code, !new_report);
    add(&s->result, report->code, &d);
    if (d.code && s->failure)
        tell_failure(s, report);
}

/* --- what several processes counted ------------------------------------------------------------------------------- */

int scan_join_failure(struct em_scan *s, uint64_t code_key, const struct em_failure_row *row)
{
    bool added;
    void *code;
    int err = hashtab_add(&s->codes, code_key, &added, &code);

    if (err || !added)
        return err;
    memcpy(code, &row->code, sizeof row->code);
    count_code(&s->result, row->code);
    if (s->failure)
        s->failure(s->arg, row);
    return 0;
}

/* What comes first in the file: the numbers that are simply added, and how many members of each table follow. */
struct sums {
    uint64_t bytes, messages, malformed, reports, unkeyed, untimed;
    uint64_t calls_n, codes_n, reports_n;
};

static bool put(FILE *to, const void *p, size_t n)
{
    return fwrite(p, n, 1, to) == 1;
}

static bool put_table(FILE *to, const struct hashtab *t)
{
    const void *value;
    uint64_t key;
    bool ok = true;

    for (size_t at = 0; ok && hashtab_next(t, &at, &key, &value);)
        ok = put(to, &key, sizeof key) && (!value || put(to, value, t->value_size));
    return ok;
}

int scan_save(const struct em_scan *s, FILE *to)
{
    const struct em_totals *t = &s->result.totals;
    struct sums sums = { .bytes = t->bytes,
                         .messages = t->messages,
                         .malformed = t->malformed,
                         .reports = t->reports,
                         .unkeyed = t->unkeyed,
                         .untimed = s->result.untimed,
                         .calls_n = s->calls.n,
                         .codes_n = s->codes.n,
                         .reports_n = s->reports.n };

    if (put(to, &sums, sizeof sums) && put_table(to, &s->calls) && put_table(to, &s->codes) &&
        put_table(to, &s->reports))
        return 0;
    return EM_ERR_SYSTEM;
}

static bool get(FILE *from, void *p, size_t n)
{
    return fread(p, n, 1, from) == 1;
}

static int load_calls(struct em_scan *s, FILE *from, uint64_t n)
{
    struct em_count_delta d;
    struct em_call_state more;
    uint64_t key;
    void *value;
    bool added;
    int err = 0;

    for (; !err && n > 0; n--) {
        if (!get(from, &key, sizeof key) || !get(from, &more, sizeof more))
            return EM_ERR_CORRUPT;
        if ((err = hashtab_add(&s->calls, key, &added, &value)) != 0)
            break;
        d = em_count_join(value, &more);
        add(&s->result, 0, &d);
    }
    return err;
}

static int load_codes(struct em_scan *s, FILE *from, uint64_t n)
{
    uint64_t key;
    uint32_t code;
    void *value;
    bool added;
    int err = 0;

    for (; !err && n > 0; n--) {
        if (!get(from, &key, sizeof key) || !get(from, &code, sizeof code))
            return EM_ERR_CORRUPT;
        if ((err = hashtab_add(&s->codes, key, &added, &value)) != 0 || !added)
            continue;
        memcpy(value, &code, sizeof code);
        count_code(&s->result, code);
    }
    return err;
}

/* A report that both have is a duplicate of one of them, besides the duplicates that each has found for itself. */
static int load_reports(struct em_scan *s, FILE *from, uint64_t n, uint64_t keyed)
{
    uint64_t key, new_ones = 0;
    bool added;
    int err = 0;

    for (; !err && n > 0; n--) {
        if (!get(from, &key, sizeof key))
            return EM_ERR_CORRUPT;
        if ((err = hashtab_add(&s->reports, key, &added, NULL)) == 0)
            new_ones += added;
    }
    s->result.totals.duplicates += keyed - new_ones;
    return err;
}

int scan_load(struct em_scan *s, FILE *from)
{
    struct em_totals *t = &s->result.totals;
    struct sums sums;
    int err;

    if (!get(from, &sums, sizeof sums))
        return EM_ERR_CORRUPT;
    t->bytes += sums.bytes;
    t->messages += sums.messages;
    t->malformed += sums.malformed;
    t->reports += sums.reports;
    t->unkeyed += sums.unkeyed;
    s->result.untimed += sums.untimed;
    if ((err = load_calls(s, from, sums.calls_n)) != 0 || (err = load_codes(s, from, sums.codes_n)) != 0)
        return err;
    return load_reports(s, from, sums.reports_n, sums.reports - sums.unkeyed);
}

const struct em_scan_result *em_scan_result(struct em_scan *s)
{
    return &s->result;
}
