/* SPDX-License-Identifier: GPL-3.0-or-later
 * QoE reports: the XML that clients send at the end of a call ([MS-QoE], application/vq-rtcpxr+xml). It carries ICE warnings for each
 * medium and never a diagnostics code, so it becomes a report without one, tied to its call by the Call-ID.
 */
#ifndef EM_EVIDENCE_QOE_H
#define EM_EVIDENCE_QOE_H

#include "evidence/report.h"
#include "evidence/xml.h"

enum {
    QOE_MAX = XML_DOCUMENT_MAX,
    QOE_TEXT_MAX = 512, /* of a value */
};

/* Where in the line a report begins: at the '<' of its root element. SIZE_MAX: nowhere. */
size_t qoe_begins(struct slice line);

/* Where the line's report ends: behind its closing tag. SIZE_MAX: it goes on. */
size_t qoe_ends(struct slice line);

/* What a document tells, whole or cut off; values whose end is not there do not count. Entities and document types are refused: reading ends
 * there. */
struct qoe {
    char call_id[QOE_TEXT_MAX], from[QOE_TEXT_MAX], to[QOE_TEXT_MAX];
    int64_t time_us; /* of the session's end; 0 = not told */
    enum em_side side;
    struct em_report_media media[EM_REPORT_MEDIA_MAX]; /* without slices */
    uint32_t media_n;
};

/* false: it holds no ICE warning, so there is nothing to report. */
bool qoe_read(struct slice text, struct qoe *q);

/* The same, for who wants to know how it ended. *any: it holds an ICE warning. */
enum xml_ending qoe_parse(struct slice text, struct qoe *q, bool *any);

/* Fills r as the report of q; its slices point into q. */
void qoe_report(const struct qoe *q, struct em_report *r);

#endif
