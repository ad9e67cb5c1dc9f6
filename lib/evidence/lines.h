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
};

/* *time_us is set (Unix microseconds) when the line carries a full date and time; else it is left alone. */
enum line_kind line_classify(struct slice line, int64_t *time_us);
bool line_begins_record(struct slice line);

bool line_is_sip_start(struct slice line);

/* Length of "Name" when the line has the shape "Name:" or "Name :" of a SIP header, else 0. */
size_t line_header_name(struct slice line);

/* End of the line that begins at p: the first CR or LF before end, or end. */
const char *line_end(const char *p, const char *end);

/* Which lines line_pass() must not pass over, told by their first two bytes. Each is a set of pairs; a line may be more than it looks. */
enum line_look {
    LOOK_NUL = 1 << 0, /* a NUL first */
    LOOK_ODD =
        1
        << 1, /* blank, begins with a blank, or with something that is cleaned away in front of a header's name */
    LOOK_OCS = 1 << 2,      /* "TL", "$$" */
    LOOK_TIME = 1 << 3,     /* two digits */
    LOOK_START = 1 << 4,    /* two of A-Z, _ or -: a method, "SIP/2.0" */
    LOOK_DIAG = 1 << 5,     /* "ms" */
    LOOK_KEY = 1 << 6,      /* Call-ID, CSeq */
    LOOK_KEY_I = 1 << 7,    /* "i:" */
    LOOK_TYPE = 1 << 8,     /* any header with C, since many things look like Content-Type */
    LOOK_D = 1 << 9,        /* Direction, Data */
    LOOK_MESSAGE = 1 << 10, /* Message-Type, Message-Body */
    LOOK_LOG = 1 << 11,     /* LogType */
    LOOK_S = 1 << 12,       /* Start-Line, SIP-Start-Line */
};

/* p is the start of a line. Passes over whole lines that none of the looks is for, as fast as memory comes, and returns the start of
 * the first line that is to be looked at. It may return early: near the end, and at a CR that stands without a LF. */
const char *line_pass(const char *p, const char *end, unsigned looks);

/* RFC 1123 "Mon, 28 Sep 2015 10:00:00 GMT" of a Date header; 0 if it is none. */
int64_t line_rfc1123(struct slice value);

#endif
