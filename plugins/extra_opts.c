/* SPDX-License-Identifier: GPL-3.0-or-later
 * Options from INI files, made into arguments. */
#include "plugins/extra_opts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/esc.h"

#define OPTION "--extra-opts"

static const char *const names[] = { "monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini" };
static const char usual[] = "/etc/monitoring-plugins:/etc:/etc/nagios:/etc/nagios-plugins:/usr/local/etc";

/* A pool that holds n bytes; NULL when there is none left. */
static char *pool_new(struct extra_opts *x, size_t n)
{
    char *p = x->pools_n < EXTRA_TIMES_MAX ? calloc(1, n) : NULL;

    if (p) {
        x->pools[x->pools_n].p = p;
        x->pools[x->pools_n++].n = n;
    }
    return p;
}

static int add(struct extra_opts *x, char *arg, struct em_why *why)
{
    if (x->args_n == EXTRA_ARGS_MAX)
        return em_fail(why, EM_ERR_LIMIT, OPTION ": more than %d options in files", EXTRA_ARGS_MAX);
    x->args[x->args_n++] = arg;
    return 0;
}

/* Puts the argument for one line at *to and moves it on. It takes at most three bytes more than the line. */
static int option(struct extra_opts *x, struct slice line, char **to, struct em_why *why)
{
    size_t equals = slice_find_char(line, '=');
    bool has_value = equals != SIZE_MAX;
    struct slice name = slice_trim(has_value ? slice_upto(line, equals) : line);
    struct slice value = has_value ? slice_trim(slice_from(line, equals + 1)) : (struct slice) { line.p, 0 };
    bool letter = name.n == 1;
    char *at = *to;
    int err;

    if (name.n == 0 || name.p[0] == '-')
        return em_fail(why, EM_ERR_INPUT,
                       OPTION ": a line of the file must begin with an option's name, without dashes");
    err = add(x, at, why);
    if (err < 0)
        return err;
    at = mempcpy(at, "--", letter ? 1 : 2);
    at = mempcpy(at, name.p, name.n);
    if (has_value && letter) {
        *at++ = '\0';
        err = add(x, at, why);
    } else if (has_value) {
        *at++ = '=';
    }
    at = mempcpy(at, value.p, value.n);
    *at++ = '\0';
    *to = at;
    return err;
}

int extra_opts_section(struct extra_opts *x, struct slice text, const char *section, struct em_why *why)
{
    char *to = pool_new(x, 4 * text.n + 1); /* no line makes more than 4 bytes of each of its own */
    bool in = false, found = false;
    int err =
        to ? 0
           : em_fail(why, EM_ERR_MEMORY, OPTION ": no memory, or given more than %d times", EXTRA_TIMES_MAX);

    while (text.n > 0 && err == 0) {
        size_t end = slice_find_char(text, '\n');
        struct slice line = slice_trim(slice_upto(text, end));

        text = slice_from(text, end == SIZE_MAX ? text.n : end + 1);
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
            continue;
        if (memchr(line.p, '\0', line.n))
            return em_fail(why, EM_ERR_INPUT, OPTION ": the file is no text");
        if (line.p[0] != '[') {
            err = in ? option(x, line, &to, why) : 0;
            continue;
        }
        end = slice_find_char(line, ']');
        if (end == SIZE_MAX)
            return em_fail(why, EM_ERR_INPUT, OPTION ": the line of a section has no \"]\"");
        in = slice_eq(slice_trim(slice_from(slice_upto(line, end), 1)), slice_of(section));
        found |= in;
    }
    return err < 0 ? err : found;
}

/* The whole file. Returns the number of bytes, or an em_err. */
static ssize_t read_whole(const char *path, char to[EXTRA_FILE_MAX], struct em_why *why)
{
    char shown[256];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t have = 0;
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0 && have < EXTRA_FILE_MAX) {
        n = read(fd, to + have, EXTRA_FILE_MAX - have);
        have += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        em_fail(why, EM_ERR_SYSTEM, OPTION ": cannot read %s: %s",
                esc_line_into(shown, sizeof shown, slice_of(path)), strerror(errno));
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return EM_ERR_SYSTEM;
    if (have == EXTRA_FILE_MAX)
        return em_fail(why, EM_ERR_LIMIT, OPTION ": %s is larger than %d bytes",
                       esc_line_into(shown, sizeof shown, slice_of(path)), EXTRA_FILE_MAX - 1);
    return (ssize_t)have;
}

