/* SPDX-License-Identifier: GPL-3.0-or-later
 * From an object identifier to a cell of the snapshot and back: two binary searches, one over the columns, one over the rows. */
#include "agent/snmp_tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

const unsigned long em_snmp_root[] = { EM_MIB_ROOT_LIST };
const size_t em_snmp_root_n = sizeof em_snmp_root / sizeof *em_snmp_root;
_Static_assert(sizeof em_snmp_root / sizeof *em_snmp_root <= EM_SNMP_ROOT_MAX, "--with-mib-root is too long");

/* -1, 0, 1 in the order of SNMP: number by number, a shorter identifier before the longer ones that begin with it. */
static int compare(const unsigned long *a, size_t a_n, const unsigned long *b, size_t b_n)
{
    for (size_t i = 0; i < a_n && i < b_n; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return a_n == b_n ? 0 : a_n < b_n ? -1 : 1;
}

static int compare_columns(const void *a, const void *b)
{
    const struct em_snmp_column *x = a, *y = b;

    return compare(x->prefix, x->prefix_n, y->prefix, y->prefix_n);
}

static bool has_cells(const struct em_field *f)
{
    return f->subid != 0 && f->kind != EM_KIND_INDEX && !(f->flags & EM_FIELD_FOREIGN_INDEX);
}

static void add_column(struct em_snmp_tree *tree, enum em_table_id id, const struct em_field *f)
{
    const struct em_table *table = &em_catalogue[id];
    struct em_snmp_column *c = &tree->column[tree->n];

    assert(tree->n < EM_SNMP_COLUMNS_MAX && table->index_n <= EM_SNMP_INDEX_MAX);
    *c = (struct em_snmp_column) { .table = table, .field = f, .id = id };
    c->prefix[c->prefix_n++] = table->arc;
    if (table->index_n > 0)
        c->prefix[c->prefix_n++] = 1; /* the entry */
    c->prefix[c->prefix_n++] = f->subid;
    tree->n++;
}

void em_snmp_tree_init(struct em_snmp_tree *tree)
{
    tree->n = 0;
    for (unsigned t = 0; t < EM_T_COUNT; t++)
        for (size_t i = 0; i < em_catalogue[t].fields_n; i++)
            if (has_cells(&em_catalogue[t].fields[i]))
                add_column(tree, (enum em_table_id)t, &em_catalogue[t].fields[i]);
    qsort(tree->column, tree->n, sizeof tree->column[0], compare_columns);
}

/* The first column that the identifier does not lie behind: it begins with the column's prefix, or is less. */
static size_t first_column(const struct em_snmp_tree *tree, const unsigned long *id, size_t n)
{
    size_t low = 0, high = tree->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct em_snmp_column *c = &tree->column[mid];

        if (compare(c->prefix, c->prefix_n, id, n < c->prefix_n ? n : c->prefix_n) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool begins_with(const struct em_snmp_column *c, const unsigned long *id, size_t n)
{
    return n >= c->prefix_n && memcmp(c->prefix, id, c->prefix_n * sizeof *id) == 0;
}

/* A row index is 32 bits; a larger number is beyond all rows, as is its cut. Numbers behind the index are left out: they do
 * not change which row comes next. Returns how many were copied. */
static size_t index_of(const struct em_snmp_column *c, const unsigned long *instance, size_t n,
                       uint32_t index[EM_SNMP_INDEX_MAX])
{
    size_t used = n < c->table->index_n ? n : c->table->index_n;

    for (size_t i = 0; i < used; i++)
        index[i] = instance[i] > UINT32_MAX ? UINT32_MAX : (uint32_t)instance[i];
    return used;
}

static const void *row_at(const struct em_snmp_column *c, const struct em_snapshot *s,
                          const unsigned long *instance, size_t n)
{
    uint32_t index[EM_SNMP_INDEX_MAX];

    if (c->table->index_n == 0)
        return n == 1 && instance[0] == 0 ? em_snapshot_row(s, c->id, 0) : NULL;
    if (n != c->table->index_n)
        return NULL;
    index_of(c, instance, n, index);
    return em_snapshot_find(s, c->id, index);
}

static const void *row_behind(const struct em_snmp_column *c, const struct em_snapshot *s,
                              const unsigned long *instance, size_t n)
{
    uint32_t index[EM_SNMP_INDEX_MAX];

    if (c->table->index_n == 0)
        return n == 0 ? em_snapshot_row(s, c->id, 0) : NULL;
    n = index_of(c, instance, n, index);
    return em_snapshot_next(s, c->id, index, n);
}

enum em_snmp_found em_snmp_get(const struct em_snmp_tree *tree, const struct em_snapshot *s,
                               const unsigned long *id, size_t n, struct em_snmp_cell *cell)
{
    size_t i = first_column(tree, id, n);
    const struct em_snmp_column *c = &tree->column[i];
    const void *row;

    if (i == tree->n || !begins_with(c, id, n))
        return EM_SNMP_NO_OBJECT;
    if (!s || !(row = row_at(c, s, id + c->prefix_n, n - c->prefix_n)))
        return EM_SNMP_NO_INSTANCE;
    *cell = (struct em_snmp_cell) { c, row };
    return EM_SNMP_FOUND;
}

bool em_snmp_next(const struct em_snmp_tree *tree, const struct em_snapshot *s, const unsigned long *id,
                  size_t n, struct em_snmp_cell *cell)
{
    if (!s)
        return false;
    for (size_t i = first_column(tree, id, n); i < tree->n; i++) {
        const struct em_snmp_column *c = &tree->column[i];
        bool inside = begins_with(c, id, n);
        const void *row =
            inside ? row_behind(c, s, id + c->prefix_n, n - c->prefix_n) : row_behind(c, s, NULL, 0);

        if (row) {
            *cell = (struct em_snmp_cell) { c, row };
            return true;
        }
    }
    return false;
}

size_t em_snmp_cell_id(const struct em_snmp_cell *cell, unsigned long id[EM_SNMP_ID_MAX])
{
    const struct em_snmp_column *c = cell->column;
    const uint32_t *index = cell->row; /* the leading members of a row */
    size_t n = c->prefix_n;

    memcpy(id, c->prefix, n * sizeof *id);
    if (c->table->index_n == 0)
        id[n++] = 0;
    for (size_t i = 0; i < c->table->index_n; i++)
        id[n++] = index[i];
    return n;
}
