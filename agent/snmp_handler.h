/* SPDX-License-Identifier: GPL-3.0-or-later
 * One handler for everything: all tables and all groups of scalars are registered as one subtree, and the tree (snmp_tree.h) finds
 * the cell. */
#ifndef EM_AGENT_SNMP_HANDLER_H
#define EM_AGENT_SNMP_HANDLER_H

#include "agent/snmp_session.h"
#include "agent/snmp_tree.h"

struct em_snmp_face {
    struct em_mailbox *mailbox;
    struct em_snapshot *now; /* the one that is shown; the thread owns it */
    long transaction;        /* the request that `now` was refreshed for */
    uint64_t connection;
    unsigned long objects[EM_SNMP_ROOT_MAX + 1]; /* what is registered */
    size_t objects_n;
    struct em_snmp_tree tree;
    struct em_snmp_session session; /* its arg is this face */
};

/* The session's attach: registers root.1 and the module's line in sysORTable. */
bool em_snmp_face_attach(struct em_snmp_session *s);

#endif
