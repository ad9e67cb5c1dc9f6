/* SPDX-License-Identifier: GPL-3.0-or-later
 * OpaqueString by libunistring, which knows Unicode. */
#include "wire/opaque.h"

#include <stdlib.h>
#include <uninorm.h>
#include <unictype.h>
#include <unistr.h>

#include "base/buf.h"

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
    return uc_is_general_category_withtable(c, good) && !hangul_part(c) &&
           !uc_is_property_default_ignorable_code_point(c);
}

/* Spaces to the ASCII one; false: a character that is not allowed. */
static int map(struct slice text, struct buf *to, struct em_why *why)
{
    const uint8_t *p = (const uint8_t *)text.p, *end = p + text.n;

    while (p < end) {
        ucs4_t c;
        uint8_t bytes[6];
        int n = u8_mbtoucr(&c, p, (size_t)(end - p));

        if (n <= 0)
            return em_fail(why, EM_ERR_INPUT, "it is not UTF-8");
        if (!allowed(c))
            return em_fail(why, EM_ERR_INPUT, "the character U+%04X may not be in it", (unsigned)c);
        if (c > ASCII_LAST && uc_is_general_category(c, UC_SPACE_SEPARATOR))
            c = ' ';
        p += n;
        buf_bytes(to, bytes, (size_t)u8_uctomb(bytes, c, sizeof bytes));
    }
    return to->full ? em_fail(why, EM_ERR_LIMIT, "it is too long") : 0;
}

int opaque_string(struct slice text, char *to, size_t size, struct em_why *why)
{
    uint8_t mapped[MAPPED_MAX + 1], composed[COMPOSED_MAX];
    struct buf b = buf_over(mapped, sizeof mapped);
    size_t n = sizeof composed;
    uint8_t *result = composed;
    int err = map(text, &b, why);

    if (err == 0 && b.n > 0)
        result = u8_normalize(UNINORM_NFC, mapped, b.n, composed, &n);
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
