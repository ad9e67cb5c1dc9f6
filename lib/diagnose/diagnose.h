/* SPDX-License-Identifier: GPL-3.0-or-later
 * From observations to findings. Observations are the rows of a snapshot, and nothing else: what the checks saw, which calls failed
 * with which codes and ICE warnings, how the sources are. A finding says what is believed to be wrong, on which edge and path, on what
 * evidence, what to do, and what would refute it.
 *
 * Rules are rows of a table (rules.c): a condition, the kinds that it gives way to, the words. A condition only looks at observations and
 * makes claims; when a claim becomes a finding, and when a finding ends, is decided here for all of them alike:
 *
 *     claim --> waiting --seen by 2 probes, or by calls, or for raise_after_us--> raised --not claimed for clear_after_us--> ended
 *                  \--not claimed any more--> forgotten                             \--claimed again--> raised
 *
 * Time: `mono_us` decides about waiting and ending, so that a step of the wall clock raises and ends nothing by itself.
 *
 *     em_diagnosis_observe(d, snapshot, mono_us);     after each snapshot
 *     em_diagnosis_counts(d, counts);                 of the next snapshot, which shows what was found in this one
 *     em_diagnosis_fill(d, next);
 *
 * Main thread only. Bounded by EM_FINDINGS_MAX findings; claims beyond are counted in em_diagnosis_left_out().
 */
#ifndef EM_DIAGNOSE_DIAGNOSE_H
#define EM_DIAGNOSE_DIAGNOSE_H

#include <stdbool.h>

#include "base/err.h"
#include "model/snapshot.h"

/* What outlives a restart is kept by the caller. */
struct em_diagnosis_memory {
    /* The number of this key ("kind/edge/path"), the same for ever. */
    int (*number)(void *arg, const char *key, uint32_t *number, struct em_why *why);
    /* A finding was raised (ended_us 0) or has ended; at a start it may have been there before: *since_us then is when it was raised. */
    void (*raised)(void *arg, const struct em_finding_row *row, int64_t *since_us);
    void (*ended)(void *arg, const struct em_finding_row *row, int64_t ended_us);
    void *arg;
};

struct em_diagnosis_limits {
    int64_t raise_after_us;   /* a claim without probes and calls behind it becomes a finding after so long */
    int64_t clear_after_us;   /* a finding ends so long after the last claim of it */
    int64_t calls_window_us;  /* calls that failed longer ago are no observation any more */
    int64_t source_silent_us; /* a source that brought nothing for so long is silent */
    int64_t skew_us;          /* a record that is so far in the future is of another clock */
    uint32_t calls_few;       /* so many failed calls alike make a claim */
    uint32_t certificate_days; /* a certificate that ends so soon is a claim */
};
extern const struct em_diagnosis_limits em_diagnosis_default_limits;

struct em_diagnosis;

/* limits and memory are copied. NULL: no memory. */
struct em_diagnosis *em_diagnosis_new(const struct em_diagnosis_limits *limits,
                                      const struct em_diagnosis_memory *memory);
void em_diagnosis_free(struct em_diagnosis *d); /* NULL is fine */

/* From now on. */
void em_diagnosis_limit(struct em_diagnosis *d, const struct em_diagnosis_limits *limits);

/* True when a finding was raised or ended. EM_ERR_MEMORY and failures of memory->number leave findings as they were. */
int em_diagnosis_observe(struct em_diagnosis *d, const struct em_snapshot *s, int64_t mono_us, bool *changed,
                         struct em_why *why) EM_MUST_CHECK;

void em_diagnosis_counts(const struct em_diagnosis *d, size_t counts[EM_T_COUNT]);
void em_diagnosis_fill(const struct em_diagnosis *d, struct em_snapshot *s);

size_t
em_diagnosis_left_out(const struct em_diagnosis *d); /* claims of the last observation that had no room */

#endif
