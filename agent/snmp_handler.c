/* SPDX-License-Identifier: GPL-3.0-or-later
 * The ordinary way of a request, and what it shares with the direct one. */
#include <stdlib.h>
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <net-snmp/agent/agent_sysORTable.h>

#include "agent/snmp_handler.h"

enum { OBJECTS_ARC = 1 };

_Static_assert(sizeof(oid) == sizeof(unsigned long), "snmp_tree.h takes net-snmp's oid for unsigned long");
_Static_assert((int)EM_SNMP_NAME_MAX <= MAX_OID_LEN, "identifiers fit");
_Static_assert((int)EM_SNMP_INTEGER == ASN_INTEGER && (int)EM_SNMP_OCTETS == ASN_OCTET_STR &&
                   (int)EM_SNMP_GAUGE == ASN_GAUGE && (int)EM_SNMP_TICKS == ASN_TIMETICKS &&
                   (int)EM_SNMP_COUNTER64 == ASN_COUNTER64,
               "snmp_tree.h has net-snmp's type numbers");

void em_snmp_face_refresh(struct em_snmp_face *f, long transaction)
{
    struct em_snapshot *newest;

    if (f->now && transaction == f->transaction && f->connection == f->session.connections)
        return;
    f->transaction = transaction;
    f->connection = f->session.connections;
    if (f->session.ending || !(newest = em_mailbox_take(f->mailbox)))
        return;
    em_snapshot_unref(f->now);
    f->now = newest;
}

void em_snmp_face_put(const struct em_snmp_face *f, const struct em_snmp_cell *cell,
                      netsnmp_variable_list *var)
{
    struct em_snmp_value v;
    struct counter64 wide;
    u_char type;

    em_snmp_value_of(cell, f->session.master_start_us, &v);
    type = (u_char)v.type;
    switch (v.type) {
    case EM_SNMP_OCTETS:
        snmp_set_var_typed_value(var, type, v.octets, v.n);
        break;
    case EM_SNMP_COUNTER64:
        wide = (struct counter64) { .high = v.number >> 32, .low = v.number & UINT32_MAX };
        snmp_set_var_typed_value(var, type, &wide, sizeof wide);
        break;
    case EM_SNMP_INTEGER:
    case EM_SNMP_GAUGE:
    case EM_SNMP_TICKS:
        snmp_set_var_typed_integer(var, type, (long)v.number);
        break;
    }
}

enum em_snmp_found em_snmp_face_get(const struct em_snmp_face *f, const oid *name, size_t n,
                                    struct em_snmp_cell *cell)
{
    if (n <= f->objects_n || memcmp(name, f->objects, f->objects_n * sizeof *name) != 0)
        return EM_SNMP_NO_OBJECT;
    return em_snmp_get(&f->tree, f->now, name + f->objects_n, n - f->objects_n, cell);
}

/* A name before our subtree means: from its beginning. */
bool em_snmp_face_next(const struct em_snmp_face *f, const oid *name, size_t n, struct em_snmp_cell *cell,
                       oid *found, size_t *found_n)
{
    bool inside = n >= f->objects_n && memcmp(name, f->objects, f->objects_n * sizeof *name) == 0;

    if (!inside && snmp_oid_compare(name, n, f->objects, f->objects_n) > 0)
        return false;
    if (!em_snmp_next(&f->tree, f->now, inside ? name + f->objects_n : NULL, inside ? n - f->objects_n : 0,
                      cell))
        return false;
    memcpy(found, f->objects, f->objects_n * sizeof *found);
    *found_n = f->objects_n + em_snmp_cell_id(cell, found + f->objects_n);
    return true;
}

static void answer_get(const struct em_snmp_face *f, netsnmp_agent_request_info *info,
                       netsnmp_request_info *request)
{
    netsnmp_variable_list *var = request->requestvb;
    struct em_snmp_cell cell;
    enum em_snmp_found found = em_snmp_face_get(f, var->name, var->name_length, &cell);

    if (found == EM_SNMP_FOUND)
        em_snmp_face_put(f, &cell, var);
    else
        netsnmp_set_request_error(info, request,
                                  found == EM_SNMP_NO_OBJECT ? SNMP_NOSUCHOBJECT : SNMP_NOSUCHINSTANCE);
}

/* Without a next cell the variable stays as it is, and the agent goes on behind us. */
static void answer_next(const struct em_snmp_face *f, netsnmp_request_info *request)
{
    netsnmp_variable_list *var = request->requestvb;
    oid name[EM_SNMP_NAME_MAX];
    struct em_snmp_cell cell;
    size_t n;

    if (!em_snmp_face_next(f, var->name, var->name_length, &cell, name, &n))
        return;
    snmp_set_var_objid(var, name, n);
    em_snmp_face_put(f, &cell, var);
}

static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    struct em_snmp_face *f = registration->my_reg_void;

    (void)handler;
    em_snmp_face_refresh(f, info->asp->pdu->transid);
    for (netsnmp_request_info *r = requests; r; r = r->next) {
        if (r->processed)
            continue;
        if (info->mode == MODE_GETNEXT)
            answer_next(f, r);
        else if (info->mode == MODE_GET)
            answer_get(f, info, r);
        else
            netsnmp_set_request_error(info, r, SNMP_ERR_NOTWRITABLE);
    }
    return SNMP_ERR_NOERROR;
}

bool em_snmp_face_attach(struct em_snmp_session *s)
{
    struct em_snmp_face *f = s->arg;
    netsnmp_handler_registration *r;

    em_snmp_tree_init(&f->tree);
    memcpy(f->objects, em_snmp_root, em_snmp_root_n * sizeof *em_snmp_root);
    f->objects[em_snmp_root_n] = OBJECTS_ARC;
    f->objects_n = em_snmp_root_n + 1;
    r = netsnmp_create_handler_registration("edgemedia", handle, f->objects, f->objects_n, HANDLER_CAN_RONLY);
    if (!r)
        return false;
    r->my_reg_void = f;
    if (netsnmp_register_handler(r) != MIB_REGISTERED_OK)
        return false;
    register_sysORTable(f->objects, em_snmp_root_n, "EDGE-MEDIA-MIB: edge media ports and call failures");
    return true;
}
