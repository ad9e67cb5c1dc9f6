/* SPDX-License-Identifier: GPL-3.0-or-later
 * Starting and ending edgemedia-sql; see sql_process.h. */
#include "source/sql_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "edgemedia-sql"

static void find_program(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof "/" PROGRAM);
    char *slash;

    path[n > 0 ? n : 0] = '\0';
    if ((slash = strrchr(path, '/'))) {
        memcpy(slash + 1, PROGRAM, sizeof PROGRAM);
        if (access(path, X_OK) == 0)
            return;
    }
    (void)snprintf(path, PATH_MAX, "%s/%s", EM_LIBEXECDIR, PROGRAM);
}

/* The socket is its input and output; what a driver prints is not ours to pass on. No signal of ours is blocked or ignored in it. */
static int spawn(const char *path, int theirs, pid_t *pid)
{
    char *argv[] = { (char[]) { PROGRAM }, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    int err;

    if ((err = posix_spawn_file_actions_init(&files)) != 0)
        return err;
    if ((err = posix_spawnattr_init(&how)) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return err;
    }
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_adddup2(&files, theirs, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, theirs, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    err = posix_spawn(pid, path, &files, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return err;
}

int sql_process_start(struct sql_process *p, struct em_why *why)
{
    char path[PATH_MAX];
    int fds[2], err;

    find_program(path);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return em_fail(why, EM_ERR_SYSTEM, "no socket for %s: %s", PROGRAM, strerror(errno));
    if ((err = spawn(path, fds[1], &p->pid)) != 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
        close(fds[0]);
        close(fds[1]);
        *p = (struct sql_process) { 0 };
        return em_fail(why, EM_ERR_SYSTEM, "%s cannot be started: %s; is it installed?", path, strerror(err));
    }
    close(fds[1]);
    p->fd = fds[0];
    return 0;
}

void sql_process_end(struct sql_process *p)
{
    if (p->pid > 0)
        (void)kill(p->pid, SIGKILL); /* not waited for yet, so the number is still its own */
    if (p->fd > 0)
        close(p->fd);
    p->fd = 0;
}

bool sql_process_over(struct sql_process *p, char *how, size_t size)
{
    int status = 0;

    if (p->pid <= 0)
        return true;
    if (waitpid(p->pid, &status, WNOHANG) == 0)
        return false;
    if (WIFSIGNALED(status))
        (void)snprintf(how, size, "was ended by signal %d: the driver crashed, or somebody killed it",
                       WTERMSIG(status));
    else
        (void)snprintf(how, size, "ended with status %d", WEXITSTATUS(status));
    if (p->fd > 0)
        close(p->fd);
    *p = (struct sql_process) { 0 };
    return true;
}
