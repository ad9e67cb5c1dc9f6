/* SPDX-License-Identifier: GPL-3.0-or-later
 * Probes from this machine as a source: all URIs side by side in one event loop, each address a row like the daemon's. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "plugins/guard.h"
#include "plugins/source.h"

struct run {
    struct em_probe *probe;
    struct em_probe_uri uri;
    struct facts *facts;
    struct event_base *base;
    size_t *running;
    uint32_t number;
    bool no_room;
};

/* The perfdata label: "turn-tcp:edge.example.com", "tcp:edge.example.com". Short, and without raw addresses of IPv6. */
static void name_of(const struct em_probe_uri *u, uint32_t number, char to[EM_NAME_MAX])
{
    const char *transport = em_name_of(&em_transport_names, u->transport);
    struct slice scheme, rest = slice_of(u->text);
    struct buf b = buf_over(to, EM_NAME_MAX);

    if (!slice_until(&rest, ':', &scheme) || strchr(u->host, ':')) {
        buf_print(&b, "probe%u", (unsigned)number);
    } else {
        buf_slice(&b, slice_upto(scheme, 8));
        if (!slice_eq_nocase(scheme, slice_of(transport)))
            buf_print(&b, "-%s", transport);
        buf_u8(&b, ':');
        buf_slice(&b, slice_upto(slice_of(u->host), EM_NAME_MAX - 16));
    }
    (void)buf_str(&b);
}

static void on_result(void *arg, const struct em_probe_result *p)
{
    struct run *run = arg;
    struct em_check_row *row = fact_rows_insert(&run->facts->checks, run->facts->checks.n);

    if (!row) {
        run->no_room = true;
        return;
    }
    row->edge = run->number;
    row->check = 1;
    name_of(&run->uri, run->number, row->name);
    (void)slice_copy(slice_of(run->uri.text), row->uri, sizeof row->uri);
    (void)slice_copy(slice_of(p->address), row->address, sizeof row->address);
    (void)slice_copy(slice_of(p->reason), row->reason, sizeof row->reason);
    row->verdict = p->verdict;
    row->rtt_us = p->rtt_us > 0 ? (uint64_t)p->rtt_us : 0;
}

static void on_done(void *arg)
{
    struct run *run = arg;

    run->probe = NULL;
    if (--*run->running == 0)
        event_base_loopbreak(run->base);
}

static void options_of(const struct conf *c, struct em_probe_options *o)
{
    *o = (struct em_probe_options) { .timeout_us = guard_left_us(), .source_ports = c->source_ports };
    o->insecure = c->insecure;
    if (c->ca_file)
        (void)slice_copy(slice_of(c->ca_file), o->ca_file, sizeof o->ca_file);
    if (c->user)
        (void)slice_copy(slice_of(c->user), o->user, sizeof o->user);
    memcpy(o->password, c->secrets.password, sizeof o->password);
    memcpy(o->secret, c->secrets.secret, sizeof o->secret);
}

/* Runs what has been started until the last one is done. */
static int run_all(const struct conf *c, struct run *runs, size_t n, struct em_net *net, struct em_why *why)
{
    static const struct em_probe_events events = { on_result, on_done };
    struct em_probe_options options;
    int err = 0;

    options_of(c, &options);
    for (size_t i = 0; i < n; i++) {
        if ((runs[i].probe = em_probe_start(net, &runs[i].uri, &options, &events, &runs[i])))
            ++*runs[i].running;
        else
            err = em_fail(why, EM_ERR_MEMORY, "no memory for a probe");
    }
    explicit_bzero(&options, sizeof options);
    if (err == 0 && event_base_dispatch(runs[0].base) < 0)
        err = em_fail(why, EM_ERR_SYSTEM, "the event loop failed");
    for (size_t i = 0; i < n; i++) {
        em_probe_stop(runs[i].probe);
        if (runs[i].no_room && err == 0)
            err = em_fail(why, EM_ERR_LIMIT, "no room for the results of the probes");
    }
    return err;
}

static int by_address(const void *a, const void *b)
{
    const struct em_check_row *x = a, *y = b;

    return x->edge != y->edge ? (x->edge < y->edge ? -1 : 1) : strcmp(x->address, y->address);
}

/* Results come in the order in which they end; labels must not depend on that. */
static void number_addresses(struct fact_rows *rows)
{
    struct em_check_row *list = rows->rows;

    if (rows->n == 0)
        return;
    qsort(list, rows->n, sizeof *list, by_address);
    for (size_t i = 0; i < rows->n; i++)
        list[i].address_index = i > 0 && list[i - 1].edge == list[i].edge ? list[i - 1].address_index + 1 : 1;
}

int source_probe(const struct conf *c, struct facts *f, struct em_why *why)
{
    static struct run runs[EM_OPT_LIST_MAX];
    struct event_base *base;
    struct em_net *net;
    size_t running = 0;
    int err;

    snprintf(f->origin, sizeof f->origin, "probes");
    for (size_t i = 0; i < c->probes.n; i++) {
        runs[i] = (struct run) { .facts = f, .running = &running, .number = (uint32_t)i + 1 };
        if ((err = em_probe_uri_read(c->probes.item[i], &runs[i].uri, why)) < 0)
            return err;
    }
    guard_phase("probing", true);
    if (!(base = event_base_new()))
        return em_fail(why, EM_ERR_SYSTEM, "no event loop");
    if (!(net = em_net_event_new(base, why))) {
        event_base_free(base);
        return EM_ERR_SYSTEM;
    }
    for (size_t i = 0; i < c->probes.n; i++)
        runs[i].base = base;
    if (c->name_servers)
        em_net_event_set_servers(net, c->name_servers);
    err = run_all(c, runs, c->probes.n, net, why);
    em_net_free(net);
    event_base_free(base);
    number_addresses(&f->checks);
    f->have_checks = err == 0;
    return err;
}
