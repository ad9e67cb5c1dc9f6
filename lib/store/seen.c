/* SPDX-License-Identifier: GPL-3.0-or-later
 * Records that a source has brought already: what tells a record that is given again from one that is new. */
#include "store/state.h"

int em_store_seen(struct em_store *s, uint32_t source, uint64_t key, int64_t at_us, bool *before,
                  struct em_why *why)
{
    int err = em_db_run(&s->db, EM_SQL_SEEN_NEW, EM_DB_INTS(source, (int64_t)key, at_us), why);

    if (err == 0)
        *before = sqlite3_changes(s->db.sqlite) == 0;
    return em_store_spoil(s, err);
}

int em_store_seen_forget(struct em_store *s, uint32_t source, int64_t before_us, uint64_t most,
                         uint64_t *removed, struct em_why *why)
{
    int64_t limit = most < INT64_MAX ? (int64_t)most : INT64_MAX;
    int err = em_db_run(&s->db, EM_SQL_SEEN_DROP, EM_DB_INTS(source, before_us, limit), why);

    if (err == 0)
        *removed = (uint64_t)sqlite3_changes(s->db.sqlite);
    return em_store_spoil(s, err);
}

int em_store_seen_count(struct em_store *s, uint32_t source, uint64_t *n, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_SEEN_N, EM_DB_INTS(source));
    int rc = em_db_step(&s->db, EM_SQL_SEEN_N, why);

    if (rc == 1) {
        *n = em_db_u64(st, 0);
        em_db_reset(&s->db, EM_SQL_SEEN_N);
        rc = 0;
    }
    return rc;
}
