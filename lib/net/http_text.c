/* SPDX-License-Identifier: GPL-3.0-or-later
 * What HTTP texts mean: URLs and the two forms of Retry-After. */
#include <stdio.h>
#include <string.h>

#include "net/http_inside.h"

LATE_DEFINE(http_curl, LATE_CURL, HTTP_SYMBOLS);

enum { DATE_MAX = 64 };

static bool part(CURLU *url, CURLUPart which, char *to, size_t size)
{
    char *text = NULL;
    bool good = http_curl.curl_url_get(url, which, &text, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                slice_copy(slice_of(text), to, size) && *to;

    http_curl.curl_free(text);
    return good;
}

static bool has(CURLU *url, CURLUPart which)
{
    char *text = NULL;
    bool there = http_curl.curl_url_get(url, which, &text, 0) == CURLUE_OK;

    http_curl.curl_free(text);
    return there;
}

static void plain_host(char *host)
{
    size_t n = strlen(host);

    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        memmove(host, host + 1, n - 2);
        host[n - 2] = '\0';
    }
    for (; *host; host++)
        if (*host >= 'A' && *host <= 'Z')
            *host = (char)(*host - 'A' + 'a');
}

/* curl takes much that is no URL ("a b", a missing scheme): only what every reader understands in the same way is let through. */
static bool plain_text(const char *text)
{
    struct slice s = slice_of(text);

    struct slice rest = s;

    if ((!slice_skip_nocase(&rest, SLICE("http://")) && !slice_skip_nocase(&rest, SLICE("https://"))) ||
        slice_starts(rest, SLICE("/")))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7F || s.p[i] == '\\')
            return false;
    return s.n < EM_HTTP_URL_MAX;
}

bool em_http_url_read(const char *text, struct em_http_url *u)
{
    CURLU *url = plain_text(text) && late_load(&http_curl.late, NULL) == 0 ? http_curl.curl_url() : NULL;
    struct em_http_url read = { 0 };
    char port[8];
    uint64_t number = 0;
    bool good;

    if (!url)
        return false;
    good = http_curl.curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK &&
           part(url, CURLUPART_SCHEME, read.scheme, sizeof read.scheme) &&
           part(url, CURLUPART_HOST, read.host, sizeof read.host) &&
           part(url, CURLUPART_PORT, port, sizeof port) && em_read_uint(port, 1, UINT16_MAX, &number) &&
           !has(url, CURLUPART_FRAGMENT);
    http_curl.curl_url_cleanup(url);
    if (!good)
        return false;
    plain_host(read.host);
    read.port = (uint16_t)number;
    *u = read;
    return true;
}

static bool date_us(struct slice text, int64_t *us)
{
    char date[DATE_MAX];
    time_t t;

    if (!slice_copy(slice_trim(text), date, sizeof date) || !*date || late_load(&http_curl.late, NULL) != 0)
        return false;
    t = http_curl.curl_getdate(date, NULL);
    *us = (int64_t)t * EM_US_PER_S;
    return t >= 0;
}

static int64_t bounded(int64_t us)
{
    const int64_t most_us = EM_HTTP_RETRY_AFTER_MAX_S * EM_US_PER_S;

    return us < 0 ? 0 : us < most_us ? us : most_us;
}

int64_t em_http_retry_after(struct slice value, struct slice date, int64_t now_us)
{
    struct slice text = slice_trim(value), rest = text;
    int64_t at_us, from_us = now_us;
    uint64_t s = EM_HTTP_RETRY_AFTER_MAX_S; /* what more digits than a number has stand for */
    size_t digits = 0;

    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    if (text.n > 0 && digits == text.n) {
        (void)slice_u64(&rest, EM_HTTP_RETRY_AFTER_MAX_S, &s);
        return bounded((int64_t)s * EM_US_PER_S);
    }
    if (!date_us(text, &at_us))
        return -1;
    if (!date_us(date, &from_us))
        from_us = now_us;
    return bounded(at_us - from_us);
}
