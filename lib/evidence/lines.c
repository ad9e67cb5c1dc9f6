/* SPDX-License-Identifier: GPL-3.0-or-later
 * Recognising the lines of traces, and their times. */
#include "evidence/lines.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/clock.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

#ifdef __SSE2__
/* 16 bytes at a step: on lines of 50 bytes this costs half of what two memchr() calls do. */
const char *line_end(const char *p, const char *end)
{
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');

    for (; end - p >= 16; p += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
        int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, cr), _mm_cmpeq_epi8(block, lf)));

        if (hits)
            return p + __builtin_ctz((unsigned)hits);
    }
    while (p < end && *p != '\r' && *p != '\n')
        p++;
    return p;
}
#else
const char *line_end(const char *p, const char *end)
{
    while (p < end && *p != '\r' && *p != '\n')
        p++;
    return p;
}
#endif

/* --- times -------------------------------------------------------------------------------------------------------- */

struct when {
    uint32_t year, month, day, hour, minute, second, us;
};

/* Days since 1970-01-01 of a date of the Gregorian calendar (H. Hinnant's method: years begin in March). */
static int64_t days_of(const struct when *w)
{
    int64_t y = (int64_t)w->year - (w->month <= 2), era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * ((int64_t)w->month + (w->month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)w->day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool to_us(const struct when *w, int64_t *us)
{
    if (w->year < 1990 || w->year > 2200 || w->month < 1 || w->month > 12 || w->day < 1 || w->day > 31 ||
        w->hour > 23 || w->minute > 59 || w->second > 60)
        return false;
    *us =
        ((days_of(w) * 86400 + w->hour * INT64_C(3600) + w->minute * INT64_C(60) + w->second) * EM_US_PER_S) +
        w->us;
    return true;
}

static bool digits(struct slice *s, size_t n, uint32_t *v)
{
    uint32_t sum = 0;

    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s->p[i]))
            return false;
        sum = sum * 10 + (uint32_t)(s->p[i] - '0');
    }
    *v = sum;
    *s = slice_from(*s, n);
    return true;
}

/* Optionally a dot or comma and 1 to 9 digits of which 6 count. */
static void fraction(struct slice *s, struct when *w)
{
    uint32_t scale = 100000;
    size_t n = 1;

    w->us = 0;
    if (s->n < 2 || (s->p[0] != '.' && s->p[0] != ',') || !is_digit(s->p[1]))
        return;
    for (; n < s->n && is_digit(s->p[n]); n++, scale /= 10)
        w->us += (uint32_t)(s->p[n] - '0') * scale;
    *s = slice_from(*s, n);
}

/* HH:MM:SS and a fraction. */
static bool clock_time(struct slice *s, struct when *w)
{
    if (!digits(s, 2, &w->hour) || !slice_skip(s, SLICE(":")) || !digits(s, 2, &w->minute) ||
        !slice_skip(s, SLICE(":")) || !digits(s, 2, &w->second))
        return false;
    fraction(s, w);
    return true;
}

static bool two_digits(const char *p, uint32_t *v)
{
    uint32_t tens = (uint32_t)(p[0] - '0'), ones = (uint32_t)(p[1] - '0');

    *v = tens * 10 + ones;
    return tens <= 9 && ones <= 9;
}

/* MM/DD/YYYY, a separator, the time: OCSLogger ('-') and UCCAPI ('|'), read at fixed places. */
static bool us_date_time(struct slice *s, char separator, struct when *w)
{
    const char *p = s->p;
    uint32_t century;

    if (s->n < 19 || p[2] != '/' || p[5] != '/' || p[10] != separator || p[13] != ':' || p[16] != ':')
        return false;
    if (!two_digits(p, &w->month) || !two_digits(p + 3, &w->day) || !two_digits(p + 6, &century) ||
        !two_digits(p + 8, &w->year) || !two_digits(p + 11, &w->hour) || !two_digits(p + 14, &w->minute) ||
        !two_digits(p + 17, &w->second))
        return false;
    w->year += century * 100;
    *s = slice_from(*s, 19);
    fraction(s, w);
    return true;
}

