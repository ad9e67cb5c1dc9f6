/* SPDX-License-Identifier: GPL-3.0-or-later
 * The SQL source: when it asks, what it does with the rows, and how it waits after a failure; see sql.h. */
#include "source/sql.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/hash.h"
#include "base/log.h"
#include "source/intake.h"
#include "source/sql_process.h"
#include "source/sql_wire.h"

enum {
    READ_BYTES = 64 * 1024,     /* in a turn, and about what a transaction holds */
    AFTER_END_US = 20 * 1000,   /* between looks whether a worker is over */
    LOOKS_AT_STOP = 100,        /* of a millisecond each */
    AHEAD_US = 1 * EM_US_PER_S, /* rows of one page may be so far out of order */
};

struct sql_source {
    struct em_source_env env;
    struct em_source_conf conf;
    const struct em_clock *clock;
    struct em_timer *timer;
    void (*next)(struct sql_source *s); /* what the timer is for */
    struct em_intake in;
    struct sql_process process;
    struct em_watch *watch;
    struct buf bytes; /* from the worker: frames that are not all there */

    int64_t start_us;  /* as committed: what is asked for begins here */
    int64_t newest_us; /* the newest row so far; 0: none */

    /* The poll. */
    int64_t began_us;
    int64_t from_us;        /* of the page */
    int64_t page_newest_us; /* 0: no row yet */
    uint32_t limit;
    uint64_t fresh; /* rows of the page that are new */

    /* What the row says. */
    enum em_source_state state;
    char error[EM_REASON_MAX];
    unsigned failures; /* one after the other */
};

/* --- turns --------------------------------------------------------------------------------------------------------- */

static void begin_poll(struct sql_source *s);

static void on_timer(void *arg)
{
    struct sql_source *s = arg;

    s->next(s);
}

static void then_at(struct sql_source *s, void (*next)(struct sql_source *s), int64_t at_us)
{
    s->next = next;
    em_timer_at(s->timer, at_us);
}

static void tell(struct sql_source *s, enum em_source_state state, const char *error)
{
    bool same = s->state == state && strcmp(s->error, error) == 0;

    s->state = state;
    (void)slice_copy(slice_of(error), s->error, sizeof s->error);
    if (!same)
        s->env.changed(s->env.arg);
}

static void let_go(struct sql_source *s)
{
    em_watch_free(s->watch);
    s->watch = NULL;
    sql_process_end(&s->process);
    buf_reset(&s->bytes);
}

/* text: ours, or escaped. */
static void fail(struct sql_source *s, const char *text)
{
    int64_t wait_us = em_back_off_us(s->clock, s->failures, EM_SQL_BACKOFF_MIN_US, EM_SQL_BACKOFF_MAX_US);

    let_go(s);
    s->failures++;
    if (s->state != EM_SOURCE_FAILED)
        em_log_warning("source %s: %s; asked again in %lld s", s->conf.name, text,
                       (long long)(wait_us / EM_US_PER_S));
    then_at(s, begin_poll, em_mono_us(s->clock) + wait_us);
    tell(s, EM_SOURCE_FAILED, text);
}

/* --- rows ---------------------------------------------------------------------------------------------------------- */

static void on_report(void *arg, const struct em_report *r)
{
    struct sql_source *s = arg;

    (void)em_intake_report(&s->in, s->conf.preset, r);
}

static void bring(struct sql_source *s, const struct sql_row *row, struct cur body)
{
    struct em_reader_stats read = { .bytes = cur_left(&body), .messages = 1 };
    uint64_t key = em_hash(&em_hash_key_fixed, body.p, cur_left(&body));
    struct slice message = row->value[SQL_FIELD_MESSAGE];
    bool before;

    if (em_intake_seen(&s->in, key, row->time_us ? row->time_us : s->from_us, &before) != 0 || before)
        return;
    s->fresh++;
    if (sql_row_has(row, SQL_FIELD_MESSAGE)) {
        s->in.time_us = row->time_us;
        (void)em_intake_text(&s->in, s->conf.preset, message.p, message.n);
        return;
    }
    read.malformed = !sql_row_read(row, on_report, s);
    (void)em_intake_count(&s->in, &read);
}

