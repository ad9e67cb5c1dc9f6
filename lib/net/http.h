/* SPDX-License-Identifier: GPL-3.0-or-later
 * Asking an HTTP server, over libcurl's multi-socket interface and the daemon's loop: one question at a time for each client, whose
 * connection stays open for the next one. Names are resolved by net.h, so that nothing blocks and the daemon's name servers hold here, too.
 *
 *     struct em_http *h = em_http_new(net, &conf, &why);
 *     em_http_ask(h, &ask, done, arg);         done comes from the loop, once
 *     em_http_cancel(h);                       done comes no more, and the memory of the last answer goes
 *     em_http_free(h);
 *
 * Whatever a server does is bounded: bytes of an answer (as they are after gzip is taken off), bytes of its headers, time for the whole of
 * it, redirects. A redirect is followed only to the same scheme, host and port, so credentials go nowhere else. The answer to a question that the
 * server has not understood is no failure here: status tells.
 */
#ifndef EM_NET_HTTP_H
#define EM_NET_HTTP_H

#include "net/net.h"

enum {
    EM_HTTP_URL_MAX = 4096,
    EM_HTTP_BODY_MAX = 16 * 1024 * 1024,
    EM_HTTP_HEADERS_MAX = 64 * 1024, /* of one answer, interim ones included */
    EM_HTTP_REDIRECTS_MAX = 5,
    EM_HTTP_OWN_HEADERS_MAX = 8,         /* of a question */
    EM_HTTP_RETRY_AFTER_MAX_S = 60 * 60, /* what is longer is this long */
    EM_HTTP_CONNECT_TIMEOUT_MS = 10 * 1000,
    EM_HTTP_KNOWN_NAME_S = 60, /* how long the addresses of a server are not asked for again */
};

struct em_http_conf {    /* copied; "" or NULL: none */
    const char *ca_file; /* PEM certificates to trust instead of those of the system */
    bool insecure;       /* whoever answers is taken for the server */
    const char *proxy;   /* "http://proxy:3128", or https: the environment's is not used */
    const char *proxy_user, *proxy_password;
    const char *user, *password; /* for Basic authentication */
};

struct em_http_ask {           /* copied; strings are ours, or escaped for where they stand */
    const char *url;           /* http: or https:, without user */
    const char *body;          /* NULL: GET; else POST, of type JSON */
    const char *token;         /* "Authorization: Bearer .."; NULL or "": none */
    const char *const *header; /* "X-Scope-OrgID: a" ... */
    size_t header_n;
    int64_t timeout_us; /* for the whole answer, redirects included */
    size_t body_max;    /* at most EM_HTTP_BODY_MAX, which 0 stands for */
};

enum em_http_end {
    EM_HTTP_ANSWERED = 1, /* the answer is whole; status may be anything */
    EM_HTTP_TOO_LARGE,    /* more bytes than body_max, or headers than EM_HTTP_HEADERS_MAX */
    EM_HTTP_TIMED_OUT,
    EM_HTTP_REDIRECTED,  /* to another place, in a ring, or nowhere */
    EM_HTTP_TLS,         /* no TLS, or a certificate that is not good */
    EM_HTTP_UNREACHABLE, /* name, connection, proxy */
    EM_HTTP_BROKEN,      /* no HTTP, a body that ends early, damaged gzip */
    EM_HTTP_LOCAL,       /* this machine: no memory, a CA file that cannot be read */
};

/* Valid in the callback; body until the next em_http_ask() or em_http_cancel(). Nothing in it but body needs to be escaped. */
struct em_http_answer {
    enum em_http_end end;
    unsigned status; /* 0: there was none */
    struct slice body;
    int64_t retry_after_us;   /* of the Retry-After header, bounded; -1: none */
    char failure[EM_WHY_MAX]; /* what happened, unless it is answered */
    uint64_t wire_bytes;      /* received, before gzip is taken off */
};
typedef void (*em_http_fn)(void *arg, const struct em_http_answer *a);

struct em_http;

/* net must be the real one. NULL: why says what is wrong with the proxy, or no memory. */
struct em_http *em_http_new(struct em_net *net, const struct em_http_conf *conf, struct em_why *why);
void em_http_free(struct em_http *h); /* NULL is fine; done comes no more; may be called in done */

/* EM_ERR_INPUT: not such a URL; EM_ERR_MEMORY; EM_ERR_BUSY: the last one is not answered yet. On failure done does not come. */
int em_http_ask(struct em_http *h, const struct em_http_ask *ask, em_http_fn done, void *arg,
                struct em_why *why) EM_MUST_CHECK;
void em_http_cancel(struct em_http *h); /* nothing needs to be asked */

/* Whether text is an http: or https: URL with a host, without user, password and fragment. host: in lower case, without []. */
struct em_http_url {
    char scheme[8], host[EM_DNS_NAME_MAX];
    uint16_t port;
};
bool em_http_url_read(const char *text, struct em_http_url *u);

/* A Retry-After value (RFC 9110 section 10.2.3): seconds, or a date that is compared with date, the time of the answer by the server's own
 * clock (its Date header), or with now_us when date is empty. -1: neither. At most EM_HTTP_RETRY_AFTER_MAX_S. */
int64_t em_http_retry_after(struct slice value, struct slice date, int64_t now_us);

#endif
