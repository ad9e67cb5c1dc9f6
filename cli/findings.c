/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia findings and edgemedia explain: what a running edgemediad believes to be wrong, in a table and in full. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/esc.h"
#include "cli/daemon.h"
#include "cli/view.h"

enum { HISTORY_MAX = 1000, PATH_SIZE = 64 };

struct conf {
    bool json;
    const char *socket;
    uint64_t history;
    char **ids; /* of explain: those that are asked for; none: all */
    size_t ids_n;
};

static const struct em_opt findings_options[] = {
    { "history", 'n', EM_OPT_UINT, "N", "0", 0, HISTORY_MAX, offsetof(struct conf, history),
      "Show so many that are over, too" },
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json),
      "Print what the daemon answers as it is" },
    { "socket", 's', EM_OPT_TEXT, "PATH", CLI_SOCKET_DEFAULT, 0, 0, offsetof(struct conf, socket),
      "Control socket of edgemediad" },
    { .name = NULL },
};

static const struct em_opt_program findings_program = {
    .name = "edgemedia findings",
    .usage = "[OPTION]...",
    .summary = "Lists what a running edgemediad believes to be wrong.",
    .options = findings_options,
    .notes = "Exit status: 0 nothing is wrong, 1 something is, 2 the daemon does not answer.\n",
};

static const struct em_opt explain_options[] = {
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json),
      "Print one JSON object a line for each finding" },
    { "socket", 's', EM_OPT_TEXT, "PATH", CLI_SOCKET_DEFAULT, 0, 0, offsetof(struct conf, socket),
      "Control socket of edgemediad" },
    { .name = NULL },
};

static const struct em_opt_program explain_program = {
    .name = "edgemedia explain",
    .usage = "[OPTION]... [ID]...",
    .summary = "Explains findings (all, or those named): the evidence, and what to do.",
    .options = explain_options,
    .notes = "Exit status: 0 nothing is wrong, 1 something is, 2 no such finding or no answer.\n",
};

#define COLUMNS_N(a) (sizeof(a) / sizeof *(a))
static const struct view_column columns[] = {
    { "Id", "id", VIEW_TEXT },        { "Severity", "severity", VIEW_TEXT },
    { "Kind", "kind", VIEW_TEXT },    { "Edge", "edge", VIEW_TEXT },
    { "Since", "since", VIEW_TEXT },  { "Confidence", "confidence", VIEW_TEXT },
    { "Finding", "text", VIEW_TEXT },
};
static const struct view_column past_columns[] = {
    { "Id", "id", VIEW_TEXT },       { "Kind", "kind", VIEW_TEXT },   { "Edge", "edge", VIEW_TEXT },
    { "Since", "since", VIEW_TEXT }, { "Ended", "ended", VIEW_TEXT }, { "Finding", "text", VIEW_TEXT },
};
static const struct view now = { "findings", NULL, columns, COLUMNS_N(columns) };
static const struct view past = { "history", NULL, past_columns, COLUMNS_N(past_columns) };

/* Asks the daemon, lets `show` write what it says of the answer and of the findings in it, and writes that out. */
static int ask(const struct conf *conf, const char *path,
               int (*show)(const struct conf *conf, struct json_object *answer, struct json_object *rows,
                           struct buf *out))
{
    struct buf body = buf_heap(CLI_OUTPUT_MAX), out = buf_heap(CLI_OUTPUT_MAX);
    struct json_object *answer = NULL, *rows = NULL;
    struct em_why why;
    int status;

    if (cli_daemon_get(conf->socket, path, &body, &why) < 0) {
        status = cli_fail("%s", why.text);
    } else if (!(answer = json_tokener_parse(buf_str(&body))) ||
               !json_object_object_get_ex(answer, now.key, &rows) ||
               !json_object_is_type(rows, json_type_array)) {
        status = cli_fail("edgemediad at %s answered something that is not a list of findings", conf->socket);
    } else {
        status = show(conf, answer, rows, &out);
        if (!cli_write(&out))
            status = CLI_FAILED;
    }
    json_object_put(answer);
    buf_fini(&body);
    buf_fini(&out);
    return status;
}

static int list(const struct conf *conf, struct json_object *answer, struct json_object *rows,
                struct buf *out)
{
    bool any = json_object_array_length(rows) > 0;

