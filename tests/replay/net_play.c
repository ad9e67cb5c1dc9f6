/* SPDX-License-Identifier: GPL-3.0-or-later
 * The player behind net.h: one list of things to happen, ordered by time and then by when they were asked for. */
#include "net_play.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_ops.h"

struct play_event { /* embedded in what happens */
    int64_t at;
    uint64_t order;
    void (*happen)(struct play_event *e);
    struct play_event *next;
    bool listed;
};

struct host {
    enum em_transport transport;
    struct em_addr at;
    struct em_play_host host;
    void *arg;
    bool used; /* somebody connected */
};

struct name {
    const char *name, *failure;
    struct em_addr addrs[EM_LOOKUP_MAX];
    size_t n;
};

struct services {
    const char *name; /* "_turn._udp.example.com" */
    const char *failure;
    struct em_srv targets[EM_SRV_MAX];
    size_t n;
};

struct play_net {
    struct em_net is;
    struct em_clock_fake state;
    struct em_clock clock;
    struct play_event *first;
    uint64_t order;
    size_t objects;
    struct host hosts[EM_PLAY_HOSTS_MAX];
    size_t hosts_n;
    struct name names[EM_PLAY_NAMES_MAX];
    size_t names_n;
    struct services services[EM_PLAY_NAMES_MAX];
    size_t services_n;
};

struct play_conn {
    struct em_conn is;
    struct play_net *net;
    const struct host *host; /* NULL: nothing is there */
    struct em_open how;
    struct em_conn_events events;
    void *arg;
    struct play_event opened;
    struct delivery *deliveries;
    bool connected, entered, closed;
    bool info_set;
    struct em_tcp_info info;
    struct em_tls_how tls_how; /* secured NULL: no TLS */
    struct em_tls_info tls;
    uint64_t sent;
    uint32_t segments_in;
};

enum { HELLO_SIZE = 300 }; /* what a TLS handshake sends */

enum delivered { ACCEPT, SECURED, DATA, END, ERROR, SENT };

/* Something on its way to the client, or (sent) to the host. */
struct delivery {
    struct play_event event; /* first */
    struct play_conn *conn;
    struct delivery *next;
    enum delivered what;
    struct em_net_error error;
    struct em_addr from;
    size_t n;
    uint8_t bytes[];
};

struct play_timer {
    struct em_timer is;
    struct play_event event;
    struct play_net *net;
    void (*fire)(void *arg);
    void *arg;
};

struct play_lookup {
    struct em_lookup is;
    struct play_event event;
    struct play_net *net;
    struct name answer;
    em_lookup_fn done;
    const struct services *services;
    em_srv_fn srv_done;
    void *arg;
};

#define CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static void *need(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

static void unlist(struct play_net *n, struct play_event *e)
{
    struct play_event **at = &n->first;

    if (!e->listed)
        return;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    e->listed = false;
}

static void list(struct play_net *n, struct play_event *e, int64_t when, void (*happen)(struct play_event *e))
{
    struct play_event **at = &n->first;

    unlist(n, e);
    e->at = when > n->state.mono ? when : n->state.mono;
    e->order = n->order++;
    e->happen = happen;
    e->listed = true;
    while (*at && (*at)->at <= e->at)
        at = &(*at)->next;
    e->next = *at;
    *at = e;
}

static void move_clock(struct play_net *n, int64_t to)
{
    if (to > n->state.mono)
        em_clock_fake_advance(&n->state, to - n->state.mono);
}

bool em_play_turn_until(struct em_net *net, int64_t limit_us)
{
    struct play_net *n = (struct play_net *)net;

    if (n->first && n->first->at <= limit_us)
        return em_play_turn(net);
    move_clock(n, limit_us);
    return false;
}

bool em_play_turn(struct em_net *net)
{
    struct play_net *n = (struct play_net *)net;
    struct play_event *e = n->first;

    if (!e)
        return false;
    move_clock(n, e->at);
    unlist(n, e);
    e->happen(e);
    return true;
}

