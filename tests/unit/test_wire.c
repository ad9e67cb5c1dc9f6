/* SPDX-License-Identifier: GPL-3.0-or-later
 * The wire layer: the vectors of RFC 5769 and RFC 8489 B.1 (as corrected by erratum 6268) both ways, every truncation, every byte
 * flipped, framing, addresses, errors, and the client's side of authentication. */
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

/* The vectors pad with blanks (0x20), we pad with zeros: compare through our own parser, and byte for byte where there is no padding. */
START_TEST(our_own_messages_are_the_vectors)
{
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);
    struct stun_key k = key_of("longterm");
    struct stun_msg m;
    size_t n;
    char *bytes = em_slurp("vectors/stun/rfc-longterm.bin", &n);

    ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
    stun_begin(&b, STUN_BINDING, STUN_REQUEST, m.tid);
    stun_put_text(&b, STUN_ATTR_USERNAME, m.username);
    stun_put_text(&b, STUN_ATTR_NONCE, m.nonce);
    stun_put_text(&b, STUN_ATTR_REALM, m.realm);
    stun_put_integrity(&b, &k, false);
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

/* Whatever byte is flipped, in whatever way, integrity or fingerprint no longer hold. */
START_TEST(every_flipped_byte_is_noticed)
{
    static const uint8_t flips[] = { 0x01, 0x80, 0xFF };
    struct stun_key k = key_of(vectors[_i].file);
    size_t n;
    char *bytes = em_slurp(vectors[_i].file, &n);

    for (size_t at = 0; at < n; at++) {
        for (size_t f = 0; f < sizeof flips; f++) {
            struct stun_msg m;

            bytes[at] = (char)(bytes[at] ^ flips[f]);
            if (stun_parse(bytes, n, &m) == 0)
                ck_assert_msg(stun_check_integrity(&m, &k) != STUN_INTEGRITY_RIGHT ||
                                  (vectors[_i].fingerprint && !m.fingerprint_right),
                              "%s byte %zu", vectors[_i].file, at);
            bytes[at] = (char)(bytes[at] ^ flips[f]);
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

START_TEST(long_term_key)
{
    static const uint8_t want[16] = { 0x84, 0x93, 0xfb, 0xc5, 0x3b, 0xa5, 0x82, 0xfb,
                                      0x4c, 0x04, 0x4c, 0x45, 0x6b, 0xdc, 0x40, 0xeb };
    struct stun_key k;

    ck_assert(stun_key_long(&k, false, SLICE("user"), SLICE("realm"), SLICE("pass")));
    ck_assert_uint_eq(k.n, 16);
    ck_assert_mem_eq(k.bytes, want, 16);
    ck_assert(
        stun_key_long(&k, false, SLICE("\"user\""), ((struct slice) { "\"realm\"\0", 8 }), SLICE("pass")));
    ck_assert_mem_eq(k.bytes, want, 16);
}
END_TEST

START_TEST(rest_credentials)
{
    char user[64], pass[64];

    ck_assert(stun_rest_credentials("north", 1000000000, "bob", user, sizeof user, pass, sizeof pass));
    ck_assert_str_eq(user, "1000000000:bob");
    ck_assert_str_eq(pass, "0mKE7GNgaiC5wBxZ2fleEK5N8s0=");
    ck_assert(!stun_rest_credentials("north", 1000000000, "bob", user, 10, pass, sizeof pass));
    ck_assert(!stun_rest_credentials("north", 1000000000, "bob", user, sizeof user, pass, 20));
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

/* One step of a conversation: what the server says, and what the client is to do. */
static enum stun_auth_next step(struct stun_auth *a, enum stun_class class, uint16_t code, const char *nonce,
                                const struct stun_key *key)
{
    static const uint8_t tid[STUN_TID_SIZE];
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);
    struct stun_msg m;

    stun_begin(&b, STUN_ALLOCATE, class, tid);
    if (code)
        stun_put_error(&b, code, SLICE("x"));
    if (nonce) {
        stun_put_text(&b, STUN_ATTR_REALM, SLICE("r.example"));
        stun_put_text(&b, STUN_ATTR_NONCE, slice_of(nonce));
    }
    if (key)
        stun_put_integrity(&b, key, false);
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    return stun_auth_answer(a, &m);
}

START_TEST(the_clients_side)
{
    struct stun_auth a;
    struct stun_key right, wrong;

    ck_assert(stun_key_long(&right, false, SLICE("u"), SLICE("r.example"), SLICE("p")));
    ck_assert(stun_key_long(&wrong, false, SLICE("u"), SLICE("r.example"), SLICE("q")));

    stun_auth_init(&a, "", "");
    ck_assert_int_eq(step(&a, STUN_ERROR, 401, "n1", NULL), STUN_AUTH_NEEDED);
    ck_assert_int_eq(step(&a, STUN_ERROR, 401, NULL, NULL), STUN_AUTH_BROKEN);
    ck_assert_int_eq(step(&a, STUN_SUCCESS, 0, NULL, NULL), STUN_AUTH_SUCCESS);

    stun_auth_init(&a, "u", "p");
    ck_assert_int_eq(step(&a, STUN_ERROR, 401, "n1", NULL), STUN_AUTH_RETRY);
    ck_assert_int_eq(step(&a, STUN_SUCCESS, 0, NULL, &right), STUN_AUTH_SUCCESS);
    ck_assert_int_eq(step(&a, STUN_SUCCESS, 0, NULL, &wrong), STUN_AUTH_FORGED);
    ck_assert_int_eq(step(&a, STUN_SUCCESS, 0, NULL, NULL), STUN_AUTH_FORGED);
    ck_assert_int_eq(step(&a, STUN_ERROR, 486, NULL, &right), STUN_AUTH_ERROR);
    ck_assert_int_eq(step(&a, STUN_ERROR, 438, "n2", NULL), STUN_AUTH_RETRY);
    ck_assert_mem_eq(a.nonce, "n2", 2);
    ck_assert_int_eq(step(&a, STUN_ERROR, 438, "n3", NULL), STUN_AUTH_REFUSED);
    ck_assert_int_eq(step(&a, STUN_ERROR, 401, "n4", NULL), STUN_AUTH_REFUSED);
    stun_auth_fini(&a);
    ck_assert_int_eq(a.password[0], 0);
}
END_TEST

/* A server that offers SHA-256 and says so in its nonce gets it; without the nonce's flag it is a bid-down and SHA-1 stays. */
START_TEST(sha256_only_with_the_nonce_flag)
{
    static const uint8_t tid[STUN_TID_SIZE], offer[] = { 0, 2, 0, 0, 0, 1, 0, 0 };
    static const struct {
        const char *nonce;
        bool sha256;
    } rows[] = { { "obMatJos2gAAAn1", true }, { "obMatJos2AAAAn1", false }, { "n1", false } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t room[STUN_REQUEST_MAX];
        struct buf b = buf_over(room, sizeof room);
        struct stun_auth a;
        struct stun_msg m;

        stun_auth_init(&a, "u", "p");
        stun_begin(&b, STUN_ALLOCATE, STUN_ERROR, tid);
        stun_put_error(&b, 401, SLICE("Unauthorized"));
        stun_put_text(&b, STUN_ATTR_REALM, SLICE("r"));
        stun_put_text(&b, STUN_ATTR_NONCE, slice_of(rows[i].nonce));
        stun_put(&b, STUN_ATTR_PASSWORD_ALGORITHMS, offer, sizeof offer);
        ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
        ck_assert_int_eq(stun_auth_answer(&a, &m), STUN_AUTH_RETRY);
        ck_assert_int_eq(a.sha256, rows[i].sha256);
        stun_begin(&b, STUN_ALLOCATE, STUN_REQUEST, tid);
        stun_auth_sign(&a, &b);
        stun_put_fingerprint(&b);
        ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
        ck_assert_int_eq(m.integrity256_at != 0, rows[i].sha256);
        ck_assert_int_eq(stun_check_integrity(&m, &a.key), STUN_INTEGRITY_RIGHT);
        ck_assert(m.fingerprint_right);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("wire");

    tcase_add_loop_test(t, vectors_are_read, 0, VECTORS_N);
    tcase_add_test(t, addresses_of_the_vectors);
    tcase_add_test(t, our_own_messages_are_the_vectors);
    tcase_add_loop_test(t, every_truncation_is_refused, 0, VECTORS_N);
    tcase_add_loop_test(t, every_flipped_byte_is_noticed, 0, VECTORS_N);
    tcase_add_test(t, the_printed_vector_fails);
    tcase_add_test(t, long_term_key);
    tcase_add_test(t, rest_credentials);
    tcase_add_test(t, framing);
    tcase_add_test(t, addresses_and_errors_go_round);
    tcase_add_test(t, broken_messages_are_refused);
    tcase_add_test(t, the_clients_side);
    tcase_add_test(t, sha256_only_with_the_nonce_flag);
    return em_run();
}
