/* SPDX-License-Identifier: GPL-3.0-or-later
 * The command line of check_edge_media: the option table, the reserved -v that is also net-snmp's -v, secrets from files and from
 * the environment, and the checks of what belongs together.
 */
#ifndef EM_PLUGINS_CONF_H
#define EM_PLUGINS_CONF_H

#include "base/opt.h"
#include "plugins/extra_opts.h"
#include "plugins/metric.h"
#include "plugins/state.h"
#include "probe/probe.h"

enum origin { ORIGIN_SNMP, ORIGIN_SOCKET, ORIGIN_PROBE, ORIGIN_SCAN };

struct conf {
    /* as typed */
    const char *host, *version, *level, *user, *auth, *priv, *context, *socket, *mode_name, *window_name,
        *state_file;
    const char *community, *community_file, *auth_password, *auth_file, *priv_password, *priv_file;
    const char *password_file, *secret_file, *silence_name, *perfdata;
    const char *ca_file, *name_servers, *format_name, *extra_opts;
    uint64_t port;
    struct em_opt_list probes, scans, warn, crit, edges, checks;
    struct em_port_range source_ports;
    bool insecure, total, ipv4, ipv6;
    int64_t timeout_us, per_us, max_age_us;
    uint32_t verbose;

    /* checked */
    enum origin origin;
    enum mode mode;
    enum window window;
    enum state silence; /* when the target does not answer */
    bool perfdata_full, json;
    struct extra_opts extra; /* what the members above may point into */
    struct threshold thresholds[METRIC_COUNT];
    struct {
        char community[EM_SECRET_MAX], auth[EM_SECRET_MAX], priv[EM_SECRET_MAX], password[EM_SECRET_MAX],
            secret[EM_SECRET_MAX];
    } secrets;
};

extern const struct em_opt_program conf_program;

/* As em_opt_parse: EM_OPT_GO, EM_OPT_HELP, EM_OPT_VERSION, or a negative em_err with the sentence. Secrets in argv are overwritten. */
int conf_read(struct conf *c, int argc, char **argv, struct em_why *why) EM_MUST_CHECK;
void conf_clear(struct conf *c); /* secrets, and what came from files: no text of c is valid afterwards */

/* A usage of a few lines, for after a wrong option. */
void conf_usage(struct buf *to);

#endif
