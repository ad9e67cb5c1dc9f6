/* SPDX-License-Identifier: GPL-3.0-or-later
 * Rows of databases as reports; see sql_row.h. */
#include "evidence/sql_row.h"

#include "evidence/diag.h"
#include "evidence/ice.h"

static const struct {
    enum sql_field field;
    struct slice names[3];
    const char *text;
} fields[] = {
    { SQL_FIELD_TIME,
      { { "ErrorTime", 9 }, { "ConferenceDateTime", 18 }, { "time", 4 } },
      "ErrorTime, ConferenceDateTime or time" },
    { SQL_FIELD_SEQ,
      { { "ErrorReportSeq", 14 }, { "SessionSeq", 10 }, { "seq", 3 } },
      "ErrorReportSeq, SessionSeq or seq" },
    { SQL_FIELD_CALL_ID, { { "DialogId", 8 }, { "call_id", 7 } }, "DialogId or call_id" },
    { SQL_FIELD_CODE, { { "MsDiagId", 8 }, { "code", 4 } }, "MsDiagId or code" },
    { SQL_FIELD_HEADER, { { "MsDiagHeader", 12 }, { "header", 6 } }, "MsDiagHeader or header" },
    { SQL_FIELD_FROM, { { "FromUri", 7 }, { "from_uri", 8 } }, "FromUri or from_uri" },
    { SQL_FIELD_TO, { { "ToUri", 5 }, { "to_uri", 6 } }, "ToUri or to_uri" },
    { SQL_FIELD_MEDIA, { { "MediaLineLabel", 14 }, { "media", 5 } }, "MediaLineLabel or media" },
    { SQL_FIELD_CALLER_ICE,
      { { "CallerIceWarningFlags", 21 }, { "caller_ice", 10 } },
      "CallerIceWarningFlags or caller_ice" },
    { SQL_FIELD_CALLEE_ICE,
      { { "CalleeIceWarningFlags", 21 }, { "callee_ice", 10 } },
      "CalleeIceWarningFlags or callee_ice" },
    { SQL_FIELD_MESSAGE, { { "message", 7 } }, "message" },
};

enum sql_field sql_field_of(struct slice column)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (size_t k = 0; k < sizeof fields->names / sizeof *fields->names && fields[i].names[k].n > 0; k++)
            if (slice_eq_nocase(column, fields[i].names[k]))
                return fields[i].field;
    return SQL_FIELD_NONE;
}

const char *sql_field_names(enum sql_field field)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].field == field)
            return fields[i].text;
    return "";
}

bool sql_fields_suffice(uint32_t columns)
{
    static const enum sql_field any[] = { SQL_FIELD_HEADER, SQL_FIELD_CODE, SQL_FIELD_CALLER_ICE,
                                          SQL_FIELD_CALLEE_ICE, SQL_FIELD_MESSAGE };

    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        if (columns >> any[i] & 1)
            return true;
    return false;
}

/* --- a row --------------------------------------------------------------------------------------------------------- */

static enum em_media medium_of(const struct sql_row *row)
{
    static const enum em_media labels[] = { EM_MEDIA_AUDIO, EM_MEDIA_VIDEO, EM_MEDIA_PANORAMIC_VIDEO,
                                            EM_MEDIA_APPLICATION_SHARING };
    struct slice text = slice_trim(row->value[SQL_FIELD_MEDIA]), digits = text;
    uint32_t label;

    if (!sql_row_has(row, SQL_FIELD_MEDIA))
        return EM_MEDIA_UNKNOWN;
    if (slice_u32(&digits, sizeof labels / sizeof *labels - 1, &label) && digits.n == 0)
        return labels[label];
    return em_diag_media(text);
}

/* What the flags of both sides say. */
static bool add_flags(const struct sql_row *row, struct em_report *r)
{
    static const struct {
        enum sql_field field;
        enum em_side side;
    } sides[] = { { SQL_FIELD_CALLER_ICE, EM_SIDE_CALLER }, { SQL_FIELD_CALLEE_ICE, EM_SIDE_CALLEE } };
    bool good = true;

    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct em_report_media m = { .side = sides[i].side, .media = medium_of(row), .ice_known = true };

        if (!sql_row_has(row, sides[i].field))
            continue;
        if (em_ice_read(slice_trim(row->value[sides[i].field]), &m.ice))
            r->media[r->media_n++] = m;
        else
            good = false;
    }
    return good;
}

/* A header that names no media is completed by the columns. */
static bool tell(const struct sql_row *row, struct em_report *r, em_emit_fn emit, void *arg)
{
    enum em_media medium = medium_of(row);
    bool good = r->media_n > 0 || add_flags(row, r);

    if (r->media_n == 0 && medium != EM_MEDIA_UNKNOWN)
        r->media[r->media_n++] = (struct em_report_media) { .side = EM_SIDE_UNKNOWN, .media = medium };
    emit(arg, r);
    return good;
}

static struct em_report around(const struct sql_row *row)
{
    struct slice id = slice_trim(row->value[SQL_FIELD_CALL_ID]), head;

    if (slice_until(&id, ';', &head)) /* the tags of a dialog */
        id = head;
    return (struct em_report) { .format = EM_FORMAT_ROW,
                                .call_id = id,
                                .from = slice_trim(row->value[SQL_FIELD_FROM]),
                                .to = slice_trim(row->value[SQL_FIELD_TO]),
                                .time_us = row->time_us };
}

static bool read_header(const struct sql_row *row, em_emit_fn emit, void *arg, size_t *told)
{
    struct em_report r = around(row);
    struct buf scratch = buf_heap(EM_DIAG_VALUE_MAX + 64);
    struct slice value = em_diag_clean(row->value[SQL_FIELD_HEADER], &scratch);
    bool good = true;

    while (*told < SQL_ROW_REPORTS_MAX && em_diag_next(&value, &r)) {
        good = tell(row, &r, emit, arg) && good;
        ++*told;
    }
    buf_fini(&scratch);
    return good;
}

static bool read_code(const struct sql_row *row, em_emit_fn emit, void *arg)
{
    struct slice digits = slice_trim(row->value[SQL_FIELD_CODE]);
    struct em_report r = around(row);

    if (!slice_u32(&digits, UINT32_MAX, &r.code) || digits.n > 0)
        return false;
    return tell(row, &r, emit, arg);
}

static bool read_flags(const struct sql_row *row, em_emit_fn emit, void *arg)
{
    struct em_report r = around(row);
    bool good = add_flags(row, &r);

    r.no_code = true;
    if (r.media_n > 0)
        emit(arg, &r);
    return good;
}

bool sql_row_read(const struct sql_row *row, em_emit_fn emit, void *arg)
{
    bool good = row->time_us != 0 && !row->cut;
    size_t told = 0;

    if (sql_row_has(row, SQL_FIELD_HEADER))
        good = read_header(row, emit, arg, &told) && good;
    if (told > 0)
        return good;
    if (sql_row_has(row, SQL_FIELD_CODE))
        return read_code(row, emit, arg) && good;
    return read_flags(row, emit, arg) && good;
}
