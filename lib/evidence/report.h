/* SPDX-License-Identifier: GPL-3.0-or-later
 * A report: one diagnostics header (or its equivalent) as a reader found it, and the sets that one header can name.
 *
 * All slices point into the reader's own memory and are valid only during the emit call; who keeps something copies it.
 * They are text from strangers: escape before showing (base/esc.h).
 */
#ifndef EM_EVIDENCE_REPORT_H
#define EM_EVIDENCE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "model/rows.h"

/* One media blob of a header: CalleeMediaDebug="audio:ICEWarn=..,.." or the parameter form. */
enum { EM_REPORT_MEDIA_MAX = 8 };
struct em_report_media {
    enum em_side side;
    enum em_media media;
    bool ice_known; /* a missing ICEWarn is unknown, never 0 */
    uint32_t ice;
    struct slice local_relay, remote_relay; /* LocalMR, RemoteMR: "a:p" as written; empty when absent */
    struct slice local_site, remote_site;
};

struct em_report {
    uint32_t code;       /* the whole ErrorId */
    bool no_code;        /* a QoE report, which carries ICE warnings only; code is 0 and counts for nothing */
    struct slice header; /* the header's value from the code on */
    struct slice reason; /* without quotes; empty when absent */
    struct em_report_media media[EM_REPORT_MEDIA_MAX];
    uint32_t media_n; /* 0: the header names no media */

    /* From the message around it. */
    bool again;           /* told before, when its message had paused: only what is new in it counts */
    struct slice call_id; /* empty: unkeyed */
    struct slice cseq, from, to;
    int64_t time_us; /* Unix microseconds; 0: the text has no usable time */
    enum em_format format;
    uint64_t offset; /* of the message's first byte in the input (decoded formats: in the raw file) */
};

typedef void (*em_emit_fn)(void *arg, const struct em_report *r);

/* Union over the blobs. */
uint32_t em_report_ice(const struct em_report *r, bool *known);

/* Key of what makes two reports duplicates: call, code, and every (side, media, ICE value). */
uint64_t em_report_key(const struct em_report *r);

/* Fills the row that `failures` and recent-failure show; source and file are the caller's. Text is cut, not escaped. */
void em_report_row(const struct em_report *r, struct em_failure_row *row);

#endif
