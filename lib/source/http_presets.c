/* SPDX-License-Identifier: GPL-3.0-or-later
 * The questions: Loki, Elasticsearch and OpenSearch, HOMER 7, and whatever has a URL. */
#include "source/http_presets.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/esc.h"

enum { NS_PER_US = 1000, NS_PER_MS = 1000 * 1000, NS_PER_S = 1000 * 1000 * 1000 };

/* --- writing ------------------------------------------------------------------------------------------------------- */

/* RFC 3986: everything but unreserved characters as %XX. */
static void percent(struct buf *b, struct slice s)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] && strchr(plain, s.p[i]))
            buf_u8(b, (uint8_t)s.p[i]);
        else
            buf_print(b, "%%%02X", (unsigned)(unsigned char)s.p[i]);
    }
}

static void json_text(struct buf *b, struct slice s)
{
    buf_u8(b, '"');
    esc_json(b, s);
    buf_u8(b, '"');
}

/* The server without slashes at its end, and the path. */
static void at(struct buf *url, const struct em_source_conf *conf, const char *path)
{
    size_t n = strlen(conf->http.url);

    while (n > 0 && conf->http.url[n - 1] == '/')
        n--;
    buf_slice(url, (struct slice) { conf->http.url, n });
    buf_text(url, path);
}

/* --- Loki ---------------------------------------------------------------------------------------------------------- */

/* start is part of the answer, end is not. */
static void ask_loki(const struct em_source_conf *conf, const struct http_page *page, struct buf *url,
                     struct buf *body)
{
    (void)body;
    at(url, conf, "/loki/api/v1/query_range?query=");
    percent(url, slice_of(conf->query));
    buf_print(url, "&start=%" PRId64 "&end=%" PRId64 "&limit=%" PRIu32 "&direction=forward", page->start_ns,
              page->end_ns, page->limit);
}

/* --- Elasticsearch, OpenSearch -------------------------------------------------------------------------------------- */

/* _doc, the place in its shard, can be sorted by everywhere (_id cannot), and makes the order of records of one time a whole one within a
 * shard; records that even so are not told apart come again by the overlap. */
static void ask_elasticsearch(const struct em_source_conf *conf, const struct http_page *page,
                              struct buf *url, struct buf *body)
{
    const char *field = conf->http.time_field[0] ? conf->http.time_field : "@timestamp";

    at(url, conf, "/");
    percent(url, slice_of(conf->http.index));
    buf_text(url, "/_search");
    buf_print(body,
              "{\"size\":%" PRIu32
              ",\"track_total_hits\":false,\"query\":{\"bool\":{\"filter\":[{\"range\":{",
              page->limit);
    json_text(body, slice_of(field));
    buf_print(body, ":{\"gte\":%" PRId64 ",\"lt\":%" PRId64 ",\"format\":\"epoch_millis\"}}}",
              page->start_ns / NS_PER_MS, (page->end_ns + NS_PER_MS - 1) / NS_PER_MS);
    if (conf->query[0]) {
        buf_text(body, ",{\"query_string\":{\"query\":");
        json_text(body, slice_of(conf->query));
        buf_text(body, "}}");
    }
    buf_text(body, "]}},\"sort\":[{");
    json_text(body, slice_of(field));
    buf_text(body, ":{\"order\":\"asc\"}},{\"_doc\":{\"order\":\"asc\"}}]");
    if (page->after[0])
        buf_print(body, ",\"search_after\":%s", page->after);
    buf_text(body, "}");
}

/* --- HOMER 7 -------------------------------------------------------------------------------------------------------- */

static const char *table_of(const struct em_source_conf *conf)
{
    return conf->http.index[0] ? conf->http.index : "1_call";
}

static void ask_homer_login(const struct em_source_conf *conf, const struct http_page *page, struct buf *url,
                            struct buf *body)
{
    (void)page;
    at(url, conf, "/api/v3/auth");
    buf_text(body, "{\"username\":");
    json_text(body, slice_of(conf->user));
    buf_text(body, ",\"password\":");
    json_text(body, slice_of(conf->password));
    buf_text(body, "}");
}

