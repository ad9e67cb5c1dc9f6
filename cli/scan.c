/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia scan: counts the failures in evidence files, exactly and without duplicates over all of them. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/esc.h"
#include "cli/scan_inputs.h"
#include "cli/scan_report.h"
#include "evidence/count.h"
#include "evidence/ice.h"
#include "evidence/scan.h"
#include "expo/expo.h"

struct conf {
    bool json, failures;
    uint64_t jobs;
    const char *since, *until, *report;
};

static const struct em_opt options[] = {
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json),
      "Print the totals as one JSON object; with -f it is the last line" },
    { "failures", 'f', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, failures),
      "Print one JSON object a line for each call and code instead of the totals" },
    { "jobs", 'J', EM_OPT_UINT, "N", "1", 1, 256, offsetof(struct conf, jobs),
      "Processes to read with; the numbers are the same" },
    { "since", 's', EM_OPT_TEXT, "TIME", NULL, 0, 0, offsetof(struct conf, since),
      "Count only reports from then on; UTC date, or 90m, 2h, 7d ago" },
    { "until", 'u', EM_OPT_TEXT, "TIME", NULL, 0, 0, offsetof(struct conf, until),
      "Count only reports before then" },
    { "report", 'r', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, report),
      "Write an HTML page with graphs to FILE besides, to hand on" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia scan",
    .usage = "[OPTION]... FILE|DIRECTORY...",
    .summary = "Counts call failures in trace files of any supported format; - is stdin.",
    .options = options,
    .notes = "Formats, recognised by content: OCSLogger, CLS, UCCAPI, SIP text of many tools,\n"
             "gzip, xz and zstd files of them, and packet captures (pcap, pcapng).\n"
             "Exit status: 0 no media failure, 1 there are some, 2 a file could not be read.\n\n"
             "  edgemedia scan --jobs 4 /var/log/sfb\n"
             "  edgemedia scan --since 2026-11-01 --until 2026-11-08 '/var/log/sfb/*.log'\n"
             "  edgemedia scan --report failures.html /var/log/sfb\n"
             "  edgemedia scan -f *.txt | jq -r 'select(.code == 23).remote_relay'\n",
};

struct run {
    struct conf conf;
    struct em_scan *scan;
    struct scan_inputs inputs;
    struct scan_report report;
    int64_t since, until;
    struct cli_progress progress;
    struct buf line;
    bool failed;  /* a file was not read */
    bool stopped; /* nobody reads what we print */
};

static void each_failure(void *arg, const struct em_failure_row *row)
{
    struct run *run = arg;

    if (run->report.tally)
        em_tally_add(run->report.tally, row);
    if (run->stopped || !run->conf.failures)
        return;
    cli_progress_clear(&run->progress);
    em_expo_failure(row, &run->line);
    run->stopped = !cli_write(&run->line);
}

static bool each_step(void *arg, uint64_t bytes)
{
    struct run *run = arg;

    cli_progress_at(&run->progress, bytes);
    return !run->stopped;
}

/* A picture in a directory of logs is passed over; one that was named is an error. */
static void each_problem(void *arg, size_t file, int err, const char *why)
{
    struct run *run = arg;

    if (run->stopped)
        return;
    cli_progress_clear(&run->progress);
    (void)cli_fail("%s", why);
    run->failed |= err != EM_ERR_UNSUPPORTED || !run->inputs.listed[file];
}

/* The sum of the sizes, or 0 when one of them cannot be known. */
static uint64_t total_size(const struct scan_inputs *in)
{
    uint64_t total = 0;
    struct stat st;

    for (size_t i = 0; i < in->n; i++) {
        if (strcmp(in->path[i], "-") == 0 ? fstat(STDIN_FILENO, &st) != 0 : stat(in->path[i], &st) != 0)
            continue;
        if (!S_ISREG(st.st_mode))
            return 0;
        total += (uint64_t)st.st_size;
    }
    return total;
}

static void print_totals(const struct em_totals *t, struct buf *to)
{
    const struct {
        const char *what;
        uint64_t n;
    } rows[] = {
        { "calls with code 23", t->code_23 },
        { "calls with failed TCP NAT checks (0x100)", t->tcp_nat_check },
        { "calls with both: suspect the path of TCP media", t->code_23_tcp_nat },
        { "calls with a media failure of any code", t->media_failures },
        { "calls with a report", t->calls },
        { "reports", t->reports },
        { "  of which duplicates", t->duplicates },
        { "  of which without a Call-ID", t->unkeyed },
        { "messages", t->messages },
        { "  of which malformed", t->malformed },
    };
    struct cli_table table;
    char size[32];

    cli_table_init(&table, 2);
    cli_table_cell(&table, "In");
    cli_table_cell(&table, cli_bytes(t->bytes, size));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cli_table_cell(&table, rows[i].what);
        cli_table_number(&table, rows[i].n);
    }
    cli_table_print(&table, to);
}

static void print_codes(const struct em_scan_result *r, struct buf *to)
{
    struct cli_table table;

    if (r->codes_n == 0)
        return;
    buf_text(to, "\n");
    cli_table_init(&table, 4);
    cli_table_cell(&table, "Code");
    cli_table_cell(&table, "Calls");
    cli_table_cell(&table, "Class");
    cli_table_cell(&table, "Meaning");
    for (size_t i = 0; i < r->codes_n; i++) {
        cli_table_number(&table, r->codes[i].code);
        cli_table_number(&table, r->codes[i].calls);
        cli_table_cell(&table, em_name_of(&em_code_class_names, em_code_class(r->codes[i].code)));
        cli_table_cell(&table, em_code_meaning(r->codes[i].code));
    }
    cli_table_print(&table, to);
}

