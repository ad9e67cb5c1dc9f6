/* SPDX-License-Identifier: GPL-3.0-or-later
 * The statements of a configuration file and their lines. */
#include "agent/conf_scan.h"

#include <stdlib.h>

enum token_kind { END, WORD, SIGN, BROKEN };

struct token {
    enum token_kind kind;
    struct slice text; /* WORD: without quotes; SIGN: one of { } ( ) = , and += */
    unsigned line;
};

struct scanner {
    struct slice rest;
    struct slice all;
    unsigned line;
    const char *broken;
};

static char look(const struct scanner *s, size_t at)
{
    return at < s->rest.n ? s->rest.p[at] : '\0';
}

static void skip(struct scanner *s, size_t n)
{
    for (size_t i = 0; i < n && i < s->rest.n; i++)
        s->line += s->rest.p[i] == '\n';
    s->rest = slice_from(s->rest, n);
}

static bool skip_comment(struct scanner *s)
{
    size_t end;

    if (look(s, 0) == '/' && look(s, 1) == '*') {
        end = slice_find(slice_from(s->rest, 2), SLICE("*/"));
        skip(s, end == SIZE_MAX ? s->rest.n : end + 4);
        return true;
    }
    if (look(s, 0) != '#' && !(look(s, 0) == '/' && look(s, 1) == '/'))
        return false;
    end = slice_find_char(s->rest, '\n');
    skip(s, end == SIZE_MAX ? s->rest.n : end);
    return true;
}

static void skip_blank(struct scanner *s)
{
    while (s->rest.n > 0 && (skip_comment(s) || strchr(" \t\r\n", look(s, 0))))
        if (s->rest.n > 0 && strchr(" \t\r\n", look(s, 0)))
            skip(s, 1);
}

static struct token quoted(struct scanner *s)
{
    struct token t = { .kind = WORD, .line = s->line };
    char quote = look(s, 0);
    size_t n = 1;

    while (n < s->rest.n && look(s, n) != quote)
        n += look(s, n) == '\\' ? 2 : 1;
    if (n >= s->rest.n) {
        s->broken = "a quote is never closed";
        return (struct token) { .kind = BROKEN, .line = t.line };
    }
    t.text = slice_upto(slice_from(s->rest, 1), n - 1);
    skip(s, n + 1);
    return t;
}

/* ${NAME} is one word; a slash ends a word only when it begins a comment. */
static size_t bare_length(const struct scanner *s)
{
    size_t n = 0;

    if (look(s, 0) == '$' && look(s, 1) == '{') {
        size_t end = slice_find_char(s->rest, '}');

        return end == SIZE_MAX ? s->rest.n : end + 1;
    }
    while (n < s->rest.n && !strchr(" #\"'\t\n\r={}()+,*", look(s, n)) &&
           !(look(s, n) == '/' && (look(s, n + 1) == '/' || look(s, n + 1) == '*')))
        n++;
    return n;
}

static struct token next(struct scanner *s)
{
    struct token t;
    size_t n;

    skip_blank(s);
    t = (struct token) { .kind = END, .line = s->line };
    if (s->rest.n == 0)
        return t;
    if (look(s, 0) == '"' || look(s, 0) == '\'')
        return quoted(s);
    n = bare_length(s);
    if (n > 0 && look(s, n) == '/' && look(s, n + 1) == '*') { /* it would begin a comment */
        s->broken = "a value that holds /* must be in quotes";
        return (struct token) { .kind = BROKEN, .line = t.line };
    }
    t.kind = n > 0 ? WORD : SIGN;
    if (n == 0)
        n = look(s, 0) == '+' && look(s, 1) == '=' ? 2 : 1;
    t.text = slice_upto(s->rest, n);
    skip(s, n);
    return t;
}

static bool is_sign(const struct token *t, char c)
{
    return t->kind == SIGN && t->text.p[t->text.n - 1] == c;
}

static int add(struct em_conf_places *places, const struct em_conf_place *p, struct em_why *why)
{
    size_t n = places->n;

    if (n == EM_CONF_PLACES_MAX)
        return em_fail(why, EM_ERR_LIMIT, "more than %d statements", EM_CONF_PLACES_MAX);
    if ((n & (n - 1)) == 0) { /* a power of two: the array is full */
        struct em_conf_place *all = realloc(places->all, (n ? 2 * n : 1) * sizeof *all);

        if (!all)
            return em_fail(why, EM_ERR_MEMORY, "no memory for %zu statements", n);
        places->all = all;
    }
    places->all[places->n++] = *p;
    return 0;
}

