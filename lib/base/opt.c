/* SPDX-License-Identifier: GPL-3.0-or-later
 * Option tables: rows in, struct filled, help printed. getopt_long does the splitting. */
#include "base/opt.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/esc.h"
#include "base/slice.h"

enum { OPT_MAX = 64, HELP_TEXT_COLUMN = 28, HELP_WIDTH = 79, DURATION_DAYS_MAX = 36500 };

bool em_read_uint(const char *s, uint64_t min, uint64_t max, uint64_t *v)
{
    struct slice rest = slice_of(s);
    uint64_t n;

    if (!slice_u64(&rest, max, &n) || rest.n > 0 || n < min)
        return false;
    *v = n;
    return true;
}

/* DIGITS[.DIGITS][unit]; fractions below a microsecond are refused rather than rounded away. */
bool em_read_duration(const char *s, int64_t *us)
{
    static const struct {
        struct slice word;
        int64_t us;
    } units[] = { { { "", 0 }, EM_US_PER_S },         { { "us", 2 }, 1 },
                  { { "ms", 2 }, EM_US_PER_MS },      { { "s", 1 }, EM_US_PER_S },
                  { { "m", 1 }, 60 * EM_US_PER_S },   { { "h", 1 }, 3600 * EM_US_PER_S },
                  { { "d", 1 }, 86400 * EM_US_PER_S } };
    struct slice rest = slice_of(s);
    uint64_t whole, fraction = 0;
    int64_t scale = 1;

    if (!slice_u64(&rest, UINT32_MAX, &whole))
        return false;
    if (slice_skip(&rest, SLICE("."))) {
        size_t digits = rest.n;

        if (!slice_u64(&rest, 999999, &fraction))
            return false;
        for (digits -= rest.n; digits > 0; digits--)
            scale *= 10;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!slice_eq(rest, units[i].word))
            continue;
        if ((int64_t)whole > DURATION_DAYS_MAX * INT64_C(86400) * EM_US_PER_S / units[i].us ||
            (int64_t)fraction * units[i].us % scale != 0)
            return false;
        *us = (int64_t)whole * units[i].us + (int64_t)fraction * units[i].us / scale;
        return true;
    }
    return false;
}

bool em_read_ports(const char *s, struct em_port_range *r)
{
    struct slice rest = slice_of(s);
    uint32_t first, last;

    if (!slice_u32(&rest, UINT16_MAX, &first))
        return false;
    last = first;
    if (slice_skip(&rest, SLICE("-")) && !slice_u32(&rest, UINT16_MAX, &last))
        return false;
    if (rest.n > 0 || first == 0 || last < first)
        return false;
    *r = (struct em_port_range) { (uint16_t)first, (uint16_t)last };
    return true;
}

static int refuse(const struct em_opt *o, const char *value, const char *want, struct em_why *why)
{
    char shown[96];

    return em_fail(why, EM_ERR_INPUT, "%s: \"%s\" is not %s", o->name,
                   esc_line_into(shown, sizeof shown, slice_of(value)), want);
}

static int set_uint(const struct em_opt *o, void *member, const char *value, struct em_why *why)
{
    char want[96];

    snprintf(want, sizeof want, "a whole number from %.0f to %.0f", o->min, o->max);
    return em_read_uint(value, (uint64_t)o->min, (uint64_t)o->max, member) ? 0 : refuse(o, value, want, why);
}

static int set_duration(const struct em_opt *o, void *member, const char *value, struct em_why *why)
{
    int64_t us;
    char want[96];

    snprintf(want, sizeof want, "a time from %g to %g seconds", o->min, o->max);
    if (!em_read_duration(value, &us) || (double)us < o->min * 1e6 || (double)us > o->max * 1e6)
        return refuse(o, value, want, why);
    *(int64_t *)member = us;
    return 0;
}

static int set_list(const struct em_opt *o, struct em_opt_list *list, const char *value, struct em_why *why)
{
    if (list->n == EM_OPT_LIST_MAX)
        return em_fail(why, EM_ERR_LIMIT, "%s: given more than %d times", o->name, EM_OPT_LIST_MAX);
    list->item[list->n++] = value;
    return 0;
}

int em_opt_set(const struct em_opt *o, void *conf, const char *value, struct em_why *why)
{
    void *member = (char *)conf + o->offset;

    switch (o->kind) {
    case EM_OPT_FLAG:
        *(bool *)member = true;
        return 0;
    case EM_OPT_COUNT:
        if (*(uint32_t *)member < (uint32_t)o->max)
            ++*(uint32_t *)member;
        return 0;
    case EM_OPT_TEXT:
        *(const char **)member = value;
        return 0;
    case EM_OPT_UINT:
        return set_uint(o, member, value, why);
    case EM_OPT_DURATION:
        return set_duration(o, member, value, why);
    case EM_OPT_PORTS:
        return em_read_ports(value, member) ? 0
                                            : refuse(o, value, "a port or a range of ports (1-65535)", why);
    case EM_OPT_LIST:
        return set_list(o, member, value, why);
    }
    return EM_ERR_UNSUPPORTED;
}

