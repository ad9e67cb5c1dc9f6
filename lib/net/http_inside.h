/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the HTTP client: what http.c (questions and answers) and http_loop.c (libcurl's sockets and times in the loop) share.
 */
#ifndef EM_NET_HTTP_INSIDE_H
#define EM_NET_HTTP_INSIDE_H

#define CURL_DISABLE_TYPECHECK /* it takes functions by their names; ours are in a set */
#include <curl/curl.h>

#include "base/late.h"
#include "net/http.h"
#include "net/net_event.h"

enum { HTTP_VALUE_MAX = 64 };

/* clang-format off */
#define HTTP_SYMBOLS(S) \
    S(curl_url) S(curl_url_get) S(curl_url_set) S(curl_url_cleanup) S(curl_free) S(curl_getdate) \
    S(curl_slist_append) S(curl_slist_free_all) S(curl_global_init) \
    S(curl_easy_init) S(curl_easy_setopt) S(curl_easy_getinfo) S(curl_easy_reset) S(curl_easy_cleanup) S(curl_easy_strerror) \
    S(curl_multi_init) S(curl_multi_setopt) S(curl_multi_assign) S(curl_multi_socket_action) S(curl_multi_info_read) \
    S(curl_multi_add_handle) S(curl_multi_remove_handle) S(curl_multi_cleanup)
/* clang-format on */
LATE_DECLARE(http_curl, HTTP_SYMBOLS); /* http_text.c */

struct em_http {
    struct em_net *net;
    CURLM *multi;
    CURL *easy;
    struct event *timer;  /* when curl wants to be called */
    bool running;         /* easy is in multi */
    bool entered, closed; /* freed in done: freed when it returns */

    bool insecure;
    char *ca_file, *proxy, *proxy_user, *proxy_password, *user, *password; /* NULL: none */
    struct em_http_url proxy_at;

    /* The question; done NULL: there is none. */
    em_http_fn done;
    void *arg;
    char url[EM_HTTP_URL_MAX];
    char *question, *token;
    struct curl_slist *headers, *known;
    struct em_http_url at, near; /* the server, and what is connected to: the proxy, or the same */
    struct em_lookup *lookup;
    struct em_addr addrs[EM_LOOKUP_MAX];
    size_t addrs_n; /* 0: not known */
    int64_t resolved_us, deadline_us;
    struct em_timer *patience;
    unsigned redirects;
    size_t body_max;

    /* The answer so far. */
    enum em_http_end end; /* why we ended it; 0: we did not */
    struct buf body;
    size_t header_bytes;
    char retry_after[HTTP_VALUE_MAX], date[HTTP_VALUE_MAX];
    char said[CURL_ERROR_SIZE];
    struct em_http_answer answer;
};

/* Sets an option; good becomes false when it cannot be. */
#define HTTP_SET(good, easy, option, value)                                                                  \
    do {                                                                                                     \
        if (http_curl.curl_easy_setopt(easy, option, value) != CURLE_OK)                                     \
            (good) = false;                                                                                  \
    } while (0)

/* http_loop.c */
bool http_loop_init(struct em_http *h); /* false: no memory */
void http_loop_fini(struct em_http *h);
bool http_start(struct em_http *h); /* easy runs, from the loop; http_over() comes at its end */
void http_end(struct em_http *h);   /* it runs no more */

/* http.c */
void http_over(struct em_http *h, CURLcode code);
bool http_send(struct em_http *h);
void http_free_now(struct em_http *h);
void http_forget(char **secret); /* cleared, freed, NULL */

#endif
