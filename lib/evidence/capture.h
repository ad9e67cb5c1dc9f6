/* SPDX-License-Identifier: GPL-3.0-or-later
 * Packet captures to text: the SIP messages of a pcap or pcapng file, each behind a line with its time and addresses, as a tracing tool
 * would have printed them. What is no SIP costs no memory.
 *
 * Read through libpcap: Ethernet with VLAN tags, Linux cooked (both versions), loopback, raw IP; IPv4 and IPv6 with their fragments; SIP
 * over UDP, and over TCP in the order of its sequence numbers. SIP is known by its start line, on any port. What is encrypted cannot be seen.
 *
 * Bounds: the enum below. What does not fit is dropped, the oldest first; a gap in a stream costs the messages around it.
 */
#ifndef EM_EVIDENCE_CAPTURE_H
#define EM_EVIDENCE_CAPTURE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

enum {
    CAPTURE_STREAMS_MAX = 1024,            /* directions of TCP connections that carry SIP, at a time */
    CAPTURE_STREAM_BYTES_MAX = 128 * 1024, /* of one of them: a message that is not whole */
    CAPTURE_PENDING_MAX = 32,              /* segments of one of them that wait for those before */
    CAPTURE_BYTES_MAX = 32 * 1024 * 1024,  /* of all of them */
    CAPTURE_FRAGMENTED_MAX = 64,           /* datagrams that are being put together */
};

/* Takes text; false: stop. */
typedef bool (*capture_text_fn)(void *arg, const char *p, size_t n);

/* Can the file that begins so be read here? */
bool capture_recognise(const void *p, size_t n);

/* Reads f to its end. EM_ERR_INPUT: it is damaged or cut, or of a kind that is not read; what came before was given. */
int capture_read(FILE *f, capture_text_fn text, void *arg, struct em_why *why) EM_MUST_CHECK;

#endif
