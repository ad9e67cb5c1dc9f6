/* SPDX-License-Identifier: GPL-3.0-or-later
 * A graph as one SVG document that needs nothing else: light background, title, axes with their unit, legend; <title> and <desc> say the same
 * to those who do not see it. For tickets. Every text is escaped, whoever wrote it.
 */
#ifndef EM_EXPO_GRAPH_H
#define EM_EXPO_GRAPH_H

#include "base/buf.h"

enum { EM_GRAPH_LINES_MAX = 8, EM_GRAPH_BANDS_MAX = 64, EM_GRAPH_SLOTS_MAX = 1440, EM_GRAPH_LABEL_MAX = 256 };
#define EM_GRAPH_NOTHING UINT64_MAX /* a slot without a value: the line has a gap */

struct em_graph_series {
    char label[EM_GRAPH_LABEL_MAX];
    uint64_t values[EM_GRAPH_SLOTS_MAX]; /* of lines: numbers; of bands: a verdict, 0: nothing was tested */
};

struct em_graph {
    const char *title, *desc; /* desc: one sentence, and what the series come to is added */
    const char *unit;         /* of the vertical axis: "calls", "ms" */
    double scale;             /* what a value is divided by before it is shown: 1000 makes ms of us */
    bool means;               /* what a series comes to is its mean, not its sum */
    bool bands;               /* a coloured band for each series, not a line */
    int64_t start_s;          /* Unix time of slot 0 */
    uint32_t step_s, slots;   /* at most EM_GRAPH_SLOTS_MAX */
    const struct em_graph_series *series;
    size_t
        series_n; /* those beyond EM_GRAPH_LINES_MAX or EM_GRAPH_BANDS_MAX are not drawn, and the graph says how many */
};

/* Appends the document. `inside`: for an HTML page, without what only a file of its own needs. */
void em_expo_graph(const struct em_graph *g, bool inside, struct buf *to);

/* The least of 1, 2, 4, 5, 10, 20 ... times parts that is not below n: the top of an axis with so many parts. */
uint64_t em_graph_top(uint64_t n, unsigned parts);

#endif
