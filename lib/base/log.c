/* SPDX-License-Identifier: GPL-3.0-or-later
 * Log lines to standard error, one write each. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"

static enum em_log_level limit = EM_LOG_INFO;
static bool to_syslog;

void em_log_set_level(enum em_log_level level)
{
    limit = level;
}

enum em_log_level em_log_level(void)
{
    return limit;
}

void em_log_to_syslog(const char *ident)
{
    openlog(ident, LOG_PID, LOG_DAEMON);
    to_syslog = true;
}

void em_log(enum em_log_level level, const char *fmt, ...)
{
    static const struct {
        const char *word;
        int priority; /* sd-daemon(3) */
    } levels[] = { { "error", 3 }, { "warning", 4 }, { "info", 6 }, { "debug", 7 } };
    char line[EM_LOG_LINE_MAX], time[EM_TIME_TEXT_MAX];
    struct buf b = buf_over(line, sizeof line - 1);
    va_list ap;
    ssize_t written;
    int n;

    if (level > limit)
        return;
    if (to_syslog) {
        va_start(ap, fmt);
        vsyslog(levels[level].priority, fmt, ap);
        va_end(ap);
        return;
    }
    if (getenv("JOURNAL_STREAM")) {
        buf_print(&b, "<%d>", levels[level].priority);
    } else {
        em_time_text(em_clock_system.wall_us(NULL), time);
        buf_print(&b, "%s %s: ", time, levels[level].word);
    }
    va_start(ap, fmt);
    n = vsnprintf(line + b.n, sizeof line - 1 - b.n, fmt, ap);
    va_end(ap);
    b.n += n < 0 ? 0
                 : (size_t)n; /* negative: a wide character that cannot be written, more than INT_MAX bytes */
    if (b.n > sizeof line - 2)
        b.n = sizeof line - 2;
    line[b.n] = '\n';
    written = write(STDERR_FILENO, line, b.n + 1);
    (void)written; /* there is no better place to complain to */
}
