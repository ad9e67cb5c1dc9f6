/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the plugin has to say, and its one exit. Judging adds parts (a state and a phrase), perfdata and details; report_exit prints
 *
 *     EDGE MEDIA WARNING - phrases of the worst parts | perfdata
 *     details, one a line (with -v)
 *
 * in one write (with --output-format=json, one JSON object) and ends the process with the worst state. Phrases may hold text from the network: everything is escaped here, so
 * that the only '|' is the one before the perfdata and a line break in a reason makes no second line.
 */
#ifndef EM_PLUGINS_REPORT_H
#define EM_PLUGINS_REPORT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "plugins/perf.h"
#include "plugins/state.h"

enum {
    REPORT_PARTS_MAX = 64,
    REPORT_PHRASE_MAX = 400,
    REPORT_LINE_MAX = 79, /* characters of the first line before the perfdata, with one problem */
    REPORT_LONG_MAX =
        240, /* ... with several; and for failures of the plugin's own, which say what to do next */
    REPORT_FIRST_MAX = 1000, /* the whole first line, as far as it can be chosen: NRPE 2 cuts at 1 KiB */
    REPORT_DETAILS_MAX = 48 * 1024
};

struct report {
    enum state worst;
    struct {
        enum state state;
        char phrase[REPORT_PHRASE_MAX]; /* escaped */
    } parts[REPORT_PARTS_MAX];
    size_t parts_n;
    struct perf perf;
    struct buf details; /* escaped lines, each ended by a newline */
    bool several;       /* one phrase stands for several problems: the line may be longer */
    bool failed;        /* a failure of the plugin itself: the line may be long */
    bool json;          /* report_exit prints report_json in place of report_text; kept by report_fail */
};

void report_init(struct report *r);
void report_fini(struct report *r);

/* One phrase. Parts beyond REPORT_PARTS_MAX change the state and are counted only by their state. */
void report_add(struct report *r, enum state s, const char *fmt, ...) EM_PRINTF(3, 4);

/* One line of details; lines that do not fit any more are left out. */
void report_detail(struct report *r, const char *fmt, ...) EM_PRINTF(2, 3);

/* Forgets everything and says only this: no answer, bad arguments, no memory. What is foreign in a sentence of why has been escaped with
 * esc_line by whoever wrote it; only '|' is left to be replaced. */
void report_fail(struct report *r, enum state s, const struct em_why *why);

/* The text that report_exit prints. verbose 0: the first line only. */
void report_text(const struct report *r, uint32_t verbose, struct buf *to);

/* The same as one JSON object on one line, all details included:
 *     {"schema_version":1,"state":"WARNING","exit_code":1,"summary":"...","problems":[{"state":"WARNING","text":"..."}],
 *      "details":["..."],"perfdata":[{"label":"code23","value":3,"unit":"","warning":"0","critical":"5"}]} */
void report_json(const struct report *r, struct buf *to);

void report_exit(const struct report *r, uint32_t verbose) __attribute__((noreturn));

/* Writes all of it to standard output, whatever becomes of it, and exits. Also for --help. */
void report_print_exit(struct buf *text, enum state s) __attribute__((noreturn));

#endif
