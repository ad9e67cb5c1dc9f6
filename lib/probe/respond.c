/* SPDX-License-Identifier: GPL-3.0-or-later
 * The responder: a list of listeners, a bounded list of TCP clients in the order of their last sign of life, and one function that
 * turns a STUN Binding request into its answer; frames of payload sharing go back as they came. */
#include "probe/respond.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "probe/sharing.h"
#include "wire/hmac.h"
#include "wire/msice.h"
#include "wire/stun.h"
#include "wire/stun_auth.h"

enum {
    FRAME_MAX = 2048, /* a request; a client that announces more is closed */
    PAUSE_US = 20000, /* a connection over the rate is looked at again after this */
    RFC4571_SIZE = 2, /* length before each packet on a media connection (RFC 4571 section 2) */
    PENDING_MAX = FRAME_MAX + RFC4571_SIZE,
};

struct client {
    TAILQ_ENTRY(client) link;
    struct em_responder *owner;
    struct em_conn *conn;
    struct em_addr from;
    int64_t last_us;
    uint64_t bytes, media; /* of requests and of frames, received so far */
    bool proved;           /* a request of this connection was answered */
    bool paused;
    uint8_t *
        pending; /* the beginning of a packet: PENDING_MAX bytes, held until the packet is whole; NULL: none */
    size_t pending_n;
};

struct em_responder {
    struct em_net *net;
    struct em_listener **listeners;
    size_t listeners_n;
    TAILQ_HEAD(clients, client) clients; /* the head said something least recently */
    struct em_timer *sweep;              /* set while there are clients */
    struct em_respond_stats stats;
    struct stun_key key;          /* n 0: none */
    struct em_hash_key token_key; /* random */
    uint64_t rate;                /* bytes in a second */
    int64_t credit, credit_us;    /* bytes that may be sent now, and when that was so */
    struct em_timer *resume;      /* made when a client first has to wait */
    struct source {
        uint64_t id, bytes;
        int64_t since_us;
    } * sources; /* UDP: EM_RESPOND_SOURCES of them */
};

/* --- what may be sent ---------------------------------------------------------------------------------------------------------- */

/* The credit grows with time, up to what one second allows. */
static bool may_send(struct em_responder *r)
{
    int64_t now_us = em_mono_us(em_net_clock(r->net)), passed = now_us - r->credit_us;

    if (passed > EM_US_PER_S)
        passed = EM_US_PER_S;
    r->credit += (int64_t)((double)passed * (double)r->rate / (double)EM_US_PER_S);
    if (r->credit > (int64_t)r->rate)
        r->credit = (int64_t)r->rate;
    r->credit_us = now_us;
    return r->credit > 0;
}

static uint64_t source_id(const struct em_responder *r, const struct em_addr *a)
{
    uint8_t id[18] = { 0 };

    if (a->u.any.sa_family == AF_INET6)
        memcpy(id, &a->u.v6.sin6_addr, 16);
    else
        memcpy(id, &a->u.v4.sin_addr, 4);
    id[16] = (uint8_t)(em_addr_port(a) >> 8);
    id[17] = (uint8_t)em_addr_port(a);
    return em_hash(&r->token_key, id, sizeof id);
}

/* Whether this source may have n more bytes of echo now. */
static bool source_may(struct em_responder *r, uint64_t id, size_t n)
{
    struct source *s = &r->sources[id % EM_RESPOND_SOURCES];
    int64_t now_us = em_mono_us(em_net_clock(r->net));

    if (now_us - s->since_us >= EM_RESPOND_SOURCE_S * EM_US_PER_S) {
        s->since_us = now_us;
        s->bytes = 0;
    }
    s->bytes += n;
    return s->bytes <= EM_RESPOND_SOURCE_BYTES_MAX;
}

static struct stun_addr seen_as(const struct em_addr *a)
{
    struct stun_addr s = { .family = a->u.any.sa_family == AF_INET6 ? 6 : 4, .port = em_addr_port(a) };

    if (s.family == 6)
        memcpy(s.ip, &a->u.v6.sin6_addr, 16);
    else
        memcpy(s.ip, &a->u.v4.sin_addr, 4);
    return s;
}

