/* SPDX-License-Identifier: GPL-3.0-or-later
 * Writing a file that appears whole, or stays what it was. */
#ifndef EM_CLI_PUT_H
#define EM_CLI_PUT_H

#include "cli/cli.h"

enum { CLI_PUT_PATH_MAX = 4096 };

/* what: "report", for the words of an error. Whether it could be written, before hours are spent on what is to be in it. */
int cli_put_try(const char *what, const char *path, struct em_why *why) EM_MUST_CHECK;
int cli_put(const char *what, const char *path, const struct buf *b, struct em_why *why) EM_MUST_CHECK;

/* The first half of cli_put, for what must be looked at before it takes its place: all of b in temp, a new file beside path. False: errno tells.
 * The caller renames, links or unlinks temp. */
bool cli_put_beside(const char *path, const struct buf *b, char temp[CLI_PUT_PATH_MAX]) EM_MUST_CHECK;

#endif
