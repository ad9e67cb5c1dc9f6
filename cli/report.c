/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia report: what a running edgemediad knows as one HTML page to hand on or to print. */
#include "cli/cli.h"

#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include <json-c/json.h>

#include "base/clock.h"
#include "cli/daemon.h"
#include "cli/graph.h"
#include "cli/put.h"
#include "cli/view.h"
#include "expo/expo.h"
#include "expo/html.h"

enum { PATH_SIZE = 128, EDGES_DRAWN = 20 };

struct conf {
    const char *socket, *range, *output;
    uint64_t failures, history;
};

static const struct em_opt options[] = {
    { "failures", 'f', EM_OPT_UINT, "N", "100", 0, EM_EXPO_FAILURES_MAX, offsetof(struct conf, failures),
      "Failed calls to list, 1000 at most" },
    { "history", 'n', EM_OPT_UINT, "N", "20", 0, 1000, offsetof(struct conf, history),
      "Findings that are over to list" },
    { "output", 'o', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, output),
      "Write it to FILE instead of standard output" },
    { "range", 'r', EM_OPT_TEXT, "RANGE", "24h", 0, 0, offsetof(struct conf, range),
      "What the graphs show: 1h, 24h, 7d or 60d" },
    { "socket", 's', EM_OPT_TEXT, "PATH", CLI_SOCKET_DEFAULT, 0, 0, offsetof(struct conf, socket),
      "Control socket of edgemediad" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia report",
    .usage = "[OPTION]...",
    .summary = "Writes what a running edgemediad knows as one HTML page, to hand on or print.",
    .options = options,
    .notes = "Exit status: 0 written; 2 no answer, wrong usage, or it cannot be written.\n\n"
             "  edgemedia report --range 7d --output monday.html\n",
};

/* --- findings ------------------------------------------------------------------------------------------------------ */

static void line(struct buf *to, const char *title, const char *text)
{
    if (!*text)
        return;
    buf_print(to, "<p><b>%s</b> ", title);
    em_html_text(to, text);
    buf_text(to, "</p>\n");
}

static void evidence(struct json_object *finding, struct buf *to)
{
    static const struct view_column columns[] = { { "Time", "time", VIEW_TEXT },
                                                  { "Evidence of", "source", VIEW_TEXT },
                                                  { "What it says", "value", VIEW_TEXT } };
    static const struct view view = { "evidence", NULL, columns, sizeof columns / sizeof *columns };

    view_html(&view, "Evidence", "None is kept.", finding, to);
}

static void one_finding(struct json_object *f, struct buf *to)
{
    buf_print(to, "<div class=\"say\">\n<h2>Finding %" PRIu64 ": ", view_number(f, NULL, "id"));
    em_html_text(to, view_text(f, NULL, "text"));
    buf_text(to, "</h2>\n");
    line(to, "Severity:", view_text(f, NULL, "severity"));
    line(to, "Edge:", view_text(f, NULL, "edge"));
    line(to, "Since:", view_text(f, NULL, "since"));
    line(to, "Confidence:", view_text(f, NULL, "confidence"));
    line(to, "What to do:", view_text(f, NULL, "advice"));
    line(to, "Wrong if:", view_text(f, NULL, "refute"));
    evidence(f, to);
    buf_text(to, "</div>\n");
}

static void findings(const struct conf *conf, struct json_object *answer, struct buf *to)
{
    static const struct view_column columns[] = { { "Kind", "kind", VIEW_TEXT },
                                                  { "Edge", "edge", VIEW_TEXT },
                                                  { "Since", "since", VIEW_TEXT },
                                                  { "Ended", "ended", VIEW_TEXT },
                                                  { "Finding", "text", VIEW_TEXT } };
    static const struct view past = { "history", NULL, columns, sizeof columns / sizeof *columns };
    struct json_object *rows = NULL;
    size_t n =
        json_object_object_get_ex(answer, "findings", &rows) && json_object_is_type(rows, json_type_array)
            ? json_object_array_length(rows)
            : 0;

    if (n == 0)
        buf_text(to, "<p>Nothing is found to be wrong.</p>\n");
    for (size_t i = 0; i < n; i++)
        one_finding(json_object_array_get_idx(rows, i), to);
    if (conf->history > 0)
        view_html(&past, "Findings that are over", "None.", answer, to);
}

/* --- the rest ------------------------------------------------------------------------------------------------------ */

static int graph(const char *name, const struct cli_graph_of *of, struct buf *to)
{
    int result;

    buf_text(to, "<div class=\"graph\">\n");
    result = cli_graph_draw(name, of, to);
    buf_text(to, "</div>\n");
    return result;
}

