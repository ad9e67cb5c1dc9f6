/* SPDX-License-Identifier: GPL-3.0-or-later
 * The plugin's pure parts: ranges, thresholds, perfdata, the first line, judging, the state file, the daemon's JSON, the command line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"
#include "plugins/conf.h"
#include "plugins/extra_opts.h"
#include "plugins/history.h"
#include "plugins/judge.h"
#include "plugins/perf.h"
#include "plugins/range.h"
#include "plugins/report.h"
#include "plugins/source.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct range range_of(const char *text)
{
    struct range r = { .given = false };
    struct em_why why;

    ck_assert_msg(range_read(text, &r, &why) == 0, "%s", text);
    return r;
}

/* The table of the guidelines, and what lies at the ends. */
START_TEST(ranges_alert)
{
    static const struct {
        const char *range;
        double v;
        bool alert;
    } rows[] = {
        { "10", -0.1, true },   { "10", 0, false },      { "10", 10, false },      { "10", 10.1, true },
        { "10:", 9.9, true },   { "10:", 10, false },    { "10:", 1e12, false },   { "~:10", -1e12, false },
        { "~:10", 10, false },  { "~:10", 10.5, true },  { "10:20", 9, true },     { "10:20", 10, false },
        { "10:20", 20, false }, { "10:20", 21, true },   { "@10:20", 9, false },   { "@10:20", 10, true },
        { "@10:20", 20, true }, { "@10:20", 21, false }, { "@10", 0, true },       { "@10", 10, true },
        { "@10", -1, false },   { "@10", 11, false },    { "0", 0, false },        { "0", 1, true },
        { "-5:5", -5, false },  { "-5:5", -6, true },    { "~:", 1e300, false },   { "@~:", 0, true },
        { ":10", -1, true },    { ":10", 10, false },    { "1.5:2.25", 2, false }, { "1.5:2.25", 1.4, true },
        { "@~:-1", -2, true },  { "@~:-1", 0, false },   { "+3", 3, false },       { ".5", 0.6, true },
        { "@0:0", 0, true },    { "@0:0", 1, false },    { "10:10", 10, false },   { "10:10", 11, true },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct range r = range_of(rows[i].range);

        ck_assert_msg(range_alerts(&r, rows[i].v) == rows[i].alert, "%s with %g: want %d", rows[i].range,
                      rows[i].v, rows[i].alert);
    }
    ck_assert(!range_alerts(&(struct range) { .given = false }, 5));
}
END_TEST

START_TEST(ranges_refused)
{
    static const char *const rows[] = { "",     "@",    ":",     "@:",       "~",      "@~",
                                        "10:5", "a",    "10a",   "10:20:30", "1e3",    "nan",
                                        "inf",  "0x10", " 10",   "10 ",      "10,5",   "--1",
                                        "1..2", "~10",  "10:~",  "@@10",     "10:20x", "1 :2",
                                        "10%",  ".",    "5:1.9", "~:@1",     "1-2",    "1234567890123456" };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct range r = { .given = false };
        struct em_why why = { "" };

        ck_assert_msg(range_read(rows[i], &r, &why) < 0, "\"%s\" was taken", rows[i]);
        ck_assert_msg(!r.given && why.text[0], "\"%s\"", rows[i]);
    }
}
END_TEST

