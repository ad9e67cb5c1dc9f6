/* SPDX-License-Identifier: GPL-3.0-or-later
 * HTTP over libcurl: a question's way from the name to the whole answer. How libcurl and libevent meet is in http_loop.c. */
#include "config.h"

#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/esc.h"
#include "net/http_inside.h"

/* --- the answer as it comes ---------------------------------------------------------------------------------------- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct em_http *h = arg;
    size_t bytes = size * n;

    if (bytes > h->body_max - h->body.n)
        h->end = EM_HTTP_TOO_LARGE;
    else
        buf_bytes(&h->body, p, bytes);
    if (h->body.full)
        h->end = h->end ? h->end : EM_HTTP_LOCAL;
    return h->end ? 0 : bytes; /* 0: curl ends the transfer */
}

static void keep(char to[HTTP_VALUE_MAX], struct slice value)
{
    if (!slice_copy(slice_trim(value), to, HTTP_VALUE_MAX))
        to[0] = '\0'; /* neither of the two is that long */
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct em_http *h = arg;
    size_t bytes = size * n;
    struct slice line = { p, bytes };

    h->header_bytes += bytes;
    if (h->header_bytes > EM_HTTP_HEADERS_MAX) {
        h->end = EM_HTTP_TOO_LARGE;
        return 0;
    }
    if (slice_starts_nocase(line, SLICE("HTTP/")))
        h->retry_after[0] = h->date[0] = '\0'; /* those before were of an interim answer, or the proxy's */
    else if (slice_skip_nocase(&line, SLICE("Retry-After:")))
        keep(h->retry_after, line);
    else if (slice_skip_nocase(&line, SLICE("Date:")))
        keep(h->date, line);
    return bytes;
}

/* --- how it ended -------------------------------------------------------------------------------------------------- */

static const struct {
    CURLcode code;
    enum em_http_end end;
} ends[] = {
    { CURLE_OPERATION_TIMEDOUT, EM_HTTP_TIMED_OUT },
    { CURLE_PEER_FAILED_VERIFICATION, EM_HTTP_TLS },
    { CURLE_SSL_CONNECT_ERROR, EM_HTTP_TLS },
    { CURLE_SSL_CIPHER, EM_HTTP_TLS },
    { CURLE_SSL_ISSUER_ERROR, EM_HTTP_TLS },
    { CURLE_SSL_INVALIDCERTSTATUS, EM_HTTP_TLS },
    { CURLE_SSL_CACERT_BADFILE, EM_HTTP_LOCAL },
    { CURLE_OUT_OF_MEMORY, EM_HTTP_LOCAL },
    { CURLE_COULDNT_RESOLVE_HOST, EM_HTTP_UNREACHABLE },
    { CURLE_COULDNT_RESOLVE_PROXY, EM_HTTP_UNREACHABLE },
    { CURLE_COULDNT_CONNECT, EM_HTTP_UNREACHABLE },
    { CURLE_PROXY, EM_HTTP_UNREACHABLE },
};

static enum em_http_end end_of(CURLcode code)
{
    if (code == CURLE_OK)
        return EM_HTTP_ANSWERED;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends[i].code == code)
            return ends[i].end;
    return EM_HTTP_BROKEN;
}

static void fail(struct em_http *h, enum em_http_end end, const char *what, const char *then)
{
    struct buf b = buf_over(h->answer.failure, sizeof h->answer.failure);

    h->answer.end = end;
    buf_print(&b, "%s://", h->at.scheme);
    esc_line(&b, slice_of(h->at.host));
    buf_print(&b, ":%u: ", h->at.port);
    esc_line(&b, slice_of(what));
    buf_text(&b, then);
    (void)buf_str(&b);
}

