/* SPDX-License-Identifier: GPL-3.0-or-later
 * A packet capture as a stream that is unpacked: bytes of the file in, text of capture.h out, as far as there are whole records. So the text of
 * a capture that grows only ever grows, too. libpcap reads files, and gives up where one ends within a record; therefore it sees
 * records when they are complete. */
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/late.h"
#include "evidence/capture_inside.h"
#include "evidence/unpack.h"

/* clang-format off */
#define SYMBOLS(S) \
    S(pcap_fopen_offline) S(pcap_next_ex) S(pcap_datalink) S(pcap_close)
/* clang-format on */
LATE_SET(lib, LATE_PCAP, SYMBOLS);

enum {
    RECORD_MAX = 1024 * 1024,   /* bytes; libpcap takes less */
    BATCH = 64 * 1024,          /* so many bytes of records are for libpcap at once */
    TEXT_MAX = 4 * 1024 * 1024, /* of what one packet completes */
    PCAP_HEADER = 24,           /* magic(4) versions(4) zone(4) accuracy(4) snaplen(4) link(4) */
    PCAP_RECORD = 16,           /* seconds(4) fraction(4) captured(4) length(4), then the packet */
    NG_HEADER = 12,             /* type(4) length of all(4); of a section: byte order(4) */
    NG_SECTION = 0x0A0D0D0A,
    NG_INTERFACE = 1,
};

struct feed {
    struct capture c;
    struct buf records, text;
    size_t whole;       /* bytes of records that are complete; one that is not stands behind them */
    size_t seen, given; /* of records by libpcap, of text by the caller */
    bool ready;         /* libpcap is at them */
    bool ng, big_endian;
    bool broken; /* behind those that are complete */
    FILE *f;
    pcap_t *pcap; /* NULL: not begun */
    const struct capture_link *link;
};

static bool take_text(void *arg, const char *p, size_t n)
{
    struct feed *s = arg;

    buf_bytes(&s->text, p, n);
    return !s->text.full;
}

static void feed_end(void *state)
{
    struct feed *s = state;

    if (s->pcap)
        lib.pcap_close(s->pcap); /* with the file */
    capture_packets_free(s->c.packets);
    capture_streams_free(s->c.streams);
    buf_fini(&s->records);
    buf_fini(&s->text);
    free(s);
}

static void *feed_begin(struct em_why *why)
{
    struct feed *s;

    if (late_load(&lib.late, why) < 0 || !(s = calloc(1, sizeof *s)))
        return NULL;
    s->records = buf_heap(2 * RECORD_MAX);
    s->text = buf_heap(TEXT_MAX);
    s->c = (struct capture) {
        .text = take_text, .arg = s, .packets = capture_packets_new(), .streams = capture_streams_new()
    };
    if (s->c.packets && s->c.streams)
        return s;
    feed_end(s);
    return NULL;
}

/* --- records -------------------------------------------------------------------------------------------------------- */

static uint32_t number(const struct feed *s, const uint8_t *p)
{
    struct cur c = cur_of(p, 4);
    uint32_t n = cur_u32(&c);

    return s->big_endian ? n : n >> 24 | (n >> 8 & 0xFF00) | (n << 8 & 0xFF0000) | n << 24;
}

static uint32_t block_type(const struct feed *s)
{
    return number(s, s->records.p + s->whole);
}

/* How much of a record is needed: first of its header, then what that says. `have` bytes of it are there. */
static size_t wanted_of_ng(struct feed *s, size_t have)
{
    const uint8_t *p;
    uint32_t n;

    if (have < NG_HEADER)
        return NG_HEADER;
    p = s->records.p + s->whole;
    if (block_type(s) == NG_SECTION) /* the same in either order */
        s->big_endian = p[8] == 0x1A;
    n = number(s, p + 4);
    s->broken = n < NG_HEADER || n % 4 != 0;
    return n;
}

static size_t wanted_of_pcap(const struct feed *s, size_t have)
{
    if (!s->pcap)
        return PCAP_HEADER;
    return have < PCAP_RECORD ? PCAP_RECORD : PCAP_RECORD + (size_t)number(s, s->records.p + s->whole + 8);
}

