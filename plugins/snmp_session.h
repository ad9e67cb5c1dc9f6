/* SPDX-License-Identifier: GPL-3.0-or-later
 * One SNMP session with one agent: net-snmp's single-session interface, kept from reading or writing any file, from logging and from
 * taking longer than the guard allows.
 */
#ifndef EM_PLUGINS_SNMP_SESSION_H
#define EM_PLUGINS_SNMP_SESSION_H

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/library/scapi.h>

#include "base/late.h"
#include "plugins/conf.h"

/* What is taken from libnetsnmp; loaded with the first session. */
/* clang-format off */
#define SNMP_SYMBOLS(S) \
    S(netsnmp_ds_set_boolean) S(snmp_disable_log) S(snmp_enable_calllog) S(init_snmp) S(generate_Ku) \
    S(usm_lookup_auth_type) S(usm_lookup_priv_type) S(sc_get_auth_oid) S(sc_get_priv_oid) \
    S(snmp_duplicate_objid) S(snmp_sess_session) S(snmp_api_errstring) S(snmp_sess_open) S(snmp_error) \
    S(snmp_sess_init) S(snmp_free_pdu) S(snmp_sess_synch_response) S(snmp_sess_error) S(snmp_errstring) \
    S(snmp_sess_close) S(snmp_pdu_create) S(snmp_add_null_var) S(snmp_oid_compare) S(snmp_errno)
/* clang-format on */
LATE_DECLARE(snmp, SNMP_SYMBOLS);

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
