/* SPDX-License-Identifier: GPL-3.0-or-later
 * sd_notify(3) in a few lines: one datagram, to a path or (with a leading @) to an abstract address. */
#include "agent/notify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/opt.h"

void em_notify(const char *state)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const char *path = getenv("NOTIFY_SOCKET");
    size_t n = path ? strlen(path) : 0;
    int fd;

    if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return;
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

int64_t em_notify_watchdog_us(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t n;

    if (!us || !em_read_uint(us, 1, INT64_MAX, &n))
        return 0;
    if (pid && (!em_read_uint(pid, 1, INT32_MAX, &(uint64_t) { 0 }) ||
                strtoul(pid, NULL, 10) != (unsigned long)getpid()))
        return 0;
    return (int64_t)(n / 2);
}
