/* SPDX-License-Identifier: GPL-3.0-or-later
 * One file of a scan, or a part of it: mapped where that is possible, read where not. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/esc.h"
#include "evidence/capture.h"
#include "evidence/lines.h"
#include "evidence/mapped.h"
#include "evidence/reader.h"
#include "evidence/scan_state.h"
#include "evidence/textin.h"
#include "evidence/unpack.h"

enum {
    PROGRESS_EVERY = 256 * 1024, /* bytes between two calls of progress */
    NAME_SHOWN = 256,            /* bytes of a file's name in a message */
    SPLIT_LOOKED_AT = 512 * 1024 /* bytes in which a place to split is looked for */
};

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* One range: how far it is, and whom to tell. */
struct pass {
    int fd;
    struct em_reader *reader;
    bool (*progress)(void *arg, uint64_t bytes);
    void *arg;
    uint64_t begin; /* the reader's first byte */
    off_t origin;   /* where the reader's byte 0 is in the file */
    uint64_t most;  /* bytes to read */
    uint64_t bytes, told;
    bool cut;           /* it got shorter while it was read */
    bool stopped;       /* progress said so */
    const char *packed; /* what is wrong with the compressed data, and */
    const char *way;    /* what they are */
    char capture[256];  /* what is wrong with a capture */
};

/* Reads once, into the reader's own memory where that is possible. Returns what read(2) did; *err is the reader's. */
static ssize_t read_some(struct em_scan *s, struct pass *p, int *err)
{
    size_t room;
    void *to = em_reader_space(p->reader, &room);
    bool direct = room > 0;
    ssize_t n;

    if (!direct || room > sizeof s->bytes)
        room = sizeof s->bytes;
    if (room > p->most - p->bytes)
        room = (size_t)(p->most - p->bytes);
    do
        n = room > 0 ? read(p->fd, direct ? to : s->bytes, room) : 0;
    while (n < 0 && errno == EINTR);
    if (n > 0)
        *err =
            direct ? em_reader_filled(p->reader, (size_t)n) : em_reader_push(p->reader, s->bytes, (size_t)n);
    return n;
}

static void reached(struct em_scan *s, struct pass *p, uint64_t bytes)
{
    if (bytes <= p->bytes)
        return;
    s->result.totals.bytes += bytes - p->bytes;
    p->bytes = bytes;
    if (!s->err && p->progress && p->bytes - p->told >= PROGRESS_EVERY) {
        p->told = p->bytes;
        p->stopped = !p->progress(p->arg, p->bytes);
    }
}

/* From where it stands to its end, or to a stop. */
static int read_on(struct em_scan *s, struct pass *p)
{
    ssize_t n = 1;
    int err = 0;

    while (!err && !p->stopped && (n = read_some(s, p, &err)) > 0) {
        reached(s, p, p->bytes + (uint64_t)n);
        if (!err)
            err = s->err;
    }
    return !err && n < 0 ? EM_ERR_SYSTEM : err;
}

static uint64_t done_so_far(const struct em_reader *r)
{
    struct em_reader_mark mark;
    struct em_reader_stats stats;

    em_reader_mark(r, &mark, &stats);
    return mark.offset;
}

/* Works through what is mapped; the reader's first byte that is not done lies at `at`, which is its byte number `number`. */
static int view_all(struct em_scan *s, struct pass *p, struct mapped *m, size_t at, uint64_t number)
{
    const size_t first = at;
    bool last = false;

    while (!last && !p->stopped && !s->err) {
        size_t step = MAPPED_STEP - at % (MAPPED_STEP / 2);

        last = m->n - at <= step;
        if (last)
            step = m->n - at;
        at += em_reader_view(p->reader, m->base + at, step);
        mapped_done(m, at);
        reached(s, p, number - p->begin + (last ? m->n : at) - first);
    }
    em_reader_keep(p->reader);
    p->cut = mapped_cut(m, p->fd);
    return s->err;
}

