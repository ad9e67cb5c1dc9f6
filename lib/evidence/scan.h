/* SPDX-License-Identifier: GPL-3.0-or-later
 * Counting whole files in memory: what `edgemedia scan` does. Exact and de-duplicated over all files that are added.
 */
#ifndef EM_EVIDENCE_SCAN_H
#define EM_EVIDENCE_SCAN_H

#include "base/err.h"
#include "evidence/count.h"

enum { EM_SCAN_CALLS_MAX = 50 * 1000 * 1000 }; /* distinct calls; more is EM_ERR_LIMIT, not a wrong number */

struct em_scan;

/* Called once for each call and code, when it is first seen; may be NULL. */
typedef void (*em_scan_failure_fn)(void *arg, const struct em_failure_row *row);

struct em_scan_result {
    struct em_totals totals;
    uint64_t ice[EM_ICE_BITS];      /* calls by bit number */
    uint64_t media[EM_MEDIA_COUNT]; /* calls with a media failure by enum em_media - 1 */
    struct {
        uint32_t code;
        uint64_t calls;
    } codes[EM_CODES_MAX]; /* ascending by code; only codes that were seen */
    size_t codes_n;
    uint64_t untimed; /* reports that em_scan_between() left out because their time is not known */
};

struct em_scan *em_scan_new(em_scan_failure_fn failure, void *arg);
void em_scan_free(struct em_scan *s);

/* Only reports whose time t is since_us <= t < until_us (Unix microseconds) count from now on. Messages and malformed ones are
 * counted as ever: they need no time. */
void em_scan_between(struct em_scan *s, int64_t since_us, int64_t until_us);

/* Reads fd to its end. name is for rows and messages. progress (may be NULL) is called now and then with the bytes read so far;
 * it returns false to stop. EM_ERR_UNSUPPORTED: a format that is refused, why says how to convert it. */
int em_scan_fd(struct em_scan *s, int fd, const char *name, bool (*progress)(void *arg, uint64_t bytes),
               void *arg, struct em_why *why) EM_MUST_CHECK;

/* Whom to tell while several files are read; each may be NULL. */
struct em_scan_watch {
    void *arg;
    bool (*progress)(void *arg, uint64_t bytes); /* of all files so far; false: stop */
    void (*problem)(void *arg, size_t file, int err,
                    const char *why); /* paths[file] was not read, or not to its end */
};

/* Reads all the files, "-" for standard input, in `jobs` processes at most: big ones in parts, small ones whole. What is counted and told, and the
 * order in which failures are told, is the same for any number of jobs. 0 although there were problems with files; negative: nothing may be
 * taken from the result (a process died, no memory, EM_ERR_LIMIT), why says it. Not to be called with other threads around. */
int em_scan_files(struct em_scan *s, const char *const *paths, size_t n, unsigned jobs,
                  const struct em_scan_watch *watch, struct em_why *why) EM_MUST_CHECK;

const struct em_scan_result *em_scan_result(struct em_scan *s);

#endif
