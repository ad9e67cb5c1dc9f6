/* SPDX-License-Identifier: GPL-3.0-or-later
 * Ranges of ports as they run:
 *
 *     job due -> each host is resolved -> each address is swept -> the row, its exceptions, its counters -> job done
 */
#include "agent/ranges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "probe/schedule.h"
#include "probe/sweep.h"
#include "store/history.h"

#define JITTER 0.1
#define FIRST_WITHIN_US (5 * EM_US_PER_S)
#define RESOLVE_US (10 * EM_US_PER_S)
#define NUMBER_PREFIX "range\t" /* ranges are numbered among the checks of their edge */
enum { ONLY = 1 };              /* a range has one set of counters: those of its first address */

struct range {
    struct em_ranges *all;
    struct em_conf_range conf;
    struct em_sweep_order order, begun; /* begun: as it was when the round began */
    struct em_job *job;
    bool kept;                /* by a plan */
    struct em_lookup *lookup; /* NULL: none */
    struct em_sweep *sweep;   /* NULL: none */
    struct em_timer *step;    /* the next host or address, from the loop */

    size_t host; /* the next one to resolve */
    struct em_addr address[EM_RANGE_ADDRESSES_MAX];
    size_t address_n, at; /* at: the next one to sweep */
    int64_t began_us;
    char failure[EM_REASON_MAX]; /* of the lookups; "": none */

    struct em_range_row row, next;
    struct em_check_totals totals;
    uint64_t history_retransmits;                        /* those of totals that the history has */
    struct em_exception_row *exception, *next_exception; /* EM_RANGE_EXCEPTIONS_MAX of each */
    size_t exception_n, next_exception_n;
};

struct em_ranges {
    struct em_net *net;
    struct em_store *store;
    struct em_schedule *schedule;
    void (*changed)(void *arg);
    void *arg;
    struct range **range;
    size_t n;
};

struct em_ranges_plan {
    struct em_ranges *all;
    struct range **range;
    size_t n;
};

/* --- what a sweep came to ----------------------------------------------------------------------------------------------------- */

static const struct {
    enum em_verdict verdict;
    size_t off;
} counts_of[] = {
    { EM_VERDICT_OK, offsetof(struct em_range_row, ports_ok) },
    { EM_VERDICT_DEGRADED, offsetof(struct em_range_row, ports_degraded) },
    { EM_VERDICT_REFUSED, offsetof(struct em_range_row, ports_refused) },
    { EM_VERDICT_FILTERED, offsetof(struct em_range_row, ports_filtered) },
    { EM_VERDICT_PROHIBITED, offsetof(struct em_range_row, ports_prohibited) },
    { EM_VERDICT_UNREACHABLE, offsetof(struct em_range_row, ports_unreachable) },
    { EM_VERDICT_BLACKHOLED, offsetof(struct em_range_row, ports_blackholed) },
    { EM_VERDICT_SILENT, offsetof(struct em_range_row, ports_silent) },
    { EM_VERDICT_RESET, offsetof(struct em_range_row, ports_reset) },
    { EM_VERDICT_INTERCEPTED, offsetof(struct em_range_row, ports_intercepted) },
    { EM_VERDICT_MANGLED, offsetof(struct em_range_row, ports_mangled) },
    { EM_VERDICT_PROTOCOL_ERROR, offsetof(struct em_range_row, ports_protocol_error) },
    { EM_VERDICT_ERROR, offsetof(struct em_range_row, ports_error) },
};
enum { COUNTS = sizeof counts_of / sizeof *counts_of };

static uint64_t *count(struct em_range_row *row, size_t i)
{
    return (uint64_t *)(void *)((char *)row + counts_of[i].off);
}

