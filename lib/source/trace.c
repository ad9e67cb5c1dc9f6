/* SPDX-License-Identifier: GPL-3.0-or-later
 * The trace source's turns: what is there is looked at, a bounded piece of it is read, and one commit follows. */
#include "source/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "source/follow.h"

void trace_break(struct em_trace *t, const char *what)
{
    t->broken = true;
    (void)em_fail(&t->why, EM_ERR_MEMORY, "source %s: %s", t->name, what);
}

bool trace_begin(struct em_trace *t)
{
    if (t->broken || t->transaction)
        return !t->broken;
    t->transaction = em_store_begin(t->store, &t->why) == 0;
    t->broken = !t->transaction;
    return t->transaction;
}

/* --- one turn ----------------------------------------------------------------------------------------------------- */

/* Files that the store knows by their inode come first: the others may turn out to be their copies. */
static struct trace_file *pick_fresh(const struct em_trace *t)
{
    struct trace_file *any = NULL;

    for (size_t i = 0; i < t->files_n; i++) {
        struct trace_file *f = t->file[i];

        if (f->state != TRACE_FRESH)
            continue;
        if (trace_has_own_place(t, f))
            return f;
        any = any ? any : f;
    }
    return any;
}

/* A compressed file may hold what another one has lost. */
static bool unpacks(const struct em_trace *t)
{
    for (size_t i = 0; i < t->files_n; i++)
        if (t->file[i]->state == TRACE_FRESH || t->file[i]->state == TRACE_WAITING ||
            t->file[i]->state == TRACE_UNPACKING)
            return true;
    return false;
}

static size_t look_at_fresh(struct em_trace *t, size_t budget)
{
    struct trace_file *f;

    while (budget >= TRACE_LOOK_COST && !t->broken && (f = pick_fresh(t))) {
        trace_look(t, f);
        budget -= TRACE_LOOK_COST;
    }
    return budget;
}

/* Round and round, a chunk each, until nothing is left or the turn's bytes are used up. */
static void read_active(struct em_trace *t, size_t budget)
{
    bool more = true;

    while (more && budget > 0 && !t->broken) {
        more = false;
        for (size_t i = 0; i < t->files_n && budget > 0 && !t->broken; i++) {
            struct trace_file *f = t->file[t->next++ % t->files_n];
            size_t n = f->state == TRACE_ACTIVE      ? trace_file_read(f, budget)
                       : f->state == TRACE_UNPACKING ? trace_packed_step(f, budget)
                                                     : 0;

            budget -= n < budget ? n : budget;
            more = more || n > 0;
        }
    }
}

/* The first scan has noted what is old: in the same transaction it is said to be done. */
static void write_sentinel(struct em_trace *t)
{
    const struct em_position at = { .mark.offset = TRACE_FIRST_DONE };

    if (!t->first || t->broken)
        return;
    if (!t->from_start &&
        (!trace_begin(t) || em_store_position_put(t->store, t->source, &t->sentinel, &at, &t->why) != 0))
        t->broken = true;
    t->first = false;
}

static void settle_turn(struct em_trace *t, int64_t now_us)
{
    for (size_t i = 0; i < t->files_n && !t->broken;)
        i += !trace_file_quiet(t->file[i]);
    for (size_t i = 0; i < t->files_n && !t->broken; i++)
        if (t->file[i]->state == TRACE_ACTIVE || (t->file[i]->state == TRACE_UNPACKING && t->file[i]->reader))
            (void)trace_file_save(t->file[i]);
    if (!t->broken && now_us - t->tidied_us >= TRACE_TIDY_US) {
        trace_places_tidy(t);
        t->tidied_us = now_us;
    }
    trace_keep(t);
}

/* Everything goes back to what the store has; open files stay open, some have no name any more. */
static void reset(struct em_trace *t)
{
    em_store_rollback(t->store);
    for (size_t i = 0; i < t->files_n; i++)
        if (t->file[i]->state != TRACE_REFUSED)
            trace_file_again(t->file[i]);
    t->loaded = false;
}

/* Returns whether something was committed. */
static bool end_turn(struct em_trace *t, int64_t now_us)
{
    bool open = t->transaction;

    t->transaction = false;
    if (!t->broken && open && em_store_commit(t->store, &t->why) != 0)
        t->broken = true;
    if (t->broken) {
        if (!t->failed)
            em_log_error("source %s: reading stops until the database can be written: %s", t->name,
                         t->why.text);
        t->failed = true;
        t->retry_us = now_us + TRACE_RETRY_US;
        reset(t);
        return false;
    }
    if (t->failed && open) {
        em_log_info("source %s: reading goes on", t->name);
        t->failed = false;
    }
    return open;
}

