/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside `edgemedia doctor`: what it looks at, and what it says.
 *
 * A look is a function and a row in doctor.c. It says what it found, and, when something is wrong, the line that mends it. Looks come in the
 * order in which a value travels, from the trace to the manager, and may use what an earlier one found out.
 */
#ifndef EM_CLI_DOCTOR_H
#define EM_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"

enum { DOCTOR_FILE_MAX = 1024 * 1024, DOCTOR_TEXT_MAX = 512, DOCTOR_FILES_MAX = 64, DOCTOR_NAMES_MAX = 32 };

/* What snmpd and the net-snmp tools are configured to do, as far as it matters here. */
struct doctor_snmpd {
    bool readable, master;
    char why[DOCTOR_TEXT_MAX];     /* not readable */
    char file[DOCTOR_TEXT_MAX];    /* the first one that was read */
    char sockets[DOCTOR_TEXT_MAX]; /* agentXSocket; "": the default */
    char perms[DOCTOR_TEXT_MAX];   /* agentXPerms; "": none */
    char address[DOCTOR_TEXT_MAX]; /* agentaddress; "": all */
    struct {
        char name[64], view[64]; /* view "": all; of rouser and rocommunity alike */
        bool user;
    } access[DOCTOR_NAMES_MAX];
    size_t access_n;
    char view[DOCTOR_NAMES_MAX][64]; /* views that include our root */
    size_t view_n;
};

struct doctor_conf {
    bool json;
    const char *file, *socket, *user, *community, *agent, *snmp_conf;
    int64_t timeout_us;
    struct em_opt_list snmpd_conf, mib_dirs;
};

struct doctor {
    const struct doctor_conf *conf;
    char agentx[DOCTOR_TEXT_MAX], control[DOCTOR_TEXT_MAX]; /* of edgemedia.conf, or the defaults */
    struct doctor_snmpd snmpd;
    bool daemon_answers, connected; /* connected: the daemon with the master agent */
    bool agentx_usable;
    struct buf status;      /* of the daemon, JSON */
    struct buf found, mend; /* of the look that is being done */
};

enum doctor_result { DOCTOR_OK, DOCTOR_BAD, DOCTOR_NOTE, DOCTOR_SKIPPED };

/* The text of a file, NUL-terminated, at most DOCTOR_FILE_MAX bytes; the caller frees. NULL: errno says why. */
char *doctor_slurp(const char *path);

/* A line of a configuration file without its comment, in words. */
struct slice;
bool doctor_word(struct slice *rest, struct slice *word);

/* doctor_conf.c: agentx_address and control_socket of edgemedia.conf. False: it cannot be read; errno says why. */
bool doctor_read_conf(struct doctor *d);
/* doctor_snmpd.c */
void doctor_read_snmpd(struct doctor *d);
/* Whether the user could open the socket for reading and writing, by the modes of the path. 0, or an errno and the part of the path that is in
 * the way. */
int doctor_access(const char *user, const char *path, char part[DOCTOR_TEXT_MAX]);

/* doctor_snmp.c: one SNMPv2c GET. */
enum doctor_snmp {
    DOCTOR_SNMP_VALUE,
    DOCTOR_SNMP_NO_OBJECT,
    DOCTOR_SNMP_SILENCE,
    DOCTOR_SNMP_REFUSED,
    DOCTOR_SNMP_BROKEN
};
/* id: the object, numbers with dots between them. */
enum doctor_snmp doctor_get(const struct doctor_conf *conf, const char *id);

#endif
