/* SPDX-License-Identifier: GPL-3.0-or-later
 * sd_notify(3) in a few lines: one datagram, to a path or (with a leading @) to an abstract address; and sd_listen_fds(3). */
#include "agent/notify.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/opt.h"

enum { FIRST_FD = 3, KEPT_MAX = 1024 /* descriptors that are taken */ };

/* False: nobody wants to hear. */
static bool address(struct sockaddr_un *to, socklen_t *length)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t n = path ? strlen(path) : 0;

    *to = (struct sockaddr_un) { .sun_family = AF_UNIX };
    if (n < 2 || n >= sizeof to->sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(to->sun_path, path, n);
    if (path[0] == '@')
        to->sun_path[0] = '\0';
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return true;
}

bool em_notify_fd(const char *state, int fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { .room = { 0 } };
    struct sockaddr_un to;
    struct iovec text = { .iov_len = strlen(state) };
    struct msghdr m = { .msg_name = &to, .msg_iov = &text, .msg_iovlen = 1 };
    ssize_t sent;
    int s;

    if (!address(&to, &m.msg_namelen))
        return true;
    memcpy(&text.iov_base, &state, sizeof state); /* which has no const */
    if (fd >= 0) {
        control.header = (struct cmsghdr) { CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        m.msg_control = &control;
        m.msg_controllen = sizeof control.room;
    }
    if ((s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return false;
    sent = sendmsg(s, &m, MSG_NOSIGNAL);
    (void)close(s);
    return sent >= 0;
}

void em_notify(const char *state)
{
    (void)em_notify_fd(state, -1);
}

/* A variable of systemd's that has a number in it; 0: it has none. */
static uint64_t number(const char *variable, uint64_t most)
{
    const char *text = getenv(variable);
    uint64_t n = 0;

    return text && em_read_uint(text, 1, most, &n) ? n : 0;
}

void em_notify_kept(void (*take)(void *arg, const char *name, int fd), void *arg)
{
    uint64_t n = number("LISTEN_PID", INT32_MAX) == (uint64_t)getpid() ? number("LISTEN_FDS", KEPT_MAX) : 0;
    const char *names = getenv("LISTEN_FDNAMES");
    char *all = strdup(names ? names : ""), *rest = all;

    for (uint64_t i = 0; all && i < n; i++) {
        const char *name = strsep(&rest, ":");
        int fd = FIRST_FD + (int)i;

        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
            take(arg, name ? name : "", fd);
    }
    free(all);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
}

int64_t em_notify_watchdog_us(void)
{
    if (getenv("WATCHDOG_PID") && number("WATCHDOG_PID", INT32_MAX) != (uint64_t)getpid())
        return 0;
    return (int64_t)(number("WATCHDOG_USEC", INT64_MAX) / 2);
}
