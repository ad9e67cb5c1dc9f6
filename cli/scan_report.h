/* SPDX-License-Identifier: GPL-3.0-or-later
 * The HTML report of `edgemedia scan --report`: collected while it reads, written when it is through.
 */
#ifndef EM_CLI_SCAN_REPORT_H
#define EM_CLI_SCAN_REPORT_H

#include "base/err.h"
#include "expo/report.h"

struct scan_report {
    const char *path; /* NULL: none is wanted */
    struct em_tally *tally;
};

/* Finds out that it cannot be written before hours are spent. */
int scan_report_begin(struct scan_report *r, const char *path, struct em_why *why) EM_MUST_CHECK;
/* Fills in page's tally and version. The file appears whole, or stays what it was. */
int scan_report_write(struct scan_report *r, struct em_report_page *page, struct em_why *why) EM_MUST_CHECK;
void scan_report_end(struct scan_report *r);

#endif
