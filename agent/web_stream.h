/* SPDX-License-Identifier: GPL-3.0-or-later
 * /api/v1/events: the status as server-sent events, for pages that stay open. A snapshot is written once, and all clients are sent the same
 * bytes. Who does not take them misses the next ones, and is let go after EM_WEB_IDLE_S.
 *
 *     event: status
 *     id: serial of the snapshot
 *     data: what /api/v1/status answers, in one line
 */
#ifndef EM_AGENT_WEB_STREAM_H
#define EM_AGENT_WEB_STREAM_H

#include <event2/http.h>

#include "agent/web.h"

struct em_web_stream {
    struct evhttp_request *req; /* NULL: a free place */
    struct evhttp_connection *connection;
    int64_t behind_since_us; /* it has not taken what it was sent; 0: it has */
};

struct em_web_streams {
    struct em_web_stream one[EM_WEB_STREAMS_MAX];
    size_t n;
    struct em_web_event *newest; /* NULL: none was written */
    uint64_t sent_serial;
    int64_t next_us; /* no event before that */
};

/* The answer begins, and goes on until the client goes or is let go. False: no place is free. */
bool em_web_stream_begin(struct em_web_streams *s, const struct em_web_source *source,
                         struct evhttp_request *req);

/* To be called every EM_WEB_LOOK_MS: sends what is new. */
void em_web_stream_turn(struct em_web_streams *s, const struct em_web_source *source, int64_t now_us);

void em_web_streams_fini(struct em_web_streams *s);

#endif
