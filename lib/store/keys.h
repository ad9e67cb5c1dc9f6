/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the store: which call may have a Call-ID.
 *
 * A key is 56 bits of a hash of the Call-ID under a secret of this database, so that nobody outside can choose Call-IDs whose keys
 * are equal or neighbours. Equal keys happen all the same, so a key only proposes calls; the caller compares the Call-ID itself.
 *
 * Keys come in no order. In a tree on disk each would touch a page of its own, and all of them wait for it. So new ones are young for a
 * while, in memory alone; a generation of them is then frozen, sorted, and merged into the table `key` in that order, a few with each
 * call that comes: neighbours share pages, and no commit has much to do. Which calls the table has is a number in the database
 * (`keys_to`), so the next process finds the young ones again in the rows of the calls.
 */
#ifndef EM_STORE_KEYS_H
#define EM_STORE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"

enum {
    EM_KEYS_BITS = 56,
    EM_KEYS_GENERATION =
        131072, /* young keys that are frozen together: 2 MiB. Those of a transaction that does not end are twice as
                                  * many, further ones go into the table at once. */
    EM_KEYS_SETTLE = 16384, /* so many young ones are merged when nothing comes any more */
};

struct em_store_key {
    uint64_t hash;
    int64_t call; /* 0: free */
};

struct em_store_keys {
    struct em_hash_key secret;
    uint64_t mask;                          /* of the hash; tests make it small, */
    size_t generation;                      /* and this, between free and load */
    struct em_store_key *young;             /* open addressing, placed by the highest bits: nearly sorted */
    size_t young_n, room;                   /* room: a power of two */
    struct em_store_key *frozen;            /* sorted */
    size_t frozen_n, merged, merged_before; /* before: as of the last commit */
    int64_t frozen_to;                      /* the last call of the generation */
    uint64_t twins;                         /* rows of the table of keys that several calls have */
    bool came;                              /* since the last step of forgetting */
    uint64_t swept;                         /* keys below it were looked at for calls that are gone */
    bool sweeping;
};

struct em_store;

int em_keys_load(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
void em_keys_free(struct em_store_keys *k);
uint64_t em_keys_hash(const struct em_store_keys *k, const void *p, size_t n);

/* Asks `is` for each call that has the key, until it does not return 0. Returns what it returned last. */
int em_keys_find(struct em_store *s, uint64_t hash, int (*is)(void *arg, int64_t call, struct em_why *why),
                 void *arg, struct em_why *why) EM_MUST_CHECK;

/* In a transaction. add: a call that is new, with the highest id. add_old: into the table at once. */
int em_keys_add(struct em_store *s, uint64_t hash, int64_t call, struct em_why *why) EM_MUST_CHECK;
int em_keys_add_old(struct em_store *s, uint64_t hash, int64_t call, struct em_why *why) EM_MUST_CHECK;

/* In a transaction, a step of what is to be done in time: young keys into the table when nothing comes, and keys of calls that are gone
 * (up to last) out of it, when there are many. *more: that was not all. */
int em_keys_settle(struct em_store *s, int64_t last, bool *more, struct em_why *why) EM_MUST_CHECK;

void em_keys_saving(struct em_store *s); /* before the numbers are saved */
void em_keys_committed(struct em_store *s);
void em_keys_rolled_back(struct em_store *s);

#endif
