/* SPDX-License-Identifier: GPL-3.0-or-later
 * The rest of what was truncated or lost its name: where it is looked for. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "source/follow.h"

/* An entry of a directory. path: of the directory, with its slash. True ends the walk. */
struct entry {
    int dir;
    const char *path, *name;
    const struct stat *st;
};
typedef bool (*entry_fn)(struct em_trace *t, const struct entry *e, void *arg);

/* Walks the regular files of the directory of `path` that nobody reads yet. False: no such directory. */
static bool walk_dir(struct em_trace *t, const char *path, entry_fn each, void *arg)
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
        if (each(t, &(struct entry) { dirfd(d), dir, e->d_name, &st }, arg))
            break;
    }
    free(dir);
    if (!d)
        return false;
    (void)closedir(d);
    return true;
}

static char *join(const char *dir, const char *name)
{
    size_t n = strlen(dir), room = n + strlen(name) + 1;
    char *path = malloc(room);

    if (path) {
        memcpy(path, dir, n);
        memcpy(path + n, name, room - n);
    }
    return path;
}

struct search {
    const struct trace_file *f;  /* a file whose content went away, or */
    const struct trace_place *p; /* a place without a file */
    int fd;                      /* what was found, open; -1: nothing */
    struct stat st;
    char *path;
};

/* What became of a file that nobody has looked at is known by its inode only. */
static bool place_fits(struct em_trace *t, const struct trace_place *p, int fd, const struct stat *st,
                       bool same_inode)
{
    if (trace_is_note(p))
        return same_inode && (uint64_t)st->st_size >= p->mark.offset;
    return trace_head_read(fd, t->head) && trace_place_fits(fd, (uint64_t)st->st_size, t->head, p);
}

static bool search_one(struct em_trace *t, const struct entry *e, void *arg)
{
    struct search *s = arg;
    const struct stat *st = e->st;
    bool same_inode = s->p && st->st_ino == s->p->inode && st->st_dev == s->p->device, fits;
    int fd;

    if ((s->fd >= 0 && !same_inode) ||
        (fd = openat(e->dir, e->name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW)) < 0)
        return false;
    if (s->f)
        fits = trace_continues(t, s->f, fd, (uint64_t)st->st_size);
    else
        fits = place_fits(t, s->p, fd, st, same_inode);
    if (!fits) {
        (void)close(fd);
        return false;
    }
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s->path);
    s->fd = fd;
    s->st = *st;
    s->path = join(e->path, e->name);
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
    trace_doubt(t, 1, 0);        /* what was written to it since the last look, if anything was */
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

        if (!p->owner && !p->ended && !p->searched && p->mark.offset > 0 && trace_dir_length(p->path) > 0)
            search_orphan(t, p);
    }
}

/* Is what was read of its file known of another one, too? */
static bool is_covered(const struct em_trace *t, const struct trace_place *p)
{
    for (size_t i = 0; i < t->places_n; i++) {
        const struct trace_place *q = t->place[i];

        if (q != p && q->head_size == p->head_size && q->head_hash == p->head_hash &&
            q->mark.offset >= p->mark.offset)
            return true;
    }
    return false;
}

void trace_count_missed(struct em_trace *t)
{
    for (size_t i = 0; i < t->places_n && !t->broken; i++) {
        struct trace_place *p = t->place[i];

        if (p->owner || p->ended || p->rested || !p->searched || p->mark.offset == 0)
            continue;
        p->ended = true;
        if (!is_covered(t, p)) {
            em_log_warning(
                "source %s: a file has gone while nobody looked; what was written to it last may be missed "
                "file=%s",
                t->name, EM_LOG_TEXT(slice_of(p->path)));
            trace_doubt(t, 1, 0);
        }
        (void)trace_place_save(t, p);
    }
}

/* --- ends that have moved ----------------------------------------------------------------------------------------- */

/* Places without a file, by inode. */
struct ended {
    struct trace_place **place;
    size_t n;
};

