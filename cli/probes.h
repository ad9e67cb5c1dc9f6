/* SPDX-License-Identifier: GPL-3.0-or-later
 * Several probes side by side, until all have ended. */
#ifndef EM_CLI_PROBES_H
#define EM_CLI_PROBES_H

#include "cli/cli.h"
#include "probe/probe.h"

/* One result of the URI with that index. False: enough, the rest is not waited for. */
typedef bool (*cli_probe_fn)(void *arg, size_t uri, const struct em_probe_result *r);

/* name_servers NULL: those of the system. 0 when all have ended or were told to, else EM_ERR_MEMORY or EM_ERR_SYSTEM (a signal, or this
 * machine); results that came before were told. */
int cli_probe_all(const struct em_probe_uri *uris, size_t n, const struct em_probe_options *options,
                  const char *name_servers, cli_probe_fn each, void *arg, struct em_why *why) EM_MUST_CHECK;

#endif
