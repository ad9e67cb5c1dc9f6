/* SPDX-License-Identifier: GPL-3.0-or-later
 * Judging what the daemon counted, and putting the modes together. */
#include "plugins/judge.h"

#include <string.h>

#include "base/clock.h"

enum state judge_value(const struct threshold *t, double v)
{
    return range_alerts(&t->crit, v) ? STATE_CRITICAL : range_alerts(&t->warn, v) ? STATE_WARNING : STATE_OK;
}

static uint64_t member(const void *group, size_t offset)
{
    uint64_t v;

    memcpy(&v, (const char *)group + offset, sizeof v);
    return v;
}

/* The numbers of one run: totals, the window, or the rate since the last run. */
struct numbers {
    double v[CALL_METRICS];
    char basis[64]; /* "in 1 hour" */
    bool total;
};

/* "15 min", "1 hour" ... of a duration that a person typed or that lies between two runs. */
static void duration_text(int64_t us, struct buf *to)
{
    static const struct {
        int64_t us;
        const char *word;
    } units[] = { { 86400 * EM_US_PER_S, "day" },
                  { 3600 * EM_US_PER_S, "hour" },
                  { 60 * EM_US_PER_S, "minute" },
                  { EM_US_PER_S, "second" } };
    size_t i = 0;

    while (i < sizeof units / sizeof *units - 1 && us % units[i].us != 0)
        i++;
    if (us == units[i].us)
        buf_text(to, units[i].word);
    else
        buf_print(to, "%lld %ss", (long long)(us / units[i].us), units[i].word);
}

static struct numbers numbers_of(const struct conf *c, const struct facts *f, const struct history *h)
{
    struct numbers n = { .total = c->total || !(f->have_windows || (h && h->known)) };
    struct buf basis = buf_over(n.basis, sizeof n.basis);

    for (size_t m = 0; m < CALL_METRICS; m++) {
        uint64_t total = member(&f->totals, metric_defs[m].total);

        if (n.total)
            n.v[m] = (double)total;
        else if (h && h->known)
            n.v[m] = (double)h->increase[m] * ((double)c->per_us / (double)h->elapsed_us);
        else
            n.v[m] = (double)member(&f->windows, metric_defs[m].window[c->window]);
    }
    if (n.total)
        buf_text(&basis, "in total");
    else if (h && h->known) {
        buf_text(&basis, "per ");
        duration_text(c->per_us, &basis);
    } else {
        buf_text(&basis, window_defs[c->window].words);
    }
    (void)buf_str(&basis);
    return n;
}

/* "3 code-23 calls" */
static void count_text(const struct metric_def *d, double v, struct buf *to)
{
    range_number(v, to);
    buf_print(to, " %s", v == 1 ? d->one : d->many);
}

/* The count that the main phrase mentions beside its own: whether the signature is there. */
static enum metric companion(enum metric m)
{
    return m == METRIC_FAILURES ? METRIC_CODE_23 : METRIC_CODE_23_TCP_NAT;
}

/* The mode's own number, and its companion in the same phrase. */
static enum state main_phrase(const struct conf *c, const struct numbers *n, enum metric m, struct report *r)
{
    enum state s = judge_value(&c->thresholds[m], n->v[m]);
    char text[REPORT_PHRASE_MAX];
    struct buf b = buf_over(text, sizeof text);

    count_text(&metric_defs[m], n->v[m], &b);
    buf_print(&b, " %s", n->basis);
    if (n->v[m] > 0) {
        buf_text(&b, ", ");
        range_number(n->v[companion(m)], &b);
        buf_text(&b, m == METRIC_CODE_23 ? " with TCP NAT failure" : " with code 23");
    }
    report_add(r, s, "%s", buf_str(&b));
    return s;
}

/* A further metric is a phrase of its own when it alarms, and the main phrase has not said as much. */
static void other_phrase(const struct conf *c, const struct numbers *n, enum metric m, bool said,
                         enum state than, struct report *r)
{
    enum state s = judge_value(&c->thresholds[m], n->v[m]);
    char text[REPORT_PHRASE_MAX];
    struct buf b = buf_over(text, sizeof text);

    if (s == STATE_OK || (said && state_rank(s) <= state_rank(than)))
        return;
    count_text(&metric_defs[m], n->v[m], &b);
    buf_print(&b, " %s", n->basis);
    report_add(r, s, "%s", buf_str(&b));
}

