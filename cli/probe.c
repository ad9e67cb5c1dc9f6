/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia probe: tests every address behind each URI now, all side by side, and tells how far each one got. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/probes.h"
#include "expo/expo.h"

enum { URIS_MAX = 256, RESULTS_MAX = URIS_MAX * EM_LOOKUP_MAX };

struct conf {
    bool json;
    int64_t timeout_us;
    const char *user, *password_file, *secret_file, *ca_file, *issuer, *name_servers;
    bool insecure;
    struct em_port_range source_ports, relay_ports;
};

static const struct em_opt options[] = {
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json),
      "Print one JSON object a line for each address" },
    { "timeout", 't', EM_OPT_DURATION, "SECONDS", "10", 0.01, 3600, offsetof(struct conf, timeout_us),
      "Give each URI this long, resolving included" },
    { "user", 'u', EM_OPT_TEXT, "NAME", NULL, 0, 0, offsetof(struct conf, user), "User for TURN" },
    { "password-file", 'p', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, password_file),
      "File whose first line is that user's password" },
    { "secret-file", 's', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, secret_file),
      "File whose first line is the shared secret of the TURN REST scheme" },
    { "ca-file", 'c', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, ca_file),
      "PEM certificates to trust in TLS instead of the system's" },
    { "insecure", 'k', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, insecure),
      "Take any certificate; the reason says so" },
    { "issuer", 'I', EM_OPT_TEXT, "NAME", NULL, 0, 0, offsetof(struct conf, issuer),
      "Another issuer of the certificate means that TLS is intercepted" },
    { "name-server", 'n', EM_OPT_TEXT, "ADDRESS[:PORT]", NULL, 0, 0, offsetof(struct conf, name_servers),
      "Ask this name server, or several with commas, instead of the system's" },
    { "relay-ports", 'R', EM_OPT_PORTS, "A-B", NULL, 0, 0, offsetof(struct conf, relay_ports),
      "A relayed port outside of this range is degraded" },
    { "source-port", 'S', EM_OPT_PORTS, "A-B", NULL, 0, 0, offsetof(struct conf, source_ports),
      "Send from a port of this range" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia probe",
    .usage = "[OPTION]... URI...",
    .summary = "Tests media ports: every address of each URI, and how far it got.",
    .options = options,
    .notes = "URIs: stun:HOST[:PORT][?transport=tcp]  turn:HOST[:PORT][?transport=udp|tcp]\n"
             "      stuns:HOST[:PORT]  turns:HOST[:PORT]  tcp:HOST:PORT  udp:HOST:PORT\n"
             "      msturn:HOST[:PORT][?transport=udp|tcp]  relays:HOST[:PORT]\n"
             "      relay:HOST[:PORT][?transport=udp|tcp][&far=HOST[:PORT]][&relayed=tcp]\n"
             "      msrelay:HOST[:PORT][?transport=udp|tcp][&far=HOST[:PORT]]\n"
             "      path:HOST:PORT[?transport=udp], see edgemedia path --help\n"
             "Exit status: 0 every address answered (relay: bytes came back), 1 one did not,\n"
             "2 error.\n\n"
             "  edgemedia probe turn:edge.example.com:3478 tcp:edge.example.com:50000\n",
};

struct run {
    struct conf conf;
    struct em_probe_options options;
    struct em_probe_uri uri[URIS_MAX];
    size_t uris;
    struct kept {
        size_t uri;
        struct em_probe_result result;
    } * kept; /* for the table: in the order in which they came */
    size_t kept_n;
    struct buf out;
    bool bad, broken; /* bad news; output or memory that failed */
};

static void keep(struct run *run, size_t uri, const struct em_probe_result *r)
{
    struct kept *more =
        run->kept_n < RESULTS_MAX ? realloc(run->kept, (run->kept_n + 1) * sizeof *more) : NULL;

    if (!more) {
        run->broken = true;
        return;
    }
    run->kept = more;
    run->kept[run->kept_n++] = (struct kept) { uri, *r };
}

static bool each_result(void *arg, size_t uri, const struct em_probe_result *r)
{
    struct run *run = arg;

    run->bad |= !em_verdict_up(r->verdict) || !em_probe_carried(&run->uri[uri], r);
    if (!run->conf.json) {
        keep(run, uri, r);
        return true;
    }
    em_expo_probe(&run->uri[uri], r, &run->out);
    if (!cli_write(&run->out) || fflush(stdout) != 0)
        run->broken = true;
    return !run->broken;
}

/* "resolve 0.312 connect 0.120 stun 0.401": the phases that happened, in milliseconds. */
static const char *phases(const struct em_probe_result *r, struct buf *to)
{
    const struct {
        const char *name;
        int64_t us;
    } all[] = { { "resolve", r->resolve_us }, { "connect", r->connect_us },   { "tls", r->tls_us },
                { "stun", r->stun_us },       { "allocate", r->allocate_us }, { "relay", r->relay_us } };
    char ms[32];

    buf_reset(to);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].us > 0)
            buf_print(to, "%s%s %s", to->n > 0 ? " " : "", all[i].name, cli_ms(all[i].us, ms));
    return buf_str(to);
}

