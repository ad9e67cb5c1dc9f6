/* SPDX-License-Identifier: GPL-3.0-or-later
 * Names to addresses: A and AAAA. An answer without any is looked at once more, for why. */
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/net_lookup.h"

/* No host has such an address; to connect to 0.0.0.0 would even reach this machine. */
static bool absurd(const struct em_addr *a)
{
    const struct in6_addr *v6 = &a->u.v6.sin6_addr;
    uint32_t v4;

    if (a->u.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(v6) || IN6_IS_ADDR_MULTICAST(v6);
    v4 = ntohl(a->u.v4.sin_addr.s_addr);
    return v4 >> 24 == 0 || v4 >> 28 >= 14; /* 0/8, 224/4, 240/4 */
}

static void add_address(struct ev_lookup *l, const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_storage s = { 0 };
    struct em_addr a;

    if (!sa || len > sizeof s || l->addrs_n == EM_LOOKUP_MAX)
        return;
    memcpy(&s, sa, len);
    a = em_addr_of(&s, len);
    if (a.len == 0)
        return;
    if (a.u.any.sa_family == AF_INET6)
        a.u.v6.sin6_port = htons(l->port);
    else
        a.u.v4.sin_port = htons(l->port);
    if (absurd(&a)) {
        char text[EM_ADDRESS_MAX];

        em_addr_text(&a, text);
        snprintf(l->failure, sizeof l->failure,
                 "the name servers lie: they say %s, which is no host's address", text);
        return;
    }
    for (size_t i = 0; i < l->addrs_n; i++)
        if (em_addr_eq(&l->addrs[i], &a))
            return;
    l->addrs[l->addrs_n++] = a;
}

/* The two answers come in any order: IPv6 first makes the list the same each time. */
static void add_family(struct ev_lookup *l, const struct ares_addrinfo *info, int family)
{
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        if (node->ai_family == family)
            add_address(l, node->ai_addr, (socklen_t)node->ai_addrlen);
}

/* The answer again, as it is: c-ares does not show an answer in which it found nothing. */
static void on_answer_again(void *arg, int status, int timeouts, unsigned char *answer, int n)
{
    struct ev_lookup *l = arg;

    (void)timeouts;
    if (status == ARES_EDESTRUCTION)
        return;
    if (answer && n > 0 && em_lookup_aliases(l, answer, (size_t)n))
        em_lookup_answer(l);
    else
        em_lookup_failed(l, status == ARES_SUCCESS ? ARES_ENODATA : status);
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct ev_lookup *l = arg;

    (void)timeouts;
    if (status == ARES_EDESTRUCTION)
        return;
    if (status == ARES_SUCCESS && info) {
        add_family(l, info, AF_INET6);
        add_family(l, info, AF_INET);
    }
    if (info)
        dns.ares_freeaddrinfo(info);
    if (l->addrs_n > 0 || l->failure[0])
        em_lookup_answer(l);
    else if (status == ARES_SUCCESS || status == ARES_ENODATA)
        dns.ares_query(l->channel, l->name, ns_c_in, ns_t_a, on_answer_again, l);
    else
        em_lookup_failed(l, status);
}

static void tell(struct ev_lookup *l)
{
    l->addresses_done(l->arg, l->addrs, l->addrs_n, l->addrs_n ? NULL : l->failure);
}

struct em_lookup *em_resolve_event(struct em_net *n, const char *name, uint16_t port, int64_t timeout_us,
                                   em_lookup_fn done, void *arg)
{
    struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT };
    struct ev_lookup *l = em_lookup_new((struct ev_net *)n, name, tell, arg);

    if (!l)
        return NULL;
    l->addresses_done = done;
    l->port = port;
    if (em_addr_read(name, port, &l->addrs[0])) {
        l->addrs_n = 1;
        em_lookup_answer(l);
    } else if (em_lookup_start(l, timeout_us)) {
        dns.ares_getaddrinfo(l->channel, name, NULL, &hints, on_answer, l);
        em_lookup_asked(l);
    }
    return &l->is;
}
