/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia decode: what an ICE warning value, a diagnostics header, a verdict or a kind of finding says. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/esc.h"
#include "diagnose/rules.h"
#include "evidence/count.h"
#include "evidence/diag.h"
#include "evidence/ice.h"

enum { INPUT_MAX = 1024 * 1024, WORD_MAX = 64 };

struct conf {
    bool json;
};

static const struct em_opt options[] = {
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json),
      "Print one JSON object a line for each value" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia decode",
    .usage = "[OPTION]... VALUE|HEADER|WORD...",
    .summary = "Explains ICE warnings, diagnostics headers, verdicts and kinds of findings.",
    .options = options,
    .notes = "  edgemedia decode 0x8000100\n"
             "  edgemedia decode -- -2013265664          signed decimal of a database\n"
             "  edgemedia decode 'ms-client-diagnostics: 23; reason=\"...\"'\n"
             "  edgemedia decode blackholed\n"
             "  edgemedia decode - < headers.txt\n",
};

/* --- ICE warnings --- */

static uint32_t unknown_bits(uint32_t value)
{
    for (size_t i = 0; i < em_ice_warnings_n; i++)
        value &= ~em_ice_warnings[i].bit;
    return value;
}

static void json_text(struct buf *to, const char *key, struct slice s)
{
    buf_print(to, ",\"%s\":", key);
    if (s.n == 0) {
        buf_text(to, "null");
        return;
    }
    buf_text(to, "\"");
    esc_json(to, s);
    buf_text(to, "\"");
}

/* "warnings":[..],"unknown":"0x0" */
static void json_bits(struct buf *to, uint32_t value)
{
    const char *comma = "";

    buf_text(to, "\"warnings\":[");
    for (size_t i = 0; i < em_ice_warnings_n; i++) {
        const struct em_ice_warning *w = &em_ice_warnings[i];

        if (!(value & w->bit))
            continue;
        buf_print(to, "%s{\"bit\":\"0x%" PRIx32 "\"", comma, w->bit);
        json_text(to, "name", slice_of(w->name));
        json_text(to, "text", slice_of(w->text));
        buf_print(to, ",\"benign\":%s}", w->benign ? "true" : "false");
        comma = ",";
    }
    buf_print(to, "],\"unknown\":\"0x%" PRIx32 "\"", unknown_bits(value));
}

static void text_bits(struct buf *to, uint32_t value)
{
    if (value == 0)
        buf_text(to, "  no warning\n");
    for (size_t i = 0; i < em_ice_warnings_n; i++)
        if (value & em_ice_warnings[i].bit)
            buf_print(to, "  0x%-8" PRIx32 " %s%s\n", em_ice_warnings[i].bit, em_ice_warnings[i].text,
                      em_ice_warnings[i].benign ? " (may be benign)" : "");
    if (unknown_bits(value) != 0)
        buf_print(to, "  0x%-8" PRIx32 " not known\n", unknown_bits(value));
}

static void decode_value(uint32_t value, bool json, struct buf *to)
{
    if (!json) {
        buf_print(to, "ICE warnings 0x%" PRIx32 "\n", value);
        text_bits(to, value);
        return;
    }
    buf_print(to, "{\"schema_version\":1,\"value\":\"0x%" PRIx32 "\",", value);
    json_bits(to, value);
    buf_text(to, "}\n");
}

/* --- headers --- */

/* The members of one blob, as the failures have them. */
static void json_media(struct buf *to, const struct em_report_media *m)
{
    buf_print(to, "\"side\":\"%s\",\"media\":\"%s\"", em_name_of(&em_side_names, m->side),
              em_name_of(&em_media_names, m->media));
    if (m->ice_known)
        buf_print(to, ",\"ice_warnings\":\"0x%" PRIx32 "\"", m->ice);
    else
        buf_text(to, ",\"ice_warnings\":null");
    json_text(to, "local_relay", m->local_relay);
    json_text(to, "remote_relay", m->remote_relay);
    json_text(to, "local_site", m->local_site);
    json_text(to, "remote_site", m->remote_site);
}

