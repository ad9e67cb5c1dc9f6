/* SPDX-License-Identifier: GPL-3.0-or-later
 * HEP packets: a header, and chunks by a table of what is wanted. See hep.h. */
#include "evidence/hep.h"

#include <string.h>

#include "base/clock.h"
#include "base/cur.h"

enum { GENERIC = 0 }; /* vendor of the chunks that everybody knows */

/* What the chunks said, in the order in which they came: addresses of both families can be there. */
struct reading {
    struct hep *h;
    const uint8_t *v4_from, *v4_to, *v6_from, *v6_to;
    uint32_t seconds, micros;
    bool family_told, protocol_told, compressed;
};

static void family(struct reading *r, struct cur *v)
{
    r->family_told = true;
    r->h->way.v6 = cur_u8(v) == 10; /* AF_INET6 of the agent, which is Linux's; 2 is IPv4 */
}

static void v4_from(struct reading *r, struct cur *v)
{
    r->v4_from = cur_take(v, 4);
}

static void v4_to(struct reading *r, struct cur *v)
{
    r->v4_to = cur_take(v, 4);
}

static void v6_from(struct reading *r, struct cur *v)
{
    r->v6_from = cur_take(v, 16);
}

static void v6_to(struct reading *r, struct cur *v)
{
    r->v6_to = cur_take(v, 16);
}

static void from_port(struct reading *r, struct cur *v)
{
    r->h->way.from_port = cur_u16(v);
}

static void to_port(struct reading *r, struct cur *v)
{
    r->h->way.to_port = cur_u16(v);
}

static void seconds(struct reading *r, struct cur *v)
{
    r->seconds = cur_u32(v);
}

static void micros(struct reading *r, struct cur *v)
{
    r->micros = cur_u32(v);
}

static void protocol(struct reading *r, struct cur *v)
{
    r->protocol_told = true;
    r->h->protocol = cur_u8(v);
}

static void agent(struct reading *r, struct cur *v)
{
    r->h->agent = cur_u32(v);
}

static struct slice rest(struct cur *v)
{
    return (struct slice) { (const char *)v->p, cur_left(v) };
}

static void key(struct reading *r, struct cur *v)
{
    r->h->key = rest(v);
}

static void payload(struct reading *r, struct cur *v)
{
    r->h->payload = rest(v);
}

static void compressed(struct reading *r, struct cur *v)
{
    (void)v;
    r->compressed = true;
}

/* By type; those without a reader are of no use here: transport (2), keep-alive interval (13), correlation (17), VLAN (18) ... */
static void (*const readers[])(struct reading *r, struct cur *v) = {
    [1] = family,    [3] = v4_from, [4] = v4_to,    [5] = v6_from,     [6] = v6_to,
    [7] = from_port, [8] = to_port, [9] = seconds,  [10] = micros,     [11] = protocol,
    [12] = agent,    [14] = key,    [15] = payload, [16] = compressed,
};

/* False: it reaches out of the packet or is too small for its type. */
static bool chunk(struct reading *r, struct cur *p)
{
    uint16_t vendor = cur_u16(p), type = cur_u16(p), length = cur_u16(p);
    struct cur value;

    if (p->bad || length < HEP_HEADER)
        return false;
    value = cur_sub(p, length - (size_t)HEP_HEADER);
    if (!p->bad && vendor == GENERIC && type < sizeof readers / sizeof *readers && readers[type])
        readers[type](r, &value);
    return !p->bad && !value.bad;
}

/* The family that the packet names; the one whose addresses are there, when it names none. */
static void settle(const struct reading *r)
{
    struct hep *h = r->h;
    const uint8_t *from, *to;

    if (!r->family_told)
        h->way.v6 = r->v6_from && !r->v4_from;
    from = h->way.v6 ? r->v6_from : r->v4_from;
    to = h->way.v6 ? r->v6_to : r->v4_to;
    if (from)
        memcpy(h->way.from, from, h->way.v6 ? 16 : 4);
    if (to)
        memcpy(h->way.to, to, h->way.v6 ? 16 : 4);
    if (r->seconds && r->micros < EM_US_PER_S)
        h->time_us = (int64_t)r->seconds * EM_US_PER_S + r->micros;
}

/* Version 2 begins with its number and the length of its header, 16 for IPv4; version 1 in the same way with its own number. */
static enum hep_fault version(const uint8_t *p, size_t n)
{
    if (n >= 4 && memcmp(p, "HEP3", 4) == 0)
        return HEP_FINE;
    if (n >= 2 && (p[0] == 1 || p[0] == 2) && p[1] >= 16)
        return HEP_OLD;
    return n < 4 && memcmp(p, "HEP3", n) == 0 ? HEP_TOO_SHORT : HEP_FOREIGN;
}

int hep_length(const void *bytes, size_t n, enum hep_fault *why)
{
    const uint8_t *p = bytes;
    uint16_t length;

    if (n == 0)
        return 0;
    *why = version(p, n);
    if (*why == HEP_TOO_SHORT || (*why == HEP_FINE && n < HEP_HEADER))
        return 0;
    if (*why != HEP_FINE)
        return -1;
    length = (uint16_t)(p[4] << 8 | p[5]);
    if (length >= HEP_HEADER)
        return length;
    *why = HEP_LENGTH;
    return -1;
}

enum hep_fault hep_read(const void *bytes, size_t n, struct hep *h)
{
    struct reading r = { .h = h };
    struct cur p;
    enum hep_fault why = HEP_TOO_SHORT;
    int length = hep_length(bytes, n, &why);

    *h = (struct hep) { .key = SLICE(""), .payload = SLICE("") };
    if (length < 0)
        return why;
    if (length == 0)
        return HEP_TOO_SHORT;
    if ((size_t)length != n)
        return HEP_LENGTH;
    p = cur_of(bytes, n);
    (void)cur_take(&p, HEP_HEADER);
    while (cur_left(&p) > 0)
        if (!chunk(&r, &p))
            return HEP_CHUNK;
    settle(&r);
    if (!r.protocol_told)
        return HEP_NO_PROTOCOL;
    return h->protocol == HEP_PROTOCOL_SIP && h->payload.n == 0 && r.compressed ? HEP_COMPRESSED : HEP_FINE;
}

const char *hep_fault_text(enum hep_fault fault)
{
    static const char *const texts[] = {
        [HEP_FINE] = "",
        [HEP_TOO_SHORT] = "it is shorter than a HEP header",
        [HEP_OLD] = "it is HEP of version 1 or 2; let the agent send version 3",
        [HEP_FOREIGN] = "it is no HEP; let the agent send HEP of version 3",
        [HEP_LENGTH] = "its length is not what its header says",
        [HEP_CHUNK] = "a chunk reaches beyond its end, or is too short",
        [HEP_NO_PROTOCOL] = "it does not say what it carries",
        [HEP_COMPRESSED] = "its payload is compressed; turn that off in the agent",
    };

    return texts[fault];
}

/* --- to text ------------------------------------------------------------------------------------------------------- */

bool hep_text(const struct hep *h, struct buf *to)
{
    struct slice message = seen_message(h->payload);

    if (h->protocol != HEP_PROTOCOL_SIP || message.n == 0)
        return true;
    if (!seen_is_sip(message))
        return false;
    seen_line(&h->way, h->time_us, to);
    buf_slice(to, message);
    buf_text(to, "\r\n\r\n");
    return true;
}
