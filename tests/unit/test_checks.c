/* SPDX-License-Identifier: GPL-3.0-or-later
 * Checks as they run, against the player and a real database: addresses that come and go, their numbers, and what all that costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/checks.h"
#include "base/log.h"
#include "harness.h"
#include "replay/net_play.h"

enum { NAMES = 16, ADDRESSES = 32 };

static char dir[EM_SCRATCH_MAX], path[96];
static struct em_net *net;
static struct em_store *store;
static struct em_checks *checks;
static struct em_conf conf;
static struct em_conf_edge edges[1];
static struct em_why why;

/* SQLite's waits for the disk, counted in place of libc's. */
static unsigned syncs;
int fsync(int fd);
int fdatasync(int fd);

int fsync(int fd)
{
    (void)fd;
    syncs++;
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

static void changed(void *arg)
{
    (void)arg;
}

static void open_all(void)
{
    ck_assert_int_eq(em_store_open(path, em_net_clock(net), &store, &why), 0);
    checks = em_checks_new(net, store, changed, NULL);
    ck_assert_ptr_nonnull(checks);
}

static void setup(void)
{
    em_scratch(dir);
    snprintf(path, sizeof path, "%s/em.db", dir);
    net = em_play_new();
    open_all();
    snprintf(edges[0].name, sizeof edges[0].name, "oslo");
    edges[0].checks = calloc(NAMES, sizeof *edges[0].checks);
    conf = (struct em_conf) { .concurrent_probes = 64, .edges = edges, .edges_n = 1 };
}

static void teardown(void)
{
    em_checks_free(checks);
    em_store_close(store);
    em_net_free(net);
    free(edges[0].checks);
    em_scratch_remove(dir);
}

static struct em_addr address(unsigned name, unsigned n)
{
    struct em_addr a;
    char text[EM_ADDRESS_MAX];

    snprintf(text, sizeof text, "192.0.%u.%u", name, n + 1);
    ck_assert(em_addr_read(text, 0, &a));
    return a;
}

static void resolves_to(unsigned name, unsigned first, unsigned n)
{
    static char text[NAMES][64];
    struct em_addr all[ADDRESSES];

    for (unsigned i = 0; i < n; i++)
        all[i] = address(name, first + i);
    snprintf(text[name], sizeof text[name], "edge%u.example.com", name);
    em_play_name(net, text[name], all, n, NULL);
}

static void check_of(unsigned name)
{
    struct em_conf_check *k = &edges[0].checks[edges[0].checks_n++];
    char uri[96];

    *k = (struct em_conf_check) { .interval_us = 60 * EM_US_PER_S,
                                  .options = { .timeout_us = 2 * EM_US_PER_S } };
    snprintf(uri, sizeof uri, "stun:edge%u.example.com", name);
    snprintf(k->name, sizeof k->name, "check%u", name);
    ck_assert_int_eq(em_probe_uri_read(uri, &k->uri, &why), 0);
}

static void apply(void)
{
    struct em_checks_plan *plan;

    ck_assert_int_eq(em_store_begin_durable(store, &why), 0);
    ck_assert_int_eq(em_checks_prepare(checks, &conf, &plan, &why), 0);
    ck_assert_int_eq(em_store_commit(store, &why), 0);
    em_checks_commit(plan);
}

static void run(int64_t us)
{
    int64_t end = em_play_now(net) + us;

    while (em_play_turn_until(net, end))
        ;
}

static struct em_snapshot *snapshot(void)
{
    size_t counts[EM_T_COUNT] = { [EM_T_DAEMON] = 1 };
    struct em_snapshot *s;

    em_checks_counts(checks, counts);
    s = em_snapshot_new(counts);
    ck_assert_ptr_nonnull(s);
    em_checks_fill(checks, s);
    em_snapshot_finish(s);
    return s;
}

static const struct em_check_row *row_of(const struct em_snapshot *s, unsigned name, unsigned n)
{
    char check[32], text[EM_ADDRESS_MAX];
    struct em_addr a = address(name, n);

    em_addr_text(&a, text);
    snprintf(check, sizeof check, "check%u", name);
    for (size_t i = 0; i < s->t[EM_T_CHECK].n; i++) {
        const struct em_check_row *row = em_snapshot_row(s, EM_T_CHECK, i);

        if (strcmp(row->name, check) == 0 && strcmp(row->address, text) == 0)
            return row;
    }
    return NULL;
}

/* 16 names of 32 addresses each, all new: their numbers are durable, and the loop waits for the disk a few times, not 512 times. */
START_TEST(many_new_addresses)
{
    struct em_snapshot *s;

    for (unsigned i = 0; i < NAMES; i++) {
        resolves_to(i, 0, ADDRESSES);
        check_of(i);
    }
    apply();
    s = snapshot();
    ck_assert_uint_eq(s->t[EM_T_CHECK].n, NAMES); /* not resolved yet: a row for each name */
    free(s);
    syncs = 0;
    run(10 * EM_US_PER_S);
    s = snapshot();
    ck_assert_uint_eq(s->t[EM_T_CHECK].n, NAMES * ADDRESSES);
    for (unsigned i = 0; i < NAMES; i++)
        for (unsigned n = 0; n < ADDRESSES; n++) {
            const struct em_check_row *row = row_of(s, i, n);

            ck_assert_ptr_nonnull(row);
            ck_assert_uint_eq(row->verdict, EM_VERDICT_FILTERED);
            ck_assert_uint_eq(row->probes, 1);
        }
    free(s);
    ck_assert_msg(syncs >= 1 && syncs <= 2 * NAMES, "%u waits for the disk", syncs);
}
END_TEST

/* Nobody is there: 9 connections in each of 2 rounds are spread over 10 minutes, and the row says what they came to. */
START_TEST(path_is_tested_in_its_interval)
{
    struct em_conf_check *k = &edges[0].checks[edges[0].checks_n++];
    const struct em_check_row *row;
    struct em_snapshot *s;

    *k = (struct em_conf_check) {
        .name = "path",
        .interval_us = 1000 * EM_US_PER_S,
        .options = { .timeout_us = 1000 * EM_US_PER_S, .rounds = 2, .spread_us = 600 * EM_US_PER_S }
    };
    ck_assert_int_eq(em_probe_uri_read("path:192.0.2.1:50000", &k->uri, &why), 0);
    apply();
    run(500 * EM_US_PER_S);
    s = snapshot();
    row = em_snapshot_row(s, EM_T_CHECK, 0);
    ck_assert_uint_eq(row->verdict, EM_VERDICT_UNTESTED);
    free(s);
    run(200 * EM_US_PER_S);
    s = snapshot();
    row = em_snapshot_row(s, EM_T_CHECK, 0);
    ck_assert_uint_eq(row->verdict, EM_VERDICT_FILTERED);
    ck_assert_str_eq(row->path_filter, "port");
    ck_assert_msg(strstr(row->reason, "18 of 18"), "%s", row->reason);
    ck_assert(row->path_hop == 0 && row->probes == 1 && !row->up);
    free(s);
}
END_TEST

/* The numbers and totals outlive the process; an address that is gone has no row, and the same number when it is back. */
START_TEST(numbers_stay)
{
    uint32_t number[4];
    struct em_snapshot *s;

    check_of(0);
    resolves_to(0, 0, 3);
    apply();
    run(10 * EM_US_PER_S);
    s = snapshot();
    for (unsigned n = 0; n < 3; n++)
        number[n] = row_of(s, 0, n)->address_index;
    free(s);
    resolves_to(0, 2, 2);
    run(60 * EM_US_PER_S);
    s = snapshot();
    ck_assert_uint_eq(s->t[EM_T_CHECK].n, 2);
    number[3] = row_of(s, 0, 3)->address_index;
    ck_assert_uint_eq(row_of(s, 0, 2)->address_index, number[2]);
    ck_assert_uint_eq(row_of(s, 0, 2)->probes, 2);
    free(s);
    ck_assert_int_eq(em_store_begin(store, &why), 0);
    ck_assert_int_eq(em_store_commit(store, &why), 0);
    em_checks_free(checks);
    em_store_close(store);
    open_all();
    resolves_to(0, 0, 4);
    apply();
    run(10 * EM_US_PER_S);
    s = snapshot();
    ck_assert_uint_eq(s->t[EM_T_CHECK].n, 4);
    for (unsigned n = 0; n < 4; n++) {
        ck_assert_uint_eq(row_of(s, 0, n)->address_index, number[n]);
        for (unsigned k = 0; k < n; k++)
            ck_assert_uint_ne(number[n], number[k]);
    }
    ck_assert_uint_eq(row_of(s, 0, 0)->probes, 2);
    ck_assert_uint_eq(row_of(s, 0, 2)->probes, 3);
    free(s);
}
END_TEST

int main(void)
{
    TCase *t = em_case("checks");

    em_log_set_level(EM_LOG_ERROR);

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, many_new_addresses);
    tcase_add_test(t, numbers_stay);
    tcase_add_test(t, path_is_tested_in_its_interval);
    return em_run();
}
