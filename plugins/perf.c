/* SPDX-License-Identifier: GPL-3.0-or-later
 * Performance data: labels made safe and unique, numbers without exponent. */
#include "plugins/perf.h"

#include <stdlib.h>
#include <string.h>

#include "base/esc.h"
#include "base/hash.h"

struct perf perf_new(void)
{
    return (struct perf) { .text = buf_heap(PERF_TEXT_MAX), .json = buf_heap(PERF_JSON_MAX) };
}

void perf_fini(struct perf *p)
{
    buf_fini(&p->text);
    buf_fini(&p->json);
    free(p->seen);
    *p = (struct perf) { .text = buf_heap(PERF_TEXT_MAX), .json = buf_heap(PERF_JSON_MAX) };
}

/* Everything that a consumer could take for syntax becomes '_'; ASCII only, since consumers cut labels by bytes. */
static void clean(const char *label, char to[PERF_LABEL_MAX])
{
    size_t n = 0;

    for (; *label && n < PERF_LABEL_MAX - 1; label++) {
        unsigned char c = (unsigned char)*label;
        bool bad = c < 0x20 || c >= 0x7F || c == '=' || c == '|' || (c == ':' && n > 0 && to[n - 1] == ':');

        to[n++] = bad ? '_' : (char)c;
    }
    if (n == 0)
        to[n++] = '_';
    to[n] = '\0';
}

static bool seen(const struct perf *p, const char *label)
{
    for (size_t i = 0; i < p->seen_n; i++)
        if (strncmp(p->seen[i], label, PERF_UNIQUE) == 0)
            return true;
    return false;
}

static bool remember(struct perf *p, const char *label)
{
    if (p->seen_n == PERF_ITEMS_MAX)
        return false;
    if (p->seen_n == p->seen_room) {
        size_t room = p->seen_room ? 2 * p->seen_room : 16;
        char(*more)[PERF_UNIQUE + 1] = realloc(p->seen, room * sizeof *more);

        if (!more)
            return false;
        p->seen = more;
        p->seen_room = room;
    }
    (void)slice_copy(slice_of(label), p->seen[p->seen_n++], sizeof *p->seen);
    return true;
}

/* Beginning, '~' and six hex digits of a hash: 19 characters together. The same label gets the same name in every run. */
static void make_unique(const struct perf *p, char label[PERF_LABEL_MAX])
{
    enum { HEX = 6, HEAD = PERF_UNIQUE - HEX - 1 };
    char whole[PERF_LABEL_MAX];
    struct em_hash_key key = em_hash_key_fixed;

    memcpy(whole, label, PERF_LABEL_MAX);
    for (unsigned again = 0; seen(p, label) && again <= PERF_ITEMS_MAX; again++) {
        struct buf to = buf_over(label, PERF_LABEL_MAX);

        key.k1 += again;
        buf_slice(&to, slice_upto(slice_of(whole), HEAD));
        buf_print(&to, "~%06x", (unsigned)(em_hash(&key, whole, strlen(whole)) & 0xFFFFFF));
        (void)buf_str(&to);
    }
}

static void write_label(struct buf *to, const char *label)
{
    bool quote = strpbrk(label, " '") != NULL;

    if (quote)
        buf_u8(to, '\'');
    for (; *label; label++) {
        if (*label == '\'')
            buf_u8(to, '\'');
        buf_u8(to, (uint8_t)*label);
    }
    if (quote)
        buf_u8(to, '\'');
}

static void write_thresholds(struct buf *to, const struct perf_item *item)
{
    buf_u8(to, ';');
    if (item->warn)
        range_plain(item->warn, to);
    buf_u8(to, ';');
    if (item->crit)
        range_plain(item->crit, to);
    if (item->min_0)
        buf_text(to, ";0");
    while (to->n > 0 && to->p[to->n - 1] == ';')
        to->n--;
}

static void json_range(struct buf *to, const char *key, const struct range *range)
{
    if (range && range->given) {
        buf_print(to, ",\"%s\":\"", key);
        range_text(range, to);
        buf_text(to, "\"");
    }
}

static void write_json(struct buf *to, const struct perf_item *item, const char *label)
{
    buf_text(to, to->n > 0 ? ",{\"label\":\"" : "{\"label\":\"");
    esc_json(to, slice_of(label));
    buf_text(to, "\",\"value\":");
    if (item->unknown)
        buf_text(to, "null");
    else
        range_number(item->value, to);
    buf_print(to, ",\"unit\":\"%s\"", item->uom);
    json_range(to, "warning", item->warn);
    json_range(to, "critical", item->crit);
    buf_text(to, "}");
}

void perf_add(struct perf *p, const struct perf_item *item)
{
    char label[PERF_LABEL_MAX], storage[3 * PERF_LABEL_MAX + 128];
    struct buf one = buf_over(storage, sizeof storage);

    clean(item->label, label);
    make_unique(p, label);
    if (p->text.n > 0)
        buf_u8(&one, ' ');
    write_label(&one, label);
    buf_u8(&one, '=');
    if (item->unknown)
        buf_u8(&one, 'U');
    else {
        range_number(item->value, &one);
        buf_text(&one, item->uom);
    }
    write_thresholds(&one, item);
    if (p->cut || one.full || p->text.n + one.n >= PERF_TEXT_MAX || !remember(p, label)) {
        p->cut = true;
        return;
    }
    buf_bytes(&p->text, one.p, one.n);
    write_json(&p->json, item, label);
    p->cut = p->text.full || p->json.full;
}
