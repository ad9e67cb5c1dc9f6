/* SPDX-License-Identifier: GPL-3.0-or-later
 * Graphs as SVG: lines over time, and verdicts as bands. */
#include "expo/graph.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/esc.h"
#include "model/names.h"

enum {
    WIDTH = 960,
    LEFT = 64,
    RIGHT = 16,
    TOP = 44,
    PLOT = 220,
    BAND = 18,
    BAND_GAP = 6,
    GRID = 4,
    LABELS = 8,
    LEGEND = 18
};
enum { BAND_LEFT = 260, BAND_LABEL_CHARS = 38 };

static const char *const colours[EM_GRAPH_LINES_MAX] = { "#c92a2f", "#1769c2", "#12693c", "#8a4bb0",
                                                         "#b35900", "#007a87", "#8f5f00", "#5b6470" };

/* What a band's colours mean: those of the page. */
static const struct group {
    const char *colour, *text;
} groups[] = { { "#e3e6ea", "not tested, or not able to" },  { "#2f9e63", "answered" },
               { "#7fb6e6", "open, nobody listens" },        { "#c92a2f", "blocked" },
               { "#e5781e", "lets connect, then disturbs" }, { "#9256b5", "answers wrongly" } };
enum { GROUP_NONE, GROUP_OK, GROUP_OPEN, GROUP_BLOCKED, GROUP_INTERFERED, GROUP_OTHER };
enum { GROUPS = sizeof groups / sizeof *groups };

static unsigned group_of(uint64_t verdict)
{
    static const uint8_t of[] = {
        [EM_VERDICT_OK] = GROUP_OK,
        [EM_VERDICT_DEGRADED] = GROUP_INTERFERED,
        [EM_VERDICT_REFUSED] = GROUP_OPEN,
        [EM_VERDICT_FILTERED] = GROUP_BLOCKED,
        [EM_VERDICT_PROHIBITED] = GROUP_BLOCKED,
        [EM_VERDICT_UNREACHABLE] = GROUP_BLOCKED,
        [EM_VERDICT_BLACKHOLED] = GROUP_INTERFERED,
        [EM_VERDICT_SILENT] = GROUP_INTERFERED,
        [EM_VERDICT_RESET] = GROUP_INTERFERED,
        [EM_VERDICT_INTERCEPTED] = GROUP_INTERFERED,
        [EM_VERDICT_MANGLED] = GROUP_INTERFERED,
        [EM_VERDICT_AUTH_FAILED] = GROUP_OTHER,
        [EM_VERDICT_DNS_FAILED] = GROUP_OTHER,
        [EM_VERDICT_TLS_FAILED] = GROUP_OTHER,
        [EM_VERDICT_PROTOCOL_ERROR] = GROUP_OTHER,
    };

    return verdict < sizeof of ? of[verdict] : GROUP_NONE;
}

uint64_t em_graph_top(uint64_t n, unsigned parts)
{
    static const unsigned steps[] = { 1, 2, 4, 5 };

    for (uint64_t ten = 1;; ten *= 10)
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
            if (ten * steps[i] * parts >= n || ten > UINT64_MAX / 1000 / parts)
                return ten * steps[i] * parts;
}

static void text(struct buf *to, const char *s)
{
    esc_html(to, slice_of(s));
}

static size_t shown(const struct em_graph *g)
{
    size_t most = g->bands ? EM_GRAPH_BANDS_MAX : EM_GRAPH_LINES_MAX;

    return g->series_n < most ? g->series_n : most;
}

static double x_of(const struct em_graph *g, double slot)
{
    double left = g->bands ? BAND_LEFT : LEFT;

    return left + (WIDTH - RIGHT - left) * slot / (g->slots > 0 ? g->slots : 1);
}

static int plot_height(const struct em_graph *g)
{
    return g->bands ? (int)shown(g) * (BAND + BAND_GAP) : PLOT;
}

/* --- what it says in words ---------------------------------------------------------------------------------------- */

