/* SPDX-License-Identifier: GPL-3.0-or-later
 * What media connections of Microsoft's clients are made of: the pseudo-TLS hello, lengths of RFC 4571, and the attributes, integrity and old
 * fingerprint of their ICE. */
#include <string.h>

#include "harness.h"
#include "wire/msice.h"
#include "wire/pseudotls.h"
#include "wire/rfc4571.h"

#define CLIENT                                                                                               \
    "160301002d010000290301c1fcd5a36d93dd7e0b45673fec7985fbbc3fd660c2ce8485081b8121bcaa10fb00"               \
    "000200180100"
#define SERVER                                                                                               \
    "160301004e020000460301000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"               \
    "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f0018000e000000"

static void bytes_from(uint8_t *to, size_t n, uint8_t first)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(first + i);
}

START_TEST(hellos_written)
{
    uint8_t want[128], got[128], random[32], session[32];

    ck_assert_uint_eq(em_unhex(CLIENT, want, sizeof want), PSEUDOTLS_CLIENT_SIZE);
    pseudotls_put_client(got, want + 11);
    ck_assert_mem_eq(got, want, PSEUDOTLS_CLIENT_SIZE);

    bytes_from(random, sizeof random, 0);
    bytes_from(session, sizeof session, 32);
    ck_assert_uint_eq(em_unhex(SERVER, want, sizeof want), PSEUDOTLS_SERVER_SIZE);
    pseudotls_put_server(got, random, session);
    ck_assert_mem_eq(got, want, PSEUDOTLS_SERVER_SIZE);
}
END_TEST

static enum pseudotls judge(const char *hex, bool server)
{
    uint8_t bytes[1024];
    size_t n = em_unhex(hex, bytes, sizeof bytes);

    return server ? pseudotls_read_server(bytes, n) : pseudotls_read_client(bytes, n);
}

