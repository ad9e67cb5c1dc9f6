/* SPDX-License-Identifier: GPL-3.0-or-later
 * The functions of net.h: each hands over to the implementation that made the object. */
#include "net/net.h"

#include "net/net_ops.h"
#include "net/tls_serve.h"

const struct em_clock *em_net_clock(struct em_net *n)
{
    return n->ops->clock(n);
}

void em_net_free(struct em_net *n)
{
    if (n)
        n->ops->net_free(n);
}

struct em_conn *em_net_open(struct em_net *n, const struct em_open *how, const struct em_conn_events *events,
                            void *arg)
{
    return n->ops->open(n, how, events, arg);
}

void em_conn_send(struct em_conn *c, const void *p, size_t n)
{
    c->ops->conn_send(c, p, n, NULL);
}

void em_conn_send_to(struct em_conn *c, const void *p, size_t n, const struct em_addr *to)
{
    c->ops->conn_send(c, p, n, to);
}

void em_conn_pause(struct em_conn *c, bool paused)
{
    c->ops->conn_pause(c, paused);
}

void em_conn_ttl(struct em_conn *c, uint8_t ttl)
{
    c->ops->conn_ttl(c, ttl);
}

void em_conn_info(struct em_conn *c, struct em_tcp_info *info)
{
    *info = (struct em_tcp_info) { 0 };
    c->ops->conn_info(c, info);
}

void em_conn_local(struct em_conn *c, struct em_addr *a)
{
    *a = (struct em_addr) { 0 };
    c->ops->conn_local(c, a);
}

void em_conn_tls(struct em_conn *c, struct em_tls_info *info)
{
    *info = (struct em_tls_info) { 0 };
    c->ops->conn_tls(c, info);
}

void em_conn_take(struct em_conn *c, const struct em_conn_events *events, void *arg)
{
    c->ops->conn_take(c, NULL, events, arg);
}

void em_conn_take_tls(struct em_conn *c, struct em_tls_serve *s, const struct em_conn_events *events,
                      void *arg)
{
    c->ops->conn_take(c, s, events, arg);
}

void em_conn_close(struct em_conn *c, bool reset)
{
    if (c)
        c->ops->conn_close(c, reset);
}

struct em_listener *em_net_listen(struct em_net *n, enum em_transport transport, const struct em_addr *at,
                                  const struct em_listen_events *events, void *arg, struct em_why *why)
{
    return n->ops->listen(n, transport, at, events, arg, why);
}

void em_listener_send_to(struct em_listener *l, const void *p, size_t n, const struct em_addr *to)
{
    l->ops->listener_send_to(l, p, n, to);
}

void em_listener_local(struct em_listener *l, struct em_addr *a)
{
    *a = (struct em_addr) { 0 };
    l->ops->listener_local(l, a);
}

void em_listener_close(struct em_listener *l)
{
    if (l)
        l->ops->listener_close(l);
}

struct em_watch *em_net_watch(struct em_net *n, int fd, void (*readable)(void *arg), void *arg)
{
    return n->ops->watch(n, fd, readable, arg);
}

void em_watch_free(struct em_watch *w)
{
    if (w)
        w->ops->watch_free(w);
}

struct em_lookup *em_net_resolve(struct em_net *n, const char *name, uint16_t port, int64_t timeout_us,
                                 em_lookup_fn done, void *arg)
{
    return n->ops->resolve(n, name, port, timeout_us, done, arg);
}

struct em_lookup *em_net_resolve_srv(struct em_net *n, const char *service, const char *name,
                                     int64_t timeout_us, em_srv_fn done, void *arg)
{
    return n->ops->resolve_srv(n, service, name, timeout_us, done, arg);
}

void em_lookup_cancel(struct em_lookup *l)
{
    if (l)
        l->ops->lookup_cancel(l);
}

struct em_timer *em_timer_new(struct em_net *n, void (*fire)(void *arg), void *arg)
{
    return n->ops->timer_new(n, fire, arg);
}

void em_timer_at(struct em_timer *t, int64_t deadline_us)
{
    t->ops->timer_at(t, deadline_us);
}

void em_timer_stop(struct em_timer *t)
{
    t->ops->timer_stop(t);
}

void em_timer_free(struct em_timer *t)
{
    if (t)
        t->ops->timer_free(t);
}

struct em_bulk *em_bulk_new(struct em_net *n, const struct em_bulk_conf *conf,
                            const struct em_bulk_events *events, void *arg)
{
    return n->ops->bulk_new(n, conf, events, arg);
}

void em_bulk_free(struct em_bulk *b)
{
    if (b)
        b->ops->bulk_free(b);
}

int em_bulk_open(struct em_bulk *b, uint16_t port, uint32_t *lane, struct em_net_error *e)
{
    return b->ops->bulk_open(b, port, lane, e);
}

size_t em_bulk_send(struct em_bulk *b, uint32_t lane, const void *p, size_t n)
{
    return b->ops->bulk_send(b, lane, p, n);
}

void em_bulk_info(struct em_bulk *b, uint32_t lane, struct em_tcp_info *info)
{
    *info = (struct em_tcp_info) { 0 };
    b->ops->bulk_info(b, lane, info);
}

void em_bulk_close(struct em_bulk *b, uint32_t lane)
{
    b->ops->bulk_close(b, lane);
}

void em_bulk_shrink(struct em_bulk *b)
{
    b->ops->bulk_shrink(b);
}
