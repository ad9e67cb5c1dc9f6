/* SPDX-License-Identifier: GPL-3.0-or-later
 * Kind path: the differential test (path.h) as a probe, for one address. It owns connections of its own; the attempt only keeps it, and takes
 * its judgement. What it has found when the probe's time is up is judged then. */
#include <stdio.h>
#include <string.h>

#include "probe/attempt.h"
#include "probe/path.h"
#include "probe/path_memory.h"

static void end(struct em_attempt *a, bool whole)
{
    struct em_probe_result *r = &a->result;
    struct em_path_result found;
    struct em_path_memory *memory;
    uint64_t retransmits = 0, rtt_us = 0, answered = 0;

    em_path_result(a->path, &found);
    memory = em_probe_memory(a->probe, r);
    if (memory && whole)
        (void)em_path_remember(memory, &found.table, &found.judgement);
    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++) {
        const struct em_path_counts *c = &found.table.payload[i];

        if (r->transport == EM_TRANSPORT_UDP && c->answered == 0)
            continue; /* it never is: nothing was lost */
        retransmits += c->retransmits;
        if (c->rtt_us_sum == 0)
            continue;
        rtt_us += c->rtt_us_sum;
        answered += c->answered;
    }
    em_attempt_end(a, found.judgement.verdict, "%s%s", whole ? "" : "cut short: ", found.judgement.reason);
    snprintf(r->path_filter, sizeof r->path_filter, "%s",
             em_name_of(&em_path_filter_names, found.judgement.filter));
    *(r->transport == EM_TRANSPORT_UDP ? &r->retransmits : &r->tcp_retransmits) = (uint32_t)retransmits;
    r->rtt_us = answered ? (int64_t)(rtt_us / answered) : 0;
    if (found.located) {
        r->path_hop = found.after_ttl;
        memcpy(r->path_hop_address, found.after, sizeof r->path_hop_address);
    }
}

static void on_done(void *arg)
{
    end(arg, true);
}

void em_path_run(struct em_attempt *a)
{
    const struct em_probe_options *o = em_attempt_options(a);
    struct em_path_conf conf = { .address = a->remote,
                                 .transport = a->result.transport,
                                 .source_ports = o->source_ports,
                                 .good_port = o->good_port,
                                 .rounds = o->rounds,
                                 .spread_us = o->spread_us };
    struct em_why why;

    a->opened_us = em_attempt_now(a);
    if (em_path_start(em_probe_net(a->probe), &conf, on_done, a, &a->path, &why) < 0)
        em_attempt_end(a, EM_VERDICT_ERROR, "this machine: %.120s", why.text);
}

bool em_path_lost(struct em_attempt *a)
{
    if (a->path)
        end(a, false);
    return a->path;
}
