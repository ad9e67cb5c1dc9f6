/* SPDX-License-Identifier: GPL-3.0-or-later
 * JSON rows to columns. */
#include "cli/view.h"

#include <json-c/json.h>

#include "expo/html.h"

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

static const char *cell_of(const struct view_column *c, struct json_object *row, char text[32])
{
    if (c->kind == VIEW_MS)
        return cli_ms((int64_t)view_number(row, NULL, c->key), text);
    if (c->kind == VIEW_BYTES)
        return cli_bytes(view_number(row, NULL, c->key), text);
    return view_text(row, NULL, c->key);
}

void view_row(const struct view *v, struct json_object *row, struct cli_table *t)
{
    char text[32];

    for (size_t i = 0; i < v->columns_n; i++)
        cli_table_cell(t, cell_of(&v->columns[i], row, text));
}

void view_html(const struct view *v, const char *heading, const char *none, struct json_object *object,
               struct buf *to)
{
    struct json_object *rows = member(object, NULL, v->key);
    size_t n = json_object_is_type(rows, json_type_array) ? json_object_array_length(rows) : 0;
    char storage[512], text[32];
    struct buf heads = buf_over(storage, sizeof storage);
    bool any = false;

    for (size_t i = 0; i < v->columns_n; i++)
        buf_print(&heads, "%s%s", i ? "|" : "", v->columns[i].title);
    em_html_begin_table(to, heading, "", buf_str(&heads));
    for (size_t i = 0; i < n; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);

        if (v->only_if && view_number(row, NULL, v->only_if) == 0)
            continue;
        buf_text(to, "<tr>");
        for (size_t k = 0; k < v->columns_n; k++)
            em_html_cell(to, cell_of(&v->columns[k], row, text));
        buf_text(to, "</tr>\n");
        any = true;
    }
    em_html_end_table(to, any, none);
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
