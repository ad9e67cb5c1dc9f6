/* SPDX-License-Identifier: GPL-3.0-or-later
 * Where the numbers come from. Each source fills the facts that the mode needs, within guard_left_us(), or says in one sentence what
 * was tried, what happened and what to do next. Results:
 *   0                 the facts are there
 *   EM_ERR_TIMEOUT    the target does not answer: silence, refusal, a name that does not resolve (--timeout-result)
 *   other negatives   local failure, wrong credentials, an answer that is not understood: UNKNOWN
 */
#ifndef EM_PLUGINS_SOURCE_H
#define EM_PLUGINS_SOURCE_H

#include "plugins/conf.h"
#include "plugins/facts.h"

int source_snmp(const struct conf *c, struct facts *f, struct em_why *why) EM_MUST_CHECK;
int source_socket(const struct conf *c, struct facts *f, struct em_why *why) EM_MUST_CHECK;
int source_scan(const struct conf *c, struct facts *f, struct em_why *why) EM_MUST_CHECK;
int source_probe(const struct conf *c, struct facts *f, struct em_why *why) EM_MUST_CHECK;

/* The text of /api/v1/status into facts; what source_socket does with the answer. Pure. */
int source_status(const char *text, size_t n, const struct mode_def *mode, struct facts *f,
                  struct em_why *why) EM_MUST_CHECK;

#endif
