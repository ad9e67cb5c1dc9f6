/* SPDX-License-Identifier: GPL-3.0-or-later
 * What Microsoft's ICE ([MS-ICE2]) adds to the Binding requests and responses of RFC 8445: two attributes, an integrity of its own up to
 * version 2, and an old FINGERPRINT. Messages are STUN, padded (stun.h); over TCP each has its length before it (rfc4571.h).
 *
 * | attribute                    | value                                    | in                     |
 * |------------------------------|------------------------------------------|------------------------|
 * | 8054 CANDIDATE-IDENTIFIER    | the candidate's foundation, text         | requests               |
 * | 8070 IMPLEMENTATION-VERSION  | 2 Lync, 3 Skype for Business, 7 Teams    | requests and responses |
 *
 * A client that has not seen the peer's version yet sends each message twice, with the two fingerprints (section 3.1.4.8.2).
 */
#ifndef EM_WIRE_MSICE_H
#define EM_WIRE_MSICE_H

#include "wire/stun_auth.h"

enum {
    MSICE_ATTR_CANDIDATE_IDENTIFIER = 0x8054,
    MSICE_ATTR_IMPLEMENTATION_VERSION = 0x8070,
    MSICE_VERSION_OURS = 2, /* the newest whose integrity is known */
};

struct msice_msg {
    struct slice candidate; /* trailing NULs removed (libnice counts its padding); p NULL = absent */
    uint32_t version;       /* 0 = absent */
};
/* The attributes of a message that stun_parse() took. They are optional: one that is broken is as if it were absent. */
void msice_parse(const struct stun_msg *m, struct msice_msg *ice);

/* Integrity up to version 2: SHA-1 with the password as key, over the message with the FINAL length in its header, FINGERPRINT included, and zeros
 * up to a multiple of 64. Only FINGERPRINT may follow it. */
void msice_put_integrity(struct buf *b, struct slice password);
enum stun_integrity msice_check_integrity(const struct stun_msg *m, struct slice password);

#endif
