/* SPDX-License-Identifier: GPL-3.0-or-later
 * A source that asks a database, again and again: the CDR and QoE databases of Lync and Skype for Business, or any query.
 *
 * A worker process of its own has the connection (sql_wire.h); it is killed when it does not answer in time, and the next one connects anew.
 * What is asked for is in the order of its time and begins `overlap` before the newest row there was, so that rows which reach the
 * database late are read, too; those that come again by it are known by their hashes (em_intake_seen) and do nothing. A row that changed since
 * counts anew: of a call that is known already, only what is new in it.
 *
 * Pages follow each other by time, with the last milliseconds of the page before read once more: `datetime` of SQL Server counts in 1/300 s, which
 * drivers round, so "the same time" cannot be asked for exactly, and what tells rows of one time apart (ErrorReportSeq) is part of the hash.
 */
#ifndef EM_SOURCE_SQL_H
#define EM_SOURCE_SQL_H

#include "source/source.h"

enum {
    EM_SQL_PAGE = 1000, /* rows of an answer unless configured */
    EM_SQL_SLACK_US = 10 * 1000,
    EM_SQL_GRACE_US = 5 * 1000 * 1000, /* the driver has so long beyond `timeout` to give up itself */
    EM_SQL_BACKOFF_MIN_US = 1000 * 1000,
    EM_SQL_BACKOFF_MAX_US = 300 * 1000 * 1000,
};

extern const struct em_source_kind em_sql_kind;

/* For em_source_check(). */
int em_sql_source_check(struct em_source_conf *conf, const char **option, struct em_why *why) EM_MUST_CHECK;

/* What is asked: the preset's, or the configured one. */
const char *em_sql_query(const struct em_source_conf *conf);

#endif
