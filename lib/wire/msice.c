/* SPDX-License-Identifier: GPL-3.0-or-later
 * Microsoft's attributes of connectivity checks, and the integrity that counts the fingerprint. */
#include "wire/msice.h"

#include <string.h>

#include "wire/hmac.h"

enum { BLOCK = 64, INTEGRITY_SIZE = 4 + HMAC_SHA1_SIZE, FINGERPRINT_SIZE = 8 };

void msice_parse(const struct stun_msg *m, struct msice_msg *ice)
{
    struct stun_walk w = stun_walk_of(m);

    *ice = (struct msice_msg) { 0 };
    while (stun_walk_next(&w)) {
        struct slice text = { (const char *)w.value.p, cur_left(&w.value) };

        if (w.type == MSICE_ATTR_CANDIDATE_IDENTIFIER && !ice->candidate.p) {
            while (text.n > 0 && text.p[text.n - 1] == '\0')
                text.n--;
            ice->candidate = text;
        } else if (w.type == MSICE_ATTR_IMPLEMENTATION_VERSION && !ice->version && text.n == 4) {
            ice->version = cur_u32(&w.value);
        }
    }
}

/* Type and length, the length being that of the message with integrity and fingerprint. */
static bool digest(const uint8_t *p, size_t at, struct slice password, uint8_t to[HMAC_SHA256_SIZE])
{
    static const char zeros[BLOCK];
    size_t length = at + INTEGRITY_SIZE + FINGERPRINT_SIZE - STUN_HEADER_SIZE;
    const char header[] = { (char)p[0], (char)p[1], (char)(length >> 8), (char)length };
    const struct slice pieces[] = { { header, sizeof header },
                                    { (const char *)p + sizeof header, at - sizeof header },
                                    { zeros, -at & (BLOCK - 1) } };

    return hmac_of(false, password, pieces, 3, to);
}

void msice_put_integrity(struct buf *b, struct slice password)
{
    uint8_t sum[HMAC_SHA256_SIZE];

    if (b->full || !digest(b->p, b->n, password, sum)) {
        b->full = true;
        return;
    }
    stun_put(b, STUN_ATTR_MESSAGE_INTEGRITY, sum, HMAC_SHA1_SIZE);
}

enum stun_integrity msice_check_integrity(const struct stun_msg *m, struct slice password)
{
    uint8_t sum[HMAC_SHA256_SIZE];

    if (m->integrity_at == 0)
        return STUN_INTEGRITY_ABSENT;
    if (!digest(m->bytes, m->integrity_at, password, sum))
        return STUN_INTEGRITY_WRONG;
    return secret_same(sum, m->bytes + m->integrity_at + 4, HMAC_SHA1_SIZE) ? STUN_INTEGRITY_RIGHT
                                                                            : STUN_INTEGRITY_WRONG;
}
