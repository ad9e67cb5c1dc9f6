/* SPDX-License-Identifier: GPL-3.0-or-later
 * The SNMP face: an AgentX subagent in a thread of its own, the only place that uses net-snmp's agent library. It sees nothing but
 * snapshots from the mailbox; a master agent that is stopped or gone can hold up this thread for seconds, and nothing else.
 */
#ifndef EM_AGENT_SNMP_H
#define EM_AGENT_SNMP_H

#include "agent/notices.h"
#include "base/err.h"
#include "model/snapshot.h"

struct em_snmp;

/* Starts the thread, once in a process (net-snmp does not start twice; a second call is EM_ERR_BUSY). The mailbox stays until
 * em_snmp_stop has returned. address: "/var/agentx/master", "tcp:127.0.0.1:705" ... The master need not be there: it is tried again after
 * a second, then more seldom, at most 10 s apart, said once in the log on the way down and once on the way up. Signals are blocked in the thread. notices: what is sent by
 * itself; it stays as the mailbox does. NULL: nothing. */
int em_snmp_start(const char *address, struct em_mailbox *mailbox, struct em_notice_ring *notices,
                  struct em_snmp **snmp, struct em_why *why) EM_MUST_CHECK;

/* Another master from now on; "": none, until the next address. The same one: nothing happens. */
void em_snmp_move(struct em_snmp *s, const char *address);

/* Something was put into the ring of notices. */
void em_snmp_wake(struct em_snmp *s);

/* Ends the thread, waiting at most wait_ms. False: it is stuck in a call to a stopped master, and is left behind with what it uses; the
 * process is ending. */
bool em_snmp_stop(struct em_snmp *s, int wait_ms);

/* Whether the session with the master is open. Any thread. */
bool em_snmp_connected(const struct em_snmp *s);
unsigned em_snmp_connections(const struct em_snmp *s); /* that were made since the start */

#endif