/* false: the source has failed. */
static bool on_row(struct sql_source *s, struct cur body)
{
    struct sql_row row;

    if (!sql_get_row(body, &row)) {
        fail(s, "edgemedia-sql said something that is not understood; is it of this version?");
        return false;
    }
    if (row.time_us && row.time_us < s->page_newest_us - AHEAD_US) {
        fail(s, "query: its rows do not come in the order of their time; write ORDER BY");
        return false;
    }
    if (row.time_us > s->page_newest_us)
        s->page_newest_us = row.time_us;
    bring(s, &row, body);
    return true;
}

/* --- pages --------------------------------------------------------------------------------------------------------- */

static void on_deadline(struct sql_source *s)
{
    char text[EM_REASON_MAX];

    (void)snprintf(text, sizeof text,
                   "no answer in %lld s; is there an index on the time, and is timeout long enough?",
                   (long long)((s->conf.timeout_us + EM_SQL_GRACE_US) / EM_US_PER_S));
    fail(s, text);
}

static bool send_frames(struct sql_source *s, const struct buf *b)
{
    ssize_t n = b->full ? -1 : send(s->process.fd, b->p, b->n, MSG_NOSIGNAL);

    return n >= 0 && (size_t)n == b->n; /* the socket holds far more */
}

static void ask_page(struct sql_source *s)
{
    struct buf b = buf_heap(64);
    bool sent;

    s->page_newest_us = 0;
    s->fresh = 0;
    sql_put_ask(&b, &(struct sql_ask) { s->from_us, s->limit });
    sent = send_frames(s, &b);
    buf_fini(&b);
    if (sent)
        then_at(s, on_deadline, em_mono_us(s->clock) + s->conf.timeout_us + EM_SQL_GRACE_US);
    else
        fail(s, "edgemedia-sql does not listen any more");
}

static void put_place(struct sql_source *s, int64_t start_us, int64_t newest_us)
{
    char text[64];

    (void)snprintf(text, sizeof text, "1 %" PRId64 " %" PRId64, start_us, newest_us);
    (void)em_intake_place(&s->in, text);
}

static void read_place(struct sql_source *s, const char *text)
{
    struct slice t = slice_of(text);
    uint64_t start, newest;

    if (slice_skip(&t, SLICE("1 ")) && slice_u64(&t, INT64_MAX, &start) && slice_skip(&t, SLICE(" ")) &&
        slice_u64(&t, INT64_MAX, &newest) && t.n == 0) {
        s->start_us = (int64_t)start;
        s->newest_us = (int64_t)newest;
    } else {
        s->start_us = em_wall_us(s->clock) - s->conf.since_us;
    }
    if (s->start_us < 0)
        s->start_us = 0;
}

/* Behind the last row of a page: where the next one begins, if there is one. */
static bool page_follows(struct sql_source *s, bool more)
{
    int64_t next_us = s->page_newest_us - EM_SQL_SLACK_US;

    if (!more)
        return false;
    if (next_us > s->from_us) {
        s->from_us = next_us;
        return true;
    }
    if (s->limit < SQL_PAGE_MAX) { /* all of one time */
        s->limit = s->limit < SQL_PAGE_MAX / 2 ? s->limit * 2 : SQL_PAGE_MAX;
        return true;
    }
    em_log_warning("source %s: more than %d rows at one time: the others are left out", s->conf.name,
                   SQL_PAGE_MAX);
    s->from_us = s->page_newest_us + EM_SQL_SLACK_US;
    return true;
}

static void rest(struct sql_source *s)
{
    int64_t now_us = em_mono_us(s->clock), at_us = s->began_us + s->conf.interval_us;

    if (s->state == EM_SOURCE_FAILED)
        em_log_info("source %s: answers again", s->conf.name);
    s->failures = 0;
    s->limit = s->conf.page;
    then_at(s, begin_poll, at_us > now_us ? at_us : now_us);
    tell(s, EM_SOURCE_CAUGHT_UP, "");
}

