/* SPDX-License-Identifier: GPL-3.0-or-later
 * The tables of looks, plans, and the ways for any x86-64 and for any processor at all. */
#include "evidence/line_pass.h"

#include "evidence/line_walk.h"

#ifdef __x86_64__
#include <emmintrin.h>
#endif

#define EACH_DIGIT(x)                                                                                        \
    ['0'] = x, ['1'] = x, ['2'] = x, ['3'] = x, ['4'] = x, ['5'] = x, ['6'] = x, ['7'] = x, ['8'] = x,       \
    ['9'] = x

const uint16_t line_first_looks[256] = {
    EACH_DIGIT(LOOK_TIME | LOOK_WRAP | LOOK_FRAME),
    ['\0'] = LOOK_NUL,
    ['\r'] = LOOK_ODD | LOOK_WRAP,
    ['\n'] = LOOK_ODD | LOOK_WRAP,
    [' '] = LOOK_ODD | LOOK_WRAP,
    ['\t'] = LOOK_ODD | LOOK_WRAP,
    ['*'] = LOOK_ODD | LOOK_WRAP,
    ['<'] = LOOK_ODD | LOOK_WRAP | LOOK_FRAME,
    [0x1B] = LOOK_ODD | LOOK_WRAP | LOOK_FRAME,
    ['$'] = LOOK_OCS,
    ['A'] = LOOK_START | LOOK_WRAP,
    ['B'] = LOOK_START | LOOK_WRAP,
    ['C'] = LOOK_START | LOOK_WRAP | LOOK_KEY | LOOK_TYPE,
    ['D'] = LOOK_START | LOOK_WRAP | LOOK_D,
    ['E'] = LOOK_START | LOOK_WRAP,
    ['F'] = LOOK_START | LOOK_WRAP,
    ['G'] = LOOK_START | LOOK_WRAP,
    ['H'] = LOOK_START | LOOK_WRAP,
    ['I'] = LOOK_START | LOOK_WRAP | LOOK_KEY_I,
    ['J'] = LOOK_START | LOOK_WRAP,
    ['K'] = LOOK_START | LOOK_WRAP,
    ['L'] = LOOK_START | LOOK_WRAP | LOOK_LOG,
    ['M'] = LOOK_START | LOOK_WRAP | LOOK_DIAG | LOOK_MESSAGE,
    ['N'] = LOOK_START | LOOK_WRAP,
    ['O'] = LOOK_START | LOOK_WRAP,
    ['P'] = LOOK_START | LOOK_WRAP,
    ['Q'] = LOOK_START | LOOK_WRAP,
    ['R'] = LOOK_START | LOOK_WRAP | LOOK_FRAME,
    ['S'] = LOOK_START | LOOK_WRAP | LOOK_S,
    ['T'] = LOOK_START | LOOK_WRAP | LOOK_FRAME | LOOK_OCS,
    ['U'] = LOOK_START | LOOK_WRAP | LOOK_FRAME,
    ['V'] = LOOK_START | LOOK_WRAP,
    ['W'] = LOOK_START | LOOK_WRAP,
    ['X'] = LOOK_START | LOOK_WRAP,
    ['Y'] = LOOK_START | LOOK_WRAP,
    ['Z'] = LOOK_START | LOOK_WRAP,
    ['c'] = LOOK_KEY | LOOK_TYPE,
    ['d'] = LOOK_D,
    ['i'] = LOOK_KEY_I,
    ['l'] = LOOK_LOG,
    ['m'] = LOOK_DIAG | LOOK_MESSAGE,
    ['s'] = LOOK_S | LOOK_SOFIA,
    ['r'] = LOOK_SOFIA,
    ['-'] = LOOK_FRAME | LOOK_WRAP,
    ['#'] = LOOK_FRAME | LOOK_WRAP,
    ['['] = LOOK_FRAME | LOOK_WRAP,
    ['"'] = LOOK_WRAP,
    ['\''] = LOOK_WRAP,
    ['('] = LOOK_WRAP,
};

const uint16_t line_second_looks[256] = {
    EACH_DIGIT(LOOK_TIME | LOOK_FRAME),
    ['$'] = LOOK_OCS,
    ['_'] = LOOK_START,
    ['-'] = LOOK_START | LOOK_FRAME,
    ['#'] = LOOK_FRAME,
    ['['] = LOOK_FRAME,
    ['\r'] = LOOK_FRAME,
    ['\n'] = LOOK_FRAME,
    ['\0'] = LOOK_KEY_I,
    [0x1A] = LOOK_KEY_I,
    [' '] = LOOK_KEY_I | LOOK_FRAME,
    [':'] = LOOK_KEY_I,
    ['A'] = LOOK_START | LOOK_FRAME | LOOK_KEY | LOOK_D,
    ['B'] = LOOK_START | LOOK_FRAME,
    ['C'] = LOOK_START | LOOK_FRAME,
    ['D'] = LOOK_START | LOOK_FRAME,
    ['E'] = LOOK_START | LOOK_FRAME | LOOK_MESSAGE,
    ['F'] = LOOK_START | LOOK_FRAME,
    ['G'] = LOOK_START | LOOK_FRAME,
    ['H'] = LOOK_START | LOOK_FRAME,
    ['I'] = LOOK_START | LOOK_FRAME | LOOK_D | LOOK_S,
    ['J'] = LOOK_START | LOOK_FRAME,
    ['K'] = LOOK_START | LOOK_FRAME,
    ['L'] = LOOK_START | LOOK_FRAME | LOOK_OCS,
    ['M'] = LOOK_START | LOOK_FRAME,
    ['N'] = LOOK_START | LOOK_FRAME,
    ['O'] = LOOK_START | LOOK_FRAME | LOOK_LOG,
    ['P'] = LOOK_START | LOOK_FRAME,
    ['Q'] = LOOK_START | LOOK_FRAME,
    ['R'] = LOOK_START | LOOK_FRAME,
    ['S'] = LOOK_START | LOOK_FRAME | LOOK_DIAG | LOOK_KEY,
    ['T'] = LOOK_START | LOOK_FRAME | LOOK_S,
    ['U'] = LOOK_START | LOOK_FRAME,
    ['V'] = LOOK_START | LOOK_FRAME,
    ['W'] = LOOK_START | LOOK_FRAME,
    ['X'] = LOOK_START | LOOK_FRAME,
    ['Y'] = LOOK_START | LOOK_FRAME,
    ['Z'] = LOOK_START | LOOK_FRAME,
    ['s'] = LOOK_DIAG | LOOK_KEY,
    ['a'] = LOOK_KEY | LOOK_D,
    ['i'] = LOOK_D | LOOK_S,
    ['e'] = LOOK_MESSAGE | LOOK_SOFIA,
    ['o'] = LOOK_LOG,
    ['t'] = LOOK_S,
};

