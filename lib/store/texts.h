/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the store: texts that failures have in common (reasons, relays, users, files) are in a table once, and a failure has their
 * numbers. The table is bounded for each kind; what has no place in it stands in the failure's row itself, so a column holds a number or
 * a text. A text goes when no failure that is kept can have its number.
 */
#ifndef EM_STORE_TEXTS_H
#define EM_STORE_TEXTS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum em_text_kind { EM_TEXT_CSEQ, EM_TEXT_REASON, EM_TEXT_RELAY, EM_TEXT_PARTY, EM_TEXT_FILE, EM_TEXT_KINDS };

enum {
    EM_TEXTS_MAX = 8192, /* of a kind, the most that a kind may have */
    EM_TEXTS_BUCKETS = 8192,
    EM_TEXTS_AHEAD =
        65536, /* a text is kept for so many ids after its last use, so that its row is seldom written */
};

struct em_store_text;
struct em_store_texts {
    struct em_store_text **bucket; /* NULL: not loaded */
    size_t n[EM_TEXT_KINDS];
    int64_t gone; /* failures up to this one are no more, as it was told last */
    size_t left;  /* buckets that were not looked at since */
};

struct em_store;

void em_texts_free(struct em_store_texts *t);

/* In a transaction: binds the number of the text, or the text; an empty one is NULL. It must live until the step. failure: whose row it
 * is. */
int em_texts_bind(struct em_store *s, sqlite3_stmt *st, int at, enum em_text_kind kind, struct slice text,
                  int64_t failure, struct em_why *why) EM_MUST_CHECK;

/* In a transaction: some of the texts that only failures up to `gone` can have had go. */
int em_texts_forget(struct em_store *s, int64_t gone, struct em_why *why) EM_MUST_CHECK;

#endif
