/* SPDX-License-Identifier: GPL-3.0-or-later
 * The checks of an edge: those that are written, and those that its addresses stand for. */
#include "agent/conf_read.h"

#include <stdio.h>
#include <strings.h>

enum { PATH_INTERVAL_S = 60, PATH_SPREAD_PERCENT = 60 };

static void check_credentials(struct reading *r, int place, const struct em_conf_raw_check *raw,
                              struct em_conf_check *c)
{
    if (raw->password_file[0] && raw->secret_file[0])
        conf_complain(r, conf_line_of(r, place, "secret_file"),
                      "give either password_file or secret_file, not both");
    if (raw->user[0] && !raw->password_file[0] && !raw->secret_file[0])
        conf_complain(r, conf_line_of(r, place, "user"), "user needs a password_file or a secret_file");
    if (raw->password_file[0] && !raw->user[0])
        conf_complain(r, conf_line_of(r, place, "password_file"), "password_file needs a user");
    if (raw->ca_file[0] && raw->insecure)
        conf_complain(r, conf_line_of(r, place, "insecure"), "give either ca_file or insecure, not both");
    slice_copy(slice_of(raw->ca_file), c->options.ca_file, sizeof c->options.ca_file);
    slice_copy(slice_of(raw->issuer), c->options.issuer, sizeof c->options.issuer);
    c->options.insecure = raw->insecure;
    slice_copy(slice_of(raw->user), c->options.user, sizeof c->options.user);
    if (raw->password_file[0])
        conf_read_secret(r, conf_line_of(r, place, "password_file"), raw->password_file, c->options.password);
    if (raw->secret_file[0])
        conf_read_secret(r, conf_line_of(r, place, "secret_file"), raw->secret_file, c->options.secret);
}

bool conf_host_text(const char *address, char host[EM_URI_MAX])
{
    char text[EM_URI_MAX];
    struct em_probe_uri uri;
    struct em_why why;
    struct em_addr literal;
    bool v6 = em_addr_read(address, 0, &literal) && literal.u.any.sa_family == AF_INET6 && address[0] != '[';
    struct buf b = buf_over(host, EM_URI_MAX), t = buf_over(text, sizeof text);

    buf_print(&b, v6 ? "[%s]" : "%s", address);
    buf_print(&t, "stun:%s", buf_str(&b));
    if (em_probe_uri_read(buf_str(&t), &uri, &why) < 0)
        return false;
    return strlen(uri.host) + (host[0] == '[' ? 2 : 0) == strlen(host); /* nothing but a host */
}

/* Where the host would be in "turn:?transport=tcp" or "tcp::443"; NULL: the URI has one, or is none. */
static const char *no_host(const char *uri)
{
    const char *colon = strchr(uri, ':');

    return colon && strchr(":?", colon[1]) ? colon + 1 : NULL; /* '\0', too */
}

static bool read_uri(struct reading *r, unsigned line, const char *text, struct em_probe_uri *uri)
{
    struct em_why why;

    if (em_probe_uri_read(text, uri, &why) == 0)
        return true;
    conf_complain(r, line, "uri: %s", why.text);
    return false;
}

static void name_check(struct reading *r, unsigned line, struct em_conf_edge *e, struct em_conf_check *c,
                       const char *title, const char *address)
{
    struct buf b = buf_over(c->name, sizeof c->name);

    buf_print(&b, "%s%s%s", title, *title && *address ? " " : "", address);
    if (b.full)
        conf_complain(r, line,
                      "the name \"%s%s%s\" is longer than %d bytes: give a check with its host another one",
                      title, *title && *address ? " " : "", address, EM_NAME_MAX - 1);
    (void)buf_str(&b);
    for (const struct em_conf_check *other = e->checks; other < c; other++)
        if (strcmp(other->name, c->name) == 0)
            conf_complain(r, line, "check \"%s\" would be there twice", c->name);
}

/* The connections are spread over the first part of the interval; looking for the hop takes some of the rest. */
static void set_path(struct reading *r, int place, const struct em_conf_raw_check *raw,
                     struct em_conf_check *c)
{
    if (!em_probe_is_path(&c->uri))
        return;
    if (raw->interval_us < PATH_INTERVAL_S * EM_US_PER_S)
        conf_complain(
            r, conf_line_of(r, place, "interval"),
            "interval: a path is tested with many connections; give it at least %d seconds, such as "
            "interval = 900",
            PATH_INTERVAL_S);
    c->options.rounds = raw->rounds;
    c->options.good_port = (uint16_t)raw->good_port;
    c->options.timeout_us = raw->interval_us;
    c->options.spread_us = raw->interval_us * PATH_SPREAD_PERCENT / 100;
}

