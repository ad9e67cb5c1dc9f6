/* SPDX-License-Identifier: GPL-3.0-or-later
 * The sets of libraries that are loaded late, built in both manners: test_late loads them when they are needed, and test_late_bound (without EM_LATE, as
 * configure --disable-late-libraries has it) finds them bound at the start. */
#include "base/late.h"

#include <string.h>

#include "harness.h"
#include "net/http_inside.h"
#include "net/net_lookup.h"
#include "net/net_tls_words.h"
#include "probe/path_stat.h"
#include "wire/crypto.h"
#include "wire/hmac.h"

#ifdef EM_LATE
enum { BOUND = false };
#else
enum { BOUND = true };
#endif

/* How many of the addresses behind a set are known. */
static size_t known(const struct late *set)
{
    void *address[LATE_SYMBOLS_MAX];
    size_t n = 0;

    ck_assert_uint_le(set->n, LATE_SYMBOLS_MAX);
    memcpy(address, set + 1, set->n * sizeof *address);
    for (size_t i = 0; i < set->n; i++)
        n += address[i] != NULL;
    return n;
}

START_TEST(addresses)
{
    const struct {
        const char *name;
        struct late *set;
    } rows[] = {
        { "crypto", &crypto.late }, { "dns", &dns.late }, { "ssl", &ssl.late }, { "curl", &http_curl.late }
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct late *set = rows[i].set;
        struct em_why why = { "" };

        ck_assert_uint_gt(set->n, 0);
        ck_assert_msg(known(set) == (BOUND ? set->n : 0), "%s: %zu of %zu are known at the start",
                      rows[i].name, known(set), set->n);
        ck_assert_msg(late_load(set, &why) == 0, "%s: %s", rows[i].name, why.text);
        ck_assert_msg(known(set) == set->n, "%s: %zu of %zu are known", rows[i].name, known(set), set->n);
    }
}
END_TEST

/* RFC 2202 section 3, test case 2. */
START_TEST(a_digest)
{
    static const uint8_t want[HMAC_SHA1_SIZE] = {
        0xEF, 0xFC, 0xDF, 0x6A, 0xE5, 0xEB, 0x2F, 0xA2, 0xD2, 0x74,
        0x16, 0xD5, 0xF1, 0x84, 0xDF, 0x9C, 0x25, 0x9A, 0x7C, 0x79
    };
    const struct slice text = SLICE("what do ya want for nothing?");
    uint8_t digest[HMAC_SHA256_SIZE];

    ck_assert(hmac_of(false, SLICE("Jefe"), &text, 1, digest));
    ck_assert_mem_eq(digest, want, sizeof want);
}
END_TEST

START_TEST(mathematics)
{
    ck_assert_double_eq_tol(em_stat_power(0.5, 10), 1.0 / 1024, 1e-12);
    ck_assert_double_eq_tol(em_stat_at_least(1, 2, 0.5), 0.75, 1e-9);
}
END_TEST

START_TEST(what_is_listed)
{
    struct buf list = buf_heap(4096);

    late_list(&list, LATE_N);
    ck_assert_msg((list.n == 0) == BOUND, "%s", list.n ? buf_str(&list) : "nothing");
    buf_fini(&list);
}
END_TEST

int main(void)
{
    TCase *t = em_case("late");

    tcase_add_test(t, addresses);
    tcase_add_test(t, a_digest);
    tcase_add_test(t, mathematics);
    tcase_add_test(t, what_is_listed);
    return em_run();
}
