/* SPDX-License-Identifier: GPL-3.0-or-later
 * Sources that ask log servers: the questions of each preset, places, and polls against a server that is a few lines of this file, on a
 * clock that is moved. What real sockets do is in tests/system/test_http_source.py. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "harness.h"
#include "replay/net_play.h"
#include "source/http_poll.h"
#include "store/store.h"

enum { RECORDS_MAX = 64, TEXT_MAX = 512, HOUR_S = 3600 };

static struct em_why why;

/* --- questions ----------------------------------------------------------------------------------------------------- */

static struct em_source_conf conf_of(const char *preset, const char *url)
{
    struct em_source_conf c;

    memset(&c, 0, sizeof c);
    c.type = EM_SOURCE_HTTP;
    (void)slice_copy(slice_of("logs"), c.name, sizeof c.name);
    (void)slice_copy(slice_of(preset), c.preset, sizeof c.preset);
    (void)slice_copy(slice_of(url), c.http.url, sizeof c.http.url);
    c.interval_us = 10 * EM_US_PER_S;
    c.overlap_us = 60 * EM_US_PER_S;
    c.since_us = HOUR_S * EM_US_PER_S;
    c.timeout_us = 30 * EM_US_PER_S;
    return c;
}

static const struct question {
    const char *preset, *url, *query, *index, *after;
    const char *want_url, *want_body;
} questions[] = {
    { "loki", "http://h:3100/", "{job=\"a b\"}|=`%`", "", "",
      "http://h:3100/loki/api/v1/"
      "query_range?query=%7Bjob%3D%22a%20b%22%7D%7C%3D%60%25%60&start=1700000000123456789"
      "&end=1700000100000000001&limit=500&direction=forward",
      "" },
    { "elasticsearch", "https://h", "a:\"b\"", "sip-*", "", "https://h/sip-%2A/_search",
      "{\"size\":500,\"track_total_hits\":false,\"query\":{\"bool\":{\"filter\":[{\"range\":{\"@timestamp\":{"
      "\"gte\":1700000000123,"
      "\"lt\":1700000100001,\"format\":\"epoch_millis\"}}},{\"query_string\":{\"query\":\"a:\\\"b\\\"\"}}]}},"
      "\"sort\":["
      "{\"@timestamp\":{\"order\":\"asc\"}},{\"_doc\":{\"order\":\"asc\"}}]}" },
    { "opensearch", "https://h", "", "sip", "[1700000000123,7]", "https://h/sip/_search",
      "{\"size\":500,\"track_total_hits\":false,\"query\":{\"bool\":{\"filter\":[{\"range\":{\"@timestamp\":{"
      "\"gte\":1700000000123,"
      "\"lt\":1700000100001,\"format\":\"epoch_millis\"}}}]}},\"sort\":[{\"@timestamp\":{\"order\":\"asc\"}},"
      "{\"_doc\":{"
      "\"order\":\"asc\"}}],\"search_after\":[1700000000123,7]}" },
    { "homer7", "https://h/", "", "", "", "https://h/api/v3/search/call/data",
      "{\"timestamp\":{\"from\":1700000000000,\"to\":1700000101000},\"param\":{\"search\":{\"1_call\":[{"
      "\"name\":\"raw\",\"value\":"
      "\"%diagnostics%\",\"type\":\"string\",\"hepid\":1},{\"name\":\"limit\",\"value\":\"500\",\"type\":"
      "\"string\",\"hepid\":1}]},"
      "\"location\":{\"node\":[]},\"limit\":500,\"orlogic\":false,\"transaction\":{},\"timezone\":{\"value\":"
      "0,\"name\":\"UTC\"}}}" },
    { "generic",
      "http://h/"
      "x?s={start_s}&m={start_ms}&u={start_us}&n={start_ns}&e={end_s}&l={limit}&c={cursor}&q={query}&t={"
      "start}",
      "a&b", "", "c/d",
      "http://h/x?s=1700000000&m=1700000000123&u=1700000000123456&n=1700000000123456789&e=1700000101&l=500"
      "&c=c%2Fd&q=a%26b&t=2023-11-14T22%3A13%3A20.123Z",
      "" },
};

