/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the store: what it keeps in memory. Every number exists twice, as of the last commit and with what the open transaction
 * adds; a commit writes the difference and copies, a rollback copies back.
 */
#ifndef EM_STORE_STATE_H
#define EM_STORE_STATE_H

#include <stdbool.h>

#include "store/db.h"
#include "store/history_state.h"
#include "store/keys.h"
#include "store/peers.h"
#include "store/store.h"
#include "store/texts.h"

enum {
    EM_STORE_SOURCES_MAX = 1024, /* sources that ever were */
    EM_STORE_WINDOW_MINUTES = 1440,
    EM_STORE_MINUTES =
        EM_STORE_WINDOW_MINUTES + 2, /* slots of the ring: a day, the minute that runs, one to spare */
    EM_STORE_EVENTS = 4, /* media failure, code 23, TCP NAT check, both: in the order of em_windows */
};

struct em_store_code {
    uint32_t code;
    uint64_t calls;
};

struct em_store_minute {
    int64_t minute; /* Unix time / 60 s */
    uint32_t n[EM_STORE_EVENTS];
};

struct em_store_source {
    uint32_t source;
    uint64_t bytes, messages, reports, duplicates, unkeyed, malformed, missed, repeated;
    uint64_t read_us, report_us;
};

struct em_store_numbers {
    struct em_totals totals;
    uint64_t ice[EM_ICE_BITS], media[EM_MEDIA_COUNT];
    struct em_store_code code[EM_CODES_MAX]; /* ascending */
    size_t codes_n;
    struct em_store_minute minute[EM_STORE_MINUTES]; /* by minute modulo the number of slots */
    struct em_store_source source[EM_STORE_SOURCES_MAX];
    size_t sources_n;
    uint64_t last_id;    /* the highest that a call or a failure ever had */
    uint64_t keys_to;    /* calls up to this one have their keys in the table */
    uint64_t stale_keys; /* keys in the table whose calls are forgotten, about */
};

/* The last failures, newest at (written - 1) % EM_RECENT_MAX. */
struct em_store_ring {
    struct em_failure_row row[EM_RECENT_MAX];
    uint64_t written;
};

struct em_store_check { /* totals of a check at one address */
    uint32_t edge, check, address;
    bool dirty;
    struct em_check_totals totals;
};

struct em_store {
    struct em_db db;
    const struct em_clock *clock;
    bool open, spoilt; /* a transaction is open; something in it failed */
    bool durable;      /* its commit waits for the disk */
    struct em_store_numbers now, next;
    struct em_store_ring recent, added;                  /* committed; of the open transaction */
    char source_name[EM_STORE_SOURCES_MAX][EM_NAME_MAX]; /* by place in next.source; "" = not looked up */
    int64_t dropped_minute;                              /* older ones were removed from the database */
    struct em_store_check *check;                        /* hash table, open addressing */
    size_t checks_n, checks_room, checks_dirty;
    struct em_history history;
    struct em_store_peers peers, next_peers; /* committed; with what the open transaction adds */
    struct em_store_keys keys;
    struct em_store_texts texts;
    bool older, was_older; /* the database has rows of an older schema; when it was opened */
    struct em_store_limits limits;
};

/* A statement of a transaction failed: its commit must not happen. Returns err. */
static inline int em_store_spoil(struct em_store *s, int err)
{
    s->spoilt = s->spoilt || err < 0;
    return err;
}

/* numbers.c */
int em_store_numbers_load(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
int em_store_numbers_save(struct em_store *s,
                          struct em_why *why) EM_MUST_CHECK; /* what differs between now and next */
void em_store_numbers_copy(struct em_store_numbers *to, const struct em_store_numbers *from);
struct em_store_source *em_store_numbers_source(struct em_store_numbers *n,
                                                uint32_t source); /* NULL: too many */
void em_store_numbers_code(struct em_store_numbers *n, uint32_t code, uint64_t calls);
void em_store_numbers_event(struct em_store_numbers *n, int64_t at_us, int event);
void em_store_windows(const struct em_store_numbers *n, int64_t now_us, struct em_windows *w);

/* failures.c */
int em_store_recent_load(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
void em_store_ring_add(struct em_store_ring *r, const struct em_failure_row *row);
void em_store_ring_move(struct em_store_ring *to, struct em_store_ring *from);
/* The failure of this id; row->failure is 0 when there is none. */
int em_store_failure_get(struct em_store *s, int64_t id, struct em_failure_row *row,
                         struct em_why *why) EM_MUST_CHECK;
uint32_t em_store_failure_index(int64_t id);
int em_store_failure_write(struct em_store *s, int64_t id, int64_t call, int64_t at_us, uint32_t source,
                           const struct em_failure_row *f, struct em_why *why) EM_MUST_CHECK;

/* remember.c */
int em_store_checks_load(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
int em_store_checks_save(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
void em_store_checks_saved(struct em_store *s); /* the commit is done: nothing is dirty */

#endif
