/* SPDX-License-Identifier: GPL-3.0-or-later
 * Many short conversations with the ports of one address: what a sweep needs, and em_net_open() is too heavy for. A bulk owns lanes; a
 * lane is one socket that is used again for port after port, so a sweep of 60,000 ports makes only as many sockets as it has
 * conversations at one time.
 *
 *     b = em_bulk_new(net, &conf, &events, arg);
 *     em_bulk_open(b, 50000, &lane, &e)     connects (UDP: aims) a free lane at that port
 *     ... connected, data, eof, error come from the loop, em_bulk_send() answers them ...
 *     em_bulk_close(b, lane)                TCP: reset, no TIME_WAIT; the lane is free for the next port
 *     em_bulk_free(b);
 *
 * The rules of net.h hold: nothing blocks, callbacks come from the loop alone. In addition `turn` is called after each batch of events,
 * the place to begin new conversations; a batch has EM_BULK_EVENTS events, and a turn of the loop EM_BULK_ROUNDS batches, at most.
 * em_bulk_free() must not be called from a callback of the same bulk.
 *
 * A lane is told apart from its former uses by the kernel: a TCP connection that was reset brings nothing more. A UDP datagram that was
 * already in the socket's queue may still be of the port before: look at its transaction id.
 */
#ifndef EM_NET_BULK_H
#define EM_NET_BULK_H

#include "net/net.h"

enum {
    EM_BULK_LANES_MAX = 16384,
    EM_BULK_EVENTS = 128, /* taken from the kernel in one batch */
    EM_BULK_ROUNDS = 8,   /* batches in one turn of the loop */
    EM_BULK_READ_MAX = 64 * 1024,
    EM_BULK_PORT_TRIES = 64,        /* ports of a source range that are tried for one lane */
    EM_BULK_SPARE_DESCRIPTORS = 64, /* of this process that a bulk leaves to others */
};

struct em_bulk;

struct em_bulk_conf {
    enum em_transport transport;       /* UDP or TCP */
    struct em_addr remote;             /* its port does not matter */
    struct em_port_range source_ports; /* 0,0: the kernel's choice; else each lane keeps one port of it */
    uint32_t lanes_max;                /* at most EM_BULK_LANES_MAX */
    bool no_delay;                     /* TCP: many small writes follow one another */
    bool speaks_first; /* TCP: connected will send at once: that segment may carry the ACK of the handshake */
};

struct em_bulk_events {
    void (*connected)(void *arg, uint32_t lane); /* TCP handshake done; UDP: never called */
    void (*data)(void *arg, uint32_t lane, const uint8_t *p, size_t n); /* TCP: bytes; UDP: one datagram */
    void (*writable)(void *arg, uint32_t lane); /* TCP: after em_bulk_send() took less than all */
    void (*eof)(void *arg, uint32_t lane);      /* TCP: the peer sent FIN */
    void (*error)(
        void *arg, uint32_t lane,
        const struct em_net_error *e); /* TCP: the connection is over, close the lane. UDP: it may go on */
    /* After a batch of `events` events; drained: nothing more was waiting. True: something was begun, look again at once. */
    bool (*turn)(void *arg, size_t events, bool drained);
};

/* NULL: no memory or no epoll instance. */
struct em_bulk *em_bulk_new(struct em_net *n, const struct em_bulk_conf *conf,
                            const struct em_bulk_events *events, void *arg);
void em_bulk_free(struct em_bulk *b); /* closes every lane; NULL is fine */

/* 0: *lane is connecting (UDP: ready). EM_ERR_BUSY: lanes_max lanes are in use, or this machine has no descriptor, buffer or source
 * port for another one now: try again when some have ended (e->error is errno, 0 for the former). EM_ERR_SYSTEM: the
 * conversation ended before it began, *e says how (refused by loopback, no route). */
int em_bulk_open(struct em_bulk *b, uint16_t port, uint32_t *lane, struct em_net_error *e) EM_MUST_CHECK;
size_t em_bulk_send(struct em_bulk *b, uint32_t lane, const void *p, size_t n); /* how many the kernel took */
void em_bulk_info(struct em_bulk *b, uint32_t lane, struct em_tcp_info *info);
void em_bulk_close(struct em_bulk *b, uint32_t lane);
/* Fewer conversations are to come: a lane that is closed gives its socket back. */
void em_bulk_shrink(struct em_bulk *b);

/* Lanes that this process may have now: from RLIMIT_NOFILE, less what others need, at most EM_BULK_LANES_MAX. */
uint32_t em_bulk_room(void);
/* For a program of one purpose: as many descriptors as this machine allows it. */
void em_bulk_more_room(void);

#endif
