/* SPDX-License-Identifier: GPL-3.0-or-later
 * The daemon: puts the parts together on one event loop, and takes them down again. Reloads.
 *
 *     trace files -> feeds ---> store --\
 *     edges <- probes <- checks <------> state -> snapshot -> web, control socket
 *                                             \-> mailbox  -> SNMP thread
 */
#include "agent/daemon.h"

#include "config.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/background.h"
#include "agent/memory.h"
#include "agent/notify.h"
#include "agent/snmp.h"
#include "agent/state.h"
#include "agent/web.h"
#include "base/log.h"

enum {
    EXIT_ERROR = 2,
    SAVE_S = 5,
    TRIM_AGAIN_US = 50000,
    TRIM_TURN_US = 10000,
    QUIET_US = 500000,
    SNMP_STOP_MS = 2000
};

struct options {
    bool foreground, test_config;
    const char *conf_file, *agentx, *log_level;
};

static const struct em_opt options[] = {
    { "foreground", 'f', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct options, foreground),
      "Stay in the foreground and log to standard error" },
    { "config", 'c', EM_OPT_TEXT, "FILE", EM_SYSCONFDIR "/edgemedia/edgemedia.conf", 0, 0,
      offsetof(struct options, conf_file), "Configuration file" },
    { "agentx-address", 'x', EM_OPT_TEXT, "ADDRESS", NULL, 0, 0, offsetof(struct options, agentx),
      "Where the SNMP master agent listens, instead of agentx_address; empty: no SNMP" },
    { "test-config", 't', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct options, test_config),
      "Check the configuration file, print all its errors and exit" },
    { "log-level", 'l', EM_OPT_TEXT, "LEVEL", "info", 0, 0, offsetof(struct options, log_level),
      "Log error, warning, info or debug and what is worse" },
    { .name = NULL },
};

const struct em_opt_program em_daemon_program = {
    "edgemediad", "[OPTION]...",
    "Tests media ports of edges at intervals, reads call failures, serves both over SNMP and HTTP.", options,
    "SIGHUP reads the configuration again; SIGTERM and SIGINT end it.\n"
    "Exit status: 0 ended in order; 2 wrong usage, errors in the configuration, or it could not start.\n"
};

struct daemon {
    struct options options;
    struct event_base *base;
    struct event *signal[4];
    struct em_net *net;
    struct em_conf *conf;
    struct em_store *store;
    struct em_checks *checks;
    struct em_ranges *ranges;
    struct em_feeds *feeds;
    struct em_keep *keep;
    struct em_state *state;
    struct em_web *web, *control;
    struct em_snmp *snmp;
    struct em_mailbox mailbox;
    struct em_notices *notices; /* NULL: no SNMP */
    struct em_notice_ring ring;
    struct em_timer *save, *watchdog, *quiet;
    int64_t watchdog_us;
    char store_failure[EM_WHY_MAX], reload_failure[EM_WHY_MAX]; /* "": none */
};

/* One daemon a process. Static, since an SNMP thread that hangs in a call to a stopped master outlives the main function. */
static struct daemon the_daemon;

/* --- what the faces ask ------------------------------------------------------------------------------------------------------ */

static const struct em_snapshot *ask_snapshot(void *arg)
{
    return em_state_snapshot(((struct daemon *)arg)->state);
}

static struct em_store *ask_store(void *arg)
{
    return ((struct daemon *)arg)->store;
}

static size_t ask_reasons(void *arg, const char *reason[EM_WEB_REASONS_MAX])
{
    struct daemon *d = arg;
    const char *store = d->store_failure[0] ? d->store_failure : em_feeds_failure(d->feeds);
    const char *const all[] = { store, d->reload_failure, em_state_failure(d->state) };
    size_t n = 0;

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i][0])
            reason[n++] = all[i];
    return n;
}

static void changed(void *arg)
{
    struct daemon *d = arg;

    if (d->state)
        em_state_changed(d->state);
    if (d->quiet)
        em_timer_at(d->quiet, em_mono_us(em_net_clock(d->net)) + QUIET_US);
}

