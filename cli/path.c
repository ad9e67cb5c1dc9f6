/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia path: what the path to one port does to different payloads, and after which hop. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/task.h"
#include "expo/expo.h"
#include "probe/path_payload.h"

enum { PROGRESS_US = 100000, RESOLVE_US = 10000000 };
#define PERCENT 100.0

struct conf {
    bool json, no_hops;
    const char *transport;
    uint64_t rounds, good_port;
    int64_t timeout_us;
    struct em_port_range source_ports;
};

static const struct em_opt options[] = {
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json), "Print one JSON object" },
    { "transport", 'T', EM_OPT_TEXT, "tcp|udp", NULL, 0, 0, offsetof(struct conf, transport),
      "Test TCP (the default, if no URI says otherwise) or UDP" },
    { "rounds", 'r', EM_OPT_UINT, "N", "20", 1, EM_PATH_ROUNDS_MAX, offsetof(struct conf, rounds),
      "Send every payload N times; up to three times as often if in doubt" },
    { "count", 'n', EM_OPT_UINT, "N", NULL, 1, EM_PATH_ROUNDS_MAX, offsetof(struct conf, rounds),
      "The same as --rounds" },
    { "good-port", 'g', EM_OPT_UINT, "PORT", NULL, 1, 65535, offsetof(struct conf, good_port),
      "A port that does work, to compare hops with" },
    { "source-ports", 'S', EM_OPT_PORTS, "A-B", NULL, 0, 0, offsetof(struct conf, source_ports),
      "Send from ports of this range" },
    { "timeout", 't', EM_OPT_DURATION, "SECONDS", "3", 1, 60, offsetof(struct conf, timeout_us),
      "Wait this long for a handshake, and for an answer" },
    { "no-hops", 'H', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, no_hops),
      "Do not look for the hop that drops" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia path",
    .usage = "[OPTION]... URI | HOST:PORT | HOST PORT",
    .summary = "Tells what a path drops: connections, content, large packets, random packets.",
    .options = options,
    .notes = "Exit status: 0 the path is clear, 1 it is not, 2 error.\n\n"
             "  edgemedia path --good-port 443 edge.example.com:50000\n",
};

struct run {
    struct cli_task task; /* first */
    struct conf conf;
    struct em_path_conf path;
    struct em_path *running;
};

static int start(struct cli_task *t, struct em_net *net, const struct em_addr *address, struct em_why *why)
{
    struct run *run = (struct run *)t;

    run->path.address = *address;
    return em_path_start(net, &run->path, cli_task_done, t, &run->running, why);
}

static void progress(const struct cli_task *t, uint64_t *ended, uint64_t *all)
{
    uint32_t n, of;

    em_path_progress(((const struct run *)t)->running, &n, &of);
    *ended = n;
    *all = of;
}

static void stop(struct cli_task *t)
{
    em_path_stop(((struct run *)t)->running);
}

/* --- what is printed ---------------------------------------------------------------------------------------------------------- */