START_TEST(questions_of_each_preset)
{
    const struct question *q = &questions[_i];
    struct em_source_conf c = conf_of(q->preset, q->url);
    const struct http_page page = { .start_ns = INT64_C(1700000000123456789),
                                    .end_ns = INT64_C(1700000100000000001),
                                    .limit = 500,
                                    .after = q->after };
    struct buf url = buf_heap(EM_HTTP_URL_MAX), body = buf_heap(HTTP_BODY_MAX);
    const char *option;

    (void)slice_copy(slice_of(q->query), c.query, sizeof c.query);
    (void)slice_copy(slice_of(q->index), c.http.index, sizeof c.http.index);
    if (strcmp(q->preset, "generic") == 0) {
        (void)slice_copy(SLICE("/*/text"), c.http.text, sizeof c.http.text);
        (void)slice_copy(SLICE("/*/time"), c.http.time_field, sizeof c.http.time_field);
        (void)slice_copy(SLICE("/next"), c.http.cursor, sizeof c.http.cursor);
    }
    OK(em_http_source_check(&c, &option, &why)); /* sets the preset */
    http_preset_of(&c)->ask(&c, &page, &url, &body);
    ck_assert_str_eq(buf_str(&url), q->want_url);
    ck_assert_str_eq(buf_str(&body), q->want_body);
    buf_fini(&url);
    buf_fini(&body);
}
END_TEST

