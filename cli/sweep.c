/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia sweep: tests every port of a range, or a sample of it, and tells which parts of the range are blocked. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/task.h"
#include "expo/expo.h"
#include "net/bulk.h"
#include "probe/sweep.h"

struct conf {
    bool json, tcp, udp;
    const char *rate, *payload, *key_file;
    int64_t timeout_us;
    uint64_t sample;
    struct em_port_range source_ports;
};

static const struct em_opt options[] = {
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json), "Print one JSON object" },
    { "tcp", 'T', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, tcp), "Test TCP ports (the default)" },
    { "udp", 'U', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, udp), "Test UDP ports" },
    { "rate", 'r', EM_OPT_TEXT, "N", "500", 0, 0, offsetof(struct conf, rate),
      "Begin with N ports in a second; max: as fast as answers come" },
    { "timeout", 't', EM_OPT_DURATION, "SECONDS", "3", 0.05, 60, offsetof(struct conf, timeout_us),
      "Wait for a port this long at most" },
    { "source-port", 'S', EM_OPT_PORTS, "A-B", NULL, 0, 0, offsetof(struct conf, source_ports),
      "Send from ports of this range" },
    { "payload", 'p', EM_OPT_TEXT, "KIND", "stun", 0, 0, offsetof(struct conf, payload),
      "What is sent: stun or sharing (needs edgemedia respond)" },
    { "sample", 'n', EM_OPT_UINT, "N", NULL, 1, 65535, offsetof(struct conf, sample),
      "Test only N ports, chosen at random" },
    { "key-file", 'k', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, key_file),
      "File whose first line is the responder's shared key" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia sweep",
    .usage = "[OPTION]... HOST FIRST-LAST",
    .summary = "Tests a range of ports with a payload, and tells which of them are blocked.",
    .options = options,
    .notes = "Exit status: 0 the path to every port is clear (open or refused), 1 it is not,\n"
             "2 error.\n\n"
             "  edgemedia sweep --udp --source-port 50000-59999 edge.example.com 50000-59999\n",
};

struct run {
    struct cli_task task; /* first */
    struct conf conf;
    struct em_sweep_conf sweep;
    struct em_sweep *running;
    char key[EM_SWEEP_KEY_MAX];
};

static int start(struct cli_task *t, struct em_net *net, const struct em_addr *address, struct em_why *why)
{
    struct run *run = (struct run *)t;

    em_bulk_more_room();
    run->sweep.address = *address;
    return em_sweep_start(net, &run->sweep, NULL, cli_task_done, t, &run->running, why);
}

static void progress(const struct cli_task *t, uint64_t *ended, uint64_t *all)
{
    struct em_sweep_result r;

    em_sweep_result(((const struct run *)t)->running, &r);
    *ended = r.tested;
    *all = r.ports;
}

static void stop(struct cli_task *t)
{
    em_sweep_stop(((struct run *)t)->running);
}

/* --- what is printed ---------------------------------------------------------------------------------------------------------- */

/* The verdicts in the three groups that an operator thinks in. */
static const struct {
    const char *name, *meaning;
    enum em_verdict member[8];
} groups[] = {
    { "clear", "the path is open", { EM_VERDICT_OK, EM_VERDICT_DEGRADED, EM_VERDICT_REFUSED } },
    { "blocked",
      "nothing gets through",
      { EM_VERDICT_FILTERED, EM_VERDICT_PROHIBITED, EM_VERDICT_UNREACHABLE } },
    { "interfered with",
      "connects, but media does not get through",
      { EM_VERDICT_BLACKHOLED, EM_VERDICT_SILENT, EM_VERDICT_RESET, EM_VERDICT_INTERCEPTED,
        EM_VERDICT_MANGLED, EM_VERDICT_PROTOCOL_ERROR } },
    { "not tested", "this machine could not", { EM_VERDICT_ERROR } },
};
enum { GROUPS = sizeof groups / sizeof *groups };

