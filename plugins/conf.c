/* SPDX-License-Identifier: GPL-3.0-or-later
 * The command line: rows, then the few rules that rows cannot say. */
#include "plugins/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/esc.h"
#include "plugins/extra_opts.h"

#define O(name, letter, kind, meta, initial, member, help)                                                   \
    {                                                                                                        \
        name, letter, EM_OPT_##kind, meta, initial, 0, 0, offsetof(struct conf, member), help                \
    }
static const struct em_opt options[] = {
    O("mode", 'm', TEXT, "MODE", "all", mode_name,
      "code23, tcp-nat, failures, ports, sources, findings or all"),
    O("hostname", 'H', TEXT, "HOST", NULL, host, "Ask the daemon on HOST over SNMP"),
    { "port", 'p', EM_OPT_UINT, "PORT", "161", 1, 65535, offsetof(struct conf, port), "SNMP port" },
    O("socket", 'S', TEXT, "PATH", NULL, socket, "Ask the daemon on this machine by its control socket"),
    O("probe", 0, LIST, "URI", NULL, probes, "Test URI from here, without a daemon; repeatable"),
    O("scan", 0, LIST, "FILE", NULL, scans, "Count the calls of a trace, without a daemon; repeatable"),
    O("warning", 'w', LIST, "RANGE", NULL, warn, "Range, or METRIC=RANGE; repeatable"),
    O("critical", 'c', LIST, "RANGE", NULL, crit, "Range, or METRIC=RANGE; repeatable"),
    O("window", 0, TEXT, "TIME", "1h", window_name, "Count calls of the last 5m, 1h or 1d"),
    O("total", 0, FLAG, NULL, NULL, total, "Judge totals since the database was made"),
    O("state", 0, TEXT, "FILE", NULL, state_file, "Judge the increase since the last run, kept in FILE"),
    { "per", 0, EM_OPT_DURATION, "TIME", "1h", 1, 86400 * 366, offsetof(struct conf, per_us),
      "With --state: the rate is calls per TIME" },
    O("edge", 0, LIST, "NAME", NULL, edges, "Only checks and ranges of this edge; repeatable"),
    O("check", 0, LIST, "NAME", NULL, checks, "Only checks and ranges of this name; repeatable"),
    O("community", 'C', TEXT, "TEXT", NULL, community, "SNMPv2c community (default public)"),
    O("community-file", 0, TEXT, "FILE", NULL, community_file, "Read the community from FILE"),
    O("snmp-version", 0, TEXT, "2c|3", NULL, version, "SNMP version; -v 2c and -v 3 mean the same"),
    O("level", 'l', TEXT, "LEVEL", NULL, level, "SNMPv3: noAuthNoPriv, authNoPriv or authPriv"),
    O("user", 'u', TEXT, "NAME", NULL, user, "User of SNMPv3, or of the probe"),
    O("auth-protocol", 'a', TEXT, "WORD", "SHA", auth, "SNMPv3: SHA, SHA-256, SHA-512, MD5 ..."),
    O("auth-password", 'A', TEXT, "TEXT", NULL, auth_password, "SNMPv3: better in a file, see below"),
    O("auth-password-file", 0, TEXT, "FILE", NULL, auth_file, "SNMPv3: read it from FILE"),
    O("priv-protocol", 'x', TEXT, "WORD", "AES", priv, "SNMPv3: AES or DES"),
    O("priv-password", 'X', TEXT, "TEXT", NULL, priv_password, "SNMPv3: better in a file, see below"),
    O("priv-password-file", 0, TEXT, "FILE", NULL, priv_file, "SNMPv3: read it from FILE"),
    O("context", 'n', TEXT, "NAME", NULL, context, "SNMPv3 context"),
    O("password-file", 0, TEXT, "FILE", NULL, password_file, "Probe: the user's password"),
    O("secret-file", 0, TEXT, "FILE", NULL, secret_file, "Probe: shared secret of the server"),
    O("ca-file", 0, TEXT, "FILE", NULL, ca_file, "Probe: trust these PEM certificates in TLS"),
    O("insecure", 0, FLAG, NULL, NULL, insecure, "Probe: take any certificate; -vv shows which"),
    O("name-server", 0, TEXT, "ADDRESS[:PORT]", NULL, name_servers,
      "Probe: ask these name servers, with commas"),
    O("source-port", 0, PORTS, "A-B", NULL, source_ports, "Probe: send from these ports"),
    O("ipv4", '4', FLAG, NULL, NULL, ipv4, "SNMP over IPv4 only"),
    O("ipv6", '6', FLAG, NULL, NULL, ipv6, "SNMP over IPv6 only"),
    { "timeout", 't', EM_OPT_DURATION, "SECONDS", "10", 0.1, 3600, offsetof(struct conf, timeout_us),
      "End the whole run after this long" },
    O("timeout-result", 0, TEXT, "STATE", "critical", silence_name, "State when the target does not answer"),
    { "max-age", 0, EM_OPT_DURATION, "SECONDS", "300", 0, 86400 * 366, offsetof(struct conf, max_age_us),
      "Older numbers are UNKNOWN; 0: any age will do" },
    O("perfdata", 0, TEXT, "basic|full", "basic", perfdata, "basic: a first line below 1 kB"),
    O("output-format", 0, TEXT, "text|json", "text", format_name, "json: one object in place of the lines"),
    O("extra-opts", 0, TEXT, "[SECTION][@FILE]", NULL, extra_opts,
      "Read options from an INI file, passwords for example; repeatable"),
    { "verbose", 'v', EM_OPT_COUNT, NULL, NULL, 0, 3, offsetof(struct conf, verbose),
      "More lines; up to three times" },
    { .name = NULL }
};

