/* SPDX-License-Identifier: GPL-3.0-or-later
 * Packet captures of any kind: text comes out or an error does, and nothing else happens. */
#include <stdint.h>
#include <stdio.h>

#include "evidence/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(void *arg, const char *p, size_t n)
{
    uint64_t *sum = arg;

    for (size_t i = 0; i < n; i++)
        *sum = *sum * 31 + (uint8_t)p[i];
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct em_why why = { "" };
    uint64_t sum = 0;
    FILE *f;

    if (!capture_recognise(data, size) || !(f = fmemopen((void *)(uintptr_t)data, size, "r")))
        return 0;
    (void)capture_read(f, take, &sum, &why);
    return 0;
}
