/* SPDX-License-Identifier: GPL-3.0-or-later
 * The player: net.h for tests, without a network and with a clock that only moves when nothing is left to do at its present time.
 * An hour of silence takes microseconds, and every run is the same.
 *
 *     net = em_play_new();
 *     em_play_host(net, EM_TRANSPORT_UDP, &addr, &events, arg)   what answers at an address; other addresses are silent
 *     em_play_name(net, "edge.example.com", addrs, n, NULL)      what a name resolves to; other names do not exist
 *     ... start what is tested, then
 *     while (!done && em_play_turn(net)) ;
 *     em_net_free(net);                                          asserts that everything was closed
 *
 * Callbacks to both sides come from em_play_turn() only, as net.h promises. Listening is not played.
 */
#ifndef EM_TESTS_NET_PLAY_H
#define EM_TESTS_NET_PLAY_H

#include "net/net.h"

enum { EM_PLAY_START_US = 1000000000, EM_PLAY_HOSTS_MAX = 64, EM_PLAY_NAMES_MAX = 16 };

struct em_net *em_play_new(void); /* aborts without memory */
int64_t em_play_now(struct em_net *n);

/* Does what is due next, moving the clock there. False: nothing is left that could ever happen. */
bool em_play_turn(struct em_net *n);

/* The same, but nothing that is due after the limit: then the clock moves to the limit, and it is false. */
bool em_play_turn_until(struct em_net *n, int64_t limit_us);

/* What stands at an address. Each callback may use the em_play_ functions below on the connection. */
struct em_play_host {
    void (*opened)(void *arg, struct em_conn *c); /* TCP: a SYN came; UDP: a socket was opened towards us */
    void (*sent)(void *arg, struct em_conn *c, const uint8_t *p, size_t n);
    void (*closed)(void *arg, struct em_conn *c, bool reset); /* c is gone when it returns */
};
/* Several at one address: each connection meets the next one, and the last one all that come after it. */
void em_play_host(struct em_net *n, enum em_transport transport, const struct em_addr *at,
                  const struct em_play_host *host, void *arg);

/* failure NULL: these addresses (their port is set by the lookup). n 0 and failure "": never answers. A name that was given before has
 * other addresses from now on. The text must live as long as n. */
void em_play_name(struct em_net *n, const char *name, const struct em_addr *addrs, size_t count,
                  const char *failure);

/* The SRV records of "_turn._udp.example.com"; other names have none. failure as above. */
void em_play_services(struct em_net *n, const char *name, const struct em_srv *targets, size_t count,
                      const char *failure);

/* What the far end and the path do to a connection; it arrives in this turn or the next ones, in order. */
void em_play_accept(struct em_conn *c);
/* How the TLS handshake of a connection that was opened with one ends: end 0, or untrusted where the caller is insecure, is well. The
 * info is what em_conn_tls() tells from then on. */
void em_play_tls(struct em_conn *c, const struct em_tls_info *info);
void em_play_data(struct em_conn *c, const void *p, size_t n,
                  const struct em_addr *from); /* from NULL: the remote */
void em_play_eof(struct em_conn *c);
void em_play_error(struct em_conn *c, const struct em_net_error *e);
uint8_t em_play_ttl(const struct em_conn *c); /* of what is sent now; 0: the system's */
void em_play_info(struct em_conn *c,
                  const struct em_tcp_info *info); /* else: everything sent is acknowledged */

#endif
