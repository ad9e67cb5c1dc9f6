/* SPDX-License-Identifier: GPL-3.0-or-later
 * 64-bit keyed hash (SipHash-2-4, Aumasson and Bernstein 2012) for sets whose members strangers choose (Call-IDs), and
 * for identities kept in the store (first block of a log, a report's key), where the key is fixed.
 */
#ifndef EM_BASE_HASH_H
#define EM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct em_hash_key {
    uint64_t k0, k1;
};

/* For what is written to disk and must be found again by the next process. */
extern const struct em_hash_key em_hash_key_fixed;

uint64_t em_hash(const struct em_hash_key *key, const void *p, size_t n);

#endif