const struct em_opt_program conf_program = {
    .name = "check_edge_media",
    .usage = "{-H HOST, --socket=PATH, --probe=URI, --scan=FILE} ...",
    .summary = "Tells whether the media of calls gets through an edge.",
    .options = options,
    .notes = "METRIC: code23, tcp-nat, code23-tcp-nat, failures (calls), down (checks), rtt\n"
             "(seconds) or lag (bytes). Without any -w and -c: code23 0 and 5, code23-tcp-nat\n"
             "0 and 2, failures 5 and 20. Checks: ok is OK, degraded is WARNING, untested is\n"
             "UNKNOWN, everything else is CRITICAL.\n\n"
             "-v followed by 2c or 3 is the SNMP version, as in the tools of net-snmp; any\n"
             "other -v is verbosity. Secrets may also be in the environment, in\n"
             "CHECK_EDGE_MEDIA_COMMUNITY, _AUTH_PASSWORD, _PRIV_PASSWORD and _PASSWORD.\n\n"
             "Examples:\n"
             "  check_edge_media -m code23 -H monitor -C public -w 0 -c 5 --window=1h\n"
             "  check_edge_media -m ports --socket=/run/edgemedia/control --edge=oslo\n"
             "  check_edge_media --probe=stun:edge.example.com:3478\n\n"
             "Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n"
};

void conf_usage(struct buf *to)
{
    buf_print(to,
              "Usage: %s %s\n"
              "       [-m MODE] [-w [METRIC=]RANGE] [-c [METRIC=]RANGE] [-t SECONDS] [-v]\n"
              "       %s --help tells more\n",
              conf_program.name, conf_program.usage, conf_program.name);
}

static bool takes_value(const struct em_opt *o)
{
    return o->kind != EM_OPT_FLAG && o->kind != EM_OPT_COUNT;
}

/* Whether argv's element is an option whose value is the next element, which then is no option. */
static bool eats_next(const char *arg)
{
    if (arg[0] != '-' || arg[1] == '\0')
        return false;
    for (const struct em_opt *o = options; o->name; o++) {
        if (takes_value(o) && arg[1] == '-' && strcmp(arg + 2, o->name) == 0)
            return true;
        if (takes_value(o) && o->letter && arg[1] == o->letter && arg[2] == '\0')
            return true;
    }
    return false;
}

/* "-v 3", "-v3", "-v 2c", "-v2c" become "--snmp-version", VALUE; the other -v stay verbosity. list needs 2 * argc + 1 places. */
static int split_versions(int argc, char **argv, char **list)
{
    static const char *const versions[] = { "1", "2c", "3" };
    static char option[] = "--snmp-version";
    int n = 0;

    for (int i = 0; i < argc; i++) {
        const char *v = i > 0 && strncmp(argv[i], "-v", 2) == 0 ? argv[i] + 2 : NULL;
        bool next = v && *v == '\0' && i + 1 < argc, found = false;

        if (i > 0 && strcmp(argv[i], "--") == 0) {
            while (i < argc)
                list[n++] = argv[i++];
            break;
        }
        for (size_t k = 0; v && k < sizeof versions / sizeof *versions; k++)
            found |= strcmp(next ? argv[i + 1] : v, versions[k]) == 0;
        if (found) {
            list[n++] = option;
            list[n++] = next ? argv[++i] : argv[i] + 2;
            continue;
        }
        list[n++] = argv[i];
        if (i > 0 && eats_next(argv[i]) && i + 1 < argc)
            list[n++] = argv[++i];
    }
    list[n] = NULL;
    return n;
}

