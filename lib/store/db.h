/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the store: the database file, its schema and its statements. Only lib/store/ and its tests include this; it is the one
 * home of sqlite3.h.
 *
 * Statements are prepared once, at open. Run one like this:
 *     em_db_bind(db, EM_SQL_X, EM_DB_INTS(a, b));      integers from ?1 on; texts with sqlite3_bind_* after it
 *     while ((rc = em_db_step(db, EM_SQL_X, why)) == 1) ... columns ...
 * em_db_step() resets the statement by itself when it is done or fails.
 */
#ifndef EM_STORE_DB_H
#define EM_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum em_sql {
    EM_SQL_BEGIN,
    EM_SQL_COMMIT,
    EM_SQL_ROLLBACK,
    EM_SQL_META,
    EM_SQL_NOTE,
    EM_SQL_NOTE_SET,
    EM_SQL_CALL_GET,
    EM_SQL_CALL_NEW,
    EM_SQL_CALL_SET,
    EM_SQL_CALLS_SINCE,
    EM_SQL_KEY_SECRET,
    EM_SQL_KEY_GET,
    EM_SQL_KEY_NEW,
    EM_SQL_KEY_SET,
    EM_SQL_KEY_AFTER,
    EM_SQL_KEYS_DROP,
    EM_SQL_TWIN_NEW,
    EM_SQL_TWINS,
    EM_SQL_TWINS_ANY,
    EM_SQL_TWINS_DROP,
    EM_SQL_REPORT_NEW,
    EM_SQL_CODE_NEW,
    EM_SQL_TEXTS,
    EM_SQL_TEXT_NEW,
    EM_SQL_TEXT_UNTIL,
    EM_SQL_TEXT_DROP,
    EM_SQL_FAILURE_NEW,
    EM_SQL_FAILURES_LAST,
    EM_SQL_FAILURE_GET,
    EM_SQL_FAILURES_BEFORE,
    EM_SQL_FAILURES_TIED,
    EM_SQL_FAILURES_OF_CALL,
    EM_SQL_COUNTERS,
    EM_SQL_COUNTER_SET,
    EM_SQL_MINUTES,
    EM_SQL_MINUTE_SET,
    EM_SQL_MINUTES_DROP,
    EM_SQL_POSITIONS,
    EM_SQL_POSITIONS_N,
    EM_SQL_POSITION_NEW,
    EM_SQL_POSITION_SET,
    EM_SQL_POSITION_DROP,
    EM_SQL_NUMBER_GET,
    EM_SQL_NUMBER_NEW,
    EM_SQL_NUMBER_NAME,
    EM_SQL_CHECK_TOTALS,
    EM_SQL_CHECK_TOTALS_SET,
    EM_SQL_FINDING_OPEN,
    EM_SQL_FINDING_NEW,
    EM_SQL_FINDING_SEEN,
    EM_SQL_FINDING_END,
    EM_SQL_FINDINGS_SETTLE,
    EM_SQL_FINDINGS_DROP,
    EM_SQL_FINDINGS,
    EM_SQL_HISTORY,
    EM_SQL_HISTORY_ADD,
    EM_SQL_HISTORY_DROP,
    EM_SQL_PEERS,
    EM_SQL_PEER_NEW,
    EM_SQL_PEER_SET,
    EM_SQL_PEER_DROP,
    EM_SQL_CALL_PEERS,
    EM_SQL_PATHS,
    EM_SQL_PATH_NEW,
    EM_SQL_PATH_SEEN,
    EM_SQL_PATH_DROP,
    EM_SQL_PATH_SLOTS,
    EM_SQL_PATH_ADD,
    EM_SQL_PATH_SLOTS_DROP,
    EM_SQL_PAGES,
    EM_SQL_PAGES_FREE,
    EM_SQL_PAGE_SIZE,
    EM_SQL_VACUUM,
    EM_SQL_TRIM_CALLS,
    EM_SQL_TRIM_REPORTS,
    EM_SQL_TRIM_FAILURES,
    EM_SQL_TRIM_CODES,
    EM_SQL_TRIM_OWN_FAILURES,
    EM_SQL_TRIM_DROP,
    EM_SQL_SEEN_NEW,
    EM_SQL_SEEN_N,
    EM_SQL_SEEN_DROP,
    EM_SQL_OLDER_ANY,
    EM_SQL_OLDER_CALL,
    EM_SQL_OLDER_CALLS,
    EM_SQL_OLDER_CALL_DROP,
    EM_SQL_OLDER_CODE,
    EM_SQL_OLDER_FAILURES_TO,
    EM_SQL_OLDER_FAILURES_CODES,
    EM_SQL_OLDER_FAILURES_MOVE,
    EM_SQL_OLDER_FAILURES_DROP,
    EM_SQL_COUNT
};

enum {
    EM_DB_APPLICATION = 0x454d4462, /* PRAGMA application_id: "EMDb" */
    EM_DB_VERSION = 7,              /* PRAGMA user_version: the schema */
    EM_DB_PATH_MAX = 1024,
    EM_DB_BUSY_MS = 1000, /* at open: how long a predecessor that is ending may still hold the file */
};

struct em_db {
    sqlite3 *sqlite;
    sqlite3_stmt *stmt[EM_SQL_COUNT];
    char path[EM_DB_PATH_MAX];
};

/* Opens; makes a new one, with now_us as its discontinuity time, only where no file is. */
int em_db_open(struct em_db *db, const char *path, int64_t now_us, struct em_why *why) EM_MUST_CHECK;
void em_db_close(struct em_db *db);

#define EM_DB_INTS(...)                                                                                      \
    (const int64_t[]) { __VA_ARGS__ }, sizeof((const int64_t[]) { __VA_ARGS__ }) / sizeof(int64_t)

sqlite3_stmt *em_db_bind(struct em_db *db, enum em_sql q, const int64_t *values, size_t n);
void em_db_bind_text(sqlite3_stmt *st, int at, const char *text);    /* the text must live until the step */
int em_db_step(struct em_db *db, enum em_sql q, struct em_why *why); /* 1: a row; 0: done; or the error */
int em_db_run(struct em_db *db, enum em_sql q, const int64_t *values, size_t n,
              struct em_why *why);                 /* to its end: 0 or the error */
void em_db_reset(struct em_db *db, enum em_sql q); /* a statement that is left before its end */

void em_db_set_durable(struct em_db *db,
                       bool durable); /* outside of a transaction: do commits wait for the disk? */

/* Unsigned numbers are stored with their bits as SQLite's signed ones. */
static inline uint64_t em_db_u64(sqlite3_stmt *st, int column)
{
    return (uint64_t)sqlite3_column_int64(st, column);
}
static inline uint32_t em_db_u32(sqlite3_stmt *st, int column)
{
    return (uint32_t)sqlite3_column_int64(st, column);
}

void em_db_column_text(sqlite3_stmt *st, int column, char *to, size_t size);

#endif
