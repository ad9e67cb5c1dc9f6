/* SPDX-License-Identifier: GPL-3.0-or-later
 * The daemon's memory: at the beginning of the program, before any thread.
 */
#ifndef EM_AGENT_MEMORY_H
#define EM_AGENT_MEMORY_H

/* Large blocks go back to the system when they are freed, and all threads share one heap: so the size of the process follows what is in
 * use. Does nothing under a C library that has no such settings. */
void em_memory_set_up(void);

/* Gives back to the system what lies free between blocks in use. Takes well under a millisecond for a few MiB; for idle moments. */
void em_memory_give_back(void);

#endif
