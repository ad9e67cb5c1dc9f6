/* SPDX-License-Identifier: GPL-3.0-or-later
 * The base layer: cursor, buffer, slices, strict numbers, escaping, hash, options, time. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/cur.h"
#include "base/esc.h"
#include "base/hash.h"
#include "base/late.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/slice.h"
#include "harness.h"

START_TEST(cursor_reads_and_sticks)
{
    const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7 };
    struct cur c = cur_of(bytes, sizeof bytes), child;

    ck_assert_uint_eq(cur_u8(&c), 1);
    ck_assert_uint_eq(cur_u16(&c), 0x0203);
    child = cur_sub(&c, 2);
    ck_assert_uint_eq(cur_left(&child), 2);
    ck_assert_uint_eq(cur_u32(&child), 0);
    ck_assert(child.bad);
    ck_assert_uint_eq(cur_left(&c), 2);
    ck_assert(!cur_take(&c, 3));
    ck_assert(c.bad);
    ck_assert_uint_eq(cur_u8(&c), 0);
    ck_assert_uint_eq(cur_left(&c), 0);
    child = cur_sub(&c, 0);
    ck_assert(child.bad);
}
END_TEST

START_TEST(buffer_at_its_maximum_and_one_above)
{
    char room[8];
    struct buf fixed = buf_over(room, sizeof room), heap = buf_heap(300);

    buf_text(&fixed, "1234567");
    ck_assert(!fixed.full);
    ck_assert_str_eq(buf_str(&fixed), "1234567");
    buf_u8(&fixed, '8');
    ck_assert(fixed.full);
    ck_assert_str_eq(buf_str(&fixed), "1234567");

    for (int i = 0; i < 299; i++)
        buf_u8(&heap, 'x');
    ck_assert(!heap.full);
    ck_assert_uint_eq(strlen(buf_str(&heap)), 299);
    buf_print(&heap, "%d", 1);
    ck_assert(heap.full);
    buf_fini(&heap);
}
END_TEST

START_TEST(numbers_are_strict)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t v;
    } rows[] = {
        { "0", true, 0 },
        { "42", true, 42 },
        { "", false, 0 },
        { "-1", false, 0 },
        { "+1", false, 0 },
        { "1 ", false, 0 },
        { " 1", false, 0 },
        { "0x1", false, 0 },
        { "100", true, 100 },
        { "101", false, 0 },
        { "99999999999999999999999", false, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t v = 0;

        ck_assert_msg(em_read_uint(rows[i].text, 0, 100, &v) == rows[i].ok, "\"%s\"", rows[i].text);
        ck_assert_msg(v == rows[i].v, "\"%s\"", rows[i].text);
    }
}
END_TEST

START_TEST(durations)
{
    static const struct {
        const char *text;
        int64_t us; /* -1: refused */
    } rows[] = { { "10", 10000000 },
                 { "2.5", 2500000 },
                 { "500ms", 500000 },
                 { "1.5ms", 1500 },
                 { "7us", 7 },
                 { "1m", 60000000 },
                 { "1d", INT64_C(86400000000) },
                 { "0.000001", 1 },
                 { "1.5us", -1 },
                 { "-1", -1 },
                 { "", -1 },
                 { "1x", -1 },
                 { "1.", -1 },
                 { "1e3", -1 },
                 { "4294967296", -1 },
                 { "4294967295d", -1 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t us = -1;

        ck_assert_msg(em_read_duration(rows[i].text, &us) == (rows[i].us >= 0), "\"%s\"", rows[i].text);
        ck_assert_msg(us == rows[i].us, "\"%s\": want %ld got %ld", rows[i].text, (long)rows[i].us, (long)us);
    }
}
END_TEST

