/* SPDX-License-Identifier: GPL-3.0-or-later
 * The responder: a list of listeners, a bounded list of TCP clients in the order of their last sign of life, and one function that
 * turns a STUN Binding request into its answer. */
#include "probe/respond.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "wire/stun.h"

enum {
    FRAME_MAX = 2048, /* a request; a client that announces more is closed */
    RFC4571_SIZE = 2, /* length before each packet on a media connection (RFC 4571 section 2) */
};

struct client {
    TAILQ_ENTRY(client) link;
    struct em_responder *owner;
    struct em_conn *conn;
    struct em_addr from;
    int64_t last_us;
    uint64_t bytes; /* received so far */
    uint8_t pending[FRAME_MAX + RFC4571_SIZE];
    size_t pending_n;
};

struct em_responder {
    struct em_net *net;
    struct em_listener **listeners;
    size_t listeners_n;
    TAILQ_HEAD(clients, client) clients; /* the head said something least recently */
    struct em_timer *sweep;              /* set while there are clients */
    struct em_respond_stats stats;
};

static struct stun_addr seen_as(const struct em_addr *a)
{
    struct stun_addr s = { .family = a->u.any.sa_family == AF_INET6 ? 6 : 4, .port = em_addr_port(a) };

    if (s.family == 6)
        memcpy(s.ip, &a->u.v6.sin6_addr, 16);
    else
        memcpy(s.ip, &a->u.v4.sin_addr, 4);
    return s;
}

/* Success with what we saw; or, when the request has attributes that must be understood and are not, error 420 that lists them (RFC 8489
 * section 6.3.1). extra: also what may be left out. */
static void compose(const struct stun_msg *m, const struct em_addr *from, bool extra, struct buf *b)
{
    struct stun_addr mapped = seen_as(from);

    stun_begin(b, STUN_BINDING, m->unknown_n ? STUN_ERROR : STUN_SUCCESS, m->tid);
    if (m->unknown_n) {
        stun_put_error(b, 420, extra ? SLICE("Unknown Attribute") : SLICE(""));
        stun_put_unknown(b, m);
    } else {
        stun_put_xor_addr(b, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
    }
    if (extra)
        stun_put_text(b, STUN_ATTR_SOFTWARE, SLICE("edgemedia"));
    if (m->fingerprint_present)
        stun_put_fingerprint(b);
}

/* Writes the answer into b; false when these bytes are no request of ours. Never larger than twice the request: of an answer that would
 * be, SOFTWARE and the reason are left out, and the bare answer (32 bytes for IPv4, 44 for IPv6) is dropped if even it is: over IPv6 a request
 * must carry something, as those of every probe of ours do. */
static bool answer(const uint8_t *p, size_t n, const struct em_addr *from, struct buf *b)
{
    struct stun_msg m;

    if (stun_parse(p, n, &m) != 0 || m.class != STUN_REQUEST || m.method != STUN_BINDING)
        return false;
    if (m.fingerprint_present && !m.fingerprint_right)
        return false;
    for (int extra = 1; extra >= 0; extra--) {
        compose(&m, from, extra, b);
        if (!b->full && b->n <= 2 * n)
            return true;
    }
    return false;
}

static void on_datagram(void *arg, struct em_listener *l, const uint8_t *p, size_t n,
                        const struct em_addr *from)
{
    struct em_responder *r = arg;
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);

    if (!answer(p, n, from, &b)) {
        r->stats.refused++;
        return;
    }
    r->stats.requests++;
    r->stats.answers++;
    em_listener_send_to(l, b.p, b.n, from);
}

static void drop(struct client *c, bool reset)
{
    TAILQ_REMOVE(&c->owner->clients, c, link);
    c->owner->stats.clients--;
    em_conn_close(c->conn, reset);
    free(c);
}