START_TEST(hellos_read)
{
    static const struct {
        const char *hex;
        enum pseudotls server, client;
        const char *what;
    } rows[] = {
        { "", PSEUDOTLS_MORE, PSEUDOTLS_MORE, "nothing" },
        { SERVER, PSEUDOTLS_RIGHT, PSEUDOTLS_TLS, "server's hello" },
        { SERVER "020000", PSEUDOTLS_RIGHT, PSEUDOTLS_TLS, "and frames behind it" },
        { CLIENT, PSEUDOTLS_TLS, PSEUDOTLS_RIGHT, "client's hello" },
        { "15", PSEUDOTLS_MORE, PSEUDOTLS_MORE, "one byte of an alert" },
        { "15030100020228", PSEUDOTLS_ALERT, PSEUDOTLS_ALERT, "handshake failure" },
        { "1503", PSEUDOTLS_ALERT, PSEUDOTLS_ALERT, "an alert, as it begins" },
        { "140301", PSEUDOTLS_TLS, PSEUDOTLS_TLS, "change cipher spec" },
        { "485454502f312e31", PSEUDOTLS_OTHER, PSEUDOTLS_OTHER, "HTTP" },
        { "0200", PSEUDOTLS_OTHER, PSEUDOTLS_OTHER, "a frame without hello" },
        { "1604", PSEUDOTLS_OTHER, PSEUDOTLS_OTHER, "no version of TLS" },
        { "80460103", PSEUDOTLS_OTHER, PSEUDOTLS_OTHER, "another vendor's client hello" },
        { "160301004a020000460301000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
          "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f001800",
          PSEUDOTLS_CHANGED, PSEUDOTLS_TLS, "cut into two records" },
        { "160303004e020000460303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00001800",
          PSEUDOTLS_CHANGED, PSEUDOTLS_TLS, "another version, no session" },
        { "160301004a020000460301000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
          "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f003500",
          PSEUDOTLS_TLS, PSEUDOTLS_TLS, "a real suite" },
        { "160301004a02000046", PSEUDOTLS_MORE, PSEUDOTLS_TLS, "a hello whose suite is not there yet" },
        { "160301004a0b", PSEUDOTLS_TLS, PSEUDOTLS_TLS, "a certificate" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(judge(rows[i].hex, true) == rows[i].server, "server: %s", rows[i].what);
        ck_assert_msg(judge(rows[i].hex, false) == rows[i].client, "client: %s", rows[i].what);
    }
}
END_TEST

/* Cut: more is needed. Any byte that is not random changed: it is not the hello, and that is known without further bytes, or it ends. */
START_TEST(hellos_damaged)
{
    static const char *const hellos[] = { CLIENT, SERVER };

    for (size_t i = 0; i < 2; i++) {
        uint8_t bytes[600] = { 0 };
        size_t n = em_unhex(hellos[i], bytes, sizeof bytes);
        enum pseudotls (*read)(const uint8_t *p, size_t n) =
            i ? pseudotls_read_server : pseudotls_read_client;

        for (size_t cut = 0; cut < n; cut++)
            ck_assert_int_eq(read(bytes, cut), PSEUDOTLS_MORE);
        for (size_t at = 0; at < n; at++)
            for (unsigned with = 1; with < 256; with++) {
                bool random = (at >= 11 && at < 43) || (i && at >= 44 && at < 76);

                bytes[at] ^= (uint8_t)with;
                ck_assert_msg((read(bytes, n) == PSEUDOTLS_RIGHT) == random, "byte %zu ^ %02x", at, with);
                ck_assert_int_ne(read(bytes, sizeof bytes), PSEUDOTLS_MORE);
                bytes[at] ^= (uint8_t)with;
            }
    }
}
END_TEST

START_TEST(lengths)
{
    static const struct {
        const char *hex;
        int want;
    } rows[] = {
        { "", 0 },          { "00", 0 },          { "0000", 2 },           { "0000 01", 2 },
        { "0003 0102", 0 }, { "0003 010203", 5 }, { "0003 010203 04", 5 }, { "0005", EM_ERR_INPUT }
    };
    uint8_t bytes[64], header[RFC4571_HEADER_SIZE];
    struct buf b = buf_over(bytes, sizeof bytes);
    struct slice packet;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = em_unhex(rows[i].hex, bytes, sizeof bytes);
        int got = rfc4571_frame(bytes, n, 4, &packet);

        ck_assert_msg(got == rows[i].want, "row %zu: %d", i, got);
        ck_assert(got <= 0 || (packet.n + 2 == (size_t)got && (const uint8_t *)packet.p == bytes + 2));
    }
    rfc4571_put(&b, SLICE("abc"));
    ck_assert(b.n == 5 && memcmp(bytes, "\0\3abc", 5) == 0);
    rfc4571_header(header, 0x1234);
    ck_assert_mem_eq(header, "\x12\x34", 2);
    rfc4571_put(&b, (struct slice) { (const char *)bytes, 0x10000 });
    ck_assert(b.full);
}
END_TEST

/* From libnice, compatibility MSICE2, password "passwordpassword". */
#define CHECK                                                                                                \
    "0001005c2112a4426e98ecb4afbb4d77d446c52a00250000002400047effffff802a00081122334455667788"               \
    "0006000c616263643a656667680000008054000831323334353637008070000400000002000800149c6d0342e7c4"           \
    "83935b4c0753d4fba2cccf120a8480280004c222f987"

static size_t check_of(uint8_t *bytes, size_t size, struct stun_msg *m)
{
    size_t n = em_unhex(CHECK, bytes, size);

    ck_assert_int_eq(stun_parse(bytes, n, m), 0);
    return n;
}

