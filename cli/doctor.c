/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia doctor: why a manager sees nothing, and the line that mends it. Looks at every place between the daemon and the manager, in the
 * order in which a value passes them. It changes nothing. */
#include "cli/doctor.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/esc.h"
#include "base/slice.h"
#include "cli/cli.h"
#include "cli/daemon.h"
#include "cli/view.h"

#define SNMPD_DIRECTORY "/etc/snmp/snmpd.conf.d/edgemedia.conf"
#define RESTART " && sudo systemctl restart snmpd"

static const struct em_opt options[] = {
    { "agent", 'a', EM_OPT_TEXT, "IPV4:PORT", "127.0.0.1:161", 0, 0, offsetof(struct doctor_conf, agent),
      "Where snmpd answers" },
    { "community", 'C', EM_OPT_TEXT, "NAME", "public", 0, 0, offsetof(struct doctor_conf, community),
      "Community that the manager uses" },
    { "config", 'c', EM_OPT_TEXT, "FILE", EM_SYSCONFDIR "/edgemedia/edgemedia.conf", 0, 0,
      offsetof(struct doctor_conf, file), "Configuration of edgemediad" },
    { "json", 'j', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct doctor_conf, json),
      "Print one JSON object" },
    { "mib-dir", 'm', EM_OPT_LIST, "DIRECTORY", NULL, 0, 0, offsetof(struct doctor_conf, mib_dirs),
      "Where MIBs are; repeatable" },
    { "snmp-conf", 'N', EM_OPT_TEXT, "FILE", "/etc/snmp/snmp.conf", 0, 0,
      offsetof(struct doctor_conf, snmp_conf), "Configuration of the net-snmp tools" },
    { "snmpd-conf", 'D', EM_OPT_LIST, "FILE", NULL, 0, 0, offsetof(struct doctor_conf, snmpd_conf),
      "Configuration of snmpd; repeatable" },
    { "socket", 's', EM_OPT_TEXT, "PATH", NULL, 0, 0, offsetof(struct doctor_conf, socket),
      "Control socket, instead of the one that is configured" },
    { "timeout", 't', EM_OPT_DURATION, "SECONDS", "1", 0.01, 60, offsetof(struct doctor_conf, timeout_us),
      "Time to wait for snmpd" },
    { "user", 'u', EM_OPT_TEXT, "NAME", "edgemedia", 0, 0, offsetof(struct doctor_conf, user),
      "User that edgemediad runs as" },
    { .name = NULL },
};

static const struct em_opt_program program = {
    .name = "edgemedia doctor",
    .usage = "[OPTION]...",
    .summary = "Finds out why a manager sees nothing, and prints the line that mends it.",
    .options = options,
    .notes = "It changes nothing. As root it sees more: other users' files, the firewall.\n"
             "Exit status: 0 nothing is wrong, 1 something is, 2 wrong usage.\n",
};

static enum doctor_result say(struct doctor *d, enum doctor_result result, const char *mend, const char *fmt,
                              ...) EM_PRINTF(4, 5);
static enum doctor_result say(struct doctor *d, enum doctor_result result, const char *mend, const char *fmt,
                              ...)
{
    char text[4 * DOCTOR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_text(&d->found, text);
    if (mend)
        buf_text(&d->mend, mend);
    return result;
}

static const char *format(char to[2 * DOCTOR_TEXT_MAX], const char *fmt, ...) EM_PRINTF(2, 3);
static const char *format(char to[2 * DOCTOR_TEXT_MAX], const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(to, 2 * DOCTOR_TEXT_MAX, fmt, ap);
    va_end(ap);
    return to;
}

/* --- the daemon -------------------------------------------------------------------------------------------------------------- */

static enum doctor_result look_conf(struct doctor *d)
{
    char mend[2 * DOCTOR_TEXT_MAX];
    int err;

    if (doctor_read_conf(d))
        return say(d, DOCTOR_OK, NULL, "%s is there", d->conf->file);
    err = errno;
    return say(d, err == EACCES ? DOCTOR_NOTE : DOCTOR_BAD,
               format(mend,
                      err == EACCES ? "sudo edgemedia doctor -c %s"
                                    : "sudo editor %s && sudo systemctl restart edgemediad",
                      d->conf->file),
               "%s cannot be read: %s", d->conf->file, strerror(err));
}

static int control_errno(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd, err = 0;

    if (!slice_copy(slice_of(path), at.sun_path, sizeof at.sun_path))
        return ENAMETOOLONG;
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)&at, sizeof at) != 0)
        err = errno;
    close(fd);
    return err;
}

