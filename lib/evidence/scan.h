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
};

struct em_scan *em_scan_new(em_scan_failure_fn failure, void *arg);
void em_scan_free(struct em_scan *s);

/* Reads fd to its end. name is for rows and messages. progress (may be NULL) is called now and then with the bytes read so far;
 * it returns false to stop. EM_ERR_UNSUPPORTED: a format that is refused, why says how to convert it. */
int em_scan_fd(struct em_scan *s, int fd, const char *name, bool (*progress)(void *arg, uint64_t bytes),
               void *arg, struct em_why *why) EM_MUST_CHECK;

const struct em_scan_result *em_scan_result(struct em_scan *s);

#endif
