/* SPDX-License-Identifier: GPL-3.0-or-later
 * A table of 64-bit hashes, each with a value of fixed size (or none: a set). Open addressing, nothing is ever removed. It takes 8
 * bytes and the value for each slot and doubles when three quarters are taken.
 */
#ifndef EM_EVIDENCE_HASHTAB_H
#define EM_EVIDENCE_HASHTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hashtab {
    uint64_t *keys;        /* 0: free */
    unsigned char *values; /* NULL when value_size is 0 */
    size_t value_size, n, room, max;
};

void hashtab_init(struct hashtab *t, size_t value_size, size_t max); /* max: of members */
void hashtab_fini(struct hashtab *t);

/* Adds key unless it is there; *added tells. *value (may be NULL) is its place, all zero when new, valid until the next add.
 * 0, EM_ERR_MEMORY or EM_ERR_LIMIT. */
int hashtab_add(struct hashtab *t, uint64_t key, bool *added, void **value) EM_MUST_CHECK;

/* Members one after the other: *at = 0 before the first. false: there are no more. *value is NULL without values. */
bool hashtab_next(const struct hashtab *t, size_t *at, uint64_t *key, const void **value);

#endif
