/* SPDX-License-Identifier: GPL-3.0-or-later
 * The system's clock and random bytes, and the pair that tests move by hand. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts;

    if (clock_gettime(id, &ts) != 0)
        abort(); /* cannot happen with these two ids */
    return (int64_t)ts.tv_sec * EM_US_PER_S + ts.tv_nsec / 1000;
}

static int64_t system_mono(void *ctx)
{
    (void)ctx;
    return read_us(CLOCK_MONOTONIC);
}

static int64_t system_wall(void *ctx)
{
    (void)ctx;
    return read_us(CLOCK_REALTIME);
}

static void system_random(void *ctx, void *bytes, size_t n)
{
    uint8_t *p = bytes;

    (void)ctx;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0 && errno != EINTR)
            abort(); /* transaction ids must never be predictable */
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}

const struct em_clock em_clock_system = { system_mono, system_wall, system_random, NULL };

uint32_t em_random_below(const struct em_clock *c, uint32_t below)
{
    uint32_t limit = UINT32_MAX - UINT32_MAX % below, v;

    do
        em_random(c, &v, sizeof v);
    while (v >= limit);
    return v % below;
}

int64_t em_back_off_us(const struct em_clock *c, unsigned failures, int64_t least_us, int64_t most_us)
{
    int64_t wait_us = least_us;

    for (unsigned i = 0; i < failures && wait_us < most_us; i++)
        wait_us *= 2;
    if (wait_us > most_us)
        wait_us = most_us;
    return (wait_us / EM_US_PER_MS / 2 + em_random_below(c, (uint32_t)(wait_us / EM_US_PER_MS / 2) + 1)) *
           EM_US_PER_MS;
}

static int64_t fake_mono(void *ctx)
{
    return ((struct em_clock_fake *)ctx)->mono;
}

static int64_t fake_wall(void *ctx)
{
    return ((struct em_clock_fake *)ctx)->wall;
}

/* xorshift64*: good enough to spread ids in tests, and the same on every machine. */
static void fake_random(void *ctx, void *bytes, size_t n)
{
    struct em_clock_fake *f = ctx;
    uint8_t *p = bytes;

    for (size_t i = 0; i < n; i++) {
        f->seed ^= f->seed >> 12;
        f->seed ^= f->seed << 25;
        f->seed ^= f->seed >> 27;
        p[i] = (uint8_t)(f->seed * UINT64_C(0x2545F4914F6CDD1D) >> 56);
    }
}

struct em_clock em_clock_fake(struct em_clock_fake *state)
{
    return (struct em_clock) { fake_mono, fake_wall, fake_random, state };
}

void em_clock_fake_advance(struct em_clock_fake *state, int64_t us)
{
    state->mono += us;
    state->wall += us;
}

void em_time_text(int64_t wall_us, char to[EM_TIME_TEXT_MAX])
{
    time_t s = (time_t)(wall_us / EM_US_PER_S);
    int ms = (int)(wall_us % EM_US_PER_S / EM_US_PER_MS);
    struct tm tm;
    size_t n;

    to[0] = '\0';
    if (wall_us <= 0 || !gmtime_r(&s, &tm))
        return;
    n = strftime(to, EM_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(to + n, EM_TIME_TEXT_MAX - n, ms ? ".%03dZ" : "Z", ms);
}
