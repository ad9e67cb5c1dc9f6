/* SPDX-License-Identifier: GPL-3.0-or-later
 * Threshold ranges by the Monitoring Plugins guidelines: [@]start:end
 *
 *   10       alert below 0 or above 10        10:      alert below 10        ~:10     alert above 10
 *   10:20    alert outside of 10 to 20        @10:20   alert inside of 10 to 20, both ends included
 *
 * ":10" is read as "0:10". Numbers are decimal without exponent; nothing may follow them.
 */
#ifndef EM_PLUGINS_RANGE_H
#define EM_PLUGINS_RANGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct range {
    bool given;        /* false: never alerts */
    bool inside;       /* '@' */
    double start, end; /* may be -INFINITY and INFINITY */
};

/* Refuses empty text, trailing junk, NaN, start > end, with a sentence. */
int range_read(const char *text, struct range *r, struct em_why *why) EM_MUST_CHECK;

bool range_alerts(const struct range *r, double v);

/* For perfdata: the number of the form "10" (0 to 10). Icinga 2 drops anything but plain numbers, so the other forms append nothing. */
void range_plain(const struct range *r, struct buf *to);

/* As it would be typed: "@10:20". "" when not given. */
void range_text(const struct range *r, struct buf *to);

/* A number without exponent, at most six decimals, no trailing zeros. */
void range_number(double v, struct buf *to);

#endif
