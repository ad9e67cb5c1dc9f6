/* SPDX-License-Identifier: GPL-3.0-or-later
 * Keys of calls: young in memory, frozen and merged, in the table. */
#include "store/keys.h"

#include <stdlib.h>
#include <string.h>

#include "store/calls.h"
#include "store/state.h"

enum {
    ROOM_MIN = 1024,
    MERGE_FOR_EACH =
        2, /* keys that are merged for each that comes: a generation is done when the next is half full */
    SETTLE_STEP = 2000, /* keys of a step */
    SWEEP_STEP = 4000,
    STALE_MIN = 8192, /* keys of calls that are gone stay until there are so many, and a share of all */
    STALE_SHARE = 8,
};

static const struct em_hash_key no_secret;

uint64_t em_keys_hash(const struct em_store_keys *k, const void *p, size_t n)
{
    return em_hash(&k->secret, p, n) >> (64 - EM_KEYS_BITS) & k->mask;
}

static int no_memory(const struct em_store *s, struct em_why *why)
{
    return em_fail(why, EM_ERR_MEMORY, "database %s: no memory", s->db.path);
}

/* --- young ---------------------------------------------------------------------------------------------------------- */

/* Where a key would be if it had no neighbours: ascends with the key. */
static size_t home(uint64_t hash, size_t room)
{
    return (size_t)(hash >> (EM_KEYS_BITS - 32)) * room >> 32;
}

static void place(struct em_store_key *table, size_t room, const struct em_store_key *key)
{
    size_t i = home(key->hash, room);

    while (table[i].call)
        i = (i + 1) & (room - 1);
    table[i] = *key;
}

/* Into a table of another size, those of calls up to `last` only. */
static bool rebuild(struct em_store_keys *k, size_t room, int64_t last)
{
    struct em_store_key *table = calloc(room, sizeof *table);

    if (!table)
        return false;
    k->young_n = 0;
    for (size_t i = 0; i < k->room; i++)
        if (k->young[i].call && k->young[i].call <= last) {
            place(table, room, &k->young[i]);
            k->young_n++;
        }
    free(k->young);
    k->young = table;
    k->room = room;
    return true;
}

static bool add_young(struct em_store_keys *k, uint64_t hash, int64_t call)
{
    size_t room = k->room ? k->room * 2 : ROOM_MIN;

    if (k->young_n + 1 > k->room / 4 * 3 && !rebuild(k, room, INT64_MAX))
        return false;
    place(k->young, k->room, &(struct em_store_key) { hash, call });
    k->young_n++;
    return true;
}

static void drop_young(struct em_store_keys *k)
{
    free(k->young);
    k->young = NULL;
    k->young_n = k->room = 0;
}

/* --- frozen --------------------------------------------------------------------------------------------------------- */

/* The young table is sorted but for keys that stand beside their place, and those that went round its end: few and near. */
static void sort(struct em_store_key *key, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct em_store_key one = key[i];
        size_t j = i;

        for (; j > 0 && key[j - 1].hash > one.hash; j--)
            key[j] = key[j - 1];
        key[j] = one;
    }
}

/* All young keys are of calls that are committed. Without memory for it they stay young. */
static void freeze(struct em_store_keys *k, int64_t to)
{
    size_t n = 0;

    if (!(k->frozen = malloc((k->young_n + 1) * sizeof *k->frozen)))
        return;
    for (size_t i = 0; i < k->room; i++)
        if (k->young[i].call)
            k->frozen[n++] = k->young[i];
    sort(k->frozen, n);
    k->frozen_n = n;
    k->merged = k->merged_before = 0;
    k->frozen_to = to;
    drop_young(k);
}