/* The first line of a file. */
static int read_secret_file(const char *path, const char *what, char to[EM_SECRET_MAX], struct em_why *why)
{
    char bytes[EM_SECRET_MAX + 2], shown[EM_URI_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes - 1);
    int error = errno;

    if (fd >= 0)
        close(fd);
    esc_line_into(shown, sizeof shown, slice_of(path));
    if (n < 0)
        return em_fail(why, EM_ERR_SYSTEM, "cannot read the %s from %s: %s", what, shown, strerror(error));
    bytes[n] = '\0';
    bytes[strcspn(bytes, "\r\n")] = '\0';
    if (bytes[0] == '\0' || !slice_copy(slice_of(bytes), to, EM_SECRET_MAX))
        return em_fail(why, EM_ERR_INPUT, "%s: the first line must be the %s, of at most %d characters",
                       shown, what, EM_SECRET_MAX - 1);
    return 0;
}

/* Where a secret can come from, the first that is given: command line, file, environment, default. */
struct secret_source {
    const char *what, *typed, *file, *variable, *initial;
    char *to;
};

static int read_secret(const struct secret_source *s, struct em_why *why)
{
    const char *variable = s->variable ? getenv(s->variable) : NULL;
    const char *text = s->typed ? s->typed : s->file ? NULL : variable ? variable : s->initial;

    if (s->file && !s->typed)
        return read_secret_file(s->file, s->what, s->to, why);
    if (text && !slice_copy(slice_of(text), s->to, EM_SECRET_MAX))
        return em_fail(why, EM_ERR_INPUT, "the %s is longer than %d characters", s->what, EM_SECRET_MAX - 1);
    return 0;
}

/* ps(1) shows argv to everybody. */
static void hide(const char *typed)
{
    if (typed)
        memset((char *)(uintptr_t)typed, 'x', strlen(typed));
}

static int read_secrets(struct conf *c, struct em_why *why)
{
    const struct secret_source sources[] = {
        { "community", c->community, c->community_file, "CHECK_EDGE_MEDIA_COMMUNITY", "public",
          c->secrets.community },
        { "authentication password", c->auth_password, c->auth_file, "CHECK_EDGE_MEDIA_AUTH_PASSWORD", NULL,
          c->secrets.auth },
        { "privacy password", c->priv_password, c->priv_file, "CHECK_EDGE_MEDIA_PRIV_PASSWORD", NULL,
          c->secrets.priv },
        { "password", NULL, c->password_file, "CHECK_EDGE_MEDIA_PASSWORD", NULL, c->secrets.password },
        { "shared secret", NULL, c->secret_file, NULL, NULL, c->secrets.secret },
    };
    int err = 0;

    if (c->password_file && c->secret_file)
        return em_fail(why, EM_ERR_INPUT, "only one of --password-file and --secret-file can be given");
    for (size_t i = 0; i < sizeof sources / sizeof *sources && err == 0; i++)
        err = read_secret(&sources[i], why);
    hide(c->community);
    hide(c->auth_password);
    hide(c->priv_password);
    return err;
}

/* The modes that an origin can answer. */
static int check_mode(struct conf *c, struct em_why *why)
{
    const struct mode_def *mode = &mode_defs[c->mode];
    bool fits = c->origin == ORIGIN_PROBE ? mode->checks : c->origin == ORIGIN_SCAN ? mode->calls : true;

    if (!fits)
        return em_fail(why, EM_ERR_INPUT, "mode %s needs a daemon: give -H or --socket in place of --%s",
                       c->mode_name, c->origin == ORIGIN_PROBE ? "probe" : "scan");
    if (c->origin == ORIGIN_PROBE)
        c->mode = MODE_PORTS;
    return 0;
}

static int check_origin(struct conf *c, struct em_why *why)
{
    int given = (c->host != NULL) + (c->socket != NULL) + (c->probes.n > 0) + (c->scans.n > 0);

    if (given == 0)
        return em_fail(why, EM_ERR_INPUT,
                       "say where to look: -H HOST, --socket=PATH, --probe=URI or --scan=FILE");
    if (given > 1)
        return em_fail(why, EM_ERR_INPUT, "only one of -H, --socket, --probe and --scan can be given");
    if (c->ipv4 && c->ipv6)
        return em_fail(why, EM_ERR_INPUT, "only one of -4 and -6 can be given");
    c->origin = c->host          ? ORIGIN_SNMP
                : c->socket      ? ORIGIN_SOCKET
                : c->scans.n > 0 ? ORIGIN_SCAN
                                 : ORIGIN_PROBE;
    return check_mode(c, why);
}

