/* SPDX-License-Identifier: GPL-3.0-or-later
 * The way into the store for sources that are not files: records and place commit together or not at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "harness.h"
#include "source/intake.h"
#include "store/state.h"

static const char call[] = "BYE sip:a@example.com SIP/2.0\r\nCall-ID: %s\r\nCSeq: 2 BYE\r\n"
                           "ms-client-diagnostics: 23; reason=\"Call failed\"\r\nContent-Length: 0\r\n\r\n";

static char dir[EM_SCRATCH_MAX], path[80];
static struct em_store *store;
static struct em_intake in;
static struct em_why why;

static void up(void)
{
    struct em_source_env env = { .number = 1 };

    OK(em_store_open(path, &em_clock_system, &store, &why));
    env.store = store;
    em_intake_init(&in, &env, "sdn");
}

static void down(void)
{
    em_store_close(store);
}

static void setup(void)
{
    em_log_set_level(EM_LOG_ERROR);
    em_scratch(dir);
    snprintf(path, sizeof path, "%s/db", dir);
    up();
}

static void teardown(void)
{
    down();
    em_scratch_remove(dir);
}

static int text(const char *id)
{
    char bytes[512];
    int n = snprintf(bytes, sizeof bytes, call, id);

    return em_intake_text(&in, "post", bytes, (size_t)n);
}

static void place_is(const char *want)
{
    char place[EM_INTAKE_PLACE_MAX];

    OK(em_intake_load(&in, place, &why));
    ck_assert_str_eq(place, want);
}

START_TEST(records_and_place_commit_together)
{
    place_is("");
    OK(em_intake_begin(&in));
    OK(text("a@x"));
    OK(text("b@x"));
    OK(em_intake_place(&in, "17"));
    OK(em_intake_end(&in));
    ck_assert_uint_eq(store->now.totals.code_23, 2);
    ck_assert_uint_eq(store->now.totals.messages, 2);
    place_is("17");
    down();
    up();
    place_is("17");
    OK(em_intake_begin(&in)); /* the same once more */
    OK(text("b@x"));
    OK(em_intake_place(&in, "18"));
    OK(em_intake_end(&in));
    ck_assert_uint_eq(store->now.totals.code_23, 2);
    ck_assert_uint_eq(store->now.totals.duplicates, 1);
    place_is("18");
}
END_TEST

START_TEST(what_fails_is_taken_back_whole)
{
    char longer[EM_INTAKE_PLACE_MAX + 1];

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    OK(em_intake_begin(&in));
    OK(text("a@x"));
    ck_assert_int_eq(em_intake_place(&in, longer), EM_ERR_LIMIT);
    ck_assert_int_eq(text("b@x"), EM_ERR_LIMIT);
    ck_assert_int_eq(em_intake_end(&in), EM_ERR_LIMIT);
    ck_assert_uint_eq(store->now.totals.code_23, 0);
    ck_assert(*em_intake_failure(&in));
    place_is("");
    OK(em_intake_begin(&in));
    OK(text("a@x"));
    longer[EM_INTAKE_PLACE_MAX - 1] = '\0';
    OK(em_intake_place(&in, longer));
    OK(em_intake_end(&in));
    ck_assert_uint_eq(store->now.totals.code_23, 1);
    ck_assert_str_eq(em_intake_failure(&in), "");
    place_is(longer);
}
END_TEST

START_TEST(what_is_not_text_is_counted_and_the_rest_goes_on)
{
    static const unsigned char picture[4096] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

    OK(em_intake_begin(&in));
    ck_assert_int_eq(em_intake_text(&in, "post", picture, sizeof picture), EM_ERR_UNSUPPORTED);
    OK(text("a@x"));
    OK(em_intake_end(&in));
    ck_assert_uint_eq(store->now.totals.code_23, 1);
    ck_assert_uint_eq(store->now.totals.malformed, 1);
    ck_assert_uint_eq(store->now.totals.messages, 2);
}
END_TEST

int main(void)
{
    TCase *t = em_case("intake");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, records_and_place_commit_together);
    tcase_add_test(t, what_fails_is_taken_back_whole);
    tcase_add_test(t, what_is_not_text_is_counted_and_the_rest_goes_on);
    return em_run();
}
