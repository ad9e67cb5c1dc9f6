/* SPDX-License-Identifier: GPL-3.0-or-later
 * History: rings of slots, what a transaction adds to them, and how they are read. */
#include "store/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "store/state.h"

/* Finest first. */
static const struct {
    uint32_t step_s, slots;
} resolution[EM_HISTORY_RESOLUTIONS] = { { 60, 1440 }, { 600, 1008 }, { 7200, 720 } };

static const struct {
    uint32_t resolution, slots;
} ranges[EM_HISTORY_RANGES] = { { 0, 60 }, { 0, 1440 }, { 1, 1008 }, { 2, 720 } };

enum { PLACE_BITS = 12, KIND_BITS = 3, VERDICT_BITS = 5 };
_Static_assert(EM_HISTORY_SLOTS_MAX <= 1 << PLACE_BITS, "a place holds a slot of the longest ring");
_Static_assert(EM_VERDICT_COUNT < 1 << VERDICT_BITS, "a rank holds a verdict");

#define DAY_US (24 * 3600 * EM_US_PER_S)
#define KEEP_US (60 * DAY_US)

static uint64_t series_of(enum em_history_kind kind, uint32_t id)
{
    return ((uint64_t)id + 1) << KIND_BITS | (uint64_t)kind;
}

static int64_t slot_of(uint32_t r, int64_t at_us)
{
    return at_us / EM_US_PER_S / resolution[r].step_s;
}

static uint32_t place_of(uint32_t r, int64_t slot)
{
    return r << PLACE_BITS | (uint32_t)(slot % resolution[r].slots);
}

struct em_history_frame em_history_frame(enum em_history_range range, int64_t now_us)
{
    uint32_t step = resolution[ranges[range].resolution].step_s, n = ranges[range].slots;
    int64_t last = slot_of(ranges[range].resolution, now_us > 0 ? now_us : 0), first = last - n + 1;

    return (struct em_history_frame) { (first > 0 ? first : 0) * step, step, n };
}

/* --- calls ---------------------------------------------------------------------------------------------------------- */

static int write_deltas(struct em_store *s, struct em_why *why)
{
    struct em_history *h = &s->history;
    int err = 0;

    for (size_t i = 0; i < EM_HISTORY_DELTAS && h->deltas > 0 && err == 0; i++) {
        struct em_history_delta *d = &h->delta[i];

        if (d->series == 0)
            continue;
        err = em_db_run(&s->db, EM_SQL_HISTORY_ADD,
                        EM_DB_INTS((int64_t)d->series, d->place, d->slot, (int64_t)d->calls), why);
        d->series = 0;
        h->deltas--;
    }
    return err;
}

static struct em_history_delta *delta_of(struct em_history *h, uint64_t series, uint32_t place)
{
    const uint64_t key[] = { series, place };
    size_t i = (size_t)em_hash(&em_hash_key_fixed, key, sizeof key) % EM_HISTORY_DELTAS;

    while (h->delta[i].series != 0 && (h->delta[i].series != series || h->delta[i].place != place))
        i = (i + 1) % EM_HISTORY_DELTAS;
    return &h->delta[i];
}

/* The clock may step within a transaction, so a slot of another number can be at the place; the newer one stays. */
static void count_slot(struct em_history *h, uint64_t series, uint32_t r, int64_t slot)
{
    struct em_history_delta *d = delta_of(h, series, place_of(r, slot));

    h->deltas += d->series == 0;
    if (d->series == 0 || d->slot < slot)
        *d = (struct em_history_delta) { series, place_of(r, slot), slot, 0 };
    d->calls += d->slot == slot;
}

int em_history_count(struct em_store *s, enum em_history_kind kind, uint32_t id, int64_t at_us,
                     int64_t now_us, struct em_why *why)
{
    struct em_history *h = &s->history;

    if (at_us <= 0)
        return 0;
    for (uint32_t r = 0; r < EM_HISTORY_RESOLUTIONS; r++) {
        int64_t slot = slot_of(r, at_us), now = slot_of(r, now_us);

        if (slot <= now && slot > now - resolution[r].slots)
            count_slot(h, series_of(kind, id), r, slot);
    }
    return h->deltas >= EM_HISTORY_DELTAS / 4 * 3 ? write_deltas(s, why) : 0;
}

int em_history_forget(struct em_store *s, enum em_history_kind kind, uint32_t id, struct em_why *why)
{
    int err = s->history.deltas > 0 ? write_deltas(s, why) : 0;

    return err < 0 ? err
                   : em_db_run(&s->db, EM_SQL_HISTORY_DROP, EM_DB_INTS((int64_t)series_of(kind, id)), why);
}

