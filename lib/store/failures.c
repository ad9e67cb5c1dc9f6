/* SPDX-License-Identifier: GPL-3.0-or-later
 * Failures: the most recent ones in memory for snapshots, all of them from the database for whoever asks. */
#include <string.h>

#include "store/state.h"

/* Ids count up for ever; an SNMP index is 1 to 2^31 - 1. */
uint32_t em_store_failure_index(int64_t id)
{
    return (uint32_t)((id - 1) % INT32_MAX) + 1;
}

void em_store_ring_add(struct em_store_ring *r, const struct em_failure_row *row)
{
    r->row[r->written++ % EM_RECENT_MAX] = *row;
}

/* Everything that `from` still has, in order; it is empty afterwards. */
void em_store_ring_move(struct em_store_ring *to, struct em_store_ring *from)
{
    uint64_t i = from->written > EM_RECENT_MAX ? from->written - EM_RECENT_MAX : 0;

    for (; i < from->written; i++)
        em_store_ring_add(to, &from->row[i % EM_RECENT_MAX]);
    from->written = 0;
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

/* "a:p" as its two parts, when they make the same text again; else the whole of it is the first. Ports differ from call to call, addresses
 * repeat. */
static struct slice split_relay(struct slice relay, uint32_t *port)
{
    struct slice address = relay, digits;

    *port = 0;
    while (address.n > 0 && address.p[address.n - 1] != ':')
        address.n--;
    if (address.n == 0)
        return relay;
    digits = slice_from(relay, address.n);
    if (digits.n == 0 || digits.p[0] == '0' || !slice_u32(&digits, UINT16_MAX, port) || digits.n > 0) {
        *port = 0;
        return relay;
    }
    address.n--;
    return address;
}

static void bind_unless(sqlite3_stmt *st, int at, int64_t value, bool null)
{
    if (null)
        (void)sqlite3_bind_null(st, at);
    else
        (void)sqlite3_bind_int64(st, at, value);
}

int em_store_failure_write(struct em_store *s, int64_t id, int64_t call, int64_t at_us, uint32_t source,
                           const struct em_failure_row *f, struct em_why *why)
{
    uint32_t local, remote;
    const struct {
        enum em_text_kind kind;
        struct slice text;
    } texts[] = { { EM_TEXT_CSEQ, slice_of(f->cseq) },
                  { EM_TEXT_REASON, slice_of(f->reason) },
                  { EM_TEXT_RELAY, split_relay(slice_of(f->local_relay), &local) },
                  { EM_TEXT_RELAY, split_relay(slice_of(f->remote_relay), &remote) },
                  { EM_TEXT_PARTY, slice_of(f->from) },
                  { EM_TEXT_PARTY, slice_of(f->to) },
                  { EM_TEXT_FILE, slice_of(f->file) } };
    sqlite3_stmt *st =
        em_db_bind(&s->db, EM_SQL_FAILURE_NEW,
                   EM_DB_INTS(id, f->code, at_us, f->side, f->media, f->format, source, (int64_t)f->offset));
    int err = 0;

    bind_unless(st, 9, call, call == id);
    bind_unless(st, 10, f->time, f->time == at_us);
    bind_unless(st, 11, f->ice_warnings, f->ice_known != 1);
    bind_unless(st, 12, local, local == 0);
    bind_unless(st, 13, remote, remote == 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && err == 0; i++)
        err = em_texts_bind(s, st, (int)i + 14, texts[i].kind, texts[i].text, id, why);
    return err < 0 ? err : em_db_step(&s->db, EM_SQL_FAILURE_NEW, why);
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

/* Columns as FAILURES in db.c lists them. The source is still a number. */
static void read_row(sqlite3_stmt *st, struct em_failure_row *row, uint32_t *source)
{
    *row = (struct em_failure_row) {
        .failure = em_store_failure_index(sqlite3_column_int64(st, 0)),
        .time = sqlite3_column_int64(st, 2),
        .code = em_db_u32(st, 5),
        .code_class = em_code_class(em_db_u32(st, 5)),
        .side = em_db_u32(st, 7),
        .media = em_db_u32(st, 8),
        .ice_known = sqlite3_column_int64(st, 9) ? 1 : 2,
        .ice_warnings = em_db_u32(st, 10),
        .format = em_db_u32(st, 15),
        .offset = em_db_u64(st, 18),
    };
    *source = em_db_u32(st, 16);
    em_db_column_text(st, 3, row->call_id, sizeof row->call_id);
    em_db_column_text(st, 4, row->cseq, sizeof row->cseq);
    em_db_column_text(st, 6, row->reason, sizeof row->reason);
    em_db_column_text(st, 11, row->local_relay, sizeof row->local_relay);
    em_db_column_text(st, 12, row->remote_relay, sizeof row->remote_relay);
    em_db_column_text(st, 13, row->from, sizeof row->from);
    em_db_column_text(st, 14, row->to, sizeof row->to);
    em_db_column_text(st, 17, row->file, sizeof row->file);
}

static void name_source(struct em_store *s, uint32_t source, struct em_failure_row *row)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_NUMBER_NAME, EM_DB_INTS(source));

    if (em_db_step(&s->db, EM_SQL_NUMBER_NAME, NULL) == 1) {
        em_db_column_text(st, 0, row->source, sizeof row->source);
        em_db_reset(&s->db, EM_SQL_NUMBER_NAME);
    }
}

static int walk(struct em_store *s, enum em_sql q, bool (*each)(void *arg, const struct em_failure_row *row),
                void *arg, struct em_why *why)
{
    struct em_failure_row row;
    uint32_t source;
    int rc;

    while ((rc = em_db_step(&s->db, q, why)) == 1) {
        read_row(s->db.stmt[q], &row, &source);
        name_source(s, source, &row);
        if (!each(arg, &row)) {
            em_db_reset(&s->db, q);
            return 0;
        }
    }
    return rc;
}

static bool take(void *arg, const struct em_failure_row *row)
{
    *(struct em_failure_row *)arg = *row;
    return false;
}

int em_store_failure_get(struct em_store *s, int64_t id, struct em_failure_row *row, struct em_why *why)
{
    row->failure = 0;
    em_db_bind(&s->db, EM_SQL_FAILURE_GET, EM_DB_INTS(id));
    return walk(s, EM_SQL_FAILURE_GET, take, row, why);
}

/* The query gives the newest first; the ring wants the oldest first. */
static bool keep(void *arg, const struct em_failure_row *row)
{
    struct em_store_ring *r = arg;

    r->row[EM_RECENT_MAX - ++r->written] = *row;
    return r->written < EM_RECENT_MAX;
}

int em_store_recent_load(struct em_store *s, struct em_why *why)
{
    size_t n;
    int err;

    em_db_bind(&s->db, EM_SQL_FAILURES_LAST, EM_DB_INTS(EM_RECENT_MAX));
    if ((err = walk(s, EM_SQL_FAILURES_LAST, keep, &s->recent, why)) < 0)
        return err;
    n = (size_t)s->recent.written;
    memmove(s->recent.row, s->recent.row + EM_RECENT_MAX - n, n * sizeof s->recent.row[0]);
    return 0;
}
