/* SPDX-License-Identifier: GPL-3.0-or-later
 * The differential test: what does the path to one port do to what is sent through it? Rounds of fresh connections, each round with every
 * payload once in a random order, each connection from another source port; then the counts are judged (path_judge.h), and if something is
 * dropped, packets with a small time to live tell after which hop.
 *
 *     err = em_path_start(net, &conf, done, arg, &p, &why);
 *     ... done(arg) comes from the loop; em_path_result() ...
 *     em_path_stop(p);                                         at any time; also frees
 *
 * How a try ends, over TCP (TCP_INFO):
 *
 * | the payload                                                 | try          |
 * |-------------------------------------------------------------|--------------|
 * | was answered as its protocol answers                        | answered     |
 * | was answered in another way                                 | intercepted  |
 * | bytes_acked has all of it, nothing came                     | acknowledged |
 * | bytes_acked does not, total_retrans grew                    | dropped      |
 * | a reset came, or an end                                     | reset, closed|
 * | the handshake alone stood for EM_PATH_HOLD_MS               | answered     |
 *
 * Over UDP only answers tell anything: requests are repeated after EM_PATH_RTO_MS and twice as long again, until the timeout. Where the far end
 * is a responder, media frames are sent, too, and come back.
 *
 * If the counts look suspicious but prove nothing, up to EM_PATH_MORE times as many rounds are made. Bounded: EM_PATH_TALKS connections at one
 * time, begun EM_PATH_GAP_MS apart (or spread evenly over conf.spread_us), each for three timeouts at most, EM_PATH_ROUNDS_MAX rounds.
 */
#ifndef EM_PROBE_PATH_H
#define EM_PROBE_PATH_H

#include "net/net.h"
#include "probe/path_judge.h"

enum {
    EM_PATH_ROUNDS = 20,
    EM_PATH_ROUNDS_MAX = 1000,
    EM_PATH_MORE = 3,
    EM_PATH_TALKS = 32,
    EM_PATH_GAP_MS = 20,
    EM_PATH_HOLD_MS = 1000,
    EM_PATH_RTO_MS = 500,
    EM_PATH_TIMEOUT_MS = 3000, /* by default: five transmissions of a segment over a short path */
    EM_PATH_HOPS_MAX = 30,
};

struct em_path_conf {
    struct em_addr address;            /* with the port */
    enum em_transport transport;       /* UDP or TCP */
    struct em_port_range source_ports; /* 0,0: the kernel's choice */
    uint16_t good_port; /* a port on which packets do get through, for comparison hop by hop; 0: none */
    uint32_t rounds;    /* 0: EM_PATH_ROUNDS */
    int64_t timeout_us; /* of a handshake, and of an answer; 0: EM_PATH_TIMEOUT_MS */
    int64_t
        spread_us; /* the connections of the rounds are spread over this time; 0: as quickly as is polite */
    bool no_walk;  /* hops are not looked for */
};

/* What became of packets with this time to live. */
enum em_path_end {
    EM_PATH_END_NONE = 0, /* not sent */
    EM_PATH_END_HOP,      /* the hop sent it back */
    EM_PATH_END_ARRIVED,  /* the far end answered */
    EM_PATH_END_RESET,    /* somebody ended the connection */
    EM_PATH_END_SILENT,
};
struct em_path_hop {
    uint8_t ttl;
    char address[EM_ADDRESS_MAX];  /* "" when nobody said */
    enum em_path_end tested, good; /* on the path that is tested, and on the one that it is compared with */
};

struct em_path_result {
    struct em_path_table table;
    struct em_path_judgement judgement; /* its reason also has the hop */
    uint32_t rounds;
    int64_t took_us;
    struct em_path_hop hop[EM_PATH_HOPS_MAX];
    size_t hops_n;     /* 0: not looked for */
    bool located;      /* dropped: after this hop, of which the address is "" if it is none or did not say */
    uint8_t after_ttl; /* 0: before the first hop that says anything */
    char after[EM_ADDRESS_MAX];
};

struct em_path;
/* EM_ERR_INPUT: no address, port or transport that can be tested; EM_ERR_MEMORY. done is called once; the path stays until
 * em_path_stop(), which done may call. */
int em_path_start(struct em_net *net, const struct em_path_conf *conf, void (*done)(void *arg), void *arg,
                  struct em_path **p, struct em_why *why) EM_MUST_CHECK;
/* Also while it runs. */
void em_path_result(const struct em_path *p, struct em_path_result *r);
/* How many connections have ended, of how many; hops are not counted. */
void em_path_progress(const struct em_path *p, uint32_t *ended, uint32_t *all);
void em_path_stop(struct em_path *p); /* NULL is fine */

#endif