/* In the transaction of its last rows: the place. Rows ahead of this clock do not take it along: others would be left out until then. */
static void end_page(struct sql_source *s)
{
    int64_t now_us = em_wall_us(s->clock), start_us;

    if (s->page_newest_us > s->newest_us)
        s->newest_us = s->page_newest_us;
    start_us = (s->newest_us < now_us ? s->newest_us : now_us) - s->conf.overlap_us;
    if (s->newest_us > 0 && start_us > s->start_us)
        s->start_us = start_us;
    (void)em_intake_forget(&s->in, s->start_us - EM_US_PER_S);
    put_place(s, s->start_us, s->newest_us);
}

/* --- what the worker says ------------------------------------------------------------------------------------------ */

/* The driver's words. */
static void on_fail(struct sql_source *s, struct cur body)
{
    struct sql_fail told;
    char text[EM_REASON_MAX];
    struct buf b = buf_over(text, sizeof text);

    if (!sql_get_fail(body, &told))
        told.text = SLICE("edgemedia-sql failed and does not say why");
    esc_line(&b, told.text);
    (void)buf_str(&b);
    fail(s, text);
}

/* The frames that are there, as far as one transaction goes. Returns the frame that ends the page, or 0; -1: the source has failed. */
static int take_frames(struct sql_source *s, struct slice *rest_of, struct sql_end *end)
{
    struct cur body;
    int kind;

    while ((kind = sql_take(rest_of, &body)) == SQL_ROW)
        if (!on_row(s, body))
            return -1;
    if (kind == SQL_FAIL) {
        on_fail(s, body);
        return -1;
    }
    if (kind < 0 || kind == SQL_OPEN || kind == SQL_ASK || (kind == SQL_END && !sql_get_end(body, end))) {
        fail(s, "edgemedia-sql said something that is not understood; is it of this version?");
        return -1;
    }
    return kind;
}

static void look_whether_over(struct sql_source *s)
{
    char how[EM_REASON_MAX / 2], text[EM_REASON_MAX];

    if (!sql_process_over(&s->process, how, sizeof how)) {
        then_at(s, look_whether_over, em_mono_us(s->clock) + AFTER_END_US);
        return;
    }
    (void)snprintf(text, sizeof text, "edgemedia-sql %s", how);
    fail(s, text);
}

/* false: there is nothing more for now, or nobody. */
static bool receive(struct sql_source *s)
{
    char piece[READ_BYTES];
    ssize_t n = recv(s->process.fd, piece, sizeof piece, 0);

    if (n > 0) {
        buf_bytes(&s->bytes, piece, (size_t)n);
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        em_watch_free(s->watch);
        s->watch = NULL;
        look_whether_over(s);
    }
    return false;
}

/* The store fails: the same page is asked for later. */
static void stored_not(struct sql_source *s)
{
    let_go(s);
    then_at(s, begin_poll, em_mono_us(s->clock) + EM_INTAKE_RETRY_US);
    tell(s, EM_SOURCE_FAILED, s->in.why.text);
}

static void on_readable(void *arg)
{
    struct sql_source *s = arg;
    struct sql_end end = { 0 };
    struct slice left;
    uint64_t fresh_before = s->fresh;
    int64_t start_us = s->start_us, newest_us = s->newest_us;
    int kind;

    if (!receive(s))
        return;
    left = (struct slice) { (const char *)s->bytes.p, s->bytes.n };
    (void)em_intake_begin(&s->in);
    kind = take_frames(s, &left, &end);
    if (kind == SQL_END)
        end_page(s);
    if (em_intake_end(&s->in) != 0) {
        s->start_us = start_us;
        s->newest_us = newest_us;
        stored_not(s);
        return;
    }
    if (s->fresh > fresh_before)
        s->env.changed(s->env.arg);
    if (kind < 0)
        return;
    memmove(s->bytes.p, left.p, left.n);
    s->bytes.n = left.n;
    if (kind == SQL_END && page_follows(s, end.more)) {
        if (s->state != EM_SOURCE_FAILED && s->fresh > 0)
            tell(s, EM_SOURCE_READING, "");
        ask_page(s);
    } else if (kind == SQL_END) {
        rest(s);
    }
}

