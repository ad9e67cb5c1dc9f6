/* SPDX-License-Identifier: GPL-3.0-or-later
 * From an answer into the store: taken apart in pieces, brought in batches, each a transaction with the place behind it. */
#include <stdlib.h>

#include "base/hash.h"
#include "source/http_poll.h"

#define DAY_US (86400 * EM_US_PER_S)

void http_drop_answer(struct http_source *s)
{
    em_answer_free(s->answer);
    s->answer = NULL;
}

/* --- records ------------------------------------------------------------------------------------------------------- */

/* A text that is JSON itself: the message is in it, escaped once more. *inner is to be freed when the text is done with. */
static struct slice unwrap(struct slice text, struct em_answer **inner)
{
    static const struct em_answer_shape anywhere = { NULL, NULL };
    struct em_answer_record r = { 0 };
    struct slice t = slice_trim(text);
    bool whole;

    *inner = NULL;
    if (t.n == 0 || t.p[0] != '{' || !(*inner = em_answer_new()))
        return text;
    if (em_answer_push(*inner, t.p, t.n, NULL) == 0 && em_answer_finish(*inner, NULL) == 0 &&
        em_answer_find(*inner, "", &whole) > 0)
        em_answer_record(*inner, 0, &anywhere, &r);
    return r.text.n > 0 ? r.text : text;
}

static uint64_t key_of(const struct em_answer_record *r)
{
    const uint64_t parts[] = { (uint64_t)r->time_ns, em_hash(&em_hash_key_fixed, r->text.p, r->text.n) };

    return em_hash(&em_hash_key_fixed, parts, sizeof parts);
}

/* Returns the bytes that it took. */
static size_t bring_record(struct http_source *s, const struct em_answer_record *r, uint64_t *fresh)
{
    int64_t at_us = r->time_ns ? r->time_ns / 1000 : em_wall_us(s->clock);
    struct em_answer *inner;
    struct slice text;
    bool before = false;

    if (s->in.err != 0 || r->text.n == 0)
        return r->text.n;
    if (em_intake_seen(&s->in, key_of(r), at_us, &before) != 0 || before)
        return r->text.n;
    ++*fresh;
    text = unwrap(r->text, &inner);
    s->in.time_us = r->time_ns / 1000;
    (void)em_intake_text(&s->in, s->conf.http.url, text.p,
                         text.n); /* what is no text is counted as malformed */
    em_answer_free(inner);
    return r->text.n;
}

/* The cursor behind this record, if the next page should begin there: behind the last one that is older than the last, because of those of its
 * time some may not be on this page; behind the last one where all are of one time. */
static void note_cursor(struct http_source *s, size_t i, const struct em_answer_record *r, int64_t last_ns)
{
    const char *pointer = s->preset->after ? s->preset->after : s->shape.after;
    bool full = s->page_n >= s->limit, last = i + 1 == s->records_n;
    struct buf b = buf_over(s->after_next, sizeof s->after_next);

    if (!pointer || (!last && (!full || r->time_ns >= last_ns)) || (last && full && s->tie_ns > 0))
        return;
    s->tie_ns = last ? 0 : r->time_ns;
    if (!em_answer_record_value(s->answer, i, pointer, &b))
        buf_reset(&b);
    (void)buf_str(&b);
}

static int64_t last_time(struct http_source *s)
{
    struct em_answer_record r;

    em_answer_record(s->answer, s->records_n - 1, s->record_shape, &r);
    return r.time_ns;
}

static void bring_batch(struct http_source *s, uint64_t *fresh)
{
    int64_t last_ns = s->records_n > 0 ? last_time(s) : 0;
    size_t bytes = 0;

    for (size_t n = 0; n < HTTP_BATCH_RECORDS && bytes < HTTP_BATCH_BYTES && s->record < s->records_n; n++) {
        struct em_answer_record r;

        em_answer_record(s->answer, s->record, s->record_shape, &r);
        bytes += bring_record(s, &r, fresh);
        s->some_text = s->some_text || r.text.n > 0;
        if (r.time_ns > s->page_newest_ns)
            s->page_newest_ns = r.time_ns;
        note_cursor(s, s->record, &r, last_ns);
        s->record++;
    }
}

/* --- the end of a page --------------------------------------------------------------------------------------------- */

/* What was seen before the place is not asked for any more. Records without a time stay for a day. */
static void forget_seen(struct http_source *s)
{
    int64_t day_us = em_wall_us(s->clock) - DAY_US, before_us = s->reached.start_ns / 1000 - EM_US_PER_S;

    if (before_us > day_us && !s->reached.newest_ns)
        before_us = day_us;
    (void)em_intake_forget(&s->in, before_us);
}

static void put_place(struct http_source *s)
{
    char text[EM_INTAKE_PLACE_MAX];
    struct buf b = buf_over(text, sizeof text);

    http_place_write(&s->reached, &b);
    (void)em_intake_place(&s->in, buf_str(&b));
}

static void read_next(struct http_source *s)
{
    struct buf b = buf_over(s->after_next, sizeof s->after_next);

    if (!s->shape.next)
        return;
    if (!em_answer_value(s->answer, s->shape.next, &b))
        buf_reset(&b);
    (void)buf_str(&b);
}

static void go_on(struct http_source *s, bool more)
{
    http_drop_answer(s);
    if (!more) {
        http_rest(s);
        return;
    }
    if (s->state != EM_SOURCE_FAILED && s->fresh > 0) /* else it is the overlap that is read again */
        http_tell(s, EM_SOURCE_READING, "");
    http_then(s, http_ask_page);
}