/* SNMPv3 is meant when anything of it is given. */
static int check_snmp(struct conf *c, struct em_why *why)
{
    if (c->origin != ORIGIN_SNMP)
        return 0;
    if (!c->version)
        c->version = c->level || c->user ? "3" : "2c";
    if (strcmp(c->version, "1") == 0)
        return em_fail(why, EM_ERR_INPUT, "SNMP version 1 has no 64-bit counters: use 2c or 3");
    if (strcmp(c->version, "2c") != 0 && strcmp(c->version, "3") != 0)
        return em_fail(why, EM_ERR_INPUT, "the SNMP version is 2c or 3");
    if (strcmp(c->version, "3") == 0 && !c->user)
        return em_fail(why, EM_ERR_INPUT, "SNMP version 3 needs a user: -u NAME");
    return 0;
}

static int check_words(struct conf *c, struct em_why *why)
{
    char list[128], shown[64];
    struct buf modes = buf_over(list, sizeof list);

    while (c->mode < MODE_COUNT && strcmp(c->mode_name, mode_defs[c->mode].name) != 0)
        c->mode++;
    mode_names(&modes);
    if (c->mode == MODE_COUNT)
        return em_fail(why, EM_ERR_INPUT, "mode \"%s\" is not known; modes are %s",
                       esc_line_into(shown, sizeof shown, slice_of(c->mode_name)), buf_str(&modes));
    while (c->window < WINDOW_COUNT && strcmp(c->window_name, window_defs[c->window].name) != 0)
        c->window++;
    if (c->window == WINDOW_COUNT)
        return em_fail(why, EM_ERR_INPUT,
                       "the window is 5m, 1h or 1d; for other times use --state and --per");
    if (!state_read(c->silence_name, &c->silence))
        return em_fail(why, EM_ERR_INPUT, "--timeout-result is ok, warning, critical, unknown or 0 to 3");
    c->perfdata_full = strcmp(c->perfdata, "full") == 0;
    if (!c->perfdata_full && strcmp(c->perfdata, "basic") != 0)
        return em_fail(why, EM_ERR_INPUT, "--perfdata is basic or full");
    c->json = strcmp(c->format_name, "json") == 0;
    if (!c->json && strcmp(c->format_name, "text") != 0)
        return em_fail(why, EM_ERR_INPUT, "--output-format is text or json");
    if (c->total && c->state_file)
        return em_fail(why, EM_ERR_INPUT, "--total and --state exclude each other");
    return 0;
}

static int check_probe(const struct conf *c, struct em_why *why)
{
    if (c->ca_file && strlen(c->ca_file) >= EM_URI_MAX)
        return em_fail(why, EM_ERR_INPUT, "--ca-file is longer than %d bytes", EM_URI_MAX - 1);
    if (c->name_servers && (strlen(c->name_servers) >= EM_URI_MAX || !em_net_servers_ok(c->name_servers)))
        return em_fail(why, EM_ERR_INPUT,
                       "--name-server must be an address, with or without a port, or several with commas");
    return 0;
}

static int check(struct conf *c, struct em_why *why)
{
    int err = check_words(c, why);

    if (err == 0)
        err = check_origin(c, why);
    if (err == 0)
        err = check_snmp(c, why);
    if (err == 0)
        err = check_probe(c, why);
    if (err == 0)
        err = thresholds_read(c->mode, &c->warn, &c->crit, c->thresholds, why);
    return err == 0 ? read_secrets(c, why) : err;
}

/* The options of argv, in which --extra-opts is replaced by what it stands for. */
static int parse(struct conf *c, int argc, char **argv, char **list, char **pairs, struct em_why *why)
{
    char shown[64];
    int first = 0, err;

    argc = extra_opts_expand(&c->extra, conf_program.name, argc, argv, eats_next, list, why);
    if (argc < 0)
        return argc;
    argc = split_versions(argc, list, pairs);
    err = em_opt_parse(&conf_program, c, argc, pairs, &first, why);
    if (err == EM_OPT_GO && first < argc)
        err = em_fail(why, EM_ERR_INPUT, "\"%s\": arguments without an option are not used",
                      esc_line_into(shown, sizeof shown, slice_of(pairs[first])));
    return err == EM_OPT_GO ? check(c, why) : err;
}

int conf_read(struct conf *c, int argc, char **argv, struct em_why *why)
{
    size_t most = (size_t)argc + EXTRA_ARGS_MAX + 2;
    char **list = calloc(3 * most, sizeof *list);
    int err;

    if (!list)
        return em_fail(why, EM_ERR_MEMORY, "no memory");
    *c = (struct conf) { .verbose = 0 };
    err = parse(c, argc, argv, list, list + most, why);
    free(list);
    return err;
}

void conf_clear(struct conf *c)
{
    explicit_bzero(&c->secrets, sizeof c->secrets);
    extra_opts_clear(&c->extra);
}
