/* SPDX-License-Identifier: GPL-3.0-or-later
 * TURN: what we write is what RFC 8656 draws, what we read is what was written, and ChannelData. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "wire/turn.h"

static const uint8_t tid[STUN_TID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static const uint8_t token[TURN_TOKEN_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8 };
static const struct stun_addr v4 = { 4, 50000, { 192, 0, 2, 7 } },
                              v6 = { 6, 443, { 0x20, 1, 0xd, 0xb8, [15] = 9 } };

static bool same_addr(const struct stun_addr *a, const struct stun_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

START_TEST(allocate_requests)
{
    static const struct {
        struct turn_allocate how;
        const char *want; /* the attributes; NULL: makes no sense */
    } rows[] = {
        { { .relay = TURN_RELAY_UDP }, "00190004 11000000" },
        { { .relay = TURN_RELAY_TCP }, "00190004 06000000" },
        { { .relay = TURN_RELAY_UDP, .has_lifetime = true, .lifetime_s = 600 },
          "00190004 11000000 000d0004 00000258" },
        { { .relay = TURN_RELAY_UDP, .family = 4 }, "00190004 11000000 00170004 01000000" },
        { { .relay = TURN_RELAY_UDP, .family = 6 }, "00190004 11000000 00170004 02000000" },
        { { .relay = TURN_RELAY_UDP, .both_families = true }, "00190004 11000000 80000004 02000000" },
        { { .relay = TURN_RELAY_UDP, .dont_fragment = true }, "00190004 11000000 001a0000" },
        { { .relay = TURN_RELAY_UDP, .even_port = true }, "00190004 11000000 00180001 00000000" },
        { { .relay = TURN_RELAY_UDP, .even_port = true, .reserve_next = true },
          "00190004 11000000 00180001 80000000" },
        { { .relay = TURN_RELAY_UDP, .token = token }, "00190004 11000000 00220008 0102030405060708" },
        { { .relay = TURN_RELAY_UDP, .reserve_next = true }, NULL },
        { { .relay = TURN_RELAY_UDP, .family = 6, .both_families = true }, NULL },
        { { .relay = TURN_RELAY_UDP, .token = token, .family = 4 }, NULL },
        { { .relay = TURN_RELAY_UDP, .token = token, .both_families = true }, NULL },
        { { .relay = TURN_RELAY_UDP, .token = token, .even_port = true }, NULL },
        { { .relay = TURN_RELAY_TCP, .dont_fragment = true }, NULL },
        { { .relay = TURN_RELAY_TCP, .even_port = true }, NULL },
        { { .relay = TURN_RELAY_TCP, .token = token }, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct turn_allocate *how = &rows[i].how;
        uint8_t room[STUN_REQUEST_MAX], want[64];
        struct buf b = buf_over(room, sizeof room);
        struct stun_msg m;
        struct turn_msg t;
        size_t n = rows[i].want ? em_unhex(rows[i].want, want, sizeof want) : 0;

        stun_begin(&b, STUN_ALLOCATE, STUN_REQUEST, tid);
        ck_assert_int_eq(turn_put_allocate(&b, how), rows[i].want != NULL);
        ck_assert_msg(b.n == STUN_HEADER_SIZE + n && memcmp(b.p + STUN_HEADER_SIZE, want, n) == 0, "row %zu",
                      i);
        ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
        ck_assert_int_eq(turn_parse(&m, &t), 0);
        ck_assert_uint_eq(m.unknown_n, 0);
        if (!rows[i].want)
            continue;
        ck_assert(t.relay == how->relay && t.family == how->family &&
                  (t.additional_family == 6) == how->both_families);
        ck_assert(t.dont_fragment == how->dont_fragment && t.even_port == how->even_port &&
                  t.reserve_next == how->reserve_next);
        ck_assert((t.token != NULL) == (how->token != NULL) &&
                  (!t.token || memcmp(t.token, token, sizeof token) == 0));
        ck_assert(m.has_lifetime == how->has_lifetime && m.lifetime == how->lifetime_s);
    }
}
END_TEST

