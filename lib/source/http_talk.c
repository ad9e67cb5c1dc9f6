/* SPDX-License-Identifier: GPL-3.0-or-later
 * The HTTP source's questions, and what each kind of answer means. */
#include <stdio.h>
#include <stdlib.h>

#include "base/esc.h"
#include "base/log.h"
#include "source/http_poll.h"

enum { SAID_MAX = 120, HEADER_MAX = EM_SOURCE_TOKEN_MAX + 32 };

/* --- asking -------------------------------------------------------------------------------------------------------- */

/* "Authorization: ApiKey abc" when the token file says with what word; HOMER has a header of its own for tokens that do not end. */
static bool token_header(const struct http_source *s, char to[HEADER_MAX])
{
    const char *token = s->conf.http.token;

    if (s->conf.http.preset == EM_HTTP_HOMER7 && *token)
        (void)snprintf(to, HEADER_MAX, "Auth-Token: %s", token);
    else if (strchr(token, ' '))
        (void)snprintf(to, HEADER_MAX, "Authorization: %s", token);
    else
        return false;
    return true;
}

static int send_question(struct http_source *s, const char *url, const char *body, em_http_fn done,
                         struct em_why *why)
{
    char own[HEADER_MAX], tenant[EM_NAME_MAX + 32];
    const char *header[2];
    size_t n = 0;
    struct em_http_ask ask = { .url = url, .body = *body ? body : NULL, .timeout_us = s->conf.timeout_us };
    int err;

    if (token_header(s, own))
        header[n++] = own;
    else
        ask.token = s->token[0] ? s->token : s->conf.http.token;
    if (s->conf.http.tenant[0]) {
        (void)snprintf(tenant, sizeof tenant, "X-Scope-OrgID: %s", s->conf.http.tenant);
        header[n++] = tenant;
    }
    ask.header = header;
    ask.header_n = n;
    err = s->client->ask(s->http, &ask, done, s, why);
    explicit_bzero(own, sizeof own);
    return err;
}

static void ask(struct http_source *s, http_ask_fn write, em_http_fn done)
{
    struct buf url = buf_heap(EM_HTTP_URL_MAX), body = buf_heap(HTTP_BODY_MAX);
    struct em_why why = { "" };
    int err = EM_ERR_LIMIT;

    write(&s->conf, &s->page, &url, &body);
    if (url.full || body.full)
        (void)em_fail(&why, err, "the question is too long: a shorter url or query is needed");
    else
        err = send_question(s, buf_str(&url), buf_str(&body), done, &why);
    if (body.p)
        explicit_bzero(body.p, body.n);
    buf_fini(&url);
    buf_fini(&body);
    if (err != 0)
        http_fail(s, -1, "%s", why.text);
}

/* --- answers that are none ----------------------------------------------------------------------------------------- */

/* The beginning of what the server says about it, on one line. */
static const char *said(const struct em_http_answer *a, char to[SAID_MAX])
{
    return esc_line_into(to, SAID_MAX, slice_trim(slice_upto(a->body, SAID_MAX)));
}

static const struct {
    unsigned status;
    const char *means;
} meanings[] = {
    { 400, "the question is not understood; is the query right?" },
    { 401, "user, password or token are not accepted" },
    { 403, "this user may not read that" },
    { 404, "there is no such thing there; are url, preset and index right?" },
    { 407, "the proxy wants a user; see proxy_user" },
    { 413, "the question is too long for it" },
    { 429, "it is asked too often" },
    { 503, "it is too busy" },
};

static const char *meaning_of(unsigned status)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].status == status)
            return meanings[i].means;
    return status >= 500 ? "the server has failed" : "that is no answer to the question";
}

static void again_after_login(struct http_source *s)
{
    explicit_bzero(s->token, sizeof s->token);
    http_ask_first(s);
}

static bool asks_texts(const struct http_source *s)
{
    return s->preset->ask_texts && s->records == s->preset->texts;
}

