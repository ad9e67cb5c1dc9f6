/* SPDX-License-Identifier: GPL-3.0-or-later
 * Frames that look like desktop sharing: mostly full packets, some small ones, bytes that no compressor or cache can guess. */
#include "probe/sharing.h"

#include <string.h>

static const uint16_t sizes[] = { 1200, 1200, 1200, 172, 1200, 644, 1200, SHARING_FRAME_MIN };
enum { SIZES = sizeof sizes / sizeof *sizes, PAYLOAD_TYPE = 127, CLOCK_STEP = 3000 };

size_t sharing_frame_size(unsigned seq)
{
    return sizes[seq % SIZES];
}

size_t sharing_total(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < SHARING_FRAMES; i++)
        n += sharing_frame_size(i);
    return n;
}

static void put32(uint8_t *to, uint32_t v)
{
    to[0] = (uint8_t)(v >> 24);
    to[1] = (uint8_t)(v >> 16);
    to[2] = (uint8_t)(v >> 8);
    to[3] = (uint8_t)v;
}

size_t sharing_frame(const struct sharing *s, unsigned seq, uint8_t to[SHARING_FRAME_MAX])
{
    size_t n = sharing_frame_size(seq);
    uint64_t x = ((uint64_t)s->ssrc << 32 | seq) * UINT64_C(0x9E3779B97F4A7C15) + 1;

    to[0] = 0x80;
    to[1] = PAYLOAD_TYPE;
    to[2] = (uint8_t)(seq >> 8);
    to[3] = (uint8_t)seq;
    put32(to + 4, seq * CLOCK_STEP);
    put32(to + 8, s->ssrc);
    memcpy(to + 12, s->token, SHARING_TOKEN);
    for (size_t i = SHARING_HEAD; i < n; i += sizeof x) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(to + i, &x, n - i < sizeof x ? n - i : sizeof x);
    }
    return n;
}

bool sharing_is_frame(const uint8_t *p, size_t n, const uint8_t **token)
{
    if (n < SHARING_HEAD || n > SHARING_FRAME_MAX || p[0] != 0x80 || p[1] != PAYLOAD_TYPE)
        return false;
    *token = p + 12;
    return true;
}
