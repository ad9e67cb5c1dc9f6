/* SPDX-License-Identifier: GPL-3.0-or-later
 * The store's life and its transactions, and the one place in which a report becomes counts. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "evidence/ice.h"
#include "store/state.h"

enum { CALL_KEY_MAX = 256, FLAG_CODE_23 = 1, FLAG_MEDIA_FAILED = 2 };

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
        (err = em_store_peers_load(s, why)) != 0) {
        em_db_close(&s->db);
        goto fail;
    }
    *store = s;
    return 0;
fail:
    em_history_free(&s->history);
    free(s->check);
    free(s);
    return err;
}

void em_store_idle(struct em_store *s)
{
    (void)sqlite3_db_release_memory(s->db.sqlite);
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
    em_history_free(&s->history);
    free(s->check);
    free(s);
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
    s->added.written = 0;
}

/* --- a report ----------------------------------------------------------------------------------------------------- */

/* The Call-ID as the database knows it: itself, or for one of absurd length its beginning and two hashes of the whole. */
static size_t call_key(struct slice call_id, uint8_t key[CALL_KEY_MAX])
{
    static const struct em_hash_key other = { UINT64_C(0x63616c6c2d696420), UINT64_C(0x6f766572206c6f6e) };
    uint64_t h[2];

    if (call_id.n < CALL_KEY_MAX) {
        memcpy(key, call_id.p, call_id.n);
        return call_id.n;
    }
    h[0] = em_hash(&em_hash_key_fixed, call_id.p, call_id.n);
    h[1] = em_hash(&other, call_id.p, call_id.n);
    memcpy(key, call_id.p, CALL_KEY_MAX - sizeof h);
    memcpy(key + CALL_KEY_MAX - sizeof h, h, sizeof h);
    return CALL_KEY_MAX;
}

/* Finds the call or makes it. *peers: what it counted for, of EM_PEER_FLAGS. */
static int call_get(struct em_store *s, struct slice call_id, int64_t now_us, int64_t *id,
                    struct em_call_state *call, uint32_t *peers, struct em_why *why)
{
    uint8_t key[CALL_KEY_MAX];
    size_t n = call_key(call_id, key);
    sqlite3_stmt *st = s->db.stmt[EM_SQL_CALL_GET];
    int rc;

    *peers = 0;
    (void)sqlite3_bind_blob(st, 1, key, (int)n, SQLITE_STATIC);
    if ((rc = em_db_step(&s->db, EM_SQL_CALL_GET, why)) < 0)
        return rc;
    if (rc == 1) {
        int64_t flags = sqlite3_column_int64(st, 3);

        *id = sqlite3_column_int64(st, 0);
        *peers = (uint32_t)flags & EM_PEER_FLAGS;
        *call = (struct em_call_state) { .ice = em_db_u32(st, 1),
                                         .media = em_db_u32(st, 2),
                                         .known = true,
                                         .code_23 = flags & FLAG_CODE_23,
                                         .media_failed = flags & FLAG_MEDIA_FAILED };
        em_db_reset(&s->db, EM_SQL_CALL_GET);
        return 0;
    }
    st = em_db_bind(&s->db, EM_SQL_CALL_NEW, EM_DB_INTS(now_us));
    (void)sqlite3_bind_blob(st, 2, key, (int)n, SQLITE_STATIC);
    if ((rc = em_db_step(&s->db, EM_SQL_CALL_NEW, why)) < 0)
        return rc;
    *id = sqlite3_last_insert_rowid(s->db.sqlite);
    *call = (struct em_call_state) { 0 };
    return 0;
}

/* Is this report's key new to the call? 1 yes, 0 no. */
static int key_new(struct em_store *s, int64_t call, uint64_t key, struct em_why *why)
{
    int err = em_db_run(&s->db, EM_SQL_REPORT_NEW, EM_DB_INTS(call, (int64_t)key), why);

    return err < 0 ? err : sqlite3_changes(s->db.sqlite) > 0;
}

/* Is this code new to the call? 1 yes, and its failure row is written; 0 no. */
static int failure_new(struct em_store *s, int64_t call, const struct em_failure_row *f, uint32_t source,
                       int64_t at_us, struct em_why *why)
{
    const char *texts[] = { f->cseq, f->reason, f->local_relay, f->remote_relay, f->from, f->to, f->file };
    sqlite3_stmt *st =
        em_db_bind(&s->db, EM_SQL_FAILURE_NEW,
                   EM_DB_INTS(call, f->code, f->code_class, at_us, f->time, f->side, f->media, f->ice_known,
                              f->ice_warnings, f->format, source, (int64_t)f->offset));
    int rc;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        em_db_bind_text(st, (int)i + 13, texts[i]);
    rc = em_db_step(&s->db, EM_SQL_FAILURE_NEW, why);
    return rc < 0 ? rc : sqlite3_changes(s->db.sqlite) > 0;
}

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

/* A report of a call: finds out what of it is new. */
static int keyed(struct em_store *s, struct em_store_source *source, const struct em_report *r,
                 const char *file, int64_t now_us, int64_t at_us, struct em_count_delta *d,
                 struct em_why *why)
{
    struct em_call_state call, before;
    struct em_failure_row row;
    uint32_t peers, peers_before;
    int64_t id;
    int err, fresh, code = 0;

    if ((err = call_get(s, r->call_id, now_us, &id, &call, &peers, why)) < 0 ||
        (fresh = err = key_new(s, id, em_report_key(r), why)) < 0)
        return err;
    if (fresh && !r->no_code) {
        em_report_row(r, &row);
        (void)slice_copy(slice_of(file), row.file, sizeof row.file);
        (void)slice_copy(slice_of(source_name(s, source)), row.source, sizeof row.source);
        if ((code = err = failure_new(s, id, &row, source->source, at_us, why)) < 0)
            return err;
        if (code && row.code_class != EM_CODE_INFORMATION) {
            row.failure = em_store_failure_index(sqlite3_last_insert_rowid(s->db.sqlite));
            em_store_ring_add(&s->added, &row);
        }
    }
    before = call;
    peers_before = peers;
    *d = em_count_report(r, &call, code, !fresh);
    if (fresh && (err = em_store_peers_report(s, id, r, &call, d, at_us, now_us, &peers, why)) < 0)
        return err;
    if (peers == peers_before && call.ice == before.ice && call.media == before.media &&
        call.code_23 == before.code_23 && call.media_failed == before.media_failed)
        return 0;
    return em_db_run(
        &s->db, EM_SQL_CALL_SET,
        EM_DB_INTS(id, call.ice, call.media,
                   (call.code_23 ? FLAG_CODE_23 : 0) | (call.media_failed ? FLAG_MEDIA_FAILED : 0) | peers,
                   now_us),
        why);
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

int em_store_read(struct em_store *s, uint32_t source, const struct em_reader_stats *delta,
                  struct em_why *why)
{
    struct em_store_source *from = em_store_numbers_source(&s->next, source);

    if (!s->open || !from)
        return em_store_spoil(s, em_fail(why, from ? EM_ERR_INPUT : EM_ERR_LIMIT, "database %s: %s",
                                         s->db.path, from ? "no transaction is open" : "too many sources"));
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
        row->read_time = (int64_t)from->read_us;
        row->report_time = (int64_t)from->report_us;
    }
}
