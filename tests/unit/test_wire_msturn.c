/* SPDX-License-Identifier: GPL-3.0-or-later
 * Microsoft's dialect of TURN: vectors of libnice and of a published unit test, read and written byte for byte; every cut and every changed
 * byte; frames; and each turn that a conversation can take. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "wire/msturn_auth.h"

/* Made by libnice in its mode for Office Communications Server (first, challenge, second), by turner's unit test (sha256-turner), and by a script
 * of its own (aligned-*). */
#define FIRST "000300103f830570d559ddf49494fbcf1d6ddc25000f000472c64bc68008000400000001"
#define CHALLENGE                                                                                            \
    "0113002f3f830570d559ddf49494fbcf1d6ddc25000f000472c64bc60009001000000401556e617574686f72697a"           \
    "6564001500057265616c6d001400066e6f6e636531"
#define SECOND                                                                                               \
    "00030044ad5f1e6418b7bd3e9f0b07ae728572af000f000472c64bc68008000400000001001500057265616c6d00"           \
    "1400066e6f6e63653100060005757365723100080014a798d971ea91ef5e16f9872d944371cca612873b"
#define ALIGNED_SHA1                                                                                         \
    "0003005c2112a4424142434445464748494a4b4c000f000472c64bc6800800040000000100060010202122232425"           \
    "262728292a2b2c2d2e2f00140010000102030405060708090a0b0c0d0e0f001500087274636d65646961"                   \
    "00080014fdcd1dbab46cb133d39dd8933a2145eb1e6a7336"
#define ALIGNED_SHA256                                                                                       \
    "000300682112a4424142434445464748494a4b4c000f000472c64bc6800800040000000300060010202122232425"           \
    "262728292a2b2c2d2e2f00140010000102030405060708090a0b0c0d0e0f001500087274636d65646961"                   \
    "000800208bbfc29b6512bfea63131c3045ea6abf50d711d716aa80561e23daef03fef862"
#define SHA256_TURNER                                                                                        \
    "0003002c000102030405060708090a0b0c0d0e0f000f000472c64bc600080020890e90e0"                               \
    "fee6ed6fa33ac97ea00476162795e25a607386cc9817fa6ed8d2cd14"

static const char binary_user[] = "\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f",
                  binary_nonce[] = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
                  binary_password[] = "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa";

static const struct signed_vector {
    const char *hex;
    bool sha256;
    struct slice user, realm, nonce, password;
} signed_vectors[] = {
    { SECOND, false, SLICE("user1"), SLICE("realm"), SLICE("nonce1"), SLICE("pass") },
    { SECOND, false, SLICE("user1"), SLICE("\"realm\""), SLICE("nonce1"), SLICE("pass") },
    { ALIGNED_SHA1, false, SLICE(binary_user), SLICE("rtcmedia"), SLICE(binary_nonce),
      SLICE(binary_password) },
    { ALIGNED_SHA256, true, SLICE(binary_user), SLICE("rtcmedia"), SLICE(binary_nonce),
      SLICE(binary_password) },
    { ALIGNED_SHA256, true, SLICE(binary_user), SLICE("\"rtcmedia\""), SLICE(binary_nonce),
      SLICE(binary_password) },
    { SHA256_TURNER, true, SLICE("user"), SLICE("realm"), SLICE("nonce"), SLICE("pass") },
};
enum { SIGNED = sizeof signed_vectors / sizeof *signed_vectors };

static struct stun_key key_of(const struct signed_vector *v)
{
    struct stun_key k;

    ck_assert(msturn_key(&k, v->sha256, v->user, v->realm, v->nonce, v->password));
    return k;
}

START_TEST(integrity)
{
    const struct signed_vector *v = &signed_vectors[_i];
    uint8_t bytes[256], room[256];
    size_t n = em_unhex(v->hex, bytes, sizeof bytes);
    struct buf b = buf_over(room, sizeof room);
    struct stun_key k = key_of(v);
    struct msturn_msg m;

    ck_assert_int_eq(msturn_parse(bytes, n, &m), 0);
    ck_assert_int_eq(msturn_check_integrity(&m, &k, v->sha256), STUN_INTEGRITY_RIGHT);
    ck_assert_int_eq(msturn_check_integrity(&m, &k, !v->sha256), STUN_INTEGRITY_WRONG);
    k.bytes[0] ^= 1;
    ck_assert_int_eq(msturn_check_integrity(&m, &k, v->sha256), STUN_INTEGRITY_WRONG);
    k.bytes[0] ^= 1;

    /* The same again, written. */
    buf_bytes(&b, bytes, m.integrity_at);
    msturn_put_integrity(&b, &k, v->sha256);
    ck_assert(!b.full && b.n == n && memcmp(b.p, bytes, n) == 0);
}
END_TEST