/* Whether the request asks for a token of payload sharing. */
static bool wants_token(const struct stun_msg *m)
{
    struct stun_walk w = stun_walk_of(m);

    while (stun_walk_next(&w))
        if (w.type == SHARING_ATTR_TOKEN && cur_left(&w.value) == SHARING_TOKEN)
            return true;
    return false;
}

/* What is Microsoft's in a request ([MS-ICE2]): its answer is in kind. */
struct dialect {
    uint32_t version; /* 0: it is standard STUN */
    bool integrity;   /* by the rule of versions up to 2 */
};

static struct slice key_text(const struct em_responder *r)
{
    return (struct slice) { (const char *)r->key.bytes, r->key.n };
}

/* Whether whoever asks knows our key, if we have one; sets the rule by which the request is signed. */
static bool knows_key(const struct em_responder *r, const struct stun_msg *m, struct dialect *ice)
{
    if (r->key.n == 0 || stun_check_integrity(m, &r->key) == STUN_INTEGRITY_RIGHT)
        return true;
    ice->integrity = ice->version != 0 && msice_check_integrity(m, key_text(r)) == STUN_INTEGRITY_RIGHT;
    return ice->integrity;
}

/* Success with what we saw; or, when the request has attributes that must be understood and are not, error 420 that lists them (RFC 8489
 * section 6.3.1). extra: also what may be left out. */
static void compose(const struct em_responder *r, const struct stun_msg *m, const struct dialect *ice,
                    const struct em_addr *from, bool extra, struct buf *b)
{
    struct stun_addr mapped = seen_as(from);
    uint64_t token = source_id(r, from);

    stun_begin(b, STUN_BINDING, m->unknown_n ? STUN_ERROR : STUN_SUCCESS, m->tid);
    if (m->unknown_n) {
        stun_put_error(b, 420, extra ? SLICE("Unknown Attribute") : SLICE(""));
        stun_put_unknown(b, m);
    } else {
        stun_put_xor_addr(b, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
        if (wants_token(m))
            stun_put(b, SHARING_ATTR_TOKEN, &token, sizeof token);
    }
    if (extra)
        stun_put_text(b, STUN_ATTR_SOFTWARE, SLICE("edgemedia"));
    if (ice->version)
        stun_put_u32(b, MSICE_ATTR_IMPLEMENTATION_VERSION, MSICE_VERSION_OURS);
    if (r->key.n > 0 && ice->integrity)
        msice_put_integrity(b, key_text(r)); /* the fingerprint that it counts follows */
    else if (r->key.n > 0)
        stun_put_integrity(b, &r->key, m->integrity256_at > 0);
    if (m->fingerprint_legacy)
        stun_put_fingerprint_legacy(b);
    else if (m->fingerprint_present || ice->integrity)
        stun_put_fingerprint(b);
}

/* Writes the answer into b; false when these bytes are no request of ours. Never larger than twice the request: of an answer that would
 * be, SOFTWARE and the reason are left out, and the bare answer (32 bytes for IPv4, 44 for IPv6) is dropped if even it is: over IPv6 a request
 * must carry something, as those of every probe of ours do. */
static bool answer(const struct em_responder *r, const uint8_t *p, size_t n, const struct em_addr *from,
                   struct buf *b)
{
    struct stun_msg m;
    struct msice_msg ms;
    struct dialect ice = { 0 };

    if (stun_parse(p, n, &m) != 0 || m.class != STUN_REQUEST || m.method != STUN_BINDING)
        return false;
    if (m.fingerprint_present && !m.fingerprint_right && !m.fingerprint_legacy)
        return false;
    msice_parse(&m, &ms);
    ice.version = ms.version;
    if (!knows_key(r, &m, &ice))
        return false;
    for (int extra = 1; extra >= 0; extra--) {
        compose(r, &m, &ice, from, extra, b);
        if (!b->full && b->n <= 2 * n)
            return true;
    }
    return false;
}

/* A frame of somebody whom our token reached comes back. */
static bool echo_datagram(struct em_responder *r, struct em_listener *l, const uint8_t *p, size_t n,
                          const struct em_addr *from)
{
    uint64_t id = source_id(r, from);
    const uint8_t *token;

    if (!sharing_is_frame(p, n, &token) || !secret_same(token, &id, SHARING_TOKEN) || !source_may(r, id, n))
        return false;
    r->credit -= (int64_t)n;
    r->stats.echoed += n;
    em_listener_send_to(l, p, n, from);
    return true;
}

static void on_datagram(void *arg, struct em_listener *l, const uint8_t *p, size_t n,
                        const struct em_addr *from)
{
    struct em_responder *r = arg;
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);

    if (!may_send(r)) {
        r->stats.refused++;
        return;
    }
    if (echo_datagram(r, l, p, n, from))
        return;
    if (!answer(r, p, n, from, &b)) {
        r->stats.refused++;
        return;
    }
    r->stats.requests++;
    r->stats.answers++;
    r->credit -= (int64_t)b.n;
    em_listener_send_to(l, b.p, b.n, from);
}