/* Runs of one kind (paths that are clear, or not) while there is room. */
static void add_runs(struct range *g, bool clear)
{
    struct em_sweep_run runs[32];
    uint32_t from = 0;

    do {
        size_t n = em_sweep_runs(g->sweep, &from, runs, sizeof runs / sizeof *runs);

        for (size_t i = 0; i < n && g->next_exception_n < EM_RANGE_EXCEPTIONS_MAX; i++) {
            struct em_exception_row *row = &g->next_exception[g->next_exception_n];

            if (em_sweep_clear(runs[i].verdict) != clear)
                continue;
            *row = (struct em_exception_row) { .edge = g->row.edge,
                                               .range = g->row.range,
                                               .first_port = runs[i].first,
                                               .last_port = runs[i].last,
                                               .verdict = runs[i].verdict,
                                               .ports = runs[i].ports };
            memcpy(row->edge_name, g->row.edge_name, sizeof row->edge_name);
            memcpy(row->range_name, g->row.name, sizeof row->range_name);
            em_addr_text(&g->address[g->at - 1], row->address);
            row->exception = (uint32_t)++g->next_exception_n;
        }
    } while (from > 0 && g->next_exception_n < EM_RANGE_EXCEPTIONS_MAX);
}

static void add_sweep(struct range *g)
{
    struct em_sweep_result r;

    em_sweep_result(g->sweep, &r);
    g->next.addresses++;
    g->next.tested += r.tested;
    g->totals.tcp_retransmits += r.retransmits;
    if (r.rtt_us > 0 && (uint64_t)r.rtt_us > g->next.rtt_us)
        g->next.rtt_us = (uint64_t)r.rtt_us;
    for (size_t i = 0; i < COUNTS; i++)
        *count(&g->next, i) += r.verdicts[counts_of[i].verdict];
    add_runs(g, false);
    add_runs(g, true);
}

/* The worst of the ports. Refused is no fault of a path: it stands only for a range in which nobody listens at all. */
static enum em_verdict verdict_of(struct em_range_row *row)
{
    enum em_verdict worst = EM_VERDICT_OK;

    if (row->tested == 0)
        return EM_VERDICT_ERROR;
    if (row->ports_refused == row->tested)
        return EM_VERDICT_REFUSED;
    for (size_t i = 0; i < COUNTS; i++)
        if (counts_of[i].verdict != EM_VERDICT_REFUSED && *count(row, i) > 0 &&
            em_verdict_severity(counts_of[i].verdict) > em_verdict_severity(worst))
            worst = counts_of[i].verdict;
    return worst;
}

static void reason_of(struct range *g)
{
    struct em_range_row *row = &g->next;
    struct buf b = buf_over(row->reason, sizeof row->reason);

    buf_print(&b, "%llu ports tested:", (unsigned long long)row->tested);
    for (size_t i = COUNTS; i-- > 0;) /* the worse ones first: the text may be cut */
        if (*count(row, i) > 0)
            buf_print(&b, " %llu %s", (unsigned long long)*count(row, i),
                      em_name_of(&em_verdict_names, counts_of[i].verdict));
    for (size_t i = 0; i < g->next_exception_n && i < 1; i++) {
        const struct em_exception_row *e = &g->next_exception[i];

        if (!em_sweep_clear((enum em_verdict)e->verdict))
            buf_print(&b, ", first %u-%u of %s", e->first_port, e->last_port, e->address);
    }
    (void)buf_str(&b);
}

static void log_change(const struct em_range_row *row, const struct em_range_row *before)
{
    bool known = before->verdict != EM_VERDICT_UNTESTED;

    if ((known && before->clear == row->clear) || (!known && row->clear))
        return;
    em_log(row->clear ? EM_LOG_INFO : EM_LOG_WARNING, "range is %s: %s edge=\"%s\" range=\"%s\" verdict=%s",
           row->clear ? "clear" : "not clear", EM_LOG_TEXT(slice_of(row->reason)),
           EM_LOG_TEXT(slice_of(row->edge_name)), EM_LOG_TEXT(slice_of(row->name)),
           em_name_of(&em_verdict_names, row->verdict));
}

static void keep_totals(struct range *g)
{
    struct em_why why;

    if (em_store_check_totals_put(g->all->store, g->row.edge, g->row.range, ONLY, &g->totals, &why) < 0)
        em_log_error("the counters of a range cannot be kept: %s", why.text);
}

static void keep_history(struct range *g)
{
    const struct em_range_row *row = &g->row;
    const struct em_history_probe h = { .verdict = row->verdict,
                                        .us = { row->rtt_us },
                                        .failed_probes = !row->clear,
                                        .tcp_retransmits =
                                            g->totals.tcp_retransmits - g->history_retransmits };

    g->history_retransmits = g->totals.tcp_retransmits;

    em_store_probe(g->all->store, row->edge, row->range, ONLY, &h);
}

