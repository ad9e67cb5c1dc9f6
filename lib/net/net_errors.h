/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the kernel says about a failed packet or connection, turned into struct em_net_error: the socket's error queue (ICMP, with the
 * address of who sent it), or errno alone. TCP's reset and an ICMP port unreachable both are ECONNREFUSED: only the queue tells.
 */
#ifndef EM_NET_NET_ERRORS_H
#define EM_NET_NET_ERRORS_H

#include "net/net.h"

struct sock_extended_err;

/* Takes one message off the socket's error queue. False: the queue is empty. */
bool em_errqueue_next(int fd, struct em_net_error *e);

/* The same for one message as the kernel delivers it: its extended error with the offender's address behind it, n bytes in all. */
bool em_errqueue_read(const struct sock_extended_err *s, size_t n, struct em_net_error *e);

/* When in the life of a socket an errno was seen. */
enum em_phase { EM_PHASE_OPEN, EM_PHASE_CONNECTING, EM_PHASE_CONNECTED };
struct em_net_error em_errno_error(int error, enum em_phase phase);

#endif