/* --- when the next turn is ---------------------------------------------------------------------------------------- */

static bool more_to_do(const struct em_trace *t)
{
    for (size_t i = 0; i < t->files_n; i++)
        if (t->file[i]->state == TRACE_FRESH || t->file[i]->state == TRACE_UNPACKING ||
            (t->file[i]->state == TRACE_ACTIVE && t->file[i]->pushed < t->file[i]->size))
            return true;
    return false;
}

static void arm(struct em_trace *t, int64_t now_us)
{
    int64_t at_us = t->scan_us;

    if (t->failed) {
        em_timer_at(t->timer, t->retry_us);
        return;
    }
    if (more_to_do(t))
        at_us = now_us;
    for (size_t i = 0; i < t->files_n; i++) {
        int64_t deadline_us = trace_file_deadline(t->file[i]);

        at_us = deadline_us < at_us ? deadline_us : at_us;
    }
    em_timer_at(t->timer, at_us);
}

static void fill_row(const void *source, struct em_source_row *row);

static void tell(struct em_trace *t, bool committed)
{
    struct em_source_row row = { 0 };

    fill_row(t, &row);
    if (!committed && row.state == t->told.state && row.files == t->told.files &&
        strcmp(row.error, t->told.error) == 0)
        return;
    t->told = row;
    if (t->changed)
        t->changed(t->arg);
}

/* Places from the store, when what is in memory was thrown away. */
static bool load(struct em_trace *t)
{
    if (!t->loaded)
        t->loaded = trace_places_load(t, &t->why) == 0;
    t->broken = !t->loaded;
    return t->loaded;
}

static void turn(void *arg)
{
    struct em_trace *t = arg;
    int64_t now_us = em_mono_us(t->clock);
    size_t budget = EM_TRACE_TURN_BYTES;
    bool committed;

    t->turn_us = now_us;
    if (load(t) && (!t->failed || trace_begin(t))) { /* after a failure something is written, to see */
        if (now_us >= t->scan_us)
            trace_scan(t);
        else if (t->peek)
            trace_peek(t);
        t->peek = false;
        budget = look_at_fresh(t, budget);
        write_sentinel(t);
        if (!pick_fresh(t)) {
            trace_orphans(t);
            if (now_us >= t->revisit_us) {
                trace_revisit(t);
                t->revisit_us = now_us + TRACE_REVISIT_US;
            }
            budget = look_at_fresh(t, budget);
            if (!unpacks(t))
                trace_count_missed(t);
        }
        read_active(t, budget);
        settle_turn(t, now_us);
    }
    committed = end_turn(t, now_us);
    arm(t, em_mono_us(t->clock));
    tell(t, committed);
}

/* --- inotify ------------------------------------------------------------------------------------------------------ */

/* Growth needs a look at the files, everything else at the directories. */
static void note_events(struct em_trace *t, const char *p, size_t n)
{
    struct inotify_event e;

    while (n >= sizeof e) {
        memcpy(&e, p, sizeof e);
        if (e.mask & (uint32_t)~IN_MODIFY) {
            int64_t soon_us = t->scanned_us + TRACE_SCAN_PAUSE_US;

            t->scan_us = soon_us < t->scan_us ? soon_us : t->scan_us;
        }
        t->peek = true;
        if (n < sizeof e + e.len)
            return;
        p += sizeof e + e.len;
        n -= sizeof e + e.len;
    }
}

static void on_inotify(void *arg)
{
    struct em_trace *t = arg;
    char bytes[16 * 1024];
    ssize_t n = read(t->inotify, bytes, sizeof bytes);
    int64_t soon_us = t->turn_us + TRACE_PAUSE_US;

    if (n <= 0)
        return;
    note_events(t, bytes, (size_t)n);
    if (!t->failed && !more_to_do(t))
        em_timer_at(t->timer, soon_us);
}

