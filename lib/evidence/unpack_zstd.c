/* SPDX-License-Identifier: GPL-3.0-or-later
 * zstd (RFC 8878) through libzstd, whose own maximum of the window is 128 MiB. Frames follow one another. */
#include <zstd.h>

#include "base/late.h"
#include "evidence/unpack.h"

/* clang-format off */
#define SYMBOLS(S) \
    S(ZSTD_createDStream) S(ZSTD_freeDStream) S(ZSTD_decompressStream) S(ZSTD_isError)
/* clang-format on */
LATE_SET(lib, LATE_ZSTD, SYMBOLS);

static void *begin(struct em_why *why)
{
    return late_load(&lib.late, why) == 0 ? lib.ZSTD_createDStream() : NULL;
}

static void end(void *state)
{
    (void)lib.ZSTD_freeDStream(state);
}

static enum unpack_result step(void *state, const uint8_t **in, size_t *in_n, uint8_t *out, size_t room,
                               size_t *made, bool *boundary)
{
    ZSTD_inBuffer from = { *in, *in_n, 0 };
    ZSTD_outBuffer to = { out, room, 0 };
    size_t got = lib.ZSTD_decompressStream(state, &to, &from);

    *in += from.pos;
    *in_n -= from.pos;
    *made = to.pos;
    if (lib.ZSTD_isError(got))
        return UNPACK_DAMAGED;
    if (from.pos > 0 || to.pos > 0)
        *boundary = got == 0;
    return UNPACK_GOES_ON;
}

const struct unpack_way unpack_zstd = { "zstd", "\x28\xb5\x2f\xfd", 4, begin, end, step };
