/* SPDX-License-Identifier: GPL-3.0-or-later
 * The pages of the web endpoint, a row each. */
#include "agent/web_pages.h"

#include "config.h"

#include <string.h>

#include "agent/process.h"
#include "agent/web_failures.h"
#include "agent/web_history.h"
#include "base/esc.h"
#include "base/opt.h"
#include "expo/expo.h"

enum { VALUE_MAX = 64 };

#define JSON EM_WEB_JSON

void em_web_refuse(struct em_web_page *page, int status, const char *text)
{
    buf_reset(&page->body);
    page->status = status;
    page->type = JSON;
    buf_text(&page->body, "{\"schema_version\":1,\"error\":\"");
    esc_json(&page->body, slice_of(text));
    buf_text(&page->body, "\"}\n");
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* %xx and + as forms write them; what is no such thing stays as it is. */
static void decode(struct slice from, char *to, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < from.n && n + 1 < size; i++) {
        bool coded = from.p[i] == '%' && i + 2 < from.n && hex(from.p[i + 1]) >= 0 && hex(from.p[i + 2]) >= 0;

        to[n++] = coded              ? (char)(hex(from.p[i + 1]) << 4 | hex(from.p[i + 2]))
                  : from.p[i] == '+' ? ' '
                                     : from.p[i];
        i += coded ? 2 : 0;
    }
    to[n] = '\0';
}

bool em_web_parameter(const char *query, const char *name, char *value, size_t size)
{
    struct slice rest = slice_of(query ? query : ""), one, key;

    while (rest.n > 0) {
        if (!slice_until(&rest, '&', &one)) {
            one = rest;
            rest = slice_from(rest, rest.n);
        }
        if (slice_until(&one, '=', &key) && slice_eq(key, slice_of(name))) {
            decode(one, value, size);
            return true;
        }
    }
    return false;
}

static bool parameter(const char *query, const char *name, char value[VALUE_MAX])
{
    return em_web_parameter(query, name, value, VALUE_MAX);
}

/* OpenMetrics is for who asks for it by name. */
static bool wants_openmetrics(const char *accept)
{
    return accept && slice_find(slice_of(accept), SLICE("application/openmetrics-text")) != SIZE_MAX;
}

static void metrics(const struct em_web_source *source, const struct em_web_request *request,
                    struct em_web_page *page)
{
    bool openmetrics = wants_openmetrics(request->accept);

    page->type = openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                             : "text/plain; version=0.0.4; charset=utf-8";
    em_process_metrics(openmetrics, &page->body);
    em_expo_metrics(source->snapshot(source->arg), openmetrics, &page->body);
}

static void status(const struct em_web_source *source, const struct em_web_request *request,
                   struct em_web_page *page)
{
    (void)request;
    page->type = JSON;
    em_expo_status(source->snapshot(source->arg), &page->body);
}

struct listing {
    struct buf *to;
    bool first;
};

static bool list_past(void *arg, const struct em_finding_row *row, int64_t ended_us)
{
    struct listing *l = arg;

    if (!l->first)
        buf_u8(l->to, ',');
    l->first = false;
    em_expo_past_finding(row, ended_us, l->to);
    return !l->to->full;
}

static void findings(const struct em_web_source *source, const struct em_web_request *request,
                     struct em_web_page *page)
{
    struct listing l = { &page->body, true };
    uint64_t limit = 0;
    char value[VALUE_MAX];
    struct em_why why;

    if (parameter(request->query, "history", value) && !em_read_uint(value, 0, EM_WEB_FAILURES_MAX, &limit)) {
        em_web_refuse(page, 400, "history is not a whole number from 0 to 1000");
        return;
    }
    page->type = JSON;
    buf_text(&page->body, "{\"schema_version\":1,");
    em_expo_findings(source->snapshot(source->arg), &page->body);
    buf_text(&page->body, ",\"history\":[");
    if (limit > 0 && em_store_findings(source->store(source->arg), (size_t)limit, list_past, &l, &why) < 0)
        em_web_refuse(page, 500, why.text);
    else
        buf_text(&page->body, "]}\n");
}

static void health(const struct em_web_source *source, const struct em_web_request *request,
                   struct em_web_page *page)
{
    const char *reason[EM_WEB_REASONS_MAX];
    size_t n = source->reasons(source->arg, reason);

    (void)request;
    page->type = JSON;
    page->status = n > 0 ? 503 : 200;
    buf_print(&page->body, "{\"schema_version\":1,\"status\":\"%s\",\"reasons\":[", n > 0 ? "failing" : "ok");
    for (size_t i = 0; i < n; i++) {
        buf_text(&page->body, i > 0 ? ",\"" : "\"");
        esc_json(&page->body, slice_of(reason[i]));
        buf_u8(&page->body, '"');
    }
    buf_text(&page->body, "]}\n");
}

/* What a GET of it gets is in web_stream.c; this is for HEAD. */
static void events(const struct em_web_source *source, const struct em_web_request *request,
                   struct em_web_page *page)
{
    (void)source;
    (void)request;
    page->type = "text/event-stream";
}

static const struct {
    const char *path;
    void (*write)(const struct em_web_source *, const struct em_web_request *, struct em_web_page *);
} pages[] = {
    { "/metrics", metrics },
    { "/api/v1/status", status },
    { "/api/v1/failures", em_web_failures },
    { "/api/v1/findings", findings },
    { "/api/v1/history", em_web_history },
    { "/api/v1/events", events },
    { "/healthz", health },
};
enum { PAGES = sizeof pages / sizeof *pages };

/* "gzip" among the encodings, unless with a quality of 0; browsers write "gzip, deflate, br". */
static bool takes_gzip(const char *encodings)
{
    struct slice all = slice_of(encodings ? encodings : "");
    size_t at = slice_find(all, SLICE("gzip"));

    return at != SIZE_MAX && slice_find(slice_from(all, at), SLICE("gzip;q=0")) != 0;
}

static void send_file(const struct em_web_file *file, const struct em_web_request *request,
                      struct em_web_page *page)
{
    const char *known = request->if_none_match;

    page->type = file->type;
    page->file = file;
    page->gzip = file->gzip_n > 0 && takes_gzip(request->accept_encoding);
    if (known && slice_find(slice_of(known), slice_of(file->etag)) != SIZE_MAX)
        page->status = 304;
}

void em_web_page(const struct em_web_source *source, const struct em_web_request *request,
                 struct em_web_page *page)
{
    page->status = 200;
    for (size_t i = 0; i < PAGES; i++) {
        if (strcmp(pages[i].path, request->path) != 0)
            continue;
        pages[i].write(source, request, page);
        if (page->body.full)
            em_web_refuse(page, 500, "the answer is too large");
        return;
    }
    for (size_t i = 0; i < em_web_files_n; i++) {
        if (strcmp(em_web_files[i].path, request->path) == 0) {
            send_file(&em_web_files[i], request, page);
            return;
        }
    }
    em_web_refuse(page, 404, "there is no such page; / lists those that are there");
}
