/* SPDX-License-Identifier: GPL-3.0-or-later
 * The daemon's status JSON into facts: a loop over the catalogue's fields, which are the keys. Unknown keys are ignored, so that a
 * newer daemon of the same schema is understood. */
#include <json-c/json.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/late.h"
#include "plugins/source.h"

/* clang-format off */
#define SYMBOLS(S) \
    S(json_object_is_type) S(json_object_get_string) S(json_object_get_string_len) \
    S(json_object_get_int64) S(json_object_get_uint64) S(json_object_object_get_ex) \
    S(json_object_array_length) S(json_object_array_get_idx) S(json_object_get_int) S(json_tokener_new) \
    S(json_tokener_parse_ex) S(json_tokener_get_error) S(json_object_put) S(json_tokener_free)
/* clang-format on */
LATE_SET(lib, LATE_JSON, SYMBOLS);

enum { SCHEMA_VERSION = 1 };

/* "2026-11-23T05:02:00.123Z", as em_time_text() writes it. */
static bool read_time(const char *text, int64_t *wall_us)
{
    struct slice s = slice_of(text);
    uint32_t v[6], ms = 0;
    static const struct {
        uint32_t max;
        char end;
    } parts[6] = { { 9999, '-' }, { 12, '-' }, { 31, 'T' }, { 23, ':' }, { 59, ':' }, { 60, '\0' } };
    struct tm tm = { 0 };

    for (int i = 0; i < 6; i++)
        if (!slice_u32(&s, parts[i].max, &v[i]) ||
            (parts[i].end && !slice_skip(&s, (struct slice) { &parts[i].end, 1 })))
            return false;
    if (slice_skip(&s, SLICE(".")) && (s.n != 4 || !slice_u32(&s, 999, &ms)))
        return false;
    if (!slice_eq(s, SLICE("Z")))
        return false;
    tm = (struct tm) { .tm_year = (int)v[0] - 1900,
                       .tm_mon = (int)v[1] - 1,
                       .tm_mday = (int)v[2],
                       .tm_hour = (int)v[3],
                       .tm_min = (int)v[4],
                       .tm_sec = (int)v[5] };
    *wall_us = (int64_t)timegm(&tm) * EM_US_PER_S + ms * EM_US_PER_MS;
    return true;
}

/* One value by the field's kind; false: not of the type that it must have. */
static bool set_cell(const struct em_field *f, void *row, json_object *v)
{
    int64_t t = 0;

    switch (f->kind) {
    case EM_KIND_TEXT:
        if (lib.json_object_is_type(v, json_type_string))
            fact_set_text(f, row, lib.json_object_get_string(v), (size_t)lib.json_object_get_string_len(v));
        return lib.json_object_is_type(v, json_type_string);
    case EM_KIND_ENUM: /* a name that this version does not know stays 0 and is judged as unknown */
        if (lib.json_object_is_type(v, json_type_string))
            fact_set_number(f, row, em_name_value(f->names, lib.json_object_get_string(v)));
        return lib.json_object_is_type(v, json_type_string);
    case EM_KIND_TIME:
    case EM_KIND_STAMP:
        if (!lib.json_object_is_type(v, json_type_string) || !read_time(lib.json_object_get_string(v), &t))
            return false;
        fact_set_time(f, row, t);
        return true;
    default:
        if (!lib.json_object_is_type(v, json_type_int) || lib.json_object_get_int64(v) < 0)
            return false;
        fact_set_number(f, row, lib.json_object_get_uint64(v));
        return true;
    }
}

/* Values that may be missing have a meaning when they do: 0. */
static bool may_be_absent(const struct em_field *f)
{
    return f->kind == EM_KIND_TIME || f->kind == EM_KIND_STAMP || (f->flags & EM_FIELD_ABSENT_IF_ZERO);
}

static int set_field(const struct em_field *f, void *row, json_object *from, const char *where,
                     struct em_why *why)
{
    json_object *v = NULL;

    (void)lib.json_object_object_get_ex(from, f->json, &v); /* null is absent */
    if (!v && !may_be_absent(f))
        return em_fail(why, EM_ERR_INPUT,
                       "the daemon's answer has no \"%s\" in %s: is it the same version as the plugin?",
                       f->json, where);
    if (v && !set_cell(f, row, v))
        return em_fail(why, EM_ERR_INPUT, "the daemon's answer has a \"%s\" in %s that is not understood",
                       f->json, where);
    return 0;
}

