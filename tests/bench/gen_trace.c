/* SPDX-License-Identifier: GPL-3.0-or-later
 * Writes made-up traces of any size and the truth about them; --help tells how. Two ways: whole files as fast as possible, or one
 * log that grows record by record and is rotated meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/opt.h"
#include "tests/bench/gen_text.h"

enum { FILES_MAX = 64, ACTIVE_MAX = 16, RECORD_MAX = 128 * 1024, OUT_SIZE = 256 * 1024, PATH_ROOM = 4096 };

struct conf {
    const char *format, *encoding, *out, *truth, *dir;
    uint64_t bytes, files, seed, failing, records, rotate_every, pace_us, late, pause_every, pause_ms;
    bool plain;
};

static const struct em_opt options[] = {
    { "out", 'o', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, out), "Trace to write" },
    { "files", 'n', EM_OPT_UINT, "N", "0", 0, FILES_MAX, offsetof(struct conf, files),
      "Write N files, FILE.0 and on; the copies of a message are spread over them" },
    { "bytes", 'b', EM_OPT_UINT, "N", "10000000", 0, 1e15, offsetof(struct conf, bytes),
      "Size of all files together, about" },
    { "format", 'f', EM_OPT_TEXT, "NAME", "ocslogger", 0, 0, offsetof(struct conf, format),
      "ocslogger, uccapi, sip (as sngrep writes it), avaya, bare, ngrep, sofia, sofia-log, chan_sip, pjsip, "
      "pjsua, expressway, syslog, syslog-lines, caret; mixed (file by file), or all (record by record)" },
    { "encoding", 'e', EM_OPT_TEXT, "NAME", "utf-8", 0, 0, offsetof(struct conf, encoding),
      "utf-8, utf-16le, or mixed (file by file)" },
    { "seed", 's', EM_OPT_UINT, "N", "1", 0, 1e15, offsetof(struct conf, seed), "Same seed, same trace" },
    { "failing", 0, EM_OPT_UINT, "N", "50", 1, 1e9, offsetof(struct conf, failing),
      "One call in N carries reports" },
    { "plain", 'p', EM_OPT_FLAG, NULL, NULL, 0, 0, offsetof(struct conf, plain),
      "No damaged headers; code 23 always in ms-client-diagnostics, after the Call-ID" },
    { "truth", 't', EM_OPT_TEXT, "FILE", NULL, 0, 0, offsetof(struct conf, truth),
      "JSON with the right numbers, written at the end" },
    { "dir", 'd', EM_OPT_TEXT, "DIR", NULL, 0, 0, offsetof(struct conf, dir),
      "Instead of --out: let DIR/trace.log grow and rotate it" },
    { "records", 0, EM_OPT_UINT, "N", "10000", 1, 1e12, offsetof(struct conf, records),
      "With --dir: end after about N records" },
    { "rotate-every", 0, EM_OPT_UINT, "N", "0", 0, 1e12, offsetof(struct conf, rotate_every),
      "With --dir: rotate after N records" },
    { "pace-us", 0, EM_OPT_UINT, "N", "0", 0, 1e7, offsetof(struct conf, pace_us),
      "With --dir: wait this long after each record" },
    { "late", 0, EM_OPT_UINT, "N", "0", 0, 1e9, offsetof(struct conf, late),
      "With --dir: after a rotation by rename, N records of the next ones still go to the old file" },
    { "pause-every", 0, EM_OPT_UINT, "N", "0", 0, 1e9, offsetof(struct conf, pause_every),
      "With --dir: every N records, pause in the middle of one" },
    { "pause-ms", 0, EM_OPT_UINT, "N", "2500", 0, 1e6, offsetof(struct conf, pause_ms),
      "How long such a pause is" },
    { NULL, 0, EM_OPT_FLAG, NULL, NULL, 0, 0, 0, NULL },
};

static const struct em_opt_program program = {
    "gen_trace",
    "[OPTION]...",
    "Write a made-up trace, and the truth about it.",
    options,
    "With --dir each record is written with one write(2). Rotation alternates, always between two\n"
    "records: by rename (trace.log becomes trace.log.K, a new trace.log is made), by copytruncate\n"
    "(trace.log is copied to trace.log.K, then truncated). K counts from 1. The truth file appears\n"
    "at the end, complete, by rename.\n",
};

/* --- files -------------------------------------------------------------------------------------------------------- */

struct out {
    int fd;
    enum gen_format format;
    bool any; /* each record in another format */
    bool utf16;
    uint8_t *bytes; /* not written yet */
    size_t n;
};

struct gen {
    struct conf c;
    struct gen_calls calls;
    struct gen_text text;
    struct gen_call active[ACTIVE_MAX];
    struct out out[FILES_MAX];
    uint32_t out_n;
    bool ending; /* no new calls */
    uint64_t written, since_rotation, late_left;
    struct out late; /* what was rotated away, and is still written to now and then */
    uint32_t rotations;
};

