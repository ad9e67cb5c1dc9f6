/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia status: what a running edgemediad knows: failures, checks, sources. */
#include "cli/cli.h"

#include <stdio.h>

#include <json-c/json.h>

#include "base/esc.h"
#include "cli/daemon.h"
#include "cli/view.h"
#include "cli/watch.h"

struct conf {
    bool json, watch;
    const char *socket;
    int64_t interval_us;
    uint64_t frames;
};

static const struct em_opt options[] = {
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json),
      "Print the daemon's JSON object as it is" },
    { "socket", 's', EM_OPT_TEXT, "PATH", CLI_SOCKET_DEFAULT, 0, 0, offsetof(struct conf, socket),
      "Control socket of edgemediad" },
    { "watch", 'w', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, watch),
      "Show it again and again, in place on a terminal, until Ctrl-C" },
    { "interval", 'i', EM_OPT_DURATION, "SECONDS", "2", 0.1, 3600, offsetof(struct conf, interval_us),
      "With --watch: time from one frame to the next" },
    { "frames", 'n', EM_OPT_UINT, "N", "0", 0, 1000000, offsetof(struct conf, frames),
      "With --watch: end after so many; 0: never" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia status",
    .usage = "[OPTION]...",
    .summary = "Shows what a running edgemediad knows: call failures, checks, sources.",
    .options = options,
    .notes = "Exit status: 0 good; 1 a check is down, a source cannot be read, or a call of\n"
             "the last hour failed with code 23 and TCP NAT checks; 2 no answer.\n",
};

#define COUNT(a) (sizeof(a) / sizeof *(a))
static const struct view_column edge_columns[] = {
    { "Edge", "name", VIEW_TEXT },          { "Verdict", "verdict", VIEW_TEXT },
    { "Checks", "checks", VIEW_TEXT },      { "Up", "checks_up", VIEW_TEXT },
    { "Since", "changed_time", VIEW_TEXT },
};
static const struct view_column check_columns[] = {
    { "Edge", "edge_name", VIEW_TEXT },      { "Check", "name", VIEW_TEXT },
    { "Address", "address", VIEW_TEXT },     { "Port", "port", VIEW_TEXT },
    { "Transport", "transport", VIEW_TEXT }, { "Verdict", "verdict", VIEW_TEXT },
    { "Rtt ms", "rtt_us", VIEW_MS },         { "Since", "changed_time", VIEW_TEXT },
    { "Reason", "reason", VIEW_TEXT },
};
static const struct view_column source_columns[] = {
    { "Source", "name", VIEW_TEXT },         { "State", "state", VIEW_TEXT },
    { "Files", "files", VIEW_TEXT },         { "Read", "bytes", VIEW_BYTES },
    { "Behind", "lag_bytes", VIEW_BYTES },   { "Reports", "reports", VIEW_TEXT },
    { "Malformed", "malformed", VIEW_TEXT }, { "Missed?", "missed", VIEW_TEXT },
    { "Repeated?", "repeated", VIEW_TEXT },  { "Error", "error", VIEW_TEXT },
};
static const struct view_column code_columns[] = {
    { "Code", "number", VIEW_TEXT },
    { "Calls", "calls", VIEW_TEXT },
    { "Class", "code_class", VIEW_TEXT },
    { "Meaning", "meaning", VIEW_TEXT },
};
static const struct view_column ice_columns[] = {
    { "ICE warning", "value", VIEW_TEXT },
    { "Calls", "calls", VIEW_TEXT },
    { "Meaning", "text", VIEW_TEXT },
};
static const struct view_column peer_columns[] = {
    { "Failed with", "name", VIEW_TEXT },         { "Kind", "kind", VIEW_TEXT },
    { "1 hour", "media_failures_1h", VIEW_TEXT }, { "Failed calls", "media_failures", VIEW_TEXT },
    { "Code 23", "code_23", VIEW_TEXT },          { "Both", "code_23_tcp_nat", VIEW_TEXT },
    { "Last", "last_time", VIEW_TEXT },           { "Own edge", "own", VIEW_TEXT },
};
const struct view cli_status_views[] = {
    { "edges", NULL, edge_columns, COUNT(edge_columns) },
    { "checks", NULL, check_columns, COUNT(check_columns) },
    { "sources", NULL, source_columns, COUNT(source_columns) },
    { "diagnostic_codes", "calls", code_columns, COUNT(code_columns) },
    { "ice_warning_bits", "calls", ice_columns, COUNT(ice_columns) },
    { "peers", "media_failures", peer_columns, COUNT(peer_columns) },
};
const size_t cli_status_views_n = COUNT(cli_status_views);

