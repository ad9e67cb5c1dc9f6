/* SPDX-License-Identifier: GPL-3.0-or-later
 * Message integrity, keys, and the client's side of the long-term credential mechanism. */
#include "wire/stun_auth.h"

#include <stdio.h>
#include <string.h>

#include "wire/crypto.h"
#include "wire/hmac.h"

enum { ALGORITHM_MD5 = 1, ALGORITHM_SHA256 = 2 };

bool stun_key_short(struct stun_key *k, struct slice password)
{
    if (password.n > sizeof k->bytes)
        return false;
    if (password.n)
        memcpy(k->bytes, password.p, password.n);
    k->n = password.n;
    return true;
}

struct slice stun_unquoted(struct slice s)
{
    while (s.n > 0 && s.p[s.n - 1] == '\0')
        s.n--;
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = (struct slice) { s.p + 1, s.n - 2 };
    return s;
}

/* The digest of parts with colons between them. */
static bool digest_of(bool sha256, const struct slice *parts, size_t parts_n, uint8_t *to, size_t *n)
{
    EVP_MD_CTX *ctx = crypto_ready() ? crypto.EVP_MD_CTX_new() : NULL;
    unsigned size = 0;
    bool ok = ctx && crypto.EVP_DigestInit_ex(ctx, sha256 ? crypto.EVP_sha256() : crypto.EVP_md5(), NULL);

    for (size_t i = 0; i < parts_n && ok; i++)
        ok = (i == 0 || crypto.EVP_DigestUpdate(ctx, ":", 1)) &&
             crypto.EVP_DigestUpdate(ctx, parts[i].p, parts[i].n);
    ok = ok && crypto.EVP_DigestFinal_ex(ctx, to, &size);
    if (ctx)
        crypto.EVP_MD_CTX_free(ctx);
    if (ok)
        *n = size;
    return ok;
}

bool stun_key_long(struct stun_key *k, bool sha256, struct slice user, struct slice realm,
                   struct slice password)
{
    struct slice parts[] = { stun_unquoted(user), stun_unquoted(realm), password };

    while (parts[2].n > 0 && parts[2].p[parts[2].n - 1] == '\0')
        parts[2].n--;
    return digest_of(sha256, parts, 3, k->bytes, &k->n);
}

void stun_key_fini(struct stun_key *k)
{
    explicit_bzero(k, sizeof *k);
}

/* HMAC over two pieces: the header with another length, and the rest. */
static bool hmac(bool sha256, const struct stun_key *k, const uint8_t header[4], const uint8_t *rest,
                 size_t n, uint8_t digest[HMAC_SHA256_SIZE])
{
    struct slice pieces[] = { { (const char *)header, 4 }, { (const char *)rest, n } };

    return hmac_of(sha256, (struct slice) { (const char *)k->bytes, k->n }, pieces, 2, digest);
}

void stun_put_integrity(struct buf *b, const struct stun_key *k, bool sha256)
{
    uint8_t digest[HMAC_SHA256_SIZE] = { 0 };
    size_t at = b->n;
    uint16_t type = sha256 ? STUN_ATTR_MESSAGE_INTEGRITY_SHA256 : STUN_ATTR_MESSAGE_INTEGRITY;

    stun_put(b, type, digest, hmac_size(sha256)); /* the length must be right before the sum is taken */
    if (b->full)
        return;
    if (!hmac(sha256, k, b->p, b->p + 4, at - 4, digest)) {
        b->full = true;
        return;
    }
    b->n = at;
    stun_put(b, type, digest, hmac_size(sha256));
}

enum stun_integrity stun_check_integrity(const struct stun_msg *m, const struct stun_key *k)
{
    bool sha256 = m->integrity256_at != 0;
    size_t at = sha256 ? m->integrity256_at : m->integrity_at,
           size = sha256 ? m->integrity256_size : HMAC_SHA1_SIZE, length;
    uint8_t digest[HMAC_SHA256_SIZE], header[4];

