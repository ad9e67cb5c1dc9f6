/* SPDX-License-Identifier: GPL-3.0-or-later
 * The responder over loopback: UDP, TCP bare and framed, both families, garbage, too many bytes, and what it refuses to start. */
#include <event2/event.h>
#include <string.h>

#include "harness.h"
#include "probe/respond.h"
#include "wire/msice.h"
#include "wire/rfc4571.h"

enum { PATIENCE_S = 10 };

static const uint8_t tid[STUN_TID_SIZE] = { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2 };
static struct event_base *base;
static struct em_net *net;
static struct em_responder *responder;
static uint16_t port;

/* What one conversation brought. */
static struct {
    uint8_t bytes[4096];
    size_t n;
    bool over;
} got;

static void on_data(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    (void)arg;
    (void)from;
    ck_assert_uint_le(got.n + n, sizeof got.bytes);
    memcpy(got.bytes + got.n, p, n);
    got.n += n;
}

static void on_end(void *arg)
{
    (void)arg;
    got.over = true;
}

static void on_error(void *arg, const struct em_net_error *e)
{
    (void)arg;
    (void)e;
    got.over = true;
}

static void on_connected(void *arg)
{
    (void)arg;
}

static const struct em_conn_events events = { on_connected, on_data, on_end, on_error };

/* A free pair of ports: the responder itself says whether it got them. */
static void start(const char *address)
{
    struct em_respond_conf conf = { .udp = true, .tcp = true };

    base = event_base_new();
    net = em_net_event_new(base, NULL);
    ck_assert(em_addr_read(address, 0, &conf.address));
    for (uint16_t p = 20000 + (uint16_t)em_random_below(&em_clock_system, 9000); !responder;
         p = (uint16_t)(p + 2)) {
        conf.ports = (struct em_port_range) { p, (uint16_t)(p + 1) };
        if (em_responder_start(net, &conf, &responder, NULL) == 0)
            port = (uint16_t)(p + 1);
        ck_assert_uint_lt(p, 32000);
    }
}

static void stop(void)
{
    em_responder_stop(responder);
    em_net_free(net);
    event_base_free(base);
}

static void run_until(size_t want)
{
    int64_t end = em_mono_us(&em_clock_system) + PATIENCE_S * EM_US_PER_S;

    while (got.n < want && !got.over && em_mono_us(&em_clock_system) < end) {
        struct timeval tv = { 0, 20000 };

        event_base_loopexit(base, &tv);
        event_base_loop(base, EVLOOP_ONCE);
    }
}

static struct em_conn *open_to(const char *address, enum em_transport transport)
{
    struct em_open how = { .transport = transport };

    ck_assert(em_addr_read(address, port, &how.remote));
    got.n = 0;
    got.over = false;
    return em_net_open(net, &how, &events, NULL);
}

static size_t request(uint8_t *to, size_t size, bool fingerprint)
{
    struct buf b = buf_over(to, size);

    stun_begin(&b, STUN_BINDING, STUN_REQUEST, tid);
    if (fingerprint)
        stun_put_fingerprint(&b);
    return b.n;
}

static void expect_answer(const uint8_t *p, size_t n, uint8_t family, size_t request_size)
{
    struct stun_msg m;

    ck_assert_int_eq(stun_parse(p, n, &m), 0);
    ck_assert(stun_is_answer(&m, STUN_BINDING, tid));
    ck_assert(m.class == STUN_SUCCESS && m.xor_mapped.family == family && m.xor_mapped.port != 0);
    ck_assert(!m.fingerprint_present || m.fingerprint_right);
    ck_assert_uint_le(n, 2 * request_size);
}

static const char *const addresses[] = { "127.0.0.1", "::1" };

START_TEST(udp_is_answered)
{
    uint8_t bytes[256];
    struct em_conn *c;
    size_t n;

    start(addresses[_i]);
    c = open_to(addresses[_i], EM_TRANSPORT_UDP);
    n = request(bytes, sizeof bytes, true);
    em_conn_send(c, "garbage that is no STUN", 23);
    em_conn_send(c, bytes, n);
    run_until(1);
    expect_answer(got.bytes, got.n, _i ? 6 : 4, n);
    em_conn_close(c, false);
    stop();
}
END_TEST

START_TEST(a_bare_request_gets_no_amplified_answer)
{
    uint8_t bytes[256];
    struct em_conn *c;
    size_t n;

    start(addresses[0]);
    c = open_to(addresses[0], EM_TRANSPORT_UDP);
    n = request(bytes, sizeof bytes, false);
    em_conn_send(c, bytes, n);
    run_until(1);
    expect_answer(got.bytes, got.n, 4, n);
    em_conn_close(c, false);
    stop();
}
END_TEST

START_TEST(tcp_is_answered_bare_and_framed)
{
    uint8_t bytes[256] = { 0 };
    struct em_conn *c;
    size_t n;

    start(addresses[0]);
    c = open_to(addresses[0], EM_TRANSPORT_TCP);
    n = request(bytes, sizeof bytes, false);
    em_conn_send(c, bytes, n);
    run_until(1);
    ck_assert_int_eq(stun_frame(got.bytes, got.n), (int)got.n);
    expect_answer(got.bytes, got.n, 4, n);

    got.n = 0;
    n = request(bytes + 2, sizeof bytes - 2, true);
    bytes[0] = 0;
    bytes[1] = (uint8_t)n;
    em_conn_send(c, bytes, 5); /* in two pieces */
    em_conn_send(c, bytes + 5, n + 2 - 5);
    run_until(1);
    ck_assert_uint_eq(got.n, 2U + ((size_t)got.bytes[0] << 8 | got.bytes[1]));
    expect_answer(got.bytes + 2, got.n - 2, 4, n);
    em_conn_close(c, false);
    stop();
}
END_TEST

