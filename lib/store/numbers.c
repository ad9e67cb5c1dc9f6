/* SPDX-License-Identifier: GPL-3.0-or-later
 * The counters: loaded at open, saved by what a transaction changed, and the minutes that the window gauges are summed from. */
#include <string.h>

#include "evidence/count.h"
#include "store/state.h"

#define US_PER_MINUTE (60 * EM_US_PER_S)

/* Counters with names of their own in the database. */
struct named {
    const char *name;
    size_t off;
};

#define NAMED(type, member)                                                                                  \
    {                                                                                                        \
#member, offsetof(struct type, member)                                                               \
    }
static const struct named total_names[] = {
    NAMED(em_totals, bytes),         NAMED(em_totals, messages),        NAMED(em_totals, reports),
    NAMED(em_totals, duplicates),    NAMED(em_totals, unkeyed),         NAMED(em_totals, malformed),
    NAMED(em_totals, calls),         NAMED(em_totals, media_failures),  NAMED(em_totals, code_23),
    NAMED(em_totals, tcp_nat_check), NAMED(em_totals, code_23_tcp_nat),
};

/* What is no counter, but kept like one. */
static const struct named own_names[] = {
    NAMED(em_store_numbers, last_id),
    NAMED(em_store_numbers, keys_to),
    NAMED(em_store_numbers, stale_keys),
};

#define SOURCE(member)                                                                                       \
    {                                                                                                        \
        "source_" #member, offsetof(struct em_store_source, member)                                          \
    }
