/* SPDX-License-Identifier: GPL-3.0-or-later
 * How fast probes are, one after the other, beside a bare loop that knows nothing but the exchange: a new socket, send, wait, receive, and the same
 * messages made and read by the same functions. Both in turn.
 *
 *     probe_rate ours|bare COUNT stun:127.0.0.1:PORT            prints the median in microseconds
 *     probe_rate ours|bare COUNT turn:127.0.0.1:PORT SECRET     prints allocations in a second (made and given back) */
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net.h"
#include "probe/probe.h"
#include "wire/stun_auth.h"
#include "wire/turn.h"

enum {
    COUNT_MAX = 100000,
    WAIT_MS = 5000,
    MESSAGE_MAX = 2048,
    FIRST_PORT = 10000,
    LAST_PORT = 60000,
    PORTS_EACH = 4
};

static int64_t took[COUNT_MAX];
static int64_t count;
static struct em_probe_uri uri;
static const char *secret;

static int64_t now_us(void)
{
    return em_mono_us(&em_clock_system);
}

/* Each allocation from another port: a server remembers the last one of a port for a while and refuses the next (437). */
static struct em_port_range next_ports(int64_t i)
{
    uint16_t first = (uint16_t)(FIRST_PORT + (getpid() * count + i) * PORTS_EACH % (LAST_PORT - FIRST_PORT));

    return (struct em_port_range) { first, (uint16_t)(first + PORTS_EACH - 1) };
}

static void die(const char *what)
{
    fprintf(stderr, "probe_rate: %s\n", what);
    exit(1);
}

/* --- ours ------------------------------------------------------------------------------------------------------------- */

static void on_result(void *arg, const struct em_probe_result *r)
{
    (void)arg;
    if (!em_verdict_up(r->verdict) || (secret && !r->relayed_address[0]))
        die(r->reason);
}

static void on_done(void *arg)
{
    event_base_loopbreak(arg);
}

static void run_ours(void)
{
    static const struct em_probe_events events = { on_result, on_done };
    struct em_probe_options options = { .timeout_us = WAIT_MS * EM_US_PER_MS };
    struct event_base *base = event_base_new();
    struct em_why why = { "" };
    struct em_net *net = base ? em_net_event_new(base, &why) : NULL;

    if (!net)
        die(why.text);
    if (secret)
        snprintf(options.secret, sizeof options.secret, "%s", secret);
    for (int64_t i = 0; i < count; i++) {
        int64_t start = now_us();

        if (secret)
            options.source_ports = next_ports(i);
        if (!em_probe_start(net, &uri, &options, &events, base) || event_base_dispatch(base) < 0)
            die("no probe");
        took[i] = now_us() - start;
    }
    em_net_free(net);
    event_base_free(base);
}

/* --- bare ------------------------------------------------------------------------------------------------------------- */

static void ask(int fd, struct buf *b, struct stun_msg *m, uint8_t room[MESSAGE_MAX])
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    ssize_t n;

    stun_put_fingerprint(b);
    if (send(fd, b->p, b->n, 0) < 0 || poll(&wait, 1, WAIT_MS) != 1 ||
        (n = recv(fd, room, MESSAGE_MAX, 0)) < 0 || stun_parse(room, (size_t)n, m) != 0)
        die("no answer to the bare loop");
}

static void begin(struct buf *b, uint8_t *room, uint16_t method)
{
    uint8_t tid[STUN_TID_SIZE];

    *b = buf_over(room, MESSAGE_MAX);
    em_random(&em_clock_system, tid, sizeof tid);
    stun_begin(b, method, STUN_REQUEST, tid);
    stun_put_text(b, STUN_ATTR_SOFTWARE, SLICE("edgemedia"));
}

static void bare_allocation(int fd)
{
    const struct turn_allocate how = { .relay = TURN_RELAY_UDP };
    char user[64], password[64];
    uint8_t request[MESSAGE_MAX], answer[MESSAGE_MAX];
    struct stun_auth auth;
    struct stun_msg m;
    struct buf b;
    int64_t expiry_s = em_wall_us(&em_clock_system) / EM_US_PER_S + 3600;

    if (!stun_rest_credentials(secret, expiry_s, "", user, sizeof user, password, sizeof password) ||
        !stun_auth_init(&auth, user, password))
        die("no credentials");
    for (int i = 0; i < 3; i++) {
        begin(&b, request, i < 2 ? STUN_ALLOCATE : STUN_REFRESH);
        if (i == 2)
            turn_put_refresh(&b, 0);
        else if (!turn_put_allocate(&b, &how))
            die("no request");
        stun_auth_sign(&auth, &b);
        ask(fd, &b, &m, answer);
        if (stun_auth_answer(&auth, &m) != (i ? STUN_AUTH_SUCCESS : STUN_AUTH_RETRY))
            die("not the answer that was expected");
    }
    stun_auth_fini(&auth);
}

static void bare_binding(int fd)
{
    uint8_t request[MESSAGE_MAX], answer[MESSAGE_MAX];
    struct stun_msg m;
    struct buf b;

    begin(&b, request, STUN_BINDING);
    ask(fd, &b, &m, answer);
    if (m.class != STUN_SUCCESS)
        die("an error");
}

static void bind_next(int fd, const struct em_addr *to, int64_t i)
{
    struct em_port_range ports = next_ports(i);
    struct em_addr at = *to;

    while (ports.first <= ports.last) {
        em_addr_set_port(&at, ports.first++);
        if (bind(fd, &at.u.any, at.len) == 0)
            return;
    }
    die("no free port");
}

static void run_bare(void)
{
    struct em_addr to;

    if (!em_addr_read(uri.host, uri.port, &to))
        die("an address is needed");
    for (int64_t i = 0; i < count; i++) {
        int64_t start = now_us();
        int fd = socket(to.u.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd >= 0 && secret)
            bind_next(fd, &to, i);
        if (fd < 0 || connect(fd, &to.u.any, to.len) != 0)
            die("no socket");
        if (secret)
            bare_allocation(fd);
        else
            bare_binding(fd);
        close(fd);
        took[i] = now_us() - start;
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct em_why why = { "" };
    int64_t start;

    if (argc < 4 || (count = strtol(argv[2], NULL, 10)) < 1 || count > COUNT_MAX)
        die("usage: probe_rate ours|bare COUNT URI [SECRET]");
    if (em_probe_uri_read(argv[3], &uri, &why) < 0)
        die(why.text);
    secret = argv[4];
    start = now_us();
    if (strcmp(argv[1], "bare") == 0)
        run_bare();
    else
        run_ours();
    start = now_us() - start;
    qsort(took, (size_t)count, sizeof *took, by_size);
    printf("%.1f\n", secret ? (double)count * 1e6 / (double)start : (double)took[count / 2]);
    return 0;
}
