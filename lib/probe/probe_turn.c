/* SPDX-License-Identifier: GPL-3.0-or-later
 * Kind turn: an Allocate request. Without credentials the challenge (401) is what a good server answers. With them the allocation is made,
 * and released at once.
 *
 *     asking --401, no credentials--> ok
 *        | 401: sign
 *     authenticating --438: sign with the new nonce, once--> authenticating
 *        | success
 *     releasing: Refresh with lifetime 0 --any answer--> ok
 *
 * A server that allocates without credentials goes from asking to releasing. */
#include <stdio.h>
#include <string.h>

#include "probe/attempt.h"
#include "wire/opaque.h"
#include "wire/turn.h"

enum {
    REST_LIFETIME_S = 3600, /* of the credentials that are derived from a shared secret */
};

static bool unusable(struct em_attempt *a, const char *what, const char *why)
{
    em_attempt_end(a, EM_VERDICT_ERROR, "this machine: the %s cannot be used: %s", what, why);
    return false;
}

static bool take_password(struct em_attempt *a, const char *user)
{
    char password[EM_SECRET_MAX];
    struct em_why why = { "" };
    bool good =
        opaque_string(slice_of(em_attempt_options(a)->password), password, sizeof password, &why) == 0;

    if (good)
        stun_auth_init(&a->turn.auth, user, password);
    else
        unusable(a, "password", why.text);
    explicit_bzero(password, sizeof password);
    return good;
}

bool em_turn_take_credentials(struct em_attempt *a)
{
    const struct em_probe_options *o = em_attempt_options(a);
    char name[EM_TEXT_MAX], user[EM_TEXT_MAX + 32], password[64];
    int64_t expiry_s = em_wall_us(em_attempt_clock(a)) / EM_US_PER_S + REST_LIFETIME_S;
    struct em_why why = { "" };

    a->turn.has_credentials = o->user[0] || o->secret[0];
    if (opaque_string(slice_of(o->user), name, sizeof name, &why) != 0)
        return unusable(a, "user name", why.text);
    if (!o->secret[0])
        return take_password(a, name);
    if (!stun_rest_credentials(o->secret, expiry_s, name, user, sizeof user, password, sizeof password))
        return unusable(a, "user name", "it is too long");
    stun_auth_init(&a->turn.auth, user, password);
    explicit_bzero(password, sizeof password);
    return true;
}

void em_turn_allocate(struct em_attempt *a)
{
    const struct turn_allocate how = { .relay = em_probe_uri(a->probe)->relayed_tcp ? TURN_RELAY_TCP
                                                                                    : TURN_RELAY_UDP };
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    em_ask_begin(a, &b, STUN_ALLOCATE);
    b.full |= !turn_put_allocate(&b, &how);
    stun_auth_sign(&a->turn.auth, &b);
    em_ask(a, &b);
}

static void begin_refresh(struct em_attempt *a, struct buf *b)
{
    em_ask_begin(a, b, STUN_REFRESH);
    turn_put_refresh(b, 0);
    stun_auth_sign(&a->turn.auth, b);
}

static void release(struct em_attempt *a)
{
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    a->turn.step = EM_TURN_RELEASING;
    begin_refresh(a, &b);
    em_ask(a, &b);
}

void em_turn_begin(struct em_attempt *a)
{
    a->turn.step = EM_TURN_ASKING;
    if (em_turn_take_credentials(a))
        em_turn_allocate(a);
}

static void allocated(struct em_attempt *a, const struct stun_msg *m)
{
    if (!em_address_usable(&m->xor_relayed)) {
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an allocation without a usable relayed address");
        return;
    }
    em_ask_answered(a, m);
    em_address_text(&m->xor_relayed, a->result.relayed_address);
    a->result.allocate_us = a->result.rtt_us;
    release(a);
}

static void released(struct em_attempt *a, const struct stun_msg *m)
{
    const char *how = a->turn.has_credentials ? "allocation released again, made"
                                              : "allocation released again, made without credentials";

    if (m->class == STUN_SUCCESS)
        em_attempt_good(a, how, a->result.allocate_us);
    else
        em_attempt_end(a, EM_VERDICT_DEGRADED, "allocation made, but its release was answered with error %u",
                       m->error_code);
}

static void sign_again(struct em_attempt *a)
{
    if (a->turn.step == EM_TURN_RELEASING) {
        release(a);
        return;
    }
    a->turn.step = EM_TURN_AUTHENTICATING;
    em_turn_allocate(a);
}

void em_turn_answer(struct em_attempt *a, const struct stun_msg *m)
{
    enum stun_auth_next next = stun_auth_answer(&a->turn.auth, m);
    bool releasing = a->turn.step == EM_TURN_RELEASING;

    if (next == STUN_AUTH_FORGED) {
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an answer whose MESSAGE-INTEGRITY is wrong or missing");
        return;
    }
    if (next == STUN_AUTH_SUCCESS && !releasing) {
        allocated(a, m);
        return;
    }
    em_ask_answered(a, m);
    if (next == STUN_AUTH_RETRY)
        sign_again(a);
    else if (releasing)
        released(a, m);
    else if (next == STUN_AUTH_NEEDED)
        em_attempt_good(a, "TURN answer (401, as it should be without credentials)", a->result.rtt_us);
    else if (next == STUN_AUTH_BROKEN)
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "%s", a->turn.auth.broken);
    else if (next == STUN_AUTH_REFUSED && m->error_code == 401)
        em_attempt_end(a, EM_VERDICT_AUTH_FAILED, "the server refused the credentials");
    else
        em_judge_error(a, m, a->turn.has_credentials);
}

/* No answer to the release: the allocation was made, which is what was asked. The server lets it expire. */
bool em_turn_lost(struct em_attempt *a)
{
    if (a->turn.step != EM_TURN_RELEASING)
        return false;
    em_attempt_end(a, EM_VERDICT_DEGRADED, "allocation made, but its release was not answered");
    return true;
}

/* An allocation may have been made although its answer did not come: take it back with a last request that nobody waits for. */
void em_turn_abandon(struct em_attempt *a)
{
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    if (!a->asking || a->turn.step != EM_TURN_AUTHENTICATING)
        return;
    begin_refresh(a, &b);
    stun_put_fingerprint(&b);
    if (!b.full)
        em_conn_send(a->conn, b.p, b.n);
}
