/* SPDX-License-Identifier: GPL-3.0-or-later
 * The tables that give ICMP codes and errno values their kind and their words. */
#include "net/net_errors.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>

enum { ANY_CODE = 256 };

struct icmp_row {
    uint8_t origin, type;
    uint16_t code; /* ANY_CODE: every code of the type that has no row of its own before it */
    enum em_net_error_kind kind;
    const char *phrase;
};

/* RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3. A protocol unreachable comes from a filter: every host has UDP and TCP. */
static const struct icmp_row icmp_rows[] = {
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 0, EM_NET_ICMP_UNREACHABLE, "network unreachable" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 1, EM_NET_ICMP_UNREACHABLE, "host unreachable" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 2, EM_NET_ICMP_PROHIBITED, "protocol unreachable" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 3, EM_NET_ICMP_PORT, "port unreachable" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 4, EM_NET_ICMP_TOO_BIG, "fragmentation needed" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 9, EM_NET_ICMP_PROHIBITED,
      "network administratively prohibited" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 10, EM_NET_ICMP_PROHIBITED, "host administratively prohibited" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 13, EM_NET_ICMP_PROHIBITED,
      "communication administratively prohibited" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 14, EM_NET_ICMP_PROHIBITED, "host precedence violation" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, 15, EM_NET_ICMP_PROHIBITED, "precedence cutoff" },
    { SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, ANY_CODE, EM_NET_ICMP_UNREACHABLE, "destination unreachable" },
    { SO_EE_ORIGIN_ICMP, ICMP_TIME_EXCEEDED, ANY_CODE, EM_NET_ICMP_TTL, "time to live exceeded" },
    { SO_EE_ORIGIN_ICMP, ICMP_PARAMETERPROB, ANY_CODE, EM_NET_ICMP_UNREACHABLE, "parameter problem" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH, 0, EM_NET_ICMP_UNREACHABLE, "no route" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH, 1, EM_NET_ICMP_PROHIBITED, "administratively prohibited" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH, 3, EM_NET_ICMP_UNREACHABLE, "address unreachable" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH, 4, EM_NET_ICMP_PORT, "port unreachable" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH, 5, EM_NET_ICMP_PROHIBITED, "source address refused by policy" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH, 6, EM_NET_ICMP_PROHIBITED, "route rejected" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH, ANY_CODE, EM_NET_ICMP_UNREACHABLE, "destination unreachable" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_PACKET_TOO_BIG, ANY_CODE, EM_NET_ICMP_TOO_BIG, "packet too big" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_TIME_EXCEEDED, ANY_CODE, EM_NET_ICMP_TTL, "hop limit exceeded" },
    { SO_EE_ORIGIN_ICMP6, ICMP6_PARAM_PROB, ANY_CODE, EM_NET_ICMP_UNREACHABLE, "parameter problem" },
};

static const struct icmp_row *icmp_row(unsigned origin, unsigned type, unsigned code)
{
    for (size_t i = 0; i < sizeof icmp_rows / sizeof *icmp_rows; i++) {
        const struct icmp_row *r = &icmp_rows[i];

        if (r->origin == origin && r->type == type && (r->code == code || r->code == ANY_CODE))
            return r;
    }
    return NULL;
}

/* The offender's address stands behind the extended error (SO_EE_OFFENDER); family 0 = not known. */
static struct em_addr offender_of(const struct sock_extended_err *s, size_t n)
{
    const uint8_t *at = (const uint8_t *)s + sizeof *s;
    struct em_addr a = { 0 };
    sa_family_t family = AF_UNSPEC;

    if (n >= sizeof *s + sizeof family)
        memcpy(&family, at, sizeof family);
    if (family == AF_INET && n >= sizeof *s + sizeof a.u.v4) {
        memcpy(&a.u.v4, at, sizeof a.u.v4);
        a.len = sizeof a.u.v4;
    } else if (family == AF_INET6 && n >= sizeof *s + sizeof a.u.v6) {
        memcpy(&a.u.v6, at, sizeof a.u.v6);
        a.len = sizeof a.u.v6;
    }
    return a;
}

bool em_errqueue_read(const struct sock_extended_err *s, size_t n, struct em_net_error *e)
{
    const struct icmp_row *row;
    struct em_net_error v = { 0 };

    if (n < sizeof *s)
        return false;
    v.error = (int)s->ee_errno;
    if (s->ee_origin == SO_EE_ORIGIN_LOCAL) {
        v.kind = v.error == EMSGSIZE ? EM_NET_ICMP_TOO_BIG : EM_NET_LOCAL;
        v.mtu = v.error == EMSGSIZE ? s->ee_info : 0;
        *e = v;
        return true;
    }
    row = icmp_row(s->ee_origin, s->ee_type, s->ee_code);
    if (!row)
        return false;
    v.kind = row->kind;
    v.icmp_type = s->ee_type;
    v.icmp_code = s->ee_code;
    v.mtu = row->kind == EM_NET_ICMP_TOO_BIG ? s->ee_info : 0;
    v.offender = offender_of(s, n);
    *e = v;
    return true;
}

