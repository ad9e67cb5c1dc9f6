/* SPDX-License-Identifier: GPL-3.0-or-later
 * The store's life and its transactions, and the one place in which a report becomes counts. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "evidence/ice.h"
#include "store/calls.h"
#include "store/state.h"

static void let_go(struct em_store *s)
{
    em_history_free(&s->history);
    em_keys_free(&s->keys);
    em_texts_free(&s->texts);
    free(s->check);
    free(s);
}

int em_store_open(const char *path, const struct em_clock *clock, struct em_store **store, struct em_why *why)
{
    struct em_store *s = calloc(1, sizeof *s);
    int err;

    if (!s)
        return em_fail(why, EM_ERR_MEMORY, "database %s: no memory", path);
    s->clock = clock;
    if ((err = em_db_open(&s->db, path, em_wall_us(clock), why)) != 0)
        goto fail;
    if ((err = em_store_numbers_load(s, why)) != 0 || (err = em_store_recent_load(s, why)) != 0 ||
        (err = em_store_checks_load(s, why)) != 0 || (err = em_history_load(s, why)) != 0 ||
        (err = em_store_peers_load(s, why)) != 0 || (err = em_keys_load(s, why)) != 0 ||
        (err = em_store_older_load(s, why)) != 0) {
        em_db_close(&s->db);
        goto fail;
    }
    *store = s;
    return 0;
fail:
    let_go(s);
    return err;
}

void em_store_idle(struct em_store *s)
{
    (void)sqlite3_db_release_memory(s->db.sqlite);
    if (!s->open)
        em_texts_free(&s->texts);
}

void em_store_close(struct em_store *s)
{
    struct em_why why;
    int err = 0;

    if (!s)
        return;
    em_store_rollback(s);
    while ((s->checks_dirty || s->history.waiting_n > 0) && err == 0)
        if ((err = em_store_begin(s, &why)) != 0 || (err = em_store_commit(s, &why)) != 0)
            em_log_warning("the last totals of checks were not written: %s", why.text);
    em_db_close(&s->db);
    let_go(s);
}

int em_store_begin(struct em_store *s, struct em_why *why)
{
    int err;

    em_store_rollback(s);
    if ((err = em_db_run(&s->db, EM_SQL_BEGIN, NULL, 0, why)) != 0)
        return err;
    s->open = true;
    s->spoilt = false;
    return 0;
}

static void set_durable(struct em_store *s, bool durable)
{
    if (durable != s->durable)
        em_db_set_durable(&s->db, durable);
    s->durable = durable;
}

int em_store_begin_durable(struct em_store *s, struct em_why *why)
{
    int err;

    em_store_rollback(s);
    set_durable(s, true);
    if ((err = em_store_begin(s, why)) != 0)
        set_durable(s, false);
    return err;
}

int em_store_commit(struct em_store *s, struct em_why *why)
{
    int err = 0;

    if (!s->open)
        return em_fail(why, EM_ERR_INPUT, "database %s: no transaction is open", s->db.path);
    if (s->spoilt)
        err = em_fail(why, EM_ERR_SYSTEM, "database %s: the transaction failed before", s->db.path);
    em_keys_saving(s);
    if (err == 0 && (err = em_store_numbers_save(s, why)) == 0 && (err = em_store_checks_save(s, why)) == 0 &&
        (err = em_store_peers_save(s, why)) == 0 && (err = em_history_save(s, why)) == 0)
        err = em_db_run(&s->db, EM_SQL_COMMIT, NULL, 0, why);
    if (err != 0) {
        em_store_rollback(s);
        return err;
    }
    s->open = false;
    set_durable(s, false);
    em_store_numbers_copy(&s->now, &s->next);
    em_store_ring_move(&s->recent, &s->added);
    em_store_checks_saved(s);
    em_store_peers_committed(s);
    em_history_committed(s);
    em_keys_committed(s);
    return 0;
}

void em_store_rollback(struct em_store *s)
{
    if (!s->open)
        return;
    s->open = false;
    if (!sqlite3_get_autocommit(s->db.sqlite) && em_db_run(&s->db, EM_SQL_ROLLBACK, NULL, 0, NULL) != 0)
        em_log_error("database %s: a transaction could not be rolled back", s->db.path);
    set_durable(s, false);
    for (size_t i = s->now.sources_n; i < s->next.sources_n; i++)
        s->source_name[i][0] = '\0'; /* the place may become another source's */
    em_store_numbers_copy(&s->next, &s->now);
    em_store_peers_rolled_back(s);
    em_history_rolled_back(s);
    em_keys_rolled_back(s);
    em_texts_free(&s->texts); /* it may have texts that are in no database; the next failure loads it */
    s->older = s->was_older;
    s->added.written = 0;
}

