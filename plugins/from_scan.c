/* SPDX-License-Identifier: GPL-3.0-or-later
 * Trace files as a source: counts all of them in memory, de-duplicated over all, as `edgemedia scan` does. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/esc.h"
#include "base/hash.h"
#include "evidence/scan.h"
#include "plugins/guard.h"
#include "plugins/source.h"

static bool in_time(void *arg, uint64_t bytes)
{
    (void)arg;
    (void)bytes;
    return guard_left_us() > 0;
}

static int scan_file(struct em_scan *s, const char *path, struct em_why *why)
{
    char shown[EM_URI_MAX];
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int err;

    esc_line_into(shown, sizeof shown, slice_of(path));
    if (fd < 0)
        return em_fail(why, EM_ERR_SYSTEM, "cannot read %s: %s", shown, strerror(errno));
    err = em_scan_fd(s, fd, shown, in_time, NULL, why);
    close(fd);
    if (err == 0 && guard_left_us() == 0)
        err = em_fail(why, EM_ERR_LIMIT,
                      "reading %s takes longer than --timeout allows: use edgemediad, which reads on", shown);
    return err;
}

int source_scan(const struct conf *c, struct facts *f, struct em_why *why)
{
    struct em_scan *s = em_scan_new(NULL, NULL);
    uint64_t names = 0;
    int err = 0;

    for (size_t i = 0; i < c->scans.n; i++)
        names = em_hash(&em_hash_key_fixed, c->scans.item[i], strlen(c->scans.item[i])) ^
                (names << 1 | names >> 63);
    snprintf(f->origin, sizeof f->origin, "files %016llx",
             (unsigned long long)names); /* a state file is for one list of files */
    guard_phase("reading the trace files", false);
    if (!s)
        return em_fail(why, EM_ERR_MEMORY, "no memory");
    for (size_t i = 0; i < c->scans.n && err == 0; i++)
        err = scan_file(s, c->scans.item[i], why);
    if (err == 0) {
        f->totals = em_scan_result(s)->totals;
        f->have_calls = true;
    }
    em_scan_free(s);
    return err;
}
