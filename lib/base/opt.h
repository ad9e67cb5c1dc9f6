/* SPDX-License-Identifier: GPL-3.0-or-later
 * Command-line options as data. A program lists its options once, in rows; this module parses with getopt_long(3),
 * checks, fills a struct, prints the --help text, and lets a test compare both with the manual page.
 *
 *   struct conf { bool json; int64_t timeout_us; const char *socket; };
 *   static const struct em_opt options[] = {
 *       { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, json), "Print one JSON object" },
 *       { "timeout", 't', EM_OPT_DURATION, "SECONDS", "10", 0.001, 3600, offsetof(struct conf, timeout_us), "Give up after this long" },
 *       { NULL } };
 *
 * Every table gets --help (-h) and --version (-V) by itself; do not list them.
 */
#ifndef EM_BASE_OPT_H
#define EM_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum em_opt_kind {               /* the member that `offset` names */
                   EM_OPT_FLAG,  /* bool: true when given */
                   EM_OPT_COUNT, /* uint32_t: how often it was given (-vvv), at most `max` */
                   EM_OPT_TEXT,  /* const char *: points into argv or to the default */
                   EM_OPT_UINT,  /* uint64_t */
                   EM_OPT_DURATION, /* int64_t microseconds; written in seconds, "2.5", or with a unit: 500ms 10s 5m 1h 1d */
                   EM_OPT_PORTS, /* struct em_port_range: "50000-59999" or "3478" */
                   EM_OPT_LIST,  /* struct em_opt_list: repeatable text */
};

#define EM_OPT_LIST_MAX 64
struct em_opt_list {
    const char *item[EM_OPT_LIST_MAX];
    size_t n;
};

struct em_port_range {
    uint16_t first, last; /* 0,0 = not given */
};

struct em_opt {
    const char *name; /* long name without dashes; NULL ends the table */
    char letter;      /* short name, or 0 */
    enum em_opt_kind kind;
    const char *meta;    /* what the help calls the value; NULL for flags */
    const char *initial; /* default as it would be typed, or NULL: leave the member as it is */
    double min, max;     /* bounds of numbers, in the unit that is typed (seconds for durations) */
    size_t offset;
    const char *help;
};

struct em_opt_program {
    const char *name, *usage; /* usage: what follows the name, e.g. "[OPTION]... FILE..." */
    const char *summary;      /* one sentence */
    const struct em_opt *options;
    const char *notes; /* printed after the options (examples, exit status), or NULL */
};

enum em_opt_result { EM_OPT_GO = 0, EM_OPT_HELP = 1, EM_OPT_VERSION = 2 };

/* Sets the defaults, then reads argv. Returns EM_OPT_GO with *first = index of the first operand (operands are moved to
 * the end of argv), EM_OPT_HELP or EM_OPT_VERSION when asked for, or EM_ERR_INPUT with the sentence in why. */
int em_opt_parse(const struct em_opt_program *p, void *conf, int argc, char **argv, int *first,
                 struct em_why *why) EM_MUST_CHECK;

/* The --help text; at most 80 columns. */
void em_opt_help(const struct em_opt_program *p, struct buf *to);

/* One value by the rules above, for configuration files. */
int em_opt_set(const struct em_opt *o, void *conf, const char *value, struct em_why *why) EM_MUST_CHECK;

/* Strict readers, also used on their own. Whole string or failure. */
bool em_read_uint(const char *s, uint64_t min, uint64_t max, uint64_t *v);
bool em_read_duration(const char *s, int64_t *us);
bool em_read_ports(const char *s, struct em_port_range *r);

#endif
