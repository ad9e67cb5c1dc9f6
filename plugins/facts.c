/* SPDX-License-Identifier: GPL-3.0-or-later
 * Rows of the model that are filled cell by cell. */
#include "plugins/facts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const fact_check_fields[] = { "edge_name", "name",   "uri",        "address", "verdict",
                                          "reason",    "rtt_us", "probe_time", NULL };
const char *const fact_range_fields[] = { "edge_name", "name",       "host",    "first_port",
                                          "last_port", "transport",  "verdict", "reason",
                                          "rtt_us",    "sweep_time", NULL };
const char *const fact_source_fields[] = { "name", "state", "error", "lag_bytes", "malformed", NULL };
const char *const fact_finding_fields[] = { "kind", "severity", "edge", "text", "advice", "since", NULL };
const char *const fact_daemon_fields[] = { "version", "snapshot_time", NULL };

void facts_init(struct facts *f)
{
    *f = (struct facts) { .checks.table = EM_T_CHECK,
                          .ranges.table = EM_T_RANGE,
                          .sources.table = EM_T_SOURCE,
                          .findings.table = EM_T_FINDING };
}

void facts_fini(struct facts *f)
{
    free(f->checks.rows);
    free(f->ranges.rows);
    free(f->sources.rows);
    free(f->findings.rows);
    facts_init(f);
}

void *fact_rows_insert(struct fact_rows *r, size_t at)
{
    const struct em_table *t = &em_catalogue[r->table];
    char *row;

    assert(at <= r->n);
    if (r->n == t->max)
        return NULL;
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 16;
        void *more = realloc(r->rows, room * t->row_size);

        if (!more)
            return NULL;
        r->rows = more;
        r->room = room;
    }
    row = fact_row(r, at);
    memmove(row + t->row_size, row, (r->n - at) * t->row_size);
    memset(row, 0, t->row_size);
    r->n++;
    return row;
}

int facts_ranges_as_checks(struct facts *f, struct em_why *why)
{
    for (size_t i = 0; i < f->ranges.n; i++) {
        const struct em_range_row *g = fact_row(&f->ranges, i);
        struct em_check_row *row = fact_rows_insert(&f->checks, f->checks.n);

        if (!row)
            return em_fail(why, EM_ERR_LIMIT, "no room for more than %zu checks and ranges", f->checks.n);
        row->edge = g->edge;
        row->check = g->range;
        row->address_index = 1;
        row->verdict = g->verdict == EM_VERDICT_REFUSED ? EM_VERDICT_OK : g->verdict;
        row->rtt_us = g->rtt_us;
        row->probe_time = g->sweep_time;
        memcpy(row->edge_name, g->edge_name, sizeof row->edge_name);
        memcpy(row->name, g->name, sizeof row->name);
        memcpy(row->reason, g->reason, sizeof row->reason);
        snprintf(row->uri, sizeof row->uri, "%s %u-%u of %.200s",
                 em_name_of(&em_transport_names, g->transport), g->first_port, g->last_port, g->host);
    }
    return 0;
}

void fact_set_number(const struct em_field *f, void *row, uint64_t v)
{
    char *cell = (char *)row + f->off;
    uint32_t narrow = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;

    if (f->size == sizeof narrow)
        memcpy(cell, &narrow, sizeof narrow);
    else if (f->size == sizeof v)
        memcpy(cell, &v, sizeof v);
}

void fact_set_time(const struct em_field *f, void *row, int64_t wall_us)
{
    assert(f->size == sizeof wall_us);
    memcpy((char *)row + f->off, &wall_us, sizeof wall_us);
}

void fact_set_text(const struct em_field *f, void *row, const char *p, size_t n)
{
    char *cell = (char *)row + f->off;

    assert(f->kind == EM_KIND_TEXT);
    n = strnlen(p, n < f->size ? n : f->size - 1u);
    memcpy(cell, p, n);
    cell[n] = '\0';
}
