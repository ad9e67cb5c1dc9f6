/* SPDX-License-Identifier: GPL-3.0-or-later
 * ICE warning flags: a sum of 32 bits, each with a name. Source: Lync/Skype for Business Resource Kit, chapter 9. An older
 * numbering exists in [MS-QoE] 2.2.1.7.1; it is not this table.
 */
#ifndef EM_EVIDENCE_ICE_H
#define EM_EVIDENCE_ICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define EM_ICE_TCP_NAT UINT32_C(0x100)

struct em_ice_warning {
    uint32_t bit;     /* 0x100 */
    const char *name; /* "tcp-nat-connectivity-failed" */
    const char *text; /* one sentence for people */
    bool benign;      /* occurs in calls that work, too */
};

extern const struct em_ice_warning
    em_ice_warnings[]; /* ascending by bit; the bits without a row are unknown */
extern const size_t em_ice_warnings_n;

const struct em_ice_warning *em_ice_find(uint32_t bit); /* NULL: unknown bit */

/* All forms: "0x8000100", "8000100" is hex only behind 0x; else unsigned or signed 32-bit decimal. Whole slice or false. */
bool em_ice_read(struct slice s, uint32_t *value);

#endif