/* Whether the first n bytes can be the beginning of a Binding request. */
static bool begins_request(const uint8_t *p, size_t n)
{
    static const uint8_t type[] = { 0, STUN_BINDING },
                         cookie[] = { STUN_COOKIE >> 24, STUN_COOKIE >> 16 & 0xFF, STUN_COOKIE >> 8 & 0xFF,
                                      STUN_COOKIE & 0xFF };

    if (memcmp(p, type, n < sizeof type ? n : sizeof type) != 0)
        return false;
    return n <= 4 || memcmp(p + 4, cookie, n - 4 < sizeof cookie ? n - 4 : sizeof cookie) == 0;
}

/*
 * Bare:      | 00 01 | length (16) | 21 12 A4 42 | ...
 * RFC 4571:  | size of the packet (16) | the same |
 * A packet has 20 bytes at least, so the first two bytes tell the two apart; a size of 0 is a packet without bytes (RFC 6544 section 3).
 *
 * Size of the first packet in pending and where its STUN message begins. 0: more is needed; <0: neither, as soon as that is seen.
 */
static int next_packet(const uint8_t *p, size_t n, size_t *skip)
{
    size_t size;

    if (n < RFC4571_SIZE)
        return 0;
    *skip = 0;
    size = (size_t)p[0] << 8 | p[1];
    if (size == STUN_BINDING)
        return begins_request(p, n) ? stun_frame(p, n) : EM_ERR_INPUT;
    *skip = RFC4571_SIZE;
    if (size == 0)
        return RFC4571_SIZE;
    if (size < STUN_HEADER_SIZE || size > FRAME_MAX || !begins_request(p + RFC4571_SIZE, n - RFC4571_SIZE))
        return EM_ERR_INPUT;
    return n >= size + RFC4571_SIZE ? (int)(size + RFC4571_SIZE) : 0;
}

/* Answers one packet, framed as the request was. */
static bool answer_packet(struct client *c, size_t size, size_t skip)
{
    uint8_t room[RFC4571_SIZE + STUN_REQUEST_MAX];
    struct buf b = buf_over(room + skip, sizeof room - skip);

    if (!answer(c->pending + skip, size - skip, &c->from, &b))
        return false;
    if (skip) {
        room[0] = (uint8_t)(b.n >> 8);
        room[1] = (uint8_t)b.n;
    }
    c->owner->stats.requests++;
    c->owner->stats.answers++;
    em_conn_send(c->conn, room, skip + b.n);
    return true;
}

/* Answers every whole packet; false when the client is to be closed. */
static bool serve(struct client *c)
{
    size_t skip = 0;
    int size;

    while ((size = next_packet(c->pending, c->pending_n, &skip)) > 0) {
        if ((size_t)size > skip && !answer_packet(c, (size_t)size, skip))
            return false;
        c->pending_n -= (size_t)size;
        memmove(c->pending, c->pending + size, c->pending_n);
    }
    return size == 0 && c->pending_n < sizeof c->pending;
}

static void on_data(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct client *c = arg;

    (void)from;
    c->last_us = em_mono_us(em_net_clock(c->owner->net));
    TAILQ_REMOVE(&c->owner->clients, c, link);
    TAILQ_INSERT_TAIL(&c->owner->clients, c, link);
    c->bytes += n;
    while (n > 0 && c->bytes <= EM_RESPOND_CLIENT_BYTES_MAX) {
        size_t part = sizeof c->pending - c->pending_n < n ? sizeof c->pending - c->pending_n : n;

        memcpy(c->pending + c->pending_n, p, part);
        c->pending_n += part;
        p += part;
        n -= part;
        if (!serve(c))
            break;
        if (n == 0)
            return;
    }
    c->owner->stats.refused++;
    drop(c, false);
}

static void on_eof(void *arg)
{
    drop(arg, false);
}

static void on_error(void *arg, const struct em_net_error *e)
{
    (void)e;
    drop(arg, false);
}

/* The clients stand in the order of their last sign of life: the first one's deadline is the next. */
static void on_sweep(void *arg)
{
    struct em_responder *r = arg;
    int64_t quiet_since = em_mono_us(em_net_clock(r->net)) - EM_RESPOND_IDLE_MAX_S * EM_US_PER_S;
    struct client *c;

    while ((c = TAILQ_FIRST(&r->clients)) && c->last_us <= quiet_since)
        drop(c, true);
    if (c)
        em_timer_at(r->sweep, c->last_us + EM_RESPOND_IDLE_MAX_S * EM_US_PER_S);
}