static void drop(struct client *c, bool reset)
{
    TAILQ_REMOVE(&c->owner->clients, c, link);
    c->owner->stats.clients--;
    em_conn_close(c->conn, reset);
    free(c->pending);
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
 * A frame of payload sharing has its length before it like the second, and counts only after an answered request.
 *
 * Size of the first packet in pending and where what is in it begins. 0: more is needed; <0: neither, as soon as that is seen.
 */
static int next_packet(const uint8_t *p, size_t n, bool proved, size_t *skip)
{
    bool media = proved && n > RFC4571_SIZE && p[RFC4571_SIZE] == 0x80;
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
    if (size < STUN_HEADER_SIZE || size > FRAME_MAX ||
        (!media && !begins_request(p + RFC4571_SIZE, n - RFC4571_SIZE)))
        return EM_ERR_INPUT;
    return n >= size + RFC4571_SIZE ? (int)(size + RFC4571_SIZE) : 0;
}

/* Answers one packet, framed as the request was. */
static bool answer_packet(struct client *c, const uint8_t *p, size_t size, size_t skip)
{
    uint8_t room[RFC4571_SIZE + STUN_REQUEST_MAX];
    struct buf b = buf_over(room + skip, sizeof room - skip);

    c->bytes += size;
    if (c->bytes > EM_RESPOND_CLIENT_BYTES_MAX || !answer(c->owner, p + skip, size - skip, &c->from, &b))
        return false;
    if (skip) {
        room[0] = (uint8_t)(b.n >> 8);
        room[1] = (uint8_t)b.n;
    }
    c->proved = true;
    c->owner->stats.requests++;
    c->owner->stats.answers++;
    c->owner->credit -= (int64_t)(skip + b.n);
    em_conn_send(c->conn, room, skip + b.n);
    return true;
}

static bool echo_packet(struct client *c, const uint8_t *p, size_t size)
{
    const uint8_t *token;

    c->media += size;
    if (c->media > EM_RESPOND_MEDIA_MAX || !sharing_is_frame(p + RFC4571_SIZE, size - RFC4571_SIZE, &token))
        return false;
    c->owner->credit -= (int64_t)size;
    c->owner->stats.echoed += size - RFC4571_SIZE;
    em_conn_send(c->conn, p, size);
    return true;
}

static bool handle_packet(struct client *c, const uint8_t *p, size_t size, size_t skip)
{
    if (size == skip) { /* a length of zero */
        c->bytes += size;
        return c->bytes <= EM_RESPOND_CLIENT_BYTES_MAX;
    }
    return skip && p[skip] == 0x80 ? echo_packet(c, p, size) : answer_packet(c, p, size, skip);
}

/* Answers every whole packet at the beginning of p: how many bytes they were; <0 when the client is to be closed. */
static int serve(struct client *c, const uint8_t *p, size_t n)
{
    size_t skip = 0, done = 0;
    int size;

    while ((size = next_packet(p + done, n - done, c->proved, &skip)) > 0) {
        if (size > PENDING_MAX || !handle_packet(c, p + done, (size_t)size, skip))
            return EM_ERR_INPUT;
        done += (size_t)size;
    }
    return size < 0 || n - done >= PENDING_MAX ? EM_ERR_INPUT : (int)done;
}

/* Completes the packet that has begun by at most n bytes: how many were taken; <0 when the client is to be closed. */
static int serve_pending(struct client *c, const uint8_t *p, size_t n)
{
    size_t part = PENDING_MAX - c->pending_n < n ? PENDING_MAX - c->pending_n : n;
    uint8_t *longer = realloc(c->pending, c->pending_n + part);
    int done;

    if (!longer)
        return EM_ERR_MEMORY;
    c->pending = longer;
    memcpy(c->pending + c->pending_n, p, part);
    c->pending_n += part;
    if ((done = serve(c, c->pending, c->pending_n)) < 0)
        return done;
    c->pending_n -= (size_t)done;
    memmove(c->pending, c->pending + done, c->pending_n);
    if (c->pending_n == 0) {
        free(c->pending);
        c->pending = NULL;
    }
    return (int)part;
}

/* Most requests come whole and need no memory: only the beginning of one is kept. */
static bool take_bytes(struct client *c, const uint8_t *p, size_t n)
{
    int done;

    for (; c->pending_n > 0 && n > 0; p += done, n -= (size_t)done)
        if ((done = serve_pending(c, p, n)) < 0)
            return false;
    if (n == 0)
        return true;
    if ((done = serve(c, p, n)) < 0)
        return false;
    n -= (size_t)done;
    if (n == 0)
        return true;
    if (!(c->pending = malloc(n)))
        return false;
    memcpy(c->pending, p + done, n);
    c->pending_n = n;
    return true;
}

/* There is credit again: whoever had to wait is read on. */
static void on_resume(void *arg)
{
    struct em_responder *r = arg;
    struct client *c;

    if (!may_send(r)) {
        em_timer_at(r->resume, em_mono_us(em_net_clock(r->net)) + PAUSE_US);
        return;
    }
    TAILQ_FOREACH(c, &r->clients, link)
    if (c->paused) {
        c->paused = false;
        em_conn_pause(c->conn, false);
    }
}

static void pause_client(struct client *c)
{
    struct em_responder *r = c->owner;

    if (!r->resume && !(r->resume = em_timer_new(r->net, on_resume, r)))
        return;
    c->paused = true;
    em_conn_pause(c->conn, true);
    em_timer_at(r->resume, em_mono_us(em_net_clock(r->net)) + PAUSE_US);
}

static void on_data(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct client *c = arg;

    (void)from;
    c->last_us = em_mono_us(em_net_clock(c->owner->net));
    TAILQ_REMOVE(&c->owner->clients, c, link);
    TAILQ_INSERT_TAIL(&c->owner->clients, c, link);
    if (!take_bytes(c, p, n)) {
        c->owner->stats.refused++;
        drop(c, false);
        return;
    }
    if (!may_send(c->owner))
        pause_client(c);
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

static struct em_responder *responder_new(struct em_net *net, const struct em_respond_conf *conf,
                                          size_t ports)
{
    struct em_responder *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->net = net;
    r->rate = conf->rate ? conf->rate : EM_RESPOND_RATE;
    r->credit = (int64_t)r->rate;
    r->credit_us = em_mono_us(em_net_clock(net));
    em_random(em_net_clock(net), &r->token_key, sizeof r->token_key);
    TAILQ_INIT(&r->clients);
    if (!(r->listeners = calloc(2 * ports, sizeof(struct em_listener *))) ||
        !(r->sources = calloc(EM_RESPOND_SOURCES, sizeof *r->sources)) ||
        !(r->sweep = em_timer_new(net, on_sweep, r)) ||
        (conf->key.n > 0 && !stun_key_short(&r->key, conf->key))) {
        em_responder_stop(r);
        return NULL;
    }
    return r;
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
    if (conf->key.n > STUN_KEY_MAX)
        return em_fail(why, EM_ERR_LIMIT, "the shared key is longer than %d bytes", STUN_KEY_MAX);
    if (!(r = responder_new(net, conf, ports)))
        return em_fail(why, EM_ERR_MEMORY, "no memory for a responder on %zu ports", ports);
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
    em_timer_free(r->resume);
    stun_key_fini(&r->key);
    free(r->sources);
    free(r->listeners);
    free(r);
}
