/* SPDX-License-Identifier: GPL-3.0-or-later
 * The configured edges and their checks: runs a probe of each check at its interval, keeps what each address of it came to, and
 * writes the rows of a snapshot. Counters and numbers come from the store and go back to it, so that they survive.
 *
 * A reload applies a new configuration to what runs: a check that did not change goes on undisturbed, with its state; one that
 * changed or is new begins untested; one that is gone is stopped.
 */
#ifndef EM_AGENT_CHECKS_H
#define EM_AGENT_CHECKS_H

#include "agent/conf.h"
#include "store/store.h"

struct em_checks;

/* changed: something that a snapshot shows is different now. NULL: no memory. */
struct em_checks *em_checks_new(struct em_net *net, struct em_store *store, void (*changed)(void *arg),
                                void *arg);
void em_checks_free(struct em_checks *c); /* stops every probe; NULL is fine */

/* A configuration comes into force in two steps, so that a daemon has all of it or nothing. prepare does everything that can fail, in the
 * transaction that the caller has open in the store, and changes nothing of what runs; conf is copied. Then the plan is either committed,
 * which cannot fail, or discarded; both free it, in the same turn of the loop. */
struct em_checks_plan;
int em_checks_prepare(struct em_checks *c, const struct em_conf *conf, struct em_checks_plan **plan,
                      struct em_why *why) EM_MUST_CHECK;
void em_checks_commit(struct em_checks_plan *plan);
void em_checks_discard(struct em_checks_plan *plan); /* NULL is fine */

/* How many rows the next two fill, in counts[EM_T_EDGE] and counts[EM_T_CHECK]. */
void em_checks_counts(const struct em_checks *c, size_t counts[EM_T_COUNT]);
void em_checks_fill(const struct em_checks *c,
                    struct em_snapshot *s); /* also the daemon group's counts of checks */

#endif
