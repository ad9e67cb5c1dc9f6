/* SPDX-License-Identifier: GPL-3.0-or-later
 * Passing over lines: every way that this processor has stops where the definition says, on the vectors and on random text, for every set of
 * looks that the reader asks for and for each look alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/slice.h"
#include "evidence/line_pass.h"
#include "harness.h"

enum { LOOKS = 16, ROUNDS = 400, TEXT = 700 };

/* By the definition in line_pass.h, a byte at a time. Pairs may be any first byte of a look with any second one, and upper and lower case are told
 * apart by a bit that other bytes have, too. */
static bool two_of(const char *p, const char *first, const char *second)
{
    return p[0] && strchr(first, p[0]) && p[1] && strchr(second, p[1]);
}

#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static unsigned looks_of(const char *p)
{
    const char digits[] = "0123456789", starts[] = CAPITALS "_-";
    unsigned looks = 0;

    looks |= p[0] == '\0' ? LOOK_NUL : 0;
    looks |= p[0] && strchr("\r\n \t*<\x1b", p[0]) ? LOOK_ODD : 0;
    looks |= two_of(p, "T$", "L$") ? LOOK_OCS : 0;
    looks |= two_of(p, digits, digits) ? LOOK_TIME : 0;
    looks |= two_of(p, CAPITALS, starts) ? LOOK_START : 0;
    looks |= two_of(p, "mM", "sS") ? LOOK_DIAG : 0;
    looks |= two_of(p, "cC", "aAsS") ? LOOK_KEY : 0;
    looks |= (p[0] == 'i' || p[0] == 'I') && strchr(": \x1a", p[1]) ? LOOK_KEY_I : 0;
    looks |= p[0] == 'c' || p[0] == 'C' ? LOOK_TYPE : 0;
    looks |= two_of(p, "dD", "iIaA") ? LOOK_D : 0;
    looks |= two_of(p, "mM", "eE") ? LOOK_MESSAGE : 0;
    looks |= two_of(p, "lL", "oO") ? LOOK_LOG : 0;
    looks |= two_of(p, "sS", "tTiI") ? LOOK_S : 0;
    looks |= p[0] && strchr("\r\n \t*<\x1b#-[\"'(0123456789" CAPITALS, p[0]) ? LOOK_WRAP : 0;
    looks |= two_of(p, "-<\x1b#[RTU0123456789", "-#[\r\n 0123456789" CAPITALS) ? LOOK_FRAME : 0;
    looks |= two_of(p, "rs", "e") ? LOOK_SOFIA : 0;
    return looks;
}

/* Whoever stops at `to` may only have passed whole lines that have none of the looks, and must not stop at another line but for a CR that stands
 * alone in it, or near the end. */
static void check(const char *p, const char *end, unsigned looks, const char *to, const char *way)
{
    const char *line = p, *lf;
    bool lone = false;

    ck_assert_msg(to >= p && to <= end, "%s: out of bounds", way);
    while (line < to) {
        ck_assert_msg(!(looks_of(line) & looks), "%s: looks %#x: passed %.20s", way, looks, line);
        lf = memchr(line, '\n', (size_t)(end - line));
        ck_assert_msg(lf != NULL && lf < to, "%s: stopped within a line", way);
        for (const char *c = line; c < lf; c++)
            lone |= *c == '\r' && c[1] != '\n';
        ck_assert_msg(!lone, "%s: passed a lone CR", way);
        line = lf + 1;
    }
    if (end - to < 2 * 64 + 2)
        return;
    for (const char *c = to; c + 1 < end && *c != '\n'; c++)
        lone |= *c == '\r' && c[1] != '\n';
    lf = memchr(to, '\n', (size_t)(end - to));
    ck_assert_msg(lone || (looks_of(to) & looks) || !lf || end - lf < 2 * 64 + 2 || lf - to > 64,
                  "%s: looks %#x: stopped at %.20s", way, looks, to);
}

static void one(const char *p, size_t n, unsigned looks)
{
    struct line_plan plan;
    const char *plain, *to;

    line_plan(&plan, looks, NULL);
    to = line_pass(p, p + n, &plan);
    check(p, p + n, looks, to, "line_pass");
    if (looks_of(p) & looks) {
        ck_assert_ptr_eq(to, p);
        return;
    }
    plain = line_ways[line_ways_n - 1].pass(p, p + n, &plan);
    for (unsigned i = 0; i < line_ways_n; i++)
        if (line_ways[i].works())
            ck_assert_msg(line_ways[i].pass(p, p + n, &plan) == plain, "%s: looks %#x", line_ways[i].name,
                          looks);
}

