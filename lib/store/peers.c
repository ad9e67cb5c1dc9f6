/* SPDX-License-Identifier: GPL-3.0-or-later
 * Whom calls failed with: which row a call counts for, which peer makes room for a new one, and how that is kept. */
#include "store/peers.h"

#include <string.h>

#include "base/hash.h"
#include "evidence/ice.h"
#include "evidence/peer.h"
#include "store/state.h"

#define US_PER_MINUTE (60 * EM_US_PER_S)

enum { WINDOW_MINUTES = 60, FLAGS_SHIFT = 2 };

/* The row of those of its kind that have none of their own: the order of the first two. */
static struct em_store_peer *others_of(struct em_store_peers *p, uint32_t kind)
{
    return &p->row[kind == EM_PEER_RELAY ? 0 : 1];
}

static uint64_t hash_of(const char *name)
{
    return em_hash(&em_hash_key_fixed, name, strlen(name));
}

static struct em_store_peer *find(struct em_store_peers *p, uint32_t kind, const char *name)
{
    uint64_t hash = hash_of(name);

    for (size_t i = 0; i < p->n; i++)
        if (p->row[i].hash == hash && p->row[i].kind == kind && strcmp(p->row[i].name, name) == 0)
            return &p->row[i];
    return NULL;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

static void add_minute(struct em_store_peer *peer, int64_t minute, uint64_t calls)
{
    size_t at = (size_t)(minute % EM_PEER_MINUTES);

    if (minute <= 0 || minute > UINT32_MAX || peer->recent[at].minute > minute)
        return;
    if (peer->recent[at].minute < minute) {
        peer->recent[at].minute = (uint32_t)minute;
        peer->recent[at].n = 0;
    }
    peer->recent[at].n += (uint32_t)calls;
}

static void add_times(struct em_store_peer *peer, int64_t first_us, int64_t last_us)
{
    if (first_us > 0 && (peer->first_us == 0 || first_us < peer->first_us))
        peer->first_us = first_us;
    if (last_us > peer->last_us)
        peer->last_us = last_us;
    peer->dirty = true;
}

static void add_peer(struct em_store_peer *to, const struct em_store_peer *more)
{
    for (size_t i = 0; i < EM_PEER_COUNTS; i++)
        to->n[i] += more->n[i];
    add_times(to, more->first_us, more->last_us);
    for (size_t i = 0; i < EM_PEER_MINUTES; i++)
        add_minute(to, more->recent[i].minute, more->recent[i].n);
}

/* The peer goes to the others, with its history. Its number is never given again. */
static int leave(struct em_store *s, struct em_store_peer *peer, struct em_why *why)
{
    int err;

    add_peer(others_of(&s->next_peers, peer->kind), peer);
    if ((err = em_db_run(&s->db, EM_SQL_PEER_DROP, EM_DB_INTS(peer->id), why)) < 0)
        return err;
    return em_history_forget(s, EM_HISTORY_PEER, (uint32_t)peer->id, why);
}

/* Where a new peer goes: behind the last row, or in place of the one of its kind whose last failure is the longest ago. NULL: it is
 * older than all of them, or too many were moved already. */
static struct em_store_peer *place_for(struct em_store_peers *p, uint32_t kind, int64_t at_us)
{
    struct em_store_peer *oldest = NULL;
    size_t n = 0;

    for (size_t i = 2; i < p->n; i++) {
        struct em_store_peer *row = &p->row[i];

        if (row->kind != kind)
            continue;
        n++;
        if (!oldest || row->last_us < oldest->last_us)
            oldest = row;
    }
    if (n < EM_PEERS_KEPT)
        return &p->row[p->n];
    return oldest && oldest->last_us < at_us && p->moved < EM_PEERS_MOVED_MAX ? oldest : NULL;
}

static int number_new(struct em_store *s, uint32_t kind, const char *name, int64_t *id, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_PEER_NEW, EM_DB_INTS(kind));
    int err;

    em_db_bind_text(st, 2, name);
    if ((err = em_db_step(&s->db, EM_SQL_PEER_NEW, why)) == 0)
        *id = sqlite3_last_insert_rowid(s->db.sqlite);
    return err;
}

/* *peer: the row that calls with this name count for. */
static int peer_of(struct em_store *s, uint32_t kind, const char *name, int64_t at_us,
                   struct em_store_peer **peer, struct em_why *why)
{
    struct em_store_peers *p = &s->next_peers;
    struct em_store_peer *place;
    int64_t id = 0;
    int err;

    if ((*peer = find(p, kind, name)))
        return 0;
    *peer = others_of(p, kind);
    if (!(place = place_for(p, kind, at_us)))
        return 0;
    if (place < p->row + p->n) {
        if ((err = leave(s, place, why)) < 0)
            return err;
        p->moved++;
    } else {
        p->n++;
    }
    if ((err = number_new(s, kind, name, &id, why)) < 0)
        return err;
    *place = (struct em_store_peer) { .id = id, .kind = kind, .hash = hash_of(name) };
    (void)slice_copy(slice_of(name), place->name, sizeof place->name);
    *peer = place;
    return 0;
}

