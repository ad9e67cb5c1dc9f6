/* SPDX-License-Identifier: GPL-3.0-or-later
 * One probe over the real network, for system tests: probe_real TIMEOUT URI [USER PASSWORD | secret SECRET] prints a line for each
 * result, "ADDRESS VERDICT key=value ... reason=REASON", and how long it all took. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "probe/probe.h"

static void on_result(void *arg, const struct em_probe_result *r)
{
    (void)arg;
    printf("%s %s requests=%u retransmits=%u tcp_retransmits=%u rtt_us=%lld connect_us=%lld allocate_us=%lld "
           "mapped=%s "
           "relayed=%s software=%s reason=%s\n",
           r->address[0] ? r->address : "-", em_name_of(&em_verdict_names, r->verdict), r->requests,
           r->retransmits, r->tcp_retransmits, (long long)r->rtt_us, (long long)r->connect_us,
           (long long)r->allocate_us, r->mapped_address, r->relayed_address, r->software, r->reason);
}

static void on_done(void *arg)
{
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    static const struct em_probe_events events = { on_result, on_done };
    struct event_base *base = event_base_new();
    struct em_probe_options options = { 0 };
    struct em_probe_uri uri;
    struct em_why why;
    struct em_net *net;
    int64_t start;

    if (!base || argc < 3 || !em_read_duration(argv[1], &options.timeout_us)) {
        fprintf(stderr, "usage: probe_real TIMEOUT URI [USER PASSWORD | secret SECRET]\n");
        return 2;
    }
    if (argc == 5 && strcmp(argv[3], "secret") == 0) {
        snprintf(options.secret, sizeof options.secret, "%s", argv[4]);
    } else if (argc == 5) {
        snprintf(options.user, sizeof options.user, "%s", argv[3]);
        snprintf(options.password, sizeof options.password, "%s", argv[4]);
    }
    net = em_net_event_new(base, &why);
    if (!net || em_probe_uri_read(argv[2], &uri, &why) != 0) {
        fprintf(stderr, "%s\n", why.text);
        return 2;
    }
    start = em_mono_us(em_net_clock(net));
    if (!em_probe_start(net, &uri, &options, &events, base))
        return 2;
    event_base_dispatch(base);
    printf("done after_us=%lld\n", (long long)(em_mono_us(em_net_clock(net)) - start));
    em_net_free(net);
    event_base_free(base);
    return 0;
}