int64_t em_play_now(struct em_net *n)
{
    return ((struct play_net *)n)->state.mono;
}

static const struct em_clock *clock_play(struct em_net *n)
{
    return &((struct play_net *)n)->clock;
}

/* --- connections ------------------------------------------------------------------------------------------------- */

static void free_conn(struct play_conn *c)
{
    c->net->objects--;
    free(c);
}

static void drop(struct delivery *d)
{
    struct delivery **at = &d->conn->deliveries;

    unlist(d->conn->net, &d->event);
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    free(d);
}

static void deliver_to_client(struct play_conn *c, const struct delivery *d)
{
    switch (d->what) {
    case ACCEPT:
        c->connected = true;
        if (c->events.connected)
            c->events.connected(c->arg);
        break;
    case SECURED:
        if (c->tls.end == EM_TLS_NONE)
            c->tls_how.secured(c->arg);
        else if (c->events.error)
            c->events.error(c->arg, &(struct em_net_error) { .kind = EM_NET_TLS });
        break;
    case DATA:
        c->segments_in++;
        if (c->events.data)
            c->events.data(c->arg, d->bytes, d->n, &d->from);
        break;
    case END:
        if (c->events.eof)
            c->events.eof(c->arg);
        break;
    case ERROR:
        if (c->events.error)
            c->events.error(c->arg, &d->error);
        break;
    case SENT:
        break;
    }
}

static void on_delivery(struct play_event *e)
{
    struct delivery *d = CONTAINER(e, struct delivery, event);
    struct play_conn *c = d->conn;

    c->entered = true;
    if (d->what == SENT && c->host && c->host->host.sent)
        c->host->host.sent(c->host->arg, &c->is, d->bytes, d->n);
    else
        deliver_to_client(c, d);
    c->entered = false;
    drop(d);
    if (c->closed) {
        while (c->deliveries)
            drop(c->deliveries);
        free_conn(c);
    }
}

static struct delivery *deliver(struct play_conn *c, enum delivered what, const void *p, size_t n)
{
    struct delivery *d = need(sizeof *d + n);

    d->conn = c;
    d->what = what;
    d->n = n;
    if (n)
        memcpy(d->bytes, p, n);
    d->next = c->deliveries;
    c->deliveries = d;
    list(c->net, &d->event, c->net->state.mono, on_delivery);
    return d;
}

void em_play_accept(struct em_conn *c)
{
    assert(((struct play_conn *)c)->how.transport == EM_TRANSPORT_TCP);
    deliver((struct play_conn *)c, ACCEPT, NULL, 0);
}

void em_play_tls(struct em_conn *conn, const struct em_tls_info *info)
{
    struct play_conn *c = (struct play_conn *)conn;

    assert(c->tls_how.secured);
    c->tls = *info;
    c->tls.wire_sent = HELLO_SIZE;
    if (c->tls_how.insecure && c->tls.end == EM_TLS_UNTRUSTED)
        c->tls.end = EM_TLS_NONE;
    c->tls.secured = c->tls.end == EM_TLS_NONE;
    deliver(c, SECURED, NULL, 0);
}

void em_play_data(struct em_conn *c, const void *p, size_t n, const struct em_addr *from)
{
    struct delivery *d = deliver((struct play_conn *)c, DATA, p, n);

    d->from = from ? *from : d->conn->how.remote;
}

void em_play_eof(struct em_conn *c)
{
    deliver((struct play_conn *)c, END, NULL, 0);
}

void em_play_error(struct em_conn *c, const struct em_net_error *e)
{
    deliver((struct play_conn *)c, ERROR, NULL, 0)->error = *e;
}

void em_play_info(struct em_conn *conn, const struct em_tcp_info *info)
{
    struct play_conn *c = (struct play_conn *)conn;

    c->info = *info;
    c->info_set = true;
}

