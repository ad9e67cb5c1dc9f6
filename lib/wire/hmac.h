/* SPDX-License-Identifier: GPL-3.0-or-later
 * HMAC over a text that lies in pieces: the one digest that every dialect of STUN signs with. Pure; by OpenSSL.
 */
#ifndef EM_WIRE_HMAC_H
#define EM_WIRE_HMAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { HMAC_SHA1_SIZE = 20, HMAC_SHA256_SIZE = 32 };

size_t hmac_size(bool sha256); /* of the digest */

/* False: this machine's OpenSSL does not have the digest. */
bool hmac_of(bool sha256, struct slice key, const struct slice *pieces, size_t pieces_n,
             uint8_t digest[HMAC_SHA256_SIZE]);

/* Whether n bytes are the same, in a time that does not tell how many are: for digests, tokens and keys. */
bool secret_same(const void *a, const void *b, size_t n);

#endif
