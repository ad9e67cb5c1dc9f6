/* SPDX-License-Identifier: GPL-3.0-or-later
 * Rows out of nothing: any value, but the same for the same cell and serial. */
#include "tests/system/made_up.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Any number, the same for the same cell and serial. */
static uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t h = (a * 1000003 + b) * 1000033 + c + 88172645463325252ULL;

    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    return h ^ h >> 29;
}

static void fill_text(const struct em_field *f, char *to, uint64_t h, size_t row)
{
    static const char *const texts[] = { "edge.example.com", "", "Zürich, café", "203.0.113.7",
                                         "bad \xff byte" };

    if (h % 7 == 0) { /* as long as it goes */
        memset(to, 'x', f->size - 1u);
        return;
    }
    snprintf(to, f->size, "%s %zu", texts[h % 5], row);
}

static void fill(const struct em_table *t, const struct em_field *f, char *at, size_t row, uint64_t serial)
{
    uint64_t h = mix((uint64_t)(t - em_catalogue), f->subid, row), wide = h;
    uint32_t narrow = (uint32_t)h;

    switch (f->kind) {
    case EM_KIND_TEXT:
        fill_text(f, at, h, row);
        return;
    case EM_KIND_ENUM:
        narrow = (uint32_t)(h % f->names->n) + 1;
        break;
    case EM_KIND_COUNTER:
        wide = (h >> 1) + serial;
        break;
    case EM_KIND_TIME:
        wide = h % 5 == 0 ? 0 : UINT64_C(1700000000000000) + h % UINT64_C(100000000000000);
        break;
    case EM_KIND_STAMP:
        wide = (uint64_t)em_wall_us(&em_clock_system);
        break;
    case EM_KIND_GAUGE:
        wide = h % 3 == 0 ? h >> 1 : h % 100000; /* some beyond 32 bits */
        break;
    default:
        break;
    }
    if (f->size == sizeof narrow)
        memcpy(at, &narrow, sizeof narrow);
    else
        memcpy(at, &wide, sizeof wide);
}

/* Indexes with gaps, in several levels: 1.1.1, 1.1.2, 1.3.1, ... */
static void fill_index(const struct em_table *t, uint32_t *index, size_t row)
{
    if (t->index_n == 3) {
        index[0] = 1 + (uint32_t)(row / 8) * 2;
        index[1] = 1 + (uint32_t)(row / 2 % 4) * 2;
        index[2] = 1 + (uint32_t)(row % 2);
    } else if (t->index_n == 2) {
        index[0] = 1 + (uint32_t)(row / 4) * 2;
        index[1] = 1 + (uint32_t)(row % 4);
    } else if (t->index_n == 1) {
        index[0] = t->max < 100 ? 1 + (uint32_t)row : 1 + (uint32_t)row * 3;
    }
}

struct em_snapshot *em_made_up(size_t rows, uint64_t serial)
{
    size_t counts[EM_T_COUNT];
    struct em_snapshot *s;

    for (size_t t = 0; t < EM_T_COUNT; t++)
        counts[t] = rows;
    if (!(s = em_snapshot_new(counts)))
        abort();
    s->serial = serial;
    s->wall_us = em_wall_us(&em_clock_system);
    for (unsigned t = 0; t < EM_T_COUNT; t++) {
        const struct em_table *table = &em_catalogue[t];

        for (size_t i = 0; i < s->t[t].n; i++) {
            char *row = em_snapshot_row(s, (enum em_table_id)t, i);

            for (size_t k = 0; k < table->fields_n; k++)
                if (table->fields[k].kind != EM_KIND_INDEX)
                    fill(table, &table->fields[k], row + table->fields[k].off, i, serial);
            fill_index(table, (uint32_t *)(void *)row, i);
        }
    }
    em_snapshot_finish(s);
    return s;
}
