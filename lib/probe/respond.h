/* SPDX-License-Identifier: GPL-3.0-or-later
 * The responder: the far end for port checks and sweeps. Listens on UDP and/or TCP ports of one address and answers STUN Binding
 * requests. Bounded clients, bounded bytes per client; an answer is never larger than twice the request.
 */
#ifndef EM_PROBE_RESPOND_H
#define EM_PROBE_RESPOND_H

#include "base/err.h"
#include "base/opt.h"
#include "net/net.h"

enum { EM_RESPOND_PORTS_MAX = 10000, EM_RESPOND_CLIENTS_MAX = 4096, EM_RESPOND_CLIENT_BYTES_MAX = 64 * 1024 };

struct em_responder;
struct em_respond_conf {
    struct em_addr address;
    struct em_port_range ports;
    bool udp, tcp;
};
struct em_respond_stats {
    uint64_t requests, answers, refused, clients;
};

int em_responder_start(struct em_net *net, const struct em_respond_conf *conf, struct em_responder **r,
                       struct em_why *why) EM_MUST_CHECK;
void em_responder_stats(const struct em_responder *r, struct em_respond_stats *stats);
void em_responder_stop(struct em_responder *r);

#endif
