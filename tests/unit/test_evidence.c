/* SPDX-License-Identifier: GPL-3.0-or-later
 * The evidence layer: headers in every damaged form, ICE values, counting, and the reader over every format, in every chunking, from
 * every mark, in every encoding. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "evidence/count.h"
#include "evidence/diag.h"
#include "evidence/ice.h"
#include "evidence/reader.h"
#include "harness.h"

/* --- headers ------------------------------------------------------------------------------------------------------ */

/* What a header says, in one line: code|reason|side:media:ice:localMR:remoteMR,... */
static void describe(const struct em_report *r, struct buf *b)
{
    buf_print(b, "%u|%.*s|", r->code, SLICE_ARG(r->reason));
    for (uint32_t i = 0; i < r->media_n; i++) {
        const struct em_report_media *m = &r->media[i];

        buf_print(b, "%s%s:%s:", i ? "," : "", em_name_of(&em_side_names, m->side),
                  em_name_of(&em_media_names, m->media));
        if (m->ice_known)
            buf_print(b, "0x%x", m->ice);
        else
            buf_text(b, "?");
        buf_print(b, ":%.*s:%.*s", SLICE_ARG(m->local_relay), SLICE_ARG(m->remote_relay));
    }
}

static const struct {
    const char *line, *want; /* want NULL: no diagnostics header; several reports are joined by a blank */
} header_rows[] = {
    { "ms-client-diagnostics: 23; reason=\"R\"", "23|R|" },
    { "Ms-Client-Diagnostics:23;reason=\"R\"", "23|R|" },
    { "ms-diagnostics: 1034;source=\"a.example\";reason=\"x\"", "1034|x|" },
    { "ms-diagnostics-public: 23", "23||" },
    { "ms-client-diagnostics : 23.7; reason=\"R\"", "23|R|" },
    { "x-ms-diagnostics: 23; reason=\"R\"", NULL },
    { "ms-diagnostics-other: 23", NULL },
    { "X-Remote-Reason: 23", NULL },
    { "ms-client-diagnostics: 1023; reason=\"R\"", "1023|R|" },
    { "ms-client-diagnostics: 23000; reason=\"R\"", "23000|R|" },
    { "ms-client-diagnostics: 2300003;reason=\"R\"", "2300003|R|" },
    { "ms-client-diagnostics: twenty", "" },
    { "ms-client-diagnostics: 23a", "" },
    { "ms-client-diagnostics: 99999999999", "" },
    { "ms-client-diagnostics: 23; "
      "reason=\"R\";CalleeMediaDebug=\"audio:ICEWarn=0x80012b,LocalSite=10.0.0.1:50001,LocalMR=192.0.2.1:"
      "50002,"
      "RemoteSite=,RemoteMR=192.0.2.2:50003,PortRange=50000:59999,,LocalLocation=2\"",
      "23|R|callee:audio:0x80012b:192.0.2.1:50002:192.0.2.2:50003" },
    { "ms-client-diagnostics: 23; reason=\"R\"; UserType=\"Callee\"; MediaType=\"audio\"; "
      "ICEWarn=\"0x40003a0\"; LocalMR=\"192.0.2.1:5\"",
      "23|R|callee:audio:0x40003a0:192.0.2.1:5:" },
    { "ms-client-diagnostics: 23; "
      "Reason=R;UserType=Caller;MediaType=application-sharing;MediaChanBlob=\"NetworkErr=no error, "
      "ErrTime=0,A=b\"",
      "23|R|caller:application-sharing:?::" },
    { "ms-client-diagnostics: 22; reason=\"R\";CallerMediaDebug=\"audio:ICEWarn=0x0, LocalMR=a:1, "
      "video:ICEWarn=0x100\";"
      "CalleeMediaDebug=\"application-sharing:ICEWarn=0x8000100\"",
      "22|R|caller:audio:0x0:a:1:,caller:video:0x100::,callee:application-sharing:0x8000100::" },
    /* typographic quotes, blanks around '=', before ';' */
    { "ms-client-diagnostics: 23 ; reason = \xE2\x80\x9CR\xE2\x80\x9D ; UserType = \xE2\x80\xB3"
      "Callee\xE2\x80\xB3 ; ICEWarn=\xE2\x80\x9D"
      "0x12b\xE2\x80\x9C ;",
      "23|R|callee:unknown:0x12b::" },
    { "ms-client-diagnostics: 23; "
      "reason=\"R\";CalleeMediaDebug=\"audio:ICEWarn=0x1,LocalMR=192.0.2.1::50002\"",
      "23|R|callee:audio:0x1:192.0.2.1::50002:" },
    /* wrapped without indent, and right after the opening quote */
    { "ms-client-diagnostics: 23; "
      "reason=\"A\r\nB\";CalleeMediaDebug=\"\r\naudio:ICEWarn=0x100,\r\nLocalMR=a:1\"",
      "23|A B|callee:audio:0x100:a:1:" },
    /* never closed, SDP behind it, and a parameter to recover at */
    { "ms-client-diagnostics: 23; "
      "reason=\"R\";CalleeMediaDebug=\"audio:ICEWarn=0x100,LocalMR=a:1\r\na=candidate:1 1 UDP 1 10.0.0.1 5 "
      "typ host\r\n"
      ";UserType=\"Callee\"",
      "23|R|callee:audio:0x100:a:1:,callee:unknown:?::" },
    { "ms-client-diagnostics: 23; reason=\"never closed; UserType=\"Caller\"",
      "23|never closed|caller:unknown:?::" },
    { "ms-client-diagnostics: 23; reason=\"never closed", "23|never closed|" },
    { "ms-client-diagnostics: 23; reason=\"R\";\\\r\n UserType=\"Caller\"", "23|R|caller:unknown:?::" },
    { "**ms-client-diagnostics**: 23; **reason**=\"R\"", "23|R|" },
    { "\x1b[31mms-client-diagnostics\x1b[0m: 23; reason=\x1b[1m\"R\"\x1b[0m", "23|R|" },
    { "<b>ms-client-diagnostics:</b> 23; reason=\"R\"<br/>", "23|R|" },
    { "ms-client-diagnostics: 23; reason=\"R\", 51004; reason=\"S\"", "23|R| 51004|S|" },
    { "ms-client-diagnostics: 23, 24", "23|| 24||" },
    { "ms-client-diagnostics: 23; source=<sip:a@b.example>;reason=\"R\"", "23|R|" },
    { "ms-client-diagnostics: 23;;;reason=\"R\";", "23|R|" },
    { "ms-client-diagnostics: 23; ICEWarn=\"zzz\"", "23||unknown:unknown:?::" },
};

