/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a manager is told, snapshot by snapshot: raised and cleared once, after the delay, within the rate, as things are now when the master
 * agent was away; what is dropped is counted; what was raised is known after a restart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/notices.h"
#include "base/clock.h"
#include "harness.h"

enum { CHECKS = 4, SENT_MAX = 4096 };

static struct em_notice_ring ring;
static struct em_notices *notices;
static int64_t now_us;
static bool connected, settled;
static char kept[EM_NOTICES_MEMORY_MAX];
static struct em_daemon counts;
static bool down[CHECKS];
static size_t checks_n, findings_n;
static bool untested;

static void keep(void *arg, const char *text)
{
    (void)arg;
    snprintf(kept, sizeof kept, "%s", text);
}

static void recall(void *arg, enum em_table_id table, const uint32_t *index, void *row)
{
    struct em_finding_row *finding = row;

    (void)arg;
    if (table != EM_T_FINDING)
        return;
    ck_assert_uint_eq(index[0], finding->id);
    snprintf(finding->path, sizeof finding->path, "from the history");
}

static const struct em_notices_memory memory = { keep, recall, NULL };

static void start(uint32_t per_minute, int64_t delay_us, const char *remembered)
{
    now_us = 1000 * EM_US_PER_S;
    connected = settled = true;
    untested = false;
    checks_n = CHECKS;
    findings_n = 0;
    memset(down, 0, sizeof down);
    memset(&ring, 0, sizeof ring);
    notices = em_notices_new(&ring, &memory, remembered);
    ck_assert_ptr_nonnull(notices);
    em_notices_limit(notices, &(struct em_notice_limits) { per_minute, delay_us });
}

static void stop(void)
{
    em_notices_free(notices, false);
    notices = NULL;
}

static struct em_snapshot *snapshot(void)
{
    size_t rows[EM_T_COUNT] = { [EM_T_CHECK] = checks_n, [EM_T_FINDING] = findings_n };
    struct em_snapshot *s = em_snapshot_new(rows);

    ck_assert_ptr_nonnull(s);
    for (size_t i = 0; i < checks_n; i++) {
        bool is_down = i < CHECKS ? down[i] : true;
        struct em_check_row *row = em_snapshot_row(s, EM_T_CHECK, i);

        *row = (struct em_check_row) { .edge = 1,
                                       .check = (uint32_t)i + 1,
                                       .address_index = 1,
                                       .up = !is_down,
                                       .transport = 1,
                                       .dialect = 1 };
        row->verdict = untested ? EM_VERDICT_UNTESTED : is_down ? EM_VERDICT_FILTERED : EM_VERDICT_OK;
    }
    for (size_t i = 0; i < findings_n; i++)
        *(struct em_finding_row *)em_snapshot_row(s, EM_T_FINDING, i) =
            (struct em_finding_row) { .id = (uint32_t)i + 7, .kind = 1, .severity = 1, .confidence = 1 };
    em_snapshot_finish(s);
    return s;
}

/* A moment later: what is put into the ring, as text: "+check 1", "-check 1", "+finding 7" ... */
static const char *after(int64_t us)
{
    static char text[SENT_MAX];
    struct em_snapshot *s = snapshot();
    unsigned from = ring.pushed;
    size_t n = 0;

    now_us += us;
    ck_assert(em_notices_observe(notices, s, now_us, connected, settled) == (ring.pushed != from));
    em_snapshot_unref(s);
    text[0] = '\0';
    for (; from != ring.pushed; from++) {
        const struct em_notice *one = &ring.slot[from % EM_NOTICES_RING];
        const uint32_t *index = one->row;

        n += (size_t)snprintf(text + n, sizeof text - n, "%s%c%s %u", n ? " " : "", one->raise ? '+' : '-',
                              one->kind->table == EM_T_CHECK ? "check" : "finding",
                              (unsigned)index[one->kind->table == EM_T_CHECK]);
    }
    memset(&counts, 0, sizeof counts);
    em_notices_fill(notices, &counts);
    return text;
}

