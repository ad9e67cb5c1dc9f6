/* SPDX-License-Identifier: GPL-3.0-or-later
 * Writing the report: beside its place first, then put there. */
#include "cli/scan_report.h"

#include "config.h"

#include "cli/cli.h"
#include "cli/put.h"

int scan_report_begin(struct scan_report *r, const char *path, struct em_why *why)
{
    int err = cli_put_try("report", path, why);

    if (err < 0)
        return err;
    r->tally = em_tally_new();
    if (!r->tally)
        return em_fail(why, EM_ERR_MEMORY, "%s", em_err_text(EM_ERR_MEMORY));
    r->path = path;
    return 0;
}

int scan_report_write(struct scan_report *r, struct em_report_page *page, struct em_why *why)
{
    struct buf b = buf_heap(CLI_OUTPUT_MAX);
    int err;

    page->tally = r->tally;
    page->version = PACKAGE_VERSION;
    em_expo_report(page, &b);
    err = cli_put("report", r->path, &b, why);
    buf_fini(&b);
    return err;
}

void scan_report_end(struct scan_report *r)
{
    em_tally_free(r->tally);
    r->tally = NULL;
}
