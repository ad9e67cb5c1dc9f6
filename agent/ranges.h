/* SPDX-License-Identifier: GPL-3.0-or-later
 * The configured ranges of ports: sweeps each at its interval, every address of its hosts one after the other, and writes the rows of a
 * snapshot: what the last sweep found. Few sweeps run at once (EM_RANGES_RUNNING), each with few sockets, so checks are not held up.
 *
 * A sampled range takes its ports from one random order, so that the whole of it is covered over time; the order begins anew with the
 * daemon or another configuration of that range.
 *
 * A configuration comes into force as for checks (agent/checks.h): prepare in the store's open transaction, then commit or discard.
 */
#ifndef EM_AGENT_RANGES_H
#define EM_AGENT_RANGES_H

#include "agent/conf.h"
#include "store/store.h"

enum {
    EM_RANGES_RUNNING = 2,        /* sweeps at once */
    EM_RANGE_SOCKETS = 512,       /* of one sweep */
    EM_RANGE_ADDRESSES_MAX = 64,  /* swept of one range */
    EM_RANGE_EXCEPTIONS_MAX = 64, /* rows of one range; of more, paths that are not clear go first */
};

struct em_ranges;
struct em_ranges *em_ranges_new(struct em_net *net, struct em_store *store, void (*changed)(void *arg),
                                void *arg); /* NULL: no memory */
void em_ranges_free(struct em_ranges *r);   /* NULL is fine */

struct em_ranges_plan;
int em_ranges_prepare(struct em_ranges *r, const struct em_conf *conf, struct em_ranges_plan **plan,
                      struct em_why *why) EM_MUST_CHECK;
void em_ranges_commit(struct em_ranges_plan *plan);
void em_ranges_discard(struct em_ranges_plan *plan); /* NULL is fine */

/* How many rows the next one fills, in counts[EM_T_RANGE] and counts[EM_T_EXCEPTION]. */
void em_ranges_counts(const struct em_ranges *r, size_t counts[EM_T_COUNT]);
void em_ranges_fill(const struct em_ranges *r, struct em_snapshot *s);

#endif