static const struct named source_names[] = {
    SOURCE(bytes),     SOURCE(messages), SOURCE(reports),  SOURCE(duplicates), SOURCE(unkeyed),
    SOURCE(malformed), SOURCE(missed),   SOURCE(repeated), SOURCE(read_us),    SOURCE(report_us),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint64_t *at(void *base, size_t off)
{
    return (uint64_t *)(void *)((char *)base + off);
}

static uint64_t value_of(const void *base, size_t off)
{
    return *(const uint64_t *)(const void *)((const char *)base + off);
}

struct em_store_source *em_store_numbers_source(struct em_store_numbers *n, uint32_t source)
{
    for (size_t i = 0; i < n->sources_n; i++)
        if (n->source[i].source == source)
            return &n->source[i];
    if (n->sources_n == EM_STORE_SOURCES_MAX)
        return NULL;
    n->source[n->sources_n] = (struct em_store_source) { .source = source };
    return &n->source[n->sources_n++];
}

/* Adds to the code's counter; makes it when it is the first. Codes beyond the maximum, and those too large to be an SNMP index,
 * are counted in the totals only. */
void em_store_numbers_code(struct em_store_numbers *n, uint32_t code, uint64_t calls)
{
    size_t i = 0;

    while (i < n->codes_n && n->code[i].code < code)
        i++;
    if (i == n->codes_n || n->code[i].code != code) {
        if (n->codes_n == EM_CODES_MAX || code >= INT32_MAX)
            return;
        memmove(&n->code[i + 1], &n->code[i], (n->codes_n - i) * sizeof n->code[0]);
        n->code[i] = (struct em_store_code) { code, 0 };
        n->codes_n++;
    }
    n->code[i].calls += calls;
}

/* The slot of a minute, emptied if it held an older one; NULL: it holds a newer one, this one is of no window any more. */
static struct em_store_minute *slot(struct em_store_numbers *n, int64_t minute)
{
    struct em_store_minute *m = &n->minute[minute % EM_STORE_MINUTES];

    if (m->minute > minute)
        return NULL;
    if (m->minute < minute)
        *m = (struct em_store_minute) { .minute = minute };
    return m;
}

void em_store_numbers_event(struct em_store_numbers *n, int64_t at_us, int event)
{
    struct em_store_minute *m = at_us > 0 ? slot(n, at_us / US_PER_MINUTE) : NULL;

    if (m)
        m->n[event]++;
}

/* A window holds the minute that runs and as many whole ones before it as it is long: nothing leaves it early. */
void em_store_windows(const struct em_store_numbers *n, int64_t now_us, struct em_windows *w)
{
    static const int64_t length[3] = { 5, 60, EM_STORE_WINDOW_MINUTES };
    uint64_t sum[EM_STORE_EVENTS][3] = { 0 };
    int64_t now = now_us / US_PER_MINUTE;

    for (size_t i = 0; i < EM_STORE_MINUTES; i++) {
        const struct em_store_minute *m = &n->minute[i];

        for (size_t l = 0; l < 3; l++)
            for (size_t e = 0; e < EM_STORE_EVENTS && m->minute <= now && m->minute >= now - length[l]; e++)
                sum[e][l] += m->n[e];
    }
    *w = (struct em_windows) {
        .media_failures_5m = sum[0][0],
        .media_failures_1h = sum[0][1],
        .media_failures_1d = sum[0][2],
        .code_23_5m = sum[1][0],
        .code_23_1h = sum[1][1],
        .code_23_1d = sum[1][2],
        .tcp_nat_check_5m = sum[2][0],
        .tcp_nat_check_1h = sum[2][1],
        .tcp_nat_check_1d = sum[2][2],
        .code_23_tcp_nat_5m = sum[3][0],
        .code_23_tcp_nat_1h = sum[3][1],
        .code_23_tcp_nat_1d = sum[3][2],
    };
}

void em_store_numbers_copy(struct em_store_numbers *to, const struct em_store_numbers *from)
{
    to->totals = from->totals;
    memcpy(to->ice, from->ice, sizeof to->ice);
    memcpy(to->media, from->media, sizeof to->media);
    memcpy(to->code, from->code, from->codes_n * sizeof from->code[0]);
    to->codes_n = from->codes_n;
    memcpy(to->minute, from->minute, sizeof to->minute);
    memcpy(to->source, from->source, from->sources_n * sizeof from->source[0]);
    to->sources_n = from->sources_n;
    to->last_id = from->last_id;
    to->keys_to = from->keys_to;
    to->stale_keys = from->stale_keys;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

/* One row of the counter table to its place. Names that are not known are a later version's, left alone. */
static void load_counter(struct em_store_numbers *n, const char *name, int64_t id, uint64_t value)
{
    struct em_store_source *source;

    for (size_t i = 0; i < COUNT(total_names); i++)
        if (strcmp(name, total_names[i].name) == 0)
            *at(&n->totals, total_names[i].off) = value;
    for (size_t i = 0; i < COUNT(own_names); i++)
        if (strcmp(name, own_names[i].name) == 0)
            *at(n, own_names[i].off) = value;
    for (size_t i = 0; i < COUNT(source_names); i++)
        if (strcmp(name, source_names[i].name) == 0 && (source = em_store_numbers_source(n, (uint32_t)id)))
            *at(source, source_names[i].off) = value;
    if (strcmp(name, "code") == 0)
        em_store_numbers_code(n, (uint32_t)id, value);
    if (strcmp(name, "ice") == 0 && id >= 0 && id < EM_ICE_BITS)
        n->ice[id] = value;
    if (strcmp(name, "media") == 0 && id >= 0 && id < EM_MEDIA_COUNT)
        n->media[id] = value;
}

static int load_counters(struct em_store *s, struct em_why *why)
{
    sqlite3_stmt *st = s->db.stmt[EM_SQL_COUNTERS];
    int rc;

    while ((rc = em_db_step(&s->db, EM_SQL_COUNTERS, why)) == 1) {
        const unsigned char *name = sqlite3_column_text(st, 0);

        if (name)
            load_counter(&s->now, (const char *)name, sqlite3_column_int64(st, 1), em_db_u64(st, 2));
    }
    return rc;
}

static int load_minutes(struct em_store *s, struct em_why *why)
{
    sqlite3_stmt *st = s->db.stmt[EM_SQL_MINUTES];
    int rc;

    while ((rc = em_db_step(&s->db, EM_SQL_MINUTES, why)) == 1) {
        int64_t minute = sqlite3_column_int64(st, 0);
        struct em_store_minute *m = minute > 0 ? slot(&s->now, minute) : NULL;

        for (int e = 0; m && e < EM_STORE_EVENTS; e++)
            m->n[e] = em_db_u32(st, e + 1);
    }
    return rc;
}

int em_store_numbers_load(struct em_store *s, struct em_why *why)
{
    int rc;

    for (size_t i = 0; i < em_codes_known_n; i++)
        em_store_numbers_code(&s->now, em_codes_known[i], 0);
    if ((rc = em_db_step(&s->db, EM_SQL_META, why)) < 0)
        return rc;
    if (rc == 1) {
        s->now.totals.discontinuity_time = sqlite3_column_int64(s->db.stmt[EM_SQL_META], 0);
        em_db_reset(&s->db, EM_SQL_META);
    }
    if ((rc = load_counters(s, why)) < 0 || (rc = load_minutes(s, why)) < 0)
        return rc;
    em_store_numbers_copy(&s->next, &s->now);
    return 0;
}

/* --- saving ------------------------------------------------------------------------------------------------------- */

static int save(struct em_store *s, const char *name, int64_t id, uint64_t before, uint64_t value,
                struct em_why *why)
{
    if (before == value)
        return 0;
    em_db_bind_text(em_db_bind(&s->db, EM_SQL_COUNTER_SET, EM_DB_INTS(id, (int64_t)value)), 3, name);
    return em_db_step(&s->db, EM_SQL_COUNTER_SET, why);
}

static int save_array(struct em_store *s, const char *name, const uint64_t *before, const uint64_t *values,
                      size_t n, struct em_why *why)
{
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++)
        err = save(s, name, (int64_t)i, before[i], values[i], why);
    return err;
}

static int save_named(struct em_store *s, const struct named *names, size_t n, int64_t id, const void *before,
                      const void *values, struct em_why *why)
{
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++)
        err = save(s, names[i].name, id, value_of(before, names[i].off), value_of(values, names[i].off), why);
    return err;
}

