/* SPDX-License-Identifier: GPL-3.0-or-later
 * From a URI to addresses.
 *
 *     asking for SRV --targets--> resolving them side by side --each: its places--> the last one: over
 *          |                        ^
 *          +--none: the name itself-+
 */
#include "probe/discover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/esc.h"
#include "probe/probe_kind.h"

struct target {
    struct em_discovery *d;
    struct em_lookup *lookup; /* NULL: it is over */
    char name[EM_DNS_NAME_MAX];
};

struct em_discovery {
    struct em_net *net;
    struct em_probe_uri uri;
    int64_t deadline_us;
    em_discover_fn found;
    void *arg;
    struct em_lookup *srv;
    struct target target[EM_SRV_MAX];
    size_t targets, running;
    bool services; /* the targets come from SRV records */
    struct em_addr seen[EM_PLACES_MAX];
    size_t seen_n;
    bool telling, stopped;
};

/* --- what to ask for -------------------------------------------------------------------------------------------------- */

/* The service of a URI without port; NULL: SRV records have nothing to say about it. */
static const char *service_of(const struct em_probe_uri *u)
{
    static const struct {
        const char *scheme;
        enum em_transport transport;
        const char *service;
    } rows[] = {
        { "stun", EM_TRANSPORT_UDP, "_stun._udp" },    { "stun", EM_TRANSPORT_TCP, "_stun._tcp" },
        { "stuns", EM_TRANSPORT_TLS, "_stuns._tcp" },  { "turn", EM_TRANSPORT_UDP, "_turn._udp" },
        { "turn", EM_TRANSPORT_TCP, "_turn._tcp" },    { "turns", EM_TRANSPORT_TLS, "_turns._tcp" },
        { "relay", EM_TRANSPORT_UDP, "_turn._udp" },   { "relay", EM_TRANSPORT_TCP, "_turn._tcp" },
        { "relays", EM_TRANSPORT_TLS, "_turns._tcp" },
    };
    struct em_addr literal;

    if (u->port_given || em_addr_read(u->host, 0, &literal) || !strchr(u->host, '.'))
        return NULL; /* a name without a dot is no domain's */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].scheme, u->kind->scheme) == 0 && rows[i].transport == u->transport)
            return rows[i].service;
    return NULL;
}

static int64_t left_us(const struct em_discovery *d)
{
    int64_t left = d->deadline_us - em_mono_us(em_net_clock(d->net));

    return left > 0 ? left : 0;
}

/* --- telling ---------------------------------------------------------------------------------------------------------- */

static void destroy(struct em_discovery *d)
{
    em_lookup_cancel(d->srv);
    for (size_t i = 0; i < d->targets; i++)
        em_lookup_cancel(d->target[i].lookup);
    free(d);
}

/* False: the discovery is gone. */
static bool tell(struct em_discovery *d, const struct em_addr *at, const char *failure, bool last)
{
    d->telling = true;
    d->found(d->arg, at, failure, last);
    d->telling = false;
    if (!last && !d->stopped)
        return true;
    destroy(d);
    return false;
}

static bool is_new(struct em_discovery *d, const struct em_addr *a)
{
    for (size_t i = 0; i < d->seen_n; i++)
        if (em_addr_eq(&d->seen[i], a))
            return false;
    if (d->seen_n == EM_PLACES_MAX)
        return false;
    d->seen[d->seen_n++] = *a;
    return true;
}

/* Two targets with the same address are one place. Returns how many of them are told: they stand at the front then. */
static size_t new_ones(struct em_discovery *d, const struct em_addr *addrs, size_t n,
                       struct em_addr to[EM_LOOKUP_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < n && count < EM_LOOKUP_MAX; i++)
        if (is_new(d, &addrs[i]))
            to[count++] = addrs[i];
    return count;
}

static void on_addresses(void *arg, const struct em_addr *addrs, size_t n, const char *failure)
{
    struct target *t = arg;
    struct em_discovery *d = t->d;
    struct em_addr found[EM_LOOKUP_MAX];
    char shown[64], reason[EM_REASON_MAX];
    size_t count = new_ones(d, addrs, n, found);
    bool last;

    t->lookup = NULL;
    last = --d->running == 0;
    esc_line_into(shown, sizeof shown, slice_of(t->name));
    if (n == 0) {
        if (d->services)
            snprintf(reason, sizeof reason, "%s, of an SRV record: %.70s", shown, failure);
        else
            snprintf(reason, sizeof reason, "%s", failure);
        tell(d, NULL, reason, last);
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (!tell(d, &found[i], NULL, last && i + 1 == count))
            return;
    if (last && count == 0)
        tell(d, NULL, NULL, true);
}

/* --- asking ----------------------------------------------------------------------------------------------------------- */

static bool resolve(struct em_discovery *d, const char *name, uint16_t port)
{
    struct target *t = &d->target[d->targets++];

    t->d = d;
    slice_copy(slice_of(name), t->name, sizeof t->name);
    t->lookup = em_net_resolve(d->net, name, port, left_us(d), on_addresses, t);
    d->running += t->lookup != NULL;
    return t->lookup;
}

static void on_services(void *arg, const struct em_srv *targets, size_t n, const char *failure)
{
    struct em_discovery *d = arg;
    char reason[EM_REASON_MAX];

    d->srv = NULL;
    if (n == 1 && targets[0].target[0] == '\0') {
        snprintf(reason, sizeof reason,
                 "the domain says that it does not offer %s (SRV record without a target)",
                 service_of(&d->uri));
        tell(d, NULL, reason, true);
        return;
    }
    if (n == 0 && failure && left_us(d) == 0) {
        tell(d, NULL, failure, true);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (targets[i].target[0])
            d->services |= resolve(d, targets[i].target, targets[i].port);
    if (!d->services)
        resolve(d, d->uri.host, d->uri.port);
    if (d->running == 0)
        tell(d, NULL, "this machine: no memory", true);
}

struct em_discovery *em_discover_start(struct em_net *net, const struct em_probe_uri *uri, int64_t timeout_us,
                                       em_discover_fn found, void *arg)
{
    struct em_discovery *d = calloc(1, sizeof *d);
    const char *service = service_of(uri);
    bool started;

    if (!d)
        return NULL;
    *d = (struct em_discovery) { .net = net, .uri = *uri, .found = found, .arg = arg };
    d->deadline_us = em_mono_us(em_net_clock(net)) + timeout_us;
    if (service) {
        d->srv = em_net_resolve_srv(net, service, uri->host, timeout_us, on_services, d);
        started = d->srv;
    } else {
        started = resolve(d, uri->host, uri->port);
    }
    if (started)
        return d;
    destroy(d);
    return NULL;
}

void em_discover_stop(struct em_discovery *d)
{
    if (d && d->telling)
        d->stopped = true;
    else if (d)
        destroy(d);
}
