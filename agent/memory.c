/* SPDX-License-Identifier: GPL-3.0-or-later
 * How the C library keeps memory that was freed. */
#include "agent/memory.h"

#include <malloc.h>

enum { LARGE = 64 * 1024, SPARE = 16 * 1024 };

/* glibc raises its limits when a large block is freed, and gives each thread a heap of its own: snapshots and pages, which come and go
 * several times a second, then leave holes that nothing fills. */
void em_memory_set_up(void)
{
#ifdef M_ARENA_MAX
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
    (void)mallopt(M_TRIM_THRESHOLD, LARGE);
    (void)mallopt(M_TOP_PAD, SPARE);
#endif
}

void em_memory_give_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}
