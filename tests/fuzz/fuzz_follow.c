/* SPDX-License-Identifier: GPL-3.0-or-later
 * The follower of compressed files on anything. What it reads of a file, plain, compressed, or first one and then the other, must be what a
 * reader finds in its text; damaged files must come to an end. The first byte says what is done, the second where, the rest is text or
 * a compressed file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "evidence/reader.h"
#include "replay/net_play.h"
#include "source/follow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int inotify_init1(int flags); /* ours; none: whoever closes one waits for the kernel for long */

enum {
    SETTLED_S = 20, /* then all that is there was read, and told */
    TEXT_MAX = 64 * 1024,
    STORE_RUNS = 500, /* then another database */
    UNPACKED_MAX = 1024 * 1024,
};

enum what { AS_IT_IS, COMPRESSED, PLAIN_THEN_COMPRESSED, PART_THEN_COMPRESSED, DAMAGED, KINDS };

static struct {
    char dir[32], plain[64], packed[64], database[64], pattern[64];
    struct em_net *net;
    struct em_store *store;
    uint32_t runs;
} at;

int inotify_init1(int flags)
{
    (void)flags;
    errno = ENOSYS;
    return -1;
}

static void need(bool good)
{
    if (!good)
        abort();
}

static void clean_up(void)
{
    em_store_close(at.store);
    (void)unlink(at.database);
    (void)rmdir(at.dir);
}

static void set_up(void)
{
    memcpy(at.dir, "/dev/shm/em-follow-XXXXXX", sizeof "/dev/shm/em-follow-XXXXXX");
    if (!mkdtemp(at.dir)) {
        memcpy(at.dir, "/tmp/em-follow-XXXXXX", sizeof "/tmp/em-follow-XXXXXX");
        need(mkdtemp(at.dir) != NULL);
    }
    (void)snprintf(at.plain, sizeof at.plain, "%s/a.log", at.dir);
    (void)snprintf(at.packed, sizeof at.packed, "%s/a.log.1.gz", at.dir);
    (void)snprintf(at.pattern, sizeof at.pattern, "%s/a.log*", at.dir);
    (void)snprintf(at.database, sizeof at.database, "%s/db", at.dir);
    em_log_set_level(EM_LOG_ERROR);
    at.net = em_play_new();
    need(atexit(clean_up) == 0);
}

static void next_run(void)
{
    if (!at.net)
        set_up();
    if (at.runs++ % STORE_RUNS == 0) {
        em_store_close(at.store);
        (void)unlink(at.database);
        need(em_store_open(at.database, em_net_clock(at.net), &at.store, NULL) == 0);
    }
}

/* --- the files ------------------------------------------------------------------------------------------------------ */

static void write_file(const char *path, const uint8_t *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    need(fd >= 0 && write(fd, p, n) == (ssize_t)n && close(fd) == 0);
}

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
    }
    return ~crc;
}

static size_t little(uint8_t *to, uint32_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
    return bytes;
}

/* RFC 1952 around one stored block (RFC 1951 section 3.2.4), which needs no library. n is less than 64 KiB. */
static size_t gzip_of(uint8_t *to, const uint8_t *p, size_t n)
{
    static const uint8_t head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1 };
    size_t m = sizeof head;

    memcpy(to, head, m);
    m += little(to + m, (uint32_t)n, 2);
    m += little(to + m, ~(uint32_t)n, 2);
    memcpy(to + m, p, n);
    m += n;
    m += little(to + m, crc32_of(p, n), 4);
    return m + little(to + m, (uint32_t)n, 4);
}

/* --- the follower ----------------------------------------------------------------------------------------------------- */

static struct em_trace *start(void)
{
    const struct em_source_env env = { .net = at.net, .store = at.store, .number = at.runs };
    struct em_source_conf conf = { .name = "fuzz", .type = EM_SOURCE_TRACE, .path_n = 1, .from_start = true };
    void *source;

    (void)slice_copy(slice_of(at.pattern), conf.path[0], sizeof conf.path[0]);
    need(em_trace_kind.start(&env, &conf, &source, NULL) == 0);
    ((struct em_trace *)source)->unpacked_max = UNPACKED_MAX;
    return source;
}

static void wait_s(int64_t s)
{
    int64_t end_us = em_play_now(at.net) + s * EM_US_PER_S;

    while (em_play_turn_until(at.net, end_us))
        ;
}

static struct em_source_row counted(const struct em_trace *t)
{
    struct em_source_row row = { 0 };

    em_store_source_row(at.store, at.runs, &row);
    em_trace_kind.row(t, &row);
    return row;
}

/* --- what must come out ----------------------------------------------------------------------------------------------- */

static void on_report(void *arg, const struct em_report *r)
{
    (void)r;
    ++*(uint64_t *)arg;
}

/* False: it is not text, or a reader that had only its first `part` bytes for long thinks so. */
static bool read_text(const uint8_t *p, size_t n, size_t part, struct em_reader_stats *stats,
                      uint64_t *reports)
{
    struct em_reader *r = em_reader_new(on_report, reports, NULL);
    struct em_reader_mark mark;
    bool good;

    need(r != NULL);
    good = em_reader_push(r, p, part) == 0;
    if (part > 0 && part < n)
        em_reader_idle(r);
    good = good && !em_reader_refusal(r) && em_reader_push(r, p + part, n - part) == 0;
    em_reader_finish(r);
    good = good && !em_reader_refusal(r);
    em_reader_mark(r, &mark, stats);
    em_reader_free(r);
    return good;
}

static void compare(const struct em_trace *t, const uint8_t *p, size_t n, size_t part)
{
    struct em_reader_stats want;
    struct em_source_row got = counted(t);
    uint64_t reports = 0;

    if (!read_text(p, n, part, &want, &reports))
        return;
    if (got.messages == want.messages && got.malformed == want.malformed && got.bytes == want.bytes)
        return;
    fprintf(stderr, "messages %llu of %llu, malformed %llu of %llu, bytes %llu of %llu; %s\n",
            (unsigned long long)got.messages, (unsigned long long)want.messages,
            (unsigned long long)got.malformed, (unsigned long long)want.malformed,
            (unsigned long long)got.bytes, (unsigned long long)want.bytes, got.error);
    abort();
}

static void go(enum what what, size_t place, const uint8_t *p, size_t n)
{
    static uint8_t packed[TEXT_MAX + 64];
    size_t m = gzip_of(packed, p, n), part = what == PLAIN_THEN_COMPRESSED ? n : n * place / 256;
    struct em_trace *t = start();

    if (what == PLAIN_THEN_COMPRESSED || what == PART_THEN_COMPRESSED) {
        write_file(at.plain, p, part);
        wait_s(SETTLED_S);
        (void)unlink(at.plain);
        em_trace_kind.stop(
            t); /* which else would hold the deleted file for an hour, and what it has no end of */
        t = start();
    } else {
        part = 0;
    }
    if (what == DAMAGED)
        packed[m * place / 256] ^= (uint8_t)(place | 1);
    if (what == AS_IT_IS)
        write_file(at.packed, p, n);
    else
        write_file(at.packed, packed, m);
    wait_s(SETTLED_S);
    need(t->files_n == 0 || counted(t).state != EM_SOURCE_READING);
    if (what != AS_IT_IS && what != DAMAGED)
        compare(t, p, n, part);
    em_trace_kind.stop(t);
    (void)unlink(at.plain);
    (void)unlink(at.packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size - 2 >= TEXT_MAX)
        return 0;
    next_run();
    go((enum what)(data[0] % KINDS), data[1], data + 2, size - 2);
    return 0;
}