static const struct host *host_at(struct play_net *n, enum em_transport transport, const struct em_addr *at)
{
    struct host *found = NULL;

    for (size_t i = 0; i < n->hosts_n && (!found || found->used); i++)
        if (n->hosts[i].transport == transport && em_addr_eq(&n->hosts[i].at, at))
            found = &n->hosts[i];
    if (found)
        found->used = true;
    return found;
}

static void on_opened(struct play_event *e)
{
    struct play_conn *c = CONTAINER(e, struct play_conn, opened);

    c->host->host.opened(c->host->arg, &c->is);
}

static struct em_conn *open_play(struct em_net *net, const struct em_open *how,
                                 const struct em_conn_events *events, void *arg)
{
    struct play_net *n = (struct play_net *)net;
    struct play_conn *c = need(sizeof *c);

    *c = (struct play_conn) { .is = { net->ops }, .net = n, .how = *how, .events = *events, .arg = arg };
    c->connected = how->transport == EM_TRANSPORT_UDP;
    c->how.tls = NULL;
    if (how->tls)
        c->tls_how = *how->tls;
    c->tls.wire_sent = how->tls ? HELLO_SIZE : 0;
    c->host = host_at(n, how->transport, &how->remote);
    n->objects++;
    if (c->host && c->host->host.opened)
        list(n, &c->opened, n->state.mono, on_opened);
    return &c->is;
}

static void conn_send(struct em_conn *conn, const void *p, size_t n, const struct em_addr *to)
{
    struct play_conn *c = (struct play_conn *)conn;

    assert(!c->closed);
    (void)to;
    c->sent += n;
    deliver(c, SENT, p, n);
}

static void conn_ttl(struct em_conn *conn, uint8_t ttl)
{
    ((struct play_conn *)conn)->how.ttl = ttl;
}

uint8_t em_play_ttl(const struct em_conn *conn)
{
    return ((const struct play_conn *)conn)->how.ttl;
}

static void conn_info(struct em_conn *conn, struct em_tcp_info *info)
{
    struct play_conn *c = (struct play_conn *)conn;

    if (c->how.transport != EM_TRANSPORT_TCP)
        return;
    *info = c->info;
    if (!c->info_set)
        *info = (struct em_tcp_info) { .valid = true,
                                       .bytes_acked = c->sent + c->tls.wire_sent,
                                       .data_segs_in = c->segments_in };
    info->bytes_sent = c->sent;
}

static void conn_local(struct em_conn *c, struct em_addr *a)
{
    (void)c;
    em_addr_read("198.51.100.1", 40000, a);
}

static void conn_tls(struct em_conn *conn, struct em_tls_info *info)
{
    struct play_conn *c = (struct play_conn *)conn;

    *info = c->tls;
    info->wire_sent += c->sent;
}

static void conn_take(struct em_conn *c, struct em_tls_serve *serve, const struct em_conn_events *events,
                      void *arg)
{
    (void)serve; /* a player speaks no TLS of ours */
    (void)c;
    (void)events;
    (void)arg;
    abort(); /* nothing is ever accepted here */
}

/* What was sent before the end still arrives. The list has the newest first. */
static void arrive(struct play_conn *c, struct delivery *d)
{
    if (!d)
        return;
    arrive(c, d->next);
    if (d->what == SENT && d->event.listed && c->host && c->host->host.sent)
        c->host->host.sent(c->host->arg, &c->is, d->bytes, d->n);
}

static void conn_close(struct em_conn *conn, bool reset)
{
    struct play_conn *c = (struct play_conn *)conn;

    assert(!c->closed);
    if (!reset)
        arrive(c, c->deliveries);
    if (c->host && c->host->host.closed)
        c->host->host.closed(c->host->arg, conn, reset);
    c->closed = true;
    unlist(c->net, &c->opened);
    if (c->entered) {
        /* the one that is being delivered is dropped by on_delivery */
        for (struct delivery *d = c->deliveries; d; d = d->next)
            unlist(c->net, &d->event);
        return;
    }
    while (c->deliveries)
        drop(c->deliveries);
    free_conn(c);
}