/* All addresses are done. */
static void finish(struct range *g)
{
    const struct em_clock *clock = em_net_clock(g->all->net);
    struct em_range_row *row = &g->next, before = g->row;
    struct em_exception_row *old = g->exception;

    row->sweep_time = em_wall_us(clock);
    row->sweep_us = (uint64_t)(em_mono_us(clock) - g->began_us);
    row->verdict = g->failure[0] && row->tested == 0 ? EM_VERDICT_DNS_FAILED : verdict_of(row);
    row->clear = em_sweep_clear((enum em_verdict)row->verdict);
    if (row->tested > 0)
        reason_of(g);
    else
        memcpy(row->reason, g->failure, sizeof row->reason);
    row->changed_time = row->verdict == before.verdict ? before.changed_time : row->sweep_time;
    g->row = *row;
    g->exception = g->next_exception;
    g->next_exception = old;
    g->exception_n = g->next_exception_n;
    g->totals.probes++;
    g->totals.failed_probes += !row->clear;
    log_change(&g->row, &before);
    keep_totals(g);
    keep_history(g);
    g->all->changed(g->all->arg);
    em_job_done(g->job);
}

/* --- a round -------------------------------------------------------------------------------------------------------------------- */

static void soon(struct range *g)
{
    em_timer_at(g->step, em_mono_us(em_net_clock(g->all->net)));
}

static void swept(void *arg)
{
    struct range *g = arg;

    add_sweep(g);
    em_sweep_stop(g->sweep);
    g->sweep = NULL;
    soon(g);
}

static void resolved(void *arg, const struct em_addr *addrs, size_t n, const char *failure)
{
    struct range *g = arg;

    g->lookup = NULL;
    if (n == 0)
        snprintf(g->failure, sizeof g->failure, "%.60s: %.90s", g->conf.host[g->host - 1], failure);
    for (size_t i = 0; i < n && g->address_n < EM_RANGE_ADDRESSES_MAX; i++)
        g->address[g->address_n++] = addrs[i];
    soon(g);
}

static void begin_sweep(struct range *g)
{
    const struct em_conf_range *c = &g->conf;
    struct em_sweep_conf sweep = { .address = g->address[g->at++],
                                   .ports = c->ports,
                                   .transport = c->transport,
                                   .source_ports = c->source_ports,
                                   .payload = c->sharing ? EM_SWEEP_SHARING : EM_SWEEP_STUN,
                                   .rate = c->rate,
                                   .timeout_us = c->timeout_us,
                                   .sample = c->sample,
                                   .sockets = EM_RANGE_SOCKETS,
                                   .key = slice_of(c->key) };
    struct em_why why;

    g->order = g->begun; /* each address has the same sample */
    if (em_sweep_start(g->all->net, &sweep, &g->order, swept, g, &g->sweep, &why) < 0) {
        em_log_error("a range cannot be swept: %s", why.text);
        soon(g);
    }
}

static void on_step(void *arg)
{
    struct range *g = arg;

    if (g->host < g->conf.host_n) {
        const char *name = g->conf.host[g->host++];

        g->lookup = em_net_resolve(g->all->net, name, 0, RESOLVE_US, resolved, g);
        if (!g->lookup)
            soon(g);
    } else if (g->at < g->address_n) {
        begin_sweep(g);
    } else {
        finish(g);
    }
}

static void job_due(void *arg)
{
    struct range *g = arg;

    g->begun = g->order;
    g->host = g->address_n = g->at = g->next_exception_n = 0;
    g->failure[0] = '\0';
    g->began_us = em_mono_us(em_net_clock(g->all->net));
    g->next = (struct em_range_row) { .edge = g->row.edge,
                                      .range = g->row.range,
                                      .first_port = g->row.first_port,
                                      .last_port = g->row.last_port,
                                      .transport = g->row.transport };
    memcpy(g->next.edge_name, g->row.edge_name, sizeof g->next.edge_name);
    memcpy(g->next.name, g->row.name, sizeof g->next.name);
    memcpy(g->next.host, g->row.host, sizeof g->next.host);
    soon(g);
}

