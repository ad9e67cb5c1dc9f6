/* SPDX-License-Identifier: GPL-3.0-or-later
 * Texts that repeat: a bounded table on disk, all of it in memory once a failure was written. */
#include "store/texts.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/state.h"

enum {
    TEXT_MIN = 4,      /* shorter ones are not longer than a number */
    FORGET_STEP = 512, /* buckets that are looked at in a step */
};

/* Users are as many as an organisation has; the others are few, unless somebody writes them to fill the table. */
static const uint16_t most[EM_TEXT_KINDS] = { 256, 2048, 4096, EM_TEXTS_MAX, 1024 };

struct em_store_text {
    struct em_store_text *next;
    int64_t id;
    int64_t until; /* no failure with a higher id has it */
    uint32_t kind, n;
    char text[];
};

static struct em_store_text **bucket_of(struct em_store *s, uint32_t kind, struct slice text)
{
    return &s->texts.bucket[(em_hash(&s->keys.secret, text.p, text.n) + kind) % EM_TEXTS_BUCKETS];
}

static struct em_store_text *find(struct em_store *s, uint32_t kind, struct slice text)
{
    struct em_store_text *t = *bucket_of(s, kind, text);

    while (t && (t->kind != kind || t->n != text.n || memcmp(t->text, text.p, text.n) != 0))
        t = t->next;
    return t;
}

/* In memory. NULL: none is left. */
static struct em_store_text *keep(struct em_store *s, uint32_t kind, struct slice text, int64_t id,
                                  int64_t until)
{
    struct em_store_text *t = malloc(sizeof *t + text.n), **b = bucket_of(s, kind, text);

    if (!t)
        return NULL;
    *t = (struct em_store_text) { *b, id, until, kind, (uint32_t)text.n };
    memcpy(t->text, text.p, text.n);
    *b = t;
    s->texts.n[kind]++;
    return t;
}

void em_texts_free(struct em_store_texts *t)
{
    for (size_t i = 0; t->bucket && i < EM_TEXTS_BUCKETS; i++)
        while (t->bucket[i]) {
            struct em_store_text *gone = t->bucket[i];

            t->bucket[i] = gone->next;
            free(gone);
        }
    free(t->bucket);
    *t = (struct em_store_texts) { 0 };
}

static int no_memory(struct em_store *s, struct em_why *why)
{
    em_texts_free(&s->texts);
    return em_fail(why, EM_ERR_MEMORY, "database %s: no memory", s->db.path);
}

static int load(struct em_store *s, struct em_why *why)
{
    sqlite3_stmt *st = s->db.stmt[EM_SQL_TEXTS];
    int rc;

    if (!(s->texts.bucket = calloc(EM_TEXTS_BUCKETS, sizeof *s->texts.bucket)))
        return no_memory(s, why);
    while ((rc = em_db_step(&s->db, EM_SQL_TEXTS, why)) == 1) {
        const char *p = sqlite3_column_blob(st, 3);
        uint32_t kind = em_db_u32(st, 1);

        if (p && kind < EM_TEXT_KINDS &&
            !keep(s, kind, (struct slice) { p, (size_t)sqlite3_column_bytes(st, 3) },
                  sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 2))) {
            em_db_reset(&s->db, EM_SQL_TEXTS);
            return no_memory(s, why);
        }
    }
    return rc;
}

/* *t NULL: its kind is full. */
static int add(struct em_store *s, uint32_t kind, struct slice text, int64_t failure,
               struct em_store_text **t, struct em_why *why)
{
    sqlite3_stmt *st;
    int err;

    *t = NULL;
    if (s->texts.n[kind] >= most[kind])
        return 0;
    st = em_db_bind(&s->db, EM_SQL_TEXT_NEW, EM_DB_INTS(kind, failure + EM_TEXTS_AHEAD));
    (void)sqlite3_bind_text(st, 3, text.p, (int)text.n, SQLITE_STATIC);
    if ((err = em_db_step(&s->db, EM_SQL_TEXT_NEW, why)) < 0)
        return err;
    *t = keep(s, kind, text, sqlite3_last_insert_rowid(s->db.sqlite), failure + EM_TEXTS_AHEAD);
    return *t ? 0 : no_memory(s, why);
}

/* The number of the text, for a failure; 0: it has none. */
static int number_of(struct em_store *s, uint32_t kind, struct slice text, int64_t failure, int64_t *number,
                     struct em_why *why)
{
    struct em_store_text *t;
    int err;

    *number = 0;
    if (!s->texts.bucket && (err = load(s, why)) < 0)
        return err;
    if (!(t = find(s, kind, text)) && ((err = add(s, kind, text, failure, &t, why)) < 0 || !t))
        return err;
    if (failure > t->until) {
        t->until = failure + EM_TEXTS_AHEAD;
        if ((err = em_db_run(&s->db, EM_SQL_TEXT_UNTIL, EM_DB_INTS(t->id, t->until), why)) < 0)
            return err;
    }
    *number = t->id;
    return 0;
}

int em_texts_bind(struct em_store *s, sqlite3_stmt *st, int at, enum em_text_kind kind, struct slice text,
                  int64_t failure, struct em_why *why)
{
    int64_t number = 0;
    int err = text.n < TEXT_MIN ? 0 : number_of(s, kind, text, failure, &number, why);

    if (err < 0)
        return err;
    if (number)
        (void)sqlite3_bind_int64(st, at, number);
    else if (text.n > 0)
        (void)sqlite3_bind_text(st, at, text.p, (int)text.n, SQLITE_STATIC);
    else
        (void)sqlite3_bind_null(st, at);
    return 0;
}

static int forget_bucket(struct em_store *s, struct em_store_text **at, struct em_why *why)
{
    int err = 0;

    while (*at && err == 0) {
        struct em_store_text *one = *at;

        if (one->until > s->texts.gone) {
            at = &one->next;
            continue;
        }
        err = em_db_run(&s->db, EM_SQL_TEXT_DROP, EM_DB_INTS(one->id), why);
        *at = one->next;
        s->texts.n[one->kind]--;
        free(one);
    }
    return err;
}

int em_texts_forget(struct em_store *s, int64_t gone, struct em_why *why)
{
    struct em_store_texts *t = &s->texts;
    int err = 0;

    if (gone > t->gone) {
        t->gone = gone;
        t->left = EM_TEXTS_BUCKETS;
    }
    if (t->left == 0 || (!t->bucket && (err = load(s, why)) < 0))
        return err;
    for (size_t i = 0; i < FORGET_STEP && t->left > 0 && err == 0; i++)
        err = forget_bucket(s, &t->bucket[--t->left], why);
    return err;
}
