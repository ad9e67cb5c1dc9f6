/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia respond: the far end for port checks; answers STUN on a range of ports until it is interrupted. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/loop.h"
#include "net/bulk.h"
#include "probe/respond.h"
#include "probe/sweep.h"

struct conf {
    bool tcp, udp;
    const char *key_file;
    uint64_t rate;
};

static const struct em_opt options[] = {
    { "tcp", 't', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, tcp),
      "Only TCP, unless --udp is given too" },
    { "udp", 'u', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, udp),
      "Only UDP, unless --tcp is given too" },
    { "key-file", 'k', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, key_file),
      "Answer only who has the key in the first line of FILE" },
    { "rate", 'r', EM_OPT_UINT, "BYTES", "33554432", 1000, 1e10, offsetof(struct conf, rate),
      "Send at most so many bytes in a second" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia respond",
    .usage = "[OPTION]... ADDRESS FIRST-LAST",
    .summary = "Answers STUN requests on a range of ports, as the far end of port checks.",
    .options = options,
    .notes = "Prints a line that begins with \"listening\" when ready; SIGINT ends it.\n\n"
             "  edgemedia respond 192.0.2.1 50000-50019\n",
};

/* Descriptors for every port, and as many clients as there may be: the limit that is a habit is raised by whoever may. If that fails, listening says
 * which port found none. */
static void make_room(const struct em_respond_conf *c)
{
    rlim_t ports = 1u + c->ports.last - c->ports.first;
    rlim_t wanted = ports * (rlim_t)(c->udp + c->tcp) + EM_RESPOND_CLIENTS_MAX + EM_BULK_SPARE_DESCRIPTORS;
    struct rlimit limit, more = { wanted, wanted };

    em_bulk_more_room();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < wanted)
        (void)setrlimit(RLIMIT_NOFILE, &more);
}

static void announce(const struct em_respond_conf *c)
{
    char address[EM_ADDRESS_MAX];

    em_addr_text(&c->address, address);
    printf("listening on %s ports %u-%u %s\n", address, c->ports.first, c->ports.last,
           c->udp && c->tcp ? "udp tcp"
           : c->udp         ? "udp"
                            : "tcp");
    fflush(stdout);
}

static int serve(const struct em_respond_conf *c)
{
    struct em_responder *responder = NULL;
    struct em_respond_stats stats;
    struct cli_loop *loop = NULL;
    struct em_why why;

    if (cli_loop_new(&loop, &why) < 0)
        return cli_fail("%s", why.text);
    if (em_responder_start(cli_loop_net(loop), c, &responder, &why) < 0) {
        cli_loop_free(loop);
        return cli_fail("%s", why.text);
    }
    announce(c);
    cli_loop_run(loop);
    em_responder_stats(responder, &stats);
    em_responder_stop(responder);
    cli_loop_free(loop);
    fprintf(stderr,
            "edgemedia: %" PRIu64 " requests, %" PRIu64 " answers, %" PRIu64 " clients, %" PRIu64
            " refused, %" PRIu64 " bytes echoed\n",
            stats.requests, stats.answers, stats.clients, stats.refused, stats.echoed);
    return CLI_GOOD;
}

static int respond(int argc, char **argv)
{
    struct conf conf = { 0 };
    struct em_respond_conf c = { 0 };
    char key[EM_SWEEP_KEY_MAX] = "";
    struct em_why why;
    int first = 0, status;
    bool done;

    status = cli_options(&program, &conf, argc, argv, &first, &done);
    if (done)
        return status;
    if (argc - first != 2)
        return cli_usage(&program, "an address and a range of ports are needed");
    if (!em_addr_read(argv[first], 0, &c.address))
        return cli_usage(&program, "the address must be an IPv4 or IPv6 address of this machine");
    if (!em_read_ports(argv[first + 1], &c.ports))
        return cli_usage(&program, "the ports must be written FIRST-LAST, within 1-65535");
    if (conf.key_file && cli_read_line(conf.key_file, key, sizeof key, &why) < 0)
        return cli_fail("%s", why.text);
    c.key = slice_of(key);
    c.rate = conf.rate;
    c.udp = conf.udp || !conf.tcp;
    c.tcp = conf.tcp || !conf.udp;
    make_room(&c);
    status = serve(&c);
    explicit_bzero(key, sizeof key);
    return status;
}

const struct cli_command cli_respond = { "respond", "answer port checks on a range of ports", respond };
