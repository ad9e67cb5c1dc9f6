/* SPDX-License-Identifier: GPL-3.0-or-later
 * Failures as CSV (RFC 4180): the fields of the catalogue, in its order, under the names that JSON has. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/esc.h"
#include "expo/expo.h"

/* Numbers and empty cells stand without quotes. */
static void cell(const struct em_failure_row *row, const struct em_field *f, struct buf *to)
{
    char time[EM_TIME_TEXT_MAX];

    switch (f->kind) {
    case EM_KIND_TEXT:
        if (*em_field_text(f, row))
            esc_csv(to, slice_of(em_field_text(f, row)));
        break;
    case EM_KIND_ENUM:
        esc_csv(to, slice_of(em_name_of(f->names, (uint32_t)em_field_number(f, row))));
        break;
    case EM_KIND_ICE:
        if (row->ice_known == 1)
            buf_print(to, "\"0x%" PRIx64 "\"", em_field_number(f, row));
        break;
    case EM_KIND_TIME:
    case EM_KIND_STAMP:
        if (em_field_time(f, row) != 0) {
            em_time_text(em_field_time(f, row), time);
            esc_csv(to, slice_of(time));
        }
        break;
    case EM_KIND_INDEX:
    case EM_KIND_NUMBER:
    case EM_KIND_GAUGE:
    case EM_KIND_COUNTER:
        buf_print(to, "%" PRIu64, em_field_number(f, row));
        break;
    }
}

/* NULL: the line of names. */
static void line(const struct em_failure_row *row, struct buf *to)
{
    const struct em_table *t = &em_catalogue[EM_T_FAILURE];
    bool first = true;

    for (size_t i = 0; i < t->fields_n; i++) {
        if (t->fields[i].flags & EM_FIELD_NO_JSON)
            continue;
        if (!first)
            buf_u8(to, ',');
        first = false;
        if (row)
            cell(row, &t->fields[i], to);
        else
            buf_text(to, t->fields[i].json);
    }
    buf_text(to, "\r\n");
}

void em_expo_failure_csv_head(struct buf *to)
{
    line(NULL, to);
}

void em_expo_failure_csv(const struct em_failure_row *row, struct buf *to)
{
    line(row, to);
}