/* The sum of a line, or its mean in the unit. */
static void amount(const struct em_graph *g, const struct em_graph_series *s, struct buf *to)
{
    double sum = 0, n = 0;

    for (uint32_t i = 0; i < g->slots; i++)
        if (s->values[i] != EM_GRAPH_NOTHING) {
            sum += (double)s->values[i];
            n++;
        }
    if (!g->means)
        buf_print(to, "%.0f", sum / g->scale);
    else
        buf_print(to, "%.2f %s", n > 0 ? sum / n / g->scale : 0, g->unit);
}

/* How many slots each group of verdicts has: "answered 1430 min". */
static void band_in_words(const struct em_graph *g, const struct em_graph_series *s, struct buf *to)
{
    uint64_t slots[GROUPS] = { 0 };
    bool any = false;

    for (uint32_t i = 0; i < g->slots; i++)
        slots[group_of(s->values[i])]++;
    for (size_t k = 0; k < GROUPS; k++) {
        if (slots[k] == 0)
            continue;
        buf_print(to, "%s%s %" PRIu64 " min", any ? ", " : "", groups[k].text, slots[k] * g->step_s / 60);
        any = true;
    }
}

static void describe(const struct em_graph *g, struct buf *to)
{
    text(to, g->desc);
    for (size_t i = 0; i < shown(g); i++) {
        buf_text(to, i ? "; " : " ");
        text(to, g->series[i].label);
        buf_text(to, ": ");
        if (g->bands)
            band_in_words(g, &g->series[i], to);
        else
            amount(g, &g->series[i], to);
    }
}

/* --- what it looks like ------------------------------------------------------------------------------------------- */

