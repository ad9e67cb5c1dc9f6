/* SPDX-License-Identifier: GPL-3.0-or-later
 * The network layer: addresses as text, ICMP and errno tables, and the real thing over loopback. */
#include <errno.h>
#include <event2/event.h>
#include <linux/errqueue.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "net/net.h"
#include "net/net_errors.h"

enum { PATIENCE_S = 10 };

static struct event_base *base;
static struct em_net *net;

static void setup(void)
{
    base = event_base_new();
    net = em_net_event_new(base, NULL);
    ck_assert_ptr_nonnull(net);
}

static void teardown(void)
{
    em_net_free(net); /* asserts that everything was closed */
    event_base_free(base);
}

/* Turns the loop until *flag or impatience. */
static void run_until(const bool *flag)
{
    int64_t end = em_mono_us(&em_clock_system) + PATIENCE_S * EM_US_PER_S;

    while (!*flag && em_mono_us(&em_clock_system) < end) {
        struct timeval tv = { 0, 20000 };

        event_base_loopexit(base, &tv);
        event_base_loop(base, EVLOOP_ONCE);
    }
    ck_assert(*flag);
}

static struct em_addr at(const char *text, uint16_t port)
{
    struct em_addr a = { 0 };

    ck_assert(em_addr_read(text, port, &a));
    return a;
}

