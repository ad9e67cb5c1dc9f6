/* SPDX-License-Identifier: GPL-3.0-or-later
 * Captures: the file through libpcap, and the layers from the link up to UDP. See capture.h. */
#include "evidence/capture.h"

#include <pcap/pcap.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/esc.h"
#include "base/late.h"
#include "evidence/capture_inside.h"

/* clang-format off */
#define SYMBOLS(S) \
    S(pcap_fopen_offline) S(pcap_next_ex) S(pcap_datalink) S(pcap_geterr) S(pcap_close)
/* clang-format on */
LATE_SET(lib, LATE_PCAP, SYMBOLS);

enum { IPV4 = 0x0800, IPV6 = 0x86DD, VLANS_MAX = 4, EXTENSIONS_MAX = 8, UDP = 17, TCP = 6, V6_FRAGMENT = 44 };

/* --- messages ----------------------------------------------------------------------------------------------------- */

void capture_message(struct capture *c, const struct seen_way *way, struct slice message)
{
    char head[SEEN_LINE_MAX];
    struct buf b = buf_over(head, sizeof head);

    message = seen_message(message);
    seen_line(way, c->time_us, &b);
    c->stopped = c->stopped || !c->text(c->arg, (const char *)b.p, b.n) ||
                 !c->text(c->arg, message.p, message.n) || !c->text(c->arg, "\r\n\r\n", 4);
}

/* --- UDP and what carries it -------------------------------------------------------------------------------------- */

static void udp(struct capture *c, struct seen_way *way, struct cur p)
{
    struct slice text;

    way->from_port = cur_u16(&p);
    way->to_port = cur_u16(&p);
    (void)cur_u32(&p); /* length and checksum: what the IP layer says holds */
    text = (struct slice) { (const char *)p.p, cur_left(&p) };
    if (text.n > 0 && seen_is_sip(text))
        capture_message(c, way, text);
}

static void transport(struct capture *c, struct seen_way *way, uint8_t protocol, struct cur p)
{
    if (protocol == UDP)
        udp(c, way, p);
    else if (protocol == TCP)
        capture_tcp(c, way, p);
}

/* A capture may hold less of a packet than there was. */
static struct cur at_most(struct cur *p, size_t n)
{
    return cur_sub(p, n < cur_left(p) ? n : cur_left(p));
}

static void fragment(struct capture *c, struct capture_fragment *f, struct cur data)
{
    struct cur whole;

    if (capture_fragment(c->packets, f, data, &whole))
        transport(c, &f->way, f->protocol, whole);
}

/* RFC 791:  version+length  tos  total(2)  id(2)  flags+offset(2)  ttl  protocol  checksum(2)  source(4)  destination(4) */
static void ipv4(struct capture *c, struct cur p)
{
    struct capture_fragment f = { .way = { .v6 = false } };
    size_t header = (size_t)(cur_u8(&p) & 15) * 4, total, place;
    const uint8_t *from, *to;
    struct cur data;

    (void)cur_u8(&p);
    total = cur_u16(&p);
    f.id = cur_u16(&p);
    place = cur_u16(&p);
    (void)cur_u8(&p);
    f.protocol = cur_u8(&p);
    (void)cur_u16(&p);
    from = cur_take(&p, 4);
    to = cur_take(&p, 4);
    if (p.bad || header < 20 || !cur_take(&p, header - 20))
        return;
    memcpy(f.way.from, from, 4);
    memcpy(f.way.to, to, 4);
    data = total > header ? at_most(&p, total - header) : p; /* 0: the card cuts the packet later */
    f.at = (place & 0x1FFF) * 8;
    f.more = place & 0x2000;
    if (f.at > 0 || f.more)
        fragment(c, &f, data);
    else
        transport(c, &f.way, f.protocol, data);
}

static bool is_extension(uint8_t next)
{
    return next == 0 || next == 43 || next == 60 || next == V6_FRAGMENT;
}

/* RFC 8200:  version+class+label(4)  length(2)  next  hops  source(16)  destination(16), then headers that name the next one */
static void ipv6(struct capture *c, struct cur p)
{
    struct capture_fragment f = { .way = { .v6 = true } };
    const uint8_t *from, *to;
    size_t length, place;
    bool fragmented = false;
    struct cur data;

    (void)cur_u32(&p);
    length = cur_u16(&p);
    f.protocol = cur_u8(&p);
    (void)cur_u8(&p);
    from = cur_take(&p, 16);
    to = cur_take(&p, 16);
    if (p.bad)
        return;
    memcpy(f.way.from, from, 16);
    memcpy(f.way.to, to, 16);
    data = length ? at_most(&p, length) : p;
    for (int i = 0; i < EXTENSIONS_MAX && !fragmented && is_extension(f.protocol); i++) {
        fragmented = f.protocol == V6_FRAGMENT;
        f.protocol = cur_u8(&data);
        length = cur_u8(&data);
        if (!fragmented) {
            (void)cur_take(&data, 8 * length + 6);
            continue;
        }
        place = cur_u16(&data);
        f.id = cur_u32(&data);
        f.at = place & 0xFFF8;
        f.more = place & 1;
    }
    if (data.bad)
        return;
    if (fragmented && (f.at > 0 || f.more))
        fragment(c, &f, data);
    else
        transport(c, &f.way, f.protocol, data);
}

