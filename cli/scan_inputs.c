/* SPDX-License-Identifier: GPL-3.0-or-later
 * Directories and patterns to lists of files. */
#include "cli/scan_inputs.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/esc.h"

static bool make_room(struct scan_inputs *in)
{
    size_t room = in->room ? 2 * in->room : 64;
    void *wide = realloc(in->path, room * sizeof *in->path);

    if (!wide)
        return false;
    in->path = wide;
    wide = realloc(in->listed, room * sizeof *in->listed);
    if (!wide)
        return false;
    in->listed = wide;
    in->room = room;
    return true;
}

static int add(struct scan_inputs *in, const char *path, bool listed, struct em_why *why)
{
    if (in->n == SCAN_INPUTS_MAX)
        return em_fail(why, EM_ERR_LIMIT, "more than %d files; scan fewer at a time", SCAN_INPUTS_MAX);
    if (in->n == in->room && !make_room(in))
        return em_fail(why, EM_ERR_MEMORY, "no memory for the names of the files");
    in->path[in->n] = strdup(path);
    if (!in->path[in->n])
        return em_fail(why, EM_ERR_MEMORY, "no memory for the names of the files");
    in->listed[in->n++] = listed;
    return 0;
}

static int no_dots(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* A link to a file is a file, a link to a directory is not followed: it may lead back. */
static int add_directory(struct scan_inputs *in, const char *dir, unsigned depth, struct em_why *why)
{
    struct dirent **names;
    char shown[256], path[PATH_MAX];
    int n = scandir(dir, &names, no_dots, alphasort), err = 0;

    if (n < 0) {
        int reason = errno;

        esc_line_into(shown, sizeof shown, slice_of(dir));
        return em_fail(why, EM_ERR_SYSTEM, "%s cannot be listed: %s", shown, strerror(reason));
    }
    for (int i = 0; i < n; i++) {
        struct stat st;
        int used = snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);

        free(names[i]);
        if (err || used < 0 || (size_t)used >= sizeof path || lstat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < SCAN_INPUTS_DEPTH)
            err = add_directory(in, path, depth + 1, why);
        else if (S_ISREG(st.st_mode) || (S_ISLNK(st.st_mode) && stat(path, &st) == 0 && S_ISREG(st.st_mode)))
            err = add(in, path, true, why);
    }
    free(names);
    return err;
}

static int add_matches(struct scan_inputs *in, const char *pattern, struct em_why *why)
{
    glob_t found;
    int err = 0;

    if (glob(pattern, 0, NULL, &found) != 0)
        return add(in, pattern, false, why);
    for (size_t i = 0; !err && i < found.gl_pathc; i++) {
        struct stat st;

        if (stat(found.gl_pathv[i], &st) == 0 && S_ISDIR(st.st_mode))
            err = add_directory(in, found.gl_pathv[i], 0, why);
        else
            err = add(in, found.gl_pathv[i], false, why);
    }
    globfree(&found);
    return err;
}

int scan_inputs_add(struct scan_inputs *in, const char *name, struct em_why *why)
{
    struct stat st;

    if (strcmp(name, "-") == 0)
        return add(in, name, false, why);
    if (stat(name, &st) == 0)
        return S_ISDIR(st.st_mode) ? add_directory(in, name, 0, why) : add(in, name, false, why);
    return strpbrk(name, "*?[") ? add_matches(in, name, why) : add(in, name, false, why);
}

void scan_inputs_free(struct scan_inputs *in)
{
    for (size_t i = 0; i < in->n; i++)
        free(in->path[i]);
    free(in->path);
    free(in->listed);
    *in = (struct scan_inputs) { 0 };
}
