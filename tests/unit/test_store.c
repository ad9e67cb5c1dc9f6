/* SPDX-License-Identifier: GPL-3.0-or-later
 * The store: what is counted survives and only what is committed, each damaged or foreign database is refused with its sentence. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "evidence/ice.h"
#include "harness.h"
#include "store/history.h"
#include "store/state.h"
#include "store_older.h"
#include "store_snapshot.h"

enum { SNAPSHOT_US = EM_SANITIZED ? 20000 : 2000 }; /* how long a snapshot may take */

#define T0 (INT64_C(1700000000) * EM_US_PER_S)

static char dir[64], path[96];
static struct em_clock_fake moved = { .mono = 1, .wall = T0, .seed = 1 };
static struct em_clock test_clock;
static struct em_why why;

static void setup(void)
{
    memcpy(dir, "/tmp/em-store-XXXXXX", sizeof "/tmp/em-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chmod(dir, 0755), 0);
    snprintf(path, sizeof path, "%s/em.db", dir);
    moved.wall = T0;
    test_clock = em_clock_fake(&moved);
}

static void teardown(void)
{
    const char *tails[] = { "", "-wal", "-shm", "-journal", ".other" };

    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char file[128];

        snprintf(file, sizeof file, "%s%s", path, tails[i]);
        (void)unlink(file);
    }
    ck_assert_msg(rmdir(dir) == 0, "something is left in %s", dir);
}

static struct em_store *opened(void)
{
    struct em_store *s = NULL;

    OK(em_store_open(path, &test_clock, &s, &why));
    return s;
}

static struct em_store *opened_with_keys_of(uint64_t mask, size_t generation)
{
    struct em_store *s = opened();

    em_keys_free(&s->keys);
    s->keys.mask = mask;
    s->keys.generation = generation;
    OK(em_keys_load(s, &why));
    return s;
}

static struct em_report report(const char *call, uint32_t code, uint32_t ice, int64_t time_us)
{
    struct em_report r = { .code = code,
                           .call_id = slice_of(call),
                           .header = SLICE("23; reason=\"x\""),
                           .reason = SLICE("Call failed to establish"),
                           .media_n = 1,
                           .time_us = time_us,
                           .format = EM_FORMAT_OCSLOGGER,
                           .offset = 17 };

    r.media[0] = (struct em_report_media) {
        .side = EM_SIDE_CALLER, .media = EM_MEDIA_APPLICATION_SHARING, .ice_known = true, .ice = ice
    };
    return r;
}

static void put(struct em_store *s, const char *call, uint32_t code, uint32_t ice, int64_t time_us)
{
    struct em_report r = report(call, code, ice, time_us);

    OK(em_store_report(s, 1, &r, "/var/log/a.log", &why));
}

static struct em_totals totals(struct em_store *s)
{
    struct em_snapshot *at = snapshot(s);
    struct em_totals t = *em_snapshot_totals(at);

    free(at);
    return t;
}

static struct em_windows windows(struct em_store *s)
{
    struct em_snapshot *at = snapshot(s);
    struct em_windows w = *(struct em_windows *)em_snapshot_row(at, EM_T_WINDOWS, 0);

    free(at);
    return w;
}

static uint64_t code_calls(struct em_store *s, uint32_t code)
{
    struct em_snapshot *at = snapshot(s);
    const uint32_t index = code + 1;
    const struct em_code_row *row = em_snapshot_find(at, EM_T_CODE, &index);
    uint64_t n = row ? row->calls : UINT64_MAX;

    free(at);
    return n;
}

START_TEST(a_new_database_has_all_known_rows_at_zero)
{
    struct em_store *s = opened();
    struct em_snapshot *at = snapshot(s);

    ck_assert_int_eq(em_snapshot_totals(at)->discontinuity_time, T0);
    ck_assert_uint_eq(em_snapshot_totals(at)->reports, 0);
    ck_assert_uint_eq(at->t[EM_T_CODE].n, em_codes_known_n);
    ck_assert_uint_eq(at->t[EM_T_ICE].n, em_ice_warnings_n);
    ck_assert_uint_eq(at->t[EM_T_MEDIA].n, EM_MEDIA_COUNT);
    ck_assert_uint_eq(at->t[EM_T_FAILURE].n, 0);
    ck_assert_uint_eq(code_calls(s, 23), 0);
    free(at);
    moved.wall += EM_US_PER_S;
    em_store_close(s);
    s = opened();
    ck_assert_int_eq(totals(s).discontinuity_time, T0);
    em_store_close(s);
}
END_TEST

/* The same calls as facts say: each counts once for a code and a bit, over restarts too. */
static void check_counts(struct em_store *s)
{
    struct em_totals t = totals(s);
    struct em_snapshot *at = snapshot(s);
    const uint32_t nat = 9;
    const struct em_ice_row *ice = em_snapshot_find(at, EM_T_ICE, &nat);
    const struct em_media_row *media = em_snapshot_row(at, EM_T_MEDIA, EM_MEDIA_APPLICATION_SHARING - 1);
    struct em_source_row row = { 0 };

    ck_assert_uint_eq(t.reports, 7);
    ck_assert_uint_eq(t.duplicates, 2);
    ck_assert_uint_eq(t.unkeyed, 1);
    ck_assert_uint_eq(t.calls, 3);
    ck_assert_uint_eq(t.code_23, 1);
    ck_assert_uint_eq(t.media_failures, 1);
    ck_assert_uint_eq(t.tcp_nat_check, 2);
    ck_assert_uint_eq(t.code_23_tcp_nat, 1);
    ck_assert_uint_eq(t.bytes, 1000);
    ck_assert_uint_eq(t.messages, 12);
    ck_assert_uint_eq(t.malformed, 3);
    ck_assert_str_eq(ice->value, "0x100");
    ck_assert_uint_eq(ice->calls, 2);
    ck_assert_uint_eq(media->calls, 1);
    ck_assert_uint_eq(code_calls(s, 23), 1);
    ck_assert_uint_eq(code_calls(s, 51004), 1);
    ck_assert_uint_eq(code_calls(s, 7008), 1);
    ck_assert_uint_eq(at->t[EM_T_FAILURE].n, 2);
    free(at);
    em_store_source_row(s, 1, &row);
    ck_assert_uint_eq(row.reports, 7);
    ck_assert_uint_eq(row.unkeyed, 1);
    ck_assert_uint_eq(row.malformed, 3);
    ck_assert_int_eq(row.read_time, T0);
}

START_TEST(counts_survive)
{
    const struct em_reader_stats read = { .bytes = 1000, .messages = 12, .malformed = 3 };
    struct em_store *s = opened();

    OK(em_store_begin(s, &why));
    put(s, "one@x", 23, 0x8000000, T0);
    put(s, "one@x", 23, 0x8000000, T0); /* a duplicate */
    put(s, "one@x", 23, 0x8000100, T0); /* the bit that completes it */
    OK(em_store_commit(s, &why));
    em_store_close(s);
    s = opened();
    OK(em_store_begin(s, &why));
    put(s, "one@x", 23, 0x8000100, T0); /* again after a restart */
    put(s, "", 23, 0x100, T0);          /* unkeyed */
    put(s, "ONE@x", 51004, 0x100, T0);  /* another call: the comparison is exact; information is no failure */
    put(s, "two@x", 7008, 0, T0);
    OK(em_store_read(s, 1, &read, &why));
    OK(em_store_commit(s, &why));
    check_counts(s);
    em_store_close(s);
    s = opened();
    check_counts(s);
    em_store_close(s);
}
END_TEST

