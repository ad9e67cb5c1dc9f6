/* SPDX-License-Identifier: GPL-3.0-or-later
 * Authentication of STUN messages: MESSAGE-INTEGRITY with SHA-1 and SHA-256, keys, and the client's side of the long-term
 * mechanism (RFC 8489 sections 9.1, 9.2, 14.5, 14.6). Pure; digests by OpenSSL.
 *
 * A client keeps one struct stun_auth per server and transaction chain:
 *
 *     stun_auth_init(&a, user, password);
 *     stun_begin(...); put attributes; stun_auth_sign(&a, &b); stun_put_fingerprint(&b);       nothing is added before a challenge
 *     answer: switch (stun_auth_answer(&a, &m)) { RETRY: sign a new request; ... }
 *     stun_auth_fini(&a);                                                                       clears the secrets
 */
#ifndef EM_WIRE_STUN_AUTH_H
#define EM_WIRE_STUN_AUTH_H

#include "wire/stun.h"

enum { STUN_KEY_MAX = 512 };

struct stun_key {
    uint8_t bytes[STUN_KEY_MAX];
    size_t n;
};

/* Short-term: the password itself. Long-term: MD5 or SHA-256 of user:realm:password, quotes and trailing NULs of user and realm
 * removed. false: too long, or the digest is not available. */
bool stun_key_short(struct stun_key *k, struct slice password) EM_MUST_CHECK;
bool stun_key_long(struct stun_key *k, bool sha256, struct slice user, struct slice realm,
                   struct slice password) EM_MUST_CHECK;

/* Adds MESSAGE-INTEGRITY (20 bytes) or MESSAGE-INTEGRITY-SHA256 (32 bytes). */
void stun_put_integrity(struct buf *b, const struct stun_key *k, bool sha256);

enum stun_integrity { STUN_INTEGRITY_ABSENT, STUN_INTEGRITY_RIGHT, STUN_INTEGRITY_WRONG };
/* The stronger one that is present is checked, in constant time. */
enum stun_integrity stun_check_integrity(const struct stun_msg *m, const struct stun_key *k);

/* TURN REST credentials (coturn use-auth-secret): user "expiry" or "expiry:name", password base64(HMAC-SHA1(secret, user)).
 * false: no room. */
bool stun_rest_credentials(const char *secret, int64_t expiry_s, const char *name, char *user,
                           size_t user_size, char *password, size_t password_size) EM_MUST_CHECK;

enum stun_auth_next {
    STUN_AUTH_SUCCESS, /* a success response, with right integrity when we signed */
    STUN_AUTH_RETRY, /* challenged (401) or stale nonce (438): sign the request again with a new transaction id */
    STUN_AUTH_NEEDED,  /* 401, and we have no credentials: the server is alive and speaks the protocol */
    STUN_AUTH_REFUSED, /* 401 in answer to our credentials, or 438 twice */
    STUN_AUTH_ERROR,   /* another error response; m->error_code tells */
    STUN_AUTH_FORGED, /* we signed, and the answer's integrity is wrong or missing: as if it had not come (RFC 8489 9.2.5) */
    STUN_AUTH_BROKEN, /* a challenge without realm or nonce */
};

struct stun_auth {
    char user[513], password[512], realm[764], nonce[764];
    size_t realm_n, nonce_n;
    uint8_t algorithms[64];
    size_t algorithms_n;
    struct stun_key key;
    bool challenged, sha256, stale_once;
};

void stun_auth_init(struct stun_auth *a, const char *user,
                    const char *password); /* user "" = no credentials */
void stun_auth_fini(struct stun_auth *a);
void stun_auth_sign(const struct stun_auth *a,
                    struct buf *b); /* USERNAME, REALM, NONCE ..., integrity; nothing before a challenge */
enum stun_auth_next stun_auth_answer(struct stun_auth *a, const struct stun_msg *m);

#endif
