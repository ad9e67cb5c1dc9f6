/* SPDX-License-Identifier: GPL-3.0-or-later
 * Threshold ranges: reading, judging, writing. */
#include "plugins/range.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/esc.h"

enum { DIGITS_MAX = 15, DECIMALS = 6 }; /* what a double holds exactly; what is shown */

/* [-+]DIGITS[.DIGITS] with at least one digit. Reads by hand: strtod would take nan, inf, hex and the locale's comma. */
static bool read_number(struct slice *s, double *v)
{
    struct slice rest = *s;
    bool negative = slice_skip(&rest, SLICE("-")), point = false;
    double sum = 0, scale = 1;
    size_t digits = 0;

    if (!negative)
        (void)slice_skip(&rest, SLICE("+"));
    for (; rest.n > 0; rest = slice_from(rest, 1)) {
        char c = rest.p[0];

        if (c == '.' && !point) {
            point = true;
        } else if (c >= '0' && c <= '9') {
            sum = sum * 10 + (c - '0');
            scale *= point ? 10 : 1;
            digits++;
        } else {
            break;
        }
    }
    if (digits == 0 || digits > DIGITS_MAX)
        return false;
    *v = (negative ? -sum : sum) / scale;
    *s = rest;
    return true;
}

static bool read_range(struct slice s, struct range *r)
{
    bool tilde;

    *r = (struct range) { .given = true, .start = 0, .end = INFINITY };
    r->inside = slice_skip(&s, SLICE("@"));
    tilde = slice_skip(&s, SLICE("~"));
    if (tilde)
        r->start = -INFINITY;
    else if (read_number(&s, &r->start) && s.n == 0) { /* "10" is 0 to 10 */
        r->end = r->start;
        r->start = 0;
        return true;
    }
    if (!slice_skip(&s, SLICE(":")))
        return false;
    return s.n == 0 || (read_number(&s, &r->end) && s.n == 0);
}

int range_read(const char *text, struct range *r, struct em_why *why)
{
    struct range read;
    char shown[64];

    esc_line_into(shown, sizeof shown, slice_of(text));
    if (text[strspn(text, "@:")] == '\0' || !read_range(slice_of(text), &read))
        return em_fail(why, EM_ERR_INPUT, "\"%s\" is not a range such as 10, 5:, ~:10, 5:10 or @5:10", shown);
    if (read.start > read.end)
        return em_fail(why, EM_ERR_INPUT, "range \"%s\" starts above its end", shown);
    *r = read;
    return 0;
}

bool range_alerts(const struct range *r, double v)
{
    bool within = v >= r->start && v <= r->end;

    return r->given && (r->inside ? within : !within);
}

void range_number(double v, struct buf *to)
{
    char text[64];
    size_t n = (size_t)snprintf(text, sizeof text, "%.*f", DECIMALS, v);

    while (n > 0 && text[n - 1] == '0')
        n--;
    if (n > 0 && text[n - 1] == '.')
        n--;
    buf_bytes(to, text, n);
}

void range_plain(const struct range *r, struct buf *to)
{
    if (r->given && !r->inside && r->start == 0 && isfinite(r->end))
        range_number(r->end, to);
}

void range_text(const struct range *r, struct buf *to)
{
    if (!r->given)
        return;
    if (r->inside)
        buf_text(to, "@");
    if (r->start != 0 || !isfinite(r->end)) {
        if (isfinite(r->start))
            range_number(r->start, to);
        else
            buf_text(to, "~");
        buf_text(to, ":");
    }
    if (isfinite(r->end))
        range_number(r->end, to);
}
