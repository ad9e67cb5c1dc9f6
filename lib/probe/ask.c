/* SPDX-License-Identifier: GPL-3.0-or-later
 * Requests by the schedule of RFC 8489 section 6.2, and answers out of datagrams and streams.
 *
 * UDP: the same request at 0, 500, 1500, 3500 ... ms, seven times at most, given up at 39.5 s (or at the probe's deadline). TCP: once. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "probe/attempt.h"

static const char software[] = "edgemedia";

void em_ask_begin(struct em_attempt *a, struct buf *b, uint16_t method)
{
    a->method = method;
    em_random(em_attempt_clock(a), a->tid, sizeof a->tid);
    stun_begin(b, method, STUN_REQUEST, a->tid);
    stun_put_text(b, STUN_ATTR_SOFTWARE, slice_of(software));
}

void em_ask(struct em_attempt *a, struct buf *b)
{
    stun_put_fingerprint(b);
    em_ask_send(a, b);
}

void em_ask_send(struct em_attempt *a, const struct buf *b)
{
    if (b->full || b->n > sizeof a->request) {
        em_attempt_end(a, EM_VERDICT_ERROR,
                       "this machine: the credentials make the request longer than %d bytes", EM_REQUEST_MAX);
        return;
    }
    memcpy(a->request, b->p, b->n);
    a->request_n = b->n;
    a->asking = true;
    a->asked_us = em_attempt_now(a);
    a->sends = 0;
    em_ask_again(a);
}

void em_ask_stop(struct em_attempt *a)
{
    a->asking = false;
    em_timer_stop(a->resend);
}

/* When to send again, or to give up, after `sends` requests. */
static int64_t next_us(unsigned sends)
{
    int64_t rto = EM_RTO_MS * EM_US_PER_MS;

    if (sends < EM_REQUESTS_MAX)
        return rto * ((INT64_C(1) << sends) - 1);
    return rto * ((INT64_C(1) << (EM_REQUESTS_MAX - 1)) - 1 + EM_RTO_LAST);
}

void em_ask_again(void *attempt)
{
    struct em_attempt *a = attempt;

    if (a->sends == EM_REQUESTS_MAX) {
        em_attempt_deadline(a);
        return;
    }
    if (a->ask_at.len)
        em_conn_send_to(a->conn, a->request, a->request_n, &a->ask_at);
    else
        em_conn_send(a->conn, a->request, a->request_n);
    a->sends++;
    a->result.requests++;
    a->result.retransmits += a->sends > 1;
    a->result.sent += a->request_n;
    if (!em_attempt_stream(a))
        em_timer_at(a->resend, a->asked_us + next_us(a->sends));
}

/* The round trip is counted from the first sending: which of several requests was answered cannot be known (RFC 6298 section 3), and so a
 * slow path is never shown as a fast one. */
void em_ask_answered(struct em_attempt *a, const struct stun_msg *m)
{
    em_ask_taken(a, m->xor_mapped.family ? &m->xor_mapped : &m->mapped, m->software);
}

void em_ask_taken(struct em_attempt *a, const struct stun_addr *mapped, struct slice software_text)
{
    em_ask_stop(a);
    a->answers++;
    a->result.rtt_us = em_attempt_since(a, a->asked_us);
    if (a->result.stun_us == 0)
        a->result.stun_us = a->result.rtt_us;
    if (software_text.p)
        slice_copy(software_text, a->result.software, sizeof a->result.software);
    if (em_address_usable(mapped))
        em_address_text(mapped, a->result.mapped_address);
}

void em_ask_ignore(struct em_attempt *a, enum em_verdict wrong, const char *what, ...)
{
    va_list ap;

    if (a->wrong)
        return;
    a->wrong = wrong;
    va_start(ap, what);
    vsnprintf(a->wrong_as, sizeof a->wrong_as, what, ap);
    va_end(ap);
}

/* A server writes its client's address in both forms alike. Some NAT devices rewrite what looks like an address to them, which is why the
 * second form was invented (RFC 8489 section 14.2); they meet media, too. */
static bool two_mapped_addresses(const struct stun_msg *m, char plain[EM_ENDPOINT_MAX],
                                 char xored[EM_ENDPOINT_MAX])
{
    if (!em_address_usable(&m->mapped) || !em_address_usable(&m->xor_mapped))
        return false;
    em_address_text(&m->mapped, plain);
    em_address_text(&m->xor_mapped, xored);
    return strcmp(plain, xored) != 0;
}

