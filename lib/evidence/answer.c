/* SPDX-License-Identifier: GPL-3.0-or-later
 * JSON answers: a bounded way into json-c, pointers with stars, texts and times of records. */
#include "evidence/answer.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>

#include "base/late.h"
#include "base/opt.h"
#include "evidence/lines.h"

/* clang-format off */
#define SYMBOLS(S) \
    S(json_tokener_new_ex) S(json_tokener_set_flags) S(json_tokener_free) S(json_object_put) \
    S(json_tokener_error_desc) S(json_tokener_get_error) S(json_tokener_parse_ex) \
    S(json_tokener_get_parse_end) S(json_object_is_type) S(json_object_object_get_ex) \
    S(json_object_array_get_idx) S(json_object_array_length) S(json_object_iter_begin) \
    S(json_object_iter_end) S(json_object_iter_equal) S(json_object_iter_next) \
    S(json_object_iter_peek_value) S(json_object_get_string) S(json_object_get_string_len) \
    S(json_object_to_json_string_ext)
/* clang-format on */
LATE_SET(lib, LATE_JSON, SYMBOLS);

enum {
    PIECE = 64 * 1024, /* what json-c is given at once */
};

struct em_answer {
    struct json_tokener *tokener;
    struct json_object *whole;
    struct json_object **record; /* none is counted: they are the whole's */
    size_t records_n, records_room;
    size_t bytes, values, containers;
    unsigned depth;
    bool in_text, escaped, begun; /* begun: within a number or a word */
    bool done;
};

struct em_answer *em_answer_new(void)
{
    struct em_answer *a = calloc(1, sizeof *a);

    if (a &&
        (late_load(&lib.late, NULL) < 0 || !(a->tokener = lib.json_tokener_new_ex(EM_ANSWER_DEPTH_MAX)))) {
        free(a);
        return NULL;
    }
    if (a) /* comments and other quotes would hide from count() what is in them; what trails is looked at by parse() */
        lib.json_tokener_set_flags(a->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    return a;
}

void em_answer_free(struct em_answer *a)
{
    if (!a)
        return;
    lib.json_tokener_free(a->tokener);
    (void)lib.json_object_put(a->whole);
    free(a->record);
    free(a);
}

/* --- what json-c is shown ------------------------------------------------------------------------------------------ */

/* Within a text: up to its end. */
static size_t pass_text(struct em_answer *a, const char *p, size_t n)
{
    size_t i = 0;

    for (; i < n && a->in_text; i++) {
        if (a->escaped)
            a->escaped = false;
        else if (p[i] == '\\')
            a->escaped = true;
        else if (p[i] == '"')
            a->in_text = false;
    }
    return i;
}

static void count_char(struct em_answer *a, char c)
{
    bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';

    if (opens || c == '"') {
        a->values++;
        a->containers += opens;
        a->depth += opens;
        a->in_text = c == '"';
        a->begun = false;
    } else if (closes || c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        a->depth -= closes && a->depth > 0;
        a->begun = false;
    } else if (!a->begun) { /* the first character of a number, true, false, null */
        a->values++;
        a->begun = true;
    }
}

/* json-c bounds the depth alone: a million empty arrays in 2 MB would be 400 MB of memory. So values are counted before it sees them. Names of
 * members count, too. */
static int count(struct em_answer *a, const char *p, size_t n, struct em_why *why)
{
    for (size_t i = 0; i < n;) {
        if (a->in_text)
            i += pass_text(a, p + i, n - i);
        else
            count_char(a, p[i++]);
        if (a->depth > EM_ANSWER_DEPTH_MAX)
            return em_fail(why, EM_ERR_LIMIT, "the answer is JSON of more than %d levels",
                           EM_ANSWER_DEPTH_MAX);
        if (a->values > EM_ANSWER_VALUES_MAX || a->containers > EM_ANSWER_CONTAINERS_MAX)
            return em_fail(why, EM_ERR_LIMIT, "the answer has more than %d values, or %d arrays and objects",
                           EM_ANSWER_VALUES_MAX, EM_ANSWER_CONTAINERS_MAX);
    }
    return 0;
}

static bool only_blanks(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
            return false;
    return true;
}

static int no_json(const struct em_answer *a, struct em_why *why)
{
    return em_fail(why, EM_ERR_INPUT, "the answer is no JSON: %s near byte %zu",
                   lib.json_tokener_error_desc(lib.json_tokener_get_error(a->tokener)), a->bytes);
}

static int parse(struct em_answer *a, const char *p, size_t n, struct em_why *why)
{
    enum json_tokener_error e;
    size_t used;

    if (a->done)
        return only_blanks(p, n) ? 0 : em_fail(why, EM_ERR_INPUT, "the answer is more than one JSON value");
    a->whole = lib.json_tokener_parse_ex(a->tokener, p, (int)n);
    e = lib.json_tokener_get_error(a->tokener);
    if (e == json_tokener_continue)
        return 0;
    if (e == json_tokener_error_depth)
        return em_fail(why, EM_ERR_LIMIT, "the answer is JSON of more than %d levels", EM_ANSWER_DEPTH_MAX);
    if (e != json_tokener_success)
        return no_json(a, why);
    a->done = true;
    used = lib.json_tokener_get_parse_end(a->tokener);
    return parse(a, p + used, n - used, why);
}

int em_answer_push(struct em_answer *a, const void *bytes, size_t n, struct em_why *why)
{
    const char *p = bytes;

    if (n > EM_ANSWER_BYTES_MAX - a->bytes)
        return em_fail(why, EM_ERR_LIMIT, "the answer is longer than %d bytes", EM_ANSWER_BYTES_MAX);
    while (n > 0) {
        size_t piece = n < PIECE ? n : PIECE;
        int err = count(a, p, piece, why);

        a->bytes += piece;
        if (err == 0)
            err = parse(a, p, piece, why);
        if (err != 0)
            return err;
        p += piece;
        n -= piece;
    }
    return 0;
}

int em_answer_finish(struct em_answer *a, struct em_why *why)
{
    if (!a->done && a->bytes > 0) { /* a number is whole when something follows it */
        int err = parse(a, "\n", 1, why);

        if (err != 0)
            return err;
    }
    return a->done ? 0
                   : em_fail(why, EM_ERR_INPUT, "the answer is JSON that ends early, at byte %zu", a->bytes);
}

/* --- pointers ------------------------------------------------------------------------------------------------------ */

bool em_answer_pointer_ok(const char *text)
{
    size_t segments = 0;

    if (*text && *text != '/')
        return false;
    for (const char *p = text; *p; p++) {
        segments += *p == '/';
        if (*p == '~' && p[1] != '0' && p[1] != '1')
            return false;
    }
    return segments <= EM_ANSWER_SEGMENTS_MAX && strlen(text) < EM_ANSWER_POINTER_MAX;
}

/* Takes the next segment off, unescaped. */
static void next_segment(const char **pointer, char to[EM_ANSWER_POINTER_MAX])
{
    const char *p = *pointer + 1;
    size_t n = 0;

    for (; *p && *p != '/' && n + 1 < EM_ANSWER_POINTER_MAX; p++) {
        if (*p == '~' && (p[1] == '0' || p[1] == '1'))
            to[n++] = *++p == '1' ? '/' : '~';
        else
            to[n++] = *p;
    }
    to[n] = '\0';
    *pointer = p;
}

/* The element of that number or the member of that name; a number with a zero in front is none. */
static struct json_object *child(struct json_object *at, const char *segment)
{
    struct json_object *found = NULL;
    uint64_t i;

