/* SPDX-License-Identifier: GPL-3.0-or-later
 * Judging what the daemon believes to be wrong. */
#include "base/opt.h"
#include "plugins/judge.h"

#include <string.h>

static const enum state states[] = { [EM_SEVERITY_NOTICE] = STATE_OK,
                                     [EM_SEVERITY_WARNING] = STATE_WARNING,
                                     [EM_SEVERITY_CRITICAL] = STATE_CRITICAL };

static enum state state_of(const struct em_finding_row *row)
{
    return row->severity >= 1 && row->severity < sizeof states / sizeof *states ? states[row->severity]
                                                                                : STATE_UNKNOWN;
}

/* Findings that are about no edge concern everybody. */
static bool concerns(const struct conf *c, const struct em_finding_row *row)
{
    for (size_t i = 0; i < c->edges.n && *row->edge; i++)
        if (strcmp(c->edges.item[i], row->edge) == 0)
            return true;
    return c->edges.n == 0 || !*row->edge;
}

/* The worst first: the line has room for few. */
static void phrases(const struct conf *c, const struct facts *f, enum em_severity severity, struct report *r)
{
    for (size_t i = 0; i < f->findings.n; i++) {
        const struct em_finding_row *row = fact_finding(f, i);

        if (row->severity != severity || !concerns(c, row))
            continue;
        r->several = true; /* what is wrong and what to do is longer than a count */
        report_add(r, state_of(row), "%s: %s", row->text, row->advice);
        report_detail(r, "%s finding %u %s%s%s since %lld: %s %s", state_name(state_of(row)), row->id,
                      em_name_of(&em_finding_kind_names, row->kind), *row->edge ? " edge " : "", row->edge,
                      (long long)(row->since / EM_US_PER_S), row->text, row->advice);
    }
}

void judge_findings(const struct conf *c, const struct facts *f, struct report *r)
{
    size_t n = 0;

    for (size_t i = 0; i < f->findings.n; i++)
        n += concerns(c, fact_finding(f, i));
    for (uint32_t severity = EM_SEVERITY_CRITICAL; severity >= EM_SEVERITY_NOTICE; severity--)
        phrases(c, f, (enum em_severity)severity, r);
    if (n == 0)
        report_add(r, STATE_OK, "nothing is found to be wrong");
    if (judge_value(&c->thresholds[METRIC_FINDINGS], (double)n) != STATE_OK)
        report_add(r, judge_value(&c->thresholds[METRIC_FINDINGS], (double)n), "%zu findings", n);
    perf_add(&r->perf, &(struct perf_item) { .label = "findings",
                                             .value = (double)n,
                                             .uom = "",
                                             .min_0 = true,
                                             .warn = &c->thresholds[METRIC_FINDINGS].warn,
                                             .crit = &c->thresholds[METRIC_FINDINGS].crit });
}
