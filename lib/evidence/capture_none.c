/* SPDX-License-Identifier: GPL-3.0-or-later
 * A build without libpcap: captures are refused by the reader, which says what they are. */
#include "evidence/capture.h"
#include "evidence/unpack.h"

bool capture_recognise(const void *p, size_t n)
{
    (void)p;
    (void)n;
    return false;
}

static void *no_feed(struct em_why *why)
{
    (void)em_fail(why, EM_ERR_UNSUPPORTED, "this build reads no captures");
    return NULL;
}

const struct unpack_way unpack_capture = { .name = "packet capture", .begin = no_feed };

int capture_read(FILE *f, capture_text_fn text, void *arg, struct em_why *why)
{
    (void)text;
    (void)arg;
    (void)fclose(f);
    return em_fail(why, EM_ERR_UNSUPPORTED, "this build reads no captures");
}
