/* SPDX-License-Identifier: GPL-3.0-or-later
 * Sources that listen, over real sockets of loopback: what agents send, well and badly, and what becomes of it in the store. */
#include <event2/event.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "evidence/hep.h"
#include "harness.h"
#include "net/http_serve.h"
#include "source/hep.h"
#include "source/sdn.h"
#include "store/state.h"

enum { PATIENCE_S = 10, PORTS_TRIED = 50, PACKET_MAX = 70000 };

static struct {
    char dir[EM_SCRATCH_MAX], path[80];
    struct event_base *base;
    struct em_net *net;
    struct em_store *store;
    const struct em_source_kind *kind;
    struct em_source_conf conf;
    void *source;
    unsigned changes;
    struct em_conn *conn;
    bool closed;        /* by the source */
    char answers[8192]; /* what came back */
    size_t answers_n;
} t;

static struct em_why why;

/* --- the daemon around the source ------------------------------------------------------------------------------------ */

static void on_change(void *arg)
{
    (void)arg;
    t.changes++;
}

/* An address of loopback whose port nobody has, over UDP and TCP. */
static struct em_addr free_address(void)
{
    static const struct em_listen_events none = { 0 };
    struct em_addr at = { 0 };

    for (int i = 0; i < PORTS_TRIED; i++) {
        struct em_listener *tcp, *udp;

        ck_assert(em_addr_read("127.0.0.1", 0, &at));
        tcp = em_net_listen(t.net, EM_TRANSPORT_TCP, &at, &none, NULL, NULL);
        ck_assert_ptr_nonnull(tcp);
        em_listener_local(tcp, &at);
        udp = em_net_listen(t.net, EM_TRANSPORT_UDP, &at, &none, NULL, NULL);
        em_listener_close(tcp);
        em_listener_close(udp);
        if (udp)
            return at;
    }
    ck_abort_msg("no free port");
    return at;
}

static void start(const struct em_source_kind *kind)
{
    const struct em_source_env env = { .net = t.net, .store = t.store, .number = 1, .changed = on_change };

    t.kind = kind;
    t.conf.type = kind->type;
    slice_copy(SLICE("test"), t.conf.name, sizeof t.conf.name);
    if (t.conf.listen.len == 0)
        t.conf.listen = free_address();
    OK(kind->start(&env, &t.conf, &t.source, &why));
}

static void stop(void)
{
    t.kind->stop(t.source);
    t.source = NULL;
}

static void setup(void)
{
    memset(&t, 0, sizeof t);
    em_log_set_level(EM_LOG_ERROR);
    em_scratch(t.dir);
    snprintf(t.path, sizeof t.path, "%s/db", t.dir);
    t.base = event_base_new();
    t.net = em_net_event_new(t.base, NULL);
    OK(em_store_open(t.path, &em_clock_system, &t.store, &why));
}

static void teardown(void)
{
    em_conn_close(t.conn, false);
    if (t.source)
        stop();
    em_store_close(t.store);
    em_net_free(t.net); /* asserts that everything was closed */
    event_base_free(t.base);
    em_scratch_remove(t.dir);
}

static struct em_source_row row(void)
{
    struct em_source_row r = { 0 };

    em_store_source_row(t.store, 1, &r);
    t.kind->row(t.source, &r);
    return r;
}

static bool turn(int64_t end_us)
{
    struct timeval tv = { 0, 5000 };

    event_base_loopexit(t.base, &tv);
    event_base_dispatch(t.base);
    return em_mono_us(&em_clock_system) < end_us;
}

/* Until so many messages are in the store. */
static void until_messages(uint64_t n)
{
    int64_t end = em_mono_us(&em_clock_system) + PATIENCE_S * EM_US_PER_S;

    while (t.store->now.totals.messages < n && turn(end))
        ;
    ck_assert_uint_eq(t.store->now.totals.messages, n);
}

static void until_closed(void)
{
    int64_t end = em_mono_us(&em_clock_system) + PATIENCE_S * EM_US_PER_S;

    while (!t.closed && turn(end))
        ;
    ck_assert(t.closed);
}

/* --- the agent ------------------------------------------------------------------------------------------------------- */

static void on_closed(void *arg)
{
    (void)arg;
    t.closed = true;
}

