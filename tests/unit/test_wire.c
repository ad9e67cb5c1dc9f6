/* SPDX-License-Identifier: GPL-3.0-or-later
 * STUN messages: the vectors of RFC 5769 and RFC 8489 B.1 (as corrected by erratum 6268) both ways, every truncation, every byte
 * flipped, the walk over attributes, framing, addresses and errors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "wire/stun_auth.h"

static const char password[] = "VOkJxbRl1RmTxUk/WvJxBt";
static const char matrix_user[] = "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9";

static struct stun_key key_of(const char *vector)
{
    struct stun_key k;

    if (strstr(vector, "sha256") || strstr(vector, "longterm"))
        ck_assert(stun_key_long(&k, strstr(vector, "sha256") != NULL, slice_of(matrix_user),
                                SLICE("example.org"), SLICE("TheMatrIX")));
    else
        ck_assert(stun_key_short(&k, slice_of(password)));
    return k;
}

static const struct vector {
    const char *file;
    enum stun_class class;
    bool fingerprint;
} vectors[] = {
    { "vectors/stun/rfc-request.bin", STUN_REQUEST, true },
    { "vectors/stun/rfc-response4.bin", STUN_SUCCESS, true },
    { "vectors/stun/rfc-response6.bin", STUN_SUCCESS, true },
    { "vectors/stun/rfc-longterm.bin", STUN_REQUEST, false },
    { "vectors/stun/rfc-sha256.bin", STUN_REQUEST, false },
};
enum { VECTORS_N = sizeof vectors / sizeof *vectors };

START_TEST(vectors_are_read)
{
    const struct vector *v = &vectors[_i];
    struct stun_key k = key_of(v->file);
    struct stun_msg m;
    size_t n;
    char *bytes = em_slurp(v->file, &n);

    ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
    ck_assert_int_eq(m.class, v->class);
    ck_assert_int_eq(stun_frame((uint8_t *)bytes, n), (int)n);
    ck_assert_int_eq(m.fingerprint_present, v->fingerprint);
    ck_assert_int_eq(m.fingerprint_right, v->fingerprint);
    if (_i == 4) /* RFC 8489 B.1 announces a user hash; its integrity is SHA-256 */
        ck_assert(m.integrity256_at != 0);
    ck_assert_int_eq(stun_check_integrity(&m, &k), STUN_INTEGRITY_RIGHT);
    free(bytes);
}
END_TEST

/* What the vectors carry, by RFC 5769 sections 2.1 to 2.4 and RFC 8489 B.1: attributes in hex, in their order, without integrity and
 * fingerprint. */
static const struct said {
    uint16_t type;
    const char *hex;
} says[VECTORS_N][6] = {
    { { STUN_ATTR_SOFTWARE, "5354554e207465737420636c69656e74" }, /* STUN test client */
      { STUN_ATTR_PRIORITY, "6e0001ff" },
      { STUN_ATTR_ICE_CONTROLLED, "932ff9b151263b36" },
      { STUN_ATTR_USERNAME, "6576746a3a68367659" } }, /* evtj:h6vY */
    { { STUN_ATTR_SOFTWARE, "7465737420766563746f72" },
      { STUN_ATTR_XOR_MAPPED_ADDRESS, "0001a147e112a643" } },
    { { STUN_ATTR_SOFTWARE, "7465737420766563746f72" },
      { STUN_ATTR_XOR_MAPPED_ADDRESS, "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9" } },
    { { STUN_ATTR_USERNAME, "e3839ee38388e383aae38383e382afe382b9" },
      { STUN_ATTR_NONCE, "662f2f3439396b39353464364f4c33346f4c39465354767936347341" },
      { STUN_ATTR_REALM, "6578616d706c652e6f7267" } },
    { { STUN_ATTR_USERHASH, "4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704" },
      { STUN_ATTR_NONCE,
        "6f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c39465354767936347341" },
      { STUN_ATTR_REALM, "6578616d706c652e6f7267" },
      { STUN_ATTR_PASSWORD_ALGORITHM, "00020000" } },
};