static void die(const char *what)
{
    fprintf(stderr, "gen_trace: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void path_print(char to[PATH_ROOM], const char *fmt, ...) EM_PRINTF(2, 3);

static void path_print(char to[PATH_ROOM], const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(to, PATH_ROOM, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= PATH_ROOM) {
        errno = ENAMETOOLONG;
        die(fmt);
    }
}

static void out_flush(struct out *o)
{
    for (size_t done = 0; done < o->n;) {
        ssize_t n = write(o->fd, o->bytes + done, o->n - done);

        if (n < 0 && errno != EINTR)
            die("write");
        done += n > 0 ? (size_t)n : 0;
    }
    o->n = 0;
}

static void out_begin(struct out *o, const char *path)
{
    o->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (o->fd < 0)
        die(path);
    if (!o->bytes && !(o->bytes = malloc(OUT_SIZE)))
        die("memory");
    o->n = 0;
    if (o->utf16) {
        memcpy(o->bytes, "\xFF\xFE", 2);
        o->n = 2;
    }
}

/* The text that is made here has UTF-8 sequences of up to 3 bytes. */
static size_t put_utf16(uint8_t *to, const uint8_t *p, size_t n)
{
    size_t m = 0;

    for (size_t i = 0; i < n;) {
        uint32_t c = p[i++];

        if (c >= 0xE0)
            c = (c & 0x0F) << 12 | (p[i] & 0x3Fu) << 6 | (p[i + 1] & 0x3Fu), i += 2;
        else if (c >= 0xC0)
            c = (c & 0x1F) << 6 | (p[i] & 0x3Fu), i++;
        to[m++] = (uint8_t)c;
        to[m++] = (uint8_t)(c >> 8);
    }
    return m;
}

/* Returns the bytes that the record takes in the file. */
static size_t out_record(struct out *o, const struct buf *b)
{
    size_t before;

    if (b->full)
        abort();
    if (o->n + 2 * b->n > OUT_SIZE)
        out_flush(o);
    before = o->n;
    if (o->utf16) {
        o->n += put_utf16(o->bytes + o->n, b->p, b->n);
    } else {
        memcpy(o->bytes + o->n, b->p, b->n);
        o->n += b->n;
    }
    return o->n - before;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

/* Appends the next record to `to`; false when everything was written. */
static bool next_record(struct gen *g, enum gen_format f, struct buf *to)
{
    struct gen_truth *t = &g->calls.truth;
    uint32_t dice = gen_below(g->text.random, 200);

    if (dice < 4) {
        gen_text_noise(&g->text, f, to);
        return true;
    }
    if (dice == 4 && gen_text_malformed(&g->text, f, to)) {
        t->messages++;
        t->malformed++;
        return true;
    }
    for (uint32_t i = gen_below(g->text.random, ACTIVE_MAX), tries = 0; tries < ACTIVE_MAX;
         tries++, i = (i + 1) % ACTIVE_MAX) {
        struct gen_step *s = gen_call_next(&g->calls, &g->active[i]);

        if (!s && !g->ending) {
            gen_call_new(&g->calls, &g->active[i]);
            s = gen_call_next(&g->calls, &g->active[i]);
        }
        if (!s)
            continue;
        gen_text_message(&g->text, f, &g->active[i], s, to);
        t->messages++;
        return true;
    }
    return false;
}

/* The file that the next record goes to. The late ones come over the whole time until the next rotation. */
static struct out *next_out(struct gen *g)
{
    if (g->late_left > 0 && g->c.rotate_every > 0 &&
        gen_below(g->text.random, (uint32_t)g->c.rotate_every) < g->c.late) {
        g->late_left--;
        return &g->late;
    }
    return &g->out[gen_below(g->text.random, g->out_n)];
}

static bool write_record(struct gen *g, struct out **to)
{
    static uint8_t room[RECORD_MAX];
    struct buf b = buf_over(room, sizeof room);
    struct out *o = *to = next_out(g);

    if (o->any)
        o->format = (enum gen_format)gen_below(g->text.random, GEN_FORMATS);
    if (!next_record(g, o->format, &b))
        return false;
    g->calls.truth.bytes += out_record(o, &b);
    return true;
}

static void write_truth(const struct gen *g)
{
    char path[PATH_ROOM];
    FILE *to;

    if (!g->c.truth)
        return;
    path_print(path, "%s.new", g->c.truth);
    to = fopen(path, "w");
    if (!to)
        die(path);
    gen_truth_write(&g->calls.truth, to);
    if (fclose(to) != 0 || rename(path, g->c.truth) != 0)
        die(g->c.truth);
}

/* --- whole files -------------------------------------------------------------------------------------------------- */

static void write_files(struct gen *g)
{
    bool many = g->c.files > 0;
    struct out *o;

    g->out_n = many ? (uint32_t)g->c.files : 1;
    for (uint32_t i = 0; i < g->out_n; i++) {
        char path[PATH_ROOM];

        if (many)
            path_print(path, "%s.%" PRIu32, g->c.out, i);
        else
            path_print(path, "%s", g->c.out);
        out_begin(&g->out[i], path);
        g->calls.truth.bytes += g->out[i].n;
    }
    do
        g->ending = g->calls.truth.bytes >= g->c.bytes;
    while (write_record(g, &o));
    for (uint32_t i = 0; i < g->out_n; i++) {
        out_flush(&g->out[i]);
        if (close(g->out[i].fd) != 0)
            die("close");
    }
}

/* --- a log that grows --------------------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
    static char room[64 * 1024];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    ssize_t n;

    if (in < 0 || out < 0)
        die(to);
    while ((n = read(in, room, sizeof room)) > 0)
        if (write(out, room, (size_t)n) != n)
            die(to);
    close(in);
    close(out);
}

/* The late writer has the old file open until the next rotation. */
static void begin_late(struct gen *g)
{
    if (g->late.fd >= 0 && close(g->late.fd) != 0)
        die("close");
    g->late.fd = g->out[0].fd;
    g->late.n = 0;
    g->late.utf16 = g->out[0].utf16;
    g->late.format = g->out[0].format;
    if (!g->late.bytes && !(g->late.bytes = malloc(OUT_SIZE)))
        die("memory");
    g->late_left = g->c.late;
}

static void rotate(struct gen *g, const char *log)
{
    struct out *o = &g->out[0];
    char old[PATH_ROOM];

    path_print(old, "%s.%" PRIu32, log, ++g->rotations);
    if (g->rotations & 1) {
        if (rename(log, old) != 0)
            die(old);
        begin_late(g);
        out_begin(o, log);
    } else {
        copy_file(log, old);
        if (ftruncate(o->fd, 0) != 0)
            die(log);
        if (o->utf16) {
            memcpy(o->bytes, "\xFF\xFE", 2);
            o->n = 2;
        }
    }
    g->calls.truth.bytes += o->n;
    g->since_rotation = 0;
}

static void wait_us(uint64_t us)
{
    struct timespec pace = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };

    if (us > 0)
        (void)nanosleep(&pace, NULL);
}

/* The record goes out in two writes, somewhere in it, with a pause between. */
static void out_torn(struct gen *g, struct out *o)
{
    size_t n = o->n, first = n > 1 ? 1 + gen_below(g->text.random, (uint32_t)n - 1) : n;

    o->n = first;
    out_flush(o);
    wait_us(g->c.pause_ms * 1000);
    o->n = n - first;
    memmove(o->bytes, o->bytes + first, o->n);
    out_flush(o);
}

static void write_growing(struct gen *g)
{
    struct out *o;
    char log[PATH_ROOM];

    path_print(log, "%s/trace.log", g->c.dir);
    g->out_n = 1;
    out_begin(&g->out[0], log);
    g->calls.truth.bytes += g->out[0].n;
    while (write_record(g, &o)) {
        if (g->c.pause_every > 0 && g->written % g->c.pause_every == g->c.pause_every - 1)
            out_torn(g, o);
        out_flush(o);
        g->ending = ++g->written >= g->c.records;
        wait_us(g->c.pace_us);
        if (++g->since_rotation == g->c.rotate_every)
            rotate(g, log);
    }
    out_flush(&g->out[0]);
    if (close(g->out[0].fd) != 0)
        die(log);
}

/* --- main --------------------------------------------------------------------------------------------------------- */

/* Index of a word in the list, its length for "mixed", or the end of the program. */
static uint32_t word(const char *s, const char *const *words, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(s, words[i]) == 0)
            return i;
    if (strcmp(s, "mixed") == 0)
        return n;
    fprintf(stderr, "gen_trace: \"%s\" is not known; see --help\n", s);
    exit(2);
}

static void choose(struct gen *g)
{
    static const char *const encodings[] = { "utf-8", "utf-16le" };
    bool all = strcmp(g->c.format, "all") == 0;
    uint32_t f = all ? 0 : word(g->c.format, gen_format_names, GEN_FORMATS),
             e = word(g->c.encoding, encodings, 2);

    for (uint32_t i = 0; i < FILES_MAX; i++) {
        g->out[i].any = all;
        g->out[i].format = f < GEN_FORMATS ? f : i % GEN_FORMATS;
        g->out[i].utf16 = (e < 2 ? e : i / 3 % 2) == 1;
    }
}

int main(int argc, char **argv)
{
    static struct gen g;
    struct em_why why;
    int first, got = em_opt_parse(&program, &g.c, argc, argv, &first, &why);

    if (got == EM_OPT_HELP || got == EM_OPT_VERSION) {
        struct buf b = buf_heap(64 * 1024);

        em_opt_help(&program, &b);
        fputs(buf_str(&b), stdout);
        buf_fini(&b);
        return 0;
    }
    if (got != EM_OPT_GO || first != argc || !g.c.out == !g.c.dir) {
        fprintf(stderr, "gen_trace: %s\n",
                got != EM_OPT_GO ? why.text : "give either --out or --dir; see --help");
        return 2;
    }
    g.calls.random.state = g.c.seed;
    g.calls.failing = (uint32_t)g.c.failing;
    g.text.random = &g.calls.random;
    g.text.plain = g.c.plain;
    g.late.fd = -1;
    choose(&g);
    if (g.c.dir)
        write_growing(&g);
    else
        write_files(&g);
    write_truth(&g);
    return 0;
}
