/* SPDX-License-Identifier: GPL-3.0-or-later
 * Passing over lines with AVX2: whether a line's first byte is one of the plan's is looked up for 32 places at a time, so that nearly
 * every place that is found is a line to be looked at.
 *
 * Membership of a byte c below 128 in a set (W. Mula's method): a shuffle by its lower half brings the set's column, a shuffle by its upper
 * half the bit to look for. For a byte from 128 on the first shuffle brings 0. */
#include "evidence/line_pass.h"

#ifdef __x86_64__
#include <immintrin.h>

#include "evidence/line_walk.h"

#define AVX2 __attribute__((target("avx2,bmi")))
#define AVX2_INLINE static inline __attribute__((target("avx2,bmi"), always_inline))

AVX2_INLINE __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

AVX2_INLINE uint64_t half_turns(const char *p, __m256i set)
{
    const __m256i lf = _mm256_set1_epi8('\n'), cr = _mm256_set1_epi8('\r'), halves = _mm256_set1_epi8(15);
    const __m256i bits =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0));
    __m256i here = load(p), next = load(p + 1);
    __m256i bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(next, 4), halves));
    __m256i found = _mm256_and_si256(_mm256_shuffle_epi8(set, next), bit);
    __m256i begins =
        _mm256_andnot_si256(_mm256_cmpeq_epi8(found, _mm256_setzero_si256()), _mm256_cmpeq_epi8(here, lf));
    __m256i alone = _mm256_andnot_si256(_mm256_cmpeq_epi8(next, lf), _mm256_cmpeq_epi8(here, cr));

    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(begins, alone));
}

AVX2_INLINE uint64_t turns(const char *p, __m256i set)
{
    return half_turns(p, set) | half_turns(p + 32, set) << 32;
}

AVX2 const char *line_pass_avx2(const char *p, const char *end, const struct line_plan *plan)
{
    __m256i set = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)plan->halves));

    LINE_WALK(p, end, plan, turns, set);
}

bool line_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
}
#endif
