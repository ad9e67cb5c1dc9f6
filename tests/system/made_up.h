/* SPDX-License-Identifier: GPL-3.0-or-later
 * A made-up snapshot for tests of the faces: every table filled, every kind of value, odd texts among them. */
#ifndef EM_TESTS_MADE_UP_H
#define EM_TESTS_MADE_UP_H

#include "model/snapshot.h"

/* rows in each table, cut to its maximum. Counters are larger by 1 for each serial; all else stays. Aborts without memory; free() it. */
struct em_snapshot *em_made_up(size_t rows, uint64_t serial);

#endif