static void fail_of(struct em_http *h, CURLcode code)
{
    enum em_http_end end = h->end ? h->end : end_of(code);
    char what[CURL_ERROR_SIZE + 64];

    if (h->end == EM_HTTP_TOO_LARGE)
        snprintf(what, sizeof what, "the answer is longer than %zu bytes", h->body_max);
    else if (h->end == EM_HTTP_LOCAL)
        snprintf(what, sizeof what, "no memory for the answer");
    else
        snprintf(what, sizeof what, "%s", h->said[0] ? h->said : http_curl.curl_easy_strerror(code));
    if (h->header_bytes > EM_HTTP_HEADERS_MAX)
        snprintf(what, sizeof what, "the headers are longer than %d bytes", EM_HTTP_HEADERS_MAX);
    fail(h, end, what,
         end == EM_HTTP_TLS ? "; if the certificate is one of your own, name its issuer with ca_file" : "");
}

/* Nothing of h is used behind the callback but what tells whether it still is there. */
static void finish(struct em_http *h)
{
    em_http_fn done = h->done;

    h->done = NULL;
    em_timer_stop(h->patience);
    h->answer.body = (struct slice) { (const char *)h->body.p, h->body.n };
    h->entered = true;
    done(h->arg, &h->answer);
    h->entered = false;
    if (h->closed)
        http_free_now(h);
}

/* --- redirects ----------------------------------------------------------------------------------------------------- */

/* Whether the place is asked next. Else it is the end, and the answer says why. */
static bool follow(struct em_http *h)
{
    const char *place = NULL;
    struct em_http_url u;

    (void)http_curl.curl_easy_getinfo(h->easy, CURLINFO_REDIRECT_URL, &place);
    if (!place) {
        fail(h, EM_HTTP_REDIRECTED, "the answer is a redirect to nowhere", "");
        return false;
    }
    if (!em_http_url_read(place, &u)) {
        fail(h, EM_HTTP_REDIRECTED, "the answer is a redirect to what is no HTTP URL", "");
        return false;
    }
    if (strcmp(u.scheme, h->at.scheme) != 0 || strcmp(u.host, h->at.host) != 0 || u.port != h->at.port) {
        char what[EM_HTTP_URL_MAX + 64];

        snprintf(what, sizeof what, "redirects to %.200s, another place, which is not followed", place);
        fail(h, EM_HTTP_REDIRECTED, what, "; if it is right, write it as the url");
        return false;
    }
    if (++h->redirects > EM_HTTP_REDIRECTS_MAX) {
        fail(h, EM_HTTP_REDIRECTED, "redirects in a ring, or more often than 5 times", "");
        return false;
    }
    (void)slice_copy(slice_of(place), h->url, sizeof h->url); /* not longer: it was read as a URL */
    return true;
}

static bool is_redirect(unsigned status)
{
    return status >= 300 && status < 400 && status != 304;
}

void http_over(struct em_http *h, CURLcode code)
{
    long status = 0;
    curl_off_t bytes = 0;

    (void)http_curl.curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)http_curl.curl_easy_getinfo(h->easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
    h->answer.status = status > 0 && status < 1000 ? (unsigned)status : 0;
    h->answer.wire_bytes += (uint64_t)bytes;
    h->answer.retry_after_us =
        em_http_retry_after(slice_of(h->retry_after), slice_of(h->date), em_wall_us(em_net_clock(h->net)));
    if (code != CURLE_OK || h->end) {
        fail_of(h, code);
    } else if (is_redirect(h->answer.status)) {
        if (follow(h) && http_send(h))
            return;
        if (!h->answer.end)
            fail(h, EM_HTTP_LOCAL, "no memory to ask", "");
    } else {
        h->answer.end = EM_HTTP_ANSWERED;
    }
    finish(h);
}

/* --- a question ---------------------------------------------------------------------------------------------------- */

