/* SPDX-License-Identifier: GPL-3.0-or-later
 * The responder under strangers' bytes, over UDP and TCP, with and without a key, on a network that is none: nothing may crash, no answer is larger
 * than twice what was asked, no echo larger than what came, and with a key nobody without it hears anything.
 *
 *     input: flags (1: TCP, 2: a key) | length (16) | bytes of one datagram, or of one piece of the stream | length | bytes ... */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cur.h"
#include "net/net_ops.h"
#include "probe/respond.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TCP = 1, KEY = 2 };

static struct em_clock_fake clock_state;
static struct em_clock fake_clock;
static struct em_listen_events listening;
static struct em_conn_events client;
static void *listening_arg, *client_arg;
static size_t said;
static bool closed;

static const struct em_clock *clock_of(struct em_net *n)
{
    (void)n;
    return &fake_clock;
}

static void take(struct em_conn *c, struct em_tls_serve *serve, const struct em_conn_events *events,
                 void *arg)
{
    (void)c, (void)serve;
    client = *events;
    client_arg = arg;
}

static void send_to_client(struct em_conn *c, const void *p, size_t n, const struct em_addr *to)
{
    (void)c, (void)p, (void)to;
    if (closed)
        abort();
    said += n;
}

static void pause_client(struct em_conn *c, bool paused)
{
    (void)c, (void)paused;
}

static void close_client(struct em_conn *c, bool reset)
{
    (void)c, (void)reset;
    if (closed)
        abort();
    closed = true;
}

static const struct em_net_ops ops; /* below */
static struct em_net net = { &ops };
static struct em_listener listener = { &ops };
static struct em_conn conn = { &ops };

static struct em_listener *listen_on(struct em_net *n, enum em_transport transport, const struct em_addr *at,
                                     const struct em_listen_events *events, void *arg, struct em_why *why)
{
    (void)n, (void)transport, (void)at, (void)why;
    listening = *events;
    listening_arg = arg;
    return &listener;
}

static void send_datagram(struct em_listener *l, const void *p, size_t n, const struct em_addr *to)
{
    (void)l, (void)p, (void)to;
    said += n;
}

static void close_listener(struct em_listener *l)
{
    (void)l;
}

static struct em_timer *timer_new(struct em_net *n, void (*fire)(void *arg), void *arg)
{
    static struct em_timer timer = { &ops };

    (void)n, (void)fire, (void)arg;
    return &timer;
}

static void timer_at(struct em_timer *t, int64_t deadline_us)
{
    (void)t, (void)deadline_us;
}

static void timer_quiet(struct em_timer *t)
{
    (void)t;
}

static const struct em_net_ops ops = { .clock = clock_of,
                                       .conn_take = take,
                                       .conn_send = send_to_client,
                                       .conn_pause = pause_client,
                                       .conn_close = close_client,
                                       .listen = listen_on,
                                       .listener_send_to = send_datagram,
                                       .listener_close = close_listener,
                                       .timer_new = timer_new,
                                       .timer_at = timer_at,
                                       .timer_stop = timer_quiet,
                                       .timer_free = timer_quiet };

static void talk(uint8_t flags, struct cur *c)
{
    struct em_addr from = { 0 };
    size_t heard = 0;

    if (!em_addr_read("192.0.2.7", 40000, &from))
        abort();
    if (flags & TCP)
        listening.accepted(listening_arg, &conn, &from);
    while (cur_left(c) > 2 && !closed) {
        size_t n = cur_u16(c);
        const uint8_t *p = cur_take(c, n < cur_left(c) ? n : cur_left(c));

        n = p ? (size_t)(c->p - p) : 0;
        heard += n;
        if (flags & TCP && n > 0)
            client.data(client_arg, p, n, &from);
        else if (n > 0)
            listening.datagram(listening_arg, &listener, p, n, &from);
        if (said > 2 * heard || (said > 0 && flags & KEY))
            abort();
        em_clock_fake_advance(&clock_state, 1000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct em_respond_conf conf = { .ports = { 50000, 50000 } };
    struct em_responder *r;
    struct em_why why;
    struct cur c = cur_of(data, size);
    uint8_t flags = cur_u8(&c);

    /* With a key other dice: the tokens that runs without a key gave to everybody must be worth nothing. */
    clock_state = (struct em_clock_fake) { 1000000000, 1600000000000000, flags & KEY ? 2 : 1 };
    fake_clock = em_clock_fake(&clock_state);
    conf.tcp = flags & TCP;
    conf.udp = !conf.tcp;
    if (flags & KEY)
        conf.key = SLICE("a key that no corpus holds");
    said = 0;
    closed = false;
    if (!em_addr_read("192.0.2.1", 0, &conf.address) || em_responder_start(&net, &conf, &r, &why) < 0)
        abort();
    talk(flags, &c);
    em_responder_stop(r);
    return 0;
}
