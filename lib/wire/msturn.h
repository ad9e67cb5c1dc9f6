/* SPDX-License-Identifier: GPL-3.0-or-later
 * The TURN dialect of Microsoft's relays ([MS-TURN]; Lync, Skype for Business): bytes in, struct out, and the other way. Pure.
 *
 *     | type (16) | length (16) | transaction id (128) | 000F 0004 72C64BC6 | attribute | attribute ...
 *
 * It looks like STUN and is not: the type alone says nothing (0003, 0004, 0115 mean other things in TURN), the dialect is known by the magic
 * cookie attribute, which comes first. Attributes follow each other WITHOUT padding (measured: a relay of 2020 sends an ERROR-CODE of 61 bytes and the
 * next attribute at once), so the length is any number. NONCE and REALM have each other's code of RFC 8489. Addresses are plain but for 8020.
 *
 * | message                    | type                    | attributes, in the order of real peers                          |
 * |----------------------------|-------------------------|-----------------------------------------------------------------|
 * | allocate, keep, give back  | MSTURN_ALLOCATE         | version, [lifetime], [sequence, nonce, realm, user, integrity]  |
 * | challenge                  | MSTURN_ALLOCATE_ERROR   | error 401, nonce, realm, alternate server (the relay itself)    |
 * | allocated, lifetime 0: gone| MSTURN_ALLOCATE_SUCCESS | lifetime, mapped (the RELAYED address), xor_mapped, sequence    |
 * | data to a peer             | MSTURN_SEND             | version, user, destination, data, integrity; never answered     |
 * | data from a peer           | MSTURN_DATA             | remote, data; another transaction id, without integrity         |
 * | one peer from now on       | MSTURN_SET_ACTIVE       | version, destination, nonce, realm, user, integrity             |
 *
 * Over UDP a datagram is one message. Over TCP every message is a frame (msturn_frame), after the hello of pseudotls.h.
 */
#ifndef EM_WIRE_MSTURN_H
#define EM_WIRE_MSTURN_H

#include "wire/stun.h"

enum {
    MSTURN_TID_SIZE = 16,
    MSTURN_SIZE_MIN = 28,   /* header and magic cookie */
    MSTURN_NONCE_MAX = 128, /* section 2.2.2: both */
    MSTURN_REALM_MAX = 128,
    MSTURN_USER_MAX = 256,   /* 56 bytes were seen */
    MSTURN_SESSION_SIZE = 8, /* MTURN session id */
    MSTURN_CONNECTION_SIZE = 20,
    MSTURN_FRAME_HEADER_SIZE = 4,
};

enum msturn_type {
    MSTURN_ALLOCATE = 0x0003,
    MSTURN_ALLOCATE_SUCCESS = 0x0103,
    MSTURN_ALLOCATE_ERROR = 0x0113,
    MSTURN_SEND = 0x0004,
    MSTURN_DATA = 0x0115,
    MSTURN_SET_ACTIVE = 0x0006,
    MSTURN_SET_ACTIVE_SUCCESS = 0x0106,
    MSTURN_SET_ACTIVE_ERROR = 0x0116,
};

enum msturn_attr { /* section 2.2.2 */
                   MSTURN_ATTR_MAPPED_ADDRESS = 0x0001,
                   MSTURN_ATTR_USERNAME = 0x0006,
                   MSTURN_ATTR_MESSAGE_INTEGRITY = 0x0008,
                   MSTURN_ATTR_ERROR_CODE = 0x0009,
                   MSTURN_ATTR_UNKNOWN_ATTRIBUTES = 0x000A,
                   MSTURN_ATTR_LIFETIME = 0x000D,
                   MSTURN_ATTR_ALTERNATE_SERVER = 0x000E,
                   MSTURN_ATTR_MAGIC_COOKIE = 0x000F,
                   MSTURN_ATTR_BANDWIDTH = 0x0010,
                   MSTURN_ATTR_DESTINATION_ADDRESS = 0x0011,
                   MSTURN_ATTR_REMOTE_ADDRESS = 0x0012,
                   MSTURN_ATTR_DATA = 0x0013,
                   MSTURN_ATTR_NONCE = 0x0014,
                   MSTURN_ATTR_REALM = 0x0015,
                   MSTURN_ATTR_REQUESTED_FAMILY = 0x0017,
                   MSTURN_ATTR_VERSION = 0x8008,
                   MSTURN_ATTR_XOR_MAPPED_ADDRESS = 0x8020,
                   MSTURN_ATTR_SOFTWARE = 0x8022,
                   MSTURN_ATTR_SEQUENCE = 0x8050,
                   MSTURN_ATTR_SERVICE_QUALITY = 0x8055,
                   MSTURN_ATTR_SESSION_ID = 0x8095,
};
#define MSTURN_COOKIE UINT32_C(0x72C64BC6)

