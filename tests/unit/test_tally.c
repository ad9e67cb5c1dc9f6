/* SPDX-License-Identifier: GPL-3.0-or-later
 * Failures by time and by far relay: nothing is lost when columns get wider, and what is too much is counted together. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "evidence/tally.h"
#include "harness.h"

enum { MAX = 96 };

static struct em_failure_row row_of(int64_t time, uint32_t code, const char *relay)
{
    struct em_failure_row row = { .time = time, .code = code, .ice_known = 1, .ice_warnings = 0x8000100 };

    snprintf(row.remote_relay, sizeof row.remote_relay, "%s", relay);
    return row;
}

static void add(struct em_tally *t, int64_t time, uint32_t code, const char *relay)
{
    struct em_failure_row row = row_of(time, code, relay);

    em_tally_add(t, &row);
}

#define DAY (INT64_C(86400) * EM_US_PER_S)
#define HOUR (INT64_C(3600) * EM_US_PER_S)

static const struct {
    const char *name;
    int64_t first, step;
    unsigned n;
    int64_t width; /* want */
    size_t columns;
} time_rows[] = {
    { "one", 20000 * DAY, 0, 1, HOUR / 60, 1 },
    { "a minute", 20000 * DAY, EM_US_PER_S, 60, HOUR / 60, 1 },
    { "an hour", 20000 * DAY, HOUR / 60, 60, HOUR / 60, 60 },
    { "two hours", 20000 * DAY, HOUR / 60, 120, HOUR / 12, 24 },
    { "backwards", 20000 * DAY, -HOUR / 60, 120, HOUR / 12, 25 },
    { "a day", 20000 * DAY, HOUR, 24, HOUR / 4, 93 },
    { "a week", 20000 * DAY, HOUR, 168, 3 * HOUR, 56 },
    { "two years", 20000 * DAY, DAY, 700, 28 * DAY, 26 },
    { "two years backwards", 20699 * DAY, -DAY, 700, 28 * DAY, 26 },
    { "two centuries", 7500 * DAY, 365 * DAY, 200, 3640 * DAY, 21 },
    { "before 1970", -3 * DAY + 1, DAY, 6, 3 * HOUR, 41 },
};

START_TEST(columns_hold_every_failure)
{
    struct em_tally *t = em_tally_new();
    struct em_tally_column columns[MAX];
    uint64_t sum[EM_TALLY_KINDS] = { 0 };
    int64_t width = 0;
    size_t n;

    ck_assert_uint_eq(em_tally_columns(t, columns, MAX, &width), 0);
    for (unsigned i = 0; i < time_rows[_i].n; i++)
        add(t, time_rows[_i].first + (int64_t)i * time_rows[_i].step,
            i % 3 == 0   ? 23
            : i % 3 == 1 ? 24
                         : 51004,
            "");
    add(t, 0, 23, ""); /* no time: in no column */
    n = em_tally_columns(t, columns, MAX, &width);
    ck_assert_msg(width == time_rows[_i].width && n == time_rows[_i].columns, "%s: %zu columns of %lld min",
                  time_rows[_i].name, n, (long long)(width / (HOUR / 60)));
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(columns[i].begin_us, columns[0].begin_us + (int64_t)i * width);
        for (size_t kind = 0; kind < EM_TALLY_KINDS; kind++)
            sum[kind] += columns[i].n[kind];
    }
    ck_assert_int_eq(columns[0].begin_us % width, 0);
    ck_assert_uint_eq(sum[0] + sum[1] + sum[2], time_rows[_i].n);
    ck_assert_uint_eq(sum[EM_TALLY_CODE_23], (time_rows[_i].n + 2) / 3);
    ck_assert_uint_eq(sum[EM_TALLY_OTHER], time_rows[_i].n / 3);
    em_tally_free(t);
}
END_TEST

START_TEST(times_in_any_order_are_counted)
{
    struct em_clock_fake fake = { .seed = 42 };
    struct em_clock clock = em_clock_fake(&fake);
    struct em_tally *t = em_tally_new();
    struct em_tally_column columns[MAX];
    int64_t width;

    for (unsigned i = 1; i <= 3000; i++) {
        uint64_t sum = 0;
        size_t n;

        add(t, (int64_t)em_random_below(&clock, 1U << (8 + i % 24)) * EM_US_PER_S * 4 + 1, 23, "");
        n = em_tally_columns(t, columns, MAX, &width);
        for (size_t c = 0; c < n; c++)
            sum += columns[c].n[EM_TALLY_CODE_23];
        ck_assert_uint_eq(sum, i);
    }
    em_tally_free(t);
}
END_TEST

