/* SPDX-License-Identifier: GPL-3.0-or-later
 * What is posted to the daemon: SDN messages of each version and QoE reports, whole and cut at every byte, and what would do harm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "evidence/sdn.h"
#include "harness.h"

enum { TOLD_MAX = 256, DOCUMENT_MAX = 4 * XML_DOCUMENT_MAX };

struct told {
    uint32_t n, code[TOLD_MAX], ice[TOLD_MAX];
    enum em_media media[TOLD_MAX];
    char text[1024];
};

static void on_report(void *arg, const struct em_report *r)
{
    struct told *t = arg;
    bool known;

    ck_assert(t->n < TOLD_MAX);
    t->code[t->n] = r->code;
    t->ice[t->n] = em_report_ice(r, &known);
    t->media[t->n++] = r->media_n ? r->media[0].media : EM_MEDIA_UNKNOWN;
    snprintf(t->text, sizeof t->text, "%.*s|%.*s|%.*s|%.*s|%lld|%.*s", SLICE_ARG(r->call_id),
             SLICE_ARG(r->cseq), SLICE_ARG(r->from), SLICE_ARG(r->to), (long long)r->time_us,
             SLICE_ARG(r->media[0].remote_relay));
}

static struct sdn read_text(struct slice text, struct told *t)
{
    struct sdn s;

    *t = (struct told) { 0 };
    sdn_read(text, on_report, t, &s);
    ck_assert_uint_eq(s.reports, t->n);
    return s;
}

static struct sdn read_file(const char *path, struct told *t)
{
    size_t n;
    char *p = em_slurp(path, &n);
    struct sdn s = read_text((struct slice) { p, n }, t);

    free(p);
    return s;
}

START_TEST(an_error)
{
    struct told t;
    struct sdn s = read_file("vectors/sdn/error.xml", &t);

    ck_assert(s.kind == SDN_MESSAGE && s.ending == XML_WHOLE);
    ck_assert_str_eq(s.version, "C");
    ck_assert_uint_eq(t.n, 2);
    ck_assert(t.code[0] == 23 && t.ice[0] == 0x8000100 && t.media[0] == EM_MEDIA_APPLICATION_SHARING);
    ck_assert(t.code[1] == 1034 && t.media[1] == EM_MEDIA_APPLICATION_SHARING);
    ck_assert_str_eq(t.text,
                     "sdn-1|2 BYE|sip:kari@contoso.example|sip:ola@fabrikam.example|1443434400500000|");
}
END_TEST

START_TEST(ends_whose_call_comes_last)
{
    struct told t;
    struct sdn s = read_file("vectors/sdn/ended.xml", &t);

    ck_assert(s.kind == SDN_MESSAGE && s.ending == XML_WHOLE);
    ck_assert_str_eq(s.version, "D");
    ck_assert_uint_eq(t.n, 2);
    ck_assert(t.code[0] == 22 && t.media[0] == EM_MEDIA_AUDIO);
    ck_assert(t.code[1] == 51004 && t.media[1] == EM_MEDIA_VIDEO);
    ck_assert_str_eq(t.text, "sdn-2||||0|");
}
END_TEST

#define MESSAGE(version, what)                                                                               \
    "<LyncDiagnostics Version=\"" version "\"><ConnectionInfo><CallId>c</CallId></ConnectionInfo>" what      \
    "</LyncDiagnostics>"
#define WITH(value)                                                                                          \
    MESSAGE("C", "<Error Type='audio'><Properties><MSDiagnosticsClient>" value                               \
                 "</MSDiagnosticsClient></Properties></Error>")

START_TEST(what_counts_and_what_does_not)
{
    static const struct {
        const char *text;
        enum sdn_kind kind;
        enum xml_ending ending;
        uint32_t reports, code;
    } rows[] = {
        { WITH("23;reason=&quot;x&quot;"), SDN_MESSAGE, XML_WHOLE, 1, 23 },
        { WITH("<![CDATA[23;reason=\"x\"]]>"), SDN_MESSAGE, XML_WHOLE, 1, 23 },
        { WITH("1023;reason=\"23\""), SDN_MESSAGE, XML_WHOLE, 1, 1023 },
        { WITH("2300003"), SDN_MESSAGE, XML_WHOLE, 1, 2300003 },
        { WITH("23.7"), SDN_MESSAGE, XML_WHOLE, 1, 23 },
        { WITH(""), SDN_MESSAGE, XML_WHOLE, 0, 0 },
        { WITH("reason=\"23\""), SDN_MESSAGE, XML_WHOLE, 0, 0 },
        { MESSAGE("Z", ""), SDN_MESSAGE, XML_WHOLE, 0, 0 }, /* a version to come */
        { MESSAGE("A", "<MSDiagnosticsClient>23</MSDiagnosticsClient>"), SDN_MESSAGE, XML_WHOLE, 0, 0 },
        { MESSAGE("B", "<Error><MSDiagnosticsClient>23</MSDiagnosticsClient></Error>"), SDN_MESSAGE,
          XML_WHOLE, 1, 23 },
        { "<a:LyncDiagnostics xmlns:a='urn:x'><a:Error><a:MSDiagnosticsPublic>24</a:MSDiagnosticsPublic>"
          "</a:Error></a:LyncDiagnostics>",
          SDN_MESSAGE, XML_WHOLE, 1, 24 }, /* without a Call-ID */
        { "<Other><LyncDiagnostics/></Other>", SDN_OTHER, XML_WHOLE, 0, 0 },
        { "", SDN_OTHER, XML_CUT, 0, 0 },
        { "hello", SDN_OTHER, XML_BROKEN, 0, 0 },
        { "{\"a\":1}", SDN_OTHER, XML_BROKEN, 0, 0 },
        { "<LyncDiagnostics></Lync>", SDN_MESSAGE, XML_BROKEN, 0, 0 },
        { "<LyncDiagnostics>&nothing;</LyncDiagnostics>", SDN_MESSAGE, XML_BROKEN, 0, 0 },
        { "<LyncDiagnostics/><more/>", SDN_MESSAGE, XML_BROKEN, 0, 0 },
        { "<!DOCTYPE LyncDiagnostics SYSTEM 'http://192.0.2.1/x'><LyncDiagnostics/>", SDN_OTHER, XML_REFUSED,
          0, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct told t;
        struct sdn s = read_text(slice_of(rows[i].text), &t);

        ck_assert_msg(s.kind == rows[i].kind, "%s", rows[i].text);
        ck_assert_msg(s.ending == rows[i].ending, "%s: %s", rows[i].text, xml_ending_text(s.ending));
        ck_assert_msg(t.n == rows[i].reports && t.code[0] == rows[i].code, "%s: %u reports, code %u",
                      rows[i].text, t.n, t.code[0]);
    }
}
END_TEST

