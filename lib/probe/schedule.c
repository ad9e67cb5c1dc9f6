/* SPDX-License-Identifier: GPL-3.0-or-later
 * The scheduler: a heap of waiting jobs ordered by when they are due, one timer for the first of them, a cap and a few starts a turn.
 *
 *     waiting (in the heap) --due, a place is free--> running --em_job_done--> waiting
 *
 * Runs stand on a grid of whole intervals, moved by jitter each for itself, so that jitter never adds up to drift. A run that came too
 * late (the cap, a long run before it) starts the grid anew: missed runs are not made up for.
 */
#include "probe/schedule.h"

#include <assert.h>
#include <stdlib.h>

enum { RUNNING = -1 };

struct em_job {
    struct em_schedule *schedule;
    int64_t interval_us, grid_us, due_us;
    double jitter;
    void (*start)(void *arg);
    void *arg;
    int place; /* in the heap, or RUNNING */
};

struct em_schedule {
    struct em_net *net;
    struct em_timer *timer;
    uint32_t running, running_max;
    int jobs, waiting;
    struct em_job *heap[EM_JOBS_MAX];
};

static int64_t now_us(const struct em_schedule *s)
{
    return em_mono_us(em_net_clock(s->net));
}

/* A random part of us: 0 <= part < us. */
static int64_t part_of(const struct em_schedule *s, double us)
{
    uint32_t v;

    em_random(em_net_clock(s->net), &v, sizeof v);
    return (int64_t)(us * ((double)v / ((double)UINT32_MAX + 1)));
}

static void put(struct em_schedule *s, int at, struct em_job *j)
{
    s->heap[at] = j;
    j->place = at;
}

static void sift_up(struct em_schedule *s, int at, struct em_job *j)
{
    for (int up; at > 0 && s->heap[up = (at - 1) / 2]->due_us > j->due_us; at = up)
        put(s, at, s->heap[up]);
    put(s, at, j);
}

static void sift_down(struct em_schedule *s, int at, struct em_job *j)
{
    for (int down; (down = 2 * at + 1) < s->waiting; at = down) {
        if (down + 1 < s->waiting && s->heap[down + 1]->due_us < s->heap[down]->due_us)
            down++;
        if (s->heap[down]->due_us >= j->due_us)
            break;
        put(s, at, s->heap[down]);
    }
    put(s, at, j);
}

static void push(struct em_schedule *s, struct em_job *j)
{
    sift_up(s, s->waiting++, j);
}

static void take(struct em_schedule *s, struct em_job *j)
{
    struct em_job *last = s->heap[--s->waiting];
    int at = j->place;

    j->place = RUNNING;
    if (last == j)
        return;
    if (at > 0 && s->heap[(at - 1) / 2]->due_us > last->due_us)
        sift_up(s, at, last);
    else
        sift_down(s, at, last);
}

/* Wakes when the first job is due; not at all while every place is taken (em_job_done wakes us then). */
static void arm(struct em_schedule *s)
{
    if (s->waiting == 0 || s->running >= s->running_max)
        em_timer_stop(s->timer);
    else
        em_timer_at(s->timer, s->heap[0]->due_us);
}

static void begin(struct em_schedule *s, struct em_job *j, int64_t now)
{
    take(s, j);
    s->running++;
    j->grid_us += j->interval_us;
    if (j->grid_us < now)
        j->grid_us = now + j->interval_us;
    j->due_us = j->grid_us + part_of(s, j->jitter * (double)j->interval_us);
    j->start(j->arg); /* the job may be done, or gone, when it returns */
}

static void on_due(void *arg)
{
    struct em_schedule *s = arg;
    int64_t now = now_us(s);

    for (int i = 0; i < EM_JOBS_STARTED_PER_TURN; i++) {
        if (s->waiting == 0 || s->running >= s->running_max || s->heap[0]->due_us > now)
            break;
        begin(s, s->heap[0], now);
    }
    arm(s);
}

struct em_schedule *em_schedule_new(struct em_net *net, uint32_t running_max)
{
    struct em_schedule *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->net = net;
    s->running_max = running_max;
    s->timer = em_timer_new(net, on_due, s);
    if (!s->timer) {
        free(s);
        return NULL;
    }
    return s;
}

void em_schedule_free(struct em_schedule *s)
{
    if (!s)
        return;
    assert(s->jobs == 0);
    em_timer_free(s->timer);
    free(s);
}

struct em_job *em_job_add(struct em_schedule *s, int64_t interval_us, double jitter, int64_t first_within_us,
                          void (*start)(void *arg), void *arg)
{
    struct em_job *j = s->jobs < EM_JOBS_MAX ? calloc(1, sizeof *j) : NULL;
    int64_t within = first_within_us < interval_us ? first_within_us : interval_us;

    if (!j)
        return NULL;
    assert(interval_us > 0 && jitter >= 0 && jitter <= 1);
    *j = (struct em_job) {
        .schedule = s, .interval_us = interval_us, .jitter = jitter, .start = start, .arg = arg
    };
    j->grid_us = j->due_us = now_us(s) + part_of(s, (double)within);
    s->jobs++;
    push(s, j);
    arm(s);
    return j;
}

void em_job_done(struct em_job *j)
{
    struct em_schedule *s = j->schedule;

    assert(j->place == RUNNING);
    s->running--;
    push(s, j);
    arm(s);
}

void em_job_remove(struct em_job *j)
{
    struct em_schedule *s;

    if (!j)
        return;
    s = j->schedule;
    if (j->place == RUNNING)
        s->running--;
    else
        take(s, j);
    s->jobs--;
    arm(s);
    free(j);
}
