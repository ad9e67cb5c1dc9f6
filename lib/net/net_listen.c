/* SPDX-License-Identifier: GPL-3.0-or-later
 * Listening sockets: connections are accepted and datagrams taken a few at a time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <assert.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "net/net_event.h"

struct ev_listener {
    struct em_listener is;
    struct ev_net *net;
    struct em_listen_events events;
    void *arg;
    int fd;
    struct event *readable, *resume;
    bool entered, closed;
};

static void destroy(struct ev_listener *l)
{
    l->net->objects--;
    free(l);
}

static void leave(struct ev_listener *l)
{
    l->entered = false;
    if (l->closed)
        destroy(l);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct ev_listener *l = arg;

    (void)fd;
    (void)what;
    event_add(l->readable, NULL);
}

/* Without descriptors the socket stays readable for ever: rest a while instead of spinning. The timer is made when it is needed, since there may be
 * thousands of listeners. */
static void pause_accepting(struct ev_listener *l)
{
    struct timeval tv = { 0, EM_ACCEPT_PAUSE_MS * 1000 };

    if (!l->resume && !(l->resume = evtimer_new(l->net->base, on_resume, l)))
        return;
    event_del(l->readable);
    evtimer_add(l->resume, &tv);
}

static void hand_over(struct ev_listener *l, int fd, const struct em_addr *from)
{
    struct em_open how = { .transport = EM_TRANSPORT_TCP, .remote = *from };
    struct ev_conn *c = em_conn_new(l->net, &how, NULL, NULL);
    int on = 1;

    if (!c) {
        close(fd);
        return;
    }
    c->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    em_conn_enter(c);
    l->events.accepted(l->arg, &c->is, from);
    assert(c->taken || c->closed);
    em_conn_leave(c);
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct ev_listener *l = arg;

    (void)what;
    l->entered = true;
    for (int i = 0; i < EM_READS_PER_TURN && !l->closed; i++) {
        struct sockaddr_storage s = { 0 };
        socklen_t len = sizeof s;
        int peer = accept4(fd, (struct sockaddr *)&s, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct em_addr from;

        if (peer < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(l);
            break; /* every other error belongs to one connection that is gone already */
        }
        from = em_addr_of(&s, len);
        hand_over(l, peer, &from);
    }
    leave(l);
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
    struct ev_listener *l = arg;

    (void)what;
    l->entered = true;
    for (int i = 0; i < EM_READS_PER_TURN && !l->closed; i++) {
        struct sockaddr_storage s = { 0 };
        socklen_t len = sizeof s;
        ssize_t n = recvfrom(fd, l->net->read, sizeof l->net->read, 0, (struct sockaddr *)&s, &len);
        struct em_addr from;

        if (n < 0)
            break;
        from = em_addr_of(&s, len);
        l->events.datagram(l->arg, &l->is, l->net->read, (size_t)n, &from);
    }
    leave(l);
}

/* A port that nobody listens on is in use all the same while it is the source port of a connection that this machine made, and over TCP for
 * a minute after its end (TIME_WAIT, RFC 9293 section 3.10.7.8), which SO_REUSEADDR does not change. */
static void why_not(struct em_why *why, enum em_transport transport, const struct em_addr *at, int error)
{
    char endpoint[EM_ENDPOINT_MAX], buffer[128], hint[256] = "";
    struct em_port_range usual = em_socket_usual_ports();
    unsigned port = em_addr_port(at);

    if (error == EADDRINUSE && port >= usual.first && port <= usual.last)
        snprintf(
            hint, sizeof hint,
            "; if nothing listens there, it was the source port of a connection from this machine (over TCP "
            "up to a minute ago): keep it free with sysctl net.ipv4.ip_local_reserved_ports=%u",
            port);
    else if (error == EMFILE)
        snprintf(hint, sizeof hint, "; raise the limit of open files (ulimit -n), or listen on fewer ports");
    em_addr_endpoint(at, endpoint);
    em_fail(why, EM_ERR_SYSTEM, "cannot listen on %s %s: %s%s", transport == EM_TRANSPORT_TCP ? "TCP" : "UDP",
            endpoint, strerror_r(error, buffer, sizeof buffer), hint);
}

struct em_listener *em_listen_event(struct em_net *n, enum em_transport transport, const struct em_addr *at,
                                    const struct em_listen_events *events, void *arg, struct em_why *why)
{
    struct ev_net *net = (struct ev_net *)n;
    struct ev_listener *l = calloc(1, sizeof *l);
    event_callback_fn on_event = transport == EM_TRANSPORT_TCP ? on_connection : on_datagram;
    int error = ENOMEM;

    if (!l) {
        why_not(why, transport, at, error);
        return NULL;
    }
    *l = (struct ev_listener) { .is = { n->ops }, .net = net, .events = *events, .arg = arg, .fd = -1 };
    error = em_socket_listen(transport, at, &l->fd);
    if (!error) {
        l->readable = event_new(net->base, l->fd, EV_READ | EV_PERSIST, on_event, l);
        if (!l->readable || event_add(l->readable, NULL) != 0)
            error = ENOMEM;
    }
    net->objects++;
    if (!error)
        return &l->is;
    why_not(why, transport, at, error);
    em_listener_close_event(&l->is);
    return NULL;
}

void em_listener_send_event(struct em_listener *listener, const void *p, size_t n, const struct em_addr *to)
{
    /* Lost like any datagram: the peer asks again. */
    (void)sendto(((struct ev_listener *)listener)->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT, &to->u.any,
                 to->len);
}

void em_listener_local_event(struct em_listener *listener, struct em_addr *a)
{
    em_socket_local(((struct ev_listener *)listener)->fd, a);
}

void em_listener_close_event(struct em_listener *listener)
{
    struct ev_listener *l = (struct ev_listener *)listener;

    assert(!l->closed);
    l->closed = true;
    if (l->readable)
        event_free(l->readable);
    if (l->resume)
        event_free(l->resume);
    if (l->fd >= 0)
        close(l->fd);
    if (!l->entered)
        destroy(l);
}
