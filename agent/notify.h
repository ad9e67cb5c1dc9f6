/* SPDX-License-Identifier: GPL-3.0-or-later
 * What systemd is told (sd_notify(3)), without its library: datagrams to $NOTIFY_SOCKET. Without that variable nothing happens.
 */
#ifndef EM_AGENT_NOTIFY_H
#define EM_AGENT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* "READY=1", "RELOADING=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1"; several are separated by newlines. */
void em_notify(const char *state);

/* The same with a descriptor, of which the receiver gets a copy; -1: none. False: it was not told. True without $NOTIFY_SOCKET. */
bool em_notify_fd(const char *state, int fd);

/* Gives what systemd kept (sd_listen_fds_with_names(3)) to take, which owns fd from then on, and forgets where it came from, so that children
 * do not take it for theirs. */
void em_notify_kept(void (*take)(void *arg, const char *name, int fd), void *arg);

/* How often WATCHDOG=1 is wanted: half of $WATCHDOG_USEC, or 0. */
int64_t em_notify_watchdog_us(void);

#endif