/* --- names ------------------------------------------------------------------------------------------------------- */

static void on_lookup(struct play_event *e)
{
    struct play_lookup *l = CONTAINER(e, struct play_lookup, event);
    struct play_lookup copy = *l;

    l->net->objects--;
    free(l);
    copy.done(copy.arg, copy.answer.addrs, copy.answer.n, copy.answer.n ? NULL : copy.answer.failure);
}

static struct name name_of(struct play_net *n, const char *name)
{
    struct name none = { .name = name, .failure = "the name does not exist (NXDOMAIN)" };

    if (em_addr_read(name, 0, &none.addrs[0])) {
        none.n = 1;
        return none;
    }
    for (size_t i = 0; i < n->names_n; i++)
        if (strcmp(n->names[i].name, name) == 0)
            return n->names[i];
    return none;
}

static void set_port(struct em_addr *a, uint16_t port)
{
    if (a->u.any.sa_family == AF_INET6)
        a->u.v6.sin6_port = htons(port);
    else
        a->u.v4.sin_port = htons(port);
}

static struct em_lookup *resolve(struct em_net *net, const char *name, uint16_t port, int64_t timeout_us,
                                 em_lookup_fn done, void *arg)
{
    struct play_net *n = (struct play_net *)net;
    struct play_lookup *l = need(sizeof *l);
    bool never;

    *l = (struct play_lookup) {
        .is = { net->ops }, .net = n, .answer = name_of(n, name), .done = done, .arg = arg
    };
    for (size_t i = 0; i < l->answer.n; i++)
        set_port(&l->answer.addrs[i], port);
    never = l->answer.n == 0 && l->answer.failure[0] == '\0';
    if (never)
        l->answer.failure = "no answer from the name servers in time";
    n->objects++;
    list(n, &l->event, n->state.mono + (never ? timeout_us : 0), on_lookup);
    return &l->is;
}

static void on_services(struct play_event *e)
{
    struct play_lookup *l = CONTAINER(e, struct play_lookup, event);
    struct play_lookup copy = *l;
    const struct services *s = copy.services;

    l->net->objects--;
    free(l);
    if (s && s->n == 0 && s->failure && s->failure[0] == '\0')
        copy.srv_done(copy.arg, NULL, 0, "no answer from the name servers in time");
    else
        copy.srv_done(copy.arg, s ? s->targets : NULL, s ? s->n : 0, s ? s->failure : NULL);
}

static struct em_lookup *resolve_srv(struct em_net *net, const char *service, const char *name,
                                     int64_t timeout_us, em_srv_fn done, void *arg)
{
    struct play_net *n = (struct play_net *)net;
    struct play_lookup *l = need(sizeof *l);
    char whole[EM_DNS_NAME_MAX + 32];
    bool never;

    *l = (struct play_lookup) { .is = { net->ops }, .net = n, .srv_done = done, .arg = arg };
    snprintf(whole, sizeof whole, "%.30s.%s", service, name);
    for (size_t i = 0; i < n->services_n; i++)
        if (strcmp(n->services[i].name, whole) == 0)
            l->services = &n->services[i];
    never = l->services && l->services->n == 0 && l->services->failure && l->services->failure[0] == '\0';
    n->objects++;
    list(n, &l->event, n->state.mono + (never ? timeout_us : 0), on_services);
    return &l->is;
}

static void lookup_cancel(struct em_lookup *lookup)
{
    struct play_lookup *l = (struct play_lookup *)lookup;

    unlist(l->net, &l->event);
    l->net->objects--;
    free(l);
}

/* --- timers ------------------------------------------------------------------------------------------------------ */

static void on_timer(struct play_event *e)
{
    struct play_timer *t = CONTAINER(e, struct play_timer, event);

    t->fire(t->arg);
}

static struct em_timer *timer_new(struct em_net *net, void (*fire)(void *arg), void *arg)
{
    struct play_timer *t = need(sizeof *t);

