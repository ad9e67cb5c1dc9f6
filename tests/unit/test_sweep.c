/* SPDX-License-Identifier: GPL-3.0-or-later
 * Sweeps on a bulk of which nothing is real: far ends are a function of the port, and the clock is moved by hand. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "net/net_ops.h"
#include "probe/sharing.h"
#include "probe/sweep.h"
#include "wire/stun.h"

enum { LANES = 4096, FIRST = 50000, SECOND = 1000000, SERVICE_US = 1500 };
enum far { ANSWERS, REFUSES, IS_SILENT, SAYS_NOTHING, SPEAKS_HTTP, ANSWERS_LATE, ANSWERS_IN_TURN };

static const struct em_net_ops ops;
static struct em_clock_fake now;
static struct em_clock the_clock;
static enum far (*far_end)(uint16_t port);
static struct lane {
    bool used, asked;
    uint16_t port;
    unsigned tries;
    uint8_t request[256];
    size_t n;
    uint64_t turn; /* of all requests */
} lane[LANES];
static unsigned opened[65536], in_use, most_in_use, room;
static uint64_t turns_given;
static int64_t free_us; /* when the far end whose ports answer in turn is done with the last one */
static struct em_bulk_events events;
static void *events_arg;
static bool tcp;
static struct em_bulk bulk;
static struct {
    struct em_timer is;
    void (*fire)(void *arg);
    void *arg;
    int64_t at;
} timer;

static const struct em_clock *fake_clock(struct em_net *n)
{
    (void)n;
    return &the_clock;
}

static struct em_timer *timer_new(struct em_net *n, void (*fire)(void *arg), void *arg)
{
    (void)n;
    timer.fire = fire;
    timer.arg = arg;
    timer.is.ops = &ops;
    bulk.ops = &ops;
    return &timer.is;
}

static void timer_at(struct em_timer *t, int64_t at)
{
    (void)t;
    timer.at = at;
}

static void timer_stop(struct em_timer *t)
{
    (void)t;
    timer.at = INT64_MAX;
}

static void timer_free(struct em_timer *t)
{
    (void)t;
}

static struct em_bulk *bulk_new(struct em_net *n, const struct em_bulk_conf *conf,
                                const struct em_bulk_events *e, void *arg)
{
    (void)n;
    tcp = conf->transport == EM_TRANSPORT_TCP;
    events = *e;
    events_arg = arg;
    return &bulk;
}

static void bulk_free(struct em_bulk *b)
{
    (void)b;
}

static int bulk_open(struct em_bulk *b, uint16_t port, uint32_t *at, struct em_net_error *e)
{
    (void)b;
    *e = (struct em_net_error) { .kind = EM_NET_LOCAL, .error = 24 };
    if (in_use == room)
        return EM_ERR_BUSY;
    for (*at = 0; lane[*at].used; ++*at)
        ;
    lane[*at] = (struct lane) { .used = true, .port = port };
    opened[port]++;
    if (++in_use > most_in_use)
        most_in_use = in_use;
    return 0;
}

static size_t bulk_send(struct em_bulk *b, uint32_t at, const void *p, size_t n)
{
    (void)b;
    memcpy(lane[at].request, p, n);
    lane[at].n = n;
    lane[at].asked = true;
    lane[at].tries++;
    lane[at].turn = ++turns_given;
    return n;
}

static void bulk_info(struct em_bulk *b, uint32_t at, struct em_tcp_info *info)
{
    (void)b;
    *info = (struct em_tcp_info) { .valid = true, .bytes_acked = lane[at].n, .bytes_sent = lane[at].n };
}

static void bulk_close(struct em_bulk *b, uint32_t at)
{
    (void)b;
    ck_assert(lane[at].used);
    lane[at].used = false;
    in_use--;
}

static void bulk_shrink(struct em_bulk *b)
{
    (void)b;
}

static const struct em_net_ops ops = { .clock = fake_clock,
                                       .timer_new = timer_new,
                                       .timer_at = timer_at,
                                       .timer_stop = timer_stop,
                                       .timer_free = timer_free,
                                       .bulk_new = bulk_new,
                                       .bulk_free = bulk_free,
                                       .bulk_open = bulk_open,
                                       .bulk_send = bulk_send,
                                       .bulk_info = bulk_info,
                                       .bulk_close = bulk_close,
                                       .bulk_shrink = bulk_shrink };
static struct em_net net = { &ops };

static void answer(uint32_t at)
{
    uint8_t room_for[256];
    struct buf b = buf_over(room_for, sizeof room_for);
    struct stun_addr seen = { .family = 4, .port = 1 };

    stun_begin(&b, STUN_BINDING, STUN_SUCCESS, lane[at].request + 8);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &seen);
    lane[at].asked = false;
    events.data(events_arg, at, b.p, b.n);
}