/* Bytes of the other requests and of the indications, by hand. */
START_TEST(other_messages)
{
    static const char *const want[] = {
        "0004 0008 2112a442 0102030405060708090a0b0c 000d0004 00000000",
        ("0008 0024 2112a442 0102030405060708090a0b0c 00120008 0001e242e112a645 "
         "00120014 000220a90113a9fa0102030405060708090a0b05"),
        "0009 0014 2112a442 0102030405060708090a0b0c 000c0004 40010000 00120008 0001e242e112a645",
        "0016 0018 2112a442 0102030405060708090a0b0c 00120008 0001e242e112a645 00130005 68656c6c6f000000",
    };
    static const size_t peers_n[] = { 0, 2, 1, 1 };
    const struct stun_addr peers[] = { v4, v6 };
    uint8_t room[STUN_REQUEST_MAX], bytes[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);

    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        size_t n = em_unhex(want[i], bytes, sizeof bytes);
        struct stun_msg m;
        struct turn_msg t;

        stun_begin(&b, (uint16_t[]) { STUN_REFRESH, STUN_CREATE_PERMISSION, STUN_CHANNEL_BIND, STUN_SEND }[i],
                   i == 3 ? STUN_INDICATION : STUN_REQUEST, tid);
        if (i == 0)
            turn_put_refresh(&b, 0);
        else if (i == 1)
            turn_put_peers(&b, peers, 2);
        else if (i == 2)
            turn_put_channel(&b, 0x4001, &v4);
        else
            turn_put_data(&b, &v4, SLICE("hello"));
        ck_assert_msg(b.n == n && memcmp(b.p, bytes, n) == 0, "row %zu", i);
        ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
        ck_assert_int_eq(turn_parse(&m, &t), 0);
        ck_assert_uint_eq(t.peers_n, peers_n[i]);
        ck_assert(i == 0 || same_addr(&t.peers[0], &v4));
        ck_assert(i != 1 || same_addr(&t.peers[1], &v6));
        ck_assert_uint_eq(t.channel, i == 2 ? 0x4001 : 0);
        ck_assert(slice_eq(m.data, i == 3 ? SLICE("hello") : SLICE("")));
    }
}
END_TEST

START_TEST(answers)
{
    static const uint8_t icmp[] = { 0, 0, 3, 4, 0, 0, 5, 0xdc },
                         not_given[] = { 2, 0, 4, 40, 'n', 'o', 0, 0 };
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);
    struct stun_msg m;
    struct turn_msg t;

    stun_begin(&b, STUN_ALLOCATE, STUN_SUCCESS, tid);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_RELAYED_ADDRESS, &v4);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_RELAYED_ADDRESS, &v6);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_RELAYED_ADDRESS, &v4);
    stun_put(&b, STUN_ATTR_RESERVATION_TOKEN, token, sizeof token);
    stun_put(&b, STUN_ATTR_ADDRESS_ERROR_CODE, not_given, sizeof not_given);
    stun_put_u32(&b, STUN_ATTR_CONNECTION_ID, 77);
    stun_put(&b, STUN_ATTR_ICMP, icmp, sizeof icmp);
    for (size_t i = 0; i < TURN_PEERS_MAX + 3; i++)
        turn_put_peers(&b, &v6, 1);
    ck_assert(!b.full);
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    ck_assert_int_eq(turn_parse(&m, &t), 0);
    ck_assert(t.relayed_n == 2 && same_addr(&t.relayed[0], &v4) && same_addr(&t.relayed[1], &v6));
    ck_assert(same_addr(&m.xor_relayed, &v4));
    ck_assert(t.token && memcmp(t.token, token, sizeof token) == 0);
    ck_assert(t.error_family == 6 && t.error_code == 440);
    ck_assert(t.has_connection_id && t.connection_id == 77);
    ck_assert(t.has_icmp && t.icmp_type == 3 && t.icmp_code == 4 && t.icmp_data == 1500);
    ck_assert_uint_eq(t.peers_n, TURN_PEERS_MAX + 3);
}
END_TEST