START_TEST(vectors_say_what_the_rfc_says)
{
    struct stun_msg m;
    struct stun_walk w;
    size_t n, i = 0;
    char *bytes = em_slurp(vectors[_i].file, &n);

    ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
    ck_assert_mem_eq(m.tid,
                     _i < 3 ? "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
                            : "\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e",
                     STUN_TID_SIZE);
    for (w = stun_walk_of(&m); stun_walk_next(&w) && says[_i][i].hex; i++) {
        uint8_t want[64];
        size_t want_n = em_unhex(says[_i][i].hex, want, sizeof want);

        ck_assert_uint_eq(w.type, says[_i][i].type);
        ck_assert_uint_eq(cur_left(&w.value), want_n);
        ck_assert_mem_eq(w.value.p, want, want_n);
    }
    ck_assert(w.type == STUN_ATTR_MESSAGE_INTEGRITY || w.type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256);
    ck_assert_uint_eq(m.unknown_n, 0);
    free(bytes);
}
END_TEST

START_TEST(addresses_of_the_vectors)
{
    static const uint8_t v6[16] = { 0x20, 1,    0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78,
                                    0,    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77 };
    struct stun_msg m;
    size_t n;
    char *bytes = em_slurp(vectors[1].file, &n);

    ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
    ck_assert(m.xor_mapped.family == 4 && m.xor_mapped.port == 32853 &&
              memcmp(m.xor_mapped.ip, "\xc0\x00\x02\x01", 4) == 0);
    ck_assert(slice_eq(m.software, SLICE("test vector")));
    free(bytes);
    bytes = em_slurp(vectors[2].file, &n);
    ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
    ck_assert(m.xor_mapped.family == 6 && m.xor_mapped.port == 32853 && memcmp(m.xor_mapped.ip, v6, 16) == 0);
    free(bytes);
}
END_TEST

/* One attribute of a vector, put again. Integrity, fingerprint and XOR are computed; the vectors of RFC 5769 pad with blanks. */
static void put_again(struct buf *b, const struct stun_walk *w, const struct stun_msg *m,
                      const struct stun_key *k)
{
    size_t n = cur_left(&w->value), pad = -n & 3;
    struct stun_addr a;

    if (w->type == STUN_ATTR_MESSAGE_INTEGRITY || w->type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256) {
        stun_put_integrity(b, k, w->type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256);
    } else if (w->type == STUN_ATTR_FINGERPRINT) {
        stun_put_fingerprint(b);
    } else if (stun_read_xor_addr(m, w->value, &a) && w->type == STUN_ATTR_XOR_MAPPED_ADDRESS) {
        stun_put_xor_addr(b, w->type, &a);
    } else {
        stun_put(b, w->type, w->value.p, n);
        for (size_t i = 0; i < pad; i++)
            ck_assert_uint_eq(b->p[b->n - pad + i], 0);
        memcpy(b->p + b->n - pad, w->value.end, pad);
    }
}

START_TEST(our_own_messages_are_the_vectors)
{
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);
    struct stun_key k = key_of(vectors[_i].file);
    struct stun_walk w;
    struct stun_msg m;
    size_t n;
    char *bytes = em_slurp(vectors[_i].file, &n);

    ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
    stun_begin(&b, STUN_BINDING, m.class, m.tid);
    for (w = stun_walk_of(&m); stun_walk_next(&w);)
        put_again(&b, &w, &m, &k);
    ck_assert(!b.full);
    ck_assert_uint_eq(b.n, n);
    ck_assert_mem_eq(b.p, bytes, n);
    free(bytes);
}
END_TEST

/* A cut message is never taken for a whole one. */
START_TEST(every_truncation_is_refused)
{
    size_t n;
    char *bytes = em_slurp(vectors[_i].file, &n);

    for (size_t cut = 0; cut < n; cut++) {
        char *exact = malloc(cut + 1); /* so that a sanitizer sees a read beyond the cut */
        struct stun_msg m;

        memcpy(exact, bytes, cut);
        ck_assert_msg(stun_parse(exact, cut, &m) != 0, "%s cut at %zu", vectors[_i].file, cut);
        ck_assert_int_le(stun_frame((uint8_t *)exact, cut), 0);
        free(exact);
    }
    free(bytes);
}
END_TEST