static const struct {
    const char *relay, *address;
} address_rows[] = {
    { "192.0.2.1:5000", "192.0.2.1" },
    { "192.0.2.1", "192.0.2.1" },
    { "[2001:db8::1]:5000", "2001:db8::1" },
    { "2001:db8::1", "2001:db8::1" },
    { "[2001:db8::1", "2001:db8::1" },
    { ":", "" },
    { "<b>:1", "<b>" },
};

START_TEST(ports_do_not_matter)
{
    struct em_tally *t = em_tally_new();
    struct em_tally_peer peer, rest;

    add(t, DAY, 23, address_rows[_i].relay);
    add(t, 3 * DAY, 23, address_rows[_i].relay);
    add(t, 2 * DAY, 24, address_rows[_i].relay);
    add(t, 2 * DAY, 51004, address_rows[_i].relay); /* no failure of media */
    ck_assert_uint_eq(em_tally_peers(t, &peer, 1, &rest), 1);
    ck_assert_str_eq(peer.address, address_rows[_i].address);
    ck_assert_uint_eq(peer.failures, 3);
    ck_assert_uint_eq(peer.code_23, 2);
    ck_assert_uint_eq(peer.code_23_tcp_nat, 2);
    ck_assert_int_eq(peer.first_us, DAY);
    ck_assert_int_eq(peer.last_us, 3 * DAY);
    ck_assert_uint_eq(rest.failures, 0);
    em_tally_free(t);
}
END_TEST

START_TEST(peers_beyond_the_maximum_are_counted_together)
{
    struct em_tally *t = em_tally_new();
    struct em_tally_peer peers[3], rest;
    char relay[32];

    for (int round = 0; round < 2; round++) { /* the list can be asked for in between */
        for (unsigned i = 0; i < EM_TALLY_PEERS + 7; i++) {
            snprintf(relay, sizeof relay, "10.0.%u.%u:%u", i >> 8, i & 255, 1024 + i);
            add(t, DAY, 23, relay);
        }
        add(t, 2 * DAY, 23, "10.0.0.77:1");
        ck_assert_uint_eq(em_tally_peers(t, peers, 3, &rest), 3);
        ck_assert_str_eq(peers[0].address, "10.0.0.77");
        ck_assert_uint_eq(peers[0].failures, 2U * (unsigned)(round + 1));
        ck_assert_uint_eq(peers[0].failures + peers[1].failures + peers[2].failures + rest.failures,
                          (EM_TALLY_PEERS + 8U) * (unsigned)(round + 1));
    }
    em_tally_free(t);
}
END_TEST

START_TEST(the_latest_are_kept_newest_first)
{
    struct em_tally *t = em_tally_new();
    const struct em_failure_row *rows;

    ck_assert_uint_eq(em_tally_latest(t, &rows), 0);
    for (unsigned i = 0; i < 3 * EM_TALLY_LATEST; i++)
        add(t, (int64_t)(i * 7919 % (3 * EM_TALLY_LATEST)) * EM_US_PER_S, 23, "");
    ck_assert_uint_eq(em_tally_latest(t, &rows), EM_TALLY_LATEST);
    for (unsigned i = 0; i < EM_TALLY_LATEST; i++)
        ck_assert_int_eq(rows[i].time, (int64_t)(3 * EM_TALLY_LATEST - 1 - i) * EM_US_PER_S);
    em_tally_free(t);
}
END_TEST

int main(void)
{
    TCase *t = em_case("tally");

    tcase_add_loop_test(t, columns_hold_every_failure, 0, sizeof time_rows / sizeof *time_rows);
    tcase_add_test(t, times_in_any_order_are_counted);
    tcase_add_loop_test(t, ports_do_not_matter, 0, sizeof address_rows / sizeof *address_rows);
    tcase_add_test(t, peers_beyond_the_maximum_are_counted_together);
    tcase_add_test(t, the_latest_are_kept_newest_first);
    return em_run();
}
