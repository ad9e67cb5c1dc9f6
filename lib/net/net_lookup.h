/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the real network: a lookup, which is one c-ares channel, its sockets and its deadline (net_lookup.c), and what is asked over it:
 * addresses (net_resolve.c) or services (net_srv.c).
 *
 *     start --ask--> c-ares ... em_lookup_answer() --in a later turn--> tell(), and the lookup is gone
 */
#ifndef EM_NET_NET_LOOKUP_H
#define EM_NET_NET_LOOKUP_H

#include <ares.h>

#include "base/late.h"
#include "net/net_event.h"

/* clang-format off */
#define DNS_SYMBOLS(S) \
    S(ares_destroy) S(ares_strerror) S(ares_timeout) S(ares_process_fd) S(ares_init_options) \
    S(ares_set_servers_ports_csv) S(ares_query) S(ares_expand_name) S(ares_free_string) \
    S(ares_freeaddrinfo) S(ares_getaddrinfo) S(ares_parse_srv_reply) S(ares_free_data) \
    S(ares_gethostbyname_file) S(ares_free_hostent)
/* clang-format on */
LATE_DECLARE(dns, DNS_SYMBOLS);

struct ev_lookup;
struct ev_lookup_socket {
    struct ev_lookup *lookup;
    ares_socket_t fd;
    struct event *event; /* NULL: this place is free */
};

struct ev_lookup {
    struct em_lookup is;
    struct ev_net *net;
    void *arg;
    void (*tell)(
        struct ev_lookup *l); /* a copy of what was found is told to the caller; l is freed already */
    ares_channel channel;     /* NULL: a literal, or c-ares is not there */
    struct ev_lookup_socket sockets[ARES_GETSOCK_MAXNUM];
    struct event *tick;             /* c-ares' own time-outs */
    struct event *deadline, *later; /* later: the answer is there, tell from the loop */
    char name[EM_DNS_NAME_MAX];
    char failure[EM_REASON_MAX];
    bool answered;
    bool closer; /* the question is asked again, for the code of the refusal */

    em_lookup_fn addresses_done; /* net_resolve.c */
    uint16_t port;
    struct em_addr addrs[EM_LOOKUP_MAX];
    size_t addrs_n;

    em_srv_fn srv_done; /* net_srv.c */
    struct em_srv srv[EM_SRV_MAX];
    size_t srv_n;
};

struct ev_lookup *em_lookup_new(struct ev_net *net, const char *name, void (*tell)(struct ev_lookup *l),
                                void *arg);                    /* NULL: no memory */
bool em_lookup_start(struct ev_lookup *l, int64_t timeout_us); /* false: answered with a failure */
void em_lookup_asked(struct ev_lookup *l);                     /* after each question */
void em_lookup_answer(struct ev_lookup *l);                    /* what it holds is the answer */
void em_lookup_failed(struct ev_lookup *l, int status);        /* of c-ares; in words, and the answer */
void em_lookup_destroy(struct ev_lookup *l);

/* What is wrong with an answer that has nothing of what was asked for: an alias that leads back to itself, or to nothing. False: no more is
 * known. Into failure. */
bool em_lookup_aliases(struct ev_lookup *l, const uint8_t *answer, size_t n);

#endif
