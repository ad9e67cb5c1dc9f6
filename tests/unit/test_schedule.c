/* SPDX-License-Identifier: GPL-3.0-or-later
 * The scheduler, with a clock that is moved: the cap, the starts of one turn, intervals, jitter, jobs that overlap themselves. */
#include <stdlib.h>

#include "base/clock.h"
#include "harness.h"
#include "probe/schedule.h"
#include "replay/net_play.h"

struct job;
struct bench {
    struct em_net *net;
    struct em_schedule *schedule;
    uint32_t running, running_most;
    unsigned started, started_now, started_now_most; /* now: at one reading of the clock and turn */
    struct job *jobs;
};

struct job {
    struct bench *bench;
    struct em_job *job;
    struct em_timer *end;
    int64_t takes_us, last_us, shortest_us, longest_us;
    unsigned runs;
    bool running, remove_when_started;
};

static void on_end(void *arg)
{
    struct job *j = arg;

    j->running = false;
    j->bench->running--;
    em_job_done(j->job);
}

static void on_start(void *arg)
{
    struct job *j = arg;
    struct bench *b = j->bench;
    int64_t now = em_play_now(b->net), gap = now - j->last_us;

    ck_assert(!j->running);
    if (j->runs > 0) {
        j->shortest_us = j->runs == 1 || gap < j->shortest_us ? gap : j->shortest_us;
        j->longest_us = gap > j->longest_us ? gap : j->longest_us;
    }
    j->last_us = now;
    j->runs++;
    b->started++;
    b->started_now++;
    if (j->remove_when_started) {
        em_job_remove(j->job);
        j->job = NULL;
    } else if (j->takes_us == 0) {
        em_job_done(j->job);
    } else {
        j->running = true;
        b->running++;
        em_timer_at(j->end, now + j->takes_us);
    }
    if (b->running > b->running_most)
        b->running_most = b->running;
}

static void bench_open(struct bench *b, uint32_t cap, unsigned jobs, int64_t interval, double jitter,
                       int64_t within, int64_t takes)
{
    *b = (struct bench) { .net = em_play_new() };
    b->schedule = em_schedule_new(b->net, cap);
    b->jobs = calloc(jobs + 1, sizeof *b->jobs);
    ck_assert(b->schedule && b->jobs);
    for (unsigned i = 0; i < jobs; i++) {
        struct job *j = &b->jobs[i];

        *j = (struct job) { .bench = b, .takes_us = takes };
        j->end = em_timer_new(b->net, on_end, j);
        j->job = em_job_add(b->schedule, interval, jitter, within, on_start, j);
        ck_assert_ptr_nonnull(j->job);
    }
}

static void bench_run(struct bench *b, int64_t us)
{
    int64_t until = em_play_now(b->net) + us;

    for (b->started_now = 0; em_play_turn_until(b->net, until); b->started_now = 0)
        if (b->started_now > b->started_now_most)
            b->started_now_most = b->started_now;
}

static void bench_close(struct bench *b)
{
    for (struct job *j = b->jobs; j->bench; j++) {
        em_job_remove(j->job);
        em_timer_free(j->end);
    }
    em_schedule_free(b->schedule);
    em_net_free(b->net);
    free(b->jobs);
}

START_TEST(five_hundred_due_at_once)
{
    struct bench b;

    bench_open(&b, 50, 500, 60 * EM_US_PER_S, 0, 0, EM_US_PER_S);
    bench_run(&b, 30 * EM_US_PER_S);
    ck_assert_uint_eq(b.started, 500);
    ck_assert_uint_eq(b.running_most, 50);
    ck_assert_uint_eq(b.started_now_most, EM_JOBS_STARTED_PER_TURN);
    for (int i = 0; i < 500; i++)
        ck_assert_int_le(b.jobs[i].last_us - EM_PLAY_START_US, 10 * EM_US_PER_S);
    bench_close(&b);
}
END_TEST

START_TEST(intervals_are_kept)
{
    struct bench b;

    bench_open(&b, 10, 7, 30 * EM_US_PER_S, 0, 30 * EM_US_PER_S, EM_US_PER_S);
    bench_run(&b, 3000 * EM_US_PER_S);
    for (int i = 0; i < 7; i++) {
        ck_assert_uint_ge(b.jobs[i].runs, 99);
        ck_assert_uint_le(b.jobs[i].runs, 101);
        ck_assert_int_eq(b.jobs[i].shortest_us, 30 * EM_US_PER_S);
        ck_assert_int_eq(b.jobs[i].longest_us, 30 * EM_US_PER_S);
    }
    bench_close(&b);
}
END_TEST

