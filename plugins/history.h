/* SPDX-License-Identifier: GPL-3.0-or-later
 * The state file of --state: the totals of the last run, from which this run's rates follow.
 *
 * It is locked while it is used (two checks with one file wait for each other), replaced by rename, so that a crash leaves the old or
 * the new one, and ends with a line that shows that it is whole. What is not understood, is of another daemon or lies in the future
 * is treated as a first run, with a word. A link or file that belongs to somebody else is refused.
 */
#ifndef EM_PLUGINS_HISTORY_H
#define EM_PLUGINS_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "plugins/metric.h"

struct history_sample {
    int64_t wall_us;
    int64_t discontinuity_time; /* Unix microseconds, 0 = not known */
    uint64_t total[CALL_METRICS];
};

struct history {
    bool known; /* before and elapsed_us are valid */
    const char
        *remark; /* why it is not known, or what was noticed ("the counters began anew"); NULL: nothing */
    int64_t elapsed_us;
    uint64_t increase[CALL_METRICS];
};

/* Reads the last sample of origin, writes now in its place, and tells what lies between. */
int history_step(const char *path, const char *origin, const struct history_sample *now, struct history *h,
                 struct em_why *why) EM_MUST_CHECK;

/* The pure part: what lies between two samples. A total that fell, or another discontinuity time, means a new database: all of the
 * new total is the increase. Less than a second apart, or a clock that went back: not known. */
void history_between(const struct history_sample *last, const struct history_sample *now, struct history *h);

/* The file's text and back. */
void history_write(const char *origin, const struct history_sample *s, struct buf *to);
bool history_read(struct slice text, const char *origin, struct history_sample *sample, const char **remark);

#endif
