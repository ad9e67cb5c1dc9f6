/* SPDX-License-Identifier: GPL-3.0-or-later
 * The configured sources of evidence, as they run. A reload leaves a source that did not change alone.
 */
#ifndef EM_AGENT_FEEDS_H
#define EM_AGENT_FEEDS_H

#include "agent/conf.h"
#include "source/keep.h"
#include "source/source.h"

struct em_feeds;

/* keep: what was kept for them by the last process; lives as long as the feeds. */
struct em_feeds *em_feeds_new(struct em_net *net, struct em_store *store, struct em_keep *keep,
                              void (*changed)(void *arg), void *arg);
void em_feeds_free(struct em_feeds *f); /* NULL is fine */

/* As em_checks_prepare and its sisters. A source that cannot be started does not fail: it has a row with state failed that says why, and
 * is tried again at the next reload. */
struct em_feeds_plan;
int em_feeds_prepare(struct em_feeds *f, const struct em_conf *conf, struct em_feeds_plan **plan,
                     struct em_why *why) EM_MUST_CHECK;
void em_feeds_commit(struct em_feeds_plan *plan);
void em_feeds_discard(struct em_feeds_plan *plan); /* NULL is fine */

/* Why a source does not read on although its files can be read: the database; "": none has that. */
const char *em_feeds_failure(const struct em_feeds *f);

size_t em_feeds_count(const struct em_feeds *f);
void em_feeds_fill(const struct em_feeds *f,
                   struct em_snapshot *s); /* also the daemon group's counts of sources */

#endif
