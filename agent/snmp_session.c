/* SPDX-License-Identifier: GPL-3.0-or-later
 * net-snmp's start-up settings, its log, its loop. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <net-snmp/agent/agent_callbacks.h>
#include <net-snmp/library/large_fd_set.h>

#include "agent/snmp_retry.h"
#include "agent/snmp_session.h"
#include "base/clock.h"
#include "base/log.h"

#define NEVER_US (365 * 24 * 3600 * EM_US_PER_S)

static const char app_name[] = "edgemediad", no_directory[] = "/dev/null/none";

/* net-snmp's lines go to our log. The ones about the connection are said by us, in words that help; errors that repeat (as a
 * refused registration at each reconnect) are said once. */
static int log_line(int major, int minor, void *message, void *session)
{
    const struct snmp_log_message *m = message;
    struct em_snmp_session *s = session;
    struct slice line = slice_trim(slice_of(m->msg));
    enum em_log_level level = m->priority <= LOG_ERR ? EM_LOG_WARNING : EM_LOG_DEBUG;

    (void)major;
    (void)minor;
    if (level == EM_LOG_WARNING &&
        slice_eq(slice_upto(line, sizeof s->last_line - 1), slice_of(s->last_line)))
        level = EM_LOG_DEBUG;
    if (level == EM_LOG_WARNING)
        (void)slice_copy(line, s->last_line, sizeof s->last_line);
    em_log(level, "net-snmp: %s", EM_LOG_TEXT(line));
    return SNMP_ERR_NOERROR;
}

/* The clock of net-snmp's alarms, which a test moves. */
static int64_t alarm_clock_us(void)
{
    struct timeval now;

    netsnmp_get_monotonic_clock(&now);
    return now.tv_sec * EM_US_PER_S + now.tv_usec;
}

static int connection_up(int major, int minor, void *master, void *session)
{
    struct em_snmp_session *s = session;

    (void)major;
    (void)minor;
    /* The open exchange has just set our copy of the master's sysUpTime. Fixed until the next connection, so that a time stamp
     * does not waver by a tick from one answer to the next. */
    s->master_start_us = em_wall_us(&em_clock_system) - (int64_t)netsnmp_get_agent_uptime() * 10000;
    s->connections++;
    s->master = master;
    s->up_us = alarm_clock_us();
    s->say_missing = false;
    s->connected = true;
    if (s->opened)
        s->opened(s, master);
    em_log_info("connected to the SNMP master agent agentx=%s", EM_LOG_TEXT(slice_of(s->address)));
    return SNMP_ERR_NOERROR;
}

static int connection_down(int major, int minor, void *server, void *session)
{
    struct em_snmp_session *s = session;

    (void)major;
    (void)minor;
    (void)server;
    if (s->connected && s->moving)
        em_log_info("left the SNMP master agent, since another agentx_address is in force");
    else if (s->connected)
        em_log_warning("lost the SNMP master agent, trying again, at most %d s apart agentx=%s",
                       EM_SNMP_RETRY_MOST_S, EM_LOG_TEXT(slice_of(s->address)));
    if (alarm_clock_us() - s->up_us >= EM_SNMP_STEADY_S * EM_US_PER_S)
        s->failed = 0;
    s->master = NULL;
    s->connected = false;
    if (s->closed)
        s->closed(s);
    return SNMP_ERR_NOERROR;
}

static const struct {
    int major, minor;
    SNMPCallback *call;
} callbacks[] = {
    { SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, log_line },
    { SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, connection_up },
    { SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, connection_down },
};

static int connect_errno(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd, err = 0;

    if (strlen(path) >= sizeof to.sun_path)
        return ENAMETOOLONG;
    memcpy(to.sun_path, path, strlen(path));
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
        return errno;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        err = errno;
    close(fd);
    return err;
}

/* Of the first try at an address: what a person can do about it. */
static void say_unconnected(const struct em_snmp_session *s)
{
    static const struct {
        int err;
        const char *advice;
    } advices[] = {
        { ENOENT, "there is no such socket: is snmpd running, with 'master agentx' in its configuration?" },
        { ECONNREFUSED, "nobody listens there: is snmpd running?" },
        { EACCES, "this user may not use the socket: see agentXPerms and agentXSocket in snmpd.conf(5)" },
    };
    int err = s->address[0] == '/' ? connect_errno(s->address) : 0;
    const char *advice = err ? strerror(err) : "it does not answer";

    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (advices[i].err == err)
            advice = advices[i].advice;
    em_log_warning("no SNMP master agent, trying again, at most %d s apart agentx=%s: %s",
                   EM_SNMP_RETRY_MOST_S, EM_LOG_TEXT(slice_of(s->address)), advice);
}

void em_snmp_session_prepare(void)
{
    /* No MIB is needed to serve numbers, and none is looked for. */
    setenv("MIBS", "", 1);
    setenv("MIBDIRS", "", 1);
    /* init_snmp() does it; done here it happens while nobody else runs. */
    setlocale(LC_CTYPE, "");
}

/* net-snmp takes an empty address for its own default. */
static void tell_address(const struct em_snmp_session *s)
{
    netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET,
                          s->address[0] ? s->address : no_directory);
}

static void settings(const struct em_snmp_session *s)
{
    /* No configuration file and no state of net-snmp's own: edgemedia.conf is the only place that configures us. */
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    /* Its TLS part makes a directory and looks for certificates whatever the settings are: nowhere. */
    set_persistent_directory(no_directory);
    set_configuration_directory(no_directory);
    netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_NO_ROOT_ACCESS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_DISABLE_PERL, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_NO_CONNECTION_WARNINGS, 1);
    tell_address(s);
    netsnmp_enable_subagent();
}

