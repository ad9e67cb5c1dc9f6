/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the real network: the structs that net_event.c, net_conn.c, net_tcp.c, net_udp.c, net_listen.c and net_resolve.c share.
 */
#ifndef EM_NET_NET_EVENT_H
#define EM_NET_NET_EVENT_H

#include <event2/buffer.h>
#include <event2/event.h>

#include "net/net_ops.h"
#include "net/tls_serve.h"

enum {
    EM_READS_PER_TURN =
        16, /* datagrams, ICMP messages or new connections taken from one socket in one turn */
    EM_SOURCE_PORT_TRIES = 1000,  /* ports of a source range that are tried for one connection */
    EM_TLS_CONTEXTS_MAX = 8,      /* CA files whose certificates are kept in memory */
    EM_TLS_PLAIN_MAX = 16 * 1024, /* what one TLS record holds */
    EM_ACCEPT_PAUSE_MS = 100,     /* how long a listener rests when this machine has no descriptors left */
};

struct ev_net {
    struct em_net is;
    struct event_base *base;
    char servers[EM_URI_MAX];        /* "": as the system says */
    size_t objects;                  /* made and not freed: must be 0 when the net is freed */
    struct ev_tls_context *contexts; /* net_tls.c; NULL: none yet */
    uint8_t read[EM_CONN_READ_MAX],
        plain[EM_TLS_PLAIN_MAX]; /* last, and not zeroed: pages that nobody needs stay away */
};

struct ev_tls; /* net_tls.c: what a connection has of TLS */

struct ev_conn {
    struct em_conn is;
    struct ev_net *net;
    struct em_conn_events events;
    void *arg;
    struct em_open how;
    int fd; /* -1: it could not be opened */
    struct event *readable, *writable, *later;
    struct evbuffer *queue;      /* TCP: not yet taken by the kernel */
    struct ev_tls *tls;          /* NULL: none */
    struct em_net_error pending; /* what `later` will report; kind 0 = nothing */
    int soft_error;
    bool connected, taken, over; /* over: error or end of use; nothing more is sent */
    bool entered, closed;        /* closed while a callback runs: freed when it returns */
};

extern const struct em_net_ops em_net_event_ops;

/* net_socket.c: 0 or errno. The socket is non-blocking, close-on-exec, tells ICMP errors, bound as `how` wants it. Port is used by
 * TCP to go on in the range after the one that failed. */
int em_socket_open(const struct em_open *how, const struct em_clock *clock, int *fd);
int em_socket_connect(const struct em_open *how, const struct em_clock *clock, int *fd);
int em_socket_listen(enum em_transport transport, const struct em_addr *at, int *fd);
struct em_port_range
em_socket_usual_ports(void); /* from which the kernel chooses (ip(7)); its defaults if it does not tell */
bool em_socket_ttl(int fd, bool v6, uint8_t ttl); /* 0: the system's */
bool em_socket_local(int fd, struct em_addr *a);
struct em_addr em_addr_of(const struct sockaddr_storage *s, socklen_t len);

/* net_conn.c */
struct ev_conn *em_conn_new(struct ev_net *n, const struct em_open *how, const struct em_conn_events *events,
                            void *arg);
void em_conn_enter(struct ev_conn *c);
void em_conn_leave(struct ev_conn *c);
void em_conn_post(struct ev_conn *c, struct em_net_error e); /* the error event comes from the loop, soon */
void em_conn_report(struct ev_conn *c, const struct em_net_error *e); /* from within the loop */
bool em_conn_watch(struct ev_conn *c, event_callback_fn on_event);
struct em_conn *em_conn_open(struct em_net *n, const struct em_open *how, const struct em_conn_events *events,
                             void *arg);
void em_conn_close_event(struct em_conn *c, bool reset);
void em_conn_take_event(struct em_conn *c, struct em_tls_serve *serve, const struct em_conn_events *events,
                        void *arg);
void em_conn_ttl_event(struct em_conn *c, uint8_t ttl);
void em_conn_local_event(struct em_conn *c, struct em_addr *a);
void em_conn_send_event(struct em_conn *c, const void *p, size_t n, const struct em_addr *to);

/* net_tcp.c, net_udp.c */
void em_tcp_start(struct ev_conn *c);
void em_tcp_take(struct ev_conn *c);
void em_tcp_pause_event(struct em_conn *c, bool paused);
void em_tcp_send(struct ev_conn *c, const void *p, size_t n);
void em_tcp_fail(struct ev_conn *c, struct em_net_error e); /* it is over, from within the loop */
void em_tcp_finish(struct ev_conn *c, bool reset);          /* before close(2) */
void em_udp_start(struct ev_conn *c);
void em_udp_send(struct ev_conn *c, const void *p, size_t n, const struct em_addr *to);

/* net_tls.c, over em_tcp_send(). Input and eof are called from within the loop and may end the connection. */
bool em_tls_new(struct ev_conn *c, const struct em_tls_how *how);  /* false: no memory */
bool em_tls_accept(struct ev_conn *c, struct em_tls_serve *serve); /* before it is taken; false: no memory */
void em_tls_begin(struct ev_conn *c);
void em_tls_input(struct ev_conn *c, const uint8_t *p, size_t n);
bool em_tls_eof(struct ev_conn *c); /* true: it was the end of a handshake, or was told already */
void em_tls_send(struct ev_conn *c, const void *p, size_t n);
void em_tls_finish(struct ev_conn *c); /* the end of TLS is told to the peer, if it can be */
void em_tls_free(struct ev_tls *t);
void em_tls_forget(struct ev_net *n);
void em_conn_tls_event(struct em_conn *c, struct em_tls_info *info);

/* net_tcp_info.c */
void em_tcp_info_event(struct em_conn *c, struct em_tcp_info *info);
bool em_tcp_established(int fd);
void em_tcp_info_read(int fd, struct em_tcp_info *info); /* all but soft_error */

/* net_listen.c */
struct em_listener *em_listen_event(struct em_net *n, enum em_transport transport, const struct em_addr *at,
                                    const struct em_listen_events *events, void *arg, struct em_why *why);
void em_listener_send_event(struct em_listener *l, const void *p, size_t n, const struct em_addr *to);
void em_listener_local_event(struct em_listener *l, struct em_addr *a);
void em_listener_close_event(struct em_listener *l);

/* net_resolve.c, net_srv.c */
struct em_lookup *em_resolve_event(struct em_net *n, const char *name, uint16_t port, int64_t timeout_us,
                                   em_lookup_fn done, void *arg);
struct em_lookup *em_resolve_srv_event(struct em_net *n, const char *service, const char *name,
                                       int64_t timeout_us, em_srv_fn done, void *arg);
void em_lookup_cancel_event(struct em_lookup *l);

/* net_bulk.c */
struct em_bulk *em_bulk_new_event(struct em_net *n, const struct em_bulk_conf *conf,
                                  const struct em_bulk_events *events, void *arg);
void em_bulk_free_event(struct em_bulk *b);
int em_bulk_open_event(struct em_bulk *b, uint16_t port, uint32_t *lane, struct em_net_error *e);
size_t em_bulk_send_event(struct em_bulk *b, uint32_t lane, const void *p, size_t n);
void em_bulk_info_event(struct em_bulk *b, uint32_t lane, struct em_tcp_info *info);
void em_bulk_close_event(struct em_bulk *b, uint32_t lane);
void em_bulk_shrink_event(struct em_bulk *b);

#endif
