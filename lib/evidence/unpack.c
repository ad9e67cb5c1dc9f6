/* SPDX-License-Identifier: GPL-3.0-or-later
 * Compressed files: which way, and the bounds that are the same for all. */
#include "evidence/unpack.h"

#include "config.h"

#include <stdlib.h>
#include <string.h>

static const struct unpack_way *const ways[] = {
#ifdef WITH_ZLIB
    &unpack_gzip,
#endif
#ifdef WITH_LZMA
    &unpack_xz,
#endif
#ifdef WITH_ZSTD
    &unpack_zstd,
#endif
    NULL,
};

struct unpack {
    const struct unpack_way *way;
    void *state;
    uint64_t took, gave;
    bool boundary;
};

const struct unpack_way *unpack_find(const void *p, size_t n)
{
    for (size_t i = 0; ways[i]; i++)
        if (n >= ways[i]->magic_n && memcmp(p, ways[i]->magic, ways[i]->magic_n) == 0)
            return ways[i];
    return NULL;
}

struct unpack *unpack_new(const struct unpack_way *way, struct em_why *why)
{
    struct unpack *u = calloc(1, sizeof *u);

    (void)em_fail(why, EM_ERR_MEMORY, "no memory to unpack it");
    if (!u)
        return NULL;
    u->way = way;
    if ((u->state = way->begin(why)))
        return u;
    free(u);
    return NULL;
}

void unpack_free(struct unpack *u)
{
    if (!u)
        return;
    u->way->end(u->state);
    free(u);
}

enum unpack_result unpack_step(struct unpack *u, const uint8_t **in, size_t *in_n, uint8_t *out, size_t room,
                               size_t *made)
{
    size_t before = *in_n;
    enum unpack_result result;

    *made = 0;
    result = u->way->step(u->state, in, in_n, out, room, made, &u->boundary);
    u->took += before - *in_n;
    u->gave += *made;
    if (result == UNPACK_GOES_ON && u->gave > UNPACK_FREE && u->gave / UNPACK_RATIO_MAX > u->took)
        return UNPACK_BOMB;
    return result;
}

bool unpack_whole(const struct unpack *u)
{
    return u->boundary;
}

const char *unpack_name(const struct unpack *u)
{
    return u->way->name;
}
