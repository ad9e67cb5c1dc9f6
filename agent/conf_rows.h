/* SPDX-License-Identifier: GPL-3.0-or-later
 * The words of the configuration file as data: each block is a table of options, each option a row with its kind, default, bounds
 * and help. conf.c reads by these rows; the agreement test compares them with edgemedia.conf(5).
 */
#ifndef EM_AGENT_CONF_ROWS_H
#define EM_AGENT_CONF_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/conf.h"

enum em_conf_kind {
    EM_CONF_TEXT,     /* char[size] */
    EM_CONF_ABSOLUTE, /* char[size]: a path that begins with / */
    EM_CONF_TEXTS,    /* struct em_conf_texts: one or several absolute paths or names */
    EM_CONF_UINT,     /* uint32_t */
    EM_CONF_DURATION, /* int64_t microseconds, written in seconds or with a unit */
    EM_CONF_PORTS,    /* struct em_port_range */
    EM_CONF_TRUTH,    /* bool: yes/no, true/false, on/off */
    EM_CONF_SOURCE,   /* enum em_source_type as uint32_t */
    EM_CONF_SECRET,   /* char[size]: the line that the file holds whose path is written */
    EM_CONF_LATER,    /* a word of the language that this version does not have */
};

struct em_conf_texts {
    char text[EM_CONF_PATHS_MAX][EM_URI_MAX];
    size_t n;
};

struct em_conf_row {
    const char *name;
    enum em_conf_kind kind;
    bool needed;
    unsigned of;         /* bits EM_CONF_OF(type of source): the option is only for these; 0: for any */
    const char *initial; /* default as it would be written, or NULL: 0, empty */
    double min, max;     /* of numbers, in the unit that is written */
    size_t off, size;
    const char *help;
};

#define EM_CONF_OF(type) (1u << (type))

struct em_conf_block {
    const char *name; /* NULL: the file itself */
    const struct em_conf_row *rows;
    size_t rows_n;
    const struct em_conf_block *blocks; /* that may be in it, each with a title */
    size_t blocks_n;
    bool later; /* this version does not have it */
    const char *help;
};

/* What the rows fill, before it becomes an em_conf. */
struct em_conf_raw_edge {
    struct em_conf_texts address;
};
struct em_conf_raw_check {
    char uri[EM_URI_MAX], user[EM_TEXT_MAX], password_file[EM_URI_MAX], secret_file[EM_URI_MAX];
    char ca_file[EM_URI_MAX], issuer[EM_TEXT_MAX];
    bool insecure;
    int64_t interval_us, timeout_us, degraded_rtt_us;
    struct em_port_range source_ports, relay_ports;
    uint32_t rounds, good_port;
};
struct em_conf_raw_range {
    char host[EM_URI_MAX], transport[EM_NAME_MAX], payload[EM_NAME_MAX], key_file[EM_URI_MAX];
    struct em_port_range ports, source_ports;
    uint32_t sample, rate;
    int64_t interval_us, timeout_us;
};
struct em_conf_raw_source {
    uint32_t type;
    struct em_conf_texts path;
    char listen[EM_URI_MAX];
    bool remote;
    struct em_source_conf conf; /* what needs no more than to be read */
};

extern const struct em_conf_block em_conf_root;

#endif
