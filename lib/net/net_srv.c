/* SPDX-License-Identifier: GPL-3.0-or-later
 * Names of domains to servers: SRV records (RFC 2782). */
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_lookup.h"

static int by_order(const void *a, const void *b)
{
    const struct em_srv *x = a, *y = b;

    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    return strcmp(x->target, y->target);
}

static void add(struct ev_lookup *l, const struct ares_srv_reply *r)
{
    struct em_srv *to = &l->srv[l->srv_n];

    if (l->srv_n == EM_SRV_MAX || !slice_copy(slice_of(r->host), to->target, sizeof to->target))
        return;
    if (strcmp(to->target, ".") == 0)
        to->target[0] = '\0';
    to->port = r->port;
    to->priority = r->priority;
    to->weight = r->weight;
    l->srv_n++;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *answer, int n)
{
    struct ev_lookup *l = arg;
    struct ares_srv_reply *replies = NULL;

    (void)timeouts;
    if (status == ARES_EDESTRUCTION)
        return;
    if (status == ARES_SUCCESS)
        status = dns.ares_parse_srv_reply(answer, n, &replies);
    for (const struct ares_srv_reply *r = replies; r; r = r->next)
        add(l, r);
    if (replies)
        dns.ares_free_data(replies);
    qsort(l->srv, l->srv_n, sizeof *l->srv, by_order);
    if (l->srv_n > 0 || status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND)
        em_lookup_answer(l);
    else
        em_lookup_failed(l, status);
}

/* What an administrator wrote into the hosts file counts, and there are no services in it. */
static bool in_hosts_file(struct ev_lookup *l, const char *name)
{
    static const int families[] = { AF_INET, AF_INET6 };

    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct hostent *host = NULL;

        if (dns.ares_gethostbyname_file(l->channel, name, families[i], &host) == ARES_SUCCESS) {
            dns.ares_free_hostent(host);
            return true;
        }
    }
    return false;
}

static void tell(struct ev_lookup *l)
{
    l->srv_done(l->arg, l->srv, l->srv_n, l->failure[0] ? l->failure : NULL);
}

struct em_lookup *em_resolve_srv_event(struct em_net *n, const char *service, const char *name,
                                       int64_t timeout_us, em_srv_fn done, void *arg)
{
    struct ev_lookup *l = em_lookup_new((struct ev_net *)n, name, tell, arg);
    char whole[EM_DNS_NAME_MAX + 32];

    if (!l)
        return NULL;
    l->srv_done = done;
    if (!em_lookup_start(l, timeout_us))
        return &l->is;
    if (in_hosts_file(l, name)) {
        em_lookup_answer(l);
        return &l->is;
    }
    snprintf(whole, sizeof whole, "%.30s.%s", service, l->name);
    dns.ares_query(l->channel, whole, ns_c_in, ns_t_srv, on_answer, l);
    em_lookup_asked(l);
    return &l->is;
}
