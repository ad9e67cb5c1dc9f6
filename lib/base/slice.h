/* SPDX-License-Identifier: GPL-3.0-or-later
 * Text slices: a pointer and a length into somebody else's bytes. Nothing is copied, nothing is NUL-terminated, and a
 * slice is valid as long as what it points into. Readers take a slice by pointer and move its start behind what they
 * read; on failure they return false and leave it as it was, so that grammars are written as an || chain.
 * ASCII only: "case" means A-Z and a-z, "blank" means space and tab, whatever the locale is.
 */
#ifndef EM_BASE_SLICE_H
#define EM_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE(literal) ((struct slice) { (literal), sizeof(literal) - 1 })
#define SLICE_ARG(s) (int)(s).n, (s).p /* for "%.*s": only with text that is ours or already escaped */

static inline struct slice slice_of(const char *s)
{
    return (struct slice) { s, s ? strlen(s) : 0 };
}

/* The small ones are inline: every reader of text is made of them. */
static inline struct slice slice_from(struct slice s,
                                      size_t at) /* the rest from at; empty when at is beyond */
{
    if (at > s.n)
        at = s.n;
    return at ? (struct slice) { s.p + at, s.n - at } : s;
}

static inline struct slice slice_upto(struct slice s, size_t n) /* the first n bytes at most */
{
    return (struct slice) { s.p, n < s.n ? n : s.n };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool slice_skip(struct slice *s, struct slice literal) /* a reader, as those below */
{
    if (!slice_starts(*s, literal))
        return false;
    *s = slice_from(*s, literal.n);
    return true;
}

bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_starts_nocase(struct slice s, struct slice prefix);
struct slice slice_trim(struct slice s);              /* blanks, CR and LF off both ends */
size_t slice_find(struct slice s, struct slice what); /* offset, or SIZE_MAX */
size_t slice_find_char(struct slice s, char c);       /* offset, or SIZE_MAX */

/* Readers. */
bool slice_skip_nocase(struct slice *s, struct slice literal);
void slice_skip_blanks(struct slice *s);
bool slice_until(struct slice *s, char c,
                 struct slice *head); /* head = before c, s = behind c; false when c is not there */
bool slice_u32(struct slice *s, uint32_t max,
               uint32_t *v); /* decimal digits; false on none, overflow or > max */
bool slice_u64(struct slice *s, uint64_t max, uint64_t *v);
bool slice_hex_u32(struct slice *s, uint32_t *v); /* 1 to 8 hex digits, an optional 0x before them */

/* Copies into a fixed array, cut to its size, always NUL-terminated. Returns false when it was cut. */
bool slice_copy(struct slice s, char *to, size_t size);

#endif
