/* SPDX-License-Identifier: GPL-3.0-or-later
 * When snapshots are taken, and from what. */
#include "agent/state.h"

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct em_state {
    struct em_state_parts parts;
    struct em_timer *timer;
    struct em_snapshot *newest;
    int64_t taken_us; /* monotonic */
    int64_t config_us;
    uint64_t serial;
    bool changed;
    struct em_why failure; /* "" = none */
    struct em_diagnosis *diagnosis;
    bool settled; /* findings of the process before this one are confirmed or over */
};

/* --- findings ---------------------------------------------------------------------------------------------------------------- */

enum { SETTLE_AFTER_S = 300 }; /* by then every check has run, and what is still wrong was found again */

static int finding_number(void *arg, const char *key, uint32_t *number, struct em_why *why)
{
    const struct em_state *s = arg;

    return em_store_number(s->parts.store, "finding", 0, key, number, why);
}

static void log_finding(const struct em_finding_row *row, bool over)
{
    em_log(!over && row->severity == EM_SEVERITY_CRITICAL ? EM_LOG_WARNING : EM_LOG_INFO,
           "finding %u %s: %s kind=%s edge=\"%s\" path=\"%s\"", row->id, over ? "is over" : "raised",
           EM_LOG_TEXT(slice_of(row->text)), em_name_of(&em_finding_kind_names, row->kind),
           EM_LOG_TEXT(slice_of(row->edge)), EM_LOG_TEXT(slice_of(row->path)));
}

static void finding_raised(void *arg, const struct em_finding_row *row, int64_t *since_us)
{
    const struct em_state *s = arg;
    struct em_why why;

    log_finding(row, false);
    if (em_store_finding_raised(s->parts.store, row, *since_us, since_us, &why) < 0)
        em_log_error("the history of findings is not kept: %s", why.text);
}

static void finding_ended(void *arg, const struct em_finding_row *row, int64_t ended_us)
{
    const struct em_state *s = arg;
    struct em_why why;

    log_finding(row, true);
    if (em_store_finding_ended(s->parts.store, row->id, ended_us, &why) < 0)
        em_log_error("the history of findings is not kept: %s", why.text);
}

static void settle(struct em_state *s)
{
    int64_t now_us = em_wall_us(em_net_clock(s->parts.net));
    struct em_why why;

    if (s->settled || now_us - s->parts.start_us < SETTLE_AFTER_S * EM_US_PER_S)
        return;
    s->settled = true;
    if (em_store_findings_settle(s->parts.store, s->parts.start_us, now_us, &why) < 0)
        em_log_error("the history of findings is not kept: %s", why.text);
}

/* What this snapshot shows is in the next one, which comes soon when a finding was raised or has ended. */
static int diagnose(struct em_state *s, struct em_why *why)
{
    bool changed;
    int err =
        em_diagnosis_observe(s->diagnosis, s->newest, em_mono_us(em_net_clock(s->parts.net)), &changed, why);

    s->changed = s->changed || (err == 0 && changed);
    settle(s);
    return err;
}

/* --- snapshots --------------------------------------------------------------------------------------------------------------- */

static int by_name(const void *x, const void *y)
{
    return strcmp((*(struct em_peer_row *const *)x)->name, (*(struct em_peer_row *const *)y)->name);
}

/* Relays that are addresses of our own checks. */
static void mark_own_peers(struct em_snapshot *snapshot)
{
    struct em_peer_row *peer[EM_PEERS_MAX] = { NULL };
    size_t n = 0;

    for (size_t i = 0; i < snapshot->t[EM_T_PEER].n && n < EM_PEERS_MAX; i++) {
        peer[n] = em_snapshot_row(snapshot, EM_T_PEER, i);
        n += peer[n]->kind == EM_PEER_RELAY ? 1 : 0;
    }
    qsort(peer, n, sizeof *peer, by_name);
    for (size_t i = 0; i < snapshot->t[EM_T_CHECK].n && n > 0; i++) {
        const struct em_check_row *check = em_snapshot_row(snapshot, EM_T_CHECK, i);
        struct em_peer_row wanted, *key = &wanted, **found;

        memcpy(wanted.name, check->address, sizeof check->address);
        found = bsearch(&key, peer, n, sizeof *peer, by_name);
        if (found)
            (*found)->own = 1;
    }
}

