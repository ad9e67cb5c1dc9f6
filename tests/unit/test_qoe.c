/* SPDX-License-Identifier: GPL-3.0-or-later
 * QoE reports: as files, in bodies of every framing, cut off, before and behind their call, and what would fill memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "evidence/peer.h"
#include "evidence/qoe.h"
#include "evidence/reader.h"
#include "evidence/scan.h"
#include "harness.h"

static struct em_scan_result scan(const char *p, size_t n)
{
    struct em_scan *s = em_scan_new(NULL, NULL);
    struct em_scan_result result;
    FILE *f = tmpfile();

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(p, 1, n, f), n);
    rewind(f);
    ck_assert_int_eq(em_scan_fd(s, fileno(f), "qoe", NULL, NULL, NULL), 0);
    result = *em_scan_result(s);
    fclose(f);
    em_scan_free(s);
    return result;
}

START_TEST(a_file)
{
    size_t n;
    char *p = em_slurp("vectors/trace/qoe-file.txt", &n);
    struct em_scan_result r = scan(p, n);

    ck_assert(r.totals.reports == 1 && r.totals.calls == 1 && r.totals.tcp_nat_check == 1);
    ck_assert(r.codes_n == 0 && r.totals.media_failures == 0 && r.totals.code_23 == 0 &&
              r.totals.messages == 0);
    ck_assert(r.ice[27] == 1 && r.ice[8] == 1);
    free(p);
}
END_TEST

/* A client's log (cut off, then the call), a server's record, a line of syslog, plain SIP (then the call). */
START_TEST(bodies_of_every_framing)
{
    size_t n;
    char *p = em_slurp("vectors/trace/qoe-mixture.txt", &n);
    struct em_scan_result r = scan(p, n);

    ck_assert_uint_eq(r.totals.messages, 6);
    ck_assert_uint_eq(r.totals.malformed, 0);
    ck_assert_uint_eq(r.totals.reports, 6);
    ck_assert_uint_eq(r.totals.calls, 4);
    ck_assert_uint_eq(r.totals.code_23, 2);
    ck_assert_uint_eq(r.totals.tcp_nat_check, 2);
    ck_assert_uint_eq(r.totals.code_23_tcp_nat, 1); /* joined to its call, whichever came first */
    ck_assert(r.ice[8] == 2 && r.ice[2] == 1 && r.ice[1] == 1 && r.ice[4] == 1);
    free(p);
}
END_TEST

START_TEST(the_call_may_come_first)
{
    static const char bye[] = "BYE sip:a@b.example SIP/2.0\nCall-ID: qoe-1\nms-client-diagnostics: 23\n\n";
    size_t n;
    char *p = em_slurp("vectors/trace/qoe-file.txt", &n), *both = malloc(n + sizeof bye);
    struct em_scan_result r;

    memcpy(both, bye, sizeof bye - 1);
    memcpy(both + sizeof bye - 1, p, n);
    r = scan(both, n + sizeof bye - 1);
    ck_assert(r.totals.calls == 1 && r.totals.code_23_tcp_nat == 1 && r.totals.duplicates == 0);
    memcpy(both, p, n);
    memcpy(both + n, bye, sizeof bye - 1);
    r = scan(both, n + sizeof bye - 1);
    ck_assert(r.totals.calls == 1 && r.totals.code_23_tcp_nat == 1);
    free(both);
    free(p);
}
END_TEST

START_TEST(what_it_tells)
{
    size_t n;
    char *p = em_slurp("vectors/trace/qoe-file.txt", &n);
    struct qoe q;

    ck_assert(qoe_read((struct slice) { p, n }, &q));
    ck_assert_str_eq(q.call_id, "qoe-1");
    ck_assert_str_eq(q.from, "sip:kari@contoso.example");
    ck_assert_int_eq(q.time_us, INT64_C(1443434400500000));
    ck_assert(q.media_n == 2 && q.media[0].media == EM_MEDIA_AUDIO && q.media[0].ice == 0x8000100 &&
              q.media[0].side == EM_SIDE_CALLER && q.media[1].media == EM_MEDIA_VIDEO && q.media[1].ice == 0);
    for (size_t cut = 0; cut <= n; cut++) { /* a value whose end is not there does not count */
        char *exact = malloc(cut + 1);
        bool told;

        memcpy(exact, p, cut);
        told = qoe_read((struct slice) { exact, cut }, &q);
        ck_assert(told == (cut > (size_t)(strstr(p, "</IceWarningFlags>") - p) + 17));
        ck_assert(!told || q.media[0].ice == 0x8000100);
        free(exact);
    }
    free(p);
}
END_TEST

static void relay_and_domain(void *arg, const struct em_report *r)
{
    char relay[EM_ADDRESS_MAX], domain[EM_TEXT_MAX];

    ++*(int *)arg;
    ck_assert(!em_report_relay(r, relay));
    ck_assert_str_eq(relay, "");
    ck_assert(em_report_domain(r, domain));
    ck_assert_str_eq(domain, "fabrikam.example");
}

/* RelayAddress is the reporter's own relay. */
START_TEST(its_relay_is_not_the_far_one)
{
    size_t n;
    char *p = em_slurp("vectors/trace/qoe-file.txt", &n);
    int told = 0;
    struct em_reader *r = em_reader_new(relay_and_domain, &told, NULL);

    ck_assert_ptr_nonnull(strstr(p, "<RelayAddress>"));
    ck_assert_int_eq(em_reader_push(r, p, n), 0);
    em_reader_finish(r);
    ck_assert_int_eq(told, 1);
    em_reader_free(r);
    free(p);
}
END_TEST

START_TEST(bombs)
{
    size_t n;
    char *p = em_slurp("vectors/trace/qoe-bomb.txt", &n);
    struct buf deep = buf_heap(4 * QOE_MAX);
    struct qoe q;

    ck_assert(!qoe_read((struct slice) { p, n }, &q));
    buf_text(&deep, "<VQReportEvent>");
    while (deep.n < QOE_MAX)
        buf_text(&deep, "<a b='c'>");
    buf_text(&deep, "<MediaLine Label='main-audio'><IceWarningFlags>256</IceWarningFlags></MediaLine>");
    ck_assert(!qoe_read((struct slice) { (const char *)deep.p, deep.n }, &q));
    buf_fini(&deep);
    free(p);
}
END_TEST

int main(void)
{
    TCase *t = em_case("qoe");

    tcase_add_test(t, a_file);
    tcase_add_test(t, bodies_of_every_framing);
    tcase_add_test(t, the_call_may_come_first);
    tcase_add_test(t, what_it_tells);
    tcase_add_test(t, its_relay_is_not_the_far_one);
    tcase_add_test(t, bombs);
    return em_run();
}
