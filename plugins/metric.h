/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the plugin judges: the modes, the metrics that a threshold can name, and their defaults, as tables. A new metric is a row.
 */
#ifndef EM_PLUGINS_METRIC_H
#define EM_PLUGINS_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/rows.h"
#include "plugins/range.h"

enum metric {
    METRIC_CODE_23,
    METRIC_TCP_NAT,
    METRIC_CODE_23_TCP_NAT,
    METRIC_FAILURES,
    METRIC_DOWN, /* the first one that does not count calls */
    METRIC_RTT,
    METRIC_LAG,
    METRIC_FINDINGS,
    METRIC_COUNT
};
enum { CALL_METRICS = METRIC_DOWN }; /* metrics below it count calls */

enum window { WINDOW_5M, WINDOW_1H, WINDOW_1D, WINDOW_COUNT };

struct metric_def {
    const char *name;                   /* as typed before '=', and the perfdata label */
    const char *one, *many;             /* "code-23 call", "code-23 calls" */
    const char *warn, *crit;            /* defaults, NULL: none */
    size_t total, window[WINDOW_COUNT]; /* offsets in em_totals and em_windows; only for counted calls */
};
extern const struct metric_def metric_defs[METRIC_COUNT];

struct window_def {
    const char *name, *words; /* "1h", "in 1 hour" */
};
extern const struct window_def window_defs[WINDOW_COUNT];

enum mode {
    MODE_CODE_23,
    MODE_TCP_NAT,
    MODE_FAILURES,
    MODE_PORTS,
    MODE_SOURCES,
    MODE_FINDINGS,
    MODE_ALL,
    MODE_COUNT
};

#define BIT(n) (1u << (n))
struct mode_def {
    const char *name;
    int plain;       /* the metric that a threshold without a name is for; -1: it must be named */
    uint32_t judged; /* set of metrics with BIT() */
    bool calls, checks, sources, findings; /* what must be fetched */
};
extern const struct mode_def mode_defs[MODE_COUNT];

struct threshold {
    struct range warn, crit;
};

/* -w and -c as they were typed: each item RANGE or METRIC=RANGE, several in one item separated by commas. When neither list has an
 * item, the defaults of the mode's metrics hold; when one has, only what was given. */
struct em_opt_list;
int thresholds_read(enum mode mode, const struct em_opt_list *warn, const struct em_opt_list *crit,
                    struct threshold to[METRIC_COUNT], struct em_why *why) EM_MUST_CHECK;

/* "code23, tcp-nat, ..." */
void metric_names(uint32_t set, struct buf *to);
void mode_names(struct buf *to);

#endif
