/* SPDX-License-Identifier: GPL-3.0-or-later
 * Message integrity, keys, and the client's side of the long-term credential mechanism. */
#include "wire/stun_auth.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { SHA1_SIZE = 20, SHA256_SIZE = 32, ALGORITHM_SHA256 = 2 };

bool stun_key_short(struct stun_key *k, struct slice password)
{
    if (password.n > sizeof k->bytes)
        return false;
    if (password.n)
        memcpy(k->bytes, password.p, password.n);
    k->n = password.n;
    return true;
}

/* RFC 8489 section 9.2.2: quotes and trailing NULs do not belong to the value. */
static struct slice unquoted(struct slice s)
{
    while (s.n > 0 && s.p[s.n - 1] == '\0')
        s.n--;
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = (struct slice) { s.p + 1, s.n - 2 };
    return s;
}

bool stun_key_long(struct stun_key *k, bool sha256, struct slice user, struct slice realm,
                   struct slice password)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned n = 0;
    bool ok;

    user = unquoted(user);
    realm = unquoted(realm);
    while (password.n > 0 && password.p[password.n - 1] == '\0')
        password.n--;
    ok = ctx && EVP_DigestInit_ex(ctx, sha256 ? EVP_sha256() : EVP_md5(), NULL) &&
         EVP_DigestUpdate(ctx, user.p, user.n) && EVP_DigestUpdate(ctx, ":", 1) &&
         EVP_DigestUpdate(ctx, realm.p, realm.n) && EVP_DigestUpdate(ctx, ":", 1) &&
         EVP_DigestUpdate(ctx, password.p, password.n) && EVP_DigestFinal_ex(ctx, k->bytes, &n);
    EVP_MD_CTX_free(ctx);
    k->n = n;
    return ok;
}

static size_t digest_size(bool sha256)
{
    return sha256 ? SHA256_SIZE : SHA1_SIZE;
}

/* HMAC over two pieces: the header with another length, and the rest. */
static bool hmac(bool sha256, const struct stun_key *k, const uint8_t header[4], const uint8_t *rest,
                 size_t n, uint8_t digest[SHA256_SIZE])
{
    uint8_t whole[STUN_MESSAGE_MAX + 64];
    unsigned size = 0;

    if (n + 4 > sizeof whole)
        return false;
    memcpy(whole, header, 4);
    memcpy(whole + 4, rest, n);
    return HMAC(sha256 ? EVP_sha256() : EVP_sha1(), k->bytes, (int)k->n, whole, n + 4, digest, &size) != NULL;
}

void stun_put_integrity(struct buf *b, const struct stun_key *k, bool sha256)
{
    uint8_t digest[SHA256_SIZE] = { 0 };
    size_t at = b->n;
    uint16_t type = sha256 ? STUN_ATTR_MESSAGE_INTEGRITY_SHA256 : STUN_ATTR_MESSAGE_INTEGRITY;

    stun_put(b, type, digest, digest_size(sha256)); /* the length must be right before the sum is taken */
    if (b->full)
        return;
    if (!hmac(sha256, k, b->p, b->p + 4, at - 4, digest)) {
        b->full = true;
        return;
    }
    b->n = at;
    stun_put(b, type, digest, digest_size(sha256));
}

enum stun_integrity stun_check_integrity(const struct stun_msg *m, const struct stun_key *k)
{
    bool sha256 = m->integrity256_at != 0;
    size_t at = sha256 ? m->integrity256_at : m->integrity_at,
           size = sha256 ? m->integrity256_size : SHA1_SIZE, length;
    uint8_t digest[SHA256_SIZE], header[4];

    if (at == 0)
        return STUN_INTEGRITY_ABSENT;
    length = at + 4 + size - STUN_HEADER_SIZE;
    memcpy(header, m->bytes, 2);
    header[2] = (uint8_t)(length >> 8);
    header[3] = (uint8_t)length;
    if (!hmac(sha256, k, header, m->bytes + 4, at - 4, digest))
        return STUN_INTEGRITY_WRONG;
    return CRYPTO_memcmp(digest, m->bytes + at + 4, size) == 0 ? STUN_INTEGRITY_RIGHT : STUN_INTEGRITY_WRONG;
}

