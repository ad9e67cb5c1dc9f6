/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a manager was told, what is, and the difference. */
#include "agent/notices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/slice.h"

enum { INDEX_MAX = 4, BURST_SHARE = 4, MINUTE_S = 60 };

/* An object that is bad, or that a manager believes to be. */
struct object {
    unsigned event; /* enum em_event_id */
    uint32_t index[INDEX_MAX];
    bool told, is, on_its_way;
    bool recalled;     /* told by the process before this one; not seen yet */
    int64_t change_us; /* monotonic: when `is` last changed */
    void *row;         /* as it was last seen, of the event's table; NULL: it is in the newest snapshot */
};

/* What a slot of the ring is about, and its row. */
struct flight {
    unsigned event;
    uint32_t index[INDEX_MAX];
    bool raise;
    void *row;
};

struct em_notices {
    struct em_notice_ring *ring;
    struct em_notices_memory memory;
    struct em_notice_limits limits;
    struct em_snapshot *newest; /* has the rows of those that are there; so many copies would be */
    struct object *object;      /* EM_NOTICES_MAX, in the order of event and index */
    size_t n;
    struct flight flight[EM_NOTICES_RING];
    unsigned reaped;     /* slots of the ring whose answer was looked at */
    int64_t tokens_us;   /* each notification costs a minute / per_minute of them */
    int64_t observed_us; /* monotonic */
    uint64_t sent, dropped;
    size_t left_out; /* rows of the last snapshot that had no room */
    bool told_changed;
};

static int compare(unsigned event, const uint32_t *index, const struct object *o)
{
    if (event != o->event)
        return event < o->event ? -1 : 1;
    for (size_t i = 0; i < em_catalogue[em_events[event].table].index_n; i++)
        if (index[i] != o->index[i])
            return index[i] < o->index[i] ? -1 : 1;
    return 0;
}

/* The place of the object, or where it would be. */
static size_t place_of(const struct em_notices *n, unsigned event, const uint32_t *index, bool *there)
{
    size_t low = 0, high = n->n;

    *there = false;
    while (low < high && !*there) {
        size_t mid = low + (high - low) / 2;
        int order = compare(event, index, &n->object[mid]);

        if (order == 0)
            *there = true;
        if (order <= 0)
            high = mid;
        else
            low = mid + 1;
    }
    return *there ? high : low;
}

static void copy_index(unsigned event, const uint32_t *from, uint32_t to[INDEX_MAX])
{
    memset(to, 0, INDEX_MAX * sizeof *to);
    memcpy(to, from, em_catalogue[em_events[event].table].index_n * sizeof *to);
}

/* NULL: no room or no memory; the caller counts it. */
static struct object *insert(struct em_notices *n, unsigned event, const uint32_t *index)
{
    struct object *o;
    bool there;
    size_t at = place_of(n, event, index, &there);

    if (there)
        return &n->object[at];
    if (n->n == EM_NOTICES_MAX)
        return NULL;
    o = &n->object[at];
    memmove(o + 1, o, (n->n - at) * sizeof *o);
    n->n++;
    *o = (struct object) { .event = event };
    copy_index(event, index, o->index);
    return o;
}

/* --- what is ----------------------------------------------------------------------------------------------------------------- */

/* A change that was due, and is undone before anybody was told: two notifications that nobody gets. */
static void change(struct em_notices *n, struct object *o, bool bad, int64_t mono_us)
{
    if (bad == o->is)
        return;
    if (o->is != o->told && !o->on_its_way && n->limits.per_minute > 0 &&
        mono_us - o->change_us >= n->limits.delay_us)
        n->dropped += 2;
    o->is = bad;
    o->change_us = mono_us;
}

/* The row as it was last seen; NULL: no memory for a copy of it was there when it vanished. */
static const void *row_of(const struct em_notices *n, const struct object *o)
{
    return o->row || !n->newest ? o->row : em_snapshot_find(n->newest, em_events[o->event].table, o->index);
}

/* A row of its own for an object that is in no snapshot any more. */
static bool own_row(const struct em_notices *n, struct object *o)
{
    size_t size = em_catalogue[em_events[o->event].table].row_size;
    const void *last = row_of(n, o);

    if (o->row || !last || !(o->row = malloc(size)))
        return o->row;
    memcpy(o->row, last, size);
    return true;
}

/* What is known of an object by this snapshot. Once it is not there, its row is as it was last. */
static void look_again(struct em_notices *n, struct object *o, const struct em_snapshot *s, int64_t mono_us,
                       bool settled)
{
    const struct em_event_kind *k = &em_events[o->event];
    const void *row = em_snapshot_find(s, k->table, o->index);
    enum em_event_state state = row ? k->state(row) : EM_EVENT_GOOD;

    if (!row && o->recalled && !settled)
        return;
    if (!row && !own_row(n, o))
        o->told = o->on_its_way = false; /* nothing can be said of it any more */
    if (o->recalled && !row && o->row && n->memory.recall)
        n->memory.recall(n->memory.arg, k->table, o->index, o->row);
    if (state != EM_EVENT_UNKNOWN)
        o->recalled = false;
    if (row) {
        free(o->row);
        o->row = NULL;
    } else if (k->gone && o->row) {
        k->gone(o->row);
    }
    if (state != EM_EVENT_UNKNOWN)
        change(n, o, state == EM_EVENT_BAD, mono_us);
}

