/* SPDX-License-Identifier: GPL-3.0-or-later
 * From facts to a report: pure, apart from the clock that is handed in. */
#ifndef EM_PLUGINS_JUDGE_H
#define EM_PLUGINS_JUDGE_H

#include "plugins/conf.h"
#include "plugins/facts.h"
#include "plugins/history.h"
#include "plugins/report.h"

/* history: with --state, else NULL. now_us: Unix time. */
void judge(const struct conf *c, const struct facts *f, const struct history *history, int64_t now_us,
           struct report *r);

/* Its parts, by mode. */
void judge_calls(const struct conf *c, const struct facts *f, const struct history *history,
                 struct report *r);
void judge_checks(const struct conf *c, const struct facts *f, struct report *r);
void judge_sources(const struct conf *c, const struct facts *f, struct report *r);
void judge_findings(const struct conf *c, const struct facts *f, struct report *r);

/* The state that a verdict stands for. */
enum state judge_verdict(uint32_t verdict);

/* The state by a metric's two ranges. */
enum state judge_value(const struct threshold *t, double v);

#endif
