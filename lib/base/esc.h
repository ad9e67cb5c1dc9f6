/* SPDX-License-Identifier: GPL-3.0-or-later
 * Escaping: the only way in which text that came from outside reaches a log, a terminal, JSON, a metric label, HTML or
 * the output of a plugin. Each function appends to a buf. Bytes that are not valid UTF-8 become U+FFFD in all of them.
 */
#ifndef EM_BASE_ESC_H
#define EM_BASE_ESC_H

#include "base/buf.h"
#include "base/slice.h"

/* One line of plain text for logs and terminals: C0, C1 and DEL controls become \xHH, a backslash becomes \\. */
void esc_line(struct buf *b, struct slice s);

/* The same, but a backslash stays: the last safety for a message of which parts were escaped already. */
void esc_controls(struct buf *b, struct slice s);

/* JSON string content, without the quotes (RFC 8259 section 7). */
void esc_json(struct buf *b, struct slice s);

/* OpenMetrics and Prometheus label value, without the quotes: \\ \" \n; other controls become U+FFFD. */
void esc_label(struct buf *b, struct slice s);

/* HTML text and attribute content: & < > " ' as entities, controls as U+FFFD. */
void esc_html(struct buf *b, struct slice s);

/* A whole cell of RFC 4180, in quotes: quotes are doubled, controls become U+FFFD. What a spreadsheet would take for a formula gets an
 * apostrophe in front: it begins with = + - @ or one of their full-width forms, blanks before it left out. */
void esc_csv(struct buf *b, struct slice s);

/* Plugin text (Nagios, Icinga): as esc_line, and '|' becomes '!' because a '|' starts perfdata. */
void esc_plugin(struct buf *b, struct slice s);

/* Escapes with esc_line into a fixed array, cut at its size on a character's edge. For log lines. Returns to. */
const char *esc_line_into(char *to, size_t size, struct slice s);

#endif