/* --- applying a configuration ------------------------------------------------------------------------------------------------- */

static void range_free(struct range *g)
{
    if (!g)
        return;
    em_job_remove(g->job);
    em_lookup_cancel(g->lookup);
    em_sweep_stop(g->sweep);
    em_timer_free(g->step);
    explicit_bzero(&g->conf, sizeof g->conf);
    free(g->exception);
    free(g->next_exception);
    free(g);
}

static void hosts_text(const struct em_conf_range *c, char *to, size_t size)
{
    struct buf b = buf_over(to, size);

    for (size_t i = 0; i < c->host_n; i++)
        buf_print(&b, "%s%s", i ? " " : "", c->host[i]);
    (void)buf_str(&b);
}

static int number_range(struct range *g, const char *edge, struct em_why *why)
{
    char name[EM_NAME_MAX + sizeof NUMBER_PREFIX];
    int err = em_store_number(g->all->store, "edge", 0, edge, &g->row.edge, why);

    snprintf(name, sizeof name, NUMBER_PREFIX "%s", g->conf.name);
    if (err == 0)
        err = em_store_number(g->all->store, "check", g->row.edge, name, &g->row.range, why);
    if (err == 0 && em_store_check_totals(g->all->store, g->row.edge, g->row.range, ONLY, &g->totals) < 0)
        g->totals = (struct em_check_totals) { 0 };
    g->history_retransmits = g->totals.tcp_retransmits;
    return err;
}

static bool range_parts(struct range *g)
{
    int64_t interval = g->conf.interval_us, first = interval < FIRST_WITHIN_US ? interval : FIRST_WITHIN_US;

    return (g->exception = calloc(EM_RANGE_EXCEPTIONS_MAX, sizeof *g->exception)) &&
           (g->next_exception = calloc(EM_RANGE_EXCEPTIONS_MAX, sizeof *g->next_exception)) &&
           (g->step = em_timer_new(g->all->net, on_step, g)) &&
           (g->job = em_job_add(g->all->schedule, interval, JITTER, first, job_due, g));
}

static struct range *range_new(struct em_ranges *r, const char *edge, const struct em_conf_range *conf,
                               struct em_why *why)
{
    struct range *g = calloc(1, sizeof *g);

    if (!g) {
        em_fail(why, EM_ERR_MEMORY, "no memory for a range");
        return NULL;
    }
    g->all = r;
    g->conf = *conf;
    g->row = (struct em_range_row) { .first_port = conf->ports.first,
                                     .last_port = conf->ports.last,
                                     .transport = conf->transport,
                                     .verdict = EM_VERDICT_UNTESTED };
    slice_copy(slice_of(edge), g->row.edge_name, sizeof g->row.edge_name);
    slice_copy(slice_of(conf->name), g->row.name, sizeof g->row.name);
    hosts_text(conf, g->row.host, sizeof g->row.host);
    em_sweep_order_init(&g->order, em_net_clock(r->net));
    if (number_range(g, edge, why) < 0) {
        range_free(g);
        return NULL;
    }
    if (!range_parts(g)) {
        range_free(g);
        em_fail(why, EM_ERR_MEMORY, "no memory for a range");
        return NULL;
    }
    return g;
}

static bool same_range(const struct em_conf_range *a, const struct em_conf_range *b)
{
    bool same = a->host_n == b->host_n && a->ports.first == b->ports.first &&
                a->ports.last == b->ports.last && a->source_ports.first == b->source_ports.first &&
                a->source_ports.last == b->source_ports.last && a->transport == b->transport &&
                a->sharing == b->sharing && a->sample == b->sample && a->rate == b->rate &&
                a->interval_us == b->interval_us && a->timeout_us == b->timeout_us &&
                strcmp(a->name, b->name) == 0 && strcmp(a->key, b->key) == 0;

    for (size_t i = 0; same && i < a->host_n; i++)
        same = strcmp(a->host[i], b->host[i]) == 0;
    return same;
}

