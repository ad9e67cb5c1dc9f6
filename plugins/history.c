/* SPDX-License-Identifier: GPL-3.0-or-later
 * The state file: text, arithmetic, and the care with the file itself. */
#include "plugins/history.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/esc.h"
#include "plugins/guard.h"

#define HEAD "check_edge_media state 1\n"
#define TAIL "end\n"
enum { TEXT_MAX = 2048, LOCK_POLL_US = 10000 };

/* What stands before the numbers, in the order of the file. */
static const char *const keys[CALL_METRICS] = { "code_23", "tcp_nat_check", "code_23_tcp_nat",
                                                "media_failures" };

void history_write(const char *origin, const struct history_sample *s, struct buf *to)
{
    buf_print(to, HEAD "origin %s\ntime_us %llu\ndiscontinuity_us %llu\n", origin,
              (unsigned long long)s->wall_us, (unsigned long long)s->discontinuity_time);
    for (size_t i = 0; i < CALL_METRICS; i++)
        buf_print(to, "%s %llu\n", keys[i], (unsigned long long)s->total[i]);
    buf_text(to, TAIL);
}

static bool number_line(struct slice *s, const char *key, uint64_t max, uint64_t *v)
{
    return slice_skip(s, slice_of(key)) && slice_skip(s, SLICE(" ")) && slice_u64(s, max, v) &&
           slice_skip(s, SLICE("\n"));
}

bool history_read(struct slice text, const char *origin, struct history_sample *sample, const char **remark)
{
    struct history_sample read = { 0 };
    struct slice s = text, line;
    uint64_t when, discontinuity;

    *remark = s.n == 0 ? "first run" : "first run: the state file was not understood";
    if (!slice_skip(&s, SLICE(HEAD)) || !slice_skip(&s, SLICE("origin ")) || !slice_until(&s, '\n', &line) ||
        !number_line(&s, "time_us", INT64_MAX, &when) ||
        !number_line(&s, "discontinuity_us", INT64_MAX, &discontinuity))
        return false;
    for (size_t i = 0; i < CALL_METRICS; i++)
        if (!number_line(&s, keys[i], UINT64_MAX, &read.total[i]))
            return false;
    if (!slice_eq(s, SLICE(TAIL)))
        return false;
    if (!slice_eq(line, slice_of(origin))) {
        *remark = "first run: the state file was of another target";
        return false;
    }
    read.wall_us = (int64_t)when;
    read.discontinuity_time = (int64_t)discontinuity;
    *sample = read;
    *remark = NULL;
    return true;
}

void history_between(const struct history_sample *last, const struct history_sample *now, struct history *h)
{
    bool anew = last->discontinuity_time != 0 && now->discontinuity_time != 0 &&
                last->discontinuity_time != now->discontinuity_time;

    *h = (struct history) { .elapsed_us = now->wall_us - last->wall_us };
    if (h->elapsed_us < EM_US_PER_S) {
        h->remark = h->elapsed_us < 0 ? "first run: the clock went back"
                                      : "no rate: the last run was less than a second ago";
        return;
    }
    for (size_t i = 0; i < CALL_METRICS; i++)
        anew |= now->total[i] < last->total[i];
    for (size_t i = 0; i < CALL_METRICS; i++)
        h->increase[i] = anew ? now->total[i] : now->total[i] - last->total[i];
    h->known = true;
    h->remark = anew ? "the counters began anew" : NULL;
}

static int complain(const char *path, const char *what, struct em_why *why)
{
    char shown[EM_URI_MAX];

    return em_fail(why, EM_ERR_SYSTEM, "state file %s: %s",
                   esc_line_into(shown, sizeof shown, slice_of(path)), what);
}

static bool ours(const struct stat *st)
{
    return st->st_uid == geteuid() || st->st_uid == 0;
}

/* Follows a link of our own by name, so that what is opened and what is replaced are the same; refuses anybody else's. */
static int real_path(const char *path, char to[PATH_MAX], struct em_why *why)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        if (!ours(&st))
            return complain(path, "it is a link that belongs to somebody else", why);
        return realpath(path, to) ? 0 : complain(path, "it is a link that leads nowhere", why);
    }
    return slice_copy(slice_of(path), to, PATH_MAX - 32) ? 0 : complain(path, "the path is too long", why);
}

/* Opens and locks what the path names now: after waiting for the lock, another run may have put a new file there. */
static int open_locked(const char *path, int *fd, struct em_why *why)
{
    struct stat own, named;

    for (;;) {
        int f = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);

        if (f < 0)
            return complain(path, strerror(errno), why);
        if (fstat(f, &own) != 0 || !S_ISREG(own.st_mode) || !ours(&own)) {
            close(f);
            return complain(
                path, S_ISREG(own.st_mode) ? "it belongs to somebody else" : "it is not a regular file", why);
        }
        while (flock(f, LOCK_EX | LOCK_NB) != 0) {
            if ((errno != EWOULDBLOCK && errno != EINTR) || guard_left_us() == 0) {
                close(f);
                return complain(path, "another run holds it locked", why);
            }
            nanosleep(&(struct timespec) { .tv_nsec = LOCK_POLL_US * 1000L }, NULL);
        }
        if (stat(path, &named) == 0 && named.st_ino == own.st_ino && named.st_dev == own.st_dev) {
            *fd = f;
            return 0;
        }
        close(f);
    }
}

static bool write_all(int fd, const struct buf *b)
{
    for (size_t at = 0; at < b->n;) {
        ssize_t n = write(fd, b->p + at, b->n - at);

        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* The new text beside the old one, then the rename. */
static int replace(const char *path, const struct buf *text, struct em_why *why)
{
    char beside[PATH_MAX];
    int fd, error = 0;

    snprintf(beside, sizeof beside, "%s.XXXXXX", path);
    if ((fd = mkostemp(beside, O_CLOEXEC)) < 0)
        return complain(path, strerror(errno), why);
    if (!write_all(fd, text) || fsync(fd) != 0)
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0 && rename(beside, path) != 0)
        error = errno;
    if (error == 0)
        return 0;
    unlink(beside);
    return complain(path, strerror(error), why);
}

int history_step(const char *path, const char *origin, const struct history_sample *now, struct history *h,
                 struct em_why *why)
{
    char real[PATH_MAX], old[TEXT_MAX], fresh[TEXT_MAX];
    struct buf text = buf_over(fresh, sizeof fresh);
    struct history_sample last;
    const char *remark;
    ssize_t n;
    int fd = -1, err;

    guard_phase("using the state file", false);
    if ((err = real_path(path, real, why)) < 0 || (err = open_locked(real, &fd, why)) < 0)
        return err;
    n = read(fd, old, sizeof old);
    *h = (struct history) { .known = false };
    if (history_read((struct slice) { old, n > 0 ? (size_t)n : 0 }, origin, &last, &remark))
        history_between(&last, now, h);
    else
        h->remark = remark;
    history_write(origin, now, &text);
    err = h->elapsed_us >= 0 && h->elapsed_us < EM_US_PER_S && !remark ? 0 : replace(real, &text, why);
    close(fd);
    return err;
}