bool stun_rest_credentials(const char *secret, int64_t expiry_s, const char *name, char *user,
                           size_t user_size, char *password, size_t password_size)
{
    uint8_t digest[SHA256_SIZE], text[4 * ((SHA1_SIZE + 2) / 3) + 1];
    unsigned n = 0;
    int written = snprintf(user, user_size, *name ? "%lld:%s" : "%lld%s", (long long)expiry_s, name);

    if (written < 0 || (size_t)written >= user_size || password_size < sizeof text)
        return false;
    if (!HMAC(EVP_sha1(), secret, (int)strlen(secret), (const uint8_t *)user, strlen(user), digest, &n))
        return false;
    EVP_EncodeBlock(text, digest, (int)n);
    memcpy(password, text, sizeof text);
    return true;
}

void stun_auth_init(struct stun_auth *a, const char *user, const char *password)
{
    *a = (struct stun_auth) { 0 };
    slice_copy(slice_of(user), a->user, sizeof a->user);
    slice_copy(slice_of(password), a->password, sizeof a->password);
}

void stun_auth_fini(struct stun_auth *a)
{
    OPENSSL_cleanse(a, sizeof *a);
}

void stun_auth_sign(const struct stun_auth *a, struct buf *b)
{
    if (!a->challenged)
        return;
    stun_put_text(b, STUN_ATTR_USERNAME, slice_of(a->user));
    stun_put(b, STUN_ATTR_REALM, a->realm, a->realm_n);
    stun_put(b, STUN_ATTR_NONCE, a->nonce, a->nonce_n);
    if (a->sha256) {
        stun_put(b, STUN_ATTR_PASSWORD_ALGORITHMS, a->algorithms, a->algorithms_n);
        stun_put(b, STUN_ATTR_PASSWORD_ALGORITHM, (const uint8_t[4]) { 0, ALGORITHM_SHA256, 0, 0 }, 4);
    }
    stun_put_integrity(b, &a->key, a->sha256);
}

/* Flag bit 0 of a nonce that begins "obMatJos2" and four base64 characters of 24 bits (RFC 8489 section 9.2, 18.1). */
static bool nonce_wants_algorithms(struct slice nonce)
{
    uint8_t bits[3];

    if (!slice_skip(&nonce, SLICE("obMatJos2")) || nonce.n < 4)
        return false;
    return EVP_DecodeBlock(bits, (const uint8_t *)nonce.p, 4) == 3 && (bits[0] & 0x80) != 0;
}

static bool take_challenge(struct stun_auth *a, const struct stun_msg *m)
{
    if (!m->realm.p || !m->nonce.p || m->realm.n > sizeof a->realm || m->nonce.n > sizeof a->nonce)
        return false;
    memcpy(a->realm, m->realm.p, a->realm_n = m->realm.n);
    memcpy(a->nonce, m->nonce.p, a->nonce_n = m->nonce.n);
    a->sha256 = m->password_sha256 && nonce_wants_algorithms(m->nonce) &&
                m->password_algorithms.n <= sizeof a->algorithms;
    if (a->sha256)
        memcpy(a->algorithms, m->password_algorithms.p, a->algorithms_n = m->password_algorithms.n);
    a->challenged = stun_key_long(&a->key, a->sha256, slice_of(a->user),
                                  (struct slice) { a->realm, a->realm_n }, slice_of(a->password));
    return a->challenged;
}

static enum stun_auth_next challenge(struct stun_auth *a, const struct stun_msg *m)
{
    if (!a->user[0])
        return m->realm.p && m->nonce.p ? STUN_AUTH_NEEDED : STUN_AUTH_BROKEN;
    if (m->error_code == 401 && a->challenged)
        return STUN_AUTH_REFUSED;
    if (m->error_code == 438) {
        if (a->stale_once)
            return STUN_AUTH_REFUSED;
        a->stale_once = true;
    }
    return take_challenge(a, m) ? STUN_AUTH_RETRY : STUN_AUTH_BROKEN;
}

enum stun_auth_next stun_auth_answer(struct stun_auth *a, const struct stun_msg *m)
{
    if (m->class == STUN_ERROR && (m->error_code == 401 || m->error_code == 438))
        return challenge(a, m);
    if (a->challenged) {
        enum stun_integrity i = stun_check_integrity(m, &a->key);

        if (i == STUN_INTEGRITY_WRONG || (i == STUN_INTEGRITY_ABSENT && m->class == STUN_SUCCESS))
            return STUN_AUTH_FORGED;
    }
    return m->class == STUN_SUCCESS ? STUN_AUTH_SUCCESS : STUN_AUTH_ERROR;
}
