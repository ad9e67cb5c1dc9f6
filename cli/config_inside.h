/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside edgemedia config: what `init` is told, by options or by answers. */
#ifndef EM_CLI_CONFIG_INSIDE_H
#define EM_CLI_CONFIG_INSIDE_H

#include "cli/cli.h"
#include "model/rows.h"

struct cli_config {
    const char *address, *edge, *name_servers; /* NULL: not given */
    struct em_opt_list logs;                   /* patterns of trace files */
    int64_t timeout_us;
    bool force, untested;
    const char *file; /* "-": standard output */
};

extern const struct em_opt_program cli_config_program;

/* Returns an enum cli_exit. */
int cli_config_init(struct cli_config *c);

#endif