static enum doctor_result look_daemon(struct doctor *d)
{
    struct em_why why;
    int err;

    if (!d->control[0])
        return say(d, DOCTOR_SKIPPED, NULL, "control_socket is empty: the daemon cannot be asked");
    err = control_errno(d->control);
    if (err == EACCES)
        return say(d, DOCTOR_BAD, "sudo usermod -aG edgemedia \"$USER\"   # then log in anew",
                   "you may not use %s", d->control);
    if (err)
        return say(d, DOCTOR_BAD, "sudo systemctl start edgemediad   # else: journalctl -u edgemediad",
                   "edgemediad does not run, or listens elsewhere than at %s: %s", d->control, strerror(err));
    if (cli_daemon_get(d->control, "/api/v1/status", &d->status, &why) < 0)
        return say(d, DOCTOR_BAD, "sudo systemctl restart edgemediad", "%s", why.text);
    d->daemon_answers = true;
    return say(d, DOCTOR_OK, NULL, "edgemediad answers at %s", d->control);
}

static enum doctor_result look_health(struct doctor *d)
{
    struct buf body = buf_heap(CLI_OUTPUT_MAX);
    struct em_why why;
    int err;

    if (!d->daemon_answers)
        return DOCTOR_SKIPPED;
    err = cli_daemon_get(d->control, "/healthz", &body, &why);
    buf_fini(&body);
    if (err == 0)
        return say(d, DOCTOR_OK, NULL, "the daemon is well");
    return say(d, DOCTOR_BAD, "edgemediad --test-config; df -h /var/lib/edgemedia", "%s", why.text);
}

/* The first row of the array for which `bad` is true. */
static struct json_object *first_row(struct json_object *status, const char *array,
                                     bool (*bad)(struct json_object *))
{
    struct json_object *rows;

    if (!json_object_object_get_ex(status, array, &rows) || !json_object_is_type(rows, json_type_array))
        return NULL;
    for (size_t i = 0; i < json_object_array_length(rows); i++)
        if (bad(json_object_array_get_idx(rows, i)))
            return json_object_array_get_idx(rows, i);
    return NULL;
}

static bool source_is_stalled(struct json_object *row)
{
    const char *state = view_text(row, NULL, "state");

    return strcmp(state, "failed") == 0 || strcmp(state, "waiting") == 0;
}

static bool finding_is_skew(struct json_object *row)
{
    return strcmp(view_text(row, NULL, "kind"), "clock-skew") == 0;
}

static enum doctor_result look_sources(struct doctor *d)
{
    struct json_object *status = d->daemon_answers ? json_tokener_parse(buf_str(&d->status)) : NULL,
                       *row = status ? first_row(status, "sources", source_is_stalled) : NULL;
    enum doctor_result result = DOCTOR_SKIPPED;
    char mend[2 * DOCTOR_TEXT_MAX];

    if (row)
        result =
            say(d, DOCTOR_BAD,
                format(mend, "sudo -u %s sh -c 'cat %s' >/dev/null   # says what is in the way",
                       d->conf->user, view_text(row, NULL, "location")),
                "source \"%s\" is %s: %s", view_text(row, NULL, "name"), view_text(row, NULL, "state"),
                *view_text(row, NULL, "error") ? view_text(row, NULL, "error")
                                               : "no file matches its pattern, or none that it may read");
    else if (status)
        result = say(d, DOCTOR_OK, NULL, "%llu sources can be read",
                     (unsigned long long)view_number(status, "daemon", "sources"));
    json_object_put(status);
    return result;
}

