/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia-sql: asks one database through ODBC for edgemediad, which starts it and talks to it by source/sql_wire.h over standard input and
 * output. It may block, and whatever the driver does to it, the daemon goes on. Nothing that it is told is written anywhere but to the driver.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <sql.h>
#include <sqlext.h>

#include "base/clock.h"
#include "source/sql_wire.h"

enum {
    COLUMNS_MAX = 256,
    NAME_MAX_BYTES = 256,
    CONNECTION_MAX = 8192,
    FAILURE_MAX = 400,
    SEND_BYTES = 32 * 1024,         /* gathered before they are written */
    MEMORY_MAX = 256 * 1024 * 1024, /* of a driver that takes a whole answer into memory */
};

struct worker {
    SQLHENV env;
    SQLHDBC dbc;
    SQLHSTMT statement;
    char *query, *password;
    bool connected;
    enum sql_field column[COLUMNS_MAX]; /* what the query has; NONE: it is passed over */
    SQLSMALLINT columns_n;
    struct buf out, values;
};

static bool went_well(SQLRETURN r)
{
    return r == SQL_SUCCESS || r == SQL_SUCCESS_WITH_INFO;
}

/* --- to the daemon ------------------------------------------------------------------------------------------------- */

static void flush(struct worker *w)
{
    for (size_t at = 0; at < w->out.n;) {
        ssize_t n = write(STDOUT_FILENO, w->out.p + at, w->out.n - at);

        if (n < 0 && errno != EINTR)
            exit(0); /* nobody is there any more */
        at += n > 0 ? (size_t)n : 0;
    }
    buf_reset(&w->out);
}

static _Noreturn void fail(struct worker *w, const char *text)
{
    sql_put_fail(&w->out, &(struct sql_fail) { slice_of(text) });
    flush(w);
    exit(1);
}

/* Drivers may say what they were told. */
static void hide_password(const struct worker *w, char *text)
{
    size_t n = w->password ? strlen(w->password) : 0;

    for (char *at = text; n > 0 && (at = strstr(at, w->password)); at += n)
        memset(at, '*', n);
}

/* On one line, without the names of those who passed it on: "[unixODBC][Driver Manager]". */
static const char *plain(char *message)
{
    const char *end;

    for (char *p = message; *p; p++)
        if (strchr("\t\r\n", *p))
            *p = ' ';
    while (*message == '[' && (end = strchr(message, ']')))
        message += end + 1 - message;
    return message;
}