static void on_accepted(void *arg, struct em_conn *conn, const struct em_addr *from)
{
    static const struct em_conn_events events = { .data = on_data, .eof = on_eof, .error = on_error };
    struct em_responder *r = arg;
    struct client *c;

    if (r->stats.clients == EM_RESPOND_CLIENTS_MAX)
        drop(TAILQ_FIRST(&r->clients), true);
    if (!(c = calloc(1, sizeof *c))) {
        em_conn_close(conn, true);
        return;
    }
    c->owner = r;
    c->conn = conn;
    c->from = *from;
    c->last_us = em_mono_us(em_net_clock(r->net));
    TAILQ_INSERT_TAIL(&r->clients, c, link);
    if (r->stats.clients++ == 0)
        on_sweep(r);
    em_conn_take(conn, &events, c);
}

static int listen_on(struct em_responder *r, const struct em_respond_conf *conf, uint16_t port,
                     enum em_transport transport, struct em_why *why)
{
    static const struct em_listen_events events = { on_accepted, on_datagram };
    struct em_addr at = conf->address;

    if (at.u.any.sa_family == AF_INET6)
        at.u.v6.sin6_port = htons(port);
    else
        at.u.v4.sin_port = htons(port);
    if (!(r->listeners[r->listeners_n] = em_net_listen(r->net, transport, &at, &events, r, why)))
        return EM_ERR_SYSTEM;
    r->listeners_n++;
    return 0;
}

static int listen_everywhere(struct em_responder *r, const struct em_respond_conf *conf, struct em_why *why)
{
    int err = 0;

    for (unsigned port = conf->ports.first; port <= conf->ports.last && err == 0; port++) {
        if (conf->udp)
            err = listen_on(r, conf, (uint16_t)port, EM_TRANSPORT_UDP, why);
        if (conf->tcp && err == 0)
            err = listen_on(r, conf, (uint16_t)port, EM_TRANSPORT_TCP, why);
    }
    return err;
}

int em_responder_start(struct em_net *net, const struct em_respond_conf *conf,
                       struct em_responder **responder, struct em_why *why)
{
    size_t ports = (size_t)conf->ports.last - conf->ports.first + 1;
    struct em_responder *r;
    int err;

    if (conf->ports.first == 0 || conf->ports.last < conf->ports.first || ports > EM_RESPOND_PORTS_MAX)
        return em_fail(why, EM_ERR_LIMIT,
                       "%u-%u: at most %d ports, from 1 on, can be answered by one responder",
                       conf->ports.first, conf->ports.last, EM_RESPOND_PORTS_MAX);
    if (!conf->udp && !conf->tcp)
        return em_fail(why, EM_ERR_INPUT, "neither UDP nor TCP was asked for: nothing to listen on");
    if (!(r = calloc(1, sizeof *r)) || !(r->listeners = calloc(2 * ports, sizeof(struct em_listener *)))) {
        free(r);
        return em_fail(why, EM_ERR_MEMORY, "no memory for a responder on %zu ports", ports);
    }
    r->net = net;
    TAILQ_INIT(&r->clients);
    if (!(r->sweep = em_timer_new(net, on_sweep, r)))
        err = em_fail(why, EM_ERR_MEMORY, "no memory for a timer");
    else
        err = listen_everywhere(r, conf, why);
    if (err) {
        em_responder_stop(r);
        return err;
    }
    *responder = r;
    return 0;
}

void em_responder_stats(const struct em_responder *r, struct em_respond_stats *stats)
{
    *stats = r->stats;
}

void em_responder_stop(struct em_responder *r)
{
    struct client *c;

    if (!r)
        return;
    while ((c = TAILQ_FIRST(&r->clients)))
        drop(c, true);
    while (r->listeners_n > 0)
        em_listener_close(r->listeners[--r->listeners_n]);
    em_timer_free(r->sweep);
    free(r->listeners);
    free(r);
}
