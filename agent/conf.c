/* SPDX-License-Identifier: GPL-3.0-or-later
 * Reading edgemedia.conf: the scan finds names and lines, libConfuse the values, the rows say what a value may be. Every error is
 * kept until the end and reported in the order of the lines. */
#include "agent/conf.h"

#include <arpa/inet.h>
#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/conf_rows.h"
#include "agent/conf_scan.h"
#include "base/log.h"

enum { FILE_MAX = 4 * 1024 * 1024, OPTIONS_MAX = 24, NEAR_MAX = 2, WORD_MAX = 32, LINE_MAX_SHOWN = 400 };

struct error {
    unsigned line; /* 0: of the file as a whole */
    size_t nr;
    char text[LINE_MAX_SHOWN];
};

struct reading {
    const char *file;
    char *text;
    size_t size;
    struct em_conf_places places;
    struct em_conf *conf;
    struct error *errors;
    size_t errors_n, checks_n;
    size_t ranges_n; /* so far, of all edges */
    bool no_memory;
};

/* libConfuse's error function has no argument; the main thread reads one configuration at a time. */
static struct reading *current;

static void vcomplain(struct reading *r, unsigned line, const char *fmt, va_list ap) EM_PRINTF(3, 0);
static void vcomplain(struct reading *r, unsigned line, const char *fmt, va_list ap)
{
    char raw[LINE_MAX_SHOWN];
    struct error *e;

    if (r->errors_n == EM_CONF_ERRORS_MAX)
        return;
    e = &r->errors[r->errors_n];
    e->nr = r->errors_n++;
    e->line = line;
    vsnprintf(raw, sizeof raw, fmt, ap);
    esc_line_into(e->text, sizeof e->text, slice_of(raw));
}

static void complain(struct reading *r, unsigned line, const char *fmt, ...) EM_PRINTF(3, 4);
static void complain(struct reading *r, unsigned line, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vcomplain(r, line, fmt, ap);
    va_end(ap);
}

static void confuse_says(cfg_t *cfg, const char *fmt, va_list ap) EM_PRINTF(2, 0);
static void confuse_says(cfg_t *cfg, const char *fmt, va_list ap)
{
    unsigned line = cfg && cfg->line > 0 ? (unsigned)cfg->line : 1;

    for (size_t i = 0; i < current->errors_n; i++)
        if (current->errors[i].line == line)
            return; /* we said it already, and better */
    vcomplain(current, line, fmt, ap);
}

/* --- files ------------------------------------------------------------------------------------------------------------------- */

/* At most max bytes of a regular file, NUL behind them; the caller frees. */
static int slurp(const char *path, size_t max, char **text, size_t *size, struct stat *st, struct em_why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = 0;
    ssize_t n = 0;
    char *p = NULL;

    if (fd < 0 || fstat(fd, st) != 0) {
        err = em_fail(why, EM_ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
        goto done;
    }
    if (S_ISDIR(st->st_mode) || st->st_size > (off_t)max) {
        err = em_fail(why, EM_ERR_INPUT, "%s is %s", path, S_ISDIR(st->st_mode) ? "a directory" : "too long");
        goto done;
    }
    if (!(p = malloc(max + 1))) {
        err = em_fail(why, EM_ERR_MEMORY, "no memory to read %s", path);
        goto done;
    }
    for (*size = 0; *size < max && (n = read(fd, p + *size, max - *size)) > 0;)
        *size += (size_t)n;
    if (n < 0 || (*size == max && read(fd, &(char) { 0 }, 1) > 0))
        err = em_fail(why, EM_ERR_INPUT, "%s: %s", path, n < 0 ? strerror(errno) : "too long");
done:
    if (fd >= 0)
        close(fd);
    if (err < 0) {
        free(p);
        return err;
    }
    p[*size] = '\0';
    *text = p;
    return 0;
}

/* A password or shared secret: the file without the line end behind it. */
static void read_secret(struct reading *r, unsigned line, const char *path, char to[EM_SECRET_MAX])
{
    struct em_why why;
    struct stat st;
    char *text = NULL;
    size_t n;

    if (slurp(path, 2 * EM_SECRET_MAX, &text, &n, &st, &why) < 0) {
        complain(r, line, "%s", why.text);
        return;
    }
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    if (n == 0 || n >= EM_SECRET_MAX || strpbrk(text, "\r\n") || strlen(text) != n)
        complain(r, line, "%s must hold one line of 1 to %d bytes", path, EM_SECRET_MAX - 1);
    else
        memcpy(to, text, n + 1);
    if (st.st_mode & S_IROTH)
        em_log_warning("%s:%u: everybody on this machine can read %s; chmod o-r it", r->file, line, path);
    explicit_bzero(text, n);
    free(text);
}

/* --- names ------------------------------------------------------------------------------------------------------------------- */

/* Edit distance of two short words. */
static size_t distance(struct slice a, const char *b)
{
    size_t row[WORD_MAX + 1], m = strlen(b);

    if (a.n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = corner + (a.p[i - 1] != b[j - 1]), least = change;

            corner = row[j];
            if (row[j] + 1 < least)
                least = row[j] + 1;
            if (row[j - 1] + 1 < least)
                least = row[j - 1] + 1;
            row[j] = least;
        }
    }
    return row[m];
}