/* Icinga 2 keeps plain numbers only; the text is what would be typed. */
START_TEST(ranges_written)
{
    static const struct {
        const char *range, *plain, *text;
    } rows[] = {
        { "10", "10", "10" },   { "0:10", "10", "10" },   { "10:", "", "10:" },
        { "~:10", "", "~:10" }, { "10:20", "", "10:20" }, { "@10:20", "", "@10:20" },
        { "@10", "", "@10" },   { "0", "0", "0" },        { "0.25", "0.25", "0.25" },
        { "~:", "", "~:" },     { "-1:1", "", "-1:1" },   { "100000000000", "100000000000", "100000000000" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct range r = range_of(rows[i].range);
        char plain[64], text[64];
        struct buf p = buf_over(plain, sizeof plain), t = buf_over(text, sizeof text);

        range_plain(&r, &p);
        range_text(&r, &t);
        ck_assert_str_eq(buf_str(&p), rows[i].plain);
        ck_assert_str_eq(buf_str(&t), rows[i].text);
    }
}
END_TEST

static struct em_opt_list list_of(const char *a, const char *b)
{
    struct em_opt_list l = { .n = 0 };

    if (a)
        l.item[l.n++] = a;
    if (b)
        l.item[l.n++] = b;
    return l;
}

START_TEST(thresholds_by_mode)
{
    static const struct {
        enum mode mode;
        const char *warn, *crit;
        double v[METRIC_COUNT];
        enum state want[METRIC_COUNT];
    } rows[] = {
        { MODE_CODE_23, NULL, NULL, { 0, 9, 0 }, { STATE_OK, STATE_OK, STATE_OK } },
        { MODE_CODE_23, NULL, NULL, { 1, 0, 1 }, { STATE_WARNING, STATE_OK, STATE_WARNING } },
        { MODE_CODE_23, NULL, NULL, { 6, 0, 3 }, { STATE_CRITICAL, STATE_OK, STATE_CRITICAL } },
        { MODE_CODE_23, "10", NULL, { 11, 0, 3 }, { STATE_WARNING, STATE_OK, STATE_OK } },
        { MODE_CODE_23, NULL, "code23-tcp-nat=1", { 11, 0, 3 }, { STATE_OK, STATE_OK, STATE_CRITICAL } },
        { MODE_TCP_NAT, NULL, NULL, { 9, 9, 0 }, { STATE_OK, STATE_OK, STATE_OK } },
        { MODE_TCP_NAT,
          "1",
          "code23-tcp-nat=0,8",
          { 0, 9, 1 },
          { STATE_OK, STATE_CRITICAL, STATE_CRITICAL } },
        { MODE_FAILURES, NULL, NULL, { 5, 0, 3, 6 }, { STATE_OK, STATE_OK, STATE_OK, STATE_WARNING } },
        { MODE_ALL,
          "code23=1,rtt=0.5",
          "failures=3",
          { 2, 0, 0, 4, 0, 0.6 },
          { STATE_WARNING, STATE_OK, STATE_OK, STATE_CRITICAL, STATE_OK, STATE_WARNING } },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct em_opt_list warn = list_of(rows[i].warn, NULL), crit = list_of(rows[i].crit, NULL);
        struct threshold t[METRIC_COUNT];
        struct em_why why = { "" };

        ck_assert_msg(thresholds_read(rows[i].mode, &warn, &crit, t, &why) == 0, "row %zu: %s", i, why.text);
        for (size_t m = 0; m < METRIC_COUNT; m++)
            ck_assert_msg(judge_value(&t[m], rows[i].v[m]) == rows[i].want[m], "row %zu, %s", i,
                          metric_defs[m].name);
    }
}
END_TEST

START_TEST(thresholds_refused)
{
    static const struct {
        enum mode mode;
        const char *warn;
    } rows[] = { { MODE_ALL, "5" },           { MODE_CODE_23, "rtt=1" }, { MODE_CODE_23, "code24=1" },
                 { MODE_PORTS, "code23=1" },  { MODE_CODE_23, "5,," },   { MODE_CODE_23, "" },
                 { MODE_CODE_23, "code23=" }, { MODE_CODE_23, "=5" } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct em_opt_list warn = list_of("code23=1", rows[i].warn), none = { .n = 0 };
        struct threshold t[METRIC_COUNT];
        struct em_why why = { "" };

        if (rows[i].mode == MODE_PORTS)
            warn = list_of(rows[i].warn, NULL);
        ck_assert_msg(thresholds_read(rows[i].mode, &warn, &none, t, &why) < 0 && why.text[0], "\"%s\"",
                      rows[i].warn);
    }
}
END_TEST

START_TEST(perfdata_items)
{
    static const struct {
        const char *label;
        double v;
        const char *uom, *warn, *crit;
        bool unknown, min_0;
        const char *want;
    } rows[] = {
        { "code23", 3, "", "0", "5", false, true, "code23=3;0;5;0" },
        { "code23", 3, "", "1:", "@5:6", false, true, "code23=3;;;0" },
        { "x", 17, "c", NULL, NULL, false, false, "x=17c" },
        { "x", 17, "c", NULL, NULL, false, true, "x=17c;;;0" },
        { "x", 1, "", "5", NULL, false, false, "x=1;5" },
        { "x", 1, "", NULL, "5", false, false, "x=1;;5" },
        { "oslo/turn udp", 0.0123, "s", NULL, NULL, false, true, "'oslo/turn udp'=0.0123s;;;0" },
        { "it's", 1, "", NULL, NULL, false, false, "'it''s'=1" },
        { "a=b|c", 1, "", NULL, NULL, false, false, "a_b_c=1" },
        { "2001:db8::1", 1, "", NULL, NULL, false, false, "2001:db8:_1=1" },
        { ":::", 1, "", NULL, NULL, false, false, ":_:=1" },
        { "", 1, "", NULL, NULL, false, false, "_=1" },
        { "a\nb\tc\x7f", 1, "", NULL, NULL, false, false, "a_b_c_=1" },
        { "gr\xc3\xbcn", 1, "", NULL, NULL, false, false, "gr__n=1" },
        { "x", 5, "s", "1", NULL, true, true, "x=U;1;;0" },
        { "x", 18446744073709551615.0, "c", NULL, NULL, false, false, "x=18446744073709551616c" },
        { "x", 0.0000004, "s", NULL, NULL, false, false, "x=0s" },
        { "x", -1.5, "", NULL, NULL, false, false, "x=-1.5" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct perf p = perf_new();
        struct range warn = { .given = false }, crit = { .given = false };

        if (rows[i].warn)
            warn = range_of(rows[i].warn);
        if (rows[i].crit)
            crit = range_of(rows[i].crit);
        perf_add(&p, &(struct perf_item) { rows[i].label, rows[i].v, rows[i].unknown, rows[i].uom, &warn,
                                           &crit, rows[i].min_0 });
        ck_assert_str_eq(buf_str(&p.text), rows[i].want);
        perf_fini(&p);
    }
}
END_TEST

/* 19 characters are what RRD tells apart; the first of two keeps its name, and names do not change from run to run. */
START_TEST(perfdata_labels_are_unique)
{
    enum { N = 300 };
    char seen[N][PERF_UNIQUE + 1];
    struct perf p = perf_new(), again = perf_new();
    struct slice rest, one;

    for (int i = 0; i < N; i++) {
        char label[64];

        snprintf(label, sizeof label, "headquarters-of-the-group/check-%d", i / 2);
        perf_add(&p, &(struct perf_item) { .label = label, .uom = "" });
        perf_add(&again, &(struct perf_item) { .label = label, .uom = "" });
    }
    ck_assert(!p.cut);
    ck_assert_str_eq(buf_str(&p.text), buf_str(&again.text));
    rest = (struct slice) { (const char *)p.text.p, p.text.n };
    ck_assert(slice_starts(rest, SLICE("headquarters-of-the-group/check-0=0 ")));
    for (int i = 0; i < N; i++) {
        ck_assert(slice_until(&rest, '=', &one));
        (void)slice_copy(one, seen[i], sizeof seen[i]);
        for (int k = 0; k < i; k++)
            ck_assert_msg(strcmp(seen[i], seen[k]) != 0, "%d and %d are both %s", i, k, seen[i]);
        slice_until(&rest, ' ', &one);
    }
    perf_fini(&p);
    perf_fini(&again);
}
END_TEST

START_TEST(perfdata_has_a_maximum)
{
    struct perf p = perf_new();
    size_t before;

    for (int i = 0; i < PERF_ITEMS_MAX + 10 && !p.cut; i++) {
        char label[16];

        snprintf(label, sizeof label, "c%d", i);
        perf_add(&p, &(struct perf_item) { .label = label, .uom = "" });
    }
    ck_assert(p.cut);
    ck_assert_uint_eq(p.seen_n, PERF_ITEMS_MAX);
    before = p.text.n;
    perf_add(&p, &(struct perf_item) { .label = "more", .uom = "" });
    ck_assert_uint_eq(p.text.n, before);
    perf_fini(&p);
}
END_TEST

static const char *text_of(const struct report *r, uint32_t verbose)
{
    static char text[256 * 1024];
    struct buf b = buf_over(text, sizeof text);

    report_text(r, verbose, &b);
    ck_assert(!b.full);
    return buf_str(&b);
}

START_TEST(report_lines)
{
    static struct report r;

    report_init(&r);
    report_add(&r, STATE_OK, "fine");
    report_add(&r, STATE_OK, "good");
    report_detail(&r, "line|one\nstill one");
    ck_assert_str_eq(text_of(&r, 0), "EDGE MEDIA OK - fine; good\n");
    ck_assert_str_eq(text_of(&r, 1), "EDGE MEDIA OK - fine; good\nline!one\\x0astill one\n");
    report_add(&r, STATE_UNKNOWN, "who|knows\n%s", "\x1b[31m\xff");
    ck_assert_str_eq(text_of(&r, 0), "EDGE MEDIA UNKNOWN - who!knows\\x0a\\x1b[31m\xEF\xBF\xBD\n");
    report_add(&r, STATE_WARNING, "slow");
    perf_add(&r.perf, &(struct perf_item) { .label = "a", .value = 1, .uom = "" });
    ck_assert(strstr(text_of(&r, 0), "EDGE MEDIA WARNING - slow; who!knows"));
    report_add(&r, STATE_CRITICAL, "down");
    ck_assert(strstr(text_of(&r, 0), "EDGE MEDIA CRITICAL - down; slow; who!knows"));
    ck_assert(strstr(text_of(&r, 0), " | a=1\n"));
    report_fail(&r, STATE_UNKNOWN, &(struct em_why) { "no|answer \\x0a" });
    ck_assert_str_eq(text_of(&r, 3), "EDGE MEDIA UNKNOWN - no!answer \\x0a\n");
    report_fini(&r);
}
END_TEST

/* One problem stays below 80 characters and is cut on a character's edge; several have their own maximum. */
START_TEST(report_line_lengths)
{
    static struct report r;
    char longest[300];
    const char *text;

    for (size_t i = 0; i + 2 < sizeof longest; i += 2)
        memcpy(longest + i, "\xc3\xbc", 3);
    report_init(&r);
    report_add(&r, STATE_CRITICAL, "%s", longest);
    text = text_of(&r, 0);
    ck_assert_uint_le(strlen(text), REPORT_LINE_MAX + 1);
    ck_assert_str_eq(text + strlen(text) - 5, "\xc3\xbc..\n");
    for (int i = 0; i < REPORT_PARTS_MAX + 5; i++)
        report_add(&r, STATE_WARNING, "%s", longest);
    ck_assert_uint_le(strlen(text_of(&r, 0)), REPORT_LONG_MAX + 1);
    report_fini(&r);
}
END_TEST

START_TEST(states_and_verdicts)
{
    static const struct {
        const char *text;
        int want; /* -1: refused */
    } words[] = { { "ok", 0 },      { "OK", 0 }, { "Warning", 1 }, { "2", 2 },
                  { "unknown", 3 }, { "4", -1 }, { "", -1 },       { "00", -1 } };
    enum state s;

    for (size_t i = 0; i < COUNT(words); i++) {
        bool taken = state_read(words[i].text, &s);

        ck_assert_msg(taken == (words[i].want >= 0) && (!taken || (int)s == words[i].want), "\"%s\"",
                      words[i].text);
    }
    ck_assert(state_worst(STATE_OK, STATE_UNKNOWN) == STATE_UNKNOWN);
    ck_assert(state_worst(STATE_UNKNOWN, STATE_WARNING) == STATE_WARNING);
    ck_assert(state_worst(STATE_CRITICAL, STATE_UNKNOWN) == STATE_CRITICAL);
    for (uint32_t v = 0; v <= EM_VERDICT_COUNT + 1; v++) {
        enum state want = v == EM_VERDICT_OK                                            ? STATE_OK
                          : v == EM_VERDICT_DEGRADED                                    ? STATE_WARNING
                          : v == 0 || v == EM_VERDICT_UNTESTED || v == EM_VERDICT_ERROR ? STATE_UNKNOWN
                                                                                        : STATE_CRITICAL;

        ck_assert_msg(v > EM_VERDICT_COUNT || judge_verdict(v) == want, "verdict %u", (unsigned)v);
    }
}
END_TEST

/* A configuration as the command line would make it. */
static struct conf *conf_of(const char *line)
{
    static struct conf c;
    static char copy[512];
    char *argv[32] = { (char *)(uintptr_t) "check_edge_media" };
    struct em_why why = { "" };
    int argc = 1;

    (void)slice_copy(slice_of(line), copy, sizeof copy);
    for (char *at = copy; *at && argc < 31;) {
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = '\0';
    }
    ck_assert_msg(conf_read(&c, argc, argv, &why) == EM_OPT_GO, "%s: %s", line, why.text);
    return &c;
}

/* The options of section "s", joined by '|'; "!" when refused, "-" when there is no such section. */
static const char *options_of(const char *text, size_t n, struct extra_opts *x, char to[512])
{
    struct buf b = buf_over(to, 512);
    struct em_why why = { "" };
    int found = extra_opts_section(x, (struct slice) { text, n }, "s", &why);

    if (found < 0) {
        ck_assert(why.text[0]);
        return "!";
    }
    for (size_t i = 0; i < x->args_n; i++)
        buf_print(&b, "%s%s", i ? "|" : "", x->args[i]);
    return found ? buf_str(&b) : "-";
}

START_TEST(options_in_files)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "", "-" },
        { "[t]\na=b\n", "-" },
        { "[s]", "" },
        { "[s]\nhost = h\n", "--host=h" },
        { "  [ s ]  \r\n\thost=h\r\nt = 5\r\n6\r\ninsecure\n", "--host=h|-t|5|-6|--insecure" },
        { "a=0\n[s]\nab=1\n[t]\nab=2\n[s]\nab=3", "--ab=1|--ab=3" },
        { "# [s]\n[s]\n; ab=1\n#ab=2\n\nab=a = b ;c\n", "--ab=a = b ;c" },
        { "[s]\nab=\na=\n", "--ab=|-a|" },
        { "[s\nab=1\n", "!" },
        { "[s]\n=1\n", "!" },
        { "[s]\n--ab=1\n", "!" },
        { "[s]\n-a\n", "!" },
    };
    char text[512];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].text);

        for (size_t cut = 0; cut <= n;
             cut++) { /* exactly as long as it is: the sanitizers see every byte too far */
            char *copy = malloc(cut + 1);
            struct extra_opts x = { .pools_n = 0 };
            const char *got;

            memcpy(copy, rows[i].text, cut);
            got = options_of(copy, cut, &x, text);
            ck_assert_msg(cut < n || strcmp(got, rows[i].want) == 0, "row %zu: %s", i, got);
            extra_opts_clear(&x);
            free(copy);
        }
    }
}
END_TEST

