/* SPDX-License-Identifier: GPL-3.0-or-later
 * Showing something again and again, until Ctrl-C: in place on a terminal, one frame behind the other elsewhere.
 *
 * On a terminal the frames are on the alternate screen, each is written at once over the one before, so that nothing flickers, and is cut
 * to the window; however the program ends, is stopped or goes on, the terminal is as it was. What is kept is one frame.
 */
#ifndef EM_CLI_WATCH_H
#define EM_CLI_WATCH_H

#include "cli/cli.h"

struct cli_watch {
    int (*frame)(void *arg,
                 struct buf *to); /* appends lines; returns an enum cli_exit. A failure is text, too */
    void *arg;
    const char
        *what; /* the first line of a frame, with the time behind; NULL: frames are nothing but lines */
    int64_t interval_us; /* from the end of one frame to the next */
    uint64_t frames;     /* 0: until a signal comes */
};

/* Returns what the last frame returned; so does the process when a signal ends it. CLI_FAILED: standard output cannot be written. */
int cli_watch(const struct cli_watch *w);

#endif
