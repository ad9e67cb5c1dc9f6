/* SPDX-License-Identifier: GPL-3.0-or-later
 * The only way in which probes, servers and sources touch the network: resolve, open, send, close, timer. The real one is
 * net_event.c (libevent, c-ares); tests put a scenario player with a moved clock in its place (tests/replay/net_play.c). Both fill a table
 * of functions (net_ops.h) that every object points to; what is declared here calls through it, so one program may use both.
 *
 * Rules: nothing blocks. Callbacks come from the loop, never from within the call that asked. After close, cancel or stop no
 * callback of that object comes any more. An object may be closed in its own callback.
 */
#ifndef EM_NET_NET_H
#define EM_NET_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/opt.h"
#include "model/rows.h"

struct em_addr { /* an IPv4 or IPv6 socket address; len 0 = none */
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
};

bool em_addr_read(const char *text, uint16_t port, struct em_addr *a);    /* a literal, with or without [] */
void em_addr_text(const struct em_addr *a, char to[EM_ADDRESS_MAX]);      /* without port */
void em_addr_endpoint(const struct em_addr *a, char to[EM_ENDPOINT_MAX]); /* "a:p", "[a]:p" */
uint16_t em_addr_port(const struct em_addr *a);
void em_addr_set_port(struct em_addr *a, uint16_t port);
bool em_addr_eq(const struct em_addr *a, const struct em_addr *b);

struct em_net;
struct em_conn;
struct em_lookup;
struct em_timer;

/* What the network said about a packet or connection of ours. */
enum em_net_error_kind {
    EM_NET_REFUSED_RST = 1, /* TCP reset in answer to our SYN */
    EM_NET_RESET,           /* TCP reset after the handshake */
    EM_NET_ICMP_PORT,       /* port unreachable: v4 code 3, v6 code 4 */
    EM_NET_ICMP_PROHIBITED, /* a filter: v4 codes 2 (no host lacks a protocol) 9 10 13 14 15, v6 codes 1 5 6 */
    EM_NET_ICMP_UNREACHABLE, /* net or host unreachable: v4 codes 0 1 and the rest, v6 codes 0 3 and the rest */
    EM_NET_ICMP_TTL,         /* time exceeded: a hop of ours, or a routing loop */
    EM_NET_ICMP_TOO_BIG,     /* fragmentation needed; mtu tells */
    EM_NET_TIMED_OUT,        /* the kernel gave up */
    EM_NET_LOCAL,            /* this machine: no sockets, no route, no permission; error is errno */
    EM_NET_TLS,              /* there is no TLS on this connection; em_conn_tls() says why */
};
struct em_net_error {
    enum em_net_error_kind kind;
    int error; /* errno */
    uint8_t icmp_type, icmp_code;
    uint32_t mtu;
    struct em_addr offender; /* who sent the ICMP message; len 0 = not known */
};
/* "ICMP communication administratively prohibited from 192.0.2.1" ... one phrase into to. */
void em_net_error_text(const struct em_net_error *e, char *to, size_t size);

/* TCP_INFO, the part that tells a path apart. valid = false: the kernel did not say. */
struct em_tcp_info {
    bool valid;
    uint32_t rtt_us, total_retrans, unacked, lost;
    uint64_t bytes_acked; /* payload only: the SYN is taken off */
    uint32_t data_segs_in;
    uint64_t bytes_sent;
    int soft_error; /* errno that an ICMP message left on the living connection, 0 = none: advice, not an end */
};

struct em_conn_events {
    void (*connected)(void *arg); /* TCP handshake done; UDP: never called */
    void (*data)(void *arg, const uint8_t *p, size_t n,
                 const struct em_addr *from);               /* TCP: bytes; UDP: one datagram */
    void (*eof)(void *arg);                                 /* TCP: the peer sent FIN */
    void (*error)(void *arg, const struct em_net_error *e); /* TCP: the connection is over. UDP: may go on */
};

