/* SPDX-License-Identifier: GPL-3.0-or-later
 * What systemd is told (sd_notify(3)), without its library: datagrams to $NOTIFY_SOCKET. Without that variable nothing happens.
 */
#ifndef EM_AGENT_NOTIFY_H
#define EM_AGENT_NOTIFY_H

#include <stdint.h>

/* "READY=1", "RELOADING=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1"; several are separated by newlines. */
void em_notify(const char *state);

/* How often WATCHDOG=1 is wanted: half of $WATCHDOG_USEC, or 0. */
int64_t em_notify_watchdog_us(void);

#endif
