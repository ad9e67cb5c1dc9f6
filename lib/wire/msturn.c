/* SPDX-License-Identifier: GPL-3.0-or-later
 * Reading and writing Microsoft's dialect of TURN: one row per attribute that we know. */
#include "wire/msturn.h"

#include <string.h>

static const uint8_t cookie[] = { 0,
                                  MSTURN_ATTR_MAGIC_COOKIE,
                                  0,
                                  4,
                                  MSTURN_COOKIE >> 24,
                                  MSTURN_COOKIE >> 16 & 0xFF,
                                  MSTURN_COOKIE >> 8 & 0xFF,
                                  MSTURN_COOKIE & 0xFF };

/* Each reads one value; false = broken. The first instance counts. */
typedef bool (*attr_fn)(struct msturn_msg *m, struct cur *value, size_t at);

#define ATTR(name) static bool name(struct msturn_msg *m, struct cur *c, size_t at)
#define UNUSED(x) (void)(x)

static bool read_addr(struct cur *c, struct stun_addr *to)
{
    struct stun_addr got;

    if (!stun_read_addr(*c, &got))
        return false;
    if (to->family == 0)
        *to = got;
    return true;
}

static bool read_bytes(struct cur *c, struct slice *to, size_t max)
{
    size_t n = cur_left(c);

    if (n > max)
        return false;
    if (!to->p)
        *to = (struct slice) { (const char *)c->p, n };
    return true;
}

static bool read_u32(struct cur *c, bool *has, uint32_t *to)
{
    uint32_t v = cur_u32(c);

    if (c->bad || cur_left(c) > 0)
        return false;
    if (!*has)
        *to = v;
    *has = true;
    return true;
}

ATTR(attr_mapped)
{
    UNUSED(at);
    return read_addr(c, &m->mapped);
}
ATTR(attr_alternate)
{
    UNUSED(at);
    return read_addr(c, &m->alternate_server);
}
ATTR(attr_destination)
{
    UNUSED(at);
    return read_addr(c, &m->destination);
}
ATTR(attr_remote)
{
    UNUSED(at);
    return read_addr(c, &m->remote);
}

ATTR(attr_xor_mapped)
{
    struct stun_addr got;

    UNUSED(at);
    if (!stun_read_xor_addr(&(struct stun_msg) { .bytes = m->bytes }, *c, &got))
        return false;
    if (m->xor_mapped.family == 0)
        m->xor_mapped = got;
    return true;
}

ATTR(attr_username)
{
    UNUSED(at);
    return read_bytes(c, &m->username, MSTURN_USER_MAX);
}
ATTR(attr_realm)
{
    UNUSED(at);
    return read_bytes(c, &m->realm, MSTURN_REALM_MAX);
}
ATTR(attr_nonce)
{
    UNUSED(at);
    return read_bytes(c, &m->nonce, MSTURN_NONCE_MAX);
}
ATTR(attr_software)
{
    UNUSED(at);
    return read_bytes(c, &m->software, UINT16_MAX);
}
ATTR(attr_data)
{
    UNUSED(at);
    return read_bytes(c, &m->data, UINT16_MAX);
}