static void answer(enum em_notice_result result)
{
    while (ring.answered != ring.pushed) {
        ring.slot[ring.answered % EM_NOTICES_RING].result = (uint8_t)result;
        ring.answered++;
    }
}

START_TEST(a_pair_is_sent_once)
{
    start(600, 0, "");
    ck_assert_str_eq(after(EM_US_PER_S), "");
    down[1] = true;
    ck_assert_str_eq(after(EM_US_PER_S), "+check 2");
    ck_assert_uint_eq(counts.notifications_pending, 1);
    ck_assert_str_eq(after(EM_US_PER_S), "");
    answer(EM_NOTICE_SENT);
    ck_assert_str_eq(after(EM_US_PER_S), "");
    ck_assert_uint_eq(counts.notifications_pending, 0);
    ck_assert_uint_eq(counts.notifications_sent, 1);
    ck_assert_str_eq(kept, "1.1.2.1");
    down[1] = false;
    ck_assert_str_eq(after(EM_US_PER_S), "-check 2");
    answer(EM_NOTICE_SENT);
    ck_assert_str_eq(after(EM_US_PER_S), "");
    ck_assert_str_eq(kept, "");
    ck_assert_uint_eq(counts.notifications_dropped, 0);
    stop();
}
END_TEST

START_TEST(what_does_not_last_is_no_event)
{
    start(600, 10 * EM_US_PER_S, "");
    down[0] = true;
    ck_assert_str_eq(after(0), "");
    down[0] = false;
    ck_assert_str_eq(after(9 * EM_US_PER_S), "");
    ck_assert_uint_eq(counts.notifications_dropped, 0);
    down[0] = true;
    ck_assert_str_eq(after(9 * EM_US_PER_S), "");
    ck_assert_str_eq(after(10 * EM_US_PER_S), "+check 1");
    answer(EM_NOTICE_SENT);
    down[0] = false;
    ck_assert_str_eq(after(EM_US_PER_S), "");
    down[0] = true;
    ck_assert_str_eq(after(EM_US_PER_S), "");
    down[0] = false;
    ck_assert_str_eq(after(EM_US_PER_S), "");
    ck_assert_str_eq(after(10 * EM_US_PER_S), "-check 1");
    stop();
}
END_TEST

START_TEST(away_means_the_present_state_afterwards)
{
    start(600, 0, "");
    connected = false;
    down[0] = down[1] = true;
    ck_assert_str_eq(after(EM_US_PER_S), "");
    ck_assert_uint_eq(counts.notifications_pending, 2);
    down[0] = false;
    ck_assert_str_eq(after(EM_US_PER_S), "");
    ck_assert_uint_eq(counts.notifications_dropped, 2);
    connected = true;
    ck_assert_str_eq(after(EM_US_PER_S), "+check 2");
    answer(EM_NOTICE_LOST); /* the connection breaks */
    down[1] = false;
    down[2] = true;
    ck_assert_str_eq(after(EM_US_PER_S), "+check 3");
    answer(EM_NOTICE_LOST);
    ck_assert_str_eq(after(EM_US_PER_S), "+check 3");
    answer(EM_NOTICE_REFUSED); /* is not tried again */
    ck_assert_str_eq(after(EM_US_PER_S), "");
    ck_assert_uint_eq(counts.notifications_sent, 0);
    ck_assert_uint_eq(counts.notifications_dropped, 5); /* two pairs that nobody saw, one that was refused */
    down[2] = false;
    ck_assert_str_eq(after(EM_US_PER_S), "-check 3");
    stop();
}
END_TEST

START_TEST(the_rate_is_kept_and_nothing_is_lost)
{
    size_t sent = 0;

    start(8, 0, "");
    checks_n = CHECKS + 20;
    for (size_t s = 0; s < 300; s++) {
        size_t before = ring.pushed;

        (void)after(EM_US_PER_S);
        answer(EM_NOTICE_SENT);
        sent += ring.pushed - before;
        ck_assert_msg(sent <= 2 + (s + 1) * 8 / 60 + 1, "%zu in %zu s", sent, s + 1);
    }
    ck_assert_uint_eq(sent, 20);
    (void)after(0);
    ck_assert_uint_eq(counts.notifications_sent, 20);
    ck_assert_uint_eq(counts.notifications_pending, 0);
    stop();
}
END_TEST

