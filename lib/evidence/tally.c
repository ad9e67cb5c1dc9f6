/* SPDX-License-Identifier: GPL-3.0-or-later
 * Failures by time and by far relay, in memory of a fixed size. */
#include "evidence/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/slice.h"
#include "evidence/count.h"
#include "evidence/ice.h"
#include "evidence/peer.h"

enum { SLOTS = 2 * EM_TALLY_PEERS }; /* of the peers' table: a power of two, half of it free */

#define MINUTE (60 * EM_US_PER_S)

struct em_tally {
    int64_t width;    /* of a column; 0: none yet */
    int64_t first;    /* begin of column 0, a multiple of width */
    size_t columns_n; /* so many are between the first and the last failure */
    uint64_t n[EM_TALLY_COLUMNS][EM_TALLY_KINDS];
    struct em_hash_key key;
    uint16_t slots[SLOTS]; /* 1 + index of the peer; 0: free */
    struct em_tally_peer peers[EM_TALLY_PEERS], rest;
    size_t peers_n;
    struct em_failure_row latest[EM_TALLY_LATEST]; /* newest first */
    size_t latest_n;
};

struct em_tally *em_tally_new(void)
{
    struct em_tally *t = calloc(1, sizeof *t);

    if (t)
        em_random(&em_clock_system, &t->key, sizeof t->key);
    return t;
}

