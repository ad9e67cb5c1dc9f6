/* SPDX-License-Identifier: GPL-3.0-or-later
 * The rounds of a differential test: which payload is sent when, when there have been enough, and what then.
 *
 *     rounds --all ended--> judged --suspicious, rounds left--> rounds
 *                             |  `--something is dropped--> hops --> done
 *                             `--> done
 */
#include "probe/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/path_part.h"
#include "probe/path_stat.h"

void path_soon(struct em_path *p)
{
    em_timer_at(p->pace, path_now(p));
}

/* --- the order ---------------------------------------------------------------------------------------------------------------- */

static size_t payloads_of(const struct em_path *p, uint8_t to[EM_PATH_PAYLOADS])
{
    size_t n = 0;

    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++)
        if (path_tcp(p) ? em_path_kinds[i].tcp : em_path_kinds[i].udp)
            to[n++] = (uint8_t)i;
    return n;
}

/* A round has every payload once, shuffled by Fisher and Yates. */
static void plan_round(struct em_path *p)
{
    uint8_t order[EM_PATH_PAYLOADS];
    size_t n = payloads_of(p, order);

    for (size_t i = n; i > 1; i--) {
        size_t k = em_random_below(p->clock, (uint32_t)i);
        uint8_t other = order[i - 1];

        order[i - 1] = order[k];
        order[k] = other;
    }
    for (size_t i = 0; i < n && p->plan_n < p->plan_max; i++)
        p->plan[p->plan_n++] = order[i];
}

static void plan_rounds(struct em_path *p)
{
    for (uint32_t i = 0; i < p->conf.rounds; i++)
        plan_round(p);
    p->result.rounds += p->conf.rounds;
}

/* --- the end ------------------------------------------------------------------------------------------------------------------ */

static void add_reason(struct em_path_judgement *j, const char *between, const char *more)
{
    size_t n = strlen(j->reason);

    snprintf(j->reason + n, sizeof j->reason - n, "%s%s", between, more);
}

/* What the counts cannot know. */
static void judge(struct em_path *p)
{
    struct em_path_judgement *j = &p->result.judgement;

    em_path_judge(&p->result.table, j);
    if (j->verdict == EM_VERDICT_ERROR && p->local[0])
        memcpy(j->reason, p->local, sizeof j->reason);
    if (j->verdict == EM_VERDICT_INTERCEPTED && p->stranger[0])
        add_reason(j, ": ", p->stranger);
}

static void finish(struct em_path *p)
{
    em_timer_stop(p->pace);
    p->result.took_us = path_now(p) - p->began_us;
    p->done(p->arg);
}

static bool worth_a_walk(const struct em_path *p)
{
    enum em_path_filter f = p->result.judgement.filter;

    return !p->conf.no_walk && (f == EM_PATH_PORT || f == EM_PATH_CONTENT || f == EM_PATH_SIZE);
}

static void rounds_over(struct em_path *p)
{
    judge(p);
    if (p->result.judgement.undecided && p->conf.spread_us == 0 &&
        p->result.rounds < EM_PATH_MORE * p->conf.rounds) {
        plan_rounds(p);
        path_soon(p);
    } else if (!worth_a_walk(p) || !path_walk_begin(p)) {
        finish(p);
    }
}

/* --- pace --------------------------------------------------------------------------------------------------------------------- */

static struct path_talk *free_place(struct em_path *p)
{
    for (uint32_t i = 0; i < p->talks; i++)
        if (!p->talk[i].conn)
            return &p->talk[i];
    return NULL;
}

static void on_pace(void *arg)
{
    struct em_path *p = arg;
    int64_t now_us = path_now(p);
    struct path_talk *t = free_place(p);

    if (p->walk) {
        if (path_walk_over(p))
            finish(p);
    } else if (p->plan_at == p->plan_n && p->running == 0) {
        rounds_over(p);
    } else if (p->plan_at < p->plan_n && t) {
        if (now_us >= p->next_us) {
            p->next_us = now_us + p->gap_us;
            path_talk_begin(t, (enum em_path_payload)p->plan[p->plan_at++]);
        }
        em_timer_at(p->pace, p->next_us);
    }
}

/* --- beginning ---------------------------------------------------------------------------------------------------------------- */

static bool parts(struct em_path *p)
{
    uint8_t order[EM_PATH_PAYLOADS];
    uint32_t all = p->conf.rounds * (uint32_t)payloads_of(p, order);

    p->plan_max = all * (EM_PATH_MORE + 1); /* with room for those that are made up for */
    p->gap_us = p->conf.spread_us / all;
    if (p->gap_us < EM_PATH_GAP_MS * EM_US_PER_MS)
        p->gap_us = EM_PATH_GAP_MS * EM_US_PER_MS;
    if (!(p->plan = malloc(p->plan_max)) || !(p->talk = calloc(p->talks, sizeof *p->talk)) ||
        !(p->pace = em_timer_new(p->net, on_pace, p)))
        return false;
    for (uint32_t i = 0; i < p->talks; i++)
        if (!path_talk_init(&p->talk[i], p))
            return false;
    return true;
}

static uint32_t talks_of(const struct em_path_conf *c)
{
    uint32_t ports = 1u + c->source_ports.last - c->source_ports.first;

    return c->source_ports.first && ports < EM_PATH_TALKS ? ports : EM_PATH_TALKS;
}

int em_path_start(struct em_net *net, const struct em_path_conf *conf, void (*done)(void *arg), void *arg,
                  struct em_path **path, struct em_why *why)
{
    struct em_path *p;
    int err;

    if (conf->address.len == 0 || em_addr_port(&conf->address) == 0 || conf->rounds > EM_PATH_ROUNDS_MAX ||
        (conf->transport != EM_TRANSPORT_TCP && conf->transport != EM_TRANSPORT_UDP))
        return em_fail(why, EM_ERR_INPUT,
                       "a path needs an address with a port, TCP or UDP, and at most %d rounds",
                       EM_PATH_ROUNDS_MAX);
    if ((err = em_stat_load(why)) < 0)
        return err;
    if (!(p = calloc(1, sizeof *p)))
        return em_fail(why, EM_ERR_MEMORY, "no memory for a differential test");
    *p = (struct em_path) { .net = net,
                            .clock = em_net_clock(net),
                            .conf = *conf,
                            .done = done,
                            .arg = arg,
                            .talks = talks_of(conf),
                            .result.table.transport = conf->transport };
    if (p->conf.rounds == 0)
        p->conf.rounds = EM_PATH_ROUNDS;
    if (p->conf.timeout_us == 0)
        p->conf.timeout_us = EM_PATH_TIMEOUT_MS * EM_US_PER_MS;
    p->began_us = path_now(p);
    if (!parts(p)) {
        em_path_stop(p);
        return em_fail(why, EM_ERR_MEMORY, "no memory for a differential test");
    }
    plan_rounds(p);
    path_soon(p);
    *path = p;
    return 0;
}

void em_path_result(const struct em_path *p, struct em_path_result *r)
{
    *r = p->result;
    if (!r->judgement.filter)
        em_path_judge(&r->table, &r->judgement);
}

void em_path_progress(const struct em_path *p, uint32_t *ended, uint32_t *all)
{
    *ended = p->ended;
    *all = p->plan_n;
}

void em_path_stop(struct em_path *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; p->talk && i < p->talks; i++)
        path_talk_stop(&p->talk[i]);
    path_walk_stop(p);
    em_timer_free(p->pace);
    free(p->talk);
    free(p->plan);
    free(p);
}
