/* SPDX-License-Identifier: GPL-3.0-or-later
 * The faces over HTTP: the page, /metrics, /api/v1/..., /healthz, on a TCP address and, with the same handlers, on the control socket.
 * Reads only: GET and HEAD.
 *
 * A client costs at most this much: headers of EM_WEB_HEADERS_MAX bytes, EM_WEB_REQUEST_S seconds until its request is complete,
 * EM_WEB_IDLE_S without a byte moved, EM_WEB_LIFE_S in all behind its last request. Over EM_WEB_CLIENTS_MAX clients, the one
 * that is nearest to its end goes.
 */
#ifndef EM_AGENT_WEB_H
#define EM_AGENT_WEB_H

#include <event2/event.h>

#include "base/err.h"
#include "expo/expo.h"
#include "model/snapshot.h"
#include "net/net.h"
#include "net/tls_serve.h"
#include "store/store.h"

enum {
    EM_WEB_CLIENTS_MAX = 64, /* for each listener */
    EM_WEB_HEADERS_MAX = 8 * 1024,
    EM_WEB_BODY_MAX = 1024, /* of a request; none needs one */
    EM_WEB_REQUEST_S = 10,
    EM_WEB_IDLE_S = 10,
    EM_WEB_LIFE_S = 60,
    EM_WEB_QUEUED_MAX = 64 * 1024 * 1024, /* bytes of answers that slow clients did not take yet */
    EM_WEB_FAILURES_MAX = EM_EXPO_FAILURES_MAX,
    EM_WEB_REASONS_MAX = 8,
    EM_WEB_STREAMS_MAX = 16,            /* clients of /api/v1/events, for each listener */
    EM_WEB_EVENT_MAX = 4 * 1024 * 1024, /* bytes of one event */
    EM_WEB_EVENT_MS = 2000,             /* from one event to the next, at least */
    EM_WEB_NAMES_MAX = 256,             /* bytes of all names that Host may have */
};

/* Where the answers come from. */
struct em_web_source {
    const struct em_snapshot *(*snapshot)(void *arg);
    struct em_store *(*store)(void *arg);
    /* Why the daemon is not well, at most EM_WEB_REASONS_MAX texts that live until the next call; 0 = it is well. */
    size_t (*reasons)(void *arg, const char *reason[EM_WEB_REASONS_MAX]);
    void *arg;
};

struct em_web;

/* Listens on a TCP address. Only requests whose Host is localhost, one of em_web_names() or an address are answered, on a loopback address
 * only that one, so that a web page from elsewhere cannot read it through a name of its own (DNS rebinding: such a
 * page has a name, never an address). */
int em_web_tcp(struct event_base *base, const struct em_addr *at, const struct em_web_source *source,
               struct em_web **web, struct em_why *why) EM_MUST_CHECK;

/* TLS for those who connect from now on; the endpoint takes it over. NULL: none any more. Only after em_web_tls_load() has returned 0; then
 * nobody is answered in the clear, whenever he connected. */
int em_web_tls_load(struct em_why *why) EM_MUST_CHECK;
void em_web_tls(struct em_web *w, struct em_tls_serve *tls);

/* Names that Host may have, too, separated by commas; "": none. w NULL is fine. */
void em_web_names(struct em_web *w, const char *names);

/* Listens on a Unix socket, mode 0660. A socket that nobody answers on is taken away first; a live one, or anything else of that name, is
 * an error. */
int em_web_unix(struct event_base *base, const char *path, const struct em_web_source *source,
                struct em_web **web, struct em_why *why) EM_MUST_CHECK;

void em_web_free(struct em_web *w); /* NULL is fine. Takes the Unix socket away */

#endif