static enum doctor_result look_clock(struct doctor *d)
{
    struct json_object *status = d->daemon_answers ? json_tokener_parse(buf_str(&d->status)) : NULL,
                       *row = status ? first_row(status, "findings", finding_is_skew) : NULL;
    enum doctor_result result = DOCTOR_SKIPPED;

    if (row)
        result = say(d, DOCTOR_BAD, "sudo timedatectl set-ntp true", "%s", view_text(row, NULL, "text"));
    else if (status)
        result = say(d, DOCTOR_OK, NULL, "the clock agrees with the sources");
    json_object_put(status);
    return result;
}

/* --- AgentX ------------------------------------------------------------------------------------------------------------------ */

static enum doctor_result look_master(struct doctor *d)
{
    doctor_read_snmpd(d);
    if (!d->snmpd.readable)
        return say(d, DOCTOR_NOTE, "sudo edgemedia doctor", "%s", d->snmpd.why);
    if (d->snmpd.master)
        return say(d, DOCTOR_OK, NULL, "snmpd is a master agent (%s)", d->snmpd.file);
    return say(d, DOCTOR_BAD, "echo 'master agentx' | sudo tee -a " SNMPD_DIRECTORY RESTART,
               "%s has no line \"master agentx\": snmpd takes no subagents", d->snmpd.file);
}

/* Whether snmpd's configuration opens this socket; without agentXSocket it is the usual one. */
static bool is_opened(const struct doctor_snmpd *s, const char *path)
{
    struct slice rest = slice_of(s->sockets[0] ? s->sockets : "/var/agentx/master"), one;

    while (rest.n > 0) {
        if (!slice_until(&rest, ',', &one)) {
            one = rest;
            rest = slice_from(rest, rest.n);
        }
        one = slice_trim(one);
        (void)slice_skip(&one, SLICE("unix:"));
        if (slice_eq(one, slice_of(path)))
            return true;
    }
    return false;
}

static enum doctor_result agentx_missing(struct doctor *d)
{
    char mend[2 * DOCTOR_TEXT_MAX];
    const char *sockets = d->snmpd.sockets[0] ? d->snmpd.sockets : "/var/agentx/master";

    if (d->snmpd.readable && !is_opened(&d->snmpd, d->agentx))
        return say(d, DOCTOR_BAD,
                   format(mend, "echo 'agentXSocket %s,%s' | sudo tee -a " SNMPD_DIRECTORY RESTART, sockets,
                          d->agentx),
                   "edgemediad looks for snmpd at %s, and snmpd listens at %s", d->agentx, sockets);
    return say(d, DOCTOR_BAD, "sudo systemctl restart snmpd   # else: journalctl -u snmpd",
               "there is no socket %s: snmpd does not run", d->agentx);
}

static enum doctor_result agentx_denied(struct doctor *d, const char *part)
{
    char mend[2 * DOCTOR_TEXT_MAX];

    return say(d, DOCTOR_BAD,
               format(mend,
                      "echo 'agentXPerms 0660 0755 Debian-snmp %s' | sudo tee -a " SNMPD_DIRECTORY RESTART,
                      d->conf->user),
               "the user %s may not use %s (%s)%s%s", d->conf->user, d->agentx, part,
               d->snmpd.perms[0] ? "; agentXPerms is " : "; snmpd has no agentXPerms", d->snmpd.perms);
}

static enum doctor_result look_agentx(struct doctor *d)
{
    char part[DOCTOR_TEXT_MAX], mend[2 * DOCTOR_TEXT_MAX];
    int err;

