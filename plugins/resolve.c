/* SPDX-License-Identifier: GPL-3.0-or-later
 * One name to one address, with an event loop of its own. */
#include "plugins/resolve.h"

#include <event2/event.h>

#include "base/esc.h"
#include "plugins/guard.h"

struct answer {
    struct event_base *base;
    struct em_addr v4, v6; /* the first of each; len 0: none */
    char failure[EM_REASON_MAX];
};

static void take(struct answer *to, const struct em_addr *a)
{
    struct em_addr *place = a->u.any.sa_family == AF_INET6 ? &to->v6 : &to->v4;

    if (place->len == 0)
        *place = *a;
}

static void on_answer(void *arg, const struct em_addr *addrs, size_t n, const char *failure)
{
    struct answer *to = arg;

    for (size_t i = 0; i < n; i++)
        take(to, &addrs[i]);
    if (n == 0)
        (void)slice_copy(slice_of(failure), to->failure, sizeof to->failure);
    event_base_loopbreak(to->base);
}

static int look_up(const char *host, uint16_t port, struct answer *to, struct em_why *why)
{
    struct em_net *net;
    struct em_lookup *lookup;
    int err = 0;

    if (!(to->base = event_base_new()))
        return em_fail(why, EM_ERR_SYSTEM, "no event loop: no memory or no descriptors");
    if (!(net = em_net_event_new(to->base, why))) {
        event_base_free(to->base);
        return EM_ERR_SYSTEM;
    }
    lookup = em_net_resolve(net, host, port, guard_left_us(), on_answer, to);
    if (!lookup || event_base_dispatch(to->base) < 0)
        err = em_fail(why, EM_ERR_SYSTEM, "the name cannot be looked up: no memory or no descriptors");
    em_net_free(net);
    event_base_free(to->base);
    return err;
}

int resolve(const char *host, uint16_t port, bool only_v4, bool only_v6, struct em_addr *a,
            struct em_why *why)
{
    struct answer to = { .failure = "" };
    struct em_addr literal;
    char shown[EM_URI_MAX];
    int err;

    esc_line_into(shown, sizeof shown, slice_of(host));
    if (host[0] == '\0')
        return em_fail(why, EM_ERR_INPUT, "-H: an empty name is not a host");
    guard_phase("resolving the name of the host", true);
    if (em_addr_read(host, port, &literal))
        take(&to, &literal);
    else if ((err = look_up(host, port, &to, why)) < 0)
        return err;
    if (only_v6 || (to.v4.len == 0 && !only_v4))
        to.v4 = to.v6;
    if (to.v4.len == 0)
        return em_fail(why, EM_ERR_TIMEOUT, "%s does not resolve to an address: %s", shown,
                       to.failure[0] ? to.failure : "it has none of the wanted kind");
    *a = to.v4;
    return 0;
}
