/* SPDX-License-Identifier: GPL-3.0-or-later
 * The direct way of a request: from the parser of the AgentX session to the answer. */
#include <assert.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include "agent/snmp_handler.h"

/* RFC 2741 section 6.1; net-snmp keeps them in pdu->command and pdu->flags as they are on the wire. */
enum {
    AGENTX_GET = 5,
    AGENTX_GET_NEXT = 6,
    AGENTX_TEST_SET = 8,
    AGENTX_CLEANUP_SET = 11,
    AGENTX_RESPONSE = 18,
    AGENTX_NON_DEFAULT_CONTEXT = 0x08,
    AGENTX_UNSUPPORTED_CONTEXT = 262,
};

bool em_snmp_direct = true;

/* net-snmp has one session with the master; its callback's argument is taken for other things. */
static struct em_snmp_face *face;
static netsnmp_callback ordinary;

static void answer_get(netsnmp_variable_list *var)
{
    struct em_snmp_cell cell;
    enum em_snmp_found found = em_snmp_face_get(face, var->name, var->name_length, &cell);

    if (found == EM_SNMP_FOUND)
        em_snmp_face_put(face, &cell, var);
    else
        snmp_set_var_typed_value(var, found == EM_SNMP_NO_OBJECT ? SNMP_NOSUCHOBJECT : SNMP_NOSUCHINSTANCE,
                                 NULL, 0);
}

/* The end of the search range is the variable's value; "0.0" is none (RFC 2741 section 5.2). */
static bool within_range(const netsnmp_variable_list *var, const oid *name, size_t n)
{
    const oid *end = var->val.objid;
    size_t end_n = var->val_len / sizeof *end;

    if (end_n == 0 || (end_n == 2 && end[0] == 0 && end[1] == 0))
        return true;
    return snmp_oid_compare(name, n, end, end_n) < 0;
}

/* Without a cell the name stays, as RFC 2741 section 7.2.3.2 wants it. */
static void answer_next(netsnmp_variable_list *var)
{
    oid name[EM_SNMP_NAME_MAX];
    struct em_snmp_cell cell;
    size_t n;

    if (var->type == ASN_PRIV_INCL_RANGE &&
        em_snmp_face_get(face, var->name, var->name_length, &cell) == EM_SNMP_FOUND) {
        em_snmp_face_put(face, &cell, var);
        return;
    }
    if (!em_snmp_face_next(face, var->name, var->name_length, &cell, name, &n) ||
        !within_range(var, name, n)) {
        snmp_set_var_typed_value(var, SNMP_ENDOFMIBVIEW, NULL, 0);
        return;
    }
    snmp_set_var_objid(var, name, n);
    em_snmp_face_put(face, &cell, var);
}

static bool understood(const netsnmp_pdu *pdu)
{
    if ((pdu->command != AGENTX_GET && pdu->command != AGENTX_GET_NEXT) ||
        pdu->flags & AGENTX_NON_DEFAULT_CONTEXT)
        return false;
    for (const netsnmp_variable_list *v = pdu->variables; v; v = v->next_variable)
        if (v->type != ASN_PRIV_INCL_RANGE && v->type != ASN_PRIV_EXCL_RANGE)
            return false;
    return true;
}

/* The variables move from the request, which the caller frees, to the response. */
static netsnmp_pdu *response_to(netsnmp_session *session, netsnmp_pdu *request)
{
    netsnmp_variable_list *variables = request->variables;
    netsnmp_pdu *response;

    request->variables = NULL;
    if (!(response = snmp_clone_pdu(request))) {
        request->variables = variables;
        return NULL;
    }
    response->command = AGENTX_RESPONSE;
    response->version = session->version;
    response->errstat = 0;
    response->errindex = 0;
    response->variables = variables;
    return response;
}

/* Everything is in the default context; to the question for another one, the answer is the error and no variables (RFC 2741 section
 * 7.2.3). net-snmp would answer from the default one. */
static bool refuse_context(netsnmp_session *session, netsnmp_pdu *pdu)
{
    netsnmp_pdu *response;

    if (!(pdu->flags & AGENTX_NON_DEFAULT_CONTEXT) || pdu->command < AGENTX_GET ||
        pdu->command > AGENTX_TEST_SET || !(response = response_to(session, pdu)))
        return false;
    snmp_free_varbind(response->variables);
    response->variables = NULL;
    response->errstat = AGENTX_UNSUPPORTED_CONTEXT;
    response->flags &= ~(u_long)AGENTX_NON_DEFAULT_CONTEXT; /* a response has no context */
    if (!snmp_send(session, response))
        snmp_free_pdu(response);
    return true;
}

/* Every object is read-only. net-snmp's own way through TestSet, CommitSet and CleanupSet crashes when a master sends them without waiting
 * for the answers (5.9.3, measured), so none of them gets there (RFC 2741 section 7.2.4). */
static bool refuse_set(netsnmp_session *session, netsnmp_pdu *pdu)
{
    static const long errors[] = { SNMP_ERR_NOTWRITABLE, SNMP_ERR_COMMITFAILED, SNMP_ERR_UNDOFAILED };
    netsnmp_pdu *response;

    if (pdu->command < AGENTX_TEST_SET || pdu->command > AGENTX_CLEANUP_SET)
        return false;
    if (pdu->command == AGENTX_CLEANUP_SET) /* it has no answer */
        return true;
    if (!(response = response_to(session, pdu)))
        return true;
    snmp_free_varbind(response->variables);
    response->variables = NULL;
    response->errstat = errors[pdu->command - AGENTX_TEST_SET];
    response->errindex = 1;
    if (!snmp_send(session, response))
        snmp_free_pdu(response);
    return true;
}

static int receive(int operation, netsnmp_session *session, int id, netsnmp_pdu *pdu, void *argument)
{
    bool next = pdu && pdu->command == AGENTX_GET_NEXT;
    netsnmp_pdu *response;

    if (operation == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE && pdu &&
        (refuse_context(session, pdu) || refuse_set(session, pdu)))
        return 1;
    if (operation != NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE || !pdu || !understood(pdu) ||
        !(response = response_to(session, pdu)))
        return ordinary(operation, session, id, pdu, argument);
    em_snmp_face_refresh(face, response->transid);
    for (netsnmp_variable_list *v = response->variables; v; v = v->next_variable)
        if (next)
            answer_next(v);
        else
            answer_get(v);
    if (session->securityModel != SNMP_DEFAULT_SECMODEL)
        snmp_alarm_reset(
            (unsigned)session->securityModel); /* where net-snmp keeps its ping's alarm: the master lives */
    if (!snmp_send(session, response))
        snmp_free_pdu(response);
    return 1;
}

void em_snmp_face_opened(struct em_snmp_session *s, void *master)
{
    netsnmp_session *session = master;

    ((struct em_snmp_face *)s->arg)->master = session;
    if (!em_snmp_direct || !session || !session->callback)
        return;
    assert(session->callback != receive);
    face = s->arg;
    ordinary = session->callback;
    session->callback = receive;
}