/* What init_agent() sets to its defaults. A retry on a stream would only send the same bytes twice. */
static void settings_behind_init(void)
{
    netsnmp_ds_set_int(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_AGENTX_PING_INTERVAL, EM_SNMP_PING_S);
    netsnmp_ds_set_int(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_RETRIES, 0);
    netsnmp_ds_set_int(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_TIMEOUT, EM_SNMP_TIMEOUT_S);
}

/* Bytes only wake us up. */
static bool wake_up(const struct em_snmp_session *s)
{
    char bytes[64];
    ssize_t n;

    do
        n = read(s->wake_fd, bytes, sizeof bytes);
    while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0;
}

/* While there is no connection, net-snmp's only alarm is the one that tries again, in even steps: each time net-snmp has set it, which is when
 * it was made and after each try, it is set anew. */
static void pace(struct em_snmp_session *s)
{
    struct snmp_alarm *alarm = s->connected ? NULL : sa_find_next();
    int64_t wait_us = 0;

    if (!alarm || alarm->clientarg || !(alarm->flags & SA_REPEAT))
        return;
    if (!s->moving && alarm->clientreg == s->alarm && timercmp(&alarm->t_lastM, &s->tried, ==))
        return;
    if (!s->moving && s->say_missing)
        say_unconnected(s);
    s->say_missing = s->moving && s->address[0];
    if (!s->address[0])
        wait_us = NEVER_US;
    else if (!s->moving)
        wait_us = em_snmp_retry_us(&em_clock_system, s->failed++);
    s->moving = false;
    s->alarm = alarm->clientreg;
    s->tried = alarm->t_lastM;
    alarm->t = (struct timeval) { wait_us / EM_US_PER_S, wait_us % EM_US_PER_S };
    timeradd(&alarm->t_lastM, &alarm->t, &alarm->t_nextM);
    alarm->t.tv_sec += wait_us == 0; /* net-snmp would never leave one that repeats at once */
}

/* A connection to another address begins with the end of this one, as if the master had ended it. */
static void move(struct em_snmp_session *s)
{
    netsnmp_transport *transport;

    pthread_mutex_lock(&s->lock);
    if (strcmp(s->wanted, s->address) != 0) {
        memcpy(s->address, s->wanted, sizeof s->address);
        s->moving = true;
    }
    pthread_mutex_unlock(&s->lock);
    if (!s->moving)
        return;
    tell_address(s);
    s->failed = 0;
    transport = s->master ? snmp_sess_transport(snmp_sess_pointer(s->master)) : NULL;
    if (transport)
        (void)shutdown(transport->sock, SHUT_RDWR);
}

/* One turn; false when it is time to end. What is readable is read before alarms run: an alarm's exchange with the master reads
 * the same socket, and a read of what is gone by then would block. */
static bool turn(struct em_snmp_session *s, netsnmp_large_fd_set *fds)
{
    struct timeval timeout = { EM_SNMP_PING_S, 0 };
    int n = s->wake_fd + 1, block = 0;

    pace(s);
    NETSNMP_LARGE_FD_ZERO(fds);
    snmp_select_info2(&n, fds, &timeout, &block);
    NETSNMP_LARGE_FD_SET(s->wake_fd, fds);
    if (n <= s->wake_fd)
        n = s->wake_fd + 1;
    n = netsnmp_large_fd_set_select(n, fds, NULL, NULL, block ? NULL : &timeout);
    if (n < 0)
        return errno == EINTR;
    if (n > 0 && NETSNMP_LARGE_FD_ISSET(s->wake_fd, fds) && !wake_up(s))
        return false;
    move(s);
    if (n > 0)
        snmp_read2(fds);
    else
        snmp_timeout();
    run_alarms();
    netsnmp_check_outstanding_agent_requests();
    if (s->turned)
        s->turned(s);
    return true;
}

void em_snmp_session_init(struct em_snmp_session *s, const char *address)
{
    pthread_mutex_init(&s->lock, NULL);
    (void)slice_copy(slice_of(address), s->address, sizeof s->address);
    memcpy(s->wanted, s->address, sizeof s->wanted);
}

void em_snmp_session_move(struct em_snmp_session *s, const char *address)
{
    pthread_mutex_lock(&s->lock);
    (void)slice_copy(slice_of(address), s->wanted, sizeof s->wanted);
    pthread_mutex_unlock(&s->lock);
}

void em_snmp_session_run(struct em_snmp_session *s)
{
    netsnmp_large_fd_set fds;

    snmp_disable_log();
    snmp_enable_calllog();
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++)
        snmp_register_callback(callbacks[i].major, callbacks[i].minor, callbacks[i].call, s);
    settings(s);
    if (init_agent(app_name) != 0 || !s->attach(s)) {
        em_log_error("the SNMP side cannot start: no objects registered");
        return;
    }
    settings_behind_init();
    init_snmp(app_name); /* connects */
    if (!s->connected)
        say_unconnected(s);
    netsnmp_large_fd_set_init(&fds, FD_SETSIZE);
    while (turn(s, &fds))
        ;
    netsnmp_large_fd_set_cleanup(&fds);
    /* What is still registered at the end has its argument freed. */
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++)
        snmp_unregister_callback(callbacks[i].major, callbacks[i].minor, callbacks[i].call, s, 1);
    snmp_disable_calllog();
    snmp_shutdown(app_name);
    shutdown_agent();
    s->connected = false;
}
