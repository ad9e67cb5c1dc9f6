/* SPDX-License-Identifier: GPL-3.0-or-later
 * The responder's bounds and its reading of streams, on a network of which nothing is real: connections are rows of an array, and the clock is
 * moved by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "net/net_ops.h"
#include "probe/respond.h"
#include "wire/stun.h"

enum { CONNS_MAX = EM_RESPOND_CLIENTS_MAX + 2, SENT_MAX = 512 };

static struct fake_conn {
    struct em_conn is;
    struct em_conn_events events;
    void *arg;
    uint8_t sent[SENT_MAX];
    size_t sent_n;
    bool closed, reset;
} conns[CONNS_MAX];
static size_t conns_n;

static struct {
    struct em_timer is;
    void (*fire)(void *arg);
    void *arg;
    int64_t at; /* 0: not set */
} timer;

static struct fake_listener {
    struct em_listener is;
    enum em_transport transport;
    struct em_listen_events events;
    void *arg;
    bool open;
} listeners[4];
static size_t listeners_n;
static uint8_t sent_to[SENT_MAX];
static size_t sent_to_n, fail_at;

static struct em_clock_fake now;
static struct em_clock the_clock;
static struct em_responder *responder;
static struct em_addr peer;

static const struct em_clock *fake_clock(struct em_net *n)
{
    (void)n;
    return &the_clock;
}

static void fake_send(struct em_conn *c, const void *p, size_t n, const struct em_addr *to)
{
    struct fake_conn *f = (struct fake_conn *)c;

    (void)to;
    ck_assert(!f->closed);
    ck_assert_uint_le(n, sizeof f->sent);
    memcpy(f->sent, p, n); /* the last answer is what is looked at */
    f->sent_n = n;
}

static void fake_take(struct em_conn *c, struct em_tls_serve *serve, const struct em_conn_events *events,
                      void *arg)
{
    struct fake_conn *f = (struct fake_conn *)c;

    (void)serve;
    f->events = *events;
    f->arg = arg;
}

static void fake_close(struct em_conn *c, bool reset)
{
    struct fake_conn *f = (struct fake_conn *)c;

    ck_assert(!f->closed);
    f->closed = true;
    f->reset = reset;
}

static const struct em_net_ops ops;

static struct em_listener *fake_listen(struct em_net *n, enum em_transport transport,
                                       const struct em_addr *at, const struct em_listen_events *events,
                                       void *arg, struct em_why *why)
{
    struct fake_listener *l = &listeners[listeners_n];

    (void)n;
    (void)at;
    if (listeners_n == fail_at) {
        em_fail(why, EM_ERR_SYSTEM, "the port is taken");
        return NULL;
    }
    *l = (struct fake_listener) { { &ops }, transport, *events, arg, true };
    listeners_n++;
    return &l->is;
}

static void fake_listener_send(struct em_listener *l, const void *p, size_t n, const struct em_addr *to)
{
    (void)l;
    (void)to;
    ck_assert_uint_le(n, sizeof sent_to);
    memcpy(sent_to, p, n);
    sent_to_n = n;
}

static void fake_listener_close(struct em_listener *l)
{
    ck_assert(((struct fake_listener *)l)->open);
    ((struct fake_listener *)l)->open = false;
}

static struct em_timer *fake_timer(struct em_net *n, void (*fire)(void *arg), void *arg)
{
    (void)n;
    timer.is.ops = &ops;
    timer.fire = fire;
    timer.arg = arg;
    return &timer.is;
}

static void fake_timer_at(struct em_timer *t, int64_t deadline_us)
{
    (void)t;
    timer.at = deadline_us;
}

static void fake_timer_stop(struct em_timer *t)
{
    (void)t;
    timer.at = 0;
}

static const struct em_net_ops ops = {
    .clock = fake_clock,
    .conn_send = fake_send,
    .conn_take = fake_take,
    .conn_close = fake_close,
    .listen = fake_listen,
    .listener_send_to = fake_listener_send,
    .listener_close = fake_listener_close,
    .timer_new = fake_timer,
    .timer_at = fake_timer_at,
    .timer_stop = fake_timer_stop,
    .timer_free = fake_timer_stop,
};
static struct em_net net = { &ops };

static void start_with_rate(uint64_t rate)
{
    struct em_respond_conf conf = { .ports = { 50000, 50000 }, .udp = true, .tcp = true, .rate = rate };

    now = (struct em_clock_fake) { .mono = 1000 * EM_US_PER_S, .seed = 1 };
    the_clock = em_clock_fake(&now);
    fail_at = SIZE_MAX;
    ck_assert(em_addr_read("192.0.2.1", 0, &conf.address));
    ck_assert(em_addr_read("198.51.100.7", 40000, &peer));
    ck_assert_int_eq(em_responder_start(&net, &conf, &responder, NULL), 0);
    ck_assert_uint_eq(listeners_n, 2);
    ck_assert_int_eq(listeners[0].transport, EM_TRANSPORT_UDP);
}

