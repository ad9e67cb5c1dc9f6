/* SPDX-License-Identifier: GPL-3.0-or-later
 * xz through liblzma. Streams follow one another, with padding between them: a new decoder for each. */
#include <lzma.h>
#include <stdlib.h>

#include "base/late.h"
#include "evidence/unpack.h"

#define SYMBOLS(S) S(lzma_stream_decoder) S(lzma_code) S(lzma_end)
LATE_SET(lib, LATE_LZMA, SYMBOLS);

struct state {
    lzma_stream z;
    bool ended; /* a stream; what follows is the next one */
};

static bool restart(struct state *s)
{
    return lib.lzma_stream_decoder(&s->z, UNPACK_MEMORY_MAX, 0) == LZMA_OK;
}

static void *begin(struct em_why *why)
{
    struct state *s = late_load(&lib.late, why) == 0 ? calloc(1, sizeof *s) : NULL;
    const lzma_stream empty = LZMA_STREAM_INIT;

    if (!s)
        return NULL;
    s->z = empty;
    if (restart(s))
        return s;
    free(s);
    return NULL;
}

static void end(void *state)
{
    struct state *s = state;

    lib.lzma_end(&s->z);
    free(s);
}

static enum unpack_result step(void *state, const uint8_t **in, size_t *in_n, uint8_t *out, size_t room,
                               size_t *made, bool *boundary)
{
    struct state *s = state;
    lzma_ret got;

    for (; s->ended && *in_n > 0 && **in == 0; --*in_n)
        ++*in;
    if (s->ended && *in_n == 0)
        return UNPACK_GOES_ON;
    if (s->ended && !restart(s))
        return UNPACK_NO_MEMORY;
    s->ended = *boundary = false;
    s->z.next_in = *in;
    s->z.avail_in = *in_n;
    s->z.next_out = out;
    s->z.avail_out = room;
    got = lib.lzma_code(&s->z, LZMA_RUN);
    *in = s->z.next_in;
    *in_n = s->z.avail_in;
    *made = room - s->z.avail_out;
    if (got == LZMA_STREAM_END)
        s->ended = *boundary = true;
    if (got == LZMA_MEM_ERROR || got == LZMA_MEMLIMIT_ERROR)
        return UNPACK_NO_MEMORY;
    return got == LZMA_OK || got == LZMA_STREAM_END || got == LZMA_BUF_ERROR ? UNPACK_GOES_ON
                                                                             : UNPACK_DAMAGED;
}

const struct unpack_way unpack_xz = { "xz", "\xfd\x37zXZ", 5, begin, end, step };
