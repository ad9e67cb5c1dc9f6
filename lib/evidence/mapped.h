/* SPDX-License-Identifier: GPL-3.0-or-later
 * A file mapped for reading once from front to back. Resident pages stay few, since what is done is let go, and a file that gets
 * shorter meanwhile ends the reading, not the process.
 *
 * The kernel reports a page that is no longer there with SIGBUS. While a file is open here, a handler puts pages of zeros in the place
 * of the rest and notes it: mapped_cut() tells. One file at a time in a process, and only from one thread.
 */
#ifndef EM_EVIDENCE_MAPPED_H
#define EM_EVIDENCE_MAPPED_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAPPED_STEP = 4 * 1024 * 1024
}; /* how much one works through at a time, of a size that huge pages divide */

struct mapped {
    const char *base; /* the byte at `from` in the file */
    size_t n;         /* bytes from there on */
    uint64_t from;
    size_t gone; /* bytes at the front that were let go */
    struct sigaction before;
};

/* Maps fd from byte `from` (a multiple of the page size) to byte `to`, or to its end if that comes first. false: not a regular file, nothing to map, or it cannot be: read(2) it. */
bool mapped_open(struct mapped *m, int fd, uint64_t from, uint64_t to);
void mapped_close(struct mapped *m);

void mapped_done(struct mapped *m, size_t at);   /* the first `at` bytes are not needed again */
bool mapped_cut(const struct mapped *m, int fd); /* pages at its end went away: the file is shorter now */

#endif