ATTR(attr_lifetime)
{
    UNUSED(at);
    return read_u32(c, &m->has_lifetime, &m->lifetime);
}
ATTR(attr_version)
{
    UNUSED(at);
    return read_u32(c, &m->has_version, &m->version);
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

/* From relays: connection id and number. From newer clients: the number alone (both measured). */
ATTR(attr_sequence)
{
    const uint8_t *connection =
        cur_left(c) == MSTURN_CONNECTION_SIZE + 4 ? cur_take(c, MSTURN_CONNECTION_SIZE) : NULL;
    bool first = !m->has_sequence;

    UNUSED(at);
    if (!read_u32(c, &m->has_sequence, &m->sequence))
        return false;
    if (first)
        m->connection = connection;
    return true;
}

ATTR(attr_session)
{
    const uint8_t *session = cur_take(c, MSTURN_SESSION_SIZE);

    UNUSED(at);
    if (!session || cur_left(c) > 0)
        return false;
    if (!m->session)
        m->session = session;
    return true;
}

ATTR(attr_integrity)
{
    m->integrity_at = at;
    m->integrity_size = cur_left(c);
    return m->integrity_size == 20 || m->integrity_size == 32;
}

static const struct {
    uint16_t type;
    attr_fn read;
} attrs[] = {
    { MSTURN_ATTR_MAPPED_ADDRESS, attr_mapped },
    { MSTURN_ATTR_USERNAME, attr_username },
    { MSTURN_ATTR_MESSAGE_INTEGRITY, attr_integrity },
    { MSTURN_ATTR_ERROR_CODE, attr_error },
    { MSTURN_ATTR_LIFETIME, attr_lifetime },
    { MSTURN_ATTR_ALTERNATE_SERVER, attr_alternate },
    { MSTURN_ATTR_DESTINATION_ADDRESS, attr_destination },
    { MSTURN_ATTR_REMOTE_ADDRESS, attr_remote },
    { MSTURN_ATTR_DATA, attr_data },
    { MSTURN_ATTR_NONCE, attr_nonce },
    { MSTURN_ATTR_REALM, attr_realm },
    { MSTURN_ATTR_VERSION, attr_version },
    { MSTURN_ATTR_XOR_MAPPED_ADDRESS, attr_xor_mapped },
    { MSTURN_ATTR_SOFTWARE, attr_software },
    { MSTURN_ATTR_SEQUENCE, attr_sequence },
    { MSTURN_ATTR_SESSION_ID, attr_session },
    /* Known, but of no use here. */
    { MSTURN_ATTR_UNKNOWN_ATTRIBUTES, NULL },
    { MSTURN_ATTR_MAGIC_COOKIE, NULL },
    { MSTURN_ATTR_BANDWIDTH, NULL },
    { MSTURN_ATTR_REQUESTED_FAMILY, NULL },
};

static bool read_attr(struct msturn_msg *m, uint16_t type, struct cur *value, size_t at)
{
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
        if (attrs[i].type == type)
            return !attrs[i].read || attrs[i].read(m, value, at) || type >= 0x8000;
    if (type < 0x8000 && m->unknown_n++ < STUN_UNKNOWN_MAX)
        m->unknown[m->unknown_n - 1] = type;
    return true;
}

bool msturn_begins(const uint8_t *p, size_t n)
{
    size_t size;

    if (n > 0 && p[0] & 0xC0)
        return false;
    if (n < 4)
        return true;
    size = STUN_HEADER_SIZE + ((size_t)p[2] << 8 | p[3]);
    if (size < MSTURN_SIZE_MIN)
        return false;
    return n <= STUN_HEADER_SIZE ||
           memcmp(p + STUN_HEADER_SIZE, cookie,
                  n - STUN_HEADER_SIZE < sizeof cookie ? n - STUN_HEADER_SIZE : sizeof cookie) == 0;
}

int msturn_parse(const void *bytes, size_t n, struct msturn_msg *m)
{
    struct cur c = cur_of(bytes, n);
    uint16_t type = cur_u16(&c), length = cur_u16(&c);

    *m = (struct msturn_msg) { .type = type, .bytes = bytes, .size = n };
    m->tid = cur_take(&c, MSTURN_TID_SIZE);
    if (n < MSTURN_SIZE_MIN || length != cur_left(&c) || !msturn_begins(bytes, n))
        return EM_ERR_INPUT;
    while (cur_left(&c) > 0 && m->integrity_at == 0) {
        size_t at = n - cur_left(&c);
        uint16_t attr = cur_u16(&c), size = cur_u16(&c);
        struct cur value = cur_sub(&c, size);

        if (c.bad || !read_attr(m, attr, &value, at))
            return EM_ERR_INPUT;
    }
    return 0;
}

bool msturn_is_answer(const struct msturn_msg *m, uint16_t type, const uint8_t tid[MSTURN_TID_SIZE])
{
    return (m->type == (type | 0x0100) || m->type == (type | 0x0110)) &&
           memcmp(m->tid, tid, MSTURN_TID_SIZE) == 0;
}

/* Frames. The message inside must be as long as its frame. */
static bool control_begins(const uint8_t *p, size_t n, size_t size)
{
    if (size < MSTURN_SIZE_MIN || !msturn_begins(p, n))
        return false;
    return n < 4 || STUN_HEADER_SIZE + ((size_t)p[2] << 8 | p[3]) == size;
}

int msturn_frame(const uint8_t *p, size_t n, struct msturn_frame *frame)
{
    struct cur c = cur_of(p, n);
    uint8_t type = cur_u8(&c), zero = cur_u8(&c);
    size_t size = cur_u16(&c), here = cur_left(&c);
    const uint8_t *payload;

    if ((n > 0 && type != MSTURN_FRAME_CONTROL && type != MSTURN_FRAME_DATA) || zero != 0)
        return EM_ERR_INPUT;
    if (c.bad)
        return 0;
    if (type == MSTURN_FRAME_CONTROL && !control_begins(c.p, here < size ? here : size, size))
        return EM_ERR_INPUT;
    if (!(payload = cur_take(&c, size)))
        return 0;
    *frame = (struct msturn_frame) { (enum msturn_frame_type)type, { (const char *)payload, size } };
    return (int)(MSTURN_FRAME_HEADER_SIZE + size);
}

void msturn_frame_header(uint8_t to[MSTURN_FRAME_HEADER_SIZE], enum msturn_frame_type type, uint16_t n)
{
    to[0] = (uint8_t)type;
    to[1] = 0;
    to[2] = (uint8_t)(n >> 8);
    to[3] = (uint8_t)n;
}

/* Writing. */
void msturn_begin(struct buf *b, uint16_t type, const uint8_t tid[MSTURN_TID_SIZE])
{
    buf_reset(b);
    buf_u16(b, type);
    buf_u16(b, sizeof cookie);
    buf_bytes(b, tid, MSTURN_TID_SIZE);
    buf_bytes(b, cookie, sizeof cookie);
}

void msturn_put(struct buf *b, uint16_t type, const void *value, size_t n)
{
    if (n > UINT16_MAX || b->n - STUN_HEADER_SIZE + 4 + n > UINT16_MAX) {
        b->full = true;
        return;
    }
    buf_u16(b, type);
    buf_u16(b, (uint16_t)n);
    buf_bytes(b, value, n);
    if (!b->full)
        buf_put_u16(b, 2, (uint16_t)(b->n - STUN_HEADER_SIZE));
}

void msturn_put_text(struct buf *b, uint16_t type, struct slice text)
{
    msturn_put(b, type, text.p, text.n);
}

static void put_value(struct buf *b, uint16_t type, struct stun_value v)
{
    msturn_put(b, type, v.p, v.n);
}

void msturn_put_u32(struct buf *b, uint16_t type, uint32_t v)
{
    put_value(b, type, stun_value_u32(v));
}

void msturn_put_addr(struct buf *b, uint16_t type, const struct stun_addr *a)
{
    put_value(b, type, stun_value_addr(a));
}

void msturn_put_xor_addr(struct buf *b, uint16_t type, const struct stun_addr *a)
{
    struct stun_addr flipped = *a;

    if (b->full)
        return;
    stun_flip_addr(&flipped, b->p + 4);
    msturn_put_addr(b, type, &flipped);
}

void msturn_put_error(struct buf *b, uint16_t code, struct slice reason)
{
    put_value(b, MSTURN_ATTR_ERROR_CODE, stun_value_error(code, reason));
}

void msturn_put_sequence(struct buf *b, const uint8_t connection[MSTURN_CONNECTION_SIZE], uint32_t sequence)
{
    uint8_t value[MSTURN_CONNECTION_SIZE + 4];

    memcpy(value, connection, MSTURN_CONNECTION_SIZE);
    for (unsigned i = 0; i < 4; i++)
        value[MSTURN_CONNECTION_SIZE + i] = (uint8_t)(sequence >> (24 - 8 * i));
    msturn_put(b, MSTURN_ATTR_SEQUENCE, value, sizeof value);
}
