/* SPDX-License-Identifier: GPL-3.0-or-later
 * The options of edgemedia.conf as text, from their rows. */
#include "agent/conf_write.h"

#include <string.h>

void em_conf_write_text(const char *value, struct buf *to)
{
    buf_u8(to, '"');
    for (; *value; value++) {
        if (strchr("\"\\$", *value))
            buf_u8(to, '\\');
        buf_u8(to, (uint8_t)*value);
    }
    buf_u8(to, '"');
}

static const char *value_of(const struct em_conf_word *words, const char *name)
{
    for (; words->value; words++)
        if (strcmp(words->name, name) == 0)
            return words->value;
    return NULL;
}

static bool is_number(const struct em_conf_row *row)
{
    return row->kind == EM_CONF_UINT || row->kind == EM_CONF_DURATION;
}

/* What it is for, and what may be written. */
static void explain_row(const struct em_conf_row *row, const char *lead, struct buf *to)
{
    const char *unit = row->kind == EM_CONF_DURATION ? " seconds" : "";

    buf_print(to, "%s# %s", lead, row->help);
    if (row->needed)
        buf_text(to, " Needed.");
    if (is_number(row) && row->max > 0)
        buf_print(to, " %g to %.10g%s.", row->min, row->max, unit);
    if (row->kind == EM_CONF_TRUTH)
        buf_text(to, " yes or no.");
    buf_u8(to, '\n');
}

/* The value that a comment shows: the default, or what one would look like. */
static const char *shown(const struct em_conf_row *row)
{
    static const char *const looks[] = { [EM_CONF_ABSOLUTE] = "/etc/edgemedia/file",
                                         [EM_CONF_UINT] = "0",
                                         [EM_CONF_DURATION] = "0",
                                         [EM_CONF_PORTS] = "50000-59999",
                                         [EM_CONF_SOURCE] = "trace",
                                         [EM_CONF_SECRET] = "/etc/edgemedia/file",
                                         [EM_CONF_LATER] = NULL };

    return row->initial ? row->initial : looks[row->kind] ? looks[row->kind] : "";
}

static void write_value(const struct em_conf_row *row, const char *value, struct buf *to)
{
    bool bare = is_number(row) || row->kind == EM_CONF_TRUTH || row->kind == EM_CONF_SOURCE;

    if (row->kind == EM_CONF_TEXTS)
        buf_text(to, "{ ");
    if (bare)
        buf_text(to, value);
    else
        em_conf_write_text(value, to);
    buf_text(to, row->kind == EM_CONF_TEXTS ? " }\n" : "\n");
}

/* Whether the option is for the type of source that the words tell, if they do. */
static bool is_for(const struct em_conf_row *row, const struct em_conf_word *words)
{
    const char *type = row->of ? value_of(words, "type") : NULL;

    return !type || row->of & EM_CONF_OF(em_name_value(&em_source_type_names, type));
}

void em_conf_write_rows(const struct em_conf_block *b, const struct em_conf_word *words, const char *lead,
                        bool explain, struct buf *to)
{
    for (size_t i = 0; i < b->rows_n; i++) {
        const struct em_conf_row *row = &b->rows[i];
        const char *value = value_of(words, row->name);

        if (row->kind == EM_CONF_LATER || (!value && !explain) || !is_for(row, words))
            continue;
        if (explain)
            explain_row(row, lead, to);
        buf_print(to, "%s%s%s = ", lead, value || row->needed ? "" : "#", row->name);
        write_value(row, value ? value : shown(row), to);
    }
}
