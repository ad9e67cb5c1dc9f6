/* SPDX-License-Identifier: GPL-3.0-or-later
 * Snapshots: one block, sorted rows, binary search, and the mailbox that hands them to the other thread. */
#include "model/snapshot.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_ALIGN = 16 };

static size_t aligned(size_t n)
{
    return (n + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
}

/* Points each table at its part of the block behind the struct; returns the block's whole size. */
static size_t lay_out(struct em_snapshot *s, const size_t n[EM_T_COUNT])
{
    size_t at = aligned(sizeof *s);

    for (size_t t = 0; t < EM_T_COUNT; t++) {
        if (s) {
            s->t[t].rows = (char *)s + at;
            s->t[t].n = n[t];
        }
        at += aligned(n[t] * em_catalogue[t].row_size);
    }
    return at;
}

struct em_snapshot *em_snapshot_new(const size_t counts[EM_T_COUNT])
{
    size_t n[EM_T_COUNT], size;
    struct em_snapshot *s;

    for (size_t t = 0; t < EM_T_COUNT; t++) {
        const struct em_table *def = &em_catalogue[t];

        n[t] = def->index_n == 0 ? 1 : counts[t] < def->max ? counts[t] : def->max;
    }
    size = lay_out(NULL, n);
    if (!(s = calloc(1, size)))
        return NULL;
    s->size = size;
    lay_out(s, n);
    return s;
}

struct em_snapshot *em_snapshot_ref(struct em_snapshot *s)
{
    atomic_fetch_add_explicit(&s->others, 1, memory_order_relaxed);
    return s;
}

/* Release and acquire: what the others did with it comes before the last one frees it. */
void em_snapshot_unref(struct em_snapshot *s)
{
    if (s && atomic_fetch_sub_explicit(&s->others, 1, memory_order_acq_rel) == 0)
        free(s);
}

/* Compares a row's index with the first n numbers of another; a shorter index sorts first. */
static int compare(const uint32_t *row, size_t index_n, const uint32_t *other, size_t n)
{
    for (size_t i = 0; i < index_n && i < n; i++)
        if (row[i] != other[i])
            return row[i] < other[i] ? -1 : 1;
    return index_n == n ? 0 : index_n < n ? -1 : 1;
}

static int compare_rows(const void *a, const void *b, void *index_n)
{
    return compare(a, *(const size_t *)index_n, b, *(const size_t *)index_n);
}

void em_snapshot_finish(struct em_snapshot *s)
{
    for (size_t t = 0; t < EM_T_COUNT; t++) {
        size_t index_n = em_catalogue[t].index_n;

        if (s->t[t].n > 1)
            qsort_r(s->t[t].rows, s->t[t].n, em_catalogue[t].row_size, compare_rows, &index_n);
    }
}

/* Number of the first row whose index is >= (or, with `after`, >) the given one. */
static size_t lower_bound(const struct em_snapshot *s, enum em_table_id t, const uint32_t *index, size_t n,
                          bool after)
{
    size_t low = 0, high = s->t[t].n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = compare(em_snapshot_row(s, t, mid), em_catalogue[t].index_n, index, n);

        if (c < 0 || (after && c == 0))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const void *em_snapshot_find(const struct em_snapshot *s, enum em_table_id t, const uint32_t *index)
{
    size_t index_n = em_catalogue[t].index_n, i = lower_bound(s, t, index, index_n, false);
    const void *row = i < s->t[t].n ? em_snapshot_row(s, t, i) : NULL;

    return row && compare(row, index_n, index, index_n) == 0 ? row : NULL;
}

const void *em_snapshot_next(const struct em_snapshot *s, enum em_table_id t, const uint32_t *index, size_t n)
{
    size_t i = lower_bound(s, t, index, n, true);

    return i < s->t[t].n ? em_snapshot_row(s, t, i) : NULL;
}

struct em_snapshot *em_mailbox_put(struct em_mailbox *m, struct em_snapshot *s)
{
    return atomic_exchange(&m->slot, s);
}

struct em_snapshot *em_mailbox_take(struct em_mailbox *m)
{
    return atomic_exchange(&m->slot, NULL);
}
