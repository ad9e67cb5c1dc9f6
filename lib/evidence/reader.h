/* SPDX-License-Identifier: GPL-3.0-or-later
 * The trace reader: bytes of a log in, reports out. It finds out encoding and format by content, survives anything, and
 * is what is fuzzed. One reader reads one file from its beginning, or from a place that em_reader_mark() gave.
 *
 *     struct em_reader *r = em_reader_new(emit, arg, 0, NULL);
 *     while ((n = read(...)) > 0 && em_reader_push(r, bytes, n) == 0) ...
 *     em_reader_finish(r);                    only if nothing can follow: end of a file that is not being written
 *     em_reader_free(r);
 *
 * Reports are emitted from within push and finish, in the order of their messages.
 */
#ifndef EM_EVIDENCE_READER_H
#define EM_EVIDENCE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "evidence/report.h"

enum {
    EM_READER_MESSAGE_MAX =
        256 *
        1024, /* a message's headers may be this long; the rest is cut and the message counted malformed */
    EM_READER_LEFT_MAX = 640 * 1024, /* a message that is not whole yet, as bytes */
    EM_READER_SNIFF_MAX = 64 * 1024, /* bytes looked at before a format is decided */
};

struct em_reader_stats {
    uint64_t bytes;    /* pushed */
    uint64_t messages; /* framed as a message, malformed ones included */
    uint64_t malformed;
    uint64_t malformed_offset; /* of the last malformed message */
};

/* Where reading can go on: nothing before it is needed again, everything behind it was not reported nor counted yet. Plain
 * bytes, stored as they are. */
struct em_reader_mark {
    uint64_t offset;   /* byte in the file to begin at */
    uint32_t format;   /* enum em_format in force there */
    uint32_t encoding; /* the reader's own */
    int64_t time_us;   /* last time seen (formats whose records do not all have one) */
};

struct em_reader;

/* from: NULL = the beginning. NULL = no memory. */
struct em_reader *em_reader_new(em_emit_fn emit, void *arg, const struct em_reader_mark *from);
void em_reader_free(struct em_reader *r);

/* 0, EM_ERR_MEMORY, or EM_ERR_UNSUPPORTED: a binary file (.etl, .blog, pictures ...); em_reader_refusal() says what it is and
 * what to do, and nothing more needs to be pushed. */
int em_reader_push(struct em_reader *r, const void *bytes, size_t n) EM_MUST_CHECK;
/* The same without a copy, for speed: read(2) at most *n bytes to the place that space returns, then say how many came. *n is 0 while
 * the encoding is not decided or is not bytes: push then. */
void *em_reader_space(struct em_reader *r, size_t *n);
int em_reader_filled(struct em_reader *r, size_t n) EM_MUST_CHECK;

/* The same in the caller's memory, for files that are mapped: bytes[0] is the byte at the mark's offset, and n is at least as much as in
 * the last view. Returns how many of them are done; those that are not are the first of the next view, and at most EM_READER_LEFT_MAX unless
 * n was less. What a view holds may change while it is read (another process writes the file): then what is found in it is anything, but
 * nothing breaks. Only when space() gives room. keep() ends it: what is not done is copied, and reading goes on with push and space. */
size_t em_reader_view(struct em_reader *r, const void *bytes, size_t n);
void em_reader_keep(struct em_reader *r);

const char *em_reader_refusal(const struct em_reader *r);

/* What is pending counts as complete. Afterwards only stats, mark and free may be called. */
void em_reader_finish(struct em_reader *r);

/* The file did not grow for a while: what a message without an end says up to here is reported now, so that the last message of a quiet
 * log is not held back. The mark stays in front of it. If it goes on, what was reported comes once more with `again` set, because a
 * line may have been added to it, and then the rest. */
void em_reader_idle(struct em_reader *r);

/* Stats and mark are of one moment: stats count exactly what lies before mark->offset (and the message behind it, if it was told when
 * it paused: the mark says so), so that (mark, stats, reports) can be committed together and no restart counts anything twice or
 * never. stats.bytes equals the bytes from `from` to mark->offset. */
void em_reader_mark(const struct em_reader *r, struct em_reader_mark *mark, struct em_reader_stats *stats);

#endif
