/* SPDX-License-Identifier: GPL-3.0-or-later
 * Bulk conversations on the real network: an epoll instance of their own, nested in the loop's, and sockets that are used again.
 *
 *     no socket --open--> connecting --EPOLLOUT--> open --close--> idle --open--> connecting ...
 *                             |                     ^
 *                             +-- UDP ---------------+
 *
 * What makes it fast: sockets are told to epoll once, edge-triggered, and never again; connect(AF_UNSPEC) takes a TCP socket out of any
 * state (a connection is reset, so nothing stays in TIME_WAIT), and a second connect(2) on one that was refused both tells the error and
 * makes it new: three system calls for a closed port, five for an open one that answers.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/net_errors.h"
#include "net/net_event.h"

enum lane_state { NO_SOCKET, IDLE, CONNECTING, OPEN };

struct lane {
    int fd;
    uint16_t port;
    uint8_t state;
    bool fresh; /* TCP: the socket is as new, closing it needs no reset */
    bool
        unheard; /* UDP: nothing came back so far; the queues may still be filled by what the former port answers */
    bool blocked; /* a send took less than all */
    uint8_t uses; /* of the socket, up to 2 */
    int soft_error;
};

struct ev_bulk {
    struct em_bulk is;
    struct ev_net *net;
    struct em_bulk_conf conf;
    struct em_bulk_events events;
    void *arg;
    struct em_port_range usual;
    int epoll;
    struct em_watch *watch;
    struct lane *lane;
    uint32_t *idle; /* stacks of lane numbers: with a socket from the bottom, without one from the top */
    uint32_t idle_n, bare_n;
    bool shrinking, turning;
};

static bool tcp(const struct ev_bulk *b)
{
    return b->conf.transport == EM_TRANSPORT_TCP;
}

uint32_t em_bulk_room(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= 2 * EM_BULK_SPARE_DESCRIPTORS)
        return EM_BULK_SPARE_DESCRIPTORS / 2;
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > EM_BULK_LANES_MAX + EM_BULK_SPARE_DESCRIPTORS)
        return EM_BULK_LANES_MAX;
    return (uint32_t)limit.rlim_cur - EM_BULK_SPARE_DESCRIPTORS;
}

void em_bulk_more_room(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* --- what happens on a lane ------------------------------------------------------------------------------------------------- */

static void report(struct ev_bulk *b, uint32_t lane, const struct em_net_error *e)
{
    b->events.error(b->arg, lane, e);
}

/* The last ICMP message of the queue, or what errno says. */
static struct em_net_error reason_of(int fd, int error, enum em_phase phase)
{
    struct em_net_error e = em_errno_error(error, phase), queued;

    while (em_errqueue_next(fd, &queued))
        e = queued;
    return e;
}

/* connect(2) once more: 0 when the handshake is done; EALREADY while it goes on, and the kernel only noted an ICMP message because it
 * came while connect(2) was still at work; else it failed, and the socket is as new. */
static void connect_failed(struct ev_bulk *b, uint32_t lane)
{
    static const struct sockaddr_in nowhere = { .sin_family = AF_INET };
    struct lane *l = &b->lane[lane];
    struct em_net_error e = { 0 }, queued;
    int error = connect(l->fd, (const struct sockaddr *)&nowhere, sizeof nowhere) == 0 ? 0 : errno;
    bool early = error == ECONNRESET || error == EPIPE; /* connected and reset before we looked */

    if (error == 0 || error == EISCONN) {
        l->state = OPEN;
        b->events.connected(b->arg, lane);
        return;
    }
    e = em_errno_error(error, early ? EM_PHASE_CONNECTED : EM_PHASE_CONNECTING);
    while (em_errqueue_next(l->fd, &queued))
        e = queued;
    if (error == EALREADY && e.kind == EM_NET_LOCAL)
        return;
    l->fresh = error != EALREADY;
    report(b, lane, &e);
}

/* On a living connection an ICMP message is advice: it is noted, its errno shows once, and everything goes on. */
static bool soft(struct lane *l, int error)
{
    struct em_net_error queued;

    if (!em_tcp_established(l->fd))
        return false;
    while (em_errqueue_next(l->fd, &queued))
        error = queued.error;
    l->soft_error = error;
    return true;
}

static void read_failed(struct ev_bulk *b, uint32_t lane, int error)
{
    struct lane *l = &b->lane[lane];
    struct em_net_error e;

    if (error == EAGAIN || error == EINTR || (tcp(b) && soft(l, error)))
        return;
    e = reason_of(l->fd, error, EM_PHASE_CONNECTED);
    report(b, lane, &e);
}

static void look_again(struct ev_bulk *b, uint32_t lane)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET | (tcp(b) ? EPOLLOUT | EPOLLRDHUP : 0),
                              .data.u32 = lane };

    epoll_ctl(b->epoll, EPOLL_CTL_MOD, b->lane[lane].fd, &ev);
}

