/* SPDX-License-Identifier: GPL-3.0-or-later
 * The definitions of what is counted, once, for the scan in memory and for the store on disk.
 *
 * A call is all reports with one Call-ID. Whoever keeps the calls (a hash set, a database) looks the call up, tells this
 * module what was known of it, and gets back what the report adds. A call counts once for each code, each ICE bit, each
 * kind of media, and once for each of the named counters, whenever the report comes that completes the condition.
 */
#ifndef EM_EVIDENCE_COUNT_H
#define EM_EVIDENCE_COUNT_H

#include "evidence/report.h"
#include "model/rows.h"

/* What is remembered of one call besides the list of its codes. All zero = a new call. */
struct em_call_state {
    uint32_t ice;   /* union of the bits seen */
    uint32_t media; /* set of enum em_media, bit value - 1: media named by reports of media failures */
    bool known;     /* the call is not new */
    bool code_23, media_failed;
};

/* What one report adds to the counters. */
struct em_count_delta {
    bool report, unkeyed, duplicate, call; /* report: not told before; call: first report of this Call-ID */
    bool code;                             /* first report of this code in this call */
    bool media_failure, code_23, tcp_nat_check, code_23_tcp_nat;
    uint32_t ice;   /* bits that are new to this call */
    uint32_t media; /* media that are new to this call's failure */
};

/* new_code: the call has no report of r->code yet. duplicate: em_report_key(r) was seen. Updates *call. An unkeyed report
 * (no Call-ID) needs no call: pass NULL. */
struct em_count_delta em_count_report(const struct em_report *r, struct em_call_state *call, bool new_code,
                                      bool duplicate);

/* Joins what two places know of the same call: *call becomes the union, and what `more` adds comes back (report, duplicate and code are
 * not set: they are not known of a call). Calls that were counted apart are counted together so. */
struct em_count_delta em_count_join(struct em_call_state *call, const struct em_call_state *more);

/* Adds to the totals (reports and duplicates included). Per-code, per-bit and per-media counters are the caller's arrays. */
void em_count_add(struct em_totals *t, const struct em_count_delta *d);

/* What is known of the codes: ascending, without overlaps. */
struct em_code_range {
    uint32_t first, last;
    enum em_code_class class;
    const char *meaning; /* one sentence */
};
extern const struct em_code_range em_code_ranges[]; /* codes with a meaning of their own */
extern const struct em_code_range
    em_code_components[]; /* [MS-OCER]: what all other codes of a component have in common */
extern const size_t em_code_ranges_n, em_code_components_n;

enum em_code_class em_code_class(uint32_t code);
const char *em_code_meaning(uint32_t code); /* one sentence; a general one for unknown codes */

/* The codes that have a row from the start, in ascending order. */
extern const uint32_t em_codes_known[];
extern const size_t em_codes_known_n;

#endif