static void watch(struct em_trace *t)
{
    t->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (t->inotify < 0)
        em_log_warning("source %s: inotify: %s; files are looked at every 2 s instead", t->name,
                       strerror(errno));
    else if (!(t->watch = em_net_watch(t->net, t->inotify, on_inotify, t)))
        em_log_warning("source %s: no memory to watch; files are looked at every 2 s instead", t->name);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void stop(void *source)
{
    struct em_trace *t = source;

    if (!t)
        return;
    em_timer_free(t->timer);
    em_watch_free(t->watch);
    if (t->inotify >= 0)
        (void)close(t->inotify);
    trace_keep_stop(t);
    while (t->files_n > 0)
        trace_file_remove(t, t->file[t->files_n - 1]);
    free(t->file);
    trace_places_free(t);
    for (size_t i = 0; i < t->patterns_n; i++)
        free(t->pattern[i]);
    free(t->chunk);
    free(t->head);
    free(t->look);
    free(t);
}

static bool copy_conf(struct em_trace *t, const struct em_source_conf *conf)
{
    (void)slice_copy(slice_of(conf->name), t->name, sizeof t->name);
    t->from_start = conf->from_start;
    t->unpacked_max = EM_TRACE_UNPACKED_MAX;
    for (size_t i = 0; i < conf->path_n; i++, t->patterns_n++)
        if (!(t->pattern[i] = strdup(conf->path[i])))
            return false;
    return true;
}

static int start(const struct em_source_env *env, const struct em_source_conf *conf, void **source,
                 struct em_why *why)
{
    struct em_trace *t;
    int err;

    for (size_t i = 0; i < conf->path_n; i++)
        if (conf->path[i][0] != '/')
            return em_fail(why, EM_ERR_INPUT, "source %s: \"%s\" is not an absolute path", conf->name,
                           conf->path[i]);
    if (!(t = calloc(1, sizeof *t)))
        return em_fail(why, EM_ERR_MEMORY, "source %s: no memory", conf->name);
    t->net = env->net;
    t->clock = em_net_clock(env->net);
    t->store = env->store;
    t->keep = env->keep;
    t->source = env->number;
    t->changed = env->changed;
    t->arg = env->arg;
    t->inotify = -1;
    if (!copy_conf(t, conf) || !(t->chunk = malloc(TRACE_CHUNK + EM_TAIL_MAX)) ||
        !(t->head = malloc(sizeof *t->head)) || !(t->look = malloc(sizeof *t->look)) ||
        !(t->timer = em_timer_new(env->net, turn, t)))
        err = em_fail(why, EM_ERR_MEMORY, "source %s: no memory", conf->name);
    else
        err = trace_places_load(t, why);
    if (err != 0) {
        stop(t);
        return err;
    }
    t->loaded = true;
    trace_keep_start(t);
    watch(t);
    t->scan_us = t->turn_us = t->tidied_us = em_mono_us(t->clock);
    em_timer_at(t->timer, t->scan_us);
    *source = t;
    return 0;
}

/* --- the row ------------------------------------------------------------------------------------------------------ */

static void fill_location(const struct em_trace *t, struct em_source_row *row)
{
    struct buf b = buf_over(row->location, sizeof row->location);

    for (size_t i = 0; i < t->patterns_n; i++)
        buf_print(&b, "%s%s", i ? " " : "", t->pattern[i]);
    (void)buf_str(&b);
}

static const char *failure(const void *source)
{
    const struct em_trace *t = source;

    return t->failed ? t->why.text : "";
}

static void fill_row(const void *source, struct em_source_row *row)
{
    const struct em_trace *t = source;
    size_t n[TRACE_UNREADABLE + 1] = { 0 };
    const char *error = "";

    fill_location(t, row);
    row->lag_bytes = 0;
    for (size_t i = 0; i < t->files_n; i++) {
        const struct trace_file *f = t->file[i];

        n[f->state] += !trace_lingers(f);
        row->lag_bytes += trace_lag(f);
        if (f->state == TRACE_UNREADABLE ||
            ((f->state == TRACE_REFUSED || f->state == TRACE_RESTING) && !*error))
            error = f->error;
    }
    row->files = n[TRACE_ACTIVE] + n[TRACE_RESTING] + n[TRACE_EMPTY] + n[TRACE_FRESH] + n[TRACE_WAITING] +
                 n[TRACE_UNPACKING];
    if (t->failed)
        error = t->why.text;
    else if (t->too_many && !*error)
        error = "more files match than can be followed (1000): the oldest are not read";
    (void)slice_copy(slice_of(error), row->error, sizeof row->error);
    if (t->failed || n[TRACE_UNREADABLE] || (n[TRACE_REFUSED] && row->files == 0))
        row->state = EM_SOURCE_FAILED;
    else if (!t->scanned)
        row->state = EM_SOURCE_STARTING;
    else if (row->lag_bytes > 0 || n[TRACE_FRESH] || n[TRACE_UNPACKING])
        row->state = EM_SOURCE_READING;
    else
        row->state = row->files ? EM_SOURCE_CAUGHT_UP : EM_SOURCE_WAITING;
}

const struct em_source_kind em_trace_kind = { EM_SOURCE_TRACE, start, stop, fill_row, failure };
