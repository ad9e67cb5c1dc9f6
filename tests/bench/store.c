/* SPDX-License-Identifier: GPL-3.0-or-later
 * How fast the store takes failing calls, what each costs on disk, and how long its questions take. Calls come as a trace brings them:
 * batches of 500, as many as a turn of the daemon may find, times that ascend over 60 days, 40 codes and relays, 20,000 users (more than the
 * store keeps once), a file for each day. Then the history of an edge with 10 checks over 60 days. Beside it what SQLite itself takes for as
 * many rows of the same width: appended, and with the Call-ID as a unique key.
 *
 *     store FILE CALLS      makes FILE, prints one line for each figure; exit status 1 when one misses its target
 *     store FILE one N      N reports of one call, no two the same
 *
 * Targets: 50,000 calls in a second of a core, no turn that takes more than 50 ms of it, 250 bytes a call (of 100,000 and more), a snapshot within 10 ms, the
 * newest 100 failures within 10 ms, 60 days of history (4 events, 40 codes, 10 series of each of 10 checks) within 50 ms, and 32 MiB of
 * memory whatever the number of calls. Then the size is limited to nothing, and calls are forgotten in steps as the daemon does it: as many in a second of a
 * core as may come, 50,000, and no step over 50 ms. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/opt.h"
#include "store/db.h"
#include "store/history.h"

enum {
    BATCH = 500,
    CHECKS = 10,
    CODES = 40,
    USERS = 20000,
    RUNS = 9,
    BARE_MAX = 1000000,
    EMPTY_MAX = 100000,
    FORGET_S = 20,
    ID_SIZE = 33
};
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

/* What a batch is made of is written before its turn begins: that is the reader's work. */
static struct call {
    char id[ID_SIZE], relay[32], from[48], to[48], file[48];
    uint64_t i;
} batch[BATCH];

static size_t fill(uint64_t first, uint64_t calls)
{
    size_t n = calls - first < BATCH ? (size_t)(calls - first) : BATCH;

    for (size_t k = 0; k < n; k++) {
        struct call *c = &batch[k];
        uint64_t i = c->i = first + k;

        snprintf(c->id, sizeof c->id, "%016" PRIx64 "%016" PRIx64, i * UINT64_C(0x9e3779b97f4a7c15), i);
        snprintf(c->relay, sizeof c->relay, "192.0.2.%u:%u", (unsigned)(i % CODES),
                 (unsigned)(50000 + i % 9999));
        snprintf(c->from, sizeof c->from, "sip:user%u@example.com", (unsigned)(i * 7919 % USERS));
        snprintf(c->to, sizeof c->to, "sip:user%u@example.net", (unsigned)(i * 104729 % USERS));
        snprintf(c->file, sizeof c->file, "/var/log/sip/trace-%02u.log", (unsigned)(i * 60 / calls));
    }
    return n;
}

static void put(struct em_store *s, const struct call *c, uint64_t calls)
{
    struct em_report r = { .code = c->i % 5 ? 23 : (uint32_t)(c->i / 5 % CODES + 20),
                           .header = SLICE(
                               "23; reason=\"Call failed to establish due to a media connectivity failure\""),
                           .reason = SLICE("Call failed to establish due to a media connectivity failure"),
                           .call_id = slice_of(c->id),
                           .from = slice_of(c->from),
                           .to = slice_of(c->to),
                           .cseq = SLICE("1 INVITE"),
                           .media_n = 1,
                           .time_us = START_US + (int64_t)((double)c->i / (double)calls * (double)DAYS_US),
                           .format = EM_FORMAT_OCSLOGGER,
                           .offset = c->i * 1500 };

    r.media[0] = (struct em_report_media) { .side = EM_SIDE_CALLER,
                                            .media = EM_MEDIA_APPLICATION_SHARING,
                                            .ice_known = true,
                                            .ice = 0x100,
                                            .remote_relay = slice_of(c->relay) };
    must(em_store_report(s, 1, &r, c->file, &why));
}

/* Seconds of a core for all turns, and for the slowest; that one's time on the clock, too. */
struct took {
    double all_s, turn_s;
    int64_t turn_us;
};