/* Nothing changed for a while: what the probes of a round had needs no memory until the next. */
static void give_back(void *arg)
{
    const struct daemon *d = arg;

    em_store_idle(d->store);
    em_memory_give_back();
}

/* --- notifications ----------------------------------------------------------------------------------------------------------- */

static const char notices_note[] = "notices"; /* what a manager believes to be raised */

static void keep_notices(void *arg, const char *text)
{
    const struct daemon *d = arg;
    struct em_why why;

    if (em_store_note_put(d->store, notices_note, text, &why) < 0)
        em_log_error("which notifications were sent is not kept: %s", why.text);
}

static bool recall_one(void *arg, const struct em_finding_row *row, int64_t ended_us)
{
    struct em_finding_row *wanted = arg;

    (void)ended_us;
    if (row->id != wanted->id)
        return true;
    *wanted = *row;
    return false;
}

/* Of what is not there any more, findings alone have a history. */
static void recall_notice(void *arg, enum em_table_id table, const uint32_t *index, void *row)
{
    const struct daemon *d = arg;
    struct em_why why;

    (void)index; /* the row has it */
    if (table == EM_T_FINDING &&
        em_store_findings(d->store, EM_FINDING_HISTORY_MAX, recall_one, row, &why) < 0)
        em_log_error("the history of findings cannot be read: %s", why.text);
}

static void limit_notices(const struct daemon *d)
{
    if (d->notices)
        em_notices_limit(d->notices, &(struct em_notice_limits) { d->conf->notification_rate,
                                                                  d->conf->notification_delay_us });
}

static int make_notices(struct daemon *d, struct em_why *why)
{
    const struct em_notices_memory memory = { keep_notices, recall_notice, d };
    char *text = malloc(EM_NOTICES_MEMORY_MAX);
    int err = text ? em_store_note(d->store, notices_note, text, EM_NOTICES_MEMORY_MAX, why)
                   : em_fail(why, EM_ERR_MEMORY, "no memory for notifications");

    if (err == EM_ERR_NOT_FOUND) {
        *text = '\0';
        err = 0;
    }
    if (err == 0 && !(d->notices = em_notices_new(&d->ring, &memory, text)))
        err = em_fail(why, EM_ERR_MEMORY, "no memory for notifications");
    free(text);
    return err;
}

/* The SNMP side, once there is an address for it. */
static int start_snmp(struct daemon *d, const char *address, struct em_why *why)
{
    int err = d->notices ? 0 : make_notices(d, why);

    return err < 0 ? err : em_snmp_start(address, &d->mailbox, &d->ring, &d->snmp, why);
}

static void snapshot_taken(void *arg, struct em_snapshot *s, bool settled)
{
    struct daemon *d = arg;

    if (d->snmp && em_notices_observe(d->notices, s, em_mono_us(em_net_clock(d->net)),
                                      em_snmp_connected(d->snmp), settled))
        em_snmp_wake(d->snmp);
}

static void fill_snapshot(void *arg, struct em_snapshot *s)
{
    const struct daemon *d = arg;
    struct em_daemon *row = em_snapshot_row(s, EM_T_DAEMON, 0);
    struct em_windows *windows = em_snapshot_row(s, EM_T_WINDOWS, 0);

    windows->failure_threshold = d->conf->failure_threshold;
    row->snmp_connected = em_snmp_connected(d->snmp);
    row->snmp_connections = em_snmp_connections(d->snmp);
    if (d->notices)
        em_notices_fill(d->notices, row);
}

/* --- timers ------------------------------------------------------------------------------------------------------------------ */

/* As many steps as find room in a turn: what comes at full speed is forgotten as fast. */
static int trim(const struct daemon *d, bool *more, struct em_why *why)
{
    const struct em_clock *clock = em_net_clock(d->net);
    int64_t end_us = em_mono_us(clock) + TRIM_TURN_US;
    int err;

    do
        err = em_store_trim(d->store, more, why);
    while (err == 0 && *more && em_mono_us(clock) < end_us);
    return err;
}