/* Columns in which nothing is are left out, but for the first ones. */
static const struct {
    const char *head;
    size_t off;
    bool always;
} columns[] = {
    { "Tries", offsetof(struct em_path_counts, tries), true },
    { "Answered", offsetof(struct em_path_counts, answered), true },
    { "Taken", offsetof(struct em_path_counts, acknowledged), false },
    { "Dropped", offsetof(struct em_path_counts, dropped), false },
    { "Reset", offsetof(struct em_path_counts, reset), false },
    { "Closed", offsetof(struct em_path_counts, closed), false },
    { "Foreign", offsetof(struct em_path_counts, intercepted), false },
    { "Unconnected", offsetof(struct em_path_counts, unconnected), false },
    { "Refused", offsetof(struct em_path_counts, refused), false },
    { "Prohibited", offsetof(struct em_path_counts, prohibited), false },
    { "Unreachable", offsetof(struct em_path_counts, unreachable), false },
    { "Resent", offsetof(struct em_path_counts, again), false },
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static uint32_t cell(const struct em_path_counts *c, size_t column)
{
    return *(const uint32_t *)(const void *)((const char *)c + columns[column].off);
}

static size_t choose_columns(const struct em_path_table *t, size_t to[COLUMNS])
{
    size_t n = 0;

    for (size_t k = 0; k < COLUMNS; k++) {
        bool any = columns[k].always;

        for (size_t i = 0; i < EM_PATH_PAYLOADS; i++)
            any |= cell(&t->payload[i], k) > 0;
        if (any)
            to[n++] = k;
    }
    return n;
}

static void print_payloads(const struct em_path_table *t, struct buf *to)
{
    struct cli_table table;
    size_t column[COLUMNS], n = choose_columns(t, column);
    char ms[32];

    cli_table_init(&table, n + 2);
    cli_table_cell(&table, "Payload");
    for (size_t k = 0; k < n; k++)
        cli_table_cell(&table, columns[column[k]].head);
    cli_table_cell(&table, "Rtt ms");
    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++) {
        const struct em_path_counts *c = &t->payload[i];

        if (c->tries == 0)
            continue;
        cli_table_cell(&table, em_path_kinds[i].name);
        for (size_t k = 0; k < n; k++)
            cli_table_number(&table, cell(c, column[k]));
        cli_table_cell(&table, cli_ms(c->answered ? (int64_t)(c->rtt_us_sum / c->answered) : 0, ms));
    }
    cli_table_print(&table, to);
}

static void print_hops(const struct em_path_result *r, struct buf *to)
{
    static const char *const head[] = { "Hop", "Address", "Tested", "Compared" };
    static const char *const words[] = { [EM_PATH_END_NONE] = "",
                                         [EM_PATH_END_HOP] = "seen",
                                         [EM_PATH_END_ARRIVED] = "arrived",
                                         [EM_PATH_END_RESET] = "reset",
                                         [EM_PATH_END_SILENT] = "vanished" };
    struct cli_table table;

    if (r->hops_n == 0)
        return;
    buf_text(to, "\n");
    cli_table_init(&table, sizeof head / sizeof *head);
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        cli_table_cell(&table, head[i]);
    for (size_t i = 0; i < r->hops_n; i++) {
        cli_table_number(&table, r->hop[i].ttl);
        cli_table_cell(&table, r->hop[i].address);
        cli_table_cell(&table, words[r->hop[i].tested]);
        cli_table_cell(&table, words[r->hop[i].good]);
    }
    cli_table_print(&table, to);
}

static void print_confidence(const struct em_path_judgement *j, struct buf *to)
{
    if (j->filter == EM_PATH_NONE && j->unseen > 0)
        buf_print(to,
                  "What hits at least %.0f %% of the connections with one payload would have been seen with "
                  "%.0f %%\ncertainty; more --rounds see less frequent faults.\n",
                  PERCENT * j->unseen, PERCENT * j->confidence);
    else if (j->filter != EM_PATH_NONE && j->confidence <= 0.5)
        buf_text(to, "Confidence: one half, since the far end may be what is silent; edgemedia respond "
                     "there, or the hops,\n"
                     "can tell.\n");
    else if (j->filter != EM_PATH_NONE)
        buf_print(to, "Confidence that this is no chance: %s%.2f %%\n", j->confidence > 0.9999 ? "over " : "",
                  PERCENT * (j->confidence > 0.9999 ? 0.9999 : j->confidence));
}

static void print_text(const struct run *run, const struct em_path_result *r, struct buf *to)
{
    const struct em_path_judgement *j = &r->judgement;
    char at[EM_ENDPOINT_MAX];

    em_addr_endpoint(&run->path.address, at);
    buf_print(to, "%s over %s, %" PRIu32 " rounds in %.1f s\n\n", at,
              run->path.transport == EM_TRANSPORT_UDP ? "UDP" : "TCP", r->rounds, (double)r->took_us / 1e6);
    print_payloads(&r->table, to);
    print_hops(r, to);
    buf_print(to, "\nFilter: %s (%s); verdict: %s\n%s\n", em_name_of(&em_path_filter_names, j->filter),
              em_path_filter_names.names[j->filter - 1].help, em_name_of(&em_verdict_names, j->verdict),
              j->reason);
    print_confidence(j, to);
}

