/* SPDX-License-Identifier: GPL-3.0-or-later
 * The SNMP tree without an agent: every cell by GET, the GETNEXT chain equals the list of cells, odd identifiers, values on the
 * wire by kind. */
#include <stdlib.h>
#include <string.h>

#include "agent/snmp_retry.h"
#include "agent/snmp_tree.h"
#include "harness.h"

static struct em_snmp_tree tree;

static void setup(void)
{
    em_snmp_tree_init(&tree);
}

/* n rows in each table; index numbers 2, 4, 6 ... at the last level, the others 1 + row / 4 ... */
static struct em_snapshot *sample(size_t n)
{
    size_t counts[EM_T_COUNT];
    struct em_snapshot *s;

    for (size_t t = 0; t < EM_T_COUNT; t++)
        counts[t] = n;
    s = em_snapshot_new(counts);
    ck_assert_ptr_nonnull(s);
    for (unsigned t = 0; t < EM_T_COUNT; t++) {
        for (size_t i = 0; i < s->t[t].n; i++) {
            uint32_t *index = em_snapshot_row(s, (enum em_table_id)t, i);

            for (size_t k = 0; k < em_catalogue[t].index_n; k++)
                index[k] = k + 1 == em_catalogue[t].index_n ? 2 + 2 * (uint32_t)i : 1 + (uint32_t)(i / 4);
        }
    }
    em_snapshot_finish(s);
    return s;
}

static bool next(const struct em_snapshot *s, unsigned long id[EM_SNMP_ID_MAX], size_t *n,
                 struct em_snmp_cell *cell)
{
    if (!em_snmp_next(&tree, s, id, *n, cell))
        return false;
    *n = em_snmp_cell_id(cell, id);
    return true;
}

START_TEST(chain_of_next_is_the_list_of_cells)
{
    struct em_snapshot *s = sample(10);
    unsigned long id[EM_SNMP_ID_MAX] = { 0 };
    struct em_snmp_cell cell, same;
    size_t n = 0;

    for (size_t c = 0; c < tree.n; c++) {
        for (size_t i = 0; i < s->t[tree.column[c].id].n; i++) {
            ck_assert_msg(next(s, id, &n, &cell), "the walk ends in column %zu row %zu", c, i);
            ck_assert_ptr_eq(cell.column, &tree.column[c]);
            ck_assert_ptr_eq(cell.row, em_snapshot_row(s, tree.column[c].id, i));
            ck_assert_int_eq(em_snmp_get(&tree, s, id, n, &same), EM_SNMP_FOUND);
            ck_assert(same.row == cell.row && same.column == cell.column);
        }
    }
    ck_assert(!next(s, id, &n, &cell));
    free(s);
}
END_TEST

START_TEST(every_object_of_the_catalogue_is_there_once)
{
    size_t columns = 0;

    for (size_t t = 0; t < EM_T_COUNT; t++)
        for (size_t i = 0; i < em_catalogue[t].fields_n; i++)
            columns +=
                em_catalogue[t].fields[i].subid != 0 && em_catalogue[t].fields[i].kind != EM_KIND_INDEX;
    ck_assert_uint_eq(tree.n, columns);
}
END_TEST

START_TEST(empty_tables_are_passed_over)
{
    struct em_snapshot *s = sample(0);
    unsigned long id[EM_SNMP_ID_MAX] = { 0 };
    struct em_snmp_cell cell;
    size_t n = 0, cells = 0;

    while (next(s, id, &n, &cell)) {
        ck_assert_uint_eq(cell.column->table->index_n, 0);
        cells++;
    }
    ck_assert_uint_gt(cells, 20);
    free(s);
}
END_TEST

START_TEST(without_a_snapshot_there_is_no_instance)
{
    struct em_snmp_cell cell;

    ck_assert_int_eq(em_snmp_get(&tree, NULL, (unsigned long[]) { 1, 1, 0 }, 3, &cell), EM_SNMP_NO_INSTANCE);
    ck_assert_int_eq(em_snmp_get(&tree, NULL, (unsigned long[]) { 99, 1, 0 }, 3, &cell), EM_SNMP_NO_OBJECT);
    ck_assert(!em_snmp_next(&tree, NULL, NULL, 0, &cell));
}
END_TEST

#define ID(...) { __VA_ARGS__ }, sizeof((unsigned long[]) { __VA_ARGS__ }) / sizeof(unsigned long)

