/* SPDX-License-Identifier: GPL-3.0-or-later
 * What `edgemedia doctor` reads in files: edgemedia.conf and snmpd.conf(5), leniently (other programs judge them), and the modes of a path. */
#include "cli/doctor.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"

enum { DEPTH_MAX = 4, GROUPS_MAX = 64, PORT_WRITE = 02, PORT_SEARCH = 01 };

char *doctor_slurp(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd < 0 ? NULL : malloc(DOCTOR_FILE_MAX + 1);
    ssize_t n = 0, at = 0;

    while (text && at < DOCTOR_FILE_MAX && (n = read(fd, text + at, (size_t)(DOCTOR_FILE_MAX - at))) > 0)
        at += n;
    if (text && n < 0) {
        free(text);
        text = NULL;
    }
    if (fd >= 0)
        close(fd);
    if (text)
        text[at] = '\0';
    return text;
}

static bool next_line(struct slice *rest, struct slice *line)
{
    if (rest->n == 0)
        return false;
    if (!slice_until(rest, '\n', line)) {
        *line = *rest;
        *rest = slice_from(*rest, rest->n);
    }
    return true;
}

bool doctor_word(struct slice *rest, struct slice *word)
{
    size_t n = 0;

    slice_skip_blanks(rest);
    if (rest->n == 0 || rest->p[0] == '#')
        return false;
    if (rest->p[0] == '"') {
        *rest = slice_from(*rest, 1);
        return slice_until(rest, '"', word);
    }
    while (n < rest->n && !strchr(" \t\r", rest->p[n]))
        n++;
    *word = slice_upto(*rest, n);
    *rest = slice_from(*rest, n);
    return true;
}

/* --- edgemedia.conf ---------------------------------------------------------------------------------------------------------- */

/* name = "value" at the beginning of a line. */
static void conf_line(struct doctor *d, struct slice line)
{
    const struct {
        struct slice name;
        char *to;
    } names[] = { { SLICE("agentx_address"), d->agentx }, { SLICE("control_socket"), d->control } };

    slice_skip_blanks(&line);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct slice rest = line, word;

        if (!slice_skip(&rest, names[i].name))
            continue;
        slice_skip_blanks(&rest);
        if (slice_skip(&rest, SLICE("=")) && doctor_word(&rest, &word))
            slice_copy(word, names[i].to, DOCTOR_TEXT_MAX);
    }
}

bool doctor_read_conf(struct doctor *d)
{
    char *text = doctor_slurp(d->conf->file);
    struct slice rest = slice_of(text), line;

    slice_copy(SLICE("/var/agentx/master"), d->agentx, sizeof d->agentx);
    slice_copy(SLICE("/run/edgemedia/control"), d->control, sizeof d->control);
    while (next_line(&rest, &line))
        conf_line(d, line);
    if (d->conf->socket)
        slice_copy(slice_of(d->conf->socket), d->control, sizeof d->control);
    free(text);
    return text != NULL;
}

/* --- snmpd.conf -------------------------------------------------------------------------------------------------------------- */

static void set_master(struct doctor_snmpd *s, struct slice rest)
{
    struct slice word;

    if (doctor_word(&rest, &word))
        s->master = slice_eq_nocase(word, SLICE("agentx")) || slice_eq_nocase(word, SLICE("yes")) ||
                    slice_eq_nocase(word, SLICE("all")) || slice_eq_nocase(word, SLICE("on"));
}

static void set_sockets(struct doctor_snmpd *s, struct slice rest)
{
    slice_copy(slice_trim(rest), s->sockets, sizeof s->sockets);
}

static void set_perms(struct doctor_snmpd *s, struct slice rest)
{
    slice_copy(slice_trim(rest), s->perms, sizeof s->perms);
}

static void set_address(struct doctor_snmpd *s, struct slice rest)
{
    slice_copy(slice_trim(rest), s->address, sizeof s->address);
}

/* rocommunity NAME [SOURCE [OID | -V VIEW]], rouser NAME [LEVEL [OID | -V VIEW]]. Another OID is a view of a name that nobody has. */
static void add_access(struct doctor_snmpd *s, struct slice rest, bool user)
{
    struct slice name, word;

    if (s->access_n == DOCTOR_NAMES_MAX || !doctor_word(&rest, &name))
        return;
    s->access[s->access_n].user = user;
    slice_copy(name, s->access[s->access_n].name, sizeof s->access[0].name);
    s->access[s->access_n].view[0] = '\0';
    if (doctor_word(&rest, &word) && doctor_word(&rest, &word)) {
        if (slice_eq(word, SLICE("-V")) && !doctor_word(&rest, &word))
            return;
        slice_copy(word, s->access[s->access_n].view, sizeof s->access[0].view);
    }
    s->access_n++;
}

static void add_community(struct doctor_snmpd *s, struct slice rest)
{
    add_access(s, rest, false);
}

static void add_user(struct doctor_snmpd *s, struct slice rest)
{
    add_access(s, rest, true);
}

/* com2sec NAME SOURCE COMMUNITY: access by groups is not followed further. */
static void add_com2sec(struct doctor_snmpd *s, struct slice rest)
{
    struct slice word;

    for (int i = 0; i < 2; i++)
        if (!doctor_word(&rest, &word))
            return;
    add_access(s, rest, false);
}

