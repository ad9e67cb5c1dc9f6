/* SPDX-License-Identifier: GPL-3.0-or-later
 * The model as it is now: puts the rows of the store, the checks and the sources together into snapshots, keeps the newest for the
 * web and the control socket, and a copy in the mailbox for SNMP. When something changed, at most EM_STATE_PER_S times in a
 * second; when nothing did, every EM_STATE_IDLE_S, since windows move on.
 */
#ifndef EM_AGENT_STATE_H
#define EM_AGENT_STATE_H

#include "agent/checks.h"
#include "agent/feeds.h"
#include "agent/ranges.h"
#include "diagnose/diagnose.h"

enum { EM_STATE_PER_S = 4, EM_STATE_IDLE_S = 5 };

struct em_state_parts {
    struct em_net *net;
    struct em_store *store;
    const struct em_checks *checks;
    const struct em_ranges *ranges;
    const struct em_feeds *feeds;
    struct em_mailbox *mailbox;
    int64_t start_us;
    struct em_diagnosis_limits limits;
    /* Told of each snapshot that was taken; settled: every check has had time to run since the start. NULL: nobody. */
    void (*taken)(void *arg, struct em_snapshot *s, bool settled);
    /* Adds what only the caller knows to the groups of a snapshot. NULL: nothing. */
    void (*fill)(void *arg, struct em_snapshot *s);
    void *arg;
};

struct em_state;

/* Takes the first snapshot at once. */
int em_state_new(const struct em_state_parts *parts, struct em_state **state,
                 struct em_why *why) EM_MUST_CHECK;
void em_state_free(struct em_state *s); /* NULL is fine */

void em_state_changed(struct em_state *s);
/* Another configuration is in force: takes a snapshot at once. */
void em_state_configured(struct em_state *s, const struct em_diagnosis_limits *limits);

/* The newest; valid until the loop goes on. */
const struct em_snapshot *em_state_snapshot(const struct em_state *s);

/* Why the newest could not be taken, or "". */
const char *em_state_failure(const struct em_state *s);

#endif
