/* SPDX-License-Identifier: GPL-3.0-or-later
 * The written faces of a snapshot: loops over the catalogue. Each appends to a buf; a buf that became full means that the caller's
 * maximum was too small, and its text must not be used.
 */
#ifndef EM_EXPO_EXPO_H
#define EM_EXPO_EXPO_H

#include "base/buf.h"
#include "evidence/scan.h"
#include "model/snapshot.h"
#include "probe/path.h"
#include "probe/probe.h"
#include "probe/sweep.h"

enum {
    EM_EXPO_MAX = 64 * 1024 * 1024,
    EM_EXPO_FAILURES_MAX = 1000, /* in one list: what a daemon answers, and what its clients may ask for */
};

/* OpenMetrics 1.0 (openmetrics = true) or the Prometheus text format 0.0.4. Own process metrics are the caller's. */
void em_expo_metrics(const struct em_snapshot *s, bool openmetrics, struct buf *to);

/* /api/v1/status: {"schema_version":1, the totals under the names of the scan contract, "codes", "ice_warnings", "media", and each
 * other table of the catalogue under its key}. One line, ends with a newline. */
void em_expo_status(const struct em_snapshot *s, struct buf *to);

/* The members of /api/v1/findings: "findings":[..], each with its evidence as an array; the caller writes the braces around. */
void em_expo_findings(const struct em_snapshot *s, struct buf *to);

/* One line of the history of findings, as one JSON object without a newline: the finding's identity, "since" and "ended". */
void em_expo_past_finding(const struct em_finding_row *row, int64_t ended_us, struct buf *to);

/* What `edgemedia scan --json` prints. */
void em_expo_scan(const struct em_scan_result *r, struct buf *to);

/* One failure as one JSON object in one line (scan --failures, failures --json). */
void em_expo_failure(const struct em_failure_row *row, struct buf *to);

/* The same as CSV (RFC 4180): the line of names, then a line for each. No cell is a formula (esc_csv). */
void em_expo_failure_csv_head(struct buf *to);
void em_expo_failure_csv(const struct em_failure_row *row, struct buf *to);

/* One result of a probe as one JSON object in one line. */
void em_expo_probe(const struct em_probe_uri *uri, const struct em_probe_result *r, struct buf *to);

/* A sweep as one JSON object in one line: {"schema_version", "tested", "verdicts", "seconds", "ports_per_second", "exceptions",
 * "retransmits"}, and with payload sharing "bytes" and "stalls". */
void em_expo_sweep(const struct em_sweep *s, bool sharing, struct buf *to);

/* A differential test as one JSON object in one line: {"schema_version", "address", "port", "transport", "rounds", "payloads", "filter",
 * "verdict", "reason", "confidence", "share", "background", "unseen", "hops", "dropped_after", "seconds"}. */
void em_expo_path(const struct em_addr *at, const struct em_path_result *r, struct buf *to);

#endif