START_TEST(rate_0_sends_nothing)
{
    start(0, 0, "");
    down[0] = true;
    for (size_t s = 0; s < 100; s++)
        ck_assert_str_eq(after(EM_US_PER_S), "");
    ck_assert_uint_eq(counts.notifications_pending, 0);
    ck_assert_uint_eq(counts.notifications_dropped, 0);
    stop();
}
END_TEST

START_TEST(too_many_at_once_are_counted)
{
    start(600, 0, "");
    checks_n = CHECKS + EM_NOTICES_MAX;
    (void)after(EM_US_PER_S);
    ck_assert_uint_eq(ring.pushed, EM_NOTICES_RING); /* never more than the ring takes */
    ck_assert_uint_eq(counts.notifications_dropped, 0);
    checks_n += 3;
    (void)after(EM_US_PER_S);
    (void)after(EM_US_PER_S);
    ck_assert_uint_eq(counts.notifications_dropped, 3); /* once each */
    stop();
}
END_TEST

START_TEST(what_is_gone_is_cleared)
{
    start(600, 0, "");
    down[CHECKS - 1] = true;
    findings_n = 1;
    ck_assert_str_eq(after(EM_US_PER_S), "+check 4 +finding 7");
    answer(EM_NOTICE_SENT);
    checks_n--;
    findings_n = 0;
    ck_assert_str_eq(after(EM_US_PER_S), "-check 4 -finding 7");
    ck_assert_uint_eq(((const struct em_check_row *)ring.slot[2].row)->verdict, EM_VERDICT_UNTESTED);
    answer(EM_NOTICE_SENT);
    (void)after(EM_US_PER_S);
    ck_assert_str_eq(kept, "");
    stop();
}
END_TEST

START_TEST(a_restart_clears_what_the_process_before_raised)
{
    start(600, 0, "1.1.1.1 1.1.2.1 1.1.9.1 7.7 7.8");
    settled = false;
    untested = true;
    findings_n = 1;
    ck_assert_str_eq(after(EM_US_PER_S), ""); /* nothing is known yet */
    untested = false;
    down[0] = true;
    ck_assert_str_eq(after(EM_US_PER_S), "-check 2");
    answer(EM_NOTICE_SENT);
    ck_assert_str_eq(after(EM_US_PER_S), "");
    settled = true;
    ck_assert_str_eq(after(EM_US_PER_S), "-check 9 -finding 8");
    ck_assert_str_eq(((const struct em_finding_row *)ring.slot[2].row)->path, "from the history");
    answer(EM_NOTICE_SENT);
    ck_assert_str_eq(after(EM_US_PER_S), "");
    ck_assert_str_eq(kept, "1.1.1.1 7.7");
    stop();
}
END_TEST

START_TEST(a_memory_that_is_damaged_is_no_harm)
{
    static const char *const texts[] = { "x",       "1",    "1.", "1.1",          "1.1.1", "1.1.1.1.",
                                         "2.1.1.1", "99.1", " ",  "7.4294967296", "7.7x",  "1.1.1.1  7.7",
                                         "5 5 5" };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        start(600, 0, texts[i]);
        settled = false;
        (void)after(EM_US_PER_S);
        stop();
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("notices");

    tcase_add_test(t, a_pair_is_sent_once);
    tcase_add_test(t, what_does_not_last_is_no_event);
    tcase_add_test(t, away_means_the_present_state_afterwards);
    tcase_add_test(t, the_rate_is_kept_and_nothing_is_lost);
    tcase_add_test(t, rate_0_sends_nothing);
    tcase_add_test(t, too_many_at_once_are_counted);
    tcase_add_test(t, what_is_gone_is_cleared);
    tcase_add_test(t, a_restart_clears_what_the_process_before_raised);
    tcase_add_test(t, a_memory_that_is_damaged_is_no_harm);
    return em_run();
}
