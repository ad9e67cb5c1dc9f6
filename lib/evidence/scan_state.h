/* SPDX-License-Identifier: GPL-3.0-or-later
 * The inside of a scan: what scan.c (counting), scan_file.c (reading) and scan_jobs.c (several processes) share.
 */
#ifndef EM_EVIDENCE_SCAN_STATE_H
#define EM_EVIDENCE_SCAN_STATE_H

#include <stdio.h>

#include "base/hash.h"
#include "evidence/hashtab.h"
#include "evidence/report.h"
#include "evidence/scan.h"

enum { SCAN_READ_SIZE = 128 * 1024 }; /* at a time; stays in the second-level cache */

struct em_scan {
    em_scan_failure_fn failure;
    void *arg;
    const char *name; /* of the file being read */
    struct em_hash_key key;
    int64_t since, until; /* times of reports that count; since <= time < until */
    bool windowed;
    struct hashtab calls;   /* struct em_call_state */
    struct hashtab codes;   /* of calls; uint32_t: the code */
    struct hashtab reports; /* no values */
    uint64_t code_key;      /* of the failure that is being told: its member of codes */
    struct em_scan_result result;
    int err; /* from within scan_report() */
    char bytes[SCAN_READ_SIZE];
    char unpacked[SCAN_READ_SIZE]; /* of a compressed file, until the encoding is known */
};

/* One report, for em_reader_new(). */
void scan_report(void *scan, const struct em_report *report);

/* One failure that another process found first: counts it and tells it, unless it was told before. */
int scan_join_failure(struct em_scan *s, uint64_t code_key, const struct em_failure_row *row) EM_MUST_CHECK;

/* All that s has counted, into a file, and from a file into s: the totals are then as if s had counted it. load: EM_ERR_CORRUPT when the file
 * is not whole. */
int scan_save(const struct em_scan *s, FILE *to) EM_MUST_CHECK;
int scan_load(struct em_scan *s, FILE *from) EM_MUST_CHECK;

/* The bytes [from, to) of a file that fd is. from: 0, or a place that scan_split() gave; to: the same, or UINT64_MAX: to the end. */
struct scan_range {
    const char *name;
    uint64_t from, to;
};
int scan_range(struct em_scan *s, int fd, const struct scan_range *range,
               bool (*progress)(void *arg, uint64_t bytes), void *arg, struct em_why *why) EM_MUST_CHECK;

/* Bytes of a part of a file that is read by several processes, at least; tests make it small. */
extern uint64_t scan_part_min;

/* The first place at or behind `at` where a reader can begin anew, or UINT64_MAX: none near. Only for a file that scan_can_split(). */
uint64_t scan_split(int fd, uint64_t at);
bool scan_can_split(int fd); /* a regular file of bytes that are text */

#endif