static struct took ingest(struct em_store *s, uint64_t calls)
{
    struct took took = { 0 };

    for (uint64_t i = 0; i < calls;) {
        size_t n = fill(i, calls);
        int64_t turn_us = now_us();
        double turn_s = cpu_s();

        must(em_store_begin(s, &why));
        for (size_t k = 0; k < n; k++)
            put(s, &batch[k], calls);
        must(em_store_commit(s, &why));
        i += n;
        turn_us = now_us() - turn_us;
        turn_s = cpu_s() - turn_s;
        took.turn_us = turn_us > took.turn_us ? turn_us : took.turn_us;
        took.turn_s = turn_s > took.turn_s ? turn_s : took.turn_s;
        took.all_s += turn_s;
    }
    return took;
}

/* --- SQLite alone ------------------------------------------------------------------------------------------------------ */

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK)
        return;
    fprintf(stderr, "store: %s\n", sqlite3_errmsg(db));
    exit(2);
}

/* Seconds of a core for as many rows, of a Call-ID and of so many bytes in all, in as many transactions. */
static double bare(const char *file, const char *table, uint64_t calls, int width)
{
    static const char zeros[1024];
    sqlite3 *db;
    sqlite3_stmt *st;
    double all_s = 0;

    if (sqlite3_open(file, &db) != SQLITE_OK)
        exit(2);
    sql(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "PRAGMA cache_size = -8192");
    sql(db, table);
    if (sqlite3_prepare_v2(db, "INSERT INTO call(call_id, rest) VALUES(?1, ?2)", -1, &st, NULL) != SQLITE_OK)
        exit(2);
    for (uint64_t i = 0; i < calls;) {
        size_t n = fill(i, calls);
        double turn_s = cpu_s();

        sql(db, "BEGIN IMMEDIATE");
        for (size_t k = 0; k < n; k++) {
            (void)sqlite3_bind_text(st, 1, batch[k].id, ID_SIZE - 1, SQLITE_STATIC);
            (void)sqlite3_bind_blob(st, 2, zeros, width, SQLITE_STATIC);
            if (sqlite3_step(st) != SQLITE_DONE || sqlite3_reset(st) != SQLITE_OK)
                exit(2);
        }
        sql(db, "COMMIT");
        i += n;
        all_s += cpu_s() - turn_s;
    }
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    (void)unlink(file);
    return all_s;
}

/* For fewer calls than there were when these are very many: then the ratios flatter the peers. */
static void compare(const char *path, uint64_t calls, double seconds, double width)
{
    uint64_t n = calls < BARE_MAX ? calls : BARE_MAX;
    double each = seconds / (double)calls;
    char file[EM_DB_PATH_MAX];
    int rest = (int)width - ID_SIZE - 8;

    snprintf(file, sizeof file, "%s.bare", path);
    printf("%-28s %12.2f, SQLite appending %" PRIu64 " rows of this width is 1\n", "time, against SQLite",
           each /
               (bare(file, "CREATE TABLE call(id INTEGER PRIMARY KEY, call_id, rest)", n, rest) / (double)n),
           n);
    printf("%-28s %12.2f, the same rows with a UNIQUE Call-ID are 1\n", "",
           each / (bare(file, "CREATE TABLE call(id INTEGER PRIMARY KEY, call_id UNIQUE, rest)", n, rest) /
                   (double)n));
}

/* --- questions --------------------------------------------------------------------------------------------------------- */

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
    const struct em_failure_filter all = { 0 };
    struct em_failure_cursor cursor = { 0, 0 };
    size_t n = 0;
    bool more;

    must(em_store_failures_page(s, &all, &cursor, 100, count_one, &n, &more, &why));
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

static uint64_t calls_in(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    uint64_t n;

    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "SELECT count(*) FROM call", -1, &st, NULL) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW)
        exit(2);
    n = (uint64_t)sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return n;
}

