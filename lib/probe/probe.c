/* SPDX-License-Identifier: GPL-3.0-or-later
 * The life of a probe: resolve, one attempt for each address, results as they come, the end once.
 *
 *     resolving --addresses--> attempts side by side --all reported--> done, gone
 *         |                        ^
 *         +--no address: one attempt that has ended with dns-failed
 *
 * The user hears of results from on_report alone, a turn of the loop after an attempt ended: so nothing of the probe is on the stack
 * above a callback that may stop it. */
#include "probe/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/esc.h"
#include "probe/attempt.h"

struct em_probe {
    struct em_net *net;
    struct em_probe_uri uri;
    struct em_probe_options options;
    struct em_probe_events events;
    void *arg;
    int64_t start_us, deadline_us;
    struct em_lookup *lookup;
    struct em_timer *deadline, *report;
    struct em_attempt *attempts;
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

static int64_t now_us(const struct em_probe *p)
{
    return em_mono_us(em_net_clock(p->net));
}

static void destroy(struct em_probe *p)
{
    em_lookup_cancel(p->lookup);
    for (size_t i = 0; i < p->n; i++)
        em_attempt_fini(&p->attempts[i]);
    free(p->attempts);
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
    size_t left = 0;

    p->reporting = true;
    for (size_t i = 0; i < p->n && !p->stopped; i++) {
        struct em_attempt *a = &p->attempts[i];

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
        em_attempt_deadline(&p->attempts[i]);
}

/* One attempt without an address, which has ended before it began. */
static void end_at_once(struct em_probe *p, enum em_verdict v, const char *reason)
{
    struct em_addr none = { 0 };
    struct em_attempt *a = calloc(1, sizeof *a);

    p->attempts = a;
    p->n = a ? 1 : 0;
    if (a && em_attempt_init(a, p, &none) == 0) {
        a->result.resolve_us = em_attempt_since(a, p->start_us);
        em_attempt_end(a, v, "%s", reason);
    } else {
        em_probe_ended(p); /* no memory for a result: done is all that is told */
    }
}

static void on_resolved(void *arg, const struct em_addr *addrs, size_t n, const char *failure)
{
    struct em_probe *p = arg;
    int64_t took = now_us(p) - p->start_us;
    struct em_addr literal;
    char shown[EM_TEXT_MAX], reason[EM_REASON_MAX];

    p->lookup = NULL;
    if (n == 0) {
        snprintf(reason, sizeof reason, "%s", esc_line_into(shown, sizeof shown, slice_of(failure)));
        end_at_once(p, EM_VERDICT_DNS_FAILED, reason);
        return;
    }
    p->attempts = calloc(n, sizeof *p->attempts);
    for (size_t i = 0; p->attempts && i < n; i++) {
        if (em_attempt_init(&p->attempts[i], p, &addrs[i]) != 0)
            break;
        if (!em_addr_read(p->uri.host, 0, &literal))
            p->attempts[i].result.resolve_us = took > 0 ? took : 1;
        p->n++;
    }
    if (p->n < n) { /* of an address that was left out nothing could be told */
        for (size_t i = 0; i < p->n; i++)
            em_attempt_fini(&p->attempts[i]);
        free(p->attempts);
        end_at_once(p, EM_VERDICT_ERROR, "this machine: no memory");
        return;
    }
    em_timer_at(p->deadline, p->deadline_us);
    for (size_t i = 0; i < n; i++)
        em_attempt_open(&p->attempts[i]);
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
        p->lookup = em_net_resolve(net, uri->host, uri->port, options->timeout_us, on_resolved, p);
    if (!p->lookup) {
        destroy(p);
        return NULL;
    }
    return p;
}

void em_probe_stop(struct em_probe *p)
{
    if (p && p->reporting)
        p->stopped = true; /* we are in its callback: on_report frees it */
    else if (p)
        destroy(p);
}