/* --- a poll -------------------------------------------------------------------------------------------------------- */

static bool start_worker(struct sql_source *s)
{
    const struct sql_open open = { .timeout_s =
                                       (uint32_t)((s->conf.timeout_us + EM_US_PER_S - 1) / EM_US_PER_S),
                                   .connection = slice_of(s->conf.sql.connection),
                                   .user = slice_of(s->conf.user),
                                   .password = slice_of(s->conf.password),
                                   .query = slice_of(em_sql_query(&s->conf)) };
    struct buf b = buf_heap(2 * SQL_VALUE_MAX);
    struct em_why why;
    bool sent;

    if (sql_process_start(&s->process, &why) != 0) {
        fail(s, why.text);
        return false;
    }
    s->watch = em_net_watch(s->env.net, s->process.fd, on_readable, s);
    sql_put_open(&b, &open);
    sent = s->watch && send_frames(s, &b);
    if (b.n > 0)
        explicit_bzero(b.p, b.n);
    buf_fini(&b);
    if (!sent)
        fail(s, "edgemedia-sql does not listen");
    return sent;
}

static void begin_poll(struct sql_source *s)
{
    char how[EM_REASON_MAX];

    if (!s->watch && !sql_process_over(&s->process, how, sizeof how)) { /* killed, but not gone yet */
        then_at(s, begin_poll, em_mono_us(s->clock) + AFTER_END_US);
        return;
    }
    s->began_us = em_mono_us(s->clock);
    s->from_us = s->start_us;
    if (s->watch || start_worker(s))
        ask_page(s);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

/* What was killed is gone within a moment, and must not stay a zombie of a daemon that goes on. */
static void stop(void *source)
{
    struct sql_source *s = source;
    char how[EM_REASON_MAX];

    if (!s)
        return;
    let_go(s);
    for (int i = 0; i < LOOKS_AT_STOP && !sql_process_over(&s->process, how, sizeof how); i++)
        (void)nanosleep(&(struct timespec) { .tv_nsec = 1000 * 1000 }, NULL);
    em_timer_free(s->timer);
    buf_fini(&s->bytes);
    explicit_bzero(s, sizeof *s);
    free(s);
}

static int start(const struct em_source_env *env, const struct em_source_conf *conf, void **source,
                 struct em_why *why)
{
    struct sql_source *s = calloc(1, sizeof *s);
    char place[EM_INTAKE_PLACE_MAX];
    int err;

    if (!s || !(s->timer = em_timer_new(env->net, on_timer, s))) {
        free(s);
        return em_fail(why, EM_ERR_MEMORY, "source %s: no memory", conf->name);
    }
    memcpy(&s->conf, conf, sizeof s->conf);
    s->env = *env;
    s->clock = em_net_clock(env->net);
    s->bytes = buf_heap((size_t)SQL_FRAME_MAX + READ_BYTES + 4);
    s->state = EM_SOURCE_STARTING;
    if (s->conf.page == 0)
        s->conf.page = EM_SQL_PAGE;
    s->limit = s->conf.page;
    em_intake_init(&s->in, env, s->conf.name);
    if ((err = em_intake_load(&s->in, place, why)) != 0) {
        stop(s);
        return err;
    }
    read_place(s, place);
    then_at(s, begin_poll, em_mono_us(s->clock));
    *source = s;
    return 0;
}

static void row(const void *source, struct em_source_row *row)
{
    const struct sql_source *s = source;

    (void)slice_copy(slice_of(s->conf.sql.connection), row->location, sizeof row->location);
    (void)slice_copy(slice_of(s->error), row->error, sizeof row->error);
    row->state = s->state;
    row->files = row->lag_bytes = 0;
}

static const char *failure(const void *source)
{
    return em_intake_failure(&((const struct sql_source *)source)->in);
}

const struct em_source_kind em_sql_kind = {
    .type = EM_SOURCE_SQL, .start = start, .stop = stop, .row = row, .failure = failure
};
