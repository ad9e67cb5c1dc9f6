/* SPDX-License-Identifier: GPL-3.0-or-later
 * History: what happened over the last 60 days, in three resolutions, in a fixed place on disk.
 *
 *     1 minute for 24 hours, 10 minutes for 7 days, 2 hours for 60 days
 *
 * A series has one ring of slots for each resolution. A slot is found by its number (Unix time / step) modulo the length of the ring, and holds
 * the number too: one with another number is empty. So nothing is ever cleaned up, the size is bounded by the number of series, and a clock
 * that steps costs no more than the slots that were written while it was wrong.
 *
 * Series of calls count what counters count, in the transaction of the counters, at the time of the failure (of the reading, when the
 * record has none). Series of paths are probes of a check at an address, or sweeps of a range (address 0): they wait in memory for the
 * next commits, at most EM_HISTORY_PER_COMMIT for each, so that no turn of the loop becomes long. A kill loses those that wait.
 */
#ifndef EM_STORE_HISTORY_H
#define EM_STORE_HISTORY_H

#include "store/store.h"

enum em_history_range { EM_HISTORY_1H, EM_HISTORY_24H, EM_HISTORY_7D, EM_HISTORY_60D, EM_HISTORY_RANGES };

/* Which slots a range has: slot i begins at start_s + i * step_s; the last is the one that runs. */
struct em_history_frame {
    int64_t start_s;
    uint32_t step_s, n;
};
enum {
    EM_HISTORY_SLOTS_MAX = 1440, /* of a frame */
    EM_HISTORY_PATHS_MAX = 4000, /* paths that have a history; one that was not seen for 60 days makes room */
    EM_HISTORY_WAITING_MAX =
        8192, /* results of probes that wait for a commit; further ones are not in the history */
    EM_HISTORY_PER_COMMIT = 500, /* results that one commit writes */
};

/* Kinds of series of calls. The id: number of the event in the order of em_windows (0 media failures, 1 code 23, 2 TCP NAT check,
 * 3 both), the code, the bit (0 to 31), the kind of media less one, the number of the peer. */
enum em_history_kind { EM_HISTORY_EVENT, EM_HISTORY_CODE, EM_HISTORY_ICE, EM_HISTORY_MEDIA, EM_HISTORY_PEER };

/* now_us before 1970: a frame that begins in 1970. */
struct em_history_frame em_history_frame(enum em_history_range range, int64_t now_us);

/* Calls in each slot of the frame; values has frame->n places. */
int em_store_history(struct em_store *s, enum em_history_kind kind, uint32_t id,
                     const struct em_history_frame *frame, uint64_t *values,
                     struct em_why *why) EM_MUST_CHECK;

/* What one probe or sweep came to, and what a slot has of them. */
enum em_history_phase {
    EM_HISTORY_RTT,
    EM_HISTORY_RESOLVE,
    EM_HISTORY_CONNECT,
    EM_HISTORY_TLS,
    EM_HISTORY_STUN,
    EM_HISTORY_ALLOCATE,
    EM_HISTORY_RELAY,
    EM_HISTORY_PHASES
};
struct em_history_probe {
    uint64_t verdict;               /* of a slot: the worst; 0: nothing was tested */
    uint64_t us[EM_HISTORY_PHASES]; /* 0: the phase did not happen. Of a slot: the mean of those that did */
    uint64_t stun_retransmits, tcp_retransmits;
    uint64_t probes, failed_probes; /* of a slot; of one probe: failed_probes is 1 or 0, probes is not read */
};

/* Keeps the result of a probe that ended now. */
void em_store_probe(struct em_store *s, uint32_t edge, uint32_t item, uint32_t address,
                    const struct em_history_probe *result);

/* slots has frame->n places. A path without a history has empty slots. What waits for a commit is not in them. */
int em_store_path_history(struct em_store *s, uint32_t edge, uint32_t item, uint32_t address,
                          const struct em_history_frame *frame, struct em_history_probe *slots,
                          struct em_why *why) EM_MUST_CHECK;

#endif
