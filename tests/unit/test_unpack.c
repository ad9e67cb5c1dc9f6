/* SPDX-License-Identifier: GPL-3.0-or-later
 * Compressed traces: the same numbers as the text gives, what came before a cut or a damaged byte, and bombs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evidence/scan.h"
#include "evidence/unpack.h"
#include "harness.h"

static const struct {
    const char *file;
    bool single; /* it is not whole when it is cut anywhere */
} vectors[] = {
    { "vectors/unpack/mixture.gz", true },  { "vectors/unpack/mixture.xz", true },
    { "vectors/unpack/mixture.zst", true }, { "vectors/unpack/members.gz", false },
    { "vectors/unpack/streams.xz", false }, { "vectors/unpack/frames.zst", false },
};
/* A build can leave a library out. */
static char *vector(const char *file, size_t *n)
{
    char *p = em_slurp(file, n);

    if (!unpack_find(p, *n))
        exit(0);
    return p;
}

enum { VECTORS_N = sizeof vectors / sizeof *vectors };

static int scan(const char *p, size_t n, struct em_totals *totals, struct em_why *why)
{
    struct em_scan *s = em_scan_new(NULL, NULL);
    FILE *f = tmpfile();
    int err;

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(p, 1, n, f), n);
    rewind(f);
    err = em_scan_fd(s, fileno(f), "packed", NULL, NULL, why);
    *totals = em_scan_result(s)->totals;
    fclose(f);
    em_scan_free(s);
    return err;
}

START_TEST(the_numbers_are_those_of_the_text)
{
    size_t n, packed_n;
    char *p = em_slurp("vectors/trace/mixture.txt", &n), *packed = vector(vectors[_i].file, &packed_n);
    struct em_totals want, got;
    struct em_why why = { "" };

    ck_assert_int_eq(scan(p, n, &want, &why), 0);
    ck_assert_msg(scan(packed, packed_n, &got, &why) == 0, "%s", why.text);
    ck_assert_uint_eq(got.bytes, packed_n);
    got.bytes = want.bytes;
    ck_assert_mem_eq(&got, &want, sizeof got);
    free(p);
    free(packed);
}
END_TEST

START_TEST(cut_anywhere)
{
    size_t n;
    char *p = vector(vectors[_i].file, &n);
    struct em_totals whole, got;
    struct em_why why = { "" };
    uint64_t before = 0;

    ck_assert_int_eq(scan(p, n, &whole, &why), 0);
    for (size_t cut = 8; cut < n; cut += EM_SANITIZED ? 7 : 1) {
        int err = scan(p, cut, &got, &why);

        ck_assert_msg(err == EM_ERR_INPUT || (err == 0 && !vectors[_i].single), "cut at %zu: %d", cut, err);
        ck_assert_msg(err == 0 || strstr(why.text, "too early") != NULL, "cut at %zu: %s", cut, why.text);
        ck_assert_uint_le(got.reports, whole.reports);
        ck_assert_uint_ge(got.reports, before); /* what came before the cut counts */
        before = got.reports;
    }
    free(p);
}
END_TEST

START_TEST(changed_anywhere)
{
    size_t n;
    char *p = vector(vectors[_i].file, &n);
    struct em_totals got;
    struct em_why why = { "" };

    for (size_t at = 0; at < n; at += EM_SANITIZED ? 3 : 1) {
        char was = p[at];

        p[at] = (char)(was ^ (1 << at % 8));
        (void)scan(p, n, &got, &why);
        ck_assert_uint_le(got.messages, 2000);
        p[at] = was;
    }
    free(p);
}
END_TEST

START_TEST(a_bomb_is_left_alone)
{
    size_t n;
    char *p = vector("vectors/unpack/bomb.zst", &n);
    struct em_totals got;
    struct em_why why = { "" };

    ck_assert_int_eq(scan(p, n, &got, &why), EM_ERR_INPUT);
    ck_assert_msg(strstr(why.text, "fill memory") != NULL, "%s", why.text);
    free(p);
}
END_TEST

int main(void)
{
    TCase *t = em_case("unpack");

    tcase_add_loop_test(t, the_numbers_are_those_of_the_text, 0, VECTORS_N);
    tcase_add_loop_test(t, cut_anywhere, 0, VECTORS_N);
    tcase_add_loop_test(t, changed_anywhere, 0, VECTORS_N);
    tcase_add_test(t, a_bomb_is_left_alone);
    return em_run();
}
