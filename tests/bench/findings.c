/* SPDX-License-Identifier: GPL-3.0-or-later
 * How long the rules take over many edges: 1,000 edges of 10 checks, every seventh edge with UDP blocked, and as many recent calls as a
 * snapshot holds. Prints the median in microseconds; exit status 1 when it is over the target. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "diagnose/diagnose.h"

enum { EDGES = EM_EDGES_MAX, CHECKS = 10, RUNS = 31, TARGET_US = 20000 };

static int number(void *arg, const char *key, uint32_t *n, struct em_why *why)
{
    (void)key;
    (void)why;
    *n = ++*(uint32_t *)arg;
    return 0;
}

static void raised(void *arg, const struct em_finding_row *row, int64_t *since_us)
{
    (void)arg;
    (void)row;
    (void)since_us;
}

static void ended(void *arg, const struct em_finding_row *row, int64_t ended_us)
{
    (void)arg;
    (void)row;
    (void)ended_us;
}

static void fill_check(struct em_check_row *row, uint32_t edge, uint32_t check, int64_t now_us)
{
    bool udp = check % 2, blocked = udp && edge % 7 == 0;

    *row = (struct em_check_row) { .edge = edge + 1,
                                   .check = check + 1,
                                   .address_index = 1,
                                   .port = 3478,
                                   .transport = udp ? EM_TRANSPORT_UDP : EM_TRANSPORT_TCP,
                                   .verdict = blocked ? EM_VERDICT_FILTERED : EM_VERDICT_OK,
                                   .up = !blocked,
                                   .probe_time = now_us };
    snprintf(row->name, sizeof row->name, "check %u", check);
    snprintf(row->uri, sizeof row->uri, "stun:edge-%u.example.com", edge);
    snprintf(row->address, sizeof row->address, "10.%u.%u.%u", edge / 250, edge % 250, check + 1);
}

static struct em_snapshot *make(int64_t now_us)
{
    size_t counts[EM_T_COUNT] = {
        [EM_T_EDGE] = EDGES, [EM_T_CHECK] = EDGES * CHECKS, [EM_T_FAILURE] = EM_RECENT_MAX
    };
    struct em_snapshot *s = em_snapshot_new(counts);

    if (!s)
        abort();
    s->wall_us = now_us;
    for (uint32_t e = 0; e < EDGES; e++) {
        struct em_edge_row *edge = em_snapshot_row(s, EM_T_EDGE, e);

        edge->edge = e + 1;
        snprintf(edge->name, sizeof edge->name, "edge-%u", e);
        for (uint32_t k = 0; k < CHECKS; k++)
            fill_check(em_snapshot_row(s, EM_T_CHECK, (size_t)e * CHECKS + k), e, k, now_us);
    }
    for (uint32_t i = 0; i < EM_RECENT_MAX; i++) {
        struct em_failure_row *row = em_snapshot_row(s, EM_T_FAILURE, i);

        *row = (struct em_failure_row) { .failure = i + 1,
                                         .time = now_us,
                                         .code = 23,
                                         .code_class = EM_CODE_MEDIA_FAILURE,
                                         .media = EM_MEDIA_APPLICATION_SHARING,
                                         .ice_known = 1,
                                         .ice_warnings = 0x8000100 };
        snprintf(row->call_id, sizeof row->call_id, "call-%u@example.com", i);
        snprintf(row->local_relay, sizeof row->local_relay, "10.0.%u.1:50000", i % 40);
        snprintf(row->remote_relay, sizeof row->remote_relay, "192.0.2.%u:50000", i);
    }
    em_snapshot_finish(s);
    return s;
}

static int order(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int main(void)
{
    static uint32_t numbers;
    const struct em_diagnosis_memory memory = { number, raised, ended, &numbers };
    struct em_diagnosis *d = em_diagnosis_new(&em_diagnosis_default_limits, &memory);
    int64_t took[RUNS], now_us = em_wall_us(&em_clock_system);
    size_t counts[EM_T_COUNT] = { 0 };
    struct em_why why;
    bool changed;

    for (int i = 0; d && i < RUNS; i++) {
        struct em_snapshot *s = make(now_us + i * 30 * EM_US_PER_S);
        int64_t start = em_mono_us(&em_clock_system);

        if (em_diagnosis_observe(d, s, i * 30 * EM_US_PER_S, &changed, &why) < 0)
            return 2;
        took[i] = em_mono_us(&em_clock_system) - start;
        free(s);
    }
    em_diagnosis_counts(d, counts);
    em_diagnosis_free(d);
    qsort(took, RUNS, sizeof *took, order);
    printf("findings over %d edges, %d checks: median %lld us, worst %lld us, target %d us; %zu findings\n",
           EDGES, EDGES * CHECKS, (long long)took[RUNS / 2], (long long)took[RUNS - 1], TARGET_US,
           counts[EM_T_FINDING]);
    return took[RUNS / 2] > TARGET_US;
}
