/* SPDX-License-Identifier: GPL-3.0-or-later
 * The responder: the far end for port checks and sweeps. Listens on UDP and/or TCP ports of one address and answers STUN Binding
 * requests (RFC 8489): what it saw as XOR-MAPPED-ADDRESS, FINGERPRINT if the request had one, 420 for attributes that it should understand
 * and does not. Over TCP requests come bare or with the length of RFC 4571 before each, and are answered in kind. Anything else is ignored
 * on UDP, and ends the connection on TCP.
 *
 * Frames of payload sharing (sharing.h) come back as they are: over TCP after the first answered request of that connection, over UDP if they
 * carry the token that was sent to that very address; so who has not completed an exchange gets STUN answers only.
 *
 * What strangers can make it do is bounded: an answer is never larger than twice the request, an echo never larger than the frame; a client
 * that has sent EM_RESPOND_CLIENT_BYTES_MAX bytes of requests or EM_RESPOND_MEDIA_MAX of media, or nothing for EM_RESPOND_IDLE_MAX_S, is
 * closed; of too many clients the one that has been quiet for longest is; a UDP source gets EM_RESPOND_SOURCE_BYTES_MAX of echo in
 * EM_RESPOND_SOURCE_S; everything together is at most `rate` bytes in a second, over which datagrams are lost and connections wait.
 * With a key, requests without its MESSAGE-INTEGRITY (short-term, RFC 8489 section 9.1) get nothing at all, and answers carry it too.
 */
#ifndef EM_PROBE_RESPOND_H
#define EM_PROBE_RESPOND_H

#include "base/err.h"
#include "base/opt.h"
#include "base/slice.h"
#include "net/net.h"

enum {
    EM_RESPOND_PORTS_MAX = 10000,
    EM_RESPOND_CLIENTS_MAX = 4096,
    EM_RESPOND_CLIENT_BYTES_MAX = 64 * 1024,
    EM_RESPOND_MEDIA_MAX = 4 * 1024 * 1024,
    EM_RESPOND_SOURCE_BYTES_MAX = 16 * 1024 * 1024,
    EM_RESPOND_SOURCE_S = 10,
    EM_RESPOND_SOURCES =
        4096, /* UDP sources that are told apart; those that fall together share one allowance */
    EM_RESPOND_RATE = 32 * 1024 * 1024,
    EM_RESPOND_IDLE_MAX_S = 30,
};

struct em_responder;
struct em_respond_conf {
    struct em_addr address;
    struct em_port_range ports;
    bool udp, tcp;
    struct slice key; /* shared with those who may ask; empty: anybody. Copied */
    uint64_t rate;    /* bytes of answers and echo in a second; 0: EM_RESPOND_RATE */
};
struct em_respond_stats {
    uint64_t requests, answers;
    uint64_t refused; /* datagrams that were ignored, TCP clients that were closed for what they sent */
    uint64_t clients; /* TCP connections now */
    uint64_t echoed;  /* bytes of media */
};

int em_responder_start(struct em_net *net, const struct em_respond_conf *conf, struct em_responder **r,
                       struct em_why *why) EM_MUST_CHECK;
void em_responder_stats(const struct em_responder *r, struct em_respond_stats *stats);
void em_responder_stop(struct em_responder *r);

#endif
