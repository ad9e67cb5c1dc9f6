/* SPDX-License-Identifier: GPL-3.0-or-later
 * The event loop of the subcommands that use the network: runs until somebody stops it, or SIGINT or SIGTERM comes.
 */
#ifndef EM_CLI_LOOP_H
#define EM_CLI_LOOP_H

#include <stdbool.h>

#include "base/err.h"
#include "net/net.h"

struct cli_loop;

int cli_loop_new(struct cli_loop **loop, struct em_why *why) EM_MUST_CHECK;
void cli_loop_free(
    struct cli_loop *loop); /* NULL is fine. Everything opened on its network must be closed before */

struct em_net *cli_loop_net(struct cli_loop *loop);

/* Returns when cli_loop_stop() was called, even if that was before; false: a signal ended it. */
bool cli_loop_run(struct cli_loop *loop);
void cli_loop_stop(struct cli_loop *loop);

#endif
