/* SPDX-License-Identifier: GPL-3.0-or-later
 * STUN messages by RFC 8489: bytes in, struct out, and the other way. Pure: no input or output, no allocation.
 *
 * Reading: stun_parse() looks at one whole message (a datagram, or what stun_frame() cut out of a TCP stream) and fills a struct
 * stun_msg whose slices point into the bytes. Attributes that we do not know are skipped; those that must be understood are listed.
 *
 *     struct stun_msg m;
 *     if (stun_parse(bytes, n, &m) == 0 && stun_is_answer(&m, STUN_BINDING, tid)) ... m.xor_mapped ...
 *
 * Writing, into a struct buf (base/buf.h; STUN_REQUEST_MAX is room enough for our own requests):
 *
 *     stun_begin(&b, STUN_BINDING, STUN_REQUEST, tid);  stun_put_text(&b, STUN_ATTR_SOFTWARE, ...);
 *     [stun_put_integrity() of stun_auth.h;]  stun_put_fingerprint(&b);
 *
 * The header's length is right after every put; there is no end call.
 */
#ifndef EM_WIRE_STUN_H
#define EM_WIRE_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cur.h"
#include "base/slice.h"

enum {
    STUN_HEADER_SIZE = 20,
    STUN_TID_SIZE = 12,
    STUN_REQUEST_MAX = 2048,
    STUN_MESSAGE_MAX = STUN_HEADER_SIZE + 0xFFFC,
    STUN_UNKNOWN_MAX = 8, /* unknown attributes that are listed; more are only counted */
};
#define STUN_COOKIE UINT32_C(0x2112A442)

enum stun_class { STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR };

enum stun_method {
    STUN_BINDING = 0x001,
    STUN_ALLOCATE = 0x003,
    STUN_REFRESH = 0x004,
    STUN_SEND = 0x006,
    STUN_DATA = 0x007,
    STUN_CREATE_PERMISSION = 0x008,
    STUN_CHANNEL_BIND = 0x009,
    STUN_CONNECT = 0x00A, /* RFC 6062 */
    STUN_CONNECTION_BIND = 0x00B,
    STUN_CONNECTION_ATTEMPT = 0x00C,
};

enum stun_attr { /* RFC 8489 section 14, RFC 8656 section 18, RFC 8445 section 16.1, RFC 6062 section 6.2 */
                 STUN_ATTR_MAPPED_ADDRESS = 0x0001,
                 STUN_ATTR_USERNAME = 0x0006,
                 STUN_ATTR_MESSAGE_INTEGRITY = 0x0008,
                 STUN_ATTR_ERROR_CODE = 0x0009,
                 STUN_ATTR_UNKNOWN_ATTRIBUTES = 0x000A,
                 STUN_ATTR_CHANNEL_NUMBER = 0x000C,
                 STUN_ATTR_LIFETIME = 0x000D,
                 STUN_ATTR_XOR_PEER_ADDRESS = 0x0012,
                 STUN_ATTR_DATA = 0x0013,
                 STUN_ATTR_REALM = 0x0014,
                 STUN_ATTR_NONCE = 0x0015,
                 STUN_ATTR_XOR_RELAYED_ADDRESS = 0x0016,
                 STUN_ATTR_REQUESTED_ADDRESS_FAMILY = 0x0017,
                 STUN_ATTR_EVEN_PORT = 0x0018,
                 STUN_ATTR_REQUESTED_TRANSPORT = 0x0019,
                 STUN_ATTR_DONT_FRAGMENT = 0x001A,
                 STUN_ATTR_MESSAGE_INTEGRITY_SHA256 = 0x001C,
                 STUN_ATTR_PASSWORD_ALGORITHM = 0x001D,
                 STUN_ATTR_USERHASH = 0x001E,
                 STUN_ATTR_XOR_MAPPED_ADDRESS = 0x0020,
                 STUN_ATTR_RESERVATION_TOKEN = 0x0022,
                 STUN_ATTR_PRIORITY = 0x0024,
                 STUN_ATTR_USE_CANDIDATE = 0x0025,
                 STUN_ATTR_CONNECTION_ID = 0x002A,
                 STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
                 STUN_ATTR_ADDRESS_ERROR_CODE = 0x8001,
                 STUN_ATTR_PASSWORD_ALGORITHMS = 0x8002,
                 STUN_ATTR_ICMP = 0x8004,
                 STUN_ATTR_SOFTWARE = 0x8022,
                 STUN_ATTR_ALTERNATE_SERVER = 0x8023,
                 STUN_ATTR_FINGERPRINT = 0x8028,
                 STUN_ATTR_ICE_CONTROLLED = 0x8029,
                 STUN_ATTR_ICE_CONTROLLING = 0x802A,
};

/* A transport address inside a message. family 0 = none. */
struct stun_addr {
    uint8_t family; /* 4 or 6 */
    uint16_t port;
    uint8_t ip[16]; /* network order; 4 or 16 bytes */
};

