/* SPDX-License-Identifier: GPL-3.0-or-later
 * Judging port tests and evidence sources: a state for each row, the worst named with its reason. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "model/catalogue.h"
#include "plugins/judge.h"

enum { NAME_MAX_SHOWN = 2 * EM_NAME_MAX + EM_URI_MAX };

/* `error` is a failure of the machine that probes, and an unknown word comes from a newer daemon: neither says anything of the edge. */
enum state judge_verdict(uint32_t verdict)
{
    switch (verdict) {
    case EM_VERDICT_OK:
        return STATE_OK;
    case EM_VERDICT_DEGRADED:
        return STATE_WARNING;
    case 0:
    case EM_VERDICT_UNTESTED:
    case EM_VERDICT_ERROR:
        return STATE_UNKNOWN;
    default:
        return STATE_CRITICAL;
    }
}

static bool listed(const struct em_opt_list *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->item[i], name) == 0)
            return true;
    return names->n == 0;
}

/* What is counted of the selected checks. */
struct tally {
    uint64_t checks, ok, degraded, down, unknown;
    double rtt_max;                                /* seconds */
    const struct em_check_row *worst[STATE_COUNT]; /* the first of each state */
};

static enum state state_of(const struct conf *c, const struct em_check_row *row)
{
    enum state s = judge_verdict(row->verdict);

    if (s == STATE_OK && row->rtt_us > 0)
        s = judge_value(&c->thresholds[METRIC_RTT], (double)row->rtt_us / 1e6);
    return s;
}

/* edge/check; what was typed for a probe without a daemon. */
static void row_name(const struct em_check_row *row, char to[NAME_MAX_SHOWN])
{
    if (row->edge_name[0])
        snprintf(to, NAME_MAX_SHOWN, "%s/%s", row->edge_name, row->name);
    else
        snprintf(to, NAME_MAX_SHOWN, "%s", row->uri);
}

/* A raw address is never part of a label: "::" breaks Icinga's perfdata. */
static void label_of(const struct em_check_row *row, char to[NAME_MAX_SHOWN])
{
    struct buf b = buf_over(to, NAME_MAX_SHOWN);

    if (row->edge_name[0])
        buf_print(&b, "%s/", row->edge_name);
    buf_text(&b, row->name);
    if (row->address_index > 1)
        buf_print(&b, "/%u", (unsigned)row->address_index);
    (void)buf_str(&b);
}

static void count(struct tally *t, const struct em_check_row *row, enum state s)
{
    enum state v = judge_verdict(row->verdict);

    t->checks++;
    t->ok += v == STATE_OK;
    t->degraded += v == STATE_WARNING;
    t->down += v == STATE_CRITICAL;
    t->unknown += v == STATE_UNKNOWN;
    if ((double)row->rtt_us / 1e6 > t->rtt_max)
        t->rtt_max = (double)row->rtt_us / 1e6;
    if (!t->worst[s])
        t->worst[s] = row;
}

static void why_text(const struct em_check_row *row, enum state s, struct buf *to)
{
    const char *verdict = row->verdict ? em_name_of(&em_verdict_names, row->verdict) : "unknown verdict";

    if (row->verdict == EM_VERDICT_OK && s != STATE_OK) {
        buf_text(to, "answered in ");
        range_number((double)row->rtt_us / 1e6, to);
        buf_text(to, " s");
    } else if (row->reason[0]) {
        buf_print(to, "%s: %s", verdict, row->reason);
    } else {
        buf_text(to, verdict);
    }
}

/* Everything that is known of a check, one value a line: -vvv. */
static void everything(const struct em_check_row *row, struct report *r)
{
    const struct em_table *t = &em_catalogue[EM_T_CHECK];

    for (size_t i = 0; i < t->fields_n; i++) {
        const struct em_field *f = &t->fields[i];
        const char *text = f->kind == EM_KIND_TEXT ? em_field_text(f, row) : NULL;
        bool number = f->kind == EM_KIND_NUMBER || f->kind == EM_KIND_GAUGE || f->kind == EM_KIND_COUNTER;

        if (text && *text)
            report_detail(r, "    %s: %s", f->json, text);
        else if (number && em_field_number(f, row) > 0)
            report_detail(r, "    %s: %" PRIu64 "%s%s", f->json, em_field_number(f, row), f->unit ? " " : "",
                          f->unit ? f->unit : "");
    }
}