/* --- a report ----------------------------------------------------------------------------------------------------- */

/* Name of the source, for the row; looked up once. */
static const char *source_name(struct em_store *s, const struct em_store_source *source)
{
    size_t i = (size_t)(source - s->next.source);
    sqlite3_stmt *st;

    if (s->source_name[i][0])
        return s->source_name[i];
    st = em_db_bind(&s->db, EM_SQL_NUMBER_NAME, EM_DB_INTS(source->source));
    if (em_db_step(&s->db, EM_SQL_NUMBER_NAME, NULL) == 1) {
        em_db_column_text(st, 0, s->source_name[i], sizeof s->source_name[i]);
        em_db_reset(&s->db, EM_SQL_NUMBER_NAME);
    }
    return s->source_name[i];
}

/* What the report adds, into the numbers of this transaction. */
static void add(struct em_store_numbers *n, struct em_store_source *source, const struct em_report *r,
                const struct em_count_delta *d, int64_t at_us)
{
    const bool event[EM_STORE_EVENTS] = { d->media_failure, d->code_23, d->tcp_nat_check,
                                          d->code_23_tcp_nat };

    em_count_add(&n->totals, d);
    source->reports += d->report;
    source->duplicates += d->duplicate;
    source->unkeyed += d->unkeyed;
    if (d->code)
        em_store_numbers_code(n, r->code, 1);
    for (size_t bit = 0; bit < EM_ICE_BITS; bit++)
        n->ice[bit] += d->ice >> bit & 1;
    for (size_t m = 0; m < EM_MEDIA_COUNT; m++)
        n->media[m] += d->media >> m & 1;
    for (int e = 0; e < EM_STORE_EVENTS; e++)
        if (event[e])
            em_store_numbers_event(n, at_us, e);
}

/* The same into the history; a moment of time has a place of its own there. */
static int add_history(struct em_store *s, const struct em_report *r, const struct em_count_delta *d,
                       int64_t at_us, int64_t now_us, struct em_why *why)
{
    const bool event[EM_STORE_EVENTS] = { d->media_failure, d->code_23, d->tcp_nat_check,
                                          d->code_23_tcp_nat };
    int err = d->code ? em_history_count(s, EM_HISTORY_CODE, r->code, at_us, now_us, why) : 0;

    for (uint32_t e = 0; e < EM_STORE_EVENTS && err == 0; e++)
        if (event[e])
            err = em_history_count(s, EM_HISTORY_EVENT, e, at_us, now_us, why);
    for (uint32_t bit = 0; bit < EM_ICE_BITS && err == 0; bit++)
        if (d->ice >> bit & 1)
            err = em_history_count(s, EM_HISTORY_ICE, bit, at_us, now_us, why);
    for (uint32_t m = 0; m < EM_MEDIA_COUNT && err == 0; m++)
        if (d->media >> m & 1)
            err = em_history_count(s, EM_HISTORY_MEDIA, m, at_us, now_us, why);
    return err;
}

/* The failure that a report is the first of: its row, in the database and among the newest. */
static int failed(struct em_store *s, const struct em_store_source *source, int64_t failure, int64_t call,
                  const struct em_report *r, const char *file, int64_t at_us, struct em_why *why)
{
    struct em_failure_row row;
    int err;

    em_report_row(r, &row);
    (void)slice_copy(slice_of(file), row.file, sizeof row.file);
    (void)slice_copy(slice_of(source_name(s, source)), row.source, sizeof row.source);
    if ((err = em_store_failure_write(s, failure, call, at_us, source->source, &row, why)) < 0)
        return err;
    row.failure = em_store_failure_index(failure);
    em_store_ring_add(&s->added, &row);
    return 0;
}

/* A report of a call: finds out what of it is new. */
static int keyed(struct em_store *s, struct em_store_source *source, const struct em_report *r,
                 const char *file, int64_t now_us, int64_t at_us, struct em_count_delta *d,
                 struct em_why *why)
{
    struct em_store_call call, before;
    int64_t failure = 0;
    int err, fresh, code = 0;

