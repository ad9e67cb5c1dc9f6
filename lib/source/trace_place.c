/* SPDX-License-Identifier: GPL-3.0-or-later
 * The places of a trace source: loaded from the store, forgotten when their files are long gone. */
#include <stdlib.h>
#include <string.h>

#include "source/follow.h"

bool trace_room(void **list, size_t n, size_t *room)
{
    void *bigger;
    size_t more = *room ? *room * 2 : 16;

    if (n < *room)
        return true;
    if (!(bigger = realloc(*list, more * sizeof(void *))))
        return false;
    *list = bigger;
    *room = more;
    return true;
}

struct trace_place *trace_place_new(struct em_trace *t)
{
    struct trace_place *p;
    void *places = t->place;

    if (!trace_room(&places, t->places_n, &t->places_room))
        return NULL;
    t->place = places;
    if ((p = calloc(1, sizeof *p)))
        t->place[t->places_n++] = p;
    return p;
}

static void place_free(struct trace_place *p)
{
    free(p->path);
    free(p);
}

void trace_places_free(struct em_trace *t)
{
    for (size_t i = 0; i < t->places_n; i++)
        place_free(t->place[i]);
    free(t->place);
    t->place = NULL;
    t->places_n = t->places_room = 0;
}

static bool load(void *arg, int64_t id, const struct em_position *at)
{
    struct em_trace *t = arg;
    struct trace_place *p;

    t->first = false;
    if (at->head_size == 0 && at->path[0] == '\0') {
        t->sentinel = id;
        t->under_way = at->mark.offset == TRACE_FIRST_UNDER_WAY;
        return true;
    }
    p = trace_place_new(t);
    if (!p || !(p->path = strdup(at->path))) {
        t->broken = true; /* the load has not all of them */
        return false;
    }
    p->id = id;
    p->mark = at->mark;
    p->device = at->device;
    p->inode = at->inode;
    p->head_hash = at->head_hash;
    p->head_size = at->head_size;
    p->tail_hash = at->tail_hash;
    p->tail_size = at->tail_size;
    p->seen_us = at->seen_us;
    p->ended = at->ended;
    p->rested = at->rested;
    p->packed = at->packed;
    p->samples = at->samples;
    return true;
}

int trace_places_load(struct em_trace *t, struct em_why *why)
{
    int err;

    trace_places_free(t);
    t->broken = t->under_way = false;
    t->sentinel = 0;
    t->first = true;
    if ((err = em_store_positions(t->store, t->source, load, t, why)) == 0 && t->broken)
        err = em_fail(why, EM_ERR_MEMORY, "source %s: no memory for its read positions", t->name);
    t->broken = false;
    t->first = t->first || t->under_way;
    return err;
}

bool trace_place_save(struct em_trace *t, struct trace_place *p)
{
    struct em_position at = { .device = p->device,
                              .inode = p->inode,
                              .head_hash = p->head_hash,
                              .head_size = p->head_size,
                              .tail_hash = p->tail_hash,
                              .tail_size = p->tail_size,
                              .ended = p->ended,
                              .rested = p->rested,
                              .packed = p->packed,
                              .samples = p->samples,
                              .mark = p->mark,
                              .seen_us = p->seen_us };

    (void)slice_copy(slice_of(p->path ? p->path : ""), at.path, sizeof at.path);
    if (!trace_begin(t))
        return false;
    t->broken = em_store_position_put(t->store, t->source, &p->id, &at, &t->why) != 0;
    return !t->broken;
}

struct trace_place *trace_note_of(const struct em_trace *t, const struct stat *st)
{
    for (size_t i = 0; i < t->places_n; i++)
        if (trace_is_note(t->place[i]) && t->place[i]->inode == st->st_ino &&
            t->place[i]->device == st->st_dev)
            return t->place[i];
    return NULL;
}

/* What the file holds now is old. */
void trace_place_note(struct em_trace *t, const char *path, const struct stat *st)
{
    struct trace_place *p;

    if (t->broken || st->st_size <= 0 || t->places_n >= TRACE_NOTES_MAX || trace_note_of(t, st))
        return;
    if (!(p = trace_place_new(t)) || !(p->path = realpath(path, NULL))) {
        if (p)
            trace_place_drop(t, p); /* it has just gone */
        return;
    }
    p->device = st->st_dev;
    p->inode = st->st_ino;
    p->mark.offset = (uint64_t)st->st_size;
    p->seen_us = em_wall_us(t->clock);
    (void)trace_place_save(t, p);
}

void trace_doubt(struct em_trace *t, uint64_t missed, uint64_t repeated)
{
    if (trace_begin(t) && em_store_doubt(t->store, t->source, missed, repeated, &t->why) != 0)
        t->broken = true;
}

void trace_place_drop(struct em_trace *t, struct trace_place *p)
{
    for (size_t i = 0; i < t->places_n; i++)
        if (t->place[i] == p) {
            t->place[i] = t->place[--t->places_n];
            place_free(p);
            return;
        }
}

static bool gone_for_good(const struct em_trace *t, const struct trace_place *p, int64_t now_us)
{
    if (p->owner || p->mark.offset == 0)
        return false;
    return now_us - p->seen_us > TRACE_FORGET_US || (p->ended && t->places_n > TRACE_PLACES_TIDY);
}

/* Forgets the places that no file needs. In the turn's transaction. */
void trace_places_tidy(struct em_trace *t)
{
    int64_t now_us = em_wall_us(t->clock);

    for (size_t i = t->places_n; i-- > 0;) {
        struct trace_place *p = t->place[i];

        if (!gone_for_good(t, p, now_us))
            continue;
        if (!trace_begin(t))
            return;
        if (p->id && em_store_position_delete(t->store, p->id, &t->why) != 0) {
            t->broken = true;
            return;
        }
        trace_place_drop(t, p);
    }
}
