/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the store: whom calls failed with. A table of at most EM_PEERS_MAX rows, in memory and in the database: the peers of each kind
 * that failed last, and a row for all others. Nothing is subtracted ever: a peer that makes room leaves its counts to the others.
 */
#ifndef EM_STORE_PEERS_H
#define EM_STORE_PEERS_H

#include "base/err.h"
#include "evidence/count.h"
#include "model/snapshot.h"

enum {
    EM_PEER_COUNTS = 3,   /* media failures, code 23, code 23 with the TCP NAT bit */
    EM_PEER_MINUTES = 64, /* slots of a ring: an hour, the minute that runs, some to spare */
    EM_PEERS_MOVED_MAX =
        16, /* peers that make room in one transaction; what else is new then counts for the others */
};

struct em_store_peer {
    int64_t id; /* the row's number in the database, and its index */
    uint32_t kind;
    bool dirty; /* differs from the database */
    uint64_t hash;
    char name[EM_TEXT_MAX];
    uint64_t n[EM_PEER_COUNTS];
    int64_t first_us, last_us;
    struct {
        uint32_t minute, n; /* Unix time / 60 s; media failures in it */
    } recent[EM_PEER_MINUTES];
};

struct em_store_peers {
    struct em_store_peer row[EM_PEERS_MAX]; /* the first two are the others, of relays and of domains */
    size_t n;
    unsigned moved; /* in this transaction */
    bool changed;   /* differs from the last commit */
};

struct em_store;

/* What a call has counted for so far: bits of the call's row, set by em_store_peers_report. */
enum { EM_PEER_FLAGS = 0xfc };

int em_store_peers_load(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
/* In a transaction: a report of a call that was not told before. call: what is known of it now; flags: what it counted for. */
int em_store_peers_report(struct em_store *s, int64_t id, const struct em_report *r,
                          const struct em_call_state *call, const struct em_count_delta *d, int64_t at_us,
                          int64_t now_us, uint32_t *flags, struct em_why *why) EM_MUST_CHECK;
int em_store_peers_save(struct em_store *s, struct em_why *why) EM_MUST_CHECK; /* before the commit */
void em_store_peers_committed(struct em_store *s);
void em_store_peers_rolled_back(struct em_store *s);

size_t em_store_peers_count(const struct em_store *s);
void em_store_peers_fill(const struct em_store *s, struct em_snapshot *to);

#endif
