/* SPDX-License-Identifier: GPL-3.0-or-later
 * The unit tests' shared main loop and helpers. */
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Suite *suite;

TCase *em_case(const char *name)
{
    TCase *t = tcase_create(name);

    if (!suite)
        suite = suite_create("edgemedia");
    tcase_set_timeout(t, 60);
    suite_add_tcase(suite, t);
    return t;
}

int em_run(void)
{
    SRunner *r = srunner_create(suite);
    int failed;

    srunner_set_tap(r, "-");
    srunner_run_all(r, CK_SILENT);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void em_scratch(char dir[EM_SCRATCH_MAX])
{
    snprintf(dir, EM_SCRATCH_MAX, "/tmp/em-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

void em_scratch_remove(const char *dir)
{
    DIR *d = opendir(dir);

    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        (void)unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    ck_assert_msg(rmdir(dir) == 0, "something is left in %s", dir);
}

static int nibble(char c)
{
    const char *digits = "0123456789abcdef",
               *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

size_t em_unhex(const char *hex, uint8_t *to, size_t size)
{
    size_t n = 0;

    for (; *hex; hex++) {
        if (strchr(" \t\r\n", *hex))
            continue;
        if (n == size || nibble(hex[0]) < 0 || nibble(hex[1]) < 0)
            abort();
        to[n++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
        hex++;
    }
    return n;
}

char *em_slurp(const char *path, size_t *n)
{
    char full[4096];
    FILE *f;
    long size;
    char *bytes;

    snprintf(full, sizeof full, "%s/%s", EM_TESTS, path);
    if (!(f = fopen(full, "rb")) || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 ||
        fseek(f, 0, SEEK_SET) != 0)
        abort();
    if (!(bytes = malloc((size_t)size + 1)) || fread(bytes, 1, (size_t)size, f) != (size_t)size)
        abort();
    fclose(f);
    bytes[size] = '\0';
    *n = (size_t)size;
    return bytes;
}
