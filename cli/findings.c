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

/* The daemon's answer and the array in it; NULL and the exit status when there is none. */
static struct json_object *ask(const struct conf *conf, const char *path, struct buf *body,
                               struct json_object **rows, int *status)
{
    struct json_object *answer;
    struct em_why why;

    if (cli_daemon_get(conf->socket, path, body, &why) < 0) {
        *status = cli_fail("%s", why.text);
        return NULL;
    }
    answer = json_tokener_parse(buf_str(body));
    if (json_object_object_get_ex(answer, now.key, rows) && json_object_is_type(*rows, json_type_array))
        return answer;
    json_object_put(answer);
    *status = cli_fail("edgemediad at %s answered something that is not a list of findings", conf->socket);
    return NULL;
}

static int show(const struct conf *conf)
{
    struct buf body = buf_heap(CLI_OUTPUT_MAX), out = buf_heap(CLI_OUTPUT_MAX);
    struct json_object *answer, *rows = NULL;
    char path[PATH_SIZE];
    int status = CLI_GOOD;

    snprintf(path, sizeof path, "/api/v1/findings?history=%" PRIu64, conf->history);
    if ((answer = ask(conf, path, &body, &rows, &status))) {
        status = json_object_array_length(rows) > 0 ? CLI_BAD_NEWS : CLI_GOOD;
        if (conf->json) {
            buf_bytes(&out, body.p, body.n);
        } else {
            if (status == CLI_GOOD)
                buf_text(&out, "Nothing is found to be wrong.\n");
            view_print(&now, answer, &out);
            view_print(&past, answer, &out);
        }
        if (!cli_write(&out))
            status = CLI_FAILED;
        json_object_put(answer);
    }
    buf_fini(&body);
    buf_fini(&out);
    return status;
}

static int findings(int argc, char **argv)
{
    struct conf conf = { 0 };
    int first = 0;
    bool done;
    int status = cli_options(&findings_program, &conf, argc, argv, &first, &done);

    if (done)
        return status;
    return first == argc ? show(&conf) : cli_usage(&findings_program, "no argument is expected");
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

static bool wanted(struct json_object *row, char **ids, int n)
{
    uint64_t id;

    for (int i = 0; i < n; i++)
        if (em_read_uint(ids[i], 1, UINT32_MAX, &id) && id == view_number(row, NULL, "id"))
            return true;
    return n == 0;
}

static int explain_all(const struct conf *conf, char **ids, int n)
{
    struct buf body = buf_heap(CLI_OUTPUT_MAX), out = buf_heap(CLI_OUTPUT_MAX);
    struct json_object *answer, *rows = NULL;
    int status = CLI_GOOD, found = 0;

    if ((answer = ask(conf, "/api/v1/findings", &body, &rows, &status))) {
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
            struct json_object *row = json_object_array_get_idx(rows, i);

            if (!wanted(row, ids, n))
                continue;
            found++;
            if (conf->json)
                buf_print(&out, "%s\n", json_object_to_json_string_ext(row, JSON_C_TO_STRING_PLAIN));
            else
                explain_one(row, &out);
        }
        status = found ? CLI_BAD_NEWS : CLI_GOOD;
        if (!found && !conf->json && n == 0)
            buf_text(&out, "Nothing is found to be wrong.\n");
        if (found < n)
            status = cli_fail("%d of %d findings are not there (any more); `edgemedia findings` lists them",
                              n - found, n);
        if (!cli_write(&out))
            status = CLI_FAILED;
        json_object_put(answer);
    }
    buf_fini(&body);
    buf_fini(&out);
    return status;
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
    return done ? status : explain_all(&conf, argv + first, argc - first);
}

const struct cli_command cli_findings = { "findings", "list what a running edgemediad believes to be wrong",
                                          findings };
const struct cli_command cli_explain = { "explain",
                                         "explain findings: evidence, advice, what would refute them",
                                         explain };