/* Counters of checks have no batch of their own: they are written now and then, which also finds out how the database is. */
static void save(void *arg)
{
    struct daemon *d = arg;
    struct em_why why = { "" };
    int64_t wait_us = SAVE_S * EM_US_PER_S;
    bool more = false;
    int err = em_store_begin(d->store, &why);

    if (err == 0 && (err = trim(d, &more, &why)) == 0)
        err = em_store_commit(d->store, &why);
    else
        em_store_rollback(d->store);
    if (err == 0 && more)
        wait_us = TRIM_AGAIN_US;
    if (err < 0 && !d->store_failure[0])
        em_log_error("%s", why.text);
    else if (err == 0 && d->store_failure[0])
        em_log_info("the database can be written again");
    slice_copy(slice_of(err < 0 ? why.text : ""), d->store_failure, sizeof d->store_failure);
    em_timer_at(d->save, em_mono_us(em_net_clock(d->net)) + wait_us);
}

static void tell_status(const struct daemon *d)
{
    const struct em_daemon *now = em_snapshot_row(em_state_snapshot(d->state), EM_T_DAEMON, 0);
    char text[160];

    snprintf(text, sizeof text, "STATUS=%llu checks up, %llu down, %llu untested; %llu sources, %llu failed",
             (unsigned long long)now->checks_up, (unsigned long long)now->checks_down,
             (unsigned long long)now->checks_untested, (unsigned long long)now->sources,
             (unsigned long long)now->sources_failed);
    em_notify(text);
}

static void pet_watchdog(void *arg)
{
    struct daemon *d = arg;

    em_notify("WATCHDOG=1");
    tell_status(d);
    em_timer_at(d->watchdog, em_mono_us(em_net_clock(d->net)) + d->watchdog_us);
}

/* --- configuration ----------------------------------------------------------------------------------------------------------- */

static const char *agentx_of(const struct daemon *d, const struct em_conf *conf)
{
    return d->options.agentx ? d->options.agentx : conf->agentx_address;
}

/* What is shown to those who connect, if it is not what is shown now; *changed: whether it is. */
static int open_tls(struct daemon *d, const struct em_conf *conf, bool same_web, struct em_tls_serve **tls,
                    bool *changed, struct em_why *why)
{
    bool wanted = conf->web_tls.certificate[0] && conf->web_listen[0];

    *changed = same_web ? memcmp(&d->conf->web_tls, &conf->web_tls, sizeof conf->web_tls) != 0 : wanted;
    if (!*changed || !wanted)
        return 0;
    if (em_web_tls_load(why) != 0)
        return EM_ERR_UNSUPPORTED;
    *tls = em_tls_serve_new(&conf->web_tls, "web_certificate", why);
    return *tls ? 0 : EM_ERR_INPUT;
}

/* The listeners that conf asks for and that are not there yet. */
static int open_faces(struct daemon *d, const struct em_conf *conf, struct em_web **web,
                      struct em_web **control, struct em_why *why)
{
    const struct em_web_source source = { ask_snapshot, ask_store, ask_reasons, d };
    bool same_web = d->conf && strcmp(d->conf->web_listen, conf->web_listen) == 0,
         same_control = d->conf && strcmp(d->conf->control_socket, conf->control_socket) == 0;
    struct em_addr at;
    int err = 0;

    *web = same_web ? d->web : NULL;
    *control = same_control ? d->control : NULL;
    if (!same_web && conf->web_listen[0] && em_conf_listen(conf->web_listen, &at))
        err = em_web_tcp(d->base, &at, &source, web, why);
    if (err == 0 && !same_control && conf->control_socket[0])
        err = em_web_unix(d->base, conf->control_socket, &source, control, why);
    if (err < 0 && !same_web) {
        em_web_free(*web);
        *web = NULL;
    }
    return err;
}

static void close_other_faces(struct daemon *d, struct em_web *web, struct em_web *control)
{
    if (d->web != web)
        em_web_free(d->web);
    if (d->control != control)
        em_web_free(d->control);
    d->web = web;
    d->control = control;
}

