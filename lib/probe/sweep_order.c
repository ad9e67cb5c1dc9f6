/* SPDX-License-Identifier: GPL-3.0-or-later
 * The order of ports: a Feistel network over as many bits as the range needs, walked until it stays within the range, so a permutation of any range needs no
 * memory. */
#include "probe/sweep.h"

enum { ROUNDS = 4 };

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xBF58476D1CE4E5B9);
    x ^= x >> 27;
    x *= UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* half: bits of each side; v has twice as many. */
static uint32_t permute(uint64_t key, unsigned half, uint32_t v)
{
    uint32_t mask = (1u << half) - 1, left = v >> half, right = v & mask;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t was = right;

        right = left ^ (uint32_t)(mix(key + (uint64_t)round * 256 + right) & mask);
        left = was;
    }
    return left << half | right;
}

void em_sweep_order_init(struct em_sweep_order *o, const struct em_clock *clock)
{
    o->next = 0;
    em_random(clock, &o->key, sizeof o->key);
}

/* next counts values of the whole permutation, those outside the range included. */
uint16_t em_sweep_order_port(struct em_sweep_order *o, struct em_port_range ports)
{
    uint32_t n = 1u + ports.last - ports.first;
    unsigned half = 1;

    while (1u << 2 * half < n)
        half++;
    for (;;) {
        uint32_t v;

        if (o->next >= 1u << 2 * half) {
            o->next = 0;
            o->key = mix(o->key + 1);
        }
        v = permute(o->key, half, o->next++);
        if (v < n)
            return (uint16_t)(ports.first + v);
    }
}