static int by_place_inode(const void *a, const void *b)
{
    const struct trace_place *const *p = a, *const *q = b;

    return ((*p)->inode > (*q)->inode) - ((*p)->inode < (*q)->inode);
}

/* One that was not at its end is followed wherever it is, others when they have grown. */
static bool revisit_one(struct em_trace *t, const struct entry *at, void *arg)
{
    const struct ended *e = arg;
    const struct trace_place key = { .inode = at->st->st_ino }, *const key_p = &key;
    struct trace_place **found =
        bsearch(&key_p, e->place, e->n, sizeof(struct trace_place *), by_place_inode);
    struct search s = { .fd = -1 };

    if (!found || (*found)->owner || (*found)->device != at->st->st_dev ||
        (uint64_t)at->st->st_size < (*found)->mark.offset + ((*found)->ended || (*found)->rested))
        return false;
    s.p = *found;
    (void)search_one(t, at, &s);
    adopt(t, &s);
    return false;
}

/* Directories to look through, each once. */
struct dirs {
    char *path[TRACE_DIRS_MAX + TRACE_NEAR_DIRS_MAX]; /* with a slash at the end */
    size_t n;
};

static void dirs_add(struct dirs *d, size_t most, const char *path)
{
    size_t length = trace_dir_length(path);

    for (size_t i = 0; i < d->n; i++)
        if (strlen(d->path[i]) == length && memcmp(d->path[i], path, length) == 0)
            return;
    if (length > 0 && d->n < most && (d->path[d->n] = strndup(path, length)))
        d->n++;
}

static void dirs_free(struct dirs *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->path[i]);
    free(d);
}

/* The directories in one. *left: entries that may still be looked at. */
static void add_below(struct dirs *d, size_t most, const char *dir, size_t *left)
{
    DIR *open = opendir(dir);
    struct dirent *e;

    while (open && d->n<most && * left> 0 && (e = readdir(open))) {
        char *path = NULL, *slashed = NULL;

        --*left;
        if (e->d_type == DT_DIR && e->d_name[0] != '.' && (path = join(dir, e->d_name)) &&
            (slashed = join(path, "/")))
            dirs_add(d, most, slashed);
        free(path);
        free(slashed);
    }
    if (open)
        (void)closedir(open);
}

/* Where a rotation may have moved files to: below, above and beside. */
static void add_near(struct dirs *d)
{
    size_t own = d->n, most = own + TRACE_NEAR_DIRS_MAX, left = TRACE_NEAR_ENTRIES_MAX;

    for (size_t i = 0; i < own; i++)
        add_below(d, most, d->path[i], &left);
    for (size_t i = 0; i < own; i++) {
        char *above = strndup(d->path[i], strlen(d->path[i]) - 1);

        if (above && trace_dir_length(above) > 0) {
            above[trace_dir_length(above)] = '\0';
            dirs_add(d, most, above);
            add_below(d, most, above, &left);
        }
        free(above);
    }
}

/* A file that moved, a writer that was silent for very long, or that went on while nobody ran here. */
void trace_revisit(struct em_trace *t)
{
    struct ended e = { .place = malloc((t->places_n + 1) * sizeof(struct trace_place *)) };
    struct dirs *dirs = calloc(1, sizeof *dirs);

    for (size_t i = 0; e.place && dirs && i < t->places_n; i++) {
        struct trace_place *p = t->place[i];

        if (p->owner || p->mark.offset == 0 || trace_dir_length(p->path) == 0)
            continue;
        e.place[e.n++] = p;
        dirs_add(dirs, TRACE_DIRS_MAX, p->path);
    }
    if (e.n > 0) {
        qsort(e.place, e.n, sizeof(struct trace_place *), by_place_inode);
        add_near(dirs);
        for (size_t i = 0; i < dirs->n; i++)
            (void)walk_dir(t, dirs->path[i], revisit_one, &e);
    }
    if (dirs)
        dirs_free(dirs);
    free(e.place);
}