static void print_ice(const struct em_scan_result *r, struct buf *to)
{
    struct cli_table table;
    size_t rows = 0;

    cli_table_init(&table, 3);
    cli_table_cell(&table, "ICE warning");
    cli_table_cell(&table, "Calls");
    cli_table_cell(&table, "Meaning");
    for (unsigned bit = 0; bit < EM_ICE_BITS; bit++) {
        const struct em_ice_warning *w = em_ice_find(UINT32_C(1) << bit);
        char value[16];

        if (r->ice[bit] == 0)
            continue;
        rows++;
        snprintf(value, sizeof value, "0x%" PRIx32, UINT32_C(1) << bit);
        cli_table_cell(&table, value);
        cli_table_number(&table, r->ice[bit]);
        cli_table_cell(&table, w ? w->text : "not known");
    }
    if (rows == 0) {
        buf_fini(&table.cells);
        return;
    }
    buf_text(to, "\n");
    cli_table_print(&table, to);
}

static int finish(struct run *run)
{
    const struct em_scan_result *r = em_scan_result(run->scan);

    if (run->stopped)
        return CLI_FAILED;
    if (r->untimed > 0)
        (void)cli_fail("%" PRIu64 " reports carry no time and were left out by --since and --until",
                       r->untimed);
    if (run->conf.json) { /* after the lines of --failures, the last one */
        em_expo_scan(r, &run->line);
    } else if (!run->conf.failures) {
        print_totals(&r->totals, &run->line);
        print_codes(r, &run->line);
        print_ice(r, &run->line);
    }
    if (!cli_write(&run->line))
        return CLI_FAILED;
    return r->totals.media_failures > 0 ? CLI_BAD_NEWS : CLI_GOOD;
}

/* --since and --until, and what they were when they make no sense. */
static int set_window(struct run *run)
{
    int64_t now = em_wall_us(&em_clock_system);
    const struct {
        const char *option, *text;
        int64_t *when;
    } rows[] = { { "since", run->conf.since, &run->since }, { "until", run->conf.until, &run->until } };
    char shown[64];

    run->since = INT64_MIN;
    run->until = INT64_MAX;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].text || cli_when(rows[i].text, now, rows[i].when))
            continue;
        esc_line_into(shown, sizeof shown, slice_of(rows[i].text));
        return cli_usage(&program, "--%s %s is no time; write it as 2026-11-23, \"2026-11-23 14:00\", or 2h",
                         rows[i].option, shown);
    }
    if (run->since >= run->until)
        return cli_usage(&program, "--since is not before --until");
    if (run->conf.since || run->conf.until)
        em_scan_between(run->scan, run->since, run->until);
    return CLI_GOOD;
}

static int read_inputs(struct run *run, int n, char **names)
{
    const struct em_scan_watch watch = { run, each_step, each_problem };
    struct em_why why = { "" };
    int err = 0;

    for (int i = 0; i < n && !err; i++)
        if ((err = scan_inputs_add(&run->inputs, names[i], &why)) == EM_ERR_SYSTEM) {
            run->failed = true;
            err = (cli_fail("%s", why.text), 0);
        }
    cli_progress_begin(&run->progress, total_size(&run->inputs), NULL);
    if (!err)
        err = em_scan_files(run->scan, (const char *const *)(uintptr_t)run->inputs.path, run->inputs.n,
                            (unsigned)run->conf.jobs, &watch, &why);
    cli_progress_clear(&run->progress);
    return err ? cli_fail("%s", *why.text ? why.text : em_err_text(err)) : CLI_GOOD;
}

static int write_report(struct run *run)
{
    struct em_report_page page = { .result = em_scan_result(run->scan),
                                   .files = (const char *const *)(uintptr_t)run->inputs.path,
                                   .files_n = run->inputs.n,
                                   .made_us = em_wall_us(&em_clock_system),
                                   .since_us = run->since,
                                   .until_us = run->until,
                                   .incomplete = run->failed };
    struct em_why why = { "" };

    if (!run->report.path || scan_report_write(&run->report, &page, &why) == 0)
        return CLI_GOOD;
    return cli_fail("%s", why.text);
}

/* From options that make sense to the exit status. */
static int run_scan(struct run *run, int n, char **names)
{
    struct em_why why = { "" };
    int status = set_window(run);

    if (status == CLI_GOOD && run->conf.report && scan_report_begin(&run->report, run->conf.report, &why) < 0)
        status = cli_fail("%s", why.text);
    if (status == CLI_GOOD)
        status = read_inputs(run, n, names);
    if (status == CLI_GOOD)
        status = write_report(run);
    return status == CLI_GOOD ? finish(run) : status;
}

static int scan(int argc, char **argv)
{
    struct run run = { .line = buf_heap(CLI_OUTPUT_MAX) };
    int first = 0, status;
    bool done;

    status = cli_options(&program, &run.conf, argc, argv, &first, &done);
    if (done)
        return status;
    if (first == argc)
        return cli_usage(&program, "no file given");
    run.scan = em_scan_new(run.conf.failures || run.conf.report ? each_failure : NULL, &run);
    if (!run.scan)
        return cli_fail("%s", em_err_text(EM_ERR_MEMORY));
    status = run_scan(&run, argc - first, argv + first);
    scan_report_end(&run.report);
    em_scan_free(run.scan);
    scan_inputs_free(&run.inputs);
    buf_fini(&run.line);
    return run.failed ? CLI_FAILED : status;
}

const struct cli_command cli_scan = { "scan", "count call failures in trace files", scan };
