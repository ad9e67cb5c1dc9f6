/* SPDX-License-Identifier: GPL-3.0-or-later
 * What sweep and path have in common: one long test of one host, with its loop, the lookup of the name, a progress bar and an orderly end.
 *
 *     static const struct cli_task_kind kind = { "swept", "ports", start, progress, stop, report };
 *     struct run { struct cli_task task; ... } run = { .task = { .kind = &kind } };     task is the first member
 *     ... cli_task_host(&run.task, ...) ...
 *     return cli_task_run(&run.task);
 */
#ifndef EM_CLI_TASK_H
#define EM_CLI_TASK_H

#include "cli/cli.h"
#include "cli/loop.h"
#include "model/rows.h"

struct cli_task;

/* Each is given the task, which is the first member of the command's own struct. */
struct cli_task_kind {
    const char *done_to_host; /* "swept": what is done to one of several addresses */
    const char *unit;         /* of the progress bar */
    /* Begins the test of this address; cli_task_done() is to be its `done`, with the task as its argument. */
    int (*start)(struct cli_task *t, struct em_net *net, const struct em_addr *address, struct em_why *why);
    void (*progress)(const struct cli_task *t, uint64_t *ended, uint64_t *all);
    void (*stop)(struct cli_task *t);              /* also when nothing was started */
    int (*report)(struct cli_task *t, bool whole); /* returns the exit status; whole: false after a signal */
};

struct cli_task {
    const struct cli_task_kind *kind;
    char host[EM_URI_MAX];
    uint16_t port; /* that addresses are made with; 0 when the test brings its own */

    /* the task's own */
    struct cli_loop *loop;
    struct em_lookup *lookup;
    struct em_timer *tick;
    struct cli_progress bar;
    struct em_why why;
    bool started, failed;
};

/* What was typed for a host: a name or an address, an IPv6 one with or without brackets. False: nothing, or more than there is room for. */
bool cli_task_host(struct cli_task *t, struct slice typed) EM_MUST_CHECK;

void cli_task_done(void *task);

/* Returns an enum cli_exit; what failed was told. */
int cli_task_run(struct cli_task *t);

#endif