static int take(struct em_state *s, struct em_snapshot **taken, struct em_why *why)
{
    const struct em_state_parts *p = &s->parts;
    size_t counts[EM_T_COUNT] = { 0 };
    struct em_snapshot *snapshot;
    struct em_daemon *d;
    int err;

    em_store_counts(p->store, counts);
    em_checks_counts(p->checks, counts);
    em_ranges_counts(p->ranges, counts);
    counts[EM_T_SOURCE] = em_feeds_count(p->feeds);
    em_diagnosis_counts(s->diagnosis, counts);
    if (!(snapshot = em_snapshot_new(counts)))
        return em_fail(why, EM_ERR_MEMORY, "no memory for a snapshot");
    if ((err = em_store_fill(p->store, snapshot, why)) < 0) {
        free(snapshot);
        return err;
    }
    snapshot->wall_us = em_wall_us(em_net_clock(p->net));
    snapshot->serial = ++s->serial;
    d = em_snapshot_row(snapshot, EM_T_DAEMON, 0);
    slice_copy(slice_of(PACKAGE_VERSION), d->version, sizeof d->version);
    d->start_time = p->start_us;
    d->config_time = s->config_us;
    d->snapshot_time = snapshot->wall_us;
    em_checks_fill(p->checks, snapshot);
    em_ranges_fill(p->ranges, snapshot);
    em_feeds_fill(p->feeds, snapshot);
    mark_own_peers(snapshot);
    em_diagnosis_fill(s->diagnosis, snapshot);
    if (p->fill)
        p->fill(p->arg, snapshot);
    em_snapshot_finish(snapshot);
    *taken = snapshot;
    return 0;
}

/* On failure the last one stays in place, and is told to be old. */
static int renew(struct em_state *s, struct em_why *why)
{
    struct em_snapshot *taken = NULL;
    int err = take(s, &taken, why);

    s->taken_us = em_mono_us(em_net_clock(s->parts.net));
    s->changed = false;
    if (err < 0)
        return err;
    em_snapshot_unref(em_mailbox_put(s->parts.mailbox, em_snapshot_ref(taken)));
    em_snapshot_unref(s->newest);
    s->newest = taken;
    err = diagnose(s, why);
    if (s->parts.taken)
        s->parts.taken(s->parts.arg, taken, s->settled);
    return err;
}

static void plan(struct em_state *s)
{
    int64_t wait_us = s->changed ? EM_US_PER_S / EM_STATE_PER_S : EM_STATE_IDLE_S * EM_US_PER_S;

    em_timer_at(s->timer, s->taken_us + wait_us);
}

static void fire(void *arg)
{
    struct em_state *s = arg;
    struct em_why why = { "" };

    if (renew(s, &why) < 0 && !s->failure.text[0])
        em_log_error("the values cannot be shown: %s", why.text);
    else if (!why.text[0] && s->failure.text[0])
        em_log_info("the values are shown again");
    s->failure = why;
    plan(s);
}

int em_state_new(const struct em_state_parts *parts, struct em_state **state, struct em_why *why)
{
    struct em_state *s = calloc(1, sizeof *s);
    int err;

    if (!s)
        return em_fail(why, EM_ERR_MEMORY, "no memory for the state");
    s->parts = *parts;
    s->config_us = parts->start_us;
    s->diagnosis = em_diagnosis_new(
        &parts->limits, &(struct em_diagnosis_memory) { finding_number, finding_raised, finding_ended, s });
    if (!s->diagnosis || !(s->timer = em_timer_new(parts->net, fire, s)))
        err = em_fail(why, EM_ERR_MEMORY, "no memory for the state");
    else
        err = renew(s, why);
    if (err < 0) {
        em_state_free(s);
        return err;
    }
    plan(s);
    *state = s;
    return 0;
}

void em_state_free(struct em_state *s)
{
    if (!s)
        return;
    em_timer_free(s->timer);
    em_diagnosis_free(s->diagnosis);
    em_snapshot_unref(s->newest);
    free(s);
}

void em_state_changed(struct em_state *s)
{
    if (s->changed)
        return;
    s->changed = true;
    plan(s);
}

void em_state_configured(struct em_state *s, const struct em_diagnosis_limits *limits)
{
    em_diagnosis_limit(s->diagnosis, limits);
    s->config_us = em_wall_us(em_net_clock(s->parts.net));
    fire(s);
}

const struct em_snapshot *em_state_snapshot(const struct em_state *s)
{
    return s->newest;
}

const char *em_state_failure(const struct em_state *s)
{
    return s->failure.text;
}