static const unsigned some_looks[] = {
    LOOK_NUL | LOOK_OCS | LOOK_TIME,
    LOOK_NUL | LOOK_OCS | LOOK_TIME | LOOK_START,
    LOOK_NUL | LOOK_OCS | LOOK_TIME | LOOK_ODD | LOOK_DIAG | LOOK_MESSAGE,
    (1U << LOOKS) - 1,
    0,
};

static void all_looks(const char *p, size_t n)
{
    char *exact = malloc(n);

    memcpy(exact, p, n);
    for (unsigned i = 0; i < LOOKS; i++)
        one(exact, n, 1U << i);
    for (size_t i = 0; i < sizeof some_looks / sizeof *some_looks; i++)
        one(exact, n, some_looks[i]);
    free(exact);
}

static const char *const vectors[] = { "vectors/trace/ocslogger.txt",  "vectors/trace/uccapi.txt",
                                       "vectors/trace/sip.txt",        "vectors/trace/cr.txt",
                                       "vectors/trace/mixed-ends.txt", "vectors/trace/nuls.txt" };

START_TEST(vectors_at_every_line)
{
    size_t n;
    char *p = em_slurp(vectors[_i], &n);

    for (size_t at = 0; at + 2 < n; at++)
        if (at == 0 || p[at - 1] == '\n')
            all_looks(p + at, n - at);
    free(p);
}
END_TEST

/* Lines of all lengths that begin with all pairs of the bytes that matter, and of some that do not. */
START_TEST(random_text)
{
    static const char firsts[] =
        "\0\n\r \t*<\x1b$TtLl09/:AZ@[_-`aMmSsEeCcIiDdOoz{~#['\"(-re\x7f\x80\x8d\xc3\xf0";
    struct em_clock_fake fake = { .seed = 23 };
    struct em_clock clock = em_clock_fake(&fake);
    char text[TEXT];
    uint8_t dice[TEXT];

    for (unsigned round = 0; round < ROUNDS; round++) {
        em_random(&clock, dice, sizeof dice);
        for (size_t i = 0; i < TEXT; i++)
            text[i] = dice[i] < 8 + round % 40 ? '\n' : firsts[dice[i] % (sizeof firsts - 1)];
        if (round % 3)
            for (size_t i = 0; i < TEXT; i++)
                text[i] = text[i] == '\r' && (round % 3 == 1 || text[(i + 1) % TEXT] != '\n') ? 'x' : text[i];
        all_looks(text, TEXT - round % 130);
    }
}
END_TEST

/* Quiet lines are passed over and told, in every block's place; what is nearly one is stopped at. */
START_TEST(quiet)
{
    static const struct {
        const char *line;
        unsigned told;
    } rows[] = {
        { "Call-ID: x", LINE_KEY },
        { "CSeq: 1 BYE", LINE_KEY },
        { "Direction: in", LINE_FRAMED },
        { "Message-Type: r", LINE_FRAMED },
        { "Contact: <x>", LINE_PLAIN },
        { "Content-Length: 0", LINE_PLAIN },
        { "Content-Type: application/sdp", LINE_PLAIN },
        { "CANCEL x SIP/2.0", 0 },
        { "Message-Body: v", 0 },
        { "Content-Type: message/sipfrag", 0 },
        { "call-id: x", 0 },
    };
    const unsigned looks = LOOK_KEY | LOOK_TYPE | LOOK_D | LOOK_MESSAGE;

    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
        for (int before = 0; before < 130; before++) {
            char text[400];
            unsigned told = 0;
            struct line_plan plan;
            size_t n =
                (size_t)snprintf(text, sizeof text, "%0*d\n%s\nmsx\n%0120d\n", before, 0, rows[row].line, 0);
            const char *stop = strstr(text, rows[row].told ? "msx" : rows[row].line), *to;

            line_plan(&plan, looks | LOOK_DIAG, &told);
            for (unsigned i = 0; i < line_ways_n; i++, told = 0) {
                if (!line_ways[i].works())
                    continue;
                to = line_ways[i].pass(text, text + n, &plan);
                ck_assert_msg(to == stop && told == rows[row].told, "%s: %s", line_ways[i].name,
                              rows[row].line);
            }
            ck_assert_uint_eq(line_is_quiet(slice_of(rows[row].line)), rows[row].told);
        }
}
END_TEST

int main(void)
{
    TCase *t = em_case("line_pass");

    tcase_add_loop_test(t, vectors_at_every_line, 0, sizeof vectors / sizeof *vectors);
    tcase_add_test(t, random_text);
    tcase_add_test(t, quiet);
    return em_run();
}
