/* SPDX-License-Identifier: GPL-3.0-or-later
 * Reading STUN messages. One row per attribute that we know; what has no row is skipped, and listed if it had to be understood. */
#include "wire/stun.h"

#include <string.h>

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |0 0|     type (14 bits)        |   length behind the header    |
 * |                   magic cookie 2112A442                       |
 * |                  transaction id (96 bits)                     |
 * then attributes: type (16), length (16), value, padding to 4 that the length does not count
 */

typedef bool (*attr_fn)(struct stun_msg *m, struct cur *value, size_t at);

bool stun_read_addr(struct cur c, struct stun_addr *a)
{
    struct stun_addr got = { 0 };
    uint8_t family;
    const uint8_t *ip;

    cur_u8(&c);
    family = cur_u8(&c);
    got.port = cur_u16(&c);
    got.family = family == 1 ? 4 : family == 2 ? 6 : 0;
    ip = cur_take(&c, got.family == 6 ? 16 : 4);
    if (!ip || got.family == 0 || cur_left(&c) > 0)
        return false;
    memcpy(got.ip, ip, got.family == 6 ? 16 : 4);
    *a = got;
    return true;
}

/* Port with the cookie's upper half, address with the bytes of cookie and transaction id (RFC 8489 section 14.2). */
void stun_flip_addr(struct stun_addr *a, const uint8_t cookie_and_tid[4 + STUN_TID_SIZE])
{
    a->port = (uint16_t)(a->port ^ (cookie_and_tid[0] << 8 | cookie_and_tid[1]));
    for (size_t i = 0; i < (a->family == 6 ? 16U : 4U); i++)
        a->ip[i] ^= cookie_and_tid[i];
}

bool stun_read_xor_addr(const struct stun_msg *m, struct cur value, struct stun_addr *a)
{
    if (!stun_read_addr(value, a))
        return false;
    stun_flip_addr(a, m->bytes + 4);
    return true;
}

/* The first instance counts; a later one must be well formed all the same. */
static bool first_addr(bool read, const struct stun_addr *got, struct stun_addr *to)
{
    if (read && to->family == 0)
        *to = *got;
    return read;
}

static bool read_plain(struct cur *c, struct stun_addr *to)
{
    struct stun_addr got;

    return first_addr(stun_read_addr(*c, &got), &got, to);
}

static bool read_xor(const struct stun_msg *m, struct cur *c, struct stun_addr *to)
{
    struct stun_addr got;

    return first_addr(stun_read_xor_addr(m, *c, &got), &got, to);
}

static bool read_text(struct cur *c, struct slice *to, size_t max)
{
    size_t n = cur_left(c);

    if (n > max)
        return false;
    if (!to->p)
        *to = (struct slice) { (const char *)c->p, n };
    return true;
}

#define ATTR(name) static bool name(struct stun_msg *m, struct cur *c, size_t at)
#define UNUSED(x) (void)(x)

ATTR(attr_mapped)
{
    UNUSED(at);
    return read_plain(c, &m->mapped);
}
ATTR(attr_alternate)
{
    UNUSED(at);
    return read_plain(c, &m->alternate_server);
}
ATTR(attr_xor_mapped)
{
    UNUSED(at);
    return read_xor(m, c, &m->xor_mapped);
}
ATTR(attr_xor_relayed)
{
    UNUSED(at);
    return read_xor(m, c, &m->xor_relayed);
}
ATTR(attr_xor_peer)
{
    UNUSED(at);
    return read_xor(m, c, &m->xor_peer);
}
ATTR(attr_username)
{
    UNUSED(at);
    return read_text(c, &m->username, 512);
}
ATTR(attr_realm)
{
    UNUSED(at);
    return read_text(c, &m->realm, 763);
}
ATTR(attr_nonce)
{
    UNUSED(at);
    return read_text(c, &m->nonce, 763);
}
ATTR(attr_software)
{
    UNUSED(at);
    return read_text(c, &m->software, 763);
}
ATTR(attr_data)
{
    UNUSED(at);
    return read_text(c, &m->data, UINT16_MAX);
}

/* coturn pads the reason with NULs that it counts (measured, 4.6.1). */
bool stun_read_error(struct cur c, uint16_t *code, struct slice *reason)
{
    uint8_t class, number;

    cur_u16(&c);
    class = cur_u8(&c) & 7;
    number = cur_u8(&c);
    if (c.bad || class < 3 || class > 6 || number > 99)
        return false;
    *code = (uint16_t)(class * 100 + number);
    *reason = (struct slice) { (const char *)c.p, cur_left(&c) };
    while (reason->n > 0 && reason->p[reason->n - 1] == '\0')
        reason->n--;
    return true;
}