/* A regular file is read in place, which spares the copy. What read(2) finds afterwards was written to it since. */
static int read_mapped(struct em_scan *s, struct pass *p)
{
    uint64_t number = done_so_far(p->reader), at = (uint64_t)p->origin + number,
             begin = at - at % MAPPED_STEP;
    uint64_t end = p->most == UINT64_MAX ? UINT64_MAX : (uint64_t)p->origin + p->begin + p->most;
    struct mapped m;
    int err;

    if (p->origin < 0 || !mapped_open(&m, p->fd, begin, end))
        return 0;
    if (begin + m.n <
        (uint64_t)p->origin + p->begin + p->bytes) { /* it is shorter than what was read already */
        p->cut = true;
        mapped_close(&m);
        return 0;
    }
    err = view_all(s, p, &m, (size_t)(at - begin), number);
    if (!err && lseek(p->fd, (off_t)(begin + m.n), SEEK_SET) < 0)
        err = EM_ERR_SYSTEM;
    mapped_close(&m);
    return err;
}

static int fail(const struct em_scan *s, const struct em_reader *r, int err, struct em_why *why)
{
    const char *reason = strerror(errno);
    char name[NAME_SHOWN];

    esc_line_into(name, sizeof name, slice_of(s->name));
    if (err == EM_ERR_UNSUPPORTED)
        return em_fail(why, err, "%s is %s", name, em_reader_refusal(r));
    if (err == EM_ERR_SYSTEM)
        return em_fail(why, err, "%s cannot be read: %s", name, reason);
    if (err == EM_ERR_LIMIT)
        return em_fail(why, err, "%s: more than %d calls carry reports; scan less at a time", name,
                       EM_SCAN_CALLS_MAX);
    return em_fail(why, err, "%s: %s", name, em_err_text(err));
}

static int cut_short(const struct em_scan *s, uint64_t bytes, struct em_why *why)
{
    char name[NAME_SHOWN];

    esc_line_into(name, sizeof name, slice_of(s->name));
    return em_fail(why, EM_ERR_INPUT,
                   "%s became shorter while it was read, %" PRIu64
                   " bytes in: what was seen of it is counted; scan it again when nothing rewrites it",
                   name, bytes);
}

static void add_stats(struct em_scan *s, const struct em_reader *r)
{
    struct em_reader_mark mark;
    struct em_reader_stats stats;

    em_reader_mark(r, &mark, &stats);
    s->result.totals.messages += stats.messages;
    s->result.totals.malformed += stats.malformed;
}

/* --- compressed files --------------------------------------------------------------------------------------------- */

static const char *const packed_words[] = {
    [UNPACK_GOES_ON] = "end too early (is it still being written?)",
    [UNPACK_DAMAGED] = "are damaged",
    [UNPACK_BOMB] = "unpack to far more than a log does: they are made to fill memory or disks",
    [UNPACK_NO_MEMORY] = "want more memory to be unpacked than is allowed",
};

/* Unpacks once, into the reader's own memory where that is possible. */
static enum unpack_result unpack_some(struct em_scan *s, struct pass *p, struct unpack *u, const uint8_t **in,
                                      size_t *in_n, size_t *made, int *err)
{
    size_t room;
    void *to = em_reader_space(p->reader, &room);
    bool direct = room > 0;
    enum unpack_result result;

    if (!direct || room > sizeof s->unpacked)
        room = sizeof s->unpacked;
    result = unpack_step(u, in, in_n, direct ? to : (uint8_t *)s->unpacked, room, made);
    if (*made > 0)
        *err = direct ? em_reader_filled(p->reader, *made) : em_reader_push(p->reader, s->unpacked, *made);
    if (!*err)
        *err = s->err;
    return result;
}

static ssize_t read_bytes(struct em_scan *s, int fd, size_t at)
{
    ssize_t n;

    do
        n = read(fd, s->bytes + at, sizeof s->bytes - at);
    while (n < 0 && errno == EINTR);
    return n;
}

static int unpack_all(struct em_scan *s, struct pass *p, struct unpack *u, size_t first)
{
    const uint8_t *in = (const uint8_t *)s->bytes;
    size_t in_n = first, made;
    enum unpack_result result = UNPACK_GOES_ON;
    int err = 0;

    while (!err && !p->stopped) {
        size_t before = in_n;

        result = unpack_some(s, p, u, &in, &in_n, &made, &err);
        reached(s, p, p->bytes + before - in_n);
        if (!err && result == UNPACK_GOES_ON && made == 0 && in_n == before && in_n > 0)
            result = UNPACK_DAMAGED;
        if (err || result != UNPACK_GOES_ON)
            break;
        if (made == 0 && in_n == 0) {
            ssize_t n = read_bytes(s, p->fd, 0);

            if (n < 0)
                return EM_ERR_SYSTEM;
            if (n == 0)
                break;
            in = (const uint8_t *)s->bytes;
            in_n = (size_t)n;
        }
    }
    if (!err && !p->stopped && (result != UNPACK_GOES_ON || !unpack_whole(u)))
        p->packed = packed_words[result];
    return err;
}

