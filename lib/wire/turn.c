/* SPDX-License-Identifier: GPL-3.0-or-later
 * What TURN adds to STUN: its attributes, one row each, and the frame of ChannelData. */
#include "wire/turn.h"

enum { FAMILY_V4 = 1, FAMILY_V6 = 2, RESERVE_NEXT = 0x80 };

static void put_family(struct buf *b, uint16_t type, uint8_t family)
{
    stun_put_u32(b, type, (uint32_t)(family == 6 ? FAMILY_V6 : FAMILY_V4) << 24);
}

/* RFC 8656 section 7.1: a token stands for a port that was reserved, so nothing about that port may be asked again. RFC 6062 section 4.1:
 * over TCP there are no fragments, no pairs of ports and no reservations. */
static bool makes_sense(const struct turn_allocate *a)
{
    bool port = a->even_port || a->reserve_next;

    if (a->relay == TURN_RELAY_TCP && (a->dont_fragment || port || a->token))
        return false;
    if (a->token && (port || a->family || a->both_families))
        return false;
    if (a->both_families && (a->family || a->reserve_next))
        return false;
    return !a->reserve_next || a->even_port;
}

bool turn_put_allocate(struct buf *b, const struct turn_allocate *a)
{
    if (!makes_sense(a))
        return false;
    stun_put_u32(b, STUN_ATTR_REQUESTED_TRANSPORT, (uint32_t)a->relay << 24);
    if (a->has_lifetime)
        stun_put_u32(b, STUN_ATTR_LIFETIME, a->lifetime_s);
    if (a->family)
        put_family(b, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, a->family);
    if (a->both_families)
        put_family(b, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 6);
    if (a->dont_fragment)
        stun_put(b, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
    if (a->even_port)
        stun_put(b, STUN_ATTR_EVEN_PORT, (const uint8_t[1]) { a->reserve_next ? RESERVE_NEXT : 0 }, 1);
    if (a->token)
        stun_put(b, STUN_ATTR_RESERVATION_TOKEN, a->token, TURN_TOKEN_SIZE);
    return true;
}

void turn_put_refresh(struct buf *b, uint32_t lifetime_s)
{
    stun_put_u32(b, STUN_ATTR_LIFETIME, lifetime_s);
}

void turn_put_peers(struct buf *b, const struct stun_addr *peers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        stun_put_xor_addr(b, STUN_ATTR_XOR_PEER_ADDRESS, &peers[i]);
}

void turn_put_channel(struct buf *b, uint16_t channel, const struct stun_addr *peer)
{
    stun_put_u32(b, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)channel << 16);
    turn_put_peers(b, peer, 1);
}

void turn_put_data(struct buf *b, const struct stun_addr *peer, struct slice data)
{
    turn_put_peers(b, peer, 1);
    stun_put_text(b, STUN_ATTR_DATA, data);
}

/* Reading. Each function reads one value; false = broken. Where one value is expected the first instance counts. */
typedef bool (*attr_fn)(const struct stun_msg *m, struct turn_msg *t, struct cur *c);

#define ATTR(name) static bool name(const struct stun_msg *m, struct turn_msg *t, struct cur *c)
#define UNUSED(x) (void)(x)

/* An address goes to its place in a list, and beyond the list it is counted. */
static bool to_list(const struct stun_msg *m, struct cur *c, struct stun_addr *list, size_t *n, size_t max)
{
    struct stun_addr a;

    if (!stun_read_xor_addr(m, *c, &a))
        return false;
    if (*n < max)
        list[*n] = a;
    ++*n;
    return true;
}

ATTR(attr_relayed)
{
    return to_list(m, c, t->relayed, &t->relayed_n, TURN_RELAYED_MAX);
}
ATTR(attr_peer)
{
    return to_list(m, c, t->peers, &t->peers_n, TURN_PEERS_MAX);
}

ATTR(attr_channel)
{
    uint16_t v = cur_u16(c);

    UNUSED(m);
    if (!t->channel)
        t->channel = v;
    return !c->bad && v >= TURN_CHANNEL_FIRST && v <= 0x7FFF; /* RFC 5766 went on to 7FFE */
}

ATTR(attr_transport)
{
    uint8_t v = cur_u8(c);

    UNUSED(m);
    if (!t->relay)
        t->relay = v;
    return cur_left(c) == 3;
}

static bool read_family(struct cur *c, uint8_t *to)
{
    uint8_t v = cur_u8(c);

    if (*to == 0)
        *to = v == FAMILY_V4 ? 4 : 6;
    return cur_left(c) == 3 && (v == FAMILY_V4 || v == FAMILY_V6);
}