static void start(void)
{
    start_with_rate(0);
}

/* Everything that was opened is closed. */
static void stop(void)
{
    em_responder_stop(responder);
    for (size_t i = 0; i < conns_n; i++)
        ck_assert(conns[i].closed);
    for (size_t i = 0; i < listeners_n; i++)
        ck_assert(!listeners[i].open);
    ck_assert_int_eq(timer.at, 0);
}

static struct fake_conn *connect_one(void)
{
    struct fake_conn *c = &conns[conns_n++];

    c->is.ops = &ops;
    listeners[1].events.accepted(listeners[1].arg, &c->is, &peer);
    ck_assert(c->closed || c->events.data);
    return c;
}

static void say(struct fake_conn *c, const void *p, size_t n)
{
    c->events.data(c->arg, p, n, &peer);
}

/* Time goes on; the timer fires when it is due. */
static void wait_us(int64_t us)
{
    int64_t end = now.mono + us;

    while (timer.at && timer.at <= end) {
        now.mono = timer.at > now.mono ? timer.at : now.mono;
        timer.at = 0;
        timer.fire(timer.arg);
    }
    now.mono = end;
}

static uint64_t clients(void)
{
    struct em_respond_stats stats;

    em_responder_stats(responder, &stats);
    return stats.clients;
}

static size_t request(uint8_t to[64])
{
    static const uint8_t tid[STUN_TID_SIZE] = { 7 };
    struct buf b = buf_over(to, 64);

    stun_begin(&b, STUN_BINDING, STUN_REQUEST, tid);
    return b.n;
}

/* A stream in hex, where '|' cuts it into what arrives at once, and Q is a request. */
static void say_stream(struct fake_conn *c, const char *name, const char *stream)
{
    static const char q[] = "000100002112a442070000000000000000000000";
    uint8_t room[1024], bytes[512];
    struct buf text = buf_over(room, sizeof room);

    for (const char *p = stream;; p++) {
        if (*p == 'Q') {
            buf_text(&text, q);
        } else if (*p && *p != '|') {
            buf_u8(&text, (uint8_t)*p);
        } else {
            ck_assert_msg(!c->closed, "%s: closed early", name);
            say(c, bytes, em_unhex(buf_str(&text), bytes, sizeof bytes));
            buf_reset(&text);
        }
        if (!*p)
            return;
    }
}