START_TEST(options_in_files_have_limits)
{
    static char text[8 * EXTRA_ARGS_MAX];
    struct extra_opts x = { .pools_n = 0 };
    char to[512];
    struct buf b = buf_over(text, sizeof text);

    buf_text(&b, "[s]\n");
    for (int i = 0; i <= EXTRA_ARGS_MAX; i++)
        buf_text(&b, "4\n");
    ck_assert_str_eq(options_of(text, b.n, &x, to), "!");
    ck_assert_uint_eq(x.args_n, EXTRA_ARGS_MAX);
    extra_opts_clear(&x);
    ck_assert_str_eq(options_of("[s]\na\0b=1\n", 11, &x, to), "!");
    extra_opts_clear(&x);
    for (int i = 0; i < EXTRA_TIMES_MAX; i++)
        ck_assert_str_eq(options_of("[s]\n", 4, &x, to), "");
    ck_assert_str_eq(options_of("[s]\n", 4, &x, to), "!");
    extra_opts_clear(&x);
}
END_TEST

START_TEST(command_lines)
{
    static const struct {
        const char *line, *version;
        uint32_t verbose;
        enum mode mode;
        enum origin origin;
    } rows[] = {
        { "-H h", "2c", 0, MODE_ALL, ORIGIN_SNMP },
        { "-H h -v", "2c", 1, MODE_ALL, ORIGIN_SNMP },
        { "-H h -vvv -v", "2c", 3, MODE_ALL, ORIGIN_SNMP },
        { "-H h -v 2c -v", "2c", 1, MODE_ALL, ORIGIN_SNMP },
        { "-H h -v2c", "2c", 0, MODE_ALL, ORIGIN_SNMP },
        { "-H h -v 3 -u u", "3", 0, MODE_ALL, ORIGIN_SNMP },
        { "-v3 -u u -H h -v", "3", 1, MODE_ALL, ORIGIN_SNMP },
        { "-H h -u u -l noAuthNoPriv", "3", 0, MODE_ALL, ORIGIN_SNMP },
        { "-H h -C -v -m code23", "2c", 0, MODE_CODE_23, ORIGIN_SNMP },
        { "--community -v -H h", "2c", 0, MODE_ALL, ORIGIN_SNMP },
        { "--socket=/s --mode=tcp-nat", NULL, 0, MODE_TCP_NAT, ORIGIN_SOCKET },
        { "--scan a --scan b -m failures", NULL, 0, MODE_FAILURES, ORIGIN_SCAN },
        { "--probe tcp:h:1 --probe=tcp:h:2", NULL, 0, MODE_PORTS, ORIGIN_PROBE },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct conf *c = conf_of(rows[i].line);

        ck_assert_msg(c->verbose == rows[i].verbose, "%s: verbose %u", rows[i].line, (unsigned)c->verbose);
        ck_assert_msg(c->mode == rows[i].mode && c->origin == rows[i].origin, "%s", rows[i].line);
        ck_assert_msg(!rows[i].version || strcmp(c->version, rows[i].version) == 0, "%s: version",
                      rows[i].line);
    }
}
END_TEST

