/* SPDX-License-Identifier: GPL-3.0-or-later
 * The trace reader on anything: however the bytes are cut, and wherever reading is interrupted and resumed from a mark, what is
 * reported and counted must be the same. The input itself chooses the cuts. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "evidence/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that a run brings: the reports, folded into a number that depends on their order, and the counters. */
struct run {
    uint64_t reports, fold, messages, malformed;
    int err;
};

static void mix(struct run *run, const void *p, size_t n)
{
    uint64_t words[2] = { run->fold, em_hash(&em_hash_key_fixed, p, n) };

    run->fold = em_hash(&em_hash_key_fixed, words, sizeof words);
}

static void on_report(void *arg, const struct em_report *r)
{
    struct run *run = arg;
    uint64_t numbers[] = { em_report_key(r), (uint64_t)r->time_us, r->format, r->offset, r->code };
    struct em_failure_row row;

    if (r->media_n > EM_REPORT_MEDIA_MAX)
        abort();
    em_report_row(r, &row);
    run->reports++;
    mix(run, numbers, sizeof numbers);
    mix(run, r->call_id.p, r->call_id.n);
    mix(run, r->reason.p, r->reason.n);
    mix(run, r->header.p, r->header.n);
}

static void add_stats(struct run *run, const struct em_reader *r, struct em_reader_mark *mark)
{
    struct em_reader_stats stats;

    em_reader_mark(r, mark, &stats);
    run->messages += stats.messages;
    run->malformed += stats.malformed;
}

static size_t next_cut(uint32_t *state)
{
    static const size_t usual[] = { 1, 2, 3, 7, 16, 61, 256, 1021, 4096, 65536 };

    *state = *state * 1103515245 + 12345;
    return usual[(*state >> 16) % (sizeof usual / sizeof *usual)];
}

/* Direct reading where the reader allows it and the cut says so. */
static int feed(struct em_reader *r, const uint8_t *p, size_t n, bool direct)
{
    size_t room = 0;
    void *to = direct ? em_reader_space(r, &room) : NULL;

    if (n == 0 || room < n)
        return em_reader_push(r, p, n);
    memcpy(to, p, n);
    return em_reader_filled(r, n);
}

/* interrupt: after some cuts the reader is thrown away and a new one begins at its mark. */
static struct run read_cut(const uint8_t *data, size_t size, uint32_t seed, bool interrupt)
{
    struct run run = { 0 };
    struct em_reader_mark mark = { 0 };
    struct em_reader *r = em_reader_new(on_report, &run, NULL);
    size_t at = 0;

    while (r && at < size && run.err == 0) {
        size_t n = next_cut(&seed);

        if (n > size - at)
            n = size - at;
        run.err = feed(r, data + at, n, seed & 0x100);
        at += n;
        if (interrupt && run.err == 0 && (seed >> 20) % 4 == 0) {
            add_stats(&run, r, &mark);
            em_reader_free(r);
            r = em_reader_new(on_report, &run, mark.offset ? &mark : NULL);
            if (mark.offset > at)
                abort();
            if (r)
                run.err = feed(r, data + mark.offset, at - (size_t)mark.offset, false);
        }
    }
    if (!r)
        abort();
    if (run.err == 0) {
        em_reader_finish(r);
        run.err = em_reader_refusal(r) ? EM_ERR_UNSUPPORTED : 0;
    }
    add_stats(&run, r, &mark);
    em_reader_free(r);
    return run;
}

/* In place, in windows that end where memory does; the last one is kept and the reading goes on with a push. */
static struct run read_viewed(const uint8_t *data, size_t size, uint32_t seed)
{
    struct run run = { 0 }, seen = { 0 };
    struct em_reader_mark mark = { 0 };
    struct em_reader *r = em_reader_new(on_report, &run, NULL);
    size_t end = 0, room = 0, rest;
    uint8_t *window;

    if (!r)
        abort();
    while (run.err == 0 && room == 0 && end < size) { /* until the encoding is known to allow it */
        size_t n = size - end < 1024 ? size - end : 1024;

        run.err = em_reader_push(r, data + end, n);
        end += n;
        (void)em_reader_space(r, &room);
    }
    rest = size - end > 16 ? 16 : size - end;
    while (run.err == 0 && end < size - rest) {
        size_t n = next_cut(&seed);

        add_stats(&seen, r, &mark);
        end = size - rest - end < n ? size - rest : end + n;
        window = malloc(end - mark.offset);
        if (!window)
            abort();
        memcpy(window, data + mark.offset, end - mark.offset);
        if (em_reader_view(r, window, end - mark.offset) > end - mark.offset)
            abort();
        if (end == size - rest)
            em_reader_keep(r);
        free(window);
    }
    if (run.err == 0)
        run.err = em_reader_push(r, data + size - rest, end < size ? rest : 0);
    if (run.err == 0) {
        em_reader_finish(r);
        run.err = em_reader_refusal(r) ? EM_ERR_UNSUPPORTED : 0;
    }
    add_stats(&run, r, &mark);
    em_reader_free(r);
    return run;
}

static void same(const struct run *a, const struct run *b)
{
    if (a->err != b->err || (a->err == 0 && (a->reports != b->reports || a->fold != b->fold ||
                                             a->messages != b->messages || a->malformed != b->malformed)))
        abort();
}

static struct run read_whole(const uint8_t *data, size_t size)
{
    struct run run = { 0 };
    struct em_reader_mark mark;
    struct em_reader *r = em_reader_new(on_report, &run, NULL);

    if (!r)
        abort();
    run.err = em_reader_push(r, data, size);
    if (run.err == 0) {
        em_reader_finish(r);
        run.err = em_reader_refusal(r) ? EM_ERR_UNSUPPORTED : 0;
    }
    add_stats(&run, r, &mark);
    em_reader_free(r);
    return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t seed = (uint32_t)em_hash(&em_hash_key_fixed, data, size);
    struct run whole = read_whole(data, size), cut = read_cut(data, size, seed, false);

    same(&whole, &cut);
    cut = read_cut(data, size, seed, true);
    same(&whole, &cut);
    cut = read_viewed(data, size, seed);
    same(&whole, &cut);
    return 0;
}
