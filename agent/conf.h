/* SPDX-License-Identifier: GPL-3.0-or-later
 * The configuration of edgemediad: what edgemedia.conf(5) describes, read with libConfuse and checked as a whole. All errors of a
 * file are reported in one run, each with file and line. A configuration is immutable once read; a reload reads a new one and
 * puts it in place only when it has no error.
 */
#ifndef EM_AGENT_CONF_H
#define EM_AGENT_CONF_H

#include "base/err.h"
#include "diagnose/diagnose.h"
#include "model/rows.h"
#include "probe/probe.h"
#include "probe/sweep.h"
#include "source/source.h"

enum { EM_CONF_CHECKS_MAX = 2000, EM_CONF_PATHS_MAX = EM_SOURCE_PATHS_MAX, EM_CONF_ERRORS_MAX = 100 };

struct em_conf_check {
    char name[EM_NAME_MAX];
    struct em_probe_uri uri;
    struct em_probe_options options; /* secrets are read from their files when the configuration is read */
    int64_t interval_us;
};

struct em_conf_range {
    char name[EM_NAME_MAX];
    char host[EM_CONF_PATHS_MAX][EM_URI_MAX]; /* what is swept: its own host, or the addresses of the edge */
    size_t host_n;
    struct em_port_range ports, source_ports;
    enum em_transport transport; /* UDP or TCP */
    bool sharing;                /* the payload */
    uint32_t sample, rate;       /* ports of each sweep, 0: all; ports in a second */
    int64_t interval_us, timeout_us;
    char key[EM_SECRET_MAX]; /* at most EM_SWEEP_KEY_MAX bytes; shared with the responder; "": none */
};

struct em_conf_edge {
    char name[EM_NAME_MAX];
    struct em_conf_range *ranges;
    size_t ranges_n;
    struct em_conf_check *checks; /* those that are written, and those that its addresses stand for */
    size_t checks_n;
};

struct em_conf {
    char file[EM_URI_MAX];
    char database[EM_URI_MAX], web_listen[EM_URI_MAX], control_socket[EM_URI_MAX],
        agentx_address[EM_URI_MAX];     /* "" = off (not database) */
    struct em_tls_files web_tls;        /* certificate "": none */
    bool web_remote;                    /* web_listen need not be a loopback address */
    char web_names[EM_URI_MAX];         /* "" = only localhost and addresses */
    char name_servers[EM_URI_MAX];      /* "" = those of the system */
    int64_t retention_us;               /* calls that were not seen for so long are forgotten */
    uint32_t database_mib;              /* largest size of the database */
    uint32_t concurrent_probes;         /* default 64 */
    uint32_t notification_rate;         /* SNMP notifications in a minute, at most; 0: none */
    int64_t notification_delay_us;      /* what does not last so long is no event */
    struct em_diagnosis_limits finding; /* when something is a finding */
    uint32_t failure_threshold;         /* failed calls in 5 minutes; 0: no event */
    struct em_conf_edge *edges;
    size_t edges_n;
    struct em_source_conf *sources;
    size_t sources_n;
};

/* Errors go to report, one call for each, "FILE:LINE: text"; returns 0 or EM_ERR_INPUT (at least one error) or EM_ERR_MEMORY. */
int em_conf_read(const char *file, void (*report)(void *arg, const char *text), void *arg,
                 struct em_conf **conf) EM_MUST_CHECK;

/* A report for em_conf_read() that prints to standard error. */
void em_conf_print(void *arg, const char *text);

/* What edgemediad --test-config and edgemedia config check say: all errors on standard error, or one line on standard output that it is
 * good. As em_conf_read(). */
int em_conf_test(const char *file) EM_MUST_CHECK;

/* "127.0.0.1:9823" or "[::1]:9823": an address, not a name, and a port. */
bool em_conf_listen(const char *text, struct em_addr *a);
bool em_conf_is_loopback(const struct em_addr *a);

/* Frees the edges and sources, secrets cleared: who put them in force has copies. */
void em_conf_forget_blocks(struct em_conf *c);

void em_conf_free(struct em_conf *c); /* clears the secrets */

#endif
