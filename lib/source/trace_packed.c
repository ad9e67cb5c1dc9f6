/* SPDX-License-Identifier: GPL-3.0-or-later
 * Compressed files, and packet captures, that the patterns match. They are unpacked twice: at first to find out how much of the text was read already, from
 * whatever file that was, then to read the rest. A place in one is a place in its text, so a file that was read and is compressed goes on
 * where it was. A capture that grows is read again from its beginning, up to what it held when it was looked at, and the more seldom the
 * larger it is. */
#include "evidence/unpack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "evidence/capture.h"
#include "evidence/textin.h"
#include "source/follow.h"

enum {
    INPUT = 16 * 1024,
    STEP_INPUT = 256 * 1024,     /* a capture may have no text for long */
    INPUT_COST = 4,              /* it costs so much less of a turn's bytes than its text */
    SETTLE_US = 5 * 1000 * 1000, /* a file that is younger is still being written */
    PASS_OVER_COST = 4,          /* text that is only looked at costs so much less of a turn's bytes */
    AGAIN_US = 5 * 1000 * 1000,  /* from one reading of a capture to the next, at least, and */
    AGAIN_BYTES_US = 5,          /* bytes of it for each microsecond more: hundreds are read in one */
};

struct trace_packed {
    struct unpack *u;
    uint8_t in[INPUT];
    const uint8_t *next;
    size_t in_n;
    uint64_t took, made,
        most;      /* bytes of the file, of the text; where the text ends, as the first pass found */
    uint64_t from; /* of the text: what is before it was read */
    bool second;
    struct trace_head head;
    struct em_samples samples;
    uint8_t tail[EM_TAIL_MAX];
    size_t tail_n;
    const char *wrong;
    bool whole;
};

void trace_packed_free(struct trace_file *f)
{
    if (f->packed)
        unpack_free(f->packed->u);
    free(f->packed);
    f->packed = NULL;
}

uint64_t trace_packed_lag(const struct trace_file *f)
{
    return f->packed && f->packed->took < f->size ? f->size - f->packed->took : 0;
}

/* What the bytes of a compressed file are known by: never 0. */
static uint64_t packed_id(const struct trace_file *f)
{
    struct {
        uint64_t size;
        uint8_t head[EM_HEAD_MAX], tail[EM_TAIL_MAX];
    } all = { .size = f->size };
    off_t tail = f->size > EM_TAIL_MAX ? (off_t)(f->size - EM_TAIL_MAX) : 0;
    uint64_t id;

    if (pread(f->fd, all.head, sizeof all.head, 0) <= 0 || pread(f->fd, all.tail, sizeof all.tail, tail) <= 0)
        return 0;
    id = em_hash(&em_hash_key_fixed, &all, sizeof all);
    return id ? id : 1;
}

static const struct unpack_way *way_of(const void *p, size_t n)
{
    const struct unpack_way *way = unpack_find(p, n);

    return !way && capture_recognise(p, n) ? &unpack_capture : way;
}

bool trace_is_packed(const struct trace_head *h)
{
    return way_of(h->bytes, h->n) != NULL;
}

/* The next bytes of the file; of a capture only those that it held when it was looked at. */
static ssize_t read_in(const struct trace_file *f)
{
    struct trace_packed *p = f->packed;
    size_t n = sizeof p->in;

    if (f->is_capture && f->size - p->took < n)
        n = (size_t)(f->size - p->took);
    return pread(f->fd, p->in, n, (off_t)p->took);
}

static bool rewind_it(struct trace_file *f, struct trace_packed *p)
{
    const struct unpack_way *way;
    struct em_why why = { "" };
    ssize_t n;

    unpack_free(p->u);
    p->u = NULL;
    p->took = p->made = 0;
    p->tail_n = 0;
    n = read_in(f);
    if (n <= 0 || !(way = way_of(p->in, (size_t)n)) || !(p->u = unpack_new(way, &why))) {
        trace_file_error(f, TRACE_UNREADABLE, "%s: %s", EM_LOG_TEXT(slice_of(f->path)),
                         n < 0 ? strerror(errno) : why.text);
        return false;
    }
    p->next = p->in;
    p->in_n = (size_t)n;
    return true;
}