    if (!d->agentx[0])
        return say(d, DOCTOR_BAD,
                   format(mend,
                          "sudo sed -i 's|^agentx_address.*|agentx_address = \"/run/agentx/master\"|' %s && "
                          "sudo systemctl restart edgemediad",
                          d->conf->file),
                   "agentx_address is empty: SNMP is switched off");
    if (d->agentx[0] != '/')
        return say(d, DOCTOR_SKIPPED, NULL, "agentx_address is no path: %s", d->agentx);
    err = doctor_access(d->conf->user, d->agentx, part);
    if (err == ENOENT)
        return agentx_missing(d);
    if (err == EACCES)
        return agentx_denied(d, part);
    if (err == ENOKEY)
        return say(d, DOCTOR_NOTE, NULL, "there is no user %s; --user says who edgemediad runs as",
                   d->conf->user);
    err = control_errno(d->agentx);
    if (err == ECONNREFUSED)
        return say(d, DOCTOR_BAD, "sudo systemctl restart snmpd   # else: journalctl -u snmpd",
                   "nobody listens at %s: snmpd has ended", d->agentx);
    d->agentx_usable = true;
    return say(d, DOCTOR_OK, NULL, "the user %s may use %s", d->conf->user, d->agentx);
}

static enum doctor_result look_session(struct doctor *d)
{
    struct json_object *status = d->daemon_answers ? json_tokener_parse(buf_str(&d->status)) : NULL;

    d->connected = view_number(status, "daemon", "snmp_connected") == 1;
    json_object_put(status);
    if (!d->daemon_answers)
        return DOCTOR_SKIPPED;
    if (d->connected)
        return say(d, DOCTOR_OK, NULL, "edgemediad is connected to snmpd");
    return say(d, DOCTOR_BAD,
               d->agentx_usable
                   ? "sudo systemctl restart edgemediad   # groups of its user count from the start only"
                   : NULL,
               "edgemediad is not connected to snmpd; its log says why (journalctl -u edgemediad)");
}

/* --- from snmpd to the manager ----------------------------------------------------------------------------------------------- */

static enum doctor_result look_community(struct doctor *d)
{
    const struct doctor_snmpd *s = &d->snmpd;
    char mend[2 * DOCTOR_TEXT_MAX];

    if (!s->readable)
        return DOCTOR_SKIPPED;
    for (size_t i = 0; i < s->access_n; i++)
        if (!s->access[i].user && strcmp(s->access[i].name, d->conf->community) == 0)
            return say(d, DOCTOR_OK, NULL, "snmpd knows the community");
    return say(
        d, DOCTOR_BAD,
        format(mend,
               "echo 'rocommunity %s 192.0.2.10 -V systemonly' | sudo tee -a " SNMPD_DIRECTORY RESTART
               "   # 192.0.2.10: the manager",
               d->conf->community),
        "no rocommunity line of snmpd has the community \"%s\"; --community says which one the manager uses",
        d->conf->community);
}

static bool view_is_wide(const struct doctor_snmpd *s, const char *view)
{
    for (size_t i = 0; i < s->view_n; i++)
        if (strcmp(s->view[i], view) == 0)
            return true;
    return !*view || strcmp(view, ".1") == 0 || strcmp(view, "all") == 0;
}

static enum doctor_result look_view(struct doctor *d)
{
    const struct doctor_snmpd *s = &d->snmpd;
    char mend[2 * DOCTOR_TEXT_MAX];
    const char *narrow = NULL, *who = "";

    if (!s->readable)
        return DOCTOR_SKIPPED;
    for (size_t i = 0; i < s->access_n; i++) {
        if (!s->access[i].user && strcmp(s->access[i].name, d->conf->community) != 0)
            continue;
        if (view_is_wide(s, s->access[i].view) && !s->access[i].user)
            return say(d, DOCTOR_OK, NULL, "the community sees " EM_MIB_ROOT);
        if (!narrow && !view_is_wide(s, s->access[i].view)) {
            narrow = s->access[i].view;
            who = s->access[i].name;
        }
    }
    if (!narrow)
        return DOCTOR_SKIPPED;
    return say(d, DOCTOR_BAD,
               format(mend, "echo 'view %s included ." EM_MIB_ROOT "' | sudo tee -a " SNMPD_DIRECTORY RESTART,
                      narrow),
               "\"%s\" sees the view \"%s\" of snmpd, which leaves out ." EM_MIB_ROOT, who, narrow);
}

