/* SPDX-License-Identifier: GPL-3.0-or-later
 * The blocks of edgemedia.conf: edges, their ranges, and sources; and the options outside of blocks. */
#include "agent/conf_read.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/un.h>

bool em_conf_listen(const char *text, struct em_addr *a)
{
    const char *colon = strrchr(text, ':');
    char host[EM_URI_MAX];
    uint64_t port;

    *a = (struct em_addr) { 0 };
    if (!colon || !em_read_uint(colon + 1, 1, UINT16_MAX, &port) ||
        !slice_copy((struct slice) { text, (size_t)(colon - text) }, host, sizeof host))
        return false;
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        a->len = sizeof a->u.v6;
        a->u.v6.sin6_family = AF_INET6;
        a->u.v6.sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host + 1, &a->u.v6.sin6_addr) == 1;
    }
    a->len = sizeof a->u.v4;
    a->u.v4.sin_family = AF_INET;
    a->u.v4.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &a->u.v4.sin_addr) == 1;
}

bool em_conf_is_loopback(const struct em_addr *a)
{
    if (a->u.any.sa_family == AF_INET)
        return ntohl(a->u.v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->u.v6.sin6_addr);
}

/* The endpoint has no passwords. */
static void check_web(struct reading *r, const struct em_conf *c)
{
    unsigned line = conf_line_of(r, EM_CONF_ROOT, "web_listen");
    struct em_addr a;

    if (!c->web_listen[0])
        return;
    if (!em_conf_listen(c->web_listen, &a))
        conf_complain(r, line,
                      "web_listen: \"%s\" is not an address and port such as 127.0.0.1:9823 or [::1]:9823",
                      c->web_listen);
    else if (!em_conf_is_loopback(&a) && !c->web_remote && !c->web_tls.certificate[0])
        conf_complain(
            r, line,
            "web_listen: %s can be reached from other machines, and is not encrypted; write web_certificate "
            "and web_key, use 127.0.0.1 behind a proxy with TLS, or write web_remote = yes",
            c->web_listen);
}

/* A certificate and its key, or neither. */
static void check_web_tls(struct reading *r, const struct em_tls_files *f)
{
    struct em_why why;

    if (f->certificate[0] && !f->key[0])
        conf_complain(r, conf_line_of(r, EM_CONF_ROOT, "web_certificate"), "web_certificate needs web_key");
    else if (!f->certificate[0] && (f->key[0] || f->client_ca[0]))
        conf_complain(r, conf_line_of(r, EM_CONF_ROOT, f->key[0] ? "web_key" : "web_client_ca"),
                      "%s goes with web_certificate", f->key[0] ? "web_key" : "web_client_ca");
    else if (f->certificate[0] && em_tls_files_check(f, &why) != 0)
        conf_complain(r, conf_line_of(r, EM_CONF_ROOT, "web_certificate"), "web_certificate: %s", why.text);
}

