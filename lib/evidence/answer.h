/* SPDX-License-Identifier: GPL-3.0-or-later
 * A JSON answer of a log server, and the records in it: bytes in, texts and times out. Where things are is said by pointers (RFC 6901) in
 * which a segment "*" stands for every element of an array or member of an object: "/data/result/" "*" "/values/" "*" are the records of Loki.
 *
 *     struct em_answer *a = em_answer_new();
 *     while (bytes come) if (em_answer_push(a, bytes, n, &why) != 0) ...     a bounded piece at a time
 *     if (em_answer_finish(a, &why) == 0)
 *         for (i = 0; i < em_answer_find(a, "/hits/hits/" "*"); i++) em_answer_record(a, i, &shape, &record);
 *     em_answer_free(a);
 *
 * Whatever the server sends, memory is bounded by the maxima below. What is returned lies in the answer and lives as long. A name that an object has
 * twice counts as it stands last.
 */
#ifndef EM_EVIDENCE_ANSWER_H
#define EM_EVIDENCE_ANSWER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    EM_ANSWER_BYTES_MAX = 16 * 1024 * 1024,
    EM_ANSWER_DEPTH_MAX = 64,
    EM_ANSWER_VALUES_MAX = 500 * 1000,     /* scalars, arrays and objects: about 70 bytes each */
    EM_ANSWER_CONTAINERS_MAX = 100 * 1000, /* of these, arrays and objects: about 400 bytes each */
    EM_ANSWER_RECORDS_MAX = 20 * 1000,
    EM_ANSWER_POINTER_MAX = 256,
    EM_ANSWER_SEGMENTS_MAX = 16,
    EM_ANSWER_SEARCH_MAX = 2000, /* values of a record that are looked at for a text */
};

struct em_answer;
struct em_answer *em_answer_new(void); /* NULL: no memory */
void em_answer_free(struct em_answer *a);

/* 0; EM_ERR_INPUT: it is no JSON; EM_ERR_LIMIT: it is beyond a maximum; EM_ERR_MEMORY. After a failure only free may be called. */
int em_answer_push(struct em_answer *a, const void *bytes, size_t n, struct em_why *why) EM_MUST_CHECK;
int em_answer_finish(struct em_answer *a, struct em_why *why) EM_MUST_CHECK; /* nothing follows */

/* What stands at a pointer: a text as it is, everything else as JSON, in to. False: nothing is there (null is nothing), or no room. */
bool em_answer_value(struct em_answer *a, const char *pointer, struct buf *to);

/* Finds the records: everything that the pointer means, in the order of the answer. Their number, at most EM_ANSWER_RECORDS_MAX; 0 when there
 * is nothing. *whole: the place where they are to be is there, be it empty; false says that the answer is of another kind. */
size_t em_answer_find(struct em_answer *a, const char *pointer, bool *whole);

/* Where things are in a record, as pointers from it; "" is the record itself. */
struct em_answer_shape {
    const char *text; /* NULL: wherever a text is that looks like SIP or a diagnostics header */
    const char *time; /* NULL: none */
};
struct em_answer_record {
    struct slice text; /* empty: there is none */
    int64_t time_ns;   /* Unix nanoseconds; 0: none, or none that can be read */
};
void em_answer_record(struct em_answer *a, size_t i, const struct em_answer_shape *shape,
                      struct em_answer_record *r);
/* As em_answer_value(), from record i. */
bool em_answer_record_value(struct em_answer *a, size_t i, const char *pointer, struct buf *to);

/* Whether text is a pointer: "" or segments that begin with "/", "~" only as "~0" and "~1". */
bool em_answer_pointer_ok(const char *text);

/* Unix time in seconds, milli-, micro- or nanoseconds, by its size, or date and time by RFC 3339. */
bool em_answer_time(struct slice text, int64_t *ns);

#endif
