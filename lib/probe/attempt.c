/* SPDX-License-Identifier: GPL-3.0-or-later
 * The life of an attempt, and the verdicts that the network alone decides: silence, ICMP, resets, data that is never acknowledged. */
#include "probe/attempt.h"
#include "probe/path.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MS = 1000 };

const struct em_probe_options *em_attempt_options(const struct em_attempt *a)
{
    return em_probe_options(a->probe);
}

const struct em_clock *em_attempt_clock(const struct em_attempt *a)
{
    return em_net_clock(em_probe_net(a->probe));
}

int64_t em_attempt_now(const struct em_attempt *a)
{
    return em_mono_us(em_attempt_clock(a));
}

int64_t em_attempt_since(const struct em_attempt *a, int64_t start_us)
{
    int64_t us = em_attempt_now(a) - start_us;

    return us > 0 ? us : 1;
}

/* What the kernel counted, before the connection is gone. */
static struct em_tcp_info take_info(struct em_attempt *a)
{
    struct em_tcp_info info = { 0 };

    if (a->conn)
        em_conn_info(a->conn, &info);
    a->result.tcp_retransmits = info.total_retrans;
    return info;
}

void em_attempt_end(struct em_attempt *a, enum em_verdict v, const char *reason, ...)
{
    va_list ap;

    if (a->ended)
        return;
    take_info(a);
    if (a->kind->abandon && a->conn)
        a->kind->abandon(a);
    a->ended = true;
    em_ask_stop(a);
    em_conn_close(a->conn, false);
    a->conn = NULL;
    a->result.verdict = v;
    va_start(ap, reason);
    vsnprintf(a->result.reason, sizeof a->result.reason, reason, ap);
    va_end(ap);
    if (a->secured)
        em_attempt_mark_insecure(a);
    if (em_attempt_options(a)->issuer[0])
        em_probe_judge_issuer(&a->result, em_attempt_options(a)->issuer);
    if (a->whole)
        em_attempt_end(a->whole, v, "%.*s%s", EM_REASON_MAX - 32, a->result.reason,
                       a->whole->whole ? "" : em_relay_leg(a));
    else
        em_probe_ended(a->probe);
}

void em_attempt_good(struct em_attempt *a, const char *what, int64_t us)
{
    int64_t limit = em_attempt_options(a)->degraded_rtt_us;
    double ms = (double)us / MS;

    take_info(a);
    if (a->result.retransmits)
        em_attempt_end(a, EM_VERDICT_DEGRADED, "%s, but only after %u retransmission%s", what,
                       a->result.retransmits, a->result.retransmits == 1 ? "" : "s");
    else if (a->result.tcp_retransmits)
        em_attempt_end(a, EM_VERDICT_DEGRADED, "%s, but TCP had to retransmit %u segment%s", what,
                       a->result.tcp_retransmits, a->result.tcp_retransmits == 1 ? "" : "s");
    else if (limit > 0 && us > limit)
        em_attempt_end(a, EM_VERDICT_DEGRADED, "%s, but in %.1f ms, over the threshold of %.1f ms", what, ms,
                       (double)limit / MS);
    else
        em_attempt_end(a, EM_VERDICT_OK, "%s in %.1f ms", what, ms);
}

/* --- network errors ---------------------------------------------------------------------------------------------- */

/* What an error means for the path. `ends`: on UDP it ends the attempt at once; the others may pass (RFC 1122 section 3.2.2.1), so the
 * schedule goes on and they decide only if nothing better comes. */
static const struct {
    enum em_net_error_kind kind;
    enum em_verdict verdict;
    bool ends;
} error_rows[] = {
    { EM_NET_REFUSED_RST, EM_VERDICT_REFUSED, true },
    { EM_NET_RESET, EM_VERDICT_RESET, true },
    { EM_NET_ICMP_PORT, EM_VERDICT_REFUSED, true },
    { EM_NET_ICMP_PROHIBITED, EM_VERDICT_PROHIBITED, true },
    { EM_NET_ICMP_UNREACHABLE, EM_VERDICT_UNREACHABLE, false },
    { EM_NET_ICMP_TTL, EM_VERDICT_UNREACHABLE, false },
    { EM_NET_ICMP_TOO_BIG, EM_VERDICT_FILTERED, false },
    { EM_NET_TIMED_OUT, EM_VERDICT_FILTERED, true },
    { EM_NET_LOCAL, EM_VERDICT_ERROR, true },
    { EM_NET_TLS, EM_VERDICT_TLS_FAILED, true }, /* attempt_tls.c tells more */
};
enum { ERROR_ROWS = sizeof error_rows / sizeof *error_rows };

