/* SPDX-License-Identifier: GPL-3.0-or-later
 * How fast the store takes failing calls, what each costs on disk, and how long its questions take. Calls come as a trace brings them:
 * batches of 2,000, times that ascend over 60 days, 40 codes and relays. Then the history of an edge with 10 checks over 60 days.
 *
 *     store FILE CALLS      makes FILE, prints one line for each figure; exit status 1 when one misses its target
 *
 * Targets: 50,000 calls in a second of a core, 250 bytes a call, a snapshot within 10 ms, the newest 100 failures within 10 ms, and 60 days of
 * history (4 events, 40 codes, 10 series of each of 10 checks) within 50 ms. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/opt.h"
#include "store/history.h"

enum { BATCH = 2000, CHECKS = 10, CODES = 40, RUNS = 9 };
#define DAYS_US (60 * INT64_C(86400) * EM_US_PER_S)
#define START_US (INT64_C(1700000000) * EM_US_PER_S)

static struct em_clock_fake moved = { .mono = 1, .wall = START_US + DAYS_US, .seed = 1 };
static struct em_why why;

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * EM_US_PER_S + t.tv_nsec / 1000;
}

static void must(int err)
{
    if (err == 0)
        return;
    fprintf(stderr, "store: %s\n", why.text);
    exit(2);
}

/* Of this process: what other processes take of a core is not the store's. */
static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 1: the target is missed. */
static int tell(const char *what, double value, double target, const char *unit, bool at_least)
{
    bool missed = at_least ? value < target : value > target;

    printf("%-28s %12.1f %s, target %s %.0f%s\n", what, value, unit, at_least ? "at least" : "at most",
           target, missed ? ": MISSED" : "");
    return missed;
}

static void put(struct em_store *s, uint64_t i, uint64_t calls)
{
    char id[48], relay[32];
    struct em_report r = { .code = i % 5 ? 23 : (uint32_t)(i / 5 % CODES + 20),
                           .header = SLICE(
                               "23; reason=\"Call failed to establish due to a media connectivity failure\""),
                           .reason = SLICE("Call failed to establish due to a media connectivity failure"),
                           .cseq = SLICE("1 INVITE"),
                           .from = SLICE("sip:a@example.com"),
                           .to = SLICE("sip:b@example.net"),
                           .media_n = 1,
                           .time_us = START_US + (int64_t)((double)i / (double)calls * (double)DAYS_US),
                           .format = EM_FORMAT_OCSLOGGER,
                           .offset = i * 1500 };

    snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64, i * UINT64_C(0x9e3779b97f4a7c15), i);
    snprintf(relay, sizeof relay, "192.0.2.%u:%u", (unsigned)(i % CODES), (unsigned)(50000 + i % 9999));
    r.call_id = slice_of(id);
    r.media[0] = (struct em_report_media) { .side = EM_SIDE_CALLER,
                                            .media = EM_MEDIA_APPLICATION_SHARING,
                                            .ice_known = true,
                                            .ice = 0x100,
                                            .remote_relay = slice_of(relay) };
    must(em_store_report(s, 1, &r, "/var/log/sip/trace.log", &why));
}

/* Seconds of a core for it all. */
static double ingest(struct em_store *s, uint64_t calls, int64_t *slowest_us)
{
    double began = cpu_s();

    for (uint64_t i = 0; i < calls;) {
        int64_t turn = now_us();

        must(em_store_begin(s, &why));
        for (uint64_t end = i + BATCH < calls ? i + BATCH : calls; i < end; i++)
            put(s, i, calls);
        must(em_store_commit(s, &why));
        turn = now_us() - turn;
        if (turn > *slowest_us)
            *slowest_us = turn;
    }
    return cpu_s() - began;
}

static bool count_one(void *arg, const struct em_failure_row *row)
{
    (void)row;
    ++*(size_t *)arg;
    return true;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static double median_ms(struct em_store *s, void (*ask)(struct em_store *))
{
    int64_t took[RUNS];

    for (int i = 0; i < RUNS; i++) {
        took[i] = now_us();
        ask(s);
        took[i] = now_us() - took[i];
    }
    qsort(took, RUNS, sizeof *took, by_time);
    return (double)took[RUNS / 2] / 1000;
}

static void ask_snapshot(struct em_store *s)
{
    size_t counts[EM_T_COUNT] = { 0 };
    struct em_snapshot *snapshot;

    em_store_counts(s, counts);
    if (!(snapshot = em_snapshot_new(counts)))
        abort();
    must(em_store_fill(s, snapshot, &why));
    em_snapshot_finish(snapshot);
    em_snapshot_unref(snapshot);
}

static void ask_failures(struct em_store *s)
{
    size_t n = 0;

    must(em_store_failures(s, 0, 0, 100, count_one, &n, &why));
}

static void ask_history(struct em_store *s)
{
    static uint64_t values[EM_HISTORY_SLOTS_MAX];
    static struct em_history_probe slots[EM_HISTORY_SLOTS_MAX];
    struct em_history_frame f = em_history_frame(EM_HISTORY_60D, moved.wall);

    for (uint32_t e = 0; e < 4; e++)
        must(em_store_history(s, EM_HISTORY_EVENT, e, &f, values, &why));
    for (uint32_t c = 0; c < CODES; c++)
        must(em_store_history(s, EM_HISTORY_CODE, c + 20, &f, values, &why));
    for (uint32_t c = 1; c <= CHECKS; c++)
        must(em_store_path_history(s, 1, c, 1, &f, slots, &why));
}

/* A probe of each check every hour: every slot of the coarse ring is taken. */
static void probe(struct em_store *s)
{
    const struct em_history_probe good = { .verdict = EM_VERDICT_OK, .us = { 1200, 0, 400, 900 } };
    int64_t end = moved.wall;

    for (moved.wall = START_US; moved.wall <= end; moved.wall += 3600 * EM_US_PER_S) {
        for (uint32_t c = 1; c <= CHECKS; c++)
            em_store_probe(s, 1, c, 1, &good);
        must(em_store_begin(s, &why));
        must(em_store_commit(s, &why));
    }
    moved.wall = end;
}

int main(int argc, char **argv)
{
    struct em_clock clock = em_clock_fake(&moved);
    struct em_store *s = NULL;
    uint64_t calls = 0;
    int64_t slowest_us = 0;
    struct stat st;
    double seconds;
    int missed = 0;

    if (argc != 3 || !em_read_uint(argv[2], BATCH, 100000000, &calls)) {
        fprintf(stderr, "usage: store FILE CALLS\n");
        return 2;
    }
    must(em_store_open(argv[1], &clock, &s, &why));
    seconds = ingest(s, calls, &slowest_us);
    printf("%" PRIu64 " calls in %.2f s of a core; slowest turn of %d calls: %.1f ms\n", calls, seconds,
           BATCH, (double)slowest_us / 1000);
    missed |= tell("calls in a second of a core", (double)calls / seconds, 50000, "", true);
    em_store_close(s);
    if (stat(argv[1], &st) != 0)
        return 2;
    missed |= tell("bytes of a call", (double)st.st_size / (double)calls, 250, "B", false);
    must(em_store_open(argv[1], &clock, &s, &why));
    probe(s);
    missed |= tell("snapshot", median_ms(s, ask_snapshot), 10, "ms", false);
    missed |= tell("newest 100 failures", median_ms(s, ask_failures), 10, "ms", false);
    missed |= tell("60 days of history", median_ms(s, ask_history), 50, "ms", false);
    em_store_close(s);
    return missed;
}