static void set_check(struct reading *r, int place, const struct em_conf_raw_check *raw,
                      struct em_conf_check *c)
{
    c->interval_us = raw->interval_us;
    c->options.timeout_us = raw->timeout_us < raw->interval_us ? raw->timeout_us : raw->interval_us;
    c->options.degraded_rtt_us = raw->degraded_rtt_us;
    c->options.source_ports = raw->source_ports;
    c->options.relay_ports = raw->relay_ports;
    set_path(r, place, raw, c);
    check_credentials(r, place, raw, c);
}

/* The next check of the edge, or NULL: there are too many. */
static struct em_conf_check *next_check(struct reading *r, unsigned line, struct em_conf_edge *e)
{
    if (++r->checks_n == EM_CONF_CHECKS_MAX + 1)
        conf_complain(r, line, "more than %d checks", EM_CONF_CHECKS_MAX);
    return r->checks_n > EM_CONF_CHECKS_MAX ? NULL : &e->checks[e->checks_n++];
}

/* A URI without a host: a check for each address of the edge. */
static void check_addresses(struct reading *r, int place, const struct em_conf_raw_check *raw,
                            const char *title, const struct em_conf_texts *address, struct em_conf_edge *e)
{
    const char *gap = no_host(raw->uri);
    unsigned line = conf_line_of(r, place, "uri");
    char text[2 * EM_URI_MAX], host[EM_URI_MAX];

    if (address->n == 0)
        conf_complain(r, line, "uri: \"%s\" has no host, and the edge has no address to take its place",
                      raw->uri);
    for (size_t i = 0; i < address->n; i++) {
        struct em_conf_check *c = conf_host_text(address->text[i], host) ? next_check(r, line, e) : NULL;

        if (!c)
            continue;
        snprintf(text, sizeof text, "%.*s%s%s", (int)(gap - raw->uri), raw->uri, host, gap);
        read_uri(r, line, text, &c->uri);
        name_check(r, line, e, c, title, address->n > 1 ? address->text[i] : "");
        set_check(r, place, raw, c);
    }
}

void conf_read_check(struct reading *r, cfg_t *cfg, int place, const struct em_conf_texts *address,
                     struct em_conf_edge *e)
{
    struct em_conf_raw_check raw = { 0 };
    struct em_conf_check *c;

    conf_set_all(r, cfg, place, &em_conf_root.blocks[0].blocks[0], &raw);
    if (no_host(raw.uri)) {
        check_addresses(r, place, &raw, cfg_title(cfg), address, e);
    } else if ((c = next_check(r, em_conf_line(&r->places, place), e))) {
        if (raw.uri[0])
            read_uri(r, conf_line_of(r, place, "uri"), raw.uri, &c->uri);
        name_check(r, em_conf_line(&r->places, place), e, c, cfg_title(cfg), "");
        set_check(r, place, &raw, c);
    }
    explicit_bzero(&raw, sizeof raw);
}

static bool is_tested(const struct em_conf_edge *e, size_t checks, const char *host)
{
    for (size_t i = 0; i < checks; i++) {
        const char *h = e->checks[i].uri.host;
        bool v6 = host[0] == '[';

        if (strlen(h) + (v6 ? 2 : 0) == strlen(host) && strncasecmp(h, host + v6, strlen(h)) == 0)
            return true;
    }
    return false;
}

void conf_read_addresses(struct reading *r, int place, const struct em_conf_texts *address,
                         struct em_conf_edge *e)
{
    const struct em_conf_block *b = &em_conf_root.blocks[0].blocks[0];
    unsigned line = conf_line_of(r, place, "address");
    struct em_conf_raw_check raw = { 0 };
    size_t checks = e->checks_n;
    char host[EM_URI_MAX], text[2 * EM_URI_MAX];

    for (size_t i = 0; i < b->rows_n; i++)
        if (b->rows[i].initial)
            conf_set(r, line, &b->rows[i], &raw, b->rows[i].initial);
    for (size_t i = 0; i < address->n; i++) {
        struct em_conf_check *c;

        if (!conf_host_text(address->text[i], host)) {
            conf_complain(r, line, "address: \"%s\" is neither a name nor an address", address->text[i]);
        } else if (!is_tested(e, checks, host) && (c = next_check(r, line, e))) {
            snprintf(text, sizeof text, "stun:%s", host);
            read_uri(r, line, text, &c->uri);
            name_check(r, line, e, c, "", address->text[i]);
            set_check(r, place, &raw, c);
        }
    }
}
