/* SPDX-License-Identifier: GPL-3.0-or-later
 * placeholder */
#include "probe/path_part.h"

bool path_walk_begin(struct em_path *p)
{
    (void)p;
    return false;
}
bool path_walk_over(const struct em_path *p)
{
    (void)p;
    return true;
}
void path_walk_stop(struct em_path *p)
{
    (void)p;
}
