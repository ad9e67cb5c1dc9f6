/* SPDX-License-Identifier: GPL-3.0-or-later
 * All edges and their checks: how a configuration comes into force, how new addresses get their numbers, and the rows of a snapshot. */
#include "agent/checks.h"

#include <stdlib.h>
#include <string.h>

#include "agent/check.h"
#include "base/log.h"

enum { NUMBERS_PER_TURN = 500 };
#define NUMBERS_PAUSE_US (EM_US_PER_S / 10) /* each of their transactions waits for the disk */
#define NUMBERS_RETRY_US (5 * EM_US_PER_S)

struct em_checks_plan {
    struct em_checks *checks;
    struct em_schedule *schedule; /* that of the checks, or a new one */
    uint32_t concurrent;
    struct edge *edge; /* their checks are new ones, or run already and are marked as kept */
    size_t edge_n;
};

size_t checks_addresses(const struct em_checks *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->edge_n; i++)
        for (size_t k = 0; k < c->edge[i].check_n; k++)
            n += c->edge[i].check[k]->address_n;
    return n;
}

void edge_update(struct edge *e, int64_t now_us)
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

/* --- numbers of addresses ---------------------------------------------------------------------------------------------------- */

struct numbered {
    struct check *check;
    struct address *address;
    uint32_t number;
};

static size_t without_number(const struct em_checks *c, struct numbered to[NUMBERS_PER_TURN])
{
    size_t found = 0;

    for (size_t i = 0; i < c->edge_n; i++)
        for (size_t k = 0; k < c->edge[i].check_n; k++) {
            struct check *check = c->edge[i].check[k];

            for (size_t n = 0; n < check->address_n && found < NUMBERS_PER_TURN; n++)
                if (!check->address[n].row.address_index)
                    to[found++] = (struct numbered) { check, &check->address[n], 0 };
        }
    return found;
}

/* One transaction for all of them: it waits for the disk. */
static int take_numbers(struct em_checks *c, struct numbered *all, size_t n, struct em_why *why)
{
    int err = em_store_begin_durable(c->store, why);

    if (err < 0)
        return err;
    for (size_t i = 0; i < n && err == 0; i++)
        err = check_number(all[i].check, all[i].address, &all[i].number, why);
    if (err == 0)
        return em_store_commit(c->store, why);
    em_store_rollback(c->store);
    return err;
}

static void on_numbers(void *arg)
{
    struct em_checks *c = arg;
    struct numbered all[NUMBERS_PER_TURN];
    size_t n = without_number(c, all);
    struct em_why why = { "" };
    int err = n > 0 ? take_numbers(c, all, n, &why) : 0;

    if (err < 0 && !c->numbers_failed)
        em_log_error("new addresses are not shown: %s", why.text);
    c->numbers_failed = err < 0;
    c->numbers_us = em_mono_us(em_net_clock(c->net)) + (err < 0 ? NUMBERS_RETRY_US : NUMBERS_PAUSE_US);
    for (size_t i = 0; i < n && err == 0; i++)
        check_show(all[i].check, all[i].address, all[i].number);
    for (size_t i = 0; i < n && err == 0;
         i++) { /* the addresses move in memory: only the checks are looked at */
        check_prune(all[i].check);
        edge_update(all[i].check->edge, em_wall_us(em_net_clock(c->net)));
    }
    if (err < 0 || n == NUMBERS_PER_TURN)
        em_timer_at(c->numbers, c->numbers_us);
    if (n > 0 && err == 0)
        c->changed(c->arg);
}

void checks_new_address(struct em_checks *c)
{
    em_timer_at(c->numbers, c->numbers_us);
}

/* --- applying a configuration ------------------------------------------------------------------------------------------------ */

/* The check that runs already and is configured in the same way, or NULL. */
static struct check *running(const struct em_checks *c, const char *edge, const struct em_conf_check *conf)
{
    for (size_t i = 0; i < c->edge_n; i++) {
        if (strcmp(c->edge[i].name, edge) != 0)
            continue;
        for (size_t k = 0; k < c->edge[i].check_n; k++) {
            struct check *have = c->edge[i].check[k];

            if (check_same(have, conf))
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
        return check_new(p->checks, e, conf, p->schedule, why);
    if (p->schedule != p->checks->schedule && !(have->next_job = check_job(have, p->schedule, why)))
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
    for (size_t i = 0; i < c->edge_n; i++)
        for (size_t k = 0; k < c->edge[i].check_n; k++)
            for (size_t n = 0; n < c->edge[i].check[k]->address_n; n++)
                counts[EM_T_CHECK] += c->edge[i].check[k]->address[n].row.address_index > 0;
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
                if (e->check[k]->address[n].row.address_index)
                    check_fill(&e->check[k]->address[n], em_snapshot_row(s, EM_T_CHECK, at++), d, row);
    }
}

struct em_checks *em_checks_new(struct em_net *net, struct em_store *store, void (*changed)(void *arg),
                                void *arg)
{
    struct em_checks *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    *c = (struct em_checks) { .net = net, .store = store, .changed = changed, .arg = arg };
    if (!(c->numbers = em_timer_new(net, on_numbers, c))) {
        free(c);
        return NULL;
    }
    return c;
}

void em_checks_free(struct em_checks *c)
{
    if (!c)
        return;
    edges_free(c->edge, c->edge_n);
    em_schedule_free(c->schedule);
    em_timer_free(c->numbers);
    free(c);
}
