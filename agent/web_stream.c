/* SPDX-License-Identifier: GPL-3.0-or-later
 * Server-sent events: one written snapshot for all clients. */
#include "agent/web_stream.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "expo/expo.h"

enum { SHARE_OF_TIME = 20 }; /* writing events takes at most one part in so many of the loop's time */

/* An event that was written; libevent keeps references to its bytes until each client has taken them. */
struct em_web_event {
    struct buf text;
    uint64_t serial;
    size_t refs;
};

static int64_t now(void)
{
    return em_mono_us(&em_clock_system);
}

static void unref(struct em_web_event *e)
{
    if (!e || --e->refs > 0)
        return;
    buf_fini(&e->text);
    free(e);
}

static void bytes_are_out(const void *p, size_t n, void *arg)
{
    (void)p;
    (void)n;
    unref(arg);
}

static struct em_web_event *write_event(const struct em_snapshot *snapshot)
{
    struct em_web_event *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    *e = (struct em_web_event) { buf_heap(EM_WEB_EVENT_MAX), snapshot->serial, 1 };
    buf_print(&e->text, "event: status\nid: %" PRIu64 "\ndata: ", snapshot->serial);
    em_expo_status(snapshot, &e->text); /* ends with a newline */
    buf_u8(&e->text, '\n');
    if (e->text.full) {
        /* Too much for everybody all the time: the page asks for it itself. */
        buf_reset(&e->text);
        buf_print(&e->text, "event: changed\nid: %" PRIu64 "\ndata: {}\n\n", snapshot->serial);
    }
    return e;
}

/* Writes the snapshot unless that was done. The dearer it is, the longer until the next one. */
static struct em_web_event *newest(struct em_web_streams *s, const struct em_web_source *source)
{
    const struct em_snapshot *snapshot = source->snapshot(source->arg);
    int64_t began = now(), ended;
    struct em_web_event *e;

    if (!snapshot || (s->newest && s->newest->serial == snapshot->serial))
        return s->newest;
    if (!(e = write_event(snapshot)))
        return s->newest;
    unref(s->newest);
    s->newest = e;
    ended = now();
    s->next_us = ended + EM_WEB_EVENT_MS * INT64_C(1000);
    if (s->next_us < ended + SHARE_OF_TIME * (ended - began))
        s->next_us = ended + SHARE_OF_TIME * (ended - began);
    return e;
}

static void send_event(struct evhttp_request *req, struct em_web_event *e)
{
    struct evbuffer *chunk = evbuffer_new();

    if (!chunk)
        return;
    e->refs++;
    if (evbuffer_add_reference(chunk, e->text.p, e->text.n, bytes_are_out, e) == 0)
        evhttp_send_reply_chunk(req, chunk);
    else
        unref(e);
    evbuffer_free(chunk);
}

/* evhttp takes a request whose client went away off its connection, and leaves it to us; otherwise it frees both. */
static void client_is_gone(struct evhttp_connection *c, void *arg)
{
    struct em_web_streams *s = arg;

    for (size_t i = 0; i < EM_WEB_STREAMS_MAX; i++) {
        struct evhttp_request *req = s->one[i].req;

        if (!req || s->one[i].connection != c)
            continue;
        if (!evhttp_request_get_connection(req))
            evhttp_request_free(req);
        s->one[i] = (struct em_web_stream) { 0 };
        s->n--;
    }
}

bool em_web_stream_begin(struct em_web_streams *s, const struct em_web_source *source,
                         struct evhttp_request *req)
{
    static const struct timeval write_timeout = { EM_WEB_IDLE_S, 0 };
    struct evhttp_connection *c = evhttp_request_get_connection(req);
    struct em_web_event *e = newest(s, source);
    struct em_web_stream *place = NULL;

    for (size_t i = 0; i < EM_WEB_STREAMS_MAX && !place; i++)
        place = s->one[i].req ? NULL : &s->one[i];
    if (!place || !e)
        return false;
    *place = (struct em_web_stream) { .req = req, .connection = c };
    s->n++;
    bufferevent_set_timeouts(evhttp_connection_get_bufferevent(c), NULL,
                             &write_timeout); /* it has nothing more to say */
    evhttp_connection_set_closecb(c, client_is_gone, s);
    evhttp_send_reply_start(req, 200, "OK");
    send_event(req, e);
    return true;
}

/* Whether it may be sent the next event. evhttp frees its side when it sees the end of the stream. */
static bool has_taken_all(struct em_web_stream *one, int64_t now_us)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(one->connection);
    evutil_socket_t fd = bufferevent_getfd(bev);

    if (evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
        one->behind_since_us = 0;
        return true;
    }
    if (one->behind_since_us == 0)
        one->behind_since_us = now_us;
    else if (now_us - one->behind_since_us >= EM_WEB_IDLE_S * EM_US_PER_S && fd >= 0)
        shutdown(fd, SHUT_RDWR);
    return false;
}

void em_web_stream_turn(struct em_web_streams *s, const struct em_web_source *source, int64_t now_us)
{
    struct em_web_event *e;

    if (s->n == 0 || now_us < s->next_us || !(e = newest(s, source)) || e->serial == s->sent_serial)
        return;
    s->sent_serial = e->serial;
    for (size_t i = 0; i < EM_WEB_STREAMS_MAX; i++)
        if (s->one[i].req && has_taken_all(&s->one[i], now_us))
            send_event(s->one[i].req, e);
}

void em_web_streams_fini(struct em_web_streams *s)
{
    unref(s->newest);
    *s = (struct em_web_streams) { 0 };
}
