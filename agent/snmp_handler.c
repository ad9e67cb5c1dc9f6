/* SPDX-License-Identifier: GPL-3.0-or-later
 * The handler between net-snmp's requests and the tree of cells. */
#include <stdlib.h>
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <net-snmp/agent/agent_sysORTable.h>

#include "agent/snmp_handler.h"

enum { OBJECTS_ARC = 1 };

_Static_assert(sizeof(oid) == sizeof(unsigned long), "snmp_tree.h takes net-snmp's oid for unsigned long");
_Static_assert(EM_SNMP_ROOT_MAX + 1 + EM_SNMP_ID_MAX <= MAX_OID_LEN, "identifiers fit");
_Static_assert((int)EM_SNMP_INTEGER == ASN_INTEGER && (int)EM_SNMP_OCTETS == ASN_OCTET_STR &&
                   (int)EM_SNMP_GAUGE == ASN_GAUGE && (int)EM_SNMP_TICKS == ASN_TIMETICKS &&
                   (int)EM_SNMP_COUNTER64 == ASN_COUNTER64,
               "snmp_tree.h has net-snmp's type numbers");

/* Takes the newest snapshot once per request of the manager: all cells of one answer are of one moment. The master gives all parts
 * of a request (each varbind, each repetition of a GETBULK) the same transaction number; a new master begins to count anew. */
static void refresh(struct em_snmp_face *f, const netsnmp_agent_request_info *info)
{
    long transaction = info->asp->pdu->transid;
    struct em_snapshot *newest;

    if (f->now && transaction == f->transaction && f->connection == f->session.connections)
        return;
    f->transaction = transaction;
    f->connection = f->session.connections;
    if (!(newest = em_mailbox_take(f->mailbox)))
        return;
    free(f->now);
    f->now = newest;
}

static void put_value(netsnmp_variable_list *var, const struct em_snmp_cell *cell, int64_t master_start_us)
{
    struct em_snmp_value v;
    struct counter64 wide;
    u_char type;

    em_snmp_value_of(cell, master_start_us, &v);
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

static void answer_get(struct em_snmp_face *f, netsnmp_agent_request_info *info,
                       netsnmp_request_info *request)
{
    static const int errors[] = {
        [EM_SNMP_NO_OBJECT] = SNMP_NOSUCHOBJECT, [EM_SNMP_NO_INSTANCE] = SNMP_NOSUCHINSTANCE
    };
    netsnmp_variable_list *var = request->requestvb;
    enum em_snmp_found found = EM_SNMP_NO_OBJECT;
    struct em_snmp_cell cell;

    if (var->name_length > f->objects_n)
        found =
            em_snmp_get(&f->tree, f->now, var->name + f->objects_n, var->name_length - f->objects_n, &cell);
    if (found == EM_SNMP_FOUND)
        put_value(var, &cell, f->session.master_start_us);
    else
        netsnmp_set_request_error(info, request, errors[found]);
}

/* A name before our subtree means: from its beginning. Without a next cell the variable stays as it is, and the agent goes on
 * behind us. */
static void answer_next(struct em_snmp_face *f, netsnmp_request_info *request)
{
    netsnmp_variable_list *var = request->requestvb;
    oid name[EM_SNMP_ROOT_MAX + 1 + EM_SNMP_ID_MAX];
    struct em_snmp_cell cell;
    size_t n = 0;

    if (snmp_oidtree_compare(f->objects, f->objects_n, var->name, var->name_length) == 0)
        n = var->name_length > f->objects_n ? var->name_length - f->objects_n : 0;
    else if (snmp_oid_compare(var->name, var->name_length, f->objects, f->objects_n) > 0)
        return;
    if (!em_snmp_next(&f->tree, f->now, var->name + f->objects_n, n, &cell))
        return;
    memcpy(name, f->objects, f->objects_n * sizeof *name);
    n = f->objects_n + em_snmp_cell_id(&cell, name + f->objects_n);
    snmp_set_var_objid(var, name, n);
    put_value(var, &cell, f->session.master_start_us);
}

static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    struct em_snmp_face *f = registration->my_reg_void;

    (void)handler;
    refresh(f, info);
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
