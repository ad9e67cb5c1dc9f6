/* SPDX-License-Identifier: GPL-3.0-or-later
 * Addresses of far relays and names of far domains out of what strangers wrote. */
#include "evidence/peer.h"

#include <arpa/inet.h>
#include <string.h>

enum { DOMAIN_LENGTH_MAX = 253 };

/* An address of the family, in the form that everybody writes. */
static bool canonical(int family, const char *text, char address[EM_ADDRESS_MAX])
{
    unsigned char bytes[sizeof(struct in6_addr)] = { 0 };
    static const unsigned char none[sizeof bytes];

    return inet_pton(family, text, bytes) == 1 && memcmp(bytes, none, sizeof bytes) != 0 &&
           inet_ntop(family, bytes, address, EM_ADDRESS_MAX) != NULL;
}

struct slice em_peer_host(struct slice s)
{
    struct slice host, rest = s;

    if (slice_skip(&rest, SLICE("[")))
        return slice_until(&rest, ']', &host) ? host : rest;
    if (!slice_until(&rest, ':', &host))
        return s;
    if (slice_find_char(host, '.') != SIZE_MAX)
        (void)slice_skip(&rest, SLICE(":")); /* "address::port" occurs */
    return slice_find_char(rest, ':') == SIZE_MAX ? host : s;
}

bool em_peer_relay(struct slice endpoint, char address[EM_ADDRESS_MAX])
{
    char text[EM_ADDRESS_MAX];

    return slice_copy(em_peer_host(slice_trim(endpoint)), text, sizeof text) &&
           (canonical(AF_INET, text, address) || canonical(AF_INET6, text, address));
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool em_peer_host_name(struct slice s, char domain[EM_TEXT_MAX])
{
    size_t n = 0, label = 0;

    if (s.n > 0 && s.p[s.n - 1] == '.')
        s.n--;
    if (s.n == 0 || s.n > DOMAIN_LENGTH_MAX)
        return false;
    for (; n < s.n; n++) {
        char c = s.p[n] >= 'A' && s.p[n] <= 'Z' ? (char)(s.p[n] - 'A' + 'a') : s.p[n];

        if (c == '.' ? label == 0 : !is_letter(c) && c != '-' && c != '_')
            return false;
        label = c == '.' ? 0 : label + 1;
        domain[n] = c;
    }
    domain[n] = '\0';
    return label > 0;
}

/* The URI of the header: between the last "<" and ">", or all of it up to its parameters. */
static struct slice uri_of(struct slice s)
{
    struct slice skipped, rest = s, uri = s;

    while (slice_until(&rest, '<', &skipped))
        uri = rest;
    return slice_trim(slice_until(&uri, '>', &skipped) ? skipped : uri);
}

bool em_peer_domain(struct slice header, char domain[EM_TEXT_MAX])
{
    struct slice uri = uri_of(header), user, host, port;
    char address[EM_ADDRESS_MAX];

    if (!(slice_skip_nocase(&uri, SLICE("sip:")) || slice_skip_nocase(&uri, SLICE("sips:"))) ||
        !slice_until(&uri, '@', &user) || user.n == 0)
        return false;
    host = uri;
    for (size_t i = 0; i < host.n; i++)
        if (strchr(";?, \t", host.p[i])) {
            host = slice_upto(host, i);
            break;
        }
    if (em_peer_relay(host, address))
        return slice_copy(slice_of(address), domain, EM_TEXT_MAX);
    uri = host;
    return em_peer_host_name(slice_until(&uri, ':', &port) ? port : host, domain);
}

bool em_report_relay(const struct em_report *r, char address[EM_ADDRESS_MAX])
{
    for (uint32_t i = 0; i < r->media_n; i++)
        if (em_peer_relay(r->media[i].remote_relay, address))
            return true;
    *address = '\0';
    return false;
}

static bool far_domain(const struct em_report *r, char domain[EM_TEXT_MAX])
{
    char other[EM_TEXT_MAX];

    for (uint32_t i = 0; i < r->media_n; i++)
        if (r->media[i].side != EM_SIDE_UNKNOWN)
            return em_peer_domain(r->media[i].side == EM_SIDE_CALLER ? r->to : r->from, domain);
    return em_peer_domain(r->from, other) && em_peer_domain(r->to, domain) && strcmp(domain, other) == 0;
}

bool em_report_domain(const struct em_report *r, char domain[EM_TEXT_MAX])
{
    bool known = far_domain(r, domain);

    if (!known)
        *domain = '\0';
    return known;
}
