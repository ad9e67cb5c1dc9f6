/* SPDX-License-Identifier: GPL-3.0-or-later
 * Calls: found by the key of their Call-ID, their reports and codes, and those of older schemas. */
#include "store/calls.h"

#include <string.h>

#include "base/hash.h"
#include "store/state.h"

enum { OLDER_STEP = 500 }; /* rows of each table of an older schema that a step moves */

/* The Call-ID as the database knows it: itself, or for one of absurd length its beginning and two hashes of the whole. */
static size_t call_key(struct slice call_id, uint8_t key[EM_CALL_ID_MAX])
{
    static const struct em_hash_key other = { UINT64_C(0x63616c6c2d696420), UINT64_C(0x6f766572206c6f6e) };
    uint64_t h[2];

    if (call_id.n < EM_CALL_ID_MAX) {
        memcpy(key, call_id.p, call_id.n);
        return call_id.n;
    }
    h[0] = em_hash(&em_hash_key_fixed, call_id.p, call_id.n);
    h[1] = em_hash(&other, call_id.p, call_id.n);
    memcpy(key, call_id.p, EM_CALL_ID_MAX - sizeof h);
    memcpy(key + EM_CALL_ID_MAX - sizeof h, h, sizeof h);
    return EM_CALL_ID_MAX;
}

static struct em_call_state state_of(uint32_t ice, uint32_t media, int64_t flags)
{
    return (struct em_call_state) { .ice = ice,
                                    .media = media,
                                    .known = true,
                                    .code_23 = flags & EM_CALL_CODE_23,
                                    .media_failed = flags & EM_CALL_MEDIA_FAILED };
}

/* --- finding -------------------------------------------------------------------------------------------------------- */

struct wanted {
    struct em_store *s;
    struct em_store_call *call;
};

/* Is it this call, to the last byte of its Call-ID? */
static int is_call(void *arg, int64_t id, struct em_why *why)
{
    const struct wanted *w = arg;
    struct em_store_call *c = w->call;
    sqlite3_stmt *st = em_db_bind(&w->s->db, EM_SQL_CALL_GET, EM_DB_INTS(id));
    int rc = em_db_step(&w->s->db, EM_SQL_CALL_GET, why);

    if (rc != 1)
        return rc;
    if ((size_t)sqlite3_column_bytes(st, 0) != c->n ||
        (c->n > 0 && memcmp(sqlite3_column_blob(st, 0), c->call_id, c->n) != 0)) {
        em_db_reset(&w->s->db, EM_SQL_CALL_GET);
        return 0;
    }
    c->id = id;
    c->has_report = sqlite3_column_type(st, 1) != SQLITE_NULL;
    c->report = em_db_u64(st, 1);
    c->has_code = sqlite3_column_type(st, 2) != SQLITE_NULL;
    c->code = em_db_u32(st, 2);
    c->state = state_of(em_db_u32(st, 3), em_db_u32(st, 4), sqlite3_column_int64(st, 5));
    c->peers = em_db_u32(st, 5) & EM_PEER_FLAGS;
    em_db_reset(&w->s->db, EM_SQL_CALL_GET);
    return 1;
}

static int older_find(struct em_store *s, struct em_store_call *c, struct em_why *why);

int em_store_call_find(struct em_store *s, struct slice call_id, struct em_store_call *c, struct em_why *why)
{
    struct wanted wanted = { s, c };
    int rc;

    c->n = call_key(call_id, c->call_id);
    c->hash = em_keys_hash(&s->keys, c->call_id, c->n);
    rc = em_keys_find(s, c->hash, is_call, &wanted, why);
    if (rc == 0 && s->older)
        rc = older_find(s, c, why);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    c->id = (int64_t)++s->next.last_id;
    c->state = (struct em_call_state) { 0 };
    c->peers = 0;
    c->has_report = c->has_code = false;
    return 0;
}

int em_store_call_look(struct em_store *s, struct slice call_id, int64_t *id, struct em_why *why)
{
    struct em_store_call c;
    struct wanted wanted = { s, &c };
    sqlite3_stmt *st = s->db.stmt[EM_SQL_OLDER_CALL];
    int rc;

    c.n = call_key(call_id, c.call_id);
    rc = em_keys_find(s, em_keys_hash(&s->keys, c.call_id, c.n), is_call, &wanted, why);
    if (rc != 0 || !s->older) {
        *id = rc == 1 ? c.id : 0;
        return rc;
    }
    (void)sqlite3_bind_blob(st, 1, c.call_id, (int)c.n, SQLITE_STATIC);
    if ((rc = em_db_step(&s->db, EM_SQL_OLDER_CALL, why)) == 1)
        *id = sqlite3_column_int64(st, 0);
    em_db_reset(&s->db, EM_SQL_OLDER_CALL);
    return rc;
}

