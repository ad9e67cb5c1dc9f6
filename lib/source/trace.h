/* SPDX-License-Identifier: GPL-3.0-or-later
 * A trace source: follows log files that match patterns, as they grow, are rotated by rename or by copy and truncate, vanish and
 * appear, and brings their reports into the store, each batch in one transaction with the position behind it.
 *
 * At most EM_TRACE_FILES_MAX files are followed: when more match, those that changed last, and the row's error says so.
 *
 * Work per turn of the loop is bounded (EM_TRACE_TURN_BYTES); the rest follows in the next turns. A database that cannot be written
 * (full, read-only) stops reading with state failed and is tried again; nothing is lost and nothing counted twice.
 */
#ifndef EM_SOURCE_TRACE_H
#define EM_SOURCE_TRACE_H

#include "net/net.h"
#include "store/store.h"

enum { EM_TRACE_TURN_BYTES = 256 * 1024, EM_TRACE_FILES_MAX = 1000, EM_TRACE_PATTERNS_MAX = 16 };

struct em_trace_conf {
    const char *name;
    const char *const *patterns; /* glob(7) patterns of absolute paths */
    size_t patterns_n;
    bool from_start; /* at the very first start, read what the files hold already */
};

struct em_trace;

/* changed is called after each commit that brought something (and when the state changes), so that a new snapshot can be made. The
 * strings of conf are copied. */
int em_trace_start(struct em_net *net, struct em_store *store, uint32_t source,
                   const struct em_trace_conf *conf, void (*changed)(void *arg), void *arg,
                   struct em_trace **trace, struct em_why *why) EM_MUST_CHECK;
void em_trace_stop(struct em_trace *t); /* NULL is fine */

/* Why reading has stopped until the database can be written again; "": it goes on. */
const char *em_trace_failure(const struct em_trace *t);

/* Fills state, error, files, lag, location of the row; the counters come from the store. */
void em_trace_row(const struct em_trace *t, struct em_source_row *row);

#endif
