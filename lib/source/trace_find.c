/* SPDX-License-Identifier: GPL-3.0-or-later
 * Which files there are, and what each of them is: one that we know, the copy of one that we know, or a new one. */
#include <dirent.h>
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

static struct trace_file *by_inode(const struct em_trace *t, const struct stat *st)
{
    for (size_t i = 0; i < t->files_n; i++)
        if (is_inode(t->file[i], st))
            return t->file[i];
    return NULL;
}

static bool holds_place(const struct trace_file *f)
{
    return f->state == TRACE_ACTIVE || f->state == TRACE_RESTING;
}

/* Length of the directory's part, with its slash. */
static size_t dir_length(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? (size_t)(slash - path) + 1 : 0;
}

static bool same_dir(const char *a, const char *b)
{
    size_t n = dir_length(a);

    return n > 0 && n == dir_length(b) && memcmp(a, b, n) == 0;
}

/* --- scanning ----------------------------------------------------------------------------------------------------- */

/* A quiet file that changed is looked at again. */
static void compare(struct trace_file *f, const struct stat *st)
{
    bool changed = (uint64_t)st->st_size != f->size ||
                   st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec != f->mtime_ns;

    if (f->state != TRACE_ACTIVE && f->state != TRACE_FRESH && changed)
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
    trace_file_remove(t, oldest);
    if (p)
        p->searched = true; /* it is where it was */
    return true;
}

