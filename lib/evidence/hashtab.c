/* SPDX-License-Identifier: GPL-3.0-or-later
 * Table of hashes; see hashtab.h. Keys are good hashes already, so the low bits choose the slot and linear probing does. */
#include "evidence/hashtab.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 256 };

void hashtab_init(struct hashtab *t, size_t value_size, size_t max)
{
    *t = (struct hashtab) { .value_size = value_size, .max = max };
}

void hashtab_fini(struct hashtab *t)
{
    free(t->keys);
    free(t->values);
    t->keys = NULL;
    t->values = NULL;
    t->n = t->room = 0;
}

/* The slot that holds key, or the free one where it belongs. */
static size_t place(const uint64_t *keys, size_t room, uint64_t key)
{
    size_t i = key & (room - 1);

    while (keys[i] != 0 && keys[i] != key)
        i = (i + 1) & (room - 1);
    return i;
}

static int grow(struct hashtab *t)
{
    struct hashtab wide = *t;

    wide.room = t->room ? 2 * t->room : ROOM_FIRST;
    wide.keys = calloc(wide.room, sizeof *wide.keys);
    wide.values = t->value_size ? calloc(wide.room, t->value_size) : NULL;
    if (!wide.keys || (t->value_size && !wide.values)) {
        free(wide.keys);
        free(wide.values);
        return EM_ERR_MEMORY;
    }
    for (size_t i = 0; i < t->room; i++) {
        size_t to;

        if (t->keys[i] == 0)
            continue;
        to = place(wide.keys, wide.room, t->keys[i]);
        wide.keys[to] = t->keys[i];
        if (t->value_size)
            memcpy(wide.values + to * t->value_size, t->values + i * t->value_size, t->value_size);
    }
    free(t->keys);
    free(t->values);
    *t = wide;
    return 0;
}

int hashtab_add(struct hashtab *t, uint64_t key, bool *added, void **value)
{
    size_t i;
    int err;

    key += key == 0; /* 0 means free; that 0 and 1 are one is one more collision among 2^64 */
    if (t->n >= t->room / 4 * 3 && (err = grow(t)) != 0)
        return err;
    i = place(t->keys, t->room, key);
    *added = t->keys[i] == 0;
    if (*added && t->n == t->max)
        return EM_ERR_LIMIT;
    if (*added) {
        t->keys[i] = key;
        t->n++;
    }
    if (value)
        *value = t->values + i * t->value_size;
    return 0;
}

bool hashtab_next(const struct hashtab *t, size_t *at, uint64_t *key, const void **value)
{
    while (*at < t->room && t->keys[*at] == 0)
        (*at)++;
    if (*at == t->room)
        return false;
    *key = t->keys[*at];
    *value = t->values ? t->values + *at * t->value_size : NULL;
    (*at)++;
    return true;
}
