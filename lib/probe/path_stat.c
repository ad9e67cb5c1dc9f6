/* SPDX-License-Identifier: GPL-3.0-or-later
 * Exact tests of small tables. */
#include "probe/path_stat.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include "base/late.h"

#define SYMBOLS(S) S(lgamma_r) S(exp) S(log) S(log1p) S(pow)
LATE_SET(lib, LATE_MATH, SYMBOLS);

enum { HALVINGS = 50 };  /* a limit is then as exact as a double */
#define NEGLIGIBLE 1e-17 /* of a sum: what is left changes no double */

int em_stat_load(struct em_why *why)
{
    return late_load(&lib.late, why);
}

/* A part of the C library, so who comes here without em_stat_load() finds it, too. */
static const struct lib_late *maths(void)
{
    int err = late_load(&lib.late, NULL);

    assert(err == 0);
    (void)err;
    return &lib;
}

double em_stat_power(double x, uint32_t n)
{
    return maths()->pow(x, n);
}

uint32_t em_stat_tries(double share, double doubt)
{
    double n = share >= 1 ? 1 : share > 0 ? maths()->log(doubt) / maths()->log1p(-share) : UINT32_MAX;

    return n < UINT32_MAX ? (uint32_t)n + ((double)(uint32_t)n < n) : UINT32_MAX;
}

static double log_factorial(uint32_t n)
{
    int sign;

    return maths()->lgamma_r((double)n + 1, &sign);
}

static double log_choose(uint32_t n, uint32_t k)
{
    return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
}

static double at_most_one(double p)
{
    return p < 1 ? p : 1;
}

/* The hypergeometric tail: a, a + 1 ... hits of the a + b fall into the n tries. */
double em_stat_fisher(uint32_t a, uint32_t n, uint32_t b, uint32_t m)
{
    uint32_t hits = a + b, most = hits < n ? hits : n;
    double all = log_choose(n + m, hits), mean = (double)hits * n / ((double)n + m), sum = 0;

    if (n == 0 || m == 0)
        return 1;
    for (uint32_t k = a; k <= most; k++) {
        double one = hits - k <= m ? maths()->exp(log_choose(n, k) + log_choose(m, hits - k) - all) : 0;

        sum += one;
        if (k > mean && one < sum * NEGLIGIBLE)
            break;
    }
    return at_most_one(sum);
}

/* The likelihood of exactly i hits, and of its neighbours in one direction as long as they add something: they fall away from the mean. */
static double tail(uint32_t i, uint32_t n, double p, bool upwards)
{
    double one = maths()->exp(log_choose(n, i) + i * maths()->log(p) + (n - i) * maths()->log1p(-p)), sum = 0;
    double odds = p / (1 - p);

    while (one > sum * NEGLIGIBLE) {
        sum += one;
        if (upwards ? i == n : i == 0)
            break;
        one *= upwards ? odds * (n - i) / (i + 1) : i / (odds * (n - i + 1));
        i = upwards ? i + 1 : i - 1;
    }
    return sum;
}

double em_stat_at_least(uint32_t k, uint32_t n, double p)
{
    if (k == 0 || p >= 1)
        return 1;
    if (k > n || p <= 0)
        return 0;
    return at_most_one(k > n * p ? tail(k, n, p, true) : 1 - tail(k - 1, n, p, false));
}

double em_stat_lower(uint32_t k, uint32_t n, double doubt)
{
    double low = 0, high = 1;

    if (k == 0)
        return 0;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (low + high) / 2;

        if (em_stat_at_least(k, n, middle) < doubt)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The share of those that were not hit, seen from the other side. */
double em_stat_upper(uint32_t k, uint32_t n, double doubt)
{
    return n == 0 ? 1 : 1 - em_stat_lower(n - k, n, doubt);
}

double em_stat_fit(uint32_t k, uint32_t n)
{
    double p = n ? (double)k / n : 0;

    return k == 0 || k == n ? 0 : k * maths()->log(p) + (n - k) * maths()->log1p(-p);
}
