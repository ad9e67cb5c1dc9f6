/* SPDX-License-Identifier: GPL-3.0-or-later
 * Files are known by what they hold: by their first block and by the bytes before the place of reading. */
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "source/follow.h"

enum { PREFIX_TAIL = EM_TAIL_MAX };

/* Reads exactly n bytes, or fails. */
static bool read_at(int fd, void *to, size_t n, uint64_t offset)
{
    uint8_t *p = to;

    while (n > 0) {
        ssize_t got = pread(fd, p, n, (off_t)offset);

        if (got <= 0)
            return false;
        p += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

bool trace_head_read(int fd, struct trace_head *h)
{
    ssize_t got = pread(fd, h->bytes, sizeof h->bytes, 0);

    h->n = got > 0 ? (size_t)got : 0;
    return got >= 0;
}

uint64_t trace_head_hash(const struct trace_head *h, size_t n)
{
    return em_hash(&em_hash_key_fixed, h->bytes, n);
}

/* Is this the file of the place, perhaps grown? h: its head, already read. A place in an empty file fits none. */
bool trace_place_fits(int fd, uint64_t size, const struct trace_head *h, const struct trace_place *p)
{
    uint8_t tail[EM_TAIL_MAX];

    if (p->head_size == 0 || p->head_size > h->n || size < p->mark.offset || p->tail_size > sizeof tail ||
        p->tail_size > p->mark.offset || trace_head_hash(h, p->head_size) != p->head_hash)
        return false;
    return p->tail_size == 0 || (read_at(fd, tail, p->tail_size, p->mark.offset - p->tail_size) &&
                                 em_hash(&em_hash_key_fixed, tail, p->tail_size) == p->tail_hash);
}

/* Compares first block and last bytes: a copy in the making, a finished one, or one whose original has grown since. */
bool trace_is_prefix(int fd, uint64_t size, int other, uint64_t other_size)
{
    uint8_t a[EM_HEAD_MAX], b[EM_HEAD_MAX];
    size_t head = size < sizeof a ? (size_t)size : sizeof a,
           tail = size < PREFIX_TAIL ? (size_t)size : PREFIX_TAIL;

    if (size == 0 || size > other_size)
        return false;
    return read_at(fd, a, head, 0) && read_at(other, b, head, 0) && memcmp(a, b, head) == 0 &&
           read_at(fd, a, tail, size - tail) && read_at(other, b, tail, size - tail) &&
           memcmp(a, b, tail) == 0;
}

/* --- samples ------------------------------------------------------------------------------------------------------ */

static uint32_t sample_hash(const uint8_t *p)
{
    uint32_t hash = (uint32_t)em_hash(&em_hash_key_fixed, p, EM_SAMPLE_BYTES);

    return hash ? hash : 1;
}

static uint64_t next_sample(struct em_samples *s)
{
    s->step = s->step ? s->step : EM_SAMPLE_BYTES;
    return (s->n + 1) * s->step;
}

static void sample_put(struct em_samples *s, uint32_t hash)
{
    if (s->n == EM_SAMPLES_MAX) {
        for (uint32_t i = 0; i < EM_SAMPLES_MAX / 2; i++)
            s->hash[i] = s->hash[2 * i + 1];
        s->n /= 2;
        s->step *= 2;
        return; /* the place of this one is no multiple any more */
    }
    s->hash[s->n++] = hash;
}
_Static_assert(EM_SAMPLES_MAX % 2 == 0, "the one behind the last has an odd number");

void trace_samples_add(struct em_samples *s, const uint8_t *bytes, size_t n, uint64_t end)
{
    uint64_t at, first = end - n;

    while ((at = next_sample(s)) <= end)
        sample_put(s,
                   at >= first + EM_SAMPLE_BYTES ? sample_hash(bytes + (at - first) - EM_SAMPLE_BYTES) : 0);
}

void trace_samples_take(struct em_samples *s, int fd, uint64_t size)
{
    uint8_t bytes[EM_SAMPLE_BYTES];
    uint64_t at;

    *s = (struct em_samples) { .step = EM_SAMPLE_BYTES };
    while (size / s->step > EM_SAMPLES_MAX)
        s->step *= 2;
    while ((at = next_sample(s)) <= size)
        sample_put(s, read_at(fd, bytes, sizeof bytes, at - sizeof bytes) ? sample_hash(bytes) : 0);
}

uint64_t trace_samples_fit(const struct em_samples *s, int fd, uint64_t size)
{
    uint8_t bytes[EM_SAMPLE_BYTES];
    uint64_t same = 0;

    for (uint32_t i = 0; i < s->n && (i + 1) * s->step <= size; i++) {
        uint64_t at = (i + 1) * s->step;

        if (s->hash[i] == 0)
            continue;
        if (!read_at(fd, bytes, sizeof bytes, at - sizeof bytes) || sample_hash(bytes) != s->hash[i])
            return 0;
        same = at;
    }
    return same >= TRACE_SAMPLED_MIN && same + s->step > size ? same : 0;
}

/* The hash of the bytes before the mark, from those that were kept as they were read: the file itself may hold others by now. */
void trace_place_tail(struct trace_place *p, const struct trace_file *f)
{
    uint64_t first = f->pushed - f->recent_n, end = p->mark.offset;
    size_t n = end < EM_TAIL_MAX ? (size_t)end : EM_TAIL_MAX;

    if (end < first || end > f->pushed)
        n = 0;
    else if (end - first < n)
        n = (size_t)(end - first);
    p->tail_size = (uint32_t)n;
    p->tail_hash = n ? em_hash(&em_hash_key_fixed, f->recent + (end - first) - n, n) : 0;
}
