/* SPDX-License-Identifier: GPL-3.0-or-later
 * Bytes that are no STUN: who speaks there instead? HTTP and TLS in answer to a STUN request come from something that took the connection
 * over (or a plain web server on that port); the rest is simply another protocol. */
#include <stdio.h>
#include <string.h>

#include "base/cur.h"
#include "base/esc.h"
#include "probe/attempt.h"

enum { SHOWN_TEXT = 48, SHOWN_BYTES = 8, STUN_FIRST_BYTE_MAX = 0x3F, COOKIE_END = 8 };

/* The first line, cut, if it is text; else the first bytes in hex. */
static void show(const uint8_t *p, size_t n, char *to, size_t size)
{
    struct slice line = slice_upto((struct slice) { (const char *)p, n }, SHOWN_TEXT);
    size_t text = 0, used = 0;

    while (text < line.n && p[text] >= ' ' && p[text] < 0x7F)
        text++;
    if (text >= 4 && (text == line.n || p[text] == '\r' || p[text] == '\n')) {
        esc_line_into(to, size, slice_upto(line, text));
        return;
    }
    for (size_t i = 0; i < n && i < SHOWN_BYTES && used + 3 < size; i++)
        used += (size_t)snprintf(to + used, size - used, i ? " %02x" : "%02x", p[i]);
}

static void alert_text(const uint8_t *p, size_t n, char *to, size_t size)
{
    if (n >= 7)
        snprintf(to, size, "a TLS alert (level %u, description %u) came in answer to STUN", p[5], p[6]);
    else
        snprintf(to, size, "a TLS alert came in answer to STUN");
}

static void tls_text(const uint8_t *p, size_t n, char *to, size_t size)
{
    (void)p;
    (void)n;
    snprintf(to, size, "TLS was spoken in answer to STUN");
}

static void http_text(const uint8_t *p, size_t n, char *to, size_t size)
{
    char line[SHOWN_TEXT * 4 + 1];

    show(p, n, line, sizeof line);
    snprintf(to, size, "HTTP came in answer to STUN: %s", line);
}

static const struct {
    uint8_t prefix[5];
    size_t n;
    void (*text)(const uint8_t *p, size_t n, char *to, size_t size);
} known[] = {
    { { 0x15, 0x03 }, 2, alert_text }, /* content types of TLS records, version 3.x */
    { { 0x14, 0x03 }, 2, tls_text },   { { 0x16, 0x03 }, 2, tls_text },
    { { 0x17, 0x03 }, 2, tls_text },   { "HTTP/", 5, http_text },
};

enum em_verdict em_foreign_to_tls(const uint8_t *p, size_t n, char *reason, size_t size)
{
    static const char http[] = "HTTP/";
    bool web = n >= sizeof http - 1 && memcmp(p, http, sizeof http - 1) == 0;
    char shown[SHOWN_TEXT * 4 + 1];

    show(p, n, shown, sizeof shown);
    snprintf(reason, size, web ? "HTTP came in answer to TLS: %.100s" : "the answer is not TLS: %.100s",
             shown);
    return web ? EM_VERDICT_INTERCEPTED : EM_VERDICT_PROTOCOL_ERROR;
}

static bool may_be_stun(const uint8_t *p, size_t n)
{
    struct cur c = cur_of(p, n);

    if (n == 0)
        return true;
    if (p[0] > STUN_FIRST_BYTE_MAX)
        return false;
    cur_u32(&c);
    return n < COOKIE_END || cur_u32(&c) == STUN_COOKIE;
}

enum em_verdict em_foreign(const uint8_t *p, size_t n, char *reason, size_t size)
{
    char shown[SHOWN_TEXT * 4 + 1];

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t some = n < known[i].n ? n : known[i].n;

        if (some == 0 || memcmp(p, known[i].prefix, some) != 0)
            continue;
        if (some < known[i].n)
            return 0; /* it may become that: wait */
        known[i].text(p, n, reason, size);
        return EM_VERDICT_INTERCEPTED;
    }
    if (may_be_stun(p, n))
        return 0;
    show(p, n, shown, sizeof shown);
    snprintf(reason, size, "the answer is not STUN: %s", shown);
    return EM_VERDICT_PROTOCOL_ERROR;
}
