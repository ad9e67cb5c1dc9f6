/* SPDX-License-Identifier: GPL-3.0-or-later
 * Keys, integrity and conversation of Microsoft's TURN dialect. */
#include "wire/msturn_auth.h"

#include <string.h>

#include "wire/crypto.h"
#include "wire/hmac.h"

enum {
    BLOCK = 64, /* RFC 3489 section 11.2.8: the text is filled up to whole blocks */
    MSTURN_CREDENTIAL_TEXT_MAX = 4 * ((MSTURN_USER_MAX + 2) / 3),
};
static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* NIST SP 800-108 in counter mode, one round: counter, label, zero, context, length of the key in bits. */
static bool key_sha256(struct stun_key *k, struct slice user, struct slice realm, struct slice nonce,
                       struct slice password)
{
    static const uint8_t label[] = { 1, 'T', 'U', 'R', 'N', 0 }, bits[] = { 0, 0, 1, 0 };
    uint8_t first[HMAC_SHA256_SIZE];
    const struct slice pieces[] = {
        { (const char *)label, sizeof label }, user, stun_unquoted(realm), { (const char *)bits, sizeof bits }
    };
    bool ok = hmac_of(true, nonce, &password, 1, first) &&
              hmac_of(true, (struct slice) { (const char *)first, sizeof first }, pieces, 4, k->bytes);

    explicit_bzero(first, sizeof first);
    k->n = HMAC_SHA256_SIZE;
    return ok;
}

bool msturn_key(struct stun_key *k, bool sha256, struct slice user, struct slice realm, struct slice nonce,
                struct slice password)
{
    return sha256 ? key_sha256(k, user, realm, nonce, password)
                  : stun_key_long(k, false, user, realm, password);
}

static bool digest(const struct stun_key *k, bool sha256, const uint8_t *p, size_t n,
                   uint8_t to[HMAC_SHA256_SIZE])
{
    static const char zeros[BLOCK];
    const struct slice pieces[] = { { (const char *)p, n }, { zeros, -n & (BLOCK - 1) } };

    return hmac_of(sha256, (struct slice) { (const char *)k->bytes, k->n }, pieces, 2, to);
}

void msturn_put_integrity(struct buf *b, const struct stun_key *k, bool sha256)
{
    uint8_t sum[HMAC_SHA256_SIZE] = { 0 };
    size_t at = b->n;

    msturn_put(b, MSTURN_ATTR_MESSAGE_INTEGRITY, sum, hmac_size(sha256)); /* the length must be right first */
    if (b->full)
        return;
    if (!digest(k, sha256, b->p, at, sum)) {
        b->full = true;
        return;
    }
    b->n = at;
    msturn_put(b, MSTURN_ATTR_MESSAGE_INTEGRITY, sum, hmac_size(sha256));
}

/* The integrity is last, so the length in the header includes it as it is. */
enum stun_integrity msturn_check_integrity(const struct msturn_msg *m, const struct stun_key *k, bool sha256)
{
    uint8_t sum[HMAC_SHA256_SIZE];
    size_t n = hmac_size(sha256);

    if (m->integrity_at == 0)
        return STUN_INTEGRITY_ABSENT;
    if (m->integrity_size != n || m->integrity_at + 4 + n != m->size ||
        !digest(k, sha256, m->bytes, m->integrity_at, sum))
        return STUN_INTEGRITY_WRONG;
    return secret_same(sum, m->bytes + m->integrity_at + 4, n) ? STUN_INTEGRITY_RIGHT : STUN_INTEGRITY_WRONG;
}

