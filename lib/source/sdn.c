/* SPDX-License-Identifier: GPL-3.0-or-later
 * Posts are gathered for COMMIT_US, or until there are BATCH bytes of them, committed together, and then answered: a hundred senders in parallel
 * wait for one commit. See sdn.h. */
#include "source/sdn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "evidence/sdn.h"
#include "net/http_serve.h"
#include "source/intake.h"
#include "source/listen_tls.h"

enum {
    BATCH = 256 * 1024,
    COMMIT_US = 10 * 1000,
    LISTEN_AGAIN_US = 2 * 1000 * 1000,
    FORGET_MOST = 1000, /* old posts that are forgotten with one commit */
};

struct post {
    struct http_client *client;
    struct slice body; /* the client's, which waits */
    const char *fault; /* what is wrong with it; NULL: nothing */
};

struct sdn_source {
    struct em_source_env env;
    char name[EM_NAME_MAX], location[EM_URI_MAX];
    struct em_addr at;
    struct em_listen_tls tls;
    struct http_server *server;
    struct em_timer *timer;
    struct em_intake in;
    struct post post[HTTP_SERVE_CLIENTS_MAX];
    size_t posts_n, bytes;
    struct em_reader_stats bad; /* of requests that HTTP refused */
    uint64_t heard;
    int64_t due_us; /* of the timer; 0: it is not set */
    char error[EM_REASON_MAX];
};

/* At the latest; 0: in the next turn, never from within a post, whose answer may bring the next one of that client. */
static void later(struct sdn_source *s, int64_t us)
{
    int64_t due_us = em_mono_us(em_net_clock(s->env.net)) + us;

    if (s->due_us && s->due_us <= due_us)
        return;
    s->due_us = due_us;
    em_timer_at(s->timer, due_us);
}

static void complain(struct sdn_source *s, const struct http_client *c, const char *what)
{
    char endpoint[EM_ENDPOINT_MAX];

    em_addr_endpoint(http_client_from(c), endpoint);
    snprintf(s->error, sizeof s->error, "a post from %s is not read: %s", endpoint, what);
}

/* --- into the store ------------------------------------------------------------------------------------------------ */

static void on_report(void *arg, const struct em_report *r)
{
    struct sdn_source *s = arg;

    (void)em_intake_report(&s->in, s->location, r);
}

static void on_report_again(void *arg, const struct em_report *r)
{
    (void)arg;
    (void)r;
}

static const char *fault_of(const struct sdn *told)
{
    if (told->ending != XML_WHOLE)
        return xml_ending_text(told->ending);
    return told->kind == SDN_OTHER ? "it is neither a message of the SDN Interface nor a QoE report" : NULL;
}

static void store_post(struct sdn_source *s, struct post *p)
{
    struct em_reader_stats read = { .bytes = p->body.n, .messages = 1 };
    int64_t now = em_wall_us(&em_clock_system);
    bool before = false;
    struct sdn told;

    (void)em_intake_seen(&s->in, em_hash(&em_hash_key_fixed, p->body.p, p->body.n), now, &before);
    sdn_read(p->body, before ? on_report_again : on_report, s, &told);
    p->fault = fault_of(&told);
    read.malformed = p->fault != NULL;
    if (told.ending == XML_NO_READER && s->in.err == 0)
        s->in.err =
            em_fail(&s->in.why, EM_ERR_MEMORY, "source %s: %s", s->name, xml_ending_text(told.ending));
    if (!before)
        (void)em_intake_count(&s->in, &read);
}

static void store_all(struct sdn_source *s)
{
    int64_t old = em_wall_us(&em_clock_system) - SDN_REPEATS_US;
    uint64_t removed;

    for (size_t i = 0; i < s->posts_n; i++)
        store_post(s, &s->post[i]);
    (void)em_intake_count(&s->in, &s->bad);
    if (s->in.err == 0)
        s->in.err = em_store_seen_forget(s->env.store, s->env.number, old, FORGET_MOST, &removed, &s->in.why);
}

/* Those that were answered may post again from within the answer, so the list is emptied first. */
static void answer_all(struct sdn_source *s, bool stored)
{
    struct post posts[HTTP_SERVE_CLIENTS_MAX];
    size_t n = s->posts_n;

    memcpy(posts, s->post, n * sizeof *posts);
    s->posts_n = s->bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const struct post *p = &posts[i];

        if (stored && p->fault)
            complain(s, p->client, p->fault);
        else if (stored)
            s->error[0] = '\0';
        if (!stored)
            http_answer(p->client, 503, "the database cannot be written; post it again later");
        else
            http_answer(p->client, p->fault ? 400 : 200, p->fault ? p->fault : "taken");
    }
}