/* Whatever byte is changed to whatever: up to the end of the integrity the key no longer fits, behind it the fingerprint is wrong. */
static void check_flipped(const struct vector *v, const struct stun_key *k, const char *bytes, size_t n,
                          size_t at, size_t covered)
{
    struct stun_msg m;

    if (stun_parse(bytes, n, &m) != 0)
        return;
    if (at < covered)
        ck_assert_msg(stun_check_integrity(&m, k) != STUN_INTEGRITY_RIGHT, "%s byte %zu is now %02x", v->file,
                      at, (uint8_t)bytes[at]);
    else
        ck_assert_msg(!m.fingerprint_right, "%s byte %zu is now %02x", v->file, at, (uint8_t)bytes[at]);
}

START_TEST(every_flipped_byte_is_noticed)
{
    const struct vector *v = &vectors[_i];
    struct stun_key k = key_of(v->file);
    struct stun_msg m;
    size_t n, covered;
    char *bytes = em_slurp(v->file, &n);

    ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
    covered = m.integrity256_at ? m.integrity256_at + 36 : m.integrity_at + 24;
    ck_assert_uint_eq(n - covered, v->fingerprint ? 8 : 0);
    for (size_t at = 0; at < n; at++) {
        for (unsigned with = 1; with < 256; with += with < 3 || with > 0xF0 ? 1 : 3) {
            bytes[at] = (char)((uint8_t)bytes[at] ^ with);
            check_flipped(v, &k, bytes, n, at, covered);
            bytes[at] = (char)((uint8_t)bytes[at] ^ with);
        }
    }
    free(bytes);
}
END_TEST

/* RFC 8489 B.1 as printed has the length 009c; the erratum corrects it. */
START_TEST(the_printed_vector_fails)
{
    struct stun_msg m;
    size_t n;
    char *bytes = em_slurp("vectors/stun/rfc-sha256.bin", &n);

    bytes[3] = (char)0x9c;
    ck_assert_int_ne(stun_parse(bytes, n, &m), 0);
    free(bytes);
}
END_TEST

START_TEST(framing)
{
    static const struct {
        const char *hex;
        int want;
    } rows[] = {
        { "", 0 },
        { "00", 0 },
        { "000100", 0 },
        { "00010000", 0 },
        { "000100002112a442000000000000000000000000", 20 },
        { "000100002112a442000000000000000000000000ffff", 20 },
        { "00010003", -1 },
        { "40000001aa", 0 },
        { "40000001aa000000", 8 },
        { "40000000", 4 },
        { "50", -1 },
        { "80000000", -1 },
        { "48545450", 0 }, /* "HTTP" is in the range of channel numbers: 0x4854 with length 0x5450 */
        { "160301", 0 },
        { "0001000021", 0 },
        { "000100002113", -1 },
        { "15030300020228", -1 }, /* a TLS alert: not 20 + 0x0300 bytes to wait for */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[64];
        size_t n = em_unhex(rows[i].hex, bytes, sizeof bytes);
        int got = stun_frame(bytes, n);

        ck_assert_msg(rows[i].want < 0 ? got < 0 : got == rows[i].want, "%s: %d", rows[i].hex, got);
    }
}
END_TEST

static bool same_addr(const struct stun_addr *a, const struct stun_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

START_TEST(addresses_and_errors_go_round)
{
    static const uint8_t tid[STUN_TID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    struct stun_addr v4 = { 4, 50000, { 192, 0, 2, 7 } }, v6 = { 6, 443, { 0x20, 1, 0xd, 0xb8, [15] = 9 } };
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);
    struct stun_msg m;

    stun_begin(&b, STUN_ALLOCATE, STUN_ERROR, tid);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &v4);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_RELAYED_ADDRESS, &v6);
    stun_put_addr(&b, STUN_ATTR_ALTERNATE_SERVER, &v4);
    stun_put_error(&b, 438, SLICE("Stale Nonce"));
    stun_put_u32(&b, STUN_ATTR_LIFETIME, 600);
    stun_put(&b, 0x7FFF, "x", 1);
    stun_put_fingerprint(&b);
    ck_assert(!b.full);
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    ck_assert(m.method == STUN_ALLOCATE && m.class == STUN_ERROR && stun_is_answer(&m, STUN_ALLOCATE, tid));
    ck_assert(!stun_is_answer(&m, STUN_BINDING, tid));
    ck_assert(same_addr(&m.xor_mapped, &v4));
    ck_assert(same_addr(&m.xor_relayed, &v6));
    ck_assert(same_addr(&m.alternate_server, &v4));
    ck_assert(m.error_code == 438 && slice_eq(m.error_reason, SLICE("Stale Nonce")));
    ck_assert(m.has_lifetime && m.lifetime == 600 && m.fingerprint_right);
    ck_assert(m.unknown_n == 1 && m.unknown[0] == 0x7FFF);
}
END_TEST

