/* SPDX-License-Identifier: GPL-3.0-or-later
 * Edges, checks and the addresses behind them, as they run.
 *
 *     job due -> probe -> a result for each address -> row and counters -> done: addresses without a result vanish
 */
#include "agent/checks.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "probe/schedule.h"

#define JITTER 0.1
#define FIRST_WITHIN_US (5 * EM_US_PER_S)
#define NO_ADDRESS "-" /* the name, in the store, of the address of a name that did not resolve */

struct address {
    struct em_check_row row;
    struct em_check_totals totals;
    bool answered; /* has a result of the probe that runs */
};

struct check {
    struct em_checks *all;
    struct edge *edge;
    uint32_t number;
    struct em_conf_check conf;
    struct em_job *job;
    struct em_job *next_job; /* in the schedule of a plan that keeps this check */
    bool kept;               /* by a plan */
    struct em_probe *probe;  /* NULL: none runs */
    bool due;                /* the scheduler waits for em_job_done() */
    struct address *address;
    size_t address_n;
};

struct edge {
    char name[EM_NAME_MAX];
    uint32_t number;
    struct check **check;
    size_t check_n;
    enum em_verdict verdict;
    int64_t changed_us;
};

struct em_checks_plan {
    struct em_checks *checks;
    struct em_schedule *schedule; /* that of the checks, or a new one */
    uint32_t concurrent;
    struct edge *edge; /* their checks are new ones, or run already and are marked as kept */
    size_t edge_n;
};

struct em_checks {
    struct em_net *net;
    struct em_store *store;
    struct em_schedule *schedule;
    uint32_t concurrent;
    void (*changed)(void *arg);
    void *arg;
    struct edge *edge;
    size_t edge_n;
};

/* --- one check --------------------------------------------------------------------------------------------------------------- */

static void check_free(struct check *k)
{
    if (!k)
        return;
    em_job_remove(k->job);
    em_probe_stop(k->probe);
    explicit_bzero(&k->conf, sizeof k->conf);
    free(k->address);
    free(k);
}

static int address_init(struct check *k, struct address *a, const char *text, struct em_why *why)
{
    struct em_checks *c = k->all;
    int err;

    *a = (struct address) { .row = { .edge = k->edge->number,
                                     .check = k->number,
                                     .port = k->conf.uri.port,
                                     .transport = k->conf.uri.transport,
                                     .dialect = k->conf.uri.dialect,
                                     .verdict = EM_VERDICT_UNTESTED } };
    slice_copy(slice_of(k->edge->name), a->row.edge_name, sizeof a->row.edge_name);
    slice_copy(slice_of(k->conf.name), a->row.name, sizeof a->row.name);
    slice_copy(slice_of(k->conf.uri.text), a->row.uri, sizeof a->row.uri);
    slice_copy(slice_of(text), a->row.address, sizeof a->row.address);
    if ((err = em_store_number(c->store, "address", k->number, *text ? text : NO_ADDRESS,
                               &a->row.address_index, why)) < 0)
        return err;
    err = em_store_check_totals(c->store, k->edge->number, k->number, a->row.address_index, &a->totals);
    return err < 0 && err != EM_ERR_NOT_FOUND
               ? em_fail(why, err, "the counters of a check: %s", em_err_text(err))
               : 0;
}

static struct address *address_add(struct check *k, const char *text, struct em_why *why)
{
    struct address *more = realloc(k->address, (k->address_n + 1) * sizeof *more);

    if (!more) {
        em_fail(why, EM_ERR_MEMORY, "no memory for another address");
        return NULL;
    }
    k->address = more;
    if (address_init(k, &more[k->address_n], text, why) < 0)
        return NULL;
    return &more[k->address_n++];
}

static struct address *address_of(struct check *k, const char *text)
{
    for (size_t i = 0; i < k->address_n; i++)
        if (strcmp(k->address[i].row.address, text) == 0)
            return &k->address[i];
    return NULL;
}

static size_t all_addresses(const struct em_checks *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->edge_n; i++)
        for (size_t k = 0; k < c->edge[i].check_n; k++)
            n += c->edge[i].check[k]->address_n;
    return n;
}

/* The worst of the edge's checks, and since when. */
static void edge_update(struct edge *e, int64_t now_us)
{
    enum em_verdict worst = e->check_n > 0 ? EM_VERDICT_OK : EM_VERDICT_UNTESTED;

    for (size_t i = 0; i < e->check_n; i++)
        for (size_t n = 0; n < e->check[i]->address_n; n++) {
            enum em_verdict v = (enum em_verdict)e->check[i]->address[n].row.verdict;

            if (em_verdict_severity(v) > em_verdict_severity(worst))
                worst = v;
        }
    if (worst != e->verdict)
        e->changed_us = now_us;
    e->verdict = worst;
}