/* By the beginning of the SQLSTATE. Not every driver has them: SQLite says HY000 of everything. */
static const char *advice_for(const SQLCHAR *state, SQLSMALLINT type)
{
    static const struct {
        const char *state, *advice;
    } rows[] = {
        { "IM", "connection: odbcinst -q -d and -q -s list drivers and DSNs" },
        { "01000", "connection: is the driver's package installed?" },
        { "08", "is the server up, are connection, user and password right?" },
        { "28", "are user and password_file right?" },
        { "42501", "GRANT SELECT to the user" },
        { "42", "a name or a word is not known there; see query and Database" },
        { "57014", "timeout: is there an index on the time?" },
        { "HYT", "timeout: is the server up, is there an index on the time?" },
        { "HY001", "too much for a page; make page smaller" },
        { "07006", "the time must be a timestamp" },
        { "22", "a value is not what its column's name says" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strncmp((const char *)state, rows[i].state, strlen(rows[i].state)) == 0)
            return rows[i].advice;
    return type == SQL_HANDLE_DBC ? "is connection right?" : "is query right?";
}

/* What the driver says of what was done with a handle, behind what to do about it. */
static _Noreturn void fail_by(struct worker *w, const char *what, SQLSMALLINT type, SQLHANDLE handle)
{
    SQLCHAR state[6] = "", message[FAILURE_MAX] = "";
    SQLINTEGER native = 0;
    SQLSMALLINT n = 0;
    const char *advice, *says;
    char text[2 * FAILURE_MAX];

    (void)SQLGetDiagRec(type, handle, 1, state, &native, message, sizeof message, &n);
    advice = advice_for(state, type);
    says = plain((char *)message);
    (void)snprintf(text, sizeof text, "%s: %s: %s (%s)", what, advice,
                   *says ? says : "the driver does not say why", (const char *)state);
    hide_password(w, text);
    fail(w, text);
}

/* --- connecting ---------------------------------------------------------------------------------------------------- */

static bool is_plain(struct slice value)
{
    for (size_t i = 0; i < value.n; i++)
        if (strchr("[]{}(),;?*=!@ ", value.p[i]))
            return false;
    return true;
}

/* KEY=value, or KEY={value}, in which a brace that closes is doubled (ODBC connection strings): only where it must be, because psqlodbc takes the
 * braces around a user for a part of the name. */
static void put_key(struct buf *to, const char *key, struct slice value)
{
    if (value.n == 0)
        return;
    if (is_plain(value)) {
        buf_print(to, ";%s=", key);
        buf_slice(to, value);
        return;
    }
    buf_print(to, ";%s={", key);
    for (size_t i = 0; i < value.n; i++) {
        buf_u8(to, (uint8_t)value.p[i]);
        if (value.p[i] == '}')
            buf_u8(to, '}');
    }
    buf_u8(to, '}');
}

static SQLPOINTER number(uint32_t n)
{
    return (SQLPOINTER)(uintptr_t)n;
}

/* more: further keys, "" or from a semicolon on. */
static void connect_with(struct worker *w, const struct sql_open *open, const char *more)
{
    char storage[CONNECTION_MAX];
    struct buf c = buf_over(storage, sizeof storage);
    SQLRETURN r;

    buf_slice(&c, open->connection);
    buf_text(&c, more);
    put_key(&c, "UID", open->user);
    put_key(&c, "PWD", open->password);
    if (c.full)
        fail(w, "the connection is too long");
    r = SQLDriverConnect(w->dbc, NULL, (SQLCHAR *)(uintptr_t)buf_str(&c), SQL_NTS, NULL, 0, NULL,
                         SQL_DRIVER_NOPROMPT);
    explicit_bzero(storage, sizeof storage);
    if (!went_well(r))
        fail_by(w, "connecting", SQL_HANDLE_DBC, w->dbc);
    w->connected = true;
}

/* psqlodbc takes the whole answer into memory, however few rows of it are wanted, unless it is told to use a cursor. Only connected can be
 * seen that it is psqlodbc. */
static bool wants_cursor(const struct worker *w)
{
    char name[32] = "";
    SQLSMALLINT n = 0;

    return went_well(SQLGetInfo(w->dbc, SQL_DBMS_NAME, name, sizeof name, &n)) &&
           strcmp(name, "PostgreSQL") == 0;
}

static void log_in(struct worker *w, const struct sql_open *open)
{
    if (!went_well(SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &w->env)) ||
        !went_well(SQLSetEnvAttr(w->env, SQL_ATTR_ODBC_VERSION, (SQLPOINTER)SQL_OV_ODBC3, 0)) ||
        !went_well(SQLAllocHandle(SQL_HANDLE_DBC, w->env, &w->dbc)))
        fail(w, "ODBC cannot be used: no memory");
    /* A driver that does not know these is one that cannot wait so long, or does not change anything anyway. */
    (void)SQLSetConnectAttr(w->dbc, SQL_ATTR_LOGIN_TIMEOUT, number(open->timeout_s), SQL_IS_UINTEGER);
    (void)SQLSetConnectAttr(w->dbc, SQL_ATTR_ACCESS_MODE, number(SQL_MODE_READ_ONLY), SQL_IS_UINTEGER);
    connect_with(w, open, "");
    if (wants_cursor(w)) {
        (void)SQLDisconnect(w->dbc);
        connect_with(w, open, ";UseDeclareFetch=1;Fetch=1000");
    }
    (void)SQLSetConnectAttr(w->dbc, SQL_ATTR_CONNECTION_TIMEOUT, number(open->timeout_s), SQL_IS_UINTEGER);
    if (!went_well(SQLAllocHandle(SQL_HANDLE_STMT, w->dbc, &w->statement)))
        fail_by(w, "connecting", SQL_HANDLE_DBC, w->dbc);
    (void)SQLSetStmtAttr(w->statement, SQL_ATTR_QUERY_TIMEOUT, number(open->timeout_s), SQL_IS_UINTEGER);
}

/* --- the columns --------------------------------------------------------------------------------------------------- */