/* The first of the names in the directories of a list with colons. */
static bool find_in(const char *list, char path[PATH_MAX])
{
    for (struct slice left = slice_of(list); left.n > 0;) {
        size_t end = slice_find_char(left, ':');
        struct slice dir = slice_upto(left, end);

        left = slice_from(left, end == SIZE_MAX ? left.n : end + 1);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            int n = snprintf(path, PATH_MAX, "%.*s/%s", SLICE_ARG(dir), names[i]);

            if (n > 0 && n < PATH_MAX && access(path, R_OK) == 0)
                return true;
        }
    }
    return false;
}

static int find_file(char path[PATH_MAX], struct em_why *why)
{
    const char *named = getenv("MP_CONFIG_FILE"), *dirs = getenv("NAGIOS_CONFIG_PATH");

    if (named && *named && slice_copy(slice_of(named), path, PATH_MAX))
        return 0;
    if ((dirs && find_in(dirs, path)) || find_in(usual, path))
        return 0;
    return em_fail(why, EM_ERR_INPUT,
                   OPTION ": there is no file of options; name one: " OPTION "=@FILE, or make "
                          "/etc/monitoring-plugins/monitoring-plugins.ini");
}

/* One --extra-opts; what: "SECTION@FILE", both optional. */
static int expand(struct extra_opts *x, const char *program, struct slice what, struct em_why *why)
{
    static char text[EXTRA_FILE_MAX];
    char section[EXTRA_NAME_MAX], path[PATH_MAX], shown[256], file[256];
    size_t at = slice_find_char(what, '@');
    struct slice name = slice_upto(what, at);
    ssize_t n;
    int found;

    if (!slice_copy(name.n > 0 ? name : slice_of(program), section, sizeof section))
        return em_fail(why, EM_ERR_INPUT, OPTION ": the section's name is too long");
    if (at != SIZE_MAX) {
        if (!slice_copy(slice_from(what, at + 1), path, sizeof path) || *path == '\0')
            return em_fail(why, EM_ERR_INPUT, OPTION ": no file's name behind @, or one that is too long");
    } else if (find_file(path, why) < 0) {
        return EM_ERR_INPUT;
    }
    n = read_whole(path, text, why);
    if (n < 0)
        return (int)n;
    found = extra_opts_section(x, (struct slice) { text, (size_t)n }, section, why);
    explicit_bzero(text, sizeof text);
    if (found == 0)
        return em_fail(why, EM_ERR_INPUT, OPTION ": %s has no section [%s]",
                       esc_line_into(file, sizeof file, slice_of(path)),
                       esc_line_into(shown, sizeof shown, slice_of(section)));
    return found < 0 ? found : 0;
}

int extra_opts_expand(struct extra_opts *x, const char *program, int argc, char **argv,
                      bool (*takes_value)(const char *arg), char **list, struct em_why *why)
{
    struct slice option = SLICE(OPTION);
    size_t n = 0, typed = 0;
    int err = 0;

    /* What was typed goes behind the room that what files hold may need, and is moved up afterwards. */
    char **kept = list + 1 + EXTRA_ARGS_MAX;

    for (int i = 1; i < argc && err == 0; i++) {
        struct slice arg = slice_of(argv[i]), value = slice_from(arg, option.n + 1);
        bool is_one = slice_starts(arg, option) && (arg.n == option.n || arg.p[option.n] == '=');

        if (slice_eq(arg, SLICE("--"))) {
            while (i < argc)
                kept[typed++] = argv[i++];
            break;
        }
        if (is_one) {
            err = expand(x, program, value, why);
            continue;
        }
        kept[typed++] = argv[i];
        if (takes_value(argv[i]) && i + 1 < argc)
            kept[typed++] = argv[++i];
    }
    if (err < 0)
        return err;
    list[n++] = argv[0];
    memcpy(list + n, x->args, x->args_n * sizeof *list);
    n += x->args_n;
    memmove(list + n, kept, typed * sizeof *list);
    n += typed;
    list[n] = NULL;
    return (int)n;
}

void extra_opts_clear(struct extra_opts *x)
{
    while (x->pools_n > 0) {
        x->pools_n--;
        explicit_bzero(x->pools[x->pools_n].p, x->pools[x->pools_n].n);
        free(x->pools[x->pools_n].p);
    }
    x->args_n = 0;
}