/* Lines with times come many to a minute: the text of the last one up to its minute is remembered, and then only the seconds are read. */
enum { MINUTE = 16 };
struct minute {
    char text[MINUTE];
    int64_t us;
};

static void keep_minute(struct minute *m, const char *text, int64_t us)
{
    memcpy(m->text, text, MINUTE);
    m->us = us;
}

static bool same_minute(const struct minute *m, struct slice *s, int64_t *us)
{
    struct when w = { 0 };

    if (s->n < MINUTE + 3 || memcmp(s->p, m->text, MINUTE) != 0 || s->p[MINUTE] != ':' ||
        !two_digits(s->p + MINUTE + 1, &w.second) || w.second > 60)
        return false;
    *s = slice_from(*s, MINUTE + 3);
    fraction(s, &w);
    *us = m->us + w.second * EM_US_PER_S + w.us;
    return true;
}

/* The same as Unix microseconds; 0: no such date. */
static bool us_time(struct slice *s, char separator, int64_t *us)
{
    static _Thread_local struct minute last;
    struct when w = { 0 };
    const char *p = s->p;

    if (s->n > 10 && p[10] == separator && same_minute(&last, s, us))
        return true;
    *us = 0;
    if (!us_date_time(s, separator, &w))
        return false;
    if (to_us(&w, us))
        keep_minute(&last, p, *us - (w.second * EM_US_PER_S + w.us));
    return true;
}

/* YYYY-MM-DD or YYYY/MM/DD, 'T' or blank, the time. */
static bool iso_date_time(struct slice *s, struct when *w)
{
    if (!digits(s, 4, &w->year) || s->n < 1 || (s->p[0] != '-' && s->p[0] != '/'))
        return false;
    *s = slice_from(*s, 1);
    if (!digits(s, 2, &w->month) || s->n < 1 || (s->p[0] != '-' && s->p[0] != '/'))
        return false;
    *s = slice_from(*s, 1);
    if (!digits(s, 2, &w->day) || s->n < 1 || (s->p[0] != 'T' && s->p[0] != ' '))
        return false;
    *s = slice_from(*s, 1);
    return clock_time(s, w);
}

/* 'Z', "+01:00", "-0530" or nothing, which is taken for UTC: seconds east of it. */
static int64_t offset_of(struct slice *s)
{
    uint32_t h, m;
    bool east = s->n > 0 && s->p[0] == '+';
    struct slice rest = slice_from(*s, 1);

    if (s->n < 5 || (!east && s->p[0] != '-')) {
        (void)slice_skip(s, SLICE("Z"));
        return 0;
    }
    if (!digits(&rest, 2, &h))
        return 0;
    (void)slice_skip(&rest, SLICE(":"));
    if (!digits(&rest, 2, &m))
        return 0;
    *s = rest;
    return (east ? 1 : -1) * ((int64_t)h * 3600 + m * INT64_C(60));
}

/* As us_time(), of such a date and time. */
static bool iso_time(struct slice *s, int64_t *us)
{
    static _Thread_local struct minute last;
    struct when w = { 0 };
    const char *p = s->p;

    if (!same_minute(&last, s, us)) {
        if (!iso_date_time(s, &w) || !to_us(&w, us))
            return false;
        keep_minute(&last, p, *us - (w.second * EM_US_PER_S + w.us));
    }
    *us -= offset_of(s) * EM_US_PER_S;
    return true;
}

int64_t line_rfc1123(struct slice value)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct slice s = slice_trim(value), day;
    struct when w = { 0 };
    int64_t us;

    if (!slice_until(&s, ',', &day))
        return 0;
    slice_skip_blanks(&s);
    if (!slice_u32(&s, 31, &w.day) || !slice_skip(&s, SLICE(" ")) || s.n < 3)
        return 0;
    for (uint32_t m = 0; m < 12; m++)
        if (memcmp(s.p, months + (size_t)3 * m, 3) == 0)
            w.month = m + 1;
    s = slice_from(s, 3);
    if (!slice_skip(&s, SLICE(" ")) || !digits(&s, 4, &w.year) || !slice_skip(&s, SLICE(" ")) ||
        !clock_time(&s, &w))
        return 0;
    return to_us(&w, &us) ? us : 0;
}

/* --- kinds -------------------------------------------------------------------------------------------------------- */

