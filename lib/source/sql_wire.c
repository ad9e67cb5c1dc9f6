/* SPDX-License-Identifier: GPL-3.0-or-later
 * Frames between the daemon and its SQL worker; see sql_wire.h. */
#include "source/sql_wire.h"

/* --- writing ------------------------------------------------------------------------------------------------------- */

static size_t begin(struct buf *b, enum sql_frame kind)
{
    size_t at = b->n;

    buf_u32(b, 0);
    buf_u8(b, (uint8_t)kind);
    return at;
}

static void end(struct buf *b, size_t at)
{
    uint32_t n;

    if (b->full)
        return;
    n = (uint32_t)(b->n - at - 4);
    buf_put_u16(b, at, (uint16_t)(n >> 16));
    buf_put_u16(b, at + 2, (uint16_t)n);
}

static void put_text(struct buf *b, struct slice s)
{
    buf_u32(b, (uint32_t)s.n);
    buf_slice(b, s);
}

void sql_put_open(struct buf *b, const struct sql_open *open)
{
    size_t at = begin(b, SQL_OPEN);

    buf_u32(b, open->timeout_s);
    put_text(b, open->connection);
    put_text(b, open->user);
    put_text(b, open->password);
    put_text(b, open->query);
    end(b, at);
}

void sql_put_ask(struct buf *b, const struct sql_ask *ask)
{
    size_t at = begin(b, SQL_ASK);

    buf_u64(b, (uint64_t)ask->time_us);
    buf_u32(b, ask->most);
    end(b, at);
}

void sql_put_row(struct buf *b, const struct sql_row *row)
{
    size_t at = begin(b, SQL_ROW);

    buf_u64(b, (uint64_t)row->time_us);
    buf_u8(b, row->cut);
    for (unsigned field = SQL_FIELD_TIME + 1; field < SQL_FIELD_COUNT; field++)
        if (sql_row_has(row, (enum sql_field)field)) {
            buf_u8(b, (uint8_t)field);
            put_text(b, row->value[field]);
        }
    end(b, at);
}

void sql_put_end(struct buf *b, const struct sql_end *e)
{
    size_t at = begin(b, SQL_END);

    buf_u32(b, e->rows);
    buf_u8(b, e->more);
    end(b, at);
}

void sql_put_fail(struct buf *b, const struct sql_fail *fail)
{
    size_t at = begin(b, SQL_FAIL);

    put_text(b, fail->text);
    end(b, at);
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

int sql_take(struct slice *s, struct cur *body)
{
    struct cur c = cur_of(s->p, s->n);
    uint32_t n;
    uint8_t kind;

    if (s->n < 4)
        return 0;
    n = cur_u32(&c);
    if (n < 1 || n > SQL_FRAME_MAX)
        return -1;
    if (cur_left(&c) < n)
        return 0;
    *body = cur_sub(&c, n);
    kind = cur_u8(body);
    if (kind < SQL_OPEN || kind > SQL_FAIL)
        return -1;
    *s = slice_from(*s, 4 + (size_t)n);
    return kind;
}

static struct slice get_text(struct cur *c)
{
    uint32_t n = cur_u32(c);
    const uint8_t *p = cur_take(c, n);

    return p ? (struct slice) { (const char *)p, n } : (struct slice) { "", 0 };
}

static bool is_whole(const struct cur *c)
{
    return !c->bad && c->p == c->end;
}

bool sql_get_open(struct cur body, struct sql_open *open)
{
    open->timeout_s = cur_u32(&body);
    open->connection = get_text(&body);
    open->user = get_text(&body);
    open->password = get_text(&body);
    open->query = get_text(&body);
    return is_whole(&body);
}

bool sql_get_ask(struct cur body, struct sql_ask *ask)
{
    ask->time_us = (int64_t)cur_u64(&body);
    ask->most = cur_u32(&body);
    return is_whole(&body) && ask->most > 0 && ask->most <= SQL_PAGE_MAX;
}

bool sql_get_row(struct cur body, struct sql_row *row)
{
    *row = (struct sql_row) { .time_us = (int64_t)cur_u64(&body), .cut = cur_u8(&body) == 1 };
    while (cur_left(&body) > 0) {
        uint8_t field = cur_u8(&body);

        if (field <= SQL_FIELD_TIME || field >= SQL_FIELD_COUNT)
            return false;
        row->value[field] = get_text(&body);
        row->has |= 1u << field;
    }
    return is_whole(&body);
}

bool sql_get_end(struct cur body, struct sql_end *e)
{
    e->rows = cur_u32(&body);
    e->more = cur_u8(&body) == 1;
    return is_whole(&body);
}

bool sql_get_fail(struct cur body, struct sql_fail *fail)
{
    fail->text = get_text(&body);
    return is_whole(&body);
}
