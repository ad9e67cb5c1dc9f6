/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a SQL worker says, whose driver may be broken, and the rows that a database holds: slices lie within the frame, reports are bounded. */
#include <stdlib.h>

#include "source/sql_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile char sink;
static size_t reports;

static void touch(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        sink = s.p[i];
}

static void on_report(void *arg, const struct em_report *r)
{
    (void)arg;
    if (++reports > SQL_ROW_REPORTS_MAX || r->media_n > EM_REPORT_MEDIA_MAX)
        abort();
    touch(r->call_id);
    touch(r->reason);
    touch(r->header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice s = { (const char *)data, size };
    struct sql_open open;
    struct sql_fail fail;
    struct sql_end end;
    struct sql_ask ask;
    struct sql_row row;
    struct cur body;

    while (sql_take(&s, &body) > 0) {
        if (sql_get_row(body, &row)) {
            reports = 0;
            (void)sql_row_read(&row, on_report, NULL);
        }
        if (sql_get_fail(body, &fail))
            touch(fail.text);
        if (sql_get_open(body, &open))
            touch(open.query);
        (void)sql_get_end(body, &end);
        if (sql_get_ask(body, &ask) && ask.most > SQL_PAGE_MAX)
            abort();
    }
    return 0;
}
