/* SPDX-License-Identifier: GPL-3.0-or-later
 * RFC 4571: packets on a TCP connection, each behind its length. ICE over TCP (RFC 6544 section 3, [MS-ICE2] section 2.2.2) frames STUN,
 * RTP and DTLS alike with it.
 *
 *     | length of the packet (16) | the packet |        a length of 0 is legal: a packet without bytes
 */
#ifndef EM_WIRE_RFC4571_H
#define EM_WIRE_RFC4571_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { RFC4571_HEADER_SIZE = 2 };

/* The first packet of a stream: >0 = it takes so many bytes, header included, and *packet is set; 0 = more bytes are needed; <0 = it is
 * announced as longer than packet_max (EM_ERR_INPUT), seen as soon as the length is. */
int rfc4571_frame(const uint8_t *p, size_t n, size_t packet_max, struct slice *packet);

/* Longer than 65535 bytes: b is full. */
void rfc4571_put(struct buf *b, struct slice packet);

/* The header alone, for a packet of n bytes that lies behind it already. */
void rfc4571_header(uint8_t to[RFC4571_HEADER_SIZE], uint16_t n);

#endif