/* Text that is read already looks different when those who read it are not at their ends. */
static bool must_wait(const struct trace_file *f)
{
    const struct em_trace *t = f->trace;
    int64_t age_us = em_wall_us(t->clock) - f->mtime_ns / 1000,
            since_us = em_mono_us(t->clock) - f->unpacked_us;

    if (f->is_capture ? f->unpacked_us && since_us < AGAIN_US + (int64_t)(f->size / AGAIN_BYTES_US)
                      : age_us >= 0 && age_us < SETTLE_US)
        return true;
    for (size_t i = 0; i < t->files_n; i++) {
        const struct trace_file *other = t->file[i];

        if (other != f && (other->state == TRACE_UNPACKING || (!other->is_packed && trace_lag(other) > 0)))
            return true; /* one after another: the next may hold the same */
    }
    return false;
}

static bool is_known(struct trace_file *f)
{
    struct em_trace *t = f->trace;
    uint64_t id = packed_id(f);

    for (size_t i = 0; i < t->places_n && id; i++) {
        struct trace_place *p = t->place[i];

        if (p->packed != id)
            continue;
        if (p->owner) {
            f->original = p->owner;
            f->state = TRACE_COPY;
        } else {
            f->place = p;
            p->owner = f;
            trace_file_named(f);
            if (f->dirty)
                (void)trace_file_save(f);
            f->state = TRACE_RESTING;
        }
        trace_file_close(f);
        f->error[0] = '\0';
        return true;
    }
    return false;
}

void trace_packed_look(struct trace_file *f)
{
    struct em_trace *t = f->trace;

    f->is_packed = true;
    f->is_capture = way_of(t->look->bytes, t->look->n) == &unpack_capture;
    if (is_known(f))
        return;
    if (must_wait(f)) {
        trace_file_close(f);
        f->state = TRACE_WAITING;
        return;
    }
    for (size_t i = 0; i < t->places_n; i++)
        if (t->place[i]->fits == f)
            t->place[i]->fits = NULL;
    if (!(f->packed = calloc(1, sizeof *f->packed))) {
        trace_break(t, "no memory");
        return;
    }
    f->packed->most = t->unpacked_max;
    f->unpacked_us = em_mono_us(t->clock);
    f->unpacked_size = f->size;
    if (rewind_it(f, f->packed))
        f->state = TRACE_UNPACKING;
}

/* --- what was read already ---------------------------------------------------------------------------------------- */

/* text: `before` bytes of the tail, then n that are new. */
static void look_for_places(struct trace_file *f, const uint8_t *text, size_t before, size_t n)
{
    struct em_trace *t = f->trace;
    struct trace_packed *p = f->packed;
    uint64_t first = p->made - n - before;

    if (p->head.n < sizeof p->head.bytes) {
        size_t more = sizeof p->head.bytes - p->head.n < n ? sizeof p->head.bytes - p->head.n : n;

        memcpy(p->head.bytes + p->head.n, text + before, more);
        p->head.n += more;
    }
    trace_samples_add(&p->samples, text, before + n, p->made);
    for (size_t i = 0; i < t->places_n; i++) {
        struct trace_place *q = t->place[i];
        uint64_t at = q->mark.offset;

        if (at > p->made - n && at <= p->made && q->tail_size > 0 && at - q->tail_size >= first &&
            em_hash(&em_hash_key_fixed, text + (at - first) - q->tail_size, q->tail_size) == q->tail_hash)
            q->fits = f;
    }
}

static bool same_head(const struct trace_packed *p, const struct trace_place *q)
{
    return q->head_size > 0 && q->head_size <= p->head.n &&
           trace_head_hash(&p->head, q->head_size) == q->head_hash;
}

/* Is the text the beginning of what was read up to that place? */
static bool begins(const struct trace_packed *p, const struct trace_place *q)
{
    uint64_t step = q->samples.step, same = 0;

    if (q->mark.offset <= p->made || step == 0 || p->samples.step == 0 || step % p->samples.step != 0 ||
        (q->head_size <= p->head.n && !same_head(p, q)))
        return false;
    for (uint32_t i = 0; i < q->samples.n && (i + 1) * step <= p->made; i++) {
        uint64_t own = (i + 1) * step / p->samples.step - 1;

        if (own >= p->samples.n || q->samples.hash[i] == 0)
            continue;
        if (p->samples.hash[own] != q->samples.hash[i])
            return false;
        same = (i + 1) * step;
    }
    return same >= TRACE_SAMPLED_MIN && same + step > p->made;
}

static struct trace_place *furthest(const struct trace_file *f)
{
    const struct em_trace *t = f->trace;
    struct trace_place *best = NULL;

