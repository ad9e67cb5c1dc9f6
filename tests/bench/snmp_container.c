/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the SNMP face is compared with: the check table under net-snmp's own table_container, the same rows, the same values, the
 * same session loop.
 *
 *     snmp_container AGENTX-ADDRESS ROWS     prints "ready"; ends at the end of standard input
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "agent/snmp_session.h"
#include "agent/snmp_tree.h"
#include "tests/system/made_up.h"

struct entry {
    netsnmp_index index; /* first, as table_container wants it */
    oid oids[EM_SNMP_INDEX_MAX];
    const void *row;
};

static const struct em_snapshot *rows;
static struct em_snmp_column columns[EM_SNMP_COLUMNS_MAX]; /* by number */

static void put_value(netsnmp_variable_list *var, const struct em_snmp_cell *cell)
{
    struct em_snmp_value v;
    struct counter64 wide;
    u_char type;

    em_snmp_value_of(cell, 0, &v);
    type = (u_char)v.type;
    wide = (struct counter64) { .high = v.number >> 32, .low = v.number & UINT32_MAX };
    if (v.type == EM_SNMP_OCTETS)
        snmp_set_var_typed_value(var, type, v.octets, v.n);
    else if (v.type == EM_SNMP_COUNTER64)
        snmp_set_var_typed_value(var, type, &wide, sizeof wide);
    else
        snmp_set_var_typed_integer(var, type, (long)v.number);
}

static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    (void)handler;
    (void)registration;
    for (netsnmp_request_info *r = requests; r; r = r->next) {
        const netsnmp_table_request_info *where = netsnmp_extract_table_info(r);
        const struct entry *e = netsnmp_container_table_row_extract(r);

        if (r->processed)
            continue;
        if (!e || !where || where->colnum >= EM_SNMP_COLUMNS_MAX || !columns[where->colnum].field) {
            netsnmp_set_request_error(info, r, SNMP_NOSUCHINSTANCE);
            continue;
        }
        put_value(r->requestvb, &(struct em_snmp_cell) { &columns[where->colnum], e->row });
    }
    return SNMP_ERR_NOERROR;
}

static bool fill(netsnmp_container *c)
{
    for (size_t i = 0; i < rows->t[EM_T_CHECK].n; i++) {
        const uint32_t *row = em_snapshot_row(rows, EM_T_CHECK, i);
        struct entry *e = calloc(1, sizeof *e);

        if (!e)
            return false;
        for (size_t k = 0; k < em_catalogue[EM_T_CHECK].index_n; k++)
            e->oids[k] = row[k];
        e->index = (netsnmp_index) { .oids = e->oids, .len = em_catalogue[EM_T_CHECK].index_n };
        e->row = row;
        CONTAINER_INSERT(c, e);
    }
    return true;
}

static bool attach(struct em_snmp_session *s)
{
    const struct em_table *t = &em_catalogue[EM_T_CHECK];
    netsnmp_table_registration_info *info = SNMP_MALLOC_TYPEDEF(netsnmp_table_registration_info);
    netsnmp_container *c = netsnmp_container_find("table_container");
    oid name[EM_SNMP_ROOT_MAX + 2];

    (void)s;
    memcpy(name, em_snmp_root, em_snmp_root_n * sizeof *name);
    name[em_snmp_root_n] = 1;
    name[em_snmp_root_n + 1] = t->arc;
    if (!info || !c || !fill(c))
        return false;
    for (size_t i = 0; i < t->index_n; i++)
        netsnmp_table_helper_add_index(info, ASN_UNSIGNED);
    for (size_t i = 0; i < t->fields_n; i++)
        if (t->fields[i].kind != EM_KIND_INDEX)
            columns[t->fields[i].subid] = (struct em_snmp_column) { .table = t, .field = &t->fields[i] };
    info->min_column = t->fields[t->index_n].subid;
    info->max_column = t->fields[t->fields_n - 1].subid;
    return netsnmp_container_table_register(netsnmp_create_handler_registration("container", handle, name,
                                                                                em_snmp_root_n + 2,
                                                                                HANDLER_CAN_RONLY),
                                            info, c, TABLE_CONTAINER_KEY_NETSNMP_INDEX) == MIB_REGISTERED_OK;
}

int main(int argc, char **argv)
{
    struct em_snmp_session session = { .attach = attach, .wake_fd = STDIN_FILENO };

    if (argc != 3)
        return 2;
    em_snmp_session_init(&session, argv[1]);
    rows = em_made_up(strtoul(argv[2], NULL, 10), 1);
    em_snmp_session_prepare();
    puts("ready");
    fflush(stdout);
    em_snmp_session_run(&session);
    return 0;
}
