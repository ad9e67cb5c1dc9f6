/* SPDX-License-Identifier: GPL-3.0-or-later
 * Messages that were seen on the wire, as text: each behind a line with its time and addresses, as a tracing tool would have printed them, so
 * that trace readers take them. For what is captured (capture.h) and what agents send (hep.h).
 */
#ifndef EM_EVIDENCE_SEEN_H
#define EM_EVIDENCE_SEEN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

enum { SEEN_LINE_MAX = 256 };

/* One direction: addresses and ports, IPv4 in the first four bytes. */
struct seen_way {
    uint8_t from[16], to[16];
    uint16_t from_port, to_port;
    bool v6;
};

bool seen_is_sip(struct slice text); /* begins with a start line, perhaps behind empty lines */
struct slice
seen_message(struct slice text); /* without the empty lines before it, which keep connections alive */

/* The line before the message, its end included; time_us 0 = not known. */
void seen_line(const struct seen_way *way, int64_t time_us, struct buf *to);

#endif