    for (size_t i = 0; i < t->places_n; i++) {
        struct trace_place *q = t->place[i];

        if (q->fits == f && same_head(f->packed, q) && (!best || q->mark.offset > best->mark.offset))
            best = q;
    }
    return best;
}

/* All of it was read: from another file, or it is old. */
static bool was_read(const struct trace_file *f, const struct trace_place *best)
{
    const struct em_trace *t = f->trace;
    const struct trace_packed *p = f->packed;

    if (best && (best->mark.offset == p->made ||
                 (best->owner && !best->owner->is_packed && best->owner->pushed >= p->made)))
        return true;
    for (size_t i = 0; i < t->places_n; i++)
        if (begins(p, t->place[i]))
            return true;
    return false;
}

static void own(struct trace_file *f, struct trace_place *place)
{
    struct trace_packed *p = f->packed;

    f->place = place;
    place->owner = f;
    place->head_size = (uint32_t)p->head.n;
    place->head_hash = trace_head_hash(&p->head, p->head.n);
    place->samples = p->samples;
    place->ended = place->rested = false;
    place->packed = 0;
    if (f->is_capture)
        place->mark.encoding = TEXTIN_BYTES; /* whatever a body holds */
    f->dirty = true;
    f->error[0] = '\0';
    trace_file_named(f);
}

static void say_wrong(struct trace_file *f)
{
    const char *name = f->path + trace_dir_length(f->path);
    char text[1024];

    (void)snprintf(text, sizeof text, "%s: its %s data %s; the %llu bytes of text before that count",
                   EM_LOG_TEXT(slice_of(name)), unpack_name(f->packed->u), f->packed->wrong,
                   (unsigned long long)f->packed->most);
    (void)slice_copy(slice_of(text), f->error, sizeof f->error);
    em_log_warning("source %s: %s", f->trace->name, f->error);
}

static void next_one(struct em_trace *t)
{
    for (size_t i = 0; i < t->files_n; i++)
        if (t->file[i]->state == TRACE_WAITING) {
            trace_file_again(t->file[i]);
            return;
        }
}

/* The text ends here, at the end of either pass. */
static void finish(struct trace_file *f)
{
    struct trace_packed *p = f->packed;

    if (f->reader && p->whole)
        em_reader_finish(f->reader);
    else if (f->reader)
        em_reader_idle(f->reader);
    if (f->reader && em_reader_refusal(f->reader)) {
        trace_file_refused(f);
        return;
    }
    f->place->ended = p->whole;
    f->place->rested = true;
    f->place->packed = p->whole ? packed_id(f) : 0;
    f->dirty = true;
    if (!trace_file_save(f))
        return;
    if (p->wrong)
        say_wrong(f);
    trace_packed_free(f);
    trace_file_rest(f);
    next_one(f->trace);
}

/* There was no text in it before. */
static struct trace_place *empty_place(const struct trace_file *f)
{
    const struct em_trace *t = f->trace;

    for (size_t i = 0; i < t->places_n; i++)
        if (!t->place[i]->owner && t->place[i]->mark.offset == 0 && t->place[i]->inode == f->inode &&
            t->place[i]->device == f->device)
            return t->place[i];
    return NULL;
}

/* The first pass is over. */
static void decide(struct trace_file *f)
{
    const struct stat st = { .st_dev = f->device, .st_ino = f->inode };
    struct em_trace *t = f->trace;
    struct trace_packed *p = f->packed;
    struct trace_place *best = furthest(f), *note = trace_note_of(t, &st), *place;
    bool all = note || was_read(f, best);

    p->most = p->made;
    place = note ? note : best && !best->owner ? best : empty_place(f);
    if (!place && !(place = trace_place_new(t))) {
        trace_break(t, "no memory");
        return;
    }
    p->from = all ? p->made : best ? best->mark.offset : 0;
    if (best && place != best)
        place->mark = best->mark;
    own(f, place);
    if (all && place != best) {
        place->mark = (struct em_reader_mark) { .offset = p->made,
                                                .format = EM_FORMAT_UNKNOWN,
                                                .encoding = place->mark.encoding };
        place->tail_size = (uint32_t)p->tail_n;
        place->tail_hash = em_hash(&em_hash_key_fixed, p->tail, p->tail_n);
    }
    if (all) {
        finish(f);
        return;
    }
    p->second = true;
    if (rewind_it(f, p) && p->from == 0 && !trace_file_go_on(f, p->tail, 0))
        trace_break(t, "no memory");
}

