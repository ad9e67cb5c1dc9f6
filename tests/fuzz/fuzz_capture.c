/* SPDX-License-Identifier: GPL-3.0-or-later
 * Packet captures of any kind: text comes out or an error does, and nothing else happens. However a capture that grows is cut, its text is
 * the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "evidence/capture.h"
#include "evidence/unpack.h"

enum { OUT_MAX = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(uint64_t *sum, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *sum = *sum * 31 + p[i];
}

static bool take(void *arg, const char *p, size_t n)
{
    add(arg, (const uint8_t *)p, n);
    return true;
}

static enum unpack_result grow(const uint8_t *data, size_t size, size_t piece, size_t room, uint64_t *sum)
{
    static uint8_t out[OUT_MAX];
    struct unpack *u = unpack_new(&unpack_capture, NULL);
    enum unpack_result result = UNPACK_GOES_ON;
    size_t n = 0, made = 0;

    if (!u)
        abort();
    for (const uint8_t *in = data, *end = data + size; result == UNPACK_GOES_ON && (made > 0 || in < end);) {
        if (n == 0)
            n = (size_t)(end - in) < piece ? (size_t)(end - in) : piece;
        result = unpack_step(u, &in, &n, out, room, &made);
        add(sum, out, made);
    }
    unpack_free(u);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct em_why why = { "" };
    uint64_t sum = 0, whole = 0, pieces = 0;
    FILE *f;

    if (!capture_recognise(data, size) || !(f = fmemopen((void *)(uintptr_t)data, size, "r")))
        return 0;
    (void)capture_read(f, take, &sum, &why);
    if (grow(data, size, size, OUT_MAX, &whole) != grow(data, size, 7, 500, &pieces) || whole != pieces)
        abort();
    return 0;
}