void em_tally_free(struct em_tally *t)
{
    free(t);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

/* Widths of columns in minutes: easily read, and each divides the next, so that columns can be put together. */
static const int64_t widths[] = { 1, 5, 15, 30, 60, 180, 360, 720, 1440, 10080, 40320, 524160, 5241600 };
enum { WIDTHS = sizeof widths / sizeof *widths };

static int64_t column_begin(int64_t time, int64_t width)
{
    int64_t into = time % width;

    return time - (into < 0 ? into + width : into);
}

/* The least width that is not below `least` and with which from..to take no more than `max` columns. */
static int64_t width_for(int64_t from, int64_t to, int64_t least, size_t max)
{
    for (size_t i = 0; i + 1 < WIDTHS; i++)
        if (widths[i] * MINUTE >= least &&
            (uint64_t)(to - column_begin(from, widths[i] * MINUTE)) / (uint64_t)(widths[i] * MINUTE) < max)
            return widths[i] * MINUTE;
    return widths[WIDTHS - 1] * MINUTE;
}

/* Makes columns `width` wide, beginning with the one of `first`: the old ones go where their beginning lies. */
static void rebuild(struct em_tally *t, int64_t width, int64_t first)
{
    uint64_t(*n)[EM_TALLY_KINDS] = calloc(EM_TALLY_COLUMNS, sizeof *n);
    size_t last = 0;

    if (!n) { /* the graph then lacks what was before */
        memset(t->n, 0, sizeof t->n);
        t->columns_n = 0;
    }
    for (size_t i = 0; i < t->columns_n; i++) {
        size_t to = (size_t)((t->first + (int64_t)i * t->width - first) / width);

        for (size_t kind = 0; kind < EM_TALLY_KINDS; kind++)
            n[to][kind] += t->n[i][kind];
        last = to;
    }
    if (n) {
        t->columns_n = t->columns_n ? last + 1 : 0;
        memcpy(t->n, n, sizeof t->n);
    }
    t->width = width;
    t->first = first;
    free(n);
}

static void count_time(struct em_tally *t, int64_t time, enum em_tally_kind kind)
{
    int64_t from, to, width = t->width ? t->width : MINUTE, last = t->first + (int64_t)t->columns_n * width;

    from = t->columns_n && t->first < time ? t->first : time;
    to = t->columns_n && last > time ? last - 1 : time;
    width = width_for(from, to, width, EM_TALLY_COLUMNS);
    if (width != t->width || column_begin(from, width) != t->first)
        rebuild(t, width, column_begin(from, width));
    t->n[(time - t->first) / width][kind]++;
    if (t->columns_n < (size_t)((to - t->first) / width) + 1)
        t->columns_n = (size_t)((to - t->first) / width) + 1;
}

size_t em_tally_columns(const struct em_tally *t, struct em_tally_column *to, size_t max, int64_t *width_us)
{
    int64_t width, begin, end = t->first + ((int64_t)t->columns_n - 1) * t->width;
    size_t n = 0;

    if (t->columns_n == 0)
        return 0;
    width = width_for(t->first, end, t->width, max);
    begin = column_begin(t->first, width);
    n = (size_t)((end - begin) / width) + 1;
    if (n > max)
        n = max;
    for (size_t i = 0; i < n; i++)
        to[i] = (struct em_tally_column) { .begin_us = begin + (int64_t)i * width };
    for (size_t i = 0; i < t->columns_n; i++) {
        size_t at = (size_t)((t->first + (int64_t)i * t->width - begin) / width);

        for (size_t kind = 0; at < n && kind < EM_TALLY_KINDS; kind++)
            to[at].n[kind] += t->n[i][kind];
    }
    *width_us = width;
    return n;
}

/* --- far relays --------------------------------------------------------------------------------------------------- */

/* Its place, made when there is room for it; else the rest's. What is no address is shown as it was written. */
static struct em_tally_peer *peer_of(struct em_tally *t, struct slice relay)
{
    char text[EM_ADDRESS_MAX];
    uint64_t at;

    if (!em_peer_relay(relay, text))
        (void)slice_copy(em_peer_host(relay), text, sizeof text);
    at = em_hash(&t->key, text, strlen(text)) % SLOTS;
    for (; t->slots[at]; at = (at + 1) % SLOTS)
        if (strcmp(t->peers[t->slots[at] - 1].address, text) == 0)
            return &t->peers[t->slots[at] - 1];
    if (t->peers_n == EM_TALLY_PEERS)
        return &t->rest;
    memcpy(t->peers[t->peers_n].address, text, sizeof text);
    t->slots[at] = (uint16_t)++t->peers_n;
    return &t->peers[t->peers_n - 1];
}

static void add_peer(struct em_tally_peer *to, const struct em_tally_peer *more)
{
    to->failures += more->failures;
    to->code_23 += more->code_23;
    to->code_23_tcp_nat += more->code_23_tcp_nat;
    if (more->first_us && (!to->first_us || more->first_us < to->first_us))
        to->first_us = more->first_us;
    if (more->last_us > to->last_us)
        to->last_us = more->last_us;
}

static int more_failures(const void *a, const void *b)
{
    const struct em_tally_peer *x = a, *y = b;

    if (x->failures != y->failures)
        return x->failures < y->failures ? 1 : -1;
    return strcmp(x->address, y->address);
}

size_t em_tally_peers(struct em_tally *t, struct em_tally_peer *to, size_t max, struct em_tally_peer *rest)
{
    size_t n = t->peers_n < max ? t->peers_n : max;

    qsort(t->peers, t->peers_n, sizeof *t->peers, more_failures);
    memset(t->slots, 0, sizeof t->slots); /* the order is another one now */
    for (size_t i = 0; i < t->peers_n; i++) {
        uint64_t at = em_hash(&t->key, t->peers[i].address, strlen(t->peers[i].address)) % SLOTS;

        while (t->slots[at])
            at = (at + 1) % SLOTS;
        t->slots[at] = (uint16_t)(i + 1);
    }
    *rest = t->rest;
    for (size_t i = 0; i < t->peers_n; i++) {
        if (i < n)
            to[i] = t->peers[i];
        else
            add_peer(rest, &t->peers[i]);
    }
    return n;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static void keep_latest(struct em_tally *t, const struct em_failure_row *row)
{
    size_t at = t->latest_n;

    if (at == EM_TALLY_LATEST && row->time <= t->latest[at - 1].time)
        return;
    if (at == EM_TALLY_LATEST)
        at--;
    else
        t->latest_n++;
    for (; at > 0 && t->latest[at - 1].time < row->time; at--)
        t->latest[at] = t->latest[at - 1];
    t->latest[at] = *row;
}

void em_tally_add(struct em_tally *t, const struct em_failure_row *row)
{
    bool media = em_code_class(row->code) == EM_CODE_MEDIA_FAILURE, is_23 = row->code == 23;
    enum em_tally_kind kind = is_23 ? EM_TALLY_CODE_23 : media ? EM_TALLY_MEDIA : EM_TALLY_OTHER;
    struct em_tally_peer one = {
        .failures = 1, .code_23 = is_23, .first_us = row->time, .last_us = row->time
    };

    if (row->time)
        count_time(t, row->time, kind);
    if (!media)
        return;
    one.code_23_tcp_nat = is_23 && row->ice_known == 1 && row->ice_warnings & EM_ICE_TCP_NAT;
    if (row->remote_relay[0])
        add_peer(peer_of(t, slice_of(row->remote_relay)), &one);
    keep_latest(t, row);
}

size_t em_tally_latest(const struct em_tally *t, const struct em_failure_row **rows)
{
    *rows = t->latest;
    return t->latest_n;
}