/* Strict: whole groups of four, no blanks, padding only at the end. */
static bool decode(struct slice text, uint8_t *to, size_t max, size_t *n)
{
    uint8_t bytes[3 * (MSTURN_CREDENTIAL_TEXT_MAX / 4)];
    size_t pad = 0, size;
    bool ok;

    if (text.n == 0 || text.n % 4 != 0 || text.n > MSTURN_CREDENTIAL_TEXT_MAX)
        return false;
    while (pad < 2 && text.p[text.n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < text.n - pad; i++)
        if (!memchr(base64_letters, text.p[i], sizeof base64_letters - 1))
            return false;
    ok = crypto_ready() &&
         crypto.EVP_DecodeBlock(bytes, (const uint8_t *)text.p, (int)text.n) == (int)(text.n / 4 * 3);
    size = text.n / 4 * 3 - pad;
    ok = ok && size <= max;
    if (ok) {
        memcpy(to, bytes, size);
        *n = size;
    }
    explicit_bzero(bytes, sizeof bytes);
    return ok;
}

bool msturn_credential(struct slice text, uint8_t *to, size_t max, size_t *n)
{
    if (slice_skip(&text, SLICE("base64:")))
        return decode(text, to, max, n);
    if (text.n > max)
        return false;
    if (text.n)
        memcpy(to, text.p, text.n);
    *n = text.n;
    return true;
}

bool msturn_auth_init(struct msturn_auth *a, struct slice user, struct slice password, uint32_t version)
{
    *a = (struct msturn_auth) { .version = version };
    if (user.n > sizeof a->user || password.n > sizeof a->password)
        return false;
    if (user.n)
        memcpy(a->user, user.p, user.n);
    if (password.n)
        memcpy(a->password, password.p, password.n);
    a->user_n = user.n;
    a->password_n = password.n;
    return true;
}

void msturn_auth_fini(struct msturn_auth *a)
{
    explicit_bzero(a, sizeof *a);
}

void msturn_auth_sign(struct msturn_auth *a, struct buf *b)
{
    if (!a->challenged)
        return;
    if (a->has_session)
        msturn_put(b, MSTURN_ATTR_SESSION_ID, a->session, sizeof a->session);
    if (a->has_connection)
        msturn_put_sequence(b, a->connection, ++a->sequence);
    msturn_put(b, MSTURN_ATTR_NONCE, a->nonce, a->nonce_n);
    msturn_put(b, MSTURN_ATTR_REALM, a->realm, a->realm_n);
    msturn_put(b, MSTURN_ATTR_USERNAME, a->user, a->user_n);
    msturn_put_integrity(b, &a->key, a->sha256);
}

/* A stale nonce may come without the realm, which then stays. */
static enum stun_auth_next take_challenge(struct msturn_auth *a, const struct msturn_msg *m)
{
    if (!m->nonce.p || (!m->realm.p && !a->challenged)) {
        a->broken = "a challenge without realm or nonce";
        return STUN_AUTH_BROKEN;
    }
    if (m->realm.p)
        memcpy(a->realm, m->realm.p, a->realm_n = m->realm.n);
    memcpy(a->nonce, m->nonce.p, a->nonce_n = m->nonce.n);
    if (m->session)
        memcpy(a->session, m->session, sizeof a->session);
    a->has_session |= m->session != NULL;
    if (m->has_version || !a->challenged)
        a->sha256 = a->version >= MSTURN_VERSION_SHA256 && m->version >= MSTURN_VERSION_SHA256;
    a->challenged =
        msturn_key(&a->key, a->sha256, (struct slice) { (const char *)a->user, a->user_n },
                   (struct slice) { a->realm, a->realm_n }, (struct slice) { a->nonce, a->nonce_n },
                   (struct slice) { (const char *)a->password, a->password_n });
    if (a->challenged)
        return STUN_AUTH_RETRY;
    a->broken = "a challenge whose digest this machine does not have";
    return STUN_AUTH_BROKEN;
}

static bool is_stale(uint16_t code)
{
    return code == 438 || code == 430; /* RFC 8489; RFC 3489 */
}

static enum stun_auth_next challenge(struct msturn_auth *a, const struct msturn_msg *m)
{
    if (a->user_n == 0 && m->realm.p && m->nonce.p)
        return STUN_AUTH_NEEDED;
    if (m->error_code == 401 && a->challenged)
        return STUN_AUTH_REFUSED;
    if (is_stale(m->error_code)) {
        if (a->stale_once)
            return STUN_AUTH_REFUSED;
        a->stale_once = true;
    }
    return take_challenge(a, m);
}

static bool forged(struct msturn_auth *a, const struct msturn_msg *m)
{
    bool error = m->error_code != 0 && m->error_code != 300;

    a->unchecked = !a->sha256 && m->integrity_size == HMAC_SHA256_SIZE;
    if (m->integrity_at == 0)
        return !error;
    return !a->unchecked && msturn_check_integrity(m, &a->key, a->sha256) != STUN_INTEGRITY_RIGHT;
}

static void take_sequence(struct msturn_auth *a, const struct msturn_msg *m)
{
    if (!m->connection)
        return;
    memcpy(a->connection, m->connection, sizeof a->connection);
    a->has_connection = true;
    a->sequence = m->sequence;
}

enum stun_auth_next msturn_auth_answer(struct msturn_auth *a, const struct msturn_msg *m)
{
    bool success = (m->type & 0x0010) == 0;

    if (!success && (m->error_code == 401 || is_stale(m->error_code)))
        return challenge(a, m);
    if (a->challenged && forged(a, m))
        return STUN_AUTH_FORGED;
    a->stale_once = false;
    if (!success)
        return m->error_code == 300 && m->alternate_server.family ? STUN_AUTH_REDIRECT : STUN_AUTH_ERROR;
    take_sequence(a, m);
    return STUN_AUTH_SUCCESS;
}