static void on_lost(void *arg, const struct em_net_error *e)
{
    (void)arg;
    (void)e;
    t.closed = true;
}

static void on_answer(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    size_t room = sizeof t.answers - 1 - t.answers_n;

    (void)arg;
    (void)from;
    memcpy(t.answers + t.answers_n, p, n < room ? n : room);
    t.answers_n += n < room ? n : room;
    t.answers[t.answers_n] = '\0';
}

static void dial(enum em_transport transport)
{
    static const struct em_conn_events events = { .data = on_answer, .eof = on_closed, .error = on_lost };
    struct em_open how = { .transport = transport, .remote = t.conf.listen };

    em_conn_close(t.conn, false);
    t.closed = false;
    t.answers_n = 0;
    t.answers[0] = '\0';
    t.conn = em_net_open(t.net, &how, &events, NULL);
    ck_assert_ptr_nonnull(t.conn);
    for (int i = 0; i < 4; i++)
        turn(INT64_MAX);
}

static size_t sip(uint8_t *to, const char *payload)
{
    struct buf b = buf_over(to, PACKET_MAX);

    buf_text(&b, "HEP3");
    buf_u16(&b, (uint16_t)(HEP_HEADER + 7 + HEP_HEADER + strlen(payload)));
    buf_bytes(&b, "\0\0\0\xb\0\7\1\0\0\0\xf", 11);
    buf_u16(&b, (uint16_t)(HEP_HEADER + strlen(payload)));
    buf_text(&b, payload);
    return b.n;
}

static void send_call(const char *id)
{
    char payload[512];
    uint8_t packet[1024];

    snprintf(payload, sizeof payload,
             "BYE sip:a@example.com SIP/2.0\r\nCall-ID: %s\r\nCSeq: 2 BYE\r\n"
             "Ms-client-diagnostics: 23; reason=\"Call failed\"\r\n\r\n",
             id);
    em_conn_send(t.conn, packet, sip(packet, payload));
}

/* --- cases ----------------------------------------------------------------------------------------------------------- */

START_TEST(udp_and_tcp)
{
    static const enum em_transport ways[] = { EM_TRANSPORT_UDP, EM_TRANSPORT_TCP };
    size_t n;
    char *bye = em_slurp("vectors/hep/bye.hep", &n);

    start(&em_hep_kind);
    ck_assert_uint_eq(row().state, EM_SOURCE_STARTING);
    dial(ways[_i]);
    em_conn_send(t.conn, bye, n);
    until_messages(1);
    em_conn_send(t.conn, bye, n); /* the next hop's */
    send_call("another");
    until_messages(3);
    ck_assert_uint_eq(t.store->now.totals.code_23, 2);
    ck_assert_uint_eq(t.store->now.totals.duplicates, 1);
    ck_assert_uint_eq(t.store->now.totals.malformed, 0);
    ck_assert_uint_eq(row().state, EM_SOURCE_CAUGHT_UP);
    ck_assert_str_eq(row().error, "");
    ck_assert_uint_gt(t.changes, 1);
    free(bye);
}
END_TEST

START_TEST(tcp_in_single_bytes)
{
    size_t n;
    char *bye = em_slurp("vectors/hep/bye.hep", &n);

    start(&em_hep_kind);
    dial(EM_TRANSPORT_TCP);
    for (size_t i = 0; i < n; i++) {
        em_conn_send(t.conn, bye + i, 1);
        if (i % 16 == 0)
            turn(INT64_MAX);
    }
    em_conn_send(t.conn, bye, n);
    until_messages(2);
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
    free(bye);
}
END_TEST

