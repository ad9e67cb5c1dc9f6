/* SPDX-License-Identifier: GPL-3.0-or-later
 * The SNMP thread on a made-up snapshot, for tests and the bench: every table filled, every kind of value.
 *
 *     snmp_demo AGENTX-ADDRESS ROWS [ordinary|checks]     ROWS for each table, cut to its maximum; ordinary: through net-snmp's inner agent;
 *                                                         checks: in the table of checks only
 *
 * Prints "ready", then obeys lines on standard input, one line of answer each:
 *     publish       a new snapshot with other values     -> "published SERIAL"
 *     dump FILE     every cell of the newest one         -> "dumped CELLS"; lines: OID below the objects arc, kind, value
 *     connected                                          -> "connected 0|1"
 *     skip SECONDS  net-snmp's clock goes ahead          -> "skipped"
 *     stop MS       em_snmp_stop                         -> "stopped ELAPSED-MS", then the process ends
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "agent/snmp.h"
#include "agent/snmp_handler.h"
#include "base/clock.h"
#include "tests/system/made_up.h"

static const char *const kind_words[] = {
    [EM_KIND_INDEX] = "index",   [EM_KIND_TEXT] = "text",   [EM_KIND_ENUM] = "enum",
    [EM_KIND_NUMBER] = "number", [EM_KIND_GAUGE] = "gauge", [EM_KIND_COUNTER] = "counter",
    [EM_KIND_TIME] = "time",     [EM_KIND_STAMP] = "stamp", [EM_KIND_ICE] = "ice",
};

static struct em_mailbox mailbox;

/* In place of net-snmp's own: its alarms (ping, connecting again) go by a clock that a test moves. */
static atomic_llong ahead_us;
void netsnmp_get_monotonic_clock(struct timeval *tv);
void netsnmp_get_monotonic_clock(struct timeval *tv)
{
    int64_t now_us = em_mono_us(&em_clock_system) + ahead_us;

    tv->tv_sec = now_us / EM_US_PER_S;
    tv->tv_usec = now_us % EM_US_PER_S;
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

static bool checks_only;

static struct em_snapshot *cut(struct em_snapshot *all)
{
    const size_t counts[EM_T_COUNT] = { [EM_T_CHECK] = all->t[EM_T_CHECK].n };
    struct em_snapshot *s = em_snapshot_new(counts);

    if (!s)
        abort();
    memcpy(s->t[EM_T_CHECK].rows, all->t[EM_T_CHECK].rows,
           s->t[EM_T_CHECK].n * em_catalogue[EM_T_CHECK].row_size);
    em_snapshot_finish(s);
    em_snapshot_unref(all);
    return s;
}

static void publish(struct em_snapshot **shown, size_t rows, uint64_t serial)
{
    em_snapshot_unref(*shown);
    *shown = em_made_up(rows, serial);
    if (checks_only)
        *shown = cut(*shown);
    em_snapshot_unref(em_mailbox_put(&mailbox, em_snapshot_ref(*shown)));
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
    } else if (strncmp(line, "skip ", 5) == 0) {
        ahead_us += strtol(line + 5, NULL, 10) * EM_US_PER_S;
        em_snmp_wake(snmp);
        puts("skipped");
    } else if (strncmp(line, "stop ", 5) == 0) {
        int64_t from = em_mono_us(&em_clock_system);

        (void)em_snmp_stop(snmp, (int)strtol(line + 5, NULL, 10));
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

    if (argc != 3 && (argc != 4 || (strcmp(argv[3], "ordinary") != 0 && strcmp(argv[3], "checks") != 0)))
        return 2;
    checks_only = argc == 4 && strcmp(argv[3], "checks") == 0;
    em_snmp_direct = argc == 3 || checks_only;
    rows = strtoul(argv[2], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (em_snmp_start(argv[1], &mailbox, NULL, &snmp, &why) != 0) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    puts("ready");
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (!obey(line, snmp, &shown, rows))
            break;
    }
    em_snapshot_unref(shown);
    return 0;
}
