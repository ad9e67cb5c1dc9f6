/* SPDX-License-Identifier: GPL-3.0-or-later
 * The payloads of the differential test, one row and one function for each. */
#include "probe/path_payload.h"

#include <stdio.h>
#include <string.h>

#include "probe/attempt.h"
#include "wire/msturn.h"
#include "wire/pseudotls.h"
#include "wire/rfc4571.h"
#include "wire/stun.h"

enum {
    ATTR_FILLER = 0xE3EE, /* comprehension-optional, so every server skips it */
    ATTR_HEADER = 4,
    FINGERPRINT_SIZE = 8,
    FOREIGN_KNOWN = 5, /* bytes after which em_foreign() has recognised whom it knows */
};

const struct em_path_kind em_path_kinds[EM_PATH_PAYLOADS] = {
    [EM_PATH_HANDSHAKE] = { "handshake", "nothing but a handshake", true, false },
    [EM_PATH_STUN_FRAMED] = { "stun-framed", "STUN framed by RFC 4571", true, false },
    [EM_PATH_STUN] = { "stun", "bare STUN", true, true },
    [EM_PATH_MS_ALLOCATE] = { "ms-allocate", "Microsoft's Allocate", true, true },
    [EM_PATH_PSEUDO_TLS] = { "pseudo-tls", "the pseudo-TLS hello", true, false },
    [EM_PATH_TLS] = { "tls", "a TLS hello", true, false },
    [EM_PATH_RANDOM] = { "random", "random bytes", true, false },
    [EM_PATH_STUN_LARGE] = { "stun-1400", "1,400 bytes of STUN", true, true },
    [EM_PATH_RANDOM_LARGE] = { "random-1400", "1,400 random bytes", true, false },
    [EM_PATH_MEDIA] = { "media", "media frames", false, true },
};

/* --- writing ------------------------------------------------------------------------------------------------------------------ */

/* A Binding request. size 0: as small as it is. */
static void write_binding(const uint8_t *random, size_t size, struct buf *b)
{
    stun_begin(b, STUN_BINDING, STUN_REQUEST, random);
    stun_put_text(b, STUN_ATTR_SOFTWARE, SLICE("edgemedia"));
    if (size > b->n + ATTR_HEADER + FINGERPRINT_SIZE)
        stun_put(b, ATTR_FILLER, random + STUN_TID_SIZE, size - b->n - ATTR_HEADER - FINGERPRINT_SIZE);
    stun_put_fingerprint(b);
}

static void write_stun(enum em_transport transport, const uint8_t *random, struct buf *b)
{
    (void)transport;
    write_binding(random, 0, b);
}

/* Shifts what is in b to make room for its header. */
static void put_before(struct buf *b, const uint8_t *header, size_t n)
{
    size_t size = b->n;

    buf_bytes(b, header, n); /* for the room */
    if (b->full)
        return;
    memmove(b->p + n, b->p, size);
    memcpy(b->p, header, n);
}

static void frame(struct buf *b)
{
    uint8_t header[RFC4571_HEADER_SIZE];

    rfc4571_header(header, (uint16_t)b->n);
    put_before(b, header, sizeof header);
}

static void write_framed(enum em_transport transport, const uint8_t *random, struct buf *b)
{
    (void)transport;
    write_binding(random, 0, b);
    frame(b);
}

static void write_stun_large(enum em_transport transport, const uint8_t *random, struct buf *b)
{
    bool tcp = transport == EM_TRANSPORT_TCP;

    write_binding(random, EM_PATH_LARGE - (tcp ? 4 : 0), b); /* a STUN message has a multiple of four bytes */
    if (tcp)
        frame(b);
}

/* Real clients begin it with the cookie of STUN. */
static void ms_tid(const uint8_t *random, uint8_t tid[MSTURN_TID_SIZE])
{
    static const uint8_t cookie[] = { STUN_COOKIE >> 24, STUN_COOKIE >> 16 & 0xFF, STUN_COOKIE >> 8 & 0xFF,
                                      STUN_COOKIE & 0xFF };

    memcpy(tid, random, MSTURN_TID_SIZE);
    memcpy(tid, cookie, sizeof cookie);
}

static void write_allocate(enum em_transport transport, const uint8_t *random, struct buf *b)
{
    uint8_t header[MSTURN_FRAME_HEADER_SIZE], tid[MSTURN_TID_SIZE];

    ms_tid(random, tid);
    msturn_begin(b, MSTURN_ALLOCATE, tid);
    msturn_put_u32(b, MSTURN_ATTR_VERSION, MSTURN_VERSION_ICE);
    if (transport != EM_TRANSPORT_TCP)
        return;
    msturn_frame_header(header, MSTURN_FRAME_CONTROL, (uint16_t)b->n);
    put_before(b, header, sizeof header);
}

