/* SPDX-License-Identifier: GPL-3.0-or-later
 * OpaqueString by libunistring, which knows Unicode. */
#include "wire/opaque.h"

#include <stdlib.h>
#include <uninorm.h>
#include <unictype.h>
#include <unistr.h>

#include "base/buf.h"
#include "base/late.h"

/* clang-format off */
#define SYMBOLS(S) \
    S(uc_is_general_category_withtable) S(uc_is_property_default_ignorable_code_point) S(u8_mbtoucr) \
    S(u8_uctomb) S(u8_normalize) S(uninorm_nfc)
/* clang-format on */
LATE_SET(lib, LATE_UNISTRING, SYMBOLS);

enum { TEXT_MAX = 512, MAPPED_MAX = 4 * TEXT_MAX, COMPOSED_MAX = 8 * TEXT_MAX, ASCII_LAST = 0x7E };

const bool opaque_knows_unicode = true;

/* RFC 8264 section 9.9, the blocks in which only they are. */
static bool hangul_part(ucs4_t c)
{
    return (c >= 0x1100 && c <= 0x11FF) || (c >= 0xA960 && c <= 0xA97C) || (c >= 0xD7B0 && c <= 0xD7FB);
}

/* RFC 8264 section 4.3, the FreeformClass; joiners are left to the server. */
static bool allowed(ucs4_t c)
{
    const uint32_t good = UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_N | UC_CATEGORY_MASK_P |
                          UC_CATEGORY_MASK_S | UC_CATEGORY_MASK_Zs;

    if (c == 0x200C || c == 0x200D)
        return true;
    return lib.uc_is_general_category_withtable(c, good) && !hangul_part(c) &&
           !lib.uc_is_property_default_ignorable_code_point(c);
}

/* What is ASCII alone stands for itself, and needs no Unicode. */
static bool plain(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < ' ' || text.p[i] > ASCII_LAST)
            return false;
    return true;
}

/* Spaces to the ASCII one; false: a character that is not allowed. */
static int map(struct slice text, struct buf *to, struct em_why *why)
{
    const uint8_t *p = (const uint8_t *)text.p, *end = p + text.n;

    while (p < end) {
        ucs4_t c;
        uint8_t bytes[6];
        int n = lib.u8_mbtoucr(&c, p, (size_t)(end - p));

        if (n <= 0)
            return em_fail(why, EM_ERR_INPUT, "it is not UTF-8");
        if (!allowed(c))
            return em_fail(why, EM_ERR_INPUT, "the character U+%04X may not be in it", (unsigned)c);
        if (c > ASCII_LAST && lib.uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Zs))
            c = ' ';
        p += n;
        buf_bytes(to, bytes, (size_t)lib.u8_uctomb(bytes, c, sizeof bytes));
    }
    return to->full ? em_fail(why, EM_ERR_LIMIT, "it is too long") : 0;
}

int opaque_string(struct slice text, char *to, size_t size, struct em_why *why)
{
    uint8_t mapped[MAPPED_MAX + 1], composed[COMPOSED_MAX];
    struct buf b = buf_over(mapped, sizeof mapped);
    size_t n = sizeof composed;
    uint8_t *result = composed;
    int err;

    if (plain(text))
        return slice_copy(text, to, size) ? 0 : em_fail(why, EM_ERR_LIMIT, "it is too long");
    err = late_load(&lib.late, why);
    if (err == 0)
        err = map(text, &b, why);

    if (err == 0 && b.n > 0)
        result = lib.u8_normalize(lib.uninorm_nfc, mapped, b.n, composed, &n);
    if (err == 0 && b.n == 0)
        n = 0;
    if (err == 0 && (result != composed || n >= size))
        err = em_fail(why, EM_ERR_LIMIT, "it is too long");
    if (err == 0) {
        memcpy(to, composed, n);
        to[n] = '\0';
    }
    if (result != composed)
        free(result);
    explicit_bzero(mapped, sizeof mapped);
    explicit_bzero(composed, sizeof composed);
    return err;
}