static bool is_method_byte(char c)
{
    return is_upper(c) || c == '_' || c == '-';
}

/* How many bytes of a method the line begins with; up to 16 are counted without a branch on how many there are, since nobody can foresee that. */
static size_t method_length(struct slice line)
{
    size_t n = 0;

#ifdef __SSE2__
    if (line.n >= 16) {
        __m128i p = _mm_loadu_si128((const __m128i *)(const void *)line.p);
        __m128i capital = _mm_and_si128(_mm_cmpgt_epi8(p, _mm_set1_epi8('A' - 1)),
                                        _mm_cmplt_epi8(p, _mm_set1_epi8('Z' + 1)));
        __m128i other =
            _mm_or_si128(_mm_cmpeq_epi8(p, _mm_set1_epi8('_')), _mm_cmpeq_epi8(p, _mm_set1_epi8('-')));

        n = (size_t)__builtin_ctz(~(unsigned)_mm_movemask_epi8(_mm_or_si128(capital, other)));
        if (n < 16)
            return n;
    }
#endif
    while (n < line.n && is_method_byte(line.p[n]))
        n++;
    return n;
}

static bool is_status_line(struct slice line)
{
    const char *p = line.p + sizeof "SIP/2.0 " - 1;

    return line.n >= 11 && memcmp(line.p, "SIP/2.0 ", 8) == 0 && p[0] >= '1' && p[0] <= '6' &&
           is_digit(p[1]) && is_digit(p[2]) && (line.n == 11 || p[3] == ' ');
}

bool line_is_sip_start(struct slice line)
{
    size_t n;

    while (line.n > 0 && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
        line.n--;
    if (line.n < 11)
        return false;
    if (line.p[3] == '/')
        return is_status_line(line);
    if (line.n < 12 || memcmp(line.p + line.n - 8, " SIP/2.0", 8) != 0)
        return false;
    n = method_length(line);
    return n >= 2 && n <= 32 && line.p[n] == ' ' && line.n - n > 9;
}

bool line_begins_record(struct slice line)
{
    static const char mark[] = "$$begin_record";

    while (line.n > 0 && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
        line.n--;
    return line.n >= sizeof mark - 1 &&
           memcmp(line.p + line.n - (sizeof mark - 1), mark, sizeof mark - 1) == 0;
}

/* Where the "::" before a record's time is, or SIZE_MAX. */
static size_t colons(struct slice s)
{
#ifdef __SSE2__
    if (s.n >= 64) { /* it nearly always is within the first 64 bytes */
        uint64_t hits = 0;

        for (unsigned i = 0; i < 64; i += 16) {
            __m128i p = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));

            hits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(p, _mm_set1_epi8(':'))) << i;
        }
        hits &= hits >> 1;
        if (hits)
            return (size_t)__builtin_ctzll(hits);
    }
#endif
    return slice_find(s, SLICE("::"));
}

/* TL_LEVEL(TF_FLAG) [context]PPPP.TTTT::MM/DD/YYYY-HH:MM:SS.mmm.XXXXXXXX (..) */
static enum line_kind ocs_head(struct slice line, int64_t *time_us)
{
    struct slice s = slice_from(slice_upto(line, 515), 3);
    int64_t us;
    size_t n;

    while (s.n > 0 && is_upper(s.p[0]))
        s = slice_from(s, 1);
    if (s.n < 4 || memcmp(s.p, "(TF_", 4) != 0)
        return LINE_OTHER;
    n = colons(s);
    if (n == SIZE_MAX)
        return LINE_OTHER;
    s = slice_from(s, n + 2);
    if (us_time(&s, '-', &us) && us)
        *time_us = us;
    return LINE_OCS_HEAD;
}

/* MM/DD/YYYY|HH:MM:SS.mmm PID:TID LEVEL  :: text */
static enum line_kind ucc_line(struct slice line, int64_t *time_us)
{
    struct slice s = line;
    int64_t us;
    size_t at;

    if (!us_time(&s, '|', &us))
        return LINE_OTHER;
    if (us)
        *time_us = us;
    at = slice_find(slice_upto(s, 128), SLICE(":: "));
    if (at == SIZE_MAX)
        return LINE_UCC_OTHER;
    s = slice_trim(slice_from(s, at + 3));
    if (slice_starts(s, SLICE("Sending Packet")) || slice_starts(s, SLICE("Data Received")))
        return LINE_UCC_PACKET;
    return LINE_UCC_OTHER;
}

