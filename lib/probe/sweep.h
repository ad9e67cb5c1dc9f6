/* SPDX-License-Identifier: GPL-3.0-or-later
 * A sweep: every port of a range, or a sample of it, gets one conversation, and each port a verdict. Fast, because it runs on a bulk
 * (net/bulk.h); polite, because of its rate; never waiting longer than it must, because what the path answers quickly sets how long it waits
 * for the rest.
 *
 *     em_sweep_order_init(&order, clock);                       once for a range that is swept again and again
 *     err = em_sweep_start(net, &conf, &order, done, arg, &s, &why);
 *     ... done(arg) comes from the loop; em_sweep_result(), em_sweep_runs() ...
 *     em_sweep_stop(s);                                         at any time; also frees
 *
 * What is said to a port: payload stun is a Binding request after the handshake (UDP: at once). Payload sharing is what desktop sharing does
 * on a media port: two connectivity checks, then several hundred kilobytes both ways with the echo of a responder (sharing.h).
 *
 * How long a port may stay silent: conf.timeout_us is the ceiling. As soon as round trips are known, a try ends after srtt + 4 rttvar (RFC
 * 6298; at least EM_SWEEP_FLOOR_*_MS) and is repeated with twice the time, EM_SWEEP_TRIES in all (more where packets get lost); no port takes longer than the ceiling
 * before it is called filtered. After a TCP handshake the answer has the whole ceiling, since a black hole shows itself only by
 * retransmissions.
 *
 * A far end that is slow makes silence mean nothing: where an answer to another port took more than a quarter of the ceiling, a port that was silent at
 * the time is tested again when all others are done, with few beside it, in EM_SWEEP_ROUNDS rounds at most.
 *
 * Verdicts of a port: ok, degraded (only after a retransmission), refused, filtered, prohibited, unreachable, blackholed, silent, reset,
 * intercepted, mangled (our transaction, but a wrong FINGERPRINT or other bytes than were sent), protocol-error, error (this machine).
 *
 * Sockets: one for each conversation at a time, at most conf.sockets and what RLIMIT_NOFILE leaves. When descriptors or source ports run
 * out, the sweep goes on with those that it has; only if it gets none at all for EM_SWEEP_STARVED_MS, ports are given the verdict error.
 */
#ifndef EM_PROBE_SWEEP_H
#define EM_PROBE_SWEEP_H

#include "base/err.h"
#include "base/opt.h"
#include "base/slice.h"
#include "model/names.h"
#include "net/net.h"

enum {
    EM_SWEEP_RATE = 500, /* ports in a second, if nothing else is said */
    EM_SWEEP_RATE_MAX = 1000000,
    EM_SWEEP_FLOOR_TCP_MS = 100,
    EM_SWEEP_FLOOR_UDP_MS = 250,
    EM_SWEEP_RTO_MS = 500, /* UDP, before the first round trip is known: RFC 8489 section 6.2.1 */
    EM_SWEEP_TRIES = 3,
    EM_SWEEP_TRIES_LOSSY = 7, /* once a port answered only after a retransmission: the path loses packets */
    EM_SWEEP_STARVED_MS = 10000,
    EM_SWEEP_WINDOW = 64, /* conversations at once at first, without a rate; doubled while that helps */
    EM_SWEEP_ROUNDS = 2,  /* of tests again, with as many at once as at first, and with a quarter of that */
    EM_SWEEP_SHARES = 8,  /* conversations at once with payload sharing */
    EM_SWEEP_KEY_MAX = 256,
};

enum em_sweep_payload { EM_SWEEP_STUN, EM_SWEEP_SHARING };

struct em_sweep_conf {
    struct em_addr address; /* its port does not matter */
    struct em_port_range ports;
    enum em_transport transport;       /* UDP or TCP */
    struct em_port_range source_ports; /* 0,0: the kernel's choice */
    enum em_sweep_payload payload;
    uint32_t rate;      /* new conversations in a second; 0: as fast as the path answers */
    int64_t timeout_us; /* the ceiling */
    uint32_t sample;    /* ports of this sweep; 0: all */
    uint32_t sockets;   /* at most; 0: EM_BULK_LANES_MAX */
    struct slice key;   /* shared key of the responder; empty: none. Copied */
};

/* The order of ports: a random permutation, of which each sweep takes the next part. Samples of one order never overlap until the range
 * is covered; then another permutation begins. 16 bytes, so a range costs nothing to remember. */
struct em_sweep_order {
    uint64_t key;
    uint32_t next; /* how many of this permutation are taken */
};
void em_sweep_order_init(struct em_sweep_order *o, const struct em_clock *clock);
/* The next port of the range. */
uint16_t em_sweep_order_port(struct em_sweep_order *o, struct em_port_range ports);

struct em_sweep_result {
    uint32_t ports;                          /* that are to be tested */
    uint32_t tested;                         /* that have a verdict */
    uint32_t verdicts[EM_VERDICT_COUNT + 1]; /* by enum em_verdict */
    int64_t took_us;
    uint64_t retransmits; /* TCP segments of answered and black-holed ports, and repeated tries */
    uint64_t slowdowns;   /* how often this machine had no socket or port for another conversation */
    uint64_t again;   /* tests of ports that were silent while the far end was slow, and were tested again */
    uint32_t sockets; /* open at one time, at most */
    uint64_t bytes,
        stalls;     /* payload sharing: bytes echoed; times that nothing came for EM_SHARING_STALL_MS */
    int64_t rtt_us; /* smoothed; 0: nothing answered */
};

/* Tested ports with the same verdict and no other tested port in between. */
struct em_sweep_run {
    uint16_t first, last;
    enum em_verdict verdict;
    uint32_t ports; /* how many of first..last were tested */
};

struct em_sweep;
/* order NULL: one of its own. EM_ERR_INPUT: not a range, not a transport; EM_ERR_MEMORY. done is called once; the sweep stays until
 * em_sweep_stop(), which done may call. */
int em_sweep_start(struct em_net *net, const struct em_sweep_conf *conf, struct em_sweep_order *order,
                   void (*done)(void *arg), void *arg, struct em_sweep **s, struct em_why *why) EM_MUST_CHECK;
/* Also while it runs. */
void em_sweep_result(const struct em_sweep *s, struct em_sweep_result *r);
/* 0: not tested. */
enum em_verdict em_sweep_port(const struct em_sweep *s, uint16_t port);
/* Runs whose verdict is not ok, in the order of ports, from the port *from on: at most max; *from is where to go on, 0 at the end. */
size_t em_sweep_runs(const struct em_sweep *s, uint32_t *from, struct em_sweep_run *runs, size_t max);
void em_sweep_stop(struct em_sweep *s); /* NULL is fine */

/* Whether a port's path is clear: ok, degraded, or refused (open, and nobody listens). */
bool em_sweep_clear(enum em_verdict v);

#endif