ATTR(attr_error)
{
    struct slice reason;
    uint16_t code;

    UNUSED(at);
    if (!stun_read_error(*c, &code, &reason))
        return false;
    if (m->error_code == 0) {
        m->error_code = code;
        m->error_reason = reason;
    }
    return true;
}

ATTR(attr_lifetime)
{
    uint32_t v = cur_u32(c);

    UNUSED(at);
    if (c->bad || cur_left(c) > 0)
        return false;
    if (!m->has_lifetime)
        m->lifetime = v;
    m->has_lifetime = true;
    return true;
}

ATTR(attr_transport)
{
    uint8_t v = cur_u8(c);

    UNUSED(at);
    if (c->bad)
        return false;
    if (!m->has_requested_transport)
        m->requested_transport = v;
    m->has_requested_transport = true;
    return true;
}

/* A list of: algorithm (16), length of the parameters (16), parameters padded to 4. */
ATTR(attr_algorithms)
{
    UNUSED(at);
    if (!m->password_algorithms.p)
        m->password_algorithms = (struct slice) { (const char *)c->p, cur_left(c) };
    while (cur_left(c) > 0) {
        uint16_t n;

        cur_u16(c);
        n = cur_u16(c);
        cur_take(c, n);
        if (cur_left(c) > 0)
            cur_take(c, -n & 3U);
        if (c->bad)
            return false;
    }
    return true;
}

ATTR(attr_integrity)
{
    if (cur_left(c) != 20)
        return false;
    if (m->integrity_at == 0)
        m->integrity_at = at;
    return true;
}

ATTR(attr_integrity256)
{
    size_t n = cur_left(c);

    if (n < 16 || n > 32 || n % 4 != 0)
        return false;
    if (m->integrity256_at == 0) {
        m->integrity256_at = at;
        m->integrity256_size = n;
    }
    return true;
}

/* CRC-32 of ITU V.42, bit by bit: messages are short. The sum of old Microsoft clients comes from a table with one wrong entry: two
 * digits changed places ([MS-ICE2] section 3.1.4.8.2). */
enum { LEGACY_INDEX = 90 };
#define LEGACY_ENTRY UINT32_C(0x08BBE8EA)

static uint32_t crc_entry(uint32_t index, bool legacy)
{
    uint32_t crc = index;

    if (legacy && index == LEGACY_INDEX)
        return LEGACY_ENTRY;
    for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (UINT32_C(0xEDB88320) & (uint32_t) - (int32_t)(crc & 1));
    return crc;
}

uint32_t stun_crc(const uint8_t *p, size_t n, bool legacy)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ crc_entry((crc ^ p[i]) & 0xFF, legacy);
    return ~crc;
}

#define FINGERPRINT_XOR UINT32_C(0x5354554E)

/* Right only as the last attribute: the header's length must end with it (RFC 8489 section 14.7). */
ATTR(attr_fingerprint)
{
    uint32_t v = cur_u32(c) ^ FINGERPRINT_XOR;

    if (c->bad || cur_left(c) > 0)
        return false;
    m->fingerprint_present = true;
    m->fingerprint_right = at + 8 == m->size && v == stun_crc(m->bytes, at, false);
    m->fingerprint_legacy = at + 8 == m->size && !m->fingerprint_right && v == stun_crc(m->bytes, at, true);
    return true;
}

static const struct {
    uint16_t type;
    attr_fn read;
} attrs[] = {
    { STUN_ATTR_MAPPED_ADDRESS, attr_mapped },
    { STUN_ATTR_USERNAME, attr_username },
    { STUN_ATTR_MESSAGE_INTEGRITY, attr_integrity },
    { STUN_ATTR_ERROR_CODE, attr_error },
    { STUN_ATTR_LIFETIME, attr_lifetime },
    { STUN_ATTR_XOR_PEER_ADDRESS, attr_xor_peer },
    { STUN_ATTR_DATA, attr_data },
    { STUN_ATTR_REALM, attr_realm },
    { STUN_ATTR_NONCE, attr_nonce },
    { STUN_ATTR_XOR_RELAYED_ADDRESS, attr_xor_relayed },
    { STUN_ATTR_REQUESTED_TRANSPORT, attr_transport },
    { STUN_ATTR_MESSAGE_INTEGRITY_SHA256, attr_integrity256 },
    { STUN_ATTR_XOR_MAPPED_ADDRESS, attr_xor_mapped },
    { STUN_ATTR_PASSWORD_ALGORITHMS, attr_algorithms },
    { STUN_ATTR_SOFTWARE, attr_software },
    { STUN_ATTR_ALTERNATE_SERVER, attr_alternate },
    { STUN_ATTR_FINGERPRINT, attr_fingerprint },
    /* Known, but of no use here: turn.c reads some of them from the walk. */
    { STUN_ATTR_UNKNOWN_ATTRIBUTES, NULL },
    { STUN_ATTR_CHANNEL_NUMBER, NULL },
    { STUN_ATTR_REQUESTED_ADDRESS_FAMILY, NULL },
    { STUN_ATTR_EVEN_PORT, NULL },
    { STUN_ATTR_DONT_FRAGMENT, NULL },
    { STUN_ATTR_PASSWORD_ALGORITHM, NULL },
    { STUN_ATTR_USERHASH, NULL },
    { STUN_ATTR_RESERVATION_TOKEN, NULL },
    { STUN_ATTR_PRIORITY, NULL },
    { STUN_ATTR_USE_CANDIDATE, NULL },
    { STUN_ATTR_CONNECTION_ID, NULL },
};

