/* SPDX-License-Identifier: GPL-3.0-or-later
 * The values in edgemedia.conf: text until here, numbers, times, ranges, words and secrets from here on. */
#include "agent/conf_read.h"

#include <stdlib.h>

#include "base/log.h"

static void set_text(struct reading *r, unsigned line, const struct em_conf_row *row, char *to,
                     const char *value)
{
    if (row->kind == EM_CONF_ABSOLUTE && value[0] != '/')
        conf_complain(r, line, "%s: \"%s\" is not an absolute path", row->name, value);
    else if (row->needed && !*value)
        conf_complain(r, line, "%s must not be empty", row->name);
    else if (!slice_copy(slice_of(value), to, row->size))
        conf_complain(r, line, "%s is longer than %zu bytes", row->name, row->size - 1);
}

static void set_texts(struct reading *r, unsigned line, const struct em_conf_row *row,
                      struct em_conf_texts *to, const char *value)
{
    if (!*value)
        conf_complain(r, line, "%s must not be empty", row->name);
    else if (to->n == EM_CONF_PATHS_MAX)
        conf_complain(r, line, "%s has more than %d values", row->name, EM_CONF_PATHS_MAX);
    else if (!slice_copy(slice_of(value), to->text[to->n], EM_URI_MAX))
        conf_complain(r, line, "%s is longer than %d bytes", row->name, EM_URI_MAX - 1);
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
            conf_complain(r, line, "%s: \"%s\" is not a whole number from %.0f to %.0f", row->name, value,
                          row->min, row->max);
    } else if (em_read_duration(value, &us) && (double)us >= row->min * 1e6 && (double)us <= row->max * 1e6) {
        *(int64_t *)to = us;
    } else {
        conf_complain(r, line, "%s: \"%s\" is not a time from %g to %g seconds", row->name, value, row->min,
                      row->max);
    }
}

static void set_word(struct reading *r, unsigned line, const struct em_conf_row *row, void *to,
                     const char *value)
{
    int truth = cfg_parse_boolean(value);

    if (row->kind == EM_CONF_SOURCE) {
        if (!(*(uint32_t *)to = em_name_value(&em_source_type_names, value)))
            conf_complain(r, line,
                          "type: \"%s\" is not a type of source; write trace, hep, http, sdn, qoe or sql",
                          value);
        else if (!em_source_kind((enum em_source_type) * (uint32_t *)to))
            conf_complain(r, line, "sources of type %s are not supported by this version", value);
    } else if (truth == 0 || truth == 1) {
        *(bool *)to = truth == 1;
    } else {
        conf_complain(r, line, "%s: \"%s\" is neither yes nor no", row->name, value);
    }
}

void conf_set(struct reading *r, unsigned line, const struct em_conf_row *row, void *raw, const char *value)
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
            conf_complain(r, line, "%s: \"%s\" is not a port or a range such as 50000-59999", row->name,
                          value);
        break;
    case EM_CONF_TRUTH:
    case EM_CONF_SOURCE:
        set_word(r, line, row, to, value);
        break;
    case EM_CONF_SECRET:
        if (value[0] != '/')
            conf_complain(r, line, "%s: \"%s\" is not an absolute path", row->name, value);
        else
            conf_read_line(r, line, value, to, row->size);
        break;
    case EM_CONF_LATER:
        break;
    }
}

unsigned conf_line_of(struct reading *r, int place, const char *name)
{
    int at = em_conf_place(&r->places, place, name, NULL);

    return em_conf_line(&r->places, at >= 0 ? at : place);
}

/* An option whose default depends on the type of source has a row for each. */
static bool is_for_type(const struct em_conf_block *b, const char *name, uint32_t type)
{
    for (size_t i = 0; i < b->rows_n; i++)
        if (strcmp(b->rows[i].name, name) == 0 && (!b->rows[i].of || b->rows[i].of & EM_CONF_OF(type)))
            return true;
    return false;
}

/* The options of one block into raw. Those that are only for some types of source stand behind the option that tells the type. */
void conf_set_all(struct reading *r, cfg_t *cfg, int place, const struct em_conf_block *b, void *raw)
{
    uint32_t type = 0; /* 0: not known (yet) */

    for (size_t i = 0; i < b->rows_n; i++) {
        const struct em_conf_row *row = &b->rows[i];
        unsigned line = conf_line_of(r, place, row->name), n = cfg_size(cfg, row->name);

        if (row->of && !(row->of & EM_CONF_OF(type))) {
            if (n > 0 && type && !is_for_type(b, row->name, type))
                conf_complain(r, line, "%s is not for sources of type %s", row->name,
                              em_name_of(&em_source_type_names, type));
            continue;
        }
        for (unsigned k = 0; k < n; k++)
            conf_set(r, line, row, raw, cfg_getnstr(cfg, row->name, k));
        if (n == 0 && row->initial)
            conf_set(r, line, row, raw, row->initial);
        if (n == 0 && row->needed)
            conf_complain(r, line, "%s is missing", row->name);
        if (row->kind == EM_CONF_SOURCE)
            type = *(const uint32_t *)((const char *)raw + row->off);
    }
}

void conf_read_line(struct reading *r, unsigned line, const char *path, char *to, size_t size)
{
    struct em_why why;
    struct stat st;
    char *text = NULL;
    size_t n;

    if (conf_slurp(path, 2 * size, &text, &n, &st, &why) < 0) {
        conf_complain(r, line, "%s", why.text);
        return;
    }
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    if (n == 0 || n >= size || strpbrk(text, "\r\n") || strlen(text) != n)
        conf_complain(r, line, "%s must hold one line of 1 to %zu bytes", path, size - 1);
    else
        memcpy(to, text, n + 1);
    if (st.st_mode & S_IROTH)
        em_log_warning("%s:%u: everybody on this machine can read %s; chmod o-r it", r->file, line, path);
    explicit_bzero(text, n);
    free(text);
}

void conf_read_secret(struct reading *r, unsigned line, const char *path, char to[EM_SECRET_MAX])
{
    conf_read_line(r, line, path, to, EM_SECRET_MAX);
}
