/* SPDX-License-Identifier: GPL-3.0-or-later
 * Rows of databases in which call failures are recorded: the CDR and QoE databases of Lync and Skype for Business, and whatever a query of
 * somebody's own names its columns like. A row has some of the fields below; which column is which field is told by its name, capitals or not.
 *
 *     LcsCDR ErrorReportView: ErrorTime ErrorReportSeq DialogId MsDiagId MsDiagHeader FromUri ToUri
 *     QoEMetrics MediaLine:   ConferenceDateTime SessionSeq MediaLineLabel CallerIceWarningFlags CalleeIceWarningFlags, DialogID of Dialog
 *
 * Pure.
 */
#ifndef EM_EVIDENCE_SQL_ROW_H
#define EM_EVIDENCE_SQL_ROW_H

#include "evidence/report.h"

/* All but the first are text. */
enum sql_field {
    SQL_FIELD_NONE,
    SQL_FIELD_TIME,    /* UTC */
    SQL_FIELD_SEQ,     /* tells rows of one time apart */
    SQL_FIELD_CALL_ID, /* a Call-ID, or "callid;from-tag;to-tag" */
    SQL_FIELD_CODE,    /* ErrorId: counts when there is no header */
    SQL_FIELD_HEADER,  /* the value of a diagnostics header */
    SQL_FIELD_FROM,    /* who called whom */
    SQL_FIELD_TO,
    SQL_FIELD_MEDIA,      /* MediaLineLabel: 0 audio, 1 video, 2 panoramic video, 3 sharing; or a word */
    SQL_FIELD_CALLER_ICE, /* ICE warnings in any form that em_ice_read() knows */
    SQL_FIELD_CALLEE_ICE,
    SQL_FIELD_MESSAGE, /* a whole SIP message: it says everything, and the others do not count */
    SQL_FIELD_COUNT,
};
enum { SQL_ROW_REPORTS_MAX = 64 }; /* of one row; further ones are left out */

struct sql_row {
    int64_t time_us; /* Unix microseconds; 0: NULL */
    uint32_t has;    /* bits 1u << field: not NULL */
    bool cut;        /* a value was longer than what is taken of one */
    struct slice value[SQL_FIELD_COUNT];
};

/* SQL_FIELD_NONE: no field is called that. */
enum sql_field sql_field_of(struct slice column);
/* The names of a field, for people: "ErrorTime, ConferenceDateTime or time". */
const char *sql_field_names(enum sql_field field);
/* Whether columns (bits) can hold anything that counts. */
bool sql_fields_suffice(uint32_t columns);

static inline bool sql_row_has(const struct sql_row *row, enum sql_field field)
{
    return row->has >> field & 1;
}

/* Emits the reports of a row without a message. false: the row is malformed (no time, a value that is cut, a code or a flag that is no
 * number); what it holds nevertheless was emitted. */
bool sql_row_read(const struct sql_row *row, em_emit_fn emit, void *arg);

#endif