void line_plan(struct line_plan *plan, unsigned looks, unsigned *told)
{
    *plan = (struct line_plan) { .looks = looks, .told = told };
    for (unsigned c = 0; c < 128; c++)
        if (line_first_looks[c] & looks) {
            plan->halves[c & 15] |= (uint8_t)(1U << (c >> 4));
            plan->firsts[c] = 1;
        }
}

bool line_has_look(struct slice line, unsigned looks)
{
    const char two[2] = { line.n > 0 ? line.p[0] : '\n', line.n > 1 ? line.p[1] : '\n' };

    return line_is_looked_at(two, looks);
}

unsigned line_is_quiet(struct slice line)
{
    char begins[LINE_QUIET_READS] = { 0 };

    memcpy(begins, line.p, line.n < sizeof begins ? line.n : sizeof begins);
    return line_quiet(begins);
}

/* --- any processor ------------------------------------------------------------------------------------------------ */

static inline uint64_t plain_turns(const char *p, const struct line_plan *plan)
{
    uint64_t mask = 0;

    (void)plan;
    for (unsigned i = 0; i < LINE_BLOCK; i++)
        mask |= (uint64_t)(p[i] == '\n' || (p[i] == '\r' && p[i + 1] != '\n')) << i;
    return mask;
}

static const char *pass_plain(const char *p, const char *end, const struct line_plan *plan)
{
    LINE_WALK(p, end, plan, plain_turns, plan);
}

static bool always(void)
{
    return true;
}

/* --- any x86-64 --------------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
/* The bytes from which on no first byte of a look comes: 'a' spares most lines of a body their turn. */
static inline __attribute__((always_inline)) __m128i quarter_turns(const char *p, __m128i beyond)
{
    const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
    __m128i here = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
    __m128i begins = _mm_and_si128(_mm_cmpeq_epi8(here, lf), _mm_cmplt_epi8(next, beyond));

    return _mm_or_si128(begins, _mm_andnot_si128(_mm_cmpeq_epi8(next, lf), _mm_cmpeq_epi8(here, cr)));
}

static inline __attribute__((always_inline)) uint64_t sse2_turns(const char *p, __m128i beyond)
{
    __m128i q0 = quarter_turns(p, beyond), q1 = quarter_turns(p + 16, beyond),
            q2 = quarter_turns(p + 32, beyond), q3 = quarter_turns(p + 48, beyond);

    if (_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(q0, q1), _mm_or_si128(q2, q3))) == 0)
        return 0;
    return (uint64_t)(uint32_t)_mm_movemask_epi8(q0) | (uint64_t)(uint32_t)_mm_movemask_epi8(q1) << 16 |
           (uint64_t)(uint32_t)_mm_movemask_epi8(q2) << 32 | (uint64_t)(uint32_t)_mm_movemask_epi8(q3) << 48;
}

static const char *pass_sse2(const char *p, const char *end, const struct line_plan *plan)
{
    const unsigned low = LOOK_NUL | LOOK_ODD | LOOK_OCS | LOOK_TIME | LOOK_START | LOOK_WRAP;
    __m128i beyond = _mm_set1_epi8(plan->looks & ~low ? 127 : 'a');

    LINE_WALK(p, end, plan, sse2_turns, beyond);
}
#endif

/* --- choice ------------------------------------------------------------------------------------------------------- */

const struct line_way line_ways[] = {
#ifdef __x86_64__
    { "avx512", line_has_avx512, line_pass_avx512 },
    { "avx2", line_has_avx2, line_pass_avx2 },
    { "sse2", always, pass_sse2 },
#endif
    { "plain", always, pass_plain },
};
const unsigned line_ways_n = sizeof line_ways / sizeof *line_ways;

const char *line_pass_on(const char *p, const char *end, const struct line_plan *plan)
{
    if (end - p < LINE_BLOCK_READS)
        return p;
#ifdef __x86_64__
    if (line_has_avx512())
        return line_pass_avx512(p, end, plan);
    return line_has_avx2() ? line_pass_avx2(p, end, plan) : pass_sse2(p, end, plan);
#else
    return pass_plain(p, end, plan);
#endif
}

const char *line_pass(const char *p, const char *end, const struct line_plan *plan)
{
    unsigned quiet;

    if (end - p < LINE_BLOCK_READS)
        return p;
    if (line_is_looked_at(p, plan->looks)) {
        if (!plan->told || !(quiet = line_quiet(p)))
            return p;
        *plan->told |= quiet;
    }
    return line_pass_on(p, end, plan);
}
