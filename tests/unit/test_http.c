/* SPDX-License-Identifier: GPL-3.0-or-later
 * The HTTP client against a server in the same loop that says what each case wants, well and badly; URLs and Retry-After. */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "net/http.h"

enum { PATIENCE_S = 10, ANSWERS_MAX = 8, ASKED_MAX = 4096 };

/* --- texts --------------------------------------------------------------------------------------------------------- */

START_TEST(urls_are_read)
{
    static const struct {
        const char *text, *scheme, *host; /* NULL: refused */
        unsigned port;
    } rows[] = {
        { "http://127.0.0.1:3100", "http", "127.0.0.1", 3100 },
        { "https://Loki.Example.com/loki?a=b", "https", "loki.example.com", 443 },
        { "HTTP://loki/", "http", "loki", 80 },
        { "http://[::1]:9200/x", "http", "::1", 9200 },
        { "ftp://127.0.0.1/", NULL, NULL, 0 },
        { "file:///etc/passwd", NULL, NULL, 0 },
        { "loki.example.com", NULL, NULL, 0 },
        { "http://", NULL, NULL, 0 },
        { "http:///x", NULL, NULL, 0 },
        { "http://user@loki/", NULL, NULL, 0 },
        { "http://user:password@loki/", NULL, NULL, 0 },
        { "http://loki:0/", NULL, NULL, 0 },
        { "http://loki:65536/", NULL, NULL, 0 },
        { "http://loki/a b", NULL, NULL, 0 },
        { "http://loki/\r\nX: y", NULL, NULL, 0 },
        { "http://loki\\@other/", NULL, NULL, 0 },
        { "http://loki/#part", NULL, NULL, 0 },
        { "", NULL, NULL, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct em_http_url u = { 0 };
        bool good = em_http_url_read(rows[i].text, &u);

        ck_assert_msg(good == (rows[i].host != NULL), "%s: %d", rows[i].text, good);
        ck_assert_msg(!good || (strcmp(u.scheme, rows[i].scheme) == 0 && strcmp(u.host, rows[i].host) == 0 &&
                                u.port == rows[i].port),
                      "%s: %s %s %u", rows[i].text, u.scheme, u.host, u.port);
    }
}
END_TEST

START_TEST(both_forms_of_retry_after_are_read)
{
    static const struct {
        const char *value, *date;
        int64_t want_s; /* -1: neither form */
    } rows[] = {
        { "120", "", 120 },
        { " 0 ", "", 0 },
        { "3600", "", 3600 },
        { "86400", "", 3600 },
        { "99999999999999999999999", "", 3600 },
        { "", "", -1 },
        { "soon", "", -1 },
        { "-5", "", -1 },
        { "Tue, 14 Nov 2023 22:13:50 GMT", "", 30 },
        { "Tue, 14 Nov 2023 22:13:10 GMT", "", 0 },
        { "Wed, 15 Nov 2023 22:13:10 GMT", "", 3600 },
        { "Tue, 14 Nov 2023 12:00:10 GMT", "Tue, 14 Nov 2023 12:00:00 GMT", 10 }, /* its clock is wrong */
        { "Tue, 14 Nov 2023 22:13:50 GMT", "yesterday", 30 },
        { "Tuesday, 14-Nov-23 22:13:50 GMT", "", 30 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t us = em_http_retry_after(slice_of(rows[i].value), slice_of(rows[i].date),
                                         INT64_C(1700000000) * EM_US_PER_S);

        ck_assert_msg(us == (rows[i].want_s < 0 ? -1 : rows[i].want_s * EM_US_PER_S), "\"%s\": %lld",
                      rows[i].value, (long long)us);
    }
}
END_TEST

/* --- a server ------------------------------------------------------------------------------------------------------ */

/* An answer to each question in turn; the last one again and again. "{}" is the server's port. */
struct script {
    const char *const *answer;
    bool then_silent; /* the connection stays open behind the answer */
};

static struct {
    struct event_base *base;
    struct em_net *net;
    struct em_listener *listener;
    struct em_conn *conn;
    struct script script;
    unsigned port, asked;
    char question[ASKED_MAX]; /* the last one */
    size_t question_n;
    struct em_http_answer answer;
    char body[256];
    bool done;
} t;

static void on_closed(void *arg)
{
    (void)arg;
    em_conn_close(t.conn, false);
    t.conn = NULL;
}

static void on_lost(void *arg, const struct em_net_error *e)
{
    (void)e;
    on_closed(arg);
}

static void answer(void)
{
    const char *text = t.script.answer[0], *gap = strstr(text, "{}");
    char filled[4096];
    int n;

    if (t.script.answer[1])
        t.script.answer++;
    n = gap ? snprintf(filled, sizeof filled, "%.*s%u%s", (int)(gap - text), text, t.port, gap + 2) : 0;
    em_conn_send(t.conn, gap ? filled : text, gap ? (size_t)n : strlen(text));
    if (!t.script.then_silent)
        on_closed(NULL);
}

static void on_bytes(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    size_t room = sizeof t.question - 1 - t.question_n;
    const char *end;

    (void)arg;
    (void)from;
    memcpy(t.question + t.question_n, p, n < room ? n : room);
    t.question_n += n < room ? n : room;
    t.question[t.question_n] = '\0';
    end = strstr(t.question, "\r\n\r\n");
    if (!end || (strncmp(t.question, "POST", 4) == 0 && !end[4]))
        return;
    t.asked++;
    t.question_n = 0;
    answer();
}

static void on_accepted(void *arg, struct em_conn *c, const struct em_addr *from)
{
    static const struct em_conn_events events = { .data = on_bytes, .eof = on_closed, .error = on_lost };

    (void)from;
    em_conn_close(t.conn, false);
    t.conn = c;
    t.question_n = 0;
    em_conn_take(c, &events, arg);
}

static void setup(void)
{
    static const struct em_listen_events events = { .accepted = on_accepted };
    struct em_addr at = { 0 };

    memset(&t, 0, sizeof t);
    t.base = event_base_new();
    t.net = em_net_event_new(t.base, NULL);
    ck_assert(em_addr_read("127.0.0.1", 0, &at));
    t.listener = em_net_listen(t.net, EM_TRANSPORT_TCP, &at, &events, NULL, NULL);
    ck_assert_ptr_nonnull(t.listener);
    em_listener_local(t.listener, &at);
    t.port = em_addr_port(&at);
}

static void teardown(void)
{
    em_conn_close(t.conn, false);
    em_listener_close(t.listener);
    em_net_free(t.net); /* asserts that everything was closed */
    event_base_free(t.base);
}

static void run(void)
{
    int64_t end = em_mono_us(&em_clock_system) + PATIENCE_S * EM_US_PER_S;

    while (!t.done && em_mono_us(&em_clock_system) < end) {
        struct timeval tv = { 0, 20000 };

        event_base_loopexit(t.base, &tv);
        event_base_loop(t.base, EVLOOP_ONCE);
    }
    ck_assert(t.done);
}

static void on_answer(void *arg, const struct em_http_answer *a)
{
    (void)arg;
    ck_assert(!t.done);
    t.done = true;
    t.answer = *a;
    (void)slice_copy(a->body, t.body, sizeof t.body);
}

static void ask_with(struct em_http *h, struct em_http_ask how, const char *path)
{
    char url[256];
    struct em_why why = { "" };

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", t.port, path);
    how.url = url;
    how.timeout_us = how.timeout_us ? how.timeout_us : PATIENCE_S * EM_US_PER_S / 2;
    t.done = false;
    ck_assert_msg(em_http_ask(h, &how, on_answer, NULL, &why) == 0, "%s", why.text);
    ck_assert(!t.done);
    run();
}

static struct em_http *client(const struct em_http_conf *conf)
{
    static const struct em_http_conf none;
    struct em_why why = { "" };
    struct em_http *h = em_http_new(t.net, conf ? conf : &none, &why);

    ck_assert_msg(h != NULL, "%s", why.text);
    return h;
}

#define FINE "HTTP/1.1 200 OK\r\n"
#define TO "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "

static const struct answer_row {
    const char *name;
    const char *answers[ANSWERS_MAX];
    bool then_silent;
    size_t body_max;
    enum em_http_end end;
    unsigned status;
    const char *body, *failure; /* failure: a part of it */
} answer_rows[] = {
    { "with a length",
      { FINE "Content-Length: 5\r\n\r\nhello" },
      false,
      0,
      EM_HTTP_ANSWERED,
      200,
      "hello",
      "" },
    { "until the end of the connection", { FINE "\r\nhello" }, false, 0, EM_HTTP_ANSWERED, 200, "hello", "" },
    { "in chunks",
      { FINE "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n" },
      true,
      0,
      EM_HTTP_ANSWERED,
      200,
      "hello",
      "" },
    { "more than its length",
      { FINE "Content-Length: 2\r\n\r\nhello" },
      true,
      0,
      EM_HTTP_ANSWERED,
      200,
      "he",
      "" },
    { "less than its length",
      { FINE "Content-Length: 50\r\n\r\nhello" },
      false,
      0,
      EM_HTTP_BROKEN,
      200,
      "hello",
      "bytes remaining to read" },
    { "a bad chunk",
      { FINE "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello" },
      true,
      0,
      EM_HTTP_BROKEN,
      200,
      "",
      "" },
    { "an interim answer first",
      { "HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" FINE "Content-Length: 2\r\n\r\nhi" },
      true,
      0,
      EM_HTTP_ANSWERED,
      200,
      "hi",
      "" },
    { "exactly as long as allowed",
      { FINE "Content-Length: 5\r\n\r\nhello" },
      true,
      5,
      EM_HTTP_ANSWERED,
      200,
      "hello",
      "" },
    { "one byte too long",
      { FINE "Content-Length: 5\r\n\r\nhello" },
      true,
      4,
      EM_HTTP_TOO_LARGE,
      200,
      "",
      "longer than 4 bytes" },
    { "not found",
      { "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone" },
      true,
      0,
      EM_HTTP_ANSWERED,
      404,
      "gone",
      "" },
    { "no HTTP", { "SSH-2.0-OpenSSH_9.2\r\n" }, false, 0, EM_HTTP_BROKEN, 0, "", "" },
    { "nothing", { "" }, false, 0, EM_HTTP_BROKEN, 0, "", "Empty reply" },
    { "silence", { "" }, true, 0, EM_HTTP_TIMED_OUT, 0, "", "timed out" },
    { "a body that never ends",
      { FINE "Content-Length: 10\r\n\r\nhello" },
      true,
      0,
      EM_HTTP_TIMED_OUT,
      200,
      "hello",
      "timed out" },
    { "a redirect",
      { TO "/there\r\n\r\n", FINE "Content-Length: 2\r\n\r\nhi" },
      true,
      0,
      EM_HTTP_ANSWERED,
      200,
      "hi",
      "" },
    { "a whole redirect",
      { TO "http://127.0.0.1:{}/there\r\n\r\n", FINE "Content-Length: 2\r\n\r\nhi" },
      true,
      0,
      EM_HTTP_ANSWERED,
      200,
      "hi",
      "" },
    { "a ring", { TO "/round\r\n\r\n" }, true, 0, EM_HTTP_REDIRECTED, 302, "", "ring" },
    { "to another host",
      { TO "http://127.0.0.2:{}/\r\n\r\n" },
      true,
      0,
      EM_HTTP_REDIRECTED,
      302,
      "",
      "http://127.0.0.2" },
    { "to another port",
      { TO "http://127.0.0.1:1/\r\n\r\n" },
      true,
      0,
      EM_HTTP_REDIRECTED,
      302,
      "",
      "another place" },
    { "to another scheme",
      { TO "https://127.0.0.1:{}/\r\n\r\n" },
      true,
      0,
      EM_HTTP_REDIRECTED,
      302,
      "",
      "another place" },
    { "to a file", { TO "file:///etc/passwd\r\n\r\n" }, true, 0, EM_HTTP_REDIRECTED, 302, "", "no HTTP URL" },
    { "to somebody",
      { TO "http://a:b@127.0.0.1:{}/\r\n\r\n" },
      true,
      0,
      EM_HTTP_REDIRECTED,
      302,
      "",
      "no HTTP URL" },
    { "to nowhere",
      { "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n" },
      true,
      0,
      EM_HTTP_REDIRECTED,
      302,
      "",
      "nowhere" },
};

START_TEST(answers_good_and_bad)
{
    const struct answer_row *r = &answer_rows[_i];
    struct em_http_ask how = { .body_max = r->body_max };
    struct em_http *h;

    setup();
    h = client(NULL);
    t.script = (struct script) { r->answers, r->then_silent };
    how.timeout_us = r->end == EM_HTTP_TIMED_OUT ? 200 * EM_US_PER_MS : 0;
    ask_with(h, how, "/from");
    ck_assert_msg(t.answer.end == r->end && t.answer.status == r->status, "%s: end %d status %u: %s", r->name,
                  (int)t.answer.end, t.answer.status, t.answer.failure);
    ck_assert_msg(strcmp(t.body, r->body) == 0 || r->end == EM_HTTP_REDIRECTED, "%s: \"%s\"", r->name,
                  t.body);
    ck_assert_msg(strstr(t.answer.failure, r->failure) != NULL, "%s: \"%s\"", r->name, t.answer.failure);
    ck_assert_msg((r->end == EM_HTTP_ANSWERED) == !t.answer.failure[0], "%s", r->name);
    ck_assert_uint_le(t.asked, EM_HTTP_REDIRECTS_MAX + 1);
    em_http_free(h);
    teardown();
}
END_TEST

START_TEST(headers_have_a_limit)
{
    static char text[EM_HTTP_HEADERS_MAX + 256];
    static const char *answers[] = { text, NULL };
    struct em_http *h;
    size_t n = (size_t)snprintf(text, sizeof text, FINE);

    setup();
    h = client(NULL);
    while (n < EM_HTTP_HEADERS_MAX)
        n += (size_t)snprintf(text + n, sizeof text - n, "X-%zu: %064d\r\n", n, 0);
    snprintf(text + n, sizeof text - n, "\r\n");
    t.script = (struct script) { answers, true };
    ask_with(h, (struct em_http_ask) { 0 }, "/");
    ck_assert_int_eq(t.answer.end, EM_HTTP_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(t.answer.failure, "headers"));
    em_http_free(h);
    teardown();
}
END_TEST

START_TEST(a_question_says_who_asks)
{
    static const char *const answers[] = { FINE "Connection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
                                           NULL };
    static const char *const headers[] = { "X-Scope-OrgID: one" };
    const struct em_http_conf conf = { .user = "monitor", .password = "se:cret" };
    struct em_http *h;

    setup();
    h = client(&conf);
    t.script = (struct script) { answers, true };
    ask_with(h, (struct em_http_ask) { .header = headers, .header_n = 1 }, "/a?b=c");
    ck_assert(strncmp(t.question, "GET /a?b=c HTTP/1.1\r\n", 21) == 0);
    ck_assert_ptr_nonnull(strstr(t.question, "\r\nAuthorization: Basic bW9uaXRvcjpzZTpjcmV0\r\n"));
    ck_assert_ptr_nonnull(strstr(t.question, "\r\nX-Scope-OrgID: one\r\n"));
    ck_assert_ptr_nonnull(strstr(t.question, "\r\nAccept-Encoding: gzip\r\n"));
    ask_with(h, (struct em_http_ask) { .body = "{\"a\":1}", .token = "abc" }, "/");
    ck_assert(strncmp(t.question, "POST / HTTP/1.1\r\n", 17) == 0);
    ck_assert_ptr_nonnull(strstr(t.question, "\r\nAuthorization: Bearer abc\r\n"));
    ck_assert_ptr_null(strstr(t.question, "Basic"));
    ck_assert_ptr_nonnull(strstr(t.question, "\r\nContent-Type: application/json\r\n"));
    ck_assert_ptr_null(strstr(t.question, "Expect"));
    ck_assert_ptr_nonnull(strstr(t.question, "\r\n\r\n{\"a\":1}"));
    em_http_free(h);
    teardown();
}
END_TEST

START_TEST(a_proxy_is_asked_instead)
{
    static const char *const answers[] = { FINE "Connection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
                                           NULL };
    struct em_http_conf conf = { .proxy_user = "us", .proxy_password = "pw" };
    struct em_http_ask how = { .url = "http://nowhere.invalid:9200/x", .timeout_us = 5 * EM_US_PER_S };
    char proxy[64];
    struct em_http *h;

    setup();
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", t.port);
    conf.proxy = proxy;
    h = client(&conf);
    t.script = (struct script) { answers, true };
    ck_assert_int_eq(em_http_ask(h, &how, on_answer, NULL, NULL), 0);
    ck_assert_int_eq(em_http_ask(h, &how, on_answer, NULL, NULL), EM_ERR_BUSY);
    run();
    ck_assert_msg(t.answer.end == EM_HTTP_ANSWERED, "%s", t.answer.failure);
    ck_assert(strncmp(t.question, "GET http://nowhere.invalid:9200/x HTTP/1.1\r\n", 44) == 0);
    ck_assert_ptr_nonnull(strstr(t.question, "\r\nProxy-Authorization: Basic dXM6cHc=\r\n"));
    em_http_free(h);
    teardown();
}
END_TEST

START_TEST(retry_after_comes_with_the_answer)
{
    static const char *const answers[] = {
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", NULL
    };
    struct em_http *h;

    setup();
    h = client(NULL);
    t.script = (struct script) { answers, true };
    ask_with(h, (struct em_http_ask) { 0 }, "/");
    ck_assert_uint_eq(t.answer.status, 429);
    ck_assert_int_eq(t.answer.retry_after_us, 7 * EM_US_PER_S);
    em_http_free(h);
    teardown();
}
END_TEST

START_TEST(what_cannot_be_asked_is_said)
{
    static const char *const names[] = { "http://127.0.0.1:1/", "http://no-such-name.invalid/" };
    struct em_http *h;
    struct em_why why = { "" };

    setup();
    h = client(NULL);
    ck_assert_int_eq(em_http_ask(h, &(struct em_http_ask) { .url = "nonsense" }, on_answer, NULL, &why),
                     EM_ERR_INPUT);
    for (size_t i = 0; i < 2; i++) {
        struct em_http_ask how = { .url = names[i], .timeout_us = 5 * EM_US_PER_S };

        t.done = false;
        em_net_event_set_servers(t.net, "127.0.0.1:1");
        ck_assert_int_eq(em_http_ask(h, &how, on_answer, NULL, &why), 0);
        run();
        ck_assert_msg(t.answer.end == EM_HTTP_UNREACHABLE && t.answer.failure[0], "%d %s", (int)t.answer.end,
                      t.answer.failure);
    }
    ck_assert_ptr_null(em_http_new(t.net, &(struct em_http_conf) { .proxy = "proxy" }, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "http://proxy.example.com:3128"));
    em_http_free(h);
    teardown();
}
END_TEST

static void free_in_answer(void *arg, const struct em_http_answer *a)
{
    (void)a;
    em_http_free(arg);
    t.done = true;
}

START_TEST(it_can_be_given_up_at_any_time)
{
    static const char *const answers[] = { FINE "Content-Length: 10\r\n\r\nhello", NULL };
    char url[64];
    struct em_http_ask how = { .url = url, .timeout_us = 5 * EM_US_PER_S };

    setup();
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", t.port);
    t.script = (struct script) { answers, true };
    for (int turns = 0; turns < 8; turns++) { /* before, while and after the first half has come */
        struct em_http *h = client(NULL);

        t.script.answer = answers;
        ck_assert_int_eq(em_http_ask(h, &how, on_answer, NULL, NULL), 0);
        for (int i = 0; i < turns; i++)
            event_base_loop(t.base, EVLOOP_NONBLOCK);
        if (turns % 2)
            em_http_cancel(h);
        ck_assert(!t.done);
        em_http_free(h);
    }
    teardown();
}
END_TEST

START_TEST(freed_in_its_answer)
{
    static const char *const answers[] = { FINE "Content-Length: 2\r\n\r\nhi", NULL };
    char url[64];
    struct em_http_ask how = { .url = url, .timeout_us = 5 * EM_US_PER_S };
    struct em_http *h;

    setup();
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", t.port);
    t.script = (struct script) { answers, true };
    h = client(NULL);
    ck_assert_int_eq(em_http_ask(h, &how, free_in_answer, h, NULL), 0);
    run();
    teardown();
}
END_TEST

int main(void)
{
    TCase *c = em_case("texts");

    tcase_add_test(c, urls_are_read);
    tcase_add_test(c, both_forms_of_retry_after_are_read);
    c = em_case("answers");
    tcase_add_loop_test(c, answers_good_and_bad, 0, (int)(sizeof answer_rows / sizeof answer_rows[0]));
    tcase_add_test(c, headers_have_a_limit);
    tcase_add_test(c, a_question_says_who_asks);
    tcase_add_test(c, a_proxy_is_asked_instead);
    tcase_add_test(c, retry_after_comes_with_the_answer);
    tcase_add_test(c, what_cannot_be_asked_is_said);
    tcase_add_test(c, it_can_be_given_up_at_any_time);
    tcase_add_test(c, freed_in_its_answer);
    return em_run();
}