START_TEST(ice_check)
{
    uint8_t bytes[256], room[256];
    struct buf b = buf_over(room, sizeof room);
    struct stun_msg m;
    struct msice_msg ice;
    size_t n = check_of(bytes, sizeof bytes, &m);

    msice_parse(&m, &ice);
    ck_assert(ice.version == 2 && slice_eq(ice.candidate, SLICE("1234567")));
    ck_assert(m.fingerprint_right && !m.fingerprint_legacy && m.unknown_n == 0);
    ck_assert_int_eq(msice_check_integrity(&m, SLICE("passwordpassword")), STUN_INTEGRITY_RIGHT);
    ck_assert_int_eq(msice_check_integrity(&m, SLICE("passwordpasswore")), STUN_INTEGRITY_WRONG);

    stun_begin(&b, STUN_BINDING, STUN_REQUEST, m.tid);
    stun_put(&b, STUN_ATTR_USE_CANDIDATE, NULL, 0);
    stun_put_u32(&b, STUN_ATTR_PRIORITY, 0x7effffff);
    stun_put(&b, STUN_ATTR_ICE_CONTROLLING, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
    stun_put(&b, STUN_ATTR_USERNAME, "abcd:efgh\0\0\0", 12);
    stun_put(&b, MSICE_ATTR_CANDIDATE_IDENTIFIER, "1234567\0", 8);
    stun_put_u32(&b, MSICE_ATTR_IMPLEMENTATION_VERSION, 2);
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    ck_assert_int_eq(msice_check_integrity(&m, SLICE("")), STUN_INTEGRITY_ABSENT);
    msice_put_integrity(&b, SLICE("passwordpassword"));
    stun_put_fingerprint(&b);
    ck_assert(!b.full && b.n == n && memcmp(b.p, bytes, n) == 0);
}
END_TEST

/* The old fingerprint of the same message, of a few bytes, and of the request in RFC 5769. */
START_TEST(ice_old_fingerprint)
{
    uint8_t bytes[256], rfc[256];
    struct buf b = buf_over(bytes, sizeof bytes);
    struct stun_msg m;
    size_t n = check_of(bytes, sizeof bytes, &m);

    b.n = n - 8;
    stun_put_fingerprint_legacy(&b);
    ck_assert_mem_eq(bytes + n - 4, "\x83\x26\x5d\x8a", 4);
    ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
    ck_assert(m.fingerprint_present && !m.fingerprint_right && m.fingerprint_legacy);
    bytes[n - 1] ^= 1;
    ck_assert_int_eq(stun_parse(bytes, n, &m), 0);
    ck_assert(m.fingerprint_present && !m.fingerprint_right && !m.fingerprint_legacy);

    ck_assert_uint_eq(stun_crc((const uint8_t *)"probe-10", 8, false), 0x743cf3c5);
    ck_assert_uint_eq(stun_crc((const uint8_t *)"probe-10", 8, true), 0xf739a3c5);
    n = em_unhex(
        "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001"
        "ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2"
        "d3f249c1b571a280280004e57a3bcf",
        rfc, sizeof rfc);
    ck_assert_uint_eq(stun_crc(rfc, n - 8, true) ^ 0x5354554e, 0xddb267a3);
}
END_TEST

/* Any byte changed before the fingerprint: the integrity is wrong, or what counts is no longer there. */
START_TEST(ice_every_byte)
{
    uint8_t bytes[256];
    struct stun_msg m;
    struct msice_msg ice;
    size_t n = check_of(bytes, sizeof bytes, &m);

    for (size_t cut = 0; cut < n; cut++)
        ck_assert_int_ne(stun_parse(bytes, cut, &m), 0);
    for (size_t at = 0; at < n - 8; at++)
        for (unsigned with = 1; with < 256; with++) {
            bytes[at] ^= (uint8_t)with;
            if (stun_parse(bytes, n, &m) == 0) {
                ck_assert_msg(msice_check_integrity(&m, SLICE("passwordpassword")) != STUN_INTEGRITY_RIGHT,
                              "byte %zu ^ %02x", at, with);
                ck_assert(!m.fingerprint_right);
                msice_parse(&m, &ice);
                ck_assert(!ice.candidate.p ||
                          ((const uint8_t *)ice.candidate.p > bytes &&
                           (const uint8_t *)ice.candidate.p + ice.candidate.n <= bytes + n));
            }
            bytes[at] ^= (uint8_t)with;
        }
}
END_TEST

int main(void)
{
    TCase *t = em_case("media");

    tcase_add_test(t, hellos_written);
    tcase_add_test(t, hellos_read);
    tcase_add_test(t, hellos_damaged);
    tcase_add_test(t, lengths);
    tcase_add_test(t, ice_check);
    tcase_add_test(t, ice_old_fingerprint);
    tcase_add_test(t, ice_every_byte);
    return em_run();
}
