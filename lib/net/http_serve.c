/* SPDX-License-Identifier: GPL-3.0-or-later
 * Clients of the HTTP server, each with one request at a time:
 *
 *     READING --request is whole--> WAITING --http_answer()--> READING, or closed
 *        |                             |
 *        +--refused--> LINGERING       +--the peer is gone: freed at its answer
 */
#include "net/http_serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { ANSWER_MAX = 1024 };
enum client_state { READING, WAITING, LINGERING };

struct http_client {
    struct http_server *server;
    struct em_conn *conn; /* NULL: the peer is gone while it waits */
    struct em_addr from;
    enum client_state state;
    bool told_to_go_on;
    int64_t end_us;
    struct http_request request;
    struct buf rest; /* what came behind the request that waits */
};

struct http_server {
    struct http_serve_conf conf;
    struct em_net *net;
    struct em_listener *listener;
    struct em_timer *timer;
    struct http_client *client[HTTP_SERVE_CLIENTS_MAX];
    size_t clients_n;
};

static int64_t now_us(const struct http_server *s)
{
    return em_mono_us(em_net_clock(s->net));
}

const struct em_addr *http_client_from(const struct http_client *c)
{
    return &c->from;
}

static void drop(struct http_client *c)
{
    struct http_server *s = c->server;

    for (size_t i = 0; i < s->clients_n; i++)
        if (s->client[i] == c) {
            s->client[i] = s->client[--s->clients_n];
            break;
        }
    em_conn_close(c->conn, false);
    http_request_fini(&c->request);
    buf_fini(&c->rest);
    free(c);
}

/* --- answers ------------------------------------------------------------------------------------------------------- */

static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } all[] = { { 200, "OK" },
                { 400, "Bad Request" },
                { 403, "Forbidden" },
                { 405, "Method Not Allowed" },
                { 411, "Length Required" },
                { 413, "Content Too Large" },
                { 415, "Unsupported Media Type" },
                { 417, "Expectation Failed" },
                { 431, "Request Header Fields Too Large" },
                { 501, "Not Implemented" },
                { 503, "Service Unavailable" },
                { 505, "HTTP Version Not Supported" } };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].status == status)
            return all[i].phrase;
    return "";
}