/* One whole STUN message. */
static void heard_message(struct em_attempt *a, const struct stun_msg *m)
{
    char seen[EM_ENDPOINT_MAX], meant[EM_ENDPOINT_MAX];

    if (a->relay && m->class == STUN_INDICATION && em_relay_indication(a, m))
        return;
    if (!a->asking || !stun_is_answer(m, a->method, a->tid))
        a->strays++;
    else if (m->fingerprint_present && !m->fingerprint_right)
        em_attempt_end(a, EM_VERDICT_MANGLED,
                       "the answer was altered on the way: its FINGERPRINT does not fit its bytes");
    else if (two_mapped_addresses(m, seen, meant))
        em_attempt_end(
            a, EM_VERDICT_MANGLED,
            "the answer was altered on the way: XOR-MAPPED-ADDRESS says %s, MAPPED-ADDRESS says %s", meant,
            seen);
    else
        a->kind->answer(a, m);
}

/* A datagram that is no answer ends nothing: anybody may send one, and the right one may still come. */
static void heard_datagram(struct em_attempt *a, const uint8_t *p, size_t n)
{
    struct stun_msg m;
    char reason[EM_REASON_MAX];
    enum em_verdict v;

    if (a->relay && em_relay_heard(a, p, n))
        return;
    if (stun_parse(p, n, &m) == 0) {
        heard_message(a, &m);
        return;
    }
    v = em_foreign(p, n, reason, sizeof reason);
    if (v)
        em_ask_ignore(a, v, "%s", reason);
    else
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an answer of %zu bytes was cut or damaged", n);
}

void em_ask_drop(struct em_attempt *a, size_t n)
{
    a->in_n -= n;
    memmove(a->in, a->in + n, a->in_n);
}

/* Cuts the first message off the stream. False: more bytes are needed, or the attempt has ended. */
static bool heard_from_stream(struct em_attempt *a)
{
    struct stun_msg m;
    char reason[EM_REASON_MAX];
    bool data = a->relay && em_relay_is_data(a->in[0]);
    enum em_verdict v = data ? 0 : em_foreign(a->in, a->in_n, reason, sizeof reason);
    int size;

    if (v) {
        em_attempt_end(a, v, "%s", reason);
        return false;
    }
    size = stun_frame(a->in, a->in_n);
    if (size < 0 || (size == 0 && a->in_n == sizeof a->in)) {
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR,
                       "an answer that is no whole STUN message of %d bytes at most", EM_ANSWER_MAX);
        return false;
    }
    if (size == 0)
        return false;
    if (data) {
        em_relay_heard(a, a->in, (size_t)size);
    } else if (stun_parse(a->in, (size_t)size, &m) != 0) {
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "an answer of %d bytes is damaged", size);
        return false;
    } else {
        heard_message(a, &m);
    }
    em_ask_drop(a, (size_t)size);
    return !a->ended;
}

static bool heard_some(struct em_attempt *a)
{
    if (a->relay && em_relay_raw(a))
        return em_relay_raw_heard(a);
    return a->kind->stream ? a->kind->stream(a) : heard_from_stream(a);
}

static void heard_bytes(struct em_attempt *a, const uint8_t *p, size_t n)
{
    while (n > 0 && !a->ended) {
        size_t some = n < sizeof a->in - a->in_n ? n : sizeof a->in - a->in_n;

        memcpy(a->in + a->in_n, p, some);
        a->in_n += some;
        p += some;
        n -= some;
        while (a->in_n > 0 && heard_some(a))
            ;
    }
}

void em_ask_heard(struct em_attempt *a, const uint8_t *p, size_t n)
{
    if (a->ended)
        return;
    if (em_attempt_stream(a))
        heard_bytes(a, p, n);
    else if (a->kind->datagram)
        a->kind->datagram(a, p, n);
    else
        heard_datagram(a, p, n);
}

void em_ask_eof(struct em_attempt *a)
{
    if (a->ended || (a->kind->lost && a->kind->lost(a)))
        return;
    if (a->in_n)
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "the connection was closed after %zu bytes of an answer",
                       a->in_n);
    else if (a->strays)
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR,
                       "the connection was closed after a message with another transaction id");
    else
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "the connection was closed without an answer%s",
                       a->answers ? " to the second request" : "");
}