START_TEST(port_ranges)
{
    static const struct {
        const char *text;
        uint16_t first, last; /* 0: refused */
    } rows[] = { { "3478", 3478, 3478 },  { "50000-59999", 50000, 59999 },
                 { "1-65535", 1, 65535 }, { "0", 0, 0 },
                 { "65536", 0, 0 },       { "5-4", 0, 0 },
                 { "1-", 0, 0 },          { "1-2-3", 0, 0 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct em_port_range r = { 0, 0 };

        ck_assert_msg(em_read_ports(rows[i].text, &r) == (rows[i].first != 0), "\"%s\"", rows[i].text);
        ck_assert_uint_eq(r.first, rows[i].first);
        ck_assert_uint_eq(r.last, rows[i].last);
    }
}
END_TEST

/* Texts short and long, at every place of texts of every length, with ends that also stand elsewhere. */
START_TEST(finding)
{
    static const char *const whats[] = {
        "a", "ab", "aba", "SIP/2.0", "abababababababab", "abababababababababx"
    };
    char text[80];

    for (size_t w = 0; w < sizeof whats / sizeof *whats; w++)
        for (size_t n = 0; n <= sizeof text; n++)
            for (size_t at = 0; at <= n; at++) {
                struct slice what = slice_of(whats[w]);
                size_t expected = at + what.n <= n ? at : SIZE_MAX;

                for (size_t i = 0; i < n; i++) /* its first byte before, its last one behind */
                    text[i] = what.n == 1 ? '-' : i < at ? what.p[0] : what.p[what.n - 1];
                if (expected != SIZE_MAX)
                    memcpy(text + at, what.p, what.n);
                if (what.n > 1 && memmem(text, n, what.p, what.n))
                    expected = (size_t)((char *)memmem(text, n, what.p, what.n) - text);
                ck_assert_uint_eq(slice_find((struct slice) { text, n }, what), expected);
            }
    ck_assert(slice_find((struct slice) { NULL, 0 }, SLICE("a")) == SIZE_MAX);
}
END_TEST

START_TEST(slices)
{
    struct slice s = SLICE("  Name: value\r\n"), head;
    uint32_t v;

    s = slice_trim(s);
    ck_assert(slice_starts_nocase(s, SLICE("name:")));
    ck_assert(slice_until(&s, ':', &head));
    ck_assert(slice_eq(head, SLICE("Name")));
    slice_skip_blanks(&s);
    ck_assert(slice_eq(s, SLICE("value")));
    ck_assert(!slice_until(&s, ':', &head));
    ck_assert(slice_find(s, SLICE("lu")) == 2 && slice_find(s, SLICE("x")) == SIZE_MAX);
    s = SLICE("0x8000100,");
    ck_assert(slice_hex_u32(&s, &v) && v == 0x8000100 && slice_eq(s, SLICE(",")));
    s = SLICE("123456789");
    ck_assert(!slice_hex_u32(&s, &v) && s.n == 9);
}
END_TEST

START_TEST(escaping)
{
    static const struct {
        void (*esc)(struct buf *, struct slice);
        const char *in, *want;
    } rows[] = {
        { esc_line, "a\x1b[31m\n\\", "a\\x1b[31m\\x0a\\\\" },
        { esc_controls, "a\x1b[31m\n\\ \xff \xc2\x9b", "a\\x1b[31m\\x0a\\ \xef\xbf\xbd \\x9b" },
        { esc_line, "caf\xc3\xa9 \xff \xc2\x9b", "caf\xc3\xa9 \xef\xbf\xbd \\x9b" },
        { esc_json, "\"\\\n\x01", "\\\"\\\\\\n\\u0001" },
        { esc_label, "a\"b\\c\nd\x01", "a\\\"b\\\\c\\nd\xef\xbf\xbd" },
        { esc_html, "<b a='1'>&\"", "&lt;b a=&#39;1&#39;&gt;&amp;&quot;" },
        { esc_csv, "a,\"b\"\r\n;", "\"a,\"\"b\"\"\xef\xbf\xbd\xef\xbf\xbd;\"" },
        { esc_csv, "=1+1", "\"'=1+1\"" },
        { esc_csv, " \t@SUM(A1)", "\"' \xef\xbf\xbd@SUM(A1)\"" },
        { esc_csv, "\xef\xbc\x9d 1", "\"'\xef\xbc\x9d 1\"" },
        { esc_csv, "<sip:+1@x>", "\"<sip:+1@x>\"" },
        { esc_csv, "", "\"\"" },
        { esc_plugin, "a|b\n", "a!b\\x0a" },
        { esc_json, "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
        { esc_json, "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* overlong */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char room[128];
        struct buf b = buf_over(room, sizeof room);

        rows[i].esc(&b, slice_of(rows[i].in));
        ck_assert_str_eq(buf_str(&b), rows[i].want);
    }
}
END_TEST

START_TEST(escaping_is_cut_on_a_characters_edge)
{
    char room[6];

    ck_assert_str_eq(esc_line_into(room, sizeof room, SLICE("abc\xc3\xa9\xc3\xa9")), "abc\xc3\xa9");
    ck_assert_str_eq(esc_line_into(room, sizeof room, SLICE("abcd\x01")), "abcd");
}
END_TEST

/* The vector of the paper's appendix A: key 00..0f, message 00..0e. */
START_TEST(siphash_vector)
{
    struct em_hash_key key = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
    uint8_t in[15];

    for (uint8_t i = 0; i < sizeof in; i++)
        in[i] = i;
    ck_assert_uint_eq(em_hash(&key, in, sizeof in), UINT64_C(0xa129ca6149be45e5));
}
END_TEST

struct conf {
    bool json;
    uint32_t verbose;
    int64_t timeout_us;
    const char *name;
    uint64_t n;
    struct em_opt_list lists;
};

static const struct em_opt options[] = {
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json), "Print JSON" },
    { "verbose", 'v', EM_OPT_COUNT, NULL, NULL, 0, 3, offsetof(struct conf, verbose), "Say more" },
    { "timeout", 't', EM_OPT_DURATION, "SECONDS", "10", 0.001, 60, offsetof(struct conf, timeout_us),
      "Give up after this long" },
    { "name", 0, EM_OPT_TEXT, "TEXT", NULL, 0, 0, offsetof(struct conf, name), "A name" },
    { "n", 'n', EM_OPT_UINT, "N", "1", 1, 9, offsetof(struct conf, n), "A number" },
    { "warning", 'w', EM_OPT_LIST, "RANGE", NULL, 0, 0, offsetof(struct conf, lists), "A list" },
    { NULL, 0, 0, NULL, NULL, 0, 0, 0, NULL },
};
static const struct em_opt_program program = { "prog", "[OPTION]... FILE...", "Does things.", options,
                                               "Notes.\n" };

START_TEST(options_fill_the_struct)
{
    char *argv[] = { "prog", "-vv",    "file1", "--timeout=2.5", "-w", "1:2",
                     "-w3",  "--json", "--",    "-file2",        NULL };
    struct conf c = { 0 };
    struct em_why why;
    int first;

    ck_assert_int_eq(em_opt_parse(&program, &c, 10, argv, &first, &why), EM_OPT_GO);
    ck_assert(c.json && c.verbose == 2 && c.timeout_us == 2500000 && c.n == 1 && c.lists.n == 2);
    ck_assert_str_eq(c.lists.item[1], "3");
    ck_assert_int_eq(first, 8);
    ck_assert_str_eq(argv[8], "file1");
    ck_assert_str_eq(argv[9], "-file2");
}
END_TEST

START_TEST(options_refuse_with_a_sentence)
{
    static const struct {
        const char *arg, *want;
    } rows[] = { { "--nope", "option --nope is not known or takes no value" },
                 { "--timeout", "option --timeout needs a value" },
                 { "-n0", "n: \"0\" is not a whole number from 1 to 9" },
                 { "--timeout=61", "timeout: \"61\" is not a time from 0.001 to 60 seconds" },
                 { "--json=1", "option --json=1 is not known or takes no value" } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *arg = strdup(rows[i].arg), *argv[] = { "prog", arg, NULL };
        struct conf c = { 0 };
        struct em_why why;
        int first;

        ck_assert_int_eq(em_opt_parse(&program, &c, 2, argv, &first, &why), EM_ERR_INPUT);
        ck_assert_str_eq(why.text, rows[i].want);
        free(arg);
    }
}
END_TEST

START_TEST(help_fits_80_columns)
{
    struct buf b = buf_heap(8192);
    const char *line;

    em_opt_help(&program, &b);
    for (line = buf_str(&b); *line; line += strcspn(line, "\n") + 1)
        ck_assert_uint_le(strcspn(line, "\n"), 79);
    ck_assert(strstr(buf_str(&b), "-t, --timeout=SECONDS"));
    ck_assert(strstr(buf_str(&b), "(default 10)"));
    buf_fini(&b);
}
END_TEST

START_TEST(time_text)
{
    char text[EM_TIME_TEXT_MAX];

    em_time_text(INT64_C(1443434400123000), text);
    ck_assert_str_eq(text, "2015-09-28T10:00:00.123Z");
    em_time_text(INT64_C(1443434400000000), text);
    ck_assert_str_eq(text, "2015-09-28T10:00:00Z");
    em_time_text(0, text);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(fake_clock_moves_only_by_hand)
{
    struct em_clock_fake f = { .mono = 5, .wall = 7, .seed = 1 };
    struct em_clock c = em_clock_fake(&f);

    em_clock_fake_advance(&f, 10);
    ck_assert_int_eq(em_mono_us(&c), 15);
    ck_assert_int_eq(em_wall_us(&c), 17);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_lt(em_random_below(&c, 7), 7);
}
END_TEST

/* What one log line comes to. */
static void logged(char *to, size_t size, wint_t c)
{
    int ends[2], before = dup(STDERR_FILENO);
    ssize_t n;

    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    em_log(EM_LOG_ERROR, "all %lc is well", c);
    dup2(before, STDERR_FILENO);
    close(ends[1]);
    n = read(ends[0], to, size - 1);
    ck_assert_int_gt(n, 0);
    to[n] = '\0';
    close(ends[0]);
    close(before);
}

START_TEST(late_libraries)
{
    static const struct {
        const char *file, *names;
        size_t n;
        const char *says;
    } rows[] = {
        { "libc.so.6", "strlen\0memcpy", 2, NULL },
        { "libc.so.6", "strlen\0no_such_symbol_at_all", 2, "no_such_symbol_at_all" },
        { "libno-such-library.so.0", "strlen", 1, "libno-such-library.so.0" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *at[2] = { NULL, NULL };
        struct em_why why = { "" };
        int err = late_open(rows[i].file, rows[i].names, rows[i].n, at, &why);

        ck_assert_int_eq(err, rows[i].says ? EM_ERR_UNSUPPORTED : 0);
        if (rows[i].says)
            ck_assert_msg(strstr(why.text, rows[i].says) && strstr(why.text, "install"), "%s", why.text);
        else
            ck_assert(at[0] && at[1] && at[0] != at[1]);
    }
}
END_TEST

/* A text that cannot be written is left out; the line is still one line. */
START_TEST(log_line_that_cannot_be_written)
{
    char line[EM_LOG_LINE_MAX + 1];

    logged(line, sizeof line, L'i');
    ck_assert_str_eq(strstr(line, " error: "), " error: all i is well\n");
    logged(line, sizeof line, (wint_t)0x7fffffff);
    ck_assert_str_eq(strstr(line, " error: "), " error: \n");
}
END_TEST

int main(void)
{
    TCase *t = em_case("base");

    tcase_add_test(t, cursor_reads_and_sticks);
    tcase_add_test(t, buffer_at_its_maximum_and_one_above);
    tcase_add_test(t, numbers_are_strict);
    tcase_add_test(t, durations);
    tcase_add_test(t, port_ranges);
    tcase_add_test(t, slices);
    tcase_add_test(t, finding);
    tcase_add_test(t, escaping);
    tcase_add_test(t, escaping_is_cut_on_a_characters_edge);
    tcase_add_test(t, siphash_vector);
    tcase_add_test(t, options_fill_the_struct);
    tcase_add_test(t, options_refuse_with_a_sentence);
    tcase_add_test(t, help_fits_80_columns);
    tcase_add_test(t, time_text);
    tcase_add_test(t, fake_clock_moves_only_by_hand);
    tcase_add_test(t, late_libraries);
    tcase_add_test(t, log_line_that_cannot_be_written);
    return em_run();
}