static void write_pseudo_tls(enum em_transport transport, const uint8_t *random, struct buf *b)
{
    uint8_t hello[PSEUDOTLS_CLIENT_SIZE];

    (void)transport;
    pseudotls_put_client(hello, random);
    buf_bytes(b, hello, sizeof hello);
}

/* A ClientHello as today's clients send it, TLS 1.2 and 1.3 (RFC 8446 section 4.1.2): suites, groups, signature algorithms, a key share, ALPN. */
static void write_tls(enum em_transport transport, const uint8_t *random, struct buf *b)
{
    static const uint8_t suites[] = { 0,    18,   0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b,
                                      0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8 };
    static const uint8_t extensions[] = {
        0x00, 0x17, 0, 0,                                 /* extended master secret */
        0xff, 0x01, 0, 1,  0,                             /* renegotiation info */
        0x00, 0x0a, 0, 6,  0, 4,  0x00, 0x1d, 0x00, 0x17, /* groups: x25519, secp256r1 */
        0x00, 0x0b, 0, 2,  1, 0,                          /* uncompressed points */
        0x00, 0x10, 0, 11, 0, 9,  8,    'h',  't',  't',  'p', '/', '1', '.', '1', 0x00, 0x0d,
        0,    14,   0, 12, 4, 3,  8,    4,    4,    1,    5,   3,   8,   5,   5,   1, /* signatures */
        0x00, 0x2b, 0, 5,  4, 3,  4,    3,    3,                                      /* versions: 1.3, 1.2 */
        0x00, 0x2d, 0, 2,  1, 1,                        /* PSK with a key exchange */
        0x00, 0x33, 0, 38, 0, 36, 0x00, 0x1d, 0,    32, /* key share: x25519, the key follows */
    };
    size_t record, handshake;

    (void)transport;
    buf_u8(b, 0x16);
    buf_u16(b, 0x0301);
    record = b->n;
    buf_u16(b, 0);
    buf_u16(b, 0x0100);
    handshake = b->n;
    buf_u16(b, 0);
    buf_u16(b, 0x0303);
    buf_bytes(b, random, 32);
    buf_u8(b, 32);
    buf_bytes(b, random + 32, 32);
    buf_bytes(b, suites, sizeof suites);
    buf_u16(b, 0x0100); /* no compression */
    buf_u16(b, sizeof extensions + 32);
    buf_bytes(b, extensions, sizeof extensions);
    buf_bytes(b, random + 64, 32);
    buf_put_u16(b, record, (uint16_t)(b->n - record - 2));
    buf_put_u16(b, handshake, (uint16_t)(b->n - handshake - 2));
}

/* Random, but never by chance the beginning of something known: the first byte is above all that STUN, TLS, RTP and text begin with. */
static void write_noise(const uint8_t *random, size_t n, struct buf *b)
{
    buf_u8(b, (uint8_t)(0xC0 | random[0]));
    buf_bytes(b, random + 1, n - 1);
}

static void write_random(enum em_transport transport, const uint8_t *random, struct buf *b)
{
    (void)transport;
    write_noise(random, EM_PATH_SMALL, b);
}

static void write_random_large(enum em_transport transport, const uint8_t *random, struct buf *b)
{
    (void)transport;
    write_noise(random, EM_PATH_LARGE, b);
}

void em_path_write(enum em_path_payload payload, enum em_transport transport, const uint8_t *random,
                   struct buf *b)
{
    static void (*const writers[EM_PATH_PAYLOADS])(enum em_transport transport, const uint8_t *random,
                                                   struct buf *b) = {
        [EM_PATH_STUN_FRAMED] = write_framed,
        [EM_PATH_STUN] = write_stun,
        [EM_PATH_MS_ALLOCATE] = write_allocate,
        [EM_PATH_PSEUDO_TLS] = write_pseudo_tls,
        [EM_PATH_TLS] = write_tls,
        [EM_PATH_RANDOM] = write_random,
        [EM_PATH_STUN_LARGE] = write_stun_large,
        [EM_PATH_RANDOM_LARGE] = write_random_large,
    };

    if (writers[payload])
        writers[payload](transport, random, b);
}

/* --- reading ------------------------------------------------------------------------------------------------------------------ */

static enum em_path_answer read_binding(const uint8_t *random, const uint8_t *p, size_t n)
{
    struct stun_msg m;

    if (stun_parse(p, n, &m) != 0)
        return EM_PATH_STRANGER;
    return stun_is_answer(&m, STUN_BINDING, random) ? EM_PATH_ANSWER : EM_PATH_WAIT;
}

static enum em_path_answer read_stun(enum em_transport transport, const uint8_t *random, const uint8_t *p,
                                     size_t n)
{
    int size = transport == EM_TRANSPORT_TCP ? stun_frame(p, n) : (int)n;

    return size == 0 ? EM_PATH_WAIT : size < 0 ? EM_PATH_STRANGER : read_binding(random, p, (size_t)size);
}