static void print_table(struct run *run)
{
    static const char *const head[] = {
        "URI", "Address", "Port", "Verdict", "Rtt ms", "Phases ms", "Reason"
    };
    struct cli_table table;
    char text[256], ms[32];
    struct buf words = buf_over(text, sizeof text);

    cli_table_init(&table, sizeof head / sizeof *head);
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        cli_table_cell(&table, head[i]);
    for (size_t j = 0; j < run->uris; j++)
        for (size_t i = 0; i < run->kept_n; i++) {
            const struct em_probe_result *r = &run->kept[i].result;

            if (run->kept[i].uri != j)
                continue;
            cli_table_cell(&table, run->uri[j].text);
            cli_table_cell(&table, r->address);
            cli_table_number(&table, r->port);
            cli_table_cell(&table, em_name_of(&em_verdict_names, r->verdict));
            cli_table_cell(&table, cli_ms(r->rtt_us, ms));
            cli_table_cell(&table, phases(r, &words));
            cli_table_cell(&table, r->reason);
        }
    cli_table_print(&table, &run->out);
}

/* The URIs, all checked before the first packet is sent. */
static int read_uris(struct run *run, int n, char **texts)
{
    struct em_why why;

    if (n > URIS_MAX)
        return cli_fail("more than %d URIs", URIS_MAX);
    for (; run->uris < (size_t)n; run->uris++)
        if (em_probe_uri_read(texts[run->uris], &run->uri[run->uris], &why) < 0)
            return cli_usage(&program, "%s", why.text);
    return CLI_GOOD;
}

static int read_secrets(struct run *run)
{
    const struct conf *c = &run->conf;
    struct em_probe_options *o = &run->options;
    struct em_why why;

    if (c->ca_file && c->insecure)
        return cli_usage(&program, "--ca-file and --insecure exclude each other");
    if (c->password_file && c->secret_file)
        return cli_usage(&program, "--password-file and --secret-file exclude each other");
    if (c->password_file && !c->user)
        return cli_usage(&program, "--password-file needs --user");
    if (c->user && !c->password_file && !c->secret_file)
        return cli_usage(&program, "--user needs --password-file or --secret-file");
    if (c->user && !slice_copy(slice_of(c->user), o->user, sizeof o->user))
        return cli_usage(&program, "--user is longer than %zu bytes", sizeof o->user - 1);
    if (c->password_file && cli_read_line(c->password_file, o->password, sizeof o->password, &why) < 0)
        return cli_fail("%s", why.text);
    if (c->secret_file && cli_read_line(c->secret_file, o->secret, sizeof o->secret, &why) < 0)
        return cli_fail("%s", why.text);
    if (c->ca_file && !slice_copy(slice_of(c->ca_file), o->ca_file, sizeof o->ca_file))
        return cli_usage(&program, "--ca-file is longer than %zu bytes", sizeof o->ca_file - 1);
    if (c->issuer && !slice_copy(slice_of(c->issuer), o->issuer, sizeof o->issuer))
        return cli_usage(&program, "--issuer is longer than %zu bytes", sizeof o->issuer - 1);
    if (c->name_servers && (strlen(c->name_servers) >= EM_URI_MAX || !em_net_servers_ok(c->name_servers)))
        return cli_usage(&program,
                         "--name-server must be an address, with or without a port, or several with commas");
    o->insecure = c->insecure;
    o->timeout_us = c->timeout_us;
    o->source_ports = c->source_ports;
    o->relay_ports = c->relay_ports;
    return CLI_GOOD;
}

static int run_all(struct run *run)
{
    struct em_why why;
    int err =
        cli_probe_all(run->uri, run->uris, &run->options, run->conf.name_servers, each_result, run, &why);

    if (!run->conf.json)
        print_table(run);
    if (!cli_write(&run->out))
        return CLI_FAILED;
    if (err < 0)
        return cli_fail("%s", why.text);
    if (run->broken)
        return ferror(stdout) ? CLI_FAILED : cli_fail("%s", em_err_text(EM_ERR_MEMORY));
    return run->bad ? CLI_BAD_NEWS : CLI_GOOD;
}

static int probe(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof *run);
    int first = 0, status;
    bool done;

    if (!run)
        return cli_fail("%s", em_err_text(EM_ERR_MEMORY));
    run->out = buf_heap(CLI_OUTPUT_MAX);
    status = cli_options(&program, &run->conf, argc, argv, &first, &done);
    if (!done && first == argc)
        status = cli_usage(&program, "no URI given");
    else if (!done && (status = read_uris(run, argc - first, argv + first)) == CLI_GOOD &&
             (status = read_secrets(run)) == CLI_GOOD)
        status = run_all(run);
    explicit_bzero(&run->options, sizeof run->options);
    buf_fini(&run->out);
    free(run->kept);
    free(run);
    return status;
}

const struct cli_command cli_probe = { "probe", "test media ports now", probe };
