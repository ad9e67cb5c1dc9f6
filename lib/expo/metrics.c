/* SPDX-License-Identifier: GPL-3.0-or-later
 * OpenMetrics 1.0 and Prometheus text 0.0.4: one loop over the metrics of the catalogue. Fields that share a metric (phases of a
 * check, windows) are one family, and a family is written in one piece, as both formats demand. */
#include "expo/expo.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/esc.h"

#define PREFIX "edgemedia_"

enum type { COUNTER, GAUGE, INFO };

struct family {
    const char *name;            /* without prefix, "_total" and "_info" */
    const struct em_field *lead; /* the first field of it: its help and unit are the family's */
    enum type type;
    bool openmetrics, begun; /* begun: the head is written; a family without samples has none */
};

static bool ends_with(const char *s, size_t n, const char *suffix)
{
    size_t m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

/* A text with a metric is an info metric: its value is the label, the number is 1. */
static enum type type_of(const struct em_field *f)
{
    return f->kind == EM_KIND_COUNTER ? COUNTER : f->kind == EM_KIND_TEXT ? INFO : GAUGE;
}

static size_t family_name_len(const struct em_field *f)
{
    size_t n = strlen(f->metric);

    return type_of(f) == INFO && ends_with(f->metric, n, "_info") ? n - strlen("_info") : n;
}

/* Microseconds under a name in seconds are divided; so are times. */
static bool in_seconds(const struct em_field *f)
{
    return f->kind == EM_KIND_TIME || f->kind == EM_KIND_STAMP ||
           (f->unit && strcmp(f->unit, "microseconds") == 0 &&
            ends_with(f->metric, strlen(f->metric), "_seconds"));
}

/* OpenMetrics allows a UNIT only when it is the name's suffix. */
static void unit_line(struct buf *to, const struct family *fam, int name_len)
{
    const char *unit = in_seconds(fam->lead) ? "seconds" : fam->lead->unit;
    size_t n = (size_t)name_len, m = unit ? strlen(unit) : 0;

    if (m > 0 && n > m && fam->name[n - m - 1] == '_' && ends_with(fam->name, n, unit))
        buf_print(to, "# UNIT " PREFIX "%.*s %s\n", name_len, fam->name, unit);
}

static int first_sentence(const char *help)
{
    const char *end = strstr(help, ". ");

    return (int)(end ? (size_t)(end - help) + 1 : strlen(help));
}

static void head(struct buf *to, struct family *fam)
{
    static const char *const types[] = { "counter", "gauge", "info" };
    static const char *const suffix[] = { "_total", "", "_info" };
    int len = (int)family_name_len(fam->lead);
    const char *help = fam->lead->help;

    if (fam->begun)
        return;
    fam->begun = true;
    if (fam->openmetrics) {
        buf_print(to, "# TYPE " PREFIX "%.*s %s\n", len, fam->name, types[fam->type]);
        unit_line(to, fam, len);
        buf_print(to, "# HELP " PREFIX "%.*s %.*s\n", len, fam->name, first_sentence(help), help);
        return;
    }
    buf_print(to, "# HELP " PREFIX "%.*s%s %.*s\n", len, fam->name, suffix[fam->type], first_sentence(help),
              help);
    buf_print(to, "# TYPE " PREFIX "%.*s%s %s\n", len, fam->name, suffix[fam->type],
              fam->type == COUNTER ? "counter" : "gauge");
}

/* Decimal digits, without the cost of a format for each of many samples. */
static void number(struct buf *to, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    buf_bytes(to, digits + at, sizeof digits - at);
}

static void label(struct buf *to, const char *name, const struct em_field *f, const void *row)
{
    buf_text(to, name);
    buf_text(to, "=\"");
    if (f->kind == EM_KIND_TEXT)
        esc_label(to, slice_of(em_field_text(f, row)));
    else if (f->kind == EM_KIND_ENUM)
        esc_label(to, slice_of(em_name_of(f->names, (uint32_t)em_field_number(f, row))));
    else
        number(to, em_field_number(f, row));
    buf_u8(to, '"');
}

/* The labels of every row of a table, written once and used by each of its families: row i has [end[i - 1], end[i]) of text. */
struct row_labels {
    struct buf text;
    size_t *end;
};

static bool row_labels_init(struct row_labels *l, const struct em_snapshot *s, enum em_table_id id)
{
    const struct em_table *t = &em_catalogue[id];

    *l = (struct row_labels) { .text = buf_heap(EM_EXPO_MAX), .end = calloc(s->t[id].n + 1, sizeof *l->end) };
    for (size_t r = 0; l->end && r < s->t[id].n; r++) {
        size_t begin = l->text.n;

        for (size_t i = 0; i < t->fields_n; i++) {
            if (!t->fields[i].label || t->fields[i].metric)
                continue;
            if (l->text.n > begin)
                buf_u8(&l->text, ',');
            label(&l->text, t->fields[i].label, &t->fields[i], em_snapshot_row(s, id, r));
        }
        l->end[r] = l->text.n;
    }
    return l->end && !l->text.full;
}

static void row_labels_fini(struct row_labels *l)
{
    buf_fini(&l->text);
    free(l->end);
}

/* The labels of the row, then the field's own. */
static void labels(struct buf *to, const struct row_labels *l, size_t r, const struct em_field *f,
                   const void *row)
{
    size_t begin = r > 0 ? l->end[r - 1] : 0, n = l->end[r] - begin;

    if (n == 0 && !f->label)
        return;
    buf_u8(to, '{');
    if (n > 0)
        buf_bytes(to, l->text.p + begin, n);
    if (n > 0 && f->label)
        buf_u8(to, ',');
    if (f->label && type_of(f) == INFO)
        label(to, f->label, f, row);
    else if (f->label)
        buf_text(to, f->label);
    buf_u8(to, '}');
}

/* Without the zeros behind the last digit. */
static void seconds(struct buf *to, int64_t us)
{
    uint64_t size = us < 0 ? -(uint64_t)us : (uint64_t)us, part = size % (uint64_t)EM_US_PER_S;

    if (us < 0)
        buf_u8(to, '-');
    number(to, size / (uint64_t)EM_US_PER_S);
    if (part > 0)
        buf_u8(to, '.');
    for (; part > 0; part = part * 10 % (uint64_t)EM_US_PER_S)
        buf_u8(to, (uint8_t)('0' + part * 10 / (uint64_t)EM_US_PER_S));
}

static void value(struct buf *to, const struct em_field *f, const void *row)
{
    if (type_of(f) == INFO)
        buf_u8(to, '1');
    else if (f->kind == EM_KIND_TIME || f->kind == EM_KIND_STAMP)
        seconds(to, em_field_time(f, row));
    else if (in_seconds(f))
        seconds(to, (int64_t)em_field_number(f, row));
    else
        number(to, em_field_number(f, row));
}

static bool absent(const struct em_field *f, const void *row)
{
    return (f->flags & EM_FIELD_ABSENT_IF_ZERO) && type_of(f) != INFO && em_field_number(f, row) == 0;
}

static void sample(struct buf *to, struct family *fam, const struct row_labels *l, size_t r,
                   const struct em_field *f, const void *row)
{
    if (absent(f, row))
        return;
    head(to, fam);
    buf_text(to, PREFIX);
    buf_text(to, f->metric);
    if (fam->type == COUNTER)
        buf_text(to, "_total");
    labels(to, l, r, f, row);
    buf_u8(to, ' ');
    value(to, f, row);
    buf_u8(to, '\n');
}

/* All samples of the family in one table, row by row. */
static void samples(struct buf *to, struct family *fam, const struct em_snapshot *s, enum em_table_id id,
                    const struct row_labels *l)
{
    const struct em_table *t = &em_catalogue[id];
    const struct em_field *fields[UINT8_MAX];
    size_t n = 0;

    for (size_t i = 0; i < t->fields_n && n < UINT8_MAX; i++)
        if (t->fields[i].metric && strcmp(t->fields[i].metric, fam->lead->metric) == 0)
            fields[n++] = &t->fields[i];
    for (size_t r = 0; n > 0 && r < s->t[id].n && !to->full; r++)
        for (size_t i = 0; i < n; i++)
            sample(to, fam, l, r, fields[i], em_snapshot_row(s, id, r));
}

/* Whether a field before (table, field) has the same metric. */
static bool seen_before(size_t table, size_t field, const char *metric)
{
    for (size_t t = 0; t <= table; t++) {
        size_t n = t < table ? em_catalogue[t].fields_n : field;

        for (size_t i = 0; i < n; i++)
            if (em_catalogue[t].fields[i].metric && strcmp(em_catalogue[t].fields[i].metric, metric) == 0)
                return true;
    }
    return false;
}

static void families(const struct em_snapshot *s, bool openmetrics, const struct row_labels *l,
                     struct buf *to)
{
    for (size_t t = 0; t < EM_T_COUNT; t++) {
        for (size_t i = 0; i < em_catalogue[t].fields_n; i++) {
            const struct em_field *f = &em_catalogue[t].fields[i];
            struct family fam = {
                .name = f->metric, .lead = f, .type = type_of(f), .openmetrics = openmetrics
            };

            if (!f->metric || seen_before(t, i, f->metric))
                continue;
            for (size_t of = t; of < EM_T_COUNT; of++)
                samples(to, &fam, s, (enum em_table_id)of, &l[of]);
        }
    }
}

void em_expo_metrics(const struct em_snapshot *s, bool openmetrics, struct buf *to)
{
    struct row_labels l[EM_T_COUNT];
    bool fits = true;

    for (size_t t = 0; t < EM_T_COUNT; t++)
        fits = row_labels_init(&l[t], s, (enum em_table_id)t) && fits;
    if (fits)
        families(s, openmetrics, l, to);
    else
        to->full = true; /* as if the text had no room: it must not be used */
    if (openmetrics)
        buf_text(to, "# EOF\n");
    for (size_t t = 0; t < EM_T_COUNT; t++)
        row_labels_fini(&l[t]);
}
