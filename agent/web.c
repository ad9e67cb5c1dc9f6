/* SPDX-License-Identifier: GPL-3.0-or-later
 * The web endpoint on evhttp: listeners, limits on clients, and the way of a request to its page and back.
 *
 * evhttp does not tell when a connection begins or ends. So each gets a bufferevent of ours, on which we keep a reference: evhttp
 * takes its callbacks off when it lets go, which is how a look at it (every EM_WEB_LOOK_MS while there are clients) finds the ended
 * ones, and those whose time is over are shut down. */
#include "agent/web.h"

#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/conf.h"
#include "agent/web_pages.h"
#include "agent/web_stream.h"
#include "base/clock.h"
#include "base/late.h"
#include "expo/expo.h"

enum {
    EM_WEB_LOOK_MS = 250,
    BACKLOG = 128,
    SLOTS = EM_WEB_CLIENTS_MAX +
            2 * BACKLOG, /* those that are being shut down are still there until the next turn */
    READ_AHEAD_MAX = 32 * 1024,
};

/* libevent over OpenSSL, which most endpoints do without. */
#define SYMBOLS(S)                                                                                           \
    S(bufferevent_openssl_socket_new)                                                                        \
    S(bufferevent_openssl_set_allow_dirty_shutdown) S(bufferevent_openssl_get_ssl)
LATE_SET(lib, LATE_EVENT_OPENSSL, SYMBOLS);

struct client {
    struct bufferevent *bev; /* NULL: a free slot */
    int64_t end_us;          /* monotonic */
    bool shut;
};

/* The pages that are not sent yet. libevent lets go of the last of them in a later turn, perhaps after the endpoint is gone. */
struct queue {
    size_t bytes;
    size_t refs; /* the endpoint's and one for each page */
};

struct em_web {
    struct evhttp *http;
    struct event *look;
    struct em_web_source source;
    struct client client[SLOTS];
    size_t clients;
    struct queue *queue;
    struct em_web_streams streams;
    struct em_tls_serve *tls;     /* NULL: none */
    bool judges_host;             /* not on the control socket */
    char host[EM_ENDPOINT_MAX];   /* loopback: the address that Host may name; "": any address */
    char names[EM_WEB_NAMES_MAX]; /* that Host may have, too */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    dev_t device;
    ino_t inode; /* of the Unix socket that is ours */
};

static const struct timeval look_interval = { 0, EM_WEB_LOOK_MS * 1000 };

static int64_t now_us(void)
{
    return em_mono_us(&em_clock_system);
}

/* --- clients ----------------------------------------------------------------------------------------------------------------- */

static void let_go(struct em_web *w, struct client *c)
{
    bufferevent_decref(c->bev);
    *c = (struct client) { 0 };
    w->clients--;
}

static bool is_over(const struct client *c)
{
    bufferevent_event_cb event;

    bufferevent_getcb(c->bev, NULL, NULL, &event, NULL);
    return !event;
}

/* evhttp sees the end of the stream in the next turn and frees its side. */
static void shut(struct client *c)
{
    evutil_socket_t fd = bufferevent_getfd(c->bev);

    if (fd >= 0 && !c->shut)
        shutdown(fd, SHUT_RDWR);
    c->shut = true;
}

/* Those that evhttp let go, which it does not tell. */
static void let_go_ended(struct em_web *w)
{
    for (size_t i = 0; i < SLOTS && w->clients > 0; i++)
        if (w->client[i].bev && is_over(&w->client[i]))
            let_go(w, &w->client[i]);
}

static void look(evutil_socket_t fd, short what, void *arg)
{
    struct em_web *w = arg;
    int64_t now = now_us();

    (void)fd;
    (void)what;
    let_go_ended(w);
    for (size_t i = 0; i < SLOTS; i++)
        if (w->client[i].bev && now >= w->client[i].end_us)
            shut(&w->client[i]);
    em_web_stream_turn(&w->streams, &w->source, now);
    if (w->clients > 0)
        event_add(w->look, &look_interval);
}

