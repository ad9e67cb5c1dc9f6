/* SPDX-License-Identifier: GPL-3.0-or-later
 * JSON answers: pointers, records of each kind of server, times, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/answer.h"
#include "harness.h"

enum { SHOWN_MAX = 1024 };

static struct em_answer *read_in(const char *text, size_t n, size_t piece)
{
    struct em_answer *a = em_answer_new();
    struct em_why why = { "" };

    for (size_t i = 0; i < n; i += piece)
        ck_assert_msg(em_answer_push(a, text + i, n - i < piece ? n - i : piece, &why) == 0, "%s: %s", text,
                      why.text);
    ck_assert_msg(em_answer_finish(a, &why) == 0, "%s: %s", text, why.text);
    return a;
}

START_TEST(pointers_find_values)
{
    /* The examples of RFC 6901 section 5, and more. */
    static const char document[] =
        "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/"
        "b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8,"
        "\"o\":{\"p\":null,\"q\":[1,2]},\"r\":1.50,\"s\":true,\"*\":9,\"t\":1,\"t\":2}";
    static const struct {
        const char *pointer, *want; /* NULL: nothing */
    } rows[] = {
        { "/foo", "[\"bar\",\"baz\"]" },
        { "/foo/0", "bar" },
        { "/", "0" },
        { "/a~1b", "1" },
        { "/c%d", "2" },
        { "/e^f", "3" },
        { "/g|h", "4" },
        { "/i\\j", "5" },
        { "/k\"l", "6" },
        { "/ ", "7" },
        { "/m~0n", "8" },
        { "/o/p", NULL },
        { "/o/q/1", "2" },
        { "/o/q/2", NULL },
        { "/o/q/01", NULL },
        { "/o/q/-", NULL },
        { "/o/q/1x", NULL },
        { "/foo/0/x", NULL },
        { "/nothing", NULL },
        { "foo", NULL },
        { "/r", "1.50" },
        { "/s", "true" },
        { "/t", "2" },
        { "/o/q/99999999999999999999", NULL },
    };
    struct em_answer *a = read_in(document, strlen(document), 7);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = buf_heap(SHOWN_MAX);
        bool there = em_answer_value(a, rows[i].pointer, &b);

        ck_assert_msg(there == (rows[i].want != NULL), "%s", rows[i].pointer);
        ck_assert_msg(!there || strcmp(buf_str(&b), rows[i].want) == 0, "%s: %s", rows[i].pointer,
                      buf_str(&b));
        buf_fini(&b);
    }
    em_answer_free(a);
}
END_TEST

START_TEST(pointers_are_checked)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = { { "", true },
                 { "/", true },
                 { "/a/0/~0~1", true },
                 { "/data/*/raw", true },
                 { "a", false },
                 { "/~", false },
                 { "/~2", false },
                 { "/a~", false },
                 { "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", true },
                 { "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", false } };
    char text[EM_ANSWER_POINTER_MAX + 1];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(em_answer_pointer_ok(rows[i].text) == rows[i].good, "%s", rows[i].text);
    memset(text, 'a', sizeof text);
    text[0] = '/';
    text[EM_ANSWER_POINTER_MAX - 1] = '\0';
    ck_assert(em_answer_pointer_ok(text));
    text[EM_ANSWER_POINTER_MAX - 1] = 'a';
    text[EM_ANSWER_POINTER_MAX] = '\0';
    ck_assert(!em_answer_pointer_ok(text));
}
END_TEST

