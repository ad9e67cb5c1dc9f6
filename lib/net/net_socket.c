/* SPDX-License-Identifier: GPL-3.0-or-later
 * Sockets as this project wants them: non-blocking, close-on-exec, with ICMP errors told, bound into a range of source ports. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/opt.h"
#include "net/net_event.h"

struct em_addr em_addr_of(const struct sockaddr_storage *s, socklen_t len)
{
    struct em_addr a = { 0 };

    if (s->ss_family == AF_INET && len >= sizeof a.u.v4) {
        memcpy(&a.u.v4, s, sizeof a.u.v4);
        a.len = sizeof a.u.v4;
    } else if (s->ss_family == AF_INET6 && len >= sizeof a.u.v6) {
        memcpy(&a.u.v6, s, sizeof a.u.v6);
        a.len = sizeof a.u.v6;
    }
    return a;
}

bool em_socket_local(int fd, struct em_addr *a)
{
    struct sockaddr_storage s = { 0 };
    socklen_t len = sizeof s;

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&s, &len) != 0)
        return false;
    *a = em_addr_of(&s, len);
    return a->len != 0;
}

static bool set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/* Both options take -1 for the system's own. */
bool em_socket_ttl(int fd, bool v6, uint8_t ttl)
{
    int value = ttl ? ttl : -1;

    return v6 ? set(fd, SOL_IPV6, IPV6_UNICAST_HOPS, value) : set(fd, SOL_IP, IP_TTL, value);
}

static bool set_options(int fd, const struct em_open *how)
{
    bool v6 = how->remote.u.any.sa_family == AF_INET6, tcp = how->transport == EM_TRANSPORT_TCP;

    if (v6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
        return false;
    if (!(v6 ? set(fd, SOL_IPV6, IPV6_RECVERR, 1) : set(fd, SOL_IP, IP_RECVERR, 1)))
        return false;
    if (how->ttl && !em_socket_ttl(fd, v6, how->ttl))
        return false;
    return !tcp || set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/* The address to bind to: what the caller asked for, or any of the remote's family. */
static struct em_addr local_of(const struct em_open *how)
{
    struct em_addr a = how->local;

    if (a.len == 0) {
        a.len = how->remote.len;
        a.u.any.sa_family = how->remote.u.any.sa_family;
    }
    return a;
}

/* The i-th port to try: the range is walked around from a random start, so that repeated probes do not fall on the same state of a
 * firewall. */
static uint16_t range_port(struct em_port_range r, uint32_t start, uint32_t i)
{
    uint32_t n = 1u + r.last - r.first;

    return (uint16_t)(r.first + (start + i) % n);
}

static uint32_t range_tries(struct em_port_range r)
{
    uint32_t n = 1u + r.last - r.first;

    return n < EM_SOURCE_PORT_TRIES ? n : EM_SOURCE_PORT_TRIES;
}

/* Binds to port number `try` of the range and later ones. *try is the one that was taken. */
static int bind_range(int fd, const struct em_open *how, uint32_t start, uint32_t *try)
{
    struct em_addr at = local_of(how);

    for (; *try < range_tries(how->source_ports); ++*try) {
        em_addr_set_port(&at, range_port(how->source_ports, start, *try));
        if (bind(fd, &at.u.any, at.len) == 0)
            return 0;
        if (errno != EADDRINUSE)
            return errno;
    }
    return EADDRINUSE;
}

static int open_bound(const struct em_open *how, uint32_t start, uint32_t *try, int *fd)
{
    bool tcp = how->transport == EM_TRANSPORT_TCP;
    int type = (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, error = 0;
    int s = socket(how->remote.u.any.sa_family, type, 0);

    if (s < 0)
        return errno;
    if (!set_options(s, how)) {
        error = errno;
    } else if (how->source_ports.first) {
        /* Ports in TIME_WAIT may be used again by TCP. UDP sockets that share a port would take each other's answers. */
        if (tcp && !set(s, SOL_SOCKET, SO_REUSEADDR, 1))
            error = errno;
        else
            error = bind_range(s, how, start, try);
    } else if (how->local.len && bind(s, &how->local.u.any, how->local.len) != 0) {
        error = errno;
    }
    if (error)
        close(s);
    else
        *fd = s;
    return error;
}

static uint32_t random_start(const struct em_open *how, const struct em_clock *clock)
{
    return how->source_ports.first
               ? em_random_below(clock, 1u + how->source_ports.last - how->source_ports.first)
               : 0;
}

int em_socket_open(const struct em_open *how, const struct em_clock *clock, int *fd)
{
    uint32_t try = 0;

    return open_bound(how, random_start(how, clock), &try, fd);
}

/* Opens and connects. EADDRNOTAVAIL from connect means that this very pair of endpoints is still in use (TIME_WAIT, or another probe):
 * the next port of the range may do, on a new socket. */
int em_socket_connect(const struct em_open *how, const struct em_clock *clock, int *fd)
{
    uint32_t start = random_start(how, clock), try = 0;

    for (;;) {
        int s = -1, error = open_bound(how, start, &try, &s);

        if (error)
            return error;
        if (connect(s, &how->remote.u.any, how->remote.len) == 0 || errno == EINPROGRESS) {
            *fd = s;
            return 0;
        }
        error = errno;
        if (error == ECONNREFUSED && how->transport == EM_TRANSPORT_TCP) {
            *fd = s; /* refused at once: its error queue may still tell who did it */
            return error;
        }
        close(s);
        if (error != EADDRNOTAVAIL || !how->source_ports.first || ++try >= range_tries(how->source_ports))
            return error;
    }
}

struct em_port_range em_socket_usual_ports(void)
{
    static const char path[] = "/proc/sys/net/ipv4/ip_local_port_range";
    struct em_port_range usual = { 32768, 60999 }, r = usual;
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    if (fd >= 0)
        close(fd);
    for (char *c = text; n > 0 && *c; c++)
        *c = (char)(*c == '\t' ? '-' : *c == '\n' ? '\0' : *c);
    return n > 0 && em_read_ports(text, &r) ? r : usual;
}

int em_socket_listen(enum em_transport transport, const struct em_addr *at, int *fd)
{
    bool tcp = transport == EM_TRANSPORT_TCP;
    int s = socket(at->u.any.sa_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;

    if (s < 0)
        return errno;
    if ((at->u.any.sa_family == AF_INET6 && !set(s, IPPROTO_IPV6, IPV6_V6ONLY, 1)) ||
        (tcp && !set(s, SOL_SOCKET, SO_REUSEADDR, 1)) || bind(s, &at->u.any, at->len) != 0 ||
        (tcp && listen(s, SOMAXCONN) != 0)) {
        error = errno;
        close(s);
    } else {
        *fd = s;
    }
    return error;
}