/* TLS over TCP. The handshake begins as soon as the TCP connection is there (connected is called first); what the caller sends before
 * secured is called is dropped. From then on data and send carry what is inside of TLS; em_conn_info() still tells of TCP. */
struct em_tls_how {
    const char
        *name; /* who is expected: a DNS name (sent as SNI) or an address, matched against the certificate */
    const char *ca_file; /* PEM certificates to trust; NULL or "": those of the system */
    bool insecure; /* go on although the certificate is not good; em_tls_info still says what is wrong */
    void (*secured)(void *arg); /* the handshake is done */
};

/* How a TLS handshake ended. */
enum em_tls_end {
    EM_TLS_NONE,      /* it goes on, or went well */
    EM_TLS_SETUP,     /* this machine: the CA file cannot be read, no memory */
    EM_TLS_UNTRUSTED, /* the handshake was done, but the certificate is not good */
    EM_TLS_REFUSED,   /* the peer sent an alert */
    EM_TLS_FOREIGN,   /* what came is no TLS; first says what it is */
    EM_TLS_CLOSED,    /* the peer ended the connection in the middle of it */
    EM_TLS_BROKEN,    /* no common version or cipher, damaged records */
};
enum { EM_TLS_FIRST_MAX = 32 };
struct em_tls_info {
    bool secured;
    bool verified;       /* name, chain and dates of the certificate are good */
    enum em_tls_end end; /* why there is no TLS */
    char failure
        [EM_REASON_MAX]; /* a phrase, safe to print: of end, or what is wrong with the certificate although it is taken */
    bool has_certificate;            /* the rest tells of the peer's certificate, also when it was refused */
    int64_t expiry_us;               /* wall time */
    char issuer[EM_TEXT_MAX];        /* distinguished name by RFC 2253, escaped */
    uint8_t first[EM_TLS_FIRST_MAX]; /* the first bytes that came, whatever they are */
    size_t first_n;
    uint64_t wire_sent, wire_received; /* bytes of TCP payload, TLS included */
};

struct em_open {
    enum em_transport transport;  /* UDP or TCP */
    const struct em_tls_how *tls; /* NULL: none. Used by em_net_open() alone, which copies it */
    struct em_addr remote;
    struct em_addr local; /* len 0: any */
    struct em_port_range
        source_ports; /* 0,0: the kernel's choice; else a free port of the range, starting at a random one */
    uint8_t ttl;      /* 0: default */
    bool unconnected; /* UDP: receive from anybody (MS-TURN answers from another address) */
};

/* NULL: never. Failures that are only known later, and those of this machine, both come as an error event. */
struct em_conn *em_net_open(struct em_net *n, const struct em_open *how, const struct em_conn_events *events,
                            void *arg);
void em_conn_send(struct em_conn *c, const void *p,
                  size_t n); /* queued up to EM_CONN_QUEUE_MAX, then an error event */
void em_conn_send_to(struct em_conn *c, const void *p, size_t n,
                     const struct em_addr *to); /* UDP, unconnected */
void em_conn_pause(struct em_conn *c,
                   bool paused); /* TCP: nothing is read, and data comes no more, until it ends */
void em_conn_ttl(struct em_conn *c, uint8_t ttl); /* of what is sent from now on; 0: the system's */
void em_conn_info(struct em_conn *c, struct em_tcp_info *info);
void em_conn_local(struct em_conn *c, struct em_addr *a);
void em_conn_tls(struct em_conn *c, struct em_tls_info *info); /* all zero without TLS */
void em_conn_close(struct em_conn *c,
                   bool reset); /* reset: RST instead of FIN, no TIME_WAIT. Frees c. NULL is fine */
enum { EM_CONN_QUEUE_MAX = 256 * 1024, EM_CONN_READ_MAX = 64 * 1024 };

