/* SPDX-License-Identifier: GPL-3.0-or-later
 * The graphs of a running edgemediad's history, for the commands that draw them. */
#ifndef EM_CLI_GRAPH_H
#define EM_CLI_GRAPH_H

#include "cli/cli.h"

struct cli_graph_of {
    const char *socket, *range;
    const char *edge, *check; /* of graphs of one edge; check NULL: all of them */
};

/* Appends the graph of this name (`edgemedia graph --help`) as SVG for an HTML page. CLI_GOOD, or CLI_FAILED after saying why. */
int cli_graph_draw(const char *name, const struct cli_graph_of *of, struct buf *out);

#endif
