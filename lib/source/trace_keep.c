/* SPDX-License-Identifier: GPL-3.0-or-later
 * Which descriptors of files are kept over a restart: a file that has lost its name, or loses it while nobody runs here, can be read on
 * through its descriptor only. Those that have no name come first, then files that are being read and may lose theirs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "source/follow.h"
#include "source/keep.h"

enum { ROOM_FOR_NAMELESS = EM_KEEP_MAX / 2 }; /* which files that have a name leave */

static void prefix_of(const struct em_trace *t, char prefix[EM_KEEP_NAME_MAX])
{
    (void)snprintf(prefix, EM_KEEP_NAME_MAX, "trace-%u-", t->source);
}

static void name_of(const struct trace_file *f, char name[EM_KEEP_NAME_MAX])
{
    (void)snprintf(name, EM_KEEP_NAME_MAX, "trace-%u-%llx-%llx", f->trace->source,
                   (unsigned long long)f->device, (unsigned long long)f->inode);
}

void trace_unkeep(struct trace_file *f)
{
    char name[EM_KEEP_NAME_MAX];

    if (!f->kept)
        return;
    name_of(f, name);
    em_keep_drop(f->trace->keep, name);
    f->kept = false;
}

static void keep(struct trace_file *f)
{
    char name[EM_KEEP_NAME_MAX];

    name_of(f, name);
    f->kept = em_keep_put(f->trace->keep, name, f->fd);
}

static bool is_worth_it(const struct trace_file *f)
{
    return f->fd >= 0 && (f->state == TRACE_ACTIVE || trace_lingers(f));
}

/* Room for a file without a name: one that has a name gives up its place. */
static void make_room(struct em_trace *t)
{
    for (size_t i = 0; i < t->files_n && em_keep_room(t->keep) == 0; i++)
        if (t->file[i]->listed)
            trace_unkeep(t->file[i]);
}

void trace_keep(struct em_trace *t)
{
    if (!t->keep)
        return;
    for (size_t i = 0; i < t->files_n; i++)
        if (!is_worth_it(t->file[i]) && t->file[i]->state != TRACE_FRESH)
            trace_unkeep(t->file[i]);
    for (size_t i = 0; i < t->files_n; i++)
        if (!t->file[i]->kept && !t->file[i]->listed && is_worth_it(t->file[i])) {
            make_room(t);
            keep(t->file[i]);
        }
    for (size_t i = 0; i < t->files_n && em_keep_room(t->keep) > ROOM_FOR_NAMELESS; i++)
        if (!t->file[i]->kept && is_worth_it(t->file[i]))
            keep(t->file[i]);
}

/* --- start and stop ------------------------------------------------------------------------------------------------ */

/* Where it was: the store knows, or else the kernel. The caller's. */
static char *path_of(const struct em_trace *t, int fd, const struct stat *st)
{
    static const char deleted[] = " (deleted)";
    char link[64], path[EM_URI_MAX];
    ssize_t n;

    for (size_t i = 0; i < t->places_n; i++)
        if (t->place[i]->inode == st->st_ino && t->place[i]->device == st->st_dev && t->place[i]->path)
            return strdup(t->place[i]->path);
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if ((n = readlink(link, path, sizeof path - 1)) <= 0)
        return NULL;
    path[n] = '\0';
    if ((size_t)n >= sizeof deleted && strcmp(path + n - (sizeof deleted - 1), deleted) == 0)
        path[(size_t)n - (sizeof deleted - 1)] = '\0';
    return strdup(path);
}

/* Becomes a file as if it had been found, open. False: it cannot. */
static bool take(struct em_trace *t, int fd, const char *name)
{
    char expected[EM_KEEP_NAME_MAX];
    struct trace_file *f;
    struct stat st;
    char *path;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !(path = path_of(t, fd, &st)))
        return false;
    f = trace_file_add(t, path, &st);
    free(path);
    if (!f)
        return false;
    name_of(f, expected);
    f->kept = strcmp(name, expected) == 0;
    if (!f->kept) {
        trace_file_remove(t, f);
        return false;
    }
    f->fd = fd;
    em_log_debug("source %s: a file was kept open over the restart file=%s", t->name,
                 EM_LOG_TEXT(slice_of(f->path)));
    return true;
}

void trace_keep_start(struct em_trace *t)
{
    char prefix[EM_KEEP_NAME_MAX], name[EM_KEEP_NAME_MAX];
    int fd;

    if (!t->keep || (t->first && !t->from_start)) /* what it held is old, and not wanted */
        return;
    prefix_of(t, prefix);
    while ((fd = em_keep_claim(t->keep, prefix, name)) >= 0)
        if (!take(t, fd, name)) {
            (void)close(fd);
            em_keep_drop(t->keep, name);
        }
}

void trace_keep_stop(struct em_trace *t)
{
    char prefix[EM_KEEP_NAME_MAX];

    if (!t->keep)
        return;
    for (size_t i = 0; i < t->files_n; i++)
        t->file[i]->kept = false;
    prefix_of(t, prefix);
    em_keep_release(t->keep, prefix);
}