static const struct em_conf_row *row_of(const struct em_conf_block *b, struct slice name)
{
    for (size_t i = 0; i < b->rows_n; i++)
        if (slice_eq(name, slice_of(b->rows[i].name)))
            return &b->rows[i];
    return NULL;
}

static const struct em_conf_block *block_of(const struct em_conf_block *b, struct slice name)
{
    for (size_t i = 0; i < b->blocks_n; i++)
        if (slice_eq(name, slice_of(b->blocks[i].name)))
            return &b->blocks[i];
    return NULL;
}

static void unknown(struct reading *r, const struct em_conf_place *p, const struct em_conf_block *in)
{
    const char *nearest = NULL;
    size_t least = NEAR_MAX + 1;

    for (size_t i = 0; i < in->rows_n + in->blocks_n; i++) {
        const char *name = i < in->rows_n ? in->rows[i].name : in->blocks[i - in->rows_n].name;
        size_t d = distance(p->name, name);

        if (d < least) {
            least = d;
            nearest = name;
        }
    }
    complain(r, p->line, "\"%.*s\" is not known %s%s%s%s%s", (int)(p->name.n < 64 ? p->name.n : 64),
             p->name.p, in->name ? "in the block " : "here", in->name ? in->name : "",
             nearest ? "; is \"" : "", nearest ? nearest : "", nearest ? "\" meant?" : "");
}

static bool good_name(struct slice s)
{
    if (s.n == 0 || s.n >= EM_NAME_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f || strchr("\\\"$", s.p[i]))
            return false;
    return true;
}

/* A block's title is its name: it must be there, fit, and be the only one of its kind around it. */
static void check_title(struct reading *r, size_t place)
{
    const struct em_conf_place *p = &r->places.all[place];
    char name[EM_NAME_MAX], kind[WORD_MAX];
    int first;

    if (!good_name(p->title)) {
        complain(r, p->line, "%.*s needs a name of 1 to %d characters in quotes", SLICE_ARG(p->name),
                 EM_NAME_MAX - 1);
        return;
    }
    slice_copy(p->title, name, sizeof name);
    slice_copy(p->name, kind, sizeof kind);
    first = em_conf_place(&r->places, p->parent, kind, name);
    if (first >= 0 && (size_t)first != place)
        complain(r, p->line, "%s \"%s\" is there already, in line %u", kind, name,
                 em_conf_line(&r->places, first));
}

static void check_option(struct reading *r, size_t place, const struct em_conf_row *row)
{
    const struct em_conf_place *p = &r->places.all[place];
    int first = em_conf_place(&r->places, p->parent, row->name, NULL);

    if (p->block)
        complain(r, p->line, "%s is an option: write %s = ...", row->name, row->name);
    else if ((size_t)first != place)
        complain(r, p->line, "%s is there already, in line %u", row->name, em_conf_line(&r->places, first));
    else if (row->kind == EM_CONF_LATER)
        complain(r, p->line, "%s is not supported by this version", row->name);
}

