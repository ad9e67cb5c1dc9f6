/* SPDX-License-Identifier: GPL-3.0-or-later
 * Differential tests through paths that are made up, with a clock that is moved: four hops, of which the second one is a filter. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "probe/path.h"
#include "probe/path_payload.h"
#include "replay/net_play.h"
#include "wire/stun.h"

enum { PORT = 50000, OTHER = 50001, FILTER = 2, FAR = 4 };
#define AT "192.0.2.1"

enum fault {
    NONE,
    PORT_DROPPED,
    PORT_PROHIBITED,
    STUN_DROPPED,
    ALL_DROPPED,
    LARGE_DROPPED,
    ALL_RESET,
    SOME_RESET, /* every other connection with STUN; and on the walk only packets that would end one hop behind the filter */
    ALERTS,      /* a proxy on the filter takes the connections */
    EVERY_OTHER, /* connection with STUN */
    ONE,         /* a single one */
    SINK,        /* the far end takes everything and says nothing */
    NO_SOCKETS,
    FEW_SOCKETS, /* the first twenty connections cannot be made */
};

struct world {
    enum fault fault;
    struct em_net *net;
    struct em_path *path;
    struct em_addr hop[FAR + 1];
    unsigned opened, stun, in_use, most;
    bool done, stop_in_done;
    char order[4096];
    size_t order_n;
    struct em_path_result result;
};

static bool bare_stun(const uint8_t *p, size_t n)
{
    return n >= 20 && memcmp(p + 4, "\x21\x12\xa4\x42", 4) == 0 && p[0] == 0;
}

static size_t stun_at(const uint8_t *p, size_t n)
{
    return bare_stun(p, n) ? 0 : n > 22 && bare_stun(p + 2, n - 2) ? 2 : SIZE_MAX;
}

static bool eaten(struct world *w, const uint8_t *p, size_t n)
{
    bool stun = stun_at(p, n) != SIZE_MAX;

    switch (w->fault) {
    case STUN_DROPPED:
        return stun;
    case ALL_DROPPED:
        return true;
    case LARGE_DROPPED:
        return n > 1000;
    case EVERY_OTHER:
        return stun && w->stun++ % 2 == 0;
    case ONE:
        return stun && w->stun++ == 30;
    default:
        return false;
    }
}

static void from_hop(struct world *w, struct em_conn *c, uint8_t hop, enum em_net_error_kind kind,
                     uint8_t type, uint8_t code)
{
    struct em_net_error e = {
        .kind = kind, .error = EHOSTUNREACH, .icmp_type = type, .icmp_code = code, .offender = w->hop[hop]
    };

    em_play_error(c, &e);
}

/* Where a packet with this time to live gets: false when it does not get to the far end. */
static bool passes(struct world *w, struct em_conn *c, uint8_t ttl, bool dropped)
{
    if (ttl && ttl <= FILTER) {
        from_hop(w, c, ttl, EM_NET_ICMP_TTL, 11, 0);
        return false;
    }
    if (dropped)
        return false;
    if (ttl && ttl < FAR) {
        from_hop(w, c, ttl, EM_NET_ICMP_TTL, 11, 0);
        return false;
    }
    return true;
}

static void local(struct em_conn *c)
{
    struct em_net_error e = { .kind = EM_NET_LOCAL, .error = EMFILE };

    em_play_error(c, &e);
}

static void tcp_opened_at(struct world *w, struct em_conn *c, uint16_t port)
{
    uint8_t ttl = em_play_ttl(c);
    bool blocked = port == PORT && (w->fault == PORT_DROPPED || w->fault == PORT_PROHIBITED);

    if (++w->in_use > w->most)
        w->most = w->in_use;
    w->opened++;
    if (w->fault == NO_SOCKETS || (w->fault == FEW_SOCKETS && w->opened <= 20)) {
        local(c);
    } else if (port == PORT && w->fault == ALERTS && (ttl == 0 || ttl >= FILTER)) {
        em_play_accept(c);
    } else if (passes(w, c, ttl, blocked)) {
        em_play_accept(c);
    } else if (blocked && w->fault == PORT_PROHIBITED && (ttl == 0 || ttl > FILTER)) {
        from_hop(w, c, FILTER, EM_NET_ICMP_PROHIBITED, 3, 13);
    } else if (blocked) {
        em_play_info(c, &(struct em_tcp_info) { .valid = true, .total_retrans = 2 });
    }
}

