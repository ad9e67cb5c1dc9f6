/* SPDX-License-Identifier: GPL-3.0-or-later
 * Exact counting of whole files in memory. Text of calls is not kept: a call, a call's code and a report are known by 64-bit hashes
 * under a random key, so that nobody can make a trace in which two of them meet. Among n calls two meet by chance with a probability
 * of about n^2 / 2^65: 3 in 10^8 for a million calls, 7 in 10^5 for the maximum of 50 million; the number would then be one too small. */
#include "evidence/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/esc.h"
#include "base/hash.h"
#include "evidence/hashtab.h"
#include "evidence/mapped.h"
#include "evidence/reader.h"

enum {
    READ_SIZE = 128 * 1024,      /* at a time; stays in the second-level cache */
    PROGRESS_EVERY = 256 * 1024, /* bytes between two calls of progress */
    NAME_SHOWN = 256,            /* bytes of a file's name in a message */
    MEMBERS_PER_CALL = 8,        /* codes and reports that a call may have, on average, before the limit */
};

struct em_scan {
    em_scan_failure_fn failure;
    void *arg;
    const char *name; /* of the file being read */
    struct em_hash_key key;
    struct hashtab calls, codes, reports;
    struct em_scan_result result;
    int err; /* from within emit */
    char bytes[READ_SIZE];
};

struct em_scan *em_scan_new(em_scan_failure_fn failure, void *arg)
{
    struct em_scan *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->failure = failure;
    s->arg = arg;
    em_random(&em_clock_system, &s->key, sizeof s->key);
    hashtab_init(&s->calls, sizeof(struct em_call_state), EM_SCAN_CALLS_MAX);
    hashtab_init(&s->codes, 0, (size_t)EM_SCAN_CALLS_MAX * MEMBERS_PER_CALL);
    hashtab_init(&s->reports, 0, (size_t)EM_SCAN_CALLS_MAX * MEMBERS_PER_CALL);
    return s;
}

void em_scan_free(struct em_scan *s)
{
    if (!s)
        return;
    hashtab_fini(&s->calls);
    hashtab_fini(&s->codes);
    hashtab_fini(&s->reports);
    free(s);
}

/* --- one report --------------------------------------------------------------------------------------------------- */

/* A code beyond the maximum has no row; it counts in the totals. */
static void count_code(struct em_scan_result *r, uint32_t code)
{
    size_t i = 0;

    while (i < r->codes_n && r->codes[i].code < code)
        i++;
    if (i == r->codes_n || r->codes[i].code != code) {
        if (r->codes_n == EM_CODES_MAX)
            return;
        memmove(&r->codes[i + 1], &r->codes[i], (r->codes_n - i) * sizeof r->codes[0]);
        r->codes[i].code = code;
        r->codes[i].calls = 0;
        r->codes_n++;
    }
    r->codes[i].calls++;
}

static void add(struct em_scan *s, const struct em_report *report, const struct em_count_delta *d)
{
    struct em_scan_result *r = &s->result;

    em_count_add(&r->totals, d);
    if (d->code)
        count_code(r, report->code);
    for (uint32_t bit = 0; bit < EM_ICE_BITS; bit++)
        r->ice[bit] += d->ice >> bit & 1;
    for (uint32_t m = 0; m < EM_MEDIA_COUNT; m++)
        r->media[m] += d->media >> m & 1;
}

static uint64_t mix(const struct em_scan *s, uint64_t call, uint64_t what)
{
    uint64_t words[2] = { call, what };

    return em_hash(&s->key, words, sizeof words);
}

static void tell_failure(struct em_scan *s, const struct em_report *report)
{
    struct em_failure_row row;

    em_report_row(report, &row);
    slice_copy(slice_of(s->name), row.file, sizeof row.file);
    s->failure(s->arg, &row);
}

