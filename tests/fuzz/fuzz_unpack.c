/* SPDX-License-Identifier: GPL-3.0-or-later
 * Compressed data of any kind: however they are cut, what comes out is the same, and there is an end. */
#include <stdlib.h>

#include "base/hash.h"
#include "evidence/unpack.h"

enum { OUT_MAX = 1024 * 1024, TEXT_MAX = 8 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    uint64_t n, sum;
    enum unpack_result result;
    bool whole;
};

static uint8_t out[OUT_MAX];

static struct run unpack_cut(const struct unpack_way *way, const uint8_t *p, size_t n, size_t piece,
                             size_t room)
{
    struct run run = { 0 };
    struct unpack *u = unpack_new(way, NULL);
    const uint8_t *end = p + n, *in = p;
    size_t left = 0, made, before;

    if (!u)
        abort();
    while (run.result == UNPACK_GOES_ON && run.n < TEXT_MAX) {
        before = left;
        run.result = unpack_step(u, &in, &left, out, room, &made);
        for (size_t i = 0; i < made; i++)
            run.sum = run.sum * 31 + out[i];
        run.n += made;
        if (made > 0 || before != left)
            continue;
        if (left > 0 || in == end) /* it stands still, or everything was said */
            break;
        left = (size_t)(end - in) < piece ? (size_t)(end - in) : piece;
    }
    run.whole = unpack_whole(u);
    unpack_free(u);
    return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct unpack_way *way = unpack_find(data, size);
    struct run a, b;

    if (!way)
        return 0;
    a = unpack_cut(way, data, size, size, OUT_MAX);
    b = unpack_cut(way, data, size, 7, 4096);
    if (a.n < TEXT_MAX && b.n < TEXT_MAX && a.result == UNPACK_GOES_ON && b.result == UNPACK_GOES_ON &&
        (a.n != b.n || a.sum != b.sum || a.whole != b.whole))
        abort();
    return 0;
}