static void print_group(const struct em_sweep_result *r, size_t g, struct buf *to)
{
    uint32_t sum = 0;
    const char *between = "";

    for (size_t i = 0; i < 8 && groups[g].member[i]; i++)
        sum += r->verdicts[groups[g].member[i]];
    if (sum == 0)
        return;
    buf_print(to, "%6" PRIu32 " %s (%s): ", sum, groups[g].name, groups[g].meaning);
    for (size_t i = 0; i < 8 && groups[g].member[i]; i++) {
        enum em_verdict v = groups[g].member[i];

        if (r->verdicts[v] == 0)
            continue;
        buf_print(to, "%s%s %" PRIu32, between, em_name_of(&em_verdict_names, v), r->verdicts[v]);
        between = ", ";
    }
    buf_text(to, "\n");
}

static void print_run(struct cli_table *t, const struct em_sweep_run *run)
{
    char ports[16];

    if (run->first == run->last)
        snprintf(ports, sizeof ports, "%u", run->first);
    else
        snprintf(ports, sizeof ports, "%u-%u", run->first, run->last);
    cli_table_cell(t, ports);
    cli_table_number(t, run->ports);
    cli_table_cell(t, em_name_of(&em_verdict_names, run->verdict));
    cli_table_cell(t, em_verdict_names.names[run->verdict - 1].help);
}

static void print_exceptions(const struct em_sweep *s, struct buf *to)
{
    static const char *const head[] = { "Ports", "Tested", "Verdict", "Meaning" };
    struct em_sweep_run runs[64];
    struct cli_table table;
    uint32_t from = 0;
    bool any = false;

    do {
        size_t n = em_sweep_runs(s, &from, runs, sizeof runs / sizeof *runs);

        if (n > 0 && !any) {
            buf_text(to, "\n");
            cli_table_init(&table, sizeof head / sizeof *head);
            for (size_t i = 0; i < sizeof head / sizeof *head; i++)
                cli_table_cell(&table, head[i]);
            any = true;
        }
        for (size_t i = 0; i < n; i++)
            print_run(&table, &runs[i]);
    } while (from > 0);
    if (any)
        cli_table_print(&table, to);
}

/* Most hosts send only a few ICMP messages in a second (Linux: net.ipv4.icmp_ratelimit), so what they would have said is silence. */
static void print_hints(const struct em_sweep_result *r, bool udp, struct buf *to)
{
    uint32_t told = r->verdicts[EM_VERDICT_PROHIBITED] + r->verdicts[EM_VERDICT_UNREACHABLE] +
                    (udp ? r->verdicts[EM_VERDICT_REFUSED] : 0);

    if (told > 0 && r->verdicts[EM_VERDICT_FILTERED] > 0)
        buf_text(
            to,
            "\nFar ends limit how many ICMP messages they send: filtered ports among refused, prohibited or\n"
            "unreachable ones may be the same. A lower --rate tells more.\n");
    if (r->again > 0)
        buf_print(to,
                  "\nThe far end was slow: %" PRIu64
                  " times a silent port was tested again, with few others beside it. --timeout gives it\n"
                  "more time, a lower --rate less to do.\n",
                  r->again);
    if (r->slowdowns > 0)
        buf_print(to,
                  "\nThis machine ran out of sockets %" PRIu64 " times and went on with %" PRIu32
                  " at once; raise ulimit -n for more speed.\n",
                  r->slowdowns, r->sockets);
}

static void print_text(const struct run *run, struct buf *to)
{
    char address[EM_ADDRESS_MAX];
    struct em_sweep_result r;
    bool udp = run->sweep.transport == EM_TRANSPORT_UDP;
    double s;

    em_sweep_result(run->running, &r);
    s = (double)r.took_us / 1e6;
    em_addr_text(&run->sweep.address, address);
    buf_print(to, "%" PRIu32 " of %u %s ports %u-%u of %s in %.2f s, %.0f ports/s", r.tested,
              1u + run->sweep.ports.last - run->sweep.ports.first, udp ? "UDP" : "TCP",
              run->sweep.ports.first, run->sweep.ports.last, address, s, r.tested / s);
    if (r.rtt_us > 0)
        buf_print(to, ", round trip %.1f ms", (double)r.rtt_us / 1e3);
    buf_print(to, ", %" PRIu64 " retransmits", r.retransmits);
    if (run->sweep.payload == EM_SWEEP_SHARING)
        buf_print(to, ", %.1f MB echoed, %" PRIu64 " stalls", (double)r.bytes / 1e6, r.stalls);
    buf_text(to, "\n\n");
    for (size_t g = 0; g < GROUPS; g++)
        print_group(&r, g, to);
    print_exceptions(run->running, to);
    print_hints(&r, udp, to);
}

