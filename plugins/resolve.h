/* SPDX-License-Identifier: GPL-3.0-or-later
 * One name to one address, waited for within the guard's time. IPv4 is preferred unless asked otherwise: snmpd listens there by default.
 */
#ifndef EM_PLUGINS_RESOLVE_H
#define EM_PLUGINS_RESOLVE_H

#include "net/net.h"

/* A name or a literal, with or without []. EM_ERR_TIMEOUT: it does not resolve, or has no address of that kind. */
int resolve(const char *host, uint16_t port, bool only_v4, bool only_v6, struct em_addr *a,
            struct em_why *why) EM_MUST_CHECK;

#endif