/* --- a report ------------------------------------------------------------------------------------------------------ */

/* Names of both kinds, "" = not known. */
struct names {
    char relay[EM_ADDRESS_MAX], domain[EM_TEXT_MAX];
};

/* What earlier reports of the call said, for one that completes a condition and names nobody: a QoE report, or a server's. */
static int names_before(struct em_store *s, int64_t call, struct names *n, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_CALL_PEERS, EM_DB_INTS(call));
    int rc;

    while ((rc = em_db_step(&s->db, EM_SQL_CALL_PEERS, why)) == 1) {
        char relay[EM_ENDPOINT_MAX], from[EM_TEXT_MAX], to[EM_TEXT_MAX];
        struct em_report r = { .media_n = 1 };

        em_db_column_text(st, 0, relay, sizeof relay);
        em_db_column_text(st, 1, from, sizeof from);
        em_db_column_text(st, 2, to, sizeof to);
        r.from = slice_of(from);
        r.to = slice_of(to);
        r.media[0].side = (enum em_side)sqlite3_column_int64(st, 3);
        r.media[0].remote_relay = slice_of(relay);
        if (!*n->relay)
            (void)em_report_relay(&r, n->relay);
        if (!*n->domain)
            (void)em_report_domain(&r, n->domain);
    }
    return rc;
}

/* Bits of EM_PEER_COUNTS that the call has. */
static uint32_t conditions(const struct em_call_state *call)
{
    return call->media_failed | (uint32_t)call->code_23 << 1 |
           (uint32_t)(call->code_23 && call->ice & EM_ICE_TCP_NAT) << 2;
}

/* Counts the call for the peer; pending: for what. */
static int count(struct em_store *s, uint32_t kind, const char *name, uint32_t pending, int64_t at_us,
                 int64_t now_us, struct em_why *why)
{
    struct em_store_peer *peer;
    int err;

    if ((err = peer_of(s, kind, name, at_us, &peer, why)) < 0)
        return err;
    for (uint32_t i = 0; i < EM_PEER_COUNTS; i++)
        peer->n[i] += pending >> i & 1;
    add_times(peer, at_us, at_us);
    s->next_peers.changed = true;
    if (!(pending & 1))
        return 0;
    add_minute(peer, at_us / US_PER_MINUTE, 1);
    return em_history_count(s, EM_HISTORY_PEER, (uint32_t)peer->id, at_us, now_us, why);
}

int em_store_peers_report(struct em_store *s, int64_t id, const struct em_report *r,
                          const struct em_call_state *call, const struct em_count_delta *d, int64_t at_us,
                          int64_t now_us, uint32_t *flags, struct em_why *why)
{
    uint32_t has = conditions(call), relay_pending = has & ~(*flags >> FLAGS_SHIFT),
             domain_pending = has & ~(*flags >> (FLAGS_SHIFT + EM_PEER_COUNTS));
    struct names n = { "", "" };
    int err;

    if (relay_pending == 0 && domain_pending == 0)
        return 0;
    (void)em_report_relay(r, n.relay);
    (void)em_report_domain(r, n.domain);
    if ((!*n.relay || !*n.domain) && (d->media_failure || d->code_23 || d->code_23_tcp_nat) && !d->call &&
        (err = names_before(s, id, &n, why)) < 0)
        return err;
    if (relay_pending && *n.relay) {
        if ((err = count(s, EM_PEER_RELAY, n.relay, relay_pending, at_us, now_us, why)) < 0)
            return err;
        *flags |= has << FLAGS_SHIFT;
    }
    if (domain_pending && *n.domain) {
        if ((err = count(s, EM_PEER_DOMAIN, n.domain, domain_pending, at_us, now_us, why)) < 0)
            return err;
        *flags |= has << (FLAGS_SHIFT + EM_PEER_COUNTS);
    }
    return 0;
}

/* --- loading and saving -------------------------------------------------------------------------------------------- */

/* The hour before now comes from the history, which has the minutes of a day. */
static int load_minutes(struct em_store *s, struct em_store_peer *peer, struct em_why *why)
{
    struct em_history_frame frame = em_history_frame(EM_HISTORY_1H, em_wall_us(s->clock));
    uint64_t values[WINDOW_MINUTES + 1];
    int err;

    if (frame.n > WINDOW_MINUTES)
        return 0;
    err = em_store_history(s, EM_HISTORY_PEER, (uint32_t)peer->id, &frame, values, why);
    for (uint32_t i = 0; i < frame.n && err == 0; i++)
        if (values[i] > 0)
            add_minute(peer, (frame.start_s + (int64_t)i * frame.step_s) / 60, values[i]);
    return err;
}