/* It knows whole seconds only, and both ends are part of the answer. */
static void homer_times(const struct http_page *page, struct buf *body)
{
    int64_t from_s = page->start_ns / NS_PER_S, to_s = (page->end_ns + NS_PER_S - 1) / NS_PER_S;

    buf_print(body, "{\"timestamp\":{\"from\":%" PRId64 ",\"to\":%" PRId64 "},\"param\":{\"search\":{",
              from_s * 1000, to_s * 1000);
}

/* What is looked for stands before the limit: the server joins whatever is not first with AND, the limit left out. */
static void ask_homer(const struct em_source_conf *conf, const struct http_page *page, struct buf *url,
                      struct buf *body)
{
    const char *name = conf->query[0] ? "smartinput" : "raw";

    at(url, conf, "/api/v3/search/call/data");
    homer_times(page, body);
    json_text(body, slice_of(table_of(conf)));
    buf_print(body, ":[{\"name\":\"%s\",\"value\":", name);
    json_text(body, conf->query[0] ? slice_of(conf->query) : SLICE("%diagnostics%"));
    buf_print(body,
              ",\"type\":\"string\",\"hepid\":1},{\"name\":\"limit\",\"value\":\"%" PRIu32
              "\",\"type\":\"string\",\"hepid\":1}]},\"location\":{\"node\":[]},\"limit\":%" PRIu32
              ",\"orlogic\":false,\"transaction\":{},\"timezone\":{\"value\":0,\"name\":\"UTC\"}}}",
              page->limit, page->limit);
}

static void ask_homer_texts(const struct em_source_conf *conf, const struct http_page *page, struct buf *url,
                            struct buf *body)
{
    at(url, conf, "/api/v3/call/transaction");
    homer_times(page, body);
    json_text(body, slice_of(table_of(conf)));
    buf_text(body, ":{\"id\":0,\"callid\":[");
    for (size_t i = 0; i < page->key_n; i++) {
        buf_text(body, i ? "," : "");
        json_text(body, page->key[i]);
    }
    buf_text(body, "],\"uuid\":[]}},\"location\":{\"node\":[]},\"transaction\":{\"call\":true,"
                   "\"registration\":false,\"rest\":false},\"timezone\":{\"value\":0,\"name\":\"UTC\"}}}");
}

/* --- whatever has a URL --------------------------------------------------------------------------------------------- */

enum { NAME_TIME = 1, NAME_LIMIT, NAME_AFTER, NAME_QUERY };

static const struct template_name {
    struct slice name;
    int kind;
    bool end;        /* of the time that is asked for */
    int64_t unit_ns; /* 0: RFC 3339 */
} template_names[] = {
    { SLICE("{start_ns}"), NAME_TIME, false, 1 },
    { SLICE("{start_us}"), NAME_TIME, false, NS_PER_US },
    { SLICE("{start_ms}"), NAME_TIME, false, NS_PER_MS },
    { SLICE("{start_s}"), NAME_TIME, false, NS_PER_S },
    { SLICE("{start}"), NAME_TIME, false, 0 },
    { SLICE("{end_ns}"), NAME_TIME, true, 1 },
    { SLICE("{end_us}"), NAME_TIME, true, NS_PER_US },
    { SLICE("{end_ms}"), NAME_TIME, true, NS_PER_MS },
    { SLICE("{end_s}"), NAME_TIME, true, NS_PER_S },
    { SLICE("{end}"), NAME_TIME, true, 0 },
    { SLICE("{limit}"), NAME_LIMIT, false, 0 },
    { SLICE("{cursor}"), NAME_AFTER, false, 0 },
    { SLICE("{query}"), NAME_QUERY, false, 0 },
};

static const struct template_name *skip_name(struct slice *s)
{
    for (size_t i = 0; i < sizeof template_names / sizeof template_names[0]; i++)
        if (slice_skip(s, template_names[i].name))
            return &template_names[i];
    return NULL;
}

static void write_time(struct buf *url, const struct template_name *n, const struct http_page *page)
{
    int64_t ns = n->end ? page->end_ns : page->start_ns;
    char text[EM_TIME_TEXT_MAX];

    if (n->unit_ns) { /* rounded outwards */
        buf_print(url, "%" PRId64, n->end ? (ns + n->unit_ns - 1) / n->unit_ns : ns / n->unit_ns);
        return;
    }
    em_time_text(ns / NS_PER_US, text);
    percent(url, slice_of(text));
}

