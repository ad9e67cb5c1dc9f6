/* SPDX-License-Identifier: GPL-3.0-or-later
 * From snapshots to notifications: remembers what a manager was told of each object, compares it with each new snapshot, and hands what
 * differs to the SNMP thread.
 *
 * There is no queue of past events: what waits is the difference between what was told and what is, so that after a time without a
 * master agent, or beyond the rate, the manager is told how things are now. A change that is undone before its turn is told by nobody,
 * and counted as dropped.
 *
 *     object good --bad for delay_us--> raise handed over --taken by the master--> told raised
 *     told raised --good for delay_us--> clear handed over --taken--> forgotten
 *     handed over --no answer, connection lost--> as before, and compared again
 *
 * Main thread only, but for the ring, which the SNMP thread empties.
 */
#ifndef EM_AGENT_NOTICES_H
#define EM_AGENT_NOTICES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "model/events.h"
#include "model/snapshot.h"

enum {
    EM_NOTICES_MAX = 1000, /* objects that are raised or wait at the same time */
    EM_NOTICES_RING = 64,  /* handed over and not answered yet */
    EM_NOTICES_MEMORY_MAX = EM_NOTICES_MAX * 48,
};

enum em_notice_result { EM_NOTICE_SENT = 1, EM_NOTICE_REFUSED, EM_NOTICE_LOST };

/* One notification on its way. The row belongs to who handed it over, until there is a result. */
struct em_notice {
    const struct em_event_kind *kind;
    bool raise;
    const void *row; /* of kind->table */
    uint8_t result;  /* enum em_notice_result, by the SNMP thread */
};

/* One thread puts (pushed), the other one takes and answers in the same order (answered). */
struct em_notice_ring {
    struct em_notice slot[EM_NOTICES_RING];
    atomic_uint pushed, answered;
};

struct em_notice_limits {
    uint32_t per_minute; /* on average; a quarter of it may come at once. 0: none are sent */
    int64_t delay_us;    /* a change that did not last so long is no event */
};

/* What outlives a restart, so that an alarm raised by one process is cleared by the next: a text of at most EM_NOTICES_MEMORY_MAX bytes. */
struct em_notices_memory {
    void (*keep)(void *arg, const char *text); /* NULL: nothing is kept */
    /* Fills in what is known of a row that was raised by the process before this one and is not there any more. NULL: nothing. */
    void (*recall)(void *arg, enum em_table_id table, const uint32_t *index, void *row);
    void *arg;
};

struct em_notices;

/* ring stays as long as the SNMP thread runs. remembered: the text that was kept last, or "". NULL: no memory. */
struct em_notices *em_notices_new(struct em_notice_ring *ring, const struct em_notices_memory *memory,
                                  const char *remembered);
/* The rows of notices that are in the ring are left alone when the thread that has it may still run. NULL is fine. */
void em_notices_free(struct em_notices *n, bool thread_runs);

void em_notices_limit(struct em_notices *n, const struct em_notice_limits *limits);

/* After each snapshot, of which it becomes an owner. connected: there is a master agent. settled: every check has had time to run, so that what is not in the snapshot
 * is not there. True: something was put into the ring. */
bool em_notices_observe(struct em_notices *n, struct em_snapshot *s, int64_t mono_us, bool connected,
                        bool settled);

/* For the daemon's row: notifications_*. */
void em_notices_fill(const struct em_notices *n, struct em_daemon *d);

#endif
