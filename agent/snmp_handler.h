/* SPDX-License-Identifier: GPL-3.0-or-later
 * Requests to answers. All tables and all groups of scalars are registered as one subtree, and the tree (snmp_tree.h) finds the cell.
 *
 * Two ways lead here. The handler is the ordinary one of net-snmp. The direct way takes the master's GET and GETNEXT where they come
 * out of the parser and answers them at once, past net-snmp's inner agent, which costs more than all the rest: two more trips
 * through pipes and three copies of the request. What the direct way does not know, it leaves to the ordinary one.
 */
#ifndef EM_AGENT_SNMP_HANDLER_H
#define EM_AGENT_SNMP_HANDLER_H

#include "agent/notices.h"
#include "agent/snmp_session.h"
#include "agent/snmp_tree.h"

enum { EM_SNMP_NAME_MAX = EM_SNMP_ROOT_MAX + 1 + EM_SNMP_ID_MAX };

struct em_snmp_face {
    struct em_mailbox *mailbox;
    struct em_snapshot *now; /* the one that is shown; the thread owns it */
    long transaction;        /* the request that `now` was refreshed for */
    uint64_t connection;
    unsigned long objects[EM_SNMP_ROOT_MAX + 1]; /* what is registered */
    size_t objects_n;
    struct em_snmp_tree tree;
    struct em_notice_ring *notices; /* NULL: none are sent */
    struct snmp_session *master;    /* NULL: not connected */
    bool notice_waits;              /* the oldest notice was sent and has no answer yet */
    int notice_request;             /* net-snmp's number of it */
    struct em_snmp_session session; /* its arg is this face */
};

/* Takes the newest snapshot once per request of the manager: all cells of one answer are of one moment. The master gives all parts
 * of a request (each varbind, each repetition of a GETBULK) the same transaction number; a new master begins to count anew. */
void em_snmp_face_refresh(struct em_snmp_face *f, long transaction);

/* By whole identifiers. next: writes the name of the cell that it finds to found, which has room for EM_SNMP_NAME_MAX numbers. */
enum em_snmp_found em_snmp_face_get(const struct em_snmp_face *f, const unsigned long *name, size_t n,
                                    struct em_snmp_cell *cell) EM_MUST_CHECK;
bool em_snmp_face_next(const struct em_snmp_face *f, const unsigned long *name, size_t n,
                       struct em_snmp_cell *cell, unsigned long *found, size_t *found_n) EM_MUST_CHECK;

/* The cell's value into net-snmp's variable. */
struct variable_list;
void em_snmp_face_put(const struct em_snmp_face *f, const struct em_snmp_cell *cell,
                      struct variable_list *var);

/* The session's attach: registers root.1 and the module's line in sysORTable. */
bool em_snmp_face_attach(struct em_snmp_session *s);

/* The session's opened: the direct way of requests (snmp_direct.c). em_snmp_direct false: not (tests of the ordinary way). */
extern bool em_snmp_direct;
void em_snmp_face_opened(struct em_snmp_session *s, void *master);

/* The session's closed and turned: notifications (snmp_notify.c). */
void em_snmp_face_closed(struct em_snmp_session *s);
void em_snmp_face_notify(struct em_snmp_session *s);

#endif
