/* SPDX-License-Identifier: GPL-3.0-or-later
 * The life of an AgentX subagent in net-snmp: start-up without files or environment, the loop of the thread, connection lost and
 * regained. net-snmp keeps its state in globals, so there is one session in a process, once, and only one thread may be here.
 */
#ifndef EM_AGENT_SNMP_SESSION_H
#define EM_AGENT_SNMP_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include "model/rows.h"

enum {
    EM_SNMP_PING_S = 5,     /* an idle connection is tried this often */
    EM_SNMP_TIMEOUT_S = 6,  /* how long the master may take to answer */
    EM_SNMP_TEXT_LOG = 256, /* of the last line of net-snmp, which is not repeated */
    EM_SNMP_ADDRESS_MAX = EM_URI_MAX,
};

struct em_snmp_session {
    char address[EM_SNMP_ADDRESS_MAX]; /* "": not connected until another one is wanted */
    /* The next address, written by anybody under the lock, who then wakes the loop. */
    pthread_mutex_t lock;
    char wanted[EM_SNMP_ADDRESS_MAX];
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
    /* The loop's own: */
    struct snmp_session *master; /* NULL: not connected */
    unsigned failed;             /* tries since the last connection that lasted */
    unsigned alarm;              /* net-snmp's alarm that tries again ... */
    struct timeval tried;        /* ... and when it was last made to wait */
    int64_t up_us;               /* when the connection was made, by net-snmp's clock */
    bool moving;                 /* this connection ends because another address is wanted */
    bool say_missing;            /* the next failed try is said, with what to do */
};

/* Before the thread is made: the environment and the locale are the whole process's. */
void em_snmp_session_prepare(void);

/* Before the thread is made: where to connect. */
void em_snmp_session_init(struct em_snmp_session *s, const char *address);

/* Any thread: another address. The caller wakes the loop. */
void em_snmp_session_move(struct em_snmp_session *s, const char *address);

/* In the thread: everything, until wake_fd ends it. */
void em_snmp_session_run(struct em_snmp_session *s);

#endif
