/* SPDX-License-Identifier: GPL-3.0-or-later
 * What else must survive: read positions of files, small numbers for names, and the totals of checks. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/state.h"

/* --- positions ---------------------------------------------------------------------------------------------------- */

/* Step and hashes, in this machine's byte order: what does not fit this version is not known. */
static void read_samples(sqlite3_stmt *st, int at, struct em_samples *samples)
{
    size_t bytes = (size_t)sqlite3_column_bytes(st, at + 1);

    samples->step = em_db_u64(st, at);
    if (samples->step == 0 || bytes == 0 || bytes > sizeof samples->hash || bytes % sizeof samples->hash[0])
        return;
    samples->n = (uint32_t)(bytes / sizeof samples->hash[0]);
    memcpy(samples->hash, sqlite3_column_blob(st, at + 1), bytes);
}

int em_store_positions(struct em_store *s, uint32_t source, em_position_fn each, void *arg,
                       struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_POSITIONS, EM_DB_INTS(source));
    int rc;

    while ((rc = em_db_step(&s->db, EM_SQL_POSITIONS, why)) == 1) {
        struct em_position p = {
            .device = em_db_u64(st, 1),
            .inode = em_db_u64(st, 2),
            .head_hash = em_db_u64(st, 3),
            .head_size = em_db_u32(st, 4),
            .tail_hash = em_db_u64(st, 5),
            .tail_size = em_db_u32(st, 6),
            .ended = sqlite3_column_int64(st, 7) != 0,
            .mark = { .offset = em_db_u64(st, 8),
                      .format = em_db_u32(st, 9),
                      .encoding = em_db_u32(st, 10),
                      .time_us = sqlite3_column_int64(st, 11) },
            .seen_us = sqlite3_column_int64(st, 12),
            .rested = sqlite3_column_int64(st, 14) != 0,
            .packed = em_db_u64(st, 15),
        };

        em_db_column_text(st, 13, p.path, sizeof p.path);
        read_samples(st, 16, &p.samples);
        if (!each(arg, sqlite3_column_int64(st, 0), &p)) {
            em_db_reset(&s->db, EM_SQL_POSITIONS);
            return 0;
        }
    }
    return rc;
}

/* Room for one more position? */
static int position_room(struct em_store *s, struct em_why *why)
{
    sqlite3_stmt *st = s->db.stmt[EM_SQL_POSITIONS_N];
    int rc = em_db_step(&s->db, EM_SQL_POSITIONS_N, why);
    int64_t n = rc == 1 ? sqlite3_column_int64(st, 0) : 0;

    em_db_reset(&s->db, EM_SQL_POSITIONS_N);
    if (rc < 0)
        return rc;
    return n < EM_POSITIONS_MAX
               ? 0
               : em_fail(why, EM_ERR_LIMIT, "database %s: more than %d files have a read position",
                         s->db.path, EM_POSITIONS_MAX);
}

int em_store_position_put(struct em_store *s, uint32_t source, int64_t *id, const struct em_position *p,
                          struct em_why *why)
{
    enum em_sql q = *id ? EM_SQL_POSITION_SET : EM_SQL_POSITION_NEW;
    sqlite3_stmt *st;
    int err;

    if (*id == 0 && (err = position_room(s, why)) < 0)
        return em_store_spoil(s, err);
    st = em_db_bind(&s->db, q,
                    EM_DB_INTS(source, (int64_t)p->device, (int64_t)p->inode, (int64_t)p->head_hash,
                               p->head_size, (int64_t)p->tail_hash, p->tail_size, p->ended,
                               (int64_t)p->mark.offset, p->mark.format, p->mark.encoding, p->mark.time_us,
                               p->seen_us));
    em_db_bind_text(st, 14, p->path);
    (void)sqlite3_bind_int64(st, 15, p->rested);
    (void)sqlite3_bind_int64(st, 16, (int64_t)p->packed);
    (void)sqlite3_bind_int64(st, 17, (int64_t)p->samples.step);
    (void)sqlite3_bind_blob(st, 18, p->samples.hash, (int)(p->samples.n * sizeof p->samples.hash[0]),
                            SQLITE_STATIC);
    if (*id)
        (void)sqlite3_bind_int64(st, 19, *id);
    if ((err = em_db_step(&s->db, q, why)) < 0)
        return em_store_spoil(s, err);
    if (*id == 0)
        *id = sqlite3_last_insert_rowid(s->db.sqlite);
    return 0;
}

