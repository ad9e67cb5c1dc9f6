/* SPDX-License-Identifier: GPL-3.0-or-later
 * The written faces: metrics keep both text formats' rules and satisfy promtool, JSON has the members that others rely on. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "expo/expo.h"
#include "harness.h"

#define HOSTILE "a\"b\\c\nd\x01\xff|<&>"

static struct em_snapshot *sample(void)
{
    size_t counts[EM_T_COUNT] = { [EM_T_EDGE] = 1, [EM_T_CHECK] = 2, [EM_T_SOURCE] = 1, [EM_T_CODE] = 2,
                                  [EM_T_ICE] = 2,  [EM_T_MEDIA] = 1, [EM_T_FAILURE] = 2 };
    struct em_snapshot *s = em_snapshot_new(counts);
    struct em_totals *totals = em_snapshot_row(s, EM_T_TOTALS, 0);
    struct em_windows *windows = em_snapshot_row(s, EM_T_WINDOWS, 0);
    struct em_daemon *daemon = em_snapshot_row(s, EM_T_DAEMON, 0);
    struct em_edge_row *edge = em_snapshot_row(s, EM_T_EDGE, 0);
    struct em_source_row *source = em_snapshot_row(s, EM_T_SOURCE, 0);

    *totals = (struct em_totals) { .code_23 = UINT64_MAX, .bytes = 5, .calls = 3 };
    *windows = (struct em_windows) { .code_23_5m = 1, .code_23_1h = 2, .code_23_1d = 3 };
    *daemon = (struct em_daemon) { .version = "1.2.3", .start_time = INT64_C(1700000000123456) };
    *edge = (struct em_edge_row) { 1, HOSTILE, EM_VERDICT_OK, 2, 1, 0 };
    *source = (struct em_source_row) { .source = 1, .name = "fe", .type = 1, .state = 3 };
    for (uint32_t i = 0; i < 2; i++) {
        struct em_check_row *check = em_snapshot_row(s, EM_T_CHECK, i);
        struct em_failure_row *failure = em_snapshot_row(s, EM_T_FAILURE, i);

        *check = (struct em_check_row) { .edge = 1,
                                         .check = 1,
                                         .address_index = i + 1,
                                         .edge_name = HOSTILE,
                                         .name = "c",
                                         .port = 3478,
                                         .transport = 1,
                                         .dialect = 2,
                                         .verdict = EM_VERDICT_DEGRADED,
                                         .up = 1,
                                         .stun_us = 1500000 };
        snprintf(check->address, sizeof check->address, "192.0.2.%" PRIu32, i + 1);
        check->connect_us = i * 2;
        *failure = (struct em_failure_row) { .failure = i + 1,
                                             .code = 23,
                                             .code_class = 1,
                                             .side = 1,
                                             .media = 4,
                                             .ice_known = 2 - i,
                                             .ice_warnings = 0x8000100,
                                             .format = 2,
                                             .reason = HOSTILE };
    }
    *(struct em_code_row *)em_snapshot_row(s, EM_T_CODE, 0) = (struct em_code_row) { 24, 23, "m", 1, 7 };
    *(struct em_code_row *)em_snapshot_row(s, EM_T_CODE, 1) = (struct em_code_row) { 25, 24, "m", 1, 0 };
    *(struct em_ice_row *)em_snapshot_row(s, EM_T_ICE, 0) =
        (struct em_ice_row) { 9, "0x100", "tcp-nat", "t", 1, 4 };
    *(struct em_ice_row *)em_snapshot_row(s, EM_T_ICE, 1) =
        (struct em_ice_row) { 10, "0x200", "x", "t", 2, 0 };
    *(struct em_media_row *)em_snapshot_row(s, EM_T_MEDIA, 0) =
        (struct em_media_row) { 4, "application-sharing", 2 };
    em_snapshot_finish(s);
    return s;
}

static char *metrics(bool openmetrics)
{
    struct em_snapshot *s = sample();
    struct buf b = buf_heap(EM_EXPO_MAX);
    char *text;

    em_expo_metrics(s, openmetrics, &b);
    ck_assert(!b.full);
    text = strdup(buf_str(&b));
    buf_fini(&b);
    free(s);
    return text;
}

START_TEST(metrics_have_these_lines)
{
    static const struct {
        bool openmetrics;
        const char *line;
    } rows[] = {
        { true, "# TYPE edgemedia_code23_failures counter\n# HELP edgemedia_code23_failures Calls with" },
        { true, "\nedgemedia_code23_failures_total 18446744073709551615\n" },
        { false, "# TYPE edgemedia_code23_failures_total counter\nedgemedia_code23_failures_total 1844" },
        { true, "# TYPE edgemedia_read_bytes counter\n# UNIT edgemedia_read_bytes bytes\n# HELP " },
        { true, "# TYPE edgemedia_build info\n# HELP edgemedia_build Version of edgemediad.\n"
                "edgemedia_build_info{version=\"1.2.3\"} 1\n" },
        { false, "# TYPE edgemedia_build_info gauge\nedgemedia_build_info{version=\"1.2.3\"} 1\n" },
        { true, "\nedgemedia_start_timestamp_seconds 1700000000.123456\n" },
        { true, "edgemedia_recent_code_23_calls{window=\"5m\"} 1\n"
                "edgemedia_recent_code_23_calls{window=\"1h\"} 2\n"
                "edgemedia_recent_code_23_calls{window=\"1d\"} 3\n" },
        { true, "# UNIT edgemedia_recent_code_23_calls calls\n" },
        { true, "# UNIT edgemedia_check_phase_seconds seconds\n" },
        { true, ",check=\"c\",address=\"192.0.2.1\",phase=\"stun\"} 1.5\n" },
        { true, ",check=\"c\",address=\"192.0.2.2\",phase=\"connect\"} 0.000002\n" },
        { true,
          "{edge=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\xEF\xBF\xBD|<&>\",check=\"c\",address=\"192.0.2.1\"} 1\n" },
        { true, "\nedgemedia_call_failures_total{code=\"23\"} 7\n"
                "edgemedia_call_failures_total{code=\"24\"} 0\n" },
        { true, "\nedgemedia_ice_warnings_total{warning=\"0x100\",name=\"tcp-nat\"} 4\n" },
        { true, "\nedgemedia_source_last_read_timestamp_seconds{source=\"fe\"} 0\n" },
        { true, "\n# EOF\n" },
    };
    char *text[2] = { metrics(false), metrics(true) };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(strstr(text[rows[i].openmetrics], rows[i].line), "not there: %s\nin:\n%s", rows[i].line,
                      text[rows[i].openmetrics]);
    ck_assert_ptr_null(strstr(text[0], "# EOF"));
    ck_assert_ptr_null(strstr(text[0], "# UNIT"));
    ck_assert_ptr_null(strstr(text[1], "192.0.2.1\",phase=\"connect\""));
    ck_assert_ptr_null(strstr(text[1], "phase=\"tls\""));
    free(text[0]);
    free(text[1]);
}
END_TEST

/* The family of a sample is the one whose head stands above it; no head comes twice; TYPE, UNIT, HELP in this order. */
START_TEST(families_are_whole)
{
    char *text = metrics(true), *save = NULL, family[160] = "", seen[16384] = " ";
    char last = 'H';

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[128];

        if (strcmp(line, "# EOF") == 0)
            break;
        if (line[0] != '#') {
            ck_assert_msg(strncmp(line, family, strlen(family)) == 0, "%s under %s", line, family);
            ck_assert_msg(strchr("{_ ", line[strlen(family)]), "%s under %s", line, family);
            last = 'S';
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)strcspn(line + 7, " "), line + 7);
        if (line[2] == 'T') {
            ck_assert(last == 'H' || last == 'S');
            snprintf(family, sizeof family, " %s ", name);
            ck_assert_msg(!strstr(seen, family), "%s twice", family);
            ck_assert(strlen(seen) + sizeof family < sizeof seen);
            strcat(seen, family + 1);
            snprintf(family, sizeof family, "%s", name);
        } else {
            ck_assert_str_eq(name, family);
            ck_assert(line[2] == 'U' ? last == 'T' : last == 'T' || last == 'U');
        }
        last = line[2];
    }
    free(text);
}
END_TEST

