/* SPDX-License-Identifier: GPL-3.0-or-later
 * The watchdog of the run: whatever hangs (a resolver, a library, a disk), the plugin prints one line and exits by itself, before
 * Nagios would kill it. Termination signals end it the same way, with UNKNOWN; SIGPIPE is ignored.
 *
 * The network gets a deadline a little before the alarm, so that an ordinary silence is reported by the code that knows what it was
 * waiting for, and the alarm is only for what cannot be given a deadline.
 */
#ifndef EM_PLUGINS_GUARD_H
#define EM_PLUGINS_GUARD_H

#include <stdint.h>

#include "plugins/state.h"

/* Signals; call first. */
void guard_start(void);

/* Arms the alarm. silence: the state for a hang in a phase that waits for the peer. */
void guard_arm(int64_t timeout_us, enum state silence);

/* From here on the watchdog's line is a JSON object, as report_json's. */
void guard_json(void);

/* What the plugin does now, a literal: "resolving the name of the host". peer: a hang here is the peer's silence. */
void guard_phase(const char *doing, bool peer);

/* Microseconds that are left for the network; 0 when the time is over. */
int64_t guard_left_us(void);

/* No line of the watchdog after this. */
void guard_stop(void);

#endif