enum em_verdict em_attempt_error_verdict(enum em_net_error_kind kind, bool *ends)
{
    for (size_t i = 0; i < ERROR_ROWS; i++)
        if (error_rows[i].kind == kind) {
            *ends = error_rows[i].ends;
            return error_rows[i].verdict;
        }
    *ends = true;
    return EM_VERDICT_ERROR;
}

/* This machine has no way to the address: mostly an AAAA record where there is no IPv6. A local port that is not free gives the same errno
 * as an address of ours that is not there, so with source ports it stays an error. */
static bool no_route(const struct em_attempt *a, const struct em_net_error *e)
{
    bool v6 = a->remote.u.any.sa_family == AF_INET6;

    if (e->kind != EM_NET_LOCAL || (a->connected && a->result.transport != EM_TRANSPORT_UDP))
        return false; /* UDP: a socket without a peer learns it when it sends */
    return e->error == ENETUNREACH || e->error == EHOSTUNREACH || e->error == EAFNOSUPPORT ||
           (e->error == EADDRNOTAVAIL && v6 && em_attempt_options(a)->source_ports.first == 0);
}

static void end_with_error(struct em_attempt *a, const struct em_net_error *e, const char *when)
{
    char text[EM_REASON_MAX];
    bool ends;
    enum em_verdict v = em_attempt_error_verdict(e->kind, &ends);

    if (no_route(a, e)) {
        em_attempt_end(a, EM_VERDICT_UNREACHABLE, "this machine has no %s route to it: %s",
                       a->remote.u.any.sa_family == AF_INET6 ? "IPv6" : "IPv4",
                       strerror_r(e->error, text, sizeof text));
        return;
    }
    em_net_error_text(e, text, sizeof text);
    em_attempt_end(a, v, "%s%s", text, when);
}

static bool ends(const struct em_net_error *e)
{
    bool yes;

    em_attempt_error_verdict(e->kind, &yes);
    return yes;
}

static bool handshaking(const struct em_attempt *a)
{
    return a->result.transport == EM_TRANSPORT_TLS && a->connected && !a->secured;
}

static void on_error(void *arg, const struct em_net_error *e)
{
    struct em_attempt *a = arg;
    bool tcp = em_attempt_stream(a);

    if (!tcp && !ends(e)) {
        a->advice = *e;
        return;
    }
    if (a->kind->lost && a->kind->lost(a))
        return;
    if (e->kind == EM_NET_TLS)
        em_attempt_end_tls(a);
    else if (!tcp || !a->connected || e->kind == EM_NET_LOCAL)
        end_with_error(a, e, "");
    else if (e->kind == EM_NET_RESET && handshaking(a))
        end_with_error(a, e, " during the TLS handshake");
    else if (e->kind == EM_NET_RESET)
        end_with_error(a, e, a->answers ? " after the first answer" : " once data was sent");
    else
        em_attempt_deadline(a); /* the kernel gave up before we did */
}

/* --- time is up --------------------------------------------------------------------------------------------------- */

/* Connected, asked, and nothing came back: TCP_INFO tells a path that drops data from a peer that says nothing. Data that is not yet
 * acknowledged proves nothing before the kernel has sent it again at least once (a handshake that ended just before the deadline). */
static void end_unanswered_tcp(struct em_attempt *a)
{
    struct em_tcp_info info = take_info(a);
    struct em_tls_info tls;
    double s =
        (double)em_attempt_since(a, handshaking(a) ? a->connected_us : a->asked_us) / (double)EM_US_PER_S;
    const char *icmp = info.soft_error ? ", and ICMP messages said that it is unreachable" : "";
    uint32_t again = info.total_retrans - a->syn_retransmits;
    unsigned long long acked = info.bytes_acked, sent = a->result.sent;

    em_conn_tls(a->conn, &tls);
    if (a->result.transport == EM_TRANSPORT_TLS)
        sent = tls.wire_sent;
    if (!info.valid)
        em_attempt_end(a, EM_VERDICT_SILENT,
                       "connected, but no answer in %.1f s (this kernel does not tell whether data arrived)",
                       s);
    else if (acked >= sent)
        em_attempt_end(a, EM_VERDICT_SILENT,
                       "connected and all %llu bytes acknowledged, but no answer%s in %.1f s", sent,
                       handshaking(a) ? " to the TLS handshake" : "", s);
    else if (again == 0)
        em_attempt_end(a, EM_VERDICT_SILENT,
                       "connected, but only %.3f s before the end: too late for an answer", s);
    else
        em_attempt_end(
            a, EM_VERDICT_BLACKHOLED,
            "connected, but %llu of %llu bytes were acknowledged in %.1f s (%u retransmission%s)%s", acked,
            sent, s, again, again == 1 ? "" : "s", icmp);
}

