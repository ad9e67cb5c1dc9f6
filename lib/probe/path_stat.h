/* SPDX-License-Identifier: GPL-3.0-or-later
 * The statistics of the differential test: exact tests for small tables of counts, since twenty rounds are too few for approximations. Pure.
 *
 * Sources: R. A. Fisher, The Design of Experiments (1935), chapter 2 (exact test of a two by two table); C. J. Clopper and E. S. Pearson,
 * Biometrika 26 (1934), pages 404-413 (exact limits of a share). All sums go over logarithms of factorials, lgamma_r(3).
 */
#ifndef EM_PROBE_PATH_STAT_H
#define EM_PROBE_PATH_STAT_H

#include <stdint.h>

#include "base/err.h"

/* The mathematics is loaded when it is needed (base/late.h); EM_ERR_UNSUPPORTED: this machine has none, and nothing below may be called. */
int em_stat_load(struct em_why *why) EM_MUST_CHECK;

/* Of n tries here a were hit, of m tries there b were: how likely is it that chance alone puts a or more of these a + b hits here? 1 when
 * either has no tries. */
double em_stat_fisher(uint32_t a, uint32_t n, uint32_t b, uint32_t m);

/* How likely are k hits or more in n tries, each hit with likelihood p? */
double em_stat_at_least(uint32_t k, uint32_t n, double p);

/* k of n tries were hit: the share of tries that are hit is above, or below, this one but for a chance of doubt (0 to 1). */
double em_stat_lower(uint32_t k, uint32_t n, double doubt);
double em_stat_upper(uint32_t k, uint32_t n, double doubt);

/* The logarithm of how likely exactly these hits are, if the share is k / n. Sums of it compare ways to divide tries into groups. */
double em_stat_fit(uint32_t k, uint32_t n);

/* x to the nth power; and how many tries it takes until one is hit but for a chance of doubt, when a share of them is (0: never, UINT32_MAX). */
double em_stat_power(double x, uint32_t n);
uint32_t em_stat_tries(double share, double doubt);

#endif