/* Jitter moves each run for itself: gaps differ by up to the jitter, the number of runs does not drift. */
START_TEST(jitter_is_bounded)
{
    struct bench b;

    bench_open(&b, 10, 1, 10 * EM_US_PER_S, 0.2, 0, 0);
    bench_run(&b, 10000 * EM_US_PER_S);
    ck_assert_int_ge(b.jobs[0].shortest_us, 8 * EM_US_PER_S);
    ck_assert_int_le(b.jobs[0].longest_us, 12 * EM_US_PER_S);
    ck_assert_int_lt(b.jobs[0].shortest_us, b.jobs[0].longest_us);
    ck_assert_uint_ge(b.jobs[0].runs, 999);
    ck_assert_uint_le(b.jobs[0].runs, 1001);
    bench_close(&b);
}
END_TEST

START_TEST(first_runs_are_spread)
{
    struct bench b;
    int64_t least = INT64_MAX, most = 0;

    bench_open(&b, 1000, 200, 60 * EM_US_PER_S, 0, 20 * EM_US_PER_S, 0);
    bench_run(&b, 20 * EM_US_PER_S);
    ck_assert_uint_eq(b.started, 200);
    for (int i = 0; i < 200; i++) {
        least = b.jobs[i].last_us < least ? b.jobs[i].last_us : least;
        most = b.jobs[i].last_us > most ? b.jobs[i].last_us : most;
    }
    ck_assert_int_lt(least - EM_PLAY_START_US, EM_US_PER_S);
    ck_assert_int_gt(most - EM_PLAY_START_US, 19 * EM_US_PER_S);
    bench_close(&b);
}
END_TEST

/* on_start asserts that it never overlaps itself; the run that was due meanwhile follows at once, missed ones do not. */
START_TEST(a_running_job_is_not_started_again)
{
    struct bench b;

    bench_open(&b, 10, 1, 10 * EM_US_PER_S, 0, 0, 25 * EM_US_PER_S);
    bench_run(&b, 249 * EM_US_PER_S);
    ck_assert_uint_eq(b.jobs[0].runs, 10);
    ck_assert_int_eq(b.jobs[0].shortest_us, 25 * EM_US_PER_S);
    bench_close(&b);
}
END_TEST

START_TEST(jobs_go_at_any_time)
{
    struct bench b;

    bench_open(&b, 2, 40, 10 * EM_US_PER_S, 0, 0, 5 * EM_US_PER_S);
    b.jobs[1].remove_when_started = true;
    bench_run(&b, EM_US_PER_S);
    for (int i = 0; i < 40; i += 3) { /* running ones among them */
        b.running -= b.jobs[i].running;
        em_timer_stop(b.jobs[i].end);
        em_job_remove(b.jobs[i].job);
        b.jobs[i].job = NULL;
    }
    bench_run(&b, 200 * EM_US_PER_S);
    ck_assert_uint_eq(b.jobs[1].runs, 1);
    for (int i = 2; i < 40; i += 3)
        ck_assert_uint_ge(b.jobs[i].runs, 1);
    ck_assert_uint_le(b.running_most, 2);
    bench_close(&b);
}
END_TEST

START_TEST(there_is_a_maximum_of_jobs)
{
    struct bench b;

    bench_open(&b, 10, EM_JOBS_MAX, EM_US_PER_S, 0.5, EM_US_PER_S, 0);
    ck_assert_ptr_null(em_job_add(b.schedule, EM_US_PER_S, 0, 0, on_start, NULL));
    bench_close(&b);
}
END_TEST

int main(void)
{
    TCase *t = em_case("schedule");

    tcase_add_test(t, five_hundred_due_at_once);
    tcase_add_test(t, intervals_are_kept);
    tcase_add_test(t, jitter_is_bounded);
    tcase_add_test(t, first_runs_are_spread);
    tcase_add_test(t, a_running_job_is_not_started_again);
    tcase_add_test(t, jobs_go_at_any_time);
    tcase_add_test(t, there_is_a_maximum_of_jobs);
    return em_run();
}