static enum em_path_answer read_framed(enum em_transport transport, const uint8_t *random, const uint8_t *p,
                                       size_t n)
{
    struct slice packet;
    int size;

    if (transport != EM_TRANSPORT_TCP)
        return read_binding(random, p, n);
    size = rfc4571_frame(p, n, STUN_REQUEST_MAX, &packet);
    if (size <= 0)
        return size == 0 ? EM_PATH_WAIT : EM_PATH_STRANGER;
    return read_binding(random, (const uint8_t *)packet.p, packet.n);
}

static enum em_path_answer read_allocate(enum em_transport transport, const uint8_t *random, const uint8_t *p,
                                         size_t n)
{
    struct msturn_frame f = { .payload = { (const char *)p, n } };
    int size = transport == EM_TRANSPORT_TCP ? msturn_frame(p, n, &f) : 1;
    uint8_t tid[MSTURN_TID_SIZE];
    struct msturn_msg m;

    if (size <= 0)
        return size == 0 ? EM_PATH_WAIT : EM_PATH_STRANGER;
    if (msturn_parse(f.payload.p, f.payload.n, &m) != 0)
        return EM_PATH_STRANGER;
    ms_tid(random, tid);
    return msturn_is_answer(&m, MSTURN_ALLOCATE, tid) ? EM_PATH_ANSWER : EM_PATH_WAIT;
}

static enum em_path_answer read_pseudo_tls(enum em_transport transport, const uint8_t *random,
                                           const uint8_t *p, size_t n)
{
    enum pseudotls is = pseudotls_read_server(p, n);

    (void)transport;
    (void)random;
    return is == PSEUDOTLS_MORE ? EM_PATH_WAIT : is == PSEUDOTLS_RIGHT ? EM_PATH_ANSWER : EM_PATH_STRANGER;
}

/* An alert or a ServerHello: a TLS end is there. */
static enum em_path_answer read_tls(enum em_transport transport, const uint8_t *random, const uint8_t *p,
                                    size_t n)
{
    (void)transport;
    (void)random;
    if (p[0] != 0x15 && p[0] != 0x16)
        return EM_PATH_STRANGER;
    return n < 2 ? EM_PATH_WAIT : p[1] == 3 ? EM_PATH_ANSWER : EM_PATH_STRANGER;
}

/* To noise any answer is right, unless it is known to be somebody else's. */
static enum em_path_answer read_noise(enum em_transport transport, const uint8_t *random, const uint8_t *p,
                                      size_t n)
{
    char reason[EM_REASON_MAX];

    (void)transport;
    (void)random;
    if (em_foreign(p, n, reason, sizeof reason) == EM_VERDICT_INTERCEPTED)
        return EM_PATH_STRANGER;
    return n < FOREIGN_KNOWN ? EM_PATH_WAIT : EM_PATH_ANSWER;
}

enum em_path_answer em_path_read(enum em_path_payload payload, enum em_transport transport,
                                 const uint8_t *random, const uint8_t *p, size_t n, enum em_verdict *verdict,
                                 char *reason, size_t size)
{
    static enum em_path_answer (*const readers[EM_PATH_PAYLOADS])(
        enum em_transport transport, const uint8_t *random, const uint8_t *p, size_t n) = {
        [EM_PATH_HANDSHAKE] = read_noise,
        [EM_PATH_STUN_FRAMED] = read_framed,
        [EM_PATH_STUN] = read_stun,
        [EM_PATH_MS_ALLOCATE] = read_allocate,
        [EM_PATH_PSEUDO_TLS] = read_pseudo_tls,
        [EM_PATH_TLS] = read_tls,
        [EM_PATH_RANDOM] = read_noise,
        [EM_PATH_STUN_LARGE] = read_framed,
        [EM_PATH_RANDOM_LARGE] = read_noise,
        [EM_PATH_MEDIA] = read_stun,
    };
    enum em_path_answer is;

    *verdict = 0;
    if (n == 0)
        return EM_PATH_WAIT;
    if (transport == EM_TRANSPORT_TCP && payload != EM_PATH_TLS && payload != EM_PATH_PSEUDO_TLS &&
        em_foreign(p, n, reason, size) == EM_VERDICT_INTERCEPTED) {
        *verdict = EM_VERDICT_INTERCEPTED;
        return EM_PATH_STRANGER;
    }
    *reason = '\0';
    is = readers[payload](transport, random, p, n);
    if (is == EM_PATH_STRANGER) {
        *verdict = payload == EM_PATH_PSEUDO_TLS ? EM_VERDICT_INTERCEPTED : EM_VERDICT_PROTOCOL_ERROR;
        snprintf(reason, size, "what came is no answer to %s", em_path_kinds[payload].text);
        if (payload == EM_PATH_TLS)
            *verdict = em_foreign_to_tls(p, n, reason, size);
    }
    return is;
}