/* A short read means that nothing was left (TCP), so most conversations need one recv(2); unless the end has come too, which epoll tells only
 * once. What is not read in this turn is shown again. */
static void read_some(struct ev_bulk *b, uint32_t lane, bool ended)
{
    struct lane *l = &b->lane[lane];
    uint8_t *to = b->net->read;

    for (int i = 0; i < EM_READS_PER_TURN && l->state == OPEN; i++) {
        ssize_t n = recv(l->fd, to, EM_BULK_READ_MAX, 0);

        if (n < 0) {
            read_failed(b, lane, errno);
            return;
        }
        l->unheard = false;
        if (n == 0 && tcp(b)) {
            b->events.eof(b->arg, lane);
            return;
        }
        b->events.data(b->arg, lane, to, (size_t)n);
        if (tcp(b) && n < EM_BULK_READ_MAX && !ended)
            return;
    }
    if (l->state == OPEN)
        look_again(b, lane);
}

static void read_errors(struct ev_bulk *b, uint32_t lane)
{
    struct lane *l = &b->lane[lane];
    struct em_net_error e;

    for (int i = 0; i < EM_READS_PER_TURN && l->state == OPEN && em_errqueue_next(l->fd, &e); i++) {
        l->unheard = false;
        if (tcp(b))
            l->soft_error = e.error;
        else
            report(b, lane, &e);
    }
}

