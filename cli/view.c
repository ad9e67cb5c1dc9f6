/* SPDX-License-Identifier: GPL-3.0-or-later
 * JSON rows to columns. */
#include "cli/view.h"

#include <json-c/json.h>

static struct json_object *member(struct json_object *object, const char *outer, const char *key)
{
    struct json_object *inner = object, *value = NULL;

    if (outer && !json_object_object_get_ex(object, outer, &inner))
        return NULL;
    return json_object_object_get_ex(inner, key, &value) ? value : NULL;
}

uint64_t view_number(struct json_object *object, const char *outer, const char *key)
{
    return json_object_get_uint64(member(object, outer, key));
}

const char *view_text(struct json_object *object, const char *outer, const char *key)
{
    const char *text = json_object_get_string(member(object, outer, key));

    return text ? text : "";
}

void view_head(const struct view *v, struct cli_table *t)
{
    cli_table_init(t, v->columns_n);
    for (size_t i = 0; i < v->columns_n; i++)
        cli_table_cell(t, v->columns[i].title);
}

void view_row(const struct view *v, struct json_object *row, struct cli_table *t)
{
    char text[32];

    for (size_t i = 0; i < v->columns_n; i++) {
        const struct view_column *c = &v->columns[i];

        if (c->kind == VIEW_MS)
            cli_table_cell(t, cli_ms((int64_t)view_number(row, NULL, c->key), text));
        else if (c->kind == VIEW_BYTES)
            cli_table_cell(t, cli_bytes(view_number(row, NULL, c->key), text));
        else
            cli_table_cell(t, view_text(row, NULL, c->key));
    }
}

void view_print(const struct view *v, struct json_object *object, struct buf *to)
{
    struct json_object *rows = member(object, NULL, v->key);
    size_t n = json_object_is_type(rows, json_type_array) ? json_object_array_length(rows) : 0, shown = 0;
    struct cli_table table;

    view_head(v, &table);
    for (size_t i = 0; i < n; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);

        if (v->only_if && view_number(row, NULL, v->only_if) == 0)
            continue;
        view_row(v, row, &table);
        shown++;
    }
    if (shown == 0) {
        buf_fini(&table.cells);
        return;
    }
    buf_text(to, "\n");
    cli_table_print(&table, to);
}