START_TEST(only_what_is_committed_counts)
{
    struct em_store *s = opened();
    int err;

    OK(em_store_begin(s, &why));
    put(s, "one", 23, 0x100, T0);
    ck_assert_uint_eq(totals(s).reports, 0); /* a snapshot in between shows the last commit */
    OK(em_store_commit(s, &why));
    OK(em_store_begin(s, &why));
    put(s, "two", 4711, 0x40000000, T0);
    em_store_rollback(s);
    ck_assert_uint_eq(totals(s).reports, 1);
    ck_assert_uint_eq(code_calls(s, 4711), UINT64_MAX);
    OK(em_store_begin(s, &why));
    put(s, "three", 23, 0, T0);
    OK(em_store_begin(s, &why)); /* the commit was forgotten */
    OK(em_store_commit(s, &why));
    ck_assert_uint_eq(totals(s).calls, 1);
    err = em_store_commit(s, &why);
    ck_assert_int_lt(err, 0);
    OK(em_store_begin(s, &why));
    put(s, "four", 23, 0, T0);
    em_store_close(s); /* with a transaction open */
    s = opened();
    ck_assert_uint_eq(totals(s).calls, 1);
    ck_assert_uint_eq(totals(s).code_23_tcp_nat, 1);
    em_store_close(s);
}
END_TEST

START_TEST(long_call_ids_are_told_apart_to_the_last_byte)
{
    static char a[5000], b[5000];
    struct em_store *s = opened();

    memset(a, 'x', sizeof a - 1);
    memset(b, 'x', sizeof b - 1);
    b[sizeof b - 2] = 'y';
    OK(em_store_begin(s, &why));
    put(s, a, 23, 0, T0);
    put(s, b, 23, 0, T0);
    put(s, a, 23, 0, T0);
    OK(em_store_commit(s, &why));
    ck_assert_uint_eq(totals(s).calls, 2);
    ck_assert_uint_eq(totals(s).duplicates, 1);
    em_store_close(s);
}
END_TEST

START_TEST(codes_beyond_the_maximum_count_in_the_totals)
{
    struct em_store *s = opened();
    char call[32];

    OK(em_store_begin(s, &why));
    for (uint32_t i = 0; i < EM_CODES_MAX + 10; i++) {
        snprintf(call, sizeof call, "call-%u", i);
        put(s, call, 100000 + i, 0, T0);
    }
    put(s, "huge", UINT32_MAX, 0, T0);
    OK(em_store_commit(s, &why));
    ck_assert_uint_eq(totals(s).reports, EM_CODES_MAX + 11);
    ck_assert_uint_eq(code_calls(s, 100000), 1);
    ck_assert_uint_eq(code_calls(s, 100000 + EM_CODES_MAX), UINT64_MAX);
    em_store_close(s);
    s = opened();
    ck_assert_uint_eq(code_calls(s, 100000), 1);
    em_store_close(s);
}
END_TEST

START_TEST(windows_go_by_the_failures_time)
{
    static const struct {
        const char *call;
        int64_t ago_s; /* 0 with no time at all; negative: in the future */
    } rows[] = { { "a", 0 }, { "b", -1000 }, { "c", 240 }, { "d", 1800 }, { "e", 7200 }, { "f", 90000 } };
    struct em_store *s = opened();
    struct em_windows w;

    OK(em_store_begin(s, &why));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        put(s, rows[i].call, 23, 0x100, rows[i].ago_s ? T0 - rows[i].ago_s * EM_US_PER_S : 0);
    OK(em_store_commit(s, &why));
    for (int again = 0; again < 2; again++) {
        w = windows(s);
        ck_assert_uint_eq(w.code_23_5m, 3);
        ck_assert_uint_eq(w.tcp_nat_check_1h, 4);
        ck_assert_uint_eq(w.code_23_tcp_nat_1d, 5);
        ck_assert_uint_eq(w.media_failures_1d, 5);
        em_store_close(s);
        s = opened();
    }
    moved.wall += 3700 * EM_US_PER_S;
    w = windows(s);
    ck_assert_uint_eq(w.code_23_5m, 0);
    ck_assert_uint_eq(w.code_23_1h, 0);
    ck_assert_uint_eq(w.code_23_1d, 5);
    moved.wall += 24 * 3600 * EM_US_PER_S;
    ck_assert_uint_eq(windows(s).code_23_1d, 0);
    OK(em_store_begin(s, &why)); /* the slots of the day before are taken again */
    put(s, "g", 23, 0, 0);
    OK(em_store_commit(s, &why));
    ck_assert_uint_eq(windows(s).code_23_1d, 1);
    em_store_close(s);
}
END_TEST

static bool collect(void *arg, const struct em_failure_row *row)
{
    char *to = arg;

    snprintf(to + strlen(to), 200 - strlen(to), "%s ", row->call_id);
    return strlen(to) < 60;
}

/* All that fit, page by page. */
static void failures(struct em_store *s, const struct em_failure_filter *filter, size_t most,
                     bool (*each)(void *arg, const struct em_failure_row *row), void *arg)
{
    struct em_failure_cursor cursor = { 0, 0 };
    bool more = true;

    while (more)
        OK(em_store_failures_page(s, filter, &cursor, most, each, arg, &more, &why));
}

START_TEST(failures_by_time_and_the_most_recent)
{
    struct em_store *s = opened();
    char seen[200] = "", call[32];
    struct em_snapshot *at;
    const struct em_failure_row *row;
    uint32_t number = 0;

    OK(em_store_number(s, "source", 0, "fe01", &number, &why));
    OK(em_store_begin(s, &why));
    for (int i = 0; i < EM_RECENT_MAX + 50; i++) {
        snprintf(call, sizeof call, "c%d", i);
        put(s, call, 23, 0x100, T0 - i * EM_US_PER_S);
    }
    OK(em_store_commit(s, &why));
    failures(s, &(struct em_failure_filter) { .since_us = T0 - 4 * EM_US_PER_S, .until_us = T0 }, 3, collect,
             seen);
    ck_assert_str_eq(seen, "c1 c2 c3 c4 ");
    for (int again = 0; again < 2; again++) {
        at = snapshot(s);
        ck_assert_uint_eq(at->t[EM_T_FAILURE].n, EM_RECENT_MAX);
        row = em_snapshot_row(at, EM_T_FAILURE, EM_RECENT_MAX - 1);
        ck_assert_str_eq(row->call_id, "c249");
        ck_assert_uint_eq(row->failure, EM_RECENT_MAX + 50);
        ck_assert_str_eq(row->source, "fe01");
        ck_assert_str_eq(row->file, "/var/log/a.log");
        ck_assert_str_eq(row->reason, "Call failed to establish");
        ck_assert_uint_eq(row->ice_warnings, 0x100);
        ck_assert_uint_eq(row->ice_known, 1);
        ck_assert_uint_eq(row->offset, 17);
        row = em_snapshot_row(at, EM_T_FAILURE, 0);
        ck_assert_str_eq(row->call_id, "c50");
        free(at);
        em_store_close(s);
        s = opened();
    }
    em_store_close(s);
}
END_TEST