    if (lib.json_object_is_type(at, json_type_object))
        return lib.json_object_object_get_ex(at, segment, &found) ? found : NULL;
    if (!lib.json_object_is_type(at, json_type_array) || (segment[0] == '0' && segment[1]) ||
        !em_read_uint(segment, 0, INT_MAX, &i))
        return NULL;
    return lib.json_object_array_get_idx(at, (size_t)i);
}

static struct json_object *resolve(struct json_object *at, const char *pointer)
{
    char segment[EM_ANSWER_POINTER_MAX];

    while (at && *pointer == '/') {
        next_segment(&pointer, segment);
        at = child(at, segment);
    }
    return *pointer ? NULL : at;
}

static bool add_record(struct em_answer *a, struct json_object *o)
{
    size_t room = a->records_room ? a->records_room * 2 : 64;
    struct json_object **more;

    if (!o || a->records_n == EM_ANSWER_RECORDS_MAX)
        return o == NULL;
    if (a->records_n == a->records_room) {
        if (!(more = realloc(a->record, room * sizeof *more)))
            return false;
        a->record = more;
        a->records_room = room;
    }
    a->record[a->records_n++] = o;
    return true;
}

static bool find(struct em_answer *a, struct json_object *at, const char *pointer, bool *whole);

static bool find_each(struct em_answer *a, struct json_object *at, const char *rest, bool *whole)
{
    if (lib.json_object_is_type(at, json_type_array)) {
        *whole = true;
        for (size_t i = 0; i < lib.json_object_array_length(at); i++)
            if (!find(a, lib.json_object_array_get_idx(at, i), rest, whole))
                return false;
    } else if (lib.json_object_is_type(at, json_type_object)) {
        struct json_object_iterator i = lib.json_object_iter_begin(at), end = lib.json_object_iter_end(at);

        *whole = true;
        for (; !lib.json_object_iter_equal(&i, &end); lib.json_object_iter_next(&i))
            if (!find(a, lib.json_object_iter_peek_value(&i), rest, whole))
                return false;
    }
    return true;
}

/* As deep as the pointer has segments. False: no more records are wanted. */
static bool find(struct em_answer *a, struct json_object *at, const char *pointer, bool *whole)
{
    char segment[EM_ANSWER_POINTER_MAX];

    while (at && *pointer == '/') {
        next_segment(&pointer, segment);
        if (strcmp(segment, "*") == 0)
            return find_each(a, at, pointer, whole);
        at = child(at, segment);
    }
    *whole = *whole || at;
    return add_record(a, at);
}

size_t em_answer_find(struct em_answer *a, const char *pointer, bool *whole)
{
    *whole = false;
    a->records_n = 0;
    (void)find(a, a->whole, pointer, whole);
    return a->records_n;
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static struct slice text_of(struct json_object *o)
{
    return (struct slice) { lib.json_object_get_string(o), (size_t)lib.json_object_get_string_len(o) };
}

static bool write_value(struct json_object *o, struct buf *to)
{
    if (!o)
        return false;
    if (lib.json_object_is_type(o, json_type_string))
        buf_slice(to, text_of(o));
    else
        buf_text(to, lib.json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    return !to->full;
}

bool em_answer_value(struct em_answer *a, const char *pointer, struct buf *to)
{
    return write_value(resolve(a->whole, pointer), to);
}

bool em_answer_record_value(struct em_answer *a, size_t i, const char *pointer, struct buf *to)
{
    return i < a->records_n && write_value(resolve(a->record[i], pointer), to);
}

/* --- texts that nobody said where they are ------------------------------------------------------------------------- */

static bool looks_like_evidence(struct slice s)
{
    return slice_find(s, SLICE("SIP/2.0")) != SIZE_MAX || slice_find(s, SLICE("iagnostics")) != SIZE_MAX;
}

/* The first text that looks like a message, in the order of the record. */
static struct json_object *search(struct json_object *at, size_t *left)
{
    struct json_object *found = NULL;

    if (!at || *left == 0)
        return NULL;
    --*left;
    if (lib.json_object_is_type(at, json_type_string))
        return looks_like_evidence(text_of(at)) ? at : NULL;
    if (lib.json_object_is_type(at, json_type_array))
        for (size_t i = 0; i < lib.json_object_array_length(at) && !found; i++)
            found = search(lib.json_object_array_get_idx(at, i), left);
    if (lib.json_object_is_type(at, json_type_object)) {
        struct json_object_iterator i = lib.json_object_iter_begin(at), end = lib.json_object_iter_end(at);

        for (; !lib.json_object_iter_equal(&i, &end) && !found; lib.json_object_iter_next(&i))
            found = search(lib.json_object_iter_peek_value(&i), left);
    }
    return found;
}

static struct json_object *text_in(struct json_object *record, const char *pointer)
{
    size_t left = EM_ANSWER_SEARCH_MAX;
    struct json_object *o = pointer ? resolve(record, pointer) : NULL;

    if (!pointer)
        o = search(record, &left);
    return lib.json_object_is_type(o, json_type_string) ? o : NULL;
}

void em_answer_record(struct em_answer *a, size_t i, const struct em_answer_shape *shape,
                      struct em_answer_record *r)
{
    struct json_object *text, *when;

    *r = (struct em_answer_record) { 0 };
    if (i >= a->records_n)
        return;
    text = text_in(a->record[i], shape->text);
    when = shape->time ? resolve(a->record[i], shape->time) : NULL;
    if (text)
        r->text = text_of(text);
    if (when && !lib.json_object_is_type(when, json_type_array) &&
        !lib.json_object_is_type(when, json_type_object))
        (void)em_answer_time(slice_of(lib.json_object_get_string(when)), &r->time_ns);
}

/* --- times --------------------------------------------------------------------------------------------------------- */

/* By its number of digits; a fraction is of the unit, and as fine as it can be. */
static bool unix_time(struct slice s, int64_t *ns)
{
    static const struct {
        uint64_t below, unit_ns;
    } units[] = {
        { UINT64_C(100000000000), 1000000000 }, /* seconds, until the year 5138 */
        { UINT64_C(100000000000000), 1000000 },
        { UINT64_C(100000000000000000), 1000 },
        { INT64_MAX, 1 },
    };
    uint64_t whole, sum, unit;
    size_t i = 0;

    if (!slice_u64(&s, INT64_MAX - 1, &whole))
        return false;
    while (whole >= units[i].below)
        i++;
    unit = units[i].unit_ns;
    if (whole > INT64_MAX / unit - 1)
        return false;
    sum = whole * unit;
    if (s.n > 0 && s.p[0] == '.') {
        s = slice_from(s, 1);
        for (; s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9'; s = slice_from(s, 1)) {
            unit /= 10;
            sum += (uint64_t)(s.p[0] - '0') * unit;
        }
    }
    *ns = (int64_t)sum;
    return s.n == 0;
}

bool em_answer_time(struct slice text, int64_t *ns)
{
    struct slice s = slice_trim(text);
    int64_t us = 0, read_ns;

    if (unix_time(s, &read_ns) && read_ns > 0) {
        *ns = read_ns;
        return true;
    }
    if (s.n == 0)
        return false;
    (void)line_classify(s, &us);
    if (us <= 0 || us > INT64_MAX / 1000)
        return false;
    *ns = us * 1000;
    return true;
}
