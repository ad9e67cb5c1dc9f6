/* SPDX-License-Identifier: GPL-3.0-or-later
 * The headers of one message that matter to a report. Pure: a slice in, slices of it out. Read only for the few messages that carry a
 * diagnostics header; the reader passes over all others with a look at each line's first bytes.
 */
#ifndef EM_EVIDENCE_HEADERS_H
#define EM_EVIDENCE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum {
    HEADERS_DIAGS_MAX = 16
}; /* diagnostics headers of one message; further ones are left out and `too_many` set */

struct headers {
    struct slice call_id, cseq, from, to, date; /* trimmed; empty = absent; the first instance counts */
    struct slice diag[HEADERS_DIAGS_MAX];       /* raw values, folded lines included: em_diag_clean() them */
    size_t diag_n;
    bool too_many;
};

/* text: from the message's first line to the end of its headers, blank lines in between passed over. record: an OCSLogger record, whose
 * diagnostic records name their headers differently (SIP-Call-ID, Data). */
void headers_read(struct slice text, bool record, struct headers *h);

/* Can this line begin a diagnostics header? Cheap: a look at the first bytes. */
bool headers_may_be_diag(struct slice line);

#endif
