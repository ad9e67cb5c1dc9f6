/* SPDX-License-Identifier: GPL-3.0-or-later
 * A probe: one run of a test against every address of one URI. It resolves, then tests each address side by side, and reports one
 * result for each as it ends, and the end of it all once.
 *
 *     err = em_probe_uri_read("turn:edge.example.com?transport=tcp", &uri, &why);
 *     p = em_probe_start(net, &uri, &options, &events, arg);        callbacks come from the loop
 *     em_probe_stop(p);                                             at any time; nothing is called afterwards
 *
 * A probe of a dead address ends at its timeout, with a verdict; never later.
 */
#ifndef EM_PROBE_PROBE_H
#define EM_PROBE_PROBE_H

#include "base/err.h"
#include "model/rows.h"
#include "net/net.h"

/* Kinds: stun stuns turn turns msturn tcp udp relay relays path. Each is a file and a row in probe.c; a kind that a build does not have is
 * refused by em_probe_uri_read with EM_ERR_UNSUPPORTED and a sentence. */
struct em_probe_kind;

struct em_probe_uri {
    const struct em_probe_kind *kind;
    char text[EM_URI_MAX]; /* as given */
    char host[EM_URI_MAX]; /* name or literal, without [] */
    uint16_t port;         /* the scheme's default when not given */
    bool port_given;       /* else SRV records may name other hosts and ports */
    enum em_transport transport;
    enum em_dialect dialect;
    /* kinds relay and relays */
    char far[EM_URI_MAX]; /* the far server, by the same transport; "": the same as the near one */
    uint16_t far_port;
    bool relayed_tcp; /* TCP allocations (RFC 6062) */
};
/* Without a port, a domain name of stun, stuns, turn, turns, relay and relays is asked for SRV records (discover.h). */
/* relay and relays take more behind ?transport=, separated by &: far=HOST[:PORT], the server of the far leg (addresses of the near one's
 * family alone), and relayed=tcp, which asks for TCP allocations and needs TCP or TLS to the servers. */
/* RFC 7064/7065 syntax for stun and turn; tcp:host:port and udp:host:port need their port. */
int em_probe_uri_read(const char *text, struct em_probe_uri *uri, struct em_why *why) EM_MUST_CHECK;

/* A differential test (path.h), which takes its time: many connections, up to spread_us, and the hops behind. */
bool em_probe_is_path(const struct em_probe_uri *uri);

enum { EM_SECRET_MAX = 512, EM_RELAY_PACKETS = 20 };
struct em_probe_options {
    int64_t timeout_us;           /* the whole probe, resolving included */
    char user[EM_TEXT_MAX];       /* "" = no credentials */
    char password[EM_SECRET_MAX]; /* long-term password; or */
    char secret
        [EM_SECRET_MAX]; /* shared secret of the TURN REST scheme: user and password are derived from it */
    char ca_file[EM_URI_MAX]; /* TLS: certificates to trust; "": those of the system */
    bool insecure;            /* TLS: any certificate will do, and the reason says so */
    char issuer[EM_TEXT_MAX]; /* TLS: issuer that the certificate must have; "": any */
    struct em_port_range source_ports;
    struct em_port_range
        relay_ports;    /* relay: relayed ports outside of it are degraded; 0,0: 50000-59999, only told */
    uint32_t rounds;    /* path: see path.h; 0: its default */
    uint16_t good_port; /* path */
    int64_t spread_us;  /* path */
    int64_t degraded_rtt_us; /* slower answers are degraded; 0: no threshold */
};

struct em_probe_result {
    char address
        [EM_ADDRESS_MAX]; /* "" when the name, or an SRV target, did not resolve: a result with dns-failed */
    uint16_t port;
    enum em_transport transport;
    enum em_dialect dialect;
    enum em_verdict verdict;
    char reason[EM_REASON_MAX]; /* a phrase, already safe to print */
    int64_t resolve_us, connect_us, tls_us, stun_us, allocate_us, relay_us; /* 0: did not happen */
    int64_t rtt_us;                                                         /* 0: no answer */
    uint32_t requests, retransmits; /* STUN over UDP: requests sent, of which retransmissions */
    uint32_t tcp_retransmits;
    uint64_t sent,
        received; /* payload bytes; relay: of the packets, and of those that came back as they were */
    char mapped_address[EM_ENDPOINT_MAX], relayed_address[EM_ENDPOINT_MAX]; /* "" when not told */
    uint32_t packets_sent, packets_back; /* relay: into it, and back through it. 0, 0: it did not get there */
    int64_t rtt_min_us, rtt_max_us, jitter_us; /* relay: of those packets; rtt_us is the mean */
    bool relayed_port_in_range;                /* relay */
    char path_filter[EM_FILTER_MAX];           /* path: which filter was found; "": another kind */
    uint32_t path_hop;                         /* path: dropped after this hop; 0: none was found */
    char path_hop_address[EM_ADDRESS_MAX];     /* "" when it is not known */
    char software[EM_NAME_MAX];                /* the peer's text, cut, not escaped */
    int64_t certificate_expiry_us;             /* wall time; 0: no certificate was seen */
    int32_t certificate_days_left;             /* whole days until then; below 0: it has expired */
    bool certificate_verified;                 /* name, chain and dates are good */
    char certificate_issuer
        [EM_TEXT_MAX]; /* distinguished name by RFC 2253; the peer's text, without controls */
};

/* Whether a certificate came from whoever gave the recorded one. The same distinguished name does; so does the same organisation (O)
 * if the new certificate was verified, because public authorities change their intermediates at every renewal. */
bool em_probe_same_issuer(const struct em_probe_result *r, const char *recorded);

/* False: bytes should have come back through a relay, and none did. Such a result is bad news even where its verdict says that the server
 * is up (degraded: a quota is used up, a peer is forbidden). Kinds that carry nothing: true. */
bool em_probe_carried(const struct em_probe_uri *uri, const struct em_probe_result *r);

/* Makes the result `intercepted` if it has a certificate that is not of the recorded issuer. */
void em_probe_judge_issuer(struct em_probe_result *r, const char *recorded);

struct em_probe_events {
    void (*result)(void *arg, const struct em_probe_result *r);
    void (*done)(void *arg); /* after the last result; the probe is gone when it returns */
};

struct em_probe;
struct em_probe *em_probe_start(struct em_net *net, const struct em_probe_uri *uri,
                                const struct em_probe_options *options, const struct em_probe_events *events,
                                void *arg); /* NULL: no memory */
void em_probe_stop(struct em_probe *p);     /* NULL is fine */

/* Kind path: where a probe that was just started finds, and adds to, what former ones found at an address (path_memory.h). It is the caller's; NULL:
 * nothing is remembered there. The result has the address and the port alone. */
struct em_path_memory;
typedef struct em_path_memory *(*em_path_memory_fn)(void *arg, const struct em_probe_result *r);
void em_probe_remember(struct em_probe *p, em_path_memory_fn memory);

#endif