    *t = (struct play_timer) { .is = { net->ops }, .net = (struct play_net *)net, .fire = fire, .arg = arg };
    t->net->objects++;
    return &t->is;
}

static void timer_at(struct em_timer *timer, int64_t deadline_us)
{
    struct play_timer *t = (struct play_timer *)timer;

    list(t->net, &t->event, deadline_us, on_timer);
}

static void timer_stop(struct em_timer *timer)
{
    struct play_timer *t = (struct play_timer *)timer;

    unlist(t->net, &t->event);
}

static void timer_free(struct em_timer *timer)
{
    struct play_timer *t = (struct play_timer *)timer;

    unlist(t->net, &t->event);
    t->net->objects--;
    free(t);
}

/* --- what is not played ------------------------------------------------------------------------------------------- */

static struct em_listener *no_listen(struct em_net *n, enum em_transport transport, const struct em_addr *at,
                                     const struct em_listen_events *events, void *arg, struct em_why *why)
{
    (void)n;
    (void)transport;
    (void)at;
    (void)events;
    (void)arg;
    em_fail(why, EM_ERR_UNSUPPORTED, "the player does not listen");
    return NULL;
}

static struct em_watch *no_watch(struct em_net *n, int fd, void (*readable)(void *arg), void *arg)
{
    (void)n;
    (void)fd;
    (void)readable;
    (void)arg;
    return NULL;
}

static void net_free(struct em_net *n)
{
    assert(((struct play_net *)n)->objects == 0);
    free(n);
}

static const struct em_net_ops play_ops = {
    .net_free = net_free,
    .clock = clock_play,
    .open = open_play,
    .conn_send = conn_send,
    .conn_ttl = conn_ttl,
    .conn_info = conn_info,
    .conn_local = conn_local,
    .conn_tls = conn_tls,
    .conn_take = conn_take,
    .conn_close = conn_close,
    .listen = no_listen,
    .watch = no_watch,
    .resolve = resolve,
    .resolve_srv = resolve_srv,
    .lookup_cancel = lookup_cancel,
    .timer_new = timer_new,
    .timer_at = timer_at,
    .timer_stop = timer_stop,
    .timer_free = timer_free,
};

struct em_net *em_play_new(void)
{
    struct play_net *n = need(sizeof *n);

    n->is.ops = &play_ops;
    n->state = (struct em_clock_fake) { EM_PLAY_START_US, INT64_C(1764000000) * EM_US_PER_S, 42 };
    n->clock = em_clock_fake(&n->state);
    return &n->is;
}

void em_play_host(struct em_net *net, enum em_transport transport, const struct em_addr *at,
                  const struct em_play_host *host, void *arg)
{
    struct play_net *n = (struct play_net *)net;

    assert(n->hosts_n < EM_PLAY_HOSTS_MAX);
    n->hosts[n->hosts_n++] = (struct host) { transport, *at, *host, arg, false };
}

void em_play_name(struct em_net *net, const char *name, const struct em_addr *addrs, size_t count,
                  const char *failure)
{
    struct play_net *n = (struct play_net *)net;
    struct name *to = n->names;

    while (to < n->names + n->names_n && strcmp(to->name, name) != 0)
        to++;
    n->names_n += to == n->names + n->names_n;
    assert(n->names_n <= EM_PLAY_NAMES_MAX && count <= EM_LOOKUP_MAX);
    *to = (struct name) { .name = name, .failure = failure, .n = count };
    if (count)
        memcpy(to->addrs, addrs, count * sizeof *addrs);
}

void em_play_services(struct em_net *net, const char *name, const struct em_srv *targets, size_t count,
                      const char *failure)
{
    struct play_net *n = (struct play_net *)net;
    struct services *to = &n->services[n->services_n++];

    assert(n->services_n <= EM_PLAY_NAMES_MAX && count <= EM_SRV_MAX);
    *to = (struct services) { .name = name, .failure = failure, .n = count };
    if (count)
        memcpy(to->targets, targets, count * sizeof *targets);
}