static int graphs(const struct conf *conf, struct json_object *status, struct buf *to)
{
    static const char *const all[] = { "calls", "codes", "flags", "media", "relays" };
    struct cli_graph_of of = { .socket = conf->socket, .range = conf->range };
    struct json_object *edges = NULL;
    int result = CLI_GOOD;

    buf_text(to, "<h2>Over time</h2>\n");
    for (size_t i = 0; i < sizeof all / sizeof *all && result == CLI_GOOD; i++)
        result = graph(all[i], &of, to);
    if (!json_object_object_get_ex(status, "edges", &edges) || !json_object_is_type(edges, json_type_array))
        return result;
    for (size_t i = 0; i < json_object_array_length(edges) && i < EDGES_DRAWN && result == CLI_GOOD; i++) {
        of.edge = view_text(json_object_array_get_idx(edges, i), NULL, "name");
        result = graph("verdicts", &of, to);
    }
    if (json_object_array_length(edges) > EDGES_DRAWN)
        buf_print(to, "<p class=\"dim\">The first %d edges are drawn.</p>\n", EDGES_DRAWN);
    return result;
}

static void tables(struct json_object *status, struct buf *to)
{
    static const char *const headings[] = { "Edges",
                                            "Checks",
                                            "Sources",
                                            "Failed calls by code",
                                            "Failed calls by ICE warning",
                                            "Failed calls by partner" };

    for (size_t i = 0; i < cli_status_views_n; i++)
        view_html(&cli_status_views[i], headings[i < sizeof headings / sizeof *headings ? i : 0], "None.",
                  status, to);
}

static void failures(struct json_object *answer, struct buf *to)
{
    static const struct view_column columns[] = {
        { "Time", "time", VIEW_TEXT },
        { "Code", "code", VIEW_TEXT },
        { "ICE", "ice_warnings", VIEW_TEXT },
        { "Media", "media", VIEW_TEXT },
        { "Near relay", "local_relay", VIEW_TEXT },
        { "Far relay", "remote_relay", VIEW_TEXT },
        { "Call-ID", "call_id", VIEW_TEXT },
        { "Reason", "reason", VIEW_TEXT },
    };
    static const struct view view = { "failures", NULL, columns, sizeof columns / sizeof *columns };

    view_html(&view, "The latest failed calls", "None.", answer, to);
}

/* NULL: why was said. */
static struct json_object *ask(const struct conf *conf, const char *path)
{
    struct buf body = buf_heap(CLI_OUTPUT_MAX);
    struct json_object *answer = NULL;
    struct em_why why;

    if (cli_daemon_get(conf->socket, path, &body, &why) < 0)
        (void)cli_fail("%s", why.text);
    else if (!json_object_is_type(answer = json_tokener_parse(buf_str(&body)), json_type_object)) {
        json_object_put(answer);
        answer = NULL;
        (void)cli_fail("edgemediad at %s answered something that is not a JSON object", conf->socket);
    }
    buf_fini(&body);
    return answer;
}

static int write_page(const struct conf *conf, struct buf *out)
{
    char path[PATH_SIZE];
    struct json_object *status = ask(conf, "/api/v1/status"), *found = NULL, *failed = NULL;
    int result = CLI_FAILED;

    (void)snprintf(path, sizeof path, "/api/v1/findings?history=%" PRIu64, conf->history);
    if (status && (found = ask(conf, path))) {
        (void)snprintf(path, sizeof path, "/api/v1/failures?limit=%" PRIu64, conf->failures);
        failed = conf->failures > 0 ? ask(conf, path) : NULL;
    }
    if (found && (failed || conf->failures == 0)) {
        em_html_begin(out, "Media edges", PACKAGE_VERSION, em_wall_us(&em_clock_system), "Times are UTC.");
        findings(conf, found, out);
        result = graphs(conf, status, out);
        tables(status, out);
        if (failed)
            failures(failed, out);
        em_html_end(out);
    }
    json_object_put(status);
    json_object_put(found);
    json_object_put(failed);
    return result;
}

static int report(int argc, char **argv)
{
    struct conf conf = { 0 };
    struct buf out = buf_heap(CLI_OUTPUT_MAX);
    struct em_why why;
    int first = 0;
    bool done;
    int result = cli_options(&program, &conf, argc, argv, &first, &done);

    if (done)
        return result;
    if (first < argc)
        result = cli_usage(&program, "no argument is expected");
    else if (conf.output && cli_put_try("report", conf.output, &why) < 0)
        result = cli_fail("%s", why.text);
    else if ((result = write_page(&conf, &out)) == CLI_GOOD && !conf.output)
        result = cli_write(&out) ? CLI_GOOD : CLI_FAILED;
    else if (result == CLI_GOOD && cli_put("report", conf.output, &out, &why) < 0)
        result = cli_fail("%s", why.text);
    buf_fini(&out);
    return result;
}

const struct cli_command cli_report = { "report", "write what the daemon knows as an HTML page", report };
