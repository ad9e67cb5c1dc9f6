/* SPDX-License-Identifier: GPL-3.0-or-later
 * The SNMP thread on a made-up snapshot, for tests and the bench: every table filled, every kind of value.
 *
 *     snmp_demo AGENTX-ADDRESS ROWS        ROWS for each table, cut to its maximum
 *
 * Prints "ready", then obeys lines on standard input, one line of answer each:
 *     publish       a new snapshot with other values     -> "published SERIAL"
 *     dump FILE     every cell of the newest one         -> "dumped CELLS"; lines: OID below the objects arc, kind, value
 *     connected                                          -> "connected 0|1"
 *     stop MS       em_snmp_stop                         -> "stopped ELAPSED-MS", then the process ends
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/snmp.h"
#include "base/clock.h"

static const char *const kind_words[] = {
    [EM_KIND_INDEX] = "index",   [EM_KIND_TEXT] = "text",   [EM_KIND_ENUM] = "enum",
    [EM_KIND_NUMBER] = "number", [EM_KIND_GAUGE] = "gauge", [EM_KIND_COUNTER] = "counter",
    [EM_KIND_TIME] = "time",     [EM_KIND_STAMP] = "stamp", [EM_KIND_ICE] = "ice",
};

static struct em_mailbox mailbox;

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
        wide = h % 3 == 0 ? h : h % 100000; /* some beyond 32 bits */
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
    } else if (t->index_n == 1) {
        index[0] = t->max < 100 ? 1 + (uint32_t)row : 1 + (uint32_t)row * 3;
    }
}

static struct em_snapshot *make(size_t rows, uint64_t serial)
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

static void dump_value(FILE *to, const struct em_field *f, const void *row)
{
    fprintf(to, " %s ", kind_words[f->kind]);
    if (f->kind == EM_KIND_TIME || f->kind == EM_KIND_STAMP)
        fprintf(to, "%" PRId64, em_field_time(f, row));
    else if (f->kind == EM_KIND_TEXT)
        for (const char *p = em_field_text(f, row); *p; p++)
            fprintf(to, "%02x", (unsigned char)*p);
    else
        fprintf(to, "%" PRIu64, em_field_number(f, row));
    fputc('\n', to);
}

/* Column by column, as a walk goes. */
static size_t dump_table(FILE *to, const struct em_snapshot *s, enum em_table_id id)
{
    const struct em_table *t = &em_catalogue[id];
    size_t cells = 0;

    for (size_t k = 0; k < t->fields_n; k++) {
        const struct em_field *f = &t->fields[k];

        if (f->kind == EM_KIND_INDEX)
            continue;
        for (size_t i = 0; i < s->t[id].n; i++, cells++) {
            const uint32_t *row = em_snapshot_row(s, id, i);

            fprintf(to, t->index_n ? "%u.1.%u" : "%u.%u.0", (unsigned)t->arc, (unsigned)f->subid);
            for (size_t n = 0; n < t->index_n; n++)
                fprintf(to, ".%" PRIu32, row[n]);
            dump_value(to, f, row);
        }
    }
    return cells;
}

static void dump(const struct em_snapshot *s, const char *path)
{
    FILE *to = fopen(path, "w");
    size_t cells = 0;

    if (!to)
        abort();
    for (unsigned t = 0; t < EM_T_COUNT; t++)
        cells += dump_table(to, s, (enum em_table_id)t);
    fclose(to);
    printf("dumped %zu\n", cells);
}

static void publish(struct em_snapshot **shown, size_t rows, uint64_t serial)
{
    free(*shown);
    *shown = make(rows, serial);
    free(em_mailbox_put(&mailbox, em_snapshot_copy(*shown)));
}

/* False: the end. */
static bool obey(const char *line, struct em_snmp *snmp, struct em_snapshot **shown, size_t rows)
{
    static uint64_t serial;

    if (strcmp(line, "publish") == 0) {
        publish(shown, rows, ++serial);
        printf("published %" PRIu64 "\n", serial);
    } else if (strncmp(line, "dump ", 5) == 0 && *shown) {
        dump(*shown, line + 5);
    } else if (strcmp(line, "connected") == 0) {
        printf("connected %d\n", em_snmp_connected(snmp));
    } else if (strncmp(line, "stop ", 5) == 0) {
        int64_t from = em_mono_us(&em_clock_system);

        em_snmp_stop(snmp, (int)strtol(line + 5, NULL, 10));
        printf("stopped %" PRId64 "\n", (em_mono_us(&em_clock_system) - from) / EM_US_PER_MS);
        return false;
    } else {
        puts("what?");
    }
    return true;
}

int main(int argc, char **argv)
{
    struct em_snapshot *shown = NULL;
    struct em_snmp *snmp;
    struct em_why why;
    char line[1024];
    size_t rows;

    if (argc != 3)
        return 2;
    rows = strtoul(argv[2], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (em_snmp_start(argv[1], &mailbox, &snmp, &why) != 0) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    puts("ready");
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (!obey(line, snmp, &shown, rows))
            break;
    }
    free(shown);
    return 0;
}