static enum doctor_result look_address(struct doctor *d)
{
    static const char *const loopback[] = { "127.",     "[::1]",      "::1",          "localhost",
                                            "udp:127.", "udp6:[::1]", "udp:localhost" };
    struct slice rest = slice_of(d->snmpd.address), one;
    bool elsewhere = rest.n == 0;

    if (!d->snmpd.readable)
        return DOCTOR_SKIPPED;
    while (rest.n > 0) {
        bool local = false;

        if (!slice_until(&rest, ',', &one)) {
            one = rest;
            rest = slice_from(rest, rest.n);
        }
        one = slice_trim(one);
        for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
            local = local || slice_starts(one, slice_of(loopback[i]));
        elsewhere = elsewhere || !local;
    }
    if (elsewhere)
        return say(d, DOCTOR_OK, NULL, "snmpd listens for other machines");
    return say(d, DOCTOR_NOTE,
               "sudo sed -i 's/^agentaddress.*/agentaddress udp:161,udp6:161/I' /etc/snmp/snmpd.conf" RESTART,
               "snmpd listens at %s only: a manager on another machine gets no answer", d->snmpd.address);
}

static enum doctor_result look_answer(struct doctor *d)
{
    switch (doctor_get(d->conf, EM_MIB_ROOT ".1.3.1.0")) {
    case DOCTOR_SNMP_VALUE:
        return say(d, DOCTOR_OK, NULL, "snmpd at %s answers for " EM_MIB_ROOT, d->conf->agent);
    case DOCTOR_SNMP_NO_OBJECT:
        return say(d, DOCTOR_BAD, NULL, "snmpd at %s answers, but not for " EM_MIB_ROOT "; %s",
                   d->conf->agent,
                   d->connected ? "its view leaves it out" : "edgemediad is not connected to it");
    case DOCTOR_SNMP_REFUSED:
        return say(d, DOCTOR_BAD, "sudo systemctl start snmpd   # else: journalctl -u snmpd",
                   "nobody listens at %s", d->conf->agent);
    case DOCTOR_SNMP_SILENCE:
        return say(d, DOCTOR_BAD, NULL,
                   "snmpd at %s is silent: the community is wrong (snmpd answers nothing then), a firewall "
                   "drops the packets, or snmpd hangs",
                   d->conf->agent);
    case DOCTOR_SNMP_BROKEN:
        break;
    }
    return say(d, DOCTOR_BAD, NULL,
               "%s cannot be asked: it must be an IPv4 address, and a port behind a colon", d->conf->agent);
}

/* The rules of nftables, to be read; NULL: there is no nft, or no permission that it needs. */
static FILE *open_rules(pid_t *pid)
{
    char *const argv[] = { (char[]) { "nft" }, (char[]) { "list" }, (char[]) { "ruleset" }, NULL };
    posix_spawn_file_actions_t actions;
    FILE *from = NULL;
    int fd[2];

    *pid = -1;
    if (pipe2(fd, O_CLOEXEC) != 0)
        return NULL;
    if (posix_spawn_file_actions_init(&actions) == 0) {
        if (posix_spawn_file_actions_adddup2(&actions, fd[1], STDOUT_FILENO) == 0 &&
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
            posix_spawnp(pid, argv[0], &actions, NULL, argv, environ) == 0)
            from = fdopen(fd[0], "r");
        posix_spawn_file_actions_destroy(&actions);
    }
    close(fd[1]);
    if (!from)
        close(fd[0]);
    return from;
}

struct rules {
    bool any, input, drops, port; /* input: the chain that is being read */
};

/* As far as text tells: rules are not followed. */
static void rules_line(struct rules *r, const char *line)
{
    static const char *const ports[] = { "dport 161", "snmp", "161,", "161 }" };

    r->any = true;
    if (strstr(line, "chain "))
        r->input = false;
    r->input = r->input || strstr(line, "hook input");
    r->drops = r->drops || (r->input && strstr(line, "policy drop"));
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        r->port = r->port || strstr(line, ports[i]);
}

