/* SPDX-License-Identifier: GPL-3.0-or-later
 * Rows of databases as reports, and what the daemon and its SQL worker say to each other: whole, cut at every byte, each byte changed; and what a
 * configured source must have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "source/sql.h"
#include "source/sql_wire.h"

enum { TOLD_MAX = 128 };

struct told {
    uint32_t n;
    char text[4096];
};

static void on_report(void *arg, const struct em_report *r)
{
    struct told *t = arg;
    size_t n = strlen(t->text);
    bool known;
    uint32_t ice = em_report_ice(r, &known);

    ck_assert(t->n++ < TOLD_MAX);
    if (n < sizeof t->text - 1)
        (void)snprintf(t->text + n, sizeof t->text - n, "%s%u%s %.*s %x/%d", n ? "; " : "", r->code,
                       r->no_code ? "-" : "", SLICE_ARG(r->call_id), ice, known ? (int)r->media[0].media : 0);
}

static const struct {
    const char *call, *code, *header, *media, *caller, *callee;
    bool good;
    const char *told; /* code, call, flags/medium of the first */
} rows[] = {
    { "a@x;f;t", "23", "23; reason=\"x\";CallerMediaDebug=\"audio:ICEWarn=0x100\"", NULL, NULL, NULL, true,
      "23 a@x 100/2" },
    { "a@x", "7", "23; reason=\"the header counts\"", NULL, NULL, NULL, true, "23 a@x 0/0" },
    { " a@x ", " 23 ", NULL, NULL, NULL, NULL, true, "23 a@x 0/0" },
    { NULL, "23", "", NULL, NULL, NULL, true, "23  0/0" },
    { "a@x", "23", "no code", NULL, NULL, NULL, true, "23 a@x 0/0" },
    { "a@x", NULL, "23;reason=\"a\", 51007;reason=\"b\"", NULL, NULL, NULL, true,
      "23 a@x 0/0; 51007 a@x 0/0" },
    { "a@x", NULL, NULL, "3", "-2147483648", "256", true, "0- a@x 80000100/4" },
    { "a@x", NULL, NULL, "applicationsharing", "0x8000100", NULL, true, "0- a@x 8000100/4" },
    { "a@x", NULL, NULL, "2", NULL, "0", true, "0- a@x 0/5" },
    { "a@x", NULL, NULL, "4", NULL, "1", true, "0- a@x 1/1" },
    { "a@x", "23", NULL, "0", "256", NULL, true, "23 a@x 100/2" },
    { "a@x", "23", "23;CalleeMediaDebug=\"video:ICEWarn=0x1\"", "0", "256", NULL, true, "23 a@x 1/3" },
    { "a@x", NULL, NULL, "1", NULL, NULL, true, "" },
    { "a@x", "2x", NULL, NULL, NULL, NULL, false, "" },
    { "a@x", "4294967296", NULL, NULL, NULL, NULL, false, "" },
    { "a@x", NULL, NULL, "0", "many", "1", false, "0- a@x 1/2" },
    { "a@x", NULL, NULL, NULL, NULL, NULL, true, "" },
};

static void fill(struct sql_row *row, enum sql_field field, const char *text)
{
    if (!text)
        return;
    row->has |= 1u << field;
    row->value[field] = slice_of(text);
}

static struct sql_row row_of(size_t i)
{
    struct sql_row row = { .time_us = 1 };

    fill(&row, SQL_FIELD_CALL_ID, rows[i].call);
    fill(&row, SQL_FIELD_CODE, rows[i].code);
    fill(&row, SQL_FIELD_HEADER, rows[i].header);
    fill(&row, SQL_FIELD_MEDIA, rows[i].media);
    fill(&row, SQL_FIELD_CALLER_ICE, rows[i].caller);
    fill(&row, SQL_FIELD_CALLEE_ICE, rows[i].callee);
    return row;
}

START_TEST(rows_become_reports)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sql_row row = row_of(i);
        struct told t = { 0 };
        bool good = sql_row_read(&row, on_report, &t);

        ck_assert_msg(good == rows[i].good && strcmp(t.text, rows[i].told) == 0, "row %zu: %d %s", i, good,
                      t.text);
        row.time_us = 0;
        ck_assert(!sql_row_read(&row, on_report, &t));
        row.time_us = 1;
        row.cut = true;
        ck_assert(!sql_row_read(&row, on_report, &t));
    }
}
END_TEST

