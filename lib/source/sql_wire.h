/* SPDX-License-Identifier: GPL-3.0-or-later
 * What edgemediad and edgemedia-sql say to each other. The worker is a process of its own because database drivers are other people's code
 * that blocks, starts threads and may crash; it has one connection to one database, and ends when its standard input does.
 *
 * Frames over a stream socket, integers big-endian:
 *
 *     length  u32     of what follows, SQL_FRAME_MAX at most
 *     kind    u8      enum sql_frame
 *     rest            see the structs; a text is a u32 length and its bytes
 *
 *     daemon:  OPEN, then ASK again and again
 *     worker:  to each ASK some ROWs and one END, or FAIL, after which it ends
 */
#ifndef EM_SOURCE_SQL_WIRE_H
#define EM_SOURCE_SQL_WIRE_H

#include "base/buf.h"
#include "base/cur.h"
#include "evidence/sql_row.h"

enum {
    SQL_FRAME_MAX = 1024 * 1024,
    SQL_VALUE_MAX = 128 * 1024,       /* of a column; the rest is cut */
    SQL_ROW_MAX = SQL_FRAME_MAX - 64, /* all columns of a row */
    SQL_PAGE_MAX = 100 * 1000,        /* rows of an answer */
};

enum sql_frame { SQL_OPEN = 1, SQL_ASK, SQL_ROW, SQL_END, SQL_FAIL };

/* OPEN. The texts are the frame's. user and password are put into the connection by the worker; "" = they are not. */
struct sql_open {
    uint32_t timeout_s; /* of the login, and of each query */
    struct slice connection, user, password, query;
};

/* ASK: the rows whose time is at or after this one, in order, `most` of them at most. */
struct sql_ask {
    int64_t time_us;
    uint32_t most;
};

/* END. more: there may be rows behind the last one. */
struct sql_end {
    uint32_t rows;
    bool more;
};

/* FAIL. The text holds the driver's words. */
struct sql_fail {
    struct slice text;
};

/* Append a frame. The buffer is full (buf.full) when it does not fit. */
void sql_put_open(struct buf *b, const struct sql_open *open);
void sql_put_ask(struct buf *b, const struct sql_ask *ask);
void sql_put_row(struct buf *b, const struct sql_row *row);
void sql_put_end(struct buf *b, const struct sql_end *end);
void sql_put_fail(struct buf *b, const struct sql_fail *fail);

/* The first frame of what came: its kind, *body behind the kind, and *s behind the frame. 0: not all of it is there yet. -1: no frame. */
int sql_take(struct slice *s, struct cur *body);

/* false: it is none. What they fill points into the body. */
bool sql_get_open(struct cur body, struct sql_open *open);
bool sql_get_ask(struct cur body, struct sql_ask *ask);
bool sql_get_row(struct cur body, struct sql_row *row);
bool sql_get_end(struct cur body, struct sql_end *end);
bool sql_get_fail(struct cur body, struct sql_fail *fail);

#endif
