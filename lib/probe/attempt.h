/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside probe/: an attempt is the part of a probe that tests one address. It owns one connection, asks one request after the other
 * over it, and ends with one result.
 *
 *     opening --connected (UDP: at once)--> asking --the kind has what it wants--> ended
 *        |                                   |  ^                                    ^
 *        |                                   +--+ em_ask: the next request           |
 *        +---- network error, deadline, foreign bytes, end of the connection --------+
 *
 * attempt.c is that life and the verdicts that the network alone decides; ask.c sends requests by the RTO schedule and cuts answers
 * out of what comes; a kind's file builds the requests and judges the answers.
 */
#ifndef EM_PROBE_ATTEMPT_H
#define EM_PROBE_ATTEMPT_H

#include "probe/probe_kind.h"
#include "wire/msturn_auth.h"
#include "wire/stun.h"
#include "wire/stun_auth.h"

enum {
    EM_REQUEST_MAX = 1024, /* bytes of a request of ours */
    EM_ANSWER_MAX = 2048,  /* bytes of an answer that we read */
    EM_RTO_MS = 500,       /* RFC 8489 section 6.2.1: first wait; doubled after each request */
    EM_REQUESTS_MAX = 7,   /* Rc */
    EM_RTO_LAST = 16,      /* Rm: after the last request, in RTOs */
};

struct em_probe;

struct em_attempt {
    struct em_probe *probe;
    const struct em_probe_kind *kind;
    struct em_addr remote;
    struct em_conn *conn; /* NULL: not opened yet, or ended */
    struct em_timer *resend;
    struct em_probe_result result;
    int64_t opened_us;
    uint32_t syn_retransmits; /* TCP: those that the handshake needed */
    bool connected, ended, reported;
    int64_t connected_us;
    bool secured;                  /* TLS: the handshake is done */
    char tls_doubt[EM_REASON_MAX]; /* what is wrong with the certificate */
    struct em_net_error advice;    /* the last ICMP message that was no end; kind 0: none */

    /* the request that waits for its answer (ask.c) */
    uint8_t request[EM_REQUEST_MAX];
    size_t request_n;
    uint16_t method;
    uint8_t tid[STUN_TID_SIZE];
    bool asking;
    int64_t asked_us;
    unsigned sends;
    uint32_t answers;      /* answers to requests of ours so far */
    struct em_addr ask_at; /* UDP, unconnected: where requests go; len 0: to remote */
    struct em_addr from;   /* UDP: where the last datagram came from */

    /* what came (ask.c) */
    uint8_t in[EM_ANSWER_MAX]; /* TCP: the beginning of a message */
    size_t in_n;
    uint32_t strays; /* good STUN that answered nothing of ours */
    enum em_verdict
        wrong; /* what came in place of an answer: protocol-error or intercepted; 0: nothing wrong came */
    char wrong_as[EM_REASON_MAX]; /* what the first of it was */

    struct em_attempt *whole; /* this is a part of it, and ends it; NULL: the probe knows it */
    struct em_relay *relay;   /* kind relay (probe_relay.c) */
    struct em_path *path;     /* kind path (probe_path.c) */

    struct em_turn { /* kind turn (probe_turn.c) */
        struct stun_auth auth;
        bool has_credentials;
        enum { EM_TURN_ASKING, EM_TURN_AUTHENTICATING, EM_TURN_RELEASING } step;
    } turn;

    struct em_msturn { /* kind msturn (probe_msturn.c) */
        struct msturn_auth auth;
        uint8_t tid[MSTURN_TID_SIZE];
        uint16_t asked;   /* the type of the request that waits */
        int64_t hello_us; /* TCP: when the pseudo-TLS hello was sent */
        enum { EM_MSTURN_GREETING, EM_MSTURN_ASKING, EM_MSTURN_AUTHENTICATING, EM_MSTURN_RELEASING } step;
    } ms;
};

/* attempt.c */
const struct em_probe_options *em_attempt_options(const struct em_attempt *a);
const struct em_clock *em_attempt_clock(const struct em_attempt *a);
int64_t em_attempt_now(const struct em_attempt *a);
int64_t em_attempt_since(const struct em_attempt *a, int64_t start_us); /* at least 1: it did happen */
int em_attempt_init(struct em_attempt *a, struct em_probe *p, const struct em_addr *remote) EM_MUST_CHECK;
void em_attempt_fini(struct em_attempt *a); /* also in the middle of it: nothing is called any more */
void em_attempt_open(struct em_attempt *a);
void em_attempt_deadline(
    struct em_attempt *a); /* no answer will come any more: the verdict is what is known now */

/* The attempt is over. Nothing of it happens any more, but its struct stays. */
void em_attempt_end(struct em_attempt *a, enum em_verdict v, const char *reason, ...) EM_PRINTF(3, 4);
/* It went well: ok, or degraded when it took retransmissions or too long. `what` says what was answered, us after the request. */
void em_attempt_good(struct em_attempt *a, const char *what, int64_t us);