int em_store_position_delete(struct em_store *s, int64_t id, struct em_why *why)
{
    return em_store_spoil(s, em_db_run(&s->db, EM_SQL_POSITION_DROP, EM_DB_INTS(id), why));
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static sqlite3_stmt *bind_name(struct em_store *s, enum em_sql q, const char *kind, uint32_t parent,
                               const char *name)
{
    sqlite3_stmt *st = em_db_bind(&s->db, q, EM_DB_INTS(parent));

    em_db_bind_text(st, 2, kind);
    em_db_bind_text(st, 3, name);
    return st;
}

/* Power may fail after the number was shown to the world: then it must not go to another name, so this one commit waits for the
 * disk. */
static int number_new(struct em_store *s, const char *kind, uint32_t parent, const char *name,
                      uint32_t *number, struct em_why *why)
{
    sqlite3_stmt *st = bind_name(s, EM_SQL_NUMBER_NEW, kind, parent, name);
    bool own = !s->open;
    int rc;

    if (own)
        em_db_set_durable(&s->db, true);
    rc = em_db_step(&s->db, EM_SQL_NUMBER_NEW, why);
    if (rc == 1) {
        *number = em_db_u32(st, 0);
        rc = em_db_step(&s->db, EM_SQL_NUMBER_NEW, why);
    }
    if (own)
        em_db_set_durable(&s->db, false);
    return rc;
}

int em_store_number(struct em_store *s, const char *kind, uint32_t parent, const char *name, uint32_t *number,
                    struct em_why *why)
{
    sqlite3_stmt *st = bind_name(s, EM_SQL_NUMBER_GET, kind, parent, name);
    uint32_t made = 0;
    int rc = em_db_step(&s->db, EM_SQL_NUMBER_GET, why);

    if (rc == 1) {
        *number = em_db_u32(st, 0);
        em_db_reset(&s->db, EM_SQL_NUMBER_GET);
        return 0;
    }
    if (rc == 0 && (rc = number_new(s, kind, parent, name, &made, why)) == 0)
        *number = made;
    return s->open ? em_store_spoil(s, rc) : rc;
}

/* --- notes -------------------------------------------------------------------------------------------------------- */

int em_store_note(struct em_store *s, const char *name, char *to, size_t size, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_NOTE, NULL, 0);
    int rc;

    em_db_bind_text(st, 1, name);
    rc = em_db_step(&s->db, EM_SQL_NOTE, why);
    if (rc == 1) {
        em_db_column_text(st, 0, to, size);
        em_db_reset(&s->db, EM_SQL_NOTE);
        return 0;
    }
    return rc < 0 ? rc : EM_ERR_NOT_FOUND;
}

int em_store_note_put(struct em_store *s, const char *name, const char *text, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_NOTE_SET, NULL, 0);
    int rc;

    em_db_bind_text(st, 1, name);
    em_db_bind_text(st, 2, text);
    rc = em_db_step(&s->db, EM_SQL_NOTE_SET, why);
    return s->open ? em_store_spoil(s, rc) : rc;
}

/* --- totals of checks --------------------------------------------------------------------------------------------- */

static struct em_store_check *check_slot(struct em_store_check *table, size_t room, uint32_t edge,
                                         uint32_t check, uint32_t address)
{
    const uint32_t key[] = { edge, check, address };
    size_t i = (size_t)em_hash(&em_hash_key_fixed, key, sizeof key) & (room - 1);

    while (table[i].edge && (table[i].edge != edge || table[i].check != check || table[i].address != address))
        i = (i + 1) & (room - 1);
    return &table[i];
}

/* Room for one more: at most half full, sizes are powers of two. */
static int check_room(struct em_store *s)
{
    size_t room = s->checks_room ? s->checks_room * 2 : 64;
    struct em_store_check *table;

    if (s->checks_n * 2 < s->checks_room)
        return 0;
    if (!(table = calloc(room, sizeof *table)))
        return EM_ERR_MEMORY;
    for (size_t i = 0; i < s->checks_room; i++)
        if (s->check[i].edge)
            *check_slot(table, room, s->check[i].edge, s->check[i].check, s->check[i].address) = s->check[i];
    free(s->check);
    s->check = table;
    s->checks_room = room;
    return 0;
}

int em_store_check_totals(struct em_store *s, uint32_t edge, uint32_t check, uint32_t address,
                          struct em_check_totals *t)
{
    *t = s->checks_room ? check_slot(s->check, s->checks_room, edge, check, address)->totals
                        : (struct em_check_totals) { 0 };
    return 0;
}

int em_store_check_totals_put(struct em_store *s, uint32_t edge, uint32_t check, uint32_t address,
                              const struct em_check_totals *t, struct em_why *why)
{
    struct em_store_check *c;

    if (edge == 0)
        return em_fail(why, EM_ERR_INPUT, "database %s: a check without an edge", s->db.path);
    if (check_room(s) != 0)
        return em_fail(why, EM_ERR_MEMORY, "database %s: no memory", s->db.path);
    c = check_slot(s->check, s->checks_room, edge, check, address);
    s->checks_n += c->edge == 0;
    s->checks_dirty += !c->dirty;
    *c = (struct em_store_check) { edge, check, address, true, *t };
    return 0;
}

int em_store_checks_load(struct em_store *s, struct em_why *why)
{
    sqlite3_stmt *st = s->db.stmt[EM_SQL_CHECK_TOTALS];
    int rc, err;

    while ((rc = em_db_step(&s->db, EM_SQL_CHECK_TOTALS, why)) == 1) {
        const struct em_check_totals t = { em_db_u64(st, 3), em_db_u64(st, 4), em_db_u64(st, 5),
                                           em_db_u64(st, 6) };

        if ((err = em_store_check_totals_put(s, em_db_u32(st, 0), em_db_u32(st, 1), em_db_u32(st, 2), &t,
                                             why)) < 0) {
            em_db_reset(&s->db, EM_SQL_CHECK_TOTALS);
            return err;
        }
    }
    em_store_checks_saved(s);
    return rc;
}

int em_store_checks_save(struct em_store *s, struct em_why *why)
{
    int err = 0;

    for (size_t i = 0; i < s->checks_room && s->checks_dirty && err == 0; i++) {
        const struct em_store_check *c = &s->check[i];

        if (c->edge && c->dirty)
            err = em_db_run(&s->db, EM_SQL_CHECK_TOTALS_SET,
                            EM_DB_INTS(c->edge, c->check, c->address, (int64_t)c->totals.probes,
                                       (int64_t)c->totals.failed_probes, (int64_t)c->totals.stun_retransmits,
                                       (int64_t)c->totals.tcp_retransmits),
                            why);
    }
    return err;
}

void em_store_checks_saved(struct em_store *s)
{
    for (size_t i = 0; i < s->checks_room && s->checks_dirty; i++)
        s->check[i].dirty = false;
    s->checks_dirty = 0;
}
