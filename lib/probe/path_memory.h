/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the differential tests of one path found over many intervals: a fault that hits one connection in a hundred shows in none of them, and in
 * all of them together. Pure, and of a fixed size.
 *
 *     counts of an interval --> newer --half of the window is over--> older --another half is over--> forgotten
 *
 * So what is judged is of the last EM_PATH_WINDOW / 2 to EM_PATH_WINDOW intervals. A judgement of one interval that finds a filter stands; else all
 * that is remembered is judged, each piece of evidence up to EM_PATH_WINDOW times, which the chance of an error takes into account
 * (em_path_table.looks).
 *
 * The path changed, and what is older than this interval is forgotten, when what was found does not show any more: so many tries in a row
 * were not hit that with the share that was found this had a chance below EM_PATH_DOUBT. It is also forgotten when the owner forgets
 * it: with another configuration, or another address, the path is another one.
 */
#ifndef EM_PROBE_PATH_MEMORY_H
#define EM_PROBE_PATH_MEMORY_H

#include "probe/path_judge.h"

enum { EM_PATH_WINDOW = 48 }; /* intervals */

struct em_path_memory {
    struct em_path_table newer, older;
    uint32_t newer_n, older_n; /* intervals in them */
    bool found;                /* the last judgement named a filter: */
    uint32_t group;
    double share;
    uint32_t quiet; /* tries of that group since the last one that was hit */
};

/* A zeroed struct remembers nothing. Adds the counts of an interval, whose own judgement j is; j may then be that of all that is remembered,
 * and its reason says of how many intervals. True: it is. */
bool em_path_remember(struct em_path_memory *m, const struct em_path_table *now, struct em_path_judgement *j);

#endif
