/* SPDX-License-Identifier: GPL-3.0-or-later
 * What other tools put around the lines of a SIP message, and how to take it away: indents, something before every line (times, processes,
 * Call-IDs), something behind every line (dots, "^M", "#015"), colours, and whole messages escaped into one line.
 *
 * Nothing here knows a tool by its name. A wrapped message is one whose start line stands somewhere in a line; what stands before it
 * must stand before the following lines, too, digits apart. So any log daemon's prefix is understood. Pure functions over lines
 * without their ends.
 */
#ifndef EM_EVIDENCE_WRAP_H
#define EM_EVIDENCE_WRAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum {
    WRAP_LOOK_MAX = 2048,  /* a start line begins and ends in so many bytes of its line */
    WRAP_FRONT_MAX = 1024, /* bytes before it */
};

enum wrap_how {
    WRAP_NOT,
    WRAP_LINES,   /* each line of the message is wrapped the same way */
    WRAP_FIRST,   /* only the first: a quote begins in front of it (a column of a table) */
    WRAP_ONE_LINE /* the line holds the message, its line ends escaped */
};

struct wrap {
    enum wrap_how how;
    size_t front;   /* bytes before the start line, colours apart */
    size_t indent;  /* of them blanks: all of them but a bar */
    bool indented;  /* nothing but blanks, and perhaps a bar, before it: other lines may have less of it */
    uint8_t behind; /* what stands behind each line: an index of the table; 0 = nothing */
    uint8_t escape; /* ONE_LINE: which family */
};

/* Is there a wrapped start line in this line? */
bool wrap_find(struct slice line, struct wrap *w);

/* Takes the wrapping off a line of the message that begins with `first`. false: it does not have it, so it is no line of the message. */
bool wrap_strip(const struct wrap *w, struct slice first, struct slice *line);

/* Appends the message without its wrapping, lines ended by LF: text goes from its first line on. */
void wrap_clean(const struct wrap *w, struct slice text, struct buf *to);

/* Appends the lines that are escaped in this one, from the start line on. */
void wrap_unescape(const struct wrap *w, struct slice line, struct buf *to);

/* Colour codes off both ends. */
struct slice wrap_without_colours(struct slice line);

/* A line that a tool writes before or behind a message, and that no header looks like. */
bool wrap_is_frame(struct slice line);

/* Where in the line a date may begin that the tool wrote in front of it: SIZE_MAX = nowhere. */
size_t wrap_date_at(struct slice line);

#endif
