/* SPDX-License-Identifier: GPL-3.0-or-later
 * Names to addresses with c-ares: hosts file first, then DNS, A and AAAA. Each lookup has a channel of its own, so that a changed
 * resolv.conf is seen at once and cancelling one lookup leaves the others alone. */
#include <ares.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_event.h"

enum {
    SOCKETS_MAX = ARES_GETSOCK_MAXNUM,
    TRY_MS = 1000, /* first wait for a name server; c-ares doubles it */
    TRIES = 3,
};

struct ev_lookup;
struct watched {
    struct ev_lookup *lookup;
    ares_socket_t fd;
    struct event *event; /* NULL: this place is free */
};

struct ev_lookup {
    struct em_lookup is;
    struct ev_net *net;
    em_lookup_fn done;
    void *arg;
    uint16_t port;
    ares_channel channel; /* NULL: a literal, or c-ares is not there */
    struct watched sockets[SOCKETS_MAX];
    struct event *tick;             /* c-ares' own time-outs */
    struct event *deadline, *later; /* later: the answer is there, tell from the loop */
    struct em_addr addrs[EM_LOOKUP_MAX];
    size_t n;
    char failure[EM_REASON_MAX];
    bool answered;
};

static void destroy(struct ev_lookup *l)
{
    if (l->channel)
        ares_destroy(l->channel); /* closes its sockets, which frees their events */
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (l->sockets[i].event)
            event_free(l->sockets[i].event);
    if (l->tick)
        event_free(l->tick);
    if (l->deadline)
        event_free(l->deadline);
    if (l->later)
        event_free(l->later);
    l->net->objects--;
    free(l);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct ev_lookup *l = arg;
    em_lookup_fn done = l->done;
    void *done_arg = l->arg;
    struct em_addr addrs[EM_LOOKUP_MAX];
    char failure[EM_REASON_MAX];
    size_t n = l->n;

    (void)fd;
    (void)what;
    memcpy(addrs, l->addrs, sizeof addrs);
    memcpy(failure, l->failure, sizeof failure);
    destroy(l); /* first: the callback may cancel nothing any more, and may free the net */
    done(done_arg, addrs, n, n ? NULL : failure);
}

static void answer(struct ev_lookup *l)
{
    if (l->answered)
        return;
    l->answered = true;
    event_active(l->later, EV_TIMEOUT, 0);
}

static void add_address(struct ev_lookup *l, const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_storage s = { 0 };
    struct em_addr a;

    if (!sa || len > sizeof s || l->n == EM_LOOKUP_MAX)
        return;
    memcpy(&s, sa, len);
    a = em_addr_of(&s, len);
    if (a.len == 0)
        return;
    if (a.u.any.sa_family == AF_INET6)
        a.u.v6.sin6_port = htons(l->port);
    else
        a.u.v4.sin_port = htons(l->port);
    for (size_t i = 0; i < l->n; i++)
        if (em_addr_eq(&l->addrs[i], &a))
            return;
    l->addrs[l->n++] = a;
}

/* The two answers come in any order: IPv6 first makes the list the same each time. */
static void add_family(struct ev_lookup *l, const struct ares_addrinfo *info, int family)
{
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        if (node->ai_family == family)
            add_address(l, node->ai_addr, (socklen_t)node->ai_addrlen);
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct ev_lookup *l = arg;

    if (status == ARES_EDESTRUCTION)
        return;
    if (status == ARES_SUCCESS && info) {
        add_family(l, info, AF_INET6);
        add_family(l, info, AF_INET);
    }
    if (l->n == 0)
        snprintf(l->failure, sizeof l->failure, "%s%s",
                 status == ARES_SUCCESS ? "the name has no address" : ares_strerror(status),
                 timeouts > 0 && status != ARES_ETIMEOUT ? " (name servers were slow)" : "");
    if (info)
        ares_freeaddrinfo(info);
    answer(l);
}

static void schedule(struct ev_lookup *l)
{
    struct timeval tv, *next = ares_timeout(l->channel, NULL, &tv);

    if (next)
        evtimer_add(l->tick, next);
    else
        evtimer_del(l->tick);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct ev_lookup *l = arg;

    (void)fd;
    (void)what;
    ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    schedule(l);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct watched *w = arg;
    struct ev_lookup *l = w->lookup;

    ares_process_fd(l->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    schedule(l);
}

static struct watched *place_of(struct ev_lookup *l, ares_socket_t fd)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (l->sockets[i].event && l->sockets[i].fd == fd)
            return &l->sockets[i];
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (!l->sockets[i].event)
            return &l->sockets[i];
    return NULL;
}

/* c-ares tells what it wants to know about a socket; neither = it closes it. */
static void on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct ev_lookup *l = arg;
    struct watched *w = place_of(l, fd);
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);

    if (!w)
        return; /* c-ares will time out on it */
    if (w->event)
        event_free(w->event);
    *w = (struct watched) { l, fd, NULL };
    if (what == EV_PERSIST)
        return;
    w->event = event_new(l->net->base, fd, what, on_socket, w);
    if (w->event)
        event_add(w->event, NULL);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct ev_lookup *l = arg;

    (void)fd;
    (void)what;
    snprintf(l->failure, sizeof l->failure, "no answer from the name servers in time");
    answer(l);
}

static void start(struct ev_lookup *l, const char *name, int64_t timeout_us)
{
    static char lookups[] = "fb"; /* hosts file, then DNS */
    struct ares_options options = { .timeout = TRY_MS,
                                    .tries = TRIES,
                                    .lookups = lookups,
                                    .sock_state_cb = on_state,
                                    .sock_state_cb_data = l };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT };
    struct timeval tv = { (time_t)(timeout_us / EM_US_PER_S), (suseconds_t)(timeout_us % EM_US_PER_S) };
    int status = ares_init_options(&l->channel, &options, mask);

    if (status != ARES_SUCCESS) {
        l->channel = NULL;
        snprintf(l->failure, sizeof l->failure, "the resolver cannot start: %s", ares_strerror(status));
        answer(l);
        return;
    }
    if (l->net->servers)
        ares_set_servers_ports_csv(l->channel, l->net->servers);
    evtimer_add(l->deadline, &tv);
    ares_getaddrinfo(l->channel, name, NULL, &hints, on_answer, l);
    schedule(l);
}

struct em_lookup *em_resolve_event(struct em_net *n, const char *name, uint16_t port, int64_t timeout_us,
                                   em_lookup_fn done, void *arg)
{
    struct ev_net *net = (struct ev_net *)n;
    struct ev_lookup *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    *l = (struct ev_lookup) { .is = { n->ops }, .net = net, .done = done, .arg = arg, .port = port };
    net->objects++;
    l->tick = evtimer_new(net->base, on_tick, l);
    l->deadline = evtimer_new(net->base, on_deadline, l);
    l->later = event_new(net->base, -1, 0, on_later, l);
    if (!l->tick || !l->deadline || !l->later) {
        destroy(l);
        return NULL;
    }
    if (em_addr_read(name, port, &l->addrs[0])) {
        l->n = 1;
        answer(l);
    } else {
        start(l, name, timeout_us > 0 ? timeout_us : 0);
    }
    return &l->is;
}

void em_lookup_cancel_event(struct em_lookup *lookup)
{
    struct ev_lookup *l = (struct ev_lookup *)lookup;

    l->answered = true;
    destroy(l);
}