/* Whether `part` holds our root, or lies below it. */
static bool holds_root(struct slice part)
{
    struct slice root = SLICE(EM_MIB_ROOT);

    (void)slice_skip(&part, SLICE("."));
    if (slice_starts(root, part))
        return part.n == root.n || part.n == 0 || root.p[part.n] == '.' || part.p[part.n - 1] == '.';
    return slice_eq(part, SLICE("iso")) || slice_eq(part, SLICE("enterprises"));
}

static void add_view(struct doctor_snmpd *s, struct slice rest)
{
    struct slice name, how, part;

    if (!doctor_word(&rest, &name) || !doctor_word(&rest, &how) || !doctor_word(&rest, &part))
        return;
    if (s->view_n < DOCTOR_NAMES_MAX && slice_eq_nocase(how, SLICE("included")) && holds_root(part))
        slice_copy(name, s->view[s->view_n++], sizeof s->view[0]);
}

static void read_file(struct doctor_snmpd *s, const char *path, unsigned depth);

static void include_all(struct doctor_snmpd *s, const char *pattern, unsigned depth)
{
    glob_t found;

    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && i < DOCTOR_FILES_MAX; i++)
            read_file(s, found.gl_pathv[i], depth + 1);
    globfree(&found);
}

static void include(struct doctor_snmpd *s, struct slice rest, const char *ending, unsigned depth)
{
    char pattern[DOCTOR_TEXT_MAX + 8], name[DOCTOR_TEXT_MAX];
    struct slice word;

    if (!doctor_word(&rest, &word) || !slice_copy(word, name, sizeof name))
        return;
    snprintf(pattern, sizeof pattern, "%s%s", name, ending);
    include_all(s, pattern, depth);
}

static void snmpd_line(struct doctor_snmpd *s, struct slice line, unsigned depth)
{
    static const struct {
        const char *name;
        void (*set)(struct doctor_snmpd *s, struct slice rest);
    } words[] = {
        { "master", set_master },         { "agentxsocket", set_sockets },
        { "agentxperms", set_perms },     { "agentaddress", set_address },
        { "rocommunity", add_community }, { "rwcommunity", add_community },
        { "rouser", add_user },           { "rwuser", add_user },
        { "com2sec", add_com2sec },       { "view", add_view },
    };
    struct slice word;

    if (!doctor_word(&line, &word))
        return;
    if (slice_eq_nocase(word, SLICE("includedir")))
        include(s, line, "/*.conf", depth);
    else if (slice_eq_nocase(word, SLICE("includefile")))
        include(s, line, "", depth);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_eq_nocase(word, slice_of(words[i].name)))
            words[i].set(s, line);
}

static void read_file(struct doctor_snmpd *s, const char *path, unsigned depth)
{
    char *text = depth < DEPTH_MAX ? doctor_slurp(path) : NULL;
    struct slice rest = slice_of(text), line;

    if (!text && depth == 0 && !s->why[0])
        snprintf(s->why, sizeof s->why, "%s: %s", path, strerror(errno));
    if (text && !s->readable)
        slice_copy(slice_of(path), s->file, sizeof s->file);
    s->readable = s->readable || text;
    while (next_line(&rest, &line))
        snmpd_line(s, line, depth);
    free(text);
}

void doctor_read_snmpd(struct doctor *d)
{
    const struct em_opt_list *files = &d->conf->snmpd_conf;

    if (files->n == 0)
        read_file(&d->snmpd, "/etc/snmp/snmpd.conf", 0);
    for (size_t i = 0; i < files->n; i++)
        read_file(&d->snmpd, files->item[i], 0);
}

/* --- who may do what --------------------------------------------------------------------------------------------------------- */

struct person {
    uid_t uid;
    gid_t group[GROUPS_MAX];
    int groups;
};

static bool may(const struct person *p, const struct stat *st, unsigned want)
{
    unsigned shift = 0;

    if (p->uid == 0)
        return true;
    for (int i = 0; i < p->groups; i++)
        if (p->group[i] == st->st_gid)
            shift = 3;
    if (p->uid == st->st_uid)
        shift = 6;
    return (st->st_mode >> shift & want) == want;
}

static bool find_person(const char *user, struct person *p)
{
    const struct passwd *pw = getpwnam(user);

    if (!pw)
        return false;
    p->uid = pw->pw_uid;
    p->groups = GROUPS_MAX;
    if (getgrouplist(user, pw->pw_gid, p->group, &p->groups) < 0)
        p->groups = GROUPS_MAX;
    return true;
}

int doctor_access(const char *user, const char *path, char part[DOCTOR_TEXT_MAX])
{
    struct person person;
    struct stat st;
    size_t n = strlen(path);

    slice_copy(slice_of(path), part, DOCTOR_TEXT_MAX);
    if (!find_person(user, &person))
        return ENOKEY;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        slice_copy((struct slice) { path, i }, part, DOCTOR_TEXT_MAX);
        if (stat(part, &st) != 0)
            return errno;
        if (!may(&person, &st, path[i] ? PORT_SEARCH : PORT_WRITE))
            return EACCES;
    }
    return 0;
}
