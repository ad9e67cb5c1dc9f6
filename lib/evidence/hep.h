/* SPDX-License-Identifier: GPL-3.0-or-later
 * HEP, the Homer Encapsulation Protocol (EEP), version 3: what capture agents (Kamailio, OpenSIPS, FreeSWITCH, heplify) send of each
 * message that they see. Pure: nothing is copied, the slices of a packet point into the bytes that were read.
 *
 *     "HEP3"  total length(2, these six included)  chunks
 *     chunk:  vendor(2)  type(2)  length(2, these six included)  value
 *
 * Source: the HEP/EEP network protocol specification, revision 36, of the SIPCAPTURE project. All numbers are big-endian. Chunks of other
 * vendors and unknown types are passed over. Versions 1 and 2 are recognised and refused: they say nothing of what they carry.
 */
#ifndef EM_EVIDENCE_HEP_H
#define EM_EVIDENCE_HEP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"
#include "evidence/seen.h"

enum {
    HEP_MAX = 65535, /* bytes of a packet; its length has 16 bits */
    HEP_HEADER = 6,
    HEP_PROTOCOL_SIP = 1,
    HEP_AUTH_MAX = 128, /* of the key that agents show */
};

/* Why a packet is none that can be read. */
enum hep_fault {
    HEP_FINE,
    HEP_TOO_SHORT,   /* not even a header */
    HEP_OLD,         /* version 1 or 2 */
    HEP_FOREIGN,     /* begins otherwise */
    HEP_LENGTH,      /* its length is not that of the bytes, or less than its header */
    HEP_CHUNK,       /* a chunk reaches out of it, or is too small for its type */
    HEP_NO_PROTOCOL, /* it does not say what it carries */
    HEP_COMPRESSED,  /* its payload is there in compressed form only */
};

struct hep {
    struct seen_way way;  /* what is not told is zero */
    int64_t time_us;      /* Unix microseconds; 0 = not told */
    uint8_t protocol;     /* of the payload: HEP_PROTOCOL_SIP, or one that is of no use here */
    uint32_t agent;       /* number of the capture agent; 0 = not told */
    struct slice key;     /* what the agent shows to be let in; empty = none */
    struct slice payload; /* empty = none: keep-alives have none */
};

/* In a stream: how long the packet is that begins so: > 0 bytes, 0 = more are needed to know, -1 = it is none (*why is set). */
int hep_length(const void *bytes, size_t n, enum hep_fault *why);

/* Reads one packet, which is all of the bytes. */
enum hep_fault hep_read(const void *bytes, size_t n, struct hep *h);

/* What to tell a person of a fault: "it is HEP of version 1 or 2; let the agent send version 3". */
const char *hep_fault_text(enum hep_fault fault);

/* The packet's message as a line with its time and addresses and then its text, as trace readers take it. Nothing is written when it carries
 * no SIP; false: it does, but what it calls SIP has no start line. */
bool hep_text(const struct hep *h, struct buf *to);

#endif
