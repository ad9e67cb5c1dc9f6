/* SPDX-License-Identifier: GPL-3.0-or-later
 * --extra-opts[=[SECTION][@FILE]], as the Monitoring Plugins have it: options from an INI file, where passwords belong. It may be given
 * several times. What the section holds is put before what was typed, so that the command line has the last word.
 *
 *     [check_edge_media]
 *     hostname = edge-monitor
 *     community = not public
 *     6
 *
 * "name = value" becomes --name=value, a single letter -l value, a line without "=" an option without value. SECTION is the program's name
 * when left out. FILE, when left out, is the first that exists of: $MP_CONFIG_FILE; monitoring-plugins.ini, plugins.ini and nagios-plugins.ini in the
 * directories of $NAGIOS_CONFIG_PATH (with colons); the same in /etc/monitoring-plugins, /etc, /etc/nagios, /etc/nagios-plugins and
 * /usr/local/etc. Sections of one name are taken together, in their order. Lines that begin with # or ; are comments.
 */
#ifndef EM_PLUGINS_EXTRA_OPTS_H
#define EM_PLUGINS_EXTRA_OPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

enum {
    EXTRA_FILE_MAX = 64 * 1024, /* bytes of a file */
    EXTRA_ARGS_MAX = 512,       /* arguments that files make, together */
    EXTRA_TIMES_MAX = 16,       /* --extra-opts on one command line */
    EXTRA_NAME_MAX = 256        /* bytes of a section's name; a path may have PATH_MAX */
};

struct extra_opts {
    struct {
        char *p;
        size_t n;
    } pools[EXTRA_TIMES_MAX]; /* what args points into */
    size_t pools_n;
    char *args[EXTRA_ARGS_MAX];
    size_t args_n;
};

/* argv without every --extra-opts, and with what they stand for behind argv[0], into `list` (argc + EXTRA_ARGS_MAX + 2 places, ended by NULL).
 * takes_value: whether the element is an option whose value is the next element, which is then left alone. Returns the number, or an em_err
 * with the sentence. The new elements live until extra_opts_clear, which overwrites them: there may be passwords among them. */
int extra_opts_expand(struct extra_opts *x, const char *program, int argc, char **argv,
                      bool (*takes_value)(const char *arg), char **list, struct em_why *why) EM_MUST_CHECK;
void extra_opts_clear(struct extra_opts *x);

/* The options of one section of an INI text. Returns 1 when the section is there, else 0, or an em_err. */
int extra_opts_section(struct extra_opts *x, struct slice text, const char *section,
                       struct em_why *why) EM_MUST_CHECK;

#endif