START_TEST(streams)
{
    static const struct {
        const char *name, *stream;
        unsigned answers;
        bool closed;
    } rows[] = {
        { "bare", "Q", 1, false },
        { "framed", "0014Q", 1, false },
        { "both, one after the other", "Q0014QQ", 3, false },
        { "a packet without bytes", "00000014Q0000", 1, false },
        { "byte by byte", "00|01|00|00|21|12|a4|42|07|00|00|00|00|00|00|00|00|00|00|00", 1, false },
        { "framed, byte by byte", "00|14|00|01|00|00|21|12|a4|42|07|00|00|00|00|00|00|00|00|00|00|00", 1,
          false },
        { "cut behind the next one's first byte", "Q00|14Q", 2, false },
        { "half", "000100002112a4", 0, false },
        { "nothing yet", "00", 0, false },
        { "a TLS hello", "16030100", 0, true },
        { "a TLS alert, at its third byte", "150303", 0, true },
        { "HTTP", "48545450", 0, true },
        { "a frame that is too short", "0013", 0, true },
        { "a frame that is too long", "0801", 0, true },
        { "a frame of something else", "00140100", 0, true },
        { "a wrong cookie, at once", "0001000020", 0, true },
        { "a wrong cookie in a frame", "00140001000020", 0, true },
        { "a Microsoft frame", "02000024", 0, true },
        { "a response", "010100002112a442070000000000000000000000", 0, true },
        { "an allocation", "0014000300002112a442070000000000000000000000", 0, true },
        { "a request, then garbage", "Q474554", 1, true },
        { "a length that is no multiple of 4", "000100032112a442", 0, true },
        { "a request of more than is taken", "0001fffc2112a442", 0,
          false }, /* closed when the room is full, see below */
        { "an attribute over the end", "000100042112a44207000000000000000000000080220008", 0, true },
        { "a wrong fingerprint", "000100082112a4420700000000000000000000008028000400000000", 0, true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct em_respond_stats stats;
        struct fake_conn *c;

        listeners_n = conns_n = 0;
        memset(conns, 0, 2 * sizeof *conns);
        start();
        c = connect_one();
        say_stream(c, rows[i].name, rows[i].stream);
        em_responder_stats(responder, &stats);
        ck_assert_msg(stats.answers == rows[i].answers, "%s: %u answers", rows[i].name,
                      (unsigned)stats.answers);
        ck_assert_msg(c->closed == rows[i].closed, "%s", rows[i].name);
        ck_assert(!c->closed || (!c->reset && stats.refused == 1));
        stop();
    }
}
END_TEST

/* A request that announces more than we take is not collected for ever. */
START_TEST(a_request_without_end)
{
    uint8_t bytes[4096] = { 0, 1, 0x40, 0, 0x21, 0x12, 0xa4, 0x42 };
    struct fake_conn *c;

    start();
    c = connect_one();
    say(c, bytes, 2000);
    ck_assert(!c->closed);
    say(c, bytes + 8, 2000);
    ck_assert(c->closed);
    stop();
}
END_TEST

START_TEST(bytes_of_one_client)
{
    uint8_t bytes[64];
    size_t n = request(bytes), sent = 0;
    struct fake_conn *c;

    start();
    for (c = connect_one(); sent + n <= EM_RESPOND_CLIENT_BYTES_MAX; sent += n) {
        say(c, bytes, n);
        ck_assert(!c->closed);
    }
    say(c, bytes, n);
    ck_assert(c->closed);
    stop();
}
END_TEST

START_TEST(quiet_clients_are_closed)
{
    uint8_t bytes[64];
    size_t n = request(bytes);
    struct fake_conn *a, *b;

    start();
    ck_assert_int_eq(timer.at, 0); /* nothing wakes a responder without clients */
    a = connect_one();
    wait_us(10 * EM_US_PER_S);
    b = connect_one();
    wait_us(15 * EM_US_PER_S);
    say(a, bytes, n); /* at 25 s */
    wait_us(15 * EM_US_PER_S - 1);
    ck_assert(!a->closed && !b->closed);
    wait_us(1); /* b has been quiet for 30 s */
    ck_assert(!a->closed && b->closed && b->reset);
    wait_us(15 * EM_US_PER_S - 1);
    ck_assert(!a->closed);
    wait_us(1);
    ck_assert(a->closed);
    ck_assert_int_eq(timer.at, 0);
    a = connect_one(); /* and it works again for the next one */
    wait_us(30 * EM_US_PER_S);
    ck_assert(a->closed);
    stop();
}
END_TEST

START_TEST(of_too_many_the_quietest_goes)
{
    uint8_t bytes[64];
    size_t n = request(bytes);

    start();
    for (size_t i = 0; i < EM_RESPOND_CLIENTS_MAX; i++) {
        connect_one();
        wait_us(1000);
    }
    ck_assert_uint_eq(clients(), EM_RESPOND_CLIENTS_MAX);
    say(&conns[0], bytes, n);
    connect_one();
    ck_assert(!conns[0].closed && conns[1].closed && !conns[2].closed);
    ck_assert_uint_eq(clients(), EM_RESPOND_CLIENTS_MAX);
    conns[2].events.eof(conns[2].arg);
    conns[3].events.error(conns[3].arg, &(struct em_net_error) { .kind = EM_NET_RESET });
    ck_assert(conns[2].closed && conns[3].closed);
    ck_assert_uint_eq(clients(), EM_RESPOND_CLIENTS_MAX - 2);
    connect_one();
    ck_assert(!conns[4].closed);
    stop();
}
END_TEST

/* Over UDP, where the sender's address may be a lie: what comes back for what. */
START_TEST(datagrams)
{
    static const struct {
        const char *name, *hex, *from;
        unsigned code; /* 0: success; 1: no answer at all */
        bool software, fingerprint;
    } rows[] = {
        { "the shortest request", "000100002112a442070000000000000000000000", "198.51.100.7", 0, false,
          false },
        { "the shortest over IPv6: the answer would be too large", "000100002112a442070000000000000000000000",
          "2001:db8::7", 1, false, false },
        { "with room for our name", "0001000c2112a44207000000000000000000000080220008 6161616161616161",
          "198.51.100.7", 0, true, false },
        { "the same over IPv6", "0001000c2112a44207000000000000000000000080220008 6161616161616161",
          "2001:db8::7", 0, true, false },
        { "with a fingerprint", "000100082112a442070000000000000000000000 80280004 FFFFFFFF", "198.51.100.7",
          0, true, true },
        { "what ICE sends", "000100102112a442070000000000000000000000 00240004 6e0001ff 00250000 00060000",
          "198.51.100.7", 0, true, false },
        { "an attribute that we should understand",
          "0001000c2112a442070000000000000000000000 7fff0008 0000000000000000", "198.51.100.7", 420, false,
          false },
        { "a response", "010100002112a442070000000000000000000000", "198.51.100.7", 1, false, false },
        { "an indication", "001100002112a442070000000000000000000000", "198.51.100.7", 1, false, false },
        { "the old STUN, without the cookie", "0001000007070707070707070707070707070707", "198.51.100.7", 1,
          false, false },
        { "framed, as over TCP", "0014000100002112a442070000000000000000000000", "198.51.100.7", 1, false,
          false },
        { "one byte", "00", "198.51.100.7", 1, false, false },
        { "nothing", "", "198.51.100.7", 1, false, false },
    };

    start();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[128];
        size_t n = em_unhex(rows[i].hex, bytes, sizeof bytes);
        struct em_addr from;
        struct stun_msg m;

        if (rows[i].fingerprint) {
            struct buf b = buf_over(bytes, sizeof bytes);

            b.n = STUN_HEADER_SIZE;
            stun_put_fingerprint(&b);
        }
        ck_assert(em_addr_read(rows[i].from, 40000, &from));
        sent_to_n = 0;
        listeners[0].events.datagram(listeners[0].arg, &listeners[0].is, bytes, n, &from);
        ck_assert_msg((sent_to_n > 0) == (rows[i].code != 1), "%s", rows[i].name);
        if (sent_to_n == 0)
            continue;
        ck_assert_msg(sent_to_n <= 2 * n, "%s: %zu bytes for %zu", rows[i].name, sent_to_n, n);
        ck_assert_int_eq(stun_parse(sent_to, sent_to_n, &m), 0);
        ck_assert_msg(m.error_code == rows[i].code, "%s: %u", rows[i].name, m.error_code);
        ck_assert(rows[i].code ||
                  (m.xor_mapped.port == 40000 && m.xor_mapped.family == (strchr(rows[i].from, ':') ? 6 : 4)));
        ck_assert_msg((m.software.p != NULL) == rows[i].software, "%s", rows[i].name);
        ck_assert_int_eq(m.fingerprint_right, rows[i].fingerprint);
    }
    stop();
}
END_TEST

