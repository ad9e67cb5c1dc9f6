/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside probe/: from a URI to the addresses that are tested. A URI with a port, or an address in place of a name, is only resolved.
 * Without port, SRV records are asked for first (RFC 7064, RFC 7065, RFC 8489 section 8, RFC 5928 section 3):
 *
 *     stun:example.com                  _stun._udp     stuns:example.com     _stuns._tcp
 *     turn:example.com, relay:          _turn._udp     turns:example.com     _turns._tcp
 *     ... ?transport=tcp                _stun._tcp, _turn._tcp
 *
 * Every A and AAAA address of every target is a place, in the order of priority and weight; each target whose name does not resolve is a
 * place without address. Without SRV records, or where they cannot be asked for, the name's own addresses and the default port count.
 */
#ifndef EM_PROBE_DISCOVER_H
#define EM_PROBE_DISCOVER_H

#include "probe/probe.h"

enum { EM_PLACES_MAX = EM_LOOKUP_MAX }; /* of one URI; more are left out */

/* Called from the loop, for each place as it is known: an address, or (at NULL) why there is none. Last: nothing comes after it. May stop
 * the discovery. */
typedef void (*em_discover_fn)(void *arg, const struct em_addr *at, const char *failure, bool last);

struct em_discovery;
struct em_discovery *em_discover_start(struct em_net *net, const struct em_probe_uri *uri, int64_t timeout_us,
                                       em_discover_fn found, void *arg); /* NULL: no memory */
void em_discover_stop(struct em_discovery *d); /* not after the last place; NULL is fine */

#endif
