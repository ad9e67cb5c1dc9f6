/* SPDX-License-Identifier: GPL-3.0-or-later
 * One long test of one host. */
#include "cli/task.h"

#include <stdio.h>

#include "base/clock.h"

enum { PROGRESS_US = 100000, RESOLVE_US = 10000000 };

bool cli_task_host(struct cli_task *t, struct slice typed)
{
    if (typed.n > 2 && typed.p[0] == '[' && typed.p[typed.n - 1] == ']')
        typed = (struct slice) { typed.p + 1, typed.n - 2 };
    return typed.n > 0 && slice_copy(typed, t->host, sizeof t->host);
}

void cli_task_done(void *task)
{
    cli_loop_stop(((struct cli_task *)task)->loop);
}

static void on_tick(void *arg)
{
    struct cli_task *t = arg;
    uint64_t ended, all;

    t->kind->progress(t, &ended, &all);
    t->bar.total = all;
    cli_progress_at(&t->bar, ended);
    em_timer_at(t->tick, em_mono_us(em_net_clock(cli_loop_net(t->loop))) + PROGRESS_US);
}

static int start(struct cli_task *t, const struct em_addr *addrs, size_t n, const char *failure)
{
    char text[EM_ADDRESS_MAX];

    if (n == 0)
        return em_fail(&t->why, EM_ERR_NOT_FOUND, "cannot resolve %s: %s", t->host, failure);
    em_addr_text(&addrs[0], text);
    if (n > 1)
        fprintf(stderr, "edgemedia: %s has %zu addresses; only %s is %s, name another one to have that %s\n",
                t->host, n, text, t->kind->done_to_host, t->kind->done_to_host);
    return t->kind->start(t, cli_loop_net(t->loop), &addrs[0], &t->why);
}

static void on_address(void *arg, const struct em_addr *addrs, size_t n, const char *failure)
{
    struct cli_task *t = arg;
    uint64_t ended, all;

    t->lookup = NULL;
    if (start(t, addrs, n, failure) < 0) {
        t->failed = true;
        cli_loop_stop(t->loop);
        return;
    }
    t->started = true;
    t->kind->progress(t, &ended, &all);
    cli_progress_begin(&t->bar, all, t->kind->unit);
    if (t->bar.on)
        on_tick(t);
}

int cli_task_run(struct cli_task *t)
{
    bool whole;
    int status;

    if (cli_loop_new(&t->loop, &t->why) < 0)
        return cli_fail("%s", t->why.text);
    t->tick = em_timer_new(cli_loop_net(t->loop), on_tick, t);
    t->lookup = em_net_resolve(cli_loop_net(t->loop), t->host, t->port, RESOLVE_US, on_address, t);
    whole = t->tick && t->lookup && cli_loop_run(t->loop);
    cli_progress_clear(&t->bar);
    if (t->failed)
        status = cli_fail("%s", t->why.text);
    else if (!t->started)
        status = cli_fail("%s", t->tick && t->lookup ? "interrupted" : em_err_text(EM_ERR_MEMORY));
    else
        status = t->kind->report(t, whole);
    em_lookup_cancel(t->lookup);
    em_timer_free(t->tick);
    t->kind->stop(t);
    cli_loop_free(t->loop);
    return status;
}
