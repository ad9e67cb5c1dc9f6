/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia graph: the graphs of the web page as SVG and PNG files, from what a running edgemediad remembers. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cli/daemon.h"
#include "cli/graph.h"
#include "cli/png.h"
#include "cli/put.h"
#include "cli/view.h"
#include "expo/graph.h"
#include "model/names.h"

enum { SERIES_MAX = 512, PATH_SIZE = 1024, TITLE_SIZE = 512 };

struct conf {
    struct cli_graph_of of;
    const char *output, *format;
};

static const struct em_opt options[] = {
    { "range", 'r', EM_OPT_TEXT, "RANGE", "24h", 0, 0, offsetof(struct conf, of.range),
      "How far back: 1h, 24h, 7d or 60d" },
    { "edge", 'e', EM_OPT_TEXT, "NAME", NULL, 0, 0, offsetof(struct conf, of.edge),
      "Edge of verdicts, round-trips and retransmits" },
    { "check", 'c', EM_OPT_TEXT, "NAME", NULL, 0, 0, offsetof(struct conf, of.check),
      "Of that edge only this check or range" },
    { "format", 'f', EM_OPT_TEXT, "FORMAT", NULL, 0, 0, offsetof(struct conf, format),
      "svg or png; else what FILE ends in, or svg" },
    { "output", 'o', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, output),
      "Write it to FILE instead of standard output" },
    { "socket", 's', EM_OPT_TEXT, "PATH", CLI_SOCKET_DEFAULT, 0, 0, offsetof(struct conf, of.socket),
      "Control socket of edgemediad" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia graph",
    .usage = "[OPTION]... [GRAPH]",
    .summary = "Draws what a running edgemediad remembers as SVG or PNG, for tickets.",
    .options = options,
    .notes = "GRAPH: calls (the default), codes, flags, media, relays, domains; of one edge\n"
             "verdicts, round-trips, retransmits. Of log files: edgemedia scan --report.\n"
             "Exit status: 0 drawn; 2 no answer, wrong usage, or it cannot be written.\n\n"
             "  edgemedia graph --range 7d --edge oslo --output oslo.svg verdicts\n"
             "  edgemedia graph --output calls.png\n",
};

/* The graphs of the page. A label is made of the members of a series that are there. */
static const struct kind {
    const char *name, *title, *series;
    const char *unit;
    double scale;
    bool of_edge, bands, means;
} kinds[] = {
    { "calls", "Failed calls", "media_failures,code_23,tcp_nat_check,code_23_tcp_nat", "calls", 1, false,
      false, false },
    { "codes", "Failed calls by code", "codes", "calls", 1, false, false, false },
    { "flags", "Failed calls by ICE warning", "ice_warnings", "calls", 1, false, false, false },
    { "media", "Failed calls by media", "media", "calls", 1, false, false, false },
    { "relays", "Failed calls by far relay", "relays", "calls", 1, false, false, false },
    { "domains", "Failed calls by far domain", "domains", "calls", 1, false, false, false },
    { "verdicts", "Verdicts", "verdict", "", 1, true, true, false },
    { "round-trips", "Round trips", "rtt_us,resolve_us,connect_us,tls_us,stun_us,allocate_us,relay_us", "ms",
      1000, true, false, true },
    { "retransmits", "Retransmissions", "stun_retransmits,tcp_retransmits", "packets", 1, true, false,
      false },
};

/* What the names of series are called. */
static const char *const words[][2] = {
    { "media_failures", "failed calls" },
    { "code_23", "code 23" },
    { "tcp_nat_check", "TCP NAT check failed" },
    { "code_23_tcp_nat", "both together" },
    { "codes", "code" },
    { "ice_warnings", "" },
    { "media", "" },
    { "relays", "" },
    { "domains", "" },
    { "verdict", "" },
    { "rtt_us", "round trip" },
    { "resolve_us", "resolve" },
    { "connect_us", "connect" },
    { "tls_us", "TLS" },
    { "stun_us", "STUN" },
    { "allocate_us", "allocate" },
    { "relay_us", "relay" },
    { "stun_retransmits", "STUN" },
    { "tcp_retransmits", "TCP" },
};

static void label_of(struct json_object *from, char to[EM_GRAPH_LABEL_MAX])
{
    static const char *const members[] = { "code", "value", "name", "media", "peer", "check", "address" };
    const char *name = view_text(from, NULL, "series"), *word = name;
    struct buf b = buf_over(to, EM_GRAPH_LABEL_MAX);
    bool found = false;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], name) == 0)
            word = words[i][1];
    buf_text(&b, word);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *text = view_text(from, NULL, members[i]);

        if (*text)
            buf_print(&b, "%s%s", b.n > 0 ? " " : "", text);
        found |= *text != '\0';
    }
    if (!found && !*word)
        buf_text(&b, "others");
    (void)buf_str(&b);
}

static uint64_t value_of(struct json_object *from, const struct kind *kind)
{
    if (kind->bands)
        return from ? em_name_value(&em_verdict_names, json_object_get_string(from)) : 0;
    return from ? json_object_get_uint64(from) : EM_GRAPH_NOTHING;
}

/* False: nothing in it, which a graph of many series is better without. */
static bool read_series(struct json_object *from, const struct kind *kind, uint32_t slots,
                        struct em_graph_series *to)
{
    struct json_object *values = NULL;
    bool any = false;

    if (!json_object_object_get_ex(from, "values", &values) ||
        !json_object_is_type(values, json_type_array) || json_object_array_length(values) != slots)
        return false;
    for (uint32_t i = 0; i < slots; i++) {
        to->values[i] = value_of(json_object_array_get_idx(values, i), kind);
        any |= to->values[i] != 0 && to->values[i] != EM_GRAPH_NOTHING;
    }
    label_of(from, to->label);
    return any || kind->bands || kind == kinds;
}

