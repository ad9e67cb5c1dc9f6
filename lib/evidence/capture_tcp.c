/* SPDX-License-Identifier: GPL-3.0-or-later
 * Streams of TCP that carry SIP, put in order and cut into messages. A stream is followed from the first segment that begins with a start
 * line; whatever else TCP carries is passed over without a trace in memory.
 *
 *     segment -> in order? append, then those that waited     behind a gap? wait     before? known already
 *     buffer  -> headers whole? Content-Length more bytes? -> a message
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "evidence/capture_inside.h"
#include "evidence/lines.h"

enum { SETS = CAPTURE_STREAMS_MAX / 4, WAYS = 4, WINDOW_MAX = 1 << 24, SYN = 2 };

struct waiting {
    uint32_t seq;
    size_t n;
    char *bytes;
};

struct stream {
    bool used, lost; /* lost: until a segment begins with a start line */
    struct seen_way way;
    uint64_t age;
    uint32_t next; /* sequence number */
    char *bytes;   /* a message that is not whole */
    size_t n, room;
    struct waiting waiting[CAPTURE_PENDING_MAX];
    size_t waiting_n;
};

struct capture_streams {
    struct stream set[SETS][WAYS];
    uint64_t now;
    size_t held; /* bytes */
};

struct capture_streams *capture_streams_new(void)
{
    return calloc(1, sizeof(struct capture_streams));
}

static void drop_waiting(struct capture_streams *all, struct stream *s, size_t i)
{
    all->held -= s->waiting[i].n;
    free(s->waiting[i].bytes);
    s->waiting[i] = s->waiting[--s->waiting_n];
}

static void clear(struct capture_streams *all, struct stream *s)
{
    while (s->waiting_n > 0)
        drop_waiting(all, s, 0);
    all->held -= s->room;
    free(s->bytes);
    *s = (struct stream) { .used = false };
}

void capture_streams_free(struct capture_streams *all)
{
    for (size_t i = 0; all && i < SETS; i++)
        for (size_t j = 0; j < WAYS; j++)
            clear(all, &all->set[i][j]);
    free(all);
}

/* --- the message at the front of the buffer ----------------------------------------------------------------------- */

/* Length of the headers with the empty line behind them; 0: not whole yet. *body is Content-Length. */
static size_t headers_length(struct slice text, size_t *body)
{
    const char *p = text.p, *end = text.p + text.n;

    *body = 0;
    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        struct slice line, name;
        uint32_t v;

        if (!lf)
            return 0;
        line = slice_trim((struct slice) { p, (size_t)(lf - p) });
        p = lf + 1;
        if (line.n == 0)
            return (size_t)(p - text.p);
        if (!slice_until(&line, ':', &name))
            continue;
        name = slice_trim(name);
        line = slice_trim(line);
        if ((slice_eq_nocase(name, SLICE("Content-Length")) || slice_eq_nocase(name, SLICE("l"))) &&
            slice_u32(&line, CAPTURE_STREAM_BYTES_MAX, &v))
            *body = v;
    }
    return 0;
}

static void shift(struct stream *s, size_t n)
{
    s->n -= n;
    memmove(s->bytes, s->bytes + n, s->n);
}

/* Keep-alives between messages are empty lines. */
static void skip_empty(struct stream *s)
{
    size_t n = 0;

    while (n < s->n && (s->bytes[n] == '\r' || s->bytes[n] == '\n'))
        n++;
    if (n > 0)
        shift(s, n);
}

static void messages(struct capture *c, struct stream *s)
{
    size_t head, body;

    for (skip_empty(s); s->n > 0 && !c->stopped; skip_empty(s)) {
        struct slice text = { s->bytes, s->n };

        if (memchr(text.p, '\n', text.n) && !seen_is_sip(text)) {
            s->lost = true;
            s->n = 0;
            return;
        }
        head = headers_length(text, &body);
        if (head == 0 || s->n < head + body)
            return;
        capture_message(c, &s->way, slice_upto(text, head + body));
        shift(s, head + body);
    }
}

/* --- segments ----------------------------------------------------------------------------------------------------- */

static bool append(struct capture_streams *all, struct stream *s, const char *p, size_t n)
{
    if (s->n + n > s->room) {
        size_t room = s->n + n + 4096;
        char *wide = room <= CAPTURE_STREAM_BYTES_MAX && all->held - s->room + room <= CAPTURE_BYTES_MAX
                         ? realloc(s->bytes, room)
                         : NULL;

        if (!wide)
            return false;
        all->held += room - s->room;
        s->bytes = wide;
        s->room = room;
    }
    memcpy(s->bytes + s->n, p, n);
    s->n += n;
    return true;
}

/* Bytes that come next. What does not fit is given as far as it goes, and the stream is lost up to the next start line. */
static void in_order(struct capture *c, struct stream *s, struct slice data)
{
    s->next += (uint32_t)data.n;
    if (s->lost && !seen_is_sip(data))
        return;
    s->lost = false;
    if (append(c->streams, s, data.p, data.n)) {
        messages(c, s);
        return;
    }
    if (s->n > 0)
        capture_message(c, &s->way, (struct slice) { s->bytes, s->n });
    s->n = 0;
    s->lost = true;
}