START_TEST(help_needs_no_escape)
{
    for (size_t t = 0; t < EM_T_COUNT; t++)
        for (size_t i = 0; i < em_catalogue[t].fields_n; i++)
            ck_assert_ptr_null(strpbrk(em_catalogue[t].fields[i].help, "\\\"\n"));
}
END_TEST

START_TEST(promtool_has_nothing_to_say)
{
    char *text = metrics(false), said[1024];
    FILE *to = NULL;
    char name[] = "/tmp/em-expo-XXXXXX", command[128];
    int fd;

    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        free(text);
        return;
    }
    fd = mkstemp(name);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    snprintf(command, sizeof command, "promtool check metrics <%s 2>&1", name);
    to = popen(command, "r");
    ck_assert_ptr_nonnull(to);
    said[fread(said, 1, sizeof said - 1, to)] = '\0';
    ck_assert_msg(pclose(to) == 0 && !*said, "%s", said);
    unlink(name);
    free(text);
}
END_TEST

START_TEST(metrics_that_do_not_fit_are_marked)
{
    struct em_snapshot *s = sample();
    char small[1000];
    struct buf b = buf_over(small, sizeof small);

    em_expo_metrics(s, true, &b);
    ck_assert(b.full);
    free(s);
}
END_TEST

static struct json_object *parsed(struct buf *b)
{
    enum json_tokener_error error;
    struct json_object *o = json_tokener_parse_verbose(buf_str(b), &error);

