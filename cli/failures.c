/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia failures: the failed calls that a running edgemediad remembers, newest first. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/clock.h"
#include "base/esc.h"
#include "cli/daemon.h"
#include "cli/view.h"
#include "expo/expo.h"

struct conf {
    bool json, csv, all;
    const char *socket, *since, *until, *ice, *media, *peer, *call_id, *text;
    uint64_t limit, code;
};

enum { PATH_MAX_LENGTH = 4096 };
#define CODE_ANY UINT32_MAX /* not a code that anything reports */

#define TEXT_OPTION(name, letter, word, member, help)                                                        \
    {                                                                                                        \
        name, letter, EM_OPT_TEXT, word, NULL, 0, 0, offsetof(struct conf, member), help                     \
    }
static const struct em_opt options[] = {
    { "all", 'a', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, all),
      "Show all that fit, however many" },
    TEXT_OPTION("call-id", 'C', "ID", call_id, "Only those of this call"),
    { "code", 'c', EM_OPT_UINT, "N", NULL, 0, CODE_ANY - 1, offsetof(struct conf, code),
      "Only those with this diagnostic code" },
    { "csv", 'x', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, csv),
      "Print CSV, in which no cell is a formula" },
    TEXT_OPTION("ice", 'i', "FLAGS", ice, "Only those with all of these ICE warnings, such as 0x100"),
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json),
      "Print what the daemon answers as it is, a line a page" },
    { "limit", 'n', EM_OPT_UINT, "N", "20", 1, EM_EXPO_FAILURES_MAX, offsetof(struct conf, limit),
      "Show at most so many, 1000 at most" },
    TEXT_OPTION("media", 'm', "KIND", media, "Only those of this media, such as application-sharing"),
    TEXT_OPTION("peer", 'p', "NAME", peer, "Only those with this far relay or far domain"),
    TEXT_OPTION("since", 'S', "TIME", since, "Only those since then, such as 2h or 2026-11-23"),
    { "socket", 's', EM_OPT_TEXT, "PATH", CLI_SOCKET_DEFAULT, 0, 0, offsetof(struct conf, socket),
      "Control socket of edgemediad" },
    TEXT_OPTION("text", 't', "TEXT", text, "Only those in which this stands somewhere"),
    TEXT_OPTION("until", 'U', "TIME", until, "Only those before then"),
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

/* --- what is asked for ---------------------------------------------------------------------------------------------- */

/* A moment as people type it, in Unix seconds. */
static int moment(struct buf *path, const char *name, const char *value)
{
    int64_t when_us;

    if (!value || !*value)
        return CLI_GOOD;
    if (!cli_when(value, em_wall_us(&em_clock_system), &when_us) || when_us < 0)
        return cli_usage(&program, "--%s takes a moment such as 2h, 2026-11-23 or 2026-11-23T14:00, not %s",
                         name, value);
    buf_print(path, "&%s=%" PRId64, name, when_us / EM_US_PER_S);
    return CLI_GOOD;
}

static int filters(const struct conf *conf, struct buf *path)
{
    const struct {
        const char *name, *value;
    } texts[] = { { "ice", conf->ice },
                  { "media", conf->media },
                  { "peer", conf->peer },
                  { "call_id", conf->call_id },
                  { "text", conf->text } };
    int result = moment(path, "since", conf->since);

    if (result == CLI_GOOD)
        result = moment(path, "until", conf->until);
    if (conf->code != CODE_ANY)
        buf_print(path, "&code=%" PRIu64, conf->code);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cli_daemon_parameter(path, texts[i].name, texts[i].value);
    if (result == CLI_GOOD && path->full)
        result = cli_usage(&program, "what is looked for is too long");
    return result;
}

/* --- what comes ----------------------------------------------------------------------------------------------------- */

struct listing {
    const struct conf *conf;
    struct buf out;
    struct cli_table table;
    size_t n;
    char next[64]; /* cursor of the next page; "": there is none */
};

static const struct em_table *const failure_table = &em_catalogue[EM_T_FAILURE];