static void ask_generic(const struct em_source_conf *conf, const struct http_page *page, struct buf *url,
                        struct buf *body)
{
    struct slice s = slice_of(conf->http.url);

    (void)body;
    while (s.n > 0) {
        const struct template_name *n = s.p[0] == '{' ? skip_name(&s) : NULL;

        if (!n) {
            buf_u8(url, (uint8_t)s.p[0]);
            s = slice_from(s, 1);
        } else if (n->kind == NAME_TIME) {
            write_time(url, n, page);
        } else if (n->kind == NAME_LIMIT) {
            buf_print(url, "%" PRIu32, page->limit);
        } else {
            percent(url, slice_of(n->kind == NAME_AFTER ? page->after : conf->query));
        }
    }
}

bool http_template_ok(const char *url, struct em_why *why)
{
    struct slice s = slice_of(url);

    while (s.n > 0) {
        if (s.p[0] == '{' && skip_name(&s))
            continue;
        if (s.p[0] == '{' || s.p[0] == '}') {
            (void)em_fail(
                why, EM_ERR_INPUT,
                "\"%.40s\" is none of {start} {end} (also _s _ms _us _ns), {limit}, {cursor}, {query}", s.p);
            return false;
        }
        s = slice_from(s, 1);
    }
    return true;
}

bool http_template_has_time(const char *url)
{
    return strstr(url, "{start") != NULL;
}

/* As far as the last star of text, it included; whole: nothing without a star. */
static size_t record_part(const char *text)
{
    size_t n = 0;

    for (size_t i = 0; text[i]; i++)
        if (text[i] == '/' && text[i + 1] == '*' && (text[i + 2] == '/' || !text[i + 2]))
            n = i + 2;
    return n;
}

/* The rest behind the record part; NULL: it is not in a record. */
static const char *in_record(const char *pointer, const char *records, size_t n)
{
    bool in = strncmp(pointer, records, n) == 0 && (pointer[n] == '/' || !pointer[n]);

    return *pointer && in ? pointer + n : NULL;
}

void http_shape_of(const struct em_source_conf *conf, struct http_shape *to)
{
    size_t n = record_part(conf->http.text);

    *to = (struct http_shape) { .records = "" };
    (void)slice_copy((struct slice) { conf->http.text, n }, to->records, sizeof to->records);
    to->shape.text = conf->http.text[0] ? conf->http.text + n : NULL;
    to->shape.time = in_record(conf->http.time_field, conf->http.text, n);
    to->after = in_record(conf->http.cursor, conf->http.text, n);
    if (!to->after && conf->http.cursor[0])
        to->next = conf->http.cursor;
}

/* --- the table ------------------------------------------------------------------------------------------------------ */

static const struct http_preset http_presets[] = {
    [EM_HTTP_HOMER7] = { .records = "/data/*",
                         .shape = { "/sid", "/create_date" },
                         .windows = true,
                         .page = 1000,
                         .page_max = 10000,
                         .login = "/token",
                         .ask = ask_homer,
                         .ask_login = ask_homer_login,
                         .ask_texts = ask_homer_texts,
                         .texts = "/data/messages/*",
                         .texts_shape = { "/raw", "/create_date" } },
    [EM_HTTP_LOKI] = { .records = "/data/result/*/values/*",
                       .shape = { "/1", "/0" },
                       .page = 1000,
                       .page_max = 5000,
                       .ask = ask_loki },
    [EM_HTTP_ELASTICSEARCH] = { .records = "/hits/hits/*",
                                .shape = { NULL, "/sort/0" },
                                .after = "/sort",
                                .page = 1000,
                                .page_max = 10000,
                                .ask = ask_elasticsearch },
    [EM_HTTP_GENERIC] = { .page = 1000, .page_max = 10000, .ask = ask_generic },
};

const struct http_preset *http_preset_of(const struct em_source_conf *conf)
{
    return &http_presets[conf->http.preset];
}