/* What a packet holds is its own matter: the next one's call counts. */
START_TEST(hostile_payloads_spoil_nothing_else)
{
    static const char *const payloads[] = {
        "BYE sip:a@b SIP/2.0\r\nCall-ID: x",
        "BYE sip:a@b SIP/2.0\r\nCall-ID: x\r\nSubject: a\r\n b\r\n",
        "BYE sip:a@b SIP/2.0\r\nCall-ID: x\r\nContent-Type: message/sipfrag\r\n\r\nSIP/2.0 200 OK\r\n",
        "SERVICE sip:a@b SIP/2.0\r\nCall-ID: x\r\n\r\n<VQReportEvent><MediaLine Label='main-audio'>",
        "BYE sip:a@b SIP/2.0\r\nCall-ID: x\r\nms-client-diagnostics: 22; reason=\"not closed\r\n",
        "INVITE sip:a@b SIP/2.0\r\nCall-ID: x\r\n\r\nv=0\r\na=candidate",
        "BYE sip:a@b SIP/2.0\r\n\x01\x02\x03\x04\x05\x06\x07\x01\x02\x03\x04\x05\x06\x07\x01\x02\x03\x04\x05",
        "BYE sip:a@b SIP/2.0\r\n$$begin_record\r\n",
        "BYE sip:a@b SIP/2.0\r\nCall-ID: x\r\n\r\nTL_INFO(TF_PROTOCOL) "
        "[0]0000.0000::01/01/2015-10:00:00.000.00000000 "
        "(S,f:g.cpp(1))$$begin_record\r\nLogType: x\r\n",
    };

    start(&em_hep_kind);
    dial(EM_TRANSPORT_UDP);
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        uint64_t before = t.store->now.totals.code_23;
        int64_t end = em_mono_us(&em_clock_system) + PATIENCE_S * EM_US_PER_S;
        uint8_t packet[2048];
        char id[16];

        snprintf(id, sizeof id, "call-%zu", i);
        em_conn_send(t.conn, packet, sip(packet, payloads[i]));
        send_call(id);
        while (t.store->now.totals.code_23 == before && turn(end))
            ;
        ck_assert_msg(t.store->now.totals.code_23 == before + 1, "behind %s", payloads[i]);
    }
}
END_TEST

START_TEST(bad_packets_are_counted)
{
    static const struct {
        const char *bytes, *want;
        size_t n;
    } rows[] = {
        { "\2\20\2\21\23\304\23\304\300\0\2\1\300\0\2\2OPTIONS", "version 1 or 2", 23 },
        { "hello", "no HEP", 5 },
        { "HEP3\0\7x", "a chunk", 7 },
        { "HEP3\0\x12\0\0\0\xb\0\7\1\0\0\0\xf\0\7x", "no start line", 20 },
    };

    start(&em_hep_kind);
    dial(EM_TRANSPORT_UDP);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char packet[64];

        memcpy(packet, rows[i].bytes, rows[i].n);
        if (i == 3)
            packet[5] = 20;
        em_conn_send(t.conn, packet, rows[i].n);
        until_messages(i + 1);
        ck_assert_uint_eq(t.store->now.totals.malformed, i + 1);
        ck_assert_msg(strstr(row().error, rows[i].want), "%s", row().error);
        ck_assert_msg(strstr(row().error, "127.0.0.1:"), "%s", row().error);
    }
    send_call("good");
    until_messages(sizeof rows / sizeof *rows + 1);
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
    ck_assert_str_eq(row().error, "");
}
END_TEST

START_TEST(a_stream_that_is_none_is_closed)
{
    start(&em_hep_kind);
    dial(EM_TRANSPORT_TCP);
    send_call("before");
    em_conn_send(t.conn, "GET / HTTP/1.0\r\n\r\n", 18);
    until_closed();
    until_messages(2);
    ck_assert_uint_eq(t.store->now.totals.malformed, 1);
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
    dial(EM_TRANSPORT_TCP); /* cut off */
    send_call("whole");
    em_conn_send(t.conn, "HEP3\1\0", 6);
    turn(INT64_MAX);
    em_conn_close(t.conn, false);
    t.conn = NULL;
    until_messages(4);
    ck_assert_uint_eq(t.store->now.totals.malformed, 2);
    ck_assert_uint_eq(t.store->now.totals.code_23, 2);
}
END_TEST

START_TEST(only_so_many_clients)
{
    enum { MANY = 70 }; /* more than a source keeps */
    static const struct em_conn_events events = { 0 };
    struct em_open how = { .transport = EM_TRANSPORT_TCP };
    struct em_conn *many[MANY];

    start(&em_hep_kind);
    dial(EM_TRANSPORT_TCP); /* the first one, which says something now and then */
    how.remote = t.conf.listen;
    for (int i = 0; i < MANY; i++) {
        char id[16];

        snprintf(id, sizeof id, "call-%d", i);
        many[i] = em_net_open(t.net, &how, &events, NULL);
        send_call(id);
        turn(INT64_MAX);
    }
    until_messages(MANY);
    ck_assert(!t.closed); /* others, which were silent for longer, had to go */
    for (int i = 0; i < MANY; i++)
        em_conn_close(many[i], true);
}
END_TEST