static int read_packed(struct em_scan *s, struct pass *p, const struct unpack_way *way, size_t first)
{
    struct em_why why;
    struct unpack *u = unpack_new(way, &why);
    int err;

    if (!u) {
        snprintf(p->capture, sizeof p->capture, "%.250s", why.text);
        return 0;
    }
    p->way = way->name;
    err = unpack_all(s, p, u, first);
    unpack_free(u);
    return err;
}

static int packed_fail(const struct em_scan *s, const struct pass *p, struct em_why *why)
{
    char name[NAME_SHOWN];

    esc_line_into(name, sizeof name, slice_of(s->name));
    return em_fail(why, EM_ERR_INPUT,
                   "%s: its %s data %s, %" PRIu64 " bytes in; what comes before is counted", name, p->way,
                   p->packed, p->bytes);
}

/* --- packet captures ---------------------------------------------------------------------------------------------- */

/* A capture on its way to libpcap: what was read of it already, then the rest of the file. */
struct capture_from {
    struct em_scan *s;
    struct pass *p;
    size_t first, at; /* of s->bytes */
    int err;          /* the reader's */
};

static ssize_t capture_bytes(void *arg, char *to, size_t n)
{
    struct capture_from *f = arg;
    ssize_t got = 0;

    if (f->at < f->first) {
        got = (ssize_t)(n < f->first - f->at ? n : f->first - f->at);
        memcpy(to, f->s->bytes + f->at, (size_t)got);
        f->at += (size_t)got;
    } else {
        do
            got = read(f->p->fd, to, n);
        while (got < 0 && errno == EINTR);
    }
    if (got > 0)
        reached(f->s, f->p, f->p->bytes + (uint64_t)got);
    return got;
}

static bool capture_text(void *arg, const char *text, size_t n)
{
    struct capture_from *f = arg;

    f->err = em_reader_push(f->p->reader, text, n);
    if (!f->err)
        f->err = f->s->err;
    return !f->err && !f->p->stopped;
}

static int read_capture(struct em_scan *s, struct pass *p, size_t first)
{
    const struct em_reader_mark mark = { .encoding = TEXTIN_BYTES };
    const cookie_io_functions_t io = { .read = capture_bytes };
    struct capture_from from = { .s = s, .p = p, .first = first };
    struct em_why why = { "" };
    FILE *f;
    int err;

    em_reader_free(p->reader);
    p->reader = em_reader_new(scan_report, s, &mark);
    if (!p->reader || !(f = fopencookie(&from, "r", io)))
        return EM_ERR_MEMORY;
    err = capture_read(f, capture_text, &from, &why);
    if (from.err || err == EM_ERR_MEMORY)
        return from.err ? from.err : err;
    if (err)
        (void)snprintf(p->capture, sizeof p->capture, "%.250s", why.text);
    return 0;
}

