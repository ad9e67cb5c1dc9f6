/* SPDX-License-Identifier: GPL-3.0-or-later
 * The HTTP source's times and life: when it asks, how long it waits after a failure, what its row says. */
#include "source/http.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "source/http_poll.h"

/* --- turns --------------------------------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
    struct http_source *s = arg;

    s->next(s);
}

static void then_at(struct http_source *s, void (*next)(struct http_source *s), int64_t at_us)
{
    s->next = next;
    em_timer_at(s->timer, at_us);
}

void http_then(struct http_source *s, void (*next)(struct http_source *s))
{
    then_at(s, next, em_mono_us(s->clock));
}

void http_tell(struct http_source *s, enum em_source_state state, const char *error)
{
    bool same = s->state == state && strcmp(s->error, error) == 0;

    s->state = state;
    (void)slice_copy(slice_of(error), s->error, sizeof s->error);
    if (!same && s->env.changed)
        s->env.changed(s->env.arg);
}

static void begin_poll(struct http_source *s)
{
    s->began_us = em_mono_us(s->clock);
    s->logged_in = false;
    s->stale = 0;
    s->shrunk = false;
    s->reached = s->place;
    (void)slice_copy(slice_of(s->place.after), s->after, sizeof s->after);
    s->page = (struct http_page) { .start_ns = s->place.start_ns, .after = s->after };
    http_ask_first(s);
}

/* --- failures ------------------------------------------------------------------------------------------------------ */

void http_fail(struct http_source *s, int64_t after_us, const char *fmt, ...)
{
    char text[EM_WHY_MAX];
    bool known = s->state == EM_SOURCE_FAILED;
    struct buf b = buf_over(text, sizeof text);
    va_list ap;

    va_start(ap, fmt);
    buf_vprint(&b, fmt, ap);
    va_end(ap);
    (void)buf_str(&b);
    s->client->cancel(s->http);
    http_drop_answer(s);
    if (after_us < 0)
        after_us = em_back_off_us(s->clock, s->failures, EM_HTTP_BACKOFF_MIN_S * EM_US_PER_S,
                                  EM_HTTP_BACKOFF_MAX_S * EM_US_PER_S);
    else /* a little more than what was asked for, not all at one time */
        after_us += em_random_below(s->clock, 1000) * EM_US_PER_MS;
    s->failures++;
    if (!known)
        em_log_warning("source %s: %s; asked again in %lld s", s->conf.name, text,
                       (long long)(after_us / EM_US_PER_S));
    then_at(s, begin_poll, em_mono_us(s->clock) + after_us);
    http_tell(s, EM_SOURCE_FAILED, text);
}

/* The intake has said in the log what is wrong. */
void http_stored(struct http_source *s, int err)
{
    (void)err;
    s->client->cancel(s->http);
    http_drop_answer(s);
    then_at(s, begin_poll, em_mono_us(s->clock) + EM_INTAKE_RETRY_US);
    http_tell(s, EM_SOURCE_FAILED, s->in.why.text);
}

void http_rest(struct http_source *s)
{
    int64_t now_us = em_mono_us(s->clock), at_us = s->began_us + s->conf.interval_us;

    s->client->cancel(s->http); /* what the answer took */
    if (s->state == EM_SOURCE_FAILED)
        em_log_info("source %s: answers again", s->conf.name);
    s->failures = 0;
    s->limit = s->limit * 2 < s->conf.page ? s->limit * 2 : s->conf.page;
    then_at(s, begin_poll, at_us > now_us ? at_us : now_us);
    http_tell(s, EM_SOURCE_CAUGHT_UP, "");
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static int load_place(struct http_source *s, struct em_why *why)
{
    char text[EM_INTAKE_PLACE_MAX];
    int err = em_intake_load(&s->in, text, why);

    if (err == 0 && !http_place_read(text, &s->place))
        s->place = (struct http_place) { .start_ns = (em_wall_us(s->clock) - s->conf.since_us) * 1000 };
    if (s->place.start_ns < 0)
        s->place.start_ns = 0;
    return err;
}

static bool make_client(struct http_source *s, struct em_why *why)
{
    const struct em_source_conf *c = &s->conf;
    bool basic = !s->preset->login; /* else user and password are for the login */
    const struct em_http_conf conf = { .ca_file = c->ca_file,
                                       .insecure = c->insecure,
                                       .proxy = c->http.proxy,
                                       .proxy_user = c->http.proxy_user,
                                       .proxy_password = c->http.proxy_password,
                                       .user = basic ? c->user : "",
                                       .password = basic ? c->password : "" };

    s->http = s->client->make(s->env.net, &conf, why);
    return s->http;
}

static void stop(void *source)
{
    struct http_source *s = source;

    if (!s)
        return;
    if (s->http)
        s->client->release(s->http);
    em_timer_free(s->timer);
    em_answer_free(s->answer);
    buf_fini(&s->keys);
    explicit_bzero(s, sizeof *s);
    free(s);
}

int em_http_source_start(const struct em_http_client *client, const struct em_source_env *env,
                         const struct em_source_conf *conf, void **source, struct em_why *why)
{
    struct http_source *s = calloc(1, sizeof *s);
    int err;

    if (!s)
        return em_fail(why, EM_ERR_MEMORY, "source %s: no memory", conf->name);
    memcpy(&s->conf, conf, sizeof s->conf);
    s->env = *env;
    s->client = client;
    s->preset = http_preset_of(&s->conf);
    s->clock = em_net_clock(env->net);
    s->keys = buf_heap(HTTP_KEY_BYTES);
    s->span_ns = HTTP_SPAN_NS;
    s->keys_most = HTTP_KEYS_MAX;
    s->state = EM_SOURCE_STARTING;
    if (s->conf.page == 0 || s->conf.page > s->preset->page_max)
        s->conf.page = s->conf.page ? s->preset->page_max : s->preset->page;
    s->limit = s->conf.page;
    http_shape_of(&s->conf, &s->shape);
    em_intake_init(&s->in, env, s->conf.name);
    err = load_place(s, why);
    if (err == 0 && !make_client(s, why))
        err = EM_ERR_INPUT;
    if (err == 0 && !(s->timer = em_timer_new(env->net, on_timer, s)))
        err = em_fail(why, EM_ERR_MEMORY, "source %s: no memory", conf->name);
    if (err != 0) {
        stop(s);
        return err;
    }
    http_then(s, begin_poll);
    *source = s;
    return 0;
}

static const struct em_http_client real = { em_http_new, em_http_ask, em_http_cancel, em_http_free };

static int start(const struct em_source_env *env, const struct em_source_conf *conf, void **source,
                 struct em_why *why)
{
    return em_http_source_start(&real, env, conf, source, why);
}

static void row(const void *source, struct em_source_row *row)
{
    const struct http_source *s = source;

    (void)slice_copy(slice_of(s->conf.http.url), row->location, sizeof row->location);
    (void)slice_copy(slice_of(s->error), row->error, sizeof row->error);
    row->state = s->state;
    row->files = row->lag_bytes = 0;
}

static const char *failure(const void *source)
{
    return em_intake_failure(&((const struct http_source *)source)->in);
}

const struct em_source_kind em_http_kind = {
    .type = EM_SOURCE_HTTP, .start = start, .stop = stop, .row = row, .failure = failure
};
