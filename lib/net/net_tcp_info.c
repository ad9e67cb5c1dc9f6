/* SPDX-License-Identifier: GPL-3.0-or-later
 * TCP_INFO, read with the length that the running kernel really gives: fields that an older one does not have stay unknown. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "net/net_event.h"

enum { STATE_ESTABLISHED = 1 };

#define HAS(len, member) ((len) >= offsetof(struct tcp_info, member) + sizeof(((struct tcp_info *)0)->member))

static bool ask(int fd, struct tcp_info *t, size_t *len)
{
    socklen_t n = sizeof *t;

    memset(t, 0, sizeof *t);
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, t, &n) != 0)
        return false;
    *len = n;
    return true;
}

bool em_tcp_established(int fd)
{
    struct tcp_info t;
    size_t len;

    return ask(fd, &t, &len) && t.tcpi_state == STATE_ESTABLISHED;
}

/* bytes_acked counts the SYN as one byte (RFC 4898 counts octets; Linux counts sequence numbers). */
void em_tcp_info_read(int fd, struct em_tcp_info *info)
{
    struct tcp_info t;
    size_t len;

    if (!ask(fd, &t, &len) || !HAS(len, tcpi_total_retrans))
        return;
    info->rtt_us = t.tcpi_rtt;
    info->total_retrans = t.tcpi_total_retrans;
    info->unacked = t.tcpi_unacked;
    info->lost = t.tcpi_lost;
    if (!HAS(len, tcpi_bytes_sent))
        return; /* before kernel 4.19: too little to tell a black hole from silence */
    info->bytes_acked = t.tcpi_bytes_acked > 0 ? t.tcpi_bytes_acked - 1 : 0;
    info->data_segs_in = t.tcpi_data_segs_in;
    info->bytes_sent = t.tcpi_bytes_sent;
    info->valid = true;
}

void em_tcp_info_event(struct em_conn *conn, struct em_tcp_info *info)
{
    struct ev_conn *c = (struct ev_conn *)conn;

    if (c->how.transport != EM_TRANSPORT_TCP)
        return;
    em_tcp_info_read(c->fd, info);
    info->soft_error = c->soft_error;
}