static int capture_fail(const struct em_scan *s, const struct pass *p, struct em_why *why)
{
    char name[NAME_SHOWN];

    esc_line_into(name, sizeof name, slice_of(s->name));
    return em_fail(why, EM_ERR_INPUT, "%s: %s", name, p->capture);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

/* The beginning of a file says whether it is compressed, and it shows the encoding. */
static ssize_t read_begin(struct em_scan *s, struct pass *p)
{
    size_t n = 0;
    ssize_t got = 1;

    while (got > 0 && n < UNPACK_MAGIC_MAX && (got = read_bytes(s, p->fd, n)) > 0)
        n += (size_t)got;
    return got < 0 ? got : (ssize_t)n;
}

static int read_all(struct em_scan *s, struct pass *p)
{
    const struct unpack_way *way;
    size_t room;
    ssize_t n;
    int err = 0;

    if (p->begin == 0 && p->most == UINT64_MAX) {
        n = read_begin(s, p);
        if (n > 0 && (way = unpack_find(s->bytes, (size_t)n)))
            return read_packed(s, p, way, (size_t)n);
        if (n > 0 && capture_recognise(s->bytes, (size_t)n))
            return read_capture(s, p, (size_t)n);
        if (n > 0)
            err = em_reader_push(p->reader, s->bytes, (size_t)n);
    } else {
        n = read_some(s, p, &err);
    }
    if (n > 0)
        reached(s, p, p->bytes + (uint64_t)n);
    if (err || s->err || n <= 0 || p->stopped)
        return err ? err : n < 0 ? EM_ERR_SYSTEM : s->err;
    (void)em_reader_space(p->reader, &room);
    if (room > 0)
        err = read_mapped(s, p);
    if (!err && !p->cut)
        err = read_on(s, p);
    p->cut |= !p->stopped && p->most != UINT64_MAX && p->bytes < p->most;
    return err;
}

/* Where the reader's byte 0 lies, or -1: not a file that can be read at any place. A part begins where it was told to. */
static off_t go_to(int fd, uint64_t from)
{
    off_t now = lseek(fd, from ? (off_t)from : 0, from ? SEEK_SET : SEEK_CUR);

    return now < 0 ? -1 : now - (off_t)from;
}

int scan_range(struct em_scan *s, int fd, const struct scan_range *range,
               bool (*progress)(void *arg, uint64_t bytes), void *arg, struct em_why *why)
{
    const struct em_reader_mark mark = { .offset = range->from, .encoding = TEXTIN_BYTES };
    struct pass p = { .fd = fd,
                      .reader = em_reader_new(scan_report, s, range->from ? &mark : NULL),
                      .progress = progress,
                      .arg = arg,
                      .origin = go_to(fd, range->from),
                      .begin = range->from,
                      .most = range->to == UINT64_MAX ? UINT64_MAX : range->to - range->from };
    int err;

    s->name = range->name;
    s->err = 0;
    if (!p.reader)
        return fail(s, NULL, EM_ERR_MEMORY, why);
    err = read_all(s, &p);
    if (!p.reader)
        return fail(s, NULL, EM_ERR_MEMORY, why);
    if (!err && !p.stopped) {
        em_reader_finish(p.reader);
        err = em_reader_refusal(p.reader) ? EM_ERR_UNSUPPORTED : s->err;
    }
    add_stats(s, p.reader);
    if (err)
        err = fail(s, p.reader, err, why);
    else if (p.cut)
        err = cut_short(s, p.bytes, why);
    else if (p.packed)
        err = packed_fail(s, &p, why);
    else if (p.capture[0])
        err = capture_fail(s, &p, why);
    em_reader_free(p.reader);
    return err;
}

int em_scan_fd(struct em_scan *s, int fd, const char *name, bool (*progress)(void *arg, uint64_t bytes),
               void *arg, struct em_why *why)
{
    const struct scan_range all = { .name = name, .to = UINT64_MAX };

    return scan_range(s, fd, &all, progress, arg, why);
}

/* --- places to split ---------------------------------------------------------------------------------------------- */

bool scan_can_split(int fd)
{
    struct textin in;
    struct stat st;
    char head[TEXTIN_SNIFF];
    ssize_t n;
    bool bytes;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || lseek(fd, 0, SEEK_CUR) != 0 ||
        !textin_init(&in, 0, TEXTIN_UNDECIDED))
        return false;
    n = pread(fd, head, sizeof head, 0);
    if (n > 0)
        (void)textin_push(&in, head, (size_t)n);
    textin_decide(&in);
    bytes = in.encoding == TEXTIN_BYTES;
    textin_fini(&in);
    return bytes;
}

/* The first fresh start in the n bytes at `text`, the first of which belongs to a line before; n: none. A line whose end is not there is none. */
static size_t fresh_start(const char *text, size_t n)
{
    const char *p = text, *end = text + n, *lf;

    while (p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        const char *next = memchr(lf + 1, '\n', (size_t)(end - lf - 1));

        if (next && line_is_fresh_start((struct slice) { lf + 1, (size_t)(line_end(lf + 1, next) - lf - 1) }))
            return (size_t)(lf + 1 - text);
        p = lf + 1;
    }
    return n;
}

/* Most records are short: little is read at first. */
uint64_t scan_split(int fd, uint64_t at)
{
    char *text = at > 0 ? malloc(SPLIT_LOOKED_AT) : NULL;
    uint64_t found = UINT64_MAX;
    size_t room = SPLIT_LOOKED_AT / 32;

    for (; text && found == UINT64_MAX && room <= SPLIT_LOOKED_AT; room *= 32) {
        ssize_t n = pread(fd, text, room, (off_t)(at - 1));
        size_t start = n > 0 ? fresh_start(text, (size_t)n) : 0;

        if (n > 0 && start < (size_t)n)
            found = at - 1 + start;
    }
    free(text);
    return found;
}
