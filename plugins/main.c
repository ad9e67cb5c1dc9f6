/* SPDX-License-Identifier: GPL-3.0-or-later
 * check_edge_media: the plugin for Nagios, Icinga, Naemon, Centreon and Checkmk. Command line, facts, judgement, one exit. */
#include <config.h>

#include <stdio.h>

#include "base/clock.h"
#include "plugins/conf.h"
#include "plugins/facts.h"
#include "plugins/guard.h"
#include "plugins/history.h"
#include "plugins/judge.h"
#include "plugins/report.h"
#include "plugins/source.h"

enum { HELP_MAX = 16 * 1024 };

static void help_exit(int what)
{
    struct buf text = buf_heap(HELP_MAX);

    if (what == EM_OPT_HELP)
        em_opt_help(&conf_program, &text);
    else
        buf_print(&text, "check_edge_media (%s) %s\n", PACKAGE, VERSION);
    report_print_exit(&text, STATE_UNKNOWN); /* the guidelines: help and version exit 3 */
}

static void usage_exit(struct report *r, const struct em_why *why)
{
    struct buf usage = buf_heap(HELP_MAX);

    report_fail(r, STATE_UNKNOWN, why);
    conf_usage(&usage);
    buf_bytes(&r->details, usage.p, usage.n);
    buf_fini(&usage);
    report_exit(r, 1);
}

static int fetch(const struct conf *c, struct facts *f, struct em_why *why)
{
    static int (*const sources[])(const struct conf *, struct facts *,
                                  struct em_why *) = { [ORIGIN_SNMP] = source_snmp,
                                                       [ORIGIN_SOCKET] = source_socket,
                                                       [ORIGIN_PROBE] = source_probe,
                                                       [ORIGIN_SCAN] = source_scan };

    return sources[c->origin](c, f, why);
}

static int compare_with_last_run(const struct conf *c, const struct facts *f, int64_t now_us,
                                 struct history *h, struct em_why *why)
{
    struct history_sample now = { .wall_us = now_us,
                                  .discontinuity_time = f->totals.discontinuity_time,
                                  .total = { [METRIC_CODE_23] = f->totals.code_23,
                                             [METRIC_TCP_NAT] = f->totals.tcp_nat_check,
                                             [METRIC_CODE_23_TCP_NAT] = f->totals.code_23_tcp_nat,
                                             [METRIC_FAILURES] = f->totals.media_failures } };

    return history_step(c->state_file, f->origin, &now, h, why);
}

int main(int argc, char **argv)
{
    static struct conf conf;
    static struct report report;
    struct facts facts;
    struct history history = { 0 };
    struct em_why why = { "" };
    bool state;
    int64_t now_us;
    int err;

    guard_start();
    report_init(&report);
    facts_init(&facts);
    err = conf_read(&conf, argc, argv, &why);
    report.json = conf.json;
    if (conf.json)
        guard_json();
    if (err == EM_OPT_HELP || err == EM_OPT_VERSION)
        help_exit(err);
    if (err < 0)
        usage_exit(&report, &why);
    guard_arm(conf.timeout_us, conf.silence);
    err = fetch(&conf, &facts, &why);
    now_us = em_wall_us(&em_clock_system);
    state = err == 0 && conf.state_file && facts.have_calls;
    if (state)
        err = compare_with_last_run(&conf, &facts, now_us, &history, &why);
    if (err < 0)
        report_fail(&report, err == EM_ERR_TIMEOUT ? conf.silence : STATE_UNKNOWN, &why);
    else
        judge(&conf, &facts, state ? &history : NULL, now_us, &report);
    conf_clear(&conf);
    facts_fini(&facts);
    report_exit(&report, conf.verbose);
}