/* Any byte changed: the integrity is wrong, or the message is none. */
START_TEST(integrity_every_byte)
{
    const struct signed_vector *v = &signed_vectors[_i];
    struct stun_key k = key_of(v);
    uint8_t bytes[256];
    size_t n = em_unhex(v->hex, bytes, sizeof bytes);
    struct msturn_msg m;

    for (size_t at = 0; at < n; at++)
        for (unsigned with = 1; with < 256; with++) {
            bytes[at] ^= (uint8_t)with;
            if (msturn_parse(bytes, n, &m) == 0)
                ck_assert_msg(msturn_check_integrity(&m, &k, v->sha256) != STUN_INTEGRITY_RIGHT,
                              "byte %zu ^ %02x", at, with);
            bytes[at] ^= (uint8_t)with;
        }
}
END_TEST

START_TEST(aligned_key)
{
    static const char want[][65] = { "c75cc046b6e83ef8564ccf09bf3323a4",
                                     "f4f47c9ea0d543dfd53f25e04d534eaff655611f3d97fba146ac2d63e098e884" };

    for (size_t i = 0; i < 2; i++) {
        struct stun_key k = key_of(&signed_vectors[2 + i]);
        uint8_t bytes[32];

        ck_assert_uint_eq(k.n, em_unhex(want[i], bytes, sizeof bytes));
        ck_assert_mem_eq(k.bytes, bytes, k.n);
    }
}
END_TEST

START_TEST(first_request)
{
    static const char tid[] = "3f830570d559ddf49494fbcf1d6ddc25";
    uint8_t bytes[64], room[64], id[MSTURN_TID_SIZE];
    size_t n = em_unhex(FIRST, bytes, sizeof bytes);
    struct buf b = buf_over(room, sizeof room);
    struct msturn_msg m;

    em_unhex(tid, id, sizeof id);
    msturn_begin(&b, MSTURN_ALLOCATE, id);
    msturn_put_u32(&b, MSTURN_ATTR_VERSION, MSTURN_VERSION_ICE);
    ck_assert(b.n == n && memcmp(b.p, bytes, n) == 0);
    ck_assert_int_eq(msturn_parse(bytes, n, &m), 0);
    ck_assert(m.type == MSTURN_ALLOCATE && m.has_version && m.version == 1 && !m.integrity_at && !m.nonce.p);
}
END_TEST

START_TEST(unpadded_challenge)
{
    uint8_t bytes[128], request[64], id[MSTURN_TID_SIZE];
    size_t n = em_unhex(CHALLENGE, bytes, sizeof bytes);
    struct msturn_msg m, r;

    em_unhex(FIRST, request, sizeof request);
    memcpy(id, request + 4, sizeof id);
    ck_assert_int_eq(msturn_parse(request, 36, &r), 0);
    ck_assert_int_eq(msturn_parse(bytes, n, &m), 0);
    ck_assert(msturn_is_answer(&m, MSTURN_ALLOCATE, id) && !msturn_is_answer(&r, MSTURN_ALLOCATE, id));
    ck_assert(!msturn_is_answer(&m, MSTURN_SET_ACTIVE, id));
    id[15] ^= 1;
    ck_assert(!msturn_is_answer(&m, MSTURN_ALLOCATE, id));
    ck_assert(m.error_code == 401 && slice_eq(m.error_reason, SLICE("Unauthorized")));
    ck_assert(slice_eq(m.realm, SLICE("realm")) && slice_eq(m.nonce, SLICE("nonce1")));
    ck_assert(m.mapped.family == 0 && !m.has_lifetime && !m.session && m.unknown_n == 0);
}
END_TEST

static const uint8_t tid[MSTURN_TID_SIZE] = { 0x21, 0x12, 0xa4, 0x42, 5,  6,  7,  8,
                                              9,    10,   11,   12,   13, 14, 15, 16 };
static const struct stun_addr v4 = { 4, 50000, { 192, 0, 2, 7 } },
                              v6 = { 6, 443, { 0x20, 1, 0xd, 0xb8, [15] = 9 } };
