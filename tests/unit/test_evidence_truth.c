/* SPDX-License-Identifier: GPL-3.0-or-later
 * The scan against the truth of the generator (tests/bench/gen_trace), which counts for itself: every counter, for all formats,
 * encodings and ways in which the copies of a message are spread over files. */
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "evidence/ice.h"
#include "evidence/reader.h"
#include "evidence/scan.h"
#include "evidence/scan_state.h"
#include "base/hash.h"
#include "harness.h"

enum { TRUTH_MAX = 8192 };

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void generate(const char *const *more, size_t n)
{
    static char out[256], truth[256];
    const char *argv[24] = { EM_BUILD "/tests/bench/gen_trace", "--out", out, "--truth", truth };
    char *const environment[] = { NULL };
    size_t argc = 5;
    pid_t pid;
    int status;

    snprintf(out, sizeof out, "%s", in_dir("trace"));
    snprintf(truth, sizeof truth, "%s", in_dir("truth"));
    for (size_t i = 0; i < n; i++)
        argv[argc++] = more[i];
    ck_assert_int_eq(posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environment), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* --- reading the truth -------------------------------------------------------------------------------------------- */

static struct slice truth_text(void)
{
    static char text[TRUTH_MAX];
    FILE *f = fopen(in_dir("truth"), "r");
    size_t n;

    ck_assert_ptr_nonnull(f);
    n = fread(text, 1, sizeof text, f);
    fclose(f);
    ck_assert_uint_lt(n, sizeof text);
    return (struct slice) { text, n };
}

static struct slice behind(struct slice text, const char *name, const char *then)
{
    char key[64];
    size_t at;

    snprintf(key, sizeof key, "\"%s\":%s", name, then);
    at = slice_find(text, slice_of(key));
    ck_assert_msg(at != SIZE_MAX, "the truth has no %s", name);
    return slice_from(text, at + strlen(key));
}

static uint64_t truth_number(struct slice text, const char *name)
{
    struct slice s = behind(text, name, "");
    uint64_t v = 0;

    ck_assert(slice_u64(&s, UINT64_MAX, &v));
    return v;
}

/* Calls look for each member of an object of numbers; returns how many there are. */
static size_t each(struct slice text, const char *name,
                   void (*check)(const struct em_scan_result *, struct slice, uint64_t),
                   const struct em_scan_result *r)
{
    struct slice s = behind(text, name, "{"), key;
    size_t n = 0;
    uint64_t v;

    for (; slice_skip(&s, SLICE("\"")) && slice_until(&s, '"', &key); n++) {
        ck_assert(slice_skip(&s, SLICE(":")) && slice_u64(&s, UINT64_MAX, &v));
        check(r, key, v);
        (void)slice_skip(&s, SLICE(","));
    }
    return n;
}

static void check_code(const struct em_scan_result *r, struct slice key, uint64_t want)
{
    uint64_t got = 0;
    uint32_t code;

    ck_assert(slice_u32(&key, UINT32_MAX, &code));
    for (size_t i = 0; i < r->codes_n; i++)
        got += r->codes[i].code == code ? r->codes[i].calls : 0;
    ck_assert_msg(got == want, "code %" PRIu32 ": %" PRIu64 " for %" PRIu64, code, got, want);
}

static void check_ice(const struct em_scan_result *r, struct slice key, uint64_t want)
{
    uint32_t value;

    ck_assert(slice_hex_u32(&key, &value) && value);
    ck_assert_msg(r->ice[__builtin_ctz(value)] == want, "0x%" PRIx32 ": %" PRIu64 " for %" PRIu64, value,
                  r->ice[__builtin_ctz(value)], want);
}

static void check_media(const struct em_scan_result *r, struct slice key, uint64_t want)
{
    char name[64];
    uint32_t media;

    ck_assert(slice_copy(key, name, sizeof name));
    media = em_name_value(&em_media_names, name);
    ck_assert_uint_ne(media, 0);
    ck_assert_msg(r->media[media - 1] == want, "%s: %" PRIu64 " for %" PRIu64, name, r->media[media - 1],
                  want);
}

static size_t nonzero(const uint64_t *v, size_t n)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += v[i] != 0;
    return sum;
}

