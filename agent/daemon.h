/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemediad as a function: main.c calls it, and so can a test.
 */
#ifndef EM_AGENT_DAEMON_H
#define EM_AGENT_DAEMON_H

#include "base/opt.h"

/* Exit status: 0 ended in order, or asked for help, or the configuration is good; 2 wrong usage, errors in the configuration, or it could
 * not start. */
int em_daemon_main(int argc, char **argv);

extern const struct em_opt_program em_daemon_program; /* its options, for the manual's test */

#endif
