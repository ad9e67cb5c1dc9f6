/* SPDX-License-Identifier: GPL-3.0-or-later
 * The model: the catalogue is consistent with itself, snapshots are found and walked by index, the mailbox hands over. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model/snapshot.h"

static bool kind_fits(const struct em_field *f)
{
    switch (f->kind) {
    case EM_KIND_INDEX:
    case EM_KIND_ENUM:
    case EM_KIND_NUMBER:
    case EM_KIND_ICE:
        return f->size == 4;
    case EM_KIND_TEXT:
        return f->size > 8;
    case EM_KIND_GAUGE:
        return f->size == 4 || f->size == 8;
    case EM_KIND_COUNTER:
    case EM_KIND_TIME:
    case EM_KIND_STAMP:
        return f->size == 8;
    }
    return false;
}

START_TEST(catalogue_is_consistent)
{
    for (size_t t = 0; t < EM_T_COUNT; t++) {
        const struct em_table *def = &em_catalogue[t];
        unsigned last = 0;

        ck_assert_ptr_nonnull(def->json);
        for (size_t i = 0; i < def->fields_n; i++) {
            const struct em_field *f = &def->fields[i];

            ck_assert_msg(kind_fits(f), "%s.%s: size", def->json, f->json);
            ck_assert_msg(f->help && f->help[strlen(f->help) - 1] == '.', "%s.%s: help is no sentence",
                          def->json, f->json);
            ck_assert_msg((f->kind == EM_KIND_ENUM) == (f->names != NULL), "%s.%s: names", def->json,
                          f->json);
            ck_assert_msg((f->kind == EM_KIND_INDEX) == (i < def->index_n), "%s.%s: index", def->json,
                          f->json);
            ck_assert_msg(f->kind != EM_KIND_INDEX || f->off == 4 * i, "%s.%s: index place", def->json,
                          f->json);
            ck_assert_msg(f->subid > last || (f->flags & EM_FIELD_FOREIGN_INDEX), "%s.%s: order", def->json,
                          f->json);
            ck_assert_msg(f->off + f->size <= def->row_size, "%s.%s: place", def->json, f->json);
            last = f->subid;
        }
        for (size_t u = 0; u < t; u++)
            ck_assert_msg(em_catalogue[u].arc != def->arc, "%s: arc", def->json);
    }
}
END_TEST

static struct em_snapshot *sample(uint32_t rows)
{
    size_t counts[EM_T_COUNT] = { [EM_T_CHECK] = rows };
    struct em_snapshot *s = em_snapshot_new(counts);

    ck_assert_ptr_nonnull(s);
    for (uint32_t i = 0; i < rows; i++) {
        struct em_check_row *r = em_snapshot_row(s, EM_T_CHECK, rows - 1 - i);

        r->edge = 1 + i / 6;
        r->check = 1 + i / 2 % 3;
        r->address_index = 1 + i % 2;
    }
    em_snapshot_finish(s);
    return s;
}

START_TEST(rows_are_found_and_walked_in_order)
{
    struct em_snapshot *s = sample(600), *other = em_snapshot_ref(s);
    const struct em_check_row *row;
    uint32_t n = 0, missing[3] = { 1, 4, 1 };

    em_snapshot_unref(s); /* the other owner's now */
    row = em_snapshot_next(other, EM_T_CHECK, NULL, 0);
    while (row) {
        ck_assert_ptr_eq(row, em_snapshot_row(other, EM_T_CHECK, n));
        ck_assert_ptr_eq(row, em_snapshot_find(other, EM_T_CHECK, &row->edge));
        row = em_snapshot_next(other, EM_T_CHECK, &row->edge, 3);
        n++;
    }
    ck_assert_uint_eq(n, 600);
    ck_assert_ptr_null(em_snapshot_find(other, EM_T_CHECK, missing));
    row = em_snapshot_next(other, EM_T_CHECK, (uint32_t[]) { 2 }, 1);
    ck_assert(row && row->edge == 2 && row->check == 1 && row->address_index == 1);
    row = em_snapshot_next(other, EM_T_CHECK, missing, 3);
    ck_assert(row && row->edge == 2);
    em_snapshot_unref(other);
}
END_TEST

START_TEST(rows_are_capped_at_the_tables_maximum)
{
    size_t counts[EM_T_COUNT] = { [EM_T_SOURCE] = EM_SOURCES_MAX + 1 };
    struct em_snapshot *s = em_snapshot_new(counts);

    ck_assert_uint_eq(s->t[EM_T_SOURCE].n, EM_SOURCES_MAX);
    ck_assert_uint_eq(s->t[EM_T_TOTALS].n, 1);
    free(s);
}
END_TEST

enum { HANDED_OVER = 20000 };
static struct em_mailbox box;
static atomic_bool finished;

static void *reader(void *arg)
{
    uint64_t last = 0;

    (void)arg;
    while (!finished) {
        struct em_snapshot *s = em_mailbox_take(&box);

        if (!s)
            continue;
        ck_assert_uint_gt(s->serial, last);
        ck_assert_uint_eq(em_snapshot_totals(s)->calls, s->serial);
        last = s->serial;
        em_snapshot_unref(s);
    }
    return NULL;
}

/* Under ThreadSanitizer this proves that the hand-over needs no lock. */
START_TEST(mailbox_hands_over_between_threads)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, reader, NULL), 0);
    for (uint64_t i = 1; i <= HANDED_OVER; i++) {
        struct em_snapshot *s = em_snapshot_new((size_t[EM_T_COUNT]) { 0 });

        s->serial = i;
        ((struct em_totals *)em_snapshot_row(s, EM_T_TOTALS, 0))->calls = i;
        em_snapshot_unref(em_mailbox_put(&box, em_snapshot_ref(s)));
        ck_assert_uint_eq(em_snapshot_totals(s)->calls, i); /* still ours, too */
        em_snapshot_unref(s);
    }
    finished = true;
    pthread_join(thread, NULL);
    em_snapshot_unref(em_mailbox_take(&box));
}
END_TEST

START_TEST(names_go_both_ways)
{
    ck_assert_uint_eq(em_name_value(&em_verdict_names, "blackholed"), EM_VERDICT_BLACKHOLED);
    ck_assert_str_eq(em_name_of(&em_verdict_names, EM_VERDICT_ERROR), "error");
    ck_assert_uint_eq(em_verdict_names.n, EM_VERDICT_COUNT);
    ck_assert_uint_eq(em_media_names.n, EM_MEDIA_COUNT);
    ck_assert_str_eq(em_name_of(&em_verdict_names, 0), "?");
    ck_assert_str_eq(em_name_of(&em_verdict_names, 99), "?");
}
END_TEST

int main(void)
{
    TCase *t = em_case("model");

    tcase_add_test(t, catalogue_is_consistent);
    tcase_add_test(t, rows_are_found_and_walked_in_order);
    tcase_add_test(t, rows_are_capped_at_the_tables_maximum);
    tcase_add_test(t, mailbox_hands_over_between_threads);
    tcase_add_test(t, names_go_both_ways);
    return em_run();
}