/* Rows that have become bad. */
static size_t find_new(struct em_notices *n, unsigned event, const struct em_snapshot *s, int64_t mono_us)
{
    const struct em_event_kind *k = &em_events[event];
    size_t left_out = 0;

    for (size_t i = 0; i < s->t[k->table].n; i++) {
        const void *row = em_snapshot_row(s, k->table, i);
        struct object *o;
        bool there;

        if (k->state(row) != EM_EVENT_BAD)
            continue;
        (void)place_of(n, event, row, &there);
        if (there)
            continue;
        if (!(o = insert(n, event, row))) {
            left_out++;
            continue;
        }
        o->is = true;
        o->change_us = mono_us;
    }
    return left_out;
}

static void forget_good(struct em_notices *n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n->n; i++) {
        struct object *o = &n->object[i];

        if (o->is || o->told || o->on_its_way)
            n->object[kept++] = *o;
        else
            free(o->row);
    }
    n->n = kept;
}

static void compare_all(struct em_notices *n, struct em_snapshot *s, int64_t mono_us, bool settled)
{
    size_t left_out = 0;

    for (size_t i = 0; i < n->n; i++)
        look_again(n, &n->object[i], s, mono_us, settled);
    forget_good(n);
    for (unsigned e = 0; e < EM_EVENT_COUNT; e++)
        left_out += find_new(n, e, s, mono_us);
    em_snapshot_unref(n->newest);
    n->newest = em_snapshot_ref(s);
    if (left_out > n->left_out)
        n->dropped += left_out - n->left_out;
    n->left_out = left_out;
}

/* --- what was told ----------------------------------------------------------------------------------------------------------- */

/* A notification that was refused is not tried again: the next one is. */
static void answered(struct em_notices *n, const struct flight *f, enum em_notice_result result)
{
    bool there;
    size_t at = place_of(n, f->event, f->index, &there);

    n->sent += result == EM_NOTICE_SENT;
    n->dropped += result == EM_NOTICE_REFUSED;
    if (!there)
        return;
    n->object[at].on_its_way = false;
    if (result != EM_NOTICE_LOST) {
        n->object[at].told = f->raise;
        n->told_changed = true;
    }
}

static void reap(struct em_notices *n)
{
    unsigned until = atomic_load_explicit(&n->ring->answered, memory_order_acquire);

    for (; n->reaped != until; n->reaped++) {
        struct flight *f = &n->flight[n->reaped % EM_NOTICES_RING];

        answered(n, f, (enum em_notice_result)n->ring->slot[n->reaped % EM_NOTICES_RING].result);
        free(f->row);
        f->row = NULL;
    }
}

static bool due(const struct em_notices *n, const struct object *o, int64_t mono_us)
{
    return o->is != o->told && !o->on_its_way && mono_us - o->change_us >= n->limits.delay_us;
}

static struct object *longest_due(struct em_notices *n, int64_t mono_us)
{
    struct object *first = NULL;

    for (size_t i = 0; i < n->n; i++)
        if (due(n, &n->object[i], mono_us) && (!first || n->object[i].change_us < first->change_us))
            first = &n->object[i];
    return first;
}

static bool hand_over(struct em_notices *n, struct object *o)
{
    unsigned at = atomic_load_explicit(&n->ring->pushed, memory_order_relaxed);
    size_t size = em_catalogue[em_events[o->event].table].row_size;
    struct flight *f = &n->flight[at % EM_NOTICES_RING];
    const void *last = row_of(n, o);
    void *row = last ? malloc(size) : NULL;

    if (!row)
        return false;
    memcpy(row, last, size);
    *f = (struct flight) { .event = o->event, .raise = o->is, .row = row };
    copy_index(o->event, o->index, f->index);
    n->ring->slot[at % EM_NOTICES_RING] =
        (struct em_notice) { .kind = &em_events[o->event], .raise = o->is, .row = row };
    o->on_its_way = true;
    atomic_store_explicit(&n->ring->pushed, at + 1, memory_order_release);
    return true;
}

static bool hand_over_due(struct em_notices *n, int64_t mono_us)
{
    int64_t price_us = MINUTE_S * EM_US_PER_S / n->limits.per_minute;
    bool any = false;

    while (n->tokens_us >= price_us &&
           atomic_load_explicit(&n->ring->pushed, memory_order_relaxed) - n->reaped < EM_NOTICES_RING) {
        struct object *o = longest_due(n, mono_us);

        if (!o || !hand_over(n, o))
            break;
        n->tokens_us -= price_us;
        any = true;
    }
    return any;
}

