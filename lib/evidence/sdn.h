/* SPDX-License-Identifier: GPL-3.0-or-later
 * Messages of the Skype for Business SDN Interface, which its SDN Manager posts to subscribers: one XML document each, of schema versions 1.0 and
 * A to D. Errors, and the ends of calls, carry diagnostics as they stand in SIP, without a header's name:
 *
 *     LyncDiagnostics@Version
 *         ConnectionInfo / CallId, CSEQ, TimeStamp
 *         Error@Type, Ended@Type / From, To, Properties / MSDiagnostics, MSDiagnosticsClient, MSDiagnosticsPublic
 *
 * Versions differ in what else is there: unknown elements, and unknown versions, are passed over.
 */
#ifndef EM_EVIDENCE_SDN_H
#define EM_EVIDENCE_SDN_H

#include "evidence/report.h"
#include "evidence/xml.h"

enum {
    SDN_TEXT_MAX = 512,   /* of a value; longer ones are cut */
    SDN_REPORTS_MAX = 64, /* of a document; further ones are left out */
};

/* What kind of document it is. Known by its root element. */
enum sdn_kind { SDN_OTHER, SDN_MESSAGE, SDN_QOE };
struct sdn {
    enum sdn_kind kind;
    enum xml_ending ending;
    uint32_t reports; /* that were emitted */
    char version[16]; /* as it is written; "" = not told */
};

/* Reads what was posted: a message of the SDN Interface or a QoE report (qoe.h). Its reports are emitted when all of it was read, so that
 * it does not matter in which order it says them; what is cut off or broken yields what it holds. */
void sdn_read(struct slice document, em_emit_fn emit, void *arg, struct sdn *result);

#endif