START_TEST(broken_values)
{
    static const struct {
        uint16_t type;
        const char *hex;
        bool good;
    } rows[] = {
        { STUN_ATTR_CHANNEL_NUMBER, "40000000", true },
        { STUN_ATTR_CHANNEL_NUMBER, "7ffe0000", true }, /* of RFC 5766 */
        { STUN_ATTR_CHANNEL_NUMBER, "3fff0000", false },
        { STUN_ATTR_CHANNEL_NUMBER, "80000000", false },
        { STUN_ATTR_CHANNEL_NUMBER, "40", false },
        { STUN_ATTR_REQUESTED_TRANSPORT, "110000", false },
        { STUN_ATTR_REQUESTED_ADDRESS_FAMILY, "03000000", false },
        { STUN_ATTR_REQUESTED_ADDRESS_FAMILY, "01", false },
        { STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, "00000000", false },
        { STUN_ATTR_EVEN_PORT, "", false },
        { STUN_ATTR_RESERVATION_TOKEN, "01020304050607", false },
        { STUN_ATTR_RESERVATION_TOKEN, "010203040506070809", false },
        { STUN_ATTR_CONNECTION_ID, "010203", false },
        { STUN_ATTR_ICMP, "00000303000000", false },
        { STUN_ATTR_ADDRESS_ERROR_CODE, "02000428", true },
        { STUN_ATTR_ADDRESS_ERROR_CODE, "03000428", false },
        { STUN_ATTR_ADDRESS_ERROR_CODE, "02000228", false },
        { STUN_ATTR_ADDRESS_ERROR_CODE, "02000464", false },
        { STUN_ATTR_ADDRESS_ERROR_CODE, "020004", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t room[STUN_REQUEST_MAX], value[32];
        struct buf b = buf_over(room, sizeof room);
        size_t n = em_unhex(rows[i].hex, value, sizeof value);
        struct stun_msg m;
        struct turn_msg t;

        stun_begin(&b, STUN_ALLOCATE, STUN_SUCCESS, tid);
        stun_put(&b, rows[i].type, value, n);
        ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
        ck_assert_msg((turn_parse(&m, &t) == 0) == rows[i].good, "%04x %s", rows[i].type, rows[i].hex);
    }
}
END_TEST

START_TEST(channel_data)
{
    static const struct {
        const char *hex, *data; /* data NULL: refused */
        bool stream;
    } rows[] = {
        { "40010005 68656c6c6f", "hello", false },
        { "40010005 68656c6c6f000000", "hello", true },
        { "40010000", "", true },
        { "4fff0004 61626364", "abcd", true },
        { "40010005 68656c6c6f00", "hello", false }, /* padded by half: nobody forbids it over UDP */
        { "40010005 68656c6c6f00000000", NULL, false },
        { "40010005 68656c6c", NULL, false },
        { "50000000", NULL, false },
        { "3fff0000", NULL, false },
        { "4001", NULL, false },
        { "", NULL, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[32], room[32];
        size_t n = em_unhex(rows[i].hex, bytes, sizeof bytes);
        struct buf b = buf_over(room, sizeof room);
        struct slice data = SLICE("untouched");
        uint16_t channel = 0;
        int got = turn_read_channel_data(bytes, n, &channel, &data);

        ck_assert_msg((got == 0) == (rows[i].data != NULL), "%s", rows[i].hex);
        ck_assert(rows[i].data ? slice_eq(data, slice_of(rows[i].data))
                               : slice_eq(data, SLICE("untouched")) && channel == 0);
        if (!rows[i].data || i == 4)
            continue;
        turn_put_channel_data(&b, channel, data, rows[i].stream);
        ck_assert_msg(b.n == n && memcmp(b.p, bytes, n) == 0, "%s", rows[i].hex);
        if (rows[i].stream)
            ck_assert_int_eq(stun_frame(bytes, n), (int)n);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("wire_turn");

    tcase_add_test(t, allocate_requests);
    tcase_add_test(t, other_messages);
    tcase_add_test(t, answers);
    tcase_add_test(t, broken_values);
    tcase_add_test(t, channel_data);
    return em_run();
}