START_TEST(command_lines_refused)
{
    static const char *const rows[] = {
        "",
        "-H h -v 1",
        "-H h -v 3",
        "-H h --snmp-version 4",
        "-H h --socket /s",
        "-H h --probe tcp:h:1",
        "-H h -4 -6",
        "-H h operand",
        "-H h --total --state f",
        "-H h -m opinions",
        "-H h -m CODE23",
        "-H h --window 2h",
        "-H h --timeout-result maybe",
        "-H h --perfdata some",
        "-H h -t 0",
        "-H h -p 0",
        "-H h -p 65536",
        "-H h -w 5",
        "-H h -m code23 -w x",
        "--probe tcp:h:1 -m code23",
        "--probe tcp:h:1 -m sources",
        "--scan f -m ports",
        "--scan f -m sources",
        "--scan f --probe tcp:h:1",
        "-H h --community-file /nonexistent/file",
        "--probe tcp:h:1 --password-file a --secret-file b",
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        static struct conf c;
        char copy[256], *argv[32] = { (char *)(uintptr_t) "x" };
        struct em_why why = { "" };
        int argc = 1;

        (void)slice_copy(slice_of(rows[i]), copy, sizeof copy);
        for (char *at = copy; *at && argc < 31;) {
            argv[argc++] = at;
            at += strcspn(at, " ");
            if (*at)
                *at++ = '\0';
        }
        ck_assert_msg(conf_read(&c, argc, argv, &why) < 0 && why.text[0], "\"%s\" was taken", rows[i]);
    }
}
END_TEST

static void secret_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

START_TEST(secrets)
{
    char dir[] = "/tmp/em-plugin-XXXXXX", path[64], line[128];
    char typed[] = "seen-by-ps", *argv[] = { (char *)(uintptr_t) "x",
                                             (char *)(uintptr_t) "-H",
                                             (char *)(uintptr_t) "h",
                                             (char *)(uintptr_t) "-C",
                                             typed,
                                             NULL };
    static struct conf c;
    struct em_why why;

    ck_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(line, sizeof line, "-H h --community-file=%s", path);
    secret_file(path, "from-file\r\nsecond line\n");
    ck_assert_str_eq(conf_of(line)->secrets.community, "from-file");
    ck_assert_str_eq(conf_of("-H h")->secrets.community, "public");
    setenv("CHECK_EDGE_MEDIA_COMMUNITY", "from-env", 1);
    ck_assert_str_eq(conf_of("-H h")->secrets.community, "from-env");
    ck_assert_str_eq(conf_of(line)->secrets.community, "from-file");
    ck_assert(conf_read(&c, 5, argv, &why) == EM_OPT_GO);
    ck_assert_str_eq(c.secrets.community, "seen-by-ps");
    ck_assert_str_eq(typed, "xxxxxxxxxx");
    conf_clear(&c);
    ck_assert_str_eq(c.secrets.community, "");
    unsetenv("CHECK_EDGE_MEDIA_COMMUNITY");
    secret_file(path, "\nsecond line\n");
    argv[3] = (char *)(uintptr_t) "--community-file";
    argv[4] = path;
    ck_assert(conf_read(&c, 5, argv, &why) < 0);
    unlink(path);
    rmdir(dir);
}
END_TEST

static void add_check(struct facts *f, const char *edge, const char *name, uint32_t address, uint32_t verdict,
                      const char *reason, uint64_t rtt_us)
{
    struct em_check_row *row = fact_rows_insert(&f->checks, f->checks.n);

    ck_assert(row);
    row->edge = row->check = 1;
    row->address_index = address;
    row->verdict = verdict;
    row->rtt_us = rtt_us;
    (void)slice_copy(slice_of(edge), row->edge_name, sizeof row->edge_name);
    (void)slice_copy(slice_of(name), row->name, sizeof row->name);
    (void)slice_copy(slice_of(reason), row->reason, sizeof row->reason);
    (void)slice_copy(SLICE("2001:db8::1"), row->address, sizeof row->address);
}

static void add_source(struct facts *f, const char *name, uint32_t state, const char *error, uint64_t lag)
{
    struct em_source_row *row = fact_rows_insert(&f->sources, f->sources.n);

    ck_assert(row);
    row->state = state;
    row->lag_bytes = lag;
    (void)slice_copy(slice_of(name), row->name, sizeof row->name);
    (void)slice_copy(slice_of(error), row->error, sizeof row->error);
}