/* Listening, for the responder and the tests' servers. TCP: accepted is called with a connection that must be given its events at
 * once with em_conn_take(), or closed. UDP: datagram is called for each one. NULL: why tells (address in use, no permission ...). */
struct em_listener;
struct em_listen_events {
    void (*accepted)(void *arg, struct em_conn *c, const struct em_addr *from);
    void (*datagram)(void *arg, struct em_listener *l, const uint8_t *p, size_t n,
                     const struct em_addr *from);
};
struct em_listener *em_net_listen(struct em_net *n, enum em_transport transport, const struct em_addr *at,
                                  const struct em_listen_events *events, void *arg, struct em_why *why);
void em_conn_take(struct em_conn *c, const struct em_conn_events *events, void *arg);
void em_listener_send_to(struct em_listener *l, const void *p, size_t n, const struct em_addr *to);
void em_listener_local(struct em_listener *l,
                       struct em_addr *a);     /* where it listens: the port that 0 became */
void em_listener_close(struct em_listener *l); /* NULL is fine */

/* A descriptor of somebody else's (inotify): readable is called while it has something to read. The descriptor stays the caller's. */
struct em_watch;
struct em_watch *em_net_watch(struct em_net *n, int fd, void (*readable)(void *arg),
                              void *arg); /* NULL: no memory */
void em_watch_free(struct em_watch *w);   /* NULL is fine */

/* All A and AAAA addresses of a name, in the resolver's order, AAAA and A both. Literals answer at once (from the loop). An address that
 * can be no host's (0.0.0.0, multicast) is a lie and left out. */
enum { EM_LOOKUP_MAX = 32 };
typedef void (*em_lookup_fn)(void *arg, const struct em_addr *addrs, size_t n,
                             const char *failure); /* n 0: failure says why */
struct em_lookup *em_net_resolve(struct em_net *n, const char *name, uint16_t port, int64_t timeout_us,
                                 em_lookup_fn done, void *arg);
void em_lookup_cancel(struct em_lookup *l); /* NULL is fine */

/* The SRV records of service and name, "_turn._udp" and "example.com" (RFC 2782), by priority, then by weight, the heavier first.
 *   n > 0                          the targets; a target of "" says that the name does not offer the service
 *   n 0, failure NULL              there are none, or the hosts file knows the name: its addresses are what counts
 *   n 0, failure                   why nobody knows */
enum { EM_SRV_MAX = 16, EM_DNS_NAME_MAX = 256 };
struct em_srv {
    char target[EM_DNS_NAME_MAX]; /* a name; the stranger's text, not escaped */
    uint16_t port, priority, weight;
};
typedef void (*em_srv_fn)(void *arg, const struct em_srv *targets, size_t n, const char *failure);
struct em_lookup *em_net_resolve_srv(struct em_net *n, const char *service, const char *name,
                                     int64_t timeout_us, em_srv_fn done, void *arg);

/* One-shot timers; a deadline in monotonic microseconds. Embed nothing: made once, set often. */
struct em_timer *em_timer_new(struct em_net *n, void (*fire)(void *arg), void *arg); /* NULL: no memory */
void em_timer_at(struct em_timer *t, int64_t deadline_us);
void em_timer_stop(struct em_timer *t);
void em_timer_free(struct em_timer *t); /* NULL is fine */

/* The clock that timers follow. */
const struct em_clock *em_net_clock(struct em_net *n);

/* The real one. base: the caller's event loop. */
struct event_base;
struct em_net *em_net_event_new(struct event_base *base, struct em_why *why);
/* Name servers to ask instead of those of resolv.conf, "127.0.0.1:5300,[::1]", of less than EM_URI_MAX bytes. "": those again. */
void em_net_event_set_servers(struct em_net *n, const char *servers);
/* Whether that is such a list of addresses, with or without ports. */
bool em_net_servers_ok(const char *servers);
void em_net_free(struct em_net *n); /* everything opened must be closed before */

#endif