static void know_magic(struct feed *s, uint8_t first)
{
    s->ng = first == 0x0A;
    s->big_endian = first == 0xA1;
}

/* A record is whole. True: libpcap can have it, and what is before it. */
static bool add_record(struct feed *s, size_t n)
{
    bool opens =
        !s->ng || block_type(s) == NG_INTERFACE; /* libpcap looks for an interface before it begins */

    s->whole += n;
    return s->pcap ? s->whole >= BATCH : opens;
}

/* Takes input until there is enough for libpcap, or it ends. True: there is something for it, or they are broken. */
static bool gather(struct feed *s, const uint8_t **in, size_t *in_n)
{
    if (!s->pcap && s->records.n == 0 && *in_n > 0)
        know_magic(s, **in);
    while (!s->broken) {
        size_t have = s->records.n - s->whole, want = s->ng ? wanted_of_ng(s, have) : wanted_of_pcap(s, have),
               n;

        s->broken = s->broken || want > RECORD_MAX;
        if (want <= have && !s->broken && add_record(s, want))
            return true;
        if (want <= have || s->broken)
            continue;
        n = want - have < *in_n ? want - have : *in_n;
        if (n == 0)
            return s->pcap && s->whole > 0;
        buf_bytes(&s->records, *in, n);
        *in += n;
        *in_n -= n;
        s->broken = s->records.full;
    }
    return true;
}

/* --- libpcap -------------------------------------------------------------------------------------------------------- */

static ssize_t hand_over(void *arg, char *to, size_t n)
{
    struct feed *s = arg;
    size_t left = s->whole - s->seen;

    n = n < left ? n : left;
    if (n > 0)
        memcpy(to, s->records.p + s->seen, n);
    s->seen += n;
    return (ssize_t)n;
}

/* libpcap is at the end of what there was. */
static enum unpack_result end_of_batch(struct feed *s)
{
    bool all = s->seen == s->whole;

    clearerr(s->f);
    s->records.n -= s->whole;
    memmove(s->records.p, s->records.p + s->whole, s->records.n);
    s->whole = s->seen = 0;
    s->ready = false;
    return all && !s->broken ? UNPACK_GOES_ON : UNPACK_DAMAGED;
}

static enum unpack_result start(struct feed *s)
{
    const cookie_io_functions_t io = { .read = hand_over };
    char words[PCAP_ERRBUF_SIZE];

    if (s->broken)
        return UNPACK_DAMAGED;
    if (!(s->f = fopencookie(s, "r", io)))
        return UNPACK_NO_MEMORY;
    if (!(s->pcap = lib.pcap_fopen_offline(s->f, words))) {
        (void)fclose(s->f);
        return UNPACK_DAMAGED;
    }
    s->link = capture_link(lib.pcap_datalink(s->pcap));
    return s->link ? end_of_batch(s) : UNPACK_FOREIGN;
}

static enum unpack_result next_packet(struct feed *s)
{
    struct pcap_pkthdr *h;
    const uint8_t *bytes;
    int got = lib.pcap_next_ex(s->pcap, &h, &bytes);

    if (got == PCAP_ERROR_BREAK)
        return end_of_batch(s);
    if (got == 1)
        capture_packet(&s->c, s->link, h, bytes);
    return got == 1 && !s->c.stopped ? UNPACK_GOES_ON : UNPACK_DAMAGED;
}

static enum unpack_result feed_step(void *state, const uint8_t **in, size_t *in_n, uint8_t *out, size_t room,
                                    size_t *made, bool *boundary)
{
    enum unpack_result result = UNPACK_GOES_ON;
    struct feed *s = state;

    while (result == UNPACK_GOES_ON && s->given == s->text.n && (s->ready || gather(s, in, in_n))) {
        s->ready = true;
        buf_reset(&s->text);
        s->given = 0;
        result = s->pcap ? next_packet(s) : start(s);
    }
    *made = s->text.n - s->given < room ? s->text.n - s->given : room;
    if (*made > 0)
        memcpy(out, s->text.p + s->given, *made);
    s->given += *made;
    *boundary = s->given == s->text.n; /* the rest of a record may come */
    return result;
}

const struct unpack_way unpack_capture = {
    .name = "packet capture", .begin = feed_begin, .end = feed_end, .step = feed_step
};
