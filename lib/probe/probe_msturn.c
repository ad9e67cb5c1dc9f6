/* SPDX-License-Identifier: GPL-3.0-or-later
 * Kind msturn: an Allocate request in Microsoft's dialect. Without credentials the challenge (401) is what a good relay answers: it proves that
 * the relay lives and tells how it sees us. With them the allocation is made, and released at once.
 *
 *     greeting (TCP only) --pseudo-TLS hello--> asking
 *     asking --401, no credentials--> ok
 *        | 401: sign; over UDP from now on to the address that the relay says is its own
 *     authenticating --438: sign with the new nonce, once--> authenticating
 *        | success
 *     releasing: Allocate with lifetime 0 --success, lifetime 0--> ok
 *
 * A relay is asked at an address that many share, and answers from its own or from the shared one: so the socket is not connected,
 * and an answer is known by its transaction id. */
#include <stdio.h>
#include <string.h>

#include "base/esc.h"
#include "probe/attempt.h"
#include "wire/pseudotls.h"

enum { FIRST_BYTES = 8 }; /* of foreign bytes, before they are judged */

static void note_hello(struct em_attempt *a, const uint8_t hello[PSEUDOTLS_CLIENT_SIZE])
{
    em_conn_send(a->conn, hello, PSEUDOTLS_CLIENT_SIZE);
    a->result.sent += PSEUDOTLS_CLIENT_SIZE;
    a->asked_us = a->ms.hello_us = em_attempt_now(a);
}

static void greet(struct em_attempt *a)
{
    uint8_t hello[PSEUDOTLS_CLIENT_SIZE], random[PSEUDOTLS_RANDOM_SIZE];

    a->ms.step = EM_MSTURN_GREETING;
    em_random(em_attempt_clock(a), random, sizeof random);
    pseudotls_put_client(hello, random);
    note_hello(a, hello);
}

/* A request over the whole of room; its frame's header is before it. */
struct request {
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf message;
};

static void begin(struct em_attempt *a, struct request *r, uint16_t type)
{
    static const uint8_t cookie[] = { STUN_COOKIE >> 24, STUN_COOKIE >> 16 & 0xFF, STUN_COOKIE >> 8 & 0xFF,
                                      STUN_COOKIE & 0xFF };

    em_random(em_attempt_clock(a), a->ms.tid, sizeof a->ms.tid);
    memcpy(a->ms.tid, cookie, sizeof cookie); /* as real clients do */
    r->message = buf_over(r->bytes + MSTURN_FRAME_HEADER_SIZE, sizeof r->bytes - MSTURN_FRAME_HEADER_SIZE);
    msturn_begin(&r->message, type, a->ms.tid);
    a->ms.asked = type;
    msturn_put_u32(&r->message, MSTURN_ATTR_VERSION, a->ms.auth.version);
}

/* What goes out: over TCP with the frame's header. */
static struct buf finish(const struct em_attempt *a, struct request *r)
{
    struct buf b = r->message;

    if (!em_attempt_stream(a) || b.full)
        return b;
    msturn_frame_header(r->bytes, MSTURN_FRAME_CONTROL, (uint16_t)b.n);
    b.p = r->bytes;
    b.n += MSTURN_FRAME_HEADER_SIZE;
    return b;
}

static void sign_and_send(struct em_attempt *a, struct request *r)
{
    struct buf b;

    msturn_auth_sign(&a->ms.auth, &r->message);
    b = finish(a, r);
    em_ask_send(a, &b);
}

static void allocate(struct em_attempt *a)
{
    struct request r;

    begin(a, &r, MSTURN_ALLOCATE);
    sign_and_send(a, &r);
}

void em_msturn_set_active(struct em_attempt *a, const struct stun_addr *peer)
{
    struct request r;

    begin(a, &r, MSTURN_SET_ACTIVE);
    msturn_put_addr(&r.message, MSTURN_ATTR_DESTINATION_ADDRESS, peer);
    sign_and_send(a, &r);
}

void em_msturn_release(struct em_attempt *a)
{
    struct request r;

    a->ms.step = EM_MSTURN_RELEASING;
    begin(a, &r, MSTURN_ALLOCATE);
    msturn_put_u32(&r.message, MSTURN_ATTR_LIFETIME, 0);
    sign_and_send(a, &r);
}

