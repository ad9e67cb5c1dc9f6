/* SPDX-License-Identifier: GPL-3.0-or-later
 * Reading edgemedia.conf: the scan finds names and lines, libConfuse the values, the rows say what a value may be. Every error is
 * kept until the end and reported in the order of the lines. */
#include "agent/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/conf_read.h"
#include "base/esc.h"

enum { FILE_MAX = 4 * 1024 * 1024, OPTIONS_MAX = 64, LINE_MAX_SHOWN = 400 };

struct conf_error {
    unsigned line; /* 0: of the file as a whole */
    size_t nr;
    char text[LINE_MAX_SHOWN];
};

/* libConfuse's error function has no argument; the main thread reads one configuration at a time. */
static struct reading *current;

static void vcomplain(struct reading *r, unsigned line, const char *fmt, va_list ap) EM_PRINTF(3, 0);
static void vcomplain(struct reading *r, unsigned line, const char *fmt, va_list ap)
{
    char raw[LINE_MAX_SHOWN];
    struct conf_error *e;

    if (r->errors_n == EM_CONF_ERRORS_MAX)
        return;
    e = &r->errors[r->errors_n];
    e->nr = r->errors_n++;
    e->line = line;
    vsnprintf(raw, sizeof raw, fmt, ap);
    esc_line_into(e->text, sizeof e->text, slice_of(raw));
}

void conf_complain(struct reading *r, unsigned line, const char *fmt, ...)
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

int conf_slurp(const char *path, size_t max, char **text, size_t *size, struct stat *st, struct em_why *why)
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

static bool is_declared(const cfg_opt_t *options, size_t n, const char *name)
{
    while (n-- > 0)
        if (strcmp(options[n].name, name) == 0)
            return true;
    return false;
}

/* libConfuse's declarations of one block. sub[i] are those of its i-th block. All values are text here: the rows judge them. */
static void declare(const struct em_conf_block *b, cfg_opt_t *to, cfg_opt_t **sub)
{
    size_t n = 0;

    for (size_t i = 0; i < b->rows_n; i++) {
        cfg_opt_t one = CFG_STR(b->rows[i].name, NULL, CFGF_NODEFAULT);
        cfg_opt_t list = CFG_STR_LIST(b->rows[i].name, NULL, CFGF_NODEFAULT);

        if (is_declared(to, n, b->rows[i].name)) /* a row for each type of source */
            continue;
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
        conf_set_all(r, cfg, EM_CONF_ROOT, &em_conf_root, r->conf);
        conf_check_root(r);
        conf_read_blocks(r, cfg);
    } else if (r->errors_n == 0) {
        conf_complain(r, 1, "not understood");
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
        conf_complain(r, line, "%s", why.text);
    else
        readable = true;
    conf_check_names(r);
    if (readable && !r->no_memory)
        read_values(r);
}

static int by_line(const void *a, const void *b)
{
    const struct conf_error *x = a, *y = b;

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
        conf_complain(&r, 0, "the file's name is too long");
    else if (conf_slurp(file, FILE_MAX, &r.text, &r.size, &st, &why) < 0)
        conf_complain(&r, 0, "%s", why.text);
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

void em_conf_print(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "%s\n", text);
}

int em_conf_test(const char *file)
{
    char shown[EM_URI_MAX];
    struct em_conf *conf;
    size_t checks = 0;
    int err = em_conf_read(file, em_conf_print, NULL, &conf);

    if (err < 0)
        return err;
    for (size_t i = 0; i < conf->edges_n; i++)
        checks += conf->edges[i].checks_n;
    printf("%s is good: %zu edges, %zu checks, %zu sources\n",
           esc_line_into(shown, sizeof shown, slice_of(file)), conf->edges_n, checks, conf->sources_n);
    em_conf_free(conf);
    return 0;
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
    if (c->sources)
        explicit_bzero(c->sources, c->sources_n * sizeof *c->sources);
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
