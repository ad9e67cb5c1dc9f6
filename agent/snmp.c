/* SPDX-License-Identifier: GPL-3.0-or-later
 * The thread of the SNMP face: made, woken, waited for. */
#include "agent/snmp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/snmp_handler.h"
#include "base/log.h"

enum { READ, WRITE };

struct em_snmp {
    pthread_t thread;
    int wake[2]; /* the caller closes wake[WRITE]: end */
    int done[2]; /* the thread closes done[WRITE]: it has ended */
    struct em_snmp_face face;
};

/* net-snmp cannot be started twice in a process. */
static atomic_flag started = ATOMIC_FLAG_INIT;

static void *thread_main(void *arg)
{
    struct em_snmp *s = arg;

    em_snmp_session_run(&s->face.session);
    close(s->done[WRITE]);
    return NULL;
}

static void release(struct em_snmp *s)
{
    close(s->wake[READ]);
    close(s->done[READ]);
    em_snapshot_unref(s->face.now);
    pthread_mutex_destroy(&s->face.session.lock);
    free(s);
}

static struct em_snmp *make(const char *address, struct em_mailbox *mailbox, struct em_notice_ring *notices)
{
    struct em_snmp *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    if (pipe2(s->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        goto fail;
    if (pipe2(s->done, O_CLOEXEC | O_NONBLOCK) != 0) {
        close(s->wake[READ]);
        close(s->wake[WRITE]);
        goto fail;
    }
    s->face.mailbox = mailbox;
    s->face.notices = notices;
    s->face.session = (struct em_snmp_session) { .attach = em_snmp_face_attach,
                                                 .opened = em_snmp_face_opened,
                                                 .closed = em_snmp_face_closed,
                                                 .turned = em_snmp_face_notify,
                                                 .arg = &s->face,
                                                 .wake_fd = s->wake[READ] };
    em_snmp_session_init(&s->face.session, address);
    return s;
fail:
    free(s);
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct em_snmp *s)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&s->thread, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

int em_snmp_start(const char *address, struct em_mailbox *mailbox, struct em_notice_ring *notices,
                  struct em_snmp **snmp, struct em_why *why)
{
    struct em_snmp *s;
    int err;

    if (atomic_flag_test_and_set(&started))
        return em_fail(why, EM_ERR_BUSY, "the SNMP side was started before; it starts once in a process");
    if (!(s = make(address, mailbox, notices)))
        return em_fail(why, EM_ERR_SYSTEM, "the SNMP side cannot start: %s", strerror(errno));
    em_snmp_session_prepare();
    if ((err = start_thread(s)) != 0) {
        close(s->wake[WRITE]);
        close(s->done[WRITE]);
        release(s);
        return em_fail(why, EM_ERR_SYSTEM, "the SNMP thread cannot start: %s", strerror(err));
    }
    *snmp = s;
    return 0;
}

void em_snmp_wake(struct em_snmp *s)
{
    (void)!write(s->wake[WRITE], "", 1); /* a full pipe wakes it, too */
}

void em_snmp_move(struct em_snmp *s, const char *address)
{
    em_snmp_session_move(&s->face.session, address);
    em_snmp_wake(s);
}

bool em_snmp_stop(struct em_snmp *s, int wait_ms)
{
    struct pollfd ended = { .events = POLLIN };

    if (!s)
        return true;
    ended.fd = s->done[READ];
    s->face.session.ending = true;
    close(s->wake[WRITE]);
    if (poll(&ended, 1, wait_ms) == 1) {
        pthread_join(s->thread, NULL);
        release(s);
        return true;
    }
    /* It waits for a master that does not answer. What it uses stays its own, until the process ends. */
    em_log_debug("the SNMP thread is left behind: the master agent does not answer");
    pthread_detach(s->thread);
    return false;
}

bool em_snmp_connected(const struct em_snmp *s)
{
    return s && s->face.session.connected;
}

unsigned em_snmp_connections(const struct em_snmp *s)
{
    return s ? s->face.session.connections : 0;
}
