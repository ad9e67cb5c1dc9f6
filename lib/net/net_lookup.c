/* SPDX-License-Identifier: GPL-3.0-or-later
 * One question to the name servers with c-ares: the hosts file first, then DNS. Each lookup has a channel of its own, so that a changed
 * resolv.conf is seen at once and cancelling one lookup leaves the others alone. */
#include "net/net_lookup.h"

#include <arpa/nameser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cur.h"

LATE_DEFINE(dns, LATE_CARES, DNS_SYMBOLS);

enum {
    SOCKETS_MAX = ARES_GETSOCK_MAXNUM,
    TRY_MS = 1000, /* first wait for a name server; c-ares doubles it */
    TRIES = 3,
    ALIASES_MAX = 16, /* of one answer that are followed */
    TYPE_CNAME = 5,
    HEADER_SIZE = 12,
};

void em_lookup_destroy(struct ev_lookup *l)
{
    if (l->channel)
        dns.ares_destroy(l->channel); /* closes its sockets, which frees their events */
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

static void look_closer(struct ev_lookup *l);

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct ev_lookup *l = arg, copy = *l;

    (void)fd;
    (void)what;
    if (!l->answered) {
        look_closer(l);
        return;
    }
    em_lookup_destroy(l); /* first: the callback may cancel nothing any more, and may free the net */
    copy.tell(&copy);
}

void em_lookup_answer(struct ev_lookup *l)
{
    if (l->answered)
        return;
    l->answered = true;
    event_active(l->later, EV_TIMEOUT, 0);
}

void em_lookup_failed(struct ev_lookup *l, int status)
{
    static const struct {
        int status;
        const char *words;
    } rows[] = {
        { ARES_ENODATA, "the name has no address (no data)" },
        { ARES_ENOTFOUND, "the name does not exist (NXDOMAIN)" },
        { ARES_ESERVFAIL, "the name servers failed (SERVFAIL)" },
        { ARES_ENOTIMP, "the name servers do not answer such questions (NOTIMP)" },
        { ARES_EREFUSED, "the name servers refused to answer (REFUSED)" },
        { ARES_EFORMERR, "the name servers did not understand the question (FORMERR)" },
        { ARES_EBADRESP, "the name servers sent an answer that is damaged" },
        { ARES_EBADNAME, "this is no name that DNS can have" },
        { ARES_ETIMEOUT, "no answer from the name servers in time" },
        { ARES_ECONNREFUSED, "the name servers cannot be reached" },
        { ARES_ENOMEM, "this machine: no memory" },
    };
    const char *words = dns.ares_strerror(status);

    if (status == ARES_ECONNREFUSED && !l->closer && !l->answered) {
        l->closer = true;
        event_active(l->later, EV_TIMEOUT, 0);
        return;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            words = rows[i].words;
    snprintf(l->failure, sizeof l->failure, "%s", words);
    em_lookup_answer(l);
}

/* --- sockets and time ------------------------------------------------------------------------------------------------ */

void em_lookup_asked(struct ev_lookup *l)
{
    struct timeval tv, *next = dns.ares_timeout(l->channel, NULL, &tv);

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
    dns.ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    em_lookup_asked(l);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct ev_lookup_socket *s = arg;
    struct ev_lookup *l = s->lookup;

    dns.ares_process_fd(l->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
                        what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    em_lookup_asked(l);
}

static struct ev_lookup_socket *place_of(struct ev_lookup *l, ares_socket_t fd)
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
    struct ev_lookup_socket *s = place_of(l, fd);
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);

    if (!s)
        return; /* c-ares will time out on it */
    if (s->event)
        event_free(s->event);
    *s = (struct ev_lookup_socket) { l, fd, NULL };
    if (what == EV_PERSIST)
        return;
    s->event = event_new(l->net->base, fd, what, on_socket, s);
    if (s->event)
        event_add(s->event, NULL);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    em_lookup_failed(arg, ARES_ETIMEOUT);
}

struct ev_lookup *em_lookup_new(struct ev_net *net, const char *name, void (*tell)(struct ev_lookup *l),
                                void *arg)
{
    struct ev_lookup *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->is.ops = net->is.ops;
    l->net = net;
    l->tell = tell;
    l->arg = arg;
    slice_copy(slice_of(name), l->name, sizeof l->name);
    net->objects++;
    l->tick = evtimer_new(net->base, on_tick, l);
    l->deadline = evtimer_new(net->base, on_deadline, l);
    l->later = event_new(net->base, -1, 0, on_later, l);
    if (!l->tick || !l->deadline || !l->later) {
        em_lookup_destroy(l);
        return NULL;
    }
    return l;
}

static int channel_new(ares_channel *channel, const char *servers, int flags, ares_sock_state_cb state,
                       void *arg)
{
    static char lookups[] = "fb"; /* hosts file, then DNS */
    struct ares_options options = { .flags = flags,
                                    .timeout = TRY_MS,
                                    .tries = TRIES,
                                    .lookups = lookups,
                                    .sock_state_cb = state,
                                    .sock_state_cb_data = arg };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               (state ? ARES_OPT_SOCK_STATE_CB : 0);
    int status = dns.ares_init_options(channel, &options, mask);

    if (status == ARES_SUCCESS && *servers &&
        (status = dns.ares_set_servers_ports_csv(*channel, servers)) != ARES_SUCCESS)
        dns.ares_destroy(*channel);
    return status;
}