/* Behind "name =": one word, or words and commas in braces. */
static int skip_value(struct scanner *s, struct em_why *why)
{
    struct token t = next(s);

    if (t.kind == WORD)
        return 0;
    if (is_sign(&t, '{')) {
        do
            t = next(s);
        while (t.kind == WORD || is_sign(&t, ','));
        if (is_sign(&t, '}'))
            return 0;
    }
    return em_fail(why, EM_ERR_INPUT, "%s", s->broken ? s->broken : "a value is missing or not in quotes");
}

/* A statement from its name on. *depth and inside[] follow the blocks. */
static int statement(struct scanner *s, const struct token *name, struct em_conf_places *places,
                     int inside[EM_CONF_DEPTH_MAX], size_t *depth, struct em_why *why)
{
    struct em_conf_place p = { .name = name->text,
                               .line = name->line,
                               .parent = inside[*depth],
                               .from = (size_t)(name->text.p - s->all.p) };
    struct token t = next(s);
    int err;

    if (p.from > 0 && strchr("\"'", s->all.p[p.from - 1]))
        p.from--;
    if (is_sign(&t, '=')) {
        if ((err = skip_value(s, why)) < 0)
            return err;
        p.to = s->all.n - s->rest.n;
        return add(places, &p, why);
    }
    if (t.kind == WORD) {
        p.title = t.text;
        t = next(s);
    }
    if (!is_sign(&t, '{'))
        return em_fail(why, EM_ERR_INPUT, "%s%.*s%s",
                       s->broken ? s->broken : "expected \"=\" or \"{\" behind \"",
                       s->broken ? 0 : (int)(p.name.n < 64 ? p.name.n : 64), p.name.p, s->broken ? "" : "\"");
    p.block = true;
    if (*depth == EM_CONF_DEPTH_MAX - 1)
        return em_fail(why, EM_ERR_LIMIT, "blocks are nested too deeply");
    if ((err = add(places, &p, why)) < 0)
        return err;
    inside[++*depth] = (int)places->n - 1;
    return 0;
}

int em_conf_scan(struct slice text, struct em_conf_places *places, unsigned *line, struct em_why *why)
{
    struct scanner s = { .rest = text, .all = text, .line = 1 };
    int inside[EM_CONF_DEPTH_MAX] = { EM_CONF_ROOT }, err = 0;
    size_t depth = 0;

    *places = (struct em_conf_places) { 0 };
    for (;;) {
        struct token t = next(&s);

        *line = t.line;
        if (t.kind == END && depth == 0)
            return 0;
        if (t.kind == END)
            return em_fail(why, EM_ERR_INPUT, "the block that begins in line %u is never closed",
                           em_conf_line(places, inside[depth]));
        if (is_sign(&t, '}') && depth > 0) {
            places->all[inside[depth--]].to = s.all.n - s.rest.n;
            continue;
        }
        if (t.kind != WORD)
            return em_fail(why, EM_ERR_INPUT, "%s", s.broken ? s.broken : "expected a name here, not a sign");
        if ((err = statement(&s, &t, places, inside, &depth, why)) < 0)
            return err;
    }
}

void em_conf_places_fini(struct em_conf_places *places)
{
    free(places->all);
    *places = (struct em_conf_places) { 0 };
}

int em_conf_place(const struct em_conf_places *places, int parent, const char *name, const char *title)
{
    /* What is in a block stands behind its head, and before the next statement of an outer one. */
    for (size_t i = (size_t)(parent + 1); i < places->n && places->all[i].parent >= parent; i++) {
        const struct em_conf_place *p = &places->all[i];

        if (p->parent == parent && slice_eq(p->name, slice_of(name)) &&
            (!title || slice_eq(p->title, slice_of(title))))
            return (int)i;
    }
    return EM_CONF_ROOT - 1;
}

unsigned em_conf_line(const struct em_conf_places *places, int place)
{
    return place >= 0 ? places->all[place].line : 1;
}