/* Both lists ascend, and next has all that now has. */
static int save_codes(struct em_store *s, struct em_why *why)
{
    int err = 0;

    for (size_t i = 0, k = 0; i < s->next.codes_n && err == 0; i++) {
        const struct em_store_code *code = &s->next.code[i];
        bool old = k < s->now.codes_n && s->now.code[k].code == code->code;

        err = save(s, "code", code->code, old ? s->now.code[k].calls : 0, code->calls, why);
        k += old;
    }
    return err;
}

static int save_sources(struct em_store *s, struct em_why *why)
{
    static const struct em_store_source none;
    int err = 0;

    for (size_t i = 0; i < s->next.sources_n && err == 0; i++)
        err = save_named(s, source_names, COUNT(source_names), s->next.source[i].source,
                         i < s->now.sources_n ? &s->now.source[i] : &none, &s->next.source[i], why);
    return err;
}

static int save_minutes(struct em_store *s, struct em_why *why)
{
    int64_t oldest = em_wall_us(s->clock) / US_PER_MINUTE - EM_STORE_MINUTES;
    int err = 0;

    for (size_t i = 0; i < EM_STORE_MINUTES && err == 0; i++) {
        const struct em_store_minute *m = &s->next.minute[i];

        if (memcmp(m, &s->now.minute[i], sizeof *m) != 0)
            err = em_db_run(&s->db, EM_SQL_MINUTE_SET,
                            EM_DB_INTS(m->minute, m->n[0], m->n[1], m->n[2], m->n[3]), why);
    }
    if (err == 0 && oldest > s->dropped_minute) {
        err = em_db_run(&s->db, EM_SQL_MINUTES_DROP, EM_DB_INTS(oldest), why);
        s->dropped_minute = oldest;
    }
    return err;
}

int em_store_numbers_save(struct em_store *s, struct em_why *why)
{
    int err;

    (void)((err = save_named(s, total_names, COUNT(total_names), 0, &s->now.totals, &s->next.totals, why)) !=
               0 ||
           (err = save_named(s, own_names, COUNT(own_names), 0, &s->now, &s->next, why)) != 0 ||
           (err = save_array(s, "ice", s->now.ice, s->next.ice, EM_ICE_BITS, why)) != 0 ||
           (err = save_array(s, "media", s->now.media, s->next.media, EM_MEDIA_COUNT, why)) != 0 ||
           (err = save_codes(s, why)) != 0 || (err = save_sources(s, why)) != 0 ||
           (err = save_minutes(s, why)) != 0);
    return err;
}
