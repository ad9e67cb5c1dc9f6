/* SPDX-License-Identifier: GPL-3.0-or-later
 * The one growing buffer of the project; see buf.h for what holds. */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_ROOM = 256 };

struct buf buf_over(void *storage, size_t size)
{
    assert(size > 0);
    return (struct buf) { .p = storage, .room = size, .max = size };
}

struct buf buf_heap(size_t max)
{
    assert(max > 0);
    return (struct buf) { .max = max, .heap = true };
}

void buf_fini(struct buf *b)
{
    if (b->heap) {
        free(b->p);
        b->p = NULL;
        b->room = 0;
    }
    buf_reset(b);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->full = false;
}

/* Makes place for n more bytes and the NUL; false = full (now and from now on). */
static bool make_room(struct buf *b, size_t n)
{
    size_t want;
    uint8_t *p;

    if (b->full || n > b->max || b->n + n + 1 > b->max) {
        b->full = true;
        return false;
    }
    if (b->n + n + 1 <= b->room)
        return true;
    want = b->room ? b->room : BUF_FIRST_ROOM;
    while (want < b->n + n + 1)
        want *= 2;
    if (want > b->max)
        want = b->max;
    p = b->heap ? realloc(b->p, want) : NULL;
    if (!p) {
        b->full = true;
        return false;
    }
    b->p = p;
    b->room = want;
    return true;
}

void buf_bytes(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !make_room(b, n))
        return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void buf_u8(struct buf *b, uint8_t v)
{
    buf_bytes(b, &v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
    buf_bytes(b, (uint8_t[2]) { (uint8_t)(v >> 8), (uint8_t)v }, 2);
}

void buf_u32(struct buf *b, uint32_t v)
{
    buf_bytes(b, (uint8_t[4]) { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v }, 4);
}

void buf_u64(struct buf *b, uint64_t v)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(v >> (56 - 8 * i));
    buf_bytes(b, bytes, sizeof bytes);
}

void buf_put_u16(struct buf *b, size_t at, uint16_t v)
{
    if (b->full)
        return;
    assert(at + 2 <= b->n);
    b->p[at] = (uint8_t)(v >> 8);
    b->p[at + 1] = (uint8_t)v;
}

void buf_text(struct buf *b, const char *s)
{
    buf_bytes(b, s, strlen(s));
}

void buf_slice(struct buf *b, struct slice s)
{
    buf_bytes(b, s.p, s.n);
}

void buf_vprint(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    int n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    assert(n >= 0);
    if (!make_room(b, (size_t)n))
        return;
    vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, ap);
    b->n += (size_t)n;
}

void buf_print(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vprint(b, fmt, ap);
    va_end(ap);
}

const char *buf_str(struct buf *b)
{
    if (!b->p || b->room == 0)
        return "";
    b->p[b->n < b->room ? b->n : b->room - 1] = '\0';
    return (const char *)b->p;
}