START_TEST(a_row_has_a_bounded_number_of_reports)
{
    static char header[SQL_ROW_REPORTS_MAX * 64];
    struct sql_row row = { .time_us = 1 };
    struct told t = { 0 };

    for (size_t i = 0; i < 2 * SQL_ROW_REPORTS_MAX; i++)
        (void)snprintf(header + strlen(header), sizeof header - strlen(header), "%s23;reason=\"%zu\"",
                       i ? "," : "", i);
    fill(&row, SQL_FIELD_HEADER, header);
    ck_assert(sql_row_read(&row, on_report, &t));
    ck_assert_uint_eq(t.n, SQL_ROW_REPORTS_MAX);
}
END_TEST

START_TEST(columns_have_names)
{
    ck_assert_int_eq(sql_field_of(SLICE("errortime")), SQL_FIELD_TIME);
    ck_assert_int_eq(sql_field_of(SLICE("DIALOGID")), SQL_FIELD_CALL_ID);
    ck_assert_int_eq(sql_field_of(SLICE("DialogIdx")), SQL_FIELD_NONE);
    ck_assert_int_eq(sql_field_of(SLICE("")), SQL_FIELD_NONE);
    for (unsigned f = SQL_FIELD_NONE + 1; f < SQL_FIELD_COUNT; f++)
        ck_assert(*sql_field_names((enum sql_field)f));
    ck_assert(!sql_fields_suffice(1u << SQL_FIELD_TIME | 1u << SQL_FIELD_CALL_ID | 1u << SQL_FIELD_MEDIA));
    ck_assert(sql_fields_suffice(1u << SQL_FIELD_CALLEE_ICE));
}
END_TEST

/* --- frames -------------------------------------------------------------------------------------------------------- */

static void one_of_each(struct buf *b)
{
    struct sql_row row = row_of(0);

    sql_put_open(b,
                 &(struct sql_open) { 30, SLICE("Driver=X"), SLICE("u"), SLICE("p;w"), SLICE("SELECT 1") });
    sql_put_ask(b, &(struct sql_ask) { 1448000000123456, 1000 });
    sql_put_row(b, &row);
    sql_put_end(b, &(struct sql_end) { 7, true });
    sql_put_fail(b, &(struct sql_fail) { SLICE("no such table") });
    ck_assert(!b->full);
}

/* How many frames are there, each read by what is for it. */
static size_t frames_in(struct slice s, int *last)
{
    struct sql_open open;
    struct sql_ask ask;
    struct sql_row row;
    struct sql_end end;
    struct sql_fail fail;
    struct cur body;
    size_t n = 0;

    while ((*last = sql_take(&s, &body)) > 0) {
        (void)sql_get_open(body, &open);
        (void)sql_get_ask(body, &ask);
        if (sql_get_row(body, &row)) {
            struct told t = { 0 };

            (void)sql_row_read(&row, on_report, &t);
        }
        (void)sql_get_end(body, &end);
        (void)sql_get_fail(body, &fail);
        n++;
    }
    return n;
}

START_TEST(frames_are_read_as_they_were_written)
{
    struct buf b = buf_heap(SQL_FRAME_MAX);
    struct sql_open open;
    struct sql_ask ask;
    struct sql_row row;
    struct sql_end end;
    struct sql_fail fail;
    struct cur body;
    struct slice s;

    one_of_each(&b);
    s = (struct slice) { (const char *)b.p, b.n };
    ck_assert(sql_take(&s, &body) == SQL_OPEN && sql_get_open(body, &open) && open.timeout_s == 30);
    ck_assert(slice_eq(open.password, SLICE("p;w")) && slice_eq(open.query, SLICE("SELECT 1")));
    ck_assert(sql_take(&s, &body) == SQL_ASK && sql_get_ask(body, &ask) && ask.time_us == 1448000000123456 &&
              ask.most == 1000);
    ck_assert(sql_take(&s, &body) == SQL_ROW && sql_get_row(body, &row) && row.time_us == 1 && !row.cut);
    ck_assert(slice_eq(row.value[SQL_FIELD_CALL_ID], SLICE("a@x;f;t")) &&
              !sql_row_has(&row, SQL_FIELD_MEDIA));
    ck_assert(sql_take(&s, &body) == SQL_END && sql_get_end(body, &end) && end.rows == 7 && end.more);
    ck_assert(sql_take(&s, &body) == SQL_FAIL && sql_get_fail(body, &fail) &&
              slice_eq(fail.text, SLICE("no such table")));
    ck_assert(sql_take(&s, &body) == 0 && s.n == 0);
    buf_fini(&b);
}
END_TEST