/* A far end that has one answer in SERVICE_US for all of its ports, in the order in which they were asked. */
static bool serve_one(void)
{
    uint32_t first = LANES;

    for (uint32_t i = 0; i < LANES; i++)
        if (lane[i].used && lane[i].asked && far_end(lane[i].port) == ANSWERS_IN_TURN &&
            (first == LANES || lane[i].turn < lane[first].turn))
            first = i;
    if (first == LANES || now.mono < free_us)
        return false;
    free_us = now.mono + SERVICE_US;
    answer(first);
    return true;
}

/* What the far ends do now. True: something happened. */
static bool far_ends(void)
{
    bool any = false;

    for (uint32_t i = 0; i < LANES; i++) {
        enum far how = lane[i].used ? far_end(lane[i].port) : IS_SILENT;
        struct em_net_error refused = { .kind = tcp ? EM_NET_REFUSED_RST : EM_NET_ICMP_PORT };

        if (!lane[i].used || how == IS_SILENT ||
            (how == ANSWERS_LATE && opened[lane[i].port] < 2 && lane[i].tries < 2))
            continue;
        if (how == REFUSES) {
            any = true;
            events.error(events_arg, i, &refused);
        } else if (tcp && lane[i].n == 0) {
            any = true;
            events.connected(events_arg, i);
        } else if (lane[i].asked && how != SAYS_NOTHING && how != ANSWERS_IN_TURN) {
            any = true;
            if (how == SPEAKS_HTTP)
                events.data(events_arg, i, (const uint8_t *)"HTTP/1.1 400 Bad\r\n", 18);
            else
                answer(i);
        }
    }
    return serve_one() || any;
}

static bool done;
static void on_done(void *arg)
{
    (void)arg;
    done = true;
}

/* Runs a sweep to its end; the clock moves when nothing else is left to do. */
static struct em_sweep *sweep(struct em_sweep_conf conf, struct em_sweep_order *order)
{
    struct em_sweep *s = NULL;
    struct em_why why;

    ck_assert(em_addr_read("192.0.2.1", 0, &conf.address));
    now = (struct em_clock_fake) { .mono = 10 * SECOND, .wall = 1, .seed = 7 };
    the_clock = em_clock_fake(&now);
    memset(lane, 0, sizeof lane);
    memset(opened, 0, sizeof opened);
    in_use = most_in_use = 0;
    free_us = 0;
    room = room ? room : LANES;
    done = false;
    ck_assert_int_eq(em_sweep_start(&net, &conf, order, on_done, NULL, &s, &why), 0);
    for (int turns = 0; !done; turns++) {
        ck_assert_int_lt(turns, 1000000);
        em_clock_fake_advance(&now, 100);
        if (far_ends())
            events.turn(events_arg, 1, true);
        else if (free_us > now.mono && free_us < timer.at)
            em_clock_fake_advance(&now, free_us - now.mono);
        else if (timer.at > now.mono)
            em_clock_fake_advance(&now, timer.at - now.mono);
        if (timer.at <= now.mono)
            timer.fire(timer.arg);
    }
    ck_assert_uint_eq(in_use, 0);
    return s;
}

static enum far mixed(uint16_t port)
{
    static const enum far all[] = { ANSWERS, REFUSES, IS_SILENT, SAYS_NOTHING, SPEAKS_HTTP, ANSWERS_LATE };

    return all[(port - FIRST) / 10 % 6];
}
static enum far answers(uint16_t port)
{
    (void)port;
    return ANSWERS;
}
static enum far silent(uint16_t port)
{
    (void)port;
    return IS_SILENT;
}

static const struct em_sweep_conf sixty = { .ports = { FIRST, FIRST + 59 },
                                            .transport = EM_TRANSPORT_TCP,
                                            .timeout_us = SECOND };