/* Once on the way down and once on the way up. */
static void log_change(const struct em_check_row *row, uint32_t before)
{
    bool was_up = em_verdict_up((enum em_verdict)before), is_up = row->up;

    if (was_up == is_up && before != EM_VERDICT_UNTESTED)
        return;
    em_log(!is_up                          ? EM_LOG_WARNING
           : before == EM_VERDICT_UNTESTED ? EM_LOG_DEBUG
                                           : EM_LOG_INFO,
           "check is %s: %s edge=\"%s\" check=\"%s\" address=%s verdict=%s", is_up ? "up" : "down",
           EM_LOG_TEXT(slice_of(row->reason)), EM_LOG_TEXT(slice_of(row->edge_name)),
           EM_LOG_TEXT(slice_of(row->name)), *row->address ? EM_LOG_TEXT(slice_of(row->address)) : "none",
           em_name_of(&em_verdict_names, row->verdict));
}

static void row_update(struct em_check_row *row, const struct em_probe_result *r, int64_t now_us)
{
    uint32_t before = row->verdict;

    row->port = r->port;
    row->transport = r->transport;
    row->dialect = r->dialect;
    row->verdict = r->verdict;
    row->up = em_verdict_up(r->verdict);
    row->probe_time = now_us;
    row->rtt_us = (uint64_t)r->rtt_us;
    row->resolve_us = (uint64_t)r->resolve_us;
    row->connect_us = (uint64_t)r->connect_us;
    row->tls_us = (uint64_t)r->tls_us;
    row->stun_us = (uint64_t)r->stun_us;
    row->allocate_us = (uint64_t)r->allocate_us;
    row->relay_us = (uint64_t)r->relay_us;
    memcpy(row->reason, r->reason, sizeof row->reason);
    memcpy(row->mapped_address, r->mapped_address, sizeof row->mapped_address);
    memcpy(row->relayed_address, r->relayed_address, sizeof row->relayed_address);
    memcpy(row->software, r->software, sizeof row->software);
    if (before != row->verdict) {
        row->changed_time = now_us;
        log_change(row, before);
    }
}

static void probe_result(void *arg, const struct em_probe_result *r)
{
    struct check *k = arg;
    struct em_checks *c = k->all;
    struct address *a = address_of(k, r->address);
    int64_t now_us = em_wall_us(em_net_clock(c->net));
    struct em_why why;

    if (!a && all_addresses(c) >= EM_CHECKS_MAX) {
        em_log_warning("an address is not shown: more than %d addresses of checks", EM_CHECKS_MAX);
        return;
    }
    if (!a && !(a = address_add(k, r->address, &why))) {
        em_log_error("an address cannot be kept: %s", why.text);
        return;
    }
    a->answered = true;
    row_update(&a->row, r, now_us);
    a->totals.probes++;
    a->totals.failed_probes += !a->row.up;
    a->totals.stun_retransmits += r->retransmits;
    a->totals.tcp_retransmits += r->tcp_retransmits;
    if (em_store_check_totals_put(c->store, a->row.edge, a->row.check, a->row.address_index, &a->totals,
                                  &why) < 0)
        em_log_error("the counters of a check cannot be kept: %s", why.text);
    edge_update(k->edge, now_us);
    c->changed(c->arg);
}

/* The probe is over: what it did not find any more has no row. */
static void probe_done(void *arg)
{
    struct check *k = arg;
    struct em_checks *c = k->all;
    size_t kept = 0, answered = 0;

    k->probe = NULL;
    for (size_t i = 0; i < k->address_n; i++)
        answered += k->address[i].answered;
    for (size_t i = 0; i < k->address_n && answered > 0; i++)
        if (k->address[i].answered)
            k->address[kept++] = k->address[i];
    if (answered > 0)
        k->address_n = kept;
    edge_update(k->edge, em_wall_us(em_net_clock(c->net)));
    c->changed(c->arg);
    if (k->due) {
        k->due = false;
        em_job_done(k->job);
    }
}

static void job_due(void *arg)
{
    static const struct em_probe_events events = { probe_result, probe_done };
    struct check *k = arg;

    k->due = true;
    if (k->probe)
        return; /* of a former schedule; it tells when it is over */
    for (size_t i = 0; i < k->address_n; i++)
        k->address[i].answered = false;
    k->probe = em_probe_start(k->all->net, &k->conf.uri, &k->conf.options, &events, k);
    if (!k->probe) {
        em_log_error("no memory for a probe");
        k->due = false;
        em_job_done(k->job);
    }
}

static struct em_job *job_new(struct em_schedule *schedule, struct check *k, struct em_why *why)
{
    int64_t interval = k->conf.interval_us, first = interval < FIRST_WITHIN_US ? interval : FIRST_WITHIN_US;
    struct em_job *job = em_job_add(schedule, interval, JITTER, first, job_due, k);

