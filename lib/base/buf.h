/* SPDX-License-Identifier: GPL-3.0-or-later
 * Write buffer with a maximum. It never writes past its capacity; what does not fit sets `full`, and every later write
 * fails too, so a run of writes needs one test at its end.
 *
 * Two homes for the bytes, chosen at init:
 *   buf_over(storage, size)   fixed: the caller's array, nothing is allocated
 *   buf_heap(max)             grows by doubling up to max bytes; buf_fini() frees it; lack of memory counts as full
 * Text written with buf_text/buf_print is not NUL-terminated in `p`; buf_str() adds the NUL (one byte is always kept for it).
 */
#ifndef EM_BASE_BUF_H
#define EM_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct buf {
    uint8_t *p;
    size_t n;    /* bytes written */
    size_t room; /* bytes p has now, the NUL's place included */
    size_t max;  /* room never exceeds it */
    bool heap, full;
};

struct buf buf_over(void *storage, size_t size);
struct buf buf_heap(size_t max);
void buf_fini(struct buf *b);  /* frees a heap buffer; a fixed one is only reset */
void buf_reset(struct buf *b); /* n = 0, full = false; keeps the memory */

void buf_bytes(struct buf *b, const void *p, size_t n);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v); /* big-endian */
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_put_u16(struct buf *b, size_t at,
                 uint16_t v); /* overwrite at an offset already written (a length field) */
void buf_text(struct buf *b, const char *s);
void buf_slice(struct buf *b, struct slice s);
void buf_print(struct buf *b, const char *fmt, ...) EM_PRINTF(2, 3);
void buf_vprint(struct buf *b, const char *fmt, va_list ap) EM_PRINTF(2, 0);

/* The bytes as a C string; "" when nothing was written. Valid until the next write. */
const char *buf_str(struct buf *b);

#endif