/* The range that runs already and is configured in the same way, or NULL. */
static struct range *running(const struct em_ranges *r, const char *edge, const struct em_conf_range *conf)
{
    for (size_t i = 0; i < r->n; i++)
        if (!r->range[i]->kept && strcmp(r->range[i]->row.edge_name, edge) == 0 &&
            same_range(&r->range[i]->conf, conf))
            return r->range[i];
    return NULL;
}

static int plan_range(struct em_ranges_plan *p, const char *edge, const struct em_conf_range *conf,
                      struct em_why *why)
{
    struct range *g = running(p->all, edge, conf);

    if (g)
        g->kept = true;
    else if (!(g = range_new(p->all, edge, conf, why)))
        return EM_ERR_MEMORY;
    p->range[p->n++] = g;
    return 0;
}

static size_t all_ranges(const struct em_conf *conf)
{
    size_t n = 0;

    for (size_t i = 0; i < conf->edges_n; i++)
        n += conf->edges[i].ranges_n;
    return n;
}

int em_ranges_prepare(struct em_ranges *r, const struct em_conf *conf, struct em_ranges_plan **plan,
                      struct em_why *why)
{
    struct em_ranges_plan *p = calloc(1, sizeof *p);
    int err = 0;

    if (!p || !(p->range = calloc(all_ranges(conf) + 1, sizeof(struct range *)))) {
        free(p);
        return em_fail(why, EM_ERR_MEMORY, "no memory for ranges");
    }
    p->all = r;
    for (size_t i = 0; i < conf->edges_n && err == 0; i++)
        for (size_t k = 0; k < conf->edges[i].ranges_n && err == 0; k++)
            err = plan_range(p, conf->edges[i].name, &conf->edges[i].ranges[k], why);
    if (err < 0)
        em_ranges_discard(p);
    else
        *plan = p;
    return err;
}

void em_ranges_commit(struct em_ranges_plan *p)
{
    struct em_ranges *r = p->all;

    for (size_t i = 0; i < r->n; i++)
        if (!r->range[i]->kept)
            range_free(r->range[i]);
    free(r->range);
    r->range = p->range;
    r->n = p->n;
    for (size_t i = 0; i < r->n; i++)
        r->range[i]->kept = false;
    free(p);
    r->changed(r->arg);
}

void em_ranges_discard(struct em_ranges_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++) {
        if (p->range[i]->kept)
            p->range[i]->kept = false;
        else
            range_free(p->range[i]);
    }
    free(p->range);
    free(p);
}

/* --- faces -------------------------------------------------------------------------------------------------------------------- */

void em_ranges_counts(const struct em_ranges *r, size_t counts[EM_T_COUNT])
{
    counts[EM_T_RANGE] = r->n;
    counts[EM_T_EXCEPTION] = 0;
    for (size_t i = 0; i < r->n; i++)
        counts[EM_T_EXCEPTION] += r->range[i]->exception_n;
}

void em_ranges_fill(const struct em_ranges *r, struct em_snapshot *s)
{
    size_t at = 0;

    for (size_t i = 0; i < r->n && i < s->t[EM_T_RANGE].n; i++) {
        const struct range *g = r->range[i];
        struct em_range_row *row = em_snapshot_row(s, EM_T_RANGE, i);

        *row = g->row;
        row->sweeps = g->totals.probes;
        row->failed_sweeps = g->totals.failed_probes;
        row->tcp_retransmits = g->totals.tcp_retransmits;
        for (size_t k = 0; k < g->exception_n && at < s->t[EM_T_EXCEPTION].n; k++)
            *(struct em_exception_row *)em_snapshot_row(s, EM_T_EXCEPTION, at++) = g->exception[k];
    }
}

struct em_ranges *em_ranges_new(struct em_net *net, struct em_store *store, void (*changed)(void *arg),
                                void *arg)
{
    struct em_ranges *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    *r = (struct em_ranges) { .net = net, .store = store, .changed = changed, .arg = arg };
    r->schedule = em_schedule_new(net, EM_RANGES_RUNNING);
    if (r->schedule)
        return r;
    free(r);
    return NULL;
}

void em_ranges_free(struct em_ranges *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        range_free(r->range[i]);
    free(r->range);
    em_schedule_free(r->schedule);
    free(r);
}
