/* SPDX-License-Identifier: GPL-3.0-or-later
 * A source that asks a log server over HTTP, again and again: HOMER 7, Loki, Elasticsearch, OpenSearch, or whatever has a URL and JSON.
 *
 * What is asked for begins `overlap` before the newest record there was, so that records which reach the server late are read, too; those that come
 * again by it are known by their hashes (em_intake_seen) and do nothing. The place, the hashes and the reports of some records are one
 * transaction: whenever the process ends, the next one asks for what is not in the database.
 *
 * Nothing waits: parsing and bringing in go on in bounded pieces, a turn of the loop each.
 */
#ifndef EM_SOURCE_HTTP_H
#define EM_SOURCE_HTTP_H

#include "net/http.h"
#include "source/source.h"

enum {
    EM_HTTP_BACKOFF_MIN_S = 1,
    EM_HTTP_BACKOFF_MAX_S = 300,
};

extern const struct em_source_kind em_http_kind;

/* The client: net/http.h, or what a test puts in its place. */
struct em_http_client {
    struct em_http *(*make)(struct em_net *net, const struct em_http_conf *conf, struct em_why *why);
    int (*ask)(struct em_http *h, const struct em_http_ask *ask, em_http_fn done, void *arg,
               struct em_why *why);
    void (*cancel)(struct em_http *h);
    void (*release)(struct em_http *h);
};
int em_http_source_start(const struct em_http_client *client, const struct em_source_env *env,
                         const struct em_source_conf *conf, void **source, struct em_why *why) EM_MUST_CHECK;

/* For em_source_check(). */
int em_http_source_check(struct em_source_conf *conf, const char **option, struct em_why *why) EM_MUST_CHECK;

#endif
