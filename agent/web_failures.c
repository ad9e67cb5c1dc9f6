/* SPDX-License-Identifier: GPL-3.0-or-later
 * The page of failures: its parameters, a row each, and its two forms. */
#include "agent/web_failures.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/opt.h"
#include "evidence/ice.h"

enum { LIMIT_DEFAULT = 100, VALUE_MAX = EM_TEXT_MAX + 1 };

struct query {
    int64_t now_us;
    struct em_failure_filter filter;
    struct em_failure_cursor cursor;
    uint64_t limit;
    bool csv, download;
};

/* Readers: the value into the query; false: it is none. */

/* Unix seconds, or a time with a unit, which is that long ago. */
static bool read_time(const char *value, int64_t now_us, int64_t *time_us)
{
    uint64_t seconds;
    int64_t ago;

    if (em_read_uint(value, 0, INT64_MAX / (uint64_t)EM_US_PER_S, &seconds))
        *time_us = (int64_t)seconds * EM_US_PER_S;
    else if (em_read_duration(value, &ago))
        *time_us = now_us - ago;
    else
        return false;
    return true;
}

static bool read_since(struct query *q, const char *value)
{
    return read_time(value, q->now_us, &q->filter.since_us);
}

static bool read_until(struct query *q, const char *value)
{
    return read_time(value, q->now_us, &q->filter.until_us);
}

static bool read_code(struct query *q, const char *value)
{
    uint64_t code;

    q->filter.code_known = em_read_uint(value, 0, UINT32_MAX, &code);
    q->filter.code = q->filter.code_known ? (uint32_t)code : 0;
    return q->filter.code_known;
}

static bool read_ice(struct query *q, const char *value)
{
    struct slice s = slice_of(value);

    return slice_starts_nocase(s, SLICE("0x")) && em_ice_read(s, &q->filter.ice);
}

static bool read_media(struct query *q, const char *value)
{
    q->filter.media = em_name_value(&em_media_names, value);
    return q->filter.media != 0;
}

static bool read_peer(struct query *q, const char *value)
{
    return slice_copy(slice_of(value), q->filter.peer, sizeof q->filter.peer);
}

static bool read_call_id(struct query *q, const char *value)
{
    return slice_copy(slice_of(value), q->filter.call_id, sizeof q->filter.call_id);
}

static bool read_text(struct query *q, const char *value)
{
    return slice_copy(slice_of(value), q->filter.text, sizeof q->filter.text);
}

static bool read_limit(struct query *q, const char *value)
{
    return em_read_uint(value, 1, EM_WEB_FAILURES_MAX, &q->limit);
}

/* As write_end() writes it: time and number of the last failure of the page before. */
static bool read_cursor(struct query *q, const char *value)
{
    struct slice s = slice_of(value);
    uint64_t at_us, id;
    bool read = slice_u64(&s, INT64_MAX, &at_us) && slice_skip(&s, SLICE("-")) &&
                slice_u64(&s, INT64_MAX, &id) && s.n == 0 && id > 0;

    if (read)
        q->cursor = (struct em_failure_cursor) { (int64_t)at_us, (int64_t)id };
    return read;
}

static bool read_format(struct query *q, const char *value)
{
    q->csv = strcmp(value, "csv") == 0;
    return q->csv || strcmp(value, "json") == 0;
}

static bool read_download(struct query *q, const char *value)
{
    q->download = strcmp(value, "1") == 0;
    return q->download || strcmp(value, "0") == 0;
}

static const struct {
    const char *name;
    bool (*read)(struct query *q, const char *value);
    const char *otherwise;
} parameters[] = {
    { "since", read_since, "since is neither Unix seconds nor a time ago such as 15m, 24h or 7d" },
    { "until", read_until, "until is neither Unix seconds nor a time ago such as 15m, 24h or 7d" },
    { "code", read_code, "code is not a whole number of at most 32 bits" },
    { "ice", read_ice, "ice is not a sum of ICE warning bits such as 0x100" },
    { "media", read_media,
      "media is not unknown, audio, video, application-sharing, panoramic-video or data" },
    { "peer", read_peer, "peer is longer than 255 bytes" },
    { "call_id", read_call_id, "call_id is longer than 255 bytes" },
    { "text", read_text, "text is longer than 255 bytes" },
    { "limit", read_limit, "limit is not a whole number from 1 to 1000" },
    { "cursor", read_cursor, "cursor is not what a page before had as next" },
    { "format", read_format, "format is neither json nor csv" },
    { "download", read_download, "download is neither 0 nor 1" },
};

/* What is wrong with the query, or NULL. A parameter without a value is left out, as forms send it. */
static const char *read_query(struct query *q, const char *query)
{
    char value[VALUE_MAX];

    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (em_web_parameter(query, parameters[i].name, value, sizeof value) && *value &&
            !parameters[i].read(q, value))
            return parameters[i].otherwise;
    return NULL;
}

struct listing {
    struct buf *to;
    bool first, csv;
};

static bool list_one(void *arg, const struct em_failure_row *row)
{
    struct listing *l = arg;

    if (l->csv) {
        em_expo_failure_csv(row, l->to);
        return !l->to->full;
    }
    if (!l->first)
        buf_u8(l->to, ',');
    l->first = false;
    em_expo_failure(row, l->to);
    if (!l->to->full && l->to->n > 0)
        l->to->n--; /* its newline */
    return !l->to->full;
}

static void write_end(const struct query *q, bool more, struct em_web_page *page)
{
    char cursor[EM_WEB_CURSOR_MAX];

    snprintf(cursor, sizeof cursor, "%" PRId64 "-%" PRId64, q->cursor.at_us, q->cursor.id);
    if (more && q->csv)
        memcpy(page->next, cursor, sizeof cursor);
    if (q->csv)
        return;
    if (more)
        buf_print(&page->body, "],\"next\":\"%s\"}\n", cursor);
    else
        buf_text(&page->body, "],\"next\":null}\n");
}

void em_web_failures(const struct em_web_source *source, const struct em_web_request *request,
                     struct em_web_page *page)
{
    struct query q = { .now_us = source->snapshot(source->arg)->wall_us, .limit = LIMIT_DEFAULT };
    struct listing l = { &page->body, true, false };
    const char *wrong = read_query(&q, request->query);
    struct em_why why;
    bool more = false;

    if (wrong) {
        em_web_refuse(page, 400, wrong);
        return;
    }
    l.csv = q.csv;
    page->type = q.csv ? "text/csv; charset=utf-8; header=present" : EM_WEB_JSON;
    if (q.csv || q.download)
        page->download = q.csv ? "failed-calls.csv" : "failed-calls.json";
    if (q.csv)
        em_expo_failure_csv_head(&page->body);
    else
        buf_text(&page->body, "{\"schema_version\":1,\"failures\":[");
    if (em_store_failures_page(source->store(source->arg), &q.filter, &q.cursor, (size_t)q.limit, list_one,
                               &l, &more, &why) < 0)
        em_web_refuse(page, 500, why.text);
    else
        write_end(&q, more, page);
}