bool em_errqueue_next(int fd, struct em_net_error *e)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[512];
    } control;
    uint8_t payload[1]; /* the packet that failed: not looked at */
    struct iovec iov = { payload, sizeof payload };

    for (;;) {
        struct msghdr m = { .msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };

        if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            bool ours = (c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
                        (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR);

            if (ours && em_errqueue_read((const void *)CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0), e))
                return true;
        }
    }
}

struct em_net_error em_errno_error(int error, enum em_phase phase)
{
    static const struct {
        int error;
        enum em_phase phase;
        enum em_net_error_kind kind;
    } rows[] = {
        { ECONNREFUSED, EM_PHASE_OPEN, EM_NET_REFUSED_RST }, /* loopback answers within connect(2) */
        { ECONNREFUSED, EM_PHASE_CONNECTING, EM_NET_REFUSED_RST },
        { ECONNRESET, EM_PHASE_CONNECTING, EM_NET_REFUSED_RST },
        { ECONNRESET, EM_PHASE_CONNECTED, EM_NET_RESET },
        { EPIPE, EM_PHASE_CONNECTED, EM_NET_RESET },
        { ECONNREFUSED, EM_PHASE_CONNECTED, EM_NET_ICMP_PORT },
        { ETIMEDOUT, EM_PHASE_CONNECTING, EM_NET_TIMED_OUT },
        { ETIMEDOUT, EM_PHASE_CONNECTED, EM_NET_TIMED_OUT },
        { EHOSTUNREACH, EM_PHASE_CONNECTING,
          EM_NET_ICMP_UNREACHABLE }, /* kernels before 5.8 queue nothing for TCP */
        { ENETUNREACH, EM_PHASE_CONNECTING, EM_NET_ICMP_UNREACHABLE },
        { EHOSTUNREACH, EM_PHASE_CONNECTED, EM_NET_ICMP_UNREACHABLE },
        { ENETUNREACH, EM_PHASE_CONNECTED, EM_NET_ICMP_UNREACHABLE },
        { EACCES, EM_PHASE_CONNECTING, EM_NET_ICMP_PROHIBITED },
        { EACCES, EM_PHASE_CONNECTED, EM_NET_ICMP_PROHIBITED },
        { ENOPROTOOPT, EM_PHASE_CONNECTING, EM_NET_ICMP_PROHIBITED },
        { ENOPROTOOPT, EM_PHASE_CONNECTED, EM_NET_ICMP_PROHIBITED },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].error == error && rows[i].phase == phase)
            return (struct em_net_error) { .kind = rows[i].kind, .error = error };
    return (struct em_net_error) { .kind = EM_NET_LOCAL, .error = error };
}

static void icmp_text(const struct em_net_error *e, char *to, size_t size)
{
    char from[EM_ADDRESS_MAX], who[EM_ADDRESS_MAX + 8] = "";
    const struct icmp_row *row = icmp_row(SO_EE_ORIGIN_ICMP, e->icmp_type, e->icmp_code);
    bool v6 = e->offender.u.any.sa_family == AF_INET6;

    if (v6)
        row = icmp_row(SO_EE_ORIGIN_ICMP6, e->icmp_type, e->icmp_code);
    em_addr_text(&e->offender, from);
    if (from[0])
        snprintf(who, sizeof who, " from %s", from);
    if (e->mtu)
        snprintf(to, size, "%s %s (MTU %u)%s", v6 ? "ICMPv6" : "ICMP", row ? row->phrase : "error", e->mtu,
                 who);
    else
        snprintf(to, size, "%s %s%s", v6 ? "ICMPv6" : "ICMP", row ? row->phrase : "error", who);
}

void em_net_error_text(const struct em_net_error *e, char *to, size_t size)
{
    static const char *const words[] = {
        [EM_NET_REFUSED_RST] = "connection refused by a TCP reset",
        [EM_NET_RESET] = "connection reset",
        [EM_NET_ICMP_PORT] = "port unreachable",
        [EM_NET_ICMP_PROHIBITED] = "prohibited",
        [EM_NET_ICMP_UNREACHABLE] = "host or network unreachable",
        [EM_NET_ICMP_TTL] = "time to live exceeded",
        [EM_NET_ICMP_TOO_BIG] = "packet too big",
        [EM_NET_TIMED_OUT] = "the kernel gave up",
        [EM_NET_TLS] = "no TLS",
    };
    char buffer[128];

    if (e->kind == EM_NET_LOCAL)
        snprintf(to, size, "this machine: %s", strerror_r(e->error, buffer, sizeof buffer));
    else if (e->icmp_type != 0 || e->offender.len != 0)
        icmp_text(e, to, size);
    else
        snprintf(to, size, "%s",
                 e->kind >= 1 && (size_t)e->kind < sizeof words / sizeof *words ? words[e->kind]
                                                                                : "unknown error");
}
