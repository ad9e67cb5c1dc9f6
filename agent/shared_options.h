/* SPDX-License-Identifier: GPL-3.0-or-later
 * Options that checks have in common, kept once: they are 2 KiB with room for secrets, and most checks of a configuration have the same.
 */
#ifndef EM_AGENT_SHARED_OPTIONS_H
#define EM_AGENT_SHARED_OPTIONS_H

#include "probe/probe.h"

struct shared_options {
    struct em_probe_options options;
    size_t users;
    struct shared_options *next;
};

bool options_same(const struct em_probe_options *a, const struct em_probe_options *b);

/* The options of *all that are the same, or new ones; each user releases them once. NULL: no memory. */
struct shared_options *options_share(struct shared_options **all, const struct em_probe_options *o);

/* The last one clears the secrets. NULL is fine. */
void options_release(struct shared_options **all, struct shared_options *o);

#endif