static void open_document(const struct em_graph *g, bool inside, int height, struct buf *to)
{
    if (!inside)
        buf_text(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    buf_print(to,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" font-family=\""
              "sans-serif\" font-size=\"12\" fill=\"#3b4452\">\n<title>",
              WIDTH, height);
    text(to, g->title);
    buf_text(to, "</title>\n<desc>");
    describe(g, to);
    buf_print(to, "</desc>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", WIDTH, height);
    buf_text(to, "<text x=\"12\" y=\"20\" font-size=\"15\" fill=\"#1c2430\">");
    text(to, g->title);
    buf_text(to, "</text>\n");
    if (!g->bands) {
        buf_text(to, "<text x=\"12\" y=\"37\">");
        text(to, g->unit);
        buf_text(to, "</text>\n");
    }
}

static void when_text(const struct em_graph *g, uint32_t slot, char to[EM_TIME_TEXT_MAX])
{
    em_time_text((g->start_s + (int64_t)slot * g->step_s) * EM_US_PER_S, to);
    if (to[10] == 'T')
        to[10] = ' ';
    to[(uint64_t)g->step_s * g->slots > 8 * 86400 ? 10 : 16] = '\0'; /* a day, or a minute */
}

static void time_axis(const struct em_graph *g, struct buf *to)
{
    int y = TOP + plot_height(g);
    uint32_t step = g->slots / LABELS + 1;
    char when[EM_TIME_TEXT_MAX];

    for (uint32_t i = 0; i < g->slots; i += step) {
        double x = x_of(g, i);

        when_text(g, i, when);
        buf_print(to,
                  "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#d5dbe3\"/>"
                  "<text x=\"%.1f\" y=\"%d\" font-size=\"11\">%s</text>\n",
                  x, x, TOP, y + 4, x, y + 17, when + (g->slots * (uint64_t)g->step_s > 86400 ? 5 : 11));
    }
    buf_print(to, "<text x=\"%d\" y=\"%d\" font-size=\"11\" text-anchor=\"end\">UTC</text>\n", WIDTH - RIGHT,
              TOP - 8);
}

static void value_axis(const struct em_graph *g, uint64_t top, struct buf *to)
{
    for (unsigned i = 0; i <= GRID; i++) {
        double y = TOP + PLOT - (double)PLOT * i / GRID;

        buf_print(to,
                  "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#d5dbe3\"/>"
                  "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n",
                  LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, (double)(top / GRID * i) / g->scale);
    }
}

/* Points are joined; a slot without a value ends the piece. One that stands alone is a short stroke. */
static void line(const struct em_graph *g, size_t nr, uint64_t top, struct buf *to)
{
    const struct em_graph_series *s = &g->series[nr];
    bool drawing = false;

    buf_text(to, "<path fill=\"none\" stroke-width=\"1.7\" stroke-linejoin=\"round\" d=\"");
    for (uint32_t i = 0; i < g->slots; i++) {
        if (s->values[i] == EM_GRAPH_NOTHING) {
            drawing = false;
            continue;
        }
        buf_print(to, "%c%.1f %.1f%s", drawing ? 'L' : 'M', x_of(g, i + 0.5),
                  TOP + PLOT - (double)s->values[i] * PLOT / (double)top, drawing ? "" : "h.5");
        drawing = true;
    }
    buf_print(to, "\" stroke=\"%s\"/>\n", colours[nr]);
}

static uint64_t highest(const struct em_graph *g)
{
    uint64_t most = 0;

    for (size_t k = 0; k < shown(g); k++)
        for (uint32_t i = 0; i < g->slots; i++)
            if (g->series[k].values[i] != EM_GRAPH_NOTHING && g->series[k].values[i] > most)
                most = g->series[k].values[i];
    return most;
}

static void lines(const struct em_graph *g, struct buf *to)
{
    uint64_t top = em_graph_top(highest(g), GRID);

    value_axis(g, top, to);
    time_axis(g, to);
    for (size_t i = 0; i < shown(g); i++)
        line(g, i, top, to);
    for (size_t i = 0; i < shown(g); i++) {
        int y = TOP + PLOT + 40 + (int)i * LEGEND;

        buf_print(to,
                  "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">",
                  LEFT, y - 10, colours[i], LEFT + 18, y);
        text(to, g->series[i].label);
        buf_text(to, ": ");
        amount(g, &g->series[i], to);
        buf_text(to, "</text>\n");
    }
}

/* Slots in a row of the same group are one rectangle. */
static void band(const struct em_graph *g, size_t nr, struct buf *to)
{
    const struct em_graph_series *s = &g->series[nr];
    int y = TOP + (int)nr * (BAND + BAND_GAP);
    struct slice label = slice_of(s->label);

    buf_print(to, "<g><title>");
    text(to, s->label);
    buf_text(to, ": ");
    band_in_words(g, s, to);
    buf_print(to, "</title><text x=\"12\" y=\"%d\">", y + 13);
    esc_html(to, slice_upto(label, label.n < BAND_LABEL_CHARS ? label.n : BAND_LABEL_CHARS));
    buf_text(to, label.n > BAND_LABEL_CHARS ? "...</text>\n" : "</text>\n");
    for (uint32_t i = 0, from = 0; i < g->slots; i++) {
        if (i + 1 < g->slots && group_of(s->values[i + 1]) == group_of(s->values[from]))
            continue;
        buf_print(to, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x_of(g, from),
                  y, x_of(g, i + 1) - x_of(g, from), BAND, groups[group_of(s->values[from])].colour);
        from = i + 1;
    }
    buf_text(to, "</g>\n");
}

static void bands(const struct em_graph *g, struct buf *to)
{
    int y = TOP + plot_height(g) + 40;

    time_axis(g, to);
    for (size_t i = 0; i < shown(g); i++)
        band(g, i, to);
    for (size_t k = 0; k < GROUPS; k++) {
        int x = 12 + (int)(k % 3) * 240, at = y + (int)(k / 3) * LEGEND;

        buf_print(to,
                  "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">%s"
                  "</text>\n",
                  x, at - 10, groups[k].colour, x + 18, at, groups[k].text);
    }
}

void em_expo_graph(const struct em_graph *g, bool inside, struct buf *to)
{
    size_t rows = g->bands ? 2 : shown(g);
    int foot = TOP + plot_height(g) + 40 + (int)rows * LEGEND;

    open_document(g, inside, foot + LEGEND, to);
    if (g->series_n == 0)
        buf_print(to, "<text x=\"%d\" y=\"%d\">Nothing was counted in this time.</text>\n", LEFT,
                  TOP + PLOT / 2);
    else if (g->bands)
        bands(g, to);
    else
        lines(g, to);
    if (g->series_n > shown(g))
        buf_print(to, "<text x=\"%d\" y=\"%d\">and %zu more that are not drawn</text>\n", LEFT, foot,
                  g->series_n - shown(g));
    buf_text(to, "</svg>\n");
}
