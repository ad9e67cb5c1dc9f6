/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia: the command for people. One row for each subcommand. */
#include "cli/cli.h"

#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/esc.h"
#include "base/late.h"

static const struct cli_command *const commands[] = { &cli_decode,   &cli_scan,    &cli_probe,  &cli_sweep,
                                                      &cli_path,     &cli_respond, &cli_status, &cli_failures,
                                                      &cli_findings, &cli_explain, &cli_doctor, &cli_config,
                                                      &cli_graph,    &cli_report };
enum { COMMANDS = sizeof commands / sizeof *commands };

static void help(void)
{
    printf("Usage: edgemedia COMMAND [OPTION]... [ARGUMENT]...\n"
           "Finds out why calls through a media edge fail.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n  -h, --help     print this; `edgemedia COMMAND --help` tells about one command\n"
           "  -V, --version  print the version\n\n"
           "Exit status: 0 good, 1 bad news was found, 2 wrong usage or a local error.\n");
}

static void version(void)
{
    struct buf late = buf_heap(4096);

    late_list(&late, LATE_PLUGIN_FIRST);
    printf("edgemedia %s\n%s%s", PACKAGE_VERSION, late.n > 0 ? "loaded when needed:\n" : "", buf_str(&late));
    buf_fini(&late);
}

static int run(int argc, char **argv)
{
    char shown[96];

    if (argc < 2) {
        help();
        return CLI_FAILED;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        version();
        return CLI_GOOD;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help();
        return CLI_GOOD;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return commands[i]->run(argc - 1, argv + 1);
    return cli_fail("there is no command \"%s\"; see edgemedia --help",
                    esc_line_into(shown, sizeof shown, slice_of(argv[1])));
}

/* A result that could not be delivered is an error, except that `edgemedia ... | head` is nobody's mistake. */
int main(int argc, char **argv)
{
    int status;

    signal(SIGPIPE, SIG_IGN);
    status = run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return errno == EPIPE ? CLI_FAILED : cli_fail("cannot write the result: %s", strerror(errno));
}
