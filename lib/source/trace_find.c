/* SPDX-License-Identifier: GPL-3.0-or-later
 * Which files there are, and what each of them is: one that we know, the copy of one that we know, or a new one. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "source/follow.h"

static bool is_inode(const struct trace_file *f, const struct stat *st)
{
    return f->inode == st->st_ino && f->device == st->st_dev;
}

struct trace_file *trace_by_inode(const struct em_trace *t, const struct stat *st)
{
    for (size_t i = 0; i < t->files_n; i++)
        if (is_inode(t->file[i], st))
            return t->file[i];
    return NULL;
}

/* Length of the directory's part, with its slash. */
size_t trace_dir_length(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? (size_t)(slash - path) + 1 : 0;
}

bool trace_same_dir(const char *a, const char *b)
{
    size_t n = trace_dir_length(a);

    return n > 0 && n == trace_dir_length(b) && memcmp(a, b, n) == 0;
}

/* --- scanning ----------------------------------------------------------------------------------------------------- */

/* A quiet file that changed is looked at again. */
static void compare(struct trace_file *f, const struct stat *st)
{
    bool changed = (uint64_t)st->st_size != f->size ||
                   st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec != f->mtime_ns;

    if (f->state == TRACE_ACTIVE || f->state == TRACE_FRESH || f->state == TRACE_UNPACKING || !changed)
        return;
    if (f->state == TRACE_RESTING && !f->is_packed && (uint64_t)st->st_size < f->place->mark.offset)
        trace_settle_copies(
            f); /* it was truncated: its copies will find nothing that they could be compared with */
    trace_file_again(f);
}

/* Too many match: the oldest that is quiet makes room for a newer one. What is known of it stays in the store. */
static bool make_room(struct em_trace *t, const struct stat *st)
{
    int64_t newest_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
    struct trace_file *oldest = NULL;
    struct trace_place *p;

    t->too_many = true;
    for (size_t i = 0; i < t->files_n; i++) {
        struct trace_file *f = t->file[i];

        if (f->state != TRACE_ACTIVE && f->fd < 0 && f->mtime_ns < (oldest ? oldest->mtime_ns : newest_ns))
            oldest = f;
    }
    if (!oldest)
        return false;
    p = oldest->place && oldest->place->id ? oldest->place : NULL;
    if (p)
        trace_settle_copies(oldest);
    trace_file_remove(t, oldest);
    if (p)
        p->searched = true; /* it is where it was */
    return true;
}

static bool has_place(const struct em_trace *t, const struct stat *st)
{
    for (size_t i = 0; i < t->places_n; i++)
        if (t->place[i]->inode == st->st_ino && t->place[i]->device == st->st_dev)
            return true;
    return false;
}

static void found(struct em_trace *t, const char *path)
{
    struct trace_file *f;
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    if (t->first && !t->from_start && !has_place(t, &st))
        trace_place_note(t, path, &st);
    if (!(f = trace_by_inode(t, &st))) {
        if ((t->files_n < EM_TRACE_FILES_MAX || make_room(t, &st)) && (f = trace_file_add(t, path, &st)))
            f->listed = f->named = true;
        return;
    }
    compare(f, &st);
    if (strcmp(f->path, path) == 0) {
        f->named = true;
        free(f->other_path);
        f->other_path = NULL;
    } else if (!f->named && !f->other_path) {
        f->other_path = strdup(path);
    }
}

/* After all patterns: who has a name, who has another one, who has none. True: it is not there any more. */
static bool settle(struct em_trace *t, struct trace_file *f)
{
    f->listed = f->named || f->other_path;
    f->named = false;
    if (f->other_path) {
        free(f->path);
        f->path = f->other_path;
        f->other_path = NULL;
        free(f->real);
        f->real = realpath(f->path, NULL);
        if (f->place)
            trace_file_named(f);
    }
    if (f->listed && f->state == TRACE_RESTING)
        trace_file_close(f);
    if (!f->listed && f->state != TRACE_ACTIVE && f->state != TRACE_UNPACKING && !trace_lingers(f) &&
        !(f->state == TRACE_FRESH && f->fd >= 0)) {
        if (f->state == TRACE_RESTING)
            trace_settle_copies(f);
        if (f->is_capture && f->state == TRACE_WAITING)
            trace_doubt(t, 1, 0); /* it had grown since it was read */
        trace_file_remove(t, f);
        return true;
    }
    if (f->state == TRACE_UNREADABLE || f->state == TRACE_WAITING)
        trace_file_again(f);
    return false;
}

