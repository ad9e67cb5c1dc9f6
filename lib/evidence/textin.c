/* SPDX-License-Identifier: GPL-3.0-or-later
 * Encodings, and files that are no text. */
#include "evidence/textin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/utf16.h"

bool textin_init(struct textin *t, uint64_t offset, enum textin_encoding encoding)
{
    memset(t, 0, sizeof *t);
    t->raw_base = offset;
    t->encoding = encoding;
    t->text = t->own = malloc(TEXTIN_SIZE);
    return t->own != NULL;
}

void textin_fini(struct textin *t)
{
    free(t->own);
    t->text = t->own = NULL;
}

/* --- what is no text ---------------------------------------------------------------------------------------------- */

#define CAPTURE_WORDS                                                                                        \
    "a packet capture within something else: edgemedia scan and sources of type trace read it as a file of " \
    "its own (gzip -d FILE), in a build with libpcap"

static const char *known_binary(const uint8_t *p, size_t n)
{
    static const struct {
        const char *magic;
        size_t n;
        const char *what;
    } rows[] = {
        { "\x1f\x8b", 2,
          "gzip-compressed: edgemedia scan reads it; to follow it, uncompress it first (gzip -d FILE)" },
        { "\xfd"
          "7zXZ",
          5, "xz-compressed: edgemedia scan reads it; to follow it, uncompress it first (xz -d FILE)" },
        { "\x28\xb5\x2f\xfd", 4,
          "zstd-compressed: edgemedia scan reads it; to follow it, uncompress it first (zstd -d FILE)" },
        { "BZh", 3, "bzip2-compressed: uncompress it first (bzip2 -dc FILE | edgemedia scan -)" },
        { "PK\x03\x04", 4, "a ZIP archive: unpack it first" },
        { "\xa1\xb2\xc3\xd4", 4, CAPTURE_WORDS },
        { "\xd4\xc3\xb2\xa1", 4, CAPTURE_WORDS },
        { "\xa1\xb2\x3c\x4d", 4, CAPTURE_WORDS },
        { "\x4d\x3c\xb2\xa1", 4, CAPTURE_WORDS },
        { "\x0a\x0d\x0d\x0a", 4, CAPTURE_WORDS },
        { "SQLite format 3", 15, "an SQLite database, not a trace" },
        { "\x7f"
          "ELF",
          4, "a program, not a trace" },
        { "\x89PNG", 4, "a picture, not a trace" },
        { "%PDF", 4, "a PDF document: save its text first" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (n >= rows[i].n && memcmp(p, rows[i].magic, rows[i].n) == 0)
            return rows[i].what;
    return NULL;
}

static bool text_byte(uint8_t c)
{
    return c >= 0x20 ? c != 0x7F : c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == 0x1B || c == 0;
}

/* UTF-16 text without a BOM: most units are ASCII, so one of the two bytes is nearly always 0 and the other nearly never. */
static enum textin_encoding guess_utf16(const uint8_t *p, size_t n)
{
    size_t zero[2] = { 0, 0 }, units = n / 2;

    for (size_t i = 0; i < 2 * units; i++)
        zero[i & 1] += p[i] == 0;
    if (units < 8)
        return TEXTIN_BYTES;
    if (zero[1] * 10 >= units * 7 && zero[0] * 10 <= units)
        return TEXTIN_UTF16LE;
    if (zero[0] * 10 >= units * 7 && zero[1] * 10 <= units)
        return TEXTIN_UTF16BE;
    return TEXTIN_BYTES;
}

/* A text that is in no encoding of ours has few control bytes and is not half zeros; .etl and .blog files have many of both. */
static bool looks_binary(const uint8_t *p, size_t n)
{
    size_t odd = 0, zeros = 0, high = 0;

    for (size_t i = 0; i < n; i++) {
        odd += !text_byte(p[i]);
        zeros += p[i] == 0;
        high += p[i] >= 0x80;
    }
    if (zeros == n)
        return false; /* what a crash left in front of the text */
    return odd * 20 > n || (zeros * 10 > n && odd > 0 && zeros * 10 < n * 9) || high * 10 > n * 9;
}

static const char binary_words[] =
    "binary: an .etl or .blog trace must be formatted as text first (OCSLogger or CLSController, "
    "\"Search-CsClsLogging -OutputFilePath\")";

static size_t bom(const uint8_t *p, size_t n, enum textin_encoding *encoding)
{
    if (n >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
        return *encoding = TEXTIN_BYTES, 3;
    if (n >= 2 && p[0] == 0xFF && p[1] == 0xFE)
        return *encoding = TEXTIN_UTF16LE, 2;
    if (n >= 2 && p[0] == 0xFE && p[1] == 0xFF)
        return *encoding = TEXTIN_UTF16BE, 2;
    return 0;
}

/* --- decoding ----------------------------------------------------------------------------------------------------- */

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80)
        return to[0] = (char)c, 1;
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* Decodes what is in raw into the window, as far as there is room; an unpaired surrogate becomes U+FFFD. A half unit, and a first
 * half of a pair, stay. */
static void decode(struct textin *t)
{
    bool le = t->encoding == TEXTIN_UTF16LE;
    size_t i = 0;

    for (; i + 2 <= t->raw_n && t->n + 4 <= TEXTIN_SIZE; i += 2) {
        size_t units = (t->raw_n - i) / 2, room = TEXTIN_SIZE - t->n, n;
        uint32_t c;

        n = utf16_ascii(t->raw + i, units < room ? units : room, le, t->own + t->n);
        if (n > 0) {
            t->n += n;
            i += 2 * (n - 1);
            continue;
        }
        c = le ? (uint32_t)(t->raw[i] | t->raw[i + 1] << 8) : (uint32_t)(t->raw[i] << 8 | t->raw[i + 1]);

        if (c >= 0xD800 && c < 0xDC00) {
            uint32_t low;

            if (i + 4 > t->raw_n)
                break;
            low = le ? (uint32_t)(t->raw[i + 2] | t->raw[i + 3] << 8)
                     : (uint32_t)(t->raw[i + 2] << 8 | t->raw[i + 3]);
            if (low >= 0xDC00 && low < 0xE000) {
                t->n += put_utf8(t->own + t->n, 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00)));
                i += 2;
                continue;
            }
        }
        t->n += put_utf8(t->own + t->n, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
    }
    t->raw_n -= i;
    memmove(t->raw, t->raw + i, t->raw_n);
}

void textin_decide(struct textin *t)
{
    size_t skip;

    if (t->encoding != TEXTIN_UNDECIDED || t->refusal || t->raw_n == 0)
        return;
    if ((t->refusal = known_binary(t->raw, t->raw_n)))
        return;
    skip = bom(t->raw, t->raw_n, &t->encoding);
    if (skip == 0)
        t->encoding = guess_utf16(t->raw, t->raw_n);
    if (skip == 0 && t->encoding == TEXTIN_BYTES && looks_binary(t->raw, t->raw_n)) {
        t->refusal = binary_words;
        t->encoding = TEXTIN_UNDECIDED;
        return;
    }
    t->raw_base += skip;
    t->raw_n -= skip;
    memmove(t->raw, t->raw + skip, t->raw_n);
    if (t->encoding != TEXTIN_BYTES) {
        decode(t);
        return;
    }
    memcpy(t->own, t->raw, t->raw_n);
    t->n = t->raw_n;
    t->raw_n = 0;
}

size_t textin_push(struct textin *t, const void *bytes, size_t n)
{
    size_t room;

    assert(t->text == t->own);
    if (t->refusal)
        return 0;
    if (t->encoding == TEXTIN_BYTES) {
        room = TEXTIN_SIZE - t->n < n ? TEXTIN_SIZE - t->n : n;
        memcpy(t->own + t->n, bytes, room);
        t->n += room;
        return room;
    }
    room = (t->encoding == TEXTIN_UNDECIDED ? TEXTIN_SNIFF : sizeof t->raw) - t->raw_n;
    if (n > room)
        n = room;
    memcpy(t->raw + t->raw_n, bytes, n);
    t->raw_n += n;
    if (t->encoding != TEXTIN_UNDECIDED)
        decode(t);
    else if (t->raw_n == TEXTIN_SNIFF)
        textin_decide(t);
    return n;
}

char *textin_space(struct textin *t, size_t *n)
{
    assert(t->text == t->own);
    *n = t->encoding == TEXTIN_BYTES ? TEXTIN_SIZE - t->n : 0;
    return t->own + t->n;
}

void textin_filled(struct textin *t, size_t n)
{
    t->n += n;
}

/* Bytes in the file that the first n bytes of the window come from: a UTF-8 sequence of 4 was two units, any other was one. */
static uint64_t raw_length(const struct textin *t, size_t n)
{
    return t->encoding == TEXTIN_BYTES ? n : 2 * utf16_units(t->text, n);
}

uint64_t textin_raw(const struct textin *t, size_t at)
{
    return t->raw_base + raw_length(t, at);
}

void textin_drop(struct textin *t, size_t n)
{
    t->raw_base += raw_length(t, n);
    t->n -= n;
    if (t->text != t->own) {
        t->text += n;
        return;
    }
    memmove(t->own, t->own + n, t->n);
    if (t->encoding == TEXTIN_UTF16LE || t->encoding == TEXTIN_UTF16BE)
        decode(t);
}

void textin_view(struct textin *t, const char *bytes, size_t n)
{
    assert(t->encoding == TEXTIN_BYTES && n >= t->n);
    t->text = bytes;
    t->n = n;
}

void textin_keep(struct textin *t)
{
    t->text = textin_still(t, 0, t->n);
}

const char *textin_still(struct textin *t, size_t at, size_t n)
{
    if (t->text == t->own)
        return t->text + at;
    assert(n <= TEXTIN_SIZE);
    memcpy(t->own, t->text + at, n);
    return t->own;
}