    ck_assert_msg(o && error == json_tokener_success, "%s: %s", json_tokener_error_desc(error), buf_str(b));
    ck_assert_ptr_eq(strchr(buf_str(b), '\n'), buf_str(b) + b->n - 1);
    buf_fini(b);
    return o;
}

/* A path such as "checks.0.stun_us" as text; "-" when it is not there. */
static const char *at(struct json_object *o, const char *path)
{
    char part[64];

    for (; o && *path; path += *path == '.') {
        size_t n = strcspn(path, ".");

        snprintf(part, sizeof part, "%.*s", (int)n, path);
        path += n;
        if (json_object_is_type(o, json_type_array))
            o = json_object_array_get_idx(o, (size_t)strtoul(part, NULL, 10));
        else if (!json_object_object_get_ex(o, part, &o))
            return "-";
    }
    return o ? json_object_get_string(o) : "null";
}

struct want {
    const char *path, *value;
};

static void check_all(struct json_object *o, const struct want *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(strcmp(at(o, w[i].path), w[i].value) == 0, "%s: want %s, got %s", w[i].path, w[i].value,
                      at(o, w[i].path));
    json_object_put(o);
}

START_TEST(status_has_these_members)
{
    static const struct want want[] = {
        { "schema_version", "1" },
        { "code_23", "18446744073709551615" },
        { "calls", "3" },
        { "discontinuity_time", "-" },
        { "codes", "{ \"23\": 7 }" },
        { "ice_warnings", "{ \"0x100\": 4 }" },
        { "media", "{ \"application-sharing\": 2 }" },
        { "recent.code_23_1h", "2" },
        { "daemon.version", "1.2.3" },
        { "daemon.start_time", "2023-11-14T22:13:20.123Z" },
        { "daemon.config_time", "-" },
        { "edges.0.verdict", "ok" },
        { "edges.0.name", "a\"b\\c\nd\x01\xEF\xBF\xBD|<&>" },
        { "checks.0.connect_us", "-" },
        { "checks.1.connect_us", "2" },
        { "checks.1.address", "192.0.2.2" },
        { "checks.0.transport", "udp" },
        { "diagnostic_codes.1.number", "24" },
        { "ice_warning_bits.0.benign", "true" },
        { "recent_failures.0.ice_warnings", "null" },
        { "recent_failures.1.ice_warnings", "0x8000100" },
        { "recent_failures.0.media", "application-sharing" },
    };
    struct em_snapshot *s = sample();
    struct buf b = buf_heap(EM_EXPO_MAX);

    em_expo_status(s, &b);
    check_all(parsed(&b), want, sizeof want / sizeof *want);
    free(s);
}
END_TEST