/* A configuration on its way into force. */
struct plan {
    struct em_web *web, *control; /* those that are there or new ones */
    struct em_tls_serve *tls;     /* of web, if it changes */
    bool tls_changes;
    struct em_checks_plan *checks;
    struct em_ranges_plan *ranges;
    struct em_feeds_plan *feeds;
};

static void discard(struct daemon *d, struct plan *p)
{
    em_tls_serve_free(p->tls);
    if (p->web != d->web)
        em_web_free(p->web);
    if (p->control != d->control)
        em_web_free(p->control);
    em_checks_discard(p->checks);
    em_ranges_discard(p->ranges);
    em_feeds_discard(p->feeds);
}

/* What checks, edges and sources are called in the store, in one transaction. */
static int prepare_rows(struct daemon *d, const struct em_conf *conf, struct plan *p, struct em_why *why)
{
    int err = em_store_begin_durable(d->store, why);

    if (err < 0)
        return err;
    if ((err = em_checks_prepare(d->checks, conf, &p->checks, why)) == 0)
        err = em_ranges_prepare(d->ranges, conf, &p->ranges, why);
    if (err == 0)
        err = em_feeds_prepare(d->feeds, conf, &p->feeds, why);
    if (err == 0)
        return em_store_commit(d->store, why);
    em_store_rollback(d->store);
    return err;
}

/* Everything that can fail; nothing that is in force changes. */
static int prepare(struct daemon *d, const struct em_conf *conf, struct plan *p, struct em_why *why)
{
    int err = open_faces(d, conf, &p->web, &p->control, why);

    if (err == 0)
        err = open_tls(d, conf, d->conf && p->web == d->web, &p->tls, &p->tls_changes, why);
    if (err == 0)
        err = prepare_rows(d, conf, p, why);
    if (err == 0 && d->conf && !d->snmp && *agentx_of(d, conf))
        err = start_snmp(d, agentx_of(d, conf), why); /* nothing behind it fails */
    if (err < 0)
        discard(d, p);
    return err;
}

/* What only the next start can change. */
static void tell_restart(const struct daemon *d, const struct em_conf *conf)
{
    if (strcmp(d->conf->database, conf->database) != 0)
        em_log_warning("another database is only used after a restart; going on with %s", d->conf->database);
}

/* Puts conf in force; on failure everything is as before. */
static int apply(struct daemon *d, struct em_conf *conf, struct em_why *why)
{
    struct plan p = { 0 };
    int err = prepare(d, conf, &p, why);

    if (err < 0)
        return err;
    close_other_faces(d, p.web, p.control);
    if (p.tls_changes && d->web)
        em_web_tls(d->web, p.tls);
    em_web_names(d->web, conf->web_names);
    em_net_event_set_servers(d->net, conf->name_servers);
    em_checks_commit(p.checks);
    em_ranges_commit(p.ranges);
    em_feeds_commit(p.feeds);
    if (d->conf)
        tell_restart(d, conf);
    if (d->snmp)
        em_snmp_move(d->snmp, agentx_of(d, conf));
    em_conf_free(d->conf);
    d->conf = conf;
    em_store_limit(d->store, &(struct em_store_limits) { conf->retention_us,
                                                         (int64_t)conf->database_mib * 1024 * 1024 });
    limit_notices(d);
    em_conf_forget_blocks(conf);
    return 0;
}

static void log_error(void *arg, const char *text)
{
    (void)arg;
    em_log_error("%s", text);
}

static void reload(struct daemon *d)
{
    struct em_conf *conf;
    struct em_why why = { "it has errors" };

    em_notify("RELOADING=1");
    if (em_conf_read(d->options.conf_file, log_error, NULL, &conf) < 0) {
        snprintf(d->reload_failure, sizeof d->reload_failure,
                 "%s was not read again: it has errors; see the log", d->options.conf_file);
    } else if (apply(d, conf, &why) < 0) {
        snprintf(d->reload_failure, sizeof d->reload_failure, "the new configuration is not in force: %.300s",
                 why.text);
        em_conf_free(conf);
    } else {
        d->reload_failure[0] = '\0';
        em_state_configured(d->state, &d->conf->finding);
    }
    if (d->reload_failure[0])
        em_log_error("%s; the old one stays in force", d->reload_failure);
    else
        em_log_info("the configuration was read again file=%s", d->options.conf_file);
    em_notify("READY=1");
}

