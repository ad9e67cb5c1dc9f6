/* SPDX-License-Identifier: GPL-3.0-or-later
 * libevent's loop for one subcommand; nothing else of edgemedia sees libevent. */
#include "cli/loop.h"

#include <signal.h>
#include <stdlib.h>

#include <event2/event.h>

enum { SIGNALS = 2 };

struct cli_loop {
    struct event_base *base;
    struct em_net *net;
    struct event *on[SIGNALS];
    bool stopped, interrupted;
};

static void signalled(evutil_socket_t number, short what, void *arg)
{
    struct cli_loop *loop = arg;

    (void)number;
    (void)what;
    loop->interrupted = true;
    cli_loop_stop(loop);
}

int cli_loop_new(struct cli_loop **made, struct em_why *why)
{
    static const int signals[SIGNALS] = { SIGINT, SIGTERM };
    struct cli_loop *loop = calloc(1, sizeof *loop);

    if (!loop || !(loop->base = event_base_new())) {
        free(loop);
        return em_fail(why, EM_ERR_MEMORY, "cannot make an event loop");
    }
    if (!(loop->net = em_net_event_new(loop->base, why))) {
        cli_loop_free(loop);
        return EM_ERR_SYSTEM;
    }
    for (int i = 0; i < SIGNALS; i++) {
        loop->on[i] = evsignal_new(loop->base, signals[i], signalled, loop);
        if (!loop->on[i] || event_add(loop->on[i], NULL) != 0) {
            cli_loop_free(loop);
            return em_fail(why, EM_ERR_SYSTEM, "cannot catch signals");
        }
    }
    *made = loop;
    return 0;
}

void cli_loop_free(struct cli_loop *loop)
{
    if (!loop)
        return;
    for (int i = 0; i < SIGNALS; i++)
        if (loop->on[i])
            event_free(loop->on[i]);
    em_net_free(loop->net);
    event_base_free(loop->base);
    free(loop);
}

struct em_net *cli_loop_net(struct cli_loop *loop)
{
    return loop->net;
}

bool cli_loop_run(struct cli_loop *loop)
{
    while (!loop->stopped)
        event_base_loop(loop->base, EVLOOP_ONCE);
    return !loop->interrupted;
}

void cli_loop_stop(struct cli_loop *loop)
{
    loop->stopped = true;
    event_base_loopbreak(loop->base);
}
