/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a line of a trace is: pure functions over one line without its end.
 */
#ifndef EM_EVIDENCE_LINES_H
#define EM_EVIDENCE_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum line_kind {
    LINE_OTHER,
    LINE_SIP_START, /* "METHOD uri SIP/2.0" or "SIP/2.0 code phrase" */
    LINE_OCS_HEAD,  /* "TL_INFO(TF_PROTOCOL) [..]..::MM/DD/YYYY-.." */
    LINE_OCS_BEGIN, /* "$$begin_record" alone; a head line can carry it at its end: see line_begins_record() */
    LINE_OCS_END,   /* "$$end_record" */
    LINE_UCC_PACKET, /* UCCAPI: a packet's text follows */
    LINE_UCC_OTHER,  /* any other UCCAPI line, the end of a packet included */
    LINE_WRAPPED,    /* a start line in a wrapping: wrap.h, as the next */
    LINE_FRAME,      /* what a tool writes before or behind a message */
};

/* *time_us is set (Unix microseconds) when the line carries a full date and time; else it is left alone. */
enum line_kind line_classify(struct slice line, int64_t *time_us);
bool line_begins_record(struct slice line);

/* A line that ends whatever was before it and carries its own time: a reader that begins with it says of what follows the same as one that
 * has read everything before it. */
bool line_is_fresh_start(struct slice line);

bool line_is_sip_start(struct slice line);

/* Length of "Name" when the line has the shape "Name:" or "Name :" of a SIP header, else 0. */
size_t line_header_name(struct slice line);

/* End of the line that begins at p: the first CR or LF before end, or end. */
const char *line_end(const char *p, const char *end);

/* RFC 1123 "Mon, 28 Sep 2015 10:00:00 GMT" of a Date header; 0 if it is none. */
int64_t line_rfc1123(struct slice value);

#endif