static const uint8_t connection[MSTURN_CONNECTION_SIZE] = "a connection's id..", session[] = "session";

static bool same_addr(const struct stun_addr *a, const struct stun_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* Everything that a relay can say, with values of any length between one another. */
static size_t put_all(uint8_t *room, size_t size)
{
    struct buf b = buf_over(room, size);

    msturn_begin(&b, MSTURN_ALLOCATE_SUCCESS, tid);
    msturn_put_u32(&b, MSTURN_ATTR_VERSION, 6);
    msturn_put_error(&b, 401, SLICE("Unauthorized because of a reason\0\0"));
    msturn_put_addr(&b, MSTURN_ATTR_ALTERNATE_SERVER, &v6);
    msturn_put_text(&b, MSTURN_ATTR_NONCE, SLICE("12345"));
    msturn_put_text(&b, MSTURN_ATTR_REALM, SLICE("\"rtcmedia\""));
    msturn_put_u32(&b, MSTURN_ATTR_LIFETIME, 60);
    msturn_put_addr(&b, MSTURN_ATTR_MAPPED_ADDRESS, &v4);
    msturn_put_addr(&b, MSTURN_ATTR_DESTINATION_ADDRESS, &v6);
    msturn_put_addr(&b, MSTURN_ATTR_REMOTE_ADDRESS, &v4);
    msturn_put_xor_addr(&b, MSTURN_ATTR_XOR_MAPPED_ADDRESS, &v6);
    msturn_put_sequence(&b, connection, 7);
    msturn_put(&b, MSTURN_ATTR_SESSION_ID, session, MSTURN_SESSION_SIZE);
    msturn_put_text(&b, MSTURN_ATTR_SOFTWARE, SLICE("1.2.3.4.5"));
    msturn_put_text(&b, MSTURN_ATTR_USERNAME, SLICE("us\0er"));
    msturn_put_text(&b, MSTURN_ATTR_DATA, SLICE("d"));
    msturn_put(&b, 0x7001, "x", 1);
    msturn_put(&b, 0x8006, "\0\0\0\1", 4);
    ck_assert(!b.full);
    return b.n;
}

START_TEST(every_attribute)
{
    uint8_t bytes[512];
    size_t n = put_all(bytes, sizeof bytes);
    struct msturn_msg m;

    ck_assert_int_eq(msturn_parse(bytes, n, &m), 0);
    ck_assert(m.version == 6 && m.error_code == 401 && m.has_lifetime && m.lifetime == 60);
    ck_assert(slice_eq(m.error_reason, SLICE("Unauthorized because of a reason")));
    ck_assert(slice_eq(m.nonce, SLICE("12345")) && slice_eq(m.realm, SLICE("\"rtcmedia\"")));
    ck_assert(slice_eq(m.software, SLICE("1.2.3.4.5")) && slice_eq(m.username, SLICE("us\0er")));
    ck_assert(slice_eq(m.data, SLICE("d")));
    ck_assert(same_addr(&m.alternate_server, &v6) && same_addr(&m.mapped, &v4) &&
              same_addr(&m.destination, &v6) && same_addr(&m.remote, &v4) && same_addr(&m.xor_mapped, &v6));
    ck_assert(m.has_sequence && m.sequence == 7 && memcmp(m.connection, connection, sizeof connection) == 0);
    ck_assert(m.session && memcmp(m.session, session, MSTURN_SESSION_SIZE) == 0);
    ck_assert(m.unknown_n == 1 && m.unknown[0] == 0x7001);
}
END_TEST

/* Cut at every length it is no message, with the header's length as it was and with one that fits. */
START_TEST(every_cut)
{
    uint8_t bytes[512], *heap;
    size_t n = put_all(bytes, sizeof bytes);
    struct msturn_msg m;

    for (size_t cut = 0; cut < n; cut++) {
        heap = malloc(cut + 1); /* the sanitizer sees a read behind it */
        ck_assert_ptr_nonnull(heap);
        memcpy(heap, bytes, cut);
        ck_assert_int_eq(msturn_parse(heap, cut, &m), EM_ERR_INPUT);
        if (cut >= STUN_HEADER_SIZE) {
            heap[2] = (uint8_t)((cut - STUN_HEADER_SIZE) >> 8);
            heap[3] = (uint8_t)(cut - STUN_HEADER_SIZE);
            (void)!msturn_parse(heap, cut, &m); /* between two attributes it is one */
        }
        free(heap);
    }
}
END_TEST

/* Whatever a byte becomes: what is found lies within the message. */
START_TEST(every_byte)
{
    uint8_t bytes[512];
    size_t n = put_all(bytes, sizeof bytes);
    struct msturn_msg m;

    for (size_t at = 0; at < n; at++)
        for (unsigned with = 1; with < 256; with++) {
            bytes[at] ^= (uint8_t)with;
            if (msturn_parse(bytes, n, &m) == 0) {
                const struct slice found[] = { m.username, m.realm, m.nonce,
                                               m.software, m.data,  m.error_reason };

                for (size_t i = 0; i < sizeof found / sizeof *found; i++)
                    ck_assert(!found[i].p || ((const uint8_t *)found[i].p >= bytes &&
                                              (const uint8_t *)found[i].p + found[i].n <= bytes + n));
            }
            bytes[at] ^= (uint8_t)with;
        }
}
END_TEST

/* One attribute by hand in an otherwise empty message. */
START_TEST(attribute_values)
{
    static const struct {
        const char *attribute, *what;
        bool good;
    } rows[] = {
        { "0001 0008 0001c350c0000207", "address", true },
        { "0001 0007 0001c350c00002", "short address", false },
        { "0001 0008 0003c350c0000207", "address of no family", false },
        { "8020 0007 0001c350c00002", "optional and short: as if absent", true },
        { "0009 0004 00000401", "error without a reason", true },
        { "0009 0003 000004", "short error", false },
        { "0009 0004 00000201", "error 201", false },
        { "0009 0004 00000464", "error 500 written as 4 and 100", false },
        { "000d 0004 00000000", "lifetime", true },
        { "000d 0003 000000", "short lifetime", false },
        { "0008 0014 0000000000000000000000000000000000000000", "integrity of 20", true },
        { "0008 0013 00000000000000000000000000000000000000", "integrity of 19", false },
        { "8050 0004 00000001", "sequence number alone", true },
        { "8050 0005 0000000001", "sequence number of 5: as if absent", true },
        { "8095 0007 00000000000000", "short session id: as if absent", true },
        { "0014 0000", "empty nonce", true },
        { "0014 0001", "runs over the end", false },
        { "0014 00", "half a header", false },
        { "7777 0001 00", "not known", true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[128], value[64];
        struct buf b = buf_over(bytes, sizeof bytes);
        size_t n = em_unhex(rows[i].attribute, value, sizeof value);
        struct msturn_msg m;

        msturn_begin(&b, MSTURN_ALLOCATE_ERROR, tid);
        buf_bytes(&b, value, n);
        buf_put_u16(&b, 2, (uint16_t)(b.n - STUN_HEADER_SIZE));
        ck_assert_msg((msturn_parse(b.p, b.n, &m) == 0) == rows[i].good, "%s", rows[i].what);
        ck_assert(!rows[i].good || (m.xor_mapped.family == 0 && !m.session));
        ck_assert(m.has_sequence ==
                  (rows[i].good && slice_starts(slice_of(rows[i].what), SLICE("sequence number a"))));
    }
}
END_TEST

/* Standard STUN is never taken for the dialect; nothing behind the integrity counts; the first instance does. */
START_TEST(order_and_dialect)
{
    uint8_t bytes[128];
    struct buf b = buf_over(bytes, sizeof bytes);
    struct stun_key k = { .n = 1 };
    struct msturn_msg m;

    stun_begin(&b, STUN_ALLOCATE, STUN_REQUEST, tid);
    stun_put_u32(&b, STUN_ATTR_LIFETIME, 1);
    ck_assert(!msturn_begins(b.p, b.n));
    ck_assert_int_eq(msturn_parse(b.p, b.n, &m), EM_ERR_INPUT);

    msturn_begin(&b, MSTURN_ALLOCATE, tid);
    msturn_put_u32(&b, MSTURN_ATTR_LIFETIME, 1);
    msturn_put_u32(&b, MSTURN_ATTR_LIFETIME, 2);
    msturn_put_integrity(&b, &k, false);
    msturn_put_u32(&b, MSTURN_ATTR_VERSION, 2);
    ck_assert(msturn_begins(b.p, b.n));
    ck_assert_int_eq(msturn_parse(b.p, b.n, &m), 0);
    ck_assert(m.lifetime == 1 && !m.has_version);
    ck_assert_int_eq(msturn_check_integrity(&m, &k, false), STUN_INTEGRITY_WRONG);
}
END_TEST

START_TEST(limits)
{
    static uint8_t room[70000], big[66000];
    struct buf b = buf_over(room, sizeof room);
    struct msturn_auth a;
    struct msturn_msg m;

    msturn_begin(&b, MSTURN_SEND, tid);
    msturn_put(&b, MSTURN_ATTR_DATA, big, 0xFFFF - 8 - 4);
    ck_assert(!b.full && b.n == 0xFFFF + STUN_HEADER_SIZE);
    ck_assert_int_eq(msturn_parse(b.p, b.n, &m), 0);
    ck_assert_uint_eq(m.data.n, 0xFFFF - 12);
    msturn_begin(&b, MSTURN_SEND, tid);
    msturn_put(&b, MSTURN_ATTR_DATA, big, 0xFFFF - 8 - 3);
    ck_assert(b.full);
    for (size_t more = 0; more < 2; more++) {
        msturn_begin(&b, MSTURN_ALLOCATE_ERROR, tid);
        msturn_put(&b, MSTURN_ATTR_NONCE, big, MSTURN_NONCE_MAX + more);
        ck_assert_int_eq(msturn_parse(b.p, b.n, &m), more ? EM_ERR_INPUT : 0);
        msturn_begin(&b, MSTURN_ALLOCATE_ERROR, tid);
        msturn_put(&b, MSTURN_ATTR_REALM, big, MSTURN_REALM_MAX + more);
        ck_assert_int_eq(msturn_parse(b.p, b.n, &m), more ? EM_ERR_INPUT : 0);
        ck_assert_int_eq(
            msturn_auth_init(&a, (struct slice) { (char *)big, MSTURN_USER_MAX + more }, SLICE("p"), 1),
            !more);
        ck_assert_int_eq(
            msturn_auth_init(&a, SLICE("u"), (struct slice) { (char *)big, MSTURN_PASSWORD_MAX + more }, 1),
            !more);
    }
}
END_TEST

START_TEST(frames)
{
    static const struct {
        const char *hex;
        int want; /* -1: broken */
    } rows[] = {
        { "", 0 },
        { "02", 0 },
        { "0200", 0 },
        { "020000", 0 },
        { "04", -1 },
        { "16", -1 },
        { "0201", -1 },
        { "0200 001b", -1 },           /* too small for a message */
        { "0200 0024", 0 },            /* its message is to come */
        { "0200 0024 0113", 0 },       /* */
        { "0200 0024 4113", -1 },      /* no message */
        { "0200 0024 0113 0011", -1 }, /* the message is longer than its frame */
        { "0200 0024 0113 0010 000102030405060708090a0b0c0d0e0f 000f 0004", 0 },
        { "0200 0024 0113 0010 000102030405060708090a0b0c0d0e0f 000e", -1 }, /* no magic cookie */
        { "0200 0024" FIRST, 40 },
        { "0200 0024" FIRST "0300", 40 },
        { "0300 0000", 4 },
        { "0300 0003 0001", 0 },
        { "0300 0003 0001 ff", 7 },
    };
    uint8_t bytes[64], header[4];
    struct msturn_frame f;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = em_unhex(rows[i].hex, bytes, sizeof bytes);
        int got = msturn_frame(bytes, n, &f);

        ck_assert_msg((got < 0 ? -1 : got) == rows[i].want, "row %zu: %d", i, got);
        if (got > 0)
            ck_assert(f.payload.n + 4 == (size_t)got && (const uint8_t *)f.payload.p == bytes + 4 &&
                      f.type == bytes[0]);
    }
    msturn_frame_header(header, MSTURN_FRAME_CONTROL, 0x1234);
    ck_assert_mem_eq(header, "\x02\x00\x12\x34", 4);
}
END_TEST

/* --- the client's side ------------------------------------------------------------------------------------------------ */

struct talk { /* the relay's next answer */
    uint8_t room[512];
    struct buf b;
    struct msturn_msg m;
};

static void begin(struct talk *t, uint16_t type)
{
    t->b = buf_over(t->room, sizeof t->room);
    msturn_begin(&t->b, type, tid);
}

static enum stun_auth_next say(struct talk *t, struct msturn_auth *a)
{
    ck_assert_int_eq(msturn_parse(t->b.p, t->b.n, &t->m), 0);
    return msturn_auth_answer(a, &t->m);
}

static enum stun_auth_next challenge(struct talk *t, struct msturn_auth *a, uint16_t code, const char *nonce,
                                     uint32_t version)
{
    begin(t, MSTURN_ALLOCATE_ERROR);
    msturn_put_u32(&t->b, MSTURN_ATTR_VERSION, version);
    msturn_put_error(&t->b, code, SLICE("Unauthorized"));
    msturn_put_text(&t->b, MSTURN_ATTR_NONCE, slice_of(nonce));
    msturn_put_text(&t->b, MSTURN_ATTR_REALM, SLICE("\"rtcmedia\""));
    msturn_put(&t->b, MSTURN_ATTR_SESSION_ID, session, MSTURN_SESSION_SIZE);
    return say(t, a);
}

static enum stun_auth_next success(struct talk *t, struct msturn_auth *a, const struct stun_key *k,
                                   bool sha256)
{
    begin(t, MSTURN_ALLOCATE_SUCCESS);
    msturn_put_sequence(&t->b, connection, 0);
    if (k)
        msturn_put_integrity(&t->b, k, sha256);
    return say(t, a);
}

static enum stun_auth_next error(struct talk *t, struct msturn_auth *a, uint16_t code,
                                 const struct stun_key *k)
{
    begin(t, MSTURN_ALLOCATE_ERROR);
    msturn_put_error(&t->b, code, SLICE("no"));
    msturn_put_addr(&t->b, MSTURN_ATTR_ALTERNATE_SERVER, &v4);
    if (k)
        msturn_put_integrity(&t->b, k, false);
    return say(t, a);
}

static struct msturn_msg ask(struct msturn_auth *a, uint8_t *room, size_t size)
{
    struct buf b = buf_over(room, size);
    struct msturn_msg m;

    msturn_begin(&b, MSTURN_ALLOCATE, tid);
    msturn_put_u32(&b, MSTURN_ATTR_VERSION, a->version);
    msturn_auth_sign(a, &b);
    ck_assert(!b.full);
    ck_assert_int_eq(msturn_parse(b.p, b.n, &m), 0);
    return m;
}

static struct msturn_auth bob(uint32_t version)
{
    struct msturn_auth a;

    ck_assert(msturn_auth_init(&a, SLICE("b\0b"), SLICE("north"), version));
    return a;
}

START_TEST(conversation)
{
    struct msturn_auth a = bob(MSTURN_VERSION_ICE);
    struct stun_key k;
    struct msturn_msg m;
    uint8_t room[512];
    struct talk t;

    m = ask(&a, room, sizeof room);
    ck_assert(!m.username.p && !m.nonce.p && !m.integrity_at && !m.has_sequence);
    ck_assert_int_eq(challenge(&t, &a, 401, "n1", 6), STUN_AUTH_RETRY);
    ck_assert(msturn_key(&k, false, SLICE("b\0b"), SLICE("rtcmedia"), SLICE("n1"), SLICE("north")));
    m = ask(&a, room, sizeof room);
    ck_assert(slice_eq(m.username, SLICE("b\0b")) && slice_eq(m.realm, SLICE("\"rtcmedia\"")) &&
              slice_eq(m.nonce, SLICE("n1")));
    ck_assert(m.session && memcmp(m.session, session, MSTURN_SESSION_SIZE) == 0 && !m.has_sequence);
    ck_assert_int_eq(msturn_check_integrity(&m, &k, false), STUN_INTEGRITY_RIGHT);
    ck_assert_int_eq(success(&t, &a, NULL, false), STUN_AUTH_FORGED);
    ck_assert_int_eq(success(&t, &a, &(struct stun_key) { .n = 1 }, false), STUN_AUTH_FORGED);
    ck_assert_int_eq(success(&t, &a, &k, false), STUN_AUTH_SUCCESS);
    ck_assert(!a.unchecked);
    m = ask(&a, room, sizeof room);
    ck_assert(m.has_sequence && m.sequence == 1 && memcmp(m.connection, connection, sizeof connection) == 0);
    ck_assert_int_eq(challenge(&t, &a, 401, "n2", 1), STUN_AUTH_REFUSED);
    msturn_auth_fini(&a);
}
END_TEST

START_TEST(sha256_only_if_both_have_it)
{
    for (uint32_t ours = 1; ours <= 4; ours++)
        for (uint32_t theirs = 1; theirs <= 4; theirs++) {
            struct msturn_auth a = bob(ours);
            bool both = ours >= 3 && theirs >= 3;
            uint8_t room[512];
            struct stun_key k;
            struct talk t;

            ck_assert_int_eq(challenge(&t, &a, 401, "n1", theirs), STUN_AUTH_RETRY);
            ck_assert_uint_eq(ask(&a, room, sizeof room).integrity_size, both ? 32 : 20);
            ck_assert(msturn_key(&k, true, SLICE("b\0b"), SLICE("rtcmedia"), SLICE("n1"), SLICE("north")));
            ck_assert_int_eq(success(&t, &a, &k, true), STUN_AUTH_SUCCESS);
            ck_assert_int_eq(a.unchecked, !both);
            k.bytes[0] ^= 1;
            ck_assert_int_eq(success(&t, &a, &k, true), both ? STUN_AUTH_FORGED : STUN_AUTH_SUCCESS);
            msturn_auth_fini(&a);
        }
}
END_TEST

START_TEST(without_credentials)
{
    struct msturn_auth a;
    uint8_t room[512];
    struct talk t;

    ck_assert(msturn_auth_init(&a, SLICE(""), SLICE(""), 1));
    ck_assert_int_eq(challenge(&t, &a, 401, "n1", 1), STUN_AUTH_NEEDED);
    ck_assert(!ask(&a, room, sizeof room).username.p);
    ck_assert_int_eq(error(&t, &a, 401, NULL), STUN_AUTH_BROKEN);
    ck_assert_str_eq(a.broken, "a challenge without realm or nonce");
    ck_assert_int_eq(error(&t, &a, 300, NULL), STUN_AUTH_REDIRECT);
    ck_assert_int_eq(error(&t, &a, 500, NULL), STUN_AUTH_ERROR);
    ck_assert_int_eq(success(&t, &a, NULL, false), STUN_AUTH_SUCCESS);
}
END_TEST

START_TEST(stale_and_other_errors)
{
    static const uint16_t stale[] = { 438, 430 };

    for (size_t i = 0; i < 2; i++) {
        struct msturn_auth a = bob(1);
        struct stun_key k;
        struct talk t;

        ck_assert_int_eq(challenge(&t, &a, 401, "n1", 1), STUN_AUTH_RETRY);
        ck_assert_int_eq(challenge(&t, &a, stale[i], "n2", 1), STUN_AUTH_RETRY);
        ck_assert(a.nonce_n == 2 && memcmp(a.nonce, "n2", 2) == 0);
        ck_assert_int_eq(challenge(&t, &a, stale[i], "n3", 1), STUN_AUTH_REFUSED);
        ck_assert(msturn_key(&k, false, SLICE("b\0b"), SLICE("rtcmedia"), SLICE("n2"), SLICE("north")));
        ck_assert_int_eq(success(&t, &a, &k, false), STUN_AUTH_SUCCESS);
        ck_assert_int_eq(challenge(&t, &a, stale[i], "n4", 1), STUN_AUTH_RETRY); /* another request */
        ck_assert_int_eq(error(&t, &a, 300, NULL), STUN_AUTH_FORGED);
        ck_assert_int_eq(error(&t, &a, 300, &k), STUN_AUTH_REDIRECT);
        ck_assert_int_eq(error(&t, &a, 431, NULL), STUN_AUTH_ERROR);
        ck_assert_int_eq(error(&t, &a, 486, &k), STUN_AUTH_ERROR);
        ck_assert_int_eq(error(&t, &a, 486, &(struct stun_key) { .n = 1 }), STUN_AUTH_FORGED);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("msturn");

    tcase_add_loop_test(t, integrity, 0, SIGNED);
    tcase_add_loop_test(t, integrity_every_byte, 0, SIGNED);
    tcase_add_test(t, aligned_key);
    tcase_add_test(t, first_request);
    tcase_add_test(t, unpadded_challenge);
    tcase_add_test(t, every_attribute);
    tcase_add_test(t, every_cut);
    tcase_add_test(t, every_byte);
    tcase_add_test(t, attribute_values);
    tcase_add_test(t, order_and_dialect);
    tcase_add_test(t, limits);
    tcase_add_test(t, frames);
    tcase_add_test(t, conversation);
    tcase_add_test(t, sha256_only_if_both_have_it);
    tcase_add_test(t, without_credentials);
    tcase_add_test(t, stale_and_other_errors);
    return em_run();
}
