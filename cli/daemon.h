/* SPDX-License-Identifier: GPL-3.0-or-later
 * Asking a running edgemediad over its control socket (HTTP over a Unix socket), and reading what it answers. */
#ifndef EM_CLI_DAEMON_H
#define EM_CLI_DAEMON_H

#include "base/buf.h"
#include "base/err.h"

#define CLI_SOCKET_DEFAULT "/run/edgemedia/control"

/* Gets a path such as "/api/v1/status"; the body is appended. why says what to do when nobody answers. */
int cli_daemon_get(const char *socket, const char *path, struct buf *body, struct em_why *why) EM_MUST_CHECK;

#endif