START_TEST(cut_and_changed_frames)
{
    struct buf b = buf_heap(SQL_FRAME_MAX);
    uint8_t *p;
    int last;

    one_of_each(&b);
    for (size_t n = 0; n < b.n; n++) {
        ck_assert((p = malloc(n + 1))); /* to the byte, so that a sanitizer sees what is beyond */
        memcpy(p, b.p, n);
        ck_assert_uint_lt(frames_in((struct slice) { (const char *)p, n }, &last), 5);
        ck_assert_int_eq(last, 0);
        free(p);
    }
    for (size_t i = 0; i < 8 * b.n; i++) {
        b.p[i / 8] ^= (uint8_t)(1u << i % 8);
        (void)frames_in((struct slice) { (const char *)b.p, b.n }, &last);
        b.p[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    b.p[0] = 0xff;
    ck_assert_uint_eq(frames_in((struct slice) { (const char *)b.p, b.n }, &last), 0);
    ck_assert_int_eq(last, -1);
    buf_fini(&b);
}
END_TEST

/* --- the configuration --------------------------------------------------------------------------------------------- */

static const struct {
    const char *preset, *connection, *query, *user, *password;
    const char *option, *says; /* NULL: it is good */
} sources[] = {
    { "lcscdr", "DSN=cdr", "", "", "", NULL, NULL },
    { "qoemetrics", "Driver=FreeTDS;Server=x", "", "u", "p", NULL, NULL },
    { "query", "DSN=x", " with t as (select '?' as a) select * from t where b >= ?", "", "", NULL, NULL },
    { "loki", "DSN=x", "", "", "", "preset", "write lcscdr" },
    { "lcscdr", "DSN=x", "SELECT 1", "", "", "query", "is for preset query" },
    { "query", "DSN=x", "", "", "", "query", "write a SELECT" },
    { "query", "DSN=x", "DELETE FROM t WHERE a >= ?", "", "", "query", "write a SELECT" },
    { "query", "DSN=x", "SELECT '?'", "", "", "query", "needs one ?" },
    { "query", "DSN=x", "SELECT a FROM t WHERE a >= ? AND b > ?", "", "", "query", "needs one ?" },
    { "lcscdr", "DSN=x; pwd=secret", "", "", "", "connection", "password_file" },
    { "lcscdr", "DSN=x;Password =s", "", "", "", "connection", "password_file" },
    { "lcscdr", "DSN=x;Uidx=s;Server=pwd", "", "", "", NULL, NULL },
    { "lcscdr", "UID=sa;DSN=x", "", "", "", "connection", "user" },
    { "lcscdr", "", "", "", "", "connection", "is missing" },
    { "lcscdr", "DSN=x", "", "", "p", "user", "is missing" },
};

START_TEST(what_is_configured)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct em_source_conf conf = { .type = EM_SOURCE_SQL };
        const char *option = NULL;
        struct em_why why = { "" };
        int err;

        (void)slice_copy(slice_of(sources[i].preset), conf.preset, sizeof conf.preset);
        (void)slice_copy(slice_of(sources[i].connection), conf.sql.connection, sizeof conf.sql.connection);
        (void)slice_copy(slice_of(sources[i].query), conf.query, sizeof conf.query);
        (void)slice_copy(slice_of(sources[i].user), conf.user, sizeof conf.user);
        (void)slice_copy(slice_of(sources[i].password), conf.password, sizeof conf.password);
        err = em_source_check(&conf, &option, &why);
        if (!sources[i].option && err != 0) /* a build without ODBC says so of what is good */
            ck_assert_msg(strstr(why.text, "without ODBC"), "%zu: %s", i, why.text);
        else
            ck_assert_msg((err != 0) == (sources[i].option != NULL), "%zu: %s", i, why.text);
        if (sources[i].option)
            ck_assert_msg(strcmp(option, sources[i].option) == 0 && strstr(why.text, sources[i].says),
                          "%zu: %s", i, why.text);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("sql");

    tcase_add_test(t, rows_become_reports);
    tcase_add_test(t, a_row_has_a_bounded_number_of_reports);
    tcase_add_test(t, columns_have_names);
    tcase_add_test(t, frames_are_read_as_they_were_written);
    tcase_add_test(t, cut_and_changed_frames);
    tcase_add_test(t, what_is_configured);
    return em_run();
}
