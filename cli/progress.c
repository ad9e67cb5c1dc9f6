/* SPDX-License-Identifier: GPL-3.0-or-later
 * The progress bar of long scans and sweeps: share done, rate, time left. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR_WIDTH = 30, FIRST_AFTER_MS = 500, EVERY_MS = 100 };

void cli_progress_begin(struct cli_progress *p, uint64_t total, const char *unit)
{
    int64_t now = em_mono_us(&em_clock_system);

    *p = (struct cli_progress) { .on = isatty(STDERR_FILENO) == 1,
                                 .total = total,
                                 .unit = unit,
                                 .began_us = now,
                                 .drawn_us = now + (FIRST_AFTER_MS - EVERY_MS) * EM_US_PER_MS };
}

static void amount(const struct cli_progress *p, uint64_t n, char to[32])
{
    if (p->unit)
        snprintf(to, 32, "%" PRIu64 " %.10s", n, p->unit);
    else
        cli_bytes(n, to);
}

static void draw(const struct cli_progress *p, uint64_t done, double seconds)
{
    char bytes[32], rate[32], bar[BAR_WIDTH + 1];
    double speed = seconds > 0 ? (double)done / seconds : 0, share;
    int filled;

    amount(p, done, bytes);
    amount(p, (uint64_t)speed, rate);
    if (p->total == 0 || done > p->total || speed <= 0) { /* a pipe, or a file that grows while it is read */
        fprintf(stderr, "\r\033[K%s  %s/s", bytes, rate);
        return;
    }
    share = (double)done / (double)p->total;
    filled = (int)(share * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '-';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r\033[K[%s] %3.0f %%  %s  %s/s  %.0f s left", bar, share * 100, bytes, rate,
            (double)(p->total - done) / speed);
}

void cli_progress_at(struct cli_progress *p, uint64_t done)
{
    int64_t now;

    if (!p->on)
        return;
    now = em_mono_us(&em_clock_system);
    if (now - p->drawn_us < EVERY_MS * EM_US_PER_MS)
        return;
    p->drawn_us = now;
    p->shown = true;
    draw(p, done, (double)(now - p->began_us) / 1e6);
    fflush(stderr);
}

void cli_progress_clear(struct cli_progress *p)
{
    if (!p->shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}