static void name_columns(struct worker *w)
{
    uint32_t known = 0;
    char text[256];

    if (!went_well(SQLNumResultCols(w->statement, &w->columns_n)) || w->columns_n < 1)
        fail(w, "query: it gives no rows; write a SELECT");
    if (w->columns_n > COLUMNS_MAX)
        fail(w, "query: more than 256 columns; name those that are needed");
    for (SQLSMALLINT i = 0; i < w->columns_n; i++) {
        SQLCHAR name[NAME_MAX_BYTES] = "";
        SQLSMALLINT n = 0, type, digits, nullable;
        SQLULEN size;

        if (!went_well(SQLDescribeCol(w->statement, (SQLUSMALLINT)(i + 1), name, sizeof name, &n, &type,
                                      &size, &digits, &nullable)))
            fail_by(w, "query", SQL_HANDLE_STMT, w->statement);
        w->column[i] = sql_field_of(slice_of((const char *)name));
        if (w->column[i] != SQL_FIELD_NONE && known >> w->column[i] & 1)
            w->column[i] = SQL_FIELD_NONE; /* the first one of a name counts */
        known |= 1u << w->column[i];
    }
    if (!(known >> SQL_FIELD_TIME & 1)) {
        (void)snprintf(text, sizeof text, "query: no column is called %s", sql_field_names(SQL_FIELD_TIME));
        fail(w, text);
    }
    if (!sql_fields_suffice(known))
        fail(w, "query: none of its columns says why a call failed; see edgemedia.conf(5) for their names");
}

/* --- rows ---------------------------------------------------------------------------------------------------------- */

static int64_t time_of(const SQL_TIMESTAMP_STRUCT *t)
{
    struct tm tm = { .tm_year = t->year - 1900,
                     .tm_mon = t->month - 1,
                     .tm_mday = t->day,
                     .tm_hour = t->hour,
                     .tm_min = t->minute,
                     .tm_sec = t->second };

    return (int64_t)timegm(&tm) * EM_US_PER_S + t->fraction / 1000;
}

static SQL_TIMESTAMP_STRUCT stamp_of(int64_t us)
{
    time_t s = (time_t)(us / EM_US_PER_S);
    struct tm tm;

    gmtime_r(&s, &tm);
    return (SQL_TIMESTAMP_STRUCT) { .year = (SQLSMALLINT)(tm.tm_year + 1900),
                                    .month = (SQLUSMALLINT)(tm.tm_mon + 1),
                                    .day = (SQLUSMALLINT)tm.tm_mday,
                                    .hour = (SQLUSMALLINT)tm.tm_hour,
                                    .minute = (SQLUSMALLINT)tm.tm_min,
                                    .second = (SQLUSMALLINT)tm.tm_sec,
                                    /* milliseconds: what datetime has, and what every driver can send */
                                    .fraction = (SQLUINTEGER)(us % EM_US_PER_S / 1000 * 1000000) };
}

static void get_time(struct worker *w, SQLUSMALLINT column, struct sql_row *row)
{
    SQL_TIMESTAMP_STRUCT t = { 0 };
    SQLLEN n = SQL_NULL_DATA;

    if (!went_well(SQLGetData(w->statement, column, SQL_C_TYPE_TIMESTAMP, &t, sizeof t, &n)))
        fail_by(w, "reading a time", SQL_HANDLE_STMT, w->statement);
    row->time_us = n == SQL_NULL_DATA ? 0 : time_of(&t);
}

/* A value comes in pieces, each with a zero behind it. at: of the value in w->values, which may move while it grows. */
static bool get_text(struct worker *w, SQLUSMALLINT column, size_t *at, struct sql_row *row)
{
    char piece[8192];
    SQLLEN n = 0;
    SQLRETURN r;

    *at = w->values.n;
    while (went_well(r = SQLGetData(w->statement, column, SQL_C_CHAR, piece, sizeof piece, &n))) {
        size_t got = n == SQL_NO_TOTAL || n >= (SQLLEN)sizeof piece ? sizeof piece - 1 : (size_t)n;

        if (n == SQL_NULL_DATA)
            return false;
        if (w->values.n - *at + got > SQL_VALUE_MAX) {
            got = SQL_VALUE_MAX - (w->values.n - *at);
            row->cut = true;
        }
        buf_bytes(&w->values, piece, got);
        if (row->cut || r == SQL_SUCCESS)
            return true;
    }
    if (r != SQL_NO_DATA)
        fail_by(w, "reading a row", SQL_HANDLE_STMT, w->statement);
    return true;
}