static void scan_pattern(struct em_trace *t, const char *pattern)
{
    glob_t g = { 0 };

    if (glob(pattern, 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++)
            found(t, g.gl_pathv[i]);
    globfree(&g);
}

/* Watches the directories of a pattern; wd gets those that are there. */
static size_t watch_dirs(struct em_trace *t, const char *pattern, int *wd, size_t n)
{
    const uint32_t mask = IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                          IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    size_t length = trace_dir_length(pattern);
    char *dir = strndup(pattern, length > 1 ? length - 1 : 1);
    glob_t g = { 0 };

    if (dir && glob(dir, 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc && n < TRACE_DIRS_MAX; i++) {
            int w = inotify_add_watch(t->inotify, g.gl_pathv[i], mask);

            for (size_t k = 0; k < n && w >= 0; k++)
                w = wd[k] == w ? -1 : w;
            if (w >= 0)
                wd[n++] = w;
        }
    globfree(&g);
    free(dir);
    return n;
}

static void watch_all(struct em_trace *t)
{
    int wd[TRACE_DIRS_MAX] = { 0 };
    size_t n = 0;

    for (size_t i = 0; i < t->patterns_n; i++)
        n = watch_dirs(t, t->pattern[i], wd, n);
    for (size_t i = 0; i < t->dirs_n; i++) {
        bool there = false;

        for (size_t k = 0; k < n; k++)
            there = there || wd[k] == t->dir[i];
        if (!there)
            (void)inotify_rm_watch(t->inotify, t->dir[i]);
    }
    memcpy(t->dir, wd, n * sizeof wd[0]);
    t->dirs_n = n;
}

/* A file without a name: looked at again when it has grown. True: it was given up, and is not there any more. */
static bool nameless(struct trace_file *f)
{
    int64_t quiet_us = em_mono_us(f->trace->clock) - f->grown_us;
    struct stat st;

    if (!f->listed && f->state == TRACE_ACTIVE && f->place->mark.offset == f->size)
        trace_settle_copies(f); /* what it was copied to has a name, and may go on by itself */
    if (!trace_lingers(f) || fstat(f->fd, &st) != 0)
        return false;
    compare(f, &st);
    if (trace_lingers(f))
        trace_settle_copies(f); /* after a restart it may not be found any more */
    if (f->state == TRACE_RESTING && quiet_us >= (st.st_nlink ? TRACE_LINGER_US : TRACE_DELETED_US))
        return trace_file_leave(f);
    return false;
}

/* Only so many are kept open: those that grew last. */
static void leave_oldest(struct em_trace *t)
{
    struct trace_file *oldest;
    size_t n;

    do {
        oldest = NULL;
        n = 0;
        for (size_t i = 0; i < t->files_n; i++) {
            struct trace_file *f = t->file[i];

            n += trace_lingers(f);
            if (trace_lingers(f) && (!oldest || f->grown_us < oldest->grown_us))
                oldest = f;
        }
    } while (n > TRACE_NAMELESS_MAX && trace_file_leave(oldest));
}

static void look_at_nameless(struct em_trace *t)
{
    for (size_t i = 0; i < t->files_n && !t->broken;)
        i += !nameless(t->file[i]);
    if (!t->broken)
        leave_oldest(t);
}

void trace_scan(struct em_trace *t)
{
    if (t->inotify >= 0)
        watch_all(t); /* first, so that nothing falls between */
    t->too_many = false;
    for (size_t i = 0; i < t->patterns_n; i++)
        scan_pattern(t, t->pattern[i]);
    for (size_t i = 0; i < t->files_n;)
        i += !settle(t, t->file[i]);
    look_at_nameless(t);
    t->scanned_us = em_mono_us(t->clock);
    t->scan_us = t->scanned_us + TRACE_SCAN_US;
    t->scanned = true;
}

void trace_peek(struct em_trace *t)
{
    struct stat st;

    for (size_t i = 0; i < t->files_n; i++) {
        struct trace_file *f = t->file[i];

        if (f->state == TRACE_ACTIVE || f->state == TRACE_FRESH || f->state == TRACE_UNPACKING)
            continue;
        if ((f->fd >= 0 ? fstat(f->fd, &st) : stat(f->path, &st)) == 0 && is_inode(f, &st))
            compare(f, &st);
    }
}

/* --- looking at one ----------------------------------------------------------------------------------------------- */

/* The place that goes furthest among those that are free and fit; own: only those that had this inode. */
static struct trace_place *free_place(struct em_trace *t, const struct trace_file *f, bool own)
{
    struct trace_place *best = NULL;

    for (size_t i = 0; i < t->places_n; i++) {
        struct trace_place *p = t->place[i];

        if (p->owner || (own && (p->inode != f->inode || p->device != f->device)) ||
            (best && p->mark.offset <= best->mark.offset))
            continue;
        if (trace_place_fits(f->fd, f->size, t->look, p))
            best = p;
    }
    return best;
}

/* Is this open file what f was, up to the place of reading? */
bool trace_continues(struct em_trace *t, const struct trace_file *f, int fd, uint64_t size)
{
    size_t n = f->recent_n < EM_TAIL_MAX ? f->recent_n : EM_TAIL_MAX;
    const struct trace_place *p = f->place;
    uint8_t before[EM_TAIL_MAX];

    return size >= f->pushed && trace_head_read(fd, t->head) && t->head->n >= p->head_size &&
           trace_head_hash(t->head, p->head_size) == p->head_hash &&
           (n == 0 || (pread(fd, before, n, (off_t)(f->pushed - n)) == (ssize_t)n &&
                       memcmp(before, f->recent + f->recent_n - n, n) == 0));
}

enum relation { OTHER, SAME_BEGINNING, CONTINUES, LOOK_AGAIN };

/* Does a file that we read begin with all that this one holds? Only if the other is still what we think it is. Or does this one go on
 * where the other, which has lost its name, ends? */
static enum relation compare_files(struct trace_file *f, struct trace_file *other)
{
    struct em_trace *t = f->trace;
    uint64_t moves = t->moves;
    enum relation r = OTHER;
    struct stat st;
    int fd = other->fd;

    if (other->place->head_size <= t->look->n &&
        trace_head_hash(t->look, other->place->head_size) != other->place->head_hash)
        return OTHER; /* most of them: without a look at the other */
    if (other->state == TRACE_ACTIVE) {
        (void)trace_file_read(other, 0);
        if (t->moves != moves || other->state != TRACE_ACTIVE)
            return LOOK_AGAIN;
    } else if (fd < 0 && (fd = open(other->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0) {
        return OTHER;
    }
    if (fstat(fd, &st) == 0 && is_inode(other, &st)) {
        compare(other, &st);
        if (!trace_holds_place(other))
            r = LOOK_AGAIN;
        else if (trace_is_prefix(f->fd, f->size, fd, (uint64_t)st.st_size))
            r = SAME_BEGINNING;
        else if (trace_lingers(other) && f->listed &&
                 trace_place_fits(f->fd, f->size, t->look, other->place)) {
            trace_file_remove(t, other); /* its place is free for this one */
            return LOOK_AGAIN;
        } else if (!other->listed && other->state == TRACE_ACTIVE && other->pushed == (uint64_t)st.st_size &&
                   f->listed && trace_continues(t, other, f->fd, f->size))
            r = CONTINUES;
    }
    if (fd != other->fd)
        (void)close(fd);
    return r;
}

static void close_quiet(struct trace_file *f, enum trace_state state)
{
    trace_file_close(f);
    f->state = state;
    f->error[0] = '\0';
}

/* What was read of f up to now goes on in `to`, which is open; f's own descriptor is closed and `to` is no file of its own any more. */
void trace_take_over(struct trace_file *f, struct trace_file *to)
{
    struct em_trace *t = f->trace;
    char *path = f->path, *real = f->real;

    trace_unkeep(f);
    trace_unkeep(to);
    (void)close(f->fd);
    f->fd = to->fd;
    f->path = to->path;
    f->real = to->real;
    f->listed = to->listed;
    f->device = to->device;
    f->inode = to->inode;
    f->size = to->size;
    f->mtime_ns = 0; /* read, whatever its size is */
    f->grown_us = em_mono_us(t->clock);
    f->idled = false;
    to->fd = -1;
    to->path = path;
    to->real = real;
    trace_file_remove(t, to);
    trace_file_named(f);
    f->dirty = true;
    t->moves++;
}

static uint64_t head_hash_upto(const struct trace_head *h, uint64_t size)
{
    return trace_head_hash(h, size < h->n ? (size_t)size : h->n);
}

/* True: it is a copy, or must be looked at again, because what it was compared with has changed. */
static bool is_copy(struct em_trace *t, struct trace_file *f)
{
    for (size_t i = 0; i < t->files_n; i++) {
        struct trace_file *other = t->file[i];
        enum relation r;

        if (other == f || !trace_holds_place(other) || other->is_packed ||
            !trace_same_dir(f->real, other->real))
            continue;
        if ((r = compare_files(f, other)) == OTHER)
            continue;
        if (r == SAME_BEGINNING) {
            f->copied = f->size;
            f->copied_head = head_hash_upto(t->look, f->size);
            close_quiet(f, TRACE_COPY);
            f->original = other;
        } else if (r == CONTINUES) {
            trace_take_over(other, f);
        }
        return true;
    }
    return false;
}

/* What is known of a free place whose file began as this one does. */
enum likeness { UNLIKE, LONGER, LIKE };

static enum likeness compare_place(struct em_trace *t, const struct trace_file *f,
                                   const struct trace_place *p)
{
    if ((p->owner && !p->owner->is_packed) || trace_is_note(p) || p->mark.offset <= TRACE_SAMPLED_MIN)
        return UNLIKE;
    if (p->head_size <= t->look->n && trace_head_hash(t->look, p->head_size) != p->head_hash)
        return UNLIKE;
    if (p->mark.offset > f->size && trace_samples_fit(&p->samples, f->fd, f->size) > 0)
        return LONGER;
    return p->head_size <= t->look->n && p->head_size == EM_HEAD_MAX ? LIKE : UNLIKE;
}

/* Is the file the beginning of what was read of one that is gone? Then all it holds was counted. */
static bool was_read(struct em_trace *t, const struct trace_file *f)
{
    enum likeness most = UNLIKE;

    for (size_t i = 0; i < t->places_n && most != LONGER; i++) {
        enum likeness l = compare_place(t, f, t->place[i]);

        most = l > most || l == LONGER ? l : most;
    }
    if (most == LIKE) {
        em_log_warning(
            "source %s: a file begins as one that was read before, and is another: what both hold counts "
            "twice unless it is of a call with a Call-ID file=%s",
            t->name, EM_LOG_TEXT(slice_of(f->path)));
        trace_doubt(t, 0, 1);
    }
    return most == LONGER;
}

/* from: how much of it is old. */
static bool begin(struct em_trace *t, struct trace_file *f, struct trace_place *p, uint64_t from)
{
    if (!p)
        return false;
    p->head_size = (uint32_t)t->look->n;
    p->head_hash = trace_head_hash(t->look, t->look->n);
    p->mark = (struct em_reader_mark) { 0 };
    if (!trace_file_attach(f, p)) {
        trace_place_drop(t, p);
        return false;
    }
    return from == 0 || trace_file_at_end(f, from);
}

/* What was read of it in its compressed form, which is still there; NULL: nothing. */
static const struct trace_place *unpacked_place(const struct em_trace *t, const struct trace_file *f)
{
    const struct trace_place *best = NULL;

    for (size_t i = 0; i < t->places_n; i++) {
        const struct trace_place *p = t->place[i];

        if (p->owner && p->owner->is_packed && (!best || p->mark.offset > best->mark.offset) &&
            trace_place_fits(f->fd, f->size, t->look, p))
            best = p;
    }
    return best;
}

static bool begin_new(struct em_trace *t, struct trace_file *f)
{
    const struct stat st = { .st_dev = f->device, .st_ino = f->inode };
    struct trace_place *note = trace_note_of(t, &st);
    const struct trace_place *unpacked;
    if (note)
        return begin(t, f, note, note->mark.offset <= f->size ? note->mark.offset : 0);
    if ((unpacked = unpacked_place(t, f)))
        return begin(t, f, trace_place_new(t), unpacked->mark.offset);
    if (f->copied >= TRACE_SAMPLED_MIN && f->copied <= f->size &&
        f->copied_head == head_hash_upto(t->look, f->copied))
        return begin(t, f, trace_place_new(t), f->copied); /* a copy that goes on by itself */
    return begin(t, f, trace_place_new(t), was_read(t, f) ? f->size : 0);
}

void trace_look(struct em_trace *t, struct trace_file *f)
{
    struct trace_place *p;

    if (!trace_file_open(f)) {
        if (f->state == TRACE_FRESH)
            trace_file_remove(t, f);
        return;
    }
    if (f->size == 0) {
        close_quiet(f, TRACE_EMPTY);
        return;
    }
    if (!trace_head_read(f->fd, t->look)) {
        trace_file_error(f, TRACE_UNREADABLE, "%s: %s", EM_LOG_TEXT(slice_of(f->path)), strerror(errno));
        return;
    }
    f->is_packed = f->is_capture = false;
    if (trace_is_packed(t->look)) {
        trace_packed_look(f);
        return;
    }
    if (trace_note_of(t, &(struct stat) { .st_dev = f->device, .st_ino = f->inode })) {
        if (!begin_new(t, f))
            trace_break(t, "no memory");
    } else if ((p = free_place(t, f, true)) || (p = free_place(t, f, false)))
        (void)trace_file_attach(f, p);
    else if (!is_copy(t, f) && !begin_new(t, f))
        trace_break(t, "no memory");
}

bool trace_has_own_place(const struct em_trace *t, const struct trace_file *f)
{
    for (size_t i = 0; i < t->places_n; i++)
        if (!t->place[i]->owner && t->place[i]->inode == f->inode && t->place[i]->device == f->device)
            return true;
    return false;
}
