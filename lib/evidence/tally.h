/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a report about many failures shows besides totals: when they were, which far relays they had, and the latest of them. Of a fixed
 * size, whatever comes: time is counted in columns that get wider, relays beyond the maximum are counted together.
 *
 * One failure is a call and a code, as em_scan tells them.
 */
#ifndef EM_EVIDENCE_TALLY_H
#define EM_EVIDENCE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/rows.h"

enum {
    EM_TALLY_COLUMNS = 4096, /* of time, counted */
    EM_TALLY_PEERS = 4096,   /* far relay addresses told apart */
    EM_TALLY_LATEST = 200,   /* failures kept as they are */
};

/* Kinds of failures, each counted for one only. */
enum em_tally_kind { EM_TALLY_CODE_23, EM_TALLY_MEDIA, EM_TALLY_OTHER, EM_TALLY_KINDS };

struct em_tally_column {
    int64_t begin_us;
    uint64_t n[EM_TALLY_KINDS];
};

struct em_tally_peer {
    char address[EM_ADDRESS_MAX]; /* without the port; as it was written, so from a stranger */
    uint64_t failures, code_23, code_23_tcp_nat;
    int64_t first_us, last_us; /* 0: no time known */
};

struct em_tally;
struct em_tally *em_tally_new(void); /* NULL: no memory */
void em_tally_free(struct em_tally *t);
void em_tally_add(struct em_tally *t, const struct em_failure_row *row);

/* At most `max` columns of equal width without a gap from the first failure to the last, oldest first; *width_us is a round number of
 * minutes, hours or days. Failures without a time are in none. Returns how many. */
size_t em_tally_columns(const struct em_tally *t, struct em_tally_column *to, size_t max, int64_t *width_us);

/* Media failures by far relay, most first, at most `max`; *rest is the sum of the others, its address empty. Returns how many. */
size_t em_tally_peers(struct em_tally *t, struct em_tally_peer *to, size_t max, struct em_tally_peer *rest);

/* The latest media failures by their time, newest first. */
size_t em_tally_latest(const struct em_tally *t, const struct em_failure_row **rows);

#endif