/* Makes room: the client that is nearest to its end goes. */
static void shut_oldest(struct em_web *w)
{
    struct client *oldest = NULL;
    size_t open = 0;

    for (size_t i = 0; i < SLOTS; i++) {
        struct client *c = &w->client[i];

        if (!c->bev || c->shut)
            continue;
        open++;
        if (!oldest || c->end_us < oldest->end_us)
            oldest = c;
    }
    if (open >= EM_WEB_CLIENTS_MAX)
        shut(oldest);
}

/* Where this fails evhttp makes a connection in the clear: see is_in_the_clear(). */
static struct bufferevent *connection_new(struct em_web *w, struct event_base *base)
{
    struct ssl_st *session;
    struct bufferevent *bev;

    if (!w->tls)
        return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    session = em_tls_serve_session(w->tls);
    bev = session ? lib.bufferevent_openssl_socket_new(base, -1, session, BUFFEREVENT_SSL_ACCEPTING,
                                                       BEV_OPT_CLOSE_ON_FREE)
                  : NULL;
    if (bev)
        lib.bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

/* evhttp asks for the bufferevent of a new connection. */
static struct bufferevent *client_new(struct event_base *base, void *arg)
{
    struct em_web *w = arg;
    struct bufferevent *bev = connection_new(w, base);
    struct client *slot = NULL;

    let_go_ended(w); /* else hundreds of them pile up between two looks */
    shut_oldest(w);
    for (size_t i = 0; i < SLOTS && !slot; i++)
        slot = w->client[i].bev ? NULL : &w->client[i];
    if (!bev || !slot)
        return bev; /* evhttp's own limits still hold */
    bufferevent_setwatermark(bev, EV_READ, 0, READ_AHEAD_MAX);
    bufferevent_incref(bev);
    *slot = (struct client) { .bev = bev, .end_us = now_us() + EM_WEB_REQUEST_S * EM_US_PER_S };
    if (w->clients++ == 0)
        event_add(w->look, &look_interval);
    return bev;
}

/* Its request is complete: time for the answer, and for the next request. */
static void client_asked(struct em_web *w, struct evhttp_request *req, int64_t end_us)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(req));

    for (size_t i = 0; i < SLOTS; i++)
        if (w->client[i].bev == bev)
            w->client[i].end_us = end_us;
}

/* --- requests ---------------------------------------------------------------------------------------------------------------- */

/* Nothing but an optional ":port" is left. */
static bool is_port(struct slice rest)
{
    if (rest.n == 0)
        return true;
    if (rest.p[0] != ':')
        return false;
    for (size_t i = 1; i < rest.n; i++)
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return false;
    return true;
}

static bool is_host(struct slice host, struct slice name)
{
    return name.n > 0 && slice_skip_nocase(&host, name) && is_port(host);
}

/* "192.0.2.1", "[2001:db8::1]", each with or without a port. */
static bool is_any_address(struct slice host)
{
    char text[EM_ADDRESS_MAX];
    struct slice name;
    struct in6_addr a;
    bool v6 = host.n > 0 && host.p[0] == '[';

    if (v6) {
        host = slice_from(host, 1);
        return slice_until(&host, ']', &name) && is_port(host) && slice_copy(name, text, sizeof text) &&
               inet_pton(AF_INET6, text, &a) == 1;
    }
    name = host;
    if (slice_find_char(host, ':') != SIZE_MAX && slice_until(&host, ':', &name) && host.n == 0)
        return false;
    return slice_copy(name, text, sizeof text) && inet_pton(AF_INET, text, &a) == 1;
}

/* "Host: name[:port]" is one that we answer to. Who sends no Host is no browser. */
static bool host_is_ours(const struct em_web *w, const char *host)
{
    const char *const good[] = { "localhost", "127.0.0.1", "[::1]", w->host };
    struct slice asked = slice_of(host ? host : ""), names = slice_of(w->names), one;

    if (!w->judges_host || !host)
        return true;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (is_host(asked, slice_of(good[i])))
            return true;
    while (names.n > 0) {
        if (!slice_until(&names, ',', &one)) {
            one = names;
            names = slice_from(names, names.n);
        }
        if (is_host(asked, slice_trim(one)))
            return true;
    }
    return !w->host[0] && is_any_address(asked);
}

static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } all[] = { { 200, "OK" },
                { 304, "Not Modified" },
                { 400, "Bad Request" },
                { 403, "Forbidden" },
                { 404, "Not Found" },
                { 405, "Method Not Allowed" },
                { 500, "Internal Server Error" },
                { 503, "Service Unavailable" } };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].status == status)
            return all[i].phrase;
    return "";
}

