/* SPDX-License-Identifier: GPL-3.0-or-later
 * Leaving the terminal: without -f, edgemediad goes on in the background once it is ready, and the command returns with what came
 * of the start.
 */
#ifndef EM_AGENT_BACKGROUND_H
#define EM_AGENT_BACKGROUND_H

#include "base/err.h"

/* Returns in the child only, with a descriptor for em_background_ready(). The parent waits: it exits with 0 when the child is ready, and
 * with the child's status when that ended before. Before any thread, event loop or database. */
int em_background(struct em_why *why) EM_MUST_CHECK;

/* Lets the parent go, gives up the terminal, logs to syslog from now on. */
void em_background_ready(int fd);

#endif