/* libConfuse must not see what it would stop at: the statement becomes blanks, its lines stay. */
static void blank(struct reading *r, const struct em_conf_place *p)
{
    for (size_t i = p->from; i < p->to; i++)
        if (r->text[i] != '\n')
            r->text[i] = ' ';
}

/* One statement in the block `in`. What cannot be read is told and put on the list of what libConfuse must not see. Returns the block
 * that it opens, or NULL. */
static const struct em_conf_block *check_name(struct reading *r, size_t place, const struct em_conf_block *in,
                                              bool *skip)
{
    const struct em_conf_place *p = &r->places.all[place];
    const struct em_conf_row *row = row_of(in, p->name);
    const struct em_conf_block *block = block_of(in, p->name);

    *skip = row ? p->block : !block || !p->block || block->later || !p->title.p;
    if (row)
        check_option(r, place, row);
    else if (!block)
        unknown(r, p, in);
    else if (!p->block)
        complain(r, p->line, "%s is a block: write %s \"name\" { ... }", block->name, block->name);
    else if (block->later)
        complain(r, p->line, "%s is not supported by this version", block->name);
    else
        check_title(r, place);
    return block && p->block && !block->later ? block : NULL;
}

/* Every name of the file: known where it stands, unique, and of this version. What is in an unknown block is passed over. */
static void check_names(struct reading *r)
{
    const struct em_conf_block **opens = calloc(r->places.n + 1, sizeof *opens);
    bool *skip = calloc(r->places.n + 1, sizeof *skip);

    if (!(r->no_memory = !opens || !skip)) {
        for (size_t i = 0; i < r->places.n; i++) {
            int parent = r->places.all[i].parent;
            const struct em_conf_block *in = parent == EM_CONF_ROOT ? &em_conf_root : opens[parent];

            if (in)
                opens[i] = check_name(r, i, in, &skip[i]);
        }
        for (size_t i = 0; i < r->places.n; i++) /* last: the names are slices of the text */
            if (skip[i])
                blank(r, &r->places.all[i]);
    }
    free(opens);
    free(skip);
}

/* --- values ------------------------------------------------------------------------------------------------------------------ */

static void set_text(struct reading *r, unsigned line, const struct em_conf_row *row, char *to,
                     const char *value)
{
    if (row->kind == EM_CONF_ABSOLUTE && value[0] != '/')
        complain(r, line, "%s: \"%s\" is not an absolute path", row->name, value);
    else if (row->needed && !*value)
        complain(r, line, "%s must not be empty", row->name);
    else if (!slice_copy(slice_of(value), to, row->size))
        complain(r, line, "%s is longer than %zu bytes", row->name, row->size - 1);
}

static void set_texts(struct reading *r, unsigned line, const struct em_conf_row *row,
                      struct em_conf_texts *to, const char *value)
{
    if (!*value)
        complain(r, line, "%s must not be empty", row->name);
    else if (to->n == EM_CONF_PATHS_MAX)
        complain(r, line, "%s has more than %d values", row->name, EM_CONF_PATHS_MAX);
    else if (!slice_copy(slice_of(value), to->text[to->n], EM_URI_MAX))
        complain(r, line, "%s is longer than %d bytes", row->name, EM_URI_MAX - 1);
    else
        to->n++;
}

static void set_number(struct reading *r, unsigned line, const struct em_conf_row *row, void *to,
                       const char *value)
{
    uint64_t n;
    int64_t us;

    if (row->kind == EM_CONF_UINT) {
        if (em_read_uint(value, (uint64_t)row->min, (uint64_t)row->max, &n))
            *(uint32_t *)to = (uint32_t)n;
        else
            complain(r, line, "%s: \"%s\" is not a whole number from %.0f to %.0f", row->name, value,
                     row->min, row->max);
    } else if (em_read_duration(value, &us) && (double)us >= row->min * 1e6 && (double)us <= row->max * 1e6) {
        *(int64_t *)to = us;
    } else {
        complain(r, line, "%s: \"%s\" is not a time from %g to %g seconds", row->name, value, row->min,
                 row->max);
    }
}