void http_smaller(struct http_source *s, const char *what)
{
    http_drop_answer(s);
    if (asks_texts(s) && s->keys_most > 1) {
        s->keys_most /= 2;
        http_then(s, http_ask_texts);
        return;
    }
    s->shrunk = true;
    if (s->limit <= 1 || asks_texts(s)) {
        http_fail(s, -1, "%s, although it is of one record only", what);
        return;
    }
    s->limit /= 2;
    em_log_info("source %s: %s; %u records are asked for at once", s->conf.name, what, s->limit);
    http_then(s, http_ask_page);
}

/* Whether the answer is one. Else the poll has ended, or the question was asked anew. */
static bool good(struct http_source *s, const struct em_http_answer *a)
{
    char text[SAID_MAX];

    if (a->end == EM_HTTP_TOO_LARGE) {
        http_smaller(s, a->failure);
        return false;
    }
    if (a->end != EM_HTTP_ANSWERED) {
        http_fail(s, -1, "%s", a->failure);
        return false;
    }
    if (a->status >= 200 && a->status < 300)
        return true;
    if ((a->status == 401 || a->status == 403) && s->token[0] && !s->logged_in)
        http_then(s, again_after_login); /* the token has ended */
    else
        http_fail(s, a->status == 429 || a->status == 503 ? a->retry_after_us : -1, "status %u: %s (%s)",
                  a->status, meaning_of(a->status), said(a, text));
    return false;
}

static void on_answer(void *arg, const struct em_http_answer *a)
{
    struct http_source *s = arg;

    if (!good(s, a))
        return;
    s->body = a->body;
    s->pushed = 0;
    http_then(s, http_take_apart);
}

/* --- login --------------------------------------------------------------------------------------------------------- */

static void on_login(void *arg, const struct em_http_answer *a)
{
    struct http_source *s = arg;
    struct em_answer *answer;
    struct buf token = buf_over(s->token, sizeof s->token);
    struct em_why why = { "" };
    bool there;

    s->logged_in = true;
    if (!good(s, a))
        return;
    answer = em_answer_new();
    there = answer && em_answer_push(answer, a->body.p, a->body.n, &why) == 0 &&
            em_answer_finish(answer, &why) == 0 && em_answer_value(answer, s->preset->login, &token);
    em_answer_free(answer);
    (void)buf_str(&token);
    if (!there || strpbrk(s->token, " \r\n")) {
        s->token[0] = '\0';
        http_fail(s, -1, "the answer to the login has no token; is this the preset's server?");
        return;
    }
    http_then(s, http_ask_page);
}

void http_ask_first(struct http_source *s)
{
    if (s->preset->login && s->conf.user[0] && !s->token[0])
        ask(s, s->preset->ask_login, on_login);
    else
        http_ask_page(s);
}

/* --- pages --------------------------------------------------------------------------------------------------------- */

static int64_t horizon_ns(const struct http_source *s)
{
    int64_t now_ns = em_wall_us(s->clock) * 1000;

    return (now_ns > s->page.start_ns ? now_ns : s->page.start_ns) + HTTP_AHEAD_NS;
}

void http_ask_page(struct http_source *s)
{
    s->page.limit = s->limit;
    s->page.key_n = 0;
    s->page.end_ns = horizon_ns(s);
    s->last_window = !s->preset->windows || s->page.end_ns - s->page.start_ns <= s->span_ns;
    if (!s->last_window)
        s->page.end_ns = s->page.start_ns + s->span_ns;
    s->records = s->preset->records ? s->preset->records : s->shape.records;
    s->record_shape = s->preset->records ? &s->preset->shape : &s->shape.shape;
    s->fresh = 0;
    s->page_newest_ns = 0;
    buf_reset(&s->keys);
    s->after_next[0] = '\0';
    s->key = s->keys_n = s->key_at = s->key_next = 0;
    ask(s, s->preset->ask, on_answer);
}

void http_ask_texts(struct http_source *s)
{
    struct slice key[HTTP_KEYS_MAX];
    size_t at = s->key_at, n = 0;

    for (; n < s->keys_most && s->key + n < s->keys_n; n++) {
        key[n] = slice_of((const char *)s->keys.p + at);
        at += key[n].n + 1;
    }
    s->key_next = at;
    s->page.key = key;
    s->page.key_n = n;
    s->records = s->preset->texts;
    s->record_shape = &s->preset->texts_shape;
    ask(s, s->preset->ask_texts, on_answer);
    s->page.key = NULL;
}
