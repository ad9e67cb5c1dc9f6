/* SPDX-License-Identifier: GPL-3.0-or-later
 * Notifications on their way to the master: AgentX Notify-PDUs (RFC 2741 section 6.2.10), one at a time, each answered by the master before
 * the next one. Values are taken through the same fields as those of a GET. */
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include <string.h>

#include "agent/snmp_handler.h"
#include "base/log.h"

enum { AGENTX_NOTIFY = 12, NOTIFICATIONS_ARC = 0 };

static const oid trap_oid[] = { 1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0 }; /* snmpTrapOID.0, SNMPv2-MIB */

static const struct em_snmp_column *column_of(const struct em_snmp_face *f, enum em_table_id table,
                                              const char *json)
{
    const struct em_field *field = em_field_find(&em_catalogue[table], json);

    for (size_t i = 0; i < f->tree.n; i++)
        if (f->tree.column[i].field == field)
            return &f->tree.column[i];
    return NULL;
}

static bool add(netsnmp_variable_list **list, const oid *name, size_t n, const struct em_snmp_face *f,
                const struct em_snmp_cell *cell, const oid *value, size_t value_n)
{
    netsnmp_variable_list *var =
        snmp_varlist_add_variable(list, name, n, ASN_OBJECT_ID, value, value_n * sizeof *value);

    while (var && var->next_variable)
        var = var->next_variable;
    if (var && cell)
        em_snmp_face_put(f, cell, var);
    return var != NULL;
}

static netsnmp_variable_list *variables_of(const struct em_snmp_face *f, const struct em_notice *notice)
{
    oid name[EM_SNMP_NAME_MAX], which[EM_SNMP_ROOT_MAX + 2];
    netsnmp_variable_list *list = NULL;
    size_t n = em_snmp_root_n;
    bool good;

    memcpy(which, em_snmp_root, n * sizeof *which);
    which[n++] = NOTIFICATIONS_ARC;
    which[n++] = notice->kind->arc + (notice->raise ? 0U : 1U);
    good = add(&list, trap_oid, OID_LENGTH(trap_oid), f, NULL, which, n);
    for (const char *const *json = notice->kind->fields; good && *json; json++) {
        struct em_snmp_cell cell = { column_of(f, notice->kind->table, *json), notice->row };

        if (!cell.column)
            continue;
        memcpy(name, f->objects, f->objects_n * sizeof *name);
        n = f->objects_n + em_snmp_cell_id(&cell, name + f->objects_n);
        good = add(&list, name, n, f, &cell, which, 0);
    }
    if (good)
        return list;
    snmp_free_varbind(list);
    return NULL;
}

static void answer(struct em_snmp_face *f, enum em_notice_result result)
{
    unsigned at = atomic_load_explicit(&f->notices->answered, memory_order_relaxed);

    f->notice_waits = false;
    f->notices->slot[at % EM_NOTICES_RING].result = (uint8_t)result;
    atomic_store_explicit(&f->notices->answered, at + 1, memory_order_release);
}

static int on_answer(int operation, netsnmp_session *session, int id, netsnmp_pdu *pdu, void *face)
{
    struct em_snmp_face *f = face;

    (void)session;
    if (!f->notice_waits || id != f->notice_request || f->session.ending)
        return 1;
    if (operation != NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE || !pdu)
        answer(f, EM_NOTICE_LOST);
    else if (pdu->errstat == SNMP_ERR_NOERROR)
        answer(f, EM_NOTICE_SENT);
    else {
        em_log_warning("the SNMP master agent refuses a notification: error %ld", pdu->errstat);
        answer(f, EM_NOTICE_REFUSED);
    }
    return 1;
}

static bool send_one(struct em_snmp_face *f, const struct em_notice *notice)
{
    netsnmp_pdu *pdu = snmp_pdu_create(AGENTX_NOTIFY);

    if (!pdu)
        return false;
    pdu->version = f->master->version;
    pdu->sessid = f->master->sessid;
    if (!(pdu->variables = variables_of(f, notice)) ||
        !(f->notice_request = snmp_async_send(f->master, pdu, on_answer, f))) {
        snmp_free_pdu(pdu);
        return false;
    }
    return true;
}

void em_snmp_face_notify(struct em_snmp_session *s)
{
    struct em_snmp_face *f = s->arg;
    unsigned at;

    while (f->notices && !f->notice_waits && !s->ending &&
           (at = atomic_load_explicit(&f->notices->answered, memory_order_relaxed)) !=
               atomic_load_explicit(&f->notices->pushed, memory_order_acquire)) {
        f->notice_waits = true;
        if (!s->connected || !f->master || !send_one(f, &f->notices->slot[at % EM_NOTICES_RING]))
            answer(f, EM_NOTICE_LOST);
    }
}

void em_snmp_face_closed(struct em_snmp_session *s)
{
    struct em_snmp_face *f = s->arg;

    f->master = NULL;
    if (f->notice_waits && !s->ending)
        answer(f, EM_NOTICE_LOST);
}