START_TEST(shapes_of_generic_sources)
{
    static const struct {
        const char *text, *time, *cursor;
        const char *records, *in_text, *in_time, *after, *next; /* NULL: none */
    } rows[] = {
        { "/items/*/message", "/items/*/at", "/next", "/items/*", "/message", "/at", NULL, "/next" },
        { "/a/*/b/*/c", "/a/*/t", "/a/*/b/*/id", "/a/*/b/*", "/c", NULL, "/id", NULL },
        { "/*", "", "", "/*", "", NULL, NULL, NULL },
        { "/text", "/time", "", "", "/text", "/time", NULL, NULL },
        { "/a/*b/c", "", "", "", "/a/*b/c", NULL, NULL, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct em_source_conf c = conf_of("generic", "http://h/");
        struct http_shape s;
#define SAME(a, b) ck_assert_msg((a) ? (b) && strcmp(a, b) == 0 : !(b), "%zu: %s", i, (a) ? (a) : "NULL")

        (void)slice_copy(slice_of(rows[i].text), c.http.text, sizeof c.http.text);
        (void)slice_copy(slice_of(rows[i].time), c.http.time_field, sizeof c.http.time_field);
        (void)slice_copy(slice_of(rows[i].cursor), c.http.cursor, sizeof c.http.cursor);
        http_shape_of(&c, &s);
        ck_assert_str_eq(s.records, rows[i].records);
        SAME(rows[i].in_text, s.shape.text);
        SAME(rows[i].in_time, s.shape.time);
        SAME(rows[i].after, s.after);
        SAME(rows[i].next, s.next);
    }
}
END_TEST

START_TEST(templates_name_what_is_known)
{
    ck_assert(http_template_ok("http://h/{start}{end_ns}?{cursor}&{limit}", &why));
    ck_assert(!http_template_ok("http://h/{begin}", &why));
    ck_assert_ptr_nonnull(strstr(why.text, "{begin}"));
    ck_assert(!http_template_ok("http://h/{", &why));
    ck_assert(!http_template_ok("http://h/}", &why));
    ck_assert(http_template_has_time("http://h/{start_ms}"));
    ck_assert(!http_template_has_time("http://h/{end}"));
}
END_TEST

START_TEST(places_are_read_back)
{
    static const char *const bad[] = { "", "1", "1 2", "1 2 3", "2 3 4 ", "1 -2 3 ", "1 2 x " };
    struct http_place p = { .start_ns = 7, .newest_ns = INT64_MAX - 1, .after = "[1, \"a b\"]" }, q;
    char text[EM_INTAKE_PLACE_MAX];
    struct buf b = buf_over(text, sizeof text);

    http_place_write(&p, &b);
    ck_assert(http_place_read(buf_str(&b), &q));
    ck_assert(q.start_ns == p.start_ns && q.newest_ns == p.newest_ns && strcmp(q.after, p.after) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!http_place_read(bad[i], &q), "\"%s\"", bad[i]);
}
END_TEST

/* --- polls --------------------------------------------------------------------------------------------------------- */

static struct {
    char dir[EM_SCRATCH_MAX], path[80];
    struct em_net *net;
    struct em_clock clock;
    int64_t wall_step_us; /* the wall clock is off by it */
    struct em_store *store;
    struct em_source_conf conf;
    void *source;
    struct {
        int64_t ns;
        char text[TEXT_MAX];
    } record[RECORDS_MAX];
    size_t n;
    em_http_fn done; /* of the question that is not answered yet */
    void *arg;
    char url[EM_HTTP_URL_MAX];
    unsigned asked;
    size_t most;    /* records that an answer may have; more: it is too large */
    unsigned fails; /* so many questions meet an error */
} t;

static struct em_http *make(struct em_net *net, const struct em_http_conf *conf, struct em_why *w)
{
    (void)net;
    (void)conf;
    (void)w;
    return (struct em_http *)(void *)&t;
}

static int ask(struct em_http *h, const struct em_http_ask *how, em_http_fn done, void *arg, struct em_why *w)
{
    (void)h;
    (void)w;
    ck_assert(!t.done);
    t.done = done;
    t.arg = arg;
    (void)slice_copy(slice_of(how->url), t.url, sizeof t.url);
    return 0;
}

static void cancel(struct em_http *h)
{
    (void)h;
    t.done = NULL;
}

static const struct em_http_client client = { make, ask, cancel, cancel };

static int64_t number_of(const char *name)
{
    struct slice s = slice_of(strstr(t.url, name));
    uint64_t v = 0;

    s = slice_from(s, strlen(name));
    ck_assert(slice_u64(&s, INT64_MAX, &v));
    return (int64_t)v;
}

/* Loki: the oldest records of [start, end), which are in order here, at most limit. */
static size_t write_answer(struct buf *b)
{
    int64_t start = number_of("&start="), end = number_of("&end=");
    size_t limit = (size_t)number_of("&limit="), n = 0;

    buf_text(b, "{\"data\":{\"result\":[{\"values\":[");
    for (size_t i = 0; i < t.n && n < limit; i++) {
        if (t.record[i].ns < start || t.record[i].ns >= end)
            continue;
        buf_print(b, "%s[\"%" PRId64 "\",\"", n++ ? "," : "", t.record[i].ns);
        esc_json(b, slice_of(t.record[i].text));
        buf_text(b, "\"]");
    }
    buf_text(b, "]}]}}");
    return n;
}

static void answer(void)
{
    static struct buf b;
    struct em_http_answer a = { .end = EM_HTTP_ANSWERED, .status = 200, .retry_after_us = -1 };
    em_http_fn done = t.done;

    buf_fini(&b);
    b = buf_heap(1024 * 1024);
    t.done = NULL;
    t.asked++;
    if (write_answer(&b) > t.most)
        a.end = EM_HTTP_TOO_LARGE;
    if (t.fails > 0 && t.fails--)
        a.status = 500;
    a.body = slice_of(buf_str(&b));
    done(t.arg, &a);
}

/* Lets so much time go by. */
static void pass(int64_t us)
{
    int64_t end = em_play_now(t.net) + us;

    for (;;) {
        if (t.done)
            answer();
        else if (!em_play_turn_until(t.net, end))
            break;
    }
}

static int64_t wall(void *ctx)
{
    (void)ctx;
    return em_wall_us(em_net_clock(t.net)) + t.wall_step_us;
}

static void put(int64_t ago_ms, const char *call)
{
    t.record[t.n].ns = (wall(NULL) / 1000 - ago_ms) * 1000000;
    snprintf(t.record[t.n++].text, TEXT_MAX,
             "BYE sip:b@example.com SIP/2.0\r\n%s%s%sCSeq: 2 BYE\r\nms-client-diagnostics: 23; "
             "reason=\"x\"\r\n\r\n",
             *call ? "Call-ID: " : "", call, *call ? "\r\n" : "");
}

static uint64_t code_23(void)
{
    struct em_source_row row = { 0 };

    em_store_source_row(t.store, 1, &row);
    ck_assert_uint_eq(row.duplicates, 0);
    return row.reports;
}

static void begin(void)
{
    const struct em_source_env env = { .net = t.net, .store = t.store, .number = 1 };
    const char *option = "";

    OK(em_http_source_check(&t.conf, &option, &why));
    OK(em_http_source_start(&client, &env, &t.conf, &t.source, &why));
    ((struct http_source *)t.source)->clock = &t.clock;
}

static void end(void)
{
    em_http_kind.stop(t.source);
    t.source = NULL;
}

static void setup(void)
{
    memset(&t, 0, sizeof t);
    em_log_set_level(EM_LOG_ERROR);
    em_scratch(t.dir);
    snprintf(t.path, sizeof t.path, "%s/db", t.dir);
    t.net = em_play_new();
    t.clock = *em_net_clock(t.net);
    t.clock.wall_us = wall;
    OK(em_store_open(t.path, &t.clock, &t.store, &why));
    t.conf = conf_of("loki", "http://h:3100");
    (void)slice_copy(slice_of("{a=\"b\"}"), t.conf.query, sizeof t.conf.query);
    t.conf.page = 5;
    t.most = SIZE_MAX;
}

static void teardown(void)
{
    end();
    em_store_close(t.store);
    em_net_free(t.net);
    em_scratch_remove(t.dir);
}

START_TEST(more_at_one_time_than_a_page_holds)
{
    char call[32];

    for (int i = 0; i < 23; i++) {
        snprintf(call, sizeof call, "%d", i);
        put(i < 20 ? 5000 : 4000, call);
    }
    begin();
    pass(EM_US_PER_S);
    ck_assert_uint_eq(code_23(), 23);
}
END_TEST

/* Reports without a Call-ID are what would count twice. */
START_TEST(steps_of_the_clock_and_restarts_move_no_count)
{
    static const int64_t steps[] = { 0, 86400, -86400, 0, 3000, -3000 };
    uint64_t want = 0;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        t.wall_step_us = 0; /* the senders' clocks are right */
        put(2000, "");
        t.record[t.n - 1].text[TEXT_MAX - 1] = '\0';
        put(1000, i % 2 ? "odd" : "even");
        t.record[t.n - 1].ns += (int64_t)i; /* another record each time, of a call that is known */
        want++;
        t.wall_step_us = steps[i] * EM_US_PER_S;
        begin();
        pass(35 * EM_US_PER_S);
        end();
        begin();
        pass(35 * EM_US_PER_S);
        end();
    }
    {
        struct em_source_row row = { 0 };

        em_store_source_row(t.store, 1, &row);
        ck_assert_uint_eq(row.unkeyed, want);
        ck_assert_uint_eq(row.reports, 2 * want);
    }
    begin();
}
END_TEST

