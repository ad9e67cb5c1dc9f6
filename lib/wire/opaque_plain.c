/* SPDX-License-Identifier: GPL-3.0-or-later
 * OpaqueString in a build without libunistring: text as it is, but for controls. */
#include "wire/opaque.h"

const bool opaque_knows_unicode = false;

int opaque_string(struct slice text, char *to, size_t size, struct em_why *why)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7F)
            return em_fail(why, EM_ERR_INPUT, "the character U+%04X may not be in it",
                           (unsigned)(unsigned char)text.p[i]);
    if (!slice_copy(text, to, size))
        return em_fail(why, EM_ERR_LIMIT, "it is too long");
    return 0;
}