enum { /* MS-Version, section 2.2.2.17; each has what the ones before it have */
       MSTURN_VERSION_ICE = 1,
       MSTURN_VERSION_ICE2,
       MSTURN_VERSION_SHA256, /* integrity by SHA-256, when both sides have it */
       MSTURN_VERSION_IPV6,
       MSTURN_VERSION_MTURN_UDP,
       MSTURN_VERSION_MTURN_TCP,
};

struct msturn_msg {
    uint16_t type;
    const uint8_t *bytes; /* the whole message */
    size_t size;
    const uint8_t *tid;                                                         /* MSTURN_TID_SIZE bytes */
    struct stun_addr mapped, xor_mapped, alternate_server, destination, remote; /* family 0 = absent */
    struct slice username, realm, nonce, software, data; /* p NULL = absent; username is binary */
    uint16_t error_code;                                 /* 300 to 699; 0 = absent */
    struct slice error_reason;                           /* trailing NULs removed; text from a stranger */
    bool has_lifetime, has_version, has_sequence;
    uint32_t lifetime; /* seconds; 0 = released */
    uint32_t version;
    uint32_t sequence;
    const uint8_t
        *connection;        /* MSTURN_CONNECTION_SIZE bytes of the sequence number attribute; NULL = absent */
    const uint8_t *session; /* MSTURN_SESSION_SIZE bytes; NULL = absent */
    size_t integrity_at;    /* offset of the attribute's header; 0 = absent */
    size_t integrity_size;  /* 20 or 32 */
    uint16_t unknown[STUN_UNKNOWN_MAX]; /* attributes below 0x8000 that we do not know */
    size_t unknown_n;                   /* how many there were, also beyond STUN_UNKNOWN_MAX */
};

/* Is this the dialect? The first bytes of a message, and as few of them as are there: false as soon as it cannot be any more. */
bool msturn_begins(const uint8_t *p, size_t n);

/* 0, or EM_ERR_INPUT: not a message of this dialect (type, length, cookie), an attribute that runs over the end, or one below 0x8000 that
 * is broken; *m is then undefined. An optional attribute (0x8000 and above) that is broken is as if it were absent. The first instance of an
 * attribute counts, and nothing behind the integrity. */
int msturn_parse(const void *bytes, size_t n, struct msturn_msg *m) EM_MUST_CHECK;

/* Is this the success or error response of our request of this type? */
bool msturn_is_answer(const struct msturn_msg *m, uint16_t type, const uint8_t tid[MSTURN_TID_SIZE]);

/* Frames on TCP (section 2.1.4): what follows is a message, or data from end to end.
 *
 *     | 02 or 03 (8) | 0 (8) | length (16) | message or data |
 *
 * >0: the first that many bytes are one frame, header included, and *frame is set. 0: more bytes are needed. <0: EM_ERR_INPUT, this is no
 * frame, or one of control without a message of this dialect; seen as soon as the bytes tell. */
enum msturn_frame_type { MSTURN_FRAME_CONTROL = 2, MSTURN_FRAME_DATA = 3 };
struct msturn_frame {
    enum msturn_frame_type type;
    struct slice payload;
};
int msturn_frame(const uint8_t *p, size_t n, struct msturn_frame *frame);
void msturn_frame_header(uint8_t to[MSTURN_FRAME_HEADER_SIZE], enum msturn_frame_type type, uint16_t n);

/* Writing. The header's length is right after every put; nothing is padded. */
void msturn_begin(struct buf *b, uint16_t type,
                  const uint8_t tid[MSTURN_TID_SIZE]); /* resets b; puts the magic cookie */
void msturn_put(struct buf *b, uint16_t type, const void *value, size_t n);
void msturn_put_text(struct buf *b, uint16_t type, struct slice text);
void msturn_put_u32(struct buf *b, uint16_t type, uint32_t v);
void msturn_put_addr(struct buf *b, uint16_t type, const struct stun_addr *a);
void msturn_put_xor_addr(struct buf *b, uint16_t type, const struct stun_addr *a);
void msturn_put_error(struct buf *b, uint16_t code, struct slice reason);
void msturn_put_sequence(struct buf *b, const uint8_t connection[MSTURN_CONNECTION_SIZE], uint32_t sequence);

#endif
