/* SPDX-License-Identifier: GPL-3.0-or-later
 * TURN by RFC 8656 on the level of messages: what goes into its requests and indications, what is read from them, and ChannelData.
 * Pure; a message is begun, signed and closed as in stun.h and stun_auth.h:
 *
 *     stun_begin(&b, STUN_ALLOCATE, STUN_REQUEST, tid);
 *     turn_put_allocate(&b, &(struct turn_allocate) { .relay = TURN_RELAY_UDP });
 *     stun_auth_sign(&auth, &b);  stun_put_fingerprint(&b);
 *
 *     stun_parse(bytes, n, &m);  stun_auth_answer(&auth, &m);  turn_parse(&m, &t)  ... t.relayed[0], m.lifetime ...
 *
 * | step                     | method, class                     | put                  | answer                                      |
 * |--------------------------|-----------------------------------|----------------------|---------------------------------------------|
 * | allocate                 | STUN_ALLOCATE, request            | turn_put_allocate    | t.relayed, m.xor_mapped, m.lifetime         |
 * | keep, or give back (0 s) | STUN_REFRESH, request             | turn_put_refresh     | m.lifetime                                  |
 * | let peers in             | STUN_CREATE_PERMISSION, request   | turn_put_peers       | nothing but success                         |
 * | number for a peer        | STUN_CHANNEL_BIND, request        | turn_put_channel     | nothing but success                         |
 * | data to a peer           | STUN_SEND, indication             | turn_put_data        | never answered                              |
 * | data from a peer         | STUN_DATA, indication             | turn_put_data        | t.peers[0], m.data, or t.icmp               |
 * | the same by number       | none: ChannelData                 | turn_put_channel_data| turn_read_channel_data                      |
 */
#ifndef EM_WIRE_TURN_H
#define EM_WIRE_TURN_H

#include "wire/stun.h"

enum {
    TURN_PEERS_MAX = 8,   /* peers of one message that are listed; more are only counted */
    TURN_RELAYED_MAX = 2, /* one address of each family */
    TURN_TOKEN_SIZE = 8,
    TURN_CHANNEL_FIRST = 0x4000,
    TURN_CHANNEL_LAST = 0x4FFF,
    TURN_CHANNEL_HEADER_SIZE = 4,
};

enum turn_relay { TURN_RELAY_TCP = 6, TURN_RELAY_UDP = 17 };

struct turn_allocate {
    enum turn_relay relay;
    bool has_lifetime; /* else the server's default */
    uint32_t lifetime_s;
    uint8_t family;     /* 4 or 6 of the relayed address; 0 = the server's choice, which is 4 */
    bool both_families; /* one of each; family must be 0 */
    bool dont_fragment; /* ask whether the server can set DF; UDP only */
    bool even_port;     /* an even port, */
    bool reserve_next;  /* and keep the next one: the answer carries a token */
    const uint8_t
        *token; /* TURN_TOKEN_SIZE bytes of such an answer; not with family, both_families, even_port */
};

/* false: these do not go together (RFC 8656 section 7.1; RFC 6062 section 4.1 for TCP), nothing was put. */
bool turn_put_allocate(struct buf *b, const struct turn_allocate *a) EM_MUST_CHECK;
void turn_put_refresh(struct buf *b, uint32_t lifetime_s); /* 0 gives the allocation back */
void turn_put_peers(struct buf *b, const struct stun_addr *peers, size_t n);
void turn_put_channel(struct buf *b, uint16_t channel, const struct stun_addr *peer);
void turn_put_data(struct buf *b, const struct stun_addr *peer, struct slice data);

/* What TURN adds to a message; 0, NULL, false = absent. Pointers go into the message's bytes. */
struct turn_msg {
    struct stun_addr relayed[TURN_RELAYED_MAX];
    size_t relayed_n;
    struct stun_addr peers[TURN_PEERS_MAX];
    size_t peers_n; /* how many there were, also beyond TURN_PEERS_MAX */
    uint16_t channel;
    uint8_t relay;                     /* an enum turn_relay, or what else a stranger asked for */
    uint8_t family, additional_family; /* 4 or 6 */
    bool dont_fragment, even_port, reserve_next;
    const uint8_t *token;
    bool has_connection_id; /* RFC 6062 */
    uint32_t connection_id;
    bool has_icmp; /* the relay was told this by the path to the peer */
    uint8_t icmp_type, icmp_code;
    uint32_t icmp_data;   /* MTU of "too big", else 0 */
    uint8_t error_family; /* of two addresses that were asked for, this one was not given ... */
    uint16_t error_code;  /* ... because */
};

/* 0, or EM_ERR_INPUT: an attribute is broken. *t is then undefined. */
int turn_parse(const struct stun_msg *m, struct turn_msg *t) EM_MUST_CHECK;

/* ChannelData (RFC 8656 section 12.4). Writing appends to b; stream: padded to 4, as TCP and TLS need it. Reading takes a whole datagram,
 * or what stun_frame() cut out of a stream; EM_ERR_INPUT: it is none. */
void turn_put_channel_data(struct buf *b, uint16_t channel, struct slice data, bool stream);
int turn_read_channel_data(const uint8_t *p, size_t n, uint16_t *channel, struct slice *data) EM_MUST_CHECK;

#endif
