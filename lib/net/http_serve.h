/* SPDX-License-Identifier: GPL-3.0-or-later
 * A small HTTP server for what is posted to a source: it reads whole requests, gives them to its user, who answers when he knows the answer.
 *
 * Bounds: the enum below. A client has HTTP_SERVE_REQUEST_S until its request is complete, from its first byte or the last answer on; over
 * HTTP_SERVE_CLIENTS_MAX, the one that is nearest to that end goes. While a client waits for its answer nothing more is read from it.
 */
#ifndef EM_NET_HTTP_SERVE_H
#define EM_NET_HTTP_SERVE_H

#include "net/http_request.h"
#include "net/net.h"
#include "net/tls_serve.h"

enum {
    HTTP_SERVE_CLIENTS_MAX = 256,
    HTTP_SERVE_REQUEST_S = 30,
    HTTP_SERVE_LINGER_S =
        2, /* what a refused client still sends is thrown away for so long, so that it can read why */
};

struct http_server;
struct http_client;

/* A request is there, its body in r->body. It must be answered once with http_answer(), now or later. */
typedef void (*http_take_fn)(void *arg, struct http_client *c, const struct http_request *r);
/* A request was refused: status and why are in r. For counting; the answer is sent. */
typedef void (*http_refused_fn)(void *arg, struct http_client *c, const struct http_request *r);

/* A client did not get through the TLS handshake; why is a phrase, safe to print. */
typedef void (*http_untrusted_fn)(void *arg, const struct em_addr *from, const char *why);

struct http_serve_conf {
    struct em_addr at;
    struct em_tls_serve *tls; /* NULL: none. The caller's, and outlives the server */
    size_t body_max;
    http_take_fn take;
    http_refused_fn refused;
    http_untrusted_fn untrusted; /* with tls only */
    void *arg;
};

/* NULL: why tells. */
struct http_server *http_server_new(struct em_net *n, const struct http_serve_conf *conf, struct em_why *why);
void http_server_free(struct http_server *s); /* whoever waits is not answered any more. NULL is fine */

/* text: a line for a person. The client may be gone afterwards. */
void http_answer(struct http_client *c, int status, const char *text);
const struct em_addr *http_client_from(const struct http_client *c);

#endif