int em_store_call_there(struct em_store *s, int64_t call, struct em_why *why)
{
    int rc;

    (void)em_db_bind(&s->db, EM_SQL_CALL_GET, EM_DB_INTS(call));
    rc = em_db_step(&s->db, EM_SQL_CALL_GET, why);
    em_db_reset(&s->db, EM_SQL_CALL_GET);
    return rc;
}

/* --- reports and codes ---------------------------------------------------------------------------------------------- */

int em_store_call_report(struct em_store *s, struct em_store_call *c, uint64_t key, struct em_why *why)
{
    int err;

    if (!c->state.known) {
        c->report = key;
        c->has_report = true;
        return 1;
    }
    if (c->has_report && c->report == key)
        return 0;
    err = em_db_run(&s->db, EM_SQL_REPORT_NEW, EM_DB_INTS(c->id, (int64_t)key), why);
    return err < 0 ? err : sqlite3_changes(s->db.sqlite) > 0;
}

/* Does an older row have the code? */
static int older_code(struct em_store *s, const struct em_store_call *c, uint32_t code, struct em_why *why)
{
    int rc;

    (void)em_db_bind(&s->db, EM_SQL_OLDER_CODE, EM_DB_INTS(c->id, code));
    rc = em_db_step(&s->db, EM_SQL_OLDER_CODE, why);
    em_db_reset(&s->db, EM_SQL_OLDER_CODE);
    return rc;
}

int em_store_call_code(struct em_store *s, struct em_store_call *c, uint32_t code, int64_t *failure,
                       struct em_why *why)
{
    bool information = em_code_class(code) == EM_CODE_INFORMATION;
    int rc = 0;

    *failure = 0;
    if (!c->state.known) {
        c->code = code;
        c->has_code = true;
        *failure = information ? 0 : c->id;
        return 1;
    }
    if (c->has_code && c->code == code)
        return 0;
    if (s->older && (rc = older_code(s, c, code, why)) != 0)
        return rc < 0 ? rc : 0;
    rc = em_db_run(&s->db, EM_SQL_CODE_NEW,
                   EM_DB_INTS(c->id, code, information ? 0 : (int64_t)s->next.last_id + 1), why);
    if (rc < 0 || sqlite3_changes(s->db.sqlite) == 0)
        return rc;
    if (!information)
        *failure = (int64_t)++s->next.last_id;
    return 1;
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

static int64_t flags_of(const struct em_store_call *c)
{
    return (c->state.code_23 ? EM_CALL_CODE_23 : 0) | (c->state.media_failed ? EM_CALL_MEDIA_FAILED : 0) |
           (int64_t)c->peers;
}

/* In the table; its key is not. */
static int insert(struct em_store *s, const struct em_store_call *c, int64_t seen_s, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(
        &s->db, EM_SQL_CALL_NEW,
        EM_DB_INTS(c->id, c->state.ice, c->state.media, flags_of(c), seen_s, (int64_t)c->report, c->code));

    if (!c->has_report)
        (void)sqlite3_bind_null(st, 6);
    if (!c->has_code)
        (void)sqlite3_bind_null(st, 7);
    (void)sqlite3_bind_blob(st, 8, c->call_id, (int)c->n, SQLITE_STATIC);
    return em_db_step(&s->db, EM_SQL_CALL_NEW, why);
}

int em_store_call_write(struct em_store *s, const struct em_store_call *c, const struct em_store_call *before,
                        int64_t now_us, struct em_why *why)
{
    int64_t now_s = now_us / EM_US_PER_S;
    int err;

    if (!before->state.known)
        return (err = insert(s, c, now_s, why)) < 0 ? err : em_keys_add(s, c->hash, c->id, why);
    if (c->state.ice == before->state.ice && c->state.media == before->state.media &&
        flags_of(c) == flags_of(before))
        return 0;
    return em_db_run(&s->db, EM_SQL_CALL_SET,
                     EM_DB_INTS(c->id, c->state.ice, c->state.media, flags_of(c), now_s), why);
}

/* --- older schemas -------------------------------------------------------------------------------------------------- */

/* The row that the statement is at, with id, call_id, ice, media, flags and seen_us: into the table of today. Keeps its id. */
static int adopt(struct em_store *s, sqlite3_stmt *st, struct em_store_call *c, struct em_why *why)
{
    const void *call_id = sqlite3_column_blob(st, 1);
    size_t n = (size_t)sqlite3_column_bytes(st, 1);
    int err;

    c->id = sqlite3_column_int64(st, 0);
    c->has_report = c->has_code = false;
    c->state = state_of(em_db_u32(st, 2), em_db_u32(st, 3), sqlite3_column_int64(st, 4));
    c->peers = em_db_u32(st, 4) & EM_PEER_FLAGS;
    c->n = n < sizeof c->call_id ? n : sizeof c->call_id;
    if (c->n > 0)
        memcpy(c->call_id, call_id, c->n);
    c->hash = em_keys_hash(&s->keys, c->call_id, c->n);
    err = insert(s, c, sqlite3_column_int64(st, 5) / EM_US_PER_S, why);
    return err < 0 ? err : em_keys_add_old(s, c->hash, c->id, why);
}

/* A call that is asked for moves out of its turn. 1: it is one of those. */
static int older_find(struct em_store *s, struct em_store_call *c, struct em_why *why)
{
    sqlite3_stmt *st = s->db.stmt[EM_SQL_OLDER_CALL];
    int rc, err;

    (void)sqlite3_bind_blob(st, 1, c->call_id, (int)c->n, SQLITE_STATIC);
    if ((rc = em_db_step(&s->db, EM_SQL_OLDER_CALL, why)) != 1)
        return rc;
    err = adopt(s, st, c, why);
    em_db_reset(&s->db, EM_SQL_OLDER_CALL);
    if (err == 0)
        err = em_db_run(&s->db, EM_SQL_OLDER_CALL_DROP, EM_DB_INTS(c->id, c->id), why);
    return err < 0 ? err : 1;
}

static int move_calls(struct em_store *s, int *moved, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_OLDER_CALLS, EM_DB_INTS(OLDER_STEP));
    struct em_store_call c = { 0 };
    int rc;

