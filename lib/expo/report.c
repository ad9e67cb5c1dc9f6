/* SPDX-License-Identifier: GPL-3.0-or-later
 * The HTML report of a scan: tables, and graphs as inline SVG. */
#include "expo/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/esc.h"
#include "evidence/count.h"
#include "evidence/ice.h"
#include "expo/graph.h"
#include "expo/html.h"

/* --- what it is about --------------------------------------------------------------------------------------------- */

static void window(const struct em_report_page *page, struct buf *to)
{
    char when[EM_TIME_TEXT_MAX];

    if (page->since_us != INT64_MIN) {
        em_time_text(page->since_us, when);
        buf_print(to, "<p>Reports from %s on.</p>\n", when);
    }
    if (page->until_us != INT64_MAX) {
        em_time_text(page->until_us, when);
        buf_print(to, "<p>Reports before %s.</p>\n", when);
    }
    if (page->result->untimed > 0)
        buf_print(to, "<p>%" PRIu64 " reports carry no time and were left out.</p>\n", page->result->untimed);
}

static void files(const struct em_report_page *page, struct buf *to)
{
    size_t shown = page->files_n < EM_REPORT_FILES_SHOWN ? page->files_n : EM_REPORT_FILES_SHOWN;

    buf_text(to, "<p>Read: ");
    for (size_t i = 0; i < shown; i++) {
        buf_text(to, i ? ", <code>" : "<code>");
        em_html_text(to, page->files[i]);
        buf_text(to, "</code>");
    }
    if (shown < page->files_n)
        buf_print(to, " and %zu more", page->files_n - shown);
    buf_text(to, ".</p>\n");
    if (page->incomplete)
        buf_text(
            to,
            "<p class=\"say\">Not every file could be read to its end: there may be more failures than are "
            "shown here.</p>\n");
}

/* What the numbers mean to somebody who sees them for the first time. */
static void meaning(const struct em_totals *t, struct buf *to)
{
    if (t->code_23_tcp_nat > 0)
        buf_print(to,
                  "<p class=\"say\"><b>%" PRIu64
                  " calls failed with code 23 after their TCP connectivity checks "
                  "through NAT had failed.</b> When TCP connections to the media ports of the edge "
                  "(50000-59999) can be "
                  "opened and such calls still fail, something on the path drops or resets what follows the "
                  "handshake: "
                  "a firewall that identifies applications, or decrypts, and takes media for something else. "
                  "Exempt "
                  "the edge's media ports, TCP and UDP, from both, in both directions.</p>\n",
                  t->code_23_tcp_nat);
    else if (t->media_failures == 0)
        buf_text(to, "<p class=\"say\">No call of these logs reports a failure of its media.</p>\n");
}

static void totals(const struct em_totals *t, struct buf *to)
{
    const struct {
        const char *what;
        uint64_t n;
    } rows[] = {
        { "Calls with code 23: media connectivity failed, one end inside, the other one outside",
          t->code_23 },
        { "Calls with failed TCP NAT checks (0x100)", t->tcp_nat_check },
        { "Calls with both: suspect the path of TCP media", t->code_23_tcp_nat },
        { "Calls with a media failure of any code", t->media_failures },
        { "Calls with a report", t->calls },
        { "Reports", t->reports },
        { "of which repeat another one of the same call", t->duplicates },
        { "of which name no call", t->unkeyed },
        { "Messages", t->messages },
        { "of which were not understood", t->malformed },
        { "Bytes read", t->bytes },
    };

    em_html_begin_table(to, "Totals", "A call counts once, however often it was logged.", "What|#Number");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_text(to, "<tr>");
        em_html_cell(to, rows[i].what);
        em_html_number(to, rows[i].n);
        buf_text(to, "</tr>\n");
    }
    em_html_end_table(to, true, "");
}

/* --- over time ---------------------------------------------------------------------------------------------------- */

enum { WIDTH = 960, HEIGHT = 240, LEFT = 46, TOP = 8, FOOT = 28, GRID = 4, LABELS = 6 };

static const struct {
    char class;
    const char *name;
} kinds[EM_TALLY_KINDS] = { { 'a', "code 23" }, { 'b', "other media failures" }, { 'c', "other codes" } };

static void one_column(const struct em_tally_column *c, double x, double wide, uint64_t top, struct buf *to)
{
    char when[EM_TIME_TEXT_MAX];
    double y = HEIGHT - FOOT;

    em_time_text(c->begin_us, when);
    buf_print(to, "<g><title>%s:", when);
    for (size_t kind = 0; kind < EM_TALLY_KINDS; kind++)
        buf_print(to, " %" PRIu64 " %s%s", c->n[kind], kinds[kind].name,
                  kind + 1 < EM_TALLY_KINDS ? "," : "");
    buf_text(to, "</title>");
    for (size_t kind = 0; kind < EM_TALLY_KINDS; kind++) {
        double tall = (double)c->n[kind] * (HEIGHT - FOOT - TOP) / (double)top;

        if (c->n[kind] == 0)
            continue;
        y -= tall;
        buf_print(to, "<rect class=\"%c\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>",
                  kinds[kind].class, x, y, wide, tall);
    }
    buf_text(to, "</g>\n");
}

