/* SPDX-License-Identifier: GPL-3.0-or-later
 * Mapped files, and what happens when one gets shorter. */
#include "evidence/mapped.h"

#include <assert.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the handler may touch. Written before the handler is installed, and by it. */
static struct {
    volatile uintptr_t from, to; /* the mapping, whole pages */
    volatile sig_atomic_t cut;
    uintptr_t page;
} guard;

/* Puts zeros from the page that faulted to the end. mmap(2) is a bare system call on Linux and safe here. A fault that is not ours, or
 * that cannot be mended, comes again and ends the process. */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr & ~(guard.page - 1);
    void *zeros = MAP_FAILED;

    (void)context;
    if (at >= guard.from && at < guard.to)
        zeros = mmap((void *)at, guard.to - at, PROT_READ, /* NOLINT(performance-no-int-to-ptr) */
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED)
        signal(sig, SIG_DFL);
    else
        guard.cut = 1;
}

bool mapped_open(struct mapped *m, int fd, uint64_t from, uint64_t to)
{
    struct sigaction act = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), n;
    struct stat st;
    void *base;

    assert(guard.to == 0 && from % page == 0);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size <= from)
        return false;
    n = (to < (uint64_t)st.st_size ? to : (uint64_t)st.st_size) - from;
    if (to <= from || n > SIZE_MAX / 2 || from > INT64_MAX)
        return false;
    base = mmap(NULL, (size_t)n, PROT_READ, MAP_PRIVATE, fd, (off_t)from);
    if (base == MAP_FAILED)
        return false;
    (void)madvise(base, (size_t)n, MADV_SEQUENTIAL);
    *m = (struct mapped) { .base = base, .n = (size_t)n, .from = from };
    guard.page = (uintptr_t)page;
    guard.cut = 0;
    guard.from = (uintptr_t)base;
    guard.to = guard.from + (((uintptr_t)n + page - 1) & ~(uintptr_t)(page - 1));
    sigemptyset(&act.sa_mask);
    if (sigaction(SIGBUS, &act, &m->before) == 0)
        return true;
    munmap(base, (size_t)n);
    guard.to = 0;
    return false;
}

void mapped_close(struct mapped *m)
{
    munmap((void *)(uintptr_t)m->base, m->n); /* NOLINT(performance-no-int-to-ptr) */
    guard.from = guard.to = 0;
    (void)sigaction(SIGBUS, &m->before, NULL);
}

void mapped_done(struct mapped *m, size_t at)
{
    size_t whole = at - at % (MAPPED_STEP / 2);

    if (whole <= m->gone)
        return;
    (void)madvise((void *)(uintptr_t)(m->base + m->gone),
                  whole - m->gone, /* NOLINT(performance-no-int-to-ptr) */
                  MADV_DONTNEED);
    m->gone = whole;
}

bool mapped_cut(const struct mapped *m, int fd)
{
    struct stat st;

    return guard.cut || (fstat(fd, &st) == 0 && (uint64_t)st.st_size < m->from + m->n);
}