static void queue_unref(struct queue *q)
{
    if (--q->refs == 0)
        free(q);
}

/* A page on its way out: slow readers must not pile them up. */
struct sent {
    struct queue *queue;
    struct buf body;
};

static void page_is_out(const void *p, size_t n, void *arg)
{
    struct sent *sent = arg;

    (void)p;
    sent->queue->bytes -= n;
    queue_unref(sent->queue);
    buf_fini(&sent->body);
    free(sent);
}

/* The body's memory goes with it. Nothing is sent when there is no memory for that: evhttp then answers with an empty body. */
static void queue_body(struct queue *q, struct evbuffer *to, struct em_web_page *page)
{
    struct sent *sent = page->body.n > 0 ? malloc(sizeof *sent) : NULL;

    if (!sent)
        return;
    *sent = (struct sent) { q, page->body };
    if (evbuffer_add_reference(to, page->body.p, page->body.n, page_is_out, sent) != 0) {
        free(sent);
        return;
    }
    q->bytes += page->body.n;
    q->refs++;
    page->body = (struct buf) { 0 };
}

/* Nothing but our own files is run, shown or asked, nothing shows us in a frame, and nobody is told where a reader came from. */
static void add_common_headers(struct evkeyvalq *headers)
{
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
    evhttp_add_header(headers, "Cross-Origin-Resource-Policy", "same-origin");
    evhttp_add_header(
        headers, "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
}

/* A file is kept by browsers, and asked for again by its ETag; the page itself, which names the others, is not kept. */
static void add_file_headers(struct evkeyvalq *headers, const struct em_web_page *page)
{
    bool front = strcmp(page->file->path, "/") == 0;

    evhttp_add_header(headers, "Cache-Control", front ? "no-store" : "no-cache");
    evhttp_add_header(headers, "ETag", page->file->etag);
    evhttp_add_header(headers, "Vary", "Accept-Encoding");
    if (page->gzip && page->status == 200)
        evhttp_add_header(headers, "Content-Encoding", "gzip");
}

static size_t page_size(const struct em_web_page *page)
{
    if (page->status == 304)
        return 0;
    if (!page->file)
        return page->body.n;
    return page->gzip ? page->file->gzip_n : page->file->plain_n;
}

static void add_body(struct em_web *w, struct evbuffer *to, struct em_web_page *page)
{
    if (!page->file)
        queue_body(w->queue, to, page);
    else if (page->status != 304)
        evbuffer_add_reference(to, page->gzip ? page->file->gzip : page->file->plain, page_size(page), NULL,
                               NULL);
}

static void send_page(struct em_web *w, struct evhttp_request *req, struct em_web_page *page, bool head)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
    struct evbuffer *body = head ? NULL : evbuffer_new();
    char length[24], disposition[64];

    snprintf(length, sizeof length, "%zu", page_size(page));
    evhttp_add_header(headers, "Content-Type", page->type);
    if (head)
        evhttp_add_header(headers, "Content-Length", length); /* else evhttp knows it */
    add_common_headers(headers);
    if (page->file)
        add_file_headers(headers, page);
    else
        evhttp_add_header(headers, "Cache-Control", "no-store");
    if (page->download && page->status == 200) {
        snprintf(disposition, sizeof disposition, "attachment; filename=\"%s\"", page->download);
        evhttp_add_header(headers, "Content-Disposition", disposition);
    }
    if (*page->next)
        evhttp_add_header(headers, "X-Next-Cursor", page->next);
    if (body)
        add_body(w, body, page);
    evhttp_send_reply(req, page->status, phrase(page->status), body);
    if (body)
        evbuffer_free(body);
    buf_fini(&page->body);
}

/* True: the request became a stream of events. */
static bool became_stream(struct em_web *w, struct evhttp_request *req, const struct em_web_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);

    if (strcmp(request->path, "/api/v1/events") != 0 || w->streams.n >= EM_WEB_STREAMS_MAX)
        return false;
    evhttp_add_header(headers, "Content-Type", "text/event-stream");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    add_common_headers(headers);
    if (!em_web_stream_begin(&w->streams, &w->source, req)) {
        evhttp_clear_headers(headers);
        return false;
    }
    client_asked(w, req, INT64_MAX);
    return true;
}

