/* SPDX-License-Identifier: GPL-3.0-or-later
 * The life of an AgentX subagent in net-snmp: start-up without files or environment, the loop of the thread, connection lost and
 * regained. net-snmp keeps its state in globals, so there is one session in a process, once, and only one thread may be here.
 */
#ifndef EM_AGENT_SNMP_SESSION_H
#define EM_AGENT_SNMP_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    EM_SNMP_PING_S =
        5, /* an idle connection is tried this often, and a lost one is opened again this often */
    EM_SNMP_TIMEOUT_S = 6,  /* how long the master may take to answer */
    EM_SNMP_TEXT_LOG = 256, /* of the last line of net-snmp, which is not repeated */
};

struct em_snmp_session {
    const char *address;
    bool (*attach)(struct em_snmp_session *s); /* registers objects; false ends the session */
    void (*opened)(struct em_snmp_session *s,
                   void *master);              /* NULL, or told net-snmp's new session with the master */
    void (*closed)(struct em_snmp_session *s); /* that session is gone */
    void (*turned)(struct em_snmp_session *s); /* after each turn of the loop */
    void *arg;                                 /* theirs */
    int wake_fd;                   /* readable: the loop turns; closed at its other end: it ends */
    atomic_bool connected, ending; /* ending: em_snmp_stop has begun; the mailbox is not ours any more */
    int64_t
        master_start_us; /* wall time at which the master's sysUpTime was 0; measured at each connection */
    atomic_uint connections; /* how often it was opened */
    char last_line[EM_SNMP_TEXT_LOG];
};

/* Before the thread is made: the environment and the locale are the whole process's. */
void em_snmp_session_prepare(void);

/* In the thread: everything, until wake_fd ends it. */
void em_snmp_session_run(struct em_snmp_session *s);

#endif