/* The sample of 10 rows: check rows are 1.1.2 1.1.4 1.1.6 1.1.8 2.2.10 ... 3.3.20. Table 12 is emCheckTable, its first
 * column with cells is 3, its last 28. */
static const struct {
    const char *name;
    unsigned long id[12];
    size_t n;
    enum em_snmp_found get;
    unsigned long next[EM_SNMP_ID_MAX];
    size_t next_n; /* 0: the end */
} odd[] = {
    { "nothing", .n = 0, .get = EM_SNMP_NO_OBJECT, .next = { 1, 1, 0 }, .next_n = 3 },
    { "group", ID(1), EM_SNMP_NO_OBJECT, ID(1, 1, 0) },
    { "scalar without instance", ID(1, 1), EM_SNMP_NO_INSTANCE, ID(1, 1, 0) },
    { "scalar", ID(1, 1, 0), EM_SNMP_FOUND, ID(1, 2, 0) },
    { "scalar, another instance", ID(1, 1, 1), EM_SNMP_NO_INSTANCE, ID(1, 2, 0) },
    { "scalar, over-long", ID(1, 1, 0, 0), EM_SNMP_NO_INSTANCE, ID(1, 2, 0) },
    { "scalar number that is not there", ID(1, 200, 0), EM_SNMP_NO_OBJECT, ID(2, 1, 0) },
    { "scalar number 0", ID(1, 0), EM_SNMP_NO_OBJECT, ID(1, 1, 0) },
    { "table", ID(12), EM_SNMP_NO_OBJECT, ID(12, 1, 3, 1, 1, 2) },
    { "entry", ID(12, 1), EM_SNMP_NO_OBJECT, ID(12, 1, 3, 1, 1, 2) },
    { "beyond the entry", ID(12, 2), EM_SNMP_NO_OBJECT, ID(13, 1, 2, 1, 2) },
    { "index column", ID(12, 1, 1, 1, 1, 2), EM_SNMP_NO_OBJECT, ID(12, 1, 3, 1, 1, 2) },
    { "column", ID(12, 1, 4), EM_SNMP_NO_INSTANCE, ID(12, 1, 4, 1, 1, 2) },
    { "one index", ID(12, 1, 4, 2), EM_SNMP_NO_INSTANCE, ID(12, 1, 4, 2, 2, 10) },
    { "two indexes", ID(12, 1, 4, 1, 1), EM_SNMP_NO_INSTANCE, ID(12, 1, 4, 1, 1, 2) },
    { "cell", ID(12, 1, 4, 1, 1, 2), EM_SNMP_FOUND, ID(12, 1, 4, 1, 1, 4) },
    { "between cells", ID(12, 1, 4, 1, 1, 5), EM_SNMP_NO_INSTANCE, ID(12, 1, 4, 1, 1, 6) },
    { "over-long", ID(12, 1, 4, 1, 1, 4, 0, 7, 9), EM_SNMP_NO_INSTANCE, ID(12, 1, 4, 1, 1, 6) },
    { "over-long, between", ID(12, 1, 4, 1, 1, 5, 7), EM_SNMP_NO_INSTANCE, ID(12, 1, 4, 1, 1, 6) },
    { "largest index", ID(12, 1, 4, 1, 4294967295, 4294967295), EM_SNMP_NO_INSTANCE, ID(12, 1, 4, 2, 2, 10) },
    { "index over 32 bits", ID(12, 1, 4, 4294967297, 1, 2), EM_SNMP_NO_INSTANCE, ID(12, 1, 5, 1, 1, 2) },
    { "last row of a column", ID(12, 1, 4, 3, 3, 20), EM_SNMP_FOUND, ID(12, 1, 5, 1, 1, 2) },
    { "last cell of a table", ID(12, 1, 34, 3, 3, 20), EM_SNMP_FOUND, ID(13, 1, 2, 1, 2) },
    { "between tables", ID(11), EM_SNMP_NO_OBJECT, ID(12, 1, 3, 1, 1, 2) },
    { "last cell of all", ID(23, 1, 5, 20), EM_SNMP_FOUND, .next_n = 0 },
    { "beyond all", ID(99), EM_SNMP_NO_OBJECT, .next_n = 0 },
    { "huge", ID(4294967295, 4294967295), EM_SNMP_NO_OBJECT, .next_n = 0 },
};