static bool takes_value(const struct em_opt *o)
{
    return o->kind != EM_OPT_FLAG && o->kind != EM_OPT_COUNT;
}

/* getopt's two tables; long options answer with 256 + their row, so that letters and rows cannot collide. */
static size_t getopt_tables(const struct em_opt_program *p, struct option *longs, char *letters)
{
    size_t n = 0, l = 0;

    letters[l++] = ':';
    for (; n < OPT_MAX && p->options[n].name; n++) {
        const struct em_opt *o = &p->options[n];

        longs[n] =
            (struct option) { o->name, takes_value(o) ? required_argument : no_argument, NULL, 256 + (int)n };
        if (!o->letter)
            continue;
        letters[l++] = o->letter;
        if (takes_value(o))
            letters[l++] = ':';
    }
    longs[n] = (struct option) { "help", no_argument, NULL, 'h' };
    longs[n + 1] = (struct option) { "version", no_argument, NULL, 'V' };
    longs[n + 2] = (struct option) { 0 };
    memcpy(letters + l, "hV", 3);
    return n;
}

static const struct em_opt *row_of(const struct em_opt_program *p, size_t n, int answer)
{
    if (answer >= 256)
        return (size_t)answer - 256 < n ? &p->options[answer - 256] : NULL;
    for (size_t i = 0; i < n; i++)
        if (p->options[i].letter == (char)answer)
            return &p->options[i];
    return NULL;
}

int em_opt_parse(const struct em_opt_program *p, void *conf, int argc, char **argv, int *first,
                 struct em_why *why)
{
    struct option longs[OPT_MAX + 3];
    char letters[3 * OPT_MAX + 4], shown[96];
    size_t n = getopt_tables(p, longs, letters);
    int answer, err;

    for (size_t i = 0; i < n; i++)
        if (p->options[i].initial && (err = em_opt_set(&p->options[i], conf, p->options[i].initial, why)) < 0)
            return err;
    optind = 0; /* glibc: start afresh, tests call this many times */
    opterr = 0;
    while ((answer = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct em_opt *o = answer == '?' || answer == ':' ? NULL : row_of(p, n, answer);

        if (o && (err = em_opt_set(o, conf, optarg, why)) < 0)
            return err;
        if (o)
            continue;
        if (answer == 'h' || answer == 'V')
            return answer == 'h' ? EM_OPT_HELP : EM_OPT_VERSION;
        return em_fail(why, EM_ERR_INPUT,
                       answer == ':' ? "option %s needs a value" : "option %s is not known or takes no value",
                       esc_line_into(shown, sizeof shown, slice_of(argv[optind - 1])));
    }
    *first = optind;
    return EM_OPT_GO;
}

static void indent_to(struct buf *to, size_t line_start, size_t column)
{
    while (to->n - line_start < column && !to->full)
        buf_u8(to, ' ');
}

/* Words of text from the current column on, wrapped under the text column. */
static void wrap(struct buf *to, size_t line_start, const char *text)
{
    while (*text) {
        size_t word = strcspn(text, " ");

        if (to->n - line_start + word > HELP_WIDTH) {
            buf_u8(to, '\n');
            line_start = to->n;
            indent_to(to, line_start, HELP_TEXT_COLUMN);
        }
        buf_bytes(to, text, word);
        text += word;
        if (*text == ' ') {
            buf_u8(to, ' ');
            text++;
        }
        if (to->full)
            return;
    }
    buf_u8(to, '\n');
}

static void help_row(struct buf *to, const struct em_opt *o)
{
    size_t start = to->n;

    if (o->letter)
        buf_print(to, "  -%c, --%s", o->letter, o->name);
    else
        buf_print(to, "      --%s", o->name);
    if (o->meta)
        buf_print(to, "=%s", o->meta);
    if (to->n - start >= HELP_TEXT_COLUMN - 1) {
        buf_u8(to, '\n');
        start = to->n;
    }
    indent_to(to, start, HELP_TEXT_COLUMN);
    if (o->initial && takes_value(o)) {
        char text[512];

        snprintf(text, sizeof text, "%s (default %s)", o->help, o->initial);
        wrap(to, start, text);
    } else {
        wrap(to, start, o->help);
    }
}

void em_opt_help(const struct em_opt_program *p, struct buf *to)
{
    static const struct em_opt own[] = {
        { "help", 'h', EM_OPT_FLAG, NULL, NULL, 0, 0, 0, "Print this and exit" },
        { "version", 'V', EM_OPT_FLAG, NULL, NULL, 0, 0, 0, "Print the version and exit" }
    };

    buf_print(to, "Usage: %s %s\n%s\n\n", p->name, p->usage, p->summary);
    for (const struct em_opt *o = p->options; o->name; o++)
        help_row(to, o);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        help_row(to, &own[i]);
    if (p->notes)
        buf_print(to, "\n%s", p->notes);
}