static int status_of(const struct em_sweep *s)
{
    struct em_sweep_result r;
    int status = CLI_GOOD;

    em_sweep_result(s, &r);
    for (uint32_t v = 1; v <= EM_VERDICT_COUNT; v++)
        if (r.verdicts[v] > 0 && !em_sweep_clear((enum em_verdict)v))
            status = CLI_BAD_NEWS;
    return r.verdicts[EM_VERDICT_ERROR] == r.tested ? cli_fail("this machine could not test any port")
                                                    : status;
}

/* An interrupted sweep tells what it has found so far. */
static int report(struct cli_task *t, bool whole)
{
    const struct run *run = (const struct run *)t;
    struct buf out = buf_heap(CLI_OUTPUT_MAX);
    int status = CLI_FAILED;

    if (run->conf.json)
        em_expo_sweep(run->running, run->sweep.payload == EM_SWEEP_SHARING, &out);
    else
        print_text(run, &out);
    if (cli_write(&out))
        status = whole ? status_of(run->running) : cli_fail("interrupted");
    buf_fini(&out);
    return status;
}

/* --- reading what is wanted ----------------------------------------------------------------------------------------------------- */

static int read_conf(struct run *run)
{
    const struct conf *c = &run->conf;
    uint64_t rate = 0;

    if (c->tcp && c->udp)
        return cli_usage(&program, "--tcp and --udp are two sweeps: run one after the other");
    if (strcmp(c->rate, "max") != 0 && !em_read_uint(c->rate, 1, EM_SWEEP_RATE_MAX, &rate))
        return cli_usage(&program, "--rate must be max or a number from 1 to %d", EM_SWEEP_RATE_MAX);
    if (strcmp(c->payload, "stun") != 0 && strcmp(c->payload, "sharing") != 0)
        return cli_usage(&program, "--payload must be stun or sharing");
    if (c->key_file && cli_read_line(c->key_file, run->key, sizeof run->key, &run->task.why) < 0)
        return cli_fail("%s", run->task.why.text);
    run->sweep.transport = c->udp ? EM_TRANSPORT_UDP : EM_TRANSPORT_TCP;
    run->sweep.rate = (uint32_t)rate;
    run->sweep.timeout_us = c->timeout_us;
    run->sweep.source_ports = c->source_ports;
    run->sweep.sample = (uint32_t)c->sample;
    run->sweep.payload = strcmp(c->payload, "sharing") == 0 ? EM_SWEEP_SHARING : EM_SWEEP_STUN;
    run->sweep.key = slice_of(run->key);
    return CLI_GOOD;
}

static int read_target(struct run *run, const char *host, const char *ports)
{
    if (!cli_task_host(&run->task, slice_of(host)))
        return cli_usage(&program, "the host must be a name or an address");
    if (!em_read_ports(ports, &run->sweep.ports))
        return cli_usage(&program, "the ports must be written FIRST-LAST, within 1-65535");
    return CLI_GOOD;
}

static const struct cli_task_kind kind = { "swept", "ports", start, progress, stop, report };

static int sweep(int argc, char **argv)
{
    struct run run = { .task = { .kind = &kind } };
    int first = 0, status;
    bool done;

    status = cli_options(&program, &run.conf, argc, argv, &first, &done);
    if (done)
        return status;
    if (argc - first != 2)
        return cli_usage(&program, "a host and a range of ports are needed");
    if ((status = read_target(&run, argv[first], argv[first + 1])) == CLI_GOOD &&
        (status = read_conf(&run)) == CLI_GOOD)
        status = cli_task_run(&run.task);
    explicit_bzero(run.key, sizeof run.key);
    return status;
}

const struct cli_command cli_sweep = { "sweep", "test a range of ports", sweep };
