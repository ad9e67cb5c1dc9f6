/* SPDX-License-Identifier: GPL-3.0-or-later
 * Diagnostics headers: ms-client-diagnostics, ms-diagnostics, ms-diagnostics-public ([MS-OCER]), in the forms in which they stand in
 * messages and in every damaged form in which they reach logs, mails and web pages.
 *
 *     name: ErrorId[.SubCode] ; [source=".."] ; reason="..." *( ; name=value )
 *
 * Pure. em_diag_clean() copies a raw value into the caller's buffer without quotes that typographers made, colour codes, HTML tags,
 * markdown and line ends; em_diag_next() then reads reports off it, one for each header that a proxy joined with commas.
 */
#ifndef EM_EVIDENCE_DIAG_H
#define EM_EVIDENCE_DIAG_H

#include "base/buf.h"
#include "evidence/report.h"

enum { EM_DIAG_VALUE_MAX = 16 * 1024 }; /* a cleaned value; the rest is cut */

/* Is this line a diagnostics header? Then *value is what follows the colon. Look-alikes (x-ms-diagnostics ...) are not. Blanks, colour
 * codes and markdown before and around the name are passed over. */
bool em_diag_header(struct slice line, struct slice *value);

/* Appends the cleaned form of raw to `to` and returns it as a slice into `to` (valid until the next write). */
struct slice em_diag_clean(struct slice raw, struct buf *to);

/* The kind of media that a word means. */
enum em_media em_diag_media(struct slice word);

/* Reads one report off a cleaned value: code, reason, media. The members of the message around it are left alone. false: there is none
 * (any more). */
bool em_diag_next(struct slice *value, struct em_report *r);

#endif
