/* SPDX-License-Identifier: GPL-3.0-or-later
 * The worker process of a SQL source: started, and ended in whatever state it is. It is the program edgemedia-sql, beside our own executable (a
 * tree that is not installed) or in the directory of programs that only programs call.
 */
#ifndef EM_SOURCE_SQL_PROCESS_H
#define EM_SOURCE_SQL_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct sql_process { /* {0}: none */
    pid_t pid;
    int fd; /* both ways; does not block */
};

int sql_process_start(struct sql_process *p, struct em_why *why) EM_MUST_CHECK;
/* Kills it if it is still there; closes the socket. It is to be waited for yet. */
void sql_process_end(struct sql_process *p);
/* Whether it is over, and then, how, as a phrase; *p is {0} again. Does not wait. */
bool sql_process_over(struct sql_process *p, char *how, size_t size);

#endif
