/* SPDX-License-Identifier: GPL-3.0-or-later
 * Which events there are, when they are raised, and what goes with them. */
#include "model/events.h"

#include <string.h>

static enum em_event_state check_state(const void *row)
{
    const struct em_check_row *r = row;

    if (r->verdict == EM_VERDICT_UNTESTED)
        return EM_EVENT_UNKNOWN;
    return r->up ? EM_EVENT_GOOD : EM_EVENT_BAD;
}

static void check_gone(void *row)
{
    static const char reason[] = "this address is not tested any more";
    struct em_check_row *r = row;

    r->verdict = EM_VERDICT_UNTESTED;
    memcpy(r->reason, reason, sizeof reason);
}

static enum em_event_state range_state(const void *row)
{
    const struct em_range_row *r = row;

    if (r->verdict == EM_VERDICT_UNTESTED)
        return EM_EVENT_UNKNOWN;
    return r->clear ? EM_EVENT_GOOD : EM_EVENT_BAD;
}

static void range_gone(void *row)
{
    static const char reason[] = "this range is not swept any more";
    struct em_range_row *r = row;

    r->verdict = EM_VERDICT_UNTESTED;
    memcpy(r->reason, reason, sizeof reason);
}

/* Raised at the threshold, cleared at half of it: a rate that wavers about the threshold is one event. */
static enum em_event_state rate_state(const void *row)
{
    const struct em_windows *w = row;

    if (w->failure_threshold == 0 || w->media_failures_5m <= w->failure_threshold / 2)
        return EM_EVENT_GOOD;
    return w->media_failures_5m >= w->failure_threshold ? EM_EVENT_BAD : EM_EVENT_UNKNOWN;
}

/* The table has what is raised now, and nothing else. */
static enum em_event_state finding_state(const void *row)
{
    (void)row;
    return EM_EVENT_BAD;
}

static enum em_event_state source_state(const void *row)
{
    static const enum em_event_state states[] = {
        [EM_SOURCE_STARTING] = EM_EVENT_UNKNOWN, [EM_SOURCE_READING] = EM_EVENT_GOOD,
        [EM_SOURCE_CAUGHT_UP] = EM_EVENT_GOOD,   [EM_SOURCE_WAITING] = EM_EVENT_BAD,
        [EM_SOURCE_FAILED] = EM_EVENT_BAD,
    };
    const struct em_source_row *r = row;

    return r->state < sizeof states / sizeof *states ? states[r->state] : EM_EVENT_UNKNOWN;
}

static void source_gone(void *row)
{
    static const char error[] = "this source is not configured any more";
    struct em_source_row *r = row;

    memcpy(r->error, error, sizeof error);
}

const struct em_event_kind em_events[EM_EVENT_COUNT] = {
    [EM_EVENT_CHECK] = { .raise = "CheckFailed",
                         .clear = "CheckRecovered",
                         .arc = 1,
                         .table = EM_T_CHECK,
                         .fields = { "edge_name", "name", "uri", "address", "port", "transport", "verdict",
                                     "reason", "changed_time" },
                         .raise_help =
                             "A check of one address came to a verdict that is neither ok nor degraded.",
                         .clear_help =
                             "A check that was down is ok or degraded again, or is not tested any more.",
                         .advice = "Read the verdict and the reason. Look at the other checks of the edge "
                                   "and at emFindingTable, which "
                                   "says what they mean together.",
                         .state = check_state,
                         .gone = check_gone },
    [EM_EVENT_RANGE] = { .raise = "RangeBlocked",
                         .clear = "RangeRecovered",
                         .arc = 3,
                         .table = EM_T_RANGE,
                         .fields = { "edge_name", "name", "host", "first_port", "last_port", "transport",
                                     "verdict", "reason", "changed_time" },
                         .raise_help = "A sweep found ports of a range whose path is not clear.",
                         .clear_help = "The path to every tested port of a range that was blocked is clear "
                                       "again, or the range is not "
                                       "swept any more.",
                         .advice = "emPortExceptionTable lists the ports. Compare them with the rules of "
                                   "each firewall on the way.",
                         .state = range_state,
                         .gone = range_gone },
    [EM_EVENT_RATE] = { .raise = "FailureRateHigh",
                        .clear = "FailureRateNormal",
                        .arc = 5,
                        .table = EM_T_WINDOWS,
                        .fields = { "failure_threshold", "media_failures_5m", "code_23_5m",
                                    "tcp_nat_check_5m", "code_23_tcp_nat_5m" },
                        .raise_help =
                            "At least emFailureThreshold calls failed for their media in the last 5 minutes.",
                        .clear_help = "At most half of emFailureThreshold calls failed for their media in "
                                      "the last 5 minutes.",
                        .advice = "emRecentFailureTable lists the calls, and emFindingTable says what they "
                                  "have in common.",
                        .state = rate_state },
    [EM_EVENT_FINDING] = { .raise = "FindingRaised",
                           .clear = "FindingCleared",
                           .arc = 7,
                           .table = EM_T_FINDING,
                           .fields = { "kind", "severity", "confidence", "edge", "path", "text", "advice",
                                       "since" },
                           .raise_help = "The observations together show a cause of trouble.",
                           .clear_help = "A finding is not supported by observations any more.",
                           .advice = "emFindingAdvice says what to do. emFindingEvidenceTable has the "
                                     "observations, and emFindingRefute "
                                     "what would show that the finding is wrong.",
                           .state = finding_state },
    [EM_EVENT_SOURCE] = { .raise = "SourceStalled",
                          .clear = "SourceRecovered",
                          .arc = 9,
                          .table = EM_T_SOURCE,
                          .fields = { "name", "type", "state", "location", "error", "read_time" },
                          .raise_help = "A source of evidence cannot be read, or nothing is there to be "
                                        "read. Failures of calls are not "
                                        "counted meanwhile.",
                          .clear_help =
                              "A source that was stalled is read again, or is not configured any more.",
                          .advice = "Read the error. Look at the permissions of the files, and whether the "
                                    "logging that writes them "
                                    "still runs.",
                          .state = source_state,
                          .gone = source_gone },
};