static void send_answer(struct http_client *c, int status, const char *text)
{
    char answer[ANSWER_MAX];
    struct buf b = buf_over(answer, sizeof answer);

    buf_print(&b, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n", status, phrase(status));
    buf_print(&b, "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n%s%s",
              status == 405 ? "Allow: POST\r\n" : "", status == 503 ? "Retry-After: 2\r\n" : "");
    buf_print(&b, "Content-Length: %zu\r\nConnection: %s\r\n\r\n%s\n", strlen(text) + 1,
              c->request.keeps ? "keep-alive" : "close", text);
    if (!b.full)
        em_conn_send(c->conn, b.p, b.n);
}

static void linger(struct http_client *c)
{
    c->state = LINGERING;
    c->end_us = now_us(c->server) + HTTP_SERVE_LINGER_S * EM_US_PER_S;
}

/* --- requests ------------------------------------------------------------------------------------------------------ */

static bool has_body_to_come(const struct http_request *r)
{
    return r->state != HTTP_HEAD && r->state != HTTP_DONE && r->state != HTTP_REFUSED;
}

/* What the methods and pages of others are not let in for. */
static bool is_for_us(struct http_client *c)
{
    struct http_request *r = &c->request;

    if (r->origin) {
        r->status = 403;
        r->why = "web pages cannot post here";
    } else if (strcmp(r->method, "POST") != 0) {
        r->status = 405;
        r->why = "reports are posted here";
    } else {
        return true;
    }
    r->keeps = false;
    return false;
}

static void refused(struct http_client *c)
{
    struct http_server *s = c->server;

    s->conf.refused(s->conf.arg, c, &c->request);
    send_answer(c, c->request.status, c->request.why);
    linger(c);
}

static void push(struct http_client *c, const uint8_t *p, size_t n)
{
    struct http_request *r = &c->request;
    size_t used = http_request_push(r, p, n);

    if (r->state == HTTP_REFUSED || (r->state != HTTP_HEAD && !is_for_us(c))) {
        refused(c);
        return;
    }
    if (has_body_to_come(r) && r->expects && !c->told_to_go_on) {
        c->told_to_go_on = true;
        em_conn_send(c->conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    if (r->state != HTTP_DONE)
        return;
    c->state = WAITING;
    buf_bytes(&c->rest, p + used, n - used);
    em_conn_pause(c->conn, true);
    c->server->conf.take(c->server->conf.arg, c, r);
}

static void on_data(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct http_client *c = arg;

    (void)from;
    if (c->state == READING)
        push(c, p, n);
}

static void on_eof(void *arg)
{
    struct http_client *c = arg;

    if (c->state != WAITING) {
        drop(c);
        return;
    }
    em_conn_close(c->conn, false);
    c->conn = NULL;
}

static void on_error(void *arg, const struct em_net_error *e)
{
    struct http_client *c = arg;
    struct em_tls_info info;

    if (e->kind == EM_NET_TLS) {
        em_conn_tls(c->conn, &info);
        if (!info.secured)
            c->server->conf.untrusted(c->server->conf.arg, &c->from, info.failure);
    }
    on_eof(arg);
}

/* The next request may be there already. */
static void go_on(struct http_client *c)
{
    struct buf rest = c->rest;

    c->rest = buf_heap(rest.max);
    c->state = READING;
    c->told_to_go_on = false;
    c->end_us = now_us(c->server) + HTTP_SERVE_REQUEST_S * EM_US_PER_S;
    http_request_next(&c->request);
    em_conn_pause(c->conn, false);
    if (rest.n > 0)
        push(c, rest.p, rest.n);
    buf_fini(&rest);
}

void http_answer(struct http_client *c, int status, const char *text)
{
    if (!c->conn) {
        drop(c);
        return;
    }
    send_answer(c, status, text);
    if (c->request.keeps)
        go_on(c);
    else
        drop(c);
}

/* --- clients ------------------------------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
    struct http_server *s = arg;
    int64_t now = now_us(s);

    for (size_t i = s->clients_n; i-- > 0;)
        if (s->client[i]->state != WAITING && now >= s->client[i]->end_us)
            drop(s->client[i]);
    if (s->clients_n > 0)
        em_timer_at(s->timer, now + EM_US_PER_S);
}

/* False: all of them wait for us. */
static bool make_room(struct http_server *s)
{
    struct http_client *first = NULL;

    if (s->clients_n < HTTP_SERVE_CLIENTS_MAX)
        return true;
    for (size_t i = 0; i < s->clients_n; i++)
        if (s->client[i]->state != WAITING && (!first || s->client[i]->end_us < first->end_us))
            first = s->client[i];
    if (first)
        drop(first);
    return first != NULL;
}

static void on_accepted(void *arg, struct em_conn *conn, const struct em_addr *from)
{
    static const struct em_conn_events events = { .data = on_data, .eof = on_eof, .error = on_error };
    struct http_server *s = arg;
    struct http_client *c = make_room(s) ? calloc(1, sizeof *c) : NULL;

    if (!c) {
        em_conn_close(conn, true);
        return;
    }
    c->server = s;
    c->conn = conn;
    c->from = *from;
    c->rest = buf_heap(EM_CONN_READ_MAX + 1);
    c->end_us = now_us(s) + HTTP_SERVE_REQUEST_S * EM_US_PER_S;
    http_request_init(&c->request, s->conf.body_max);
    if (s->clients_n == 0)
        em_timer_at(s->timer, now_us(s) + EM_US_PER_S);
    s->client[s->clients_n++] = c;
    if (s->conf.tls)
        em_conn_take_tls(conn, s->conf.tls, &events, c);
    else
        em_conn_take(conn, &events, c);
}

struct http_server *http_server_new(struct em_net *n, const struct http_serve_conf *conf, struct em_why *why)
{
    static const struct em_listen_events events = { .accepted = on_accepted };
    struct http_server *s = calloc(1, sizeof *s);

    if (!s || !(s->timer = em_timer_new(n, on_timer, s))) {
        free(s);
        (void)em_fail(why, EM_ERR_MEMORY, "no memory for a server");
        return NULL;
    }
    s->net = n;
    s->conf = *conf;
    s->listener = em_net_listen(n, EM_TRANSPORT_TCP, &conf->at, &events, s, why);
    if (s->listener)
        return s;
    em_timer_free(s->timer);
    free(s);
    return NULL;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    em_listener_close(s->listener);
    while (s->clients_n > 0)
        drop(s->client[0]);
    em_timer_free(s->timer);
    free(s);
}