START_TEST(times_are_read)
{
    static const struct {
        const char *text;
        int64_t ns; /* 0: none */
    } rows[] = {
        { "1700000000", INT64_C(1700000000000000000) },
        { "1700000000123", INT64_C(1700000000123000000) },
        { "1700000000123456", INT64_C(1700000000123456000) },
        { "1700000000123456789", INT64_C(1700000000123456789) },
        { "1700000000.5", INT64_C(1700000000500000000) },
        { "1700000000.123456789", INT64_C(1700000000123456789) },
        { "1700000000.1234567899", INT64_C(1700000000123456789) },
        { "1700000000123.25", INT64_C(1700000000123250000) },
        { " 1700000000 ", INT64_C(1700000000000000000) },
        { "2023-11-14T22:13:20Z", INT64_C(1700000000000000000) },
        { "2023-11-14T22:13:20.123456Z", INT64_C(1700000000123456000) },
        { "2023-11-14T23:13:20+01:00", INT64_C(1700000000000000000) },
        { "2023-11-14 22:13:20", INT64_C(1700000000000000000) },
        { "", 0 },
        { "0", 0 },
        { "-1", 0 },
        { "soon", 0 },
        { "17000000x", 0 },
        { "9223372036854775807", 0 },
        { "99999999999999999999", 0 },
        { "99999999999", 0 },
        { "2023-13-14T22:13:20Z", 0 },
        { "1700000000.x", 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = 0;
        bool good = em_answer_time(slice_of(rows[i].text), &ns);

        ck_assert_msg(good == (rows[i].ns != 0) && ns == rows[i].ns, "\"%s\": %lld", rows[i].text,
                      (long long)ns);
    }
}
END_TEST

/* --- the answers of real kinds of servers -------------------------------------------------------------------------- */

static const struct {
    const char *file, *records;
    struct em_answer_shape shape;
    const char *want; /* "time_ns text|...": the first 12 characters of each text */
} vectors[] = {
    { "loki.json",
      "/data/result/*/values/*",
      { "/1", "/0" },
      "1700000000000000001 BYE sip:a@b.|1700000000000000003 SIP/2.0 480 |1700000000000000002 INVITE sip:c|" },
    { "elasticsearch.json",
      "/hits/hits/*",
      { NULL, "/sort/0" },
      "1700000000000000000 BYE sip:a@b.|1700000001000000000 SIP/2.0 200 |1700000002000000000 |" },
    { "homer.json",
      "/data/messages/*",
      { "/raw", "/create_date" },
      "1700000000123000000 BYE sip:a@b.|1700000000456000000 SIP/2.0 200 |" },
    { "homer-calls.json",
      "/data/*",
      { "/sid", "/create_date" },
      "1700000000123000000 a@example.co|1700000000456000000 b\"\\@example.|" },
    { "generic.json", "/items/*", { "/message", "/at" }, "1700000000500000000 BYE sip:a@b.|0 |" },
};

START_TEST(records_of_each_kind_of_server)
{
    char path[128];
    size_t n, count;
    bool whole;
    char *text;

    snprintf(path, sizeof path, "vectors/answer/%s", vectors[_i].file);
    text = em_slurp(path, &n);
    for (size_t piece = 1; piece <= n; piece = piece < 8 ? piece + 1 : piece * 4) {
        struct em_answer *a = read_in(text, n, piece);
        struct buf b = buf_heap(SHOWN_MAX);

        count = em_answer_find(a, vectors[_i].records, &whole);
        ck_assert(whole);
        for (size_t i = 0; i < count; i++) {
            struct em_answer_record r;

            em_answer_record(a, i, &vectors[_i].shape, &r);
            buf_print(&b, "%lld ", (long long)r.time_ns);
            buf_slice(&b, slice_upto(r.text, 12));
            buf_u8(&b, '|');
        }
        ck_assert_str_eq(buf_str(&b), vectors[_i].want);
        buf_fini(&b);
        em_answer_free(a);
    }
    free(text);
}
END_TEST

START_TEST(places_that_are_there_or_not)
{
    static const struct {
        const char *document, *pointer;
        size_t n;
        bool whole;
    } rows[] = {
        { "{\"data\":{\"result\":[]}}", "/data/result/*/values/*", 0, true },
        { "{\"data\":{}}", "/data/result/*/values/*", 0, false },
        { "{\"data\":[]}", "/data/*", 0, true },
        { "{\"data\":null}", "/data/*", 0, false },
        { "{\"data\":\"x\"}", "/data/*", 0, false },
        { "{\"error\":\"x\"}", "/hits/hits/*", 0, false },
        { "[1,2,null]", "/*", 2, true },
        { "\"x\"", "", 1, true },
        { "{\"a\":{\"b\":1,\"c\":2}}", "/a/*", 2, true },
        { "5", "", 1, true },
        { "null", "", 0, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct em_answer *a = read_in(rows[i].document, strlen(rows[i].document), 3);
        bool whole;
        size_t n = em_answer_find(a, rows[i].pointer, &whole);

        ck_assert_msg(n == rows[i].n && whole == rows[i].whole, "%s %s: %zu %d", rows[i].document,
                      rows[i].pointer, n, whole);
        em_answer_free(a);
    }
}
END_TEST

/* --- what is refused ----------------------------------------------------------------------------------------------- */

static int push_all(const char *text, size_t n, struct em_why *why)
{
    struct em_answer *a = em_answer_new();
    int err = em_answer_push(a, text, n, why);

    if (err == 0)
        err = em_answer_finish(a, why);
    em_answer_free(a);
    return err;
}

START_TEST(what_is_no_json_is_refused)
{
    static const char *const rows[] = { "",         " ",     "{",     "[1,2",  "{\"a\":}", "<html>",
                                        "{} {}",    "{}x",   "tru",   "\"abc", "[1,]x",    "[1,]",
                                        "[1/*2*/]", "[1]//", "['a']", "[1] /", "\x1f\x8b" };
    struct em_why why;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        why.text[0] = '\0';
        ck_assert_msg(push_all(rows[i], strlen(rows[i]), &why) == EM_ERR_INPUT && why.text[0], "\"%s\"",
                      rows[i]);
    }
}
END_TEST

/* unit again and again, then what closes it, as often. */
static int repeated(const char *head, const char *unit, const char *tail, size_t times, bool close,
                    struct em_why *why)
{
    struct buf b = buf_heap(2 * EM_ANSWER_BYTES_MAX);
    int err;

    buf_text(&b, head);
    for (size_t i = 0; i < times; i++)
        buf_text(&b, unit);
    for (size_t i = 0; close && i < times; i++)
        buf_text(&b, "]");
    buf_text(&b, tail);
    ck_assert(!b.full);
    why->text[0] = '\0';
    err = push_all(buf_str(&b), b.n, why);
    buf_fini(&b);
    return err;
}

START_TEST(maxima_hold)
{
    struct em_why why;

    ck_assert_int_eq(repeated("", "[", "", EM_ANSWER_DEPTH_MAX - 1, true, &why), 0);
    ck_assert_int_eq(repeated("", "[", "", EM_ANSWER_DEPTH_MAX + 1, true, &why), EM_ERR_LIMIT);
    ck_assert_int_eq(repeated("", "[", "", 10000, true, &why), EM_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(why.text, "64 levels"));
    ck_assert_int_eq(repeated("[0", ",[]", "]", EM_ANSWER_CONTAINERS_MAX - 1, false, &why), 0);
    ck_assert_int_eq(repeated("[0", ",[]", "]", EM_ANSWER_CONTAINERS_MAX, false, &why), EM_ERR_LIMIT);
    ck_assert_int_eq(repeated("[0", ",1", "]", EM_ANSWER_VALUES_MAX - 2, false, &why), 0);
    ck_assert_int_eq(repeated("[0", ",1", "]", EM_ANSWER_VALUES_MAX - 1, false, &why), EM_ERR_LIMIT);
    ck_assert_int_eq(repeated("[0", ",\"[[[{{{,,,\\\"\"", "]", 1000, false, &why), 0);
    ck_assert_int_eq(repeated("\"", "0123456789abcdef", "\"", EM_ANSWER_BYTES_MAX / 16 - 1, false, &why), 0);
    ck_assert_int_eq(repeated("\"", "0123456789abcdef", "\"", EM_ANSWER_BYTES_MAX / 16, false, &why),
                     EM_ERR_LIMIT);
}
END_TEST

START_TEST(records_have_a_maximum)
{
    struct buf b = buf_heap(EM_ANSWER_BYTES_MAX);
    struct em_answer *a;
    bool whole;

    buf_text(&b, "[0");
    for (size_t i = 0; i < EM_ANSWER_RECORDS_MAX; i++)
        buf_text(&b, ",1");
    buf_text(&b, "]");
    a = read_in(buf_str(&b), b.n, b.n);
    ck_assert_uint_eq(em_answer_find(a, "/*", &whole), EM_ANSWER_RECORDS_MAX);
    em_answer_free(a);
    buf_fini(&b);
}
END_TEST

START_TEST(every_beginning_of_every_vector)
{
    char path[128];
    size_t n;
    char *text;

    snprintf(path, sizeof path, "vectors/answer/%s", vectors[_i].file);
    text = em_slurp(path, &n);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    for (size_t cut = 0; cut < n; cut++)
        ck_assert_int_eq(push_all(text, cut, NULL), EM_ERR_INPUT);
    for (size_t at = 0; at < n; at++) { /* one byte changed: anything but a crash */
        char was = text[at];

        text[at] = (char)(was ^ (1 << at % 8));
        (void)(push_all(text, n, NULL) == 0);
        text[at] = was;
    }
    free(text);
}
END_TEST

int main(void)
{
    int n = (int)(sizeof vectors / sizeof vectors[0]);
    TCase *c = em_case("answer");

    tcase_add_test(c, pointers_find_values);
    tcase_add_test(c, pointers_are_checked);
    tcase_add_test(c, times_are_read);
    tcase_add_loop_test(c, records_of_each_kind_of_server, 0, n);
    tcase_add_test(c, places_that_are_there_or_not);
    tcase_add_test(c, what_is_no_json_is_refused);
    tcase_add_test(c, maxima_hold);
    tcase_add_test(c, records_have_a_maximum);
    tcase_add_loop_test(c, every_beginning_of_every_vector, 0, n);
    return em_run();
}
