/* SPDX-License-Identifier: GPL-3.0-or-later
 * Authentication of STUN messages: MESSAGE-INTEGRITY with SHA-1 and SHA-256, keys, and the client's side of the long-term
 * mechanism (RFC 8489 sections 9.1, 9.2, 14.5, 14.6). Pure; digests by OpenSSL.
 *
 * A client keeps one struct stun_auth for each server:
 *
 *     stun_auth_init(&a, user, password);
 *     stun_begin(...); put attributes; stun_auth_sign(&a, &b); stun_put_fingerprint(&b);       nothing is added before a challenge
 *     answer: switch (stun_auth_answer(&a, &m)) { RETRY: sign a new request; ... }
 *     stun_auth_fini(&a);                                                                       clears the secrets
 *
 *     unsigned --401--> signed --success--> signed: realm, nonce and key go into every later request
 *                         |  ^
 *                         |  +-- 438: with the new nonce, once for each request; 401 of another realm: once
 *                         +-- 401 of the same realm: refused
 *
 * Nobody in between can talk us down (RFC 8489 section 9.2.1): a nonce says in its own text that the server offers password algorithms,
 * and the nonce comes back to the server in the signed request. A challenge whose nonce says so and that lists none is not answered.
 *
 * User, realm and password are taken as they are: opaque_string() (opaque.h) gives them the form that STUN wants. The realm is the server's.
 */
#ifndef EM_WIRE_STUN_AUTH_H
#define EM_WIRE_STUN_AUTH_H

#include "wire/stun.h"

enum {
    STUN_KEY_MAX = 512,
    STUN_ALGORITHMS_MAX =
        64, /* bytes of PASSWORD-ALGORITHMS that are sent back; a longer list is not answered */
    STUN_REALM_CHANGES_MAX = 1, /* challenges with another realm that are followed */
};

struct stun_key {
    uint8_t bytes[STUN_KEY_MAX];
    size_t n;
};

/* Short-term: the password itself. Long-term: MD5 or SHA-256 of user:realm:password, quotes and trailing NULs of user and realm
 * removed. false: too long, or the digest is not available. */
bool stun_key_short(struct stun_key *k, struct slice password) EM_MUST_CHECK;
bool stun_key_long(struct stun_key *k, bool sha256, struct slice user, struct slice realm,
                   struct slice password) EM_MUST_CHECK;

void stun_key_fini(struct stun_key *k); /* clears it */

/* RFC 8489 section 9.2.2: quotes and trailing NULs of a user or realm do not belong to the value that a key is made of. */
struct slice stun_unquoted(struct slice s);

/* Adds MESSAGE-INTEGRITY (20 bytes) or MESSAGE-INTEGRITY-SHA256 (32 bytes). */
void stun_put_integrity(struct buf *b, const struct stun_key *k, bool sha256);

enum stun_integrity { STUN_INTEGRITY_ABSENT, STUN_INTEGRITY_RIGHT, STUN_INTEGRITY_WRONG };
/* The stronger one that is present is checked, in constant time. A MESSAGE-INTEGRITY-SHA256 that was cut is wrong: neither STUN nor
 * TURN allows it (RFC 8489 section 14.6). */
enum stun_integrity stun_check_integrity(const struct stun_msg *m, const struct stun_key *k);

/* TURN REST credentials (coturn use-auth-secret): user "expiry" or "expiry:name", password base64(HMAC-SHA1(secret, user)).
 * false: no room. */
bool stun_rest_credentials(const char *secret, int64_t expiry_s, const char *name, char *user,
                           size_t user_size, char *password, size_t password_size) EM_MUST_CHECK;

enum stun_auth_next {
    STUN_AUTH_SUCCESS, /* a success response, with right integrity when we signed */
    STUN_AUTH_RETRY, /* challenged (401) or stale nonce (438): sign the request again with a new transaction id */
    STUN_AUTH_NEEDED,   /* 401, and we have no credentials: the server is alive and speaks the protocol */
    STUN_AUTH_REFUSED,  /* 401 in answer to our credentials, or 438 twice for one request */
    STUN_AUTH_ERROR,    /* another error response; m->error_code tells */
    STUN_AUTH_FORGED,   /* as if it had not come (RFC 8489 section 9.2.5): see stun_auth_answer() */
    STUN_AUTH_BROKEN,   /* a challenge that must not be answered; a->broken says why */
    STUN_AUTH_REDIRECT, /* 300; m->alternate_server says where to, with the same credentials */
};

struct stun_auth {
    char user[513], password[512], realm[764], nonce[764];
    size_t realm_n, nonce_n;
    uint8_t algorithms[STUN_ALGORITHMS_MAX]; /* the server's list, sent back as it came */
    size_t algorithms_n;
    uint16_t algorithm; /* ours of that list; 0 = there was no list */
    struct stun_key key;
    bool challenged, sha256, user_hashed, stale_once;
    unsigned realm_changes;
    const char *broken; /* a phrase, after STUN_AUTH_BROKEN */
};

/* user "" = no credentials. false: one of them is too long; it is cut, and the server will refuse it. */
bool stun_auth_init(struct stun_auth *a, const char *user, const char *password);
void stun_auth_fini(struct stun_auth *a);
/* USERNAME or USERHASH, REALM, NONCE ..., integrity; nothing before a challenge. */
void stun_auth_sign(const struct stun_auth *a, struct buf *b);

/* What the answer to the last request means. Once we signed, FORGED is: integrity that is wrong; a success, a redirect (300) or a 400
 * without any; SHA-1 where we signed with SHA-256; a nonce that speaks of password algorithms without listing them. Another error
 * response without integrity is ERROR, against the letter of the RFC: it can only make a verdict worse, and servers that are in
 * trouble do not always sign what they say. */
enum stun_auth_next stun_auth_answer(struct stun_auth *a, const struct stun_msg *m);

#endif
