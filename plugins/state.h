/* SPDX-License-Identifier: GPL-3.0-or-later
 * The four states of a plugin and the order in which they outrank each other: OK < UNKNOWN < WARNING < CRITICAL, so that what could
 * not be tested never hides behind an OK, and never covers a known fault.
 */
#ifndef EM_PLUGINS_STATE_H
#define EM_PLUGINS_STATE_H

#include <stdbool.h>

enum state { STATE_OK = 0, STATE_WARNING = 1, STATE_CRITICAL = 2, STATE_UNKNOWN = 3 }; /* the exit codes */
enum { STATE_COUNT = 4 };

const char *state_name(enum state s); /* "OK" ... */
unsigned state_rank(enum state s);    /* higher is worse */
enum state state_worst(enum state a, enum state b);

/* "ok", "warning", "critical", "unknown" in any case, or 0 to 3. */
bool state_read(const char *text, enum state *s);

#endif
