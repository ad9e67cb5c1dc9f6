/* SPDX-License-Identifier: GPL-3.0-or-later
 * The payload `sharing`: what a sweep sends to a responder so that a path meets what desktop sharing looks like, and what both of them know
 * about it. Pure.
 *
 *     client                                                    responder
 *     Binding request, with SHARING_ATTR_TOKEN of zeros  ->
 *                                                        <-     success, with the token of this client
 *     the same with USE-CANDIDATE                        ->
 *                                                        <-     success
 *     frame 0, 1, 2 ... SHARING_FRAMES - 1               ->     each comes back as it is
 *
 * Over TCP every message and frame has its length (RFC 4571 section 2) before it. A frame is an RTP packet (RFC 3550 section 5.1):
 *
 *     | 80 | 7F | sequence (16) | timestamp (32) | SSRC (32) | token (64) | bytes that follow from SSRC and sequence |
 *
 * The token proves that the client receives at the address that it sends from: it comes only with an answer.
 */
#ifndef EM_PROBE_SHARING_H
#define EM_PROBE_SHARING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SHARING_ATTR_TOKEN = 0xE3ED, /* comprehension-optional, so any other server ignores it */
    SHARING_TOKEN = 8,
    SHARING_FRAMES = 400,
    SHARING_FRAME_MIN = 92,
    SHARING_FRAME_MAX = 1200, /* fits an IPv6 path of 1280 */
    SHARING_HEAD = 20,        /* RTP header and token */
    EM_SHARING_STALL_MS = 1000,
};

struct sharing { /* one conversation */
    uint8_t token[SHARING_TOKEN];
    uint32_t ssrc;
};

size_t sharing_frame_size(unsigned seq);
/* Writes frame seq; its size. */
size_t sharing_frame(const struct sharing *s, unsigned seq, uint8_t to[SHARING_FRAME_MAX]);
/* Is it media at all, with room for a token? *token points into p. */
bool sharing_is_frame(const uint8_t *p, size_t n, const uint8_t **token);
/* Bytes of all frames together, without their lengths. */
size_t sharing_total(void);

#endif