static int draw(const struct cli_graph_of *of, const struct kind *kind, struct json_object *history,
                bool inside, struct buf *out)
{
    struct em_graph_series *series = calloc(SERIES_MAX, sizeof *series);
    struct json_object *all = NULL;
    char title[TITLE_SIZE], desc[TITLE_SIZE];
    struct em_graph g = { .title = title,
                          .desc = desc,
                          .unit = kind->unit,
                          .scale = kind->scale,
                          .means = kind->means,
                          .bands = kind->bands,
                          .start_s = (int64_t)view_number(history, NULL, "start"),
                          .step_s = (uint32_t)view_number(history, NULL, "step"),
                          .slots = (uint32_t)view_number(history, NULL, "slots"),
                          .series = series };

    if (!series || g.slots > EM_GRAPH_SLOTS_MAX || !json_object_object_get_ex(history, "series", &all) ||
        !json_object_is_type(all, json_type_array)) {
        free(series);
        return cli_fail(series ? "edgemediad at %s answered something that is not a history"
                               : "no memory for the answer of %s",
                        of->socket);
    }
    for (size_t i = 0; i < json_object_array_length(all) && g.series_n < SERIES_MAX; i++)
        if (read_series(json_object_array_get_idx(all, i), kind, g.slots, &series[g.series_n]))
            g.series_n++;
    snprintf(title, sizeof title, "%s%s%s, %s", kind->of_edge ? of->edge : "", kind->of_edge ? ": " : "",
             kind->title, of->range);
    snprintf(desc, sizeof desc, "%s over %s in steps of %u s, UTC, by Edge Media Monitor.", kind->title,
             of->range, g.step_s);
    em_expo_graph(&g, inside, out);
    free(series);
    return CLI_GOOD;
}

static int fetch(const struct cli_graph_of *of, const struct kind *kind, bool inside, struct buf *out)
{
    char path[PATH_SIZE];
    struct buf p = buf_over(path, sizeof path), body = buf_heap(CLI_OUTPUT_MAX);
    struct json_object *history = NULL;
    struct em_why why;
    int result;

    buf_print(&p, "/api/v1/history?series=%s", kind->series);
    cli_daemon_parameter(&p, "range", of->range);
    cli_daemon_parameter(&p, "edge", kind->of_edge ? of->edge : NULL);
    cli_daemon_parameter(&p, "check", kind->of_edge ? of->check : NULL);
    if (p.full)
        result = cli_usage(&program, "--edge or --check is too long");
    else if (cli_daemon_get(of->socket, buf_str(&p), &body, &why) < 0)
        result = cli_fail("%s", why.text);
    else if ((history = json_tokener_parse(buf_str(&body))))
        result = draw(of, kind, history, inside, out);
    else
        result = cli_fail("edgemediad at %s answered something that is not JSON", of->socket);
    json_object_put(history);
    buf_fini(&body);
    return result;
}

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

int cli_graph_draw(const char *name, const struct cli_graph_of *of, struct buf *out)
{
    return fetch(of, kind_of(name), true, out);
}

static int deliver(const struct conf *conf, struct buf *out)
{
    struct em_why why;

    if (!conf->output)
        return cli_write(out) ? CLI_GOOD : CLI_FAILED;
    return cli_put("graph", conf->output, out, &why) < 0 ? cli_fail("%s", why.text) : CLI_GOOD;
}

static int deliver_png(const struct conf *conf, const struct buf *svg)
{
    struct buf png = buf_heap(CLI_OUTPUT_MAX);
    struct em_why why;
    int result = cli_png(svg, &png, &why) < 0 ? cli_fail("%s", why.text) : deliver(conf, &png);

    buf_fini(&png);
    return result;
}

/* False: there is no such format. */
static bool format_of(const struct conf *conf, bool *png)
{
    const char *name = conf->output ? conf->output : "", *end = strrchr(name, '.');

    if (!conf->format) {
        *png = end && strcasecmp(end, ".png") == 0;
        return true;
    }
    *png = strcmp(conf->format, "png") == 0;
    return *png || strcmp(conf->format, "svg") == 0;
}

static int graph(int argc, char **argv)
{
    struct conf conf = { 0 };
    const struct kind *kind = NULL;
    struct buf out = buf_heap(CLI_OUTPUT_MAX);
    const char *name;
    int first = 0, result;
    bool done, png = false;

    result = cli_options(&program, &conf, argc, argv, &first, &done);
    if (done)
        return result;
    name = first < argc ? argv[first] : kinds[0].name;
    kind = kind_of(name);
    if (!kind || argc - first > 1)
        result = cli_usage(&program, "one graph is drawn: calls, codes, flags, media, relays, domains, "
                                     "verdicts, round-trips or retransmits");
    else if (kind->of_edge && !conf.of.edge)
        result = cli_usage(&program, "%s is of one edge: give --edge", name);
    else if (!format_of(&conf, &png))
        result = cli_usage(&program, "a graph is drawn as svg or png");
    else if (png && !conf.output && isatty(STDOUT_FILENO))
        result = cli_usage(&program, "a PNG is nothing for a terminal: give --output");
    else if ((result = fetch(&conf.of, kind, false, &out)) == CLI_GOOD)
        result = png ? deliver_png(&conf, &out) : deliver(&conf, &out);
    buf_fini(&out);
    return result;
}

const struct cli_command cli_graph = { "graph", "draw what the daemon remembers as SVG or PNG", graph };
