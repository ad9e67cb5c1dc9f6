/* SPDX-License-Identifier: GPL-3.0-or-later
 * The real network over libevent: the table of its functions, timers and watched descriptors. Connections are in net_conn.c, name
 * lookups in net_resolve.c, listening in net_listen.c. */
#include "net/net_event.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

struct ev_timer {
    struct em_timer is;
    struct ev_net *net;
    struct event *event;
    void (*fire)(void *arg);
    void *arg;
    int64_t deadline_us;
};

struct ev_watch {
    struct em_watch is;
    struct ev_net *net;
    struct event *event;
    void (*readable)(void *arg);
    void *arg;
};

static const struct em_clock *clock_event(struct em_net *n)
{
    (void)n;
    return &em_clock_system;
}

static void arm(struct ev_timer *t)
{
    int64_t left = t->deadline_us - em_mono_us(&em_clock_system);
    struct timeval tv = { 0, 0 };

    if (left > 0) {
        tv.tv_sec = (time_t)(left / EM_US_PER_S);
        tv.tv_usec = (suseconds_t)(left % EM_US_PER_S);
    }
    evtimer_add(t->event, &tv);
}

/* libevent counts with a coarse clock read at the start of its turn, so it may wake us a few milliseconds early: then sleep on. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct ev_timer *t = arg;

    (void)fd;
    (void)what;
    if (em_mono_us(&em_clock_system) < t->deadline_us)
        arm(t);
    else
        t->fire(t->arg);
}

static struct em_timer *timer_new(struct em_net *n, void (*fire)(void *arg), void *arg)
{
    struct ev_net *net = (struct ev_net *)n;
    struct ev_timer *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    *t = (struct ev_timer) { .is = { n->ops }, .net = net, .fire = fire, .arg = arg };
    t->event = evtimer_new(net->base, on_timer, t);
    if (!t->event) {
        free(t);
        return NULL;
    }
    net->objects++;
    return &t->is;
}

static void timer_at(struct em_timer *timer, int64_t deadline_us)
{
    struct ev_timer *t = (struct ev_timer *)timer;

    t->deadline_us = deadline_us;
    arm(t);
}

static void timer_stop(struct em_timer *timer)
{
    evtimer_del(((struct ev_timer *)timer)->event);
}

static void timer_free(struct em_timer *timer)
{
    struct ev_timer *t = (struct ev_timer *)timer;

    t->net->objects--;
    event_free(t->event);
    free(t);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct ev_watch *w = arg;

    (void)fd;
    (void)what;
    w->readable(w->arg);
}

static struct em_watch *watch_new(struct em_net *n, int fd, void (*readable)(void *arg), void *arg)
{
    struct ev_net *net = (struct ev_net *)n;
    struct ev_watch *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    *w = (struct ev_watch) { .is = { n->ops }, .net = net, .readable = readable, .arg = arg };
    w->event = event_new(net->base, fd, EV_READ | EV_PERSIST, on_readable, w);
    if (!w->event || event_add(w->event, NULL) != 0) {
        if (w->event)
            event_free(w->event);
        free(w);
        return NULL;
    }
    net->objects++;
    return &w->is;
}

static void watch_free(struct em_watch *watch)
{
    struct ev_watch *w = (struct ev_watch *)watch;

    w->net->objects--;
    event_free(w->event);
    free(w);
}

static void net_free(struct em_net *n)
{
    assert(((struct ev_net *)n)->objects == 0);
    em_tls_forget((struct ev_net *)n);
    free(n);
}

const struct em_net_ops em_net_event_ops = {
    .net_free = net_free,
    .clock = clock_event,
    .open = em_conn_open,
    .conn_send = em_conn_send_event,
    .conn_pause = em_tcp_pause_event,
    .conn_ttl = em_conn_ttl_event,
    .conn_info = em_tcp_info_event,
    .conn_local = em_conn_local_event,
    .conn_tls = em_conn_tls_event,
    .conn_take = em_conn_take_event,
    .conn_close = em_conn_close_event,
    .listen = em_listen_event,
    .listener_send_to = em_listener_send_event,
    .listener_local = em_listener_local_event,
    .listener_close = em_listener_close_event,
    .watch = watch_new,
    .watch_free = watch_free,
    .resolve = em_resolve_event,
    .resolve_srv = em_resolve_srv_event,
    .lookup_cancel = em_lookup_cancel_event,
    .timer_new = timer_new,
    .timer_at = timer_at,
    .timer_stop = timer_stop,
    .timer_free = timer_free,
    .bulk_new = em_bulk_new_event,
    .bulk_free = em_bulk_free_event,
    .bulk_open = em_bulk_open_event,
    .bulk_send = em_bulk_send_event,
    .bulk_info = em_bulk_info_event,
    .bulk_close = em_bulk_close_event,
    .bulk_shrink = em_bulk_shrink_event,
};

struct em_net *em_net_event_new(struct event_base *base, struct em_why *why)
{
    struct ev_net *n = malloc(sizeof *n);

    if (!n) {
        em_fail(why, EM_ERR_MEMORY, "no memory for the network layer");
        return NULL;
    }
    memset(n, 0, offsetof(struct ev_net, read));
    n->is.ops = &em_net_event_ops;
    n->base = base;
    return &n->is;
}

void em_net_event_set_servers(struct em_net *n, const char *servers)
{
    struct ev_net *net = (struct ev_net *)n;

    slice_copy(slice_of(servers), net->servers, sizeof net->servers);
}