static bool copy_position(void *arg, int64_t id, const struct em_position *p)
{
    (void)id;
    *(struct em_position *)arg = *p;
    return false;
}

START_TEST(positions_are_kept_whole)
{
    struct em_position p = { .path = "/var/log/sfb/a.log",
                             .device = 1,
                             .inode = UINT64_MAX,
                             .head_hash = UINT64_C(0x8000000000000001),
                             .head_size = 4096,
                             .tail_hash = 5,
                             .tail_size = 1024,
                             .mark = { 1 << 20, EM_FORMAT_UCCAPI, 2, -5 },
                             .seen_us = T0,
                             .rested = true,
                             .packed = UINT64_MAX,
                             .samples = { .step = 512, .n = 3, .hash = { 1, UINT32_MAX, 3 } } },
                       got;
    struct em_store *s = opened();
    int64_t id = 0, other = 0;

    OK(em_store_begin(s, &why));
    OK(em_store_position_put(s, 1, &id, &p, &why));
    OK(em_store_position_put(s, 2, &other, &p, &why));
    OK(em_store_commit(s, &why));
    ck_assert(id != 0 && id != other);
    p.mark.offset++;
    p.ended = true;
    OK(em_store_begin(s, &why));
    OK(em_store_position_put(s, 1, &id, &p, &why));
    OK(em_store_commit(s, &why));
    em_store_close(s);
    s = opened();
    memset(&got, 0, sizeof got);
    OK(em_store_positions(s, 1, copy_position, &got, &why));
    ck_assert_str_eq(got.path, p.path);
    ck_assert(got.inode == p.inode && got.head_hash == p.head_hash && got.tail_size == 1024 && got.ended);
    ck_assert(memcmp(&got.mark, &p.mark, sizeof p.mark) == 0 && got.seen_us == T0);
    ck_assert(got.rested && got.packed == UINT64_MAX);
    ck_assert(memcmp(&got.samples, &p.samples, sizeof p.samples) == 0);
    OK(em_store_begin(s, &why));
    OK(em_store_position_delete(s, id, &why));
    OK(em_store_commit(s, &why));
    got.inode = 7;
    OK(em_store_positions(s, 1, copy_position, &got, &why));
    ck_assert_uint_eq(got.inode, 7);
    em_store_close(s);
}
END_TEST

START_TEST(numbers_stay_with_their_names)
{
    static const struct {
        const char *kind;
        uint32_t parent;
        const char *name;
        uint32_t want;
    } rows[] = {
        { "edge", 0, "oslo", 1 },  { "edge", 0, "bergen", 2 }, { "edge", 0, "oslo", 1 },
        { "check", 1, "turn", 1 }, { "check", 2, "turn", 1 },  { "check", 1, "relay", 2 },
        { "edge", 0, "Oslo", 3 },
    };

    for (int again = 0; again < 2; again++) {
        struct em_store *s = opened();

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            uint32_t n = 0;

            OK(em_store_number(s, rows[i].kind, rows[i].parent, rows[i].name, &n, &why));
            ck_assert_msg(n == rows[i].want, "%s %s: %u", rows[i].kind, rows[i].name, n);
        }
        em_store_close(s);
    }
}
END_TEST

START_TEST(totals_of_checks_are_written_with_the_next_commit)
{
    struct em_store *s = opened();
    struct em_check_totals t = { 0 };

    for (uint32_t i = 1; i <= 500; i++)
        OK(em_store_check_totals_put(s, i % 5 + 1, i, 1, &(struct em_check_totals) { i, 2, 3, 4 }, &why));
    OK(em_store_check_totals(s, 3, 7, 1, &t));
    ck_assert_uint_eq(t.probes, 7);
    OK(em_store_begin(s, &why));
    OK(em_store_commit(s, &why));
    OK(em_store_check_totals_put(s, 3, 7, 1, &(struct em_check_totals) { 8, 2, 3, 5 }, &why));
    em_store_close(s);
    s = opened();
    OK(em_store_check_totals(s, 3, 7, 1, &t));
    ck_assert_uint_eq(t.probes, 8);
    ck_assert_uint_eq(t.tcp_retransmits, 5);
    OK(em_store_check_totals(s, 1, 500, 1, &t));
    ck_assert_uint_eq(t.probes, 500);
    OK(em_store_check_totals(s, 9, 9, 9, &t));
    ck_assert_uint_eq(t.probes, 0);
    em_store_close(s);
}
END_TEST

/* --- databases that cannot be used -------------------------------------------------------------------------------- */