START_TEST(a_start_tells_nothing)
{
    struct told t;
    struct sdn s = read_file("vectors/sdn/started.xml", &t);

    ck_assert(s.kind == SDN_MESSAGE && s.ending == XML_WHOLE && t.n == 0);
    ck_assert_str_eq(s.version, "1.0");
}
END_TEST

START_TEST(a_qoe_report)
{
    struct told t;
    struct sdn s = read_file("vectors/trace/qoe-file.txt", &t);

    ck_assert(s.kind == SDN_QOE && s.ending == XML_WHOLE && t.n == 1);
    ck_assert(t.code[0] == 0 && t.ice[0] == 0x8000100);
}
END_TEST

START_TEST(every_truncation)
{
    static const char *const files[] = { "vectors/sdn/error.xml", "vectors/sdn/ended.xml",
                                         "vectors/trace/qoe-file.txt" };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t n;
        char *p = em_slurp(files[i], &n);
        uint32_t before = 0;

        for (size_t cut = 0; cut + 1 < n; cut++) { /* a line end is the last byte */
            char *exact = malloc(cut + 1);
            struct told t;
            struct sdn s;

            memcpy(exact, p, cut);
            s = read_text((struct slice) { exact, cut }, &t);
            ck_assert_msg(s.ending == XML_CUT, "%s at %zu: %s", files[i], cut, xml_ending_text(s.ending));
            ck_assert(t.n >= before);
            before = t.n;
            free(exact);
        }
        free(p);
    }
}
END_TEST

START_TEST(every_byte_changed)
{
    size_t n;
    char *p = em_slurp("vectors/sdn/error.xml", &n);

    for (size_t at = 0; at < n; at++)
        for (int k = 0; k < 3; k++) {
            char was = p[at];
            struct told t;

            p[at] = "\0<\x80"[k];
            (void)read_text((struct slice) { p, n }, &t);
            p[at] = was;
        }
    free(p);
}
END_TEST

START_TEST(a_bomb_is_refused)
{
    struct told t;
    struct sdn s = read_file("vectors/sdn/bomb.xml", &t);

    ck_assert(s.ending == XML_REFUSED && t.n == 0);
}
END_TEST

START_TEST(bounds)
{
    struct buf b = buf_heap(DOCUMENT_MAX);
    struct told t;
    struct sdn s;

    buf_text(&b, "<LyncDiagnostics>");
    for (int i = 0; i < 70; i++)
        buf_text(&b, "<a>");
    s = read_text((struct slice) { (const char *)b.p, b.n }, &t);
    ck_assert(s.ending == XML_REFUSED && t.n == 0);

    buf_reset(&b); /* very many reports */
    buf_text(&b, "<LyncDiagnostics>");
    for (int i = 0; i < 1000; i++)
        buf_text(&b, "<Error><MSDiagnostics>23,24,25</MSDiagnostics></Error>");
    buf_text(&b, "</LyncDiagnostics>");
    s = read_text((struct slice) { (const char *)b.p, b.n }, &t);
    ck_assert(s.ending == XML_WHOLE && t.n == SDN_REPORTS_MAX);

    buf_reset(&b); /* a value without an end */
    buf_text(&b, "<LyncDiagnostics><Error><MSDiagnostics>23;reason=\"");
    while (b.n < XML_DOCUMENT_MAX - 40)
        buf_u8(&b, 'x');
    buf_text(&b, "\"</MSDiagnostics></Error>");
    s = read_text((struct slice) { (const char *)b.p, b.n }, &t);
    ck_assert(s.ending == XML_CUT && t.n == 1 && t.code[0] == 23);
    while (b.n <= XML_DOCUMENT_MAX)
        buf_u8(&b, ' ');
    s = read_text((struct slice) { (const char *)b.p, b.n }, &t);
    ck_assert(s.ending == XML_LONG && t.n == 1);
    buf_fini(&b);
}
END_TEST

int main(void)
{
    TCase *t = em_case("sdn");

    tcase_add_test(t, an_error);
    tcase_add_test(t, ends_whose_call_comes_last);
    tcase_add_test(t, what_counts_and_what_does_not);
    tcase_add_test(t, a_start_tells_nothing);
    tcase_add_test(t, a_qoe_report);
    tcase_add_test(t, every_truncation);
    tcase_add_test(t, every_byte_changed);
    tcase_add_test(t, a_bomb_is_refused);
    tcase_add_test(t, bounds);
    return em_run();
}
