/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside probe/: what a kind of probe is. A kind is a row in kinds.c, and a file with the functions of that row.
 */
#ifndef EM_PROBE_PROBE_KIND_H
#define EM_PROBE_PROBE_KIND_H

#include "probe/probe.h"

struct em_attempt;

struct em_probe_kind {
    const char *scheme;
    uint16_t port;               /* default; 0: must be given */
    enum em_transport transport; /* without ?transport= */
    bool query;                  /* takes ?transport= */
    enum em_dialect dialect;
    const char *missing; /* why this build cannot do it; NULL: it can */

    void (*begin)(struct em_attempt *a); /* the connection is there: send the first request */
};

/* Ends with a row whose scheme is NULL. */
extern const struct em_probe_kind em_probe_kinds[];

#endif