/* All fields of a group, or those of a NULL-ended list. */
static int read_row(enum em_table_id id, const char *const *only, void *row, json_object *from,
                    const char *where, struct em_why *why)
{
    const struct em_table *t = &em_catalogue[id];
    int err = 0;

    if (!lib.json_object_is_type(from, json_type_object))
        return em_fail(why, EM_ERR_INPUT, "the daemon's answer has no %s", where);
    for (size_t i = 0; !only && i < t->fields_n && err == 0; i++)
        err = set_field(&t->fields[i], row, from, where, why);
    for (size_t i = 0; only && i < t->index_n && err == 0; i++)
        if (!(t->fields[i].flags & EM_FIELD_NO_JSON))
            err = set_field(&t->fields[i], row, from, where, why);
    for (; only && *only && err == 0; only++)
        err = set_field(em_field_find(t, *only), row, from, where, why);
    return err;
}

static int read_rows(json_object *root, struct fact_rows *rows, const char *const *fields, struct em_why *why)
{
    const struct em_table *t = &em_catalogue[rows->table];
    json_object *list = NULL;
    int err = 0;

    if (!lib.json_object_object_get_ex(root, t->json, &list) ||
        !lib.json_object_is_type(list, json_type_array))
        return em_fail(why, EM_ERR_INPUT, "the daemon's answer has no list \"%s\"", t->json);
    for (size_t i = 0; i < lib.json_object_array_length(list) && err == 0; i++) {
        void *row = fact_rows_insert(rows, rows->n);

        if (!row)
            return em_fail(why, EM_ERR_LIMIT, "no room for more than %zu %s", rows->n, t->json);
        err = read_row(rows->table, fields, row, lib.json_object_array_get_idx(list, i), t->json, why);
    }
    return err;
}

/* A daemon that is a little older has none. */
static int read_ranges(json_object *root, struct facts *f, struct em_why *why)
{
    int err = 0;

    if (lib.json_object_object_get_ex(root, em_catalogue[EM_T_RANGE].json, NULL))
        err = read_rows(root, &f->ranges, fact_range_fields, why);
    return err < 0 ? err : facts_ranges_as_checks(f, why);
}

static int read_root(json_object *root, const struct mode_def *mode, struct facts *f, struct em_why *why)
{
    json_object *version = NULL, *group = NULL;
    int err;

    if (!lib.json_object_object_get_ex(root, "schema_version", &version) ||
        !lib.json_object_is_type(version, json_type_int))
        return em_fail(why, EM_ERR_INPUT, "the answer is not the status of edgemediad: no schema_version");
    if (lib.json_object_get_int(version) != SCHEMA_VERSION)
        return em_fail(why, EM_ERR_NEWER,
                       "the daemon speaks schema version %d, this plugin %d: install the same version",
                       lib.json_object_get_int(version), SCHEMA_VERSION);
    lib.json_object_object_get_ex(root, em_catalogue[EM_T_DAEMON].json, &group);
    if ((err = read_row(EM_T_DAEMON, fact_daemon_fields, &f->daemon, group, "daemon", why)) < 0)
        return err;
    if (mode->calls) {
        group = NULL;
        lib.json_object_object_get_ex(root, em_catalogue[EM_T_WINDOWS].json, &group);
        if ((err = read_row(EM_T_TOTALS, NULL, &f->totals, root, "its totals", why)) < 0 ||
            (err = read_row(EM_T_WINDOWS, NULL, &f->windows, group, "recent", why)) < 0)
            return err;
    }
    if (mode->checks && ((err = read_rows(root, &f->checks, fact_check_fields, why)) < 0 ||
                         (err = read_ranges(root, f, why)) < 0))
        return err;
    if (mode->sources && (err = read_rows(root, &f->sources, fact_source_fields, why)) < 0)
        return err;
    if (mode->findings && (err = read_rows(root, &f->findings, fact_finding_fields, why)) < 0)
        return err;
    f->have_calls = f->have_windows = mode->calls;
    f->have_findings = mode->findings;
    f->have_checks = mode->checks;
    f->have_sources = mode->sources;
    return 0;
}

int source_status(const char *text, size_t n, const struct mode_def *mode, struct facts *f,
                  struct em_why *why)
{
    struct json_tokener *tokener;
    json_object *root;
    int err = late_load(&lib.late, why);

    if (err < 0)
        return err;
    if (!(tokener = lib.json_tokener_new()))
        return em_fail(why, EM_ERR_MEMORY, "no memory");
    root = lib.json_tokener_parse_ex(tokener, text, (int)n);
    if (lib.json_tokener_get_error(tokener) == json_tokener_continue)
        err = em_fail(why, EM_ERR_INPUT, "the daemon's answer ends in its middle");
    else if (!root || lib.json_tokener_get_error(tokener) != json_tokener_success)
        err = em_fail(why, EM_ERR_INPUT,
                      "the answer is not JSON: does the path lead to edgemediad's control socket?");
    else
        err = read_root(root, mode, f, why);
    lib.json_object_put(root);
    lib.json_tokener_free(tokener);
    return err;
}