static void end_unanswered_udp(struct em_attempt *a)
{
    double s = (double)em_attempt_since(a, a->opened_us) / (double)EM_US_PER_S;
    const char *plural = a->result.requests == 1 ? "" : "s";
    char strays[64] = "";

    if (a->strays)
        snprintf(strays, sizeof strays, "; ignored %u message%s with another transaction id", a->strays,
                 a->strays == 1 ? "" : "s");
    if (a->advice.kind)
        end_with_error(a, &a->advice, "");
    else if (a->answers)
        em_attempt_end(a, EM_VERDICT_FILTERED,
                       "the first answer came, then nothing: %u request%s in %.1f s%s", a->result.requests,
                       plural, s, strays);
    else
        em_attempt_end(a, EM_VERDICT_FILTERED, "no answer to %u request%s in %.1f s%s", a->result.requests,
                       plural, s, strays);
}

void em_attempt_deadline(struct em_attempt *a)
{
    bool tcp = em_attempt_stream(a);

    if (a->ended || (a->kind->lost && a->kind->lost(a)))
        return;
    if (tcp && !a->connected)
        em_attempt_end(a, EM_VERDICT_FILTERED, "no answer to the TCP handshake in %.1f s",
                       (double)em_attempt_since(a, a->opened_us) / (double)EM_US_PER_S);
    else if (a->in_n)
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "only %zu bytes of an answer came", a->in_n);
    else if (a->wrong)
        em_attempt_end(a, a->wrong, "%s", a->wrong_as);
    else if (tcp && a->strays)
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "only messages with another transaction id came");
    else if (tcp)
        end_unanswered_tcp(a);
    else
        end_unanswered_udp(a);
}

/* --- the connection ----------------------------------------------------------------------------------------------- */

static void on_connected(void *arg)
{
    struct em_attempt *a = arg;

    a->connected = true;
    a->connected_us = em_attempt_now(a);
    a->result.connect_us = em_attempt_since(a, a->opened_us);
    a->syn_retransmits = take_info(a).total_retrans;
    if (a->result.transport != EM_TRANSPORT_TLS)
        a->kind->begin(a);
}

void em_attempt_secured(void *attempt)
{
    struct em_attempt *a = attempt;

    a->secured = true;
    a->result.tls_us = em_attempt_since(a, a->connected_us);
    em_attempt_note_certificate(a);
    a->kind->begin(a);
}

static void on_data(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct em_attempt *a = arg;

    if (!em_attempt_stream(a))
        a->from = *from;
    a->result.received += n;
    em_ask_heard(a, p, n);
}

static void on_eof(void *arg)
{
    em_ask_eof(arg);
}

void em_attempt_open(struct em_attempt *a)
{
    static const struct em_conn_events events = { on_connected, on_data, on_eof, on_error };
    struct em_tls_how tls = em_attempt_tls_how(a);
    struct em_open how = { .transport = em_attempt_stream(a) ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP,
                           .tls = a->result.transport == EM_TRANSPORT_TLS ? &tls : NULL,
                           .remote = a->remote,
                           .unconnected = a->kind->unconnected,
                           .source_ports = em_attempt_options(a)->source_ports };

    a->opened_us = em_attempt_now(a);
    if (a->kind->run) {
        a->kind->run(a);
        return;
    }
    a->conn = em_net_open(em_probe_net(a->probe), &how, &events, a);
    if (!a->conn) {
        em_attempt_end(a, EM_VERDICT_ERROR, "this machine: no memory");
    } else if (how.transport == EM_TRANSPORT_UDP) {
        a->connected = true;
        a->kind->begin(a);
    }
}

int em_attempt_init(struct em_attempt *a, struct em_probe *p, const struct em_addr *remote)
{
    const struct em_probe_uri *u = em_probe_uri(p);

    *a = (struct em_attempt) { .probe = p, .kind = u->kind, .remote = *remote };
    a->resend = em_timer_new(em_probe_net(p), em_ask_again, a);
    em_addr_text(remote, a->result.address);
    a->result.port = remote->len ? em_addr_port(remote) : u->port;
    a->result.transport = u->transport;
    a->result.dialect = u->dialect;
    a->result.verdict = EM_VERDICT_UNTESTED;
    return a->resend ? 0 : EM_ERR_MEMORY;
}

void em_attempt_fini(struct em_attempt *a)
{
    if (!a->ended && a->kind->abandon && a->conn)
        a->kind->abandon(a);
    a->ended = true;
    em_relay_fini(a);
    em_path_stop(a->path);
    em_timer_free(a->resend);
    em_conn_close(a->conn, false);
    stun_auth_fini(&a->turn.auth);
    msturn_auth_fini(&a->ms.auth);
    explicit_bzero(a, sizeof *a); /* the key of the credentials is in it */
}