static void compare(const struct em_scan_result *r)
{
    struct slice text = truth_text();
    const struct {
        const char *name;
        uint64_t got;
    } rows[] = { { "bytes", r->totals.bytes },
                 { "messages", r->totals.messages },
                 { "reports", r->totals.reports },
                 { "duplicates", r->totals.duplicates },
                 { "unkeyed", r->totals.unkeyed },
                 { "malformed", r->totals.malformed },
                 { "calls", r->totals.calls },
                 { "media_failures", r->totals.media_failures },
                 { "code_23", r->totals.code_23 },
                 { "tcp_nat_check", r->totals.tcp_nat_check },
                 { "code_23_tcp_nat", r->totals.code_23_tcp_nat } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(rows[i].got == truth_number(text, rows[i].name), "%s: %" PRIu64 " for %" PRIu64,
                      rows[i].name, rows[i].got, truth_number(text, rows[i].name));
    ck_assert_uint_eq(each(text, "codes", check_code, r), r->codes_n);
    ck_assert_uint_eq(each(text, "ice_warnings", check_ice, r), nonzero(r->ice, EM_ICE_BITS));
    ck_assert_uint_eq(each(text, "media", check_media, r), nonzero(r->media, EM_MEDIA_COUNT));
}

/* --- cases -------------------------------------------------------------------------------------------------------- */

static uint64_t failures;

static void on_failure(void *arg, const struct em_failure_row *row)
{
    (void)arg;
    ck_assert(row->call_id[0]);
    failures++;
}

static void scan_file(struct em_scan *s, const char *name)
{
    struct em_why why = { "" };
    int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_msg(em_scan_fd(s, fd, name, NULL, NULL, &why) == 0, "%s", why.text);
    close(fd);
    ck_assert_int_eq(unlink(in_dir(name)), 0);
}

/* The failures that were told, in their order, as a number. */
static void on_told(void *arg, const struct em_failure_row *row)
{
    uint64_t *told = arg, words[2] = { *told, em_hash(&em_hash_key_fixed, row, sizeof *row) };

    *told = em_hash(&em_hash_key_fixed, words, sizeof words);
}

static uint64_t in_processes(unsigned jobs, const char *const *paths, size_t n)
{
    uint64_t told = 0;
    struct em_scan *s = em_scan_new(on_told, &told);
    struct em_why why = { "" };

    ck_assert_msg(em_scan_files(s, paths, n, jobs, NULL, &why) == 0, "%s", why.text);
    compare(em_scan_result(s));
    em_scan_free(s);
    return told;
}

/* In parts of 4 KiB, that is, cut at nearly every place where it is allowed. */
static void jobs_do_not_matter(unsigned files)
{
    char paths[8][128];
    const char *list[8];
    uint64_t told;

    scan_part_min = 4096;
    ck_assert_uint_le(files, 8);
    for (unsigned i = 0; i < (files ? files : 1); i++) {
        snprintf(paths[i], sizeof paths[i], files ? "%s/trace.%u" : "%s/trace", dir, i);
        list[i] = paths[i];
    }
    told = in_processes(1, list, files ? files : 1);
    for (unsigned jobs = 2; jobs <= 33; jobs += 31)
        ck_assert_uint_eq(told, in_processes(jobs, list, files ? files : 1));
}

static void run(const char *const *more, size_t n, unsigned files)
{
    struct em_scan *s = em_scan_new(on_failure, NULL);
    const struct em_scan_result *r;
    uint64_t codes = 0;

    snprintf(dir, sizeof dir, "/tmp/edgemedia-truth-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    generate(more, n);
    jobs_do_not_matter(files);
    failures = 0;
    if (files == 0)
        scan_file(s, "trace");
    for (unsigned i = files; i-- > 0;) { /* the last first: the order of files does not matter */
        char name[32];

        snprintf(name, sizeof name, "trace.%u", i);
        scan_file(s, name);
    }
    r = em_scan_result(s);
    compare(r);
    for (size_t i = 0; i < r->codes_n; i++)
        codes += r->codes[i].calls;
    ck_assert_uint_eq(failures, codes);
    em_scan_free(s);
    ck_assert_int_eq(unlink(in_dir("truth")), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}

static const struct {
    const char *format, *encoding;
} one_rows[] = { { "ocslogger", "utf-8" },    { "uccapi", "utf-8" },       { "sip", "utf-8" },
                 { "ocslogger", "utf-16le" }, { "uccapi", "utf-16le" },    { "sip", "utf-16le" },
                 { "avaya", "utf-8" },        { "bare", "utf-8" },         { "ngrep", "utf-8" },
                 { "sofia", "utf-8" },        { "sofia-log", "utf-8" },    { "chan_sip", "utf-8" },
                 { "pjsip", "utf-8" },        { "pjsua", "utf-8" },        { "expressway", "utf-8" },
                 { "syslog", "utf-8" },       { "syslog-lines", "utf-8" }, { "caret", "utf-8" },
                 { "all", "utf-8" },          { "all", "utf-16le" } };

START_TEST(one_file_equals_the_truth)
{
    const char *const more[] = {
        "--format", one_rows[_i].format, "--encoding", one_rows[_i].encoding, "--seed", "7", "--failing",
        "3",        "--bytes",           "2000000"
    };

    run(more, sizeof more / sizeof *more, 0);
}
END_TEST

START_TEST(many_files_equal_the_truth)
{
    char seed[16];
    const char *const more[] = { "--format",  "mixed", "--encoding", "mixed",   "--seed",  seed,
                                 "--failing", "4",     "--bytes",    "3000000", "--files", "7" };

    snprintf(seed, sizeof seed, "%d", 1000 + _i);
    run(more, sizeof more / sizeof *more, 7);
}
END_TEST

START_TEST(a_usual_trace_equals_the_truth)
{
    const char *const more[] = { "--bytes", "20000000", "--plain", "--failing", "50" };

    run(more, sizeof more / sizeof *more, 0);
}
END_TEST

static size_t put_line(char *to, size_t n)
{
    memset(to, 'm', n);
    to[n] = '\r';
    to[n + 1] = '\n';
    return n + 2;
}

/* The most that the reader's window must hold: a line that begins where a message's headers may just still go on, as long as a line
 * may be, and one more of that length that is not whole yet. */
START_TEST(the_longest_headers_end)
{
    enum { HALF = EM_READER_MESSAGE_MAX / 2, LINE = 128 * 1024 };
    static char text[EM_READER_MESSAGE_MAX + 4 * LINE];
    struct em_scan *s = em_scan_new(NULL, NULL);
    FILE *f = tmpfile();
    size_t n = (size_t)snprintf(text, sizeof text, "BYE sip:a@example.com SIP/2.0\r\nCall-ID: x\r\n");

    n += put_line(text + n, HALF - n - 2);
    n += put_line(text + n, HALF - 2);
    ck_assert_uint_eq(n, EM_READER_MESSAGE_MAX);
    n += put_line(text + n, LINE);
    n += put_line(text + n, LINE);
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    rewind(f);
    ck_assert_int_eq(em_scan_fd(s, fileno(f), "headers", NULL, NULL, NULL), 0);
    ck_assert_uint_eq(em_scan_result(s)->totals.messages, 1);
    ck_assert_uint_eq(em_scan_result(s)->totals.malformed, 1);
    fclose(f);
    em_scan_free(s);
}
END_TEST

int main(void)
{
    TCase *t = em_case("truth");

    tcase_add_loop_test(t, one_file_equals_the_truth, 0, sizeof one_rows / sizeof *one_rows);
    tcase_add_loop_test(t, many_files_equal_the_truth, 0, 6);
    tcase_add_test(t, a_usual_trace_equals_the_truth);
    tcase_add_test(t, the_longest_headers_end);
    return em_run();
}
