/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the plugin knows, wherever it comes from: SNMP, the control socket or its own probes fill the same rows of the model, by the
 * catalogue's field tables. Judging sees only this.
 */
#ifndef EM_PLUGINS_FACTS_H
#define EM_PLUGINS_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "model/catalogue.h"
#include "model/rows.h"

/* Rows of one table, grown by doubling up to the catalogue's maximum. */
struct fact_rows {
    enum em_table_id table;
    void *rows; /* of em_catalogue[table].row_size bytes each */
    size_t n, room;
};

struct facts {
    bool have_calls, have_windows, have_checks, have_sources, have_findings; /* calls: totals */
    struct em_totals totals;
    struct em_windows windows;
    struct em_daemon daemon;
    /* em_check_row, em_range_row, em_source_row, em_finding_row; in the order of their index */
    struct fact_rows checks, ranges, sources, findings;
    char
        origin[EM_URI_MAX]; /* what the numbers are from, for state files and details: "snmp 192.0.2.1:161" */
};

void facts_init(struct facts *f);
void facts_fini(struct facts *f);

/* A new zeroed row at position at (0 to n). NULL: no memory, or the table's maximum. */
void *fact_rows_insert(struct fact_rows *r, size_t at);

static inline void *fact_row(const struct fact_rows *r, size_t i)
{
    return (char *)r->rows + i * em_catalogue[r->table].row_size;
}
static inline const struct em_check_row *fact_check(const struct facts *f, size_t i)
{
    return fact_row(&f->checks, i);
}
static inline const struct em_source_row *fact_source(const struct facts *f, size_t i)
{
    return fact_row(&f->sources, i);
}
static inline const struct em_finding_row *fact_finding(const struct facts *f, size_t i)
{
    return fact_row(&f->findings, i);
}

/* Ranges are judged like checks: a row for each is put behind those of the checks. Refused ports of a range whose path is clear do no
 * harm. EM_ERR_LIMIT: no room. */
int facts_ranges_as_checks(struct facts *f, struct em_why *why) EM_MUST_CHECK;

/* Writes one cell; the value is cut to the member's size. Text is copied up to its first NUL. */
void fact_set_number(const struct em_field *f, void *row, uint64_t v);
void fact_set_time(const struct em_field *f, void *row, int64_t wall_us);
void fact_set_text(const struct em_field *f, void *row, const char *p, size_t n);

/* The fields that are fetched of each table, by their JSON names; NULL ends a list. What judging uses, and no more: over AgentX
 * each cell costs a round trip between snmpd and the daemon. */
extern const char *const fact_check_fields[], *const fact_range_fields[], *const fact_source_fields[],
                                                                              *const fact_finding_fields[],
                                                                                  *const fact_daemon_fields[];

#endif