    if (conf->json) {
        buf_print(out, "%s\n", json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
    } else {
        if (!any)
            buf_text(out, "Nothing is found to be wrong.\n");
        view_print(&now, answer, out);
        view_print(&past, answer, out);
    }
    return any ? CLI_BAD_NEWS : CLI_GOOD;
}

static int findings(int argc, char **argv)
{
    struct conf conf = { 0 };
    int first = 0;
    bool done;
    int status = cli_options(&findings_program, &conf, argc, argv, &first, &done);
    char path[PATH_SIZE];

    if (done)
        return status;
    if (first < argc)
        return cli_usage(&findings_program, "no argument is expected");
    snprintf(path, sizeof path, "/api/v1/findings?history=%" PRIu64, conf.history);
    return ask(&conf, path, list);
}

/* --- explain ----------------------------------------------------------------------------------------------------------------- */

static void line(struct buf *to, const char *title, const char *text)
{
    if (!*text)
        return;
    buf_print(to, "  %-14s", title);
    esc_line(to, slice_of(text));
    buf_u8(to, '\n');
}

static void explain_evidence(struct json_object *row, struct buf *to)
{
    struct json_object *list = NULL;

    if (!json_object_object_get_ex(row, "evidence", &list))
        return;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *e = json_object_array_get_idx(list, i);

        buf_print(to, "  %-14s", i == 0 ? "Evidence" : "");
        esc_line(to, slice_of(view_text(e, NULL, "time")));
        buf_text(to, "  ");
        esc_line(to, slice_of(view_text(e, NULL, "source")));
        buf_text(to, ": ");
        esc_line(to, slice_of(view_text(e, NULL, "value")));
        buf_u8(to, '\n');
    }
}

static void explain_one(struct json_object *row, struct buf *to)
{
    buf_print(to, "Finding %" PRIu64 ": ", view_number(row, NULL, "id"));
    esc_line(to, slice_of(view_text(row, NULL, "text")));
    buf_u8(to, '\n');
    line(to, "Kind", view_text(row, NULL, "kind"));
    line(to, "Severity", view_text(row, NULL, "severity"));
    line(to, "Edge", view_text(row, NULL, "edge"));
    line(to, "Path", view_text(row, NULL, "path"));
    line(to, "Since", view_text(row, NULL, "since"));
    line(to, "Confidence", view_text(row, NULL, "confidence"));
    line(to, "What to do", view_text(row, NULL, "advice"));
    line(to, "Wrong if", view_text(row, NULL, "refute"));
    explain_evidence(row, to);
    buf_u8(to, '\n');
}

static bool is_id(struct json_object *row, const char *text)
{
    uint64_t id;

    return em_read_uint(text, 1, UINT32_MAX, &id) && id == view_number(row, NULL, "id");
}

static bool wanted(const struct conf *conf, struct json_object *row)
{
    for (size_t i = 0; i < conf->ids_n; i++)
        if (is_id(row, conf->ids[i]))
            return true;
    return conf->ids_n == 0;
}

/* The first number that no finding has, or NULL. */
static const char *missing(const struct conf *conf, struct json_object *rows)
{
    for (size_t i = 0; i < conf->ids_n; i++) {
        size_t k = 0, n = json_object_array_length(rows);

        while (k < n && !is_id(json_object_array_get_idx(rows, k), conf->ids[i]))
            k++;
        if (k == n)
            return conf->ids[i];
    }
    return NULL;
}

static int explain_wanted(const struct conf *conf, struct json_object *answer, struct json_object *rows,
                          struct buf *out)
{
    const char *none = missing(conf, rows);
    bool any = false;

    (void)answer;
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);

        if (!wanted(conf, row))
            continue;
        any = true;
        if (conf->json)
            buf_print(out, "%s\n", json_object_to_json_string_ext(row, JSON_C_TO_STRING_PLAIN));
        else
            explain_one(row, out);
    }
    if (none)
        return cli_fail("there is no finding %s (any more); `edgemedia findings` lists those that are there",
                        none);
    if (!any && !conf->json)
        buf_text(out, "Nothing is found to be wrong.\n");
    return any ? CLI_BAD_NEWS : CLI_GOOD;
}

static int explain(int argc, char **argv)
{
    struct conf conf = { 0 };
    int first = 0;
    bool done;
    int status = cli_options(&explain_program, &conf, argc, argv, &first, &done);
    uint64_t id;

    for (int i = first; !done && i < argc; i++)
        if (!em_read_uint(argv[i], 1, UINT32_MAX, &id))
            return cli_usage(&explain_program, "a finding is named by its number");
    if (done)
        return status;
    conf.ids = argv + first;
    conf.ids_n = (size_t)(argc - first);
    return ask(&conf, "/api/v1/findings", explain_wanted);
}

const struct cli_command cli_findings = { "findings", "list what a running edgemediad believes to be wrong",
                                          findings };
const struct cli_command cli_explain = { "explain",
                                         "explain findings: evidence, advice, what would refute them",
                                         explain };