/* The judged number under the metric's name; the totals beside it as counters, which every tool can rate by itself. */
static void call_perf(const struct conf *c, const struct facts *f, const struct numbers *n, struct report *r)
{
    char label[PERF_LABEL_MAX];

    for (size_t m = 0; m < CALL_METRICS; m++) {
        struct perf_item item = { .label = metric_defs[m].name,
                                  .value = n->v[m],
                                  .uom = "",
                                  .min_0 = true,
                                  .warn = &c->thresholds[m].warn,
                                  .crit = &c->thresholds[m].crit };

        if (!n->total && (mode_defs[c->mode].judged & BIT(m)))
            perf_add(&r->perf, &item);
    }
    for (size_t m = 0; m < CALL_METRICS; m++) {
        struct buf b = buf_over(label, sizeof label);
        struct perf_item item = { .label = label,
                                  .uom = "c",
                                  .min_0 = true,
                                  .value = (double)member(&f->totals, metric_defs[m].total),
                                  .warn = n->total ? &c->thresholds[m].warn : NULL,
                                  .crit = n->total ? &c->thresholds[m].crit : NULL };

        buf_print(&b, "%s_total", metric_defs[m].name);
        (void)buf_str(&b);
        if (mode_defs[c->mode].judged & BIT(m))
            perf_add(&r->perf, &item);
    }
}

static void call_details(const struct conf *c, const struct facts *f, const struct numbers *n,
                         struct report *r)
{
    for (size_t m = 0; m < CALL_METRICS; m++) {
        char text[REPORT_PHRASE_MAX];
        struct buf b = buf_over(text, sizeof text);
        const struct threshold *t = &c->thresholds[m];

        if (!(mode_defs[c->mode].judged & BIT(m)))
            continue;
        range_number(n->v[m], &b);
        buf_print(&b, " %s (%llu in total)", n->basis,
                  (unsigned long long)member(&f->totals, metric_defs[m].total));
        if (t->warn.given || t->crit.given) {
            buf_text(&b, ", warning ");
            range_text(&t->warn, &b);
            buf_text(&b, " critical ");
            range_text(&t->crit, &b);
        }
        report_detail(r, "%s %s: %s", state_name(judge_value(t, n->v[m])), metric_defs[m].many, buf_str(&b));
    }
}

void judge_calls(const struct conf *c, const struct facts *f, const struct history *history, struct report *r)
{
    struct numbers n = numbers_of(c, f, history);
    int plain = mode_defs[c->mode].plain;
    enum metric first = plain >= 0 ? (enum metric)plain : METRIC_CODE_23;

    enum state s = main_phrase(c, &n, first, r);

    for (unsigned m = 0; m < CALL_METRICS; m++)
        if (m != first && (mode_defs[c->mode].judged & BIT(m)))
            other_phrase(c, &n, (enum metric)m, m == companion(first), s, r);
    if (history && history->remark)
        report_add(r, STATE_OK, "%s", history->remark);
    call_perf(c, f, &n, r);
    call_details(c, f, &n, r);
    if (history && history->remark)
        report_detail(r, "%s", history->remark);
}

/* A daemon that hangs still has its last numbers served; they must not pass for today's. */
static void judge_age(const struct conf *c, const struct facts *f, int64_t now_us, struct report *r)
{
    int64_t age_s = (now_us - f->daemon.snapshot_time) / EM_US_PER_S;

    if (c->max_age_us == 0 || f->daemon.snapshot_time == 0)
        return;
    if (now_us - f->daemon.snapshot_time > c->max_age_us)
        report_add(r, STATE_UNKNOWN, "the daemon's numbers are %lld s old: it hangs, or the clocks differ",
                   (long long)age_s);
}

void judge(const struct conf *c, const struct facts *f, const struct history *history, int64_t now_us,
           struct report *r)
{
    if (f->have_calls)
        judge_calls(c, f, history, r);
    if (f->have_checks)
        judge_checks(c, f, r);
    if (f->have_sources)
        judge_sources(c, f, r);
    if (f->have_findings)
        judge_findings(c, f, r);
    judge_age(c, f, now_us, r);
    if (c->verbose >= 2 && f->daemon.version[0])
        report_detail(r, "from %s, edgemediad %s", f->origin, f->daemon.version);
}