static void wait(struct capture_streams *all, struct stream *s, uint32_t seq, struct slice data)
{
    struct waiting *w = &s->waiting[s->waiting_n];

    if (s->waiting_n == CAPTURE_PENDING_MAX || all->held + data.n > CAPTURE_BYTES_MAX ||
        !(w->bytes = malloc(data.n)))
        return;
    memcpy(w->bytes, data.p, data.n);
    w->seq = seq;
    w->n = data.n;
    all->held += data.n;
    s->waiting_n++;
}

/* A segment at its place: what was seen of it already is cut off. false: it is behind a gap. */
static bool place(struct capture *c, struct stream *s, uint32_t seq, struct slice data)
{
    int32_t ahead = (int32_t)(seq - s->next);

    if (ahead > 0)
        return false;
    if ((size_t) - (int64_t)ahead < data.n)
        in_order(c, s, slice_from(data, (size_t) - (int64_t)ahead));
    return true;
}

static void place_waiting(struct capture *c, struct stream *s)
{
    for (size_t i = 0; i < s->waiting_n;) {
        struct slice data = { s->waiting[i].bytes, s->waiting[i].n };

        if (!place(c, s, s->waiting[i].seq, data)) {
            i++;
            continue;
        }
        drop_waiting(c->streams, s, i);
        i = 0;
    }
}

/* What lies in the gap never came: goes on at the first segment behind it. */
static void pass_gap(struct capture *c, struct stream *s)
{
    size_t first = 0;

    for (size_t i = 1; i < s->waiting_n; i++)
        if ((int32_t)(s->waiting[i].seq - s->waiting[first].seq) < 0)
            first = i;
    if (s->n > 0)
        capture_message(c, &s->way, (struct slice) { s->bytes, s->n });
    s->n = 0;
    s->lost = true;
    s->next = s->waiting[first].seq;
    place_waiting(c, s);
}

static struct stream *find(struct capture_streams *all, const struct seen_way *way, bool sip)
{
    struct stream *set = all->set[em_hash(&em_hash_key_fixed, way, sizeof *way) % SETS], *old = set;

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].used && memcmp(&set[i].way, way, sizeof *way) == 0)
            return &set[i];
    if (!sip)
        return NULL;
    for (size_t i = 1; i < WAYS; i++)
        if (!set[i].used || (old->used && set[i].age < old->age))
            old = &set[i];
    clear(all, old);
    old->used = true;
    old->lost = true;
    memcpy(&old->way, way, sizeof *way);
    return old;
}

/* RFC 9293:  ports(2+2)  sequence(4)  acknowledgment(4)  offset  flags  window(2)  checksum(2)  urgent(2)  options  data */
void capture_tcp(struct capture *c, const struct seen_way *from, struct cur p)
{
    struct seen_way way;
    struct stream *s;
    struct slice data;
    uint32_t seq;
    size_t header;
    uint8_t flags;

    memset(&way, 0, sizeof way); /* it is compared as bytes */
    memcpy(way.from, from->from, sizeof way.from);
    memcpy(way.to, from->to, sizeof way.to);
    way.v6 = from->v6;
    way.from_port = cur_u16(&p);
    way.to_port = cur_u16(&p);
    seq = cur_u32(&p);
    (void)cur_u32(&p);
    header = (size_t)(cur_u8(&p) >> 4) * 4;
    flags = cur_u8(&p);
    (void)cur_take(&p, 6);
    if (p.bad || header < 20 || !cur_take(&p, header - 20))
        return;
    data = (struct slice) { (const char *)p.p, cur_left(&p) };
    s = find(c->streams, &way, data.n > 0 && seen_is_sip(data));
    if (!s)
        return;
    s->age = ++c->streams->now;
    if (s->lost && s->n == 0 && s->waiting_n == 0)
        s->next = seq; /* it begins here, or here again */
    if (flags & SYN) {
        clear(c->streams, s);
        return;
    }
    if (data.n == 0 || (int32_t)(seq - s->next) > WINDOW_MAX)
        return;
    if (place(c, s, seq, data)) {
        place_waiting(c, s);
        return;
    }
    wait(c->streams, s, seq, data);
    if (s->waiting_n == CAPTURE_PENDING_MAX)
        pass_gap(c, s);
}

void capture_tcp_finish(struct capture *c)
{
    for (size_t i = 0; i < SETS && !c->stopped; i++)
        for (size_t j = 0; j < WAYS && !c->stopped; j++) {
            struct stream *s = &c->streams->set[i][j];

            while (s->used && s->waiting_n > 0)
                pass_gap(c, s);
            if (s->used && s->n > 0)
                capture_message(c, &s->way, (struct slice) { s->bytes, s->n });
            s->n = 0;
        }
}
