/* SPDX-License-Identifier: GPL-3.0-or-later
 * The events that a manager is told about by itself: pairs of an SNMP notification that raises an alarm and one that clears it. A pair is
 * about the rows of one table of the catalogue; what goes with it are fields of that row, taken as a GET takes them. The MIB, what is
 * sent and the documentation are loops over this table.
 */
#ifndef EM_MODEL_EVENTS_H
#define EM_MODEL_EVENTS_H

#include "model/catalogue.h"
#include "model/rows.h"

enum { EM_EVENT_FIELDS_MAX = 10 };

/* As one observation has it. Unknown changes nothing: what was raised stays raised. */
enum em_event_state { EM_EVENT_UNKNOWN, EM_EVENT_GOOD, EM_EVENT_BAD };

struct em_event_kind {
    const char *raise, *clear; /* names in the MIB, without "em" */
    uint8_t arc; /* of raise below the MIB's notifications arc; clear is the next one. Never reused */
    enum em_table_id table;
    const char *fields[EM_EVENT_FIELDS_MAX + 1]; /* JSON names; NULL ends the list */
    const char *raise_help, *clear_help;         /* what each means */
    const char *advice;                          /* what to do about a raised one */
    enum em_event_state (*state)(const void *row);
    void (*gone)(
        void *row); /* what is left of a row that is no longer there, for the clearing one; NULL: as it was */
};

enum em_event_id {
    EM_EVENT_CHECK,
    EM_EVENT_RANGE,
    EM_EVENT_RATE,
    EM_EVENT_FINDING,
    EM_EVENT_SOURCE,
    EM_EVENT_COUNT
};
extern const struct em_event_kind em_events[EM_EVENT_COUNT];

#endif
