/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the subcommands of edgemedia share. A subcommand is a file with one struct cli_command and a row in main.c.
 *
 * Rules for all of them: results on standard output, messages on standard error, and the exit status of enum cli_exit. Text from
 * outside is escaped: cli_table_cell() does it by itself, everything else goes through base/esc.h.
 */
#ifndef EM_CLI_CLI_H
#define EM_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"

enum cli_exit {
    CLI_GOOD = 0,
    CLI_BAD_NEWS = 1, /* the answer is there, and it is not a good one */
    CLI_FAILED = 2,   /* wrong usage, or something on this machine stopped us */
};

enum { CLI_OUTPUT_MAX = 64 * 1024 * 1024 };

struct cli_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* returns an enum cli_exit; argv[0] is the subcommand */
};

extern const struct cli_command cli_decode, cli_scan, cli_probe, cli_sweep, cli_path, cli_respond, cli_status,
    cli_failures, cli_findings, cli_explain, cli_doctor, cli_config, cli_graph, cli_report;

/* Reads the options. CLI_GOOD: go on, *first is the first operand. Otherwise *done is true and the return value is the exit status:
 * help or version was printed, or a wrong usage was told. */
int cli_options(const struct em_opt_program *p, void *conf, int argc, char **argv, int *first, bool *done);

/* One line on standard error, "edgemedia: ...". Returns CLI_FAILED. */
int cli_fail(const char *fmt, ...) EM_PRINTF(1, 2);

/* Wrong usage: the line, and where to read more. Returns CLI_FAILED. */
int cli_usage(const struct em_opt_program *p, const char *fmt, ...) EM_PRINTF(2, 3);

/* Writes what is in b to standard output and empties it. False: it cannot be written (main says why, or keeps quiet when the
 * reader of a pipe went away); there is no sense in going on. */
bool cli_write(struct buf *b) EM_MUST_CHECK;

/* Whether to use colour on standard output: a terminal, and neither NO_COLOR nor TERM=dumb. */
bool cli_colour(void);

/* Microseconds as milliseconds, "12.345"; "" for 0. */
const char *cli_ms(int64_t us, char to[32]);
/* A number of bytes for people: "512 B", "1.5 MiB". */
const char *cli_bytes(uint64_t n, char to[32]);

/* A moment, in Unix microseconds: "2026-11-23", "2026-11-23 14:00", "2026-11-23T14:00:00+01:00" (UTC when no offset is given), "@" and Unix
 * seconds, or how long ago: "90m", "2h", "7d". */
bool cli_when(const char *text, int64_t now_us, int64_t *when_us);

/* Reads a file's first line (a secret), at most size - 1 bytes. */
int cli_read_line(const char *path, char *to, size_t size, struct em_why *why) EM_MUST_CHECK;

/* --- tables: columns as wide as their widest cell, numbers to the right, verdicts in colour --- */
struct cli_table {
    struct buf cells; /* NUL-terminated texts one after the other */
    size_t columns;
};
void cli_table_init(struct cli_table *t, size_t columns);
void cli_table_cell(struct cli_table *t, const char *text); /* escapes; NULL is an empty cell */
void cli_table_number(struct cli_table *t, uint64_t n);
void cli_table_print(struct cli_table *t, struct buf *to); /* prints and frees; the first row is the head */

/* --- progress: a bar on standard error, only when that is a terminal, and not before half a second has passed --- */
struct cli_progress {
    bool shown, on;
    uint64_t total; /* 0: not known */
    const char *unit;
    int64_t began_us, drawn_us;
};
void cli_progress_begin(struct cli_progress *p, uint64_t total, const char *unit); /* unit NULL: bytes */
void cli_progress_at(struct cli_progress *p, uint64_t done);
void cli_progress_clear(struct cli_progress *p); /* wipes the line; at_ draws it again */

#endif