bool em_lookup_start(struct ev_lookup *l, int64_t timeout_us)
{
    int64_t us = timeout_us > 0 ? timeout_us : 0;
    struct timeval tv = { (time_t)(us / EM_US_PER_S), (suseconds_t)(us % EM_US_PER_S) };
    struct em_why why;
    int status;

    if (late_load(&dns.late, &why) < 0) {
        snprintf(l->failure, sizeof l->failure, "this machine: %.140s", why.text);
        em_lookup_answer(l);
        return false;
    }
    if ((status = channel_new(&l->channel, l->net->servers, 0, on_state, l)) != ARES_SUCCESS) {
        l->channel = NULL;
        snprintf(l->failure, sizeof l->failure, "this machine: the resolver cannot start: %s",
                 dns.ares_strerror(status));
        em_lookup_answer(l);
        return false;
    }
    evtimer_add(l->deadline, &tv);
    return true;
}

static void on_closer(void *arg, int status, int timeouts, unsigned char *answer, int n)
{
    (void)timeouts;
    (void)answer;
    (void)n;
    if (status != ARES_EDESTRUCTION)
        em_lookup_failed(arg, status == ARES_SUCCESS ? ARES_ECONNREFUSED : status);
}

/* c-ares goes on to the next server after SERVFAIL, REFUSED and NOTIMP, and forgets which it was: so the last one is asked again, by a
 * channel that tells. */
static void look_closer(struct ev_lookup *l)
{
    dns.ares_destroy(l->channel);
    l->channel = NULL;
    if (channel_new(&l->channel, l->net->servers, ARES_FLAG_NOCHECKRESP, on_state, l) != ARES_SUCCESS) {
        l->channel = NULL;
        em_lookup_failed(l, ARES_ECONNREFUSED);
        return;
    }
    dns.ares_query(l->channel, l->name, ns_c_in, ns_t_a, on_closer, l);
    em_lookup_asked(l);
}

bool em_net_servers_ok(const char *servers)
{
    ares_channel channel;

    if (!*servers || late_load(&dns.late, NULL) < 0 ||
        channel_new(&channel, servers, 0, NULL, NULL) != ARES_SUCCESS)
        return false;
    dns.ares_destroy(channel);
    return true;
}

void em_lookup_cancel_event(struct em_lookup *lookup)
{
    struct ev_lookup *l = (struct ev_lookup *)lookup;

    l->answered = true;
    em_lookup_destroy(l);
}

/* --- aliases --------------------------------------------------------------------------------------------------------- */

struct alias {
    char *owner, *target; /* of c-ares */
};

/* Takes a name off; c-ares follows compression, and checks it. */
static bool take_name(const uint8_t *answer, size_t n, struct cur *c, char **name)
{
    long used = 0;

    if (c->bad || dns.ares_expand_name(c->p, answer, (int)n, name, &used) != ARES_SUCCESS)
        return false;
    if (cur_take(c, (size_t)used))
        return true;
    dns.ares_free_string(*name);
    return false;
}

/* Reads the record at c; an alias is added. */
static bool take_record(const uint8_t *answer, size_t n, struct cur *c, struct alias *a, size_t *count)
{
    char *owner, *target;
    uint16_t type, size;
    struct cur data;

    if (!take_name(answer, n, c, &owner))
        return false;
    type = cur_u16(c);
    cur_u16(c); /* class */
    cur_u32(c); /* time to live */
    size = cur_u16(c);
    data = cur_sub(c, size);
    if (c->bad || type != TYPE_CNAME || *count == ALIASES_MAX || !take_name(answer, n, &data, &target)) {
        dns.ares_free_string(owner);
        return !c->bad;
    }
    a[(*count)++] = (struct alias) { owner, target };
    return true;
}

static size_t read_aliases(const uint8_t *answer, size_t n, struct alias *a)
{
    struct cur c = cur_of(answer, n);
    uint16_t questions, answers;
    size_t count = 0;
    char *name;

    cur_u32(&c); /* id, flags */
    questions = cur_u16(&c);
    answers = cur_u16(&c);
    cur_u32(&c); /* authority, additional */
    for (uint16_t i = 0; i < questions; i++) {
        if (!take_name(answer, n, &c, &name))
            return 0;
        dns.ares_free_string(name);
        cur_u32(&c); /* type, class */
    }
    for (uint16_t i = 0; i < answers; i++)
        if (!take_record(answer, n, &c, a, &count))
            break;
    return count;
}

static const struct alias *alias_of(const struct alias *a, size_t n, const char *owner)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(a[i].owner, owner) == 0)
            return &a[i];
    return NULL;
}

bool em_lookup_aliases(struct ev_lookup *l, const uint8_t *answer, size_t n)
{
    struct alias a[ALIASES_MAX];
    size_t count = n < HEADER_SIZE ? 0 : read_aliases(answer, n, a), steps = 0;
    const struct alias *at = NULL, *next;
    char first[EM_DNS_NAME_MAX];
    struct slice name = slice_of(l->name);

    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    slice_copy(name, first, sizeof first);
    for (next = alias_of(a, count, first); next && steps <= count; next = alias_of(a, count, at->target)) {
        at = next;
        steps++;
    }
    if (at && steps > count)
        snprintf(l->failure, sizeof l->failure,
                 "the name servers lie: its aliases lead in a ring (CNAME to %.80s)", at->target);
    else if (at)
        snprintf(l->failure, sizeof l->failure, "the name is an alias of %.80s, which has no address",
                 at->target);
    for (size_t i = 0; i < count; i++) {
        dns.ares_free_string(a[i].owner);
        dns.ares_free_string(a[i].target);
    }
    return at != NULL;
}
