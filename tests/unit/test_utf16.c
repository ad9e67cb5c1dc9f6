/* SPDX-License-Identifier: GPL-3.0-or-later
 * UTF-16 in blocks says the same as one unit after the other, at every length and with a stranger at every place. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "evidence/utf16.h"
#include "harness.h"

enum { MOST = 70 };

static void put(uint8_t *raw, size_t i, unsigned unit, bool little_endian)
{
    raw[2 * i + (little_endian ? 0 : 1)] = (uint8_t)(unit & 0xFF);
    raw[2 * i + (little_endian ? 1 : 0)] = (uint8_t)(unit >> 8);
}

static const unsigned strangers[] = { 0x80, 0xFF, 0x100, 0x7F00, 0x4100, 0x8000, 0xD83D, 0xFFFF };

START_TEST(ascii_is_decoded_up_to_a_stranger)
{
    bool little_endian = _i == 0;

    for (size_t n = 0; n <= MOST; n++) {
        for (size_t at = 0; at <= n; at++) {
            uint8_t *raw = malloc(2 * n + 1);
            char *to = malloc(n + 1);
            size_t got, sure = at - at % 16;

            for (size_t i = 0; i < n; i++)
                put(raw, i, i == at ? strangers[at % 8] : (unsigned)(i * 7 % 128), little_endian);
            got = utf16_ascii(raw, n, little_endian, to);
            ck_assert_msg(got <= at && got >= sure, "%zu of %zu: %zu", at, n, got);
            for (size_t i = 0; i < got; i++)
                ck_assert_int_eq(to[i], (char)(i * 7 % 128));
            free(raw);
            free(to);
        }
    }
}
END_TEST

START_TEST(units_are_counted)
{
    struct em_clock_fake fake = { .seed = 5 };
    struct em_clock clock = em_clock_fake(&fake);

    for (unsigned round = 0; round < 2000; round++) {
        size_t n = em_random_below(&clock, 200);
        char *text = malloc(n + 1);
        uint64_t want = 0;

        em_random(&clock, text, n);
        for (size_t i = 0; i < n; i++) {
            uint8_t c = (uint8_t)text[i];

            want += c < 0x80 || c >= 0xC0;
            want += c >= 0xF0;
        }
        ck_assert_uint_eq(utf16_units(text, n), want);
        free(text);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("utf16");

    tcase_add_loop_test(t, ascii_is_decoded_up_to_a_stranger, 0, 2);
    tcase_add_test(t, units_are_counted);
    return em_run();
}