static void set_word(struct reading *r, unsigned line, const struct em_conf_row *row, void *to,
                     const char *value)
{
    int truth = cfg_parse_boolean(value);

    if (row->kind == EM_CONF_SOURCE) {
        if (!(*(uint32_t *)to = em_name_value(&em_source_type_names, value)))
            complain(r, line, "type: \"%s\" is not a type of source; write trace", value);
        else if (*(uint32_t *)to != EM_SOURCE_TRACE)
            complain(r, line, "sources of type %s are not supported by this version", value);
    } else if (truth == 0 || truth == 1) {
        *(bool *)to = truth == 1;
    } else {
        complain(r, line, "%s: \"%s\" is neither yes nor no", row->name, value);
    }
}

static void set(struct reading *r, unsigned line, const struct em_conf_row *row, void *raw, const char *value)
{
    void *to = (char *)raw + row->off;

    switch (row->kind) {
    case EM_CONF_TEXT:
    case EM_CONF_ABSOLUTE:
        set_text(r, line, row, to, value);
        break;
    case EM_CONF_TEXTS:
        set_texts(r, line, row, to, value);
        break;
    case EM_CONF_UINT:
    case EM_CONF_DURATION:
        set_number(r, line, row, to, value);
        break;
    case EM_CONF_PORTS:
        if (!em_read_ports(value, to))
            complain(r, line, "%s: \"%s\" is not a port or a range such as 50000-59999", row->name, value);
        break;
    case EM_CONF_TRUTH:
    case EM_CONF_SOURCE:
        set_word(r, line, row, to, value);
        break;
    case EM_CONF_LATER:
        break;
    }
}

static unsigned line_of(struct reading *r, int place, const char *name)
{
    int at = em_conf_place(&r->places, place, name, NULL);

    return em_conf_line(&r->places, at >= 0 ? at : place);
}

/* The options of one block into raw. */
static void set_all(struct reading *r, cfg_t *cfg, int place, const struct em_conf_block *b, void *raw)
{
    for (size_t i = 0; i < b->rows_n; i++) {
        const struct em_conf_row *row = &b->rows[i];
        unsigned line = line_of(r, place, row->name), n = cfg_size(cfg, row->name);

        for (unsigned k = 0; k < n; k++)
            set(r, line, row, raw, cfg_getnstr(cfg, row->name, k));
        if (n == 0 && row->initial)
            set(r, line, row, raw, row->initial);
        if (n == 0 && row->needed)
            complain(r, line, "%s is missing", row->name);
    }
}

/* --- blocks ------------------------------------------------------------------------------------------------------------------ */

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

