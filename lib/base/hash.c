/* SPDX-License-Identifier: GPL-3.0-or-later
 * SipHash-2-4 as its paper describes it, one message at a time. */
#include "base/hash.h"

#include <string.h>

const struct em_hash_key em_hash_key_fixed = { UINT64_C(0x65646765206d6564), UINT64_C(0x6961206d6f6e6974) };

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static void rounds(struct state *s, int n)
{
    while (n-- > 0) {
        s->v0 += s->v1, s->v1 = rotl(s->v1, 13) ^ s->v0, s->v0 = rotl(s->v0, 32);
        s->v2 += s->v3, s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 += s->v3, s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v2 += s->v1, s->v1 = rotl(s->v1, 17) ^ s->v2, s->v2 = rotl(s->v2, 32);
    }
}

static void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, 2);
    s->v0 ^= word;
}

static uint64_t word_le(const uint8_t *p, size_t n)
{
    uint64_t w = 0;

    for (size_t i = 0; i < n; i++)
        w |= (uint64_t)p[i] << (8 * i);
    return w;
}

uint64_t em_hash(const struct em_hash_key *key, const void *p, size_t n)
{
    struct state s = {
        key->k0 ^ UINT64_C(0x736f6d6570736575),
        key->k1 ^ UINT64_C(0x646f72616e646f6d),
        key->k0 ^ UINT64_C(0x6c7967656e657261),
        key->k1 ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *b = p;
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        absorb(&s, word_le(b + i, 8));
    absorb(&s, (uint64_t)n << 56 | (n > i ? word_le(b + i, n - i) : 0));
    s.v2 ^= 0xFF;
    rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