void conf_check_root(struct reading *r)
{
    const struct em_conf *c = r->conf;

    if (c->name_servers[0] && !em_net_servers_ok(c->name_servers))
        conf_complain(r, conf_line_of(r, EM_CONF_ROOT, "name_servers"),
                      "name_servers: \"%s\" is not a list of addresses such as 192.0.2.1,[2001:db8::1]:5353",
                      c->name_servers);
    check_web(r, c);
    check_web_tls(r, &c->web_tls);
    if (c->control_socket[0] && c->control_socket[0] != '/')
        conf_complain(r, conf_line_of(r, EM_CONF_ROOT, "control_socket"),
                      "control_socket: \"%s\" is not an absolute path", c->control_socket);
    if (strlen(c->control_socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        conf_complain(r, conf_line_of(r, EM_CONF_ROOT, "control_socket"),
                      "control_socket is longer than %zu bytes",
                      sizeof((struct sockaddr_un *)0)->sun_path - 1);
}

static void add_host(struct reading *r, unsigned line, const char *host, struct em_conf_range *g)
{
    struct slice name = slice_of(host);
    char text[EM_URI_MAX];

    if (!conf_host_text(host, text)) {
        conf_complain(r, line, "host: \"%s\" is neither a name nor an address", host);
        return;
    }
    if (name.p[0] == '[')
        name = (struct slice) { name.p + 1, name.n - 2 };
    slice_copy(name, g->host[g->host_n++], sizeof g->host[0]);
}

static void range_hosts(struct reading *r, int place, const struct em_conf_raw_range *raw,
                        const struct em_conf_texts *address, struct em_conf_range *g)
{
    char text[EM_URI_MAX];

    if (raw->host[0])
        add_host(r, conf_line_of(r, place, "host"), raw->host, g);
    for (size_t i = 0; !raw->host[0] && i < address->n; i++)
        if (conf_host_text(address->text[i], text)) /* others are complained of where they stand */
            add_host(r, em_conf_line(&r->places, place), address->text[i], g);
    if (!raw->host[0] && address->n == 0)
        conf_complain(r, em_conf_line(&r->places, place),
                      "a range needs a host, or the edge an address to take its place");
}

/* One of two words. */
static bool second_of(struct reading *r, int place, const char *name, const char *value, const char *first,
                      const char *second)
{
    if (strcmp(value, first) != 0 && strcmp(value, second) != 0)
        conf_complain(r, conf_line_of(r, place, name), "%s: \"%s\" is neither %s nor %s", name, value, first,
                      second);
    return strcmp(value, second) == 0;
}

static void read_range(struct reading *r, cfg_t *cfg, int place, const struct em_conf_texts *address,
                       struct em_conf_range *g)
{
    struct em_conf_raw_range raw = { 0 };

    conf_set_all(r, cfg, place, &em_conf_root.blocks[0].blocks[1], &raw);
    slice_copy(slice_of(cfg_title(cfg)), g->name, sizeof g->name);
    g->ports = raw.ports;
    g->source_ports = raw.source_ports;
    g->transport =
        second_of(r, place, "transport", raw.transport, "udp", "tcp") ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP;
    g->sharing = second_of(r, place, "payload", raw.payload, "stun", "sharing");
    g->sample = raw.sample;
    g->rate = raw.rate;
    g->interval_us = raw.interval_us;
    g->timeout_us = raw.timeout_us;
    if (raw.key_file[0])
        conf_read_secret(r, conf_line_of(r, place, "key_file"), raw.key_file, g->key);
    if (strlen(g->key) > EM_SWEEP_KEY_MAX)
        conf_complain(r, conf_line_of(r, place, "key_file"), "key_file: the key is longer than %d bytes",
                      EM_SWEEP_KEY_MAX);
    range_hosts(r, place, &raw, address, g);
}

static void read_ranges(struct reading *r, cfg_t *cfg, int place, const struct em_conf_texts *address,
                        struct em_conf_edge *e)
{
    unsigned n = cfg_size(cfg, "range");

    r->ranges_n += n;
    if (r->ranges_n > EM_RANGES_MAX) {
        conf_complain(r, em_conf_line(&r->places, place), "more than %d ranges", EM_RANGES_MAX);
        return;
    }
    if (!(e->ranges = calloc(n + 1, sizeof *e->ranges))) {
        r->no_memory = true;
        return;
    }
    for (; e->ranges_n < n; e->ranges_n++) {
        cfg_t *range = cfg_getnsec(cfg, "range", (unsigned)e->ranges_n);

        read_range(r, range, em_conf_place(&r->places, place, "range", cfg_title(range)), address,
                   &e->ranges[e->ranges_n]);
    }
}

static void read_edge(struct reading *r, cfg_t *cfg, int place, struct em_conf_edge *e)
{
    struct em_conf_raw_edge *raw = calloc(1, sizeof *raw);
    unsigned n = cfg_size(cfg, "check");
    size_t addresses = raw ? cfg_size(cfg, "address") : 0, room;

    slice_copy(slice_of(cfg_title(cfg)), e->name, sizeof e->name);
    if (addresses > EM_CONF_PATHS_MAX)
        addresses = EM_CONF_PATHS_MAX;
    room = n * (addresses + 1) + addresses + 1;
    e->checks = calloc(room < EM_CONF_CHECKS_MAX ? room : EM_CONF_CHECKS_MAX, sizeof *e->checks);
    if (!raw || !e->checks) {
        r->no_memory = true;
        free(raw);
        return;
    }
    conf_set_all(r, cfg, place, &em_conf_root.blocks[0], raw);
    for (unsigned i = 0; i < n; i++) {
        cfg_t *check = cfg_getnsec(cfg, "check", i);

        conf_read_check(r, check, em_conf_place(&r->places, place, "check", cfg_title(check)), &raw->address,
                        e);
    }
    conf_read_addresses(r, place, &raw->address, e);
    read_ranges(r, cfg, place, &raw->address, e);
    free(raw);
}

/* Who can reach the port can count. */
static void read_listen(struct reading *r, int place, const struct em_conf_raw_source *raw,
                        struct em_source_conf *s)
{
    unsigned line = conf_line_of(r, place, "listen");

    if (!em_conf_listen(raw->listen, &s->listen))
        conf_complain(r, line,
                      "listen: \"%s\" is not an address and port such as 127.0.0.1:9060 or [::1]:9060",
                      raw->listen);
    else if (!em_conf_is_loopback(&s->listen) && !raw->remote && !s->tls.client_ca[0])
        conf_complain(
            r, line,
            "listen: %s can be reached from other machines, and whoever sends there is believed; let "
            "the firewall keep others away and write remote = yes, or use 127.0.0.1",
            raw->listen);
}

/* What its kind says of it, unless something is wrong with it already. */
static void check_source(struct reading *r, int place, struct em_source_conf *s)
{
    const char *option = "type";
    struct em_why why;

    if (!r->errors_n && em_source_check(s, &option, &why) != 0)
        conf_complain(r, conf_line_of(r, place, option), "%s", why.text);
}

static void read_source(struct reading *r, cfg_t *cfg, int place, struct em_source_conf *s)
{
    struct em_conf_raw_source *raw = calloc(1, sizeof *raw);

    if (!raw) {
        r->no_memory = true;
        return;
    }
    conf_set_all(r, cfg, place, &em_conf_root.blocks[1], raw);
    memcpy(s, &raw->conf, sizeof *s);
    slice_copy(slice_of(cfg_title(cfg)), s->name, sizeof s->name);
    s->type = (enum em_source_type)raw->type;
    s->path_n = raw->path.n;
    memcpy(s->path, raw->path.text, sizeof s->path);
    for (size_t i = 0; i < s->path_n; i++)
        if (s->path[i][0] != '/')
            conf_complain(r, conf_line_of(r, place, "path"), "path: \"%s\" is not an absolute path",
                          s->path[i]);
    if (raw->listen[0])
        read_listen(r, place, raw, s);
    check_source(r, place, s);
    explicit_bzero(raw, sizeof *raw);
    free(raw);
}

void conf_read_blocks(struct reading *r, cfg_t *cfg)
{
    struct em_conf *c = r->conf;
    unsigned edges = cfg_size(cfg, "edge"), sources = cfg_size(cfg, "source");

    if (edges > EM_EDGES_MAX || sources > EM_SOURCES_MAX) {
        conf_complain(r, 0, "more than %d edges or %d sources", EM_EDGES_MAX, EM_SOURCES_MAX);
        return;
    }
    c->edges = calloc(edges + 1, sizeof *c->edges);
    c->sources = calloc(sources + 1, sizeof *c->sources);
    if ((r->no_memory = !c->edges || !c->sources))
        return;
    for (; c->edges_n < edges && !r->no_memory; c->edges_n++) {
        cfg_t *sec = cfg_getnsec(cfg, "edge", (unsigned)c->edges_n);

        read_edge(r, sec, em_conf_place(&r->places, EM_CONF_ROOT, "edge", cfg_title(sec)),
                  &c->edges[c->edges_n]);
    }
    for (; c->sources_n < sources && !r->no_memory; c->sources_n++) {
        cfg_t *sec = cfg_getnsec(cfg, "source", (unsigned)c->sources_n);

        read_source(r, sec, em_conf_place(&r->places, EM_CONF_ROOT, "source", cfg_title(sec)),
                    &c->sources[c->sources_n]);
    }
}
