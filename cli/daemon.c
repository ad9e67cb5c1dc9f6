/* SPDX-License-Identifier: GPL-3.0-or-later
 * The control socket's client: one GET, HTTP/1.0, so the daemon ends its answer by closing. By hand, since an HTTP library would make every
 * start of the command slower and three times as large. */
#include "cli/daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/esc.h"
#include "base/opt.h"
#include "base/slice.h"

enum { TIMEOUT_S = 30, OK = 200, HEAD_MAX = 16 * 1024, PIECE = 64 * 1024 };

/* The answer as it comes: the head is collected until its end, what follows is the body. */
struct answer {
    char head[HEAD_MAX];
    size_t head_n;
    bool in_body;
    unsigned status;
    uint64_t length; /* UINT64_MAX: not told */
    struct buf *body;
};

static int broken(struct em_why *why, const char *socket, const char *what)
{
    return em_fail(why, EM_ERR_SYSTEM, "edgemediad at %s: %s", socket, what);
}

static int open_socket(const char *path, struct em_why *why)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd;

    if (!slice_copy(slice_of(path), at.sun_path, sizeof at.sun_path))
        return em_fail(why, EM_ERR_INPUT, "%s: the path of a socket has at most %zu bytes", path,
                       sizeof at.sun_path - 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    em_fail(why, EM_ERR_SYSTEM,
            "cannot reach edgemediad at %s: %s; is it running, is --socket right, and may you write to it?",
            path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return EM_ERR_SYSTEM;
}

enum { REQUEST_MAX = 4096 };

static bool send_request(int fd, const char *path)
{
    char text[REQUEST_MAX];
    struct buf b = buf_over(text, sizeof text);
    size_t at = 0;

    buf_print(&b, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
    while (!b.full && at < b.n) {
        ssize_t n = send(fd, b.p + at, b.n - at, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return !b.full;
}

static struct slice next_line(struct slice *rest)
{
    const char *end = memchr(rest->p, '\n', rest->n);
    size_t n = end ? (size_t)(end - rest->p) + 1 : rest->n;
    struct slice line = slice_upto(*rest, n);

    *rest = (struct slice) { rest->p + n, rest->n - n };
    return slice_trim(line);
}

/* "HTTP/1.0 200 OK", then lines up to an empty one. */
static bool read_head(struct answer *a)
{
    struct slice rest = { a->head, a->head_n }, line = next_line(&rest);
    char number[16];
    uint64_t status;

    if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 ||
        !slice_copy((struct slice) { line.p + 9, 3 }, number, sizeof number) ||
        !em_read_uint(number, 100, 599, &status))
        return false;
    a->status = (unsigned)status;
    a->length = UINT64_MAX;
    while (rest.n > 0) {
        static const char name[] = "content-length:";

        line = next_line(&rest);
        if (line.n >= sizeof name - 1 && strncasecmp(line.p, name, sizeof name - 1) == 0 &&
            (!slice_copy(slice_trim((struct slice) { line.p + sizeof name - 1, line.n - (sizeof name - 1) }),
                         number, sizeof number) ||
             !em_read_uint(number, 0, UINT64_MAX - 1, &a->length)))
            return false;
    }
    return true;
}

/* False: this is no HTTP. */
static bool take(struct answer *a, const char *p, size_t n)
{
    while (n > 0 && !a->in_body) {
        if (a->head_n == sizeof a->head)
            return false;
        a->head[a->head_n++] = *p++;
        n--;
        a->in_body = a->head_n >= 4 && memcmp(a->head + a->head_n - 4, "\r\n\r\n", 4) == 0;
        if (a->in_body && !read_head(a))
            return false;
    }
    buf_bytes(a->body, p, n);
    return true;
}

static int receive(int fd, struct answer *a, const char *socket, struct em_why *why)
{
    int64_t end = em_mono_us(&em_clock_system) + TIMEOUT_S * EM_US_PER_S;
    char piece[PIECE];

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = end - em_mono_us(&em_clock_system);
        ssize_t n;

        if (left <= 0 || poll(&p, 1, (int)(left / EM_US_PER_MS) + 1) == 0)
            return broken(why, socket, "no answer within 30 seconds");
        n = recv(fd, piece, sizeof piece, 0);
        if (n < 0 && errno != EINTR)
            return broken(why, socket, strerror(errno));
        if (n > 0 && !take(a, piece, (size_t)n))
            return broken(why, socket, "what listens there does not speak HTTP");
        if (a->body->full)
            return broken(why, socket, "the answer is too large");
        if (n == 0 || (a->in_body && a->body->n >= a->length))
            break;
    }
    if (!a->in_body || (a->length != UINT64_MAX && a->body->n < a->length))
        return broken(why, socket, "the answer ended too early");
    return 0;
}

static int check(const struct answer *a, const char *socket, const char *path, struct em_why *why)
{
    struct slice text = { (const char *)a->body->p, a->body->n };
    char shown[128];

    if (a->status == OK)
        return 0;
    return em_fail(why, EM_ERR_SYSTEM, "edgemediad at %s answered %u to %s: %s", socket, a->status, path,
                   esc_line_into(shown, sizeof shown, slice_trim(text)));
}

int cli_daemon_get(const char *socket, const char *path, struct buf *body, struct em_why *why)
{
    struct answer a = { .body = body };
    int fd = open_socket(socket, why), err;

    if (fd < 0)
        return fd;
    err = send_request(fd, path) ? receive(fd, &a, socket, why) : broken(why, socket, strerror(errno));
    close(fd);
    return err ? err : check(&a, socket, path, why);
}

void cli_daemon_parameter(struct buf *path, const char *name, const char *value)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    if (!value || !*value)
        return;
    buf_print(path, "&%s=", name);
    for (; *value; value++)
        if (strchr(unreserved, *value))
            buf_u8(path, (uint8_t)*value);
        else
            buf_print(path, "%%%02X", (unsigned char)*value);
}
