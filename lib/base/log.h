/* SPDX-License-Identifier: GPL-3.0-or-later
 * Log lines: one line, one event, on standard error. Under systemd (JOURNAL_STREAM set) each line begins with its
 * "<priority>", otherwise with the time in UTC.
 *
 * Levels: error = a person must act; warning = degraded; info = the state changed; debug = everything else.
 * Write the sentence first, then key=value pairs. Text from outside goes through EM_LOG_TEXT(slice). May be called from
 * both threads: a line is one write(2).
 */
#ifndef EM_BASE_LOG_H
#define EM_BASE_LOG_H

#include "base/err.h"
#include "base/esc.h"

enum em_log_level { EM_LOG_ERROR, EM_LOG_WARNING, EM_LOG_INFO, EM_LOG_DEBUG };

#define EM_LOG_LINE_MAX 1024

/* Lines above this level are dropped. Default: EM_LOG_INFO. Set it before the second thread starts. */
void em_log_set_level(enum em_log_level level);
enum em_log_level em_log_level(void);

/* From now on lines go to syslog(3), facility daemon, for a process without a terminal. ident must live as long as the process. */
void em_log_to_syslog(const char *ident);

void em_log(enum em_log_level level, const char *fmt, ...) EM_PRINTF(2, 3);

#define em_log_error(...) em_log(EM_LOG_ERROR, __VA_ARGS__)
#define em_log_warning(...) em_log(EM_LOG_WARNING, __VA_ARGS__)
#define em_log_info(...) em_log(EM_LOG_INFO, __VA_ARGS__)
#define em_log_debug(...) em_log(EM_LOG_DEBUG, __VA_ARGS__)

/* For "%s": a slice escaped into a compound literal of 256 bytes that lives as long as the enclosing block. */
#define EM_LOG_TEXT(s) esc_line_into((char[256]) { 0 }, 256, (s))

#endif