static void load_row(struct em_store_peers *p, sqlite3_stmt *st)
{
    uint32_t kind = em_db_u32(st, 1);
    bool own = kind == EM_PEER_RELAY || kind == EM_PEER_DOMAIN;
    struct em_store_peer *row = kind == EM_PEER_OTHER_RELAYS    ? &p->row[0]
                                : kind == EM_PEER_OTHER_DOMAINS ? &p->row[1]
                                                                : &p->row[p->n];

    if ((own && p->n == EM_PEERS_MAX) || kind == 0 || kind > em_peer_kind_names.n)
        return; /* of a later version, or a damaged one's */
    *row = (struct em_store_peer) { .id = sqlite3_column_int64(st, 0), .kind = kind };
    em_db_column_text(st, 2, row->name, sizeof row->name);
    row->hash = hash_of(row->name);
    for (int i = 0; i < EM_PEER_COUNTS; i++)
        row->n[i] = em_db_u64(st, 3 + i);
    row->first_us = sqlite3_column_int64(st, 3 + EM_PEER_COUNTS);
    row->last_us = sqlite3_column_int64(st, 4 + EM_PEER_COUNTS);
    p->n += own;
}

int em_store_peers_load(struct em_store *s, struct em_why *why)
{
    struct em_store_peers *p = &s->peers;
    sqlite3_stmt *st = s->db.stmt[EM_SQL_PEERS];
    int rc;

    *p = (struct em_store_peers) { .n = 2 };
    p->row[0] = (struct em_store_peer) { .id = 1, .kind = EM_PEER_OTHER_RELAYS, .hash = hash_of("") };
    p->row[1] = (struct em_store_peer) { .id = 2, .kind = EM_PEER_OTHER_DOMAINS, .hash = hash_of("") };
    while ((rc = em_db_step(&s->db, EM_SQL_PEERS, why)) == 1)
        load_row(p, st);
    for (size_t i = 0; i < p->n && rc == 0; i++)
        rc = load_minutes(s, &p->row[i], why);
    if (rc == 0)
        s->next_peers = *p;
    return rc;
}

int em_store_peers_save(struct em_store *s, struct em_why *why)
{
    int err = 0;

    for (size_t i = 0; i < s->next_peers.n && s->next_peers.changed && err == 0; i++) {
        struct em_store_peer *row = &s->next_peers.row[i];

        if (row->dirty)
            err = em_db_run(&s->db, EM_SQL_PEER_SET,
                            EM_DB_INTS(row->id, (int64_t)row->n[0], (int64_t)row->n[1], (int64_t)row->n[2],
                                       row->first_us, row->last_us),
                            why);
        row->dirty = false;
    }
    return err;
}

static void copy(struct em_store_peers *to, const struct em_store_peers *from)
{
    memcpy(to->row, from->row, from->n * sizeof *from->row);
    to->n = from->n;
    to->moved = 0;
    to->changed = false;
}

void em_store_peers_committed(struct em_store *s)
{
    if (s->next_peers.changed)
        copy(&s->peers, &s->next_peers);
    s->next_peers.changed = false;
    s->next_peers.moved = 0;
}

void em_store_peers_rolled_back(struct em_store *s)
{
    copy(&s->next_peers, &s->peers);
}

/* --- for snapshots ------------------------------------------------------------------------------------------------- */

/* The others have a row once there are some. */
static bool shown(const struct em_store_peers *p, size_t i)
{
    return i > 1 || p->row[i].n[0] > 0;
}

size_t em_store_peers_count(const struct em_store *s)
{
    return s->peers.n - !shown(&s->peers, 0) - !shown(&s->peers, 1);
}

void em_store_peers_fill(const struct em_store *s, struct em_snapshot *to)
{
    const struct em_store_peers *p = &s->peers;
    int64_t now = em_wall_us(s->clock) / US_PER_MINUTE;
    size_t at = 0;

    for (size_t i = 0; i < p->n && at < to->t[EM_T_PEER].n; i++) {
        const struct em_store_peer *from = &p->row[i];
        struct em_peer_row *row;

        if (!shown(p, i))
            continue;
        row = em_snapshot_row(to, EM_T_PEER, at++);
        *row = (struct em_peer_row) { .peer = (uint32_t)from->id,
                                      .kind = from->kind,
                                      .own = 2, /* who knows the edges says more */
                                      .media_failures = from->n[0],
                                      .code_23 = from->n[1],
                                      .code_23_tcp_nat = from->n[2],
                                      .first_time = from->first_us,
                                      .last_time = from->last_us };
        memcpy(row->name, from->name, sizeof row->name);
        for (size_t m = 0; m < EM_PEER_MINUTES; m++)
            if (from->recent[m].minute <= now && from->recent[m].minute >= now - WINDOW_MINUTES)
                row->media_failures_1h += from->recent[m].n;
    }
}
