/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the store: what of the history is in memory.
 */
#ifndef EM_STORE_HISTORY_STATE_H
#define EM_STORE_HISTORY_STATE_H

#include "store/history.h"

enum {
    EM_HISTORY_RESOLUTIONS = 3,
    EM_HISTORY_DELTAS =
        8192, /* room for what a transaction adds; written into it when three quarters are taken */
};

/* What a transaction adds to one slot. */
struct em_history_delta {
    uint64_t series; /* 0: free */
    uint32_t place;
    int64_t slot;
    uint64_t calls;
};

struct em_history_path {
    uint32_t edge, item, address;
    int64_t id;
    int64_t seen_us; /* as the database has it: a day exact */
};

struct em_history_result {
    uint32_t edge, item, address;
    int64_t at_us;
    struct em_history_probe probe;
};

struct em_history {
    struct em_history_delta delta[EM_HISTORY_DELTAS]; /* open addressing */
    size_t deltas;
    struct em_history_path *path; /* ascending */
    size_t paths_n;
    bool stale;                        /* the paths are to be read again */
    bool paths_full;                   /* told once */
    struct em_history_result *waiting; /* oldest first */
    size_t waiting_n, written;         /* written: in the transaction that is open */
};

struct em_store;

int em_history_load(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
void em_history_free(struct em_history *h);
/* In a transaction: calls more at this time. */
int em_history_count(struct em_store *s, enum em_history_kind kind, uint32_t id, int64_t at_us,
                     int64_t now_us, struct em_why *why) EM_MUST_CHECK;
/* In a transaction: the series has no calls any more. */
int em_history_forget(struct em_store *s, enum em_history_kind kind, uint32_t id,
                      struct em_why *why) EM_MUST_CHECK;
int em_history_save(struct em_store *s, struct em_why *why) EM_MUST_CHECK; /* before the commit */
void em_history_committed(struct em_store *s);
void em_history_rolled_back(struct em_store *s);

#endif