/* row NULL: the names. The daemon's CSV has the same columns, but no cursor in it. */
static void csv_line(struct json_object *row, struct buf *out)
{
    bool first = true;

    for (size_t i = 0; i < failure_table->fields_n; i++) {
        const struct em_field *f = &failure_table->fields[i];
        const char *text = row ? view_text(row, NULL, f->json) : f->json;

        if (f->flags & EM_FIELD_NO_JSON)
            continue;
        if (!first)
            buf_u8(out, ',');
        first = false;
        if (!row || f->kind == EM_KIND_NUMBER || f->kind == EM_KIND_GAUGE)
            buf_text(out, text);
        else if (*text)
            esc_csv(out, slice_of(text));
    }
    buf_text(out, "\r\n");
}

static int take_page(struct listing *l, struct buf *body)
{
    struct json_object *answer = json_tokener_parse(buf_str(body)), *rows = NULL;
    size_t n;

    if (!json_object_object_get_ex(answer, view.key, &rows) || !json_object_is_type(rows, json_type_array)) {
        json_object_put(answer);
        return cli_fail("edgemediad at %s answered something that is not a list of failures",
                        l->conf->socket);
    }
    n = json_object_array_length(rows);
    for (size_t i = 0; i < n && !l->conf->json; i++) {
        if (l->conf->csv)
            csv_line(json_object_array_get_idx(rows, i), &l->out);
        else
            view_row(&view, json_object_array_get_idx(rows, i), &l->table);
    }
    if (l->conf->json)
        buf_bytes(&l->out, body->p, body->n);
    l->n += n;
    if (strcmp(l->next, view_text(answer, NULL, "next")) == 0 ||
        !slice_copy(slice_of(view_text(answer, NULL, "next")), l->next, sizeof l->next))
        *l->next = '\0'; /* one that does not move would be asked for for ever */
    json_object_put(answer);
    return l->conf->json || l->conf->csv ? (cli_write(&l->out) ? CLI_GOOD : CLI_FAILED) : CLI_GOOD;
}

/* A page may have fewer than are asked for: the daemon spends little time on each. */
static int list(const struct conf *conf, const struct buf *filter)
{
    struct listing l = { .conf = conf, .out = buf_heap(CLI_OUTPUT_MAX) };
    int result = CLI_GOOD;

    if (conf->csv)
        csv_line(NULL, &l.out);
    else if (!conf->json)
        view_head(&view, &l.table);
    do {
        char room[PATH_MAX_LENGTH];
        struct buf path = buf_over(room, sizeof room), body = buf_heap(CLI_OUTPUT_MAX);
        uint64_t want = conf->all ? EM_EXPO_FAILURES_MAX : conf->limit - l.n;
        struct em_why why;

        buf_print(&path, "/api/v1/failures?limit=%" PRIu64, want);
        buf_bytes(&path, filter->p, filter->n);
        cli_daemon_parameter(&path, "cursor", l.next);
        if (cli_daemon_get(conf->socket, buf_str(&path), &body, &why) < 0)
            result = cli_fail("%s", why.text);
        else
            result = take_page(&l, &body);
        buf_fini(&body);
    } while (result == CLI_GOOD && *l.next && (conf->all || l.n < conf->limit));
    if (result == CLI_GOOD && !conf->json && !conf->csv)
        cli_table_print(&l.table, &l.out);
    if (result == CLI_GOOD && !cli_write(&l.out))
        result = CLI_FAILED;
    buf_fini(&l.table.cells); /* those of a table that is not printed */
    buf_fini(&l.out);
    return result != CLI_GOOD ? result : l.n > 0 ? CLI_BAD_NEWS : CLI_GOOD;
}

static int failures(int argc, char **argv)
{
    struct conf conf = { .code = CODE_ANY };
    char room[PATH_MAX_LENGTH - 128];
    struct buf filter = buf_over(room, sizeof room);
    int first = 0, result;
    bool done;

    result = cli_options(&program, &conf, argc, argv, &first, &done);
    if (done)
        return result;
    if (first != argc)
        return cli_usage(&program, "no argument is expected");
    if (conf.json && conf.csv)
        return cli_usage(&program, "--json and --csv exclude each other");
    result = filters(&conf, &filter);
    return result != CLI_GOOD ? result : list(&conf, &filter);
}

const struct cli_command cli_failures = { "failures", "list the failures that a running edgemediad counted",
                                          failures };