/* XOR with cookie and transaction id, by hand: the port with 2112, the address with 2112a442 010203... */
START_TEST(xor_addresses)
{
    static const struct {
        const char *name, *hex;
        struct stun_addr want; /* family 0: refused */
    } rows[] = {
        { "v4", "0001 e242 e112a645", { 4, 50000, { 192, 0, 2, 7 } } },
        { "v4, first byte is ignored", "ff01 e242 e112a645", { 4, 50000, { 192, 0, 2, 7 } } },
        { "v4, all zero", "0001 2112 2112a442", { 4, 0, { 0 } } },
        { "v4, all ones", "0001 deed deed5bbd", { 4, 65535, { 255, 255, 255, 255 } } },
        { "v6", "0002 20a9 0113a9fa 0102030405060708090a0b05", { 6, 443, { 0x20, 1, 0xd, 0xb8, [15] = 9 } } },
        { "v6 loopback", "0002 2113 2112a442 0102030405060708090a0b0d", { 6, 1, { [15] = 1 } } },
        { "v4 with the size of v6", "0001 e242 e112a645 0102030405060708090a0b0d", { 0 } },
        { "v6 with the size of v4", "0002 e242 e112a645", { 0 } },
        { "v4, a byte short", "0001 e242 e112a6", { 0 } },
        { "v4, a byte long", "0001 e242 e112a645 00", { 0 } },
        { "family 0", "0000 e242 e112a645", { 0 } },
        { "family 3", "0003 e242 e112a645", { 0 } },
        { "nothing but a family", "0001", { 0 } },
        { "nothing", "", { 0 } },
    };
    static const uint8_t tid[STUN_TID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t value[32], room[STUN_REQUEST_MAX];
        size_t n = em_unhex(rows[i].hex, value, sizeof value);
        struct buf b = buf_over(room, sizeof room);
        struct stun_msg m;

        stun_begin(&b, STUN_BINDING, STUN_SUCCESS, tid);
        stun_put(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, value, n);
        ck_assert_msg((stun_parse(b.p, b.n, &m) == 0) == (rows[i].want.family != 0), "%s", rows[i].name);
        if (!rows[i].want.family)
            continue;
        ck_assert_msg(same_addr(&m.xor_mapped, &rows[i].want), "%s", rows[i].name);
        stun_begin(&b, STUN_BINDING, STUN_SUCCESS, tid);
        stun_put_xor_addr(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &rows[i].want);
        ck_assert_mem_eq(b.p + 25, value + 1, n - 1);
    }
}
END_TEST