/* --- signals ----------------------------------------------------------------------------------------------------------------- */

static void on_hangup(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    reload(arg);
}

static void on_end(evutil_socket_t sig, short what, void *arg)
{
    (void)what;
    em_log_info("ending by signal %d", (int)sig);
    event_base_loopbreak(((struct daemon *)arg)->base);
}

static int watch_signals(struct daemon *d, struct em_why *why)
{
    static const struct {
        int sig;
        event_callback_fn fn;
    } all[] = { { SIGHUP, on_hangup }, { SIGTERM, on_end }, { SIGINT, on_end } };

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error like a full disk */
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        d->signal[i] = evsignal_new(d->base, all[i].sig, all[i].fn, d);
        if (!d->signal[i] || event_add(d->signal[i], NULL) != 0)
            return em_fail(why, EM_ERR_MEMORY, "no memory for signals");
    }
    return 0;
}

/* --- start and end ----------------------------------------------------------------------------------------------------------- */

/* Probes and clients need descriptors: take what the system allows. */
static void raise_limits(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

static void take_kept(void *arg, const char *name, int fd)
{
    struct daemon *d = arg;

    if (d->keep)
        em_keep_add(d->keep, name, fd);
    else
        (void)close(fd);
}

static int start_loop(struct daemon *d, struct em_why *why)
{
    if (!(d->base = event_base_new()))
        return em_fail(why, EM_ERR_SYSTEM, "no event loop");
    if (!(d->net = em_net_event_new(d->base, why)))
        return EM_ERR_SYSTEM;
    d->save = em_timer_new(d->net, save, d);
    d->watchdog = em_timer_new(d->net, pet_watchdog, d);
    d->quiet = em_timer_new(d->net, give_back, d);
    if (!d->save || !d->watchdog || !d->quiet)
        return em_fail(why, EM_ERR_MEMORY, "no memory for timers");
    return watch_signals(d, why);
}

static int start_parts(struct daemon *d, struct em_conf *conf, struct em_why *why)
{
    struct em_state_parts parts = { .net = d->net,
                                    .mailbox = &d->mailbox,
                                    .start_us = em_wall_us(em_net_clock(d->net)),
                                    .taken = snapshot_taken,
                                    .fill = fill_snapshot,
                                    .arg = d };
    int err = em_store_open(conf->database, em_net_clock(d->net), &d->store, why);

    if (err < 0)
        return err;
    d->checks = em_checks_new(d->net, d->store, changed, d);
    d->ranges = em_ranges_new(d->net, d->store, changed, d);
    d->feeds = em_feeds_new(d->net, d->store, d->keep, changed, d);
    if (!d->keep || !d->checks || !d->ranges || !d->feeds)
        return em_fail(why, EM_ERR_MEMORY, "no memory to start");
    if ((err = apply(d, conf, why)) < 0)
        return err;
    parts.limits = d->conf->finding;
    parts.store = d->store;
    parts.checks = d->checks;
    parts.ranges = d->ranges;
    parts.feeds = d->feeds;
    if ((err = em_state_new(&parts, &d->state, why)) < 0)
        return err;
    if (*agentx_of(d, d->conf) && (err = start_snmp(d, agentx_of(d, d->conf), why)) < 0)
        return err;
    limit_notices(d);
    return 0;
}

static void stop(struct daemon *d)
{
    struct em_why why;
    bool joined;

    em_notify("STOPPING=1");
    em_feeds_free(d->feeds);
    em_keep_free(d->keep);
    em_checks_free(d->checks);
    em_ranges_free(d->ranges);
    if (d->store && (em_store_begin(d->store, &why) < 0 || em_store_commit(d->store, &why) < 0))
        em_log_error("the last counters are lost: %s", why.text);
    em_web_free(d->web);
    em_web_free(d->control);
    joined = em_snmp_stop(d->snmp, SNMP_STOP_MS);
    em_state_free(d->state);
    em_notices_free(d->notices, !joined);
    em_snapshot_unref(em_mailbox_take(&d->mailbox));
    if (d->store)
        em_store_close(d->store);
    em_timer_free(d->save);
    em_timer_free(d->watchdog);
    em_timer_free(d->quiet);
    em_conf_free(d->conf);
    for (size_t i = 0; i < sizeof d->signal / sizeof *d->signal; i++)
        if (d->signal[i])
            event_free(d->signal[i]);
    if (d->net)
        em_net_free(d->net);
    if (d->base)
        event_base_free(d->base);
}

static void serve(struct daemon *d, int parent)
{
    int64_t now = em_mono_us(em_net_clock(d->net));

    em_timer_at(d->save, now + SAVE_S * EM_US_PER_S);
    d->watchdog_us = em_notify_watchdog_us();
    if (d->watchdog_us > 0)
        em_timer_at(d->watchdog, now);
    em_log_info("edgemediad " PACKAGE_VERSION " started config=%s web=%s control=%s agentx=%s",
                d->options.conf_file, d->conf->web_listen, d->conf->control_socket, agentx_of(d, d->conf));
    if (geteuid() == 0)
        em_log_warning("running as root, which edgemediad does not need");
    if (parent >= 0)
        em_background_ready(parent);
    em_notify("READY=1");
    tell_status(d);
    event_base_dispatch(d->base);
}

static int run(struct daemon *d)
{
    struct em_conf *conf;
    struct em_why why;
    int parent = -1, err;

    d->keep = em_keep_new(em_notify_fd);
    em_notify_kept(take_kept, d);
    if (em_conf_read(d->options.conf_file, em_conf_print, NULL, &conf) < 0)
        return EXIT_ERROR;
    raise_limits();
    em_memory_set_up();
    if (!d->options.foreground && (parent = em_background(&why)) < 0) {
        em_log_error("%s", why.text);
        em_conf_free(conf);
        return EXIT_ERROR;
    }
    if ((err = start_loop(d, &why)) == 0)
        err = start_parts(d, conf, &why);
    if (err == 0) {
        serve(d, parent);
    } else {
        em_log_error("edgemediad cannot start: %s", why.text);
        if (!d->conf)
            em_conf_free(conf);
    }
    stop(d);
    return err < 0 ? EXIT_ERROR : 0;
}

static bool read_level(const char *word)
{
    static const char *const words[] = { "error", "warning", "info", "debug" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], word) == 0) {
            em_log_set_level((enum em_log_level)i);
            return true;
        }
    return false;
}

static int help(int asked)
{
    struct buf text = buf_heap(16384);

    if (asked == EM_OPT_VERSION)
        buf_text(&text, "edgemediad " PACKAGE_VERSION "\n");
    else
        em_opt_help(&em_daemon_program, &text);
    fputs(buf_str(&text), stdout);
    buf_fini(&text);
    return 0;
}

int em_daemon_main(int argc, char **argv)
{
    struct daemon *d = &the_daemon;
    struct em_why why;
    int first, answer = em_opt_parse(&em_daemon_program, &d->options, argc, argv, &first, &why);

    if (answer > 0)
        return help(answer);
    if (answer == EM_OPT_GO && first < argc)
        answer = em_fail(&why, EM_ERR_INPUT, "%s is not expected", argv[first]);
    if (answer == EM_OPT_GO && !read_level(d->options.log_level))
        answer = em_fail(&why, EM_ERR_INPUT, "--log-level is error, warning, info or debug");
    if (answer < 0) {
        fprintf(stderr, "edgemediad: %s\nTry edgemediad --help\n", why.text);
        return EXIT_ERROR;
    }
    if (d->options.test_config)
        return em_conf_test(d->options.conf_file) < 0 ? EXIT_ERROR : 0;
    return run(d);
}
