/* SPDX-License-Identifier: GPL-3.0-or-later
 * The watchdog: an interval timer, and a handler that only writes a line and exits. */
#include "plugins/guard.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"

enum { MARGIN_PART = 10, MARGIN_MAX_US = 300000 };

struct phase {
    const char *doing;
    enum state state;
};

/* Read in signal handlers: two slots, and which of them is valid. */
static struct phase phases[2] = { { "starting", STATE_UNKNOWN }, { NULL, STATE_UNKNOWN } };
static atomic_int current;
static enum state silence_state = STATE_UNKNOWN;
static int64_t deadline_us;
static volatile sig_atomic_t as_json;

static void put(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        return; /* nobody reads: the exit status is all that is left */
}

static void on_signal(int sig)
{
    const struct phase *p = &phases[atomic_load(&current)];
    enum state s = sig == SIGALRM ? p->state : STATE_UNKNOWN;

    const char digit[2] = { (char)('0' + (int)s), '\0' };

    put(as_json ? "{\"schema_version\":1,\"state\":\"" : "EDGE MEDIA ");
    put(state_name(s));
    if (as_json) {
        put("\",\"exit_code\":");
        put(digit);
    }
    put(as_json ? ",\"summary\":\"" : " - ");
    put(sig == SIGALRM ? "timed out while " : "stopped by a signal while ");
    put(p->doing);
    put(as_json ? "\",\"problems\":[],\"details\":[],\"perfdata\":[]}\n" : "\n");
    _exit((int)s);
}

void guard_json(void)
{
    as_json = 1;
}

void guard_start(void)
{
    static const int ending[] = { SIGALRM, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU };
    struct sigaction sa = { .sa_handler = on_signal };
    sigset_t none;

    sigfillset(&sa.sa_mask);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        sigaction(ending[i], &sa, NULL);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);
    sigaction(SIGXFSZ, &sa, NULL); /* a limit on files is an error of write(2), which is reported */
    sigemptyset(&none);            /* a parent may have left SIGALRM blocked */
    sigprocmask(SIG_SETMASK, &none, NULL);
    guard_arm(10 * EM_US_PER_S, STATE_UNKNOWN);
}

void guard_arm(int64_t timeout_us, enum state silence)
{
    int64_t margin = timeout_us / MARGIN_PART;
    struct itimerval t = { .it_value = { timeout_us / EM_US_PER_S, timeout_us % EM_US_PER_S } };

    silence_state = silence;
    deadline_us =
        em_mono_us(&em_clock_system) + timeout_us - (margin < MARGIN_MAX_US ? margin : MARGIN_MAX_US);
    setitimer(ITIMER_REAL, &t, NULL);
}

void guard_phase(const char *doing, bool peer)
{
    int next = 1 - atomic_load(&current);

    phases[next] = (struct phase) { doing, peer ? silence_state : STATE_UNKNOWN };
    atomic_store(&current, next);
}

int64_t guard_left_us(void)
{
    int64_t left = deadline_us - em_mono_us(&em_clock_system);

    return left > 0 ? left : 0;
}

void guard_stop(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}
