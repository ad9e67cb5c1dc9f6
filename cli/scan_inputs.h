/* SPDX-License-Identifier: GPL-3.0-or-later
 * What `edgemedia scan` reads: names of files, directories and patterns, as a list of files.
 */
#ifndef EM_CLI_SCAN_INPUTS_H
#define EM_CLI_SCAN_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { SCAN_INPUTS_MAX = 1000 * 1000, SCAN_INPUTS_DEPTH = 32 };

struct scan_inputs {
    char **path;
    bool *listed; /* found in a directory, not named */
    size_t n, room;
};

/* "-" and names of files as they are; for a directory all regular files in it and below, sorted, those with a dot in front left out; for
 * a name that is no file and holds * ? or [ what the pattern finds. A name that cannot be found stays, so that whoever reads it says why. */
int scan_inputs_add(struct scan_inputs *in, const char *name, struct em_why *why) EM_MUST_CHECK;
void scan_inputs_free(struct scan_inputs *in);

#endif
