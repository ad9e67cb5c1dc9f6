/* SPDX-License-Identifier: GPL-3.0-or-later
 * The control socket as a source: one HTTP GET over a Unix socket. */
#define CURL_DISABLE_TYPECHECK /* it takes functions by their names; ours are in a set */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/esc.h"
#include "base/late.h"
#include "expo/expo.h"
#include "plugins/guard.h"
#include "plugins/source.h"

/* clang-format off */
#define SYMBOLS(S) \
    S(curl_easy_setopt) S(curl_easy_perform) S(curl_easy_getinfo) S(curl_easy_strerror) \
    S(curl_global_init) S(curl_easy_init) S(curl_easy_cleanup) S(curl_global_cleanup)
/* clang-format on */
LATE_SET(lib, LATE_CURL, SYMBOLS);

enum { ANSWER_MAX = EM_EXPO_MAX };

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
    struct buf *answer = arg;

    buf_bytes(answer, p, size * n);
    return answer->full ? 0 : size * n; /* 0 ends the transfer */
}

/* Connecting by ourselves first tells errno, which curl keeps to itself. */
static int try_connect(const char *path, const char *shown, struct em_why *why)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct stat st;
    int fd, error;

    if (!slice_copy(slice_of(path), a.sun_path, sizeof a.sun_path))
        return em_fail(why, EM_ERR_INPUT, "the path of the control socket is longer than %zu characters",
                       sizeof a.sun_path - 1);
    if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return em_fail(why, EM_ERR_INPUT,
                       "%s is not a socket: --socket needs the control socket of edgemediad", shown);
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return em_fail(why, EM_ERR_SYSTEM, "no socket: %s", strerror(errno));
    error = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? 0 : errno;
    close(fd);
    if (error == 0 || error == EAGAIN) /* EAGAIN: the queue is full now; curl tries again and waits */
        return 0;
    if (error == ENOENT)
        return em_fail(why, EM_ERR_TIMEOUT,
                       "no control socket at %s: is edgemediad running, is that its path?", shown);
    if (error == ECONNREFUSED)
        return em_fail(why, EM_ERR_TIMEOUT, "nobody listens on %s: edgemediad is not running", shown);
    if (error == EACCES || error == EPERM)
        return em_fail(why, EM_ERR_SYSTEM, "no permission for %s: this user must be in the socket's group",
                       shown);
    return em_fail(why, EM_ERR_SYSTEM, "cannot connect to %s: %s", shown, strerror(error));
}

static bool set_up(CURL *curl, const struct conf *c, struct buf *answer)
{
    long ms = (long)(guard_left_us() / EM_US_PER_MS);

    return lib.curl_easy_setopt(curl, CURLOPT_URL, "http://localhost/api/v1/status") == CURLE_OK &&
           lib.curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket) == CURLE_OK &&
           lib.curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           lib.curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           lib.curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           lib.curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms > 0 ? ms : 1) == CURLE_OK &&
           lib.curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
           lib.curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) == CURLE_OK;
}

static int explain(CURLcode code, const struct buf *answer, const char *shown, struct em_why *why)
{
    if (code == CURLE_OPERATION_TIMEDOUT && answer->n == 0)
        return em_fail(why, EM_ERR_TIMEOUT, "edgemediad does not answer on %s in time: it hangs", shown);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return em_fail(why, EM_ERR_TIMEOUT, "the answer on %s did not end in time", shown);
    if (code == CURLE_WRITE_ERROR && answer->full)
        return em_fail(why, EM_ERR_LIMIT,
                       "the answer on %s is larger than %d MiB, or there is no memory for it", shown,
                       ANSWER_MAX >> 20);
    if (code == CURLE_COULDNT_CONNECT)
        return em_fail(why, EM_ERR_TIMEOUT, "cannot connect to %s", shown);
    if (code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING)
        return em_fail(why, EM_ERR_INPUT, "the connection on %s was closed before the answer was complete",
                       shown);
    return em_fail(why, EM_ERR_INPUT, "what answers on %s is not edgemediad's HTTP: %s", shown,
                   lib.curl_easy_strerror(code));
}

static int get(CURL *curl, const struct conf *c, const char *shown, struct buf *answer, struct em_why *why)
{
    CURLcode code;
    long status = 0;

    if (!set_up(curl, c, answer))
        return em_fail(why, EM_ERR_MEMORY, "no memory");
    if ((code = lib.curl_easy_perform(curl)) != CURLE_OK)
        return explain(code, answer, shown, why);
    lib.curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return em_fail(why, EM_ERR_INPUT,
                       "%s answers with HTTP status %ld in place of 200: is it edgemediad's control socket?",
                       shown, status);
    return 0;
}

int source_socket(const struct conf *c, struct facts *f, struct em_why *why)
{
    struct buf answer = buf_heap(ANSWER_MAX);
    char shown[EM_URI_MAX - 16];
    CURL *curl;
    int err;

    esc_line_into(shown, sizeof shown, slice_of(c->socket));
    snprintf(f->origin, sizeof f->origin, "socket %s", shown);
    guard_phase("waiting for edgemediad on its control socket", true);
    if ((err = try_connect(c->socket, shown, why)) < 0)
        return err;
    if ((err = late_load(&lib.late, why)) < 0)
        return err;
    if (lib.curl_global_init(CURL_GLOBAL_NOTHING) != 0 || !(curl = lib.curl_easy_init()))
        return em_fail(why, EM_ERR_MEMORY, "no memory");
    err = get(curl, c, shown, &answer, why);
    lib.curl_easy_cleanup(curl);
    lib.curl_global_cleanup();
    guard_phase("reading the answer of edgemediad", false);
    if (err == 0)
        err = source_status(buf_str(&answer), answer.n, &mode_defs[c->mode], f, why);
    buf_fini(&answer);
    return err;
}
