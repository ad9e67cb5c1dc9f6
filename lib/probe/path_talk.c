/* SPDX-License-Identifier: GPL-3.0-or-later
 * One connection of the differential test: a payload goes out, and what came of it is counted. */
#include <string.h>

#include "probe/path_part.h"
#include "wire/stun.h"

enum {
    PROLONGED_MAX = 2, /* times that a payload is waited for longer, because TCP has not sent it again yet */
    RESENT_LEAST = 2,  /* transmissions after the first one before a payload is called dropped */
    LOCALS_MAX = 30,   /* failures of this machine in a row, a second apart, before the rest is given up */
    MEDIA_FRAME =
        3, /* which frame of payload sharing is sent: a small one, so that its size decides nothing */
};

static struct em_path_counts *counts(struct path_talk *t)
{
    return &t->path->result.table.payload[t->payload];
}

/* What the kernel sent again of the payload, not of the handshake. */
static uint32_t resent(struct path_talk *t, struct em_tcp_info *info)
{
    em_conn_info(t->conn, info);
    return info->total_retrans > t->syns ? info->total_retrans - t->syns : 0;
}

static void close_talk(struct path_talk *t)
{
    em_conn_close(t->conn, true);
    t->conn = NULL;
    em_timer_stop(t->timer);
}

/* outcome: which count of this payload grows. */
static void end(struct path_talk *t, uint32_t *outcome)
{
    struct em_path *p = t->path;
    struct em_path_counts *c = counts(t);
    struct em_tcp_info info = { 0 };
    uint32_t again = 0;

    if (path_tcp(p)) {
        again = t->connected ? resent(t, &info) : 0;
        c->retransmits += t->connected ? again + t->syns : info.total_retrans;
        c->syn_hit += t->syns > 0;
    } else {
        again = t->sends > 1 ? t->sends - 1 : 0;
        c->retransmits += again;
    }
    p->locals = 0;
    c->tries++;
    ++*outcome;
    if (again && outcome != &c->dropped)
        c->again++;
    if (outcome == &c->answered) {
        c->again_answered += again > 0;
        c->rtt_us_sum += t->sent_us ? (uint64_t)(path_now(p) - t->sent_us) : 0;
    }
    p->ended++;
    p->running--;
    close_talk(t);
    path_soon(p);
}

/* --- no connection ------------------------------------------------------------------------------------------------------------ */

static void note_sends(struct em_path_counts *c, uint32_t sends)
{
    if (c->sends_least == 0 || sends < c->sends_least)
        c->sends_least = sends;
}

static void not_connected(struct path_talk *t, uint32_t *outcome)
{
    struct em_path_counts *c = counts(t);
    struct em_tcp_info info = { 0 };

    em_conn_info(t->conn, &info);
    t->syns = info.total_retrans;
    if (outcome == &c->unconnected) {
        note_sends(c, info.total_retrans + 1);
        c->syn_hit += t->syns == 0; /* else end() counts it */
        c->retransmits += t->syns;
    }
    end(t, outcome);
}

/* It is no try: this machine had no socket or port. It is made up for later. */
static void local_error(struct path_talk *t, const struct em_net_error *e)
{
    struct em_path *p = t->path;

    em_net_error_text(e, p->local, sizeof p->local);
    if (++p->locals >= LOCALS_MAX)
        p->plan_at = p->plan_n;
    else if (p->plan_n < p->plan_max)
        p->plan[p->plan_n++] = (uint8_t)t->payload;
    p->ended++;
    p->running--;
    close_talk(t);
    p->next_us = path_now(p) + EM_PATH_HOLD_MS * EM_US_PER_MS; /* others must end first */
    path_soon(p);
}

static uint32_t *error_count(struct em_path_counts *c, enum em_net_error_kind kind)
{
    switch (kind) {
    case EM_NET_REFUSED_RST:
    case EM_NET_ICMP_PORT:
        return &c->refused;
    case EM_NET_ICMP_PROHIBITED:
        return &c->prohibited;
    case EM_NET_ICMP_UNREACHABLE:
    case EM_NET_ICMP_TTL:
        return &c->unreachable;
    default:
        return &c->unconnected;
    }
}

/* --- deadlines ---------------------------------------------------------------------------------------------------------------- */

