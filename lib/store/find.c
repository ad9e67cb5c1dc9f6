/* SPDX-License-Identifier: GPL-3.0-or-later
 * Failures that a person looks for: page by page, whatever few of them fit. */
#include <strings.h>

#include "evidence/peer.h"
#include "store/calls.h"
#include "store/state.h"

/* Of one page: rows that are looked at, and what one costs whose texts are read, too. */
enum { WORK_MAX = 20000, WORK_TEXTS = 10 };

struct search {
    struct em_store *s;
    const struct em_failure_filter *filter;
    struct em_failure_cursor *cursor;
    size_t n, most;
    int64_t work;
    bool (*each)(void *arg, const struct em_failure_row *row);
    void *arg;
    bool *more;
    struct em_why *why;
    char relay[EM_ADDRESS_MAX], domain[EM_TEXT_MAX]; /* the filter's peer; "" = it is no such thing */
};

/* Columns as LOOKS in db.c lists them. */
static bool fits_numbers(const struct em_failure_filter *f, sqlite3_stmt *st)
{
    bool ice_known = em_db_u32(st, 4) == 1;

    return (!f->code_known || em_db_u32(st, 2) == f->code) && (!f->media || em_db_u32(st, 3) == f->media) &&
           (!f->ice || (ice_known && (em_db_u32(st, 5) & f->ice) == f->ice));
}

static bool has_peer(const struct search *x, const struct em_failure_row *row)
{
    struct em_report r = { .from = slice_of(row->from), .to = slice_of(row->to), .media_n = 1 };
    char relay[EM_ADDRESS_MAX], domain[EM_TEXT_MAX];

    r.media[0].side = (enum em_side)row->side;
    r.media[0].remote_relay = slice_of(row->remote_relay);
    return (*x->relay && em_report_relay(&r, relay) && strcmp(relay, x->relay) == 0) ||
           (*x->domain && em_report_domain(&r, domain) && strcmp(domain, x->domain) == 0);
}

static bool contains(const char *text, const char *part)
{
    size_t n = strlen(part);

    for (; *text; text++)
        if (strncasecmp(text, part, n) == 0)
            return true;
    return false;
}

static bool has_text(const struct em_failure_row *row, const char *part)
{
    const char *texts[] = { row->call_id, row->cseq, row->reason, row->local_relay, row->remote_relay,
                            row->from,    row->to,   row->source, row->file };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (contains(texts[i], part))
            return true;
    return false;
}

static bool fits_texts(const struct search *x, const struct em_failure_row *row)
{
    const struct em_failure_filter *f = x->filter;

    return row->failure != 0 && (!*f->call_id || strcmp(row->call_id, f->call_id) == 0) &&
           (!*f->peer || has_peer(x, row)) && (!*f->text || has_text(row, f->text));
}

/* Walks the rows that the statement, which is bound, gives. 1: enough; 0: there are no more. */
static int walk(struct search *x, enum em_sql q)
{
    sqlite3_stmt *st = x->s->db.stmt[q];
    struct em_failure_row row;
    int rc, err;

    while ((rc = em_db_step(&x->s->db, q, x->why)) == 1) {
        if (x->n == x->most || x->work <= 0) {
            *x->more = true;
            em_db_reset(&x->s->db, q);
            return 1;
        }
        *x->cursor = (struct em_failure_cursor) { sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 0) };
        x->work--;
        if (!fits_numbers(x->filter, st))
            continue;
        x->work -= WORK_TEXTS;
        if ((err = em_store_failure_get(x->s, x->cursor->id, &row, x->why)) < 0) {
            em_db_reset(&x->s->db, q);
            return err;
        }
        if (!fits_texts(x, &row))
            continue;
        x->n++;
        if (!x->each(x->arg, &row)) {
            em_db_reset(&x->s->db, q);
            return 1;
        }
    }
    return rc;
}

static int walk_call(struct search *x, int64_t since_us, int64_t until_us)
{
    bool begun = x->cursor->id > 0;
    int64_t call;
    int rc = em_store_call_look(x->s, slice_of(x->filter->call_id), &call, x->why);

    if (rc != 1)
        return rc;
    em_db_bind(&x->s->db, EM_SQL_FAILURES_OF_CALL,
               EM_DB_INTS(since_us, until_us, begun ? x->cursor->at_us : INT64_MAX,
                          begun ? x->cursor->id : INT64_MAX, call));
    return walk(x, EM_SQL_FAILURES_OF_CALL);
}

/* Failures of one moment may be many: first those behind the cursor, then all that are older. */
static int walk_time(struct search *x, int64_t since_us, int64_t until_us)
{
    struct em_failure_cursor from = *x->cursor;
    int rc = 0;

    if (from.id > 0 && from.at_us >= since_us && from.at_us < until_us) {
        em_db_bind(&x->s->db, EM_SQL_FAILURES_TIED, EM_DB_INTS(from.at_us, from.id));
        rc = walk(x, EM_SQL_FAILURES_TIED);
    }
    if (rc != 0)
        return rc;
    if (from.id > 0 && from.at_us < until_us)
        until_us = from.at_us;
    em_db_bind(&x->s->db, EM_SQL_FAILURES_BEFORE, EM_DB_INTS(since_us, until_us));
    return walk(x, EM_SQL_FAILURES_BEFORE);
}

int em_store_failures_page(struct em_store *s, const struct em_failure_filter *filter,
                           struct em_failure_cursor *cursor, size_t most,
                           bool (*each)(void *arg, const struct em_failure_row *row), void *arg, bool *more,
                           struct em_why *why)
{
    struct search x = { .s = s,
                        .filter = filter,
                        .cursor = cursor,
                        .most = most,
                        .work = WORK_MAX,
                        .each = each,
                        .arg = arg,
                        .more = more,
                        .why = why };
    int64_t until_us = filter->until_us ? filter->until_us : INT64_MAX;
    int rc;

    *more = false;
    if (*filter->peer && !em_peer_relay(slice_of(filter->peer), x.relay))
        *x.relay = '\0';
    if (*filter->peer && !em_peer_host_name(slice_of(filter->peer), x.domain))
        *x.domain = '\0';
    rc = *filter->call_id ? walk_call(&x, filter->since_us, until_us)
                          : walk_time(&x, filter->since_us, until_us);
    return rc < 0 ? rc : 0;
}