    if ((err = em_store_call_find(s, r->call_id, &call, why)) < 0)
        return err;
    before = call;
    if ((fresh = err = em_store_call_report(s, &call, em_report_key(r), why)) < 0)
        return err;
    if (fresh && !r->no_code && (code = err = em_store_call_code(s, &call, r->code, &failure, why)) < 0)
        return err;
    if (failure && (err = failed(s, source, failure, call.id, r, file, at_us, why)) < 0)
        return err;
    *d = em_count_report(r, &call.state, code, !fresh);
    if (fresh &&
        (err = em_store_peers_report(s, call.id, r, &call.state, d, at_us, now_us, &call.peers, why)) < 0)
        return err;
    return em_store_call_write(s, &call, &before, now_us, why);
}

/* Every report passes here once, in its transaction, when what is new in it is known: into the counters and windows, the history, and
 * whatever else is told by failures. d->media_failure: a call that has failed was not known to have failed before; d->code: a failure
 * has its first report. */
static int counted(struct em_store *s, struct em_store_source *from, const struct em_report *r,
                   const struct em_count_delta *d, int64_t at_us, int64_t now_us, struct em_why *why)
{
    add(&s->next, from, r, d, at_us);
    return add_history(s, r, d, at_us, now_us, why);
}

int em_store_report(struct em_store *s, uint32_t source, const struct em_report *r, const char *file,
                    struct em_why *why)
{
    struct em_store_source *from = em_store_numbers_source(&s->next, source);
    int64_t now_us = em_wall_us(s->clock),
            at_us = r->time_us > 0 && r->time_us <= now_us ? r->time_us : now_us;
    struct em_count_delta d;
    int err;

    if (!s->open || !from)
        return em_store_spoil(s, em_fail(why, from ? EM_ERR_INPUT : EM_ERR_LIMIT, "database %s: %s",
                                         s->db.path, from ? "no transaction is open" : "too many sources"));
    if (r->call_id.n == 0)
        d = em_count_report(r, NULL, false, false);
    else if ((err = keyed(s, from, r, file, now_us, at_us, &d, why)) < 0)
        return em_store_spoil(s, err);
    if ((err = counted(s, from, r, &d, at_us, now_us, why)) < 0)
        return em_store_spoil(s, err);
    from->report_us = (uint64_t)now_us;
    return 0;
}

/* The source's numbers in the open transaction. */
static int numbers_of(struct em_store *s, uint32_t source, struct em_store_source **numbers,
                      struct em_why *why)
{
    struct em_store_source *from = em_store_numbers_source(&s->next, source);

    if (!s->open || !from)
        return em_store_spoil(s, em_fail(why, from ? EM_ERR_INPUT : EM_ERR_LIMIT, "database %s: %s",
                                         s->db.path, from ? "no transaction is open" : "too many sources"));
    *numbers = from;
    return 0;
}

int em_store_doubt(struct em_store *s, uint32_t source, uint64_t missed, uint64_t repeated,
                   struct em_why *why)
{
    struct em_store_source *from = NULL;
    int err = numbers_of(s, source, &from, why);

    if (err == 0) {
        from->missed += missed;
        from->repeated += repeated;
    }
    return err;
}

int em_store_read(struct em_store *s, uint32_t source, const struct em_reader_stats *delta,
                  struct em_why *why)
{
    struct em_store_source *from = NULL;
    int err = numbers_of(s, source, &from, why);

    if (err != 0)
        return err;
    s->next.totals.bytes += delta->bytes;
    s->next.totals.messages += delta->messages;
    s->next.totals.malformed += delta->malformed;
    from->bytes += delta->bytes;
    from->messages += delta->messages;
    from->malformed += delta->malformed;
    from->read_us = (uint64_t)em_wall_us(s->clock);
    return 0;
}

/* --- for snapshots ------------------------------------------------------------------------------------------------ */

/* Rows of the ICE table: the known bits, and others once they were seen. */
static bool ice_shown(const struct em_store_numbers *n, unsigned bit)
{
    return n->ice[bit] > 0 || em_ice_find(UINT32_C(1) << bit);
}