/* NULL: they are good, or there are none. */
static const char *take_credentials(struct em_attempt *a)
{
    const struct em_probe_options *o = em_attempt_options(a);
    uint8_t user[MSTURN_USER_MAX], password[MSTURN_PASSWORD_MAX];
    size_t user_n, password_n;
    const char *wrong = NULL;

    if (o->secret[0])
        return "a Microsoft relay knows no shared secret: give user and password";
    if (!msturn_credential(slice_of(o->user), user, sizeof user, &user_n))
        wrong = "the user name is too long, or what follows base64: is none";
    else if (!msturn_credential(slice_of(o->password), password, sizeof password, &password_n))
        wrong = "the password is too long, or what follows base64: is none";
    else if (!msturn_auth_init(&a->ms.auth, (struct slice) { (char *)user, user_n },
                               (struct slice) { (char *)password, password_n }, MSTURN_VERSION_ICE))
        wrong = "the credentials are too long";
    explicit_bzero(password, sizeof password);
    return wrong;
}

static void ask_first(struct em_attempt *a)
{
    a->ms.step = EM_MSTURN_ASKING;
    allocate(a);
}

void em_msturn_begin(struct em_attempt *a)
{
    const char *wrong = take_credentials(a);

    if (wrong)
        em_attempt_end(a, EM_VERDICT_ERROR, "this machine: %s", wrong);
    else if (em_attempt_stream(a))
        greet(a);
    else
        ask_first(a);
}

/* --- answers ---------------------------------------------------------------------------------------------------- */

/* Codes of this dialect that em_judge_error() does not know; their numbers are those of RFC 3489 and its drafts. */
static const struct {
    uint16_t code;
    enum em_verdict without, with; /* credentials */
    const char *phrase;
} error_rows[] = {
    { 430, EM_VERDICT_PROTOCOL_ERROR, EM_VERDICT_PROTOCOL_ERROR, "the relay calls its own new nonce stale" },
    { 431, EM_VERDICT_PROTOCOL_ERROR, EM_VERDICT_AUTH_FAILED,
      "the relay finds the integrity wrong: another password" },
    { 432, EM_VERDICT_OK, EM_VERDICT_AUTH_FAILED, "the relay wants a user name" },
    { 434, EM_VERDICT_PROTOCOL_ERROR, EM_VERDICT_AUTH_FAILED, "the relay misses a realm" },
    { 435, EM_VERDICT_PROTOCOL_ERROR, EM_VERDICT_AUTH_FAILED, "the relay misses a nonce" },
    { 436, EM_VERDICT_PROTOCOL_ERROR, EM_VERDICT_AUTH_FAILED, "the relay does not know the user" },
};

static void judge_error(struct em_attempt *a, const struct msturn_msg *m)
{
    bool with = a->ms.auth.user_n > 0;
    char text[64] = "";

    for (size_t i = 0; i < sizeof error_rows / sizeof *error_rows; i++) {
        enum em_verdict v = with ? error_rows[i].with : error_rows[i].without;

        if (error_rows[i].code != m->error_code)
            continue;
        if (v == EM_VERDICT_OK)
            em_attempt_good(a, error_rows[i].phrase, a->result.rtt_us);
        else
            em_attempt_end(a, v, "%s: %u %s", error_rows[i].phrase, m->error_code,
                           esc_line_into(text, sizeof text, m->error_reason));
        return;
    }
    em_judge_error(a,
                   &(struct stun_msg) { .error_code = m->error_code,
                                        .error_reason = m->error_reason,
                                        .alternate_server = m->alternate_server },
                   with);
}

static void taken(struct em_attempt *a, const struct msturn_msg *m)
{
    em_ask_taken(a, &m->xor_mapped, m->software);
}

static void allocated(struct em_attempt *a, const struct msturn_msg *m)
{
    if (!em_address_usable(&m->mapped)) {
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an allocation without a usable relayed address");
        return;
    }
    taken(a, m);
    if (a->relay) {
        em_relay_allocated(a, &m->mapped);
        return;
    }
    em_address_text(&m->mapped, a->result.relayed_address);
    a->result.allocate_us = a->result.rtt_us;
    em_msturn_release(a);
}

static void released(struct em_attempt *a, const struct msturn_msg *m)
{
    char how[EM_REASON_MAX];

    if (m->error_code) {
        em_attempt_end(a, EM_VERDICT_DEGRADED, "allocation made, but its release was answered with error %u",
                       m->error_code);
        return;
    }
    if (m->has_lifetime && m->lifetime > 0) {
        em_attempt_end(a, EM_VERDICT_DEGRADED,
                       "allocation made, but after its release it still lives for %u s", m->lifetime);
        return;
    }
    snprintf(how, sizeof how, "allocation released again, %s%s",
             a->ms.auth.unchecked ? "answers' SHA-256 integrity not checked, " : "",
             a->ms.auth.user_n ? "made" : "made without credentials");
    em_attempt_good(a, how, a->result.allocate_us);
}

