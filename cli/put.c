/* SPDX-License-Identifier: GPL-3.0-or-later
 * Files that appear whole: written beside their place, then put there. */
#include "cli/put.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/esc.h"

static int fail(const char *what, const char *path, int reason, struct em_why *why)
{
    char shown[256];

    esc_line_into(shown, sizeof shown, slice_of(path));
    return em_fail(why, EM_ERR_SYSTEM, "the %s %s cannot be written: %s; name a file in a directory of yours",
                   what, shown, strerror(reason));
}

/* A name beside path for what is not whole yet. false: too long. */
static bool beside(const char *path, char to[CLI_PUT_PATH_MAX])
{
    int n = snprintf(to, CLI_PUT_PATH_MAX, "%s.XXXXXX", path);

    return n > 0 && n < CLI_PUT_PATH_MAX;
}

/* All of b into fd, which is closed; as readable as any file that this user makes. */
static bool write_all(int fd, const struct buf *b)
{
    mode_t mask = umask(0);
    bool ok = fchmod(fd, 0666 & ~mask) == 0;
    size_t done = 0;

    (void)umask(mask);
    while (ok && done < b->n) {
        ssize_t n = write(fd, b->p + done, b->n - done);

        ok = n > 0 || (n < 0 && errno == EINTR);
        done += n > 0 ? (size_t)n : 0;
    }
    ok = ok && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

int cli_put_try(const char *what, const char *path, struct em_why *why)
{
    char temp[CLI_PUT_PATH_MAX];
    struct stat st;
    int fd;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return fail(what, path, S_ISDIR(st.st_mode) ? EISDIR : EEXIST, why);
    if (!beside(path, temp))
        return fail(what, path, ENAMETOOLONG, why);
    fd = mkstemp(temp);
    if (fd < 0)
        return fail(what, path, errno, why);
    close(fd);
    (void)unlink(temp);
    return 0;
}

bool cli_put_beside(const char *path, const struct buf *b, char temp[CLI_PUT_PATH_MAX])
{
    int fd, reason;

    errno = b->full ? ENOMEM : ENAMETOOLONG;
    if (b->full || !beside(path, temp) || (fd = mkstemp(temp)) < 0)
        return false;
    if (write_all(fd, b))
        return true;
    reason = errno;
    (void)unlink(temp);
    errno = reason;
    return false;
}

int cli_put(const char *what, const char *path, const struct buf *b, struct em_why *why)
{
    char temp[CLI_PUT_PATH_MAX];
    int err;

    if (!cli_put_beside(path, b, temp))
        return fail(what, path, errno, why);
    if (rename(temp, path) == 0)
        return 0;
    err = fail(what, path, errno, why);
    (void)unlink(temp);
    return err;
}