/* The second port is taken: nothing stays open. */
START_TEST(all_ports_or_none)
{
    struct em_respond_conf conf = { .ports = { 50000, 50001 }, .udp = true, .tcp = true };
    struct em_responder *r = NULL;
    struct em_why why;

    ck_assert(em_addr_read("192.0.2.1", 0, &conf.address));
    the_clock = em_clock_fake(&now);
    fail_at = 3;
    ck_assert_int_eq(em_responder_start(&net, &conf, &r, &why), EM_ERR_SYSTEM);
    ck_assert(r == NULL && strcmp(why.text, "the port is taken") == 0);
    ck_assert_uint_eq(listeners_n, 3);
    for (size_t i = 0; i < listeners_n; i++)
        ck_assert(!listeners[i].open);
    em_responder_stop(NULL);
}
END_TEST

/* Bytes of answers to a hundred requests that come at once. */
static uint64_t answered_of_many(void)
{
    uint8_t bytes[64];
    size_t n = request(bytes);
    uint64_t sum = 0;

    for (int i = 0; i < 100; i++) {
        sent_to_n = 0;
        listeners[0].events.datagram(listeners[0].arg, &listeners[0].is, bytes, n, &peer);
        sum += sent_to_n;
    }
    return sum;
}

/* What was not sent in one second is not sent on top in another. The answer that begins within the rate is sent whole. */
START_TEST(of_all_together_no_more_is_sent_than_the_rate)
{
    enum { RATE = 1000 };
    static const struct {
        int64_t wait_us;
        uint64_t may;
    } rows[] = {
        { 0, RATE }, { EM_US_PER_S / 2, RATE / 2 }, { EM_US_PER_S, RATE }, { 60 * EM_US_PER_S, RATE }
    };
    struct em_respond_stats stats;

    start_with_rate(RATE);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t sum;

        wait_us(rows[i].wait_us);
        sum = answered_of_many();
        ck_assert_uint_gt(sum, rows[i].may - SENT_MAX / 4);
        ck_assert_uint_lt(sum, rows[i].may + SENT_MAX / 4);
        ck_assert_uint_eq(answered_of_many(), 0);
    }
    em_responder_stats(responder, &stats);
    ck_assert_uint_eq(stats.answers + stats.refused, 2 * 100 * sizeof rows / sizeof *rows);
    stop();
}
END_TEST

int main(void)
{
    TCase *t = em_case("respond_bounds");

    tcase_add_test(t, streams);
    tcase_add_test(t, a_request_without_end);
    tcase_add_test(t, bytes_of_one_client);
    tcase_add_test(t, quiet_clients_are_closed);
    tcase_add_test(t, of_too_many_the_quietest_goes);
    tcase_add_test(t, datagrams);
    tcase_add_test(t, of_all_together_no_more_is_sent_than_the_rate);
    tcase_add_test(t, all_ports_or_none);
    return em_run();
}