static void detail(const struct em_check_row *row, enum state s, struct report *r)
{
    char name[NAME_MAX_SHOWN], text[REPORT_PHRASE_MAX];
    struct buf b = buf_over(text, sizeof text);

    row_name(row, name);
    why_text(row, s, &b);
    if (row->verdict == EM_VERDICT_OK && row->rtt_us > 0) {
        buf_text(&b, ", rtt ");
        range_number((double)row->rtt_us / 1e6, &b);
        buf_text(&b, " s");
    }
    report_detail(r, "%s %s %s%s%s: %s", state_name(s), name, row->edge_name[0] ? row->uri : "",
                  row->edge_name[0] ? " " : "", row->address, buf_str(&b));
}

/* The counts say how bad it is; the first of the worst says what it is. */
static void phrases(const struct conf *c, const struct tally *t, struct report *r)
{
    static const enum state order[] = { STATE_CRITICAL, STATE_WARNING, STATE_UNKNOWN };
    static const char *const words[STATE_COUNT] = { "ok", "degraded", "down", "unknown" };
    const uint64_t counts[STATE_COUNT] = { t->ok, t->degraded, t->down, t->unknown };
    const struct threshold *down = &c->thresholds[METRIC_DOWN];
    bool by_count = down->warn.given || down->crit.given;
    size_t said = 0;

    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        enum state s = order[i],
                   as = s == STATE_CRITICAL && by_count ? judge_value(down, (double)t->down) : s;
        char name[NAME_MAX_SHOWN], text[REPORT_PHRASE_MAX];
        struct buf b = buf_over(text, sizeof text);

        if (!t->worst[s])
            continue;
        row_name(t->worst[s], name);
        if (counts[s] > 1)
            buf_print(&b, "%llu of %llu checks %s, ", (unsigned long long)counts[s],
                      (unsigned long long)t->checks, words[s]);
        buf_print(&b, "%s ", name);
        why_text(t->worst[s], s, &b);
        report_add(r, as, "%s", buf_str(&b));
        r->several |= counts[s] > 1;
        said++;
    }
    if (said == 0)
        report_add(r, STATE_OK, "%llu of %llu checks ok", (unsigned long long)t->ok,
                   (unsigned long long)t->checks);
    if (by_count && t->down == 0) /* a range such as 1: wants some down */
        if (judge_value(down, 0) != STATE_OK)
            report_add(r, judge_value(down, 0), "0 checks down");
}