/* An input chain that drops what no rule lets in, and no rule that names SNMP's port. */
static enum doctor_result look_firewall(struct doctor *d)
{
    struct rules r = { 0 };
    char line[1024];
    int status = -1;
    pid_t pid;
    FILE *nft = open_rules(&pid);

    while (nft && fgets(line, sizeof line, nft))
        rules_line(&r, line);
    if (nft)
        fclose(nft);
    if (pid > 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    if (!nft || status != 0)
        return say(d, DOCTOR_SKIPPED, NULL, "the rules of nftables cannot be read (it takes nft, and root)");
    if (r.drops && !r.port)
        return say(d, DOCTOR_BAD,
                   "sudo nft insert rule inet filter input ip saddr 192.0.2.10 udp dport 161 accept   # "
                   "192.0.2.10: the manager",
                   "the firewall of this machine drops what no rule lets in, and no rule names UDP port 161");
    return say(d, DOCTOR_OK, NULL,
               r.any ? "the firewall of this machine has a place for SNMP"
                     : "this machine has no firewall rules");
}

/* --- names ------------------------------------------------------------------------------------------------------------------- */

static enum doctor_result look_mibs_line(struct doctor *d)
{
    char *text = doctor_slurp(d->conf->snmp_conf), mend[2 * DOCTOR_TEXT_MAX];
    struct slice rest = slice_of(text), line, word;
    bool none = false;

