/* SPDX-License-Identifier: GPL-3.0-or-later
 * The tables of modes and metrics, and the reading of thresholds. */
#include "plugins/metric.h"

#include <string.h>

#include "base/esc.h"
#include "base/opt.h"

#define CALLS(member)                                                                                        \
    .total = offsetof(struct em_totals, member),                                                             \
    .window = { offsetof(struct em_windows, member##_5m), offsetof(struct em_windows, member##_1h),          \
                offsetof(struct em_windows, member##_1d) }

/* Defaults: one code-23 call in the window is worth a look, more than five are a fault; together with the TCP NAT bit, the
 * signature of a firewall that interferes, three are. The bit alone may be benign and has no default. */
const struct metric_def metric_defs[METRIC_COUNT] = {
    [METRIC_CODE_23] = { "code23", "code-23 call", "code-23 calls", "0", "5", CALLS(code_23) },
    [METRIC_TCP_NAT] = { "tcp-nat", "TCP NAT check failure", "TCP NAT check failures", NULL, NULL,
                         CALLS(tcp_nat_check) },
    [METRIC_CODE_23_TCP_NAT] = { "code23-tcp-nat", "code-23 call with TCP NAT failure",
                                 "code-23 calls with TCP NAT failure", "0", "2", CALLS(code_23_tcp_nat) },
    [METRIC_FAILURES] = { "failures", "media failure", "media failures", "5", "20", CALLS(media_failures) },
    [METRIC_DOWN] = { .name = "down" },
    [METRIC_RTT] = { .name = "rtt" },
    [METRIC_LAG] = { .name = "lag" },
    [METRIC_FINDINGS] = { .name = "findings" },
};

const struct window_def window_defs[WINDOW_COUNT] = { { "5m", "in 5 minutes" },
                                                      { "1h", "in 1 hour" },
                                                      { "1d", "in 1 day" } };

#define ALL_CALLS                                                                                            \
    (BIT(METRIC_CODE_23) | BIT(METRIC_TCP_NAT) | BIT(METRIC_CODE_23_TCP_NAT) | BIT(METRIC_FAILURES))
const struct mode_def mode_defs[MODE_COUNT] = {
    [MODE_CODE_23] = { "code23", METRIC_CODE_23, BIT(METRIC_CODE_23) | BIT(METRIC_CODE_23_TCP_NAT),
                       .calls = true },
    [MODE_TCP_NAT] = { "tcp-nat", METRIC_TCP_NAT, BIT(METRIC_TCP_NAT) | BIT(METRIC_CODE_23_TCP_NAT),
                       .calls = true },
    [MODE_FAILURES] = { "failures", METRIC_FAILURES, ALL_CALLS, .calls = true },
    [MODE_PORTS] = { "ports", METRIC_DOWN, BIT(METRIC_DOWN) | BIT(METRIC_RTT), .checks = true },
    [MODE_SOURCES] = { "sources", METRIC_LAG, BIT(METRIC_LAG), .sources = true },
    [MODE_FINDINGS] = { "findings", METRIC_FINDINGS, BIT(METRIC_FINDINGS), .findings = true },
    [MODE_ALL] = { "all", -1, (BIT(METRIC_COUNT) - 1) & ~BIT(METRIC_FINDINGS), .calls = true, .checks = true,
                   .sources = true },
};

void metric_names(uint32_t set, struct buf *to)
{
    const char *comma = "";

    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        if (!(set & BIT(m)))
            continue;
        buf_print(to, "%s%s", comma, metric_defs[m].name);
        comma = ", ";
    }
}

void mode_names(struct buf *to)
{
    for (size_t i = 0; i < MODE_COUNT; i++)
        buf_print(to, "%s%s", i ? ", " : "", mode_defs[i].name);
}

static int metric_of(enum mode mode, struct slice name, struct em_why *why)
{
    char list[128], shown[64];
    struct buf names = buf_over(list, sizeof list);

    for (int m = 0; m < METRIC_COUNT; m++)
        if ((mode_defs[mode].judged & BIT(m)) && slice_eq(name, slice_of(metric_defs[m].name)))
            return m;
    metric_names(mode_defs[mode].judged, &names);
    return em_fail(why, EM_ERR_INPUT, "mode %s has no metric \"%s\", only: %s", mode_defs[mode].name,
                   esc_line_into(shown, sizeof shown, name), buf_str(&names));
}

/* One of "10", "code23=10". */
static int read_one(enum mode mode, struct slice item, bool critical, struct threshold to[METRIC_COUNT],
                    struct em_why *why)
{
    struct slice name, range = item;
    char text[64];
    int m = mode_defs[mode].plain;

    if (slice_until(&range, '=', &name))
        m = metric_of(mode, name, why);
    else if (m < 0)
        return em_fail(why, EM_ERR_INPUT, "in mode all a threshold needs its metric, such as code23=5");
    if (m < 0)
        return m;
    if (!slice_copy(range, text, sizeof text))
        return em_fail(why, EM_ERR_INPUT, "a range is longer than %zu characters", sizeof text - 1);
    return range_read(text, critical ? &to[m].crit : &to[m].warn, why);
}

static int read_list(enum mode mode, const struct em_opt_list *list, bool critical,
                     struct threshold to[METRIC_COUNT], struct em_why *why)
{
    for (size_t i = 0; i < list->n; i++) {
        struct slice rest = slice_of(list->item[i]), item;
        bool more = true;
        int err;

        while (more) {
            if (!(more = slice_until(&rest, ',', &item)))
                item = rest;
            if ((err = read_one(mode, item, critical, to, why)) < 0)
                return err;
        }
    }
    return 0;
}

static int read_defaults(enum mode mode, struct threshold to[METRIC_COUNT], struct em_why *why)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        const struct metric_def *d = &metric_defs[m];
        int err = 0;

        if (!(mode_defs[mode].judged & BIT(m)))
            continue;
        /* mode failures shows all four counts, and judges its own */
        if (mode == MODE_FAILURES && m != METRIC_FAILURES)
            continue;
        if (d->warn)
            err = range_read(d->warn, &to[m].warn, why);
        if (err == 0 && d->crit)
            err = range_read(d->crit, &to[m].crit, why);
        if (err < 0)
            return err;
    }
    return 0;
}

int thresholds_read(enum mode mode, const struct em_opt_list *warn, const struct em_opt_list *crit,
                    struct threshold to[METRIC_COUNT], struct em_why *why)
{
    struct threshold read[METRIC_COUNT] = { 0 };
    int err;

    if (warn->n + crit->n == 0)
        err = read_defaults(mode, read, why);
    else if ((err = read_list(mode, warn, false, read, why)) == 0)
        err = read_list(mode, crit, true, read, why);
    if (err == 0)
        memcpy(to, read, sizeof read);
    return err;
}
