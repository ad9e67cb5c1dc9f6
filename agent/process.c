/* SPDX-License-Identifier: GPL-3.0-or-later
 * process_cpu_seconds_total and its family, from /proc/self. */
#include "agent/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/slice.h"

/* Fields of /proc/self/stat behind the ")" of the command's name, counted from 0 = state: proc(5) fields 3 and up. */
enum { STAT_START = 19, STAT_VSIZE = 20, STAT_RSS = 21, STAT_FIELDS = 22 };

struct sample {
    const char *name, *type, *unit, *help; /* name without _total */
    bool known;
    uint64_t whole, micro;
};

static bool read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    to[n] = '\0';
    return true;
}

static bool read_stat(uint64_t field[STAT_FIELDS])
{
    char text[1024];
    const char *behind;
    struct slice s;

    if (!read_file("/proc/self/stat", text, sizeof text) || !(behind = strrchr(text, ')')))
        return false;
    s = slice_of(behind + 1);
    for (size_t i = 0; i < STAT_FIELDS; i++) {
        slice_skip_blanks(&s);
        field[i] = 0;
        if (!slice_u64(&s, UINT64_MAX, &field[i])) /* a letter or a negative number: of no use here */
            s = slice_from(s, slice_find_char(s, ' '));
    }
    return true;
}

static uint64_t boot_time(void)
{
    char text[16384];
    const char *at = read_file("/proc/stat", text, sizeof text) ? strstr(text, "\nbtime ") : NULL;
    struct slice s = slice_of(at ? at + strlen("\nbtime ") : "");
    uint64_t t = 0;

    return slice_u64(&s, UINT64_MAX, &t) ? t : 0;
}

static uint64_t open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the directory's own */
}

static void write_sample(struct buf *to, const struct sample *s, bool openmetrics)
{
    const char *total = strcmp(s->type, "counter") == 0 ? "_total" : "";

    if (!s->known)
        return;
    if (openmetrics) {
        buf_print(to, "# TYPE %s %s\n", s->name, s->type);
        if (s->unit)
            buf_print(to, "# UNIT %s %s\n", s->name, s->unit);
        buf_print(to, "# HELP %s %s\n", s->name, s->help);
    } else {
        buf_print(to, "# HELP %s%s %s\n# TYPE %s%s %s\n", s->name, total, s->help, s->name, total, s->type);
    }
    buf_print(to, "%s%s %" PRIu64, s->name, total, s->whole);
    if (s->micro)
        buf_print(to, ".%06" PRIu64, s->micro);
    buf_u8(to, '\n');
}

void em_process_metrics(bool openmetrics, struct buf *to)
{
    uint64_t f[STAT_FIELDS] = { 0 }, boot = boot_time(), ticks = (uint64_t)sysconf(_SC_CLK_TCK),
             fds = open_descriptors();
    struct rusage u = { 0 };
    struct rlimit limit = { 0 };
    bool stat = read_stat(f), usage = getrusage(RUSAGE_SELF, &u) == 0,
         limited = getrlimit(RLIMIT_NOFILE, &limit) == 0;
    uint64_t cpu_us = (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    const struct sample all[] = {
        { "process_cpu_seconds", "counter", "seconds", "Processor time used.", usage,
          (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + cpu_us / 1000000, cpu_us % 1000000 },
        { "process_open_fds", "gauge", NULL, "Open file descriptors.", fds > 0, fds, 0 },
        { "process_max_fds", "gauge", NULL, "Open file descriptors allowed.", limited, limit.rlim_cur, 0 },
        { "process_resident_memory_bytes", "gauge", "bytes", "Resident memory.", stat,
          f[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE), 0 },
        { "process_virtual_memory_bytes", "gauge", "bytes", "Virtual memory.", stat, f[STAT_VSIZE], 0 },
        { "process_start_time_seconds", "gauge", "seconds", "When the process started, in Unix time.",
          stat && boot > 0, boot + f[STAT_START] / ticks, f[STAT_START] % ticks * 1000000 / ticks },
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        write_sample(to, &all[i], openmetrics);
}