static void commit(struct sdn_source *s)
{
    bool stored;

    if (s->posts_n == 0 && s->bad.messages == 0 && !s->in.failing)
        return;
    if (em_intake_begin(&s->in) == 0)
        store_all(s);
    stored = em_intake_end(&s->in) == 0;
    if (stored)
        s->bad = (struct em_reader_stats) { 0 };
    else
        later(s, EM_INTAKE_RETRY_US); /* to find out when it can be written again */
    answer_all(s, stored);
    s->env.changed(s->env.arg);
}

/* --- posts --------------------------------------------------------------------------------------------------------- */

static void on_post(void *arg, struct http_client *c, const struct http_request *r)
{
    struct sdn_source *s = arg;
    const char *body = r->body.n > 0 ? (const char *)r->body.p : "";

    s->heard++;
    s->post[s->posts_n++] = (struct post) { .client = c, .body = { body, r->body.n } };
    s->bytes += r->body.n;
    later(s, s->bytes >= BATCH ? 0 : COMMIT_US);
}

static void on_refused(void *arg, struct http_client *c, const struct http_request *r)
{
    struct sdn_source *s = arg;

    if (r->status == 405)
        return; /* somebody who looks whether the port is there */
    complain(s, c, r->why);
    s->bad.messages++;
    s->bad.malformed++;
    later(s, COMMIT_US);
}

static void on_untrusted(void *arg, const struct em_addr *from, const char *what)
{
    struct sdn_source *s = arg;

    em_listen_tls_untrusted(&s->tls, &s->env, s->name, from, what, s->error);
}

/* --- the source ---------------------------------------------------------------------------------------------------- */

static void start_listening(struct sdn_source *s)
{
    struct http_serve_conf conf = { .at = s->at,
                                    .body_max = XML_DOCUMENT_MAX,
                                    .take = on_post,
                                    .refused = on_refused,
                                    .untrusted = on_untrusted,
                                    .arg = s };
    struct em_why why;
    bool opened = em_listen_tls_open(&s->tls, s->name, &why) == 0;

    conf.tls = s->tls.serve;
    if (opened && (s->server = http_server_new(s->env.net, &conf, &why))) {
        s->error[0] = '\0';
        return;
    }
    if (strcmp(s->error, why.text) != 0)
        em_log_error("source %s: %s", s->name, why.text);
    slice_copy(slice_of(why.text), s->error, sizeof s->error);
    later(s, LISTEN_AGAIN_US);
}

static void on_timer(void *arg)
{
    struct sdn_source *s = arg;

    s->due_us = 0;
    if (s->server) {
        commit(s);
        return;
    }
    start_listening(s);
    s->env.changed(s->env.arg);
}

static void sdn_stop(void *source)
{
    struct sdn_source *s = source;

    if (!s)
        return;
    commit(s);
    http_server_free(s->server);
    em_listen_tls_close(&s->tls);
    em_timer_free(s->timer);
    free(s);
}

static int sdn_start(const struct em_source_env *env, const struct em_source_conf *conf, void **source,
                     struct em_why *why)
{
    struct sdn_source *s = calloc(1, sizeof *s);

    if (!s || !(s->timer = em_timer_new(env->net, on_timer, s))) {
        free(s);
        return em_fail(why, EM_ERR_MEMORY, "source %s: no memory", conf->name);
    }
    s->env = *env;
    s->at = conf->listen;
    s->tls.files = conf->tls;
    slice_copy(slice_of(conf->name), s->name, sizeof s->name);
    em_addr_endpoint(&s->at, s->location);
    em_intake_init(&s->in, &s->env, s->name);
    start_listening(s);
    *source = s;
    return 0;
}

static void sdn_row(const void *source, struct em_source_row *row)
{
    const struct sdn_source *s = source;

    slice_copy(slice_of(s->location), row->location, sizeof row->location);
    slice_copy(slice_of(s->in.failing ? s->in.why.text : s->error), row->error, sizeof row->error);
    row->lag_bytes = s->bytes;
    row->state = s->heard ? EM_SOURCE_CAUGHT_UP : EM_SOURCE_STARTING;
    if (!s->server || s->in.failing)
        row->state = EM_SOURCE_FAILED;
}

static const char *sdn_failure(const void *source)
{
    return em_intake_failure(&((const struct sdn_source *)source)->in);
}

const struct em_source_kind em_sdn_kind = { EM_SOURCE_SDN, sdn_start, sdn_stop, sdn_row, sdn_failure };
const struct em_source_kind em_qoe_kind = { EM_SOURCE_QOE, sdn_start, sdn_stop, sdn_row, sdn_failure };