static bool read_attr(struct stun_msg *m, uint16_t type, struct cur *value, size_t at)
{
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
        if (attrs[i].type == type)
            return !attrs[i].read || attrs[i].read(m, value, at);
    if (type < 0x8000 && m->unknown_n++ < STUN_UNKNOWN_MAX)
        m->unknown[m->unknown_n - 1] = type;
    return true;
}

struct stun_walk stun_walk_of(const struct stun_msg *m)
{
    return (struct stun_walk) { .bytes = m->bytes,
                                .rest = cur_of(m->bytes + STUN_HEADER_SIZE, m->size - STUN_HEADER_SIZE) };
}

/* Behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT count (RFC 8489 section 14.5), behind the latter nothing. */
static bool counts(const struct stun_walk *w)
{
    if (w->behind_fingerprint)
        return false;
    if (w->type == STUN_ATTR_FINGERPRINT)
        return true;
    if (w->behind_sha256)
        return false;
    return !w->behind_integrity || w->type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256;
}

bool stun_walk_next(struct stun_walk *w)
{
    while (cur_left(&w->rest) > 0) {
        uint16_t size;

        w->behind_integrity |= w->type == STUN_ATTR_MESSAGE_INTEGRITY;
        w->behind_sha256 |= w->type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256;
        w->behind_fingerprint |= w->type == STUN_ATTR_FINGERPRINT;
        w->at = (size_t)(w->rest.p - w->bytes);
        w->type = cur_u16(&w->rest);
        size = cur_u16(&w->rest);
        w->value = cur_sub(&w->rest, size);
        cur_take(&w->rest, -size & 3U);
        if (w->rest.bad)
            return false;
        if (counts(w))
            return true;
    }
    return false;
}

int stun_parse(const void *bytes, size_t n, struct stun_msg *m)
{
    struct cur c = cur_of(bytes, n);
    uint16_t type = cur_u16(&c), length = cur_u16(&c);
    uint32_t cookie = cur_u32(&c);
    struct stun_walk w;

    *m = (struct stun_msg) { .bytes = bytes, .size = n };
    m->tid = cur_take(&c, STUN_TID_SIZE);
    if (c.bad || type & 0xC000 || cookie != STUN_COOKIE || length % 4 != 0 || length != cur_left(&c))
        return EM_ERR_INPUT;
    m->class = (enum stun_class)((type >> 4 & 1) | (type >> 7 & 2));
    m->method = (uint16_t)((type & 0x000F) | (type & 0x00E0) >> 1 | (type & 0x3E00) >> 2);
    w = stun_walk_of(m);
    while (stun_walk_next(&w))
        if (!read_attr(m, w.type, &w.value, w.at))
            return EM_ERR_INPUT;
    return w.rest.bad ? EM_ERR_INPUT : 0;
}

bool stun_is_answer(const struct stun_msg *m, uint16_t method, const uint8_t tid[STUN_TID_SIZE])
{
    return (m->class == STUN_SUCCESS || m->class == STUN_ERROR) && m->method == method &&
           memcmp(m->tid, tid, STUN_TID_SIZE) == 0;
}

int stun_frame(const uint8_t *p, size_t n)
{
    static const uint8_t cookie[] = { STUN_COOKIE >> 24, STUN_COOKIE >> 16 & 0xFF, STUN_COOKIE >> 8 & 0xFF,
                                      STUN_COOKIE & 0xFF };
    struct cur c = cur_of(p, n);
    uint16_t first = cur_u16(&c), length = cur_u16(&c);
    size_t size;

    if (n > 0 && p[0] > 0x4F)
        return EM_ERR_INPUT;
    if (c.bad)
        return 0;
    if (!(first & 0x4000) && memcmp(p + 4, cookie, n - 4 < sizeof cookie ? n - 4 : sizeof cookie) != 0)
        return EM_ERR_INPUT;
    if (first & 0x4000) /* ChannelData: the padding is outside the length */
        size = 4 + ((size_t)length + 3) / 4 * 4;
    else if (length % 4 != 0)
        return EM_ERR_INPUT;
    else
        size = STUN_HEADER_SIZE + (size_t)length;
    return n >= size ? (int)size : 0;
}