/* Its two fingerprints differ only when the sum comes to the wrong entry of the old table: a transaction id is looked for where it does. */
static void check_request(struct buf *b, bool old)
{
    uint8_t id[STUN_TID_SIZE] = { 0 };
    struct stun_msg m = { 0 };

    for (unsigned i = 0; !(old ? m.fingerprint_legacy : m.fingerprint_right); i++) {
        ck_assert_uint_lt(i, 10000);
        id[0] = (uint8_t)i;
        id[1] = (uint8_t)(i >> 8);
        stun_begin(b, STUN_BINDING, STUN_REQUEST, id);
        stun_put_u32(b, STUN_ATTR_PRIORITY, 0x7effffff);
        stun_put_text(b, STUN_ATTR_USERNAME, SLICE("abcd:efgh"));
        stun_put_text(b, MSICE_ATTR_CANDIDATE_IDENTIFIER, SLICE("1"));
        stun_put_u32(b, MSICE_ATTR_IMPLEMENTATION_VERSION, 2);
        msice_put_integrity(b, SLICE("passwordpassword"));
        if (old)
            stun_put_fingerprint_legacy(b);
        else
            stun_put_fingerprint(b);
        ck_assert_int_eq(stun_parse(b->p, b->n, &m), 0);
    }
}

static uint32_t fingerprint(const uint8_t *p)
{
    struct cur c = cur_of(p, 4);

    return cur_u32(&c) ^ 0x5354554E;
}

/* A check of Microsoft's ICE, framed as over a media connection: its version is answered, the fingerprint is of the kind that came. */
START_TEST(checks_of_microsoft_clients_are_answered_in_kind)
{
    bool old = _i % 2 != 0, tcp = _i / 2 != 0;
    uint8_t bytes[256] = { 0 };
    struct buf b = buf_over(bytes + RFC4571_HEADER_SIZE, sizeof bytes - RFC4571_HEADER_SIZE);
    struct em_conn *c;
    struct stun_msg m;
    struct msice_msg ice;
    size_t skip = tcp ? RFC4571_HEADER_SIZE : 0;

    start(addresses[0]);
    check_request(&b, old);
    rfc4571_header(bytes, (uint16_t)b.n);
    c = open_to(addresses[0], tcp ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP);
    em_conn_send(c, b.p - skip, b.n + skip);
    run_until(1);
    ck_assert_uint_gt(got.n, skip);
    ck_assert_int_eq(stun_parse(got.bytes + skip, got.n - skip, &m), 0);
    msice_parse(&m, &ice);
    ck_assert(m.class == STUN_SUCCESS && m.xor_mapped.family == 4 && ice.version == MSICE_VERSION_OURS);
    ck_assert(m.fingerprint_present);
    ck_assert_uint_eq(stun_crc(got.bytes + skip, got.n - skip - 8, old), fingerprint(got.bytes + got.n - 4));
    ck_assert_uint_le(got.n, 2 * (b.n + skip));
    em_conn_close(c, false);
    stop();
}
END_TEST

START_TEST(garbage_and_floods_are_closed)
{
    uint8_t bytes[256];
    struct em_respond_stats stats;
    struct em_conn *c;
    size_t n = request(bytes, sizeof bytes, true);

    start(addresses[0]);
    c = open_to(addresses[0], EM_TRANSPORT_TCP);
    em_conn_send(c, "GET / HTTP/1.1\r\n\r\n", 18);
    run_until(sizeof got.bytes);
    ck_assert(got.over && got.n == 0);
    em_conn_close(c, true);

    c = open_to(addresses[0], EM_TRANSPORT_TCP);
    for (size_t sent = 0; sent <= EM_RESPOND_CLIENT_BYTES_MAX && !got.over; sent += n) {
        got.n = 0;
        em_conn_send(c, bytes, n);
        run_until(1);
    }
    run_until(sizeof got.bytes);
    ck_assert(got.over);
    em_conn_close(c, true);
    em_responder_stats(responder, &stats);
    ck_assert(stats.refused == 2 && stats.clients == 0);
    stop();
}
END_TEST

START_TEST(it_refuses_to_start_without_sense)
{
    static const struct em_respond_conf rows[] = { { .ports = { 0, 5 }, .udp = true },
                                                   { .ports = { 9, 5 }, .udp = true },
                                                   { .ports = { 1, EM_RESPOND_PORTS_MAX + 1 }, .udp = true },
                                                   { .ports = { 1000, 1001 } } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct em_responder *r = NULL;
        struct em_why why = { "" };

        ck_assert_int_lt(em_responder_start(NULL, &rows[i], &r, &why), 0);
        ck_assert_ptr_null(r);
        ck_assert_int_ne(why.text[0], '\0');
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("respond");

    tcase_add_loop_test(t, udp_is_answered, 0, 2);
    tcase_add_test(t, a_bare_request_gets_no_amplified_answer);
    tcase_add_test(t, tcp_is_answered_bare_and_framed);
    tcase_add_loop_test(t, checks_of_microsoft_clients_are_answered_in_kind, 0, 4);
    tcase_add_test(t, garbage_and_floods_are_closed);
    tcase_add_test(t, it_refuses_to_start_without_sense);
    return em_run();
}
