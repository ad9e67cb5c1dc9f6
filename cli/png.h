/* SPDX-License-Identifier: GPL-3.0-or-later
 * An SVG document as a PNG file, for where SVG is not taken: mail, tickets, chats. Through librsvg and cairo, which are loaded for it. */
#ifndef EM_CLI_PNG_H
#define EM_CLI_PNG_H

#include "base/buf.h"
#include "base/err.h"

enum { CLI_PNG_SCALE = 2 }; /* pixels of the PNG for one of the SVG, each way */

/* Appends the PNG, as large as the viewBox times CLI_PNG_SCALE. EM_ERR_UNSUPPORTED: this build or this machine has no librsvg; EM_ERR_INPUT: the SVG cannot be drawn; EM_ERR_MEMORY. */
int cli_png(const struct buf *svg, struct buf *to, struct em_why *why) EM_MUST_CHECK;

#endif