START_TEST(header_is_read)
{
    struct slice value = SLICE(""), line = slice_of(header_rows[_i].line);
    struct em_report r = { 0 };
    char text[1024];
    struct buf scratch = buf_heap(EM_DIAG_VALUE_MAX + 64), got = buf_over(text, sizeof text);

    if (!header_rows[_i].want) {
        ck_assert(!em_diag_header(line, &value));
        return;
    }
    ck_assert_msg(em_diag_header(line, &value), "%s", header_rows[_i].line);
    value = em_diag_clean(value, &scratch);
    while (em_diag_next(&value, &r)) {
        if (got.n)
            buf_u8(&got, ' ');
        describe(&r, &got);
    }
    ck_assert_msg(strcmp(buf_str(&got), header_rows[_i].want) == 0, "%s\nwant %s\ngot  %s",
                  header_rows[_i].line, header_rows[_i].want, buf_str(&got));
    buf_fini(&scratch);
}
END_TEST

/* Cut anywhere, in a buffer of exactly that size: nothing may be read beyond it. */
START_TEST(header_is_cut_anywhere)
{
    size_t n = strlen(header_rows[_i].line);

    for (size_t cut = 0; cut <= n; cut++) {
        char *exact = malloc(cut + 1);
        struct slice value;
        struct em_report r = { 0 };
        struct buf scratch = buf_heap(EM_DIAG_VALUE_MAX + 64);

        memcpy(exact, header_rows[_i].line, cut);
        if (em_diag_header((struct slice) { exact, cut }, &value)) {
            value = em_diag_clean(value, &scratch);
            while (em_diag_next(&value, &r))
                ck_assert_uint_le(r.media_n, EM_REPORT_MEDIA_MAX);
        }
        buf_fini(&scratch);
        free(exact);
    }
}
END_TEST

