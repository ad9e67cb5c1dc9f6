/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tables for people from the JSON of the daemon: which members become which columns is data.
 */
#ifndef EM_CLI_VIEW_H
#define EM_CLI_VIEW_H

#include "cli/cli.h"

struct json_object;

enum view_kind {
    VIEW_TEXT,  /* as it is; numbers too */
    VIEW_MS,    /* microseconds, shown in milliseconds */
    VIEW_BYTES, /* shown with a unit */
};

struct view_column {
    const char *title, *key;
    enum view_kind kind;
};

struct view {
    const char *key;     /* of the array in the object */
    const char *only_if; /* rows where this member is 0 or absent are left out; NULL: all rows */
    const struct view_column *columns;
    size_t columns_n;
};

/* What `edgemedia status` shows: edges, checks, sources, codes, ICE warnings, peers. */
extern const struct view cli_status_views[];
extern const size_t cli_status_views_n;

/* The same rows as an HTML table under a heading (expo/html.h). */
void view_html(const struct view *v, const char *heading, const char *none, struct json_object *object,
               struct buf *to);

/* The rows of v->key in object as a table with an empty line before it; nothing when there are no rows. */
void view_print(const struct view *v, struct json_object *object, struct buf *to);

/* A row into a table whose head was written with view_head(). */
void view_head(const struct view *v, struct cli_table *t);
void view_row(const struct view *v, struct json_object *row, struct cli_table *t);

/* A member's number, 0 when it is not there; a path of at most two keys (outer may be NULL). */
uint64_t view_number(struct json_object *object, const char *outer, const char *key);
const char *view_text(struct json_object *object, const char *outer, const char *key); /* "" when not there */

#endif
