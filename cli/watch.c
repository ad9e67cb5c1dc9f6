/* SPDX-License-Identifier: GPL-3.0-or-later
 * Frames on a terminal, and elsewhere. */
#include "cli/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { ROWS_DEFAULT = 24, ROWS_MIN = 3 };

/* Alternate screen, no cursor, lines are cut at the right edge; and back. Terminals that do not know a sequence pass over it. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
/* A frame is shown when it is whole. */
#define FRAME_BEGIN "\033[?2026h\033[H"
#define FRAME_END "\033[J\033[?2026l"
#define LINE_END "\033[K\r\n"

static volatile sig_atomic_t last_status, on_screen;

static void say(const char *sequence)
{
    int kept = errno;

    if (on_screen && write(STDOUT_FILENO, sequence, strlen(sequence)) < 0)
        on_screen = 0; /* the terminal is gone */
    errno = kept;
}

static void end(int signal_number)
{
    (void)signal_number;
    say(LEAVE);
    _exit(last_status);
}

/* Ctrl-Z: whoever comes next finds the terminal in order. */
static void stop(int signal_number)
{
    (void)signal_number;
    say(LEAVE);
    (void)raise(SIGSTOP);
    say(ENTER);
}

static void nothing(int signal_number)
{
    (void)signal_number;
}

static void set_handlers(void)
{
    static const struct {
        int signal_number;
        void (*handler)(int);
    } rows[] = { { SIGINT, end },  { SIGTERM, end },  { SIGHUP, end },
                 { SIGQUIT, end }, { SIGTSTP, stop }, { SIGWINCH, nothing } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sigaction a = { .sa_handler = rows[i].handler };

        (void)sigemptyset(&a.sa_mask);
        (void)sigaction(rows[i].signal_number, &a, NULL);
    }
}

static unsigned rows_of_window(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        return ROWS_DEFAULT;
    return size.ws_row < ROWS_MIN ? ROWS_MIN : size.ws_row;
}

/* As many lines as there are rows; the last one says how many there is no room for. */
static void cut(struct buf *from, struct buf *to)
{
    struct slice rest = slice_of(buf_str(from)), line;
    unsigned room = rows_of_window(), left = 0;

    for (const char *p = rest.p; p < rest.p + rest.n; p++)
        left += *p == '\n';
    buf_text(to, FRAME_BEGIN);
    for (; left > 0 && (room > 1 || left == 1) && slice_until(&rest, '\n', &line); left--, room--) {
        buf_slice(to, line);
        buf_text(to, left > 1 || room > 1 ? LINE_END : "\033[K");
    }
    if (left > 0)
        buf_print(to, "(%u more lines)\033[K", left);
    buf_text(to, FRAME_END);
}

static bool deliver(struct buf *b)
{
    return cli_write(b) && fflush(stdout) == 0;
}

static bool draw(const struct cli_watch *w, bool first, struct buf *lines, struct buf *screen)
{
    char when[EM_TIME_TEXT_MAX];

    buf_reset(lines);
    if (w->what) {
        em_time_text(em_wall_us(&em_clock_system), when);
        buf_print(lines, "%s%s  %s\n\n", first || on_screen ? "" : "\n", w->what, when);
    }
    last_status = w->frame(w->arg, lines);
    if (!on_screen)
        return deliver(lines);
    cut(lines, screen);
    return deliver(screen);
}

/* A window that changes its size is drawn at once. */
static void rest_for(int64_t us)
{
    const struct timespec t = { us / EM_US_PER_S, us % EM_US_PER_S * 1000 };

    (void)nanosleep(&t, NULL);
}

int cli_watch(const struct cli_watch *w)
{
    struct buf lines = buf_heap(CLI_OUTPUT_MAX), screen = buf_heap(CLI_OUTPUT_MAX);
    bool good = true;

    last_status = CLI_GOOD;
    on_screen = w->what && isatty(STDOUT_FILENO);
    set_handlers();
    say(ENTER);
    for (uint64_t n = 0; good && (w->frames == 0 || n < w->frames); n++) {
        if (n > 0)
            rest_for(w->interval_us);
        good = draw(w, n == 0, &lines, &screen);
    }
    say(LEAVE);
    on_screen = 0;
    buf_fini(&lines);
    buf_fini(&screen);
    return good ? last_status : CLI_FAILED;
}
