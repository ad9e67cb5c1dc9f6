/* SPDX-License-Identifier: GPL-3.0-or-later
 * TCP connections: connect, read a bounded piece each turn, queue what the kernel does not take, end politely or by reset.
 *
 *     connecting --SO_ERROR 0--> connected --FIN--> connected, reading ended --close--> gone
 *          |                        |
 *          +---- error event -------+---> over: the caller closes
 */
#include <errno.h>
#include <string.h>

#include "net/net_errors.h"
#include "net/net_event.h"

static void over(struct ev_conn *c)
{
    c->over = true;
    event_del(c->readable);
    if (c->writable)
        event_del(c->writable);
}

void em_tcp_fail(struct ev_conn *c, struct em_net_error e)
{
    over(c);
    em_conn_report(c, &e);
}

/* An ICMP message that ended a connect stands in the error queue; a reset leaves the queue empty. */
static struct em_net_error connect_error(int fd, int error, enum em_phase phase)
{
    struct em_net_error e = em_errno_error(error, phase), queued;

    while (em_errqueue_next(fd, &queued))
        e = queued;
    return e;
}

static void finish_connect(struct ev_conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error) {
        em_tcp_fail(c, connect_error(c->fd, error, EM_PHASE_CONNECTING));
        return;
    }
    c->connected = true;
    event_add(c->readable, NULL);
    if (!c->queue || evbuffer_get_length(c->queue) == 0)
        event_del(c->writable);
    if (c->events.connected)
        c->events.connected(c->arg);
    if (c->tls && !c->closed)
        em_tls_begin(c);
}

/* On a living connection an ICMP message is advice, not an end: with IP_RECVERR its errno shows once and everything goes on. */
static bool soft(struct ev_conn *c, int error)
{
    bool advice = error == EHOSTUNREACH || error == ENETUNREACH || error == EACCES || error == ENOPROTOOPT ||
                  error == ECONNREFUSED || error == EPROTO;

    if (!advice || !em_tcp_established(c->fd))
        return false;
    c->soft_error = error;
    return true;
}

static void broken(struct ev_conn *c, int error)
{
    if (error == 0 || error == EAGAIN || error == EINTR || soft(c, error))
        return;
    em_tcp_fail(c, em_errno_error(error, EM_PHASE_CONNECTED));
}

/* Gives the kernel what it takes. 0 or errno. */
static int flush(struct ev_conn *c)
{
    while (evbuffer_get_length(c->queue) > 0) {
        size_t n = evbuffer_get_contiguous_space(c->queue);
        ssize_t sent = send(c->fd, evbuffer_pullup(c->queue, (ev_ssize_t)n), n, MSG_NOSIGNAL);

        if (sent < 0)
            return errno == EAGAIN ? 0 : errno;
        evbuffer_drain(c->queue, (size_t)sent);
    }
    event_del(c->writable);
    return 0;
}

static void read_some(struct ev_conn *c)
{
    ssize_t n = recv(c->fd, c->net->read, sizeof c->net->read, 0);

    if (n < 0) {
        broken(c, errno);
    } else if (n == 0) {
        event_del(c->readable);
        if ((!c->tls || !em_tls_eof(c)) && !c->closed && c->events.eof)
            c->events.eof(c->arg);
    } else if (c->tls) {
        em_tls_input(c, c->net->read, (size_t)n);
    } else if (c->events.data) {
        c->events.data(c->arg, c->net->read, (size_t)n, &c->how.remote);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct ev_conn *c = arg;

    (void)fd;
    em_conn_enter(c);
    if (!c->connected) {
        finish_connect(c);
    } else {
        if ((what & EV_WRITE) && c->queue)
            broken(c, flush(c));
        if ((what & EV_READ) && !c->closed && !c->over)
            read_some(c);
    }
    em_conn_leave(c);
}

void em_tcp_start(struct ev_conn *c)
{
    int error = em_socket_connect(&c->how, &em_clock_system, &c->fd);

    if (!error && (!em_conn_watch(c, on_event) || event_add(c->writable, NULL) != 0))
        error = ENOMEM;
    if (error) {
        c->over = true;
        em_conn_post(c, c->fd >= 0 ? connect_error(c->fd, error, EM_PHASE_OPEN)
                                   : em_errno_error(error, EM_PHASE_OPEN));
    }
}

void em_tcp_pause_event(struct em_conn *conn, bool paused)
{
    struct ev_conn *c = (struct ev_conn *)conn;

    if (c->over || c->closed || !c->readable)
        return;
    if (paused)
        event_del(c->readable);
    else
        event_add(c->readable, NULL);
}

/* An accepted connection gets its events; that of writing when something has to wait, since there may be thousands that never do. */
void em_tcp_take(struct ev_conn *c)
{
    c->connected = true;
    c->readable = event_new(c->net->base, c->fd, EV_READ | EV_PERSIST, on_event, c);
    if (!c->readable || event_add(c->readable, NULL) != 0) {
        c->over = true;
        em_conn_post(c, em_errno_error(ENOMEM, EM_PHASE_OPEN));
    }
}

/* What the kernel takes at once needs no queue: sets what is left. */
static int send_now(struct ev_conn *c, const uint8_t **p, size_t *n)
{
    ssize_t sent;

    if (!c->connected || (c->queue && evbuffer_get_length(c->queue) > 0))
        return 0;
    sent = send(c->fd, *p, *n, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN ? 0 : errno;
    *p += sent;
    *n -= (size_t)sent;
    return 0;
}

static bool send_later(struct ev_conn *c, const uint8_t *p, size_t n)
{
    if (!c->queue)
        c->queue = evbuffer_new();
    if (!c->writable)
        c->writable = event_new(c->net->base, c->fd, EV_WRITE | EV_PERSIST, on_event, c);
    return c->queue && c->writable && evbuffer_add(c->queue, p, n) == 0 && event_add(c->writable, NULL) == 0;
}

void em_tcp_send(struct ev_conn *c, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    size_t waiting = c->queue ? evbuffer_get_length(c->queue) : 0;
    int error = waiting + n > EM_CONN_QUEUE_MAX ? ENOBUFS : 0;

    if (!error && (error = send_now(c, &p, &n)) != 0 && soft(c, error))
        error = 0;
    if (!error && n > 0 && !send_later(c, p, n))
        error = ENOBUFS;
    if (error) {
        over(c);
        em_conn_post(c, em_errno_error(error, error == ENOBUFS ? EM_PHASE_OPEN : EM_PHASE_CONNECTED));
    }
}

/* Politely: what came and nobody wants is read away (the kernel answers unread bytes with a reset), then FIN. By reset: no TIME_WAIT. */
void em_tcp_finish(struct ev_conn *c, bool reset)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    if (reset) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        return;
    }
    for (int i = 0; i < EM_READS_PER_TURN; i++)
        if (recv(c->fd, c->net->read, sizeof c->net->read, MSG_DONTWAIT | MSG_TRUNC) <= 0)
            return;
}
