/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the differential test sends, and what the first bytes that come back mean. Pure: the caller brings the random bytes.
 */
#ifndef EM_PROBE_PATH_PAYLOAD_H
#define EM_PROBE_PATH_PAYLOAD_H

#include "base/buf.h"
#include "probe/path_judge.h"

enum {
    EM_PATH_SMALL = 120,  /* bytes of the small payload of random bytes */
    EM_PATH_LARGE = 1400, /* bytes of the large payloads: fits a packet of Ethernet, and few tunnels */
    EM_PATH_PAYLOAD_MAX = EM_PATH_LARGE + 8, /* room for one */
};

struct em_path_kind {
    const char *name; /* as in JSON: "stun-framed" */
    const char *text; /* for people: "STUN framed by RFC 4571" */
    bool tcp, udp;
};
extern const struct em_path_kind em_path_kinds[EM_PATH_PAYLOADS];

/* Writes the payload into b (over EM_PATH_PAYLOAD_MAX bytes). random: EM_PATH_PAYLOAD_MAX bytes, of which transaction ids and the like are
 * taken. Nothing for a handshake, and for media, which needs a token (probe/sharing.h). */
void em_path_write(enum em_path_payload payload, enum em_transport transport, const uint8_t *random,
                   struct buf *b);

enum em_path_answer {
    EM_PATH_WAIT,     /* more bytes are needed; UDP: no answer of ours */
    EM_PATH_ANSWER,   /* what the far end of this payload says */
    EM_PATH_STRANGER, /* something else: *verdict says what, reason in words */
};
/* What the first n bytes that came back are. random: as they were written with. */
enum em_path_answer em_path_read(enum em_path_payload payload, enum em_transport transport,
                                 const uint8_t *random, const uint8_t *p, size_t n, enum em_verdict *verdict,
                                 char *reason, size_t size);

#endif