/* What an error of the network means for the path. *ends: over UDP, too, it is the end; else it may pass. */
enum em_verdict em_attempt_error_verdict(enum em_net_error_kind kind, bool *ends);

/* attempt_tls.c */
void em_attempt_secured(void *attempt); /* attempt.c: the handshake is done */
struct em_tls_how em_attempt_tls_how(const struct em_attempt *a);
void em_attempt_note_certificate(struct em_attempt *a);
void em_attempt_end_tls(struct em_attempt *a);       /* there is no TLS: the verdict, with its reason */
void em_attempt_mark_insecure(struct em_attempt *a); /* adds to the reason what was not checked */

/* ask.c: requests and their answers. A request is begun into b (over the caller's EM_REQUEST_MAX bytes), filled, then asked. */
void em_ask_begin(struct em_attempt *a, struct buf *b, uint16_t method); /* a new transaction id */
void em_ask(struct em_attempt *a, struct buf *b);                        /* adds the fingerprint and sends */
void em_ask_answered(struct em_attempt *a,
                     const struct stun_msg *m); /* no more resending; times and texts are noted */
/* The same for messages of another dialect: a request that is complete, what an answer told, bytes of the stream that are done with. */
void em_ask_send(struct em_attempt *a, const struct buf *b);
void em_ask_taken(struct em_attempt *a, const struct stun_addr *mapped, struct slice software_text);
void em_ask_drop(struct em_attempt *a, size_t n);
void em_ask_ignore(struct em_attempt *a, enum em_verdict wrong, const char *what, ...) EM_PRINTF(3, 4);
void em_ask_stop(struct em_attempt *a);
void em_ask_again(void *attempt); /* the resend timer */
void em_ask_heard(struct em_attempt *a, const uint8_t *p, size_t n);
void em_ask_eof(struct em_attempt *a);

static inline bool em_attempt_stream(const struct em_attempt *a)
{
    return a->result.transport != EM_TRANSPORT_UDP;
}

/* probe_turn.c, also for relay */
bool em_turn_take_credentials(struct em_attempt *a); /* false: they cannot be used; the attempt has ended */
void em_turn_allocate(struct em_attempt *a);

/* probe_msturn.c, also for the legs of msrelay: the latter two give an allocation back, the last one without waiting for an answer. */
void em_msturn_set_active(struct em_attempt *a, const struct stun_addr *peer);
void em_msturn_release(struct em_attempt *a);
void em_msturn_give_back(struct em_attempt *a);

/* relay_ms.c: what comes for a leg of msrelay. True: the answer was taken, or has ended the leg. */
void em_relay_ms_data(struct em_attempt *leg, struct slice data);
void em_relay_ms_stream(struct em_attempt *leg, struct slice data);
bool em_relay_ms_answered(struct em_attempt *leg, const struct msturn_msg *m, enum stun_auth_next next);
void em_relay_allocated(struct em_attempt *a,
                        const struct stun_addr *relayed); /* probe_relay.c: it is noted */

/* probe_relay.c: ChannelData. True: it was, and has been taken. */
static inline bool em_relay_is_data(uint8_t first)
{
    return first >= 0x40 && first <= 0x4F; /* RFC 8656 section 12 */
}
bool em_relay_heard(struct em_attempt *a, const uint8_t *p, size_t n);
const char *em_relay_leg(const struct em_attempt *a);  /* " (far leg)", to end a reason with */
const char *em_relay_host(const struct em_attempt *a); /* the server that this leg is at, as the URI says */
bool em_relay_indication(struct em_attempt *a, const struct stun_msg *m); /* True: it was for the relay */
bool em_relay_raw(const struct em_attempt *a); /* the stream is no STUN any more: em_relay_raw_heard */
bool em_relay_raw_heard(struct em_attempt *a); /* as kind->stream */
void em_relay_fini(struct em_attempt *a);

/* foreign.c: what bytes are that are no STUN message. 0: they may still become one; else the verdict, with its reason. */
enum em_verdict em_foreign(const uint8_t *p, size_t n, char *reason, size_t size);
/* The same for bytes that are no TLS record: always a verdict. */
enum em_verdict em_foreign_to_tls(const uint8_t *p, size_t n, char *reason, size_t size);

/* answers.c */
bool em_address_usable(const struct stun_addr *s);
void em_address_text(const struct stun_addr *s, char to[EM_ENDPOINT_MAX]);
void em_judge_error(struct em_attempt *a, const struct stun_msg *m,
                    bool has_credentials); /* ends the attempt */

/* probe.c */
struct em_net *em_probe_net(struct em_probe *p);
const struct em_probe_uri *em_probe_uri(const struct em_probe *p);
const struct em_probe_options *em_probe_options(const struct em_probe *p);
int64_t em_probe_deadline_us(const struct em_probe *p);
struct em_path_memory *em_probe_memory(struct em_probe *p, const struct em_probe_result *r); /* NULL: none */
void em_probe_ended(struct em_probe *p); /* an attempt has ended; it is reported soon, from the loop */

#endif
