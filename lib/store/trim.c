/* SPDX-License-Identifier: GPL-3.0-or-later
 * Forgetting: calls that are too old, or too many for the size of the database, go in small steps, the oldest first. */
#include "store/calls.h"
#include "store/state.h"

enum {
    TRIM_CALLS = 500, /* of a step, at most */
    TRIM_ROWS = 2000, /* of each table that hangs on them */
    TRIM_PAGES = 200, /* given back to the file system in a step */
};

void em_store_limit(struct em_store *s, const struct em_store_limits *limits)
{
    s->limits = *limits;
}

static int ask(struct em_store *s, enum em_sql q, int64_t *answer, struct em_why *why)
{
    int rc = em_db_step(&s->db, q, why);

    if (rc == 1) {
        *answer = sqlite3_column_int64(s->db.stmt[q], 0);
        em_db_reset(&s->db, q);
        rc = 0;
    }
    return rc;
}

/* What is in use, and what the file could give back. The file itself never shrinks when it was made by a version that did not provide for
 * it; its free pages are used again, so it does not grow either. */
static int measure(struct em_store *s, int64_t *used, int64_t *spare_pages, struct em_why *why)
{
    int64_t pages = 0, size = 0;
    int err;

    if ((err = ask(s, EM_SQL_PAGES, &pages, why)) < 0 ||
        (err = ask(s, EM_SQL_PAGES_FREE, spare_pages, why)) < 0 ||
        (err = ask(s, EM_SQL_PAGE_SIZE, &size, why)) < 0)
        return err;
    *used = (pages - *spare_pages) * size;
    return 0;
}

/* *last: calls up to this id go; 0: none. *gone: those up to this id are no more. They go in the order in which they were seen first; one that was seen again lately keeps those
 * behind it until it is old itself. */
static int choose(struct em_store *s, bool too_large, int64_t *last, int64_t *gone, struct em_why *why)
{
    int64_t oldest_s = (em_wall_us(s->clock) - s->limits.keep_us) / EM_US_PER_S;
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_TRIM_CALLS, EM_DB_INTS(TRIM_CALLS));
    int rc;

    *last = 0;
    *gone = (int64_t)s->next.last_id;
    for (int i = 0; (rc = em_db_step(&s->db, EM_SQL_TRIM_CALLS, why)) == 1; i++) {
        bool old = s->limits.keep_us > 0 && sqlite3_column_int64(st, 1) < oldest_s;

        if (i == 0)
            *gone = sqlite3_column_int64(st, 0) - 1;
        if (!old && !too_large)
            break;
        *last = sqlite3_column_int64(st, 0);
    }
    em_db_reset(&s->db, EM_SQL_TRIM_CALLS);
    return rc < 0 ? rc : 0;
}

/* The call itself goes when nothing hangs on it any more: a call may have a million reports. */
static int forget(struct em_store *s, int64_t last, struct em_why *why)
{
    static const enum em_sql parts[] = { EM_SQL_TRIM_REPORTS, EM_SQL_TRIM_FAILURES, EM_SQL_TRIM_CODES };
    bool all = true;
    int err = 0;

    for (size_t i = 0; i < sizeof parts / sizeof *parts && err == 0; i++) {
        err = em_db_run(&s->db, parts[i], EM_DB_INTS(last, TRIM_ROWS), why);
        all = all && sqlite3_changes(s->db.sqlite) < TRIM_ROWS;
    }
    if (err == 0 && all && (err = em_db_run(&s->db, EM_SQL_TRIM_OWN_FAILURES, EM_DB_INTS(last), why)) == 0 &&
        (err = em_db_run(&s->db, EM_SQL_TRIM_DROP, EM_DB_INTS(last), why)) == 0)
        s->next.stale_keys += (uint64_t)sqlite3_changes(s->db.sqlite);
    return err;
}

/* A step of calls, of what only they had, and of keys. */
static int forget_some(struct em_store *s, bool too_large, bool *more, struct em_why *why)
{
    int64_t last, gone;
    int err;

    if ((err = choose(s, too_large, &last, &gone, why)) < 0 ||
        (last > 0 && (err = forget(s, last, why)) < 0) || (err = em_texts_forget(s, gone, why)) < 0)
        return err;
    *more = last > 0;
    return em_keys_settle(s, gone, more, why);
}

int em_store_trim(struct em_store *s, bool *more, struct em_why *why)
{
    int64_t used = 0, spare = 0;
    bool too_large;
    int err;

    *more = false;
    if (!s->open)
        return em_fail(why, EM_ERR_INPUT, "database %s: no transaction is open", s->db.path);
    if ((err = measure(s, &used, &spare, why)) < 0)
        return em_store_spoil(s, err);
    too_large = s->limits.size_max > 0 && used > s->limits.size_max;
    if ((err = em_store_older_move(s, more, why)) < 0 ||
        (!*more && (err = forget_some(s, too_large, more, why)) < 0))
        return em_store_spoil(s, err);
    if (spare > TRIM_PAGES && (err = em_db_run(&s->db, EM_SQL_VACUUM, NULL, 0, why)) < 0)
        return em_store_spoil(s, err);
    return 0;
}