static bool is_loopback(const struct em_addr *a)
{
    if (a->u.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&a->u.v6.sin6_addr);
    return ntohl(a->u.v4.sin_addr.s_addr) >> 24 == 127;
}

/* Over UDP a challenge names the relay's own address, where the next request must go. What a stranger may make us send there is one
 * Allocate and its repetitions, but never to ourselves, to many, or over the other family. */
static void follow(struct em_attempt *a, const struct stun_addr *to)
{
    struct em_addr at = { 0 };
    uint32_t v4 =
        (uint32_t)to->ip[0] << 24 | (uint32_t)to->ip[1] << 16 | (uint32_t)to->ip[2] << 8 | to->ip[3];

    if (em_attempt_stream(a) || !em_address_usable(to) ||
        (to->family == 6) != (a->remote.u.any.sa_family == AF_INET6))
        return;
    if (to->family == 4 ? v4 == 0 || v4 >> 28 >= 14 : to->ip[0] == 0xFF)
        return;
    at = a->remote;
    if (to->family == 6) {
        at.u.v6.sin6_port = htons(to->port);
        memcpy(&at.u.v6.sin6_addr, to->ip, 16);
    } else {
        at.u.v4.sin_port = htons(to->port);
        memcpy(&at.u.v4.sin_addr, to->ip, 4);
    }
    if (is_loopback(&at) == is_loopback(&a->remote))
        a->ask_at = at;
}

static void sign_again(struct em_attempt *a, const struct msturn_msg *m)
{
    if (a->ms.step == EM_MSTURN_RELEASING) {
        em_msturn_release(a);
        return;
    }
    if (a->ms.step == EM_MSTURN_ASKING)
        follow(a, &m->alternate_server);
    a->ms.step = EM_MSTURN_AUTHENTICATING;
    allocate(a);
}

static void judge(struct em_attempt *a, const struct msturn_msg *m, enum stun_auth_next next)
{
    bool releasing = a->ms.step == EM_MSTURN_RELEASING;

    taken(a, m);
    if (a->relay && em_relay_ms_answered(a, m, next))
        return;
    if (next == STUN_AUTH_RETRY)
        sign_again(a, m);
    else if (releasing)
        released(a, m);
    else if (next == STUN_AUTH_NEEDED && m->error_code == 401)
        em_attempt_good(a, "Microsoft TURN answer (401, as it should be without credentials)",
                        a->result.rtt_us);
    else if (next == STUN_AUTH_BROKEN)
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "%s", a->ms.auth.broken);
    else if (next == STUN_AUTH_REFUSED && m->error_code == 401)
        em_attempt_end(a, EM_VERDICT_AUTH_FAILED, "the relay refused the credentials");
    else
        judge_error(a, m);
}

static void heard_message(struct em_attempt *a, const struct msturn_msg *m)
{
    enum stun_auth_next next;

    if (a->relay && m->type == MSTURN_DATA) {
        em_relay_ms_data(a, m->data);
        return;
    }
    if (!a->asking || !msturn_is_answer(m, a->ms.asked, a->ms.tid)) {
        a->strays++;
        return;
    }
    next = msturn_auth_answer(&a->ms.auth, m);
    if (next == STUN_AUTH_FORGED)
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an answer whose integrity is wrong or missing");
    else if (next == STUN_AUTH_SUCCESS && a->ms.step != EM_MSTURN_RELEASING &&
             m->type == MSTURN_ALLOCATE_SUCCESS)
        allocated(a, m);
    else
        judge(a, m, next);
}

static const char rfc_server[] =
    "a STUN server answered that does not speak Microsoft's dialect; turn: tests it";

/* An answer in standard STUN to our request, which a standard server takes for a request of its own. */
static bool is_rfc_answer(const struct em_attempt *a, const uint8_t *p, size_t n)
{
    struct stun_msg m;

    return stun_parse(p, n, &m) == 0 && memcmp(m.tid, a->ms.tid + 4, STUN_TID_SIZE) == 0;
}

void em_msturn_datagram(struct em_attempt *a, const uint8_t *p, size_t n)
{
    struct msturn_msg m;
    char reason[EM_REASON_MAX];
    enum em_verdict v;

    bool known = em_addr_eq(&a->from, &a->remote) || (a->ask_at.len && em_addr_eq(&a->from, &a->ask_at));

    if (msturn_parse(p, n, &m) == 0) {
        if (known || m.type != MSTURN_DATA) /* which has no id of ours, nor integrity */
            heard_message(a, &m);
        return;
    }
    if (is_rfc_answer(a, p, n)) {
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "%s", rfc_server);
        return;
    }
    if (!known)
        return; /* anybody can send to a socket that is not connected */
    v = em_foreign(p, n, reason, sizeof reason);
    if (v)
        em_ask_ignore(a, v, "%s", reason);
    else
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an answer of %zu bytes was cut or damaged", n);
}

