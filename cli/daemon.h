/* SPDX-License-Identifier: GPL-3.0-or-later
 * Asking a running edgemediad over its control socket (HTTP over a Unix socket), and reading what it answers. */
#ifndef EM_CLI_DAEMON_H
#define EM_CLI_DAEMON_H

#include "base/buf.h"
#include "base/err.h"

#define CLI_SOCKET_DEFAULT "/run/edgemedia/control"

/* Gets a path such as "/api/v1/status"; the body is appended. why says what to do when nobody answers. */
int cli_daemon_get(const char *socket, const char *path, struct buf *body, struct em_why *why) EM_MUST_CHECK;

/* Appends "&name=value" to a path, all but unreserved characters as %XX (RFC 3986 section 2.1); nothing for NULL and "". */
void cli_daemon_parameter(struct buf *path, const char *name, const char *value);

#endif