static void fill_auth(struct em_http *h, bool *good)
{
    const char *user = h->user ? h->user : "", *password = h->password ? h->password : "";

    if (h->token) {
        HTTP_SET(*good, h->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        HTTP_SET(*good, h->easy, CURLOPT_XOAUTH2_BEARER, h->token);
    } else if (*user) {
        HTTP_SET(*good, h->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        HTTP_SET(*good, h->easy, CURLOPT_USERNAME, user);
        HTTP_SET(*good, h->easy, CURLOPT_PASSWORD, password);
    }
}

static void fill_tls(struct em_http *h, bool *good)
{
    HTTP_SET(*good, h->easy, CURLOPT_SSL_VERIFYPEER, h->insecure ? 0L : 1L);
    HTTP_SET(*good, h->easy, CURLOPT_SSL_VERIFYHOST, h->insecure ? 0L : 2L);
    HTTP_SET(*good, h->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (h->ca_file)
        HTTP_SET(*good, h->easy, CURLOPT_CAINFO, h->ca_file);
}

static void fill_proxy(struct em_http *h, bool *good)
{
    HTTP_SET(*good, h->easy, CURLOPT_PROXY, h->proxy ? h->proxy : ""); /* "": not that of the environment */
    HTTP_SET(*good, h->easy, CURLOPT_NOPROXY, "");
    HTTP_SET(*good, h->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (h->proxy && h->ca_file)
        HTTP_SET(*good, h->easy, CURLOPT_PROXY_CAINFO, h->ca_file);
    if (h->proxy_user) {
        HTTP_SET(*good, h->easy, CURLOPT_PROXYUSERNAME, h->proxy_user);
        HTTP_SET(*good, h->easy, CURLOPT_PROXYPASSWORD, h->proxy_password ? h->proxy_password : "");
    }
}

/* "host:port:a,b", so that curl resolves nothing. Literals need none. */
static bool known_addresses(struct em_http *h, char *to, size_t size)
{
    struct buf b = buf_over(to, size);
    char text[EM_ADDRESS_MAX];

    buf_print(&b, "%s:%u:", h->near.host, h->near.port);
    for (size_t i = 0; i < h->addrs_n; i++) {
        bool v6 = h->addrs[i].u.any.sa_family == AF_INET6;

        em_addr_text(&h->addrs[i], text);
        buf_print(&b, v6 ? "%s[%s]" : "%s%s", i ? "," : "", text);
    }
    (void)buf_str(&b);
    return !b.full;
}

static void fill_places(struct em_http *h, bool *good)
{
    char known[EM_DNS_NAME_MAX + 16 + EM_LOOKUP_MAX * (EM_ADDRESS_MAX + 3)];
    struct em_addr literal;

    if (em_addr_read(h->near.host, h->near.port, &literal))
        return;
    http_curl.curl_slist_free_all(h->known);
    h->known = known_addresses(h, known, sizeof known) ? http_curl.curl_slist_append(NULL, known) : NULL;
    *good = *good && h->known;
    HTTP_SET(*good, h->easy, CURLOPT_RESOLVE, h->known);
}

static void fill_callbacks(struct em_http *h, bool *good)
{
    HTTP_SET(*good, h->easy, CURLOPT_WRITEFUNCTION, on_body);
    HTTP_SET(*good, h->easy, CURLOPT_WRITEDATA, h);
    HTTP_SET(*good, h->easy, CURLOPT_HEADERFUNCTION, on_header);
    HTTP_SET(*good, h->easy, CURLOPT_HEADERDATA, h);
    HTTP_SET(*good, h->easy, CURLOPT_ERRORBUFFER, h->said);
    HTTP_SET(*good, h->easy, CURLOPT_PRIVATE, h);
}

static bool fill(struct em_http *h)
{
    int64_t left_us = h->deadline_us - em_mono_us(em_net_clock(h->net));
    bool good = true;

    HTTP_SET(good, h->easy, CURLOPT_URL, h->url);
    HTTP_SET(good, h->easy, CURLOPT_NOSIGNAL, 1L);
    HTTP_SET(good, h->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    HTTP_SET(good, h->easy, CURLOPT_FOLLOWLOCATION, 0L);
    HTTP_SET(good, h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    HTTP_SET(good, h->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    HTTP_SET(good, h->easy, CURLOPT_USERAGENT, "edgemedia/" PACKAGE_VERSION);
    HTTP_SET(good, h->easy, CURLOPT_TIMEOUT_MS, (long)(left_us > EM_US_PER_MS ? left_us / EM_US_PER_MS : 1));
    HTTP_SET(good, h->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)EM_HTTP_CONNECT_TIMEOUT_MS);
    HTTP_SET(good, h->easy, CURLOPT_HTTPHEADER, h->headers);
    if (h->question) {
        HTTP_SET(good, h->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(h->question));
        HTTP_SET(good, h->easy, CURLOPT_POSTFIELDS, h->question);
    }
    fill_callbacks(h, &good);
    fill_auth(h, &good);
    fill_tls(h, &good);
    fill_proxy(h, &good);
    fill_places(h, &good);
    return good;
}

bool http_send(struct em_http *h)
{
    buf_reset(&h->body);
    h->end = 0;
    h->header_bytes = 0;
    h->said[0] = h->retry_after[0] = h->date[0] = '\0';
    http_curl.curl_easy_reset(h->easy); /* connections are the multi handle's */
    return fill(h) && http_start(h);
}

static void send_or_fail(struct em_http *h)
{
    if (http_send(h))
        return;
    fail(h, EM_HTTP_LOCAL, "no memory to ask", "");
    finish(h);
}

static void on_addresses(void *arg, const struct em_addr *addrs, size_t n, const char *failure)
{
    struct em_http *h = arg;

    h->lookup = NULL;
    if (n == 0) {
        fail(h, EM_HTTP_UNREACHABLE, failure ? failure : "the name has no address", "");
        finish(h);
        return;
    }
    memcpy(h->addrs, addrs, n * sizeof *addrs);
    h->addrs_n = n;
    h->resolved_us = em_mono_us(em_net_clock(h->net));
    send_or_fail(h);
}

static void on_patience(void *arg)
{
    struct em_http *h = arg;

    http_end(h);
    fail(h, EM_HTTP_TIMED_OUT, "no whole answer in time", "");
    finish(h);
}

static bool add_header(struct em_http *h, const char *text)
{
    struct curl_slist *more = http_curl.curl_slist_append(h->headers, text);

    h->headers = more ? more : h->headers;
    return more;
}

static bool take_headers(struct em_http *h, const struct em_http_ask *ask)
{
    http_curl.curl_slist_free_all(h->headers);
    h->headers = NULL;
    if (!add_header(h, "Accept: application/json") || !add_header(h, "Expect:") ||
        (ask->body && !add_header(h, "Content-Type: application/json")))
        return false;
    for (size_t i = 0; i < ask->header_n; i++)
        if (!add_header(h, ask->header[i]))
            return false;
    return true;
}

void http_forget(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

static bool take_text(char **to, const char *text)
{
    http_forget(to);
    return !text || !*text || (*to = strdup(text));
}

static int take(struct em_http *h, const struct em_http_ask *ask, struct em_why *why)
{
    if (h->done)
        return em_fail(why, EM_ERR_BUSY, "the last question is not answered yet");
    if (!em_http_url_read(ask->url, &h->at))
        return em_fail(why, EM_ERR_INPUT, "\"%.200s\" is not a URL such as https://loki.example.com:3100",
                       ask->url);
    (void)slice_copy(slice_of(ask->url), h->url, sizeof h->url);
    if (!take_text(&h->question, ask->body) || !take_text(&h->token, ask->token) || !take_headers(h, ask))
        return em_fail(why, EM_ERR_MEMORY, "no memory to ask %s", h->at.host);
    h->body_max = ask->body_max && ask->body_max < EM_HTTP_BODY_MAX ? ask->body_max : EM_HTTP_BODY_MAX;
    h->redirects = 0;
    h->deadline_us = em_mono_us(em_net_clock(h->net)) + ask->timeout_us;
    h->answer = (struct em_http_answer) { .retry_after_us = -1 };
    return 0;
}

int em_http_ask(struct em_http *h, const struct em_http_ask *ask, em_http_fn done, void *arg,
                struct em_why *why)
{
    int64_t now_us = em_mono_us(em_net_clock(h->net));
    struct em_http_url near;
    int err = take(h, ask, why);

    if (err != 0)
        return err;
    near = h->proxy ? h->proxy_at : h->at;
    if (strcmp(near.host, h->near.host) != 0 || near.port != h->near.port)
        h->addrs_n = 0;
    h->near = near;
    if (h->addrs_n > 0 && now_us - h->resolved_us >= EM_HTTP_KNOWN_NAME_S * EM_US_PER_S)
        h->addrs_n = 0;
    if (h->addrs_n > 0) {
        if (!http_send(h))
            return em_fail(why, EM_ERR_MEMORY, "no memory to ask %s", h->at.host);
    } else if (!(h->lookup =
                     em_net_resolve(h->net, near.host, near.port, ask->timeout_us, on_addresses, h))) {
        return em_fail(why, EM_ERR_MEMORY, "no memory to look up %s", near.host);
    }
    h->done = done;
    h->arg = arg;
    em_timer_at(h->patience, h->deadline_us + EM_US_PER_S); /* curl's own comes first, and has a reason */
    return 0;
}

void em_http_cancel(struct em_http *h)
{
    h->done = NULL;
    buf_fini(&h->body);
    h->body = buf_heap(EM_HTTP_BODY_MAX + 1); /* a byte is kept for a NUL */
    em_timer_stop(h->patience);
    em_lookup_cancel(h->lookup);
    h->lookup = NULL;
    http_end(h);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static int take_conf(struct em_http *h, const struct em_http_conf *conf, struct em_why *why)
{
    h->insecure = conf->insecure;
    if (conf->proxy && *conf->proxy && !em_http_url_read(conf->proxy, &h->proxy_at))
        return em_fail(why, EM_ERR_INPUT,
                       "proxy: \"%.200s\" is not a URL such as http://proxy.example.com:3128", conf->proxy);
    if (!take_text(&h->ca_file, conf->ca_file) || !take_text(&h->proxy, conf->proxy) ||
        !take_text(&h->proxy_user, conf->proxy_user) ||
        !take_text(&h->proxy_password, conf->proxy_password) || !take_text(&h->user, conf->user) ||
        !take_text(&h->password, conf->password))
        return em_fail(why, EM_ERR_MEMORY, "no memory for an HTTP client");
    return 0;
}

struct em_http *em_http_new(struct em_net *net, const struct em_http_conf *conf, struct em_why *why)
{
    struct em_http *h = calloc(1, sizeof *h);

    if (!h) {
        (void)em_fail(why, EM_ERR_MEMORY, "no memory for an HTTP client");
        return NULL;
    }
    if (late_load(&http_curl.late, why) != 0) {
        free(h);
        return NULL;
    }
    h->net = net;
    h->body = buf_heap(EM_HTTP_BODY_MAX + 1);
    if (take_conf(h, conf, why) != 0) {
        http_free_now(h);
        return NULL;
    }
    if (!(h->patience = em_timer_new(net, on_patience, h)) || !http_loop_init(h)) {
        http_free_now(h);
        (void)em_fail(why, EM_ERR_MEMORY, "no memory for an HTTP client");
        return NULL;
    }
    return h;
}

void http_free_now(struct em_http *h)
{
    http_loop_fini(h);
    em_timer_free(h->patience);
    http_curl.curl_slist_free_all(h->headers);
    http_curl.curl_slist_free_all(h->known);
    buf_fini(&h->body);
    free(h->ca_file);
    http_forget(&h->proxy);
    http_forget(&h->proxy_user);
    http_forget(&h->proxy_password);
    http_forget(&h->user);
    http_forget(&h->password);
    http_forget(&h->token);
    http_forget(&h->question);
    free(h);
}

void em_http_free(struct em_http *h)
{
    if (!h)
        return;
    em_http_cancel(h);
    h->closed = true;
    if (!h->entered)
        http_free_now(h);
}
