/* SPDX-License-Identifier: GPL-3.0-or-later
 * One followed file: opening, reading a chunk at a time, and what silence means. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "source/follow.h"

static int64_t mtime_ns(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

static void note_stat(struct trace_file *f, const struct stat *st)
{
    f->size = st->st_size > 0 ? (uint64_t)st->st_size : 0;
    f->mtime_ns = mtime_ns(st);
}

struct trace_file *trace_file_add(struct em_trace *t, const char *path, const struct stat *st)
{
    void *files = t->file;
    struct trace_file *f;

    if (!trace_room(&files, t->files_n, &t->files_room))
        return NULL;
    t->file = files;
    if (!(f = calloc(1, sizeof *f)) || !(f->path = strdup(path))) {
        free(f);
        return NULL;
    }
    f->trace = t;
    f->fd = -1;
    f->device = st->st_dev;
    f->inode = st->st_ino;
    note_stat(f, st);
    t->file[t->files_n++] = f;
    return f;
}

/* Gives back what the file had of others; who took it for the original must look again. */
static void let_go(struct trace_file *f)
{
    struct em_trace *t = f->trace;

    trace_packed_free(f);
    em_reader_free(f->reader);
    f->reader = NULL;
    if (f->place) {
        f->place->owner = NULL;
        f->place->searched = false;
        if (f->place->id == 0)
            trace_place_drop(t, f->place);
        f->place = NULL;
    }
    f->original = NULL;
    free(f->recent);
    f->recent = NULL;
    f->recent_n = f->recent_room = 0;
    f->pushed = 0;
    f->dirty = f->idled = false;
    for (size_t i = 0; i < t->files_n; i++)
        if (t->file[i]->state == TRACE_COPY && t->file[i]->original == f)
            trace_file_again(t->file[i]);
}

void trace_file_again(struct trace_file *f)
{
    let_go(f);
    f->state = TRACE_FRESH;
}

void trace_file_close(struct trace_file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    f->fd = -1;
}

void trace_file_remove(struct em_trace *t, struct trace_file *f)
{
    size_t i = 0;

    let_go(f);
    trace_unkeep(f);
    trace_file_close(f);
    while (t->file[i] != f)
        i++;
    memmove(&t->file[i], &t->file[i + 1], (t->files_n - i - 1) * sizeof(struct trace_file *));
    t->files_n--;
    free(f->path);
    free(f->other_path);
    free(f->real);
    free(f);
}

void trace_file_error(struct trace_file *f, enum trace_state state, const char *fmt, ...)
{
    struct buf b = buf_over(f->error, sizeof f->error);
    char before[EM_REASON_MAX];
    va_list ap;

    memcpy(before, f->error, sizeof before);
    va_start(ap, fmt);
    buf_vprint(&b, fmt, ap);
    va_end(ap);
    (void)buf_str(&b);
    let_go(f);
    trace_file_close(f);
    f->state = state;
    if (strcmp(before, f->error) != 0)
        em_log_warning("source %s: %s", f->trace->name, f->error);
}

