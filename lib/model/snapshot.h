/* SPDX-License-Identifier: GPL-3.0-or-later
 * A snapshot: the whole model at one moment, in one block of memory, immutable once it is handed on. Rows are sorted by
 * their index, so that a lookup is a binary search and the next row is the next one.
 *
 * Who builds it: the main thread, and nobody else:
 *     s = em_snapshot_new(counts);  fill em_snapshot_row(s, EM_T_CHECK, i) ...;  em_snapshot_finish(s);
 * Who reads it: the web and control faces through the builder; the SNMP thread through the mailbox. Both own it together.
 */
#ifndef EM_MODEL_SNAPSHOT_H
#define EM_MODEL_SNAPSHOT_H

#include <stdatomic.h>

#include "model/catalogue.h"
#include "model/rows.h"

struct em_snapshot {
    int64_t wall_us;    /* when it was taken */
    uint64_t serial;    /* counts up; set by the builder */
    size_t size;        /* of the whole block */
    atomic_uint others; /* owners besides the first one */
    struct {
        void *rows;
        size_t n;
    } t[EM_T_COUNT];
};

/* All rows zeroed. counts[] is capped at each table's max; groups always get their one row. NULL: no memory. Whoever made it is its one
 * owner: em_snapshot_unref(), or free() as long as nobody else ever was. */
struct em_snapshot *em_snapshot_new(const size_t counts[EM_T_COUNT]);

/* One more owner, of any thread; the last one frees it. Only what nobody writes any more has more than one. Unref: NULL is fine. */
struct em_snapshot *em_snapshot_ref(struct em_snapshot *s);
void em_snapshot_unref(struct em_snapshot *s);

/* Sorts every table by index. Call once, after the last write. */
void em_snapshot_finish(struct em_snapshot *s);

static inline void *em_snapshot_row(const struct em_snapshot *s, enum em_table_id t, size_t i)
{
    return (char *)s->t[t].rows + i * em_catalogue[t].row_size;
}

static inline const struct em_totals *em_snapshot_totals(const struct em_snapshot *s)
{
    return s->t[EM_T_TOTALS].rows;
}

/* The row with exactly this index (index_n numbers), or NULL. */
const void *em_snapshot_find(const struct em_snapshot *s, enum em_table_id t, const uint32_t *index);

/* The first row whose index is greater than (index, n): n may be anything from 0 to index_n (a shorter index is less than
 * any longer one that begins with it, as for SNMP GETNEXT). NULL at the end. */
const void *em_snapshot_next(const struct em_snapshot *s, enum em_table_id t, const uint32_t *index,
                             size_t n);

/* One-slot mailbox between the two threads. Who exchanges a pointer out owns it: put returns the snapshot that nobody took
 * (unref it), take returns the newest or NULL. */
struct em_mailbox {
    _Atomic(struct em_snapshot *) slot;
};
struct em_snapshot *em_mailbox_put(struct em_mailbox *m, struct em_snapshot *s);
struct em_snapshot *em_mailbox_take(struct em_mailbox *m);

#endif
