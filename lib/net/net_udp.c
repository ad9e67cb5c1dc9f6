/* SPDX-License-Identifier: GPL-3.0-or-later
 * UDP: datagrams in and out, and the ICMP messages that the kernel's error queue tells about those that were sent. */
#include <errno.h>
#include <string.h>

#include "net/net_errors.h"
#include "net/net_event.h"

static void read_errors(struct ev_conn *c)
{
    struct em_net_error e;

    for (int i = 0; i < EM_READS_PER_TURN && !c->closed && em_errqueue_next(c->fd, &e); i++)
        em_conn_report(c, &e);
}

static void read_datagrams(struct ev_conn *c)
{
    for (int i = 0; i < EM_READS_PER_TURN && !c->closed; i++) {
        struct sockaddr_storage s = { 0 };
        socklen_t len = sizeof s;
        ssize_t n = recvfrom(c->fd, c->net->read, sizeof c->net->read, 0, (struct sockaddr *)&s, &len);
        struct em_addr from;

        if (n < 0)
            return; /* nothing more; an error of the socket is in its queue, which the next turn reads */
        from = em_addr_of(&s, len);
        if (c->events.data)
            c->events.data(c->arg, c->net->read, (size_t)n, &from);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct ev_conn *c = arg;

    (void)fd;
    (void)what;
    em_conn_enter(c);
    read_errors(c);
    read_datagrams(c);
    em_conn_leave(c);
}

void em_udp_start(struct ev_conn *c)
{
    int error = c->how.unconnected ? em_socket_open(&c->how, &em_clock_system, &c->fd)
                                   : em_socket_connect(&c->how, &em_clock_system, &c->fd);

    if (!error && (!em_conn_watch(c, on_event) || event_add(c->readable, NULL) != 0))
        error = ENOMEM;
    if (error) {
        c->over = true;
        em_conn_post(c, em_errno_error(error, EM_PHASE_OPEN));
    }
}

/* A send first reports what an earlier ICMP message left behind, without sending: so a second try. A full buffer is a lost packet, as on
 * the way; whoever needs an answer sends again. */
void em_udp_send(struct ev_conn *c, const void *p, size_t n, const struct em_addr *to)
{
    const struct em_addr *remote = to ? to : c->how.unconnected ? &c->how.remote : NULL;
    ssize_t sent = -1;

    for (int i = 0; i < 2 && sent < 0; i++)
        sent = remote ? sendto(c->fd, p, n, MSG_NOSIGNAL, &remote->u.any, remote->len)
                      : send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
        em_conn_post(c, em_errno_error(errno, EM_PHASE_OPEN));
}