START_TEST(error_codes)
{
    static const struct {
        const char *hex;
        unsigned code; /* 0: refused */
        const char *reason;
    } rows[] = {
        { "00000300", 300, "" },
        { "00000401 556e617574686f72697a6564", 401, "Unauthorized" },
        { "00000426 5374616c65204e6f6e6365", 438, "Stale Nonce" },
        { "00000556 4f7665720000", 586, "Over" },
        { "00000463", 499, "" },
        { "00000464", 0, "" },
        { "00000663", 699, "" },
        { "00000763", 0, "" },
        { "00000263", 0, "" },
        { "00000000", 0, "" },
        { "fffffc01", 401, "" }, /* 21 bits are reserved */
        { "00000401 556e0000", 401, "Un" },
        { "00000401 00000000", 401, "" },
        { "000004", 0, "" },
        { "", 0, "" },
    };
    static const uint8_t tid[STUN_TID_SIZE];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t value[32], room[STUN_REQUEST_MAX];
        size_t n = em_unhex(rows[i].hex, value, sizeof value);
        struct buf b = buf_over(room, sizeof room);
        struct stun_msg m;

        stun_begin(&b, STUN_BINDING, STUN_ERROR, tid);
        stun_put(&b, STUN_ATTR_ERROR_CODE, value, n);
        ck_assert_msg((stun_parse(b.p, b.n, &m) == 0) == (rows[i].code != 0), "%s", rows[i].hex);
        if (rows[i].code == 0)
            continue;
        ck_assert_msg(m.error_code == rows[i].code && slice_eq(m.error_reason, slice_of(rows[i].reason)),
                      "%s: %u", rows[i].hex, m.error_code);
    }
}
END_TEST

/* Twelve attributes that must be understood and are not: eight are listed, all are counted, and the list can be sent back. */
START_TEST(unknown_attributes_are_listed)
{
    static const uint8_t tid[STUN_TID_SIZE];
    uint8_t room[STUN_REQUEST_MAX], back[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room), answer = buf_over(back, sizeof back);
    struct stun_walk w;
    struct stun_msg m;

    stun_begin(&b, STUN_BINDING, STUN_REQUEST, tid);
    for (uint16_t i = 0; i < 12; i++)
        stun_put(&b, (uint16_t)(0x7F00 + i), "xyz", i % 4U);
    stun_put(&b, 0x8777, NULL, 0); /* optional ones are no matter */
    stun_put_u32(&b, STUN_ATTR_PRIORITY, 1);
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    ck_assert_uint_eq(m.unknown_n, 12);
    for (uint16_t i = 0; i < STUN_UNKNOWN_MAX; i++)
        ck_assert_uint_eq(m.unknown[i], 0x7F00 + i);
    stun_begin(&answer, STUN_BINDING, STUN_ERROR, tid);
    stun_put_unknown(&answer, &m);
    ck_assert_int_eq(stun_parse(answer.p, answer.n, &m), 0);
    w = stun_walk_of(&m);
    ck_assert(stun_walk_next(&w) && w.type == STUN_ATTR_UNKNOWN_ATTRIBUTES);
    ck_assert_uint_eq(cur_left(&w.value), 2 * STUN_UNKNOWN_MAX);
    ck_assert_uint_eq(cur_u16(&w.value), 0x7F00);
}
END_TEST

/* First instance; nothing behind integrity but the stronger integrity and the fingerprint; nothing behind the fingerprint. */
START_TEST(what_does_not_count)
{
    static const uint8_t tid[STUN_TID_SIZE];
    struct stun_addr first = { 4, 1, { 192, 0, 2, 1 } }, second = { 4, 2, { 192, 0, 2, 2 } };
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);
    struct stun_key k = key_of("short");
    struct stun_msg m;

    stun_begin(&b, STUN_BINDING, STUN_SUCCESS, tid);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &first);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &second);
    stun_put_integrity(&b, &k, false);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_RELAYED_ADDRESS, &second);
    stun_put(&b, 0x7FFF, NULL, 0);
    stun_put_integrity(&b, &k, true);
    stun_put_text(&b, STUN_ATTR_SOFTWARE, SLICE("somebody in between"));
    stun_put_integrity(&b, &k, false);
    stun_put_fingerprint(&b);
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    ck_assert(same_addr(&m.xor_mapped, &first) && m.xor_relayed.family == 0 && !m.software.p &&
              m.unknown_n == 0);
    ck_assert(m.fingerprint_right && m.integrity_at < m.integrity256_at);
    ck_assert_int_eq(stun_check_integrity(&m, &k), STUN_INTEGRITY_RIGHT);
    stun_put_text(&b, STUN_ATTR_SOFTWARE, SLICE("late"));
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    ck_assert(!m.software.p && m.fingerprint_present && !m.fingerprint_right);
}
END_TEST