START_TEST(what_was_taken_is_kept_at_the_end)
{
    start(&em_hep_kind);
    dial(EM_TRANSPORT_TCP);
    send_call("last");
    while (row().lag_bytes == 0)
        turn(INT64_MAX);
    stop();
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
}
END_TEST

START_TEST(a_port_that_is_taken)
{
    static const struct em_listen_events none = { 0 };
    int64_t end = em_mono_us(&em_clock_system) + PATIENCE_S * EM_US_PER_S;
    struct em_listener *other;

    t.conf.listen = free_address();
    other = em_net_listen(t.net, EM_TRANSPORT_UDP, &t.conf.listen, &none, NULL, NULL);
    ck_assert_ptr_nonnull(other);
    em_log_set_level((enum em_log_level) - 1);
    start(&em_hep_kind);
    ck_assert_uint_eq(row().state, EM_SOURCE_FAILED);
    ck_assert_str_ne(row().error, "");
    em_listener_close(other);
    while (row().state == EM_SOURCE_FAILED && turn(end))
        ;
    ck_assert_uint_eq(row().state, EM_SOURCE_STARTING);
    ck_assert_str_eq(row().error, "");
}
END_TEST

/* --- what is posted -------------------------------------------------------------------------------------------------- */

/* Until so many answers, the last of which begins so. */
static void until_answers(unsigned n, const char *last)
{
    int64_t end = em_mono_us(&em_clock_system) + PATIENCE_S * EM_US_PER_S;
    unsigned found = 0;
    const char *p = "";

    while (found < n && turn(end))
        for (found = 0, p = t.answers; found < n && (p = strstr(p, "HTTP/1.1 ")); found++)
            p++;
    ck_assert_msg(found == n, "%s", t.answers);
    ck_assert_msg(strncmp(p + 8, last, strlen(last)) == 0, "%s, not %s", p - 1, last);
}

static void send_text(const char *text)
{
    em_conn_send(t.conn, text, strlen(text));
}

static void post(const char *headers, const char *body)
{
    char head[256];

    snprintf(head, sizeof head, "POST /site HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n", headers,
             strlen(body));
    send_text(head);
    send_text(body);
}

START_TEST(posts_are_taken_once)
{
    size_t n;
    char *error = em_slurp("vectors/sdn/error.xml", &n), *ended = em_slurp("vectors/sdn/ended.xml", &n);

    start(_i ? &em_qoe_kind : &em_sdn_kind);
    dial(EM_TRANSPORT_TCP);
    post("", error);
    until_answers(1, "200");
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
    ck_assert_uint_eq(t.store->now.totals.messages, 1);
    for (unsigned i = 0; i < 3; i++) {
        post("", error);
        until_answers(2 + i, "200");
    }
    ck_assert_uint_eq(t.store->now.totals.messages, 1); /* said again, counted once */
    ck_assert_uint_eq(t.store->now.totals.reports, 2);
    stop();
    start(&em_sdn_kind); /* by the next process, too */
    dial(EM_TRANSPORT_TCP);
    post("", error);
    post("", ended); /* right behind it */
    until_answers(2, "200");
    ck_assert_uint_eq(t.store->now.totals.messages, 2);
    ck_assert_uint_eq(t.store->now.totals.malformed, 0);
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
    ck_assert_uint_eq(t.store->now.totals.media_failures, 2);
    ck_assert_uint_eq(row().state, EM_SOURCE_CAUGHT_UP);
    free(error);
    free(ended);
}
END_TEST

#define CALL                                                                                                 \
    "<LyncDiagnostics Version='1.0'><ConnectionInfo><CallId>qoe-1</CallId></ConnectionInfo><Error "          \
    "Type='audio'>"                                                                                          \
    "<Properties><MSDiagnosticsClient>23</MSDiagnosticsClient></Properties></Error></LyncDiagnostics>"