struct stun_msg {
    enum stun_class class;
    uint16_t method;
    const uint8_t *bytes; /* the whole message */
    size_t size;
    const uint8_t *tid; /* STUN_TID_SIZE bytes */
    struct stun_addr mapped, xor_mapped, xor_relayed, xor_peer, alternate_server;
    struct slice username, realm, nonce, software, data; /* p NULL = absent */
    uint16_t error_code;                                 /* 300 to 699; 0 = absent */
    struct slice error_reason;                           /* trailing NULs removed; text from a stranger */
    bool has_lifetime, has_requested_transport;
    uint32_t lifetime; /* seconds */
    uint8_t requested_transport;
    struct slice password_algorithms;     /* the raw value, to be echoed */
    size_t integrity_at, integrity256_at; /* offset of the attribute's header; 0 = absent */
    size_t integrity256_size;
    bool fingerprint_present, fingerprint_right;
    bool fingerprint_legacy; /* not right, but it is the sum of old Microsoft clients: see stun_crc() */
    uint16_t unknown[STUN_UNKNOWN_MAX]; /* attributes below 0x8000 that we do not know */
    size_t unknown_n;                   /* how many there were, also beyond STUN_UNKNOWN_MAX */
};

/* 0, or EM_ERR_INPUT: not a STUN message (type, cookie, length) or an attribute that is broken. *m is then undefined. A wrong
 * FINGERPRINT is no parse error: see fingerprint_right. */
int stun_parse(const void *bytes, size_t n, struct stun_msg *m) EM_MUST_CHECK;

/* Is this the success or error response of our request? */
bool stun_is_answer(const struct stun_msg *m, uint16_t method, const uint8_t tid[STUN_TID_SIZE]);

/* One attribute after the other, for those that have no member in struct stun_msg (turn.h; a new kind of probe). Only those that count
 * are shown: nothing behind MESSAGE-INTEGRITY but MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, nothing behind FINGERPRINT.
 *
 *     struct stun_walk w = stun_walk_of(&m);
 *     while (stun_walk_next(&w)) switch on w.type, read w.value; it is a window of exactly the value
 */
struct stun_walk {
    const uint8_t *bytes; /* the whole message */
    struct cur
        rest; /* behind the present attribute; bad when the walk ended because an attribute runs over the end */
    uint16_t type;
    size_t at; /* offset of the attribute in the message */
    struct cur value;
    bool behind_integrity, behind_sha256, behind_fingerprint;
};
struct stun_walk stun_walk_of(const struct stun_msg *m);
bool stun_walk_next(struct stun_walk *w);
/* What an address attribute's value says; false: no address. The second undoes the XOR with cookie and transaction id. */
bool stun_read_addr(struct cur value, struct stun_addr *a);
bool stun_read_xor_addr(const struct stun_msg *m, struct cur value, struct stun_addr *a);

/* Framing over TCP and TLS (RFC 8489 section 6.2.2, RFC 8656 section 3.5): >0 = the first that many bytes are one message or one
 * ChannelData (padding included), 0 = more bytes are needed, <0 = this is neither (EM_ERR_INPUT). A STUN message is known by its cookie
 * as soon as that is there, so that a stream of something else is not waited for. */
int stun_frame(const uint8_t *p, size_t n);

/* Writing. */
void stun_begin(struct buf *b, uint16_t method, enum stun_class class,
                const uint8_t tid[STUN_TID_SIZE]); /* resets b */
void stun_put(struct buf *b, uint16_t type, const void *value, size_t n);
void stun_put_text(struct buf *b, uint16_t type, struct slice text);
void stun_put_u32(struct buf *b, uint16_t type, uint32_t v);
void stun_put_error(struct buf *b, uint16_t code, struct slice reason);
void stun_put_unknown(struct buf *b, const struct stun_msg *m); /* UNKNOWN-ATTRIBUTES: those listed in m */
void stun_put_xor_addr(struct buf *b, uint16_t type, const struct stun_addr *a);
void stun_put_addr(struct buf *b, uint16_t type, const struct stun_addr *a);
void stun_put_fingerprint(struct buf *b); /* last */
void stun_put_fingerprint_legacy(
    struct buf *b); /* the sum of old Microsoft clients ([MS-ICE2] section 3.1.4.8.2) */

/* What the dialects share: the values of attributes, which each of them frames in its own way. */
enum { STUN_REASON_MAX = 128, STUN_VALUE_MAX = 4 + STUN_REASON_MAX };
struct stun_value {
    uint8_t p[STUN_VALUE_MAX];
    size_t n;
};
struct stun_value stun_value_u32(uint32_t v);
struct stun_value stun_value_addr(const struct stun_addr *a);
struct stun_value stun_value_error(uint16_t code,
                                   struct slice reason); /* the reason is cut to STUN_REASON_MAX bytes */
/* What an ERROR-CODE's value says; false: none (RFC 8489 section 14.8: class 3 to 6, number 0 to 99). NULs at the end of the reason are
 * no part of it. */
bool stun_read_error(struct cur value, uint16_t *code, struct slice *reason);

/* The XOR of an address with the 16 bytes behind the length; its own reverse. */
void stun_flip_addr(struct stun_addr *a, const uint8_t cookie_and_tid[4 + STUN_TID_SIZE]);
/* CRC-32 as in FINGERPRINT, before its XOR. legacy: with the one wrong entry of old Microsoft clients' table. */
uint32_t stun_crc(const uint8_t *p, size_t n, bool legacy);

#endif
