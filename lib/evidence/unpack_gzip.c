/* SPDX-License-Identifier: GPL-3.0-or-later
 * gzip (RFC 1952) through zlib. Members follow one another; zeros behind the last one are padding of a tape, as gzip(1) has it. */
#include <stdlib.h>
#include <zlib.h>

#include "base/late.h"
#include "evidence/unpack.h"

#define SYMBOLS(S) S(inflateInit2_) S(inflateReset) S(inflate) S(inflateEnd)
LATE_SET(lib, LATE_ZLIB, SYMBOLS);

enum { WINDOW_GZIP = 15 + 16 };

struct state {
    z_stream z;
    bool ended; /* a member; what follows is the next one */
};

static void *begin(struct em_why *why)
{
    struct state *s = late_load(&lib.late, why) == 0 ? calloc(1, sizeof *s) : NULL;

    if (s && lib.inflateInit2_(&s->z, WINDOW_GZIP, ZLIB_VERSION, (int)sizeof s->z) == Z_OK)
        return s;
    free(s);
    return NULL;
}

static void end(void *state)
{
    struct state *s = state;

    (void)lib.inflateEnd(&s->z);
    free(s);
}

static void skip_zeros(const uint8_t **in, size_t *in_n)
{
    while (*in_n > 0 && **in == 0)
        ++*in, --*in_n;
}

static enum unpack_result step(void *state, const uint8_t **in, size_t *in_n, uint8_t *out, size_t room,
                               size_t *made, bool *boundary)
{
    struct state *s = state;
    int got;

    if (s->ended)
        skip_zeros(in, in_n);
    if (*in_n == 0 && s->ended)
        return UNPACK_GOES_ON;
    if (s->ended && lib.inflateReset(&s->z) != Z_OK)
        return UNPACK_DAMAGED;
    s->ended = *boundary = false;
    s->z.next_in = (z_const Bytef *)(uintptr_t)*in;
    s->z.avail_in = *in_n < UINT32_MAX ? (uInt)*in_n : UINT32_MAX;
    s->z.next_out = out;
    s->z.avail_out = room < UINT32_MAX ? (uInt)room : UINT32_MAX;
    got = lib.inflate(&s->z, Z_NO_FLUSH);
    *in_n -= (size_t)(s->z.next_in - *in);
    *in = s->z.next_in;
    *made = (size_t)(s->z.next_out - out);
    if (got == Z_STREAM_END)
        s->ended = *boundary = true;
    if (got == Z_MEM_ERROR)
        return UNPACK_NO_MEMORY;
    return got == Z_OK || got == Z_STREAM_END || got == Z_BUF_ERROR ? UNPACK_GOES_ON : UNPACK_DAMAGED;
}

const struct unpack_way unpack_gzip = { "gzip", "\x1f\x8b", 2, begin, end, step };