bool trace_file_open(struct trace_file *f)
{
    struct stat st;

    if (f->fd < 0 && (f->fd = open(f->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0) {
        if (errno != ENOENT)
            trace_file_error(f, TRACE_UNREADABLE, "%s: %s", EM_LOG_TEXT(slice_of(f->path)), strerror(errno));
        return false;
    }
    if (fstat(f->fd, &st) != 0 || st.st_dev != f->device || st.st_ino != f->inode || !S_ISREG(st.st_mode)) {
        trace_file_close(f); /* the name went to another file: the next scan finds it */
        return false;
    }
    note_stat(f, &st);
    if (!f->real && !(f->real = realpath(f->path, NULL)))
        f->real = strdup(f->path);
    return f->real != NULL;
}

/* --- the bytes before the place of reading ------------------------------------------------------------------------ */

/* Adds what was read; keeps what lies behind the mark, and a tail's length before it. */
static bool recent_add(struct trace_file *f, const uint8_t *p, size_t n, uint64_t mark)
{
    uint64_t first = f->pushed - f->recent_n, keep_from = mark > EM_TAIL_MAX ? mark - EM_TAIL_MAX : 0;
    size_t drop = keep_from > first ? (size_t)(keep_from - first) : 0;

    if (!f->recent && n == 0)
        return true;
    if (f->recent_n + n > f->recent_room) {
        size_t room = f->recent_n + n + EM_TAIL_MAX;
        uint8_t *bigger = realloc(f->recent, room);

        if (!bigger)
            return false;
        f->recent = bigger;
        f->recent_room = room;
    }
    memcpy(f->recent + f->recent_n, p, n);
    f->recent_n += n;
    f->pushed += n;
    if (f->place)
        trace_samples_add(&f->place->samples, f->recent, f->recent_n, f->pushed);
    if (f->recent_n - drop >
        TRACE_RECENT_MAX) /* a reader that holds back so much is at nothing that we could lose */
        drop = f->recent_n - EM_TAIL_MAX;
    memmove(f->recent, f->recent + drop, f->recent_n - drop);
    f->recent_n -= drop;
    if (f->recent_room > TRACE_CHUNK / 2 &&
        f->recent_n < f->recent_room / 4) { /* most files have little pending */
        uint8_t *smaller = realloc(f->recent, f->recent_n + EM_TAIL_MAX);

        if (smaller) {
            f->recent = smaller;
            f->recent_room = f->recent_n + EM_TAIL_MAX;
        }
    }
    return true;
}

static void on_report(void *arg, const struct em_report *r)
{
    struct trace_file *f = arg;
    struct em_trace *t = f->trace;

    if (trace_begin(t) && em_store_report(t->store, t->source, r, f->path, &t->why) != 0)
        t->broken = true;
}

static bool start_reader(struct trace_file *f, const struct em_reader_mark *from)
{
    f->reader = em_reader_new(on_report, f, from->offset || from->encoding ? from : NULL);
    f->counted = (struct em_reader_stats) { 0 };
    f->grown_us = em_mono_us(f->trace->clock);
    f->idled = false;
    return f->reader != NULL;
}

/* Loads the bytes before the mark, so that the next read can be checked against them. */
static bool load_recent(struct trace_file *f, const struct trace_place *p)
{
    uint8_t tail[EM_TAIL_MAX];
    ssize_t got = pread(f->fd, tail, p->tail_size, (off_t)(p->mark.offset - p->tail_size));

    f->pushed = p->mark.offset - p->tail_size;
    return got == (ssize_t)p->tail_size && recent_add(f, tail, p->tail_size, p->mark.offset);
}

bool trace_file_go_on(struct trace_file *f, const uint8_t *before, size_t n)
{
    f->pushed = f->place->mark.offset - n;
    return recent_add(f, before, n, f->place->mark.offset) && start_reader(f, &f->place->mark);
}

bool trace_file_attach(struct trace_file *f, struct trace_place *p)
{
    let_go(f);
    if (!load_recent(f, p) || !start_reader(f, &p->mark)) {
        trace_file_error(f, TRACE_UNREADABLE, "%s: no memory", EM_LOG_TEXT(slice_of(f->path)));
        return false;
    }
    f->place = p;
    p->owner = f;
    p->packed = 0;
    f->dirty = p->ended || p->rested;
    p->ended = p->rested = false;
    trace_file_named(f);
    f->state = TRACE_ACTIVE;
    f->error[0] = '\0';
    return true;
}

void trace_file_named(struct trace_file *f)
{
    struct trace_place *p = f->place;
    bool same_path = p->path && f->real && strcmp(p->path, f->real) == 0;

    if (same_path && p->device == f->device && p->inode == f->inode)
        return;
    p->device = f->device;
    p->inode = f->inode;
    if (!same_path) {
        free(p->path);
        p->path = f->real ? strdup(f->real) : NULL;
    }
    f->dirty = f->dirty || p->id != 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Is the head still the one we know? Takes over more of it while the file is shorter than a block. */
static bool same_head(struct trace_file *f)
{
    struct trace_head *h = f->trace->head;
    struct trace_place *p = f->place;

    if (!trace_head_read(f->fd, h) || h->n < p->head_size ||
        (p->head_size && trace_head_hash(h, p->head_size) != p->head_hash))
        return false;
    if (h->n > p->head_size) {
        p->head_size = (uint32_t)h->n;
        p->head_hash = trace_head_hash(h, h->n);
        f->dirty = true;
    }
    return true;
}

/* Passes over what the file holds: the reader finds out about the encoding when something comes. */
bool trace_file_at_end(struct trace_file *f, uint64_t size)
{
    const struct em_reader_mark mark = { .offset = size, .format = EM_FORMAT_UNKNOWN };

    em_reader_free(f->reader);
    f->place->mark = mark;
    f->place->tail_size = size < EM_TAIL_MAX ? (uint32_t)size : EM_TAIL_MAX;
    f->recent_n = 0;
    f->dirty = true;
    trace_samples_take(&f->place->samples, f->fd, size);
    return load_recent(f, f->place) && start_reader(f, &mark) && same_head(f);
}

void trace_file_refused(struct trace_file *f)
{
    const char *why = em_reader_refusal(f->reader);
    char text[EM_REASON_MAX];

    (void)slice_copy(slice_of(why ? why : "not text"), text, sizeof text);
    trace_file_error(f, TRACE_REFUSED, "%s: %s", EM_LOG_TEXT(slice_of(f->path)), text);
}

size_t trace_file_push(struct trace_file *f, const uint8_t *p, size_t n)
{
    struct em_reader_mark mark;
    struct em_reader_stats stats;
    int err = em_reader_push(f->reader, p, n);

    if (err == EM_ERR_UNSUPPORTED) {
        trace_file_refused(f);
        return n;
    }
    em_reader_mark(f->reader, &mark, &stats);
    if (err != 0 || !recent_add(f, p, n, mark.offset)) {
        trace_break(f->trace, "no memory");
        return 0;
    }
    f->grown_us = em_mono_us(f->trace->clock);
    f->idled = false;
    return n;
}

/* The new bytes are read together with those before them, and the head after them: what was replaced meanwhile shows in one of the
 * two, and is not taken for a continuation. */
size_t trace_file_read(struct trace_file *f, size_t most)
{
    uint8_t *chunk = f->trace->chunk;
    size_t before = f->recent_n < EM_TAIL_MAX ? f->recent_n : EM_TAIL_MAX;
    struct stat st;
    ssize_t got;

    if (fstat(f->fd, &st) != 0) {
        trace_file_error(f, TRACE_UNREADABLE, "%s: %s", EM_LOG_TEXT(slice_of(f->path)), strerror(errno));
        return 0;
    }
    if ((uint64_t)st.st_size == f->pushed && mtime_ns(&st) == f->mtime_ns)
        return 0;
    note_stat(f, &st);
    most = most < TRACE_CHUNK ? most : TRACE_CHUNK;
    if ((got = pread(f->fd, chunk, before + most, (off_t)(f->pushed - before))) < 0) {
        trace_file_error(f, TRACE_UNREADABLE, "%s: %s", EM_LOG_TEXT(slice_of(f->path)), strerror(errno));
        return 0;
    }
    if ((size_t)got < before || (before && memcmp(chunk, f->recent + f->recent_n - before, before) != 0) ||
        !same_head(f)) {
        trace_replaced(f);
        return 0;
    }
    return (size_t)got > before ? trace_file_push(f, chunk + before, (size_t)got - before) : 0;
}

bool trace_file_save(struct trace_file *f)
{
    struct em_trace *t = f->trace;
    struct trace_place *p = f->place;
    struct em_reader_mark mark = p->mark;
    struct em_reader_stats now = f->counted, delta;

    if (f->reader)
        em_reader_mark(f->reader, &mark, &now);
    delta = (struct em_reader_stats) { now.bytes - f->counted.bytes, now.messages - f->counted.messages,
                                       now.malformed - f->counted.malformed, now.malformed_offset };
    if (!f->dirty && memcmp(&mark, &p->mark, sizeof mark) == 0 && delta.messages == 0 && delta.malformed == 0)
        return true;
    if (!trace_begin(t))
        return false;
    p->mark = mark;
    p->seen_us = em_wall_us(t->clock);
    if (f->reader)
        trace_place_tail(p, f);
    if (em_store_read(t->store, t->source, &delta, &t->why) != 0) {
        t->broken = true;
        return false;
    }
    if (!trace_place_save(t, p))
        return false;
    f->counted = now;
    f->dirty = false;
    return true;
}

/* --- silence ------------------------------------------------------------------------------------------------------ */

/* The original goes: what its copies hold was read there, and they stand on their own now, at their ends. */
void trace_settle_copies(struct trace_file *f)
{
    struct em_trace *t = f->trace;

    for (size_t i = 0; i < t->files_n; i++) {
        struct trace_file *copy = t->file[i];
        struct trace_place *p;

        if (copy->state != TRACE_COPY || copy->original != f || !trace_file_open(copy))
            continue;
        if (copy->is_packed || copy->size > f->place->mark.offset || !(p = trace_place_new(t)))
            trace_file_again(copy);
        else if (!trace_file_attach(copy, p) || !trace_file_at_end(copy, copy->size))
            trace_break(t, "no memory");
    }
}

/* Nobody writes to it any more: what is pending is complete. */
bool trace_file_leave(struct trace_file *f)
{
    if (f->reader)
        em_reader_finish(f->reader);
    f->place->ended = true;
    f->dirty = true;
    if (!trace_file_save(f))
        return false;
    trace_settle_copies(f);
    trace_file_remove(f->trace, f);
    return true;
}

/* Does the reader hold something back that is in the file already? */
static bool pending(const struct trace_file *f)
{
    return f->place->mark.offset < f->pushed;
}

void trace_file_rest(struct trace_file *f)
{
    em_reader_free(f->reader);
    f->reader = NULL;
    free(f->recent);
    f->recent = NULL;
    f->recent_n = f->recent_room = 0;
    if (f->listed || f->is_packed)
        trace_file_close(f);
    f->state = TRACE_RESTING;
}

/* A file that was old when we came is not given another minute. */
static bool old(const struct trace_file *f)
{
    return em_wall_us(f->trace->clock) - f->mtime_ns / 1000 >= TRACE_REST_US;
}

/* True when the file is not there any more. */
bool trace_file_quiet(struct trace_file *f)
{
    int64_t quiet_us = em_mono_us(f->trace->clock) - f->grown_us;

    if (f->state != TRACE_ACTIVE || f->pushed < f->size)
        return false;
    if (!f->idled && (quiet_us >= TRACE_IDLE_US || old(f))) {
        em_reader_idle(f->reader);
        f->idled = true;
        if (em_reader_refusal(f->reader)) { /* a short file is only decided upon now */
            trace_file_refused(f);
            return false;
        }
    }
    if (!f->listed && quiet_us >= TRACE_LINGER_US)
        return trace_file_leave(f);
    if (!f->idled || (quiet_us < (f->listed ? TRACE_REST_US : TRACE_LEAVE_US) && !old(f)))
        return false;
    if (f->listed && !f->place->rested)
        f->place->rested = f->dirty = true;
    if (trace_file_save(f) && (f->listed || !pending(f)))
        trace_file_rest(f);
    return false;
}

int64_t trace_file_deadline(const struct trace_file *f)
{
    if (f->state != TRACE_ACTIVE)
        return INT64_MAX;
    if (!f->idled)
        return f->grown_us + TRACE_IDLE_US;
    if (f->listed)
        return f->grown_us + TRACE_REST_US;
    return f->grown_us + (pending(f) ? TRACE_LINGER_US : TRACE_LEAVE_US);
}
