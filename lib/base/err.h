/* SPDX-License-Identifier: GPL-3.0-or-later
 * Errors of our own environment (memory, files, sockets, configuration), and the sentence that explains one.
 *
 * Three kinds of error, three treatments:
 *   our bug                assert()
 *   our environment        a function returns a negative enum em_err; the caller unwinds, the top decides
 *   the peer's behaviour   is the product: a verdict or a counter, never one of these
 *
 * A function that can fail returns 0 (or a count) or a negative em_err, and leaves its results untouched on failure.
 * Where a person must act on the failure, the function also takes a struct em_why and writes one sentence into it:
 * what was tried, on what, what happened, what to do next.
 */
#ifndef EM_BASE_ERR_H
#define EM_BASE_ERR_H

#include <stddef.h>

enum em_err {
    EM_OK = 0,
    EM_ERR_MEMORY = -1, /* no memory */
    EM_ERR_SYSTEM = -2, /* a system call failed; errno tells */
    EM_ERR_INPUT = -3,  /* text or bytes given by our own side are not well formed */
    EM_ERR_LIMIT = -4,  /* a named maximum is reached */
    EM_ERR_NOT_FOUND = -5,
    EM_ERR_FULL = -6, /* disk or database full */
    EM_ERR_READ_ONLY = -7,
    EM_ERR_CORRUPT = -8, /* a file of ours is damaged */
    EM_ERR_NEWER = -9,   /* a file of ours was written by a newer version */
    EM_ERR_BUSY = -10,   /* somebody else holds it */
    EM_ERR_TIMEOUT = -11,
    EM_ERR_UNSUPPORTED = -12,
};

#define EM_WHY_MAX 512
struct em_why {
    char text[EM_WHY_MAX];
};

#define EM_MUST_CHECK __attribute__((warn_unused_result))
#define EM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* The word for an error: "no memory", "not found" ... never NULL. */
const char *em_err_text(int err);

/* Writes the sentence and returns err, so that a failure is one line: return em_fail(why, EM_ERR_INPUT, "..."). why may be NULL. */
int em_fail(struct em_why *why, int err, const char *fmt, ...) EM_PRINTF(3, 4);

#endif