static void send_row(struct worker *w)
{
    struct sql_row row = { 0 };
    size_t at[SQL_FIELD_COUNT] = { 0 }, end[SQL_FIELD_COUNT] = { 0 };

    buf_reset(&w->values);
    for (SQLSMALLINT i = 0; i < w->columns_n; i++) { /* in their order: many drivers have no other */
        enum sql_field f = w->column[i];

        if (f == SQL_FIELD_TIME)
            get_time(w, (SQLUSMALLINT)(i + 1), &row);
        else if (f != SQL_FIELD_NONE && get_text(w, (SQLUSMALLINT)(i + 1), &at[f], &row)) {
            row.has |= 1u << f;
            end[f] = w->values.n;
        }
    }
    if (w->values.full) { /* all of them together are too long */
        row.has = 0;
        row.cut = true;
    }
    for (unsigned f = 0; f < SQL_FIELD_COUNT; f++)
        if (row.has >> f & 1)
            row.value[f] = (struct slice) { (const char *)w->values.p + at[f], end[f] - at[f] };
    sql_put_row(&w->out, &row);
    if (w->out.n > SEND_BYTES)
        flush(w);
}

static void answer(struct worker *w, const struct sql_ask *ask)
{
    SQL_TIMESTAMP_STRUCT from = stamp_of(ask->time_us);
    struct sql_end end = { 0 };
    SQLLEN size = sizeof from;
    SQLRETURN r;

    /* One more than wanted tells that there are more; not every driver has it, so the rows are counted, too. */
    (void)SQLSetStmtAttr(w->statement, SQL_ATTR_MAX_ROWS, (SQLPOINTER)(uintptr_t)(ask->most + 1),
                         SQL_IS_UINTEGER);
    r = SQLBindParameter(w->statement, 1, SQL_PARAM_INPUT, SQL_C_TYPE_TIMESTAMP, SQL_TYPE_TIMESTAMP, 23, 3,
                         &from, sizeof from, &size);
    if (went_well(r))
        r = SQLExecDirect(w->statement, (SQLCHAR *)w->query, SQL_NTS);
    if (!went_well(r) && r != SQL_NO_DATA)
        fail_by(w, "query", SQL_HANDLE_STMT, w->statement);
    name_columns(w);
    while (went_well(r = SQLFetch(w->statement))) {
        if (end.rows == ask->most) {
            end.more = true;
            break;
        }
        send_row(w);
        end.rows++;
    }
    if (!went_well(r) && r != SQL_NO_DATA)
        fail_by(w, "reading rows", SQL_HANDLE_STMT, w->statement);
    (void)SQLFreeStmt(w->statement, SQL_CLOSE);
    sql_put_end(&w->out, &end);
    flush(w);
}

/* --- from the daemon ----------------------------------------------------------------------------------------------- */

static char *copy(struct slice s)
{
    char *text = malloc(s.n + 1);

    if (text)
        (void)slice_copy(s, text, s.n + 1);
    return text;
}

static void do_open(struct worker *w, struct cur body)
{
    struct sql_open open;

    if (!sql_get_open(body, &open) || w->query)
        exit(2);
    if (!(w->query = copy(open.query)) || !(w->password = copy(open.password)))
        fail(w, "no memory");
    log_in(w, &open);
}

static void do_ask(struct worker *w, struct cur body)
{
    struct sql_ask ask;

    if (!sql_get_ask(body, &ask) || !w->query)
        exit(2);
    answer(w, &ask);
}

/* What drivers are told by their surroundings: times of columns with a zone become UTC, as all others are; and memory ends before the daemon's
 * does, with which the process shares what systemd allows. A sanitizer needs more room than that. */
static void set_surroundings(void)
{
#ifndef WITH_SANITIZERS
    (void)setrlimit(RLIMIT_DATA, &(struct rlimit) { MEMORY_MAX, MEMORY_MAX });
#endif
    (void)setenv("TZ", "UTC0", 1);
    (void)setenv("PGTZ", "UTC", 1);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int main(void)
{
    static struct worker w;
    struct buf in = buf_heap(SQL_FRAME_MAX + 4);
    char bytes[8192];
    ssize_t n;

    set_surroundings();
    w.out = buf_heap((size_t)SEND_BYTES + SQL_FRAME_MAX + 4);
    w.values = buf_heap(SQL_ROW_MAX);
    while ((n = read(STDIN_FILENO, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR)) {
        struct slice s;
        struct cur body;
        int kind;

        buf_bytes(&in, bytes, n > 0 ? (size_t)n : 0);
        explicit_bzero(bytes, sizeof bytes);
        s = (struct slice) { (const char *)in.p, in.n };
        while ((kind = sql_take(&s, &body)) > 0)
            if (kind == SQL_OPEN)
                do_open(&w, body);
            else if (kind == SQL_ASK)
                do_ask(&w, body);
        if (kind < 0 || in.full)
            return 2;
        if (s.n == 0) {
            explicit_bzero(in.p, in.n);
            buf_reset(&in);
        }
    }
    if (w.connected)
        (void)SQLDisconnect(w.dbc);
    return 0;
}