/* --- the stream ---------------------------------------------------------------------------------------------------- */

/* Bytes that are neither hello nor frame. False, always: no message can follow. */
static bool foreign(struct em_attempt *a, const char *what)
{
    char reason[EM_REASON_MAX];
    enum em_verdict v = em_foreign(a->in, a->in_n, reason, sizeof reason);

    if (v)
        em_attempt_end(a, v, "%s", reason);
    else if (is_rfc_answer(a, a->in, a->in_n))
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "%s", rfc_server);
    else if (a->in_n >= FIRST_BYTES)
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "the answer is no %s: %02x %02x %02x %02x ...", what,
                       a->in[0], a->in[1], a->in[2], a->in[3]);
    return false;
}

static bool hello_came(struct em_attempt *a)
{
    a->result.tls_us = em_attempt_since(a, a->ms.hello_us);
    em_ask_drop(a, PSEUDOTLS_SERVER_SIZE);
    ask_first(a);
    return !a->ended;
}

/* What else than its own hello stands where a relay's should be: each is somebody in between, or no relay at all. */
static bool heard_hello(struct em_attempt *a)
{
    static const char where[] =
        "in answer to the pseudo-TLS hello: no relay does that; another server, or something on the way";

    switch (pseudotls_read_server(a->in, a->in_n)) {
    case PSEUDOTLS_MORE:
        return false;
    case PSEUDOTLS_RIGHT:
        return hello_came(a);
    case PSEUDOTLS_CHANGED:
        em_attempt_end(a, EM_VERDICT_MANGLED,
                       "the relay's pseudo-TLS hello was cut up or rewritten on the way");
        return false;
    case PSEUDOTLS_ALERT:
        if (a->in_n >= 7)
            em_attempt_end(a, EM_VERDICT_INTERCEPTED, "a TLS alert (level %u, description %u) came %s",
                           a->in[5], a->in[6], where);
        return false;
    case PSEUDOTLS_TLS:
        em_attempt_end(a, EM_VERDICT_INTERCEPTED, "real TLS came %s", where);
        return false;
    case PSEUDOTLS_OTHER:
        break;
    }
    return foreign(a, "pseudo-TLS hello");
}

bool em_msturn_stream(struct em_attempt *a)
{
    struct msturn_frame f;
    struct msturn_msg m;
    int size;

    if (a->ms.step == EM_MSTURN_GREETING)
        return heard_hello(a);
    size = msturn_frame(a->in, a->in_n, &f);
    if (size < 0)
        return foreign(a, "frame of Microsoft's TURN");
    if (size == 0 && a->in_n == sizeof a->in)
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "an answer longer than %d bytes", EM_ANSWER_MAX);
    if (size == 0)
        return false;
    if (f.type == MSTURN_FRAME_DATA && a->relay)
        em_relay_ms_stream(a, f.payload);
    else if (f.type == MSTURN_FRAME_DATA)
        a->strays++;
    else if (msturn_parse(f.payload.p, f.payload.n, &m) == 0)
        heard_message(a, &m);
    else
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "an answer of %d bytes is damaged", size);
    em_ask_drop(a, (size_t)size);
    return !a->ended;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* No answer to the release: the allocation was made, which is what was asked. The relay lets it expire. */
bool em_msturn_lost(struct em_attempt *a)
{
    if (a->ms.step != EM_MSTURN_RELEASING)
        return false;
    em_attempt_end(a, EM_VERDICT_DEGRADED, "allocation made, but its release was not answered");
    return true;
}

/* An allocation may have been made although its answer did not come: take it back with a last request that nobody waits for. Over TCP the
 * connection's end does that. */
void em_msturn_abandon(struct em_attempt *a)
{
    if (a->asking && a->ms.step == EM_MSTURN_AUTHENTICATING && !em_attempt_stream(a))
        em_msturn_give_back(a);
}

void em_msturn_give_back(struct em_attempt *a)
{
    struct request r;
    struct buf b;

    begin(a, &r, MSTURN_ALLOCATE);
    msturn_put_u32(&r.message, MSTURN_ATTR_LIFETIME, 0);
    msturn_auth_sign(&a->ms.auth, &r.message);
    b = finish(a, &r);
    if (b.full)
        return;
    if (em_attempt_stream(a))
        em_conn_send(a->conn, b.p, b.n);
    else
        em_conn_send_to(a->conn, b.p, b.n, a->ask_at.len ? &a->ask_at : &a->remote);
}
