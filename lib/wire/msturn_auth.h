/* SPDX-License-Identifier: GPL-3.0-or-later
 * Authentication of Microsoft's TURN dialect: keys and integrity by version, and the client's side of a conversation with a relay. Pure.
 *
 * | MS-Version                        | integrity | key                                                                          |
 * |-----------------------------------|-----------|------------------------------------------------------------------------------|
 * | absent, 1 or 2 on either side     | SHA-1, 20 | MD5(user ":" realm ":" password), as stun_key_long(); libnice agrees          |
 * | 3 and above on both               | SHA-256, 32 | K1 = HMAC(nonce, password); K = HMAC(K1, 01 "TURN" 00 user realm 00000100)  |
 *
 * Both sum the message from its first byte to the integrity attribute, header length included as it is sent, with zeros up to a multiple of 64.
 * The SHA-256 form agrees with a published unit test, but was never seen to work against a real relay: so a client does well to
 * announce version 1 or 2, which is what old clients do. The realm goes into the key without its quotes, and back to the server with them.
 *
 * A client keeps one struct msturn_auth for each relay:
 *
 *     msturn_auth_init(&a, user, password, MSTURN_VERSION_ICE);          both as bytes: MRAS gives them in base64
 *     msturn_begin(&b, MSTURN_ALLOCATE, tid);  msturn_put_u32(&b, MSTURN_ATTR_VERSION, a.version);  ...
 *     msturn_auth_sign(&a, &b);                                          nothing is added before a challenge; last
 *     answer: switch (msturn_auth_answer(&a, &m)) { RETRY: sign a new request; ... }
 *     msturn_auth_fini(&a);                                              clears the secrets
 *
 *     unsigned --401--> signed --success--> signed, with the connection's sequence number
 *                         |  ^
 *                         |  +-- 438 or 430 (stale nonce): with the new nonce, once for each request
 *                         +-- 401: refused
 */
#ifndef EM_WIRE_MSTURN_AUTH_H
#define EM_WIRE_MSTURN_AUTH_H

#include "wire/msturn.h"
#include "wire/stun_auth.h"

enum { MSTURN_PASSWORD_MAX = 256 };

/* False: too long, or the digest is not available. */
bool msturn_key(struct stun_key *k, bool sha256, struct slice user, struct slice realm, struct slice nonce,
                struct slice password) EM_MUST_CHECK;

void msturn_put_integrity(struct buf *b, const struct stun_key *k, bool sha256);
/* In constant time. Another size than that of the digest is wrong. */
enum stun_integrity msturn_check_integrity(const struct msturn_msg *m, const struct stun_key *k, bool sha256);

struct msturn_auth {
    uint8_t user[MSTURN_USER_MAX], password[MSTURN_PASSWORD_MAX];
    size_t user_n, password_n;
    char realm[MSTURN_REALM_MAX], nonce[MSTURN_NONCE_MAX];
    size_t realm_n, nonce_n;
    uint32_t version; /* ours */
    struct stun_key key;
    bool challenged, sha256, stale_once;
    bool
        unchecked; /* the last answer was signed with SHA-256 though we signed with SHA-1: believed, not checked */
    bool has_session, has_connection;
    uint8_t session[MSTURN_SESSION_SIZE], connection[MSTURN_CONNECTION_SIZE];
    uint32_t sequence;  /* of the next request on the connection */
    const char *broken; /* a phrase, after STUN_AUTH_BROKEN */
};

/* A user name or password as people write it: its bytes; or, behind "base64:", base64, which is how MRAS gives both. False: longer than max, or
 * no base64. */
bool msturn_credential(struct slice text, uint8_t *to, size_t max, size_t *n) EM_MUST_CHECK;

/* user of no bytes = no credentials. False: one of them is too long; there are then none. */
bool msturn_auth_init(struct msturn_auth *a, struct slice user, struct slice password,
                      uint32_t version) EM_MUST_CHECK;
void msturn_auth_fini(struct msturn_auth *a);

/* Session id, sequence number, nonce, realm, user, integrity: last in a message. Nothing before a challenge. */
void msturn_auth_sign(struct msturn_auth *a, struct buf *b);

/* What the answer to the last request means; the enum of stun_auth.h. Once we signed, FORGED is a success or a redirect (300) without integrity
 * or with a wrong one, and an error with a wrong one. */
enum stun_auth_next msturn_auth_answer(struct msturn_auth *a, const struct msturn_msg *m);

#endif