static void on_report(void *arg, const struct em_report *report)
{
    struct em_scan *s = arg;
    struct em_count_delta d;
    struct em_call_state *state;
    bool new_call, new_code, new_report;
    uint64_t call;
    void *value;

    if (s->err)
        return;
    if (report->call_id.n == 0) {
        d = em_count_report(report, NULL, false, false);
        add(s, report, &d);
        return;
    }
    call = em_hash(&s->key, report->call_id.p, report->call_id.n);
    if ((s->err = hashtab_add(&s->codes, mix(s, call, report->code), &new_code, NULL)) != 0 ||
        (s->err = hashtab_add(&s->reports, mix(s, call, em_report_key(report)), &new_report, NULL)) != 0 ||
        (s->err = hashtab_add(&s->calls, call, &new_call, &value)) != 0)
        return;
    state = value;
    d = em_count_report(report, state, new_code, !new_report);
    add(s, report, &d);
    if (d.code && s->failure)
        tell_failure(s, report);
}

/* --- one file ----------------------------------------------------------------------------------------------------- */

/* Reads once, into the reader's own memory where that is possible. Returns what read(2) did; *err is the reader's. */
static ssize_t read_some(struct em_scan *s, int fd, struct em_reader *r, int *err)
{
    size_t room;
    void *to = em_reader_space(r, &room);
    bool direct = room > 0;
    ssize_t n;

    if (!direct || room > READ_SIZE)
        room = READ_SIZE;
    do
        n = read(fd, direct ? to : s->bytes, room);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        *err = direct ? em_reader_filled(r, (size_t)n) : em_reader_push(r, s->bytes, (size_t)n);
    return n;
}

/* One file: how far it is, and whom to tell. */
struct pass {
    int fd;
    struct em_reader *reader;
    bool (*progress)(void *arg, uint64_t bytes);
    void *arg;
    uint64_t bytes, told;
    bool cut;     /* it got shorter while it was read */
    bool stopped; /* progress said so */
};

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

    while (!err && !p->stopped && (n = read_some(s, p->fd, p->reader, &err)) > 0) {
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
        reached(s, p, number + (last ? m->n : at) - first);
    }
    em_reader_keep(p->reader);
    p->cut = mapped_cut(m, p->fd);
    return s->err;
}

/* A regular file is read in place, which spares the copy. What read(2) finds afterwards was written to it since. */
static int read_mapped(struct em_scan *s, struct pass *p)
{
    off_t now = lseek(p->fd, 0, SEEK_CUR), begin;
    uint64_t at, number = done_so_far(p->reader);
    struct mapped m;
    int err;

    if (now < 0 || (uint64_t)now < p->bytes)
        return 0;
    at = (uint64_t)now - p->bytes + number;
    begin = (off_t)(at - at % MAPPED_STEP);
    if (!mapped_open(&m, p->fd, (uint64_t)begin))
        return 0;
    err = view_all(s, p, &m, (size_t)(at - (uint64_t)begin), number);
    if (!err && lseek(p->fd, begin + (off_t)m.n, SEEK_SET) < 0)
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

/* The beginning is read: it shows the encoding. */
static int read_all(struct em_scan *s, struct pass *p)
{
    ssize_t n;
    size_t room;
    int err = 0;

    n = read_some(s, p->fd, p->reader, &err);
    if (n > 0)
        reached(s, p, p->bytes + (uint64_t)n);
    if (err || s->err || n <= 0 || p->stopped)
        return err ? err : n < 0 ? EM_ERR_SYSTEM : s->err;
    (void)em_reader_space(p->reader, &room);
    if (room > 0)
        err = read_mapped(s, p);
    return err || p->cut ? err : read_on(s, p);
}

int em_scan_fd(struct em_scan *s, int fd, const char *name, bool (*progress)(void *arg, uint64_t bytes),
               void *arg, struct em_why *why)
{
    struct pass p = {
        .fd = fd, .reader = em_reader_new(on_report, s, NULL), .progress = progress, .arg = arg
    };
    int err;

    s->name = name;
    s->err = 0;
    if (!p.reader)
        return fail(s, NULL, EM_ERR_MEMORY, why);
    err = read_all(s, &p);
    if (!err && !p.stopped) {
        em_reader_finish(p.reader);
        err = em_reader_refusal(p.reader) ? EM_ERR_UNSUPPORTED : s->err;
    }
    add_stats(s, p.reader);
    if (err)
        err = fail(s, p.reader, err, why);
    else if (p.cut)
        err = cut_short(s, p.bytes, why);
    em_reader_free(p.reader);
    return err;
}

const struct em_scan_result *em_scan_result(struct em_scan *s)
{
    return &s->result;
}