START_TEST(ice_flags_are_joined_whichever_comes_first)
{
    size_t n;
    char *qoe = em_slurp("vectors/trace/qoe-file.txt", &n);

    start(&em_sdn_kind);
    dial(EM_TRANSPORT_TCP);
    post("", _i ? qoe : CALL);
    post("", _i ? CALL : qoe);
    until_answers(2, "200");
    ck_assert_uint_eq(t.store->now.totals.calls, 1);
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
    ck_assert_uint_eq(t.store->now.totals.tcp_nat_check, 1);
    ck_assert_uint_eq(t.store->now.totals.code_23_tcp_nat, 1);
    free(qoe);
}
END_TEST

START_TEST(bodies_come_when_they_are_called_for_and_in_chunks)
{
    char head[128];

    start(&em_sdn_kind);
    dial(EM_TRANSPORT_TCP);
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
             strlen(CALL));
    send_text(head);
    until_answers(1, "100");
    send_text(CALL);
    until_answers(2, "200");
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
    send_text("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    snprintf(head, sizeof head, "%zX;a=b\r\n", strlen(CALL) - 5);
    send_text(head);
    em_conn_send(t.conn, CALL, strlen(CALL) - 5);
    send_text("\r\n5\r\n");
    send_text(&CALL[strlen(CALL) - 5]);
    send_text("\r\n0\r\nTrailer: x\r\n\r\n");
    until_answers(3, "200");
    ck_assert_uint_eq(t.store->now.totals.messages, 1); /* the same body: said again */
}
END_TEST