START_TEST(an_answer_that_is_too_large_is_asked_for_in_parts)
{
    char call[32];

    for (int i = 0; i < 9; i++) {
        snprintf(call, sizeof call, "%d", i);
        put(9000 - i * 1000, call);
    }
    t.most = 2;
    begin();
    pass(9 * EM_US_PER_S);
    ck_assert_uint_eq(code_23(), 9);
}
END_TEST

START_TEST(late_records_are_read)
{
    put(1000, "one");
    begin();
    pass(15 * EM_US_PER_S);
    memmove(&t.record[1], &t.record[0], sizeof t.record[0]);
    t.n = 0;
    put(50000, "late");
    t.n = 2;
    pass(15 * EM_US_PER_S);
    ck_assert_uint_eq(code_23(), 2);
}
END_TEST

START_TEST(a_server_that_fails_is_asked_less_and_less)
{
    put(1000, "one");
    t.fails = UINT32_MAX;
    begin();
    pass(60 * EM_US_PER_S);
    ck_assert_msg(t.asked >= 5 && t.asked <= 9, "%u", t.asked);
    pass(HOUR_S * EM_US_PER_S);
    ck_assert_msg(t.asked >= 18 && t.asked <= 36, "%u", t.asked);
    t.fails = 0;
    pass(EM_HTTP_BACKOFF_MAX_S * EM_US_PER_S);
    ck_assert_uint_eq(code_23(), 1);
}
END_TEST

int main(void)
{
    TCase *c = em_case("questions"), *p = em_case("polls");

    tcase_add_loop_test(c, questions_of_each_preset, 0, (int)(sizeof questions / sizeof questions[0]));
    tcase_add_test(c, shapes_of_generic_sources);
    tcase_add_test(c, templates_name_what_is_known);
    tcase_add_test(c, places_are_read_back);
    tcase_add_checked_fixture(p, setup, teardown);
    tcase_add_test(p, more_at_one_time_than_a_page_holds);
    tcase_add_test(p, steps_of_the_clock_and_restarts_move_no_count);
    tcase_add_test(p, an_answer_that_is_too_large_is_asked_for_in_parts);
    tcase_add_test(p, late_records_are_read);
    tcase_add_test(p, a_server_that_fails_is_asked_less_and_less);
    return em_run();
}
