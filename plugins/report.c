/* SPDX-License-Identifier: GPL-3.0-or-later
 * The text of the answer and the one exit. */
#include "plugins/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/esc.h"
#include "plugins/guard.h"

#define TITLE "EDGE MEDIA"

enum {
    REPORT_JSON_MAX = 6 * (REPORT_DETAILS_MAX + 2 * REPORT_PARTS_MAX * REPORT_PHRASE_MAX) + PERF_JSON_MAX
};

void report_init(struct report *r)
{
    r->worst = STATE_OK;
    r->parts_n = 0;
    r->failed = r->several = r->json = false;
    r->perf = perf_new();
    r->details = buf_heap(REPORT_DETAILS_MAX);
}

void report_fini(struct report *r)
{
    perf_fini(&r->perf);
    buf_fini(&r->details);
}

static EM_PRINTF(2, 0) void phrase(char to[REPORT_PHRASE_MAX], const char *fmt, va_list ap)
{
    char raw[REPORT_PHRASE_MAX], escaped[4 * REPORT_PHRASE_MAX];
    struct buf b = buf_over(escaped, sizeof escaped);

    vsnprintf(raw, sizeof raw, fmt, ap);
    esc_plugin(&b, slice_of(raw));
    (void)slice_copy(slice_of(buf_str(&b)), to, REPORT_PHRASE_MAX);
}

void report_add(struct report *r, enum state s, const char *fmt, ...)
{
    va_list ap;

    r->worst = state_worst(r->worst, s);
    if (r->parts_n == REPORT_PARTS_MAX)
        return;
    va_start(ap, fmt);
    phrase(r->parts[r->parts_n].phrase, fmt, ap);
    va_end(ap);
    r->parts[r->parts_n++].state = s;
}

void report_detail(struct report *r, const char *fmt, ...)
{
    char line[REPORT_PHRASE_MAX];
    va_list ap;

    va_start(ap, fmt);
    phrase(line, fmt, ap);
    va_end(ap);
    if (r->details.n + strlen(line) + 2 < REPORT_DETAILS_MAX)
        buf_print(&r->details, "%s\n", line);
}

void report_fail(struct report *r, enum state s, const struct em_why *why)
{
    char *at = r->parts[0].phrase;
    bool json = r->json;

    report_fini(r);
    report_init(r);
    r->json = json;
    r->worst = s;
    r->failed = true;
    r->parts_n = 1;
    r->parts[0].state = s;
    (void)slice_copy(slice_of(why->text), at, REPORT_PHRASE_MAX);
    while ((at = strchr(at, '|')))
        *at = '!';
}

/* Cuts to at most max bytes, on a character's edge, with two dots in place of what is gone. */
static void cut(struct buf *b, size_t max)
{
    if (b->n <= max)
        return;
    b->n = max - 2;
    while (b->n > 0 && (b->p[b->n] & 0xC0) == 0x80)
        b->n--;
    while (b->n > 0 && b->p[b->n - 1] == ' ')
        b->n--;
    buf_text(b, "..");
}

/* Problems only, the worst first; when all is well, everything. Returns how many phrases these are. */
static size_t summary(const struct report *r, struct buf *to)
{
    static const enum state order[] = { STATE_CRITICAL, STATE_WARNING, STATE_UNKNOWN, STATE_OK };
    size_t shown = 0;

    for (size_t o = 0; o < STATE_COUNT; o++) {
        if (order[o] == STATE_OK && r->worst != STATE_OK)
            break;
        for (size_t i = 0; i < r->parts_n; i++)
            if (r->parts[i].state == order[o])
                buf_print(to, "%s%s", shown++ ? "; " : "", r->parts[i].phrase);
    }
    if (shown == 0)
        buf_text(to, "nothing to judge");
    return shown;
}

/* The first line without the perfdata, as long as it may be. */
static void headline(const struct report *r, struct buf *to)
{
    size_t shown;

    buf_print(to, TITLE " %s - ", state_name(r->worst));
    shown = summary(r, to);
    cut(to, r->failed ? REPORT_PHRASE_MAX : shown > 1 || r->several ? REPORT_LONG_MAX : REPORT_LINE_MAX);
}

void report_text(const struct report *r, uint32_t verbose, struct buf *to)
{
    struct buf line = buf_heap(64 + REPORT_PARTS_MAX * (REPORT_PHRASE_MAX + 2));
    struct buf perf = r->perf.text, details = r->details;

    headline(r, &line);
    buf_text(to, buf_str(&line));
    buf_fini(&line);
    if (perf.n > 0)
        buf_print(to, " | %s", buf_str(&perf));
    buf_text(to, "\n");
    if (verbose > 0 && details.n > 0)
        buf_text(to, buf_str(&details));
}

static void json_text(struct buf *to, struct slice text)
{
    buf_text(to, "\"");
    esc_json(to, text);
    buf_text(to, "\"");
}

static void json_details(const struct report *r, struct buf *to)
{
    struct slice left = { (const char *)r->details.p, r->details.n };
    const char *comma = "";

    while (left.n > 0) {
        size_t end = slice_find_char(left, '\n');

        buf_text(to, comma);
        json_text(to, slice_upto(left, end));
        left = slice_from(left, end == SIZE_MAX ? left.n : end + 1);
        comma = ",";
    }
}

void report_json(const struct report *r, struct buf *to)
{
    struct buf line = buf_heap(64 + REPORT_PARTS_MAX * (REPORT_PHRASE_MAX + 2)), perf = r->perf.json;
    const char *comma = "";

    summary(r, &line);
    buf_print(to,
              "{\"schema_version\":1,\"state\":\"%s\",\"exit_code\":%d,\"summary\":", state_name(r->worst),
              (int)r->worst);
    json_text(to, slice_of(buf_str(&line)));
    buf_fini(&line);
    buf_text(to, ",\"problems\":[");
    for (size_t i = 0; i < r->parts_n; i++) {
        if (r->parts[i].state == STATE_OK)
            continue;
        buf_print(to, "%s{\"state\":\"%s\",\"text\":", comma, state_name(r->parts[i].state));
        json_text(to, slice_of(r->parts[i].phrase));
        buf_text(to, "}");
        comma = ",";
    }
    buf_text(to, "],\"details\":[");
    json_details(r, to);
    buf_text(to, "],\"perfdata\":[");
    if (perf.n > 0)
        buf_bytes(to, perf.p, perf.n);
    buf_text(to, "]}\n");
}

void report_print_exit(struct buf *text, enum state s)
{
    guard_stop(); /* from here on the watchdog must not add a second line */
    for (size_t at = 0; at < text->n;) {
        ssize_t n = write(STDOUT_FILENO, text->p + at, text->n - at);

        if (n < 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    buf_fini(text);
    exit((int)s);
}

void report_exit(const struct report *r, uint32_t verbose)
{
    struct buf text = buf_heap(r->json ? REPORT_JSON_MAX : REPORT_DETAILS_MAX + PERF_TEXT_MAX + 4096);

    if (r->json)
        report_json(r, &text);
    else
        report_text(r, verbose, &text);
    if (text.full || text.n == 0) { /* no memory for the text: say the least, with the state that holds */
        static char least[64];

        buf_fini(&text);
        text = buf_over(least, sizeof least);
        buf_print(&text, TITLE " %s - no memory to say more\n", state_name(STATE_UNKNOWN));
        report_print_exit(&text, STATE_UNKNOWN);
    }
    report_print_exit(&text, r->worst);
}
