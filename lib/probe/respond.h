/* SPDX-License-Identifier: GPL-3.0-or-later
 * The responder: the far end for port checks and sweeps. Listens on UDP and/or TCP ports of one address and answers STUN Binding
 * requests (RFC 8489): what it saw as XOR-MAPPED-ADDRESS, FINGERPRINT if the request had one, 420 for attributes that it should understand
 * and does not. Over TCP requests come bare or with the length of RFC 4571 before each, and are answered in kind. Anything else is ignored
 * on UDP, and ends the connection on TCP.
 *
 * What strangers can make it do is bounded: an answer is never larger than twice the request; a client that has sent
 * EM_RESPOND_CLIENT_BYTES_MAX bytes, or nothing for EM_RESPOND_IDLE_MAX_S, is closed; of too many clients the one that has been
 * quiet for longest is.
 */
#ifndef EM_PROBE_RESPOND_H
#define EM_PROBE_RESPOND_H

#include "base/err.h"
#include "base/opt.h"
#include "net/net.h"

enum {
    EM_RESPOND_PORTS_MAX = 10000,
    EM_RESPOND_CLIENTS_MAX = 4096,
    EM_RESPOND_CLIENT_BYTES_MAX = 64 * 1024,
    EM_RESPOND_IDLE_MAX_S = 30,
};

struct em_responder;
struct em_respond_conf {
    struct em_addr address;
    struct em_port_range ports;
    bool udp, tcp;
};
struct em_respond_stats {
    uint64_t requests, answers;
    uint64_t refused; /* datagrams that were ignored, TCP clients that were closed for what they sent */
    uint64_t clients; /* TCP connections now */
};

int em_responder_start(struct em_net *net, const struct em_respond_conf *conf, struct em_responder **r,
                       struct em_why *why) EM_MUST_CHECK;
void em_responder_stats(const struct em_responder *r, struct em_respond_stats *stats);
void em_responder_stop(struct em_responder *r);

#endif