START_TEST(addresses_are_read_and_written)
{
    static const struct {
        const char *text, *address, *endpoint; /* address NULL: refused */
    } rows[] = {
        { "192.0.2.1", "192.0.2.1", "192.0.2.1:3478" },
        { "2001:db8::1", "2001:db8::1", "[2001:db8::1]:3478" },
        { "[2001:DB8::1]", "2001:db8::1", "[2001:db8::1]:3478" },
        { "[::1]", "::1", "[::1]:3478" },
        { "[192.0.2.1]", NULL, NULL },
        { "192.0.2", NULL, NULL },
        { "192.0.2.256", NULL, NULL },
        { "[::1", NULL, NULL },
        { "[]", NULL, NULL },
        { "[", NULL, NULL },
        { "", NULL, NULL },
        { "edge.example.com", NULL, NULL },
        { "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]", NULL, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct em_addr a = { 0 };
        char address[EM_ADDRESS_MAX], endpoint[EM_ENDPOINT_MAX];
        bool ok = em_addr_read(rows[i].text, 3478, &a);

        ck_assert_msg(ok == (rows[i].address != NULL), "%s", rows[i].text);
        em_addr_text(&a, address);
        em_addr_endpoint(&a, endpoint);
        ck_assert_str_eq(address, ok ? rows[i].address : "");
        ck_assert_str_eq(endpoint, ok ? rows[i].endpoint : "");
        ck_assert_uint_eq(em_addr_port(&a), ok ? 3478 : 0);
    }
}
END_TEST

START_TEST(addresses_are_compared)
{
    struct em_addr a = at("192.0.2.1", 1), b = at("192.0.2.1", 1), c = at("192.0.2.1", 2), d = at("::1", 1),
                   none = { 0 };

    ck_assert(em_addr_eq(&a, &b));
    ck_assert(!em_addr_eq(&a, &c));
    ck_assert(!em_addr_eq(&a, &d));
    ck_assert(em_addr_eq(&d, &d));
    ck_assert(!em_addr_eq(&a, &none));
    ck_assert(em_addr_eq(&none, &none));
}
END_TEST

START_TEST(icmp_messages_have_their_kind)
{
    static const struct {
        uint8_t origin, type, code;
        enum em_net_error_kind kind;
        const char *text;
    } rows[] = {
        { 2, 3, 0, EM_NET_ICMP_UNREACHABLE, "ICMP network unreachable from 192.0.2.9" },
        { 2, 3, 1, EM_NET_ICMP_UNREACHABLE, "ICMP host unreachable from 192.0.2.9" },
        { 2, 3, 2, EM_NET_ICMP_PROHIBITED, "ICMP protocol unreachable from 192.0.2.9" },
        { 2, 3, 3, EM_NET_ICMP_PORT, "ICMP port unreachable from 192.0.2.9" },
        { 2, 3, 4, EM_NET_ICMP_TOO_BIG, "ICMP fragmentation needed (MTU 1400) from 192.0.2.9" },
        { 2, 3, 9, EM_NET_ICMP_PROHIBITED, "ICMP network administratively prohibited from 192.0.2.9" },
        { 2, 3, 10, EM_NET_ICMP_PROHIBITED, "ICMP host administratively prohibited from 192.0.2.9" },
        { 2, 3, 13, EM_NET_ICMP_PROHIBITED, "ICMP communication administratively prohibited from 192.0.2.9" },
        { 2, 3, 7, EM_NET_ICMP_UNREACHABLE, "ICMP destination unreachable from 192.0.2.9" },
        { 2, 11, 0, EM_NET_ICMP_TTL, "ICMP time to live exceeded from 192.0.2.9" },
        { 3, 1, 0, EM_NET_ICMP_UNREACHABLE, "ICMPv6 no route from 2001:db8::9" },
        { 3, 1, 1, EM_NET_ICMP_PROHIBITED, "ICMPv6 administratively prohibited from 2001:db8::9" },
        { 3, 1, 3, EM_NET_ICMP_UNREACHABLE, "ICMPv6 address unreachable from 2001:db8::9" },
        { 3, 1, 4, EM_NET_ICMP_PORT, "ICMPv6 port unreachable from 2001:db8::9" },
        { 3, 1, 5, EM_NET_ICMP_PROHIBITED, "ICMPv6 source address refused by policy from 2001:db8::9" },
        { 3, 1, 6, EM_NET_ICMP_PROHIBITED, "ICMPv6 route rejected from 2001:db8::9" },
        { 3, 2, 0, EM_NET_ICMP_TOO_BIG, "ICMPv6 packet too big (MTU 1400) from 2001:db8::9" },
        { 3, 3, 0, EM_NET_ICMP_TTL, "ICMPv6 hop limit exceeded from 2001:db8::9" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        union {
            struct sock_extended_err s;
            uint8_t bytes[sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6)];
        } m = { 0 };
        struct em_addr offender = at(rows[i].origin == 2 ? "192.0.2.9" : "2001:db8::9", 0);
        struct em_net_error e = { 0 };
        char text[EM_REASON_MAX];

        m.s.ee_errno = EHOSTUNREACH;
        m.s.ee_origin = rows[i].origin;
        m.s.ee_type = rows[i].type;
        m.s.ee_code = rows[i].code;
        m.s.ee_info = 1400;
        memcpy(m.bytes + sizeof m.s, &offender.u, offender.len);
        ck_assert(em_errqueue_read(&m.s, sizeof m.s + offender.len, &e));
        em_net_error_text(&e, text, sizeof text);
        ck_assert_int_eq(e.kind, rows[i].kind);
        ck_assert_str_eq(text, rows[i].text);
        ck_assert(em_addr_eq(&e.offender, &offender));
        ck_assert(em_errqueue_read(&m.s, sizeof m.s + 1, &e));
        ck_assert_uint_eq(e.offender.len, 0);
        ck_assert(!em_errqueue_read(&m.s, sizeof m.s - 1, &e));
    }
}
END_TEST

/* One client and what happened to it. */
struct client {
    struct em_conn *conn;
    bool connected, eof, failed, got;
    size_t n;
    char bytes[64];
    struct em_net_error error;
    bool close_in_callback;
    bool *also; /* another flag to raise */
};

static void end_if_asked(struct client *c)
{
    if (c->also)
        *c->also = true;
    if (c->close_in_callback) {
        em_conn_close(c->conn, true);
        c->conn = NULL;
    }
}

static void on_connected(void *arg)
{
    ((struct client *)arg)->connected = true;
}

static void on_data(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct client *c = arg;

    ck_assert_uint_ne(from->len, 0);
    for (size_t i = 0; i < n && c->n < sizeof c->bytes; i++)
        c->bytes[c->n++] = (char)p[i];
    c->got = true;
    end_if_asked(c);
}

static void on_eof(void *arg)
{
    ((struct client *)arg)->eof = true;
}

static void on_error(void *arg, const struct em_net_error *e)
{
    struct client *c = arg;

    c->failed = true;
    c->error = *e;
    end_if_asked(c);
}

static const struct em_conn_events client_events = { on_connected, on_data, on_eof, on_error };

static void open_client(struct client *c, enum em_transport transport, const struct em_addr *to)
{
    struct em_open how = { .transport = transport, .remote = *to };

    c->conn = em_net_open(net, &how, &client_events, c);
    ck_assert_ptr_nonnull(c->conn);
    ck_assert(!c->connected && !c->failed); /* nothing is called from within */
}

/* A server that answers with what it got; "bye" makes it end with FIN, "rst" with a reset. */
struct server {
    struct em_listener *l;
    struct em_addr at;
    struct em_conn *peer;
    bool ended;
};

static void serve(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct server *s = arg;

    (void)from;
    if (n == 3 && (memcmp(p, "bye", 3) == 0 || memcmp(p, "rst", 3) == 0)) {
        em_conn_close(s->peer, p[0] == 'r');
        s->peer = NULL;
        return;
    }
    em_conn_send(s->peer, p, n);
}

static void on_peer_end(void *arg)
{
    ((struct server *)arg)->ended = true;
}

static void on_peer_error(void *arg, const struct em_net_error *e)
{
    ck_assert_int_eq(e->kind, EM_NET_RESET);
    ((struct server *)arg)->ended = true;
}

static void accepted(void *arg, struct em_conn *c, const struct em_addr *from)
{
    static const struct em_conn_events events = { NULL, serve, on_peer_end, on_peer_error };
    struct server *s = arg;

    ck_assert_uint_ne(from->len, 0);
    if (s->peer) {
        em_conn_close(c, true);
        return;
    }
    s->peer = c;
    em_conn_take(c, &events, s);
}

static void echo(void *arg, struct em_listener *l, const uint8_t *p, size_t n, const struct em_addr *from)
{
    (void)arg;
    em_listener_send_to(l, p, n, from);
}

static const struct em_listen_events server_events = { accepted, echo };

static void start_server(struct server *s, enum em_transport transport, const char *address)
{
    struct em_addr any = at(address, 0);

    s->l = em_net_listen(net, transport, &any, &server_events, s, NULL);
    ck_assert_ptr_nonnull(s->l);
    em_listener_local(s->l, &s->at);
    ck_assert_uint_ne(em_addr_port(&s->at), 0);
}

/* A port where nobody listens: one that was free a moment ago. */
static struct em_addr dead_end(enum em_transport transport, const char *address)
{
    struct server s = { 0 };

    start_server(&s, transport, address);
    em_listener_close(s.l);
    return s.at;
}

static const char *const loopbacks[] = { "127.0.0.1", "::1" };

/* A machine may have no IPv6: then its half of the tests is empty. */
static bool missing(int i)
{
    struct em_addr any = at(loopbacks[i], 0);
    struct em_listener *l = em_net_listen(net, EM_TRANSPORT_TCP, &any, &server_events, NULL, NULL);

    em_listener_close(l);
    return !l;
}

START_TEST(tcp_talks_and_tells)
{
    struct server s = { 0 };
    struct client c = { 0 };
    struct em_tcp_info info;
    struct em_addr local;

    if (missing(_i))
        return;
    start_server(&s, EM_TRANSPORT_TCP, loopbacks[_i]);
    open_client(&c, EM_TRANSPORT_TCP, &s.at);
    em_conn_send(c.conn, "hello", 5); /* queued until connected */
    run_until(&c.got);
    ck_assert(c.connected);
    ck_assert_int_eq(memcmp(c.bytes, "hello", 5), 0);
    em_conn_info(c.conn, &info);
    ck_assert(info.valid);
    ck_assert_uint_eq(info.bytes_acked, 5);
    ck_assert_uint_eq(info.bytes_sent, 5);
    ck_assert_uint_eq(info.data_segs_in, 1);
    ck_assert_uint_eq(info.unacked, 0);
    em_conn_local(c.conn, &local);
    ck_assert_uint_ne(em_addr_port(&local), 0);
    em_conn_send(c.conn, "bye", 3);
    run_until(&c.eof);
    ck_assert(!c.failed);
    em_conn_close(c.conn, false);
    em_listener_close(s.l);
}
END_TEST

START_TEST(tcp_reset_after_the_handshake)
{
    struct server s = { 0 };
    struct client c = { 0 };

    if (missing(_i))
        return;
    start_server(&s, EM_TRANSPORT_TCP, loopbacks[_i]);
    open_client(&c, EM_TRANSPORT_TCP, &s.at);
    em_conn_send(c.conn, "rst", 3);
    run_until(&c.failed);
    ck_assert(c.connected);
    ck_assert_int_eq(c.error.kind, EM_NET_RESET);
    em_conn_close(c.conn, false);
    em_listener_close(s.l);
}
END_TEST

START_TEST(closing_is_polite_or_a_reset)
{
    struct server s = { 0 };
    struct client c = { 0 };

    start_server(&s, EM_TRANSPORT_TCP, "127.0.0.1");
    open_client(&c, EM_TRANSPORT_TCP, &s.at);
    em_conn_send(c.conn, "x", 1);
    run_until(&c.got);
    em_conn_close(c.conn, _i == 1);
    run_until(&s.ended);
    em_conn_close(s.peer, false);
    em_listener_close(s.l);
}
END_TEST

START_TEST(tcp_refused_by_reset)
{
    struct em_addr to;
    struct client c = { .close_in_callback = true };

    if (missing(_i))
        return;
    to = dead_end(EM_TRANSPORT_TCP, loopbacks[_i]);
    open_client(&c, EM_TRANSPORT_TCP, &to);
    run_until(&c.failed);
    ck_assert_int_eq(c.error.kind, EM_NET_REFUSED_RST);
    ck_assert_uint_eq(c.error.offender.len, 0);
}
END_TEST

START_TEST(udp_talks)
{
    struct server s = { 0 };
    struct client c = { .close_in_callback = true };

    if (missing(_i))
        return;
    start_server(&s, EM_TRANSPORT_UDP, loopbacks[_i]);
    open_client(&c, EM_TRANSPORT_UDP, &s.at);
    em_conn_send(c.conn, "hello", 5);
    run_until(&c.got);
    ck_assert_int_eq(memcmp(c.bytes, "hello", 5), 0);
    em_listener_close(s.l);
}
END_TEST

START_TEST(udp_unconnected_hears_everybody)
{
    struct server one = { 0 }, two = { 0 };
    struct client c = { 0 };
    struct em_open how = { .transport = EM_TRANSPORT_UDP, .unconnected = true };

    start_server(&one, EM_TRANSPORT_UDP, "127.0.0.1");
    start_server(&two, EM_TRANSPORT_UDP, "127.0.0.1");
    how.remote = one.at;
    c.conn = em_net_open(net, &how, &client_events, &c);
    em_conn_send_to(c.conn, "b", 1, &two.at);
    run_until(&c.got);
    c.got = false;
    em_conn_send(c.conn, "a", 1);
    run_until(&c.got);
    ck_assert_int_eq(memcmp(c.bytes, "ba", 2), 0);
    em_conn_close(c.conn, false);
    em_listener_close(one.l);
    em_listener_close(two.l);
}
END_TEST

/* Both ways to use the socket, both families: the kernel's queue tells who said it. */
START_TEST(udp_port_unreachable)
{
    struct em_addr offender = at(loopbacks[_i / 2], 0);
    struct client c = { 0 };
    struct em_open how = { .transport = EM_TRANSPORT_UDP, .unconnected = _i % 2 };

    if (missing(_i / 2))
        return;
    how.remote = dead_end(EM_TRANSPORT_UDP, loopbacks[_i / 2]);
    c.conn = em_net_open(net, &how, &client_events, &c);
    em_conn_send(c.conn, "a", 1);
    run_until(&c.failed);
    ck_assert_int_eq(c.error.kind, EM_NET_ICMP_PORT);
    c.error.offender.u.v4.sin_port = 0;
    ck_assert(em_addr_eq(&c.error.offender, &offender));
    c.failed = false;
    em_conn_send(c.conn, "a", 1); /* and goes on */
    run_until(&c.failed);
    em_conn_close(c.conn, false);
}
END_TEST

/* One connection holds the only port of its range: another to the same place finds none. */
/* The first of two ports side by side that nobody has. Below the ports that the system gives to whoever asks for any, so that no other
 * program on this machine takes one meanwhile. */
static uint16_t free_pair(enum em_transport transport)
{
    enum { FIRST = 20000, PAIRS = 5000 };
    unsigned start = (unsigned)getpid() % PAIRS;

    for (unsigned i = 0; i < PAIRS; i++) {
        uint16_t port = (uint16_t)(FIRST + 2 * ((start + i) % PAIRS));
        struct em_addr one = at("127.0.0.1", port), two = at("127.0.0.1", (uint16_t)(port + 1));
        struct em_listener *a = em_net_listen(net, transport, &one, &server_events, NULL, NULL),
                           *b = em_net_listen(net, transport, &two, &server_events, NULL, NULL);
        bool both = a && b;

        em_listener_close(a);
        em_listener_close(b);
        if (both)
            return port;
    }
    ck_abort_msg("no two free ports side by side");
    return 0;
}

START_TEST(source_ports_are_from_the_range)
{
    enum em_transport transport = _i ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP;
    struct server s = { 0 };
    struct client one = { 0 }, two = { 0 };
    struct em_addr local;
    uint16_t port = free_pair(transport);
    struct em_open how = { .transport = transport, .source_ports = { port, port } };

    start_server(&s, transport, "127.0.0.1");
    how.remote = s.at;
    one.conn = em_net_open(net, &how, &client_events, &one);
    em_conn_local(one.conn, &local);
    ck_assert_uint_eq(em_addr_port(&local), port);
    two.conn = em_net_open(net, &how, &client_events, &two);
    run_until(&two.failed);
    ck_assert_int_eq(two.error.kind, EM_NET_LOCAL);
    em_conn_close(two.conn, true);
    two = (struct client) { 0 };
    how.source_ports.last++; /* one more */
    two.conn = em_net_open(net, &how, &client_events, &two);
    em_conn_send(two.conn, "x", 1);
    em_conn_local(two.conn, &local);
    ck_assert_uint_eq(em_addr_port(&local), port + 1);
    em_conn_close(one.conn, true);
    em_conn_close(two.conn, true);
    em_conn_close(s.peer, true);
    em_listener_close(s.l);
}
END_TEST

START_TEST(no_descriptors_is_a_local_error)
{
    struct em_addr to = at("127.0.0.1", 9);
    struct rlimit old, none = { 3, 3 };
    struct client c = { 0 };
    struct timeval now = { 0, 0 };

    event_base_loopexit(base, &now);
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none.rlim_max = old.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    open_client(&c, _i ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP, &to);
    em_conn_send(c.conn, "x", 1);
    run_until(&c.failed);
    ck_assert_int_eq(c.error.kind, EM_NET_LOCAL);
    ck_assert_int_eq(c.error.error, EMFILE);
    em_conn_close(c.conn, false);
    setrlimit(RLIMIT_NOFILE, &old);
}
END_TEST

START_TEST(a_full_queue_is_an_error)
{
    static uint8_t much[EM_CONN_QUEUE_MAX + 1];
    struct server s = { 0 };
    struct client c = { 0 };

    start_server(&s, EM_TRANSPORT_TCP, "127.0.0.1");
    open_client(&c, EM_TRANSPORT_TCP, &s.at);
    em_conn_send(c.conn, much, EM_CONN_QUEUE_MAX);
    em_conn_send(c.conn, much, 1);
    run_until(&c.failed);
    ck_assert_int_eq(c.error.kind, EM_NET_LOCAL);
    ck_assert_int_eq(c.error.error, ENOBUFS);
    em_conn_close(c.conn, true);
    em_listener_close(s.l);
    em_conn_close(s.peer, true);
}
END_TEST

START_TEST(listening_twice_is_explained)
{
    struct server s = { 0 };
    struct em_why why;

    start_server(&s, _i ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP, "127.0.0.1");
    ck_assert_ptr_null(
        em_net_listen(net, _i ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP, &s.at, &server_events, &s, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "cannot listen on"));
    ck_assert_ptr_nonnull(strstr(why.text, "in use"));
    em_listener_close(s.l);
}
END_TEST

START_TEST(a_source_port_is_no_free_port)
{
    enum em_transport transport = _i ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP;
    struct server s = { 0 };
    struct client c = { 0 };
    struct em_addr local;
    struct em_why why;

    start_server(&s, transport, "127.0.0.1");
    open_client(&c, transport, &s.at);
    em_conn_local(c.conn, &local);
    ck_assert_ptr_null(em_net_listen(net, transport, &local, &server_events, &s, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "it was the source port of a connection from this machine"));
    ck_assert_ptr_nonnull(strstr(why.text, "ip_local_reserved_ports="));
    em_conn_close(c.conn, true);
    em_listener_close(s.l);
}
END_TEST

struct found {
    bool done;
    size_t n, v4, v6;
    char failure[EM_REASON_MAX];
    int64_t at;
};

static void on_found(void *arg, const struct em_addr *addrs, size_t n, const char *failure)
{
    struct found *f = arg;

    f->done = true;
    f->n = n;
    f->at = em_mono_us(&em_clock_system);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(em_addr_port(&addrs[i]), 3478);
        if (addrs[i].u.any.sa_family == AF_INET6)
            f->v6++;
        else
            f->v4++;
    }
    if (failure)
        snprintf(f->failure, sizeof f->failure, "%s", failure);
}