START_TEST(odd_identifiers)
{
    struct em_snapshot *s = sample(10);
    struct em_snmp_cell cell;
    unsigned long id[EM_SNMP_ID_MAX];
    bool more = em_snmp_next(&tree, s, odd[_i].id, odd[_i].n, &cell);
    size_t n = more ? em_snmp_cell_id(&cell, id) : 0;

    ck_assert_msg(n == odd[_i].next_n && memcmp(id, odd[_i].next, n * sizeof *id) == 0,
                  "%s: next: %zu numbers: %lu.%lu.%lu.%lu", odd[_i].name, n, n > 0 ? id[0] : 0,
                  n > 1 ? id[1] : 0, n > 2 ? id[2] : 0, n > 3 ? id[3] : 0);
    ck_assert_msg(em_snmp_get(&tree, s, odd[_i].id, odd[_i].n, &cell) == odd[_i].get, "%s: get",
                  odd[_i].name);
    free(s);
}
END_TEST

/* A column of the wanted kind, so that the tests below do not know the catalogue. */
static struct em_snmp_column column_of(enum em_kind kind, uint16_t size)
{
    static struct em_field f;

    f = (struct em_field) { .kind = kind, .size = size };
    return (struct em_snmp_column) { .table = &em_catalogue[EM_T_TOTALS], .field = &f };
}

static void value(enum em_kind kind, const void *row, size_t size, int64_t start, struct em_snmp_value *v)
{
    struct em_snmp_column column = column_of(kind, (uint16_t)size);
    struct em_snmp_cell cell = { &column, row };

    memset(v, 0xa5, sizeof *v);
    em_snmp_value_of(&cell, start, v);
}

static const struct {
    const char *name, *in, *want; /* hex */
} texts[] = {
    { "empty", "00", "" },
    { "plain", "6564676500", "65646765" },
    { "UTF-8 of 2, 3, 4 bytes", "c3bce282acf09f988000", "c3bce282acf09f9880" },
    { "lone lead byte", "61c300", "613f" },
    { "lone continuation", "80bf00", "3f3f" },
    { "overlong", "c08000", "3f3f" },
    { "overlong of 3", "e0808000", "3f3f3f" },
    { "surrogate", "eda08000", "3f3f3f" },
    { "beyond U+10FFFF", "f490808000", "3f3f3f3f" },
    { "invalid in between", "61ff6200", "613f62" },
    { "no NUL in the array", "6162", "6162" },
};

START_TEST(text_is_utf8)
{
    struct em_snmp_value v;
    uint8_t in[64], want[64];
    size_t n = em_unhex(texts[_i].in, in, sizeof in), want_n = em_unhex(texts[_i].want, want, sizeof want);

    value(EM_KIND_TEXT, in, n, 0, &v);
    ck_assert_msg(v.type == EM_SNMP_OCTETS && v.n == want_n && memcmp(v.octets, want, want_n) == 0, "%s",
                  texts[_i].name);
}
END_TEST

START_TEST(text_is_cut_on_a_characters_edge)
{
    struct em_snmp_value v;
    char long_text[300];

    memset(long_text, 'x', sizeof long_text);
    value(EM_KIND_TEXT, long_text, sizeof long_text, 0, &v);
    ck_assert_uint_eq(v.n, EM_SNMP_TEXT_MAX);
    memcpy(long_text + EM_SNMP_TEXT_MAX - 1, "\xc3\xbc", 2);
    value(EM_KIND_TEXT, long_text, sizeof long_text, 0, &v);
    ck_assert_uint_eq(v.n, EM_SNMP_TEXT_MAX - 1);
}
END_TEST

static const struct {
    int64_t us;
    const char *want;
} dates[] = {
    { 0, "0000000000000000" },
    { -5, "0000000000000000" },
    { INT64_C(1795496523456789), "07ea0b1805020304 2b0000" },
    { INT64_C(951826555900000), "07d0021d0c0f37092b0000" },
};

START_TEST(dates_are_utc)
{
    struct em_snmp_value v;
    uint8_t want[16];
    size_t n = em_unhex(dates[_i].want, want, sizeof want);

    value(EM_KIND_TIME, &dates[_i].us, sizeof dates[_i].us, 0, &v);
    ck_assert(v.type == EM_SNMP_OCTETS);
    ck_assert_uint_eq(v.n, n);
    ck_assert_mem_eq(v.octets, want, n);
}
END_TEST