    if (!job)
        em_fail(why, EM_ERR_MEMORY, "no memory to run a check");
    return job;
}

/* Its first run is in a later turn. */
static struct check *check_new(struct em_checks_plan *p, struct edge *e, const struct em_conf_check *conf,
                               struct em_why *why)
{
    struct check *k = calloc(1, sizeof *k);
    struct em_addr literal;
    char text[EM_ADDRESS_MAX] = "";

    if (!k) {
        em_fail(why, EM_ERR_MEMORY, "no memory for a check");
        return NULL;
    }
    k->all = p->checks;
    k->edge = e;
    k->conf = *conf;
    if (em_addr_read(conf->uri.host, conf->uri.port, &literal))
        em_addr_text(&literal, text);
    if (em_store_number(k->all->store, "check", e->number, conf->name, &k->number, why) < 0 ||
        !address_add(k, text, why) || !(k->job = job_new(p->schedule, k, why))) {
        check_free(k);
        return NULL;
    }
    return k;
}

/* --- applying a configuration ------------------------------------------------------------------------------------------------ */

static bool same_check(const struct em_conf_check *a, const struct em_conf_check *b)
{
    const struct em_probe_options *x = &a->options, *y = &b->options;

    return strcmp(a->uri.text, b->uri.text) == 0 && a->interval_us == b->interval_us &&
           x->timeout_us == y->timeout_us && x->degraded_rtt_us == y->degraded_rtt_us &&
           x->source_ports.first == y->source_ports.first && x->source_ports.last == y->source_ports.last &&
           strcmp(x->user, y->user) == 0 && strcmp(x->password, y->password) == 0 &&
           strcmp(x->secret, y->secret) == 0;
}

/* The check that runs already and is configured in the same way, or NULL. */
static struct check *running(const struct em_checks *c, const char *edge, const struct em_conf_check *conf)
{
    for (size_t i = 0; i < c->edge_n; i++) {
        if (strcmp(c->edge[i].name, edge) != 0)
            continue;
        for (size_t k = 0; k < c->edge[i].check_n; k++) {
            struct check *have = c->edge[i].check[k];

            if (strcmp(have->conf.name, conf->name) == 0 && same_check(&have->conf, conf))
                return have;
        }
    }
    return NULL;
}

static const struct edge *edge_of(const struct em_checks *c, const char *name)
{
    for (size_t i = 0; i < c->edge_n; i++)
        if (strcmp(c->edge[i].name, name) == 0)
            return &c->edge[i];
    return NULL;
}

/* Its place in the plan: the one that runs, kept, or a new one. NULL: failed. */
static struct check *plan_check(struct em_checks_plan *p, struct edge *e, const struct em_conf_check *conf,
                                struct em_why *why)
{
    struct check *have = running(p->checks, e->name, conf);

    if (!have)
        return check_new(p, e, conf, why);
    if (p->schedule != p->checks->schedule && !(have->next_job = job_new(p->schedule, have, why)))
        return NULL;
    have->kept = true;
    return have;
}

static int plan_edge(struct em_checks_plan *p, struct edge *e, const struct em_conf_edge *conf,
                     struct em_why *why)
{
    const struct edge *before = edge_of(p->checks, conf->name);
    int err;

    e->verdict = before ? before->verdict : EM_VERDICT_UNTESTED;
    e->changed_us = before ? before->changed_us : 0;
    slice_copy(slice_of(conf->name), e->name, sizeof e->name);
    if ((err = em_store_number(p->checks->store, "edge", 0, conf->name, &e->number, why)) < 0)
        return err;
    if (!(e->check = calloc(conf->checks_n + 1, sizeof *e->check)))
        return em_fail(why, EM_ERR_MEMORY, "no memory for an edge");
    for (size_t i = 0; i < conf->checks_n; i++, e->check_n++)
        if (!(e->check[i] = plan_check(p, e, &conf->checks[i], why)))
            return EM_ERR_SYSTEM;
    return 0;
}

/* Frees the list and those of its checks that no plan keeps. */
static void edges_free(struct edge *edge, size_t n)
{
    for (size_t i = 0; edge && i < n; i++) {
        for (size_t k = 0; k < edge[i].check_n; k++)
            if (!edge[i].check[k]->kept)
                check_free(edge[i].check[k]);
        free(edge[i].check);
    }
    free(edge);
}

void em_checks_discard(struct em_checks_plan *plan)
{
    struct em_checks *c;

    if (!plan)
        return;
    c = plan->checks;
    edges_free(plan->edge, plan->edge_n);
    for (size_t i = 0; i < c->edge_n; i++)
        for (size_t n = 0; n < c->edge[i].check_n; n++) {
            struct check *k = c->edge[i].check[n];

            em_job_remove(k->next_job);
            k->next_job = NULL;
            k->kept = false;
        }
    if (plan->schedule != c->schedule)
        em_schedule_free(plan->schedule);
    free(plan);
}

