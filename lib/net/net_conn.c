/* SPDX-License-Identifier: GPL-3.0-or-later
 * What TCP and UDP connections share: being made, reporting from the loop only, and being freed safely in their own callback. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/net_event.h"

/* While a callback runs, close only marks; the last one out frees. */
void em_conn_enter(struct ev_conn *c)
{
    assert(!c->entered);
    c->entered = true;
}

static void destroy(struct ev_conn *c)
{
    c->net->objects--;
    em_tls_free(c->tls);
    free(c);
}

void em_conn_leave(struct ev_conn *c)
{
    c->entered = false;
    if (c->closed)
        destroy(c);
}

void em_conn_report(struct ev_conn *c, const struct em_net_error *e)
{
    if (!c->closed && c->events.error)
        c->events.error(c->arg, e);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct ev_conn *c = arg;
    struct em_net_error e = c->pending;

    (void)fd;
    (void)what;
    c->pending.kind = 0;
    if (e.kind == 0)
        return;
    em_conn_enter(c);
    em_conn_report(c, &e);
    em_conn_leave(c);
}

void em_conn_post(struct ev_conn *c, struct em_net_error e)
{
    c->pending = e;
    event_active(c->later, EV_TIMEOUT, 0);
}

struct ev_conn *em_conn_new(struct ev_net *n, const struct em_open *how, const struct em_conn_events *events,
                            void *arg)
{
    struct ev_conn *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    *c = (struct ev_conn) { .is = { n->is.ops }, .net = n, .how = *how, .fd = -1, .arg = arg };
    c->how.tls = NULL; /* what it points to is the caller's */
    if (events) {
        c->events = *events;
        c->taken = true;
    }
    c->later = event_new(n->base, -1, 0, on_later, c);
    if (!c->later || (how->tls && !em_tls_new(c, how->tls))) {
        if (c->later)
            event_free(c->later);
        free(c);
        return NULL;
    }
    n->objects++;
    return c;
}

/* Makes the two events of the socket; neither is added yet. */
bool em_conn_watch(struct ev_conn *c, event_callback_fn on_event)
{
    c->readable = event_new(c->net->base, c->fd, EV_READ | EV_PERSIST, on_event, c);
    c->writable = event_new(c->net->base, c->fd, EV_WRITE | EV_PERSIST, on_event, c);
    return c->readable && c->writable;
}

struct em_conn *em_conn_open(struct em_net *n, const struct em_open *how, const struct em_conn_events *events,
                             void *arg)
{
    struct ev_conn *c = em_conn_new((struct ev_net *)n, how, events, arg);

    if (!c)
        return NULL;
    if (how->transport == EM_TRANSPORT_TCP)
        em_tcp_start(c);
    else
        em_udp_start(c);
    return &c->is;
}

void em_conn_send_event(struct em_conn *conn, const void *p, size_t n, const struct em_addr *to)
{
    struct ev_conn *c = (struct ev_conn *)conn;

    if (c->over || c->closed || c->fd < 0)
        return;
    if (c->tls)
        em_tls_send(c, p, n);
    else if (c->how.transport == EM_TRANSPORT_TCP)
        em_tcp_send(c, p, n);
    else
        em_udp_send(c, p, n, to);
}

void em_conn_ttl_event(struct em_conn *conn, uint8_t ttl)
{
    struct ev_conn *c = (struct ev_conn *)conn;

    if (c->fd >= 0)
        em_socket_ttl(c->fd, c->how.remote.u.any.sa_family == AF_INET6, ttl);
}

void em_conn_local_event(struct em_conn *conn, struct em_addr *a)
{
    em_socket_local(((struct ev_conn *)conn)->fd, a);
}

void em_conn_take_event(struct em_conn *conn, struct em_tls_serve *serve, const struct em_conn_events *events,
                        void *arg)
{
    struct ev_conn *c = (struct ev_conn *)conn;

    c->events = *events;
    c->arg = arg;
    c->taken = true;
    if (serve && !em_tls_accept(c, serve)) {
        c->over = true;
        em_conn_post(c, (struct em_net_error) { .kind = EM_NET_LOCAL, .error = ENOMEM });
        return;
    }
    em_tcp_take(c);
}

void em_conn_close_event(struct em_conn *conn, bool reset)
{
    struct ev_conn *c = (struct ev_conn *)conn;

    assert(!c->closed);
    if (c->tls && !reset && !c->over)
        em_tls_finish(c);
    c->closed = true;
    if (c->readable)
        event_free(c->readable);
    if (c->writable)
        event_free(c->writable);
    event_free(c->later);
    if (c->fd >= 0) {
        if (c->how.transport == EM_TRANSPORT_TCP)
            em_tcp_finish(c, reset);
        close(c->fd);
    }
    if (c->queue)
        evbuffer_free(c->queue);
    if (!c->entered)
        destroy(c);
}