static int status_of(const struct em_path_judgement *j)
{
    if (j->verdict == EM_VERDICT_ERROR)
        return cli_fail("%s", j->reason);
    return j->filter == EM_PATH_NONE && em_sweep_clear(j->verdict) ? CLI_GOOD : CLI_BAD_NEWS;
}

/* An interrupted test tells what it has found so far. */
static int report(struct cli_task *t, bool whole)
{
    struct run *run = (struct run *)t;
    struct buf out = buf_heap(CLI_OUTPUT_MAX);
    struct em_path_result r;
    int status = CLI_FAILED;

    em_path_result(run->running, &r);
    if (run->conf.json)
        em_expo_path(&run->path.address, &r, &out);
    else
        print_text(run, &r, &out);
    if (cli_write(&out))
        status = whole ? status_of(&r.judgement) : cli_fail("interrupted");
    buf_fini(&out);
    return status;
}

/* --- reading what is wanted ----------------------------------------------------------------------------------------------------- */

static int read_transport(struct run *run)
{
    const char *t = run->conf.transport;

    if (t && strcmp(t, "tcp") != 0 && strcmp(t, "udp") != 0)
        return cli_usage(&program, "--transport must be tcp or udp");
    if (t)
        run->path.transport = strcmp(t, "udp") == 0 ? EM_TRANSPORT_UDP : EM_TRANSPORT_TCP;
    return CLI_GOOD;
}

static bool read_port(const char *text, uint16_t *port)
{
    uint64_t n;

    if (!em_read_uint(text, 1, UINT16_MAX, &n))
        return false;
    *port = (uint16_t)n;
    return true;
}

/* A URI of a probe, whatever its kind: only where it leads to counts. */
static bool read_uri(struct run *run, const char *text)
{
    struct em_probe_uri uri;

    if (em_probe_uri_read(text, &uri, NULL) < 0 || uri.port == 0)
        return false;
    memcpy(run->task.host, uri.host, sizeof run->task.host);
    run->task.port = uri.port;
    run->path.transport = uri.transport == EM_TRANSPORT_UDP ? EM_TRANSPORT_UDP : EM_TRANSPORT_TCP;
    return true;
}

static bool read_pair(struct run *run, const char *text)
{
    const char *colon = strrchr(text, ':');

    return colon && read_port(colon + 1, &run->task.port) &&
           cli_task_host(&run->task, (struct slice) { text, (size_t)(colon - text) });
}

static int read_target(struct run *run, char **operands, int n)
{
    run->path.transport = EM_TRANSPORT_TCP;
    if (n == 2 ? !cli_task_host(&run->task, slice_of(operands[0])) || !read_port(operands[1], &run->task.port)
               : !read_uri(run, operands[0]) && !read_pair(run, operands[0]))
        return cli_usage(&program, "what is tested must be a URI, HOST:PORT, or HOST PORT");
    return read_transport(run);
}

static void read_conf(struct run *run)
{
    run->path.rounds = (uint32_t)run->conf.rounds;
    run->path.good_port = (uint16_t)run->conf.good_port;
    run->path.timeout_us = run->conf.timeout_us;
    run->path.source_ports = run->conf.source_ports;
    run->path.no_walk = run->conf.no_hops;
}

static const struct cli_task_kind kind = { "tested", "tries", start, progress, stop, report };

static int path(int argc, char **argv)
{
    struct run run = { .task = { .kind = &kind } };
    int first = 0, status;
    bool done;

    status = cli_options(&program, &run.conf, argc, argv, &first, &done);
    if (done)
        return status;
    if (argc - first != 1 && argc - first != 2)
        return cli_usage(&program, "what is to be tested must be given: a URI, HOST:PORT, or HOST PORT");
    if ((status = read_target(&run, argv + first, argc - first)) != CLI_GOOD)
        return status;
    read_conf(&run);
    return cli_task_run(&run.task);
}

const struct cli_command cli_path = { "path", "tell what the path to a port does to media", path };