/* Writing. The header's length is brought up to date by every put, which is what integrity and fingerprint are computed over. */
static void set_length(struct buf *b)
{
    if (!b->full)
        buf_put_u16(b, 2, (uint16_t)(b->n - STUN_HEADER_SIZE));
}

void stun_begin(struct buf *b, uint16_t method, enum stun_class class, const uint8_t tid[STUN_TID_SIZE])
{
    unsigned type = (method & 0x00FU) | (method & 0x070U) << 1 | (method & 0xF80U) << 2 |
                    ((unsigned)class & 1) << 4 | ((unsigned)class & 2) << 7;

    buf_reset(b);
    buf_u16(b, (uint16_t)type);
    buf_u16(b, 0);
    buf_u32(b, STUN_COOKIE);
    buf_bytes(b, tid, STUN_TID_SIZE);
}

void stun_put(struct buf *b, uint16_t type, const void *value, size_t n)
{
    if (n > UINT16_MAX || b->n - STUN_HEADER_SIZE + n + 8 > UINT16_MAX) {
        b->full = true;
        return;
    }
    buf_u16(b, type);
    buf_u16(b, (uint16_t)n);
    buf_bytes(b, value, n);
    buf_bytes(b, (const uint8_t[3]) { 0 }, -n & 3);
    set_length(b);
}

void stun_put_text(struct buf *b, uint16_t type, struct slice text)
{
    stun_put(b, type, text.p, text.n);
}

struct stun_value stun_value_u32(uint32_t v)
{
    return (struct stun_value) { { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v },
                                 4 };
}

struct stun_value stun_value_addr(const struct stun_addr *a)
{
    bool v6 = a->family == 6;
    struct stun_value v = { { 0, v6 ? 2 : 1, (uint8_t)(a->port >> 8), (uint8_t)a->port }, v6 ? 20 : 8 };

    memcpy(v.p + 4, a->ip, v.n - 4);
    return v;
}

struct stun_value stun_value_error(uint16_t code, struct slice reason)
{
    struct slice cut = slice_upto(reason, STUN_REASON_MAX);
    struct stun_value v = { { 0, 0, (uint8_t)(code / 100), (uint8_t)(code % 100) }, 4 + cut.n };

    if (cut.n > 0)
        memcpy(v.p + 4, cut.p, cut.n);
    return v;
}

static void put_value(struct buf *b, uint16_t type, struct stun_value v)
{
    stun_put(b, type, v.p, v.n);
}

void stun_put_u32(struct buf *b, uint16_t type, uint32_t v)
{
    put_value(b, type, stun_value_u32(v));
}

void stun_put_error(struct buf *b, uint16_t code, struct slice reason)
{
    put_value(b, STUN_ATTR_ERROR_CODE, stun_value_error(code, reason));
}

void stun_put_unknown(struct buf *b, const struct stun_msg *m)
{
    uint8_t list[2 * STUN_UNKNOWN_MAX];
    size_t n = m->unknown_n < STUN_UNKNOWN_MAX ? m->unknown_n : STUN_UNKNOWN_MAX;

    for (size_t i = 0; i < n; i++) {
        list[2 * i] = (uint8_t)(m->unknown[i] >> 8);
        list[2 * i + 1] = (uint8_t)m->unknown[i];
    }
    stun_put(b, STUN_ATTR_UNKNOWN_ATTRIBUTES, list, 2 * n);
}

void stun_put_addr(struct buf *b, uint16_t type, const struct stun_addr *a)
{
    put_value(b, type, stun_value_addr(a));
}

void stun_put_xor_addr(struct buf *b, uint16_t type, const struct stun_addr *a)
{
    struct stun_addr flipped = *a;

    if (b->full)
        return;
    stun_flip_addr(&flipped, b->p + 4);
    stun_put_addr(b, type, &flipped);
}

static void put_fingerprint(struct buf *b, bool legacy)
{
    size_t at = b->n;

    stun_put_u32(b, STUN_ATTR_FINGERPRINT, 0); /* the length must be right before the sum is taken */
    if (b->full)
        return;
    b->n = at;
    stun_put_u32(b, STUN_ATTR_FINGERPRINT, stun_crc(b->p, at, legacy) ^ FINGERPRINT_XOR);
}

void stun_put_fingerprint(struct buf *b)
{
    put_fingerprint(b, false);
}

void stun_put_fingerprint_legacy(struct buf *b)
{
    put_fingerprint(b, true);
}