/* A client that came before there was TLS, or for whom there was no memory for it. */
static bool is_in_the_clear(const struct em_web *w, struct evhttp_request *req)
{
    return w->tls && !lib.bufferevent_openssl_get_ssl(
                         evhttp_connection_get_bufferevent(evhttp_request_get_connection(req)));
}

static void answer(struct evhttp_request *req, void *arg)
{
    struct em_web *w = arg;
    struct evkeyvalq *in = evhttp_request_get_input_headers(req);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    enum evhttp_cmd_type method = evhttp_request_get_command(req);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    struct em_web_request request = { .path = path && *path ? path : "/",
                                      .query = uri ? evhttp_uri_get_query(uri) : NULL,
                                      .accept = evhttp_find_header(in, "Accept"),
                                      .accept_encoding = evhttp_find_header(in, "Accept-Encoding"),
                                      .if_none_match = evhttp_find_header(in, "If-None-Match") };
    struct em_web_page page = { .body = buf_heap(EM_EXPO_MAX) };

    client_asked(w, req, now_us() + EM_WEB_LIFE_S * EM_US_PER_S);
    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(req), "Allow", "GET, HEAD");
        em_web_refuse(&page, 405, "only GET and HEAD are served");
    } else if (is_in_the_clear(w, req)) {
        em_web_refuse(&page, 403, "this endpoint speaks TLS; ask for https://");
    } else if (!host_is_ours(w, evhttp_find_header(in, "Host"))) {
        em_web_refuse(&page, 403,
                      "this Host is not served; ask for the address itself or localhost, or put the name "
                      "into web_names");
    } else if (method == EVHTTP_REQ_GET && became_stream(w, req, &request)) {
        return;
    } else if (method == EVHTTP_REQ_GET && strcmp(request.path, "/api/v1/events") == 0) {
        em_web_refuse(&page, 503, "too many pages are open; ask for /api/v1/status instead");
    } else {
        em_web_page(&w->source, &request, &page);
    }
    if (!page.file && w->queue->bytes > 0 && w->queue->bytes + page.body.n > EM_WEB_QUEUED_MAX)
        em_web_refuse(&page, 503, "too much is being sent to slow clients");
    send_page(w, req, &page, method == EVHTTP_REQ_HEAD);
}

/* --- listeners --------------------------------------------------------------------------------------------------------------- */

static int web_new(struct event_base *base, const struct em_web_source *source, struct em_web **web,
                   struct em_why *why)
{
    struct em_web *w = calloc(1, sizeof *w);

    if (!w || !(w->queue = calloc(1, sizeof *w->queue)) || !(w->http = evhttp_new(base)) ||
        !(w->look = evtimer_new(base, look, w))) {
        if (w && w->http)
            evhttp_free(w->http);
        if (w)
            free(w->queue);
        free(w);
        return em_fail(why, EM_ERR_MEMORY, "no memory for a web endpoint");
    }
    w->queue->refs = 1;
    w->source = *source;
    evhttp_set_allowed_methods(w->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                            EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                            EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH); /* to refuse them well */
    evhttp_set_max_headers_size(w->http, EM_WEB_HEADERS_MAX);
    evhttp_set_max_body_size(w->http, EM_WEB_BODY_MAX);
    evhttp_set_timeout(w->http, EM_WEB_IDLE_S);
    evhttp_set_bevcb(w->http, client_new, w);
    evhttp_set_gencb(w->http, answer, w);
    *web = w;
    return 0;
}

static bool listen_on(struct em_web *w, struct event_base *base, int fd)
{
    struct evconnlistener *l =
        evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);

    if (l && evhttp_bind_listener(w->http, l))
        return true;
    if (l)
        evconnlistener_free(l);
    else
        close(fd);
    return false;
}

int em_web_tls_load(struct em_why *why)
{
    return late_load(&lib.late, why);
}

void em_web_tls(struct em_web *w, struct em_tls_serve *tls)
{
    em_tls_serve_free(w->tls);
    w->tls = tls;
}

void em_web_names(struct em_web *w, const char *names)
{
    if (w)
        slice_copy(slice_of(names), w->names, sizeof w->names);
}