static void axes(const struct em_tally_column *columns, size_t n, uint64_t top, int64_t width_us,
                 struct buf *to)
{
    for (unsigned i = 0; i <= GRID; i++) {
        double y = HEIGHT - FOOT - (double)(HEIGHT - FOOT - TOP) * i / GRID;

        buf_print(to,
                  "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.2f\" y2=\"%.2f\"/>"
                  "<text x=\"%d\" y=\"%.2f\" text-anchor=\"end\">%" PRIu64 "</text>\n",
                  LEFT, WIDTH, y, y, LEFT - 6, y + 4, top / GRID * i);
    }
    for (size_t i = 0; i < n; i += n / LABELS + 1) {
        char when[EM_TIME_TEXT_MAX];
        double x = LEFT + (double)(WIDTH - LEFT) * (double)i / (double)n;

        em_time_text(columns[i].begin_us, when);
        when[10] = ' ';
        when[width_us % (86400 * EM_US_PER_S) == 0 ? 10 : 16] = '\0'; /* a day, or a minute */
        buf_print(to, "<text x=\"%.2f\" y=\"%d\">%s</text>\n", x, HEIGHT - 8, when);
    }
}

static const char *width_text(int64_t us, char to[32])
{
    int64_t minutes = us / (60 * EM_US_PER_S);

    if (minutes % 1440 == 0)
        snprintf(to, 32, "%" PRId64 " d", minutes / 1440);
    else if (minutes % 60 == 0)
        snprintf(to, 32, "%" PRId64 " h", minutes / 60);
    else
        snprintf(to, 32, "%" PRId64 " min", minutes);
    return to;
}

static void over_time(const struct em_tally *tally, struct buf *to)
{
    struct em_tally_column columns[EM_REPORT_COLUMNS];
    int64_t width_us = 0;
    size_t n = em_tally_columns(tally, columns, EM_REPORT_COLUMNS, &width_us);
    uint64_t most = 0, top;
    double step = n ? (double)(WIDTH - LEFT) / (double)n : 0;
    char wide[32];

    buf_text(to, "<h2>Over time</h2>\n");
    if (n == 0) {
        buf_text(to, "<p class=\"dim\">No failure carries a time.</p>\n");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t sum = 0;

        for (size_t kind = 0; kind < EM_TALLY_KINDS; kind++)
            sum += columns[i].n[kind];
        most = sum > most ? sum : most;
    }
    top = em_graph_top(most, GRID);
    buf_print(to, "<p class=\"dim\">Calls and codes by the time of their first report, a column for %s:",
              width_text(width_us, wide));
    for (size_t kind = 0; kind < EM_TALLY_KINDS; kind++)
        buf_print(to,
                  "<svg class=\"key\" viewBox=\"0 0 8 8\" aria-hidden=\"true\"><rect class=\"%c\" "
                  "width=\"8\" height=\"8\"/></svg>%s",
                  kinds[kind].class, kinds[kind].name);
    buf_print(to, "</p>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Failures over time\">\n", WIDTH,
              HEIGHT);
    axes(columns, n, top, width_us, to);
    for (size_t i = 0; i < n; i++)
        one_column(&columns[i], LEFT + step * (double)i, step > 3 ? step - 1 : step, top, to);
    buf_text(to, "</svg>\n");
}

/* --- by code, flag, media, far relay ------------------------------------------------------------------------------ */

static void by_code(const struct em_scan_result *r, struct buf *to)
{
    uint64_t most = 0;

    em_html_begin_table(to, "By code", "Calls with at least one report of the code.",
                        "#Code|#Calls||Class|Meaning");
    for (size_t i = 0; i < r->codes_n; i++)
        most = r->codes[i].calls > most ? r->codes[i].calls : most;
    for (size_t i = 0; i < r->codes_n; i++) {
        enum em_code_class class = em_code_class(r->codes[i].code);

        buf_text(to, "<tr>");
        em_html_number(to, r->codes[i].code);
        em_html_number(to, r->codes[i].calls);
        em_html_bar(to, r->codes[i].calls, most,
                    r->codes[i].code == 23           ? 'a'
                    : class == EM_CODE_MEDIA_FAILURE ? 'b'
                                                     : 'c');
        em_html_cell(to, em_name_of(&em_code_class_names, class));
        em_html_cell(to, em_code_meaning(r->codes[i].code));
        buf_text(to, "</tr>\n");
    }
    em_html_end_table(to, r->codes_n > 0, "No report.");
}