START_TEST(each_far_end_has_its_verdict)
{
    static const enum em_verdict over_tcp[] = { EM_VERDICT_OK,          EM_VERDICT_REFUSED,
                                                EM_VERDICT_FILTERED,    EM_VERDICT_SILENT,
                                                EM_VERDICT_INTERCEPTED, EM_VERDICT_DEGRADED },
                                 over_udp[] = { EM_VERDICT_OK,          EM_VERDICT_REFUSED,
                                                EM_VERDICT_FILTERED,    EM_VERDICT_FILTERED,
                                                EM_VERDICT_INTERCEPTED, EM_VERDICT_DEGRADED };
    struct em_sweep_conf conf = sixty;
    struct em_sweep_result r;
    struct em_sweep *s;

    conf.transport = _i ? EM_TRANSPORT_UDP : EM_TRANSPORT_TCP;
    far_end = mixed;
    s = sweep(conf, NULL);
    em_sweep_result(s, &r);
    ck_assert_uint_eq(r.tested, 60);
    for (unsigned i = 0; i < 60; i++)
        ck_assert_msg(em_sweep_port(s, (uint16_t)(FIRST + i)) == (_i ? over_udp : over_tcp)[i / 10],
                      "port %u: %s", FIRST + i,
                      em_name_of(&em_verdict_names, em_sweep_port(s, (uint16_t)(FIRST + i))));
    ck_assert_int_le(r.took_us, 2200000);
    em_sweep_stop(s);
}
END_TEST

START_TEST(runs_are_merged_and_come_in_pieces)
{
    struct em_sweep_run runs[2];
    struct em_sweep *s;
    uint32_t from = 0;

    far_end = mixed;
    s = sweep(sixty, NULL);
    ck_assert_uint_eq(em_sweep_runs(s, &from, runs, 2), 2);
    ck_assert(runs[0].first == FIRST + 10 && runs[0].last == FIRST + 19 && runs[0].ports == 10 &&
              runs[0].verdict == EM_VERDICT_REFUSED && runs[1].first == FIRST + 20);
    ck_assert_uint_eq(from, FIRST + 30);
    ck_assert_uint_eq(em_sweep_runs(s, &from, runs, 2), 2);
    ck_assert_uint_eq(em_sweep_runs(s, &from, runs, 2), 1);
    ck_assert_uint_eq(from, 0);
    em_sweep_stop(s);
}
END_TEST

START_TEST(silence_lasts_one_timeout)
{
    struct em_sweep_conf conf = sixty;
    struct em_sweep_result r;
    struct em_sweep *s;
    uint32_t ports;

    em_bulk_more_room(); /* an ordinary login has 1,024 descriptors until it asks: as many ports at once as this one may have */
    ports = em_bulk_room() < 3000 ? em_bulk_room() : 3000;
    conf.ports.last = (uint16_t)(FIRST + ports - 1);
    far_end = silent;
    s = sweep(conf, NULL);
    em_sweep_result(s, &r);
    ck_assert_uint_eq(r.verdicts[EM_VERDICT_FILTERED], ports);
    ck_assert_int_ge(r.took_us, SECOND);
    ck_assert_int_le(r.took_us, SECOND + 150000);
    ck_assert_uint_eq(r.retransmits, 0);
    em_sweep_stop(s);
}
END_TEST

static enum far slow(uint16_t port)
{
    return port % 50 == 0 ? SAYS_NOTHING : ANSWERS_IN_TURN;
}

/* A far end that needs three seconds for all ports, with a second of patience: what did not get its turn in time is asked again, not called silent; and
 * what is silent is called so in the end. */
START_TEST(a_slow_far_end_is_not_silent)
{
    struct em_sweep_conf conf = sixty;
    struct em_sweep_result r;
    struct em_sweep *s;

    em_bulk_more_room();
    conf.ports.last = FIRST + 1999;
    conf.transport = _i ? EM_TRANSPORT_UDP : EM_TRANSPORT_TCP;
    far_end = slow;
    s = sweep(conf, NULL);
    em_sweep_result(s, &r);
    ck_assert_uint_eq(r.tested, 2000);
    ck_assert_msg(r.verdicts[EM_VERDICT_OK] + r.verdicts[EM_VERDICT_DEGRADED] == 1960 &&
                      r.verdicts[_i ? EM_VERDICT_FILTERED : EM_VERDICT_SILENT] == 40,
                  "%u ok, %u degraded, %u silent, %u filtered", r.verdicts[EM_VERDICT_OK],
                  r.verdicts[EM_VERDICT_DEGRADED], r.verdicts[EM_VERDICT_SILENT],
                  r.verdicts[EM_VERDICT_FILTERED]);
    ck_assert_uint_gt(r.again, 0);
    ck_assert_int_le(r.took_us, 12 * SECOND);
    em_sweep_stop(s);
}
END_TEST

START_TEST(few_sockets_are_slower_not_wrong)
{
    struct em_sweep_conf conf = sixty;
    struct em_sweep_result r;
    struct em_sweep *s;

    room = 7;
    far_end = silent;
    s = sweep(conf, NULL);
    em_sweep_result(s, &r);
    ck_assert_uint_eq(r.verdicts[EM_VERDICT_FILTERED], 60);
    ck_assert_uint_eq(most_in_use, 7);
    ck_assert(r.slowdowns > 0 && r.sockets == 7);
    em_sweep_stop(s);
    room = LANES;
}
END_TEST

