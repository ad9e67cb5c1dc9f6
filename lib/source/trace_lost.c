/* SPDX-License-Identifier: GPL-3.0-or-later
 * The rest of what was truncated or lost its name: where it is looked for. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "source/follow.h"

/* Walks the regular files of the directory of `path` that nobody reads yet. each: true ends the walk. False: no such directory. */
static bool walk_dir(struct em_trace *t, const char *path,
                     bool (*each)(struct em_trace *t, int dir, const char *name, const struct stat *st,
                                  void *arg),
                     void *arg)
{
    char *dir = strndup(path, trace_dir_length(path));
    DIR *d = dir ? opendir(dir) : NULL;
    struct dirent *e;

    for (size_t n = 0; d && n < TRACE_ENTRIES_MAX && (e = readdir(d)); n++) {
        struct trace_file *f;
        struct stat st;

        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
            ((f = trace_by_inode(t, &st)) && trace_holds_place(f)))
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
        fits = trace_continues(t, s->f, fd, (uint64_t)st->st_size);
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
    if ((s->path = malloc(trace_dir_length(base) + strlen(name) + 1))) {
        memcpy(s->path, base, trace_dir_length(base));
        memcpy(s->path + trace_dir_length(base), name, strlen(name) + 1);
    }
    return s->f || same_inode;
}

/* The old content goes on in the file that was found; what has the old name now is a file of its own, not looked at yet. */
static void move_over(struct em_trace *t, struct trace_file *f, struct search *s)
{
    struct trace_file *copy = trace_by_inode(t, &s->st), *fresh = NULL;
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
    trace_take_over(f, copy);
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
    if (!trace_file_save(f))
        return;
    trace_settle_copies(f);
    trace_file_again(f);
}

/* What was found is looked at like a file that a pattern finds, but through the descriptor: it may have no name for long. */
static void adopt(struct em_trace *t, struct search *s)
{
    struct trace_file *f;

    if (s->fd < 0)
        return;
    if ((f = trace_by_inode(t, &s->st))) {
        trace_file_again(f);
    } else if (s->path && (f = trace_file_add(t, s->path, &s->st))) {
        f->fd = s->fd;
        s->fd = -1;
        em_log_info("source %s: a file that was renamed is read to its end file=%s", t->name,
                    EM_LOG_TEXT(slice_of(f->path)));
    }
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s->path);
}

static void search_orphan(struct em_trace *t, struct trace_place *p)
{
    struct search s = { .p = p, .fd = -1 };

    p->searched = walk_dir(t, p->path, search_one, &s);
    adopt(t, &s);
}

void trace_orphans(struct em_trace *t)
{
    for (size_t i = 0; i < t->places_n; i++) {
        struct trace_place *p = t->place[i];

        if (!p->owner && !p->ended && !p->searched && p->head_size > 0 && trace_dir_length(p->path) > 0)
            search_orphan(t, p);
    }
}

/* --- ends that have moved ----------------------------------------------------------------------------------------- */

/* Places that were thought to be at their ends for good, by inode. */
struct ended {
    struct trace_place **place;
    size_t n;
};

static int by_place_inode(const void *a, const void *b)
{
    const struct trace_place *const *p = a, *const *q = b;

    return ((*p)->inode > (*q)->inode) - ((*p)->inode < (*q)->inode);
}

static bool revisit_one(struct em_trace *t, int dir, const char *name, const struct stat *st, void *arg)
{
    const struct ended *e = arg;
    const struct trace_place key = { .inode = st->st_ino }, *const key_p = &key;
    struct trace_place **found =
        bsearch(&key_p, e->place, e->n, sizeof(struct trace_place *), by_place_inode);
    struct search s = { .fd = -1 };

    if (!found || (*found)->owner || (*found)->device != st->st_dev ||
        (uint64_t)st->st_size <= (*found)->mark.offset)
        return false;
    s.p = *found;
    (void)search_one(t, dir, name, st, &s);
    adopt(t, &s);
    return false;
}

/* Its directory is that of an earlier one? */
static bool dir_was_seen(struct trace_place *const *dirs, size_t n, const struct trace_place *p)
{
    for (size_t i = 0; i < n; i++)
        if (trace_same_dir(dirs[i]->path, p->path))
            return true;
    return false;
}

/* A writer that was silent for very long, or that went on while nobody ran here. */
void trace_revisit(struct em_trace *t)
{
    struct ended e = { .place = malloc((t->places_n + 1) * sizeof(struct trace_place *)) };
    struct trace_place *dirs[TRACE_DIRS_MAX];
    size_t dirs_n = 0;

    for (size_t i = 0; e.place && i < t->places_n; i++) {
        struct trace_place *p = t->place[i];

        if (p->owner || !p->ended || p->head_size == 0 || trace_dir_length(p->path) == 0)
            continue;
        e.place[e.n++] = p;
        if (dirs_n < TRACE_DIRS_MAX && !dir_was_seen(dirs, dirs_n, p))
            dirs[dirs_n++] = p;
    }
    if (e.n > 0)
        qsort(e.place, e.n, sizeof(struct trace_place *), by_place_inode);
    for (size_t i = 0; i < dirs_n; i++)
        (void)walk_dir(t, dirs[i]->path, revisit_one, &e);
    free(e.place);
}
