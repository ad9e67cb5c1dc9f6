/* SPDX-License-Identifier: GPL-3.0-or-later
 * What every unit test program shares: TAP output with one line for each case, and helpers for vectors.
 *
 *     START_TEST(...) ... END_TEST
 *     int main(void) { TCase *t = em_case("cursor"); tcase_add_test(t, ...); return em_run(); }
 */
#ifndef EM_TESTS_HARNESS_H
#define EM_TESTS_HARNESS_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* 1 under a sanitizer, which makes everything several times slower and keeps memory of its own: for bounds of time and memory, and for how many
 * of very many like cases are tried. Else 0. */
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
#define EM_SANITIZED 1
#elif defined __has_feature
#define EM_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define EM_SANITIZED 0
#endif

/* A call that must return 0, where struct em_why why is in scope. */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        int err_ = (call);                                                                                   \
        ck_assert_msg(err_ == 0, "%s: %s: %s", #call, em_err_text(err_), why.text);                          \
    } while (0)

/* A new case of this program's suite. Time-out 60 s; runs forked unless CK_FORK=no. */
TCase *em_case(const char *name);

/* Runs everything and prints TAP. Returns main's exit status. */
int em_run(void);

/* A directory of the test's own, made; then it and the files in it, which hold no directories, are removed. */
enum { EM_SCRATCH_MAX = 64 };
void em_scratch(char dir[EM_SCRATCH_MAX]);
void em_scratch_remove(const char *dir);

/* Hex text (blanks and newlines allowed) to bytes; aborts on bad text or lack of room. Returns the number of bytes. */
size_t em_unhex(const char *hex, uint8_t *to, size_t size);

/* The whole file, path relative to tests/. *n = its size; the bytes are NUL-terminated behind it. The caller frees. Aborts if unreadable. */
char *em_slurp(const char *path, size_t *n);

#endif