static void found(struct em_trace *t, const char *path)
{
    struct trace_file *f;
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    if (!(f = by_inode(t, &st))) {
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
    if (!f->listed && f->state != TRACE_ACTIVE && !(f->state == TRACE_FRESH && f->fd >= 0)) {
        trace_file_remove(t, f);
        return true;
    }
    if (f->state == TRACE_UNREADABLE)
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
    size_t length = dir_length(pattern);
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

void trace_scan(struct em_trace *t)
{
    if (t->inotify >= 0)
        watch_all(t); /* first, so that nothing falls between */
    t->too_many = false;
    for (size_t i = 0; i < t->patterns_n; i++)
        scan_pattern(t, t->pattern[i]);
    for (size_t i = 0; i < t->files_n;)
        i += !settle(t, t->file[i]);
    t->scanned_us = em_mono_us(t->clock);
    t->scan_us = t->scanned_us + TRACE_SCAN_US;
    t->scanned = true;
}

void trace_peek(struct em_trace *t)
{
    struct stat st;

    for (size_t i = 0; i < t->files_n; i++) {
        struct trace_file *f = t->file[i];

        if (f->state == TRACE_ACTIVE || f->state == TRACE_FRESH)
            continue;
        if (stat(f->path, &st) == 0 && is_inode(f, &st))
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
static bool continues(struct em_trace *t, const struct trace_file *f, int fd, uint64_t size)
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
    } else if ((fd = open(other->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0) {
        return OTHER;
    }
    if (fstat(fd, &st) == 0 && is_inode(other, &st)) {
        compare(other, &st);
        if (!holds_place(other))
            r = LOOK_AGAIN;
        else if (trace_is_prefix(f->fd, f->size, fd, (uint64_t)st.st_size))
            r = SAME_BEGINNING;
        else if (!other->listed && other->state == TRACE_ACTIVE && other->pushed == (uint64_t)st.st_size &&
                 f->listed && continues(t, other, f->fd, f->size))
            r = CONTINUES;
    }
    if (fd != other->fd)
        (void)close(fd);
    return r;
}

static void close_quiet(struct trace_file *f, enum trace_state state)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    f->fd = -1;
    f->state = state;
    f->error[0] = '\0';
}

/* What was read of f up to now goes on in `to`, which is open; f's own descriptor is closed and `to` is no file of its own any more. */
static void take_over(struct trace_file *f, struct trace_file *to)
{
    struct em_trace *t = f->trace;
    char *path = f->path, *real = f->real;

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

/* True: it is a copy, or must be looked at again, because what it was compared with has changed. */
static bool is_copy(struct em_trace *t, struct trace_file *f)
{
    for (size_t i = 0; i < t->files_n; i++) {
        struct trace_file *other = t->file[i];
        enum relation r;

        if (other == f || !holds_place(other) || !same_dir(f->real, other->real))
            continue;
        if ((r = compare_files(f, other)) == OTHER)
            continue;
        if (r == SAME_BEGINNING) {
            close_quiet(f, TRACE_COPY);
            f->original = other;
        } else if (r == CONTINUES) {
            take_over(other, f);
        }
        return true;
    }
    return false;
}

static bool begin_new(struct em_trace *t, struct trace_file *f)
{
    struct trace_place *p = trace_place_new(t);

    if (!p)
        return false;
    p->head_size = (uint32_t)t->look->n;
    p->head_hash = trace_head_hash(t->look, t->look->n);
    if (!trace_file_attach(f, p)) {
        trace_place_drop(t, p);
        return false;
    }
    return !t->first || t->from_start || trace_file_at_end(f, f->size);
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
    if ((p = free_place(t, f, true)) || (p = free_place(t, f, false)))
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

/* --- the rest of what was truncated or lost its name -------------------------------------------------------------- */

/* Walks the regular files of the directory of `path` that nobody reads yet. each: true ends the walk. False: no such directory. */
static bool walk_dir(struct em_trace *t, const char *path,
                     bool (*each)(struct em_trace *t, int dir, const char *name, const struct stat *st,
                                  void *arg),
                     void *arg)
{
    char *dir = strndup(path, dir_length(path));
    DIR *d = dir ? opendir(dir) : NULL;
    struct dirent *e;

    for (size_t n = 0; d && n < TRACE_ENTRIES_MAX && (e = readdir(d)); n++) {
        struct trace_file *f;
        struct stat st;

        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
            ((f = by_inode(t, &st)) && holds_place(f)))
            continue;
        if (each(t, dirfd(d), e->d_name, &st, arg))
            break;
    }
    free(dir);
    if (!d)
        return false;
    (void)closedir(d);
    return true;
}

struct search {
    const struct trace_file *f;  /* a file whose content went away, or */
    const struct trace_place *p; /* a place without a file */
    int fd;                      /* what was found, open; -1: nothing */
    struct stat st;
    char *path;
};

static bool search_one(struct em_trace *t, int dir, const char *name, const struct stat *st, void *arg)
{
    struct search *s = arg;
    const char *base = s->f ? s->f->real : s->p->path;
    bool same_inode = s->p && st->st_ino == s->p->inode && st->st_dev == s->p->device, fits;
    int fd;

    if ((s->fd >= 0 && !same_inode) ||
        (fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW)) < 0)
        return false;
    if (s->f)
        fits = continues(t, s->f, fd, (uint64_t)st->st_size);
    else
        fits = trace_head_read(fd, t->head) && trace_place_fits(fd, (uint64_t)st->st_size, t->head, s->p);
    if (!fits) {
        (void)close(fd);
        return false;
    }
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s->path);
    s->fd = fd;
    s->st = *st;
    if ((s->path = malloc(dir_length(base) + strlen(name) + 1))) {
        memcpy(s->path, base, dir_length(base));
        memcpy(s->path + dir_length(base), name, strlen(name) + 1);
    }
    return s->f || same_inode;
}

/* The old content goes on in the file that was found; what has the old name now is a file of its own, not looked at yet. */
static void move_over(struct em_trace *t, struct trace_file *f, struct search *s)
{
    struct trace_file *copy = by_inode(t, &s->st), *fresh = NULL;
    struct stat old;

    if (!copy && !(copy = trace_file_add(t, s->path, &s->st)))
        return;
    if (copy->fd >= 0)
        (void)close(copy->fd);
    copy->fd = s->fd;
    s->fd = -1;
    free(copy->real);
    copy->real = s->path;
    s->path = NULL;
    if (fstat(f->fd, &old) == 0 && (fresh = trace_file_add(t, f->path, &old)))
        fresh->listed = f->listed;
    em_log_info("source %s: a file was truncated, its rest is read from its copy file=%s", t->name,
                EM_LOG_TEXT(slice_of(copy->path)));
    take_over(f, copy);
}

void trace_replaced(struct trace_file *f)
{
    struct em_trace *t = f->trace;
    struct search s = { .f = f, .fd = -1 };
    uint64_t moves = ++t->moves;

    if (f->place->head_size > 0)
        (void)walk_dir(t, f->real, search_one, &s);
    if (s.fd >= 0 && s.path)
        move_over(t, f, &s);
    else if (s.fd >= 0)
        (void)close(s.fd);
    free(s.path);
    if (t->moves != moves)
        return;
    em_log_info("source %s: a file was truncated and is read from its beginning file=%s", t->name,
                EM_LOG_TEXT(slice_of(f->path)));
    em_reader_finish(f->reader); /* nothing more comes behind what was read */
    f->place->ended = f->dirty = true;
    if (trace_file_save(f))
        trace_file_again(f);
}

static void search_orphan(struct em_trace *t, struct trace_place *p)
{
    struct search s = { .p = p, .fd = -1 };
    struct trace_file *f;

    p->searched = walk_dir(t, p->path, search_one, &s);
    if (s.fd < 0)
        return;
    if ((f = by_inode(t, &s.st))) {
        trace_file_again(f);
    } else if (s.path && (f = trace_file_add(t, s.path, &s.st))) {
        f->fd = s.fd;
        s.fd = -1;
        em_log_info("source %s: a file that was renamed is read to its end file=%s", t->name,
                    EM_LOG_TEXT(slice_of(f->path)));
    }
    if (s.fd >= 0)
        (void)close(s.fd);
    free(s.path);
}

void trace_orphans(struct em_trace *t)
{
    for (size_t i = 0; i < t->places_n; i++) {
        struct trace_place *p = t->place[i];

        if (!p->owner && !p->ended && !p->searched && p->head_size > 0 && dir_length(p->path) > 0)
            search_orphan(t, p);
    }
}