void em_store_counts(struct em_store *s, size_t counts[EM_T_COUNT])
{
    size_t ice = 0;

    for (unsigned bit = 0; bit < EM_ICE_BITS; bit++)
        ice += ice_shown(&s->now, bit);
    counts[EM_T_TOTALS] = counts[EM_T_WINDOWS] = 1;
    counts[EM_T_CODE] = s->now.codes_n;
    counts[EM_T_ICE] = ice;
    counts[EM_T_MEDIA] = EM_MEDIA_COUNT;
    counts[EM_T_PEER] = em_store_peers_count(s);
    counts[EM_T_FAILURE] = s->recent.written < EM_RECENT_MAX ? (size_t)s->recent.written : EM_RECENT_MAX;
}

static void fill_codes(const struct em_store_numbers *n, struct em_snapshot *to)
{
    for (size_t i = 0; i < n->codes_n && i < to->t[EM_T_CODE].n; i++) {
        struct em_code_row *row = em_snapshot_row(to, EM_T_CODE, i);

        row->code = n->code[i].code + 1;
        row->number = n->code[i].code;
        (void)slice_copy(slice_of(em_code_meaning(row->number)), row->meaning, sizeof row->meaning);
        row->code_class = em_code_class(row->number);
        row->calls = n->code[i].calls;
    }
}

static void fill_ice(const struct em_store_numbers *n, struct em_snapshot *to)
{
    size_t at = 0;

    for (unsigned bit = 0; bit < EM_ICE_BITS && at < to->t[EM_T_ICE].n; bit++) {
        const struct em_ice_warning *known = em_ice_find(UINT32_C(1) << bit);
        struct em_ice_row *row = em_snapshot_row(to, EM_T_ICE, at);
        struct buf value = buf_over(row->value, sizeof row->value);

        if (!ice_shown(n, bit))
            continue;
        at++;
        row->bit = bit + 1;
        buf_print(&value, "0x%x", UINT32_C(1) << bit);
        (void)buf_str(&value);
        (void)slice_copy(known ? slice_of(known->name) : SLICE("unknown"), row->name, sizeof row->name);
        (void)slice_copy(known ? slice_of(known->text) : SLICE("A flag that no published table names."),
                         row->text, sizeof row->text);
        row->benign = known && known->benign ? 1 : 2;
        row->calls = n->ice[bit];
    }
}

int em_store_fill(struct em_store *s, struct em_snapshot *snapshot, struct em_why *why)
{
    const struct em_store_numbers *n = &s->now;
    uint64_t have = s->recent.written < EM_RECENT_MAX ? s->recent.written : EM_RECENT_MAX;

    (void)why;
    *(struct em_totals *)em_snapshot_row(snapshot, EM_T_TOTALS, 0) = n->totals;
    em_store_windows(n, em_wall_us(s->clock), em_snapshot_row(snapshot, EM_T_WINDOWS, 0));
    fill_codes(n, snapshot);
    fill_ice(n, snapshot);
    for (size_t m = 0; m < EM_MEDIA_COUNT && m < snapshot->t[EM_T_MEDIA].n; m++) {
        struct em_media_row *row = em_snapshot_row(snapshot, EM_T_MEDIA, m);

        row->media = (uint32_t)m + 1;
        (void)slice_copy(slice_of(em_name_of(&em_media_names, row->media)), row->name, sizeof row->name);
        row->calls = n->media[m];
    }
    em_store_peers_fill(s, snapshot);
    for (uint64_t i = 0; i < have && i < snapshot->t[EM_T_FAILURE].n; i++)
        *(struct em_failure_row *)em_snapshot_row(snapshot, EM_T_FAILURE, (size_t)i) =
            s->recent.row[(s->recent.written - 1 - i) % EM_RECENT_MAX];
    return 0;
}

void em_store_source_row(struct em_store *s, uint32_t source, struct em_source_row *row)
{
    for (size_t i = 0; i < s->now.sources_n; i++) {
        const struct em_store_source *from = &s->now.source[i];

        if (from->source != source)
            continue;
        row->bytes = from->bytes;
        row->messages = from->messages;
        row->reports = from->reports;
        row->duplicates = from->duplicates;
        row->unkeyed = from->unkeyed;
        row->malformed = from->malformed;
        row->missed = from->missed;
        row->repeated = from->repeated;
        row->read_time = (int64_t)from->read_us;
        row->report_time = (int64_t)from->report_us;
    }
}