/* --- turns -------------------------------------------------------------------------------------------------------- */

static const char *const wrongs[] = {
    [UNPACK_GOES_ON] = "end too early (is it still being written?)",
    [UNPACK_DAMAGED] = "are damaged",
    [UNPACK_BOMB] = "unpack to far more than a log does",
    [UNPACK_NO_MEMORY] = "want more memory to be unpacked than is allowed",
    [UNPACK_FOREIGN] = "have a link layer that is not known: capture Ethernet, or on \"any\"",
};

/* Unpacks some, at most `room`. False: it ends here, and wrong and whole say how. */
static bool unpack_some(struct trace_file *f, uint8_t *to, size_t room, size_t *made)
{
    struct trace_packed *p = f->packed;
    const uint64_t enough = p->took + STEP_INPUT;
    enum unpack_result r = UNPACK_GOES_ON;
    ssize_t n = 1;

    *made = 0;
    room = p->most - p->made < room ? (size_t)(p->most - p->made) : room;
    if (room == 0 && p->second)
        return false; /* where the first pass ended */
    while (room > 0 && *made == 0 && r == UNPACK_GOES_ON && n > 0 && p->took < enough) {
        size_t before = p->in_n;

        r = unpack_step(p->u, &p->next, &p->in_n, to, room, made);
        p->took += before - p->in_n;
        if (*made == 0 && r == UNPACK_GOES_ON && p->in_n > 0 && p->in_n == before)
            r = UNPACK_DAMAGED;
        if (*made == 0 && r == UNPACK_GOES_ON && p->in_n == 0 && (n = read_in(f)) > 0) {
            p->next = p->in;
            p->in_n = (size_t)n;
        }
    }
    if (r == UNPACK_GOES_ON && (*made > 0 || p->took >= enough))
        return true;
    p->whole = room > 0 && r == UNPACK_GOES_ON && n == 0 && unpack_whole(p->u);
    if (room == 0)
        p->wrong = "unpack to more than a log may have";
    else
        p->wrong = p->whole ? NULL : wrongs[r];
    return false;
}

static void keep_tail(struct trace_packed *p, const uint8_t *text, size_t n)
{
    p->tail_n = n < EM_TAIL_MAX ? n : EM_TAIL_MAX;
    memcpy(p->tail, text + n - p->tail_n, p->tail_n);
}

/* What the second pass has unpacked: over what was read, then to the reader. */
static void use(struct trace_file *f, const uint8_t *text, size_t before, size_t n)
{
    struct trace_packed *p = f->packed;
    uint64_t begin = p->made - n;
    size_t over = begin >= p->from ? 0 : p->from - begin < n ? (size_t)(p->from - begin) : n;

    if (over > 0 && p->made >= p->from) {
        size_t tail = before + over < EM_TAIL_MAX ? before + over : EM_TAIL_MAX;

        if (!trace_file_go_on(f, text + before + over - tail, tail)) {
            trace_break(f->trace, "no memory");
            return;
        }
    }
    if (n > over)
        (void)trace_file_push(f, text + before + over, n - over);
}

size_t trace_packed_step(struct trace_file *f, size_t most)
{
    struct trace_packed *p = f->packed;
    uint8_t *text = f->trace->chunk;
    size_t before = p->tail_n, made, room = most < TRACE_CHUNK ? most : TRACE_CHUNK;
    uint64_t took = p->took;
    struct stat st;
    bool more;

    memcpy(text, p->tail, before);
    more = unpack_some(f, text + before, room, &made);
    p->made += made;
    took = p->took - took;
    if (made > 0 && !p->second)
        look_for_places(f, text, before, made);
    else if (made > 0)
        use(f, text, before, made);
    if (f->state != TRACE_UNPACKING || f->trace->broken)
        return made;
    keep_tail(p, text, before + made);
    if (!more && (fstat(f->fd, &st) != 0 ||
                  (f->is_capture ? (uint64_t)st.st_size < f->size : (uint64_t)st.st_size != f->size)))
        trace_file_again(f); /* it was not finished */
    else if (!more && !p->second)
        decide(f);
    else if (!more)
        finish(f);
    return made / (p == f->packed && p->second ? 1 : PASS_OVER_COST) + (size_t)took / INPUT_COST + 1;
}