int em_checks_prepare(struct em_checks *c, const struct em_conf *conf, struct em_checks_plan **plan,
                      struct em_why *why)
{
    bool other_cap = !c->schedule || conf->concurrent_probes != c->concurrent;
    struct em_checks_plan *p = calloc(1, sizeof *p);
    int err = 0;

    if (!p)
        return em_fail(why, EM_ERR_MEMORY, "no memory for checks");
    *p = (struct em_checks_plan) { .checks = c, .concurrent = conf->concurrent_probes };
    p->schedule = other_cap ? em_schedule_new(c->net, conf->concurrent_probes) : c->schedule;
    p->edge = calloc(conf->edges_n + 1, sizeof *p->edge);
    if (!p->schedule || !p->edge)
        err = em_fail(why, EM_ERR_MEMORY, "no memory for checks");
    for (; p->edge_n < conf->edges_n && err == 0; p->edge_n++)
        err = plan_edge(p, &p->edge[p->edge_n], &conf->edges[p->edge_n], why);
    if (err < 0)
        em_checks_discard(p);
    else
        *plan = p;
    return err;
}

/* The check that goes on finds its place in the new list. */
static void check_commit(struct check *k, struct edge *e)
{
    k->edge = e;
    k->kept = false;
    if (!k->next_job)
        return;
    em_job_remove(k->job);
    k->job = k->next_job;
    k->next_job = NULL;
    k->due = false;
}

void em_checks_commit(struct em_checks_plan *plan)
{
    struct em_checks *c = plan->checks;
    int64_t now_us = em_wall_us(em_net_clock(c->net));

    edges_free(c->edge, c->edge_n);
    c->edge = plan->edge;
    c->edge_n = plan->edge_n;
    for (size_t i = 0; i < c->edge_n; i++) {
        for (size_t k = 0; k < c->edge[i].check_n; k++)
            check_commit(c->edge[i].check[k], &c->edge[i]);
        edge_update(&c->edge[i], now_us);
    }
    if (c->schedule != plan->schedule)
        em_schedule_free(c->schedule);
    c->schedule = plan->schedule;
    c->concurrent = plan->concurrent;
    free(plan);
    c->changed(c->arg);
}

/* --- faces ------------------------------------------------------------------------------------------------------------------- */

void em_checks_counts(const struct em_checks *c, size_t counts[EM_T_COUNT])
{
    counts[EM_T_EDGE] = c->edge_n;
    counts[EM_T_CHECK] = all_addresses(c);
}

static void check_fill(const struct address *a, struct em_check_row *row, struct em_daemon *d,
                       struct em_edge_row *edge)
{
    *row = a->row;
    row->probes = a->totals.probes;
    row->failed_probes = a->totals.failed_probes;
    row->stun_retransmits = a->totals.stun_retransmits;
    row->tcp_retransmits = a->totals.tcp_retransmits;
    d->checks++;
    edge->checks++;
    if (row->verdict == EM_VERDICT_UNTESTED) {
        d->checks_untested++;
    } else if (row->up) {
        d->checks_up++;
        edge->checks_up++;
    } else {
        d->checks_down++;
    }
}

void em_checks_fill(const struct em_checks *c, struct em_snapshot *s)
{
    struct em_daemon *d = em_snapshot_row(s, EM_T_DAEMON, 0);
    size_t at = 0;

    d->edges = c->edge_n;
    for (size_t i = 0; i < c->edge_n; i++) {
        const struct edge *e = &c->edge[i];
        struct em_edge_row *row = em_snapshot_row(s, EM_T_EDGE, i);

        *row =
            (struct em_edge_row) { .edge = e->number, .verdict = e->verdict, .changed_time = e->changed_us };
        memcpy(row->name, e->name, sizeof row->name);
        for (size_t k = 0; k < e->check_n; k++)
            for (size_t n = 0; n < e->check[k]->address_n && at < s->t[EM_T_CHECK].n; n++)
                check_fill(&e->check[k]->address[n], em_snapshot_row(s, EM_T_CHECK, at++), d, row);
    }
}

struct em_checks *em_checks_new(struct em_net *net, struct em_store *store, void (*changed)(void *arg),
                                void *arg)
{
    struct em_checks *c = calloc(1, sizeof *c);

    if (c)
        *c = (struct em_checks) { .net = net, .store = store, .changed = changed, .arg = arg };
    return c;
}

void em_checks_free(struct em_checks *c)
{
    if (!c)
        return;
    edges_free(c->edge, c->edge_n);
    em_schedule_free(c->schedule);
    free(c);
}
