/* SPDX-License-Identifier: GPL-3.0-or-later
 * The names in edgemedia.conf, before libConfuse sees the file: an unknown one is told with the nearest that there is. */
#include "agent/conf_read.h"

#include <stdlib.h>

enum { NEAR_MAX = 2, WORD_MAX = 32 };

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
    conf_complain(r, p->line, "\"%.*s\" is not known %s%s%s%s%s", (int)(p->name.n < 64 ? p->name.n : 64),
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
        conf_complain(r, p->line, "%.*s needs a name of 1 to %d characters in quotes", SLICE_ARG(p->name),
                      EM_NAME_MAX - 1);
        return;
    }
    slice_copy(p->title, name, sizeof name);
    slice_copy(p->name, kind, sizeof kind);
    first = em_conf_place(&r->places, p->parent, kind, name);
    if (first >= 0 && (size_t)first != place)
        conf_complain(r, p->line, "%s \"%s\" is there already, in line %u", kind, name,
                      em_conf_line(&r->places, first));
}

static void check_option(struct reading *r, size_t place, const struct em_conf_row *row)
{
    const struct em_conf_place *p = &r->places.all[place];
    int first = em_conf_place(&r->places, p->parent, row->name, NULL);

    if (p->block)
        conf_complain(r, p->line, "%s is an option: write %s = ...", row->name, row->name);
    else if ((size_t)first != place)
        conf_complain(r, p->line, "%s is there already, in line %u", row->name,
                      em_conf_line(&r->places, first));
    else if (row->kind == EM_CONF_LATER)
        conf_complain(r, p->line, "%s is not supported by this version", row->name);
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
        conf_complain(r, p->line, "%s is a block: write %s \"name\" { ... }", block->name, block->name);
    else if (block->later)
        conf_complain(r, p->line, "%s is not supported by this version", block->name);
    else
        check_title(r, place);
    return block && p->block && !block->later ? block : NULL;
}

/* What is in an unknown block is passed over. */
void conf_check_names(struct reading *r)
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