int em_store_history(struct em_store *s, enum em_history_kind kind, uint32_t id,
                     const struct em_history_frame *frame, uint64_t *values, struct em_why *why)
{
    uint32_t r = 0;
    int64_t first = frame->start_s / frame->step_s;
    sqlite3_stmt *st;
    int rc;

    while (resolution[r].step_s != frame->step_s)
        r++;
    memset(values, 0, frame->n * sizeof *values);
    st = em_db_bind(
        &s->db, EM_SQL_HISTORY,
        EM_DB_INTS((int64_t)series_of(kind, id), place_of(r, 0), place_of(r, resolution[r].slots - 1)));
    while ((rc = em_db_step(&s->db, EM_SQL_HISTORY, why)) == 1) {
        int64_t i = sqlite3_column_int64(st, 0) - first;

        if (i >= 0 && i < frame->n)
            values[i] = em_db_u64(st, 1);
    }
    return rc;
}

/* --- paths ---------------------------------------------------------------------------------------------------------- */

static int compare(const struct em_history_path *p, uint32_t edge, uint32_t item, uint32_t address)
{
    const uint32_t a[] = { p->edge, p->item, p->address }, b[] = { edge, item, address };

    for (size_t i = 0; i < 3; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

/* Where the path is, or would be. */
static size_t find(const struct em_history *h, uint32_t edge, uint32_t item, uint32_t address, bool *there)
{
    size_t low = 0, high = h->paths_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(&h->path[middle], edge, item, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < h->paths_n && compare(&h->path[low], edge, item, address) == 0;
    return low;
}

static void insert(struct em_history *h, size_t at, const struct em_history_path *p)
{
    memmove(&h->path[at + 1], &h->path[at], (h->paths_n - at) * sizeof *h->path);
    h->path[at] = *p;
    h->paths_n++;
}

static int load_paths(struct em_store *s, struct em_why *why)
{
    struct em_history *h = &s->history;
    sqlite3_stmt *st = s->db.stmt[EM_SQL_PATHS];
    int rc;

    h->paths_n = 0;
    h->stale = false;
    while ((rc = em_db_step(&s->db, EM_SQL_PATHS, why)) == 1)
        if (h->paths_n < EM_HISTORY_PATHS_MAX)
            insert(h, h->paths_n,
                   &(struct em_history_path) { em_db_u32(st, 1), em_db_u32(st, 2), em_db_u32(st, 3),
                                               sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 4) });
    return rc;
}

int em_history_load(struct em_store *s, struct em_why *why)
{
    struct em_history *h = &s->history;

    h->path = calloc(EM_HISTORY_PATHS_MAX, sizeof *h->path);
    h->waiting = calloc(EM_HISTORY_WAITING_MAX, sizeof *h->waiting);
    if (!h->path || !h->waiting)
        return em_fail(why, EM_ERR_MEMORY, "database %s: no memory", s->db.path);
    return load_paths(s, why);
}

void em_history_free(struct em_history *h)
{
    free(h->path);
    free(h->waiting);
}

/* The path that was not seen for the longest time goes, with its slots. 1: there is room now. */
static int make_room(struct em_store *s, int64_t now_us, struct em_why *why)
{
    struct em_history *h = &s->history;
    size_t oldest = 0;
    int err;

    for (size_t i = 1; i < h->paths_n; i++)
        if (h->path[i].seen_us < h->path[oldest].seen_us)
            oldest = i;
    if (h->path[oldest].seen_us > now_us - KEEP_US) {
        if (!h->paths_full)
            em_log_warning("paths beyond %d have no history", EM_HISTORY_PATHS_MAX);
        h->paths_full = true;
        return 0;
    }
    if ((err = em_db_run(&s->db, EM_SQL_PATH_SLOTS_DROP, EM_DB_INTS(h->path[oldest].id), why)) < 0 ||
        (err = em_db_run(&s->db, EM_SQL_PATH_DROP, EM_DB_INTS(h->path[oldest].id), why)) < 0)
        return err;
    memmove(&h->path[oldest], &h->path[oldest + 1], (h->paths_n - oldest - 1) * sizeof *h->path);
    h->paths_n--;
    return 1;
}

/* *id 0: the path has no history. */
static int path_id(struct em_store *s, const struct em_history_result *w, int64_t *id, struct em_why *why)
{
    struct em_history *h = &s->history;
    bool there;
    size_t at = find(h, w->edge, w->item, w->address, &there);
    int rc = 1;

    *id = 0;
    if (!there && h->paths_n == EM_HISTORY_PATHS_MAX && (rc = make_room(s, w->at_us, why)) <= 0)
        return rc;
    if (!there) {
        if ((rc = em_db_run(&s->db, EM_SQL_PATH_NEW, EM_DB_INTS(w->edge, w->item, w->address, w->at_us),
                            why)) < 0)
            return rc;
        at = find(h, w->edge, w->item, w->address, &there);
        insert(h, at,
               &(struct em_history_path) { w->edge, w->item, w->address,
                                           sqlite3_last_insert_rowid(s->db.sqlite), w->at_us });
    } else if (w->at_us > h->path[at].seen_us + DAY_US || w->at_us < h->path[at].seen_us - DAY_US) {
        h->path[at].seen_us = w->at_us;
        if ((rc = em_db_run(&s->db, EM_SQL_PATH_SEEN, EM_DB_INTS(h->path[at].id, w->at_us), why)) < 0)
            return rc;
    }
    *id = h->path[at].id;
    return 0;
}

/* Verdicts as numbers of which the greater is the worse. */
static int64_t rank_of(uint32_t verdict)
{
    return (int64_t)em_verdict_severity((enum em_verdict)verdict) << VERDICT_BITS | verdict;
}

static int write_result(struct em_store *s, int64_t id, const struct em_history_result *w, struct em_why *why)
{
    const struct em_history_probe *p = &w->probe;
    int err = 0;

    for (uint32_t r = 0; r < EM_HISTORY_RESOLUTIONS && err == 0; r++) {
        int64_t slot = slot_of(r, w->at_us);
        sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_PATH_ADD,
                                      EM_DB_INTS(id, place_of(r, slot), slot, rank_of((uint32_t)p->verdict),
                                                 (int64_t)p->failed_probes, (int64_t)p->stun_retransmits,
                                                 (int64_t)p->tcp_retransmits));

        for (int i = 0; i < EM_HISTORY_PHASES; i++) {
            (void)sqlite3_bind_int64(st, 8 + 2 * i, (int64_t)p->us[i]);
            (void)sqlite3_bind_int64(st, 9 + 2 * i, p->us[i] > 0);
        }
        err = em_db_step(&s->db, EM_SQL_PATH_ADD, why);
    }
    return err;
}

void em_store_probe(struct em_store *s, uint32_t edge, uint32_t item, uint32_t address,
                    const struct em_history_probe *result)
{
    struct em_history *h = &s->history;
    int64_t now_us = em_wall_us(s->clock);

    if (h->waiting_n < EM_HISTORY_WAITING_MAX && now_us > 0)
        h->waiting[h->waiting_n++] = (struct em_history_result) { edge, item, address, now_us, *result };
}

static void read_slot(sqlite3_stmt *st, struct em_history_probe *p)
{
    p->verdict = em_db_u32(st, 1) & ((1U << VERDICT_BITS) - 1);
    p->probes = em_db_u64(st, 2);
    p->failed_probes = em_db_u64(st, 3);
    p->stun_retransmits = em_db_u64(st, 4);
    p->tcp_retransmits = em_db_u64(st, 5);
    for (int i = 0; i < EM_HISTORY_PHASES; i++) {
        uint64_t n = em_db_u64(st, 7 + 2 * i);

        p->us[i] = n > 0 ? em_db_u64(st, 6 + 2 * i) / n : 0;
    }
}

int em_store_path_history(struct em_store *s, uint32_t edge, uint32_t item, uint32_t address,
                          const struct em_history_frame *frame, struct em_history_probe *slots,
                          struct em_why *why)
{
    uint32_t r = 0;
    int64_t first = frame->start_s / frame->step_s;
    bool there;
    size_t at = find(&s->history, edge, item, address, &there);
    sqlite3_stmt *st;
    int rc;

    while (resolution[r].step_s != frame->step_s)
        r++;
    memset(slots, 0, frame->n * sizeof *slots);
    if (!there)
        return 0;
    st = em_db_bind(&s->db, EM_SQL_PATH_SLOTS,
                    EM_DB_INTS(s->history.path[at].id, place_of(r, 0), place_of(r, resolution[r].slots - 1)));
    while ((rc = em_db_step(&s->db, EM_SQL_PATH_SLOTS, why)) == 1) {
        int64_t i = sqlite3_column_int64(st, 0) - first;

        if (i >= 0 && i < frame->n)
            read_slot(st, &slots[i]);
    }
    return rc;
}

/* --- transactions --------------------------------------------------------------------------------------------------- */

int em_history_save(struct em_store *s, struct em_why *why)
{
    struct em_history *h = &s->history;
    int err = h->stale ? load_paths(s, why) : 0;
    int64_t id;

    if (err == 0)
        err = write_deltas(s, why);

    while (err == 0 && h->written < h->waiting_n && h->written < EM_HISTORY_PER_COMMIT) {
        const struct em_history_result *w = &h->waiting[h->written];

        if ((err = path_id(s, w, &id, why)) == 0 && id != 0)
            err = write_result(s, id, w, why);
        h->written += err == 0;
    }
    return err;
}

void em_history_committed(struct em_store *s)
{
    struct em_history *h = &s->history;

    memmove(h->waiting, h->waiting + h->written, (h->waiting_n - h->written) * sizeof *h->waiting);
    h->waiting_n -= h->written;
    h->written = 0;
}

/* What waited waits on. The list of paths is as the database has it again. */
void em_history_rolled_back(struct em_store *s)
{
    struct em_history *h = &s->history;

    for (size_t i = 0; i < EM_HISTORY_DELTAS && h->deltas > 0; i++) {
        h->deltas -= h->delta[i].series != 0;
        h->delta[i].series = 0;
    }
    h->written = 0;
    h->stale = true;
}
