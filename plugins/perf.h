/* SPDX-License-Identifier: GPL-3.0-or-later
 * Performance data that Nagios, Icinga 2, Naemon and Centreon all keep: 'label'=value[UOM];[warn];[crit];[min] separated by blanks.
 *
 * What holds whatever the label is made of (names come from configuration and from the network): no '=', no '|', no control, no "::"
 * (Icinga 2 takes it for a prefix), quotes doubled, and the first 19 characters unlike those of every earlier label (RRD
 * data source names). A label that collides is cut and gets a hash of the whole; earlier labels keep their names.
 */
#ifndef EM_PLUGINS_PERF_H
#define EM_PLUGINS_PERF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "plugins/range.h"

enum {
    PERF_LABEL_MAX = 160,
    PERF_UNIQUE = 19,
    PERF_ITEMS_MAX = 4000,
    PERF_TEXT_MAX = 60 * 1024,
    PERF_JSON_MAX = 8 * PERF_TEXT_MAX
};

struct perf {
    struct buf text;               /* all items, separated by blanks */
    struct buf json;               /* the same items as JSON objects, separated by commas */
    char (*seen)[PERF_UNIQUE + 1]; /* the unique beginnings, grown by doubling */
    size_t seen_n, seen_room;
    bool cut; /* an item did not fit (PERF_ITEMS_MAX, PERF_TEXT_MAX, memory): it is left out whole */
};

struct perf perf_new(void);
void perf_fini(struct perf *p);

struct perf_item {
    const char *label;
    double value;
    bool unknown;                    /* writes U */
    const char *uom;                 /* "", "s", "c", "B" ... */
    const struct range *warn, *crit; /* NULL: none */
    bool min_0;
};
void perf_add(struct perf *p, const struct perf_item *item);

#endif