START_TEST(the_rate_is_kept)
{
    struct em_sweep_conf conf = sixty;
    struct em_sweep_result r;
    struct em_sweep *s;

    conf.ports.last = FIRST + 999;
    conf.rate = 500;
    far_end = answers;
    s = sweep(conf, NULL);
    em_sweep_result(s, &r);
    ck_assert_uint_eq(r.verdicts[EM_VERDICT_OK], 1000);
    ck_assert_int_ge(r.took_us, 1960000);
    ck_assert_int_le(r.took_us, 2100000);
    em_sweep_stop(s);
}
END_TEST

START_TEST(samples_cover_the_range)
{
    struct em_sweep_conf conf = sixty;
    struct em_sweep_order order;
    unsigned met[60] = { 0 };

    far_end = answers;
    conf.sample = 7;
    the_clock = em_clock_fake(&(struct em_clock_fake) { .seed = 5 });
    em_sweep_order_init(&order, &the_clock);
    for (int round = 0; round < 9; round++) {
        struct em_sweep *s = sweep(conf, &order);

        for (unsigned i = 0; i < 60; i++)
            met[i] += em_sweep_port(s, (uint16_t)(FIRST + i)) == EM_VERDICT_OK;
        em_sweep_stop(s);
    }
    for (unsigned i = 0; i < 60; i++)
        ck_assert_msg(met[i] >= 1 && met[i] <= 2, "port %u was met %u times", FIRST + i, met[i]);
}
END_TEST

START_TEST(an_order_is_a_permutation)
{
    static const struct em_port_range ranges[] = {
        { 1, 1 }, { 5, 6 }, { 100, 355 }, { 100, 356 }, { 1, 65535 }
    };

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct em_sweep_order order = { .key = 42 };
        static bool seen[65536];

        memset(seen, 0, sizeof seen);
        for (unsigned n = ranges[i].first; n <= ranges[i].last; n++) {
            uint16_t port = em_sweep_order_port(&order, ranges[i]);

            ck_assert(port >= ranges[i].first && port <= ranges[i].last && !seen[port]);
            seen[port] = true;
        }
    }
}
END_TEST

START_TEST(what_is_no_sweep)
{
    struct em_sweep_conf rows[] = { sixty, sixty, sixty, sixty };
    struct em_sweep *s = NULL;
    struct em_why why;

    rows[0].ports.first = 0;
    rows[1].ports.last = 1;
    rows[2].transport = EM_TRANSPORT_TLS;
    rows[3].timeout_us = 0;
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(em_sweep_start(&net, &rows[i], NULL, on_done, NULL, &s, &why), EM_ERR_INPUT);
    em_sweep_stop(NULL);
}
END_TEST

START_TEST(frames_of_sharing)
{
    struct sharing a = { .token = { 1, 2, 3 }, .ssrc = 9 };
    uint8_t frame[SHARING_FRAME_MAX], again[SHARING_FRAME_MAX];
    const uint8_t *token;
    size_t total = 0;

    for (unsigned i = 0; i < SHARING_FRAMES; i++) {
        size_t n = sharing_frame(&a, i, frame);

        ck_assert(n >= SHARING_FRAME_MIN && n <= SHARING_FRAME_MAX && n == sharing_frame(&a, i, again));
        ck_assert(memcmp(frame, again, n) == 0);
        ck_assert(sharing_is_frame(frame, n, &token) && memcmp(token, a.token, SHARING_TOKEN) == 0);
        total += n;
    }
    ck_assert(total == sharing_total() && total > 300000);
    ck_assert(!sharing_is_frame(frame, SHARING_HEAD - 1, &token));
}
END_TEST

int main(void)
{
    TCase *t = em_case("sweep");

    tcase_add_loop_test(t, each_far_end_has_its_verdict, 0, 2);
    tcase_add_test(t, runs_are_merged_and_come_in_pieces);
    tcase_add_test(t, silence_lasts_one_timeout);
    tcase_add_loop_test(t, a_slow_far_end_is_not_silent, 0, 2);
    tcase_add_test(t, few_sockets_are_slower_not_wrong);
    tcase_add_test(t, the_rate_is_kept);
    tcase_add_test(t, samples_cover_the_range);
    tcase_add_test(t, an_order_is_a_permutation);
    tcase_add_test(t, what_is_no_sweep);
    tcase_add_test(t, frames_of_sharing);
    return em_run();
}
