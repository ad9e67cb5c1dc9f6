/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia failures: the failed calls that a running edgemediad remembers, newest first. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "cli/daemon.h"
#include "cli/view.h"
#include "expo/expo.h"

struct conf {
    bool json;
    const char *socket;
    uint64_t limit;
};

static const struct em_opt options[] = {
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json),
      "Print what the daemon answers as it is" },
    { "limit", 'n', EM_OPT_UINT, "N", "20", 1, EM_EXPO_FAILURES_MAX, offsetof(struct conf, limit),
      "Show at most so many, 1000 at most" },
    { "socket", 's', EM_OPT_TEXT, "PATH", CLI_SOCKET_DEFAULT, 0, 0, offsetof(struct conf, socket),
      "Control socket of edgemediad" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia failures",
    .usage = "[OPTION]...",
    .summary = "Lists the latest failures of a running edgemediad, one for each call and code.",
    .options = options,
    .notes = "Exit status: 0 there are none, 1 there are some, 2 the daemon does not answer.\n",
};

static const struct view_column columns[] = {
    { "Time", "time", VIEW_TEXT },
    { "Code", "code", VIEW_TEXT },
    { "ICE warnings", "ice_warnings", VIEW_TEXT },
    { "Media", "media", VIEW_TEXT },
    { "Side", "side", VIEW_TEXT },
    { "Remote relay", "remote_relay", VIEW_TEXT },
    { "Call-ID", "call_id", VIEW_TEXT },
    { "Reason", "reason", VIEW_TEXT },
};
static const struct view view = { "failures", NULL, columns, sizeof columns / sizeof *columns };

static int show(const struct conf *conf, struct buf *body, struct buf *out)
{
    struct json_object *answer = json_tokener_parse(buf_str(body)), *rows = NULL;
    size_t n;

    if (!json_object_object_get_ex(answer, view.key, &rows) || !json_object_is_type(rows, json_type_array)) {
        json_object_put(answer);
        return cli_fail("edgemediad at %s answered something that is not a list of failures", conf->socket);
    }
    n = json_object_array_length(rows);
    if (conf->json) {
        buf_bytes(out, body->p, body->n);
    } else {
        struct cli_table table;

        view_head(&view, &table);
        for (size_t i = 0; i < n; i++)
            view_row(&view, json_object_array_get_idx(rows, i), &table);
        cli_table_print(&table, out);
    }
    json_object_put(answer);
    return !cli_write(out) ? CLI_FAILED : n > 0 ? CLI_BAD_NEWS : CLI_GOOD;
}

static int failures(int argc, char **argv)
{
    struct conf conf = { 0 };
    struct buf body = buf_heap(CLI_OUTPUT_MAX), out = buf_heap(CLI_OUTPUT_MAX);
    struct em_why why;
    int first = 0, result;
    char path[64];
    bool done;

    result = cli_options(&program, &conf, argc, argv, &first, &done);
    snprintf(path, sizeof path, "/api/v1/failures?limit=%" PRIu64, conf.limit);
    if (!done && first != argc)
        result = cli_usage(&program, "no argument is expected");
    else if (!done && cli_daemon_get(conf.socket, path, &body, &why) < 0)
        result = cli_fail("%s", why.text);
    else if (!done)
        result = show(&conf, &body, &out);
    buf_fini(&body);
    buf_fini(&out);
    return result;
}

const struct cli_command cli_failures = { "failures", "list the failures that a running edgemediad counted",
                                          failures };