static void answer(struct em_conn *c, const uint8_t *p, size_t n)
{
    uint8_t bytes[64] = { 0 };
    struct buf b = buf_over(bytes + 2, sizeof bytes - 2);
    size_t skip = stun_at(p, n);

    stun_begin(&b, STUN_BINDING, STUN_SUCCESS, p + skip + 8);
    stun_put_fingerprint(&b);
    bytes[1] = (uint8_t)b.n;
    em_play_data(c, skip ? bytes : bytes + 2, skip + b.n, NULL);
}

static bool is_reset(struct world *w, uint8_t ttl, const uint8_t *p, size_t n)
{
    if (w->fault == SOME_RESET && stun_at(p, n) != SIZE_MAX)
        return ttl ? ttl == FILTER + 1 : w->stun++ % 2 == 0;
    return w->fault == ALL_RESET && (ttl == 0 || ttl > FILTER);
}

static void tcp_sent_at(struct world *w, struct em_conn *c, const uint8_t *p, size_t n)
{
    static const uint8_t alert[] = { 0x15, 3, 1, 0, 2, 2, 80 };
    uint8_t ttl = em_play_ttl(c);
    bool gone = eaten(w, p, n), reset = is_reset(w, ttl, p, n);

    if (ttl && (ttl <= FILTER || (ttl < FAR && !gone && !reset))) {
        em_play_info(c, &(struct em_tcp_info) {
                            .valid = true, .total_retrans = 1, .unacked = 1, .soft_error = EHOSTUNREACH });
    } else if (gone) {
        em_play_info(c, &(struct em_tcp_info) { .valid = true, .total_retrans = 4, .unacked = 1 });
    } else if (reset) {
        em_play_info(c, &(struct em_tcp_info) { .valid = true });
        em_play_error(c, &(struct em_net_error) { .kind = EM_NET_RESET, .error = ECONNRESET });
    } else if (w->fault == ALERTS) {
        em_play_data(c, alert, sizeof alert, NULL);
    } else if (w->fault != SINK && stun_at(p, n) != SIZE_MAX) {
        answer(c, p, n);
    } else if (w->fault != SINK) {
        em_play_eof(c);
    }
}

static void closed(void *arg, struct em_conn *c, bool reset)
{
    struct world *w = *(struct world **)arg;

    (void)c;
    ck_assert(reset);
    w->in_use--;
}

static void udp_sent_at(struct world *w, struct em_conn *c, uint16_t port, const uint8_t *p, size_t n)
{
    bool gone = port == PORT && (w->fault == PORT_DROPPED || eaten(w, p, n));

    if (passes(w, c, em_play_ttl(c), gone) && bare_stun(p, n))
        answer(c, p, n);
}

/* The two ports of the far end; the player's argument is where the world's address stands. */
static struct world *here, *there;
static void open_here(void *arg, struct em_conn *c)
{
    tcp_opened_at(*(struct world **)arg, c, PORT);
}
static void open_there(void *arg, struct em_conn *c)
{
    tcp_opened_at(*(struct world **)arg, c, OTHER);
}
static void sent(void *arg, struct em_conn *c, const uint8_t *p, size_t n)
{
    struct world *w = *(struct world **)arg;
    char kind = n > 1000             ? (stun_at(p, n) != SIZE_MAX ? 'S' : 'R')
                : stun_at(p, n) == 0 ? 's'
                : stun_at(p, n) == 2 ? 'f'
                : p[0] == 2          ? 'm'
                : p[0] != 0x16       ? 'r'
                : n == 50            ? 'p'
                                     : 't';

    if (w->order_n < sizeof w->order)
        w->order[w->order_n++] = kind;
    tcp_sent_at(w, c, p, n);
}
static void datagram_here(void *arg, struct em_conn *c, const uint8_t *p, size_t n)
{
    udp_sent_at(*(struct world **)arg, c, PORT, p, n);
}
static void datagram_there(void *arg, struct em_conn *c, const uint8_t *p, size_t n)
{
    udp_sent_at(*(struct world **)arg, c, OTHER, p, n);
}

static void on_done(void *arg)
{
    struct world *w = arg;

    ck_assert(!w->done);
    w->done = true;
    em_path_result(w->path, &w->result);
    if (w->stop_in_done) {
        em_path_stop(w->path);
        w->path = NULL;
    }
}

