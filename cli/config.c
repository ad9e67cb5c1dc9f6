/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia config: `check` judges a configuration of edgemediad as the daemon itself does, `init` writes one. */
#include "cli/config_inside.h"

#include <string.h>

#include "agent/conf.h"

static const struct em_opt options[] = {
    { "address", 'a', EM_OPT_TEXT, "HOST[:PORT]", NULL, 0, 0, offsetof(struct cli_config, address),
      "init: the edge to test; without a port its SRV records are looked up, too" },
    { "edge", 'e', EM_OPT_TEXT, "NAME", NULL, 0, 0, offsetof(struct cli_config, edge),
      "init: what tables call the edge; without it the first part of its name" },
    { "force", 'f', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct cli_config, force),
      "init: replace a FILE that is there" },
    { "logs", 'l', EM_OPT_LIST, "PATTERN", NULL, 0, 0, offsetof(struct cli_config, logs),
      "init: trace files to follow, such as '/var/log/sfb/*.log'; repeatable" },
    { "name-server", 'n', EM_OPT_TEXT, "ADDRESS[:PORT]", NULL, 0, 0,
      offsetof(struct cli_config, name_servers),
      "init: ask this name server, or several with commas, not the system's" },
    { "no-probes", 'N', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct cli_config, untested),
      "init: test nothing now; the usual ports of an A/V edge are written" },
    { "timeout", 't', EM_OPT_DURATION, "SECONDS", "5", 0.01, 60, offsetof(struct cli_config, timeout_us),
      "init: give each test this long" },
    { .name = NULL },
};

const struct em_opt_program cli_config_program = {
    .name = "edgemedia config",
    .usage = "[OPTION]... check|init [FILE]",
    .summary = "Checks the configuration of edgemediad, or writes a first one.",
    .options = options,
    .notes = "FILE is " EM_SYSCONFDIR "/edgemedia/edgemedia.conf unless it is given.\n"
             "check says what edgemediad --test-config says. init tests the edge over STUN,\n"
             "TURN and Microsoft's TURN, keeps what answers, explains every option, and on a\n"
             "terminal asks for what was not given; \"-\" writes to standard output.\n"
             "Exit status: 0 good; 1 written, but nothing of the edge answered; 2 errors in\n"
             "the configuration, wrong usage, or a file cannot be written.\n\n"
             "  edgemedia config init --address edge.example.com --logs '/var/log/sfb/*.log'\n",
};

static int check(struct cli_config *c)
{
    return em_conf_test(c->file) < 0 ? CLI_FAILED : CLI_GOOD;
}

static int config(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct cli_config *c);
    } verbs[] = { { "check", check }, { "init", cli_config_init } };
    struct cli_config c = { .file = EM_SYSCONFDIR "/edgemedia/edgemedia.conf" };
    int first = 0, result;
    bool done;

    result = cli_options(&cli_config_program, &c, argc, argv, &first, &done);
    if (done)
        return result;
    if (argc - first < 1 || argc - first > 2)
        return cli_usage(&cli_config_program, "say check or init, and at most one file");
    if (argc - first == 2)
        c.file = argv[first + 1];
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[first], verbs[i].name) == 0)
            return verbs[i].run(&c);
    return cli_usage(&cli_config_program, "\"%s\" is neither check nor init", argv[first]);
}

const struct cli_command cli_config = { "config", "check or write the daemon's configuration", config };
