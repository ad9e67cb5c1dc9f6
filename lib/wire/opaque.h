/* SPDX-License-Identifier: GPL-3.0-or-later
 * User names and passwords as STUN wants them (RFC 8489 section 14.3: profile OpaqueString of RFC 8265), so that a name that was typed in
 * another way than the administrator typed it is the same name.
 *
 *     opaque_string(slice_of(password), prepared, sizeof prepared, &why)
 *
 * ASCII stays as it is. Of other text, in UTF-8: every kind of space becomes the ASCII one, and the rest its composed form (NFC). Letters,
 * digits, marks, symbols, punctuation and spaces are allowed; controls, unassigned and invisible characters, and the letters that Hangul
 * syllables are made of are not. What depends on a character's neighbours (RFC 5892 appendix A) is left to the server, which knows its
 * users. A build without libunistring (configure tells) takes everything but ASCII controls as it is.
 *
 * RFC 5389 wanted SASLprep here, which folds some characters that OpaqueString keeps apart; where a name has such characters, the server's
 * generation decides whether it fits.
 */
#ifndef EM_WIRE_OPAQUE_H
#define EM_WIRE_OPAQUE_H

#include "base/err.h"
#include "base/slice.h"

/* Writes the prepared text with a NUL; "" stays "". 0, or EM_ERR_INPUT: it is not allowed; EM_ERR_LIMIT: no room. why says what is wrong without
 * showing the text, which may be a password. */
extern const bool opaque_knows_unicode; /* this build has libunistring */
int opaque_string(struct slice text, char *to, size_t size, struct em_why *why) EM_MUST_CHECK;

#endif