/* A text that is nowhere is a mistake in the configuration, or a server that has changed; nobody would notice otherwise. */
static bool texts_are_missing(const struct http_source *s)
{
    return s->conf.http.preset == EM_HTTP_GENERIC && s->shape.shape.text && s->records_n > 0 && !s->some_text;
}

static void bring(struct http_source *s)
{
    uint64_t fresh = 0;
    bool end, more = false;
    int err;

    (void)em_intake_begin(&s->in);
    bring_batch(s, &fresh);
    end = s->record == s->records_n && s->key + s->page.key_n >= s->keys_n;
    s->fresh += fresh;
    if (end && !texts_are_missing(s)) {
        read_next(s);
        more = http_page_next(s);
        forget_seen(s);
        put_place(s);
    }
    if ((err = em_intake_end(&s->in)) != 0) {
        http_stored(s, err);
        return;
    }
    if (fresh > 0 && s->env.changed)
        s->env.changed(s->env.arg);
    if (end && texts_are_missing(s)) {
        http_fail(s, -1, "no record has a text at %s of the answer", s->conf.http.text);
    } else if (end) {
        s->place = s->reached;
        go_on(s, more);
    } else if (s->record < s->records_n) {
        http_then(s, bring);
    } else {
        http_drop_answer(s);
        s->key += s->page.key_n;
        s->key_at = s->key_next;
        http_then(s, http_ask_texts);
    }
}

/* --- keys of calls ------------------------------------------------------------------------------------------------- */

static bool add_key(struct http_source *s, struct hashtab *known, struct slice key)
{
    bool added = false;

    if (key.n == 0 || memchr(key.p, '\0', key.n))
        return true;
    if (hashtab_add(known, em_hash(&em_hash_key_fixed, key.p, key.n) | 1, &added, NULL) != 0)
        return false;
    if (added) {
        buf_slice(&s->keys, key);
        buf_u8(&s->keys, 0);
        s->keys_n++;
    }
    return !s->keys.full;
}

/* Each call once: it is in the answer as often as it has messages. */
static bool collect_keys(struct http_source *s)
{
    struct hashtab known;
    bool good = true;

    hashtab_init(&known, 0, EM_ANSWER_RECORDS_MAX);
    for (size_t i = 0; i < s->records_n && good; i++) {
        struct em_answer_record r;

        em_answer_record(s->answer, i, s->record_shape, &r);
        good = add_key(s, &known, r.text);
    }
    hashtab_fini(&known);
    return good;
}

static void keys_done(struct http_source *s)
{
    bool collected = http_page_fits(s) && collect_keys(s);

    http_drop_answer(s);
    if (s->keys.full) {
        http_fail(s, -1, "the answer names more calls than can be asked for");
    } else if (!collected) { /* it did not fit: asked for anew */
        http_then(s, http_ask_page);
    } else if (s->keys_n > 0) {
        http_then(s, http_ask_texts);
    } else {
        s->record = s->records_n = 0;
        http_then(s, bring);
    }
}

/* --- taking apart -------------------------------------------------------------------------------------------------- */

/* A search that was given up half-way, or of which parts of the index did not answer, would leave records out for good. */
static bool is_incomplete(struct http_source *s)
{
    static const char *const signs[] = { "/timed_out", "/_shards/failed" };
    bool bad = false;

    if (s->conf.http.preset != EM_HTTP_ELASTICSEARCH)
        return false;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        char text[32];
        struct buf b = buf_over(text, sizeof text);

        bad = bad || (em_answer_value(s->answer, signs[i], &b) && strcmp(buf_str(&b), "0") != 0 &&
                      strcmp(buf_str(&b), "false") != 0);
    }
    return bad;
}

static void apart(struct http_source *s)
{
    bool first = !s->preset->ask_texts || s->records != s->preset->texts, whole;

    s->client->cancel(s->http); /* the body is not needed any more */
    s->body = (struct slice) { 0 };
    s->record = 0;
    s->records_n = em_answer_find(s->answer, s->records, &whole);
    s->tie_ns = 0;
    s->some_text = false;
    if (!whole) {
        http_fail(s, -1, "the answer has nothing at %s; is the preset right for this server?",
                  *s->records ? s->records : "its beginning");
        return;
    }
    if (is_incomplete(s)) {
        http_fail(
            s, -1,
            "the answer is of a part of the index only: some shards failed, or the search took too long");
        return;
    }
    if (first)
        s->page_n = s->records_n;
    if (first && s->preset->ask_texts)
        keys_done(s);
    else
        http_then(s, bring);
}

void http_take_apart(struct http_source *s)
{
    struct slice piece = slice_upto(slice_from(s->body, s->pushed), HTTP_PARSE_BYTES);
    struct em_why why = { "" };
    int err;

    if (!s->answer && !(s->answer = em_answer_new())) {
        http_fail(s, -1, "no memory for the answer");
        return;
    }
    err = em_answer_push(s->answer, piece.p, piece.n, &why);
    s->pushed += piece.n;
    if (err == 0 && s->pushed < s->body.n) {
        http_then(s, http_take_apart);
        return;
    }
    if (err == 0)
        err = em_answer_finish(s->answer, &why);
    if (err == EM_ERR_LIMIT)
        http_smaller(s, why.text);
    else if (err != 0)
        http_fail(s, -1, "%s", why.text);
    else
        apart(s);
}
