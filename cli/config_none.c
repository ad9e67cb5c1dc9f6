/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia config in a build without the daemon. */
#include "cli/cli.h"

static int config(int argc, char **argv)
{
    static const struct em_opt options[] = { { .name = NULL } };
    static const struct em_opt_program program = {
        .name = "edgemedia config",
        .usage = "check|init [FILE]",
        .summary = "Checks or writes the configuration of edgemediad; not in this build.",
        .options = options,
    };
    int first = 0, result;
    bool done;

    result = cli_options(&program, NULL, argc, argv, &first, &done);
    return done ? result : cli_fail("this build has no daemon to configure (configure --disable-agent)");
}

const struct cli_command cli_config = { "config", "check or write the daemon's configuration", config };