static void happened(struct ev_bulk *b, uint32_t lane, uint32_t what)
{
    struct lane *l = &b->lane[lane];

    if (l->state == CONNECTING && (what & (EPOLLERR | EPOLLHUP))) {
        connect_failed(b, lane);
    } else if (l->state == CONNECTING && (what & EPOLLOUT)) {
        l->state = OPEN;
        b->events.connected(b->arg, lane);
    } else if (l->state == OPEN && (what & EPOLLERR)) {
        read_errors(b, lane);
    }
    if (l->state == OPEN && (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        read_some(b, lane, what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    if (l->state == OPEN && l->blocked && (what & EPOLLOUT)) {
        l->blocked = false;
        b->events.writable(b->arg, lane);
    }
}

static void on_ready(void *arg)
{
    struct ev_bulk *b = arg;
    struct epoll_event ev[EM_BULK_EVENTS];

    b->turning = true;
    for (int round = 0; round < EM_BULK_ROUNDS; round++) {
        int n = epoll_wait(b->epoll, ev, EM_BULK_EVENTS, 0);

        for (int i = 0; i < n; i++)
            happened(b, ev[i].data.u32, ev[i].events);
        if (!b->events.turn(b->arg, n > 0 ? (size_t)n : 0, n < EM_BULK_EVENTS) && n <= 0)
            break;
    }
    b->turning = false;
}

/* --- sockets ---------------------------------------------------------------------------------------------------------------- */

static int on(int fd, int level, int name)
{
    int one = 1;

    return setsockopt(fd, level, name, &one, sizeof one);
}

/* Ports of the range from a random one on. TCP may share them, since the far port tells two connections apart; UDP may not. */
static int bind_in_range(const struct ev_bulk *b, int fd)
{
    struct em_port_range r = b->conf.source_ports;
    struct em_addr at = { .len = b->conf.remote.len };
    uint32_t ports = 1u + r.last - r.first, start = em_random_below(&em_clock_system, ports);

    at.u.any.sa_family = b->conf.remote.u.any.sa_family;
    if (tcp(b) && on(fd, SOL_SOCKET, SO_REUSEADDR) != 0)
        return errno;
    for (uint32_t i = 0; i < ports && i < EM_BULK_PORT_TRIES; i++) {
        em_addr_set_port(&at, (uint16_t)(r.first + (start + i) % ports));
        if (bind(fd, &at.u.any, at.len) == 0)
            return 0;
        if (errno != EADDRINUSE)
            return errno;
    }
    return EADDRNOTAVAIL;
}

static int lane_socket(struct ev_bulk *b, uint32_t lane)
{
    bool v6 = b->conf.remote.u.any.sa_family == AF_INET6;
    int type = (tcp(b) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, error = 0;
    int fd = socket(b->conf.remote.u.any.sa_family, type, 0);
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET | (tcp(b) ? EPOLLOUT | EPOLLRDHUP : 0),
                              .data.u32 = lane };

    if (fd < 0)
        return errno;
    if ((v6 ? on(fd, SOL_IPV6, IPV6_RECVERR) : on(fd, SOL_IP, IP_RECVERR)) != 0 ||
        (b->conf.no_delay && tcp(b) && on(fd, IPPROTO_TCP, TCP_NODELAY) != 0) ||
        (b->conf.speaks_first && tcp(b) && on(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) != 0))
        error = errno;
    if (!error && b->conf.source_ports.first)
        error = bind_in_range(b, fd);
    if (!error && epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
        error = errno;
    if (error)
        close(fd);
    else
        b->lane[lane] = (struct lane) { .fd = fd, .state = IDLE };
    return error;
}

static void give_back(struct ev_bulk *b, uint32_t lane)
{
    close(b->lane[lane].fd);
    b->lane[lane] = (struct lane) { .fd = -1, .state = NO_SOCKET };
    b->idle[b->conf.lanes_max - 1 - b->bare_n++] = lane;
}

/* Resources that come back when something else has ended. */
static bool for_now(int error)
{
    static const int rows[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EADDRINUSE, EAGAIN, ENOSPC };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i] == error)
            return true;
    return false;
}

static int cannot(struct em_net_error *e, int error)
{
    *e = em_errno_error(error, EM_PHASE_OPEN);
    return for_now(error) ? EM_ERR_BUSY : EM_ERR_SYSTEM;
}

static int take_lane(struct ev_bulk *b, uint32_t *lane)
{
    int error;

    if (b->idle_n > 0) {
        *lane = b->idle[--b->idle_n];
        return 0;
    }
    *lane = b->idle[b->conf.lanes_max - b->bare_n];
    error = lane_socket(b, *lane);
    if (!error)
        b->bare_n--;
    return error;
}

/* The queues of a UDP socket may hold what came for the port before. */
static void forget_former(struct ev_bulk *b, struct lane *l)
{
    struct em_net_error e;

    for (int i = 0; i < EM_READS_PER_TURN && em_errqueue_next(l->fd, &e); i++)
        ;
    while (recv(l->fd, b->net->read, EM_BULK_READ_MAX, MSG_DONTWAIT) >= 0)
        ;
}

/* A socket that is used again keeps one source port from then on, which saves the kernel the search for one and the giving back. Not
 * sooner: a sweep through silence uses each of thousands of sockets only once. The kernel keeps a port only that was asked for by number; if
 * somebody else has it, things stay as they are. */
static void settle(const struct ev_bulk *b, const struct lane *l)
{
    struct em_addr any = { .len = b->conf.remote.len };

    if (!tcp(b) || b->conf.source_ports.first)
        return;
    any.u.any.sa_family = b->conf.remote.u.any.sa_family;
    em_addr_set_port(&any, (uint16_t)(b->usual.first + em_random_below(&em_clock_system,
                                                                       1u + b->usual.last - b->usual.first)));
    if (on(l->fd, SOL_SOCKET, SO_REUSEADDR) == 0)
        (void)bind(l->fd, &any.u.any, any.len);
}

int em_bulk_open_event(struct em_bulk *bulk, uint16_t port, uint32_t *lane, struct em_net_error *e)
{
    struct ev_bulk *b = (struct ev_bulk *)bulk;
    struct em_addr to = b->conf.remote;
    struct lane *l;
    uint32_t at;
    int error;

    *e = (struct em_net_error) { .kind = EM_NET_LOCAL };
    if (b->idle_n + b->bare_n == 0)
        return EM_ERR_BUSY;
    if ((error = take_lane(b, &at)) != 0)
        return cannot(e, error);
    l = &b->lane[at];
    em_addr_set_port(&to, port);
    if (l->unheard)
        forget_former(b, l);
    if (l->uses == 1)
        settle(b, l);
    error = connect(l->fd, &to.u.any, to.len) == 0 ? 0 : errno;
    if (error && error != EINPROGRESS) {
        *e = reason_of(l->fd, error, EM_PHASE_OPEN);
        if (for_now(error)) {
            give_back(b, at); /* it may be its source port that does not do */
            return EM_ERR_BUSY;
        }
        b->idle[b->idle_n++] = at;
        return EM_ERR_SYSTEM;
    }
    l->port = port;
    l->state = tcp(b) ? CONNECTING : OPEN;
    if (l->uses < 2)
        l->uses++;
    l->fresh = l->blocked = false;
    l->unheard = !tcp(b);
    l->soft_error = 0;
    *lane = at;
    return 0;
}

void em_bulk_close_event(struct em_bulk *bulk, uint32_t lane)
{
    static const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
    struct ev_bulk *b = (struct ev_bulk *)bulk;
    struct lane *l = &b->lane[lane];

    assert(l->state == CONNECTING || l->state == OPEN);
    if (tcp(b) && !l->fresh && !(b->shrinking && l->state == CONNECTING))
        connect(l->fd, &nowhere, sizeof nowhere);
    l->state = IDLE;
    if (b->shrinking)
        give_back(b, lane);
    else
        b->idle[b->idle_n++] = lane;
}

void em_bulk_shrink_event(struct em_bulk *bulk)
{
    struct ev_bulk *b = (struct ev_bulk *)bulk;

    b->shrinking = true;
}

size_t em_bulk_send_event(struct em_bulk *bulk, uint32_t lane, const void *p, size_t n)
{
    struct ev_bulk *b = (struct ev_bulk *)bulk;
    struct lane *l = &b->lane[lane];
    ssize_t sent = send(l->fd, p, n, MSG_NOSIGNAL);

    /* An error that was waiting is returned in place of sending: what it means comes by the queue, or by the next recv(2). */
    if (sent < 0 && errno != EAGAIN)
        sent = send(l->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0)
        sent = 0;
    l->blocked = (size_t)sent < n;
    return (size_t)sent;
}

void em_bulk_info_event(struct em_bulk *bulk, uint32_t lane, struct em_tcp_info *info)
{
    struct ev_bulk *b = (struct ev_bulk *)bulk;

    if (!tcp(b))
        return;
    em_tcp_info_read(b->lane[lane].fd, info);
    info->soft_error = b->lane[lane].soft_error;
}

struct em_bulk *em_bulk_new_event(struct em_net *n, const struct em_bulk_conf *conf,
                                  const struct em_bulk_events *events, void *arg)
{
    struct ev_bulk *b = calloc(1, sizeof *b);
    uint32_t lanes = conf->lanes_max < EM_BULK_LANES_MAX ? conf->lanes_max : EM_BULK_LANES_MAX;

    assert(lanes > 0);
    if (!b)
        return NULL;
    *b = (struct ev_bulk) {
        .is = { n->ops }, .net = (struct ev_net *)n, .conf = *conf, .events = *events, .arg = arg
    };
    b->conf.lanes_max = lanes;
    b->usual = em_socket_usual_ports();
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    b->lane = calloc(lanes, sizeof *b->lane);
    b->idle = calloc(lanes, sizeof *b->idle);
    b->net->objects++;
    if (b->lane && b->idle && b->epoll >= 0)
        b->watch = em_net_watch(n, b->epoll, on_ready, b);
    if (!b->watch) {
        em_bulk_free_event(&b->is);
        return NULL;
    }
    for (b->bare_n = 0; b->bare_n < lanes; b->bare_n++) {
        b->lane[b->bare_n].fd = -1;
        b->idle[b->bare_n] = b->bare_n;
    }
    return &b->is;
}

void em_bulk_free_event(struct em_bulk *bulk)
{
    static const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
    struct ev_bulk *b = (struct ev_bulk *)bulk;

    assert(!b->turning);
    em_watch_free(b->watch);
    for (uint32_t i = 0; b->watch && i < b->conf.lanes_max; i++) {
        if (b->lane[i].state == NO_SOCKET)
            continue;
        if (tcp(b) && b->lane[i].state == OPEN && !b->lane[i].fresh)
            connect(b->lane[i].fd, &nowhere, sizeof nowhere);
        close(b->lane[i].fd);
    }
    if (b->epoll >= 0)
        close(b->epoll);
    b->net->objects--;
    free(b->lane);
    free(b->idle);
    free(b);
}
