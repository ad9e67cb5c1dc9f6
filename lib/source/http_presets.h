/* SPDX-License-Identifier: GPL-3.0-or-later
 * What is asked of each kind of log server, and where in its answers the records are. Pure: configuration and place in, URL and body out.
 * A new kind is a row of http_presets[] and a function that writes its question.
 */
#ifndef EM_SOURCE_HTTP_PRESETS_H
#define EM_SOURCE_HTTP_PRESETS_H

#include "evidence/answer.h"
#include "source/source.h"

enum {
    HTTP_BODY_MAX = 256 * 1024,
    HTTP_AFTER_MAX = 1024, /* a cursor of the server's */
    HTTP_KEYS_MAX = 50,    /* calls whose texts are asked for at once */
};

/* What is asked for: the records of [start_ns, end_ns), at most limit. */
struct http_page {
    int64_t start_ns, end_ns;
    uint32_t limit;
    const char *after;       /* the cursor that the answer before this one gave; "": none */
    const struct slice *key; /* of the second step: the calls */
    size_t key_n;
};

typedef void (*http_ask_fn)(const struct em_source_conf *conf, const struct http_page *page, struct buf *url,
                            struct buf *body); /* body stays empty: GET */

struct http_preset {
    const char *records; /* where they are; NULL: as configured */
    struct em_answer_shape shape;
    const char *after; /* in a record: the cursor behind it; NULL: none */
    bool
        windows; /* records come in no order: what does not fit into one answer is asked for in shorter times */
    uint32_t page, page_max; /* records of an answer, when nothing is configured, and at most */
    const char *login;       /* where the token is in the answer to login_ask; NULL: there is no login */
    http_ask_fn ask, ask_login;
    /* A second question for the texts of the calls that the first one found; NULL: there is none. Then shape.text are the calls. */
    http_ask_fn ask_texts;
    const char *texts;
    struct em_answer_shape texts_shape;
};

const struct http_preset *http_preset_of(const struct em_source_conf *conf);

/* The shape of a generic source from its three pointers, which are all from the beginning of the answer: records are what the last "*" of text
 * stands for, and time and cursor are looked for in the record if they begin as text does. */
struct http_shape {
    char records[EM_ANSWER_POINTER_MAX];
    struct em_answer_shape shape; /* points into conf */
    const char *after, *next;     /* the cursor, in a record or in the answer; NULL: not there */
};
void http_shape_of(const struct em_source_conf *conf, struct http_shape *to);

/* Whether an URL template of a generic source is one: only known names in {}. why says which is not. */
bool http_template_ok(const char *url, struct em_why *why);
/* Whether it asks for a time: then the cursor only leads through the pages, and is forgotten behind the last one. */
bool http_template_has_time(const char *url);

#endif