    if (at == 0)
        return STUN_INTEGRITY_ABSENT;
    if (size != hmac_size(sha256))
        return STUN_INTEGRITY_WRONG;
    length = at + 4 + size - STUN_HEADER_SIZE;
    memcpy(header, m->bytes, 2);
    header[2] = (uint8_t)(length >> 8);
    header[3] = (uint8_t)length;
    if (!hmac(sha256, k, header, m->bytes + 4, at - 4, digest))
        return STUN_INTEGRITY_WRONG;
    return secret_same(digest, m->bytes + at + 4, size) ? STUN_INTEGRITY_RIGHT : STUN_INTEGRITY_WRONG;
}

bool stun_rest_credentials(const char *secret, int64_t expiry_s, const char *name, char *user,
                           size_t user_size, char *password, size_t password_size)
{
    uint8_t digest[HMAC_SHA256_SIZE], text[4 * ((HMAC_SHA1_SIZE + 2) / 3) + 1];
    unsigned n = 0;
    int written = snprintf(user, user_size, *name ? "%lld:%s" : "%lld%s", (long long)expiry_s, name);

    if (written < 0 || (size_t)written >= user_size || password_size < sizeof text)
        return false;
    if (!crypto_ready() || !crypto.HMAC(crypto.EVP_sha1(), secret, (int)strlen(secret), (const uint8_t *)user,
                                        strlen(user), digest, &n))
        return false;
    crypto.EVP_EncodeBlock(text, digest, (int)n);
    memcpy(password, text, sizeof text);
    explicit_bzero(text, sizeof text);
    explicit_bzero(digest, sizeof digest);
    return true;
}

bool stun_auth_init(struct stun_auth *a, const char *user, const char *password)
{
    bool fits;

    *a = (struct stun_auth) { 0 };
    fits = slice_copy(slice_of(user), a->user, sizeof a->user);
    return slice_copy(slice_of(password), a->password, sizeof a->password) && fits;
}

void stun_auth_fini(struct stun_auth *a)
{
    explicit_bzero(a, sizeof *a);
}

static struct slice realm_of(const struct stun_auth *a)
{
    return (struct slice) { a->realm, a->realm_n };
}

/* RFC 8489 section 14.4: who listens shall not learn who asks. */
static void put_user(const struct stun_auth *a, struct buf *b)
{
    struct slice parts[] = { stun_unquoted(slice_of(a->user)), stun_unquoted(realm_of(a)) };
    uint8_t hash[HMAC_SHA256_SIZE];
    size_t n;

    if (!a->user_hashed)
        stun_put_text(b, STUN_ATTR_USERNAME, slice_of(a->user));
    else if (digest_of(true, parts, 2, hash, &n))
        stun_put(b, STUN_ATTR_USERHASH, hash, n);
    else
        b->full = true;
}

void stun_auth_sign(const struct stun_auth *a, struct buf *b)
{
    if (!a->challenged)
        return;
    put_user(a, b);
    stun_put_text(b, STUN_ATTR_REALM, realm_of(a));
    stun_put(b, STUN_ATTR_NONCE, a->nonce, a->nonce_n);
    if (a->algorithm) {
        stun_put(b, STUN_ATTR_PASSWORD_ALGORITHMS, a->algorithms, a->algorithms_n);
        stun_put(b, STUN_ATTR_PASSWORD_ALGORITHM, (const uint8_t[4]) { 0, (uint8_t)a->algorithm, 0, 0 }, 4);
    }
    stun_put_integrity(b, &a->key, a->sha256);
}

/* What a nonce says about its server: "obMatJos2", then 24 bits in four base64 characters, the first bit on the left (RFC 8489 sections
 * 9.2 and 18.1). */
enum feature { FEATURE_ALGORITHMS = 0x80, FEATURE_ANONYMITY = 0x40 };

static bool nonce_says(struct slice nonce, enum feature feature)
{
    uint8_t bits[3];

    if (!slice_skip(&nonce, SLICE("obMatJos2")) || nonce.n < 4 || !crypto_ready())
        return false;
    return crypto.EVP_DecodeBlock(bits, (const uint8_t *)nonce.p, 4) == 3 && (bits[0] & feature) != 0;
}

static bool talked_down(const struct stun_msg *m)
{
    return nonce_says(m->nonce, FEATURE_ALGORITHMS) && !m->password_algorithms.p;
}

