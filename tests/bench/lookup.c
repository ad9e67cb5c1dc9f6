/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a cell costs without any network: GET and GETNEXT of a check among 10^2 to 10^5 rows, which must grow like the logarithm; and how long
 * the main thread takes to publish a snapshot in which 10,000 rows changed, notifications included. Exit 1: a missed target. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/notices.h"
#include "agent/snmp_tree.h"
#include "base/clock.h"

enum { LOOKUPS = 200000, RUNS = 7, PUBLISHED = 10000, EDGES = 100, COLUMN = 16 /* emCheckFailedProbes */ };
static const double most_growth = 40,
                    most_publish_ms = 5; /* a search that went through all rows would grow 1000 times */

static struct em_snmp_tree tree;

static void index_of(size_t i, size_t n, uint32_t index[3])
{
    size_t each = (n + EDGES - 1) / EDGES;

    index[0] = (uint32_t)(i / each) + 1;
    index[1] = (uint32_t)(i % each) + 1;
    index[2] = 1;
}

static void fill_check(struct em_check_row *row, size_t i, size_t n, uint64_t serial)
{
    uint32_t index[3];

    index_of(i, n, index);
    *row = (struct em_check_row) {
        .edge = index[0], .check = index[1], .address_index = 1, .transport = 1, .dialect = 1
    };
    row->verdict = (i + serial) % 97 ? EM_VERDICT_OK : EM_VERDICT_FILTERED;
    row->up = row->verdict == EM_VERDICT_OK;
    row->probes = serial;
    snprintf(row->name, sizeof row->name, "check %zu", i);
}

/* More rows than a snapshot of the daemon may have: the block is made by hand. */
static struct em_snapshot *many(size_t n)
{
    const size_t counts[EM_T_COUNT] = { 0 };
    struct em_snapshot *s = em_snapshot_new(counts);
    struct em_check_row *rows = calloc(n, sizeof *rows);

    if (!s || !rows)
        exit(2);
    for (size_t i = 0; i < n; i++)
        fill_check(&rows[i], i, n, 0);
    s->t[EM_T_CHECK].rows = rows;
    s->t[EM_T_CHECK].n = n;
    return s;
}

/* Nanoseconds for one. */
static double look_up(const struct em_snapshot *s, bool next)
{
    size_t n = s->t[EM_T_CHECK].n, found = 0;
    uint32_t seed = 1;
    int64_t from = em_mono_us(&em_clock_system);

    for (size_t i = 0; i < LOOKUPS; i++) {
        struct em_snmp_cell cell;
        uint32_t index[3];
        unsigned long id[EM_SNMP_ID_MAX] = { em_catalogue[EM_T_CHECK].arc, 1, COLUMN };

        seed = seed * 1664525 + 1013904223;
        index_of(seed % n, n, index);
        for (size_t k = 0; k < 3; k++)
            id[3 + k] = index[k];
        found += next ? em_snmp_next(&tree, s, id, 6, &cell)
                      : em_snmp_get(&tree, s, id, 6, &cell) == EM_SNMP_FOUND;
    }
    if (found != LOOKUPS)
        exit(2);
    return (double)(em_mono_us(&em_clock_system) - from) * 1000 / LOOKUPS;
}

static double best(double (*one)(const struct em_snapshot *s, bool next), const struct em_snapshot *s,
                   bool next)
{
    double least = one(s, next);

    for (int i = 1; i < RUNS; i++) {
        double took = one(s, next);

        least = took < least ? took : least;
    }
    return least;
}

static bool lookups(void)
{
    double least = 0, most = 0;

    for (size_t n = 100; n <= 100000; n *= 10) {
        struct em_snapshot *s = many(n);
        double get = best(look_up, s, false), next = best(look_up, s, true);

        printf("%6zu rows: GET %.0f ns, GETNEXT %.0f ns\n", n, get, next);
        if (n == 100)
            least = get;
        most = get;
        free(s->t[EM_T_CHECK].rows);
        em_snapshot_unref(s);
    }
    printf("1000 times the rows, %.1f times the GET (target: at most %.0f)\n", most / least, most_growth);
    return most / least <= most_growth;
}

static struct em_mailbox mailbox;

/* What the main thread does between a change and the SNMP thread, milliseconds. */
static double publish(struct em_notices *notices, uint64_t serial)
{
    const size_t counts[EM_T_COUNT] = { [EM_T_CHECK] = PUBLISHED };
    int64_t from = em_mono_us(&em_clock_system);
    struct em_snapshot *s = em_snapshot_new(counts);

    if (!s)
        exit(2);
    for (size_t i = 0; i < PUBLISHED; i++)
        fill_check(em_snapshot_row(s, EM_T_CHECK, i), i, PUBLISHED, serial);
    em_snapshot_finish(s);
    em_snapshot_unref(em_mailbox_put(&mailbox, em_snapshot_ref(s)));
    (void)em_notices_observe(notices, s, from, true, true);
    em_snapshot_unref(s);
    return (double)(em_mono_us(&em_clock_system) - from) / 1000;
}

static bool publications(void)
{
    static struct em_notice_ring ring;
    struct em_notices *notices = em_notices_new(&ring, &(struct em_notices_memory) { 0 }, "");
    double least;

    if (!notices)
        exit(2);
    em_notices_limit(notices, &(struct em_notice_limits) { 60, 0 });
    least = publish(notices, 1);
    for (uint64_t i = 2; i < 20 + RUNS; i++) {
        double took = publish(notices, i);

        least = took < least ? took : least;
    }
    em_notices_free(notices, false);
    em_snapshot_unref(em_mailbox_take(&mailbox));
    printf("publishing %d changed rows, with notifications: %.2f ms at best (target: under %.0f)\n",
           PUBLISHED, least, most_publish_ms);
    return least < most_publish_ms;
}

int main(void)
{
    bool good;

    em_snmp_tree_init(&tree);
    good = lookups();
    return publications() && good ? 0 : 1;
}
