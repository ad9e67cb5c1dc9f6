/* SPDX-License-Identifier: GPL-3.0-or-later
 * One check of an edge as it runs, and what it is part of. Only checks.c and check.c include this.
 *
 * An address has a number when the store gave it one; until then it is in no row. A check's first address is known when the check is
 * made ("" for a name that was not resolved yet), and gets its number in that transaction; those that a probe finds get theirs a little
 * later, many in one transaction (checks.c), since such a transaction waits for the disk.
 */
#ifndef EM_AGENT_CHECK_H
#define EM_AGENT_CHECK_H

#include "agent/checks.h"
#include "agent/shared_options.h"
#include "probe/schedule.h"

struct address {
    struct em_check_row row;
    struct em_check_totals totals;
    bool answered;               /* has a result of the probe that runs, or of the last one */
    struct em_path_memory *path; /* of a check of a path; NULL: not tested yet */
    char issuer[EM_TEXT_MAX];    /* who issued the first good certificate that was seen here; "": none was */
};

struct check {
    struct em_checks *all;
    struct edge *edge;
    uint32_t number;
    char name[EM_NAME_MAX];
    struct em_probe_uri uri;
    struct shared_options *shared;
    int64_t interval_us;
    struct em_job *job;
    struct em_job *next_job; /* in the schedule of a plan that keeps this check */
    bool kept;               /* by a plan */
    struct em_probe *probe;  /* NULL: none runs */
    bool due;                /* the scheduler waits for em_job_done() */
    struct address *address;
    size_t address_n;
};

struct edge {
    char name[EM_NAME_MAX];
    uint32_t number;
    struct check **check;
    size_t check_n;
    enum em_verdict verdict;
    int64_t changed_us;
};

struct em_checks {
    struct em_net *net;
    struct em_store *store;
    struct em_timer *numbers; /* gives addresses their numbers */
    int64_t numbers_us;       /* monotonic: not before this time */
    bool numbers_failed;
    struct em_schedule *schedule;
    uint32_t concurrent;
    struct shared_options *options; /* of all checks */
    void (*changed)(void *arg);
    void *arg;
    struct edge *edge;
    size_t edge_n;
};

/* In the open transaction of the store. Its first run is in a later turn. NULL: why tells. */
struct check *check_new(struct em_checks *c, struct edge *e, const struct em_conf_check *conf,
                        struct em_schedule *schedule, struct em_why *why);
void check_free(struct check *k); /* stops it; NULL is fine */
struct em_job *check_job(struct check *k, struct em_schedule *schedule,
                         struct em_why *why);                             /* a place in a schedule */
bool check_same(const struct check *k, const struct em_conf_check *conf); /* configured in the same way */

/* Number of an address, from the store, in its open transaction. */
int check_number(const struct check *k, const struct address *a, uint32_t *number,
                 struct em_why *why) EM_MUST_CHECK;
/* That transaction is committed: the address has a row from now on, with what was counted in its former lives. */
void check_show(struct check *k, struct address *a, uint32_t number);
void check_prune(struct check *k); /* addresses that the last probe did not find any more go */

/* checks.c */
void checks_new_address(struct em_checks *c); /* there is one without a number */
size_t checks_addresses(const struct em_checks *c);
void edge_update(struct edge *e, int64_t now_us); /* the worst of its checks, and since when */

#endif
