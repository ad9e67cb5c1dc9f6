/* SPDX-License-Identifier: GPL-3.0-or-later
 * How one net.h has two implementations: every object begins with a pointer to the functions that it was made by, and net.c calls
 * through it. Only implementations include this (net_event.c and its neighbours; tests/replay/net_play.c); users know net.h alone.
 *
 * An implementation embeds these structs as the first member of its own and casts back. Arguments are already checked for NULL
 * where net.h allows it.
 */
#ifndef EM_NET_NET_OPS_H
#define EM_NET_NET_OPS_H

#include "net/bulk.h"
#include "net/net.h"

struct em_tls_serve;

struct em_net_ops {
    void (*net_free)(struct em_net *n);
    const struct em_clock *(*clock)(struct em_net *n);

    struct em_conn *(*open)(struct em_net *n, const struct em_open *how, const struct em_conn_events *events,
                            void *arg);
    void (*conn_send)(struct em_conn *c, const void *p, size_t n,
                      const struct em_addr *to); /* to NULL: the remote */
    void (*conn_pause)(struct em_conn *c, bool paused);
    void (*conn_ttl)(struct em_conn *c, uint8_t ttl);
    void (*conn_info)(struct em_conn *c, struct em_tcp_info *info);
    void (*conn_local)(struct em_conn *c, struct em_addr *a);
    void (*conn_tls)(struct em_conn *c, struct em_tls_info *info);
    void (*conn_take)(struct em_conn *c, struct em_tls_serve *serve, const struct em_conn_events *events,
                      void *arg); /* serve NULL: no TLS */
    void (*conn_close)(struct em_conn *c, bool reset);

    struct em_listener *(*listen)(struct em_net *n, enum em_transport transport, const struct em_addr *at,
                                  const struct em_listen_events *events, void *arg, struct em_why *why);
    void (*listener_send_to)(struct em_listener *l, const void *p, size_t n, const struct em_addr *to);
    void (*listener_local)(struct em_listener *l, struct em_addr *a);
    void (*listener_close)(struct em_listener *l);

    struct em_watch *(*watch)(struct em_net *n, int fd, void (*readable)(void *arg), void *arg);
    void (*watch_free)(struct em_watch *w);

    struct em_lookup *(*resolve)(struct em_net *n, const char *name, uint16_t port, int64_t timeout_us,
                                 em_lookup_fn done, void *arg);
    struct em_lookup *(*resolve_srv)(struct em_net *n, const char *service, const char *name,
                                     int64_t timeout_us, em_srv_fn done, void *arg);
    void (*lookup_cancel)(struct em_lookup *l);

    struct em_timer *(*timer_new)(struct em_net *n, void (*fire)(void *arg), void *arg);
    void (*timer_at)(struct em_timer *t, int64_t deadline_us);
    void (*timer_stop)(struct em_timer *t);
    void (*timer_free)(struct em_timer *t);

    struct em_bulk *(*bulk_new)(struct em_net *n, const struct em_bulk_conf *conf,
                                const struct em_bulk_events *events, void *arg);
    void (*bulk_free)(struct em_bulk *b);
    int (*bulk_open)(struct em_bulk *b, uint16_t port, uint32_t *lane, struct em_net_error *e);
    size_t (*bulk_send)(struct em_bulk *b, uint32_t lane, const void *p, size_t n);
    void (*bulk_info)(struct em_bulk *b, uint32_t lane, struct em_tcp_info *info);
    void (*bulk_close)(struct em_bulk *b, uint32_t lane);
    void (*bulk_shrink)(struct em_bulk *b);
};

struct em_net {
    const struct em_net_ops *ops;
};
struct em_conn {
    const struct em_net_ops *ops;
};
struct em_listener {
    const struct em_net_ops *ops;
};
struct em_watch {
    const struct em_net_ops *ops;
};
struct em_lookup {
    const struct em_net_ops *ops;
};
struct em_timer {
    const struct em_net_ops *ops;
};
struct em_bulk {
    const struct em_net_ops *ops;
};

#endif