static void by_flag(const struct em_scan_result *r, struct buf *to)
{
    uint64_t most = 0;

    em_html_begin_table(to, "By ICE warning",
                        "Calls with the flag in any report; some flags occur in calls that work.",
                        "Flag|#Calls||May be benign|Meaning");
    for (unsigned bit = 0; bit < EM_ICE_BITS; bit++)
        most = r->ice[bit] > most ? r->ice[bit] : most;
    for (unsigned bit = 0; bit < EM_ICE_BITS; bit++) {
        const struct em_ice_warning *w = em_ice_find(UINT32_C(1) << bit);

        if (r->ice[bit] == 0)
            continue;
        buf_print(to, "<tr><td><code>0x%" PRIx32 "</code></td>", UINT32_C(1) << bit);
        em_html_number(to, r->ice[bit]);
        em_html_bar(to, r->ice[bit], most, w && w->bit == EM_ICE_TCP_NAT ? 'a' : w && w->benign ? 'c' : 'b');
        em_html_cell(to, !w ? "not known" : w->benign ? "yes" : "no");
        em_html_cell(to, w ? w->text : "not known");
        buf_text(to, "</tr>\n");
    }
    em_html_end_table(to, most > 0, "No ICE warning.");
}

static void by_media(const struct em_scan_result *r, struct buf *to)
{
    uint64_t most = 0;

    em_html_begin_table(to, "By media", "Calls with a media failure that names the media.", "Media|#Calls|");
    for (unsigned i = 0; i < EM_MEDIA_COUNT; i++)
        most = r->media[i] > most ? r->media[i] : most;
    for (unsigned i = 0; i < EM_MEDIA_COUNT; i++) {
        if (r->media[i] == 0)
            continue;
        buf_text(to, "<tr>");
        em_html_cell(to, em_name_of(&em_media_names, i + 1));
        em_html_number(to, r->media[i]);
        em_html_bar(to, r->media[i], most, 'b');
        buf_text(to, "</tr>\n");
    }
    em_html_end_table(to, most > 0, "No media failure names its media.");
}

static void one_peer(const struct em_tally_peer *p, uint64_t most, struct buf *to)
{
    if (p->failures == 0)
        return;
    buf_text(to, "<tr><td><code>");
    em_html_text(to, p->address[0] ? p->address : "all others");
    buf_text(to, "</code></td>");
    em_html_number(to, p->failures);
    em_html_number(to, p->code_23);
    em_html_number(to, p->code_23_tcp_nat);
    em_html_bar(to, p->failures, most, 'a');
    em_html_moment(to, p->first_us);
    em_html_moment(to, p->last_us);
    buf_text(to, "</tr>\n");
}

static void by_peer(struct em_tally *tally, struct buf *to)
{
    struct em_tally_peer peers[EM_REPORT_PEERS_SHOWN], rest;
    size_t n = em_tally_peers(tally, peers, EM_REPORT_PEERS_SHOWN, &rest);

    em_html_begin_table(
        to, "By far relay",
        "Media failures, a call and a code each, by the relay of the far side that the first report "
        "names: whose edge the path "
        "leads to. Flags as in that report.",
        "Address|#Failures|#Code 23|#with 0x100||First|Last");
    for (size_t i = 0; i < n; i++)
        one_peer(&peers[i], peers[0].failures, to);
    one_peer(&rest, n ? peers[0].failures : 0, to);
    em_html_end_table(to, n > 0, "No media failure names a far relay.");
}

/* --- the latest --------------------------------------------------------------------------------------------------- */

static void one_failure(const struct em_failure_row *row, struct buf *to)
{
    buf_text(to, "<tr>");
    em_html_moment(to, row->time);
    em_html_number(to, row->code);
    em_html_cell(to, row->media ? em_name_of(&em_media_names, row->media) : "");
    if (row->ice_known == 1)
        buf_print(to, "<td><code>0x%" PRIx32 "</code></td>", row->ice_warnings);
    else
        buf_text(to, "<td></td>");
    for (size_t i = 0; i < 3; i++) {
        buf_text(to, "<td class=\"id\">");
        em_html_text(to, i == 0 ? row->local_relay : i == 1 ? row->remote_relay : row->call_id);
        buf_text(to, "</td>");
    }
    buf_text(to, "</tr>\n");
}

static void latest(const struct em_tally *tally, struct buf *to)
{
    const struct em_failure_row *rows;
    size_t n = em_tally_latest(tally, &rows);
    char caption[96];

    snprintf(caption, sizeof caption, "At most %d, newest first; edgemedia scan --failures lists all.",
             EM_TALLY_LATEST);
    em_html_begin_table(to, "The latest media failures", caption,
                        "Time|#Code|Media|ICE|Near relay|Far relay|Call-ID");
    for (size_t i = 0; i < n; i++)
        one_failure(&rows[i], to);
    em_html_end_table(to, n > 0, "None.");
}

void em_expo_report(const struct em_report_page *page, struct buf *to)
{
    em_html_begin(to, "Call failures", page->version, page->made_us,
                  "Times are those of the logs, taken as UTC.");
    files(page, to);
    window(page, to);
    meaning(&page->result->totals, to);
    over_time(page->tally, to);
    totals(&page->result->totals, to);
    by_code(page->result, to);
    by_flag(page->result, to);
    by_media(page->result, to);
    by_peer(page->tally, to);
    latest(page->tally, to);
    em_html_end(to);
}
