/* SPDX-License-Identifier: GPL-3.0-or-later
 * Read cursor over bytes that we do not trust. It cannot read past its end by construction.
 *
 * A read that does not fit sets `bad`, returns zeros or NULL, and every later read fails too: a run of reads needs one
 * test at its end. When a length says "the next n bytes are X", cut a child window of n with cur_sub() and parse X in
 * the child; the parent already stands behind it. Integers are big-endian (network order). Nothing is copied: the
 * pointers that cur_take() returns are valid as long as the input is.
 * Invariant: p <= end, both within the same buffer.
 */
#ifndef EM_BASE_CUR_H
#define EM_BASE_CUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cur {
    const uint8_t *p, *end;
    bool bad;
};

static inline struct cur cur_of(const void *p, size_t n)
{
    return (struct cur) { p, p ? (const uint8_t *)p + n : p, false };
}

static inline size_t cur_left(const struct cur *c)
{
    return c->bad ? 0 : (size_t)(c->end - c->p);
}

static inline const uint8_t *cur_take(struct cur *c, size_t n)
{
    const uint8_t *p = c->p;

    if (c->bad || n > (size_t)(c->end - c->p)) {
        c->bad = true;
        return NULL;
    }
    c->p += n;
    return p;
}

static inline uint8_t cur_u8(struct cur *c)
{
    const uint8_t *p = cur_take(c, 1);

    return p ? p[0] : 0;
}

static inline uint16_t cur_u16(struct cur *c)
{
    const uint8_t *p = cur_take(c, 2);

    return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t cur_u32(struct cur *c)
{
    const uint8_t *p = cur_take(c, 4);

    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t cur_u64(struct cur *c)
{
    uint64_t high = cur_u32(c);

    return high << 32 | cur_u32(c);
}

/* A child window over the next n bytes; the parent moves behind it. Too long: both are bad. */
static inline struct cur cur_sub(struct cur *c, size_t n)
{
    const uint8_t *p = cur_take(c, n);

    return p ? (struct cur) { p, p + n, false } : (struct cur) { c->end, c->end, true };
}

#endif
