/* SPDX-License-Identifier: GPL-3.0-or-later
 * Time and random bytes behind one pointer, so that tests move the clock and repeat the dice.
 *
 * Two times, never mixed: `mono_us` is monotonic (deadlines, round trips), `wall_us` is Unix time (what is shown and
 * stored). Both in microseconds. Code that needs either takes a struct em_clock *; nobody calls clock_gettime() or
 * getrandom() himself.
 */
#ifndef EM_BASE_CLOCK_H
#define EM_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct em_clock {
    int64_t (*mono_us)(void *ctx);
    int64_t (*wall_us)(void *ctx);
    void (*random)(void *ctx, void *bytes, size_t n);
    void *ctx;
};

#define EM_US_PER_S INT64_C(1000000)
#define EM_US_PER_MS INT64_C(1000)

extern const struct em_clock em_clock_system; /* the real one; its random bytes are the kernel's */

static inline int64_t em_mono_us(const struct em_clock *c)
{
    return c->mono_us(c->ctx);
}
static inline int64_t em_wall_us(const struct em_clock *c)
{
    return c->wall_us(c->ctx);
}
static inline void em_random(const struct em_clock *c, void *bytes, size_t n)
{
    c->random(c->ctx, bytes, n);
}

/* A uniform number in [0, below), below > 0. */
uint32_t em_random_below(const struct em_clock *c, uint32_t below);

/* How long to wait after `failures` failures, one after the other, before the next try: doubles from least to most, and a random half of it is
 * left out, so that many daemons do not come at one moment. */
int64_t em_back_off_us(const struct em_clock *c, unsigned failures, int64_t least_us, int64_t most_us);

/* A clock that a test moves by hand, with a repeatable generator. */
struct em_clock_fake {
    int64_t mono, wall; /* microseconds; advance both with em_clock_fake_advance() */
    uint64_t seed;      /* any value but 0 */
};
struct em_clock em_clock_fake(struct em_clock_fake *state);
void em_clock_fake_advance(struct em_clock_fake *state, int64_t us);

/* Writes Unix microseconds as RFC 3339 UTC, "2026-11-23T05:02:00.123Z" (milliseconds; the fraction is left out when it is
 * zero). to needs EM_TIME_TEXT_MAX bytes. Time 0 (unknown) writes "". */
#define EM_TIME_TEXT_MAX 32
void em_time_text(int64_t wall_us, char to[EM_TIME_TEXT_MAX]);

#endif