START_TEST(ice_values)
{
    static const struct {
        const char *text;
        bool ok;
        uint32_t v;
    } rows[] = { { "0x8000100", true, 0x8000100 },
                 { "134217984", true, 0x8000100 },
                 { "-2147483648", true, 0x80000000 },
                 { "0x0", true, 0 },
                 { "0x123456789", false, 0 },
                 { "", false, 0 },
                 { "0x", false, 0 },
                 { "12b", false, 0 },
                 { "4294967296", false, 0 },
                 { "-2147483649", false, 0 },
                 { "0x100 ", false, 0 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t v = 0;

        ck_assert_msg(em_ice_read(slice_of(rows[i].text), &v) == rows[i].ok && v == rows[i].v, "%s",
                      rows[i].text);
    }
    for (size_t i = 1; i < em_ice_warnings_n; i++)
        ck_assert_uint_gt(em_ice_warnings[i].bit, em_ice_warnings[i - 1].bit);
    ck_assert(em_ice_find(EM_ICE_TCP_NAT)->benign);
    ck_assert_ptr_null(em_ice_find(0x10000000));
}
END_TEST

/* --- counting ----------------------------------------------------------------------------------------------------- */

START_TEST(a_call_counts_once)
{
    struct em_call_state call = { 0 };
    struct em_totals t = { 0 };
    struct em_report plain = { .code = 23, .call_id = SLICE("c") }, nat = plain, hangup = plain,
                     lost = { .code = 23 };
    struct em_count_delta d;

    nat.media[0] =
        (struct em_report_media) { EM_SIDE_CALLEE, EM_MEDIA_AUDIO, true, 0x12b, { 0 }, { 0 }, { 0 }, { 0 } };
    nat.media_n = 1;
    hangup = nat;
    hangup.code = 51004;
    hangup.media[0].ice = 0x100 | 0x4000;

    d = em_count_report(&hangup, &call, true, false); /* a hang-up carries flags and is no failure */
    ck_assert(d.call && d.code && d.tcp_nat_check && !d.media_failure && !d.code_23_tcp_nat && d.media == 0);
    em_count_add(&t, &d);
    d = em_count_report(&plain, &call, true, false); /* the code completes the pair */
    ck_assert(!d.call && d.code_23 && d.code_23_tcp_nat && d.media_failure && d.ice == 0);
    em_count_add(&t, &d);
    d = em_count_report(&nat, &call, false, false);
    ck_assert(!d.code_23 && !d.code_23_tcp_nat && !d.tcp_nat_check && d.ice == 0x2b &&
              d.media == 1U << (EM_MEDIA_AUDIO - 1));
    em_count_add(&t, &d);
    d = em_count_report(&nat, &call, false, true);
    em_count_add(&t, &d);
    d = em_count_report(&lost, NULL, false, true);
    em_count_add(&t, &d);
    ck_assert(t.reports == 5 && t.duplicates == 1 && t.unkeyed == 1 && t.calls == 1);
    ck_assert(t.code_23 == 1 && t.tcp_nat_check == 1 && t.code_23_tcp_nat == 1 && t.media_failures == 1);
}
END_TEST

START_TEST(codes)
{
    ck_assert_int_eq(em_code_class(23), EM_CODE_MEDIA_FAILURE);
    ck_assert_int_eq(em_code_class(34), EM_CODE_MEDIA_FAILURE);
    ck_assert_int_eq(em_code_class(20), EM_CODE_OTHER_FAILURE);
    ck_assert_int_eq(em_code_class(51004), EM_CODE_INFORMATION);
    ck_assert_int_eq(em_code_class(7008), EM_CODE_OTHER_FAILURE);
    ck_assert_str_ne(em_code_meaning(4711), "");
}
END_TEST

/* --- the reader --------------------------------------------------------------------------------------------------- */

/* Everything that a run brought, as text, so that two runs can be compared. */
struct run {
    struct buf text;
    struct em_reader_stats stats;
};

static void on_report(void *arg, const struct em_report *r)
{
    struct buf *b = arg;
    char when[EM_TIME_TEXT_MAX];

    em_time_text(r->time_us, when);
    buf_print(b, "%s %.*s [%.*s] %s@%llu ", when, SLICE_ARG(r->call_id), SLICE_ARG(r->cseq),
              em_name_of(&em_format_names, r->format), (unsigned long long)r->offset);
    describe(r, b);
    buf_u8(b, '\n');
}

static void feed(struct em_reader *r, const char *p, size_t n, size_t chunk)
{
    for (size_t at = 0; at < n; at += chunk) {
        size_t left = n - at < chunk ? n - at : chunk;
        char *exact = malloc(left + 1);

        memcpy(exact, p + at, left);
        ck_assert_int_eq(em_reader_push(r, exact, left), 0);
        free(exact);
    }
}

static struct run run_once(const char *p, size_t n, size_t chunk)
{
    struct run run = { .text = buf_heap(1 << 20) };
    struct em_reader *r = em_reader_new(on_report, &run.text, NULL);
    struct em_reader_mark mark;

    feed(r, p, n, chunk);
    em_reader_finish(r);
    em_reader_mark(r, &mark, &run.stats);
    em_reader_free(r);
    ck_assert_uint_eq(run.stats.bytes, n);
    return run;
}

static void same(const struct run *want, struct run *got, const char *what, size_t at)
{
    ck_assert_msg(strcmp(buf_str(&((struct run *)(uintptr_t)want)->text), buf_str(&got->text)) == 0,
                  "%s %zu:\nwant\n%s\ngot\n%s", what, at, (const char *)want->text.p, buf_str(&got->text));
    ck_assert_msg(want->stats.messages == got->stats.messages &&
                      want->stats.malformed == got->stats.malformed,
                  "%s %zu: messages %llu %llu malformed %llu %llu", what, at,
                  (unsigned long long)want->stats.messages, (unsigned long long)got->stats.messages,
                  (unsigned long long)want->stats.malformed, (unsigned long long)got->stats.malformed);
    buf_fini(&got->text);
}

static const struct vector {
    const char *file;
    uint64_t messages, malformed;
    const char *want; /* NULL: other_calls is what it holds */
    uint64_t reports;
} vectors[] = {
    { "vectors/trace/ocslogger.txt", 4, 1,
      "2015-09-28T10:00:00.123Z 0a1b2c3d4e5f6071 [3 BYE] ocslogger@155 23|Call failed to establish due to a "
      "media connectivity failure when one "
      "endpoint is internal and the other is "
      "remote|caller:application-sharing:0x8000100:203.0.113.7:52910:198.51.100.20:57234\n"
      "2015-09-28T10:00:00.130Z 0a1b2c3d4e5f6071 [3 BYE] ocslogger@1247 23|Call failed to "
      "establish|caller:application-sharing:0x8000100:203.0.113.7:52910:198.51.100.20:57234\n",
      2 },
    { "vectors/trace/uccapi.txt", 2, 1,
      "2015-09-28T10:00:00.003Z 0a1b2c3d4e5f6071 [3 BYE] uccapi@328 23|Call "
      "failed|callee:application-sharing:0x8000100:203.0.113.7:52910:198.51.100.20:57234\n"
      "2015-09-28T10:00:00.003Z 0a1b2c3d4e5f6071 [3 BYE] uccapi@328 51004|Action initiated by user|\n",
      2 },
    { "vectors/trace/sip.txt", 4, 0,
      "2015-09-28T10:00:05Z abc@192.0.2.10 [1 INVITE] sip@418 23|Call failed to establish due to a media "
      "connectivity "
      "failure|callee:audio:0x12b:203.0.113.7:50001:198.51.100.20:50002,callee:video:0x0::\n"
      "2015-09-28T10:00:05Z  [9 BYE] sip@947 1034|Previous hop federated peer did not report diagnostic "
      "information|\n",
      3 },
    { "vectors/trace/ngrep.txt", 3, 0, NULL, 2 },
    { "vectors/trace/sofia.txt", 3, 0, NULL, 2 },
    { "vectors/trace/sofia-log.txt", 3, 0, NULL, 2 },
    { "vectors/trace/chan_sip.txt", 3, 0, NULL, 2 },
    { "vectors/trace/pjsip.txt", 3, 0, NULL, 2 },
    { "vectors/trace/pjsua.txt", 3, 0, NULL, 2 },
    { "vectors/trace/expressway.txt", 3, 0, NULL, 2 },
    { "vectors/trace/syslog-lines.txt", 3, 0, NULL, 2 },
    { "vectors/trace/syslog.txt", 7, 0, NULL, 6 },
    { "vectors/trace/caret.txt", 3, 0, NULL, 2 },
    { "vectors/trace/mixture.txt", 31, 0, NULL, 22 },
    /* A line of a QoE report that without its beginning looks as if a start line were wrapped in it. */
    { "vectors/trace/found-qoe-in-wrapped-line.txt", 0, 0,
      "2015-09-28T10:00:00.500Z qoe-2 [] sip@46 0||unknown:audio:0x100::\n", 1 },
    /* The line with both addresses ends a packet of UCCAPI, and a body that might hold a start line. */
    { "vectors/trace/found-sngrep-behind-uccapi.txt", 3, 0,
      "2015-09-28T10:00:00.003Z in-uccapi [2 BYE] uccapi@0 51004|Action initiated by user|\n"
      "2015-09-28T10:00:06.500Z behind-fragment [4 BYE] sip@1108 23|Call failed|\n",
      2 },
    { "vectors/trace/found-body-in-other-case.txt", 5, 0,
      "2015-09-28T10:00:00.200Z the-report [9 BYE] ocslogger@1476 23|Call failed|\n", 1 },
};
enum { VECTORS_N = sizeof vectors / sizeof *vectors };

/* The vectors of other tools hold one message with code 23 and hang-ups, each with its own Call-ID; nothing of the wrapping may be left in
 * what is read off them. */
static void other_tools(const char *text, uint64_t reports)
{
    static const char *const wants[] = {
        "@192.0.2.10 [1 INVITE] sip@",
        (" 23|Call failed to establish due to a media connectivity failure|"
         "callee:audio:0x12b:203.0.113.7:50001:198.51.100.20:50002\n"),
        "@192.0.2.10 [2 BYE] sip@",
        " 51004|Action initiated by user|caller:audio:0x100::\n",
    };
    uint64_t lines = 0;

    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
        ck_assert_msg(strstr(text, wants[i]) != NULL, "no %s in:\n%s", wants[i], text);
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    ck_assert_uint_eq(lines, reports);
}

START_TEST(vector_is_read)
{
    size_t n;
    char *p = em_slurp(vectors[_i].file, &n);
    struct run run = run_once(p, n, n);

    if (vectors[_i].want)
        ck_assert_str_eq(buf_str(&run.text), vectors[_i].want);
    else
        other_tools(buf_str(&run.text), vectors[_i].reports);
    ck_assert_uint_eq(run.stats.messages, vectors[_i].messages);
    ck_assert_uint_eq(run.stats.malformed, vectors[_i].malformed);
    buf_fini(&run.text);
    free(p);
}
END_TEST

START_TEST(chunks_do_not_matter)
{
    size_t n;
    char *p = em_slurp(vectors[_i].file, &n);
    struct run want = run_once(p, n, n);

    for (size_t chunk = 1; chunk < 200; chunk += chunk < 8 ? 1 : 13) {
        struct run got = run_once(p, n, chunk);

        same(&want, &got, "chunk", chunk);
    }
    buf_fini(&want.text);
    free(p);
}
END_TEST

static uint64_t reports_in(const char *p, size_t n, uint64_t *messages)
{
    struct run run = run_once(p, n, n ? n : 1);
    uint64_t reports = 0;

    for (const char *at = buf_str(&run.text); (at = strchr(at, '\n')); at++)
        reports++;
    *messages = run.stats.messages;
    buf_fini(&run.text);
    return reports;
}

/* Never more than the whole holds, and never a read beyond the end. A changed byte can cost a message or make one of a line. */
/* Every length and every byte; under a sanitizer a thousand of them. */
START_TEST(truncated_and_changed)
{
    size_t n, step;
    char *p = em_slurp(vectors[_i].file, &n), *exact;
    uint64_t messages;

    step = EM_SANITIZED ? 1 + n / 1000 : 1;
    for (size_t cut = 0; cut <= n; cut += step) {
        exact = malloc(cut + 1);
        memcpy(exact, p, cut);
        ck_assert_uint_le(reports_in(exact, cut, &messages), vectors[_i].reports);
        ck_assert_uint_le(messages, vectors[_i].messages);
        free(exact);
    }
    exact = malloc(n);
    memcpy(exact, p, n);
    for (size_t at = 0; at < n; at += step) {
        static const char flips[] = { 1, 0x20, (char)0x80, 0x55 };

        exact[at] = (char)(p[at] ^ flips[at % sizeof flips]);
        ck_assert_uint_le(reports_in(exact, n, &messages), vectors[_i].reports + 1);
        exact[at] = p[at];
    }
    free(exact);
    free(p);
}
END_TEST

/* The first `head` bytes are pushed, the rest is viewed in windows that grow by `step` bytes, each where a read beyond it is noticed; the
 * last `tail` bytes are pushed again. */
static struct run run_viewed(const char *p, size_t n, size_t head, size_t step, size_t tail)
{
    struct run run = { .text = buf_heap(1 << 20) };
    struct em_reader *r = em_reader_new(on_report, &run.text, NULL);
    struct em_reader_mark mark;
    size_t end = head, room;

    feed(r, p, head, head);
    (void)em_reader_space(r, &room);
    ck_assert_uint_gt(room, 0);
    while (end < n - tail) {
        char *exact;

        em_reader_mark(r, &mark, &run.stats);
        end = n - tail - end < step ? n - tail : end + step;
        exact = malloc(end - mark.offset);
        memcpy(exact, p + mark.offset, end - mark.offset);
        ck_assert_uint_le(em_reader_view(r, exact, end - mark.offset), end - mark.offset);
        if (end == n - tail)
            em_reader_keep(r);
        memset(exact, 'X', end - mark.offset);
        free(exact);
    }
    feed(r, p + n - tail, tail, 7);
    em_reader_finish(r);
    em_reader_mark(r, &mark, &run.stats);
    em_reader_free(r);
    ck_assert_uint_eq(run.stats.bytes, n);
    return run;
}

START_TEST(views_do_not_matter)
{
    size_t n;
    char *p = em_slurp(vectors[_i].file, &n);
    struct run want = run_once(p, n, n);

    ck_assert_uint_gt(n, 1024 + 20);
    for (size_t step = 1; step < 900; step += step < 8 ? 1 : 13) {
        struct run got = run_viewed(p, n, 1024, step, step % 3 * 10);

        same(&want, &got, "step", step);
    }
    buf_fini(&want.text);
    free(p);
}
END_TEST

/* Cut at every byte, take the mark, throw the reader away, go on from the mark with a new one: nothing is lost or counted twice. */
START_TEST(every_mark_is_a_place_to_go_on)
{
    size_t n;
    char *p = em_slurp(vectors[_i].file, &n);
    struct run want = run_once(p, n, n);

    for (size_t cut = 0; cut <= n; cut++) {
        struct run got = { .text = buf_heap(1 << 20) };
        struct em_reader *r = em_reader_new(on_report, &got.text, NULL);
        struct em_reader_stats first, second;
        struct em_reader_mark mark, end;

        feed(r, p, cut, n);
        em_reader_mark(r, &mark, &first);
        em_reader_free(r);
        ck_assert_uint_le(mark.offset, cut);
        ck_assert_uint_eq(first.bytes, mark.offset);
        r = em_reader_new(on_report, &got.text, &mark);
        feed(r, p + mark.offset, n - mark.offset, n);
        em_reader_finish(r);
        em_reader_mark(r, &end, &second);
        em_reader_free(r);
        got.stats.messages = first.messages + second.messages;
        got.stats.malformed = first.malformed + second.malformed;
        ck_assert_uint_eq(first.bytes + second.bytes, n);
        same(&want, &got, "cut", cut);
    }
    buf_fini(&want.text);
    free(p);
}
END_TEST

/* The same text with other line ends and in other encodings gives the same reports; only offsets differ. */
static char *encode(const char *p, size_t n, const char *how, size_t *out)
{
    bool le = strstr(how, "le") != NULL, wide = strstr(how, "utf16") != NULL;
    const char *bom = strstr(how, "bom") ? (wide ? (le ? "\xff\xfe" : "\xfe\xff") : "\xef\xbb\xbf") : "";
    char *to = malloc(4 * n + 8);
    size_t k = strlen(bom);

    memcpy(to, bom, k);
    for (size_t i = 0; i < n; i++) {
        char unit[3] = { p[i] };
        size_t m = 1;

        if (p[i] == '\n' && strstr(how, "crlf"))
            memcpy(unit, strstr(how, "crcrlf") ? "\r\r\n" : "\r\n", m = strstr(how, "crcrlf") ? 3 : 2);
        else if (p[i] == '\n' && strstr(how, "cr"))
            unit[0] = '\r';
        for (size_t j = 0; j < m; j++) {
            if (wide && !le)
                to[k++] = 0;
            to[k++] = unit[j];
            if (wide && le)
                to[k++] = 0;
        }
    }
    *out = k;
    return to;
}

/* Takes "@offset" out of the text. */
static void without_offsets(struct buf *b)
{
    char *from = (char *)(uintptr_t)buf_str(b), *to = from;

    while (*from) {
        if (*from == '@' && from[1] >= '0' && from[1] <= '9' && from > (char *)b->p && from[-1] != 'c')
            for (from++; *from >= '0' && *from <= '9';)
                from++;
        else
            *to++ = *from++;
    }
    *to = '\0';
    b->n = (size_t)(to - (char *)b->p);
}

START_TEST(encodings_and_line_ends_do_not_matter)
{
    static const char *const hows[] = { "bom",         "crlf",    "crcrlf",  "cr",           "utf16le bom",
                                        "utf16be bom", "utf16le", "utf16be", "utf16le crlf", "utf16be cr" };
    size_t n;
    char *p = em_slurp(vectors[_i].file, &n);
    struct run want = run_once(p, n, n);

    without_offsets(&want.text);
    for (size_t h = 0; h < sizeof hows / sizeof *hows; h++) {
        size_t m;
        char *other = encode(p, n, hows[h], &m);
        struct run got = { .text = buf_heap(1 << 20) };
        struct em_reader *r = em_reader_new(on_report, &got.text, NULL);
        struct em_reader_mark mark;

        feed(r, other, m, 777);
        em_reader_finish(r);
        em_reader_mark(r, &mark, &got.stats);
        ck_assert_uint_eq(mark.offset, m);
        em_reader_free(r);
        without_offsets(&got.text);
        same(&want, &got, hows[h], h);
        free(other);
    }
    buf_fini(&want.text);
    free(p);
}
END_TEST

START_TEST(a_quiet_log_gives_its_last_message)
{
    static const char text[] =
        "BYE sip:a@b.example SIP/2.0\r\nCall-ID: c1\r\nms-client-diagnostics: 23; reason=\"R\"\r\n";
    static const char more[] =
        "\r\nBYE sip:a@b.example SIP/2.0\r\nCall-ID: c2\r\nms-client-diagnostics: 24\r\n\r\n";
    struct run run = { .text = buf_heap(1 << 20) };
    struct em_reader *r = em_reader_new(on_report, &run.text, NULL);

    feed(r, text, sizeof text - 1 - 5, 1000);
    em_reader_idle(r); /* the line is not whole */
    ck_assert_uint_eq(run.text.n, 0);
    feed(r, text + sizeof text - 1 - 5, 5, 1000);
    em_reader_idle(r);
    ck_assert_ptr_nonnull(strstr(buf_str(&run.text), "c1"));
    feed(r, more, sizeof more - 1, 1000);
    ck_assert_ptr_nonnull(strstr(buf_str(&run.text), "c2"));
    em_reader_free(r);
    buf_fini(&run.text);
}
END_TEST

struct told {
    unsigned reports, again;
    uint32_t last_code, ice;
};

static void tell(void *arg, const struct em_report *r)
{
    struct told *t = arg;
    bool known;

    t->reports += !r->again;
    t->again += r->again;
    t->last_code = r->code;
    t->ice |= em_report_ice(r, &known);
}

/* A writer pauses at each line of a message in turn, for good or until the process was started again; nothing is lost or told twice. */
START_TEST(a_message_may_pause)
{
    static const char text[] = "BYE sip:a@b.example SIP/2.0\nms-client-diagnostics: 23; reason=\"R\"\n"
                               "Call-ID: c1\nCSeq: 3 BYE\nms-client-diagnostics: 24; reason=\"S\"\n"
                               " ;CalleeMediaDebug=\"audio:ICEWarn=0x100\"\nContent-Length: 0\n\n";

    for (int restart = 0; restart < 2; restart++)
        for (size_t cut = 1; cut < sizeof text - 1; cut++) {
            struct told told = { 0 };
            struct em_reader *r = em_reader_new(tell, &told, NULL);
            struct em_reader_mark mark;
            struct em_reader_stats stats, more = { 0 };

            feed(r, text, cut, 1000);
            em_reader_idle(r);
            em_reader_idle(r);
            em_reader_mark(r, &mark, &stats);
            if (restart) {
                em_reader_free(r);
                r = em_reader_new(tell, &told, &mark);
                feed(r, text + mark.offset, sizeof text - 1 - mark.offset, 7);
                em_reader_mark(r, &mark, &more);
            } else {
                feed(r, text + cut, sizeof text - 1 - cut, 7);
                em_reader_mark(r, &mark, &stats);
            }
            em_reader_idle(r);
            em_reader_mark(r, &mark, restart ? &more : &stats);
            ck_assert_msg(told.reports == 2 && told.ice == 0x100 && told.last_code == 24,
                          "cut at %zu, restart %d: %u reports, ice 0x%x", cut, restart, told.reports,
                          told.ice);
            ck_assert_msg(stats.messages + more.messages == 1 && stats.malformed + more.malformed == 0,
                          "cut at %zu, restart %d: %u messages", cut, restart,
                          (unsigned)(stats.messages + more.messages));
            ck_assert_uint_eq(mark.offset, sizeof text - 1);
            em_reader_free(r);
        }
}
END_TEST

static const char message[] =
    "\nBYE sip:a@b.example SIP/2.0\r\nCall-ID: c1\r\nms-client-diagnostics: 23; reason=\"R\"\r\n\r\n";

/* A gigabyte without a line end would do as well: the window is bounded, and what follows is not lost. */
START_TEST(endless_lines_and_nuls_are_passed_over)
{
    static const char fills[] = { 'x', '\0', ' ', ';' };
    struct run run = { .text = buf_heap(1 << 20) };
    struct em_reader *r = em_reader_new(on_report, &run.text, NULL);
    char *fill = malloc(300 * 1024);
    struct em_reader_stats stats;
    struct em_reader_mark mark;

    memset(fill, fills[_i], 300 * 1024);
    ck_assert_int_eq(em_reader_push(r, message, sizeof message - 1), 0);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(em_reader_push(r, fill, 300 * 1024), 0);
    ck_assert_int_eq(
        em_reader_push(r, message + (fills[_i] == '\0'), sizeof message - 1 - (fills[_i] == '\0')), 0);
    em_reader_mark(r, &mark, &stats);
    ck_assert_uint_eq(stats.messages, 2);
    ck_assert_uint_eq(stats.malformed, 0);
    em_reader_free(r);
    buf_fini(&run.text);
    free(fill);
}
END_TEST

START_TEST(headers_without_end_are_malformed)
{
    struct run run = { .text = buf_heap(1 << 20) };
    struct em_reader *r = em_reader_new(on_report, &run.text, NULL);
    struct em_reader_stats stats;
    struct em_reader_mark mark;

    feed(r, "BYE sip:a@b.example SIP/2.0\nCall-ID: c0\n", 41, 1000);
    for (int i = 0; i < 2 * EM_READER_MESSAGE_MAX / 16; i++)
        ck_assert_int_eq(em_reader_push(r, "Via: 123456789A\n", 16), 0);
    feed(r, message, sizeof message - 1, 1000);
    em_reader_mark(r, &mark, &stats);
    ck_assert_uint_eq(stats.messages, 2);
    ck_assert_uint_eq(stats.malformed, 1);
    ck_assert_ptr_nonnull(strstr(buf_str(&run.text), "c1"));
    em_reader_free(r);
    buf_fini(&run.text);
}
END_TEST

START_TEST(binary_files_are_refused_with_a_word)
{
    static const struct {
        const char *head;
        size_t n;
        const char *word;
    } rows[] = { { "\x1f\x8b\x08\x00", 4, "gzip" },
                 { "\x28\xb5\x2f\xfd", 4, "zstd" },
                 { "\xd4\xc3\xb2\xa1", 4, "capture" },
                 { "\x00\x00\x01\x00\x02\x00\x00\x00", 8, "etl" } };
    struct em_clock_fake fake = { .seed = 7 };
    struct em_clock clock = em_clock_fake(&fake);
    char noise[4096];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct em_reader *r = em_reader_new(on_report, NULL, NULL);

        em_random(&clock, noise, sizeof noise);
        memcpy(noise, rows[i].head, rows[i].n);
        ck_assert_int_eq(em_reader_push(r, noise, sizeof noise), EM_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(em_reader_refusal(r), rows[i].word) != NULL, "%s: %s", rows[i].word,
                      em_reader_refusal(r));
        em_reader_free(r);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("evidence");

    tcase_add_loop_test(t, header_is_read, 0, sizeof header_rows / sizeof *header_rows);
    tcase_add_loop_test(t, header_is_cut_anywhere, 0, sizeof header_rows / sizeof *header_rows);
    tcase_add_test(t, ice_values);
    tcase_add_test(t, a_call_counts_once);
    tcase_add_test(t, codes);
    tcase_add_loop_test(t, vector_is_read, 0, VECTORS_N);
    tcase_add_loop_test(t, truncated_and_changed, 0, VECTORS_N);
    tcase_add_loop_test(t, chunks_do_not_matter, 0, VECTORS_N);
    tcase_add_loop_test(t, views_do_not_matter, 0, VECTORS_N);
    tcase_add_loop_test(t, every_mark_is_a_place_to_go_on, 0, VECTORS_N);
    tcase_add_loop_test(t, encodings_and_line_ends_do_not_matter, 0, VECTORS_N);
    tcase_add_test(t, a_quiet_log_gives_its_last_message);
    tcase_add_test(t, a_message_may_pause);
    tcase_add_loop_test(t, endless_lines_and_nuls_are_passed_over, 0, 4);
    tcase_add_test(t, headers_without_end_are_malformed);
    tcase_add_test(t, binary_files_are_refused_with_a_word);
    return em_run();
}