static void tally_perf(const struct conf *c, const struct tally *t, struct report *r)
{
    const struct {
        const char *label;
        uint64_t v;
        const struct threshold *t;
    } rows[] = { { "checks", t->checks, NULL },
                 { "checks_ok", t->ok, NULL },
                 { "checks_degraded", t->degraded, NULL },
                 { "checks_down", t->down, &c->thresholds[METRIC_DOWN] },
                 { "checks_unknown", t->unknown, NULL } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        perf_add(&r->perf, &(struct perf_item) { .label = rows[i].label,
                                                 .value = (double)rows[i].v,
                                                 .uom = "",
                                                 .min_0 = true,
                                                 .warn = rows[i].t ? &rows[i].t->warn : NULL,
                                                 .crit = rows[i].t ? &rows[i].t->crit : NULL });
}

static void rtt_perf(const struct conf *c, const char *label, double seconds, struct perf *p)
{
    perf_add(p, &(struct perf_item) { .label = label,
                                      .value = seconds,
                                      .unknown = seconds <= 0,
                                      .uom = "s",
                                      .min_0 = true,
                                      .warn = &c->thresholds[METRIC_RTT].warn,
                                      .crit = &c->thresholds[METRIC_RTT].crit });
}

/* A round trip for each check as long as the first line stays below 1 kB, else the slowest only; --perfdata=full: each of them. All
 * or one, never some: graphs that come and go with the length of a reason help nobody. */
static void each_rtt(const struct conf *c, const struct facts *f, const struct tally *t, struct report *r)
{
    struct perf trial = perf_new();
    bool fits;

    for (size_t i = 0; i < f->checks.n; i++) {
        const struct em_check_row *row = fact_check(f, i);
        char label[NAME_MAX_SHOWN];

        if (!listed(&c->edges, row->edge_name) || !listed(&c->checks, row->name))
            continue;
        label_of(row, label);
        rtt_perf(c, label, (double)row->rtt_us / 1e6, c->perfdata_full ? &r->perf : &trial);
    }
    fits = !trial.cut && r->perf.text.n + trial.text.n + REPORT_LONG_MAX < REPORT_FIRST_MAX;
    perf_fini(&trial);
    if (c->perfdata_full)
        return;
    for (size_t i = 0; fits && i < f->checks.n; i++) {
        const struct em_check_row *row = fact_check(f, i);
        char label[NAME_MAX_SHOWN];

        if (!listed(&c->edges, row->edge_name) || !listed(&c->checks, row->name))
            continue;
        label_of(row, label);
        rtt_perf(c, label, (double)row->rtt_us / 1e6, &r->perf);
    }
    if (!fits)
        rtt_perf(c, "rtt_max", t->rtt_max, &r->perf);
}

/* Nothing to judge is no good news where somebody asked for it. */
static void none(const struct conf *c, const struct facts *f, struct report *r)
{
    if (c->edges.n + c->checks.n > 0)
        report_add(r, STATE_UNKNOWN, "no check has that --edge and --check; the daemon has %zu", f->checks.n);
    else if (c->mode == MODE_PORTS)
        report_add(r, STATE_UNKNOWN, "the daemon has no checks: add an edge to its configuration");
}

void judge_checks(const struct conf *c, const struct facts *f, struct report *r)
{
    struct tally t = { 0 };

    for (size_t i = 0; i < f->checks.n; i++) {
        const struct em_check_row *row = fact_check(f, i);
        enum state s = state_of(c, row);

        if (!listed(&c->edges, row->edge_name) || !listed(&c->checks, row->name))
            continue;
        count(&t, row, s);
        if (s != STATE_OK || c->verbose >= 2)
            detail(row, s, r);
        if (c->verbose >= 3)
            everything(row, r);
    }
    if (t.checks == 0) {
        none(c, f, r);
        return;
    }
    phrases(c, &t, r);
    tally_perf(c, &t, r);
    each_rtt(c, f, &t, r);
}

static enum state source_state(const struct em_source_row *row)
{
    static const enum state states[] = { [EM_SOURCE_STARTING] = STATE_UNKNOWN,
                                         [EM_SOURCE_READING] = STATE_OK,
                                         [EM_SOURCE_CAUGHT_UP] = STATE_OK,
                                         [EM_SOURCE_WAITING] = STATE_WARNING,
                                         [EM_SOURCE_FAILED] = STATE_CRITICAL };

    return row->state >= 1 && row->state < sizeof states / sizeof *states ? states[row->state]
                                                                          : STATE_UNKNOWN;
}

static void one_source(const struct conf *c, const struct em_source_row *row, struct report *r)
{
    enum state s = source_state(row), lag = judge_value(&c->thresholds[METRIC_LAG], (double)row->lag_bytes);
    const char *word = row->state ? em_name_of(&em_source_state_names, row->state) : "in an unknown state";

    if (s != STATE_OK)
        report_add(r, s, "source %s %s%s%s", row->name, word, row->error[0] ? ": " : "", row->error);
    if (lag != STATE_OK)
        report_add(r, lag, "source %s is %llu bytes behind", row->name, (unsigned long long)row->lag_bytes);
    report_detail(r, "%s source %s %s, %llu bytes behind, %llu malformed messages",
                  state_name(state_worst(s, lag)), row->name, word, (unsigned long long)row->lag_bytes,
                  (unsigned long long)row->malformed);
}

void judge_sources(const struct conf *c, const struct facts *f, struct report *r)
{
    uint64_t good = 0, lag = 0;

    for (size_t i = 0; i < f->sources.n; i++) {
        one_source(c, fact_source(f, i), r);
        good += source_state(fact_source(f, i)) == STATE_OK;
        lag += fact_source(f, i)->lag_bytes;
    }
    if (f->sources.n == 0) {
        if (c->mode == MODE_SOURCES)
            report_add(r, STATE_UNKNOWN, "the daemon has no sources: add one to its configuration");
        return;
    }
    if (good == f->sources.n)
        report_add(r, STATE_OK, "%llu of %zu sources ok", (unsigned long long)good, f->sources.n);
    perf_add(&r->perf, &(struct perf_item) {
                           .label = "sources", .value = (double)f->sources.n, .uom = "", .min_0 = true });
    perf_add(&r->perf,
             &(struct perf_item) { .label = "sources_ok", .value = (double)good, .uom = "", .min_0 = true });
    perf_add(&r->perf, &(struct perf_item) { .label = "lag",
                                             .value = (double)lag,
                                             .uom = "B",
                                             .min_0 = true,
                                             .warn = &c->thresholds[METRIC_LAG].warn,
                                             .crit = &c->thresholds[METRIC_LAG].crit });
}
