/* SPDX-License-Identifier: GPL-3.0-or-later
 * A relay loop over TCP allocations (RFC 6062) with a server that does all as it should, but for bytes of a stranger on one of the four streams: instead of
 * an answer, behind one, or among the peer's data. The probe ends in its time, once, and leaves nothing open.
 *
 *     input: stream (0-3: near, far, and the data connections as they come) | before which answer | 1: in place of it | size of pieces | bytes */
#include <stdlib.h>
#include <string.h>

#include "base/cur.h"
#include "probe/probe.h"
#include "replay/net_play.h"
#include "wire/turn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAMS = 4, TIMEOUT_US = 3000000 };

struct stream {
    unsigned number, answers;
    struct em_conn *conn;
    bool raw;
};

static struct em_net *net;
static struct stream streams[STREAMS];
static unsigned connected, results, dones;
static uint8_t stranger[2]; /* stream, before which answer */
static bool in_place;
static size_t piece;
static struct cur bytes;

static void inject(struct stream *s)
{
    size_t left = cur_left(&bytes);

    for (size_t n; left > 0 && s->conn; left -= n) {
        n = left < piece ? left : piece;
        em_play_data(s->conn, cur_take(&bytes, n), n, NULL);
    }
}

static void opened(void *arg, struct em_conn *c)
{
    struct stream *s = arg;

    s->conn = c;
    s->number = connected++;
    em_play_accept(c);
}

static void attempt(struct stream *far)
{
    static const uint8_t tid[STUN_TID_SIZE] = { 1 };
    static const struct stun_addr peer = { 4, 50001, { 192, 0, 2, 1 } };
    uint8_t room[256];
    struct buf b = buf_over(room, sizeof room);

    if (!far->conn)
        return;
    stun_begin(&b, STUN_CONNECTION_ATTEMPT, STUN_INDICATION, tid);
    stun_put_u32(&b, STUN_ATTR_CONNECTION_ID, 8);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    em_play_data(far->conn, b.p, b.n, NULL);
}

static void answer(struct stream *s, const struct stun_msg *m)
{
    struct stun_addr relayed = { 4, (uint16_t)(50001 + s->number), { 192, 0, 2, 1 } };
    uint8_t room[256];
    struct buf b = buf_over(room, sizeof room);

    stun_begin(&b, m->method, STUN_SUCCESS, m->tid);
    if (m->method == STUN_ALLOCATE)
        stun_put_xor_addr(&b, STUN_ATTR_XOR_RELAYED_ADDRESS, &relayed);
    if (m->method == STUN_CONNECT)
        stun_put_u32(&b, STUN_ATTR_CONNECTION_ID, 7);
    stun_put_fingerprint(&b);
    em_play_data(s->conn, b.p, b.n, NULL);
    s->raw = m->method == STUN_CONNECTION_BIND;
    if (m->method == STUN_CONNECT)
        attempt(&streams[1]);
}

static void sent(void *arg, struct em_conn *c, const uint8_t *p, size_t n)
{
    struct stream *s = arg;
    struct stun_msg m;
    bool now = s->number == stranger[0] && s->answers++ == stranger[1];

    if (now)
        inject(s);
    if (s->raw && s->number >= 2 && streams[5 - s->number].raw && streams[5 - s->number].conn)
        em_play_data(streams[5 - s->number].conn, p, n, NULL);
    else if (!(now && in_place) && stun_parse(p, n, &m) == 0)
        answer(s, &m);
    (void)c;
}

static void closed(void *arg, struct em_conn *c, bool reset)
{
    struct stream *s = arg;

    (void)c, (void)reset;
    s->conn = NULL;
}

static void on_result(void *arg, const struct em_probe_result *r)
{
    (void)arg;
    results++;
    if (r->verdict == EM_VERDICT_OK && r->packets_back != r->packets_sent)
        abort();
}

static void on_done(void *arg)
{
    (void)arg;
    dones++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct em_play_host host = { opened, sent, closed };
    static const struct em_probe_events events = { on_result, on_done };
    const struct em_probe_options options = { .timeout_us = TIMEOUT_US };
    struct em_probe_uri uri;
    struct em_addr at;
    int64_t start;

    bytes = cur_of(data, size);
    stranger[0] = cur_u8(&bytes) % STREAMS;
    stranger[1] = cur_u8(&bytes) % 32;
    in_place = cur_u8(&bytes) & 1;
    piece = (size_t)cur_u8(&bytes) + 1;
    connected = results = dones = 0;
    memset(streams, 0, sizeof streams);
    net = em_play_new();
    if (!em_addr_read("192.0.2.1", 3478, &at) ||
        em_probe_uri_read("relay:192.0.2.1?transport=tcp&relayed=tcp", &uri, NULL) < 0)
        abort();
    for (size_t i = 0; i < STREAMS; i++)
        em_play_host(net, EM_TRANSPORT_TCP, &at, &host, &streams[i]);
    start = em_play_now(net);
    if (!em_probe_start(net, &uri, &options, &events, NULL))
        abort();
    while (em_play_turn(net))
        ;
    if (results != 1 || dones != 1 || em_play_now(net) - start > TIMEOUT_US)
        abort();
    em_net_free(net);
    return 0;
}
