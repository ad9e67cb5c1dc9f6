/* SPDX-License-Identifier: GPL-3.0-or-later
 * The history of findings. */
#include "store/state.h"

/* What fails in an open transaction spoils it. */
static int done(struct em_store *s, int err)
{
    return s->open ? em_store_spoil(s, err) : err;
}

static int finding_new(struct em_store *s, const struct em_finding_row *row, int64_t now_us,
                       struct em_why *why)
{
    sqlite3_stmt *st =
        em_db_bind(&s->db, EM_SQL_FINDING_NEW, EM_DB_INTS(row->id, row->kind, row->severity, now_us));
    int err;

    em_db_bind_text(st, 5, row->edge);
    em_db_bind_text(st, 6, row->path);
    em_db_bind_text(st, 7, row->text);
    if ((err = em_db_step(&s->db, EM_SQL_FINDING_NEW, why)) < 0)
        return err;
    return em_db_run(&s->db, EM_SQL_FINDINGS_DROP, EM_DB_INTS(EM_FINDING_HISTORY_MAX), why);
}

int em_store_finding_raised(struct em_store *s, const struct em_finding_row *row, int64_t now_us,
                            int64_t *since_us, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_FINDING_OPEN, EM_DB_INTS(row->id));
    int rc = em_db_step(&s->db, EM_SQL_FINDING_OPEN, why);
    int64_t id;

    if (rc < 0)
        return done(s, rc);
    if (rc == 0)
        return done(s, finding_new(s, row, now_us, why));
    id = sqlite3_column_int64(st, 0);
    *since_us = sqlite3_column_int64(st, 1);
    em_db_reset(&s->db, EM_SQL_FINDING_OPEN);
    return done(s, em_db_run(&s->db, EM_SQL_FINDING_SEEN, EM_DB_INTS(id, now_us), why));
}

int em_store_finding_ended(struct em_store *s, uint32_t id, int64_t now_us, struct em_why *why)
{
    return done(s, em_db_run(&s->db, EM_SQL_FINDING_END, EM_DB_INTS(id, now_us), why));
}

int em_store_findings_settle(struct em_store *s, int64_t before_us, int64_t now_us, struct em_why *why)
{
    return done(s, em_db_run(&s->db, EM_SQL_FINDINGS_SETTLE, EM_DB_INTS(before_us, now_us), why));
}

int em_store_findings(struct em_store *s, size_t most,
                      bool (*each)(void *arg, const struct em_finding_row *row, int64_t ended_us), void *arg,
                      struct em_why *why)
{
    sqlite3_stmt *st =
        em_db_bind(&s->db, EM_SQL_FINDINGS, EM_DB_INTS(most < INT32_MAX ? (int64_t)most : INT32_MAX));
    int rc;

    while ((rc = em_db_step(&s->db, EM_SQL_FINDINGS, why)) == 1) {
        struct em_finding_row row = {
            .id = em_db_u32(st, 0),
            .kind = em_db_u32(st, 1),
            .severity = em_db_u32(st, 2),
            .since = sqlite3_column_int64(st, 3),
            .seen = sqlite3_column_int64(st, 4),
        };

        em_db_column_text(st, 6, row.edge, sizeof row.edge);
        em_db_column_text(st, 7, row.path, sizeof row.path);
        em_db_column_text(st, 8, row.text, sizeof row.text);
        if (!each(arg, &row, sqlite3_column_int64(st, 5))) {
            em_db_reset(&s->db, EM_SQL_FINDINGS);
            return 0;
        }
    }
    return rc;
}
