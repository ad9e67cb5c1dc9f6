/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the web endpoint answers, apart from how it is sent: request in, page out.
 */
#ifndef EM_AGENT_WEB_PAGES_H
#define EM_AGENT_WEB_PAGES_H

#include "agent/web.h"
#include "agent/web_files.h"
#include "base/buf.h"

enum { EM_WEB_CURSOR_MAX = 48 };

struct em_web_request {
    const char *path;                            /* decoded; "/metrics" */
    const char *query;                           /* behind the question mark, not decoded; NULL: none */
    const char *accept;                          /* the Accept header or NULL */
    const char *accept_encoding, *if_none_match; /* those headers or NULL */
};

struct em_web_page {
    int status;
    const char *type;               /* media type */
    const char *download;           /* name under which browsers keep it; NULL: they show it */
    char next[EM_WEB_CURSOR_MAX];   /* of a form that has no place for it: cursor of the next page, or "" */
    struct buf body;                /* the caller gives it and frees it */
    const struct em_web_file *file; /* it is sent instead of body; NULL: none */
    bool gzip;                      /* the file's gzip form */
};

/* Writes the page. An unknown path is a page, too (404). */
void em_web_page(const struct em_web_source *source, const struct em_web_request *request,
                 struct em_web_page *page);

/* A page that says no, as JSON: {"schema_version":1,"error":text}. */
void em_web_refuse(struct em_web_page *page, int status, const char *text);

/* The value of one parameter of the query, decoded; false when it is not there. Too long a value is cut, and then refused by its reader. */
bool em_web_parameter(const char *query, const char *name, char *value, size_t size);

#define EM_WEB_JSON "application/json; charset=utf-8"

#endif
