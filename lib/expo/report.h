/* SPDX-License-Identifier: GPL-3.0-or-later
 * The report of a scan as one HTML file, to be handed to whoever owns the firewall: nothing is loaded from anywhere, there is no script,
 * and the page's own policy forbids both. Everything that a log or a file's name says is escaped.
 */
#ifndef EM_EXPO_REPORT_H
#define EM_EXPO_REPORT_H

#include "base/buf.h"
#include "evidence/scan.h"
#include "evidence/tally.h"

enum { EM_REPORT_FILES_SHOWN = 20, EM_REPORT_PEERS_SHOWN = 50, EM_REPORT_COLUMNS = 96 };

struct em_report_page {
    const struct em_scan_result *result;
    struct em_tally *tally;
    const char *const *files; /* that were read */
    size_t files_n;
    const char *version;
    int64_t made_us;            /* now */
    int64_t since_us, until_us; /* the window; INT64_MIN and INT64_MAX: none */
    bool incomplete;            /* a file could not be read, or not to its end */
};

/* Appends the page. A buf that became full means that the caller's maximum was too small. */
void em_expo_report(const struct em_report_page *page, struct buf *to);

#endif
