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
static bool read_host(struct slice *rest, char to[EM_URI_MAX])
{
    struct slice host;
    struct em_addr a;
    size_t n = 0;

    if (rest->n > 0 && rest->p[0] == '[') {
        *rest = slice_from(*rest, 1);
        return slice_until(rest, ']', &host) && slice_copy(host, to, EM_URI_MAX) && em_addr_read(to, 0, &a) &&
               a.u.any.sa_family == AF_INET6;
    }
    while (n < rest->n && rest->p[n] != ':' && rest->p[n] != '?' && rest->p[n] != '&')
        n++;
    host = slice_upto(*rest, n);
    *rest = slice_from(*rest, n);
    return name_ok(host) && slice_copy(host, to, EM_URI_MAX);
}

/* An absent port leaves *to as it is. */
static bool read_port(struct slice *rest, uint16_t *to, bool *given)
{
    uint32_t port;

    if (!slice_skip(rest, SLICE(":")))
        return true;
    if (!slice_u32(rest, UINT16_MAX, &port) || port == 0)
        return false;
    *to = (uint16_t)port;
    *given = true;
    return true;
}

static int read_transport(struct slice word, struct em_probe_uri *u, struct em_why *why)
{
    bool secure = u->kind->transport == EM_TRANSPORT_TLS;

    if (secure && slice_eq_nocase(word, SLICE("udp")))
        return em_fail(why, EM_ERR_UNSUPPORTED,
                       "%s: TLS over UDP (DTLS) is not in this version; use transport=tcp", u->text);
    if (slice_eq_nocase(word, SLICE("udp")))
        u->transport = EM_TRANSPORT_UDP;
    else if (slice_eq_nocase(word, SLICE("tcp")))
        u->transport = secure ? EM_TRANSPORT_TLS : EM_TRANSPORT_TCP;
    else
        return em_fail(why, EM_ERR_INPUT, "%s: transport must be udp or tcp", u->text);
    return 0;
}

static int read_far(struct slice word, struct em_probe_uri *u, struct em_why *why)
{
    bool given;

    u->far_port = 0;
    if (!read_host(&word, u->far) || !read_port(&word, &u->far_port, &given) || word.n)
        return em_fail(why, EM_ERR_INPUT,
                       "%s: far must be a host, with or without a port, and an IPv6 address stands in []",
                       u->text);
    return 0;
}

static int read_relayed(struct slice word, struct em_probe_uri *u, struct em_why *why)
{
    if (u->kind->dialect == EM_DIALECT_MS)
        return em_fail(
            why, EM_ERR_INPUT,
            "%s: a Microsoft relay relays over the transport that it is asked over: use transport=", u->text);
    u->relayed_tcp = slice_eq_nocase(word, SLICE("tcp"));
    if (!u->relayed_tcp && !slice_eq_nocase(word, SLICE("udp")))
        return em_fail(why, EM_ERR_INPUT, "%s: relayed must be udp or tcp", u->text);
    return 0;
}

/* What may stand behind the question mark. */
static const struct {
    const char *key;
    bool relay_only;
    int (*read)(struct slice word, struct em_probe_uri *u, struct em_why *why);
} pairs[] = { { "transport=", false, read_transport },
              { "far=", true, read_far },
              { "relayed=", true, read_relayed } };

static int not_understood(struct slice rest, const struct em_probe_uri *u, struct em_why *why)
{
    return em_fail(
        why, EM_ERR_INPUT, "%s: \"%s\" is not understood here%s", u->text, rest.p,
        !u->kind->query                                         ? ""
        : u->kind->carries && u->kind->dialect == EM_DIALECT_MS ? "; transport= and far= may follow"
        : u->kind->carries                                      ? "; transport=, far= and relayed= may follow"
        : u->kind->transport == EM_TRANSPORT_TLS                ? "; only ?transport=tcp may follow"
                                                 : "; only ?transport=udp or ?transport=tcp may follow");
}

static int read_pair(struct slice pair, struct em_probe_uri *u, struct em_why *why)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if ((u->kind->carries || !pairs[i].relay_only) && slice_skip_nocase(&pair, slice_of(pairs[i].key)))
            return pairs[i].read(pair, u, why);
    return EM_ERR_NOT_FOUND;
}

static int read_query(struct slice rest, struct em_probe_uri *u, struct em_why *why)
{
    struct slice whole = rest, pair;
    int err = 0;

    u->transport = u->kind->transport;
    if (rest.n == 0)
        return 0;
    if (!u->kind->query || !slice_skip(&rest, SLICE("?")))
        return not_understood(whole, u, why);
    do {
        if (!u->kind->carries || !slice_until(&rest, '&', &pair)) {
            pair = rest;
            rest.n = 0;
        }
        err = read_pair(pair, u, why);
    } while (err == 0 && rest.n > 0);
    if (err == EM_ERR_NOT_FOUND)
        return not_understood(whole, u, why);
    if (err == 0 && u->relayed_tcp && u->transport == EM_TRANSPORT_UDP)
        return em_fail(
            why, EM_ERR_INPUT,
            "%s: TCP allocations need TCP to the server: add transport=tcp, or use relays:", u->text);
    return err;
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
    uint16_t usual;
    int err;

    if (slice_starts(rest, SLICE("//")))
        return em_fail(why, EM_ERR_INPUT, "%s: no // after %s:, the host follows at once", u->text,
                       u->kind->scheme);
    if (!read_host(&rest, u->host))
        return em_fail(why, EM_ERR_INPUT,
                       "%s: the host must be a name, an IPv4 address or an IPv6 address in []", u->text);
    u->port = u->kind->port;
    if (!read_port(&rest, &u->port, &u->port_given))
        return em_fail(why, EM_ERR_INPUT,
                       "%s: the port must be a number from 1 to 65535, and an IPv6 address stands in []",
                       u->text);
    if (u->port == 0)
        return em_fail(why, EM_ERR_INPUT, "%s: give the port, %s:%s:PORT", u->text, u->kind->scheme, u->host);
    err = read_query(rest, u, why);
    usual = u->transport == EM_TRANSPORT_TCP && u->kind->stream_port ? u->kind->stream_port : u->kind->port;
    if (err == 0 && !u->port_given && usual)
        u->port = usual;
    if (err == 0 && u->far[0] && u->far_port == 0)
        u->far_port = usual;
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