ATTR(attr_family)
{
    UNUSED(m);
    return read_family(c, &t->family);
}
ATTR(attr_additional)
{
    UNUSED(m);
    return read_family(c, &t->additional_family);
}
ATTR(attr_dont_fragment)
{
    UNUSED(m);
    UNUSED(c);
    t->dont_fragment = true;
    return true;
}

ATTR(attr_even_port)
{
    uint8_t v = cur_u8(c);

    UNUSED(m);
    if (!t->even_port)
        t->reserve_next = (v & RESERVE_NEXT) != 0;
    t->even_port = true;
    return !c->bad;
}

ATTR(attr_token)
{
    UNUSED(m);
    if (!t->token)
        t->token = c->p;
    return cur_left(c) == TURN_TOKEN_SIZE;
}

ATTR(attr_connection)
{
    uint32_t v = cur_u32(c);

    UNUSED(m);
    if (!t->has_connection_id)
        t->connection_id = v;
    t->has_connection_id = true;
    return !c->bad;
}

/* The figure of RFC 8656 section 18.13 draws seven bits of type and nine of code; servers are said to send a byte of each, which is what is
 * read here. */
ATTR(attr_icmp)
{
    uint8_t type, code;
    uint32_t data;

    UNUSED(m);
    cur_u16(c);
    type = cur_u8(c);
    code = cur_u8(c);
    data = cur_u32(c);
    if (!t->has_icmp) {
        t->icmp_type = type;
        t->icmp_code = code;
        t->icmp_data = data;
    }
    t->has_icmp = true;
    return !c->bad;
}

ATTR(attr_family_error)
{
    uint8_t family = cur_u8(c), class, number;

    UNUSED(m);
    cur_u8(c);
    class = cur_u8(c) & 7;
    number = cur_u8(c);
    if (c->bad || (family != FAMILY_V4 && family != FAMILY_V6) || class < 3 || class > 6 || number > 99)
        return false;
    if (!t->error_code) {
        t->error_family = family == FAMILY_V4 ? 4 : 6;
        t->error_code = (uint16_t)(class * 100 + number);
    }
    return true;
}

static const struct {
    uint16_t type;
    attr_fn read;
} attrs[] = {
    { STUN_ATTR_XOR_RELAYED_ADDRESS, attr_relayed },
    { STUN_ATTR_XOR_PEER_ADDRESS, attr_peer },
    { STUN_ATTR_CHANNEL_NUMBER, attr_channel },
    { STUN_ATTR_REQUESTED_TRANSPORT, attr_transport },
    { STUN_ATTR_REQUESTED_ADDRESS_FAMILY, attr_family },
    { STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, attr_additional },
    { STUN_ATTR_DONT_FRAGMENT, attr_dont_fragment },
    { STUN_ATTR_EVEN_PORT, attr_even_port },
    { STUN_ATTR_RESERVATION_TOKEN, attr_token },
    { STUN_ATTR_CONNECTION_ID, attr_connection },
    { STUN_ATTR_ICMP, attr_icmp },
    { STUN_ATTR_ADDRESS_ERROR_CODE, attr_family_error },
};

int turn_parse(const struct stun_msg *m, struct turn_msg *t)
{
    struct stun_walk w = stun_walk_of(m);

    *t = (struct turn_msg) { 0 };
    while (stun_walk_next(&w))
        for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
            if (attrs[i].type == w.type && !attrs[i].read(m, t, &w.value))
                return EM_ERR_INPUT;
    if (t->relayed_n > TURN_RELAYED_MAX)
        t->relayed_n = TURN_RELAYED_MAX;
    return 0;
}

/*
 * | channel (16) | length of the data (16) | data | padding to 4 that the length does not count; over UDP it may be missing |
 */
void turn_put_channel_data(struct buf *b, uint16_t channel, struct slice data, bool stream)
{
    if (data.n > UINT16_MAX) {
        b->full = true;
        return;
    }
    buf_u16(b, channel);
    buf_u16(b, (uint16_t)data.n);
    buf_bytes(b, data.p, data.n);
    if (stream)
        buf_bytes(b, (const uint8_t[3]) { 0 }, -data.n & 3);
}

int turn_read_channel_data(const uint8_t *p, size_t n, uint16_t *channel, struct slice *data)
{
    struct cur c = cur_of(p, n);
    uint16_t number = cur_u16(&c), size = cur_u16(&c);
    const uint8_t *bytes = cur_take(&c, size);

    if (!bytes || number < TURN_CHANNEL_FIRST || number > TURN_CHANNEL_LAST || cur_left(&c) > (-size & 3U))
        return EM_ERR_INPUT;
    *channel = number;
    *data = (struct slice) { (const char *)bytes, size };
    return 0;
}