static void write_file(const char *name, const char *bytes, size_t n)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static void make_database(const char *sql)
{
    struct em_store *s = opened();

    OK(em_store_begin(s, &why));
    for (int i = 0; i < 300; i++) {
        char call[32];

        snprintf(call, sizeof call, "call-%d", i);
        put(s, call, 23, 0x100, T0);
    }
    OK(em_store_commit(s, &why));
    if (sql)
        ck_assert_int_eq(sqlite3_exec(s->db.sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
    em_store_close(s);
}

/* --- findings ----------------------------------------------------------------------------------------------------------------- */

static struct em_finding_row finding(uint32_t id)
{
    return (struct em_finding_row) {
        .id = id, .kind = 2, .severity = 3, .edge = "oslo", .path = "udp", .text = "it's wrong"
    };
}

static bool count_ended(void *arg, const struct em_finding_row *row, int64_t ended_us)
{
    ck_assert_str_eq(row->text, "it's wrong");
    ck_assert_int_gt(ended_us, row->since);
    return ++*(unsigned *)arg < 100;
}

static unsigned ended_n(struct em_store *s)
{
    unsigned n = 0;

    OK(em_store_findings(s, 50, count_ended, &n, &why));
    return n;
}

START_TEST(findings_keep_their_beginning_over_restarts)
{
    struct em_store *s = opened();
    struct em_finding_row one = finding(1), two = finding(2);
    int64_t since = 500;

    OK(em_store_finding_raised(s, &one, 1000, &since, &why));
    OK(em_store_finding_raised(s, &two, 2000, &since, &why));
    ck_assert_int_eq(since, 500); /* raised for the first time: as the caller has it */
    em_store_close(s);
    s = opened();
    OK(em_store_finding_raised(s, &one, 9000, &since, &why));
    ck_assert_int_eq(since, 1000);
    ck_assert_uint_eq(ended_n(s), 0);
    OK(em_store_findings_settle(s, 8000, 10000, &why)); /* the second one was not confirmed */
    ck_assert_uint_eq(ended_n(s), 1);
    OK(em_store_finding_ended(s, 1, 11000, &why));
    ck_assert_uint_eq(ended_n(s), 2);
    since = 12000;
    OK(em_store_finding_raised(s, &one, 12000, &since, &why)); /* another time */
    ck_assert_int_eq(since, 12000);
    em_store_close(s);
}
END_TEST

/* An older database with so many calls: each has a code-23 failure and two reports, every third a code that is information, every fourth
 * code 24. Their times ascend by a second up to T0. */
static void make_older(const char *schema, int calls)
{
    struct em_store *s = opened();
    char sql[4000];

    snprintf(
        sql, sizeof sql,
        "%s CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
        "%d)"
        " SELECT i, %lld + (i - %d) * 1000000 AS at FROM n;"
        "INSERT INTO call SELECT i, CAST('old-' || i AS BLOB), 256, 32, 3, at FROM n;"
        "INSERT INTO report SELECT i, i FROM n UNION ALL SELECT i, i + 1 FROM n;"
        "INSERT INTO failure(call, code, class, at_us, time_us, cseq, reason, side, media, ice_known, ice,"
        " local_relay, remote_relay, sip_from, sip_to, format, source, file, offset)"
        " SELECT i, 23, 1, at, at, '1 INVITE', 'why ' || i, 1, 6, 1, 256, '', '192.0.2.1:50000', 'a', 'b', "
        "1, 1,"
        " '/f', i FROM n UNION ALL SELECT i, 51004, 3, at, at, '', '', 0, 0, 2, 0, '', '', '', '', 1, 1, "
        "'/f', i"
        " FROM n WHERE i %% 3 = 0 UNION ALL SELECT i, 24, 1, at, 0, '', '', 0, 0, 2, 0, '', '', '', '', 1, 1,"
        " '/f', i FROM n WHERE i %% 4 = 0 ORDER BY 19, 2;"
        "INSERT INTO counter VALUES('calls', 0, %d), ('reports', 0, %d), ('code_23', 0, %d), ('code', 23, "
        "%d),"
        " ('tcp_nat_check', 0, %d), ('media_failures', 0, %d), ('code_23_tcp_nat', 0, %d); DROP TABLE n",
        schema, calls, (long long)T0, calls, calls, calls * 2, calls, calls, calls, calls, calls);
    ck_assert_msg(sqlite3_exec(s->db.sqlite, sql, NULL, NULL, NULL) == SQLITE_OK, "%s",
                  sqlite3_errmsg(s->db.sqlite));
    em_store_close(s);
}

/* A database of the first schema is brought up, and keeps what it has. */
START_TEST(an_older_schema_is_brought_up)
{
    struct em_store *s;
    struct em_finding_row one = finding(1);
    int64_t since = 0;

    make_older(OLDER_1, 300);
    s = opened();
    ck_assert_uint_eq(code_calls(s, 23), 300);
    OK(em_store_finding_raised(s, &one, 1000, &since, &why));
    OK(em_store_finding_ended(s, 1, 2000, &why));
    ck_assert_uint_eq(ended_n(s), 1);
    em_store_close(s);
}
END_TEST

/* --- records that were seen ----------------------------------------------------------------------------------------- */

static bool seen(struct em_store *s, uint32_t source, uint64_t key, int64_t at_us)
{
    bool before = false;

    OK(em_store_seen(s, source, key, at_us, &before, &why));
    return before;
}

static uint64_t seen_n(struct em_store *s, uint32_t source)
{
    uint64_t n = UINT64_MAX;

    OK(em_store_seen_count(s, source, &n, &why));
    return n;
}

START_TEST(records_are_known_again)
{
    struct em_store *s = opened();
    uint64_t removed = 0;

    OK(em_store_begin(s, &why));
    ck_assert(!seen(s, 1, UINT64_MAX, 100));
    ck_assert(!seen(s, 2, UINT64_MAX, 100)); /* another source's */
    ck_assert(seen(s, 1, UINT64_MAX, 900));
    OK(em_store_commit(s, &why));
    OK(em_store_begin(s, &why));
    ck_assert(!seen(s, 1, 7, 200));
    em_store_rollback(s);
    em_store_close(s);
    s = opened();
    OK(em_store_begin(s, &why));
    ck_assert(seen(s, 1, UINT64_MAX, 100));
    ck_assert(!seen(s, 1, 7, 200));
    ck_assert(!seen(s, 1, 8, 300));
    ck_assert_uint_eq(seen_n(s, 1), 3);
    OK(em_store_seen_forget(s, 1, 300, 1, &removed, &why)); /* the oldest first */
    ck_assert_uint_eq(removed, 1);
    ck_assert(!seen(s, 1, UINT64_MAX, 100));
    OK(em_store_seen_forget(s, 1, 300, UINT64_MAX, &removed, &why));
    ck_assert_uint_eq(removed, 2);
    OK(em_store_seen_forget(s, 1, 300, UINT64_MAX, &removed, &why));
    ck_assert_uint_eq(removed, 0);
    OK(em_store_commit(s, &why));
    ck_assert_uint_eq(seen_n(s, 1), 1);
    ck_assert_uint_eq(seen_n(s, 2), 1);
    ck_assert_uint_eq(seen_n(s, 3), 0);
    em_store_close(s);
}
END_TEST

/* --- history -------------------------------------------------------------------------------------------------------- */

/* Calls in the whole frame, and in its last slot. */
static uint64_t history(struct em_store *s, enum em_history_kind kind, uint32_t id,
                        enum em_history_range range, uint64_t *last)
{
    static uint64_t values[EM_HISTORY_SLOTS_MAX];
    struct em_history_frame f = em_history_frame(range, moved.wall);
    uint64_t sum = 0;

    OK(em_store_history(s, kind, id, &f, values, &why));
    for (uint32_t i = 0; i < f.n; i++)
        sum += values[i];
    *last = values[f.n - 1];
    return sum;
}

static void put_one(struct em_store *s, int number, int64_t time_us)
{
    char call[32];

    snprintf(call, sizeof call, "history-%d", number);
    OK(em_store_begin(s, &why));
    put(s, call, 23, 0x100, time_us);
    OK(em_store_commit(s, &why));
}

#define MINUTE (60 * EM_US_PER_S)
#define DAY (24 * 60 * MINUTE)

/* Each resolution holds what its range is long, at the time of the failure, over a restart. */
START_TEST(history_in_three_resolutions)
{
    static const int64_t ago[] = { 0, 30 * MINUTE, 12 * 60 * MINUTE, 3 * DAY, 30 * DAY, 70 * DAY };
    static const uint64_t expected[EM_HISTORY_RANGES] = { 2, 3, 4, 5 };
    struct em_store *s = opened();
    uint64_t last;

    for (int i = 0; i < 6; i++)
        put_one(s, i, T0 - ago[i]);
    for (int pass = 0; pass < 2; pass++) {
        for (enum em_history_range r = 0; r < EM_HISTORY_RANGES; r++) {
            ck_assert_uint_eq(history(s, EM_HISTORY_EVENT, 1, r, &last), expected[r]);
            ck_assert_uint_ge(last, 1);
            ck_assert_uint_eq(history(s, EM_HISTORY_CODE, 23, r, &last), expected[r]);
            ck_assert_uint_eq(history(s, EM_HISTORY_ICE, 8, r, &last), expected[r]);
            ck_assert_uint_eq(history(s, EM_HISTORY_MEDIA, EM_MEDIA_APPLICATION_SHARING - 1, r, &last),
                              expected[r]);
            ck_assert_uint_eq(history(s, EM_HISTORY_CODE, 24, r, &last), 0);
        }
        em_store_close(s);
        s = opened();
    }
    ck_assert_uint_eq(totals(s).code_23, 6);
    em_store_close(s);
}
END_TEST

/* What was counted while the clock was wrong is where the clock said; the rest is as it was. */
START_TEST(history_bears_clock_steps)
{
    static const int64_t steps[] = { DAY, -DAY, 400 * DAY, -400 * DAY, -40 * DAY, 40 * DAY };
    struct em_store *s = opened();
    uint64_t last;
    int n = 0;

    for (; n < 10; n++)
        put_one(s, n, T0 - (n + 1) * MINUTE);
    for (size_t i = 0; i < 6; i++) {
        moved.wall += steps[i];
        put_one(s, n++, 0);
        (void)history(s, EM_HISTORY_EVENT, 1, EM_HISTORY_24H, &last);
        ck_assert_uint_ge(last, 1);
    }
    ck_assert_int_eq(moved.wall, T0);
    /* Whole days are the worst that can be: the wrong times share the place of the right one in the finest ring, which has the last call
     * alone; the ten are untouched, and the coarse ring has other places for all but those of its own length. */
    ck_assert_uint_eq(history(s, EM_HISTORY_EVENT, 1, EM_HISTORY_24H, &last), 11);
    ck_assert_uint_eq(last, 1);
    em_store_close(s);
}
END_TEST

START_TEST(history_of_a_rollback_is_gone)
{
    struct em_store *s = opened();
    uint64_t last;

    OK(em_store_begin(s, &why));
    for (int i = 0; i < 4000; i++) { /* more than is kept in memory */
        char call[32];

        snprintf(call, sizeof call, "spread-%d", i);
        put(s, call, 23, 0x100, T0 - i * 10 * MINUTE);
    }
    em_store_rollback(s);
    ck_assert_uint_eq(history(s, EM_HISTORY_EVENT, 1, EM_HISTORY_60D, &last), 0);
    put_one(s, 1, 0);
    ck_assert_uint_eq(history(s, EM_HISTORY_EVENT, 1, EM_HISTORY_60D, &last), 1);
    em_store_close(s);
}
END_TEST

static struct em_history_probe newest(struct em_store *s, enum em_history_range range)
{
    static struct em_history_probe slots[EM_HISTORY_SLOTS_MAX];
    struct em_history_frame f = em_history_frame(range, moved.wall);

    OK(em_store_path_history(s, 1, 2, 3, &f, slots, &why));
    return slots[f.n - 1];
}

/* The worst verdict, sums, and means of the phases that happened; a ring that comes round begins anew. */
START_TEST(history_of_probes)
{
    const struct em_history_probe good = { .verdict = EM_VERDICT_OK, .us = { 1000, 0, 400 } };
    const struct em_history_probe bad = {
        .verdict = EM_VERDICT_FILTERED, .us = { 0, 0, 600 }, .failed_probes = 1, .tcp_retransmits = 2
    };
    struct em_store *s = opened();
    struct em_history_probe p;

    em_store_probe(s, 1, 2, 3, &good);
    em_store_probe(s, 1, 2, 3, &bad);
    em_store_probe(s, 1, 2, 3, &good);
    ck_assert_uint_eq(newest(s, EM_HISTORY_24H).probes, 0); /* no commit yet */
    em_store_close(s);
    s = opened();
    for (enum em_history_range r = 0; r < EM_HISTORY_RANGES; r++) {
        p = newest(s, r);
        ck_assert_uint_eq(p.verdict, EM_VERDICT_FILTERED);
        ck_assert_uint_eq(p.probes, 3);
        ck_assert_uint_eq(p.failed_probes, 1);
        ck_assert_uint_eq(p.tcp_retransmits, 2);
        ck_assert_uint_eq(p.us[EM_HISTORY_RTT], 1000);
        ck_assert_uint_eq(p.us[EM_HISTORY_CONNECT], 466);
        ck_assert_uint_eq(p.us[EM_HISTORY_TLS], 0);
    }
    moved.wall += DAY; /* the same place of the finest ring */
    ck_assert_uint_eq(newest(s, EM_HISTORY_24H).probes, 0);
    em_store_probe(s, 1, 2, 3, &good);
    OK(em_store_begin(s, &why));
    OK(em_store_commit(s, &why));
    p = newest(s, EM_HISTORY_24H);
    ck_assert_uint_eq(p.probes, 1);
    ck_assert_uint_eq(p.verdict, EM_VERDICT_OK);
    em_store_close(s);
}
END_TEST

/* At the maximum of paths a new one takes the place of one that was not seen for 60 days, or has no history. */
START_TEST(history_has_so_many_paths)
{
    const struct em_history_probe good = { .verdict = EM_VERDICT_OK };
    struct em_store *s = opened();

    for (uint32_t i = 0; i <= EM_HISTORY_PATHS_MAX; i++)
        em_store_probe(s, i == EM_HISTORY_PATHS_MAX ? 1 : 7, i == EM_HISTORY_PATHS_MAX ? 2 : i, 3, &good);
    em_store_close(s);
    s = opened();
    ck_assert_uint_eq(newest(s, EM_HISTORY_24H).probes, 0);
    moved.wall += 61 * DAY;
    em_store_probe(s, 1, 2, 3, &good);
    OK(em_store_begin(s, &why));
    OK(em_store_commit(s, &why));
    ck_assert_uint_eq(newest(s, EM_HISTORY_24H).probes, 1);
    em_store_close(s);
}
END_TEST

/* --- retention ------------------------------------------------------------------------------------------------------ */

static int64_t rows_of(struct em_store *s, const char *table)
{
    char sql[64];
    sqlite3_stmt *st;
    int64_t n;

    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    ck_assert_int_eq(sqlite3_prepare_v2(s->db.sqlite, sql, -1, &st, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

/* Trims until nothing is left to be done, and counts the steps. */
static int trim_all(struct em_store *s)
{
    bool more = true;
    int steps = 0;

    for (; more; steps++) {
        OK(em_store_begin(s, &why));
        OK(em_store_trim(s, &more, &why));
        OK(em_store_commit(s, &why));
        ck_assert_int_lt(steps, 1000);
    }
    return steps;
}

static void put_many_of(struct em_store *s, const char *prefix, int n, uint32_t code)
{
    OK(em_store_begin(s, &why));
    for (int i = 0; i < n; i++) {
        char call[64];

        snprintf(call, sizeof call, "%s-%d", prefix, i);
        put(s, call, code, 0x100, 0);
    }
    OK(em_store_commit(s, &why));
}

static void put_many(struct em_store *s, const char *prefix, int n)
{
    put_many_of(s, prefix, n, 23);
}

/* Old calls go in steps, with all that hangs on them; counters and the history stay, over a restart, too. */
START_TEST(old_calls_are_forgotten)
{
    struct em_store *s = opened();
    uint64_t last;

    em_store_limit(s, &(struct em_store_limits) { 60 * DAY, 0 });
    put_many(s, "old", 1700);
    put_many_of(s, "old", 1700, 24); /* another code: a second report and failure */
    moved.wall += 50 * DAY;
    put_many(s, "new", 10);
    put_many_of(s, "new", 10, 24);
    ck_assert_int_eq(trim_all(s), 1);
    ck_assert_int_eq(rows_of(s, "call"), 1710);
    ck_assert_int_eq(rows_of(s, "failure"), 3420);
    moved.wall += 11 * DAY;
    ck_assert_int_eq(trim_all(s), 5); /* 500 in each, and one that finds none */
    ck_assert_int_eq(rows_of(s, "call"), 10);
    ck_assert_int_eq(rows_of(s, "report"), 10);
    ck_assert_int_eq(rows_of(s, "code"), 10);
    ck_assert_int_eq(rows_of(s, "failure"), 20);
    em_store_close(s);
    s = opened();
    ck_assert_uint_eq(totals(s).code_23, 1710);
    ck_assert_uint_eq(code_calls(s, 23), 1710);
    ck_assert_uint_eq(history(s, EM_HISTORY_EVENT, 1, EM_HISTORY_60D, &last), 10);
    put_many(s, "new", 10); /* those that are still known do not count again */
    ck_assert_uint_eq(totals(s).code_23, 1710);
    em_store_close(s);
}
END_TEST

/* One call with more reports than a step removes goes in several. */
START_TEST(a_call_of_many_reports_is_forgotten_in_steps)
{
    struct em_store *s = opened();

    em_store_limit(s, &(struct em_store_limits) { DAY, 0 });
    OK(em_store_begin(s, &why));
    for (uint32_t i = 0; i < 5000; i++)
        put(s, "one", 100 + i, i, 0);
    OK(em_store_commit(s, &why));
    moved.wall += 2 * DAY;
    ck_assert_int_eq(trim_all(s), 4);
    ck_assert_int_eq(rows_of(s, "report") + rows_of(s, "failure") + rows_of(s, "call"), 0);
    ck_assert_uint_eq(totals(s).calls, 1);
    em_store_close(s);
}
END_TEST

/* Over its size the oldest calls go, however young they are, and the file gives its pages back. */
START_TEST(a_database_stays_within_its_size)
{
    enum { SIZE = 2 * 1024 * 1024 };
    struct em_store *s = opened();
    struct stat before, after;
    uint64_t expected = 0;

    em_store_limit(s, &(struct em_store_limits) { 60 * DAY, SIZE });
    for (int i = 0; i < 10; i++) {
        char prefix[16];

        snprintf(prefix, sizeof prefix, "round-%d", i);
        put_many(s, prefix, 3000);
        expected += 3000;
        (void)trim_all(s);
    }
    ck_assert_uint_eq(totals(s).calls, expected);
    ck_assert_int_gt(rows_of(s, "call"), 1000);
    ck_assert_int_lt(rows_of(s, "call"), 20000);
    em_store_close(s);
    ck_assert_int_eq(stat(path, &before), 0);
    s = opened();
    em_store_limit(s, &(struct em_store_limits) { 60 * DAY, SIZE / 4 });
    (void)trim_all(s);
    (void)trim_all(s);
    em_store_close(s);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_msg(after.st_size < before.st_size, "%lld, then %lld bytes", (long long)before.st_size,
                  (long long)after.st_size);
}
END_TEST

/* --- older schemas ---------------------------------------------------------------------------------------------------- */

static bool same_reason(void *arg, const struct em_failure_row *row)
{
    int *next = arg;
    char reason[32], call[32];

    snprintf(reason, sizeof reason, "why %d", *next);
    snprintf(call, sizeof call, "old-%d", *next);
    ck_assert_str_eq(row->call_id, call);
    if (row->code != 23) { /* the later of the two at one time */
        ck_assert_uint_eq(row->code, 24);
        ck_assert_int_eq(row->time, 0);
        return true;
    }
    ck_assert_str_eq(row->reason, reason);
    ck_assert_str_eq(row->remote_relay, "192.0.2.1:50000");
    ck_assert_str_eq(row->cseq, "1 INVITE");
    ck_assert_uint_eq(row->ice_warnings, 256);
    --*next;
    return true;
}

/* All failures there are, newest first, whichever tables they are in. */
static void check_older(struct em_store *s, int calls)
{
    int next = calls;
    struct em_totals t = totals(s);

    failures(s, &(struct em_failure_filter) { 0 }, 700, same_reason, &next);
    ck_assert_int_eq(next, 0);
    ck_assert_uint_eq(t.calls, (uint64_t)calls);
    ck_assert_uint_eq(t.code_23_tcp_nat, (uint64_t)calls);
    ck_assert_uint_eq(code_calls(s, 23), (uint64_t)calls);
}

/* The calls of a large old database move in steps. At any moment all are known, and none counts again. */
START_TEST(an_older_database_moves_in_steps)
{
    enum { CALLS = 2600 };
    struct em_store *s;
    bool more = true;
    int steps = 0;
    char call[32];

    make_older(OLDER_5, CALLS);
    s = opened();
    check_older(s, CALLS);
    for (; more; steps++) {
        OK(em_store_begin(s, &why));
        for (int i = steps % 7 + 1; i <= CALLS; i += 61) { /* some that moved, and some that did not */
            snprintf(call, sizeof call, "old-%d", i);
            put(s, call, 23, 0x100, T0);
            put(s, call, i % 3 ? 23 : 51004, 0x100, T0);
        }
        OK(em_store_commit(s, &why));
        OK(em_store_begin(s, &why)); /* what is rolled back moves again */
        OK(em_store_trim(s, &more, &why));
        em_store_rollback(s);
        OK(em_store_begin(s, &why));
        OK(em_store_trim(s, &more, &why));
        OK(em_store_commit(s, &why));
        check_older(s, CALLS);
        if (steps % 3 == 1) {
            em_store_close(s);
            s = opened();
        }
        ck_assert_int_lt(steps, 100);
    }
    ck_assert_int_gt(steps, CALLS / 500);
    ck_assert_int_eq(rows_of(s, "old_call") + rows_of(s, "old_failure"), 0);
    ck_assert_int_eq(rows_of(s, "call"), CALLS);
    put_one(s, 1, T0);
    ck_assert_uint_eq(totals(s).calls, CALLS + 1);
    em_store_limit(s, &(struct em_store_limits) { DAY, 0 }); /* and they are forgotten as all are */
    moved.wall += 2 * DAY;
    (void)trim_all(s);
    ck_assert_int_eq(rows_of(s, "call") + rows_of(s, "failure") + rows_of(s, "report") + rows_of(s, "code"),
                     0);
    em_store_close(s);
}
END_TEST

/* --- keys ------------------------------------------------------------------------------------------------------------- */

/* So many calls, each with two reports; they are the calls there are, now and when the database is opened again. */
static void put_colliding(struct em_store *s, int n)
{
    for (int i = 0; i < n; i++) {
        char call[32];

        if (i % 500 == 0)
            OK(em_store_begin(s, &why));
        snprintf(call, sizeof call, "call-%d", i);
        put(s, call, 23, 0x100, 0);
        put(s, call, 23, 0x8000000, 0);
        if (i % 500 == 499)
            OK(em_store_commit(s, &why));
    }
}

/* Keys of 8 bits: whatever anybody does to make keys equal, Call-IDs are told apart, young, frozen, merged and after a restart. */
START_TEST(call_ids_with_equal_keys_are_told_apart)
{
    enum { CALLS = 3000 };
    struct em_store *s;

    for (int pass = 0; pass < 3; pass++) {
        s = opened_with_keys_of(0xff, 700);
        put_colliding(s, CALLS);
        ck_assert_uint_eq(totals(s).calls, CALLS);
        ck_assert_uint_eq(totals(s).duplicates, (uint64_t)pass * 2 * CALLS);
        em_store_close(s);
    }
    s = opened_with_keys_of(0xff, 700);
    ck_assert_int_gt(rows_of(s, "key"), 200);
    ck_assert_int_gt(rows_of(s, "twin"), 1000);
    em_store_limit(s, &(struct em_store_limits) { DAY, 0 });
    moved.wall += 2 * DAY;
    (void)trim_all(s);
    put_colliding(s, 500); /* new ones, whose keys lead to calls that are gone */
    ck_assert_uint_eq(totals(s).calls, CALLS + 500);
    em_store_close(s);
}
END_TEST

/* Generations of keys that are frozen and merged while transactions fail and processes end: no call counts twice. */
START_TEST(keys_of_calls_survive_rollbacks_and_restarts)
{
    struct em_store *s = opened_with_keys_of(UINT64_MAX >> 8, 100);
    uint64_t calls = 0;

    for (int round = 0; round < 60; round++) {
        char prefix[16];

        snprintf(prefix, sizeof prefix, "round-%d", round);
        OK(em_store_begin(s, &why));
        for (int i = 0; i < 37; i++)
            put(s, prefix, 23, (uint32_t)i, 0);
        for (int i = 0; i < 90; i++) {
            char call[32];

            snprintf(call, sizeof call, "lost-%d-%d", round, i);
            put(s, call, 23, 0x100, 0);
        }
        em_store_rollback(s);
        put_many(s, prefix, 37);
        calls += 37;
        put_many(s, prefix, 37);
        put_many(s, "round-0", 37);
        if (round % 7 == 6) {
            em_store_close(s);
            s = opened_with_keys_of(UINT64_MAX >> 8, 100);
        }
        ck_assert_uint_eq(totals(s).calls, calls);
    }
    ck_assert_int_gt(rows_of(s, "key"), (int64_t)calls / 2);
    ck_assert_int_eq(rows_of(s, "twin"), 0);
    em_store_close(s);
}
END_TEST

/* Keys of calls that are forgotten go, too, in steps; and texts that nobody has any more. */
START_TEST(what_only_forgotten_calls_had_is_forgotten)
{
    struct em_store *s = opened_with_keys_of(UINT64_MAX >> 8, 1000);
    struct em_report r = report("elsewhere", 23, 0x100, 0);

    em_store_limit(s, &(struct em_store_limits) { DAY, 0 });
    put_many(s, "old", 20000);
    OK(em_store_begin(s, &why));
    OK(em_store_report(s, 1, &r, "/var/log/b.log", &why));
    OK(em_store_commit(s, &why));
    moved.wall += 2 * DAY;
    ck_assert_int_ge(rows_of(s, "key"), 18000);
    ck_assert_int_eq(rows_of(s, "text"), 3);
    s->next.last_id = s->now.last_id += 70000; /* as if so many had come since */
    put_many(s, "new", 1000);
    for (int i = 0; i < 20; i++) /* there is no hurry with texts */
        (void)trim_all(s);
    ck_assert_int_le(rows_of(s, "key"), 1000 + 1000); /* and some that were young when the others went */
    ck_assert_int_eq(rows_of(s, "text"), 2);          /* the new ones have them */
    put_many(s, "new", 1000);
    ck_assert_uint_eq(totals(s).calls, 21001);
    em_store_close(s);
}
END_TEST

static void damage_garbage(void)
{
    static char bytes[8192];

    memset(bytes, 'G', sizeof bytes);
    write_file(path, bytes, sizeof bytes);
}
static void damage_short_garbage(void)
{
    write_file(path, "hello", 5);
}
static void damage_empty(void)
{
    write_file(path, "", 0);
}
static void damage_truncated(void)
{
    struct stat st;

    make_database(NULL);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(truncate(path, st.st_size / 2), 0);
}
static void damage_newer(void)
{
    make_database("PRAGMA user_version = 99");
}
static void damage_foreign(void)
{
    make_database("PRAGMA application_id = 17");
}
static void damage_table_gone(void)
{
    make_database("DROP TABLE report");
}
static void damage_directory(void)
{
    ck_assert_int_eq(mkdir(path, 0755), 0);
}
static void damage_wal_alone(void)
{
    char wal[128];

    snprintf(wal, sizeof wal, "%s-wal", path);
    write_file(wal, "frames", 6);
}
static void damage_read_only(void)
{
    make_database(NULL);
    ck_assert_int_eq(chmod(path, 0444), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
}
static void damage_read_only_directory(void)
{
    make_database(NULL);
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(chmod(dir, 0555), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
}
static void damage_no_permission_to_make(void)
{
    ck_assert_int_eq(chmod(dir, 0555), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
}

static const struct {
    const char *name;
    void (*damage)(void);
    int want;
    const char *text;
} damages[] = {
    { "garbage", damage_garbage, EM_ERR_CORRUPT, "damaged" },
    { "short garbage", damage_short_garbage, EM_ERR_CORRUPT, "damaged" },
    { "empty", damage_empty, EM_ERR_CORRUPT, "empty" },
    { "truncated", damage_truncated, EM_ERR_CORRUPT, "damaged" },
    { "newer", damage_newer, EM_ERR_NEWER, "newer edgemediad" },
    { "foreign", damage_foreign, EM_ERR_INPUT, "another program" },
    { "table gone", damage_table_gone, EM_ERR_CORRUPT, "no such table" },
    { "directory", damage_directory, EM_ERR_INPUT, "not a file" },
    { "log without database", damage_wal_alone, EM_ERR_CORRUPT, "missing" },
    { "read-only file", damage_read_only, EM_ERR_READ_ONLY, "write permission" },
    { "read-only directory", damage_read_only_directory, EM_ERR_READ_ONLY, "write permission" },
    { "new in a read-only directory", damage_no_permission_to_make, EM_ERR_READ_ONLY, "write permission" },
};

START_TEST(a_database_that_cannot_be_used_is_refused_and_left_alone)
{
    struct em_store *s = NULL;
    struct stat before = { 0 }, after = { 0 };
    int err;

    damages[_i].damage();
    (void)stat(path, &before);
    err = em_store_open(path, &test_clock, &s, &why);
    ck_assert_msg(err == damages[_i].want, "%s: %d, %s", damages[_i].name, err, why.text);
    ck_assert_msg(strstr(why.text, damages[_i].text) && strstr(why.text, path), "%s: %s", damages[_i].name,
                  why.text);
    ck_assert_ptr_null(s);
    (void)stat(path, &after);
    ck_assert_msg(before.st_size == after.st_size && before.st_ino == after.st_ino, "%s: touched",
                  damages[_i].name);
    if (geteuid() != 0 && getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(dir, 0755), 0);
    if (S_ISDIR(after.st_mode))
        ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(a_missing_directory_has_its_sentence)
{
    struct em_store *s = NULL;

    ck_assert_int_eq(em_store_open("/nonexistent/x/em.db", &test_clock, &s, &why), EM_ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(why.text, "No such file or directory"));
}
END_TEST

START_TEST(two_daemons_cannot_have_one_database)
{
    struct em_store *s = opened();
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct em_store *other = NULL;
        int err = em_store_open(path, &test_clock, &other, &why);

        _exit(err == EM_ERR_BUSY && strstr(why.text, "in use") ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    OK(em_store_begin(s, &why));
    put(s, "one", 23, 0, T0);
    OK(em_store_commit(s, &why));
    em_store_close(s);
}
END_TEST

START_TEST(a_full_disk_stops_and_goes_on)
{
    struct em_store *s = opened();
    struct em_totals before;
    char call[64];
    uint64_t committed = 0;
    int err = 0;

    ck_assert_int_eq(sqlite3_exec(s->db.sqlite, "PRAGMA max_page_count = 60", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 100000 && err == 0; i++) {
        struct em_report r;

        snprintf(call, sizeof call, "call-with-a-long-name-to-fill-pages-%d", i);
        r = report(call, 23, 0x100, T0);
        OK(em_store_begin(s, &why));
        err = em_store_report(s, 1, &r, "f", &why);
        if (err == 0)
            err = em_store_commit(s, &why);
        else
            ck_assert_int_lt(em_store_commit(s, NULL), 0); /* spoilt */
        committed += err == 0;
    }
    ck_assert_int_eq(err, EM_ERR_FULL);
    ck_assert_ptr_nonnull(strstr(why.text, "full"));
    before = totals(s);
    ck_assert_uint_eq(before.calls, committed);
    ck_assert_int_eq(sqlite3_exec(s->db.sqlite, "PRAGMA max_page_count = 100000", NULL, NULL, NULL),
                     SQLITE_OK);
    OK(em_store_begin(s, &why));
    put(s, call, 23, 0x100, T0);
    OK(em_store_commit(s, &why));
    ck_assert_uint_eq(totals(s).calls, committed + 1);
    em_store_close(s);
    s = opened();
    ck_assert_uint_eq(totals(s).calls, committed + 1);
    em_store_close(s);
}
END_TEST

/* --- death -------------------------------------------------------------------------------------------------------- */

/* In a child that will be killed: libcheck notes each assertion in a file that it shares with its parent, and half a note there ends the whole
 * program with status 2. So every descriptor that the child has goes nowhere. */
static void tell_libcheck_nothing(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = STDERR_FILENO + 1; fd < 256; fd++)
        if (fd != nowhere && fcntl(fd, F_GETFD) >= 0)
            (void)dup2(nowhere, fd);
}

/* Reports and a position behind them, for ever; every report moves the position by one. */
static void write_for_ever(void)
{
    struct em_store *s = opened_with_keys_of(UINT64_MAX >> 8, 64);
    struct em_position p = { .path = "/x" };
    int64_t id = 0;
    char call[32];

    for (uint64_t i = totals(s).reports; true; i++) {
        if (!s->open)
            OK(em_store_begin(s, &why));
        snprintf(call, sizeof call, "call-%llu", (unsigned long long)i);
        put(s, call, 23, 0x100, 0);
        p.mark.offset = i + 1;
        OK(em_store_position_put(s, 1, &id, &p, &why));
        if (i % 7 == 0)
            OK(em_store_commit(s, &why));
    }
}

static bool last_position(void *arg, int64_t id, const struct em_position *p)
{
    uint64_t *last = arg;

    (void)id;
    *last = p->mark.offset > *last ? p->mark.offset : *last;
    return true;
}

/* Every call that was committed is known, wherever its key was when the writer died. */
static void check_all_known(struct em_store *s, uint64_t calls)
{
    OK(em_store_begin(s, &why));
    for (uint64_t i = 0; i < calls; i++) {
        char call[32];

        snprintf(call, sizeof call, "call-%llu", (unsigned long long)i);
        put(s, call, 23, 0x100, 0);
    }
    ck_assert_uint_eq(s->next.totals.calls, calls);
    em_store_rollback(s);
}

START_TEST(a_killed_writer_leaves_counters_and_position_equal)
{
    struct em_clock system_clock = em_clock_system;
    uint64_t last_reports = 0;

    for (int round = 0; round < 20; round++) {
        pid_t child = fork();
        struct em_store *s;
        uint64_t last = 0;
        struct em_totals t;
        struct timespec wait = { 0, (10 + (long)em_random_below(&system_clock, 60)) * 1000000 };

        if (child == 0) {
            tell_libcheck_nothing();
            write_for_ever();
        }
        (void)nanosleep(&wait, NULL);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        s = opened();
        t = totals(s);
        OK(em_store_positions(s, 1, last_position, &last, &why));
        ck_assert_uint_eq(last, t.reports);
        ck_assert_uint_eq(t.calls, t.reports);
        ck_assert_uint_ge(t.reports, last_reports);
        last_reports = t.reports;
        check_all_known(s, t.calls);
        em_store_close(s);
    }
    ck_assert_uint_gt(last_reports, 0);
}
END_TEST

START_TEST(snapshots_are_fast_with_100000_calls)
{
    struct em_store *s = opened();
    int64_t took = INT64_MAX;
    char call[32];

    for (int i = 0; i < 100000; i++) {
        if (i % 1000 == 0)
            OK(em_store_begin(s, &why));
        snprintf(call, sizeof call, "call-%d", i);
        put(s, call, 23, 0x100, T0 - i);
        if (i % 1000 == 999)
            OK(em_store_commit(s, &why));
    }
    for (int i = 0; i < 5; i++) {
        int64_t start = em_mono_us(&em_clock_system);

        free(snapshot(s));
        start = em_mono_us(&em_clock_system) - start;
        took = start < took ? start : took;
    }
    ck_assert_msg(took < SNAPSHOT_US, "a snapshot took %lld us", (long long)took);
    em_store_close(s);
}
END_TEST

int main(void)
{
    TCase *t = em_case("store");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_new_database_has_all_known_rows_at_zero);
    tcase_add_test(t, counts_survive);
    tcase_add_test(t, only_what_is_committed_counts);
    tcase_add_test(t, long_call_ids_are_told_apart_to_the_last_byte);
    tcase_add_test(t, codes_beyond_the_maximum_count_in_the_totals);
    tcase_add_test(t, windows_go_by_the_failures_time);
    tcase_add_test(t, failures_by_time_and_the_most_recent);
    tcase_add_test(t, positions_are_kept_whole);
    tcase_add_test(t, numbers_stay_with_their_names);
    tcase_add_test(t, totals_of_checks_are_written_with_the_next_commit);
    tcase_add_test(t, findings_keep_their_beginning_over_restarts);
    tcase_add_test(t, an_older_schema_is_brought_up);
    tcase_add_test(t, records_are_known_again);
    tcase_add_test(t, history_in_three_resolutions);
    tcase_add_test(t, history_bears_clock_steps);
    tcase_add_test(t, history_of_a_rollback_is_gone);
    tcase_add_test(t, history_of_probes);
    tcase_add_test(t, history_has_so_many_paths);
    tcase_add_test(t, old_calls_are_forgotten);
    tcase_add_test(t, a_call_of_many_reports_is_forgotten_in_steps);
    tcase_add_test(t, a_database_stays_within_its_size);
    tcase_add_test(t, an_older_database_moves_in_steps);
    tcase_add_test(t, call_ids_with_equal_keys_are_told_apart);
    tcase_add_test(t, keys_of_calls_survive_rollbacks_and_restarts);
    tcase_add_test(t, what_only_forgotten_calls_had_is_forgotten);
    tcase_add_loop_test(t, a_database_that_cannot_be_used_is_refused_and_left_alone, 0,
                        (int)(sizeof damages / sizeof *damages));
    tcase_add_test(t, a_missing_directory_has_its_sentence);
    tcase_add_test(t, two_daemons_cannot_have_one_database);
    tcase_add_test(t, a_full_disk_stops_and_goes_on);
    tcase_add_test(t, a_killed_writer_leaves_counters_and_position_equal);
    tcase_add_test(t, snapshots_are_fast_with_100000_calls);
    return em_run();
}
