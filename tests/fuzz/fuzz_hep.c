/* SPDX-License-Identifier: GPL-3.0-or-later
 * HEP from strangers, as a stream of packets: a length is never more than there is to it, slices lie within the packet, and what becomes of it
 * as text is bounded. */
#include <stdlib.h>

#include "evidence/hep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile char sink;

static void touch(struct slice s, const uint8_t *packet, size_t n)
{
    if (s.n > n ||
        (s.n > 0 && ((const uint8_t *)s.p < packet || (size_t)((const uint8_t *)s.p - packet) > n - s.n)))
        abort();
    for (size_t i = 0; i < s.n; i++)
        sink = s.p[i];
}

static void one(const uint8_t *packet, size_t n)
{
    struct buf text = buf_heap(HEP_MAX + SEEN_LINE_MAX + 8);
    struct hep h;
    enum hep_fault fault = hep_read(packet, n, &h);

    if (!*hep_fault_text(fault) != (fault == HEP_FINE))
        abort();
    if (fault == HEP_FINE) {
        touch(h.key, packet, n);
        touch(h.payload, packet, n);
        if (!hep_text(&h, &text) && text.n > 0)
            abort();
        if (text.full || h.time_us < 0)
            abort();
    }
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;

    one(data, size);
    while (at < size) {
        enum hep_fault why;
        int length = hep_length(data + at, size - at, &why);

        if (length <= 0 || (size_t)length > size - at)
            break;
        if (length < HEP_HEADER)
            abort();
        one(data + at, (size_t)length);
        at += (size_t)length;
    }
    return 0;
}