/* The first frozen key that is not less. */
static size_t frozen_at(const struct em_store_keys *k, uint64_t hash)
{
    size_t low = 0, high = k->frozen_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (k->frozen[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- the table ------------------------------------------------------------------------------------------------------ */

/* *call 0: the table has no such key. */
static int get(struct em_store *s, uint64_t hash, int64_t *call, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_KEY_GET, EM_DB_INTS((int64_t)hash));
    int rc = em_db_step(&s->db, EM_SQL_KEY_GET, why);

    *call = 0;
    if (rc == 1) {
        *call = sqlite3_column_int64(st, 0);
        em_db_reset(&s->db, EM_SQL_KEY_GET);
    }
    return rc < 0 ? rc : 0;
}

/* The key is there: for this call, because a merge was cut off; for one that is gone; or it is a twin's. */
static int add_again(struct em_store *s, uint64_t hash, int64_t call, struct em_why *why)
{
    int64_t other = 0;
    int rc = get(s, hash, &other, why);

    if (rc < 0 || other == call)
        return rc;
    if ((rc = em_store_call_there(s, other, why)) < 0)
        return rc;
    if (rc == 0)
        return em_db_run(&s->db, EM_SQL_KEY_SET, EM_DB_INTS((int64_t)hash, call), why);
    s->keys.twins++; /* a rollback leaves it too high: then the table is asked in vain */
    return em_db_run(&s->db, EM_SQL_TWIN_NEW, EM_DB_INTS((int64_t)hash, call), why);
}

int em_keys_add_old(struct em_store *s, uint64_t hash, int64_t call, struct em_why *why)
{
    int err = em_db_run(&s->db, EM_SQL_KEY_NEW, EM_DB_INTS((int64_t)hash, call), why);

    return err < 0 || sqlite3_changes(s->db.sqlite) > 0 ? err : add_again(s, hash, call, why);
}

static int merge(struct em_store *s, size_t n, struct em_why *why)
{
    struct em_store_keys *k = &s->keys;
    int err = 0;

    for (; n > 0 && k->merged < k->frozen_n && err == 0; n--, k->merged++)
        err = em_keys_add_old(s, k->frozen[k->merged].hash, k->frozen[k->merged].call, why);
    return err;
}

int em_keys_add(struct em_store *s, uint64_t hash, int64_t call, struct em_why *why)
{
    struct em_store_keys *k = &s->keys;
    int err = merge(s, MERGE_FOR_EACH, why);

    k->came = true;
    if (err < 0)
        return err;
    if (k->young_n >= k->generation * 2)
        return em_keys_add_old(s, hash, call, why);
    return add_young(k, hash, call) ? 0 : no_memory(s, why);
}

/* --- looking for a call --------------------------------------------------------------------------------------------- */

static int find_twin(struct em_store *s, uint64_t hash, int (*is)(void *, int64_t, struct em_why *),
                     void *arg, struct em_why *why)
{
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_TWINS, EM_DB_INTS((int64_t)hash));
    int rc, found = 0;

    while (found == 0 && (rc = em_db_step(&s->db, EM_SQL_TWINS, why)) == 1)
        found = is(arg, sqlite3_column_int64(st, 0), why);
    em_db_reset(&s->db, EM_SQL_TWINS);
    return found ? found : rc;
}

int em_keys_find(struct em_store *s, uint64_t hash, int (*is)(void *arg, int64_t call, struct em_why *why),
                 void *arg, struct em_why *why)
{
    const struct em_store_keys *k = &s->keys;
    int64_t call;
    int rc = 0;

    for (size_t i = k->room ? home(hash, k->room) : 0; k->room && k->young[i].call && rc == 0;
         i = (i + 1) & (k->room - 1))
        if (k->young[i].hash == hash)
            rc = is(arg, k->young[i].call, why);
    for (size_t i = frozen_at(k, hash); i < k->frozen_n && k->frozen[i].hash == hash && rc == 0; i++)
        rc = is(arg, k->frozen[i].call, why);
    if (rc != 0 || (rc = get(s, hash, &call, why)) < 0)
        return rc;
    if (call)
        rc = is(arg, call, why);
    return rc == 0 && k->twins ? find_twin(s, hash, is, arg, why) : rc;
}

/* --- steps ---------------------------------------------------------------------------------------------------------- */

/* Keys of calls that are gone. */
static int sweep(struct em_store *s, int64_t last, struct em_why *why)
{
    struct em_store_keys *k = &s->keys;
    sqlite3_stmt *st = em_db_bind(&s->db, EM_SQL_KEY_AFTER, EM_DB_INTS((int64_t)k->swept, SWEEP_STEP));
    int rc = em_db_step(&s->db, EM_SQL_KEY_AFTER, why), err;
    int64_t end = INT64_MAX;

    if (rc < 0)
        return rc;
    if (rc == 1)
        end = sqlite3_column_int64(st, 0);
    em_db_reset(&s->db, EM_SQL_KEY_AFTER);
    if ((err = em_db_run(&s->db, EM_SQL_KEYS_DROP, EM_DB_INTS((int64_t)k->swept, end, last), why)) < 0)
        return err;
    k->swept = (uint64_t)end;
    if (rc == 0) {
        k->sweeping = false;
        k->swept = 0;
        err = k->twins ? em_db_run(&s->db, EM_SQL_TWINS_DROP, EM_DB_INTS(last), why) : 0;
    }
    return err;
}

/* Since the share of keys that lead nowhere is small, so is what they cost. */
static bool many_stale(const struct em_store *s, int64_t last)
{
    uint64_t calls = s->next.last_id - (uint64_t)last;

    return s->next.stale_keys > STALE_MIN && s->next.stale_keys > calls / STALE_SHARE;
}

int em_keys_settle(struct em_store *s, int64_t last, bool *more, struct em_why *why)
{
    struct em_store_keys *k = &s->keys;
    int err = 0;

    if (!k->came && !k->frozen && k->young_n >= EM_KEYS_SETTLE)
        freeze(k, (int64_t)s->now.last_id);
    if (!k->came && k->frozen) {
        err = merge(s, SETTLE_STEP, why);
        *more = true;
    }
    k->came = false;
    if (err == 0 && !k->sweeping && many_stale(s, last)) {
        k->sweeping = true;
        s->next.stale_keys = 0;
    }
    if (err < 0 || !k->sweeping)
        return err;
    err = sweep(s, last, why);
    *more = *more || k->sweeping;
    return err;
}

/* --- transactions --------------------------------------------------------------------------------------------------- */

void em_keys_saving(struct em_store *s)
{
    if (s->keys.frozen && s->keys.merged == s->keys.frozen_n)
        s->next.keys_to = (uint64_t)s->keys.frozen_to;
}

void em_keys_committed(struct em_store *s)
{
    struct em_store_keys *k = &s->keys;

    if (k->frozen && k->merged == k->frozen_n) {
        free(k->frozen);
        k->frozen = NULL;
        k->frozen_n = k->merged = 0;
    }
    k->merged_before = k->merged;
    if (!k->frozen && k->young_n >= k->generation)
        freeze(k, (int64_t)s->now.last_id);
}

/* Young keys of calls that are no more: without memory for another table they stay, and propose calls that are not there. */
void em_keys_rolled_back(struct em_store *s)
{
    struct em_store_keys *k = &s->keys;

    k->merged = k->merged_before;
    if (k->young_n > 0)
        (void)rebuild(k, k->room, (int64_t)s->now.last_id);
}

/* --- from the database ---------------------------------------------------------------------------------------------- */

static int load_secret(struct em_store *s, struct em_why *why)
{
    sqlite3_stmt *st = s->db.stmt[EM_SQL_KEY_SECRET];
    int rc = em_db_step(&s->db, EM_SQL_KEY_SECRET, why);

    if (rc < 0)
        return rc;
    s->keys.secret = no_secret;
    if (rc == 1 && sqlite3_column_bytes(st, 0) == (int)sizeof s->keys.secret)
        memcpy(&s->keys.secret, sqlite3_column_blob(st, 0), sizeof s->keys.secret);
    else
        rc = em_fail(why, EM_ERR_CORRUPT,
                     "database %s is damaged (the secret of its keys is gone): put back a good copy, or move "
                     "it away to start with new counters",
                     s->db.path);
    em_db_reset(&s->db, EM_SQL_KEY_SECRET);
    return rc < 0 ? rc : 0;
}

int em_keys_load(struct em_store *s, struct em_why *why)
{
    struct em_store_keys *k = &s->keys;
    sqlite3_stmt *st;
    int rc;

    if (k->mask == 0) {
        k->mask = (UINT64_C(1) << EM_KEYS_BITS) - 1;
        k->generation = EM_KEYS_GENERATION;
    }
    if ((rc = load_secret(s, why)) < 0 || (rc = em_db_step(&s->db, EM_SQL_TWINS_ANY, why)) < 0)
        return rc;
    if (rc == 1)
        k->twins = em_db_u64(s->db.stmt[EM_SQL_TWINS_ANY], 0);
    em_db_reset(&s->db, EM_SQL_TWINS_ANY);
    st = em_db_bind(&s->db, EM_SQL_CALLS_SINCE, EM_DB_INTS((int64_t)s->now.keys_to));
    while ((rc = em_db_step(&s->db, EM_SQL_CALLS_SINCE, why)) == 1) {
        const void *p = sqlite3_column_blob(st, 1);
        size_t n = (size_t)sqlite3_column_bytes(st, 1);

        if (!add_young(k, em_keys_hash(k, p ? p : "", n), sqlite3_column_int64(st, 0))) {
            em_db_reset(&s->db, EM_SQL_CALLS_SINCE);
            return no_memory(s, why);
        }
    }
    return rc;
}

void em_keys_free(struct em_store_keys *k)
{
    drop_young(k);
    free(k->frozen);
    k->frozen = NULL;
    k->frozen_n = k->merged = k->merged_before = 0;
}