START_TEST(scan_has_these_members)
{
    static const struct want want[] = {
        { "schema_version", "1" },
        { "bytes", "9" },
        { "messages", "0" },
        { "media_failures", "1" },
        { "totals", "-" },
        { "discontinuity_time", "-" },
        { "codes", "{ \"23\": 2, \"51004\": 1 }" },
        { "ice_warnings", "{ \"0x100\": 3, \"0x80000000\": 1 }" },
        { "media", "{ \"application-sharing\": 1 }" },
    };
    struct em_scan_result *r = calloc(1, sizeof *r);
    struct buf b = buf_heap(EM_EXPO_MAX);

    ck_assert_ptr_nonnull(r);
    r->totals.bytes = 9;
    r->totals.media_failures = 1;
    r->codes[0].code = 23;
    r->codes[0].calls = 2;
    r->codes[1].code = 51004;
    r->codes[1].calls = 1;
    r->codes_n = 2;
    r->ice[8] = 3;
    r->ice[31] = 1;
    r->media[EM_MEDIA_APPLICATION_SHARING - 1] = 1;
    em_expo_scan(r, &b);
    check_all(parsed(&b), want, sizeof want / sizeof *want);
    free(r);
}
END_TEST

START_TEST(failure_has_these_members)
{
    static const struct want want[] = {
        { "time", "2026-11-23T05:02:00Z" },
        { "call_id", "x@y" },
        { "cseq", "2 BYE" },
        { "code", "23" },
        { "reason", "r" },
        { "side", "callee" },
        { "media", "audio" },
        { "ice_warnings", "null" },
        { "local_relay", "" },
        { "remote_relay", "192.0.2.9:1" },
        { "from", "" },
        { "to", "" },
        { "format", "sip" },
        { "file", "f.log" },
        { "offset", "77" },
        { "source", "-" },
        { "failure", "-" },
        { "ice_known", "-" },
    };
    struct em_failure_row row = { .time = INT64_C(1795410120000000),
                                  .call_id = "x@y",
                                  .cseq = "2 BYE",
                                  .code = 23,
                                  .reason = "r",
                                  .side = EM_SIDE_CALLEE,
                                  .code_class = 1,
                                  .media = EM_MEDIA_AUDIO,
                                  .ice_known = 2,
                                  .remote_relay = "192.0.2.9:1",
                                  .format = EM_FORMAT_SIP,
                                  .file = "f.log",
                                  .offset = 77 };
    struct buf b = buf_heap(EM_EXPO_MAX);

    em_expo_failure(&row, &b);
    check_all(parsed(&b), want, sizeof want / sizeof *want);
}
END_TEST

START_TEST(probe_has_these_members)
{
    static const struct want want[] = {
        { "uri", "stun:h" },
        { "address", "192.0.2.1" },
        { "port", "3478" },
        { "transport", "tcp" },
        { "dialect", "rfc" },
        { "verdict", "silent" },
        { "reason", "no answer" },
        { "phases", "{ \"connect_us\": 5 }" },
        { "rtt_us", "null" },
        { "retransmits", "3" },
        { "mapped_address", "null" },
        { "software", "x" },
        { "sent", "20" },
        { "received", "0" },
        { "loss", "null" },
        { "relayed_address", "null" },
        { "certificate_days_left", "null" },
    };
    struct em_probe_uri uri = { .text = "stun:h" };
    struct em_probe_result r = { .address = "192.0.2.1",
                                 .port = 3478,
                                 .transport = EM_TRANSPORT_TCP,
                                 .dialect = EM_DIALECT_RFC,
                                 .verdict = EM_VERDICT_SILENT,
                                 .reason = "no answer",
                                 .connect_us = 5,
                                 .retransmits = 1,
                                 .tcp_retransmits = 2,
                                 .sent = 20,
                                 .software = "x" };
    struct buf b = buf_heap(EM_EXPO_MAX);

    em_expo_probe(&uri, &r, &b);
    check_all(parsed(&b), want, sizeof want / sizeof *want);
}
END_TEST

int main(void)
{
    TCase *t = em_case("expo");

    tcase_add_test(t, metrics_have_these_lines);
    tcase_add_test(t, families_are_whole);
    tcase_add_test(t, help_needs_no_escape);
    tcase_add_test(t, promtool_has_nothing_to_say);
    tcase_add_test(t, metrics_that_do_not_fit_are_marked);
    tcase_add_test(t, status_has_these_members);
    tcase_add_test(t, scan_has_these_members);
    tcase_add_test(t, failure_has_these_members);
    tcase_add_test(t, probe_has_these_members);
    return em_run();
}
