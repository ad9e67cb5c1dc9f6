/* SPDX-License-Identifier: GPL-3.0-or-later
 * The catalogue: every quantity that a user can see, described once. SNMP, OpenMetrics, JSON, the MIB text and the field
 * reference are loops over these tables; adding a counter is a struct member and a line in catalogue.c.
 *
 * A table with index_n == 0 is a group of scalars: it has exactly one row.
 */
#ifndef EM_MODEL_CATALOGUE_H
#define EM_MODEL_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/names.h"

/* Names are generated into the MIB and must never change their meaning. */
enum em_kind {
    EM_KIND_INDEX, /* uint32_t index member. SNMP Unsigned32 (1..2147483647), not-accessible */
    EM_KIND_TEXT,  /* char[]. SNMP UTF-8 text */
    EM_KIND_ENUM, /* uint32_t from names.h. JSON: the name. TruthValue when names is em_truth_names (JSON true/false) */
    EM_KIND_NUMBER,  /* uint32_t identifier or port. SNMP Unsigned32. JSON number */
    EM_KIND_GAUGE,   /* uint32_t or uint64_t. SNMP Gauge32, capped at its end */
    EM_KIND_COUNTER, /* uint64_t, never falls. SNMP Counter64 */
    EM_KIND_TIME, /* int64_t Unix microseconds. SNMP DateAndTime (11 octets, UTC; 8 zeros when never). JSON RFC 3339 or absent */
    EM_KIND_STAMP, /* int64_t Unix microseconds. SNMP TimeStamp (sysUpTime then). JSON RFC 3339 */
    EM_KIND_ICE, /* uint32_t ICE warning bits. SNMP BITS: bit n of the sum is BITS bit n. JSON "0x8000100" */
};

enum em_field_flags {
    EM_FIELD_ABSENT_IF_ZERO =
        1, /* JSON and metrics leave it out when 0 or empty: a phase that did not happen took no 0 s */
    EM_FIELD_FOREIGN_INDEX = 2, /* an index column that another table defines; `snmp` is its full name */
    EM_FIELD_NO_JSON = 4,
    EM_FIELD_ICE_KNOWN =
        8, /* an EM_KIND_ICE member whose row member ice_known says whether it has a value (JSON null) */
};

struct em_field {
    const char *json;   /* member name = JSON key */
    const char *snmp;   /* object name behind the table's prefix: "Rtt" -> emCheckRtt */
    const char *metric; /* OpenMetrics family without "edgemedia_" and without "_total"; NULL: not a metric */
    const char *
        label; /* with metric: a fixed label, phase="connect"; of a TEXT, the label that carries the text (an info
                              metric, value 1). Without: the row's label of this name (each of the row's metrics
                              carries it) */
    const char *
        unit; /* in words, as the MIB's UNITS: "microseconds"; NULL: a plain number. A metric whose name ends in
                              _seconds over microseconds is divided by 10^6 */
    const char
        *help; /* one or more sentences for the MIB's DESCRIPTION and the metric's HELP (first sentence) */
    const struct em_names *names;
    enum em_kind kind;
    uint8_t subid; /* column or scalar number, from 1; 0 = no SNMP object. Never reused */
    uint8_t flags;
    uint16_t off, size;
};

enum em_table_id {
    EM_T_TOTALS,
    EM_T_WINDOWS,
    EM_T_DAEMON,
    EM_T_EDGE,
    EM_T_CHECK,
    EM_T_RANGE,
    EM_T_EXCEPTION,
    EM_T_SOURCE,
    EM_T_CODE,
    EM_T_ICE,
    EM_T_MEDIA,
    EM_T_PEER,
    EM_T_FAILURE,
    EM_T_FINDING,
    EM_T_EVIDENCE,
    EM_T_FINDING_COUNT,
    EM_T_COUNT
};

struct em_table {
    const char *json; /* key of the array (or of the object, for groups) in /api/v1/status */
    const char *snmp; /* prefix of its objects: "emCheck" -> emCheckTable, emCheckEntry */
    const char *help;
    const struct em_field *fields;
    size_t fields_n, row_size, index_n, max; /* max: rows that a snapshot can hold */
    uint8_t arc;                             /* under the MIB's objects arc; never reused */
};

extern const struct em_table em_catalogue[EM_T_COUNT];

/* Reads. The field's kind must fit. */
uint64_t em_field_number(const struct em_field *f, const void *row);
int64_t em_field_time(const struct em_field *f, const void *row);
const char *em_field_text(const struct em_field *f, const void *row);

/* The table's field of that JSON name, or NULL. */
const struct em_field *em_field_find(const struct em_table *t, const char *json);

#endif