/* Calls are forgotten until none is left, FORGET_S seconds at most. Closes the store. */
static int forget(struct em_store *s, const char *path, uint64_t calls)
{
    static const struct em_store_limits nothing = { .size_max = 1 };
    double began = cpu_s(), slowest = 0, seconds = 0;
    bool more = true;

    em_store_limit(s, &nothing);
    while (more && seconds < FORGET_S) {
        int64_t step_us = now_us();

        must(em_store_begin(s, &why));
        must(em_store_trim(s, &more, &why));
        must(em_store_commit(s, &why));
        step_us = now_us() - step_us;
        slowest = (double)step_us / 1000 > slowest ? (double)step_us / 1000 : slowest;
        seconds = cpu_s() - began;
    }
    em_store_close(s);
    return tell("forgotten in a second", (double)(calls - calls_in(path)) / seconds, 50000, "calls of a core",
                true) |
           tell("slowest step of forgetting", slowest, 50, "ms on the clock", false);
}

static double memory_mib(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static int many_calls(const char *path, uint64_t calls)
{
    struct em_clock clock = em_clock_fake(&moved);
    struct em_store *s = NULL;
    struct took took;
    struct stat st;
    double width;
    int missed = 0;

    must(em_store_open(path, &clock, &s, &why));
    took = ingest(s, calls);
    printf("%" PRIu64 " calls in %.2f s of a core; slowest turn of %d calls: %.1f ms on the clock\n", calls,
           took.all_s, BATCH, (double)took.turn_us / 1000);
    missed |= tell("calls in a second of a core", (double)calls / took.all_s, 50000, "", true);
    missed |= tell("slowest turn", took.turn_s * 1000, 50, "ms of a core", false);
    em_store_close(s);
    if (stat(path, &st) != 0)
        return 2;
    width = (double)st.st_size / (double)calls;
    if (calls >= EMPTY_MAX)
        missed |= tell("bytes of a call", width, 250, "B", false);
    else
        printf("%-28s %12.1f B, history and tables of texts included\n", "bytes of a call", width);
    must(em_store_open(path, &clock, &s, &why));
    probe(s);
    missed |= tell("snapshot", median_ms(s, ask_snapshot), 10, "ms", false);
    missed |= tell("newest 100 failures", median_ms(s, ask_failures), 10, "ms", false);
    missed |= tell("60 days of history", median_ms(s, ask_history), 50, "ms", false);
    missed |= forget(s, path, calls);
    missed |= tell("memory of it all", memory_mib(), 32, "MiB", false);
    compare(path, calls, took.all_s, width);
    return missed;
}

/* Reports of one call with another ICE value each: every one is new to it, and all are kept so that none counts twice. */
static int one_call(const char *path, uint64_t reports)
{
    struct em_clock clock = em_clock_fake(&moved);
    struct em_store *s = NULL;
    double began, seconds;
    uint64_t i = 0;

    must(em_store_open(path, &clock, &s, &why));
    began = cpu_s();
    while (i < reports) {
        must(em_store_begin(s, &why));
        for (uint64_t end = i + BATCH < reports ? i + BATCH : reports; i < end; i++) {
            struct em_report r = { .code = 23, .call_id = SLICE("one"), .media_n = 1, .offset = i };

            r.media[0] =
                (struct em_report_media) { .media = EM_MEDIA_AUDIO, .ice_known = true, .ice = (uint32_t)i };
            must(em_store_report(s, 1, &r, "f", &why));
        }
        must(em_store_commit(s, &why));
    }
    seconds = cpu_s() - began;
    em_store_close(s);
    printf("%" PRIu64 " reports of one call\n", reports);
    return tell("reports in a second of a core", (double)reports / seconds, 50000, "", true) |
           tell("memory of it all", memory_mib(), 32, "MiB", false);
}

int main(int argc, char **argv)
{
    bool one = argc == 4 && strcmp(argv[2], "one") == 0;
    uint64_t n = 0;

    if ((argc != 3 && !one) || !em_read_uint(argv[argc - 1], BATCH, 100000000, &n)) {
        fprintf(stderr, "usage: store FILE CALLS\n       store FILE one REPORTS\n");
        return 2;
    }
    return one ? one_call(argv[1], n) : many_calls(argv[1], n);
}