static void json_header(struct buf *to, const struct em_report *r)
{
    static const struct em_report_media none = { .side = EM_SIDE_UNKNOWN, .media = EM_MEDIA_UNKNOWN };
    bool known;
    uint32_t ice = em_report_ice(r, &known);

    buf_print(to, "{\"schema_version\":1,\"code\":%" PRIu32 ",\"class\":\"%s\"", r->code,
              em_name_of(&em_code_class_names, em_code_class(r->code)));
    json_text(to, "meaning", slice_of(em_code_meaning(r->code)));
    json_text(to, "reason", r->reason);
    buf_text(to, ",");
    json_media(to, r->media_n > 0 ? &r->media[0] : &none);
    buf_text(to, ",");
    json_bits(to, known ? ice : 0);
    buf_text(to, ",\"blobs\":[");
    for (uint32_t i = 0; i < r->media_n; i++) {
        buf_text(to, i > 0 ? ",{" : "{");
        json_media(to, &r->media[i]);
        buf_text(to, "}");
    }
    buf_text(to, "]}\n");
}

static void text_line(struct buf *to, const char *what, struct slice s)
{
    if (s.n == 0)
        return;
    buf_print(to, "  %-13s ", what);
    esc_line(to, s);
    buf_text(to, "\n");
}

static void text_header(struct buf *to, const struct em_report *r)
{
    buf_print(to, "code %" PRIu32 ": %s (%s)\n", r->code, em_code_meaning(r->code),
              em_name_of(&em_code_class_names, em_code_class(r->code)));
    text_line(to, "reason", r->reason);
    for (uint32_t i = 0; i < r->media_n; i++) {
        const struct em_report_media *m = &r->media[i];

        text_line(to, "media", slice_of(em_name_of(&em_media_names, m->media)));
        text_line(to, "side", slice_of(em_name_of(&em_side_names, m->side)));
        text_line(to, "local relay", m->local_relay);
        text_line(to, "remote relay", m->remote_relay);
        text_line(to, "local site", m->local_site);
        text_line(to, "remote site", m->remote_site);
        if (!m->ice_known) {
            text_line(to, "ICE warnings", SLICE("not told"));
            continue;
        }
        buf_print(to, "  ICE warnings  0x%" PRIx32 "\n", m->ice);
        text_bits(to, m->ice);
    }
}

/* --- words of this product --- */

struct word {
    const char *kind, *name, *meaning, *advice, *refute; /* refute: NULL for a verdict */
};

static bool word_of(struct slice text, struct word *w)
{
    char name[WORD_MAX];
    uint32_t value;

    if (!slice_copy(text, name, sizeof name))
        return false;
    if ((value = em_name_value(&em_verdict_names, name)) != 0) {
        *w = (struct word) { .kind = em_verdict_names.title,
                             .name = em_verdict_names.names[value - 1].name,
                             .meaning = em_verdict_names.names[value - 1].help,
                             .advice = em_verdict_advice((enum em_verdict)value) };
        return true;
    }
    value = em_name_value(&em_finding_kind_names, name);
    for (size_t i = 0; i < em_rules_n && value != 0; i++)
        if (em_rules[i].kind == value) {
            *w = (struct word) { em_finding_kind_names.title, em_finding_kind_names.names[value - 1].name,
                                 em_finding_kind_names.names[value - 1].help, em_rules[i].advice,
                                 em_rules[i].refute };
            return true;
        }
    return false;
}

static void decode_word(const struct word *w, bool json, struct buf *to)
{
    if (!json) {
        buf_print(to, "%s %s: %s\n", w->kind, w->name, w->meaning);
        text_line(to, "what to do", slice_of(w->advice));
        if (w->refute)
            text_line(to, "wrong if", slice_of(w->refute));
        return;
    }
    buf_text(to, "{\"schema_version\":1");
    json_text(to, w->kind, slice_of(w->name));
    json_text(to, "meaning", slice_of(w->meaning));
    json_text(to, "advice", slice_of(w->advice));
    if (w->refute)
        json_text(to, "refute", slice_of(w->refute));
    buf_text(to, "}\n");
}

/* --- which parts of a text are values, headers and words --- */

