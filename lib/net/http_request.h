/* SPDX-License-Identifier: GPL-3.0-or-later
 * HTTP/1.1 requests as a small server reads them (RFC 9110, RFC 9112): bytes in, in pieces of any size, one request with its body out. Pure.
 * Strict: what two readers could understand differently is refused, so that no proxy before us sees another request than we do.
 */
#ifndef EM_NET_HTTP_REQUEST_H
#define EM_NET_HTTP_REQUEST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

enum {
    HTTP_HEAD_MAX = 16 * 1024, /* bytes of the request line and headers */
    HTTP_CHUNK_LINE_MAX = 128, /* of a line with a chunk's size */
    HTTP_TRAILERS_MAX = 4 * 1024,
    HTTP_METHOD_MAX = 16,
};

enum http_state {
    HTTP_HEAD,
    HTTP_BODY,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK,
    HTTP_CHUNK_END,
    HTTP_TRAILERS,
    HTTP_DONE,
    HTTP_REFUSED
};

struct http_request {
    enum http_state state;
    int status;      /* REFUSED: to answer with, and */
    const char *why; /* what to say */
    char method[HTTP_METHOD_MAX];
    bool expects; /* the body comes when it was told to go on (100) */
    bool keeps;   /* another request may follow on the connection */
    bool origin;  /* a web page of elsewhere sent it */
    struct buf body;
    /* The reader's own. */
    struct buf head;
    uint64_t left; /* bytes of the body or chunk */
    char line[HTTP_CHUNK_LINE_MAX];
    size_t line_n, trailers;
    bool length_told, chunked;
};

void http_request_init(struct http_request *r, size_t body_max);
void http_request_fini(struct http_request *r);
void http_request_next(struct http_request *r); /* for the connection's next one */

/* Takes what belongs to this request and returns how many bytes that were; all of them unless it is done or refused. */
size_t http_request_push(struct http_request *r, const void *bytes, size_t n);

#endif