START_TEST(what_is_refused)
{
    static const struct {
        const char *request, *want;
        bool counts;
    } rows[] = {
        { "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "400", true },
        { "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "400", true },
        { "POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n<a><b/></a>", "400", true },
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "405", false },
        { "POST / HTTP/1.1\r\nOrigin: http://evil.example\r\nContent-Length: 5\r\n\r\nhello", "403", true },
        { "POST / HTTP/1.1\r\n\r\n", "411", true },
        { "POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", "413", true },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n", "413", true },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "400", true },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "400", true },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "400", true },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "501", true },
        { "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n", "415", true },
        { "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "400", true },
        { "POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\n", "400", true },
        { "POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\n", "400", true },
        { "POST / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "400", true },
        { "POST / HTTP/1.1\nContent-Length: 3\r\n\r\n", "400", true },
        { "POST / HTTP/1.1\r\nExpect: wonders\r\nContent-Length: 3\r\n\r\n", "417", true },
        { "POST / HTTP/2.0\r\n\r\n", "505", true },
        { "\x16\x03\x01 nonsense\r\n\r\n", "400", true },
    };

    start(&em_sdn_kind);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t before = t.store->now.totals.malformed;

        dial(EM_TRANSPORT_TCP);
        send_text(rows[i].request);
        until_answers(1, rows[i].want);
        if (rows[i].counts)
            until_messages(before + 1);
        ck_assert_msg(t.store->now.totals.malformed == before + rows[i].counts, "%s", rows[i].request);
    }
    ck_assert_msg(strstr(row().error, "a post from 127.0.0.1:"), "%s", row().error);
    dial(EM_TRANSPORT_TCP);
    post("", CALL);
    until_answers(1, "200");
    ck_assert_str_eq(row().error, "");
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
}
END_TEST

START_TEST(bombs_are_refused)
{
    size_t n;
    char *bomb = em_slurp("vectors/sdn/bomb.xml", &n), *head = malloc(HTTP_HEAD_MAX + 64);

    start(&em_sdn_kind);
    dial(EM_TRANSPORT_TCP);
    post("", bomb);
    until_answers(1, "400");
    ck_assert_msg(strstr(t.answers, "document type"), "%s", t.answers);
    dial(EM_TRANSPORT_TCP);
    snprintf(head, HTTP_HEAD_MAX, "POST / HTTP/1.1\r\nX: ");
    memset(head + strlen(head), 'x', HTTP_HEAD_MAX - strlen(head) + 32);
    em_conn_send(t.conn, head, HTTP_HEAD_MAX + 32);
    until_answers(1, "431");
    ck_assert_uint_eq(t.store->now.totals.reports, 0);
    free(bomb);
    free(head);
}
END_TEST

static unsigned answered;

static void on_one_answer(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    (void)arg;
    (void)from;
    ck_assert_msg(n > 12 && memcmp(p, "HTTP/1.1 200", 12) == 0, "%.*s", (int)n, (const char *)p);
    answered++;
}

START_TEST(a_hundred_at_once)
{
    enum { MANY = 100, CALLS = 50 }; /* each call is posted twice */
    static const struct em_conn_events events = { .data = on_one_answer };
    int64_t end = em_mono_us(&em_clock_system) + PATIENCE_S * EM_US_PER_S;
    struct em_open how = { .transport = EM_TRANSPORT_TCP };
    struct em_conn *many[MANY];

    start(&em_sdn_kind);
    how.remote = t.conf.listen;
    answered = 0;
    for (int i = 0; i < MANY; i++)
        many[i] = em_net_open(t.net, &how, &events, NULL);
    for (int i = 0; i < 20; i++)
        turn(INT64_MAX);
    for (int i = 0; i < MANY; i++) {
        char request[512], body[384];

        snprintf(body, sizeof body,
                 "<LyncDiagnostics><ConnectionInfo><CallId>call-%d</CallId></ConnectionInfo><Error>"
                 "<MSDiagnosticsClient>23</MSDiagnosticsClient></Error></LyncDiagnostics>",
                 i % CALLS);
        snprintf(request, sizeof request, "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
                 body);
        em_conn_send(many[i], request, strlen(request));
    }
    while (answered < MANY && turn(end))
        ;
    ck_assert_uint_eq(answered, MANY);
    ck_assert_uint_eq(t.store->now.totals.code_23, CALLS);
    ck_assert_uint_eq(t.store->now.totals.messages, CALLS);
    for (int i = 0; i < MANY; i++)
        em_conn_close(many[i], true);
}
END_TEST

/* Who posts is told to come again when the database cannot be written, and nothing of it counts. */
START_TEST(a_database_that_cannot_be_written)
{
    start(&em_sdn_kind);
    em_log_set_level((enum em_log_level) - 1);
    dial(EM_TRANSPORT_TCP);
    ck_assert_int_eq(sqlite3_exec(t.store->db.sqlite, "PRAGMA query_only = 1", NULL, NULL, NULL), SQLITE_OK);
    post("", CALL);
    until_answers(1, "503");
    ck_assert_uint_eq(row().state, EM_SOURCE_FAILED);
    ck_assert_str_ne(t.kind->failure(t.source), "");
    ck_assert_int_eq(sqlite3_exec(t.store->db.sqlite, "PRAGMA query_only = 0", NULL, NULL, NULL), SQLITE_OK);
    post("", CALL);
    until_answers(2, "200");
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
    ck_assert_uint_eq(t.store->now.totals.reports, 1);
    ck_assert_str_eq(t.kind->failure(t.source), "");
    ck_assert_uint_eq(row().state, EM_SOURCE_CAUGHT_UP);
}
END_TEST

START_TEST(clients_that_leave_before_their_answer)
{
    start(&em_sdn_kind);
    for (int i = 0; i < 5; i++) {
        dial(EM_TRANSPORT_TCP);
        post("", CALL);
        turn(INT64_MAX);
        em_conn_close(t.conn, true);
        t.conn = NULL;
    }
    until_messages(1);
    ck_assert_uint_eq(t.store->now.totals.code_23, 1);
}
END_TEST

int main(void)
{
    TCase *c = em_case("hep");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, udp_and_tcp, 0, 2);
    tcase_add_test(c, tcp_in_single_bytes);
    tcase_add_test(c, hostile_payloads_spoil_nothing_else);
    tcase_add_test(c, bad_packets_are_counted);
    tcase_add_test(c, a_stream_that_is_none_is_closed);
    tcase_add_test(c, only_so_many_clients);
    tcase_add_test(c, what_was_taken_is_kept_at_the_end);
    tcase_add_test(c, a_port_that_is_taken);
    c = em_case("posts");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, posts_are_taken_once, 0, 2);
    tcase_add_loop_test(c, ice_flags_are_joined_whichever_comes_first, 0, 2);
    tcase_add_test(c, bodies_come_when_they_are_called_for_and_in_chunks);
    tcase_add_test(c, what_is_refused);
    tcase_add_test(c, bombs_are_refused);
    tcase_add_test(c, a_hundred_at_once);
    tcase_add_test(c, a_database_that_cannot_be_written);
    tcase_add_test(c, clients_that_leave_before_their_answer);
    return em_run();
}