static void begin(struct world *w, enum fault fault, struct em_path_conf conf)
{
    static const struct em_play_host tcp_here = { open_here, sent, closed },
                                     tcp_there = { open_there, sent, closed },
                                     udp_here = { NULL, datagram_here, NULL },
                                     udp_there = { NULL, datagram_there, NULL };
    struct em_addr at;
    struct em_why why;

    *w = (struct world) { .fault = fault, .net = em_play_new() };
    here = there = w;
    for (uint8_t i = 1; i <= FAR; i++) {
        char text[32];

        snprintf(text, sizeof text, "198.51.100.%u", i);
        ck_assert(em_addr_read(i == FAR ? AT : text, 0, &w->hop[i]));
    }
    ck_assert(em_addr_read(AT, OTHER, &at));
    em_play_host(w->net, EM_TRANSPORT_TCP, &at, &tcp_there, &there);
    em_play_host(w->net, EM_TRANSPORT_UDP, &at, &udp_there, &there);
    ck_assert(em_addr_read(AT, PORT, &at));
    em_play_host(w->net, EM_TRANSPORT_TCP, &at, &tcp_here, &here);
    em_play_host(w->net, EM_TRANSPORT_UDP, &at, &udp_here, &here);
    conf.address = at;
    ck_assert_int_eq(em_path_start(w->net, &conf, on_done, w, &w->path, &why), 0);
}

static void end(struct world *w)
{
    em_path_stop(w->path);
    em_net_free(w->net);
}

static void run(struct world *w, enum fault fault, struct em_path_conf conf)
{
    begin(w, fault, conf);
    while (!w->done && em_play_turn(w->net))
        ;
    ck_assert(w->done);
    end(w);
}

