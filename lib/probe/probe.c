/* SPDX-License-Identifier: GPL-3.0-or-later
 * The life of a probe: one attempt for each address that is found, results as they come, the end once.
 *
 *     discovering --each place--> attempts side by side --last place, all reported--> done, gone
 *         |                        ^
 *         +--no address: an attempt that has ended with dns-failed
 *
 * The user hears of results from on_report alone, a turn of the loop after an attempt ended: so nothing of the probe is on the stack
 * above a callback that may stop it. */
#include "probe/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/esc.h"
#include "probe/attempt.h"
#include "probe/discover.h"

struct em_probe {
    struct em_net *net;
    struct em_probe_uri uri;
    struct em_probe_options options;
    struct em_probe_events events;
    em_path_memory_fn memory; /* NULL: there is none */
    void *arg;
    int64_t start_us, deadline_us;
    struct em_discovery *discovery; /* NULL: every place is known */
    struct em_timer *deadline, *report;
    struct em_attempt *attempts[EM_PLACES_MAX + EM_SRV_MAX]; /* those without address besides */
    size_t n;
    bool reporting, stopped;
};

struct em_net *em_probe_net(struct em_probe *p)
{
    return p->net;
}

const struct em_probe_uri *em_probe_uri(const struct em_probe *p)
{
    return &p->uri;
}

const struct em_probe_options *em_probe_options(const struct em_probe *p)
{
    return &p->options;
}

int64_t em_probe_deadline_us(const struct em_probe *p)
{
    return p->deadline_us;
}

static int64_t now_us(const struct em_probe *p)
{
    return em_mono_us(em_net_clock(p->net));
}

static void destroy(struct em_probe *p)
{
    em_discover_stop(p->discovery);
    for (size_t i = 0; i < p->n; i++) {
        em_attempt_fini(p->attempts[i]);
        free(p->attempts[i]);
    }
    em_timer_free(p->deadline);
    em_timer_free(p->report);
    explicit_bzero(p, sizeof *p); /* passwords */
    free(p);
}

void em_probe_ended(struct em_probe *p)
{
    em_timer_at(p->report, now_us(p));
}

static void on_report(void *arg)
{
    struct em_probe *p = arg;
    size_t left = p->discovery ? 1 : 0;

    p->reporting = true;
    for (size_t i = 0; i < p->n && !p->stopped; i++) {
        struct em_attempt *a = p->attempts[i];

        if (!a->ended) {
            left++;
        } else if (!a->reported) {
            a->reported = true;
            p->events.result(p->arg, &a->result);
        }
    }
    if (!p->stopped && left == 0)
        p->events.done(p->arg);
    else if (!p->stopped) {
        p->reporting = false;
        return;
    }
    destroy(p);
}

static void on_deadline(void *arg)
{
    struct em_probe *p = arg;

    for (size_t i = 0; i < p->n; i++)
        em_attempt_deadline(p->attempts[i]);
}

/* NULL: no memory; then nothing can be told of that address. */
static struct em_attempt *attempt_new(struct em_probe *p, const struct em_addr *at)
{
    struct em_attempt *a = p->n < sizeof p->attempts / sizeof *p->attempts ? calloc(1, sizeof *a) : NULL;
    struct em_addr literal;

    if (!a || em_attempt_init(a, p, at) != 0) {
        free(a);
        return NULL;
    }
    if (!em_addr_read(p->uri.host, 0, &literal))
        a->result.resolve_us = em_attempt_since(a, p->start_us);
    p->attempts[p->n++] = a;
    return a;
}

static void on_found(void *arg, const struct em_addr *at, const char *failure, bool last)
{
    static const struct em_addr none;
    struct em_probe *p = arg;
    struct em_attempt *a = at || failure ? attempt_new(p, at ? at : &none) : NULL;
    char shown[EM_REASON_MAX];

    if (last)
        p->discovery = NULL;
    if (a && at)
        em_attempt_open(a);
    else if (a)
        em_attempt_end(a, EM_VERDICT_DNS_FAILED, "%s", esc_line_into(shown, sizeof shown, slice_of(failure)));
    em_probe_ended(p); /* also when nothing can be told: done is */
}

struct em_probe *em_probe_start(struct em_net *net, const struct em_probe_uri *uri,
                                const struct em_probe_options *options, const struct em_probe_events *events,
                                void *arg)
{
    struct em_probe *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    *p = (struct em_probe) { .net = net, .uri = *uri, .options = *options, .events = *events, .arg = arg };
    p->start_us = now_us(p);
    p->deadline_us = p->start_us + options->timeout_us;
    p->deadline = em_timer_new(net, on_deadline, p);
    p->report = em_timer_new(net, on_report, p);
    if (p->deadline && p->report)
        p->discovery = em_discover_start(net, uri, options->timeout_us, on_found, p);
    if (!p->discovery) {
        destroy(p);
        return NULL;
    }
    em_timer_at(p->deadline, p->deadline_us);
    return p;
}

void em_probe_stop(struct em_probe *p)
{
    if (p && p->reporting)
        p->stopped = true; /* we are in its callback: on_report frees it */
    else if (p)
        destroy(p);
}

void em_probe_remember(struct em_probe *p, em_path_memory_fn memory)
{
    p->memory = memory;
}

struct em_path_memory *em_probe_memory(struct em_probe *p, const struct em_probe_result *r)
{
    return p->memory ? p->memory(p->arg, r) : NULL;
}