static void check_root(struct reading *r)
{
    struct em_addr a;
    const struct em_conf *c = r->conf;

    if (c->name_servers[0] && !em_net_servers_ok(c->name_servers))
        complain(r, line_of(r, EM_CONF_ROOT, "name_servers"),
                 "name_servers: \"%s\" is not a list of addresses such as 192.0.2.1,[2001:db8::1]:5353",
                 c->name_servers);
    if (c->web_listen[0] && !em_conf_listen(c->web_listen, &a))
        complain(r, line_of(r, EM_CONF_ROOT, "web_listen"),
                 "web_listen: \"%s\" is not an address and port such as 127.0.0.1:9823 or [::1]:9823",
                 c->web_listen);
    if (c->control_socket[0] && c->control_socket[0] != '/')
        complain(r, line_of(r, EM_CONF_ROOT, "control_socket"),
                 "control_socket: \"%s\" is not an absolute path", c->control_socket);
    if (strlen(c->control_socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        complain(r, line_of(r, EM_CONF_ROOT, "control_socket"), "control_socket is longer than %zu bytes",
                 sizeof((struct sockaddr_un *)0)->sun_path - 1);
}

static void check_credentials(struct reading *r, int place, const struct em_conf_raw_check *raw,
                              struct em_conf_check *c)
{
    if (raw->password_file[0] && raw->secret_file[0])
        complain(r, line_of(r, place, "secret_file"), "give either password_file or secret_file, not both");
    if (raw->user[0] && !raw->password_file[0] && !raw->secret_file[0])
        complain(r, line_of(r, place, "user"), "user needs a password_file or a secret_file");
    if (raw->password_file[0] && !raw->user[0])
        complain(r, line_of(r, place, "password_file"), "password_file needs a user");
    if (raw->ca_file[0] && raw->insecure)
        complain(r, line_of(r, place, "insecure"), "give either ca_file or insecure, not both");
    slice_copy(slice_of(raw->ca_file), c->options.ca_file, sizeof c->options.ca_file);
    slice_copy(slice_of(raw->issuer), c->options.issuer, sizeof c->options.issuer);
    c->options.insecure = raw->insecure;
    slice_copy(slice_of(raw->user), c->options.user, sizeof c->options.user);
    if (raw->password_file[0])
        read_secret(r, line_of(r, place, "password_file"), raw->password_file, c->options.password);
    if (raw->secret_file[0])
        read_secret(r, line_of(r, place, "secret_file"), raw->secret_file, c->options.secret);
}

/* The name that stands for a host in a URI: an IPv6 literal is in []. False: it is neither a name nor an address. */
static bool host_text(const char *address, char host[EM_URI_MAX])
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
    complain(r, line, "uri: %s", why.text);
    return false;
}

static void name_check(struct reading *r, unsigned line, struct em_conf_edge *e, struct em_conf_check *c,
                       const char *title, const char *address)
{
    struct buf b = buf_over(c->name, sizeof c->name);

    buf_print(&b, "%s%s%s", title, *title && *address ? " " : "", address);
    if (b.full)
        complain(r, line,
                 "the name \"%s%s%s\" is longer than %d bytes: give a check with its host another one", title,
                 *title && *address ? " " : "", address, EM_NAME_MAX - 1);
    (void)buf_str(&b);
    for (const struct em_conf_check *other = e->checks; other < c; other++)
        if (strcmp(other->name, c->name) == 0)
            complain(r, line, "check \"%s\" would be there twice", c->name);
}

static void set_check(struct reading *r, int place, const struct em_conf_raw_check *raw,
                      struct em_conf_check *c)
{
    c->interval_us = raw->interval_us;
    c->options.timeout_us = raw->timeout_us < raw->interval_us ? raw->timeout_us : raw->interval_us;
    c->options.degraded_rtt_us = raw->degraded_rtt_us;
    c->options.source_ports = raw->source_ports;
    c->options.relay_ports = raw->relay_ports;
    check_credentials(r, place, raw, c);
}

/* The next check of the edge, or NULL: there are too many. */
static struct em_conf_check *next_check(struct reading *r, unsigned line, struct em_conf_edge *e)
{
    if (++r->checks_n == EM_CONF_CHECKS_MAX + 1)
        complain(r, line, "more than %d checks", EM_CONF_CHECKS_MAX);
    return r->checks_n > EM_CONF_CHECKS_MAX ? NULL : &e->checks[e->checks_n++];
}

/* A URI without a host: a check for each address of the edge. */
static void check_addresses(struct reading *r, int place, const struct em_conf_raw_check *raw,
                            const char *title, const struct em_conf_texts *address, struct em_conf_edge *e)
{
    const char *gap = no_host(raw->uri);
    unsigned line = line_of(r, place, "uri");
    char text[2 * EM_URI_MAX], host[EM_URI_MAX];

    if (address->n == 0)
        complain(r, line, "uri: \"%s\" has no host, and the edge has no address to take its place", raw->uri);
    for (size_t i = 0; i < address->n; i++) {
        struct em_conf_check *c = host_text(address->text[i], host) ? next_check(r, line, e) : NULL;

        if (!c)
            continue;
        snprintf(text, sizeof text, "%.*s%s%s", (int)(gap - raw->uri), raw->uri, host, gap);
        read_uri(r, line, text, &c->uri);
        name_check(r, line, e, c, title, address->n > 1 ? address->text[i] : "");
        set_check(r, place, raw, c);
    }
}

static void read_check(struct reading *r, cfg_t *cfg, int place, const struct em_conf_texts *address,
                       struct em_conf_edge *e)
{
    struct em_conf_raw_check raw = { 0 };
    struct em_conf_check *c;

    set_all(r, cfg, place, &em_conf_root.blocks[0].blocks[0], &raw);
    if (no_host(raw.uri)) {
        check_addresses(r, place, &raw, cfg_title(cfg), address, e);
    } else if ((c = next_check(r, em_conf_line(&r->places, place), e))) {
        if (raw.uri[0])
            read_uri(r, line_of(r, place, "uri"), raw.uri, &c->uri);
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

/* Every address is tested: one that is in no URI of the edge gets a check of its own. */
static void read_addresses(struct reading *r, int place, const struct em_conf_texts *address,
                           struct em_conf_edge *e)
{
    const struct em_conf_block *b = &em_conf_root.blocks[0].blocks[0];
    unsigned line = line_of(r, place, "address");
    struct em_conf_raw_check raw = { 0 };
    size_t checks = e->checks_n;
    char host[EM_URI_MAX], text[2 * EM_URI_MAX];

    for (size_t i = 0; i < b->rows_n; i++)
        if (b->rows[i].initial)
            set(r, line, &b->rows[i], &raw, b->rows[i].initial);
    for (size_t i = 0; i < address->n; i++) {
        struct em_conf_check *c;

        if (!host_text(address->text[i], host)) {
            complain(r, line, "address: \"%s\" is neither a name nor an address", address->text[i]);
        } else if (!is_tested(e, checks, host) && (c = next_check(r, line, e))) {
            snprintf(text, sizeof text, "stun:%s", host);
            read_uri(r, line, text, &c->uri);
            name_check(r, line, e, c, "", address->text[i]);
            set_check(r, place, &raw, c);
        }
    }
}

static void add_host(struct reading *r, unsigned line, const char *host, struct em_conf_range *g)
{
    struct slice name = slice_of(host);
    char text[EM_URI_MAX];

    if (!host_text(host, text)) {
        complain(r, line, "host: \"%s\" is neither a name nor an address", host);
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
        add_host(r, line_of(r, place, "host"), raw->host, g);
    for (size_t i = 0; !raw->host[0] && i < address->n; i++)
        if (host_text(address->text[i], text)) /* others are complained of where they stand */
            add_host(r, em_conf_line(&r->places, place), address->text[i], g);
    if (!raw->host[0] && address->n == 0)
        complain(r, em_conf_line(&r->places, place),
                 "a range needs a host, or the edge an address to take its place");
}

/* One of two words. */
static bool second_of(struct reading *r, int place, const char *name, const char *value, const char *first,
                      const char *second)
{
    if (strcmp(value, first) != 0 && strcmp(value, second) != 0)
        complain(r, line_of(r, place, name), "%s: \"%s\" is neither %s nor %s", name, value, first, second);
    return strcmp(value, second) == 0;
}

static void read_range(struct reading *r, cfg_t *cfg, int place, const struct em_conf_texts *address,
                       struct em_conf_range *g)
{
    struct em_conf_raw_range raw = { 0 };

    set_all(r, cfg, place, &em_conf_root.blocks[0].blocks[1], &raw);
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
        read_secret(r, line_of(r, place, "key_file"), raw.key_file, g->key);
    if (strlen(g->key) > EM_SWEEP_KEY_MAX)
        complain(r, line_of(r, place, "key_file"), "key_file: the key is longer than %d bytes",
                 EM_SWEEP_KEY_MAX);
    range_hosts(r, place, &raw, address, g);
}

static void read_ranges(struct reading *r, cfg_t *cfg, int place, const struct em_conf_texts *address,
                        struct em_conf_edge *e)
{
    unsigned n = cfg_size(cfg, "range");

    r->ranges_n += n;
    if (r->ranges_n > EM_RANGES_MAX) {
        complain(r, em_conf_line(&r->places, place), "more than %d ranges", EM_RANGES_MAX);
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
    set_all(r, cfg, place, &em_conf_root.blocks[0], raw);
    for (unsigned i = 0; i < n; i++) {
        cfg_t *check = cfg_getnsec(cfg, "check", i);

        read_check(r, check, em_conf_place(&r->places, place, "check", cfg_title(check)), &raw->address, e);
    }
    read_addresses(r, place, &raw->address, e);
    read_ranges(r, cfg, place, &raw->address, e);
    free(raw);
}

static void read_source(struct reading *r, cfg_t *cfg, int place, struct em_conf_source *s)
{
    struct em_conf_raw_source *raw = calloc(1, sizeof *raw);

    if (!raw) {
        r->no_memory = true;
        return;
    }
    set_all(r, cfg, place, &em_conf_root.blocks[1], raw);
    slice_copy(slice_of(cfg_title(cfg)), s->name, sizeof s->name);
    s->type = (enum em_source_type)raw->type;
    s->from_start = raw->from_start;
    s->path_n = raw->path.n;
    memcpy(s->path, raw->path.text, sizeof s->path);
    if (raw->type == EM_SOURCE_TRACE && s->path_n == 0)
        complain(r, em_conf_line(&r->places, place), "a source of type trace needs a path");
    for (size_t i = 0; i < s->path_n; i++)
        if (s->path[i][0] != '/')
            complain(r, line_of(r, place, "path"), "path: \"%s\" is not an absolute path", s->path[i]);
    free(raw);
}

static void read_blocks(struct reading *r, cfg_t *cfg)
{
    struct em_conf *c = r->conf;
    unsigned edges = cfg_size(cfg, "edge"), sources = cfg_size(cfg, "source");

    if (edges > EM_EDGES_MAX || sources > EM_SOURCES_MAX) {
        complain(r, 0, "more than %d edges or %d sources", EM_EDGES_MAX, EM_SOURCES_MAX);
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

/* --- the whole --------------------------------------------------------------------------------------------------------------- */

/* libConfuse's declarations of one block. sub[i] are those of its i-th block. All values are text here: the rows judge them. */
static void declare(const struct em_conf_block *b, cfg_opt_t *to, cfg_opt_t **sub)
{
    size_t n = 0;

    for (size_t i = 0; i < b->rows_n; i++) {
        cfg_opt_t one = CFG_STR(b->rows[i].name, NULL, CFGF_NODEFAULT);
        cfg_opt_t list = CFG_STR_LIST(b->rows[i].name, NULL, CFGF_NODEFAULT);

        to[n++] = b->rows[i].kind == EM_CONF_TEXTS || b->rows[i].kind == EM_CONF_LATER ? list : one;
    }
    for (size_t i = 0; i < b->blocks_n; i++)
        to[n++] = (cfg_opt_t)CFG_SEC(b->blocks[i].name, sub ? sub[i] : NULL, CFGF_MULTI | CFGF_TITLE);
    to[n] = (cfg_opt_t)CFG_END();
}

static void read_values(struct reading *r)
{
    cfg_opt_t check[OPTIONS_MAX], range[OPTIONS_MAX], edge[OPTIONS_MAX], source[OPTIONS_MAX],
        root[OPTIONS_MAX];
    cfg_t *cfg;

    declare(&em_conf_root.blocks[0].blocks[0], check, NULL);
    declare(&em_conf_root.blocks[0].blocks[1], range, NULL);
    declare(&em_conf_root.blocks[0], edge, (cfg_opt_t *[]) { check, range });
    declare(&em_conf_root.blocks[1], source, NULL);
    declare(&em_conf_root, root, (cfg_opt_t *[]) { edge, source });
    if (!(cfg = cfg_init(root, CFGF_NONE))) {
        r->no_memory = true;
        return;
    }
    cfg_set_error_function(cfg, confuse_says);
    current = r;
    if (r->places.n == 0 || cfg_parse_buf(cfg, r->text) == CFG_SUCCESS) {
        set_all(r, cfg, EM_CONF_ROOT, &em_conf_root, r->conf);
        check_root(r);
        read_blocks(r, cfg);
    } else if (r->errors_n == 0) {
        complain(r, 1, "not understood");
    }
    current = NULL;
    cfg_free(cfg);
}

static void read_text(struct reading *r)
{
    struct em_why why;
    unsigned line = 1;
    bool readable = false;
    int err;

    if (strlen(r->text) != r->size)
        err = em_fail(&why, EM_ERR_INPUT, "the file holds NUL bytes: it is not a configuration");
    else
        err = em_conf_scan((struct slice) { r->text, r->size }, &r->places, &line, &why);
    if (err < 0)
        complain(r, line, "%s", why.text);
    else
        readable = true;
    check_names(r);
    if (readable && !r->no_memory)
        read_values(r);
}

static int by_line(const void *a, const void *b)
{
    const struct error *x = a, *y = b;

    return x->line != y->line ? (x->line > y->line) - (x->line < y->line) : (x->nr > y->nr) - (x->nr < y->nr);
}

static void report_all(struct reading *r, void (*report)(void *arg, const char *text), void *arg)
{
    char text[EM_URI_MAX + LINE_MAX_SHOWN + 16];

    qsort(r->errors, r->errors_n, sizeof *r->errors, by_line);
    for (size_t i = 0; i < r->errors_n; i++) {
        if (r->errors[i].line > 0)
            snprintf(text, sizeof text, "%s:%u: %s", r->file, r->errors[i].line, r->errors[i].text);
        else
            snprintf(text, sizeof text, "%s: %s", r->file, r->errors[i].text);
        report(arg, text);
    }
    if (r->errors_n == EM_CONF_ERRORS_MAX)
        report(arg, "further errors are not shown");
}

int em_conf_read(const char *file, void (*report)(void *arg, const char *text), void *arg,
                 struct em_conf **conf)
{
    struct reading r = { .file = file };
    struct em_why why;
    struct stat st;
    int err = EM_ERR_MEMORY;

    r.errors = calloc(EM_CONF_ERRORS_MAX, sizeof *r.errors);
    r.conf = calloc(1, sizeof *r.conf);
    if (!r.errors || !r.conf)
        goto done;
    if (!slice_copy(slice_of(file), r.conf->file, sizeof r.conf->file))
        complain(&r, 0, "the file's name is too long");
    else if (slurp(file, FILE_MAX, &r.text, &r.size, &st, &why) < 0)
        complain(&r, 0, "%s", why.text);
    else
        read_text(&r);
    if (r.no_memory)
        goto done;
    err = r.errors_n > 0 ? EM_ERR_INPUT : 0;
    report_all(&r, report, arg);
done:
    if (err == EM_ERR_MEMORY)
        report(arg, "no memory to read the configuration");
    em_conf_places_fini(&r.places);
    free(r.errors);
    free(r.text);
    if (err < 0)
        em_conf_free(r.conf);
    else
        *conf = r.conf;
    return err;
}

void em_conf_forget_blocks(struct em_conf *c)
{
    for (size_t i = 0; i < c->edges_n; i++) {
        if (c->edges[i].checks)
            explicit_bzero(c->edges[i].checks, c->edges[i].checks_n * sizeof *c->edges[i].checks);
        if (c->edges[i].ranges)
            explicit_bzero(c->edges[i].ranges, c->edges[i].ranges_n * sizeof *c->edges[i].ranges);
        free(c->edges[i].ranges);
        free(c->edges[i].checks);
    }
    free(c->edges);
    free(c->sources);
    c->edges = NULL;
    c->sources = NULL;
    c->edges_n = c->sources_n = 0;
}

void em_conf_free(struct em_conf *c)
{
    if (c)
        em_conf_forget_blocks(c);
    free(c);
}