static const char *judged(const char *line, struct facts *f, const struct history *h)
{
    static struct report r;
    const char *text;
    struct conf *c = conf_of(line);

    f->have_calls = f->have_windows = mode_defs[c->mode].calls;
    f->have_checks = mode_defs[c->mode].checks;
    f->have_sources = mode_defs[c->mode].sources;
    report_init(&r);
    judge(c, f, h, 1000 * EM_US_PER_S, &r);
    text = text_of(&r, c->verbose);
    report_fini(&r);
    return text;
}

START_TEST(judges_calls)
{
    static const struct {
        const char *line;
        uint64_t window[4], total[4]; /* code 23, tcp nat, both, media failures */
        const char *want;
    } rows[] = {
        { "-H h -m code23",
          { 0 },
          { 17, 9, 5, 30 },
          "EDGE MEDIA OK - 0 code-23 calls in 1 hour | code23=0;0;5;0 code23-tcp-nat=0;0;2;0 "
          "code23_total=17c;;;0 "
          "code23-tcp-nat_total=5c;;;0\n" },
        { "-H h -m code23",
          { 1, 1, 0, 1 },
          { 0 },
          "EDGE MEDIA WARNING - 1 code-23 call in 1 hour, 0 with TCP NAT failure | code23=1;0;5;0 "
          "code23-tcp-nat=0;0;2;0 "
          "code23_total=0c;;;0 code23-tcp-nat_total=0c;;;0\n" },
        { "-H h -m code23 -w 10 -c 20:30",
          { 12, 0, 9, 0 },
          { 0 },
          "EDGE MEDIA CRITICAL - 12 code-23 calls in 1 hour, 9 with TCP NAT failure | code23=12;10;;0 "
          "code23-tcp-nat=9;;;0 "
          "code23_total=0c;;;0 code23-tcp-nat_total=0c;;;0\n" },
        { "-H h -m tcp-nat --total -w 8",
          { 0 },
          { 17, 9, 5, 30 },
          "EDGE MEDIA WARNING - 9 TCP NAT check failures in total, 5 with code 23 | tcp-nat_total=9c;8;;0 "
          "code23-tcp-nat_total=5c;;;0\n" },
        { "-H h -m tcp-nat",
          { 3, 9, 3, 9 },
          { 0 },
          "EDGE MEDIA CRITICAL - 3 code-23 calls with TCP NAT failure in 1 hour | tcp-nat=9;;;0 "
          "code23-tcp-nat=3;0;2;0 "
          "tcp-nat_total=0c;;;0 code23-tcp-nat_total=0c;;;0\n" },
        { "-H h -m failures",
          { 2, 0, 0, 7 },
          { 0 },
          "EDGE MEDIA WARNING - 7 media failures in 1 hour, 2 with code 23 | code23=2;;;0 tcp-nat=0;;;0 "
          "code23-tcp-nat=0;;;0 "
          "failures=7;5;20;0 code23_total=0c;;;0 tcp-nat_total=0c;;;0 code23-tcp-nat_total=0c;;;0 "
          "failures_total=0c;;;0\n" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct facts f;

        facts_init(&f);
        f.totals = (struct em_totals) { .code_23 = rows[i].total[0],
                                        .tcp_nat_check = rows[i].total[1],
                                        .code_23_tcp_nat = rows[i].total[2],
                                        .media_failures = rows[i].total[3] };
        f.windows = (struct em_windows) { .code_23_1h = rows[i].window[0],
                                          .tcp_nat_check_1h = rows[i].window[1],
                                          .code_23_tcp_nat_1h = rows[i].window[2],
                                          .media_failures_1h = rows[i].window[3] };
        ck_assert_str_eq(judged(rows[i].line, &f, NULL), rows[i].want);
        facts_fini(&f);
    }
}
END_TEST

START_TEST(judges_windows_rates_and_age)
{
    struct facts f;
    struct history h = { .known = true, .elapsed_us = 1800 * EM_US_PER_S, .increase = { 3, 1, 1, 4 } };
    struct history first = { .remark = "first run" };

    facts_init(&f);
    f.windows = (struct em_windows) { .code_23_5m = 1, .code_23_1h = 2, .code_23_1d = 3 };
    ck_assert(strstr(judged("-H h -m code23 --window 5m", &f, NULL), "- 1 code-23 call in 5 minutes"));
    ck_assert(strstr(judged("-H h -m code23 --window 1h", &f, NULL), "- 2 code-23 calls in 1 hour"));
    ck_assert(strstr(judged("-H h -m code23 --window 1d", &f, NULL), "- 3 code-23 calls in 1 day"));
    ck_assert(strstr(judged("-H h -m code23 --state s", &f, &h),
                     "CRITICAL - 6 code-23 calls per hour, 2 with TCP"));
    ck_assert(strstr(judged("-H h -m code23 --state s --per 10m", &f, &h),
                     "WARNING - 1 code-23 call per 10 minutes"));
    ck_assert(strstr(judged("-H h -m code23 --state s", &f, &first), "- 2 code-23 calls in 1 hour"));
    ck_assert(strstr(judged("-H h -m code23 -w 5 --state s", &f, &first), "; first run | "));
    f.daemon.snapshot_time = 400 * EM_US_PER_S;
    ck_assert(
        strstr(judged("-H h -m code23 -w 5", &f, NULL), "UNKNOWN - the daemon's numbers are 600 s old"));
    ck_assert(strstr(judged("-H h -m code23 -w 5 --max-age 0", &f, NULL), "EDGE MEDIA OK"));
    ck_assert(strstr(judged("-H h -m code23 -w 5 --max-age 11m", &f, NULL), "EDGE MEDIA OK"));
    facts_fini(&f);
}
END_TEST

START_TEST(judges_checks)
{
    struct facts f;

    facts_init(&f);
    ck_assert(strstr(judged("-H h -m ports", &f, NULL), "UNKNOWN - the daemon has no checks"));
    ck_assert_str_eq(
        judged("-H h -m all", &f, NULL),
        "EDGE MEDIA OK - 0 code-23 calls in 1 hour | code23=0;0;5;0 tcp-nat=0;;;0 code23-tcp-nat=0;0;2;0 "
        "failures=0;5;20;0 "
        "code23_total=0c;;;0 tcp-nat_total=0c;;;0 code23-tcp-nat_total=0c;;;0 failures_total=0c;;;0\n");
    add_check(&f, "oslo", "turn-udp", 1, EM_VERDICT_OK, "answered", 12300);
    ck_assert_str_eq(judged("-H h -m ports", &f, NULL),
                     "EDGE MEDIA OK - 1 of 1 checks ok | checks=1;;;0 checks_ok=1;;;0 checks_degraded=0;;;0 "
                     "checks_down=0;;;0 "
                     "checks_unknown=0;;;0 oslo/turn-udp=0.0123s;;;0\n");
    add_check(&f, "oslo", "turn-udp", 2, EM_VERDICT_UNTESTED, "", 0);
    ck_assert(strstr(judged("-H h -m ports", &f, NULL), "UNKNOWN - oslo/turn-udp untested | "));
    ck_assert(strstr(judged("-H h -m ports", &f, NULL), " oslo/turn-udp/2=U;;;0\n"));
    add_check(&f, "oslo", "turn-tcp", 1, EM_VERDICT_DEGRADED, "2 retransmits", 90000);
    ck_assert(strstr(judged("-H h -m ports", &f, NULL),
                     "WARNING - oslo/turn-tcp degraded: 2 retransmits; oslo/turn-udp"));
    add_check(&f, "rome", "turn|tcp", 1, EM_VERDICT_BLACKHOLED, "payload never\nacknowledged", 0);
    add_check(&f, "rome", "stun", 1, EM_VERDICT_FILTERED, "no answer", 0);
    ck_assert(strstr(judged("-H h -m ports", &f, NULL),
                     "CRITICAL - 2 of 5 checks down, rome/turn!tcp blackholed: "
                     "payload never\\x0aacknowledged; oslo/turn-tcp"));
    ck_assert(strstr(judged("-H h -m ports --edge oslo --check turn-tcp", &f, NULL),
                     "WARNING - oslo/turn-tcp degraded"));
    ck_assert(strstr(judged("-H h -m ports --check stun", &f, NULL),
                     "CRITICAL - rome/stun filtered: no answer | checks=1;"));
    ck_assert(strstr(judged("-H h -m ports --edge paris", &f, NULL), "UNKNOWN - no check has that --edge"));
    ck_assert(
        strstr(judged("-H h -m ports -w 1 -c 2", &f, NULL), "WARNING - 2 of 5 checks down, rome/turn!tcp"));
    ck_assert(strstr(judged("-H h -m ports -w 1 -c 2", &f, NULL), " checks_down=2;1;2;0 "));
    ck_assert(strstr(judged("-H h -m ports --edge oslo -w rtt=0.001 -c rtt=0.01", &f, NULL),
                     "CRITICAL - oslo/turn-udp answered in 0.0123 s; oslo/turn-tcp degraded"));
    ck_assert(strstr(judged("-H h -m all", &f, NULL), "CRITICAL - 2 of 5 checks down"));
    ck_assert(strstr(judged("-H h -m ports -v", &f, NULL),
                     "\nCRITICAL rome/stun  2001:db8::1: filtered: no answer\n"));
    facts_fini(&f);
}
END_TEST

/* The first line stays small with many checks: one round trip, the slowest. */
START_TEST(judges_many_checks)
{
    struct facts f;
    const char *text;

    facts_init(&f);
    for (int i = 0; i < 500; i++) {
        char name[16];

        snprintf(name, sizeof name, "check%d", i);
        add_check(&f, "oslo", name, 1, i % 2 ? EM_VERDICT_OK : EM_VERDICT_FILTERED, "no answer",
                  i % 2 ? 1000u + (unsigned)i : 0);
    }
    text = judged("-H h -m ports", &f, NULL);
    ck_assert_uint_lt(strlen(text), REPORT_FIRST_MAX);
    ck_assert(strstr(text, "250 of 500 checks down, oslo/check0 filtered"));
    ck_assert(strstr(text, " rtt_max=0.001499s;;;0\n"));
    text = judged("-H h -m ports --perfdata full", &f, NULL);
    ck_assert(strstr(text, " oslo/check499=0.001499s;;;0\n"));
    facts_fini(&f);
}
END_TEST

START_TEST(judges_sources)
{
    struct facts f;

    facts_init(&f);
    ck_assert(strstr(judged("-H h -m sources", &f, NULL), "UNKNOWN - the daemon has no sources"));
    add_source(&f, "fe01", EM_SOURCE_CAUGHT_UP, "", 0);
    add_source(&f, "fe02", EM_SOURCE_READING, "", 4096);
    ck_assert_str_eq(judged("-H h -m sources", &f, NULL),
                     "EDGE MEDIA OK - 2 of 2 sources ok | sources=2;;;0 sources_ok=2;;;0 lag=4096B;;;0\n");
    ck_assert(
        strstr(judged("-H h -m sources -w 1000", &f, NULL), "WARNING - source fe02 is 4096 bytes behind | "));
    add_source(&f, "fe03", EM_SOURCE_WAITING, "", 0);
    ck_assert(strstr(judged("-H h -m sources", &f, NULL), "WARNING - source fe03 waiting | "));
    add_source(&f, "fe04", EM_SOURCE_FAILED, "permission denied", 0);
    ck_assert(strstr(judged("-H h -m sources", &f, NULL),
                     "CRITICAL - source fe04 failed: permission denied; source fe03"));
    ck_assert(strstr(judged("-H h -m all", &f, NULL), "CRITICAL - source fe04 failed"));
    facts_fini(&f);
}
END_TEST

START_TEST(history_text)
{
    struct history_sample s = { 1700000000000000, 5, { 1, 2, 3, UINT64_MAX } }, back;
    char text[1024];
    struct buf b = buf_over(text, sizeof text);
    const char *remark = NULL;
    size_t n;

    history_write("snmp h:161", &s, &b);
    n = b.n;
    (void)buf_str(&b);
    ck_assert(history_read((struct slice) { text, n }, "snmp h:161", &back, &remark) && !remark);
    ck_assert(memcmp(&s, &back, sizeof s) == 0);
    ck_assert(!history_read((struct slice) { text, n }, "snmp other:161", &back, &remark));
    ck_assert(strstr(remark, "another target"));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(!history_read((struct slice) { text, i }, "snmp h:161", &back, &remark) && remark,
                      "cut at %zu", i);
    for (size_t i = 0; i < n; i++) {
        text[i] ^= (char)0x80;
        ck_assert_msg(!history_read((struct slice) { text, n }, "snmp h:161", &back, &remark) && remark,
                      "byte %zu", i);
        text[i] ^= (char)0x80;
    }
}
END_TEST

START_TEST(history_arithmetic)
{
    static const struct {
        const char *name;
        struct history_sample last, now;
        bool known;
        uint64_t increase; /* of code 23 */
        const char *remark;
    } rows[] = {
        { "growing", { 1000000, 0, { 5 } }, { 61000000, 0, { 8 } }, true, 3, NULL },
        { "standing still", { 1000000, 7, { 5 } }, { 61000000, 7, { 5 } }, true, 0, NULL },
        { "fell: a new database", { 1000000, 0, { 5 } }, { 61000000, 0, { 2 } }, true, 2, "anew" },
        { "new database that overtook the old",
          { 1000000, 7, { 5 } },
          { 61000000, 8, { 6 } },
          true,
          6,
          "anew" },
        { "discontinuity not known once", { 1000000, 0, { 5 } }, { 61000000, 8, { 6 } }, true, 1, NULL },
        { "another counter fell", { 1000000, 0, { 5, 9 } }, { 61000000, 0, { 6, 1 } }, true, 6, "anew" },
        { "clock went back", { 61000000, 0, { 5 } }, { 1000000, 0, { 6 } }, false, 0, "clock" },
        { "too soon", { 61000000, 0, { 5 } }, { 61500000, 0, { 6 } }, false, 0, "less than a second" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct history h;

        history_between(&rows[i].last, &rows[i].now, &h);
        ck_assert_msg(h.known == rows[i].known && h.increase[0] == rows[i].increase, "%s", rows[i].name);
        ck_assert_msg(rows[i].remark ? h.remark && strstr(h.remark, rows[i].remark) : !h.remark, "%s",
                      rows[i].name);
    }
}
END_TEST

static void put_file(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "w");

    ck_assert(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
}

START_TEST(history_files)
{
    char dir[] = "/tmp/em-plugin-XXXXXX", path[64], link_path[64], huge[8192];
    struct history_sample s = { 100 * EM_US_PER_S, 0, { 5 } };
    struct history h;
    struct em_why why = { "" };
    struct stat st;

    ck_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/state", dir);
    snprintf(link_path, sizeof link_path, "%s/link", dir);
    ck_assert_int_eq(history_step(path, "o", &s, &h, &why), 0);
    ck_assert(!h.known && strcmp(h.remark, "first run") == 0);
    ck_assert(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    s.wall_us += 60 * EM_US_PER_S;
    s.total[0] = 9;
    ck_assert_int_eq(history_step(path, "o", &s, &h, &why), 0);
    ck_assert(h.known && h.increase[0] == 4 && h.elapsed_us == 60 * EM_US_PER_S);

    s.wall_us += 1000; /* too soon: the older sample is kept, so that the next run has a rate */
    ck_assert_int_eq(history_step(path, "o", &s, &h, &why), 0);
    ck_assert(!h.known);
    s.wall_us += 60 * EM_US_PER_S;
    ck_assert_int_eq(history_step(path, "o", &s, &h, &why), 0);
    ck_assert(h.known && h.increase[0] == 0);

    memset(huge, 'x', sizeof huge);
    put_file(path, huge, sizeof huge);
    ck_assert_int_eq(history_step(path, "o", &s, &h, &why), 0);
    ck_assert(!h.known && strstr(h.remark, "not understood"));
    s.wall_us += 60 * EM_US_PER_S;
    ck_assert(symlink(path, link_path) == 0);
    ck_assert_int_eq(history_step(link_path, "o", &s, &h, &why), 0);
    ck_assert(h.known);
    ck_assert(lstat(link_path, &st) == 0 && S_ISLNK(st.st_mode));

    if (geteuid() == 0) { /* only root can give files away */
        s.wall_us += 60 * EM_US_PER_S;
        ck_assert(lchown(link_path, 12345, 12345) == 0);
        ck_assert(history_step(link_path, "o", &s, &h, &why) < 0 &&
                  strstr(why.text, "link that belongs to somebody else"));
        ck_assert(chown(path, 12345, 12345) == 0);
        ck_assert(history_step(path, "o", &s, &h, &why) < 0 && strstr(why.text, "belongs to somebody else"));
    }
    unlink(link_path);
    ck_assert(symlink("/nonexistent/x", link_path) == 0);
    ck_assert(history_step(link_path, "o", &s, &h, &why) < 0 && strstr(why.text, "leads nowhere"));
    ck_assert(history_step(dir, "o", &s, &h, &why) < 0);
    ck_assert(history_step("/dev/null", "o", &s, &h, &why) < 0 && strstr(why.text, "not a regular file"));
    ck_assert(history_step("/nonexistent/state", "o", &s, &h, &why) < 0);
    unlink(link_path);
    unlink(path);
    ck_assert_msg(rmdir(dir) == 0, "a file was left behind");
}
END_TEST

#define TOTALS                                                                                               \
    "\"bytes\":1,\"messages\":2,\"reports\":3,\"duplicates\":0,\"unkeyed\":0,\"malformed\":0,\"calls\":4,"   \
    "\"media_failures\":9,\"code_23\":7,\"tcp_nat_check\":6,\"code_23_tcp_nat\":5"
#define RECENT                                                                                               \
    "\"recent\":{\"media_failures_5m\":1,\"media_failures_1h\":2,\"media_failures_1d\":3,\"code_23_5m\":4,"  \
    "\"code_23_1h\":5,\"code_23_1d\":6,\"tcp_nat_check_5m\":7,\"tcp_nat_check_1h\":8,\"tcp_nat_check_1d\":"  \
    "9,"                                                                                                     \
    "\"code_23_tcp_nat_5m\":10,\"code_23_tcp_nat_1h\":11,\"code_23_tcp_nat_1d\":12,\"failure_threshold\":5}"
#define DAEMON "\"daemon\":{\"version\":\"0.1\",\"snapshot_time\":\"2026-11-23T05:02:00.123Z\"}"
#define CHECKS                                                                                               \
    "\"checks\":[{\"edge\":1,\"check\":2,\"address_index\":3,\"edge_name\":\"oslo\",\"name\":\"a|b\","       \
    "\"uri\":\"stun:h\","                                                                                    \
    "\"address\":\"192.0.2.1\",\"verdict\":\"auth-failed\",\"reason\":\"no\",\"rtt_us\":1234,\"new_key\":[{" \
    "}]}]"
#define SOURCES                                                                                              \
    "\"sources\":[{\"source\":1,\"name\":\"s\",\"state\":\"caught-up\",\"error\":\"\",\"lag_bytes\":3,"      \
    "\"malformed\":0}]"
static const char status_json[] =
    "{\"schema_version\":1," TOTALS "," RECENT "," DAEMON "," CHECKS "," SOURCES ",\"later\":1}\n";

START_TEST(status_is_read)
{
    struct facts f;
    struct em_why why = { "" };

    facts_init(&f);
    ck_assert_msg(source_status(status_json, sizeof status_json - 1, &mode_defs[MODE_ALL], &f, &why) == 0,
                  "%s", why.text);
    ck_assert(f.have_calls && f.have_checks && f.have_sources);
    ck_assert_uint_eq(f.totals.code_23, 7);
    ck_assert_uint_eq(f.totals.code_23_tcp_nat, 5);
    ck_assert_uint_eq(f.windows.tcp_nat_check_1h, 8);
    ck_assert_int_eq(f.daemon.snapshot_time, INT64_C(1795410120123000));
    ck_assert_uint_eq(f.checks.n, 1);
    ck_assert_uint_eq(fact_check(&f, 0)->address_index, 3);
    ck_assert_uint_eq(fact_check(&f, 0)->verdict, EM_VERDICT_AUTH_FAILED);
    ck_assert_uint_eq(fact_check(&f, 0)->rtt_us, 1234);
    ck_assert_str_eq(fact_check(&f, 0)->name, "a|b");
    ck_assert_uint_eq(fact_source(&f, 0)->state, EM_SOURCE_CAUGHT_UP);
    facts_fini(&f);
}
END_TEST

/* Every truncation, and every byte flipped in its lowest bit: an answer or a sentence, never a crash. */
START_TEST(status_damaged)
{
    char copy[sizeof status_json];
    struct em_why why;
    struct facts f;

    for (size_t i = 0; i < sizeof status_json - 2; i++) {
        memcpy(copy, status_json, sizeof copy);
        copy[i] = '\0';
        why.text[0] = '\0';
        facts_init(&f);
        ck_assert_msg(source_status(copy, i, &mode_defs[MODE_ALL], &f, &why) < 0 && why.text[0], "cut at %zu",
                      i);
        facts_fini(&f);
        copy[i] = (char)(status_json[i] ^ 1);
        facts_init(&f);
        (void)!source_status(copy, sizeof copy - 1, &mode_defs[MODE_ALL], &f, &why);
        facts_fini(&f);
    }
}
END_TEST

START_TEST(status_refused)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        { "", "ends in its middle" },
        { "hello", "not JSON" },
        { "[]", "no schema_version" },
        { "null", "" },
        { "{}", "no schema_version" },
        { "{\"schema_version\":\"1\"}", "no schema_version" },
        { "{\"schema_version\":2," TOTALS "," RECENT "," DAEMON "," CHECKS "," SOURCES "}", "version 2" },
        { "{\"schema_version\":1," TOTALS "," RECENT "," CHECKS "," SOURCES "}", "no daemon" },
        { "{\"schema_version\":1," RECENT "," DAEMON "," CHECKS "," SOURCES "}", "no \"code_23\"" },
        { "{\"schema_version\":1," TOTALS "," DAEMON "," CHECKS "," SOURCES "}", "no recent" },
        { "{\"schema_version\":1," TOTALS "," RECENT "," DAEMON "," SOURCES "}", "no list \"checks\"" },
        { "{\"schema_version\":1," TOTALS "," RECENT "," DAEMON ",\"checks\":[7]," SOURCES "}", "no checks" },
        { "{\"schema_version\":1," TOTALS ",\"code_23\":-1," RECENT "," DAEMON "," CHECKS "," SOURCES "}",
          "\"code_23\"" },
        { "{\"schema_version\":1," TOTALS ",\"code_23\":\"7\"," RECENT "," DAEMON "," CHECKS "," SOURCES "}",
          "\"code_23\"" },
        { "{\"schema_version\":1," TOTALS ",\"code_23\":null," RECENT "," DAEMON "," CHECKS "," SOURCES "}",
          "\"code_23\"" },
        { "{\"schema_version\":1," TOTALS "," RECENT
          ",\"daemon\":{\"version\":\"x\",\"snapshot_time\":\"today\"}}",
          "snapshot_time" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct em_why why = { "" };
        struct facts f;

        facts_init(&f);
        ck_assert_msg(source_status(rows[i].text, strlen(rows[i].text), &mode_defs[MODE_ALL], &f, &why) < 0,
                      "row %zu", i);
        ck_assert_msg(strstr(why.text, rows[i].why), "row %zu: %s", i, why.text);
        facts_fini(&f);
    }
}
END_TEST

START_TEST(status_of_a_newer_daemon)
{
    static const char text[] =
        "{\"schema_version\":1," DAEMON
        ",\"checks\":[{\"edge\":1,\"check\":2,\"address_index\":3,\"edge_name\":\"o\","
        "\"name\":\"n\",\"uri\":\"u\",\"address\":\"a\",\"verdict\":\"haunted\",\"reason\":\"\"}]}";
    struct em_why why = { "" };
    struct facts f;

    facts_init(&f);
    ck_assert_msg(source_status(text, sizeof text - 1, &mode_defs[MODE_PORTS], &f, &why) == 0, "%s",
                  why.text);
    ck_assert(strstr(judged("-H h -m ports --max-age 0", &f, NULL), "UNKNOWN - o/n unknown verdict | "));
    facts_fini(&f);
}
END_TEST

int main(void)
{
    TCase *t = em_case("thresholds");

    tcase_add_test(t, ranges_alert);
    tcase_add_test(t, ranges_refused);
    tcase_add_test(t, ranges_written);
    tcase_add_test(t, thresholds_by_mode);
    tcase_add_test(t, thresholds_refused);
    t = em_case("output");
    tcase_add_test(t, perfdata_items);
    tcase_add_test(t, perfdata_labels_are_unique);
    tcase_add_test(t, perfdata_has_a_maximum);
    tcase_add_test(t, report_lines);
    tcase_add_test(t, report_line_lengths);
    tcase_add_test(t, states_and_verdicts);
    t = em_case("command line");
    tcase_add_test(t, options_in_files);
    tcase_add_test(t, options_in_files_have_limits);
    tcase_add_test(t, command_lines);
    tcase_add_test(t, command_lines_refused);
    tcase_add_test(t, secrets);
    t = em_case("judging");
    tcase_add_test(t, judges_calls);
    tcase_add_test(t, judges_windows_rates_and_age);
    tcase_add_test(t, judges_checks);
    tcase_add_test(t, judges_many_checks);
    tcase_add_test(t, judges_sources);
    t = em_case("state file");
    tcase_add_test(t, history_text);
    tcase_add_test(t, history_arithmetic);
    tcase_add_test(t, history_files);
    t = em_case("status");
    tcase_add_test(t, status_is_read);
    tcase_add_test(t, status_damaged);
    tcase_add_test(t, status_refused);
    tcase_add_test(t, status_of_a_newer_daemon);
    return em_run();
}
