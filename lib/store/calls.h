/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the store: what it knows of each call.
 *
 * Calls and failures take their ids from one sequence that never falls. A call's row holds its first report and the code of it; the
 * failure of that code has the id of the call. Most calls have no more than that. Further reports and codes are in tables of their own.
 */
#ifndef EM_STORE_CALLS_H
#define EM_STORE_CALLS_H

#include "evidence/count.h"
#include "store/store.h"

enum {
    EM_CALL_ID_MAX =
        256, /* bytes of a Call-ID that are kept; longer ones are known by their beginning and two hashes */
    EM_CALL_CODE_23 = 1, /* flags of a call */
    EM_CALL_MEDIA_FAILED = 2,
};

struct em_store_call {
    int64_t id;
    struct em_call_state state; /* known: it has a row */
    uint32_t peers;             /* which of EM_PEER_FLAGS are set */
    bool has_report, has_code;  /* in its row */
    uint64_t report;
    uint32_t code;
    uint64_t hash;
    size_t n;
    uint8_t call_id[EM_CALL_ID_MAX];
};

/* In a transaction. Finds the call, or gives a new one its id. */
int em_store_call_find(struct em_store *s, struct slice call_id, struct em_store_call *c,
                       struct em_why *why) EM_MUST_CHECK;

/* The call of that Call-ID; only looks. 1: *id; 0: there is none. */
int em_store_call_look(struct em_store *s, struct slice call_id, int64_t *id,
                       struct em_why *why) EM_MUST_CHECK;

/* Is the report's key new to the call? 1 yes, and it is noted; 0 no. */
int em_store_call_report(struct em_store *s, struct em_store_call *c, uint64_t key,
                         struct em_why *why) EM_MUST_CHECK;
/* The same for a code; *failure is the id of its failure then, 0 for a code that is information. */
int em_store_call_code(struct em_store *s, struct em_store_call *c, uint32_t code, int64_t *failure,
                       struct em_why *why) EM_MUST_CHECK;

/* Writes the row: a new one, or what changed from `before`, which is how it was found. */
int em_store_call_write(struct em_store *s, const struct em_store_call *c, const struct em_store_call *before,
                        int64_t now_us, struct em_why *why) EM_MUST_CHECK;

int em_store_call_there(struct em_store *s, int64_t call, struct em_why *why) EM_MUST_CHECK; /* 1 yes, 0 no */

/* What a database of schema 3 and before had, row for row into the tables of today. In a transaction, a step of it; *more: there is
 * more. Until then both are asked. */
int em_store_older_load(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
int em_store_older_move(struct em_store *s, bool *more, struct em_why *why) EM_MUST_CHECK;

#endif
