/* SPDX-License-Identifier: GPL-3.0-or-later
 * Writing the report: beside its place first, then put there. */
#include "cli/scan_report.h"

#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/esc.h"
#include "cli/cli.h"

static int fail(const char *path, int reason, struct em_why *why)
{
    char shown[256];

    esc_line_into(shown, sizeof shown, slice_of(path));
    return em_fail(why, EM_ERR_SYSTEM,
                   "the report %s cannot be written: %s; name a file in a directory of yours", shown,
                   strerror(reason));
}

/* A name beside path for what is not whole yet. false: too long. */
static bool beside(const char *path, char to[PATH_MAX])
{
    int n = snprintf(to, PATH_MAX, "%s.XXXXXX", path);

    return n > 0 && n < PATH_MAX;
}

int scan_report_begin(struct scan_report *r, const char *path, struct em_why *why)
{
    char temp[PATH_MAX];
    struct stat st;
    int fd;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return fail(path, S_ISDIR(st.st_mode) ? EISDIR : EEXIST, why);
    if (!beside(path, temp))
        return fail(path, ENAMETOOLONG, why);
    fd = mkstemp(temp);
    if (fd < 0)
        return fail(path, errno, why);
    close(fd);
    (void)unlink(temp);
    r->tally = em_tally_new();
    if (!r->tally)
        return em_fail(why, EM_ERR_MEMORY, "%s", em_err_text(EM_ERR_MEMORY));
    r->path = path;
    return 0;
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

int scan_report_write(struct scan_report *r, struct em_report_page *page, struct em_why *why)
{
    struct buf b = buf_heap(CLI_OUTPUT_MAX);
    char temp[PATH_MAX];
    int fd, err = 0;

    page->tally = r->tally;
    page->version = PACKAGE_VERSION;
    em_expo_report(page, &b);
    fd = b.full || !beside(r->path, temp) ? -1 : mkstemp(temp);
    if (fd < 0) {
        err = fail(r->path, b.full ? ENOMEM : errno, why);
    } else if (!write_all(fd, &b) || rename(temp, r->path) != 0) {
        err = fail(r->path, errno, why);
        (void)unlink(temp);
    }
    buf_fini(&b);
    return err;
}

void scan_report_end(struct scan_report *r)
{
    em_tally_free(r->tally);
    r->tally = NULL;
}
