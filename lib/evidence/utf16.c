/* SPDX-License-Identifier: GPL-3.0-or-later
 * Blocks of 16 units with SSE2; one after the other without it. */
#include "evidence/utf16.h"

#ifdef __SSE2__
#include <emmintrin.h>

enum { BLOCK = 16 };

size_t utf16_ascii(const uint8_t *raw, size_t units, bool little_endian, char *to)
{
    const __m128i beyond = _mm_set1_epi16((short)(little_endian ? 0xFF80 : 0x80FF)),
                  none = _mm_setzero_si128();
    size_t n = 0;

    for (; units - n >= BLOCK; n += BLOCK) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(raw + 2 * n));
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(raw + 2 * n + BLOCK));

        if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_and_si128(_mm_or_si128(a, b), beyond), none)) != 0xFFFF)
            break;
        if (!little_endian) {
            a = _mm_srli_epi16(a, 8);
            b = _mm_srli_epi16(b, 8);
        }
        _mm_storeu_si128((__m128i *)(void *)(to + n), _mm_packus_epi16(a, b));
    }
    return n;
}

/* Bytes that begin a sequence, and once more those that begin one of four. */
static inline __m128i begins(__m128i v)
{
    __m128i one = _mm_cmpgt_epi8(v, _mm_set1_epi8(-65)),
            four = _mm_cmpeq_epi8(_mm_max_epu8(v, _mm_set1_epi8(-16)), v);

    return _mm_sub_epi8(_mm_setzero_si128(), _mm_add_epi8(one, four));
}

uint64_t utf16_units(const char *text, size_t n)
{
    __m128i sums = _mm_setzero_si128();
    uint64_t halves[2], units;
    size_t i = 0;

    for (; n - i >= BLOCK; i += BLOCK)
        sums = _mm_add_epi64(sums,
                             _mm_sad_epu8(begins(_mm_loadu_si128((const __m128i *)(const void *)(text + i))),
                                          _mm_setzero_si128()));
    _mm_storeu_si128((__m128i *)(void *)halves, sums);
    for (units = halves[0] + halves[1]; i < n; i++)
        units += ((uint8_t)text[i] & 0xC0) != 0x80 ? 1U + ((uint8_t)text[i] >= 0xF0) : 0U;
    return units;
}
#else
size_t utf16_ascii(const uint8_t *raw, size_t units, bool little_endian, char *to)
{
    size_t n = 0, low = little_endian ? 0 : 1;

    for (; n < units && raw[2 * n + low] < 0x80 && raw[2 * n + 1 - low] == 0; n++)
        to[n] = (char)raw[2 * n + low];
    return n;
}

uint64_t utf16_units(const char *text, size_t n)
{
    uint64_t units = 0;

    for (size_t i = 0; i < n; i++)
        units += ((uint8_t)text[i] & 0xC0) != 0x80 ? 1U + ((uint8_t)text[i] >= 0xF0) : 0U;
    return units;
}
#endif