int em_web_tcp(struct event_base *base, const struct em_addr *at, const struct em_web_source *source,
               struct em_web **web, struct em_why *why)
{
    char text[EM_ENDPOINT_MAX], address[EM_ADDRESS_MAX];
    struct em_web *w;
    int err = web_new(base, source, &w, why), fd = -1;

    if (err < 0)
        return err;
    em_addr_endpoint(at, text);
    em_addr_text(at, address);
    w->judges_host = true;
    if (em_conf_is_loopback(at))
        snprintf(w->host, sizeof w->host, at->u.any.sa_family == AF_INET6 ? "[%s]" : "%s", address);
    fd = socket(at->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int)) != 0 ||
        bind(fd, &at->u.any, at->len) != 0) {
        err = em_fail(why, EM_ERR_SYSTEM, "web_listen: cannot listen on %s: %s", text, strerror(errno));
        if (fd >= 0)
            close(fd);
    } else if (!listen_on(w, base, fd)) {
        err = em_fail(why, EM_ERR_SYSTEM, "web_listen: cannot listen on %s: %s", text, strerror(errno));
    }
    if (err < 0)
        em_web_free(w);
    else
        *web = w;
    return err;
}

/* Whether the name is free, after a dead socket was taken away. */
static int clear_stale(const char *path, const struct sockaddr_un *at, struct em_why *why)
{
    struct stat st;
    int fd, answered;

    if (lstat(path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return em_fail(why, EM_ERR_INPUT, "control_socket: %s is there and is no socket", path);
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return em_fail(why, EM_ERR_SYSTEM, "control_socket: %s", strerror(errno));
    answered = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno != ECONNREFUSED;
    close(fd);
    if (answered)
        return em_fail(why, EM_ERR_BUSY, "control_socket: another process has %s", path);
    if (unlink(path) != 0)
        return em_fail(why, EM_ERR_SYSTEM, "control_socket: cannot take the dead socket %s away: %s", path,
                       strerror(errno));
    return 0;
}

static int unix_bind(const char *path, int *fd, struct em_why *why)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    mode_t before;
    int err, bound;

    if (!slice_copy(slice_of(path), at.sun_path, sizeof at.sun_path))
        return em_fail(why, EM_ERR_INPUT, "control_socket: the path is too long");
    if ((err = clear_stale(path, &at, why)) < 0)
        return err;
    if ((*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return em_fail(why, EM_ERR_SYSTEM, "control_socket: %s", strerror(errno));
    before = umask(0117);
    bound = bind(*fd, (const struct sockaddr *)&at, sizeof at);
    err = errno;
    umask(before);
    if (bound == 0)
        return 0;
    close(*fd);
    return em_fail(why, EM_ERR_SYSTEM, "control_socket: cannot make %s: %s%s", path, strerror(err),
                   err == ENOENT ? "; its directory must be there" : "");
}

int em_web_unix(struct event_base *base, const char *path, const struct em_web_source *source,
                struct em_web **web, struct em_why *why)
{
    struct em_web *w;
    struct stat st;
    int err = web_new(base, source, &w, why), fd = -1;

    if (err < 0)
        return err;
    if ((err = unix_bind(path, &fd, why)) == 0) {
        slice_copy(slice_of(path), w->path, sizeof w->path);
        if (stat(path, &st) == 0) {
            w->device = st.st_dev;
            w->inode = st.st_ino;
        }
        if (!listen_on(w, base, fd))
            err =
                em_fail(why, EM_ERR_SYSTEM, "control_socket: cannot listen on %s: %s", path, strerror(errno));
    }
    if (err < 0)
        em_web_free(w);
    else
        *web = w;
    return err;
}

void em_web_free(struct em_web *w)
{
    struct stat st;

    if (!w)
        return;
    evhttp_free(w->http);
    em_tls_serve_free(w->tls);
    for (size_t i = 0; i < SLOTS; i++)
        if (w->client[i].bev)
            let_go(w, &w->client[i]);
    em_web_streams_fini(&w->streams);
    event_free(w->look);
    if (w->path[0] && stat(w->path, &st) == 0 && st.st_dev == w->device && st.st_ino == w->inode)
        unlink(w->path);
    queue_unref(w->queue);
    free(w);
}