/* The first of the list that we know, as the RFC wants it; 0 = none. Neither of ours has parameters. */
static uint16_t choose_algorithm(struct slice list)
{
    struct cur c = cur_of(list.p, list.n);

    while (cur_left(&c) > 0) {
        uint16_t algorithm = cur_u16(&c), n = cur_u16(&c);

        cur_take(&c, n);
        if (cur_left(&c) > 0)
            cur_take(&c, -n & 3U);
        if (!c.bad && n == 0 && (algorithm == ALGORITHM_MD5 || algorithm == ALGORITHM_SHA256))
            return algorithm;
    }
    return 0;
}

/* Why this challenge cannot be answered; NULL = it can. */
static const char *unanswerable(const struct stun_auth *a, const struct stun_msg *m)
{
    if (!m->nonce.p || (!m->realm.p && !a->challenged))
        return "a challenge without realm or nonce";
    if (m->realm.n > sizeof a->realm || m->nonce.n > sizeof a->nonce ||
        m->password_algorithms.n > sizeof a->algorithms)
        return "a challenge that is too long to be sent back";
    if (talked_down(m))
        return "a challenge whose nonce speaks of password algorithms that it does not list";
    if (m->password_algorithms.p && !choose_algorithm(m->password_algorithms))
        return "a challenge with password algorithms that are all unknown";
    return NULL;
}

/* A stale nonce may come without the realm, which then stays. */
static enum stun_auth_next take_challenge(struct stun_auth *a, const struct stun_msg *m)
{
    if ((a->broken = unanswerable(a, m)))
        return STUN_AUTH_BROKEN;
    if (m->realm.p)
        memcpy(a->realm, m->realm.p, a->realm_n = m->realm.n);
    memcpy(a->nonce, m->nonce.p, a->nonce_n = m->nonce.n);
    a->algorithm = choose_algorithm(m->password_algorithms);
    if (a->algorithm)
        memcpy(a->algorithms, m->password_algorithms.p, a->algorithms_n = m->password_algorithms.n);
    a->sha256 =
        a->algorithm != 0; /* of the integrity: who lists algorithms knows it, also when the key is by MD5 */
    a->user_hashed = nonce_says(m->nonce, FEATURE_ANONYMITY);
    a->challenged = stun_key_long(&a->key, a->algorithm == ALGORITHM_SHA256, slice_of(a->user), realm_of(a),
                                  slice_of(a->password));
    if (a->challenged)
        return STUN_AUTH_RETRY;
    a->broken = "a challenge whose digest this machine does not have";
    return STUN_AUTH_BROKEN;
}

static enum stun_auth_next challenge(struct stun_auth *a, const struct stun_msg *m)
{
    if (!a->user[0] && m->realm.p && m->nonce.p)
        return STUN_AUTH_NEEDED;
    if (m->error_code == 401 && a->challenged) {
        if (!m->realm.p || slice_eq(m->realm, realm_of(a)) || a->realm_changes == STUN_REALM_CHANGES_MAX)
            return STUN_AUTH_REFUSED;
        a->realm_changes++;
    }
    if (m->error_code == 438) {
        if (a->stale_once)
            return STUN_AUTH_REFUSED;
        a->stale_once = true;
    }
    return take_challenge(a, m);
}

/* RFC 8489 section 9.2.5, but for what the header says about errors without integrity. */
static bool forged(const struct stun_auth *a, const struct stun_msg *m)
{
    enum stun_integrity i = stun_check_integrity(m, &a->key);

    if (i == STUN_INTEGRITY_ABSENT)
        return m->class == STUN_SUCCESS || m->error_code == 300 || m->error_code == 400;
    return i == STUN_INTEGRITY_WRONG || (a->sha256 && m->integrity256_at == 0);
}

enum stun_auth_next stun_auth_answer(struct stun_auth *a, const struct stun_msg *m)
{
    if (m->class == STUN_ERROR && (m->error_code == 401 || m->error_code == 438))
        return challenge(a, m);
    if (a->challenged && (talked_down(m) || forged(a, m)))
        return STUN_AUTH_FORGED;
    a->stale_once = false;
    if (m->class == STUN_SUCCESS)
        return STUN_AUTH_SUCCESS;
    return m->error_code == 300 && m->alternate_server.family ? STUN_AUTH_REDIRECT : STUN_AUTH_ERROR;
}
