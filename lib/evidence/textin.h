/* SPDX-License-Identifier: GPL-3.0-or-later
 * Bytes of a file to a window of text: encoding found by content, UTF-16 turned into UTF-8, and the way back from a place in the
 * window to the byte in the file. Bounded: the window never holds more than its size.
 *
 *     space(): where to put raw bytes;  filled(): they are there, text grows;  use text[0..n);  drop(): the first bytes are done
 *
 * Until TEXTIN_SNIFF bytes are there (or textin_decide() is called) no text comes out: the encoding is decided on a fixed amount, so
 * that it does not depend on how the bytes arrived.
 */
#ifndef EM_EVIDENCE_TEXTIN_H
#define EM_EVIDENCE_TEXTIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SIZE: the longest headers, a line of the greatest length at their end, and one that is not whole yet; less, and the reader waits for ever
 * for room. */
enum { TEXTIN_SNIFF = 1024, TEXTIN_SIZE = 640 * 1024 };

enum textin_encoding { TEXTIN_UNDECIDED, TEXTIN_BYTES, TEXTIN_UTF16LE, TEXTIN_UTF16BE };

struct textin {
    const char *text;  /* the window: own, or a view of the caller's */
    char *own;         /* TEXTIN_SIZE bytes */
    size_t n;          /* text that is there */
    uint64_t raw_base; /* byte in the file that text[0] comes from */
    enum textin_encoding encoding;
    const char *refusal;    /* what the file is and what to do; set once */
    uint8_t raw[64 * 1024]; /* UTF-16: bytes not decoded yet; undecided: bytes not looked at yet */
    size_t raw_n;
};

bool textin_init(struct textin *t, uint64_t offset, enum textin_encoding encoding); /* false: no memory */
void textin_fini(struct textin *t);

/* Takes what fits of the n bytes and returns how many that were; 0 when the window is full (drop something first) or the file is
 * refused. */
size_t textin_push(struct textin *t, const void *bytes, size_t n);
void textin_decide(struct textin *t); /* with what is there: the input ended or paused */
void textin_drop(struct textin *t, size_t n);
uint64_t textin_raw(const struct textin *t, size_t at);

/* Direct reading for speed: where the next raw bytes may be put (encoding BYTES only; *n 0 otherwise), and that they are there. */
char *textin_space(struct textin *t, size_t *n);
void textin_filled(struct textin *t, size_t n);

/* A view: the window becomes n bytes of the caller's, the first of which is the one that text[0] is now, and drop() moves the window's
 * start and copies nothing. Encoding BYTES only. keep() copies what is left, TEXTIN_SIZE at most, and the caller's memory may go.
 * A mapped file can change while it is viewed: what is read twice must be read from still(), which is a copy if it has to be, valid until
 * the next call. */
void textin_view(struct textin *t, const char *bytes, size_t n);
void textin_keep(struct textin *t);
const char *textin_still(struct textin *t, size_t at, size_t n); /* n: TEXTIN_SIZE at most */

#endif