    *moved = 0;
    while ((rc = em_db_step(&s->db, EM_SQL_OLDER_CALLS, why)) == 1) {
        if ((rc = adopt(s, st, &c, why)) < 0) {
            em_db_reset(&s->db, EM_SQL_OLDER_CALLS);
            return rc;
        }
        ++*moved;
    }
    if (rc < 0 || *moved == 0)
        return rc;
    return em_db_run(&s->db, EM_SQL_OLDER_CALL_DROP, EM_DB_INTS(0, c.id), why);
}

static int move_failures(struct em_store *s, int *moved, struct em_why *why)
{
    static const enum em_sql parts[] = { EM_SQL_OLDER_FAILURES_CODES, EM_SQL_OLDER_FAILURES_MOVE,
                                         EM_SQL_OLDER_FAILURES_DROP };
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_OLDER_FAILURES_TO, EM_DB_INTS(OLDER_STEP));
    int rc = em_db_step(&s->db, EM_SQL_OLDER_FAILURES_TO, why);
    int64_t to = rc == 1 ? sqlite3_column_int64(st, 0) : 0;

    em_db_reset(&s->db, EM_SQL_OLDER_FAILURES_TO);
    *moved = to != 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && rc >= 0 && to; i++)
        rc = em_db_run(&s->db, parts[i], EM_DB_INTS(to), why);
    return rc < 0 ? rc : 0;
}

int em_store_older_load(struct em_store *s, struct em_why *why)
{
    int rc = em_db_step(&s->db, EM_SQL_OLDER_ANY, why);

    s->older = s->was_older = rc == 1;
    em_db_reset(&s->db, EM_SQL_OLDER_ANY);
    return rc < 0 ? rc : 0;
}

int em_store_older_move(struct em_store *s, bool *more, struct em_why *why)
{
    int calls = 0, failures = 0, err;

    *more = false;
    if (!s->older)
        return 0;
    if ((err = move_calls(s, &calls, why)) < 0 || (err = move_failures(s, &failures, why)) < 0)
        return err;
    s->older =
        calls > 0 || failures > 0; /* a rollback: both are asked in vain until the next step finds nothing */
    *more = s->older;
    return 0;
}
