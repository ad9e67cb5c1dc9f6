/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside probe/: the parts of a relay loop. probe_relay.c is its life; relay_packets.c sends the packets, counts what comes back and judges;
 * relay_tcp.c has the data connections of RFC 6062; relay_ms.c what Microsoft's dialect has in place of channels.
 *
 * A leg is an attempt at one server, with the allocation that it holds. The near leg is the attempt that the probe reports and owns
 * the far one; each leg owns its data connection, if it has one. Whoever ends, ends the one that owns it.
 */
#ifndef EM_PROBE_RELAY_H
#define EM_PROBE_RELAY_H

#include "probe/attempt.h"

enum {
    EM_RELAY_PACKET_SIZE = 200,  /* about what 20 ms of audio are */
    EM_RELAY_RELEASE_US = 300000 /* kept of the deadline for the release */
};

enum em_relay_step {
    EM_RELAY_ALLOCATING,
    EM_RELAY_ALLOCATED,
    EM_RELAY_BINDING, /* a channel, or with TCP: the far permission, the near Connect, a ConnectionBind */
    EM_RELAY_BOUND,
    EM_RELAY_TALKING,
    EM_RELAY_RELEASING,
    EM_RELAY_RELEASED,
};

/* What was sent through the relay and what came of it; the near leg's. */
struct em_relay_packets {
    uint8_t key[8];      /* begins every packet of this run */
    unsigned sent, back; /* by the near leg; those that it heard again */
    unsigned there;      /* heard by the far leg */
    unsigned altered;    /* heard by the near leg, but not as they were */
    int64_t sent_us[EM_RELAY_PACKETS];
    bool seen[EM_RELAY_PACKETS];
    int64_t start_us, rtt_sum_us, rtt_last_us, jitter_us;
    uint64_t bytes_back;
};

struct em_relay {
    enum em_relay_step step;
    bool is_far;
    struct em_attempt *near, *far; /* the legs; far NULL: not yet */
    struct em_attempt *control;    /* of a data connection: its leg; NULL: this is a leg */
    struct em_attempt *data;       /* RFC 6062: the leg's data connection; NULL: none yet */
    uint32_t connection_id;        /* of a data connection */
    struct stun_addr relayed;
    unsigned openings;                          /* Microsoft's dialect, near: sent so far */
    uint8_t part[2 + EM_RELAY_PACKET_SIZE + 1]; /* and over TCP: the beginning of a packet */
    size_t part_n;
    struct em_timer *timer;   /* near: the next packet, or the end of waiting */
    struct em_lookup *lookup; /* near: the far server's name */
    struct em_relay_packets packets;
};

/* probe_relay.c */
bool em_relay_new(struct em_attempt *a, struct em_attempt *near); /* gives a its part; false: no memory */
void em_relay_no_memory(struct em_attempt *a);                    /* ends it */
bool em_relay_by_tcp(const struct em_attempt *a);                 /* the allocations are for TCP */
void em_relay_bound(struct em_attempt *a);                        /* a leg can carry data */
void em_relay_released(struct em_attempt *a);                     /* a leg's release was answered */
void em_relay_release(struct em_attempt *near); /* gives both allocations back; then it is judged */

/* relay_packets.c */
void em_relay_talk(struct em_attempt *near); /* sends one packet after the other, until the release */
void em_relay_packet(struct em_attempt *leg, struct slice data); /* one came out of the relay */
void em_relay_judge(struct em_attempt *near);                    /* ends it */

/* relay_tcp.c: RFC 6062 */
void em_relay_tcp_bind(struct em_attempt *leg); /* near: Connect. Far: CreatePermission. Also signed anew */
void em_relay_tcp_answered(struct em_attempt *a,
                           const struct stun_msg *m); /* success to that, or to ConnectionBind */
void em_relay_tcp_begin(
    struct em_attempt *data); /* a data connection is there: ConnectionBind. Also signed anew */

/* relay_ms.c: Microsoft's dialect */
static inline bool em_relay_by_ms(const struct em_attempt *a)
{
    return a->kind->dialect == EM_DIALECT_MS;
}
void em_relay_ms_bind(struct em_attempt *near); /* both allocations are there */
void em_relay_ms_tick(struct em_attempt *near); /* nothing came of it yet */
void em_relay_ms_send(struct em_attempt *leg, struct slice data);

#endif
