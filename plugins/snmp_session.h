/* SPDX-License-Identifier: GPL-3.0-or-later
 * One SNMP session with one agent: net-snmp's single-session interface, kept from reading or writing any file, from logging and from
 * taking longer than the guard allows.
 */
#ifndef EM_PLUGINS_SNMP_SESSION_H
#define EM_PLUGINS_SNMP_SESSION_H

#include "plugins/conf.h"

struct snmp_pdu;

struct snmp_session_state {
    void *handle;
    char target[EM_URI_MAX]; /* "192.0.2.1:161", for messages */
    bool v3, answered;       /* answered: the agent has answered a request */
};

/* Resolves, opens, and for version 3 asks for the engine. origin gets "snmp HOST:PORT". Results as in source.h. */
int snmp_session_open(struct snmp_session_state *s, const struct conf *c, char *origin, size_t origin_size,
                      struct em_why *why) EM_MUST_CHECK;

/* Sends pdu (which is freed whatever happens) and waits. *answer is the caller's to free. */
int snmp_session_ask(struct snmp_session_state *s, struct snmp_pdu *pdu, struct snmp_pdu **answer,
                     struct em_why *why) EM_MUST_CHECK;

void snmp_session_close(struct snmp_session_state *s);

#endif
