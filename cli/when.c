/* SPDX-License-Identifier: GPL-3.0-or-later
 * A moment as people type it. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/slice.h"
#include "evidence/lines.h"

/* What may be left out at the end: "2026-11-23", "2026-11-23T14", "2026-11-23 14:00". */
static const struct {
    size_t n;
    const char *rest;
} shorts[] = { { 10, " 00:00:00" }, { 13, ":00:00" }, { 16, ":00" } };

bool cli_when(const char *text, int64_t now_us, int64_t *when_us)
{
    char whole[64];
    struct slice s = slice_of(text);
    uint64_t seconds;
    int64_t ago;

    if (slice_skip(&s, SLICE("@"))) {
        if (!slice_u64(&s, UINT32_MAX * UINT64_C(4), &seconds) || s.n > 0)
            return false;
        *when_us = (int64_t)seconds * EM_US_PER_S;
        return true;
    }
    if (s.n > 1 && strchr("smhd", s.p[s.n - 1]) && em_read_duration(text, &ago)) {
        *when_us = now_us - ago;
        return true;
    }
    if (s.n > 40 || strspn(text, "0123456789-/:.,TZ+ ") < s.n)
        return false;
    snprintf(whole, sizeof whole, "%s", text);
    for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++)
        if (s.n == shorts[i].n)
            snprintf(whole, sizeof whole, "%s%s", text, shorts[i].rest);
    *when_us = 0;
    (void)line_classify(slice_of(whole), when_us); /* the dates that traces have */
    return *when_us != 0;
}
