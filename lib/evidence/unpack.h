/* SPDX-License-Identifier: GPL-3.0-or-later
 * Compressed files, recognised by their first bytes: gzip, xz and zstd as log rotation leaves them. A stream decoder: bytes of the file in,
 * bytes of the text out, memory bounded whatever the file says. Several members, streams or frames one after another are one text.
 *
 * Bounds: a file that wants more than UNPACK_MEMORY_MAX to be unpacked is refused. A text that is longer than UNPACK_FREE and more than
 * UNPACK_RATIO_MAX times as long as what made it is no log, and the unpacking ends there.
 */
#ifndef EM_EVIDENCE_UNPACK_H
#define EM_EVIDENCE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define UNPACK_MEMORY_MAX (UINT64_C(160) * 1024 * 1024) /* xz -9 needs 65 MiB, zstd --long=27 128 MiB */
#define UNPACK_FREE (UINT64_C(64) * 1024 * 1024)
enum { UNPACK_RATIO_MAX = 900, UNPACK_MAGIC_MAX = 6 };

enum unpack_result {
    UNPACK_GOES_ON,
    UNPACK_DAMAGED, /* what came out before is good */
    UNPACK_BOMB,
    UNPACK_NO_MEMORY, /* or it wants more than the maximum */
    UNPACK_FOREIGN,   /* a capture: of a link that is not known */
};

struct unpack;

/* One way to pack. step() consumes from *in and puts into out; *made is what it put there. It is at a boundary when the text may end where it
 * stands. */
struct unpack_way {
    const char *name;
    const char *magic;
    size_t magic_n;
    void *(*begin)(struct em_why *why); /* NULL: no memory, or no library, which why says */
    void (*end)(void *state);
    enum unpack_result (*step)(void *state, const uint8_t **in, size_t *in_n, uint8_t *out, size_t room,
                               size_t *made, bool *boundary);
};
extern const struct unpack_way unpack_gzip, unpack_xz, unpack_zstd;

/* A packet capture (capture.h), as far as it goes: its text grows with the file. Messages that TCP has not carried whole wait for their rest.
 * Not one of those that unpack_find() finds: ask capture_recognise(). */
extern const struct unpack_way unpack_capture;

/* What the first bytes of a file say; NULL: nothing that this build unpacks. */
const struct unpack_way *unpack_find(const void *p, size_t n);

struct unpack *unpack_new(const struct unpack_way *way, struct em_why *why); /* NULL: why says it */
void unpack_free(struct unpack *u);

/* Puts at most `room` bytes of text into out. Call it with more input when it made nothing, and again with what is left as long as it makes
 * something. */
enum unpack_result unpack_step(struct unpack *u, const uint8_t **in, size_t *in_n, uint8_t *out, size_t room,
                               size_t *made);
bool unpack_whole(const struct unpack *u); /* the input may end here */
const char *unpack_name(const struct unpack *u);

#endif
