/* SPDX-License-Identifier: GPL-3.0-or-later
 * UTF-16 at the speed of memory, for the text that logs are made of: ASCII. The rest is textin.c's.
 */
#ifndef EM_EVIDENCE_UTF16_H
#define EM_EVIDENCE_UTF16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes units at raw as long as they are ASCII, a block at a time, and never more than `units`; to has room for that many bytes. Returns how
 * many; it may stop early. */
size_t utf16_ascii(const uint8_t *raw, size_t units, bool little_endian, char *to);

/* How many UTF-16 units n bytes of UTF-8 stand for: two for a sequence of four, one for any other. */
uint64_t utf16_units(const char *text, size_t n);

#endif
