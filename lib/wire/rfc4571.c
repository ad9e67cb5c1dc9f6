/* SPDX-License-Identifier: GPL-3.0-or-later
 * Lengths before packets. */
#include "wire/rfc4571.h"

#include "base/cur.h"

int rfc4571_frame(const uint8_t *p, size_t n, size_t packet_max, struct slice *packet)
{
    struct cur c = cur_of(p, n);
    size_t size = cur_u16(&c);
    const uint8_t *bytes;

    if (c.bad)
        return 0;
    if (size > packet_max)
        return EM_ERR_INPUT;
    if (!(bytes = cur_take(&c, size)))
        return 0;
    *packet = (struct slice) { (const char *)bytes, size };
    return (int)(RFC4571_HEADER_SIZE + size);
}

void rfc4571_header(uint8_t to[RFC4571_HEADER_SIZE], uint16_t n)
{
    to[0] = (uint8_t)(n >> 8);
    to[1] = (uint8_t)n;
}

void rfc4571_put(struct buf *b, struct slice packet)
{
    if (packet.n > UINT16_MAX) {
        b->full = true;
        return;
    }
    buf_u16(b, (uint16_t)packet.n);
    buf_slice(b, packet);
}