static void ip(struct capture *c, struct cur p)
{
    if (cur_left(&p) > 0 && *p.p >> 4 == 4)
        ipv4(c, p);
    else if (cur_left(&p) > 0 && *p.p >> 4 == 6)
        ipv6(c, p);
}

/* --- links -------------------------------------------------------------------------------------------------------- */

static void ether_type(struct capture *c, uint16_t type, struct cur p)
{
    for (int i = 0; i < VLANS_MAX && (type == 0x8100 || type == 0x88A8 || type == 0x9100); i++) {
        (void)cur_u16(&p);
        type = cur_u16(&p);
    }
    if (!p.bad && (type == IPV4 || type == IPV6))
        ip(c, p);
}

/* How many bytes stand before the IP packet, and where in them its type does; -1: nowhere, the packet itself says it. */
static const struct capture_link {
    int type;
    size_t header;
    int ether_type_at;
} links[] = {
    { DLT_EN10MB, 14, 12 },
    { DLT_LINUX_SLL, 16, 14 },
    { 276 /* LINUX_SLL2 */, 20, 0 },
    { DLT_NULL, 4, -1 },
    { DLT_LOOP, 4, -1 },
    { DLT_RAW, 0, -1 },
    { 14 /* RAW, OpenBSD */, 0, -1 },
    { 101 /* RAW, in files */, 0, -1 },
    { 228 /* IPV4 */, 0, -1 },
    { 229 /* IPV6 */, 0, -1 },
};

void capture_packet(struct capture *c, const struct capture_link *link, const struct pcap_pkthdr *h,
                    const uint8_t *bytes)
{
    struct cur p = cur_of(bytes, h->caplen);
    const uint8_t *header = cur_take(&p, link->header);

    c->time_us = (int64_t)h->ts.tv_sec * EM_US_PER_S + h->ts.tv_usec;
    if (!header)
        return;
    if (link->ether_type_at < 0)
        ip(c, p);
    else
        ether_type(c, (uint16_t)(header[link->ether_type_at] << 8 | header[link->ether_type_at + 1]), p);
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

bool capture_recognise(const void *p, size_t n)
{
    static const char *const magics[] = { "\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d",
                                          "\x4d\x3c\xb2\xa1", "\x0a\x0d\x0d\x0a" };

    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (n >= 4 && memcmp(p, magics[i], 4) == 0)
            return true;
    return false;
}

const struct capture_link *capture_link(int type)
{
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (links[i].type == type)
            return &links[i];
    return NULL;
}

static int complain(struct em_why *why, const char *what)
{
    return em_fail(why, EM_ERR_INPUT, "the reading of its packets ended: %s; what comes before is counted",
                   esc_line_into((char[256]) { 0 }, 256, slice_of(what)));
}

static int packets(struct capture *c, pcap_t *pcap, struct em_why *why)
{
    const struct capture_link *link = capture_link(lib.pcap_datalink(pcap));
    struct pcap_pkthdr *h;
    const uint8_t *bytes;
    int got;

    if (!link)
        return em_fail(why, EM_ERR_INPUT,
                       "its link layer (type %d) is not known: capture Ethernet, or on \"any\"",
                       lib.pcap_datalink(pcap));
    while (!c->stopped && (got = lib.pcap_next_ex(pcap, &h, &bytes)) == 1)
        capture_packet(c, link, h, bytes);
    capture_tcp_finish(c);
    return c->stopped || got == PCAP_ERROR_BREAK ? 0 : complain(why, lib.pcap_geterr(pcap));
}

int capture_read(FILE *f, capture_text_fn text, void *arg, struct em_why *why)
{
    struct capture c = {
        .text = text, .arg = arg, .packets = capture_packets_new(), .streams = capture_streams_new()
    };
    char words[PCAP_ERRBUF_SIZE] = "";
    pcap_t *pcap;
    int err = EM_ERR_MEMORY;

    if (!c.packets || !c.streams) {
        (void)fclose(f);
    } else if ((err = late_load(&lib.late, why)) < 0) {
        (void)fclose(f);
    } else if (!(pcap = lib.pcap_fopen_offline(f, words))) {
        (void)fclose(f);
        err = complain(why, words);
    } else {
        err = packets(&c, pcap, why);
        lib.pcap_close(pcap);
    }
    capture_packets_free(c.packets);
    capture_streams_free(c.streams);
    return err;
}
