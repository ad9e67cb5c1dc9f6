/* SPDX-License-Identifier: GPL-3.0-or-later
 * The pieces of HTML files that we write, to be handed on: a file stands alone, loads nothing, has no script, and its own policy forbids both.
 * It is readable in light and dark, and prints. What is `text` here is escaped; titles, headings, captions and notes are ours and are not.
 */
#ifndef EM_EXPO_HTML_H
#define EM_EXPO_HTML_H

#include "base/buf.h"

void em_html_begin(struct buf *to, const char *title, const char *version, int64_t made_us, const char *note);
void em_html_end(struct buf *to);

void em_html_text(struct buf *to, const char *text);

/* A heading, and a table under it. heads: separated by '|'; those of numbers begin with '#'. Rows are the caller's: <tr>, cells, </tr>. */
void em_html_begin_table(struct buf *to, const char *heading, const char *caption, const char *heads);
void em_html_cell(struct buf *to, const char *text);
void em_html_number(struct buf *to, uint64_t n);
void em_html_moment(struct buf *to, int64_t us);
/* A bar as long as n is of `most`; class a, b or c. */
void em_html_bar(struct buf *to, uint64_t n, uint64_t most, char class);
void em_html_end_table(struct buf *to, bool any, const char *none);

#endif