struct run {
    bool json, stopped;
    size_t decoded;
    struct buf clean, out;
    struct slice pending; /* a header's value so far, the lines that were wrapped off it included */
};

static void flush(struct run *run)
{
    struct slice value;
    struct em_report r = { 0 };

    if (run->pending.n == 0)
        return;
    buf_reset(&run->clean);
    value = em_diag_clean(run->pending, &run->clean);
    run->pending.n = 0;
    for (; em_diag_next(&value, &r); run->decoded++) {
        if (run->json)
            json_header(&run->out, &r);
        else
            text_header(&run->out, &r);
    }
}

/* "Content-Length: 0": another header of the message, not the rest of a wrapped one. */
static bool is_other_header(struct slice line)
{
    size_t n = 0;

    while (n < line.n && (line.p[n] == '-' || (line.p[n] | 0x20) >= 'a') && (line.p[n] | 0x20) <= 'z')
        n++;
    return n > 0 && n + 1 < line.n && line.p[n] == ':' && line.p[n + 1] == ' ';
}

static void take_line(struct run *run, struct slice line)
{
    struct slice trimmed = slice_trim(line), value;
    struct word word;
    uint32_t bits;

    if (em_diag_header(line, &value)) {
        flush(run);
        run->pending = value;
    } else if (run->pending.n > 0 && trimmed.n > 0 && !is_other_header(line)) {
        run->pending.n = (size_t)(line.p + line.n - run->pending.p);
    } else if (flush(run), em_ice_read(trimmed, &bits)) {
        decode_value(bits, run->json, &run->out);
        run->decoded++;
    } else if (word_of(trimmed, &word)) {
        decode_word(&word, run->json, &run->out);
        run->decoded++;
    } else if (trimmed.n > 0 && trimmed.p[0] >= '0' && trimmed.p[0] <= '9') {
        run->pending = line; /* without its name, as reports and databases have it */
    }
}

/* Returns CLI_FAILED when there was nothing in the text to decode. */
static int decode_text(struct run *run, struct slice text)
{
    size_t before = run->decoded;
    char shown[96];

    for (struct slice rest = text, line; rest.n > 0; take_line(run, line))
        if (!slice_until(&rest, '\n', &line)) {
            line = rest;
            rest.n = 0;
        }
    flush(run);
    if (!cli_write(&run->out))
        run->stopped = true;
    if (run->decoded > before || run->stopped)
        return run->stopped ? CLI_FAILED : CLI_GOOD;
    return cli_fail("\"%s\" is no ICE warning value, diagnostics header, verdict or kind of finding",
                    esc_line_into(shown, sizeof shown, text));
}

static int decode_input(struct run *run)
{
    struct buf text = buf_heap(INPUT_MAX);
    uint8_t chunk[4096];
    ssize_t n;
    int status;

    while ((n = read(STDIN_FILENO, chunk, sizeof chunk)) > 0 && !text.full)
        buf_bytes(&text, chunk, (size_t)n);
    if (n < 0)
        status = cli_fail("standard input: %s", strerror(errno));
    else if (text.full)
        status = cli_fail("standard input is longer than %d bytes; see edgemedia scan", INPUT_MAX);
    else
        status = decode_text(run, (struct slice) { (const char *)text.p, text.n });
    buf_fini(&text);
    return status;
}

static int decode(int argc, char **argv)
{
    struct run run = { .clean = buf_heap(INPUT_MAX), .out = buf_heap(CLI_OUTPUT_MAX) };
    struct conf conf = { 0 };
    int first = 0, status;
    bool done;

    status = cli_options(&program, &conf, argc, argv, &first, &done);
    run.json = conf.json;
    if (!done && first == argc)
        status = cli_usage(&program, "nothing given to decode");
    else if (!done)
        for (int i = first; i < argc && !run.stopped; i++)
            if ((strcmp(argv[i], "-") == 0 ? decode_input(&run) : decode_text(&run, slice_of(argv[i]))) !=
                CLI_GOOD)
                status = CLI_FAILED;
    buf_fini(&run.clean);
    buf_fini(&run.out);
    return status;
}

const struct cli_command cli_decode = { "decode",
                                        "explain ICE warnings, diagnostics headers and our own words",
                                        decode };
