/* SPDX-License-Identifier: GPL-3.0-or-later
 * Where libcurl meets libevent: it says which sockets to watch and when to be called, and is told what happened on them. */
#include "net/http_inside.h"

enum { KEPT_CONNECTIONS = 2 };

/* The transfers that have ended. The last thing that is done with h: it may be gone afterwards. */
static void collect(struct em_http *h)
{
    int left;
    CURLMsg *m = http_curl.curl_multi_info_read(h->multi, &left);
    CURLcode code;

    if (!m || m->msg != CURLMSG_DONE)
        return;
    code = m->data.result; /* m is gone with the handle */
    http_end(h);
    http_over(h, code);
}

static void act(struct em_http *h, curl_socket_t s, int what)
{
    int running;

    (void)http_curl.curl_multi_socket_action(h->multi, s, what, &running);
    collect(h);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    act(arg, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static int want_timer(CURLM *multi, long ms, void *arg)
{
    struct em_http *h = arg;
    struct timeval tv = { ms / 1000, (suseconds_t)(ms % 1000 * 1000) };

    (void)multi;
    if (ms < 0)
        return event_del(h->timer);
    return event_add(h->timer, &tv);
}

static int want_socket(CURL *easy, curl_socket_t s, int what, void *arg, void *own)
{
    struct em_http *h = arg;
    short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
    struct event *e;

    (void)easy;
    if (own) {
        event_free(own);
        (void)http_curl.curl_multi_assign(h->multi, s, NULL);
    }
    if (what == CURL_POLL_REMOVE)
        return 0;
    e = event_new(((struct ev_net *)h->net)->base, s, (short)(events | EV_PERSIST), on_socket, h);
    if (!e || event_add(e, NULL) != 0 || http_curl.curl_multi_assign(h->multi, s, e) != CURLM_OK) {
        if (e)
            event_free(e);
        return -1; /* curl ends the transfer */
    }
    return 0;
}

static bool set_up(struct em_http *h)
{
    return http_curl.curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, want_socket) == CURLM_OK &&
           http_curl.curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) == CURLM_OK &&
           http_curl.curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, want_timer) == CURLM_OK &&
           http_curl.curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) == CURLM_OK &&
           http_curl.curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS) == CURLM_OK;
}

/* curl's global state is made by the first client and stays: it cannot be unmade while OpenSSL is used elsewhere. */
static bool curl_is_ready(void)
{
    static bool ready;

    ready = ready || http_curl.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return ready;
}

bool http_loop_init(struct em_http *h)
{
    return curl_is_ready() && (h->timer = evtimer_new(((struct ev_net *)h->net)->base, on_timer, h)) &&
           (h->multi = http_curl.curl_multi_init()) && (h->easy = http_curl.curl_easy_init()) && set_up(h);
}

void http_loop_fini(struct em_http *h)
{
    http_end(h);
    if (h->easy)
        http_curl.curl_easy_cleanup(h->easy);
    if (h->multi)
        (void)http_curl.curl_multi_cleanup(h->multi);
    if (h->timer)
        event_free(h->timer);
}

bool http_start(struct em_http *h)
{
    h->running = http_curl.curl_multi_add_handle(h->multi, h->easy) == CURLM_OK;
    return h->running;
}

void http_end(struct em_http *h)
{
    if (h->running)
        (void)http_curl.curl_multi_remove_handle(h->multi, h->easy);
    h->running = false;
}
