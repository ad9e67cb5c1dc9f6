/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a store shows, whole and in order: for tests of the store.
 */
#ifndef TESTS_UNIT_STORE_SNAPSHOT_H
#define TESTS_UNIT_STORE_SNAPSHOT_H

#include "../harness.h"
#include "store/store.h"

static struct em_why snapshot_why;

/* The caller frees it. */
static struct em_snapshot *snapshot(struct em_store *s)
{
    size_t counts[EM_T_COUNT] = { 0 };
    struct em_snapshot *to;

    em_store_counts(s, counts);
    to = em_snapshot_new(counts);
    ck_assert_ptr_nonnull(to);
    ck_assert_msg(em_store_fill(s, to, &snapshot_why) == 0, "%s", snapshot_why.text);
    em_snapshot_finish(to);
    return to;
}

#endif
