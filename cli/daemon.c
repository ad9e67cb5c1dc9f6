/* SPDX-License-Identifier: GPL-3.0-or-later
 * The control socket's client: one GET with libcurl. */
#include "cli/daemon.h"

#include <string.h>

#include <curl/curl.h>

#include "base/esc.h"
#include "base/slice.h"

enum { CONNECT_TIMEOUT_S = 5, TIMEOUT_S = 30, OK = 200 };

static size_t receive(char *p, size_t size, size_t n, void *arg)
{
    struct buf *body = arg;

    buf_bytes(body, p, size * n);
    return body->full ? 0 : size * n;
}

static int explain(CURL *c, CURLcode code, const char *socket, struct em_why *why)
{
    long number = 0;

    curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT)
        return em_fail(
            why, EM_ERR_SYSTEM,
            "cannot reach edgemediad at %s: %s; is it running, is --socket right, and may you write to it?",
            socket, number ? strerror((int)number) : curl_easy_strerror(code));
    return em_fail(why, EM_ERR_SYSTEM, "edgemediad at %s: %s", socket, curl_easy_strerror(code));
}

static int check(CURL *c, const char *socket, const char *path, const struct buf *body, struct em_why *why)
{
    struct slice text = { (const char *)body->p, body->n };
    char shown[128];
    long status = 0;

    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (status == OK)
        return 0;
    return em_fail(why, EM_ERR_SYSTEM, "edgemediad at %s answered %ld to %s: %s", socket, status, path,
                   esc_line_into(shown, sizeof shown, slice_trim(text)));
}

int cli_daemon_get(const char *socket, const char *path, struct buf *body, struct em_why *why)
{
    CURL *c = curl_easy_init();
    char url[256];
    struct buf to = buf_over(url, sizeof url);
    CURLcode code;
    int err;

    if (!c)
        return em_fail(why, EM_ERR_MEMORY, "cannot start libcurl");
    buf_print(&to, "http://localhost%s", path);
    curl_easy_setopt(c, CURLOPT_URL, buf_str(&to));
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
    code = curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket);
    if (code == CURLE_OK)
        code = curl_easy_perform(c);
    err = code == CURLE_OK ? check(c, socket, path, body, why) : explain(c, code, socket, why);
    curl_easy_cleanup(c);
    return err;
}
