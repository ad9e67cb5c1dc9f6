/* SPDX-License-Identifier: GPL-3.0-or-later
 * A list of options, each with a count of those who use it. */
#include "agent/shared_options.h"

#include <stdlib.h>
#include <string.h>

bool options_same(const struct em_probe_options *a, const struct em_probe_options *b)
{
    return a->timeout_us == b->timeout_us && a->degraded_rtt_us == b->degraded_rtt_us &&
           a->source_ports.first == b->source_ports.first && a->source_ports.last == b->source_ports.last &&
           a->relay_ports.first == b->relay_ports.first && a->relay_ports.last == b->relay_ports.last &&
           a->rounds == b->rounds && a->good_port == b->good_port && a->spread_us == b->spread_us &&
           a->insecure == b->insecure && strcmp(a->user, b->user) == 0 &&
           strcmp(a->password, b->password) == 0 && strcmp(a->secret, b->secret) == 0 &&
           strcmp(a->ca_file, b->ca_file) == 0 && strcmp(a->issuer, b->issuer) == 0;
}

struct shared_options *options_share(struct shared_options **all, const struct em_probe_options *o)
{
    struct shared_options *s = *all;

    while (s && !options_same(&s->options, o))
        s = s->next;
    if (!s) {
        if (!(s = calloc(1, sizeof *s)))
            return NULL;
        s->options = *o;
        s->next = *all;
        *all = s;
    }
    s->users++;
    return s;
}

void options_release(struct shared_options **all, struct shared_options *o)
{
    if (!o || --o->users > 0)
        return;
    while (*all != o)
        all = &(*all)->next;
    *all = o->next;
    explicit_bzero(o, sizeof *o);
    free(o);
}