START_TEST(names_resolve)
{
    static const struct {
        const char *name;
        size_t least;
    } rows[] = { { "127.0.0.1", 1 }, { "::1", 1 }, { "localhost", 1 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct found f = { 0 };

        ck_assert_ptr_nonnull(em_net_resolve(net, rows[i].name, 3478, EM_US_PER_S, on_found, &f));
        ck_assert(!f.done);
        run_until(&f.done);
        ck_assert_msg(f.n >= rows[i].least, "%s: %s", rows[i].name, f.failure);
    }
}
END_TEST

/* A name server of three names: "both." has two IPv4 addresses and one IPv6, "gone." does not exist, the others are never answered. */
static void answer_dns(void *arg, struct em_listener *l, const uint8_t *p, size_t n,
                       const struct em_addr *from)
{
    static const uint8_t v4[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1 };
    static const uint8_t v6[] = { 0xc0, 12,   0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0x20, 1,
                                  0xd,  0xb8, 0, 0,  0, 0, 0, 0, 0, 0,  0, 0,  0,    1 };
    uint8_t out[512];
    bool want_v4 = n > 22 && p[19] == 1;

    (void)arg;
    if (n < 12 + 6 + 4 || n > 100 || (memcmp(p + 12, "\4both", 6) != 0 && memcmp(p + 12, "\4gone", 6) != 0))
        return;
    n = 12 + 6 + 4; /* without what may follow the question */
    memcpy(out, p, n);
    memcpy(out + 2, (const uint8_t[]) { 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0 }, 10);
    want_v4 = p[12 + 6 + 1] == 1;
    if (memcmp(p + 12, "\4gone", 6) == 0) {
        out[3] |= 3;
    } else if (want_v4) {
        out[7] = 2;
        for (int i = 0; i < 2; i++, n += sizeof v4) {
            memcpy(out + n, v4, sizeof v4);
            out[n + sizeof v4 - 1] = (uint8_t)(i + 1);
        }
    } else {
        out[7] = 1;
        memcpy(out + n, v6, sizeof v6);
        n += sizeof v6;
    }
    em_listener_send_to(l, out, n, from);
}

static const struct em_listen_events dns_events = { NULL, answer_dns };

START_TEST(names_are_asked_for)
{
    static const struct {
        const char *name;
        size_t v4, v6;
        int64_t timeout_us;
    } rows[] = {
        { "both.", 2, 1, PATIENCE_S * EM_US_PER_S },
        { "gone.", 0, 0, PATIENCE_S * EM_US_PER_S },
        { "dead.", 0, 0, 300 * EM_US_PER_MS },
    };
    struct em_addr any = at("127.0.0.1", 0), server;
    struct em_listener *l = em_net_listen(net, EM_TRANSPORT_UDP, &any, &dns_events, NULL, NULL);
    struct found f = { 0 }, never = { 0 };
    int64_t start = em_mono_us(&em_clock_system);
    char text[EM_ENDPOINT_MAX];

    em_listener_local(l, &server);
    em_addr_endpoint(&server, text);
    em_net_event_set_servers(net, text);
    em_lookup_cancel(em_net_resolve(net, "both.", 3478, EM_US_PER_S, on_found, &never));
    em_lookup_cancel(
        em_net_resolve(net, "::1", 3478, EM_US_PER_S, on_found, &never)); /* known, not told yet */
    ck_assert_ptr_nonnull(em_net_resolve(net, rows[_i].name, 3478, rows[_i].timeout_us, on_found, &f));
    run_until(&f.done);
    ck_assert_uint_eq(f.v4, rows[_i].v4);
    ck_assert_uint_eq(f.v6, rows[_i].v6);
    ck_assert((f.n == 0) == (f.failure[0] != '\0'));
    ck_assert_int_le(f.at - start, 400 * EM_US_PER_MS);
    ck_assert(!never.done);
    em_listener_close(l);
}
END_TEST

struct alarm {
    struct em_timer *t;
    int64_t fired;
    bool done;
    int count;
};

static void on_alarm(void *arg)
{
    struct alarm *a = arg;

    a->fired = em_mono_us(em_net_clock(net));
    a->done = true;
    a->count++;
}

START_TEST(timers_are_never_early)
{
    struct alarm a = { 0 }, stopped = { 0 };
    int64_t now;

    a.t = em_timer_new(net, on_alarm, &a);
    stopped.t = em_timer_new(net, on_alarm, &stopped);
    em_timer_at(stopped.t, em_mono_us(&em_clock_system) + 1000);
    em_timer_stop(stopped.t);
    for (int i = 0; i < 20; i++) {
        a.done = false;
        now = em_mono_us(&em_clock_system);
        em_timer_at(a.t, now + i * 1700);
        run_until(&a.done);
        ck_assert_int_ge(a.fired, now + i * 1700);
        ck_assert_int_le(a.fired, now + i * 1700 + 100 * EM_US_PER_MS);
    }
    em_timer_at(a.t, em_mono_us(&em_clock_system) + EM_US_PER_S);
    em_timer_at(a.t, em_mono_us(&em_clock_system) - 5); /* moved, and past already: soon */
    a.done = false;
    run_until(&a.done);
    ck_assert_int_eq(a.count, 21);
    ck_assert_int_eq(stopped.count, 0);
    em_timer_free(a.t);
    em_timer_free(stopped.t);
}
END_TEST

struct piped {
    int fds[2];
    struct em_watch *w;
    bool done;
};

static void on_piped(void *arg)
{
    struct piped *p = arg;
    char c;

    ck_assert_int_eq(read(p->fds[0], &c, 1), 1);
    p->done = true;
    em_watch_free(p->w);
}

START_TEST(descriptors_are_watched)
{
    struct piped p = { 0 };

    ck_assert_int_eq(pipe(p.fds), 0);
    p.w = em_net_watch(net, p.fds[0], on_piped, &p);
    ck_assert_ptr_nonnull(p.w);
    ck_assert_int_eq(write(p.fds[1], "xy", 2), 2);
    run_until(&p.done);
    close(p.fds[0]);
    close(p.fds[1]);
}
END_TEST

int main(void)
{
    TCase *t = em_case("net");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, addresses_are_read_and_written);
    tcase_add_test(t, addresses_are_compared);
    tcase_add_test(t, icmp_messages_have_their_kind);
    tcase_add_loop_test(t, tcp_talks_and_tells, 0, 2);
    tcase_add_loop_test(t, tcp_reset_after_the_handshake, 0, 2);
    tcase_add_loop_test(t, closing_is_polite_or_a_reset, 0, 2);
    tcase_add_loop_test(t, tcp_refused_by_reset, 0, 2);
    tcase_add_loop_test(t, udp_talks, 0, 2);
    tcase_add_test(t, udp_unconnected_hears_everybody);
    tcase_add_loop_test(t, udp_port_unreachable, 0, 4);
    tcase_add_loop_test(t, source_ports_are_from_the_range, 0, 2);
    tcase_add_loop_test(t, no_descriptors_is_a_local_error, 0, 2);
    tcase_add_test(t, a_full_queue_is_an_error);
    tcase_add_loop_test(t, listening_twice_is_explained, 0, 2);
    tcase_add_loop_test(t, a_source_port_is_no_free_port, 0, 2);
    tcase_add_test(t, names_resolve);
    tcase_add_loop_test(t, names_are_asked_for, 0, 3);
    tcase_add_test(t, timers_are_never_early);
    tcase_add_test(t, descriptors_are_watched);
    return em_run();
}
