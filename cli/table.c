/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tables for people. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/esc.h"
#include "model/names.h"

enum { COLUMNS_MAX = 16, GAP = 2 };

struct column {
    size_t width;
    bool number; /* every cell below the head is one, or empty */
};

void cli_table_init(struct cli_table *t, size_t columns)
{
    *t = (struct cli_table) { buf_heap(CLI_OUTPUT_MAX), columns < COLUMNS_MAX ? columns : COLUMNS_MAX };
}

void cli_table_cell(struct cli_table *t, const char *text)
{
    esc_line(&t->cells, slice_of(text));
    buf_u8(&t->cells, 0);
}

void cli_table_number(struct cli_table *t, uint64_t n)
{
    buf_print(&t->cells, "%" PRIu64, n);
    buf_u8(&t->cells, 0);
}

/* Characters, not bytes: continuation bytes of UTF-8 take no place. */
static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* Digits, with a fraction or without; an address is none. */
static bool is_number(const char *s)
{
    s += strspn(s, "0123456789");
    if (*s == '.')
        s += 1 + strspn(s + 1, "0123456789");
    return *s == '\0';
}

static void measure(const struct cli_table *t, struct column column[COLUMNS_MAX])
{
    const char *cell = (const char *)t->cells.p, *end = cell + t->cells.n;

    for (size_t i = 0; i < t->columns; i++)
        column[i] = (struct column) { 0, true };
    for (size_t at = 0; cell < end; at++, cell += strlen(cell) + 1) {
        struct column *c = &column[at % t->columns];

        if (width_of(cell) > c->width)
            c->width = width_of(cell);
        if (at >= t->columns && !is_number(cell))
            c->number = false;
    }
}

static const char *colour_of(const char *cell)
{
    enum em_verdict v = em_name_value(&em_verdict_names, cell);

    if (v == 0 || v == EM_VERDICT_UNTESTED)
        return NULL;
    if (v == EM_VERDICT_DEGRADED)
        return "\033[33m";
    return em_verdict_up(v) ? "\033[32m" : "\033[31m";
}

static void pad(struct buf *to, size_t n)
{
    for (; n > 0 && !to->full; n--)
        buf_u8(to, ' ');
}

static void print_cell(struct buf *to, const char *cell, const struct column *c, bool last, bool colour)
{
    size_t space = c->width - width_of(cell);
    const char *on = colour ? colour_of(cell) : NULL;

    if (c->number)
        pad(to, space);
    buf_text(to, on ? on : "");
    buf_text(to, cell);
    buf_text(to, on ? "\033[0m" : "");
    if (!last)
        pad(to, GAP + (c->number ? 0 : space));
}

void cli_table_print(struct cli_table *t, struct buf *to)
{
    struct column column[COLUMNS_MAX];
    const char *cell = (const char *)t->cells.p, *end = cell + t->cells.n;
    bool colour = cli_colour();

    if (t->cells.full) {
        to->full = true;
        end = cell;
    }
    measure(t, column);
    for (size_t at = 0; cell < end; at++, cell += strlen(cell) + 1) {
        bool last = at % t->columns == t->columns - 1;

        print_cell(to, cell, &column[at % t->columns], last, colour && at >= t->columns);
        if (last)
            buf_u8(to, '\n');
    }
    buf_fini(&t->cells);
}
