/* SPDX-License-Identifier: GPL-3.0-or-later
 * Text slices and their readers. */
#include "base/slice.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool space(char c)
{
    return blank(c) || c == '\r' || c == '\n';
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    return a.n == b.n && slice_starts_nocase(a, b);
}

bool slice_starts_nocase(struct slice s, struct slice prefix)
{
    if (s.n < prefix.n)
        return false;
    if (slice_eq(slice_upto(s, prefix.n), prefix))
        return true;
    for (size_t i = 0; i < prefix.n; i++)
        if (lower(s.p[i]) != lower(prefix.p[i]))
            return false;
    return true;
}

struct slice slice_trim(struct slice s)
{
    while (s.n > 0 && space(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* From place `from` on, a place at a time. */
static size_t find_from(struct slice s, size_t from, struct slice what)
{
    for (; s.n - from >= what.n; from++) {
        const char *at = memchr(s.p + from, what.p[0], s.n - from - what.n + 1);

        if (!at)
            return SIZE_MAX;
        from = (size_t)(at - s.p);
        if (memcmp(at, what.p, what.n) == 0)
            return from;
    }
    return SIZE_MAX;
}

/* A short text: where both its ends stand is looked for at 16 places at a time. memmem() makes a table first, which costs more than most lines
 * are long. */
static size_t find_short(struct slice s, struct slice what)
{
    size_t at = 0;

#ifdef __SSE2__
    const __m128i first = _mm_set1_epi8(what.p[0]), last = _mm_set1_epi8(what.p[what.n - 1]);

    for (; s.n - at >= 16 + what.n - 1; at += 16) {
        const char *p = s.p + at, *q = p + what.n - 1;
        __m128i begins = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), first);
        __m128i ends = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)q), last);

        for (unsigned both = (unsigned)_mm_movemask_epi8(_mm_and_si128(begins, ends)); both; both &= both - 1)
            if (memcmp(p + __builtin_ctz(both), what.p, what.n) == 0)
                return at + (size_t)__builtin_ctz(both);
    }
#endif
    return find_from(s, at, what);
}

size_t slice_find(struct slice s, struct slice what)
{
    enum { SHORT = 16 }; /* so that nothing takes more than so many times a text's length */
    const char *at;

    if (what.n == 0 || what.n > s.n)
        return what.n == 0 ? 0 : SIZE_MAX;
    if (what.n <= SHORT)
        return find_short(s, what);
    at = memmem(s.p, s.n, what.p, what.n);
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t slice_find_char(struct slice s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

bool slice_skip_nocase(struct slice *s, struct slice literal)
{
    if (!slice_starts_nocase(*s, literal))
        return false;
    *s = slice_from(*s, literal.n);
    return true;
}

void slice_skip_blanks(struct slice *s)
{
    while (s->n > 0 && blank(s->p[0]))
        s->p++, s->n--;
}

bool slice_until(struct slice *s, char c, struct slice *head)
{
    size_t at = slice_find_char(*s, c);

    if (at == SIZE_MAX)
        return false;
    *head = slice_upto(*s, at);
    *s = slice_from(*s, at + 1);
    return true;
}

bool slice_u64(struct slice *s, uint64_t max, uint64_t *v)
{
    uint64_t sum = 0;
    size_t i = 0;

    for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(s->p[i] - '0');

        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
        if (sum > max)
            return false;
    }
    if (i == 0)
        return false;
    *v = sum;
    *s = slice_from(*s, i);
    return true;
}

bool slice_u32(struct slice *s, uint32_t max, uint32_t *v)
{
    uint64_t wide;

    if (!slice_u64(s, max, &wide))
        return false;
    *v = (uint32_t)wide;
    return true;
}

static int hex_digit(char c)
{
    char l = lower(c);

    return c >= '0' && c <= '9' ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

bool slice_hex_u32(struct slice *s, uint32_t *v)
{
    struct slice rest = *s;
    uint32_t sum = 0;
    size_t i = 0;

    (void)slice_skip_nocase(&rest, SLICE("0x"));
    for (; i < rest.n && hex_digit(rest.p[i]) >= 0; i++) {
        if (i == 8)
            return false;
        sum = sum << 4 | (uint32_t)hex_digit(rest.p[i]);
    }
    if (i == 0)
        return false;
    *v = sum;
    *s = slice_from(rest, i);
    return true;
}

bool slice_copy(struct slice s, char *to, size_t size)
{
    size_t n = s.n < size ? s.n : size - 1;

    if (n > 0)
        memcpy(to, s.p, n);
    to[n] = '\0';
    return n == s.n;
}
