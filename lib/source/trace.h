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

#include "source/source.h"

enum { EM_TRACE_TURN_BYTES = 256 * 1024, EM_TRACE_FILES_MAX = 1000 };
#define EM_TRACE_UNPACKED_MAX                                                                                \
    (UINT64_C(64) << 30) /* bytes of text of one compressed file; see evidence/unpack.h for others */

/* Its em_source_kind.start takes path and from_start of the configuration; the source is a struct em_trace (source/follow.h). */
extern const struct em_source_kind em_trace_kind;

#endif
