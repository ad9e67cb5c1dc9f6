/* SPDX-License-Identifier: GPL-3.0-or-later
 * How long the SNMP side waits before it tries its master again. Pure.
 *
 * A restart of snmpd takes less than a second, so the first wait is short; a master that stays away or throws the subagent out is tried more
 * and more seldom. The waits are not the same twice: subagents that lost one master together do not come back together.
 */
#ifndef EM_AGENT_SNMP_RETRY_H
#define EM_AGENT_SNMP_RETRY_H

#include "base/clock.h"

enum {
    EM_SNMP_RETRY_FIRST_S = 1, /* the longest first wait */
    EM_SNMP_RETRY_MOST_S = 10, /* of all waits */
    EM_SNMP_STEADY_S = 30,     /* a connection that lasted so long was good: waits begin anew */
};

/* Microseconds to wait after `failed` tries in a row (0: the connection was lost just now): the wait doubles up to the most, and between a half
 * and all of it is taken by the clock's dice. */
int64_t em_snmp_retry_us(const struct em_clock *c, unsigned failed);

#endif
