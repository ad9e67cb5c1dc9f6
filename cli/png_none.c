/* SPDX-License-Identifier: GPL-3.0-or-later
 * In place of png.c in a build without librsvg. */
#include "cli/png.h"

int cli_png(const struct buf *svg, struct buf *to, struct em_why *why)
{
    (void)svg;
    (void)to;
    return em_fail(
        why, EM_ERR_UNSUPPORTED,
        "this build has no librsvg, which PNG needs: build with it (Debian: librsvg2-dev), or take the SVG");
}