/* Rows: counters. Columns: all time, and the windows. */
static void print_counters(struct json_object *status, struct buf *to)
{
    static const struct {
        const char *title, *key;
    } rows[] = {
        { "code 23", "code_23" },
        { "TCP NAT check failed (0x100)", "tcp_nat_check" },
        { "both", "code_23_tcp_nat" },
        { "media failure of any code", "media_failures" },
    };
    static const char *const windows[] = { "5m", "1h", "1d" };
    struct cli_table table;

    cli_table_init(&table, 5);
    cli_table_cell(&table, "Failed calls");
    cli_table_cell(&table, "5 min");
    cli_table_cell(&table, "1 hour");
    cli_table_cell(&table, "1 day");
    cli_table_cell(&table, "Total");
    for (size_t i = 0; i < COUNT(rows); i++) {
        cli_table_cell(&table, rows[i].title);
        for (size_t w = 0; w < COUNT(windows); w++) {
            char key[64];

            snprintf(key, sizeof key, "%s_%s", rows[i].key, windows[w]);
            cli_table_number(&table, view_number(status, "recent", key));
        }
        cli_table_number(&table, view_number(status, NULL, rows[i].key));
    }
    cli_table_print(&table, to);
}

/* Appends what the daemon knows to out. CLI_FAILED: why tells. */
static int show(const struct conf *conf, struct buf *out, struct em_why *why)
{
    struct buf body = buf_heap(CLI_OUTPUT_MAX);
    struct json_object *status = NULL;
    int result = CLI_FAILED;

    if (cli_daemon_get(conf->socket, "/api/v1/status", &body, why) < 0)
        goto done;
    status = json_tokener_parse(buf_str(&body));
    if (!json_object_is_type(status, json_type_object)) {
        (void)em_fail(why, EM_ERR_INPUT, "edgemediad at %s answered something that is not a JSON object",
                      conf->socket);
        goto done;
    }
    result = view_number(status, "daemon", "checks_down") > 0 ||
                     view_number(status, "daemon", "sources_failed") > 0 ||
                     view_number(status, "recent", "code_23_tcp_nat_1h") > 0
                 ? CLI_BAD_NEWS
                 : CLI_GOOD;
    if (conf->json) {
        buf_bytes(out, body.p, body.n);
    } else {
        print_counters(status, out);
        for (size_t i = 0; i < COUNT(cli_status_views); i++)
            view_print(&cli_status_views[i], status, out);
    }
done:
    json_object_put(status);
    buf_fini(&body);
    return result;
}

/* A daemon that does not answer now may do so in the next frame. */
static int frame(void *arg, struct buf *to)
{
    const struct conf *conf = arg;
    struct em_why why;
    int result = show(conf, to, &why);

    if (result == CLI_FAILED && conf->json) {
        cli_fail("%s", why.text);
    } else if (result == CLI_FAILED) {
        esc_controls(to, slice_of(why.text));
        buf_u8(to, '\n');
    }
    return result;
}

static int once(const struct conf *conf)
{
    struct buf out = buf_heap(CLI_OUTPUT_MAX);
    struct em_why why;
    int result = show(conf, &out, &why);

    if (result == CLI_FAILED)
        cli_fail("%s", why.text);
    else if (!cli_write(&out))
        result = CLI_FAILED;
    buf_fini(&out);
    return result;
}

static int status(int argc, char **argv)
{
    struct conf conf = { 0 };
    int first = 0, result;
    bool done;

    result = cli_options(&program, &conf, argc, argv, &first, &done);
    if (done)
        return result;
    if (first != argc)
        return cli_usage(&program, "no argument is expected");
    if (conf.watch)
        return cli_watch(&(struct cli_watch) { .frame = frame,
                                               .arg = &conf,
                                               .what = conf.json ? NULL : "edgemedia status",
                                               .interval_us = conf.interval_us,
                                               .frames = conf.frames });
    return once(&conf);
}

const struct cli_command cli_status = { "status", "show what a running edgemediad knows", status };