static const struct {
    int64_t at, start;
    uint32_t want;
} stamps[] = {
    { 0, 1000000, 0 },
    { 500000, 1000000, 0 },             /* before the master began */
    { 3500000, 0, 0 },                  /* never connected */
    { 3519999, 1000000, 251 },          /* hundredths, cut */
    { INT64_C(1) << 50, 1, 920840988 }, /* wraps as sysUpTime does */
};

START_TEST(stamps_are_the_masters_uptime)
{
    struct em_snmp_value v;

    value(EM_KIND_STAMP, &stamps[_i].at, sizeof stamps[_i].at, stamps[_i].start, &v);
    ck_assert(v.type == EM_SNMP_TICKS);
    ck_assert_uint_eq(v.number, stamps[_i].want);
}
END_TEST

START_TEST(bits_are_mirrored)
{
    uint32_t sum = UINT32_C(0x8000100);
    struct em_snmp_value v;

    value(EM_KIND_ICE, &sum, sizeof sum, 0, &v);
    ck_assert(v.type == EM_SNMP_OCTETS && v.n == 4);
    ck_assert_mem_eq(v.octets, ((uint8_t[]) { 0x00, 0x80, 0x00, 0x10 }), 4); /* bits 8 and 27 */
}
END_TEST

START_TEST(numbers_keep_their_width)
{
    uint64_t wide = UINT64_C(0x123456789abcdef0);
    uint32_t narrow = 4294967295;
    struct em_snmp_value v;

    value(EM_KIND_COUNTER, &wide, sizeof wide, 0, &v);
    ck_assert(v.type == EM_SNMP_COUNTER64 && v.number == wide);
    value(EM_KIND_GAUGE, &wide, sizeof wide, 0, &v);
    ck_assert(v.type == EM_SNMP_GAUGE && v.number == UINT32_MAX);
    value(EM_KIND_GAUGE, &narrow, sizeof narrow, 0, &v);
    ck_assert(v.type == EM_SNMP_GAUGE && v.number == narrow);
    narrow = 7;
    value(EM_KIND_ENUM, &narrow, sizeof narrow, 0, &v);
    ck_assert(v.type == EM_SNMP_INTEGER && v.number == 7);
    value(EM_KIND_NUMBER, &narrow, sizeof narrow, 0, &v);
    ck_assert(v.type == EM_SNMP_GAUGE && v.number == 7);
}
END_TEST

#define LOOP(t, test, table) tcase_add_loop_test(t, test, 0, (int)(sizeof table / sizeof *table))

/* Doubled, bounded, between a half and all; many tries in a row do not overflow. */
static const struct {
    unsigned failed;
    int64_t least_ms, most_ms;
} waits[] = { { 0, 500, 1000 },   { 1, 1000, 2000 },  { 2, 2000, 4000 },          { 3, 4000, 8000 },
              { 4, 5000, 10000 }, { 5, 5000, 10000 }, { UINT32_MAX, 5000, 10000 } };

START_TEST(waits_double_and_are_never_the_same)
{
    struct em_clock_fake state = { .seed = 1 };
    struct em_clock clock = em_clock_fake(&state);
    int64_t least_us = INT64_MAX, most_us = 0;

    for (int i = 0; i < 1000; i++) {
        int64_t us = em_snmp_retry_us(&clock, waits[_i].failed);

        ck_assert_int_ge(us, waits[_i].least_ms * EM_US_PER_MS);
        ck_assert_int_le(us, waits[_i].most_ms * EM_US_PER_MS);
        least_us = us < least_us ? us : least_us;
        most_us = us > most_us ? us : most_us;
    }
    ck_assert_int_gt((most_us - least_us) * 10, (waits[_i].most_ms - waits[_i].least_ms) * EM_US_PER_MS * 9);
}
END_TEST

int main(void)
{
    TCase *t = em_case("snmp");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, chain_of_next_is_the_list_of_cells);
    tcase_add_test(t, every_object_of_the_catalogue_is_there_once);
    tcase_add_test(t, empty_tables_are_passed_over);
    tcase_add_test(t, without_a_snapshot_there_is_no_instance);
    LOOP(t, odd_identifiers, odd);
    LOOP(t, text_is_utf8, texts);
    tcase_add_test(t, text_is_cut_on_a_characters_edge);
    LOOP(t, dates_are_utc, dates);
    LOOP(t, stamps_are_the_masters_uptime, stamps);
    LOOP(t, waits_double_and_are_never_the_same, waits);
    tcase_add_test(t, bits_are_mirrored);
    tcase_add_test(t, numbers_keep_their_width);
    return em_run();
}