/* RFC 8489 section 14.6 lets a usage cut it; ours do not. */
START_TEST(a_cut_sha256_is_wrong)
{
    static const uint8_t tid[STUN_TID_SIZE];
    struct stun_key k = key_of("short");

    for (size_t size = 12; size <= 36; size += 4) {
        uint8_t room[STUN_REQUEST_MAX], whole[36];
        struct buf b = buf_over(room, sizeof room);
        struct stun_msg m;

        stun_begin(&b, STUN_BINDING, STUN_SUCCESS, tid);
        stun_put_integrity(&b, &k, true);
        memcpy(whole, b.p + STUN_HEADER_SIZE + 4, 32);
        memset(whole + 32, 0, 4);
        stun_begin(&b, STUN_BINDING, STUN_SUCCESS, tid);
        stun_put(&b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, whole, size);
        ck_assert_int_eq(stun_parse(b.p, b.n, &m) == 0, size >= 16 && size <= 32);
        if (size >= 16 && size <= 32)
            ck_assert_int_eq(stun_check_integrity(&m, &k),
                             size == 32 ? STUN_INTEGRITY_RIGHT : STUN_INTEGRITY_WRONG);
    }
}
END_TEST

/* What has no room is never half written behind the end. */
START_TEST(a_full_buffer_stays_full)
{
    static const uint8_t tid[STUN_TID_SIZE];
    struct stun_key k = key_of("short");

    for (size_t size = 1; size < 90; size++) {
        uint8_t *room = malloc(size);
        struct buf b = buf_over(room, size);

        stun_begin(&b, STUN_BINDING, STUN_REQUEST, tid);
        stun_put_xor_addr(&b, STUN_ATTR_XOR_PEER_ADDRESS, &(struct stun_addr) { .family = 4 });
        stun_put_integrity(&b, &k, true);
        stun_put_fingerprint(&b);
        ck_assert_int_eq(b.full, size < 20 + 12 + 36 + 8 + 1); /* struct buf keeps one byte for a NUL */
        free(room);
    }
}
END_TEST

START_TEST(broken_messages_are_refused)
{
    static const char *const rows[] = {
        "c00100002112a442000000000000000000000000",                          /* top bits */
        "000100002112a443000000000000000000000000",                          /* cookie */
        "000100042112a442000000000000000000000000",                          /* length beyond the end */
        "0001000421 12a442000000000000000000000000 00200004",                /* value beyond the end */
        "0101000c2112a442000000000000000000000000 002000080001a14700000000", /* fits: see below */
        "0101000c2112a442000000000000000000000000 002000080003a14700000000", /* family 3 */
        "010100082112a442000000000000000000000000 0009000400000264",         /* error class 2 */
        "010100082112a442000000000000000000000000 0009000400000464",         /* error number 100 */
        "010100042112a442000000000000000000000000 80280000",                 /* empty fingerprint */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[64];
        struct stun_msg m;
        size_t n = em_unhex(rows[i], bytes, sizeof bytes);

        ck_assert_msg((stun_parse(bytes, n, &m) == 0) == (i == 4), "%s", rows[i]);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("wire");

    tcase_add_loop_test(t, vectors_are_read, 0, VECTORS_N);
    tcase_add_loop_test(t, vectors_say_what_the_rfc_says, 0, VECTORS_N);
    tcase_add_test(t, addresses_of_the_vectors);
    tcase_add_loop_test(t, our_own_messages_are_the_vectors, 0, VECTORS_N);
    tcase_add_loop_test(t, every_truncation_is_refused, 0, VECTORS_N);
    tcase_add_loop_test(t, every_flipped_byte_is_noticed, 0, VECTORS_N);
    tcase_add_test(t, the_printed_vector_fails);
    tcase_add_test(t, framing);
    tcase_add_test(t, addresses_and_errors_go_round);
    tcase_add_test(t, xor_addresses);
    tcase_add_test(t, error_codes);
    tcase_add_test(t, unknown_attributes_are_listed);
    tcase_add_test(t, what_does_not_count);
    tcase_add_test(t, a_cut_sha256_is_wrong);
    tcase_add_test(t, a_full_buffer_stays_full);
    tcase_add_test(t, broken_messages_are_refused);
    return em_run();
}
