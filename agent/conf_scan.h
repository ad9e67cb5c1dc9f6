/* SPDX-License-Identifier: GPL-3.0-or-later
 * Where in a configuration file each statement stands. libConfuse gives the values, but it forgets their lines and stops at the
 * first name that it does not know; this scan of the same grammar gives every name, with its line and what it is nested in, so
 * that all errors of a file are reported in one run, each at its place.
 */
#ifndef EM_AGENT_CONF_SCAN_H
#define EM_AGENT_CONF_SCAN_H

#include "base/err.h"
#include "base/slice.h"

enum { EM_CONF_PLACES_MAX = 100000, EM_CONF_DEPTH_MAX = 8, EM_CONF_ROOT = -1 };

/* name = value, name = { value, ... }, name { ... } or name "title" { ... }. Slices point into the text; titles are without quotes
 * and not unescaped. */
struct em_conf_place {
    struct slice name, title;
    size_t from, to; /* the whole statement: bytes of the text */
    unsigned line;
    int parent; /* index of the block around it, or EM_CONF_ROOT */
    bool block;
};

struct em_conf_places {
    struct em_conf_place *all;
    size_t n;
};

/* 0, EM_ERR_MEMORY, EM_ERR_LIMIT, or EM_ERR_INPUT: not the grammar; *line and why tell, and the places before it are there. */
int em_conf_scan(struct slice text, struct em_conf_places *places, unsigned *line,
                 struct em_why *why) EM_MUST_CHECK;
void em_conf_places_fini(struct em_conf_places *places);

/* The statement of that name (and title, when not NULL) in that block; EM_CONF_ROOT - 1 when there is none. */
int em_conf_place(const struct em_conf_places *places, int parent, const char *name, const char *title);
unsigned em_conf_line(const struct em_conf_places *places, int place);

#endif
