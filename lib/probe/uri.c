/* SPDX-License-Identifier: GPL-3.0-or-later
 * The URIs of probes: RFC 7064 and RFC 7065 for STUN and TURN, "scheme:host[:port][?transport=...]" for all. No user information, no
 * "//", IPv6 literals in brackets. */
#include <string.h>

#include "base/esc.h"
#include "base/slice.h"
#include "probe/probe_kind.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 };

static const struct em_probe_kind *kind_of(struct slice scheme)
{
    for (const struct em_probe_kind *k = em_probe_kinds; k->scheme; k++)
        if (slice_eq_nocase(scheme, slice_of(k->scheme)))
            return k;
    return NULL;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* A DNS name: labels of 1 to 63 letters, digits, hyphens and underscores; a dot at the end is fine. */
static bool name_ok(struct slice host)
{
    size_t label = 0;

    if (host.n == 0 || host.n > HOST_MAX)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (!name_char(host.p[i]) || ++label > LABEL_MAX) {
            return false;
        }
    }
    return true;
}

/* Takes the host off the front; [v6] loses its brackets. */
static bool read_host(struct slice *rest, struct em_probe_uri *u)
{
    struct slice host;
    struct em_addr a;
    size_t n = 0;

    if (rest->n > 0 && rest->p[0] == '[') {
        *rest = slice_from(*rest, 1);
        return slice_until(rest, ']', &host) && slice_copy(host, u->host, sizeof u->host) &&
               em_addr_read(u->host, 0, &a) && a.u.any.sa_family == AF_INET6;
    }
    while (n < rest->n && rest->p[n] != ':' && rest->p[n] != '?')
        n++;
    host = slice_upto(*rest, n);
    *rest = slice_from(*rest, n);
    return name_ok(host) && slice_copy(host, u->host, sizeof u->host);
}

static bool read_port(struct slice *rest, struct em_probe_uri *u)
{
    uint32_t port;

    u->port = u->kind->port;
    if (!slice_skip(rest, SLICE(":")))
        return true;
    if (!slice_u32(rest, UINT16_MAX, &port) || port == 0)
        return false;
    u->port = (uint16_t)port;
    u->port_given = true;
    return true;
}

static int read_query(struct slice rest, struct em_probe_uri *u, struct em_why *why)
{
    bool secure = u->kind->transport == EM_TRANSPORT_TLS;

    u->transport = u->kind->transport;
    if (rest.n == 0)
        return 0;
    if (!u->kind->query || !slice_skip_nocase(&rest, SLICE("?transport=")))
        return em_fail(why, EM_ERR_INPUT, "%s: \"%s\" is not understood here%s", u->text, rest.p,
                       !u->kind->query ? ""
                       : secure        ? "; only ?transport=tcp may follow"
                                       : "; only ?transport=udp or ?transport=tcp may follow");
    if (secure && slice_eq_nocase(rest, SLICE("udp")))
        return em_fail(why, EM_ERR_UNSUPPORTED,
                       "%s: TLS over UDP (DTLS) is not in this version; use transport=tcp", u->text);
    if (slice_eq_nocase(rest, SLICE("udp")))
        u->transport = EM_TRANSPORT_UDP;
    else if (slice_eq_nocase(rest, SLICE("tcp")))
        u->transport = secure ? EM_TRANSPORT_TLS : EM_TRANSPORT_TCP;
    else
        return em_fail(why, EM_ERR_INPUT, "%s: transport must be udp or tcp", u->text);
    return 0;
}

static int unknown_scheme(const char *text, struct em_why *why)
{
    char known[128];
    struct buf b = buf_over(known, sizeof known);

    for (const struct em_probe_kind *k = em_probe_kinds; k->scheme; k++)
        if (!k->missing)
            buf_print(&b, "%s%s:", b.n ? " " : "", k->scheme);
    return em_fail(why, EM_ERR_INPUT, "\"%s\" is no URI of a probe; it begins with one of %s", text,
                   buf_str(&b));
}

static int read_rest(struct slice rest, struct em_probe_uri *u, struct em_why *why)
{
    int err;

    if (slice_starts(rest, SLICE("//")))
        return em_fail(why, EM_ERR_INPUT, "%s: no // after %s:, the host follows at once", u->text,
                       u->kind->scheme);
    if (!read_host(&rest, u))
        return em_fail(why, EM_ERR_INPUT,
                       "%s: the host must be a name, an IPv4 address or an IPv6 address in []", u->text);
    if (!read_port(&rest, u))
        return em_fail(why, EM_ERR_INPUT,
                       "%s: the port must be a number from 1 to 65535, and an IPv6 address stands in []",
                       u->text);
    if (u->port == 0)
        return em_fail(why, EM_ERR_INPUT, "%s: give the port, %s:%s:PORT", u->text, u->kind->scheme, u->host);
    err = read_query(rest, u, why);
    if (err == 0 && !u->port_given && u->transport == EM_TRANSPORT_TCP && u->kind->stream_port)
        u->port = u->kind->stream_port;
    return err;
}

int em_probe_uri_read(const char *text, struct em_probe_uri *uri, struct em_why *why)
{
    struct em_probe_uri u = { 0 };
    struct slice rest = slice_of(text), scheme;
    char shown[EM_URI_MAX];
    int err;

    esc_line_into(shown, sizeof shown, rest);
    if (rest.n >= sizeof u.text)
        return em_fail(why, EM_ERR_LIMIT, "a URI may have %zu characters at most: %s", sizeof u.text - 1,
                       shown);
    if (strcmp(shown, text) != 0)
        return em_fail(why, EM_ERR_INPUT, "a URI has no control characters: %s", shown);
    if (!slice_until(&rest, ':', &scheme))
        return unknown_scheme(text, why);
    u.kind = kind_of(scheme);
    if (!u.kind)
        return unknown_scheme(text, why);
    if (u.kind->missing)
        return em_fail(why, EM_ERR_UNSUPPORTED, "%s: %s", text, u.kind->missing);
    slice_copy(slice_of(text), u.text, sizeof u.text);
    u.dialect = u.kind->dialect;
    err = read_rest(rest, &u, why);
    if (err == 0)
        *uri = u;
    return err;
}