START_TEST(faults_and_hops)
{
    static const struct {
        const char *name;
        enum fault fault;
        enum em_transport transport;
        uint16_t good_port;
        enum em_path_filter filter;
        enum em_verdict verdict;
        int after; /* -1: nowhere */
        const char *says;
    } rows[] = {
        { "clean", NONE, EM_TRANSPORT_TCP, 0, EM_PATH_NONE, EM_VERDICT_OK, -1,
          "media protocols are answered" },
        { "sink", SINK, EM_TRANSPORT_TCP, 0, EM_PATH_NONE, EM_VERDICT_SILENT, -1, "none is answered" },
        { "port", PORT_DROPPED, EM_TRANSPORT_TCP, OTHER, EM_PATH_PORT, EM_VERDICT_FILTERED, 2,
          "dropped after hop 2 (198.51.100.2)" },
        { "port alone", PORT_DROPPED, EM_TRANSPORT_TCP, 0, EM_PATH_PORT, EM_VERDICT_FILTERED, 2,
          "dropped after hop 2 (198.51.100.2)" },
        { "prohibited", PORT_PROHIBITED, EM_TRANSPORT_TCP, OTHER, EM_PATH_PORT, EM_VERDICT_PROHIBITED, 2,
          "hop 2 (198.51.100.2)" },
        { "STUN", STUN_DROPPED, EM_TRANSPORT_TCP, 0, EM_PATH_CONTENT, EM_VERDICT_BLACKHOLED, 2,
          "STUN are dropped" },
        { "any payload", ALL_DROPPED, EM_TRANSPORT_TCP, 0, EM_PATH_CONTENT, EM_VERDICT_BLACKHOLED, 2,
          "any payload" },
        { "half of STUN", EVERY_OTHER, EM_TRANSPORT_TCP, 0, EM_PATH_CONTENT, EM_VERDICT_BLACKHOLED, 2,
          "30 of 60" },
        { "large", LARGE_DROPPED, EM_TRANSPORT_TCP, 0, EM_PATH_SIZE, EM_VERDICT_BLACKHOLED, 2,
          "1,400 bytes" },
        { "reset", ALL_RESET, EM_TRANSPORT_TCP, 0, EM_PATH_CONTENT, EM_VERDICT_RESET, 2,
          "reset after hop 2" },
        { "reset now and then, and behind the next hop never by luck", SOME_RESET, EM_TRANSPORT_TCP, 0,
          EM_PATH_CONTENT, EM_VERDICT_RESET, 2, "reset after hop 2" },
        { "alerts", ALERTS, EM_TRANSPORT_TCP, OTHER, EM_PATH_CONTENT, EM_VERDICT_INTERCEPTED, 1,
          "taken over at hop 2 (198.51.100.2)" },
        { "alerts, nothing to compare with", ALERTS, EM_TRANSPORT_TCP, 0, EM_PATH_CONTENT,
          EM_VERDICT_INTERCEPTED, -1, "TLS alert" },
        { "this machine cannot", NO_SOCKETS, EM_TRANSPORT_TCP, 0, EM_PATH_NONE, EM_VERDICT_ERROR, -1,
          "this machine: Too many open files" },
        { "this machine could not at first", FEW_SOCKETS, EM_TRANSPORT_TCP, 0, EM_PATH_NONE, EM_VERDICT_OK,
          -1, "" },
        { "UDP, clean", NONE, EM_TRANSPORT_UDP, 0, EM_PATH_NONE, EM_VERDICT_OK, -1, "" },
        { "UDP, port", PORT_DROPPED, EM_TRANSPORT_UDP, OTHER, EM_PATH_PORT, EM_VERDICT_FILTERED, 2,
          "dropped after hop 2 (198.51.100.2)" },
        { "UDP, large", LARGE_DROPPED, EM_TRANSPORT_UDP, 0, EM_PATH_SIZE, EM_VERDICT_FILTERED, 2, "hop 2" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        const struct em_path_result *r = &w.result;

        run(&w, rows[i].fault,
            (struct em_path_conf) { .transport = rows[i].transport, .good_port = rows[i].good_port });
        ck_assert_msg(r->judgement.filter == rows[i].filter && r->judgement.verdict == rows[i].verdict &&
                          strstr(r->judgement.reason, rows[i].says),
                      "%s: %s %s: %s", rows[i].name, em_name_of(&em_path_filter_names, r->judgement.filter),
                      em_name_of(&em_verdict_names, r->judgement.verdict), r->judgement.reason);
        ck_assert_msg(r->located ? r->after_ttl == rows[i].after : rows[i].after == -1, "%s: hop %d",
                      rows[i].name, r->located ? r->after_ttl : -1);
        ck_assert_uint_le(w.most, EM_PATH_TALKS);
        ck_assert_int_lt(r->took_us, 150 * EM_US_PER_S);
        if (rows[i].fault == FEW_SOCKETS)
            for (int k = EM_PATH_HANDSHAKE; k <= EM_PATH_RANDOM_LARGE; k++)
                ck_assert_uint_eq(r->table.payload[k].tries, EM_PATH_ROUNDS);
    }
}
END_TEST

/* Every round has each payload once, and no two rounds the same order (of 40,320). */
START_TEST(rounds_are_shuffled)
{
    struct world w;
    unsigned same = 0;

    run(&w, NONE, (struct em_path_conf) { .transport = EM_TRANSPORT_TCP, .rounds = 30 });
    ck_assert_uint_eq(w.order_n, 30 * 8);
    for (size_t i = 0; i < 30; i++) {
        for (const char *kind = "fsmptrSR"; *kind; kind++)
            ck_assert_msg(memchr(w.order + 8 * i, *kind, 8), "round %zu lacks %c", i, *kind);
        for (size_t k = 0; k < i; k++)
            same += memcmp(w.order + 8 * i, w.order + 8 * k, 8) == 0;
    }
    ck_assert_uint_le(same, 1);
}
END_TEST

START_TEST(doubt_makes_more_rounds)
{
    struct world w;

    run(&w, ONE, (struct em_path_conf) { .transport = EM_TRANSPORT_TCP });
    ck_assert_uint_eq(w.result.rounds, 3 * EM_PATH_ROUNDS);
    ck_assert_int_eq(w.result.judgement.filter, EM_PATH_NONE);
    run(&w, ONE, (struct em_path_conf) { .transport = EM_TRANSPORT_TCP, .spread_us = 600 * EM_US_PER_S });
    ck_assert_uint_eq(w.result.rounds, EM_PATH_ROUNDS);
}
END_TEST

START_TEST(spread)
{
    struct world w;

    run(&w, NONE, (struct em_path_conf) { .transport = EM_TRANSPORT_TCP, .spread_us = 600 * EM_US_PER_S });
    ck_assert_int_ge(w.result.took_us, 590 * EM_US_PER_S);
    ck_assert_int_le(w.result.took_us, 605 * EM_US_PER_S);
    ck_assert_uint_eq(w.most, 1);
}
END_TEST

/* At any moment, in its rounds and on its way from hop to hop; and by done itself. */
START_TEST(stopped)
{
    struct world w;

    for (unsigned turns = 0;; turns += 7) {
        unsigned i = 0;

        begin(&w, STUN_DROPPED, (struct em_path_conf) { .transport = EM_TRANSPORT_TCP, .rounds = 2 });
        w.stop_in_done = true;
        while (i < turns && !w.done && em_play_turn(w.net))
            i++;
        end(&w);
        if (w.done)
            break;
    }
    ck_assert_int_eq(w.result.judgement.filter, EM_PATH_CONTENT);
}
END_TEST

START_TEST(wrong_input)
{
    struct em_net *net = em_play_new();
    struct em_path *p;
    struct em_why why;
    struct em_path_conf conf = { .transport = EM_TRANSPORT_TCP };

    ck_assert_int_eq(em_path_start(net, &conf, on_done, NULL, &p, &why), EM_ERR_INPUT);
    ck_assert(em_addr_read(AT, 0, &conf.address));
    ck_assert_int_eq(em_path_start(net, &conf, on_done, NULL, &p, &why), EM_ERR_INPUT);
    ck_assert(em_addr_read(AT, PORT, &conf.address));
    conf.transport = EM_TRANSPORT_TLS;
    ck_assert_int_eq(em_path_start(net, &conf, on_done, NULL, &p, &why), EM_ERR_INPUT);
    conf.transport = EM_TRANSPORT_TCP;
    conf.rounds = EM_PATH_ROUNDS_MAX + 1;
    ck_assert_int_eq(em_path_start(net, &conf, on_done, NULL, &p, &why), EM_ERR_INPUT);
    em_net_free(net);
}
END_TEST

/* What is written is what the name says, and what a stranger answers is told apart. */
START_TEST(payloads)
{
    static const struct {
        enum em_path_payload payload;
        const char *bytes;
        enum em_path_answer is;
        enum em_verdict verdict;
    } rows[] = {
        { EM_PATH_STUN, "", EM_PATH_WAIT, 0 },
        { EM_PATH_STUN, "HTTP/1.1 400 Bad Request\r\n", EM_PATH_STRANGER, EM_VERDICT_INTERCEPTED },
        { EM_PATH_STUN, "SSH-2.0-x\r\n", EM_PATH_STRANGER, EM_VERDICT_PROTOCOL_ERROR },
        { EM_PATH_STUN_FRAMED, "\x15\x03\x01", EM_PATH_STRANGER, EM_VERDICT_INTERCEPTED },
        { EM_PATH_MS_ALLOCATE, "\x16\x03\x03", EM_PATH_STRANGER, EM_VERDICT_INTERCEPTED },
        { EM_PATH_PSEUDO_TLS, "\x15\x03\x01\x01\x02\x02\x28", EM_PATH_STRANGER, EM_VERDICT_INTERCEPTED },
        { EM_PATH_TLS, "\x15\x03\x01", EM_PATH_ANSWER, 0 },
        { EM_PATH_TLS, "\x16", EM_PATH_WAIT, 0 },
        { EM_PATH_TLS, "HTTP/1.1 400", EM_PATH_STRANGER, EM_VERDICT_INTERCEPTED },
        { EM_PATH_RANDOM, "SSH-2.0-x\r\n", EM_PATH_ANSWER, 0 },
        { EM_PATH_RANDOM, "HTTP/1.1", EM_PATH_STRANGER, EM_VERDICT_INTERCEPTED },
    };
    uint8_t random[EM_PATH_PAYLOAD_MAX] = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char reason[EM_REASON_MAX] = "";
        enum em_verdict v;

        ck_assert_msg(em_path_read(rows[i].payload, EM_TRANSPORT_TCP, random, (const uint8_t *)rows[i].bytes,
                                   strlen(rows[i].bytes), &v, reason, sizeof reason) == rows[i].is &&
                          v == rows[i].verdict,
                      "row %zu: verdict %d: %s", i, v, reason);
        ck_assert_msg((rows[i].is == EM_PATH_STRANGER) == (*reason != 0), "row %zu: %s", i, reason);
    }
    for (int i = EM_PATH_STUN_FRAMED; i <= EM_PATH_RANDOM_LARGE; i++) {
        uint8_t out[EM_PATH_PAYLOAD_MAX];
        struct buf b = buf_over(out, sizeof out);

        em_path_write((enum em_path_payload)i, EM_TRANSPORT_TCP, random, &b);
        ck_assert(!b.full);
        if (i == EM_PATH_STUN_LARGE || i == EM_PATH_RANDOM_LARGE)
            ck_assert_msg(b.n >= EM_PATH_LARGE - 4 && b.n <= EM_PATH_LARGE, "%s: %zu", em_path_kinds[i].name,
                          b.n);
        else
            ck_assert_msg(b.n >= 20 && b.n < 300, "%s: %zu", em_path_kinds[i].name, b.n);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("path");

    tcase_add_test(t, faults_and_hops);
    tcase_add_test(t, rounds_are_shuffled);
    tcase_add_test(t, doubt_makes_more_rounds);
    tcase_add_test(t, spread);
    tcase_add_test(t, stopped);
    tcase_add_test(t, wrong_input);
    tcase_add_test(t, payloads);
    return em_run();
}
