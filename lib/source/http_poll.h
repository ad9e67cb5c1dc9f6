/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the HTTP source: its state, and what http.c (times and life), http_talk.c (questions and answers), and http_bring.c (records into the
 * store) do for each other.
 *
 * A poll is one or more pages; a page is a question, its answer taken apart in pieces, and its records brought in batches:
 *
 *     rest --timer--> [login] --> ask --answer--> take apart --> bring --> page done --> ask for the next, or rest
 *                                                    |              ^
 *                                   keys of calls (HOMER): ask for their texts, some calls at a time
 *
 * Whatever fails ends the poll, and the next one begins at the place that was committed.
 */
#ifndef EM_SOURCE_HTTP_POLL_H
#define EM_SOURCE_HTTP_POLL_H

#include "evidence/hashtab.h"
#include "source/http.h"
#include "source/http_presets.h"
#include "source/intake.h"

enum {
    HTTP_PARSE_BYTES = 256 * 1024, /* of an answer, in a turn */
    HTTP_BATCH_BYTES = 256 * 1024, /* of records, in a transaction */
    HTTP_BATCH_RECORDS = 500,
    HTTP_STALE_PAGES = 1000, /* pages without anything new, one after the other, that a cursor may lead to */
    HTTP_KEY_BYTES = 4 * 1024 * 1024,
};
#define HTTP_NS_PER_S INT64_C(1000000000)
#define HTTP_AHEAD_NS (3600 * HTTP_NS_PER_S)     /* records may be so far ahead of this clock */
#define HTTP_SPAN_MAX_NS (86400 * HTTP_NS_PER_S) /* of a window */
#define HTTP_SPAN_NS (600 * HTTP_NS_PER_S)

struct http_place {
    int64_t start_ns;           /* what is asked for begins here; never goes back */
    int64_t newest_ns;          /* the newest record so far; 0: none */
    char after[HTTP_AFTER_MAX]; /* the server's cursor; "": none */
};

struct http_source {
    struct em_source_env env;
    struct em_source_conf conf;
    const struct em_http_client *client;
    const struct http_preset *preset;
    struct http_shape shape; /* of the generic preset */
    const struct em_clock *clock;
    struct em_http *http;
    struct em_timer *timer;
    void (*next)(struct http_source *s); /* what the timer is for */
    struct em_intake in;

    struct http_place place; /* as committed */

    /* The poll. */
    int64_t began_us;
    bool logged_in; /* in this poll */
    char token[EM_SOURCE_TOKEN_MAX];
    struct http_page page;
    char after[HTTP_AFTER_MAX]; /* page.after */
    struct http_place reached;  /* what the records of this poll say so far */
    int64_t span_ns;            /* of a window */
    bool last_window;
    uint32_t limit;
    bool shrunk; /* an answer was too large: the limit must not be raised */
    unsigned stale;
    size_t keys_most;

    /* The page. */
    struct em_answer *answer;
    struct slice body;
    size_t pushed;
    size_t record, records_n;
    const struct em_answer_shape *record_shape;
    const char *records;
    uint64_t fresh;         /* records of the page that are new */
    int64_t page_newest_ns; /* 0: none had a time */
    int64_t tie_ns;         /* time of the record that after_next is of */
    char after_next[HTTP_AFTER_MAX];
    bool some_text;  /* a record had one */
    struct buf keys; /* NUL behind each */
    size_t key, keys_n, key_at,
        key_next; /* the next one's number; offsets of the first that is asked for now, and behind the last */
    size_t page_n; /* records, or keys, of the page's first answer */

    /* What the row says. */
    enum em_source_state state;
    char error[EM_REASON_MAX];
    unsigned failures; /* one after the other */
};

/* http.c */
void http_then(struct http_source *s, void (*next)(struct http_source *s)); /* in the next turn */
void http_fail(struct http_source *s, int64_t after_us, const char *fmt, ...)
    EM_PRINTF(3, 4);                              /* the poll; after_us -1: back off */
void http_stored(struct http_source *s, int err); /* the store failed: try again soon */
void http_rest(struct http_source *s);            /* the poll is over, and well */
void http_tell(struct http_source *s, enum em_source_state state, const char *error);

/* http_talk.c */
void http_ask_first(struct http_source *s); /* logs in, if that must be */
void http_ask_page(struct http_source *s);
void http_ask_texts(struct http_source *s);
void http_smaller(struct http_source *s, const char *what); /* the answer was too much: ask for less */

/* http_bring.c */
void http_take_apart(struct http_source *s); /* s->body */
void http_drop_answer(struct http_source *s);

/* http_place.c: the place as text, and what the next page is. */
void http_place_write(const struct http_place *p, struct buf *to);
bool http_place_read(const char *text, struct http_place *p);
/* Whether the first answer of a page can be brought. If not, less is to be asked for in its place. */
bool http_page_fits(struct http_source *s);
/* Behind the last record of a page: whether another one follows; reached is the place then. */
bool http_page_next(struct http_source *s);

#endif