/* TCP: the payload waits for its acknowledgement or its answer. One that was hardly sent again proves nothing yet. */
static void asked_in_vain(struct path_talk *t)
{
    struct em_path_counts *c = counts(t);
    struct em_tcp_info info = { 0 };
    uint32_t again = resent(t, &info);

    if (!info.valid || info.bytes_acked >= t->out_n) {
        end(t, &c->acknowledged);
    } else if (again < RESENT_LEAST && t->prolonged < PROLONGED_MAX) {
        t->prolonged++;
        em_timer_at(t->timer, path_now(t->path) + t->path->conf.timeout_us);
    } else {
        end(t, &c->dropped);
    }
}

static int64_t request_wait(const struct path_talk *t)
{
    return (EM_PATH_RTO_MS * EM_US_PER_MS) << (t->sends - 1);
}

static void send_datagram(struct path_talk *t)
{
    int64_t deadline = t->began_us + t->path->conf.timeout_us, next;

    em_conn_send(t->conn, t->out, t->out_n);
    t->sends++;
    next = path_now(t->path) + request_wait(t);
    if (next + request_wait(t) > deadline) /* the last request has the rest */
        next = deadline;
    em_timer_at(t->timer, next);
}

/* Not counted: nobody has offered to echo anything. */
static void no_echo(struct path_talk *t)
{
    struct em_path *p = t->path;

    p->ended++;
    p->running--;
    close_talk(t);
    path_soon(p);
}

static void on_timer(void *arg)
{
    struct path_talk *t = arg;
    struct em_path_counts *c = counts(t);

    if (!path_tcp(t->path)) {
        if (path_now(t->path) < t->began_us + t->path->conf.timeout_us) {
            send_datagram(t);
            return;
        }
        if (t->payload == EM_PATH_MEDIA && !t->has_token) {
            no_echo(t);
            return;
        }
        note_sends(c, t->sends);
        end(t, &c->dropped);
    } else if (!t->connected) {
        not_connected(t, &c->unconnected);
    } else if (t->payload == EM_PATH_HANDSHAKE) {
        end(t, &c->answered);
    } else {
        asked_in_vain(t);
    }
}

/* --- events ------------------------------------------------------------------------------------------------------------------- */

static void on_connected(void *arg)
{
    struct path_talk *t = arg;
    struct em_tcp_info info = { 0 };
    int64_t now_us = path_now(t->path);

    em_conn_info(t->conn, &info);
    t->connected = true;
    t->syns = info.total_retrans;
    if (t->payload == EM_PATH_HANDSHAKE) {
        em_timer_at(t->timer, now_us + EM_PATH_HOLD_MS * EM_US_PER_MS);
        return;
    }
    t->sent_us = now_us;
    em_conn_send(t->conn, t->out, t->out_n);
    em_timer_at(t->timer, now_us + t->path->conf.timeout_us);
}

/* A responder gives a token to who asks; then media frames are sent in place of requests, and come back as they are. */
static bool take_token(struct path_talk *t, const uint8_t *p, size_t n)
{
    static const uint8_t none[SHARING_TOKEN];
    struct stun_msg m;
    struct stun_walk w;
    const uint8_t *token;

    if (stun_parse(p, n, &m) != 0)
        return false;
    w = stun_walk_of(&m);
    while (stun_walk_next(&w))
        if (w.type == SHARING_ATTR_TOKEN && cur_left(&w.value) == SHARING_TOKEN &&
            (token = cur_take(&w.value, SHARING_TOKEN)) && memcmp(token, none, SHARING_TOKEN) != 0) {
            memcpy(t->sharing.token, token, SHARING_TOKEN);
            t->has_token = true;
        }
    return t->has_token;
}

static void media_heard(struct path_talk *t, const uint8_t *p, size_t n)
{
    if (t->has_token) {
        if (n == t->out_n && memcmp(p, t->out, n) == 0)
            end(t, &counts(t)->answered);
        return;
    }
    if (!take_token(t, p, n)) {
        no_echo(t);
        return;
    }
    memcpy(&t->sharing.ssrc, t->random, sizeof t->sharing.ssrc);
    t->out_n = sharing_frame(&t->sharing, MEDIA_FRAME, t->out);
    t->sends = 0;
    t->began_us = t->sent_us = path_now(t->path);
    send_datagram(t);
}

