/* SPDX-License-Identifier: GPL-3.0-or-later
 * A fork and a pipe: the parent reads one byte, or the end of the pipe and the child's status. */
#include "agent/background.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

enum { EXIT_LOST = 2 };

static _Noreturn void wait_for(pid_t child, int fd)
{
    char byte;
    ssize_t n;
    int status;

    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(0);
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) != 0)
        _exit(WEXITSTATUS(status));
    _exit(EXIT_LOST);
}

int em_background(struct em_why *why)
{
    int fd[2];
    pid_t child;

    if (pipe2(fd, O_CLOEXEC) != 0)
        return em_fail(why, EM_ERR_SYSTEM, "cannot go to the background: %s", strerror(errno));
    if ((child = fork()) < 0) {
        close(fd[0]);
        close(fd[1]);
        return em_fail(why, EM_ERR_SYSTEM, "cannot go to the background: %s", strerror(errno));
    }
    if (child > 0) {
        close(fd[1]);
        wait_for(child, fd[0]);
    }
    close(fd[0]);
    setsid();
    return fd[1];
}

void em_background_ready(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    em_log_to_syslog("edgemediad");
    for (int i = STDIN_FILENO; null >= 0 && i <= STDERR_FILENO; i++)
        dup2(null, i);
    if (null > STDERR_FILENO)
        close(null);
    (void)!write(fd, "", 1);
    close(fd);
}