/* Ends `word` in ":port"? */
static bool is_address(struct slice word)
{
    size_t n = word.n;

    while (n > 1 && word.n - n < 6 && is_digit(word.p[n - 1]))
        n--;
    return n < word.n && n > 1 && word.p[n - 1] == ':';
}

/* " a:p -> b:p", and nothing else. */
static bool is_way(struct slice s)
{
    size_t n = s.n > 1 && s.p[0] == ' ' ? slice_find_char(slice_from(s, 1), ' ') : SIZE_MAX;
    struct slice to = slice_from(s, n == SIZE_MAX ? s.n : 1 + n);

    return slice_skip(&to, SLICE(" -> ")) && slice_find_char(to, ' ') == SIZE_MAX && is_address(to) &&
           is_address((struct slice) { s.p + 1, n });
}

/* "YYYY/MM/DD HH:MM:SS.uuuuuu a:p -> b:p" and nothing else is what stands before a message, in a log of anything; with more it can be a line of a
 * message behind a prefix. */
static enum line_kind digit_line(struct slice line, int64_t *time_us)
{
    int64_t us;

    if (line.n > 10 && line.p[2] == '/' && line.p[10] == '|')
        return ucc_line(line, time_us);
    if (line.n < 19 || (line.p[4] != '-' && line.p[4] != '/') || !iso_time(&line, &us))
        return LINE_OTHER;
    *time_us = us;
    return is_way(line) ? LINE_FRAME : LINE_OTHER;
}

enum line_kind line_classify(struct slice line, int64_t *time_us)
{
    char first = line.n > 0 ? line.p[0] : '\0';

    if (first == 'T' && slice_starts(line, SLICE("TL_")))
        return ocs_head(line, time_us);
    if (first == '$')
        return slice_starts(line, SLICE("$$end_record"))     ? LINE_OCS_END
               : slice_starts(line, SLICE("$$begin_record")) ? LINE_OCS_BEGIN
                                                             : LINE_OTHER;
    if (is_digit(first))
        return digit_line(line, time_us);
    if (!is_upper(first) || (first != 'S' && line.p[line.n - 1] != '0' && line.p[line.n - 1] != ' ' &&
                             line.p[line.n - 1] != '\t'))
        return LINE_OTHER;
    return line_is_sip_start(line) ? LINE_SIP_START : LINE_OTHER;
}

bool line_is_fresh_start(struct slice line)
{
    int64_t time_us = 0;
    enum line_kind kind = line.n > 0 ? line_classify(line, &time_us) : LINE_OTHER;

    return time_us != 0 && kind != LINE_OTHER && kind != LINE_SIP_START;
}

/* Bytes of a header's name: RFC 3261 tokens as they occur. */
static const bool name_byte[256] = {
#define N(c) [c] = true
    N('-'), N('_'), N('.'), N('0'), N('1'), N('2'), N('3'), N('4'), N('5'), N('6'), N('7'), N('8'), N('9'),
    N('A'), N('B'), N('C'), N('D'), N('E'), N('F'), N('G'), N('H'), N('I'), N('J'), N('K'), N('L'), N('M'),
    N('N'), N('O'), N('P'), N('Q'), N('R'), N('S'), N('T'), N('U'), N('V'), N('W'), N('X'), N('Y'), N('Z'),
    N('a'), N('b'), N('c'), N('d'), N('e'), N('f'), N('g'), N('h'), N('i'), N('j'), N('k'), N('l'), N('m'),
    N('n'), N('o'), N('p'), N('q'), N('r'), N('s'), N('t'), N('u'), N('v'), N('w'), N('x'), N('y'), N('z'),
#undef N
};

size_t line_header_name(struct slice line)
{
    size_t n = 0, at;

    while (n < line.n && n < 64 && name_byte[(uint8_t)line.p[n]])
        n++;
    for (at = n; at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'); at++)
        ;
    return n > 0 && at < line.n && line.p[at] == ':' ? n : 0;
}
