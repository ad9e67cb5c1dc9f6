/* SPDX-License-Identifier: GPL-3.0-or-later
 * The way into the store for sources that are not files: what one answer, one post or a few packets brought, and the place behind it, in one
 * transaction.
 *
 *     if (em_intake_begin(&in) == 0) {
 *         em_intake_text(&in, "name of it", bytes, n);        a log, in any form that the trace reader knows
 *         em_intake_report(&in, "name of it", &report);       or what another reader found
 *         em_intake_place(&in, cursor);
 *     }
 *     if (em_intake_end(&in) != 0) ...                        nothing of it counts: bring all of it again later
 *
 * Begin to end within one turn of the loop: the store has one transaction at a time. A step that fails spoils the rest, and end tells; so the
 * steps in between need not be looked at.
 */
#ifndef EM_SOURCE_INTAKE_H
#define EM_SOURCE_INTAKE_H

#include "evidence/reader.h"
#include "source/source.h"

enum {
    EM_INTAKE_PLACE_MAX = 4096,
    EM_INTAKE_RETRY_US = 2 * 1000 * 1000,
    EM_INTAKE_SEEN_MAX =
        1000 * 1000,            /* records that are known again, at most: then the oldest are forgotten */
    EM_INTAKE_SEEN_STEP = 5000, /* forgotten in a transaction */
};

struct em_intake {
    const char *name; /* the source's, for the log; not copied */
    struct em_store *store;
    uint32_t number;
    int err;      /* of the transaction under way */
    bool plain;   /* em_intake_text: it is bytes, whatever they look like; else the encoding is found out */
    bool failing; /* the last one could not be written: why tells, and it was said in the log */
    struct em_why why;
    const char *file; /* during em_intake_text */
    int64_t time_us;  /* the source's to set: of reports whose text has no time; 0: none */
    uint64_t seen_n, seen_put, seen_gone; /* records known again, as committed; put and forgotten since */
};

/* Nothing to free. */
void em_intake_init(struct em_intake *in, const struct em_source_env *env, const char *name);

int em_intake_begin(struct em_intake *in);
/* One whole text: the last message in it ends with it. file: where it is from, for the row of a failure. Counts its bytes, its messages and those
 * that are malformed. EM_ERR_UNSUPPORTED (not text) does not spoil the transaction: it counts as one malformed message. */
int em_intake_text(struct em_intake *in, const char *file, const void *bytes, size_t n);
int em_intake_report(struct em_intake *in, const char *file, const struct em_report *r);
/* Of sources that are given some records twice, because what they ask for overlaps: whether the record of this key (a hash of it) was seen before;
 * from now on it was. at_us: its time, for forget, which lets go of those before before_us, and of the oldest of more than EM_INTAKE_SEEN_MAX. */
int em_intake_seen(struct em_intake *in, uint64_t key, int64_t at_us, bool *before);
int em_intake_forget(struct em_intake *in, int64_t before_us);
/* What another reader than that of em_intake_text read. */
int em_intake_count(struct em_intake *in, const struct em_reader_stats *delta);
/* Where to go on after this: any text of at most EM_INTAKE_PLACE_MAX - 1 bytes. */
int em_intake_place(struct em_intake *in, const char *place);
/* Commits, or takes everything back: 0 or what went wrong, in in->why; the log says when writing stops and when it goes on. Try again after
 * EM_INTAKE_RETRY_US. */
int em_intake_end(struct em_intake *in);

/* The place that the last commit left, of this or an earlier process; "" when there was none; and how many records are known. Outside of a
 * transaction. */
int em_intake_load(struct em_intake *in, char to[EM_INTAKE_PLACE_MAX], struct em_why *why) EM_MUST_CHECK;

/* For em_source_kind.failure. */
const char *em_intake_failure(const struct em_intake *in);

#endif
