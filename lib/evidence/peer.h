/* SPDX-License-Identifier: GPL-3.0-or-later
 * Whom a call failed with: the far relay, which is the partner's edge, and the far domain. Both are seen from the party that reported:
 * its far relay is RemoteMR, its far domain that of To when it was the caller, of From when it was the callee.
 *
 * RelayAddress of a QoE report ([MS-QoE], Connectivity) does not stand in for RemoteMR: it is the relay of the endpoint that reports, which
 * is an edge of ours for users of ours. Taken for the far one it would answer the question which partner's edge fails with ourselves.
 * What names no RemoteMR has no far relay and counts in the row of those without one; its far domain is known all the same.
 *
 * What comes out is an address or a domain and nothing else: never a user, never what a stranger wrote in place of one. So it can be a
 * label, a name in a table and a key, and two spellings of one address are one peer.
 */
#ifndef EM_EVIDENCE_PEER_H
#define EM_EVIDENCE_PEER_H

#include "evidence/report.h"

/* What is before the port of an endpoint, as it is written; an IPv6 address without brackets has no port. */
struct slice em_peer_host(struct slice endpoint);

/* "192.0.2.1:5000", "[2001:db8::1]:5000", "192.0.2.1::5000", with or without the port -> the address as inet_ntop writes it. False: it
 * is none, or the unspecified one, which stands for no relay. */
bool em_peer_relay(struct slice endpoint, char address[EM_ADDRESS_MAX]);

/* Labels of letters, digits, hyphens and underscores -> in lower case, without a trailing dot. False: it is something else, or longer than
 * 253 bytes (RFC 1035 section 2.3.4). An IPv4 address is such a name, too. */
bool em_peer_host_name(struct slice name, char domain[EM_TEXT_MAX]);

/* The host of the URI in a From or To header, in lower case, without a trailing dot: RFC 3261 section 20.20, what strangers make of it,
 * or the bare URI. False: it has no user, or is no host name or address. */
bool em_peer_domain(struct slice header, char domain[EM_TEXT_MAX]);

/* Of a report, of the first of its media that names one. False: it names none, and the text is "". */
bool em_report_relay(const struct em_report *r, char address[EM_ADDRESS_MAX]);
/* Which of the two is far is not known when no side is: then both must be in the same domain. */
bool em_report_domain(const struct em_report *r, char domain[EM_TEXT_MAX]);

#endif