/* Tokens are time; at most a quarter of a minute, or one notification, is saved up. */
static void earn(struct em_notices *n, int64_t mono_us)
{
    int64_t most_us = MINUTE_S * EM_US_PER_S / BURST_SHARE, price_us;

    if (n->limits.per_minute == 0)
        return;
    price_us = MINUTE_S * EM_US_PER_S / n->limits.per_minute;
    if (most_us < price_us)
        most_us = price_us;
    n->tokens_us += mono_us - n->observed_us;
    if (n->tokens_us > most_us)
        n->tokens_us = most_us;
}

/* --- memory ------------------------------------------------------------------------------------------------------------------ */

/* "arc.index.index ...": what a manager believes to be raised. */
static void keep(struct em_notices *n)
{
    struct buf text;

    if (!n->told_changed || !n->memory.keep)
        return;
    n->told_changed = false;
    text = buf_heap(EM_NOTICES_MEMORY_MAX);
    for (size_t i = 0; i < n->n; i++) {
        const struct object *o = &n->object[i];

        if (!o->told)
            continue;
        buf_print(&text, "%s%u", text.n ? " " : "", (unsigned)em_events[o->event].arc);
        for (size_t k = 0; k < em_catalogue[em_events[o->event].table].index_n; k++)
            buf_print(&text, ".%u", (unsigned)o->index[k]);
    }
    if (!text.full)
        n->memory.keep(n->memory.arg, buf_str(&text));
    buf_fini(&text);
}

static bool event_of(uint32_t arc, unsigned *event)
{
    for (*event = 0; *event < EM_EVENT_COUNT; (*event)++)
        if (em_events[*event].arc == arc)
            return true;
    return false;
}

static bool read_one(struct slice *rest, unsigned *event, uint32_t index[INDEX_MAX])
{
    uint32_t arc;

    if (!slice_u32(rest, UINT8_MAX, &arc) || !event_of(arc, event))
        return false;
    for (size_t k = 0; k < em_catalogue[em_events[*event].table].index_n; k++)
        if (!slice_skip(rest, SLICE(".")) || !slice_u32(rest, INT32_MAX, &index[k]))
            return false;
    return slice_skip(rest, SLICE(" ")) || rest->n == 0;
}

/* Nothing is known of it but its index; an enumeration is never 0. */
static void blank_row(unsigned event, const uint32_t *index, void *row)
{
    const struct em_table *t = &em_catalogue[em_events[event].table];
    const uint32_t first = 1;

    memcpy(row, index, t->index_n * sizeof *index);
    for (size_t i = 0; i < t->fields_n; i++)
        if (t->fields[i].kind == EM_KIND_ENUM)
            memcpy((char *)row + t->fields[i].off, &first, sizeof first);
}

/* What is not understood, and all behind it, is forgotten: the manager keeps an alarm too many. */
static void remember(struct em_notices *n, const char *text)
{
    struct slice rest = slice_of(text);

    while (rest.n > 0) {
        uint32_t index[INDEX_MAX] = { 0 };
        struct object *o;
        unsigned event;

        if (!read_one(&rest, &event, index) || !(o = insert(n, event, index)) ||
            (!o->row && !(o->row = calloc(1, em_catalogue[em_events[event].table].row_size))))
            return;
        o->told = o->is = o->recalled = true;
        blank_row(event, index, o->row);
    }
}

/* --- all --------------------------------------------------------------------------------------------------------------------- */

struct em_notices *em_notices_new(struct em_notice_ring *ring, const struct em_notices_memory *memory,
                                  const char *remembered)
{
    struct em_notices *n = calloc(1, sizeof *n);

    if (!n || !(n->object = calloc(EM_NOTICES_MAX, sizeof *n->object))) {
        free(n);
        return NULL;
    }
    n->ring = ring;
    n->memory = *memory;
    n->tokens_us = INT64_MAX / 2; /* cut to what may be saved up */
    n->reaped = atomic_load_explicit(&ring->answered, memory_order_acquire);
    remember(n, remembered);
    return n;
}

void em_notices_free(struct em_notices *n, bool thread_runs)
{
    if (!n)
        return;
    if (!thread_runs) {
        reap(n);
        for (size_t i = 0; i < EM_NOTICES_RING; i++)
            free(n->flight[i].row);
        keep(n);
    }
    for (size_t i = 0; i < n->n; i++)
        free(n->object[i].row);
    em_snapshot_unref(n->newest);
    free(n->object);
    free(n);
}

void em_notices_limit(struct em_notices *n, const struct em_notice_limits *limits)
{
    n->limits = *limits;
}

bool em_notices_observe(struct em_notices *n, struct em_snapshot *s, int64_t mono_us, bool connected,
                        bool settled)
{
    bool any = false;

    if (n->observed_us == 0)
        n->observed_us = mono_us;
    earn(n, mono_us);
    n->observed_us = mono_us;
    reap(n);
    compare_all(n, s, mono_us, settled);
    if (connected && n->limits.per_minute > 0)
        any = hand_over_due(n, mono_us);
    keep(n);
    return any;
}

void em_notices_fill(const struct em_notices *n, struct em_daemon *d)
{
    d->notifications_sent = n->sent;
    d->notifications_dropped = n->dropped;
    for (size_t i = 0; i < n->n; i++)
        d->notifications_pending += n->limits.per_minute > 0 && n->object[i].is != n->object[i].told;
}