static void stranger(struct path_talk *t, enum em_verdict v, const char *reason)
{
    struct em_path *p = t->path;

    if (!p->stranger_verdict) {
        p->stranger_verdict = v;
        memcpy(p->stranger, reason, sizeof p->stranger);
    }
    end(t, &counts(t)->intercepted);
}

static void on_data(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct path_talk *t = arg;
    char reason[EM_REASON_MAX] = "";
    enum em_verdict v;
    enum em_path_answer is;

    (void)from;
    if (!path_tcp(t->path))
        t->in_n = 0; /* each datagram is one message */
    if (n > sizeof t->in - t->in_n)
        n = sizeof t->in - t->in_n;
    memcpy(t->in + t->in_n, p, n);
    t->in_n += n;
    is = em_path_read(t->payload, t->path->conf.transport, t->random, t->in, t->in_n, &v, reason,
                      sizeof reason);
    if (t->payload == EM_PATH_MEDIA && (t->has_token || is == EM_PATH_ANSWER))
        media_heard(t, t->in, t->in_n);
    else if (is == EM_PATH_ANSWER)
        end(t, &counts(t)->answered);
    else if (is == EM_PATH_STRANGER && path_tcp(t->path))
        stranger(t, v, reason);
    /* Anybody may send a datagram: only an answer ends the waiting. */
}

static void on_eof(void *arg)
{
    struct path_talk *t = arg;

    end(t, &counts(t)->closed);
}

static void on_error(void *arg, const struct em_net_error *e)
{
    struct path_talk *t = arg;
    struct em_path_counts *c = counts(t);
    struct em_tcp_info info = { 0 };

    if (e->kind == EM_NET_LOCAL) {
        local_error(t, e);
    } else if (!path_tcp(t->path)) {
        if (e->kind != EM_NET_ICMP_TOO_BIG)
            end(t, error_count(c, e->kind));
    } else if (!t->connected) {
        not_connected(t, error_count(c, e->kind));
    } else if (e->kind == EM_NET_TIMED_OUT) {
        end(t, &c->dropped);
    } else {
        em_conn_info(t->conn, &info);
        c->reset_early += info.valid && info.bytes_acked < t->out_n;
        end(t, &c->reset);
    }
}

/* --- beginning and end ---------------------------------------------------------------------------------------------------------- */

/* Media begins with a request for a token. */
static void compose(struct path_talk *t)
{
    struct em_path *p = t->path;
    struct buf b = buf_over(t->out, sizeof t->out);

    em_random(p->clock, t->random, sizeof t->random);
    if (t->payload == EM_PATH_MEDIA) {
        static const uint8_t zeros[SHARING_TOKEN];

        stun_begin(&b, STUN_BINDING, STUN_REQUEST, t->random);
        stun_put(&b, SHARING_ATTR_TOKEN, zeros, sizeof zeros);
        stun_put_fingerprint(&b);
    } else {
        em_path_write(t->payload, p->conf.transport, t->random, &b);
    }
    t->out_n = b.n;
}

void path_talk_begin(struct path_talk *t, enum em_path_payload payload)
{
    static const struct em_conn_events events = {
        .connected = on_connected, .data = on_data, .eof = on_eof, .error = on_error
    };
    struct em_path *p = t->path;
    struct em_open how = { .transport = p->conf.transport,
                           .remote = p->conf.address,
                           .source_ports = p->conf.source_ports };
    struct em_timer *timer = t->timer;

    *t = (struct path_talk) { .path = p, .timer = timer, .payload = payload, .began_us = path_now(p) };
    compose(t);
    p->running++;
    t->conn = em_net_open(p->net, &how, &events, t);
    if (!t->conn) { /* no memory: as any other lack of this machine */
        p->running--;
        p->ended++;
        path_soon(p);
    } else if (path_tcp(p)) {
        em_timer_at(t->timer, t->began_us + p->conf.timeout_us);
    } else {
        t->sent_us = t->began_us;
        send_datagram(t);
    }
}

bool path_talk_init(struct path_talk *t, struct em_path *p)
{
    t->path = p;
    t->timer = em_timer_new(p->net, on_timer, t);
    return t->timer;
}

void path_talk_stop(struct path_talk *t)
{
    em_conn_close(t->conn, true);
    em_timer_free(t->timer);
}