    while (rest.n > 0) {
        if (!slice_until(&rest, '\n', &line)) {
            line = rest;
            rest = slice_from(rest, rest.n);
        }
        if (!doctor_word(&line, &word) || !slice_eq_nocase(word, SLICE("mibs")))
            continue;
        none = slice_eq(slice_trim(line), SLICE(":"));
    }
    free(text);
    if (!none)
        return say(d, DOCTOR_OK, NULL, "the tools load MIBs");
    return say(d, DOCTOR_NOTE,
               format(mend,
                      "sudo sed -i 's/^mibs *:/mibs +EDGE-MEDIA-MIB/' %s   # or -m +EDGE-MEDIA-MIB each time",
                      d->conf->snmp_conf),
               "%s says \"mibs :\": the tools load no MIB and know numbers only", d->conf->snmp_conf);
}

static bool have_mib(const struct doctor_conf *conf, const char *name)
{
    static const char *const usual[] = { "/usr/share/snmp/mibs", "/usr/local/share/snmp/mibs",
                                         "/usr/share/mibs/*",    "/var/lib/mibs/*",
                                         "/var/lib/snmp/mibs/*", "/opt/edgemedia/share/snmp/mibs" };
    size_t n = conf->mib_dirs.n ? conf->mib_dirs.n : sizeof usual / sizeof *usual;
    bool found = false;

    for (size_t i = 0; i < n && !found; i++) {
        char pattern[DOCTOR_TEXT_MAX];
        glob_t g;

        snprintf(pattern, sizeof pattern, "%s/%s*", conf->mib_dirs.n ? conf->mib_dirs.item[i] : usual[i],
                 name);
        found = glob(pattern, 0, NULL, &g) == 0;
        globfree(&g);
    }
    return found;
}

static enum doctor_result look_mibs(struct doctor *d)
{
    if (!have_mib(d->conf, "EDGE-MEDIA-MIB"))
        return say(d, DOCTOR_NOTE, "sudo make install",
                   "EDGE-MEDIA-MIB is in none of the directories (--mib-dir says where): names are unknown");
    if (!have_mib(d->conf, "SNMPv2-SMI"))
        return say(
            d, DOCTOR_NOTE,
            "npm install --prefix ~/mibs --ignore-scripts net-snmp   # then -M "
            "+$HOME/mibs/node_modules/net-snmp/lib/mibs",
            "the IETF's base MIBs (SNMPv2-SMI) are not there: EDGE-MEDIA-MIB cannot be loaded, numbers work");
    return say(d, DOCTOR_OK, NULL, "EDGE-MEDIA-MIB and the base MIBs are there");
}

/* --- all of them ------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum doctor_result (*look)(struct doctor *d);
} looks[] = {
    { "configuration", look_conf },    { "daemon", look_daemon },
    { "health", look_health },         { "sources", look_sources },
    { "clock", look_clock },           { "master-agentx", look_master },
    { "agentx-socket", look_agentx },  { "agentx-session", look_session },
    { "community", look_community },   { "view", look_view },
    { "agent-address", look_address }, { "answer", look_answer },
    { "firewall", look_firewall },     { "mibs-line", look_mibs_line },
    { "mib-files", look_mibs },
};
static const char *const words[] = {
    [DOCTOR_OK] = "ok", [DOCTOR_BAD] = "bad", [DOCTOR_NOTE] = "note", [DOCTOR_SKIPPED] = "skipped"
};

static void show_text(struct doctor *d, const char *name, enum doctor_result result, struct buf *out)
{
    static const char *const colours[] = {
        [DOCTOR_OK] = "32", [DOCTOR_BAD] = "31", [DOCTOR_NOTE] = "33", [DOCTOR_SKIPPED] = "2"
    };
    bool colour = cli_colour();

    if (colour)
        buf_print(out, "\033[%sm%-7s\033[0m %s: ", colours[result], words[result], name);
    else
        buf_print(out, "%-7s %s: ", words[result], name);
    esc_controls(out, d->found.n ? slice_of(buf_str(&d->found)) : SLICE("not looked at, for what is above"));
    buf_text(out, "\n");
    if (d->mend.n == 0)
        return;
    buf_text(out, "        ");
    esc_controls(out, slice_of(buf_str(&d->mend)));
    buf_text(out, "\n");
}

static void member(struct buf *out, const char *key, struct buf *text)
{
    if (text->n == 0)
        return;
    buf_print(out, ",\"%s\":\"", key);
    esc_json(out, slice_of(buf_str(text)));
    buf_text(out, "\"");
}

static void show_json(struct doctor *d, const char *name, enum doctor_result result, bool first,
                      struct buf *out)
{
    buf_print(out, "%s{\"name\":\"%s\",\"result\":\"%s\"", first ? "" : ",", name, words[result]);
    member(out, "found", &d->found);
    member(out, "mend", &d->mend);
    buf_text(out, "}");
}

static int look_at_all(const struct doctor_conf *conf)
{
    struct buf out = buf_heap(CLI_OUTPUT_MAX);
    struct doctor d = { .conf = conf,
                        .status = buf_heap(CLI_OUTPUT_MAX),
                        .found = buf_heap(CLI_OUTPUT_MAX),
                        .mend = buf_heap(CLI_OUTPUT_MAX) };
    unsigned bad = 0;
    int result;

    if (conf->json)
        buf_text(&out, "{\"schema_version\":1,\"checks\":[");
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        enum doctor_result one;

        buf_reset(&d.found);
        buf_reset(&d.mend);
        one = looks[i].look(&d);
        bad += one == DOCTOR_BAD;
        if (conf->json)
            show_json(&d, looks[i].name, one, i == 0, &out);
        else
            show_text(&d, looks[i].name, one, &out);
    }
    if (conf->json)
        buf_print(&out, "],\"bad\":%u}\n", bad);
    result = !cli_write(&out) ? CLI_FAILED : bad ? CLI_BAD_NEWS : CLI_GOOD;
    buf_fini(&out);
    buf_fini(&d.status);
    buf_fini(&d.found);
    buf_fini(&d.mend);
    return result;
}

static int doctor(int argc, char **argv)
{
    struct doctor_conf conf = { 0 };
    int first = 0, result;
    bool done;

    result = cli_options(&program, &conf, argc, argv, &first, &done);
    if (done)
        return result;
    return first != argc ? cli_usage(&program, "no argument is expected") : look_at_all(&conf);
}

const struct cli_command cli_doctor = { "doctor", "find out why a manager sees nothing", doctor };
