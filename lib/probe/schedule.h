/* SPDX-License-Identifier: GPL-3.0-or-later
 * The scheduler: runs jobs at intervals with jitter, never more than a cap at once, and starts only a few per turn of the loop,
 * so that 500 jobs that are due together do not hold up anything else.
 */
#ifndef EM_PROBE_SCHEDULE_H
#define EM_PROBE_SCHEDULE_H

#include "net/net.h"

enum { EM_JOBS_MAX = 10000, EM_JOBS_STARTED_PER_TURN = 8 };

struct em_schedule;
struct em_job;

struct em_schedule *em_schedule_new(struct em_net *net, uint32_t running_max);
void em_schedule_free(struct em_schedule *s);

/* start is called when the job is due and a place is free; whoever runs it calls em_job_done() when it ended (a job that is still
 * running when it is due again waits). The first run comes after a random part of the interval, at most first_within_us; later ones
 * every interval, each moved by up to jitter (0 to 1, part of the interval). NULL: no memory or EM_JOBS_MAX. */
struct em_job *em_job_add(struct em_schedule *s, int64_t interval_us, double jitter, int64_t first_within_us,
                          void (*start)(void *arg), void *arg);
void em_job_done(struct em_job *j);
void em_job_remove(struct em_job *j); /* also while it runs; NULL is fine */

#endif
