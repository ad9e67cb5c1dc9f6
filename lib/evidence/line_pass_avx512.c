/* SPDX-License-Identifier: GPL-3.0-or-later
 * Passing over lines with AVX-512 VBMI, which looks 64 bytes up in a table of 128 with one instruction. Bytes from 128 on are taken for those
 * 128 below: such a line is found, looked at and passed over. */
#include "evidence/line_pass.h"

#ifdef __x86_64__
#include <immintrin.h>

#include "evidence/line_walk.h"

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,bmi")))
#define AVX512_INLINE static inline __attribute__((target("avx512f,avx512bw,avx512vbmi,bmi"), always_inline))

struct table {
    __m512i low, high;
};

AVX512_INLINE uint64_t turns(const char *p, struct table firsts)
{
    const __m512i lf = _mm512_set1_epi8('\n'), cr = _mm512_set1_epi8('\r');
    __m512i here = _mm512_loadu_si512(p), next = _mm512_loadu_si512(p + 1);
    __m512i wanted = _mm512_permutex2var_epi8(firsts.low, next, firsts.high);
    __mmask64 begins = _mm512_mask_test_epi8_mask(_mm512_cmpeq_epi8_mask(here, lf), wanted, wanted);
    __mmask64 alone = _mm512_mask_cmpneq_epi8_mask(_mm512_cmpeq_epi8_mask(here, cr), next, lf);

    return begins | alone;
}

AVX512 const char *line_pass_avx512(const char *p, const char *end, const struct line_plan *plan)
{
    struct table firsts = { _mm512_loadu_si512(plan->firsts), _mm512_loadu_si512(plan->firsts + 64) };

    LINE_WALK(p, end, plan, turns, firsts);
}

bool line_has_avx512(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("bmi");
}
#endif
