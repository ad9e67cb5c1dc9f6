/* SPDX-License-Identifier: GPL-3.0-or-later
 * SNMP as a source: which objects, computed from the catalogue; GETs in batches, tables column by column side by side with GETBULK.
 * How packets come and go is in snmp_session.c. */
#include <config.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "plugins/guard.h"
#include "plugins/snmp_session.h"
#include "plugins/source.h"

enum {
    BATCH = 20,      /* objects of one GET: the answer fits one Ethernet frame */
    REPETITIONS = 8, /* of a GETBULK */
    COLUMNS_MAX = 8,
    INDEX_MAX = 4,
    OID_ROOM = 32 + INDEX_MAX
};

static const oid root[] = { EM_MIB_ROOT_LIST };
enum { ROOT_LEN = sizeof root / sizeof *root, OBJECTS_ARC = 1, ENTRY_ARC = 1 };
_Static_assert(ROOT_LEN + 4 + INDEX_MAX <= OID_ROOM, "the MIB root is too long");

struct object {
    oid name[OID_ROOM];
    size_t n;
};

/* root.1.ARC.SUBID.0 */
static struct object scalar(const struct em_table *t, const struct em_field *f)
{
    struct object o = { .n = ROOT_LEN };

    memcpy(o.name, root, sizeof root);
    o.name[o.n++] = OBJECTS_ARC;
    o.name[o.n++] = t->arc;
    o.name[o.n++] = f->subid;
    o.name[o.n++] = 0;
    return o;
}

/* root.1.ARC.1.SUBID, to which the index is appended */
static struct object column(const struct em_table *t, const struct em_field *f)
{
    struct object o = scalar(t, f);

    o.name[ROOT_LEN + 2] = ENTRY_ARC;
    o.name[ROOT_LEN + 3] = f->subid;
    return o;
}

/* DateAndTime: 8 octets UTC or 11 with an offset, zeros when never. */
static int64_t date_and_time(const u_char *p, size_t n)
{
    struct tm tm;
    int64_t offset = 0;

    if ((n != 8 && n != 11) || p[2] == 0)
        return 0;
    tm = (struct tm) { .tm_year = (p[0] << 8 | p[1]) - 1900,
                       .tm_mon = p[2] - 1,
                       .tm_mday = p[3],
                       .tm_hour = p[4],
                       .tm_min = p[5],
                       .tm_sec = p[6] };
    if (n == 11)
        offset = (p[8] == '-' ? 60 : -60) * (p[9] * 60 + p[10]);
    return ((int64_t)timegm(&tm) + offset) * EM_US_PER_S + p[7] * INT64_C(100000);
}

/* One cell by its field's kind; false: the agent's type is not the MIB's. */
static bool set_cell(const struct em_field *f, void *row, const netsnmp_variable_list *v)
{
    switch (f->kind) {
    case EM_KIND_TEXT:
        if (v->type == ASN_OCTET_STR)
            fact_set_text(f, row, v->val_len ? (const char *)v->val.string : "", v->val_len);
        return v->type == ASN_OCTET_STR;
    case EM_KIND_TIME:
        if (v->type == ASN_OCTET_STR)
            fact_set_time(f, row, date_and_time(v->val.string, v->val_len));
        return v->type == ASN_OCTET_STR;
    case EM_KIND_STAMP: /* relative to the agent's start: of no use here */
        return v->type == ASN_TIMETICKS;
    case EM_KIND_COUNTER:
        if (v->type == ASN_COUNTER64)
            fact_set_number(f, row,
                            (uint64_t)(v->val.counter64->high & 0xFFFFFFFF) << 32 |
                                (v->val.counter64->low & 0xFFFFFFFF));
        return v->type == ASN_COUNTER64;
    case EM_KIND_ENUM: /* a value that this version does not know stays 0 and is judged as unknown */
        if (v->type == ASN_INTEGER && *v->val.integer >= 1 && (u_long)*v->val.integer <= f->names->n)
            fact_set_number(f, row, (uint64_t)*v->val.integer);
        return v->type == ASN_INTEGER;
    default:
        if (v->type == ASN_GAUGE)
            fact_set_number(f, row, (uint64_t)*v->val.integer & 0xFFFFFFFF);
        return v->type == ASN_GAUGE;
    }
}

static bool missing(const netsnmp_variable_list *v)
{
    return v->type == SNMP_NOSUCHOBJECT || v->type == SNMP_NOSUCHINSTANCE || v->type == SNMP_ENDOFMIBVIEW;
}

static int bad_type(const struct em_table *t, const struct em_field *f, struct em_why *why)
{
    return em_fail(why, EM_ERR_INPUT, "%s%s has a type that is not the MIB's: is another agent on that OID?",
                   t->snmp, f->snmp);
}

static int not_there(const struct em_table *t, const struct em_field *f, struct em_why *why)
{
    return em_fail(why, EM_ERR_NOT_FOUND,
                   "snmpd answers, but has no %s%s: its view must include .%s, and edgemediad must be "
                   "connected to it (AgentX)",
                   t->snmp, f->snmp, EM_MIB_ROOT);
}

/* What is asked for in GETs. */
struct want {
    const struct em_table *table;
    const struct em_field *field;
    void *row;
};
enum { WANTS_MAX = 64 };

static int get_batch(struct snmp_session_state *s, const struct want *w, size_t n, struct em_why *why)
{
    netsnmp_pdu *pdu = snmp.snmp_pdu_create(SNMP_MSG_GET), *answer = NULL;
    const netsnmp_variable_list *v;
    size_t i = 0;
    int err;

    if (!pdu)
        return em_fail(why, EM_ERR_MEMORY, "no memory");
    for (i = 0; i < n; i++) {
        struct object o = scalar(w[i].table, w[i].field);

        snmp.snmp_add_null_var(pdu, o.name, o.n);
    }
    if ((err = snmp_session_ask(s, pdu, &answer, why)) < 0)
        return err;
    for (v = answer->variables, i = 0; v && i < n && err == 0; v = v->next_variable, i++) {
        struct object o = scalar(w[i].table, w[i].field);

        if (snmp.snmp_oid_compare(v->name, v->name_length, o.name, o.n) != 0)
            err = em_fail(why, EM_ERR_INPUT, "snmpd's answer names other objects than were asked for");
        else if (missing(v))
            err = not_there(w[i].table, w[i].field, why);
        else if (!set_cell(w[i].field, w[i].row, v))
            err = bad_type(w[i].table, w[i].field, why);
    }
    if (err == 0 && i < n)
        err = em_fail(why, EM_ERR_INPUT, "snmpd's answer has fewer objects than were asked for");
    snmp.snmp_free_pdu(answer);
    return err;
}

static void want_all(struct want *w, size_t *n, enum em_table_id id, const char *const *only, void *row)
{
    const struct em_table *t = &em_catalogue[id];

    for (size_t i = 0; !only && i < t->fields_n && *n < WANTS_MAX; i++)
        if (t->fields[i].subid)
            w[(*n)++] = (struct want) { t, &t->fields[i], row };
    for (; only && *only && *n < WANTS_MAX; only++)
        w[(*n)++] = (struct want) { t, em_field_find(t, *only), row };
}

static int get_scalars(struct snmp_session_state *s, const struct mode_def *mode, struct facts *f,
                       struct em_why *why)
{
    struct want wants[WANTS_MAX];
    size_t n = 0;
    int err = 0;

    want_all(wants, &n, EM_T_DAEMON, fact_daemon_fields, &f->daemon);
    if (mode->calls) {
        want_all(wants, &n, EM_T_TOTALS, NULL, &f->totals);
        want_all(wants, &n, EM_T_WINDOWS, NULL, &f->windows);
    }
    for (size_t at = 0; at < n && err == 0; at += BATCH)
        err = get_batch(s, wants + at, n - at < BATCH ? n - at : BATCH, why);
    return err;
}

/* A walk over several columns side by side; each has its own place, since an agent may lack a cell. */
struct walk {
    const struct em_table *table;
    struct fact_rows *rows;
    struct {
        const struct em_field *field;
        struct object base, last;
        bool done;
    } col[COLUMNS_MAX];
    size_t n;
};

static int compare_index(const void *row, const uint32_t *index, size_t n)
{
    const uint32_t *own = row;

    for (size_t i = 0; i < n; i++)
        if (own[i] != index[i])
            return own[i] < index[i] ? -1 : 1;
    return 0;
}

/* The row with this index, made when it is new. Rows come in order, so the place is nearly always the end. */
static void *row_of(struct fact_rows *rows, const uint32_t *index, size_t index_n)
{
    size_t low = 0, high = rows->n;
    uint32_t *row;

    if (rows->n > 0 && compare_index(fact_row(rows, rows->n - 1), index, index_n) < 0)
        low = rows->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_index(fact_row(rows, middle), index, index_n);

        if (order == 0)
            return fact_row(rows, middle);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if ((row = fact_rows_insert(rows, low)))
        memcpy(row, index, index_n * sizeof *index);
    return row;
}

/* One cell of a column: 1 taken, 0 the column is over, negative: failed. */
static int take_cell(struct walk *w, size_t c, const netsnmp_variable_list *v, struct em_why *why)
{
    const struct object *base = &w->col[c].base;
    struct object *last = &w->col[c].last;
    uint32_t index[INDEX_MAX];
    size_t index_n = w->table->index_n;
    void *row;

    if (missing(v) || v->name_length < base->n ||
        snmp.snmp_oid_compare(v->name, base->n, base->name, base->n) != 0)
        return 0;
    if (v->name_length != base->n + index_n ||
        snmp.snmp_oid_compare(v->name, v->name_length, last->name, last->n) <= 0)
        return em_fail(why, EM_ERR_INPUT,
                       "snmpd's answers for %sTable are not in order, or its index is not the MIB's",
                       w->table->snmp);
    memcpy(last->name, v->name, v->name_length * sizeof *v->name);
    last->n = v->name_length;
    for (size_t i = 0; i < index_n; i++)
        index[i] = (uint32_t)v->name[base->n + i];
    if (!(row = row_of(w->rows, index, index_n)))
        return em_fail(why, EM_ERR_LIMIT, "no room for more than %zu rows of %sTable", w->rows->n,
                       w->table->snmp);
    return set_cell(w->col[c].field, row, v) ? 1 : bad_type(w->table, w->col[c].field, why);
}

/* One GETBULK over the columns that are not done. *active: how many it asked for. */
static int walk_step(struct snmp_session_state *s, struct walk *w, size_t *active, struct em_why *why)
{
    netsnmp_pdu *pdu = snmp.snmp_pdu_create(SNMP_MSG_GETBULK), *answer = NULL;
    size_t asked[COLUMNS_MAX], n = 0, i = 0;
    int err;

    if (!pdu)
        return em_fail(why, EM_ERR_MEMORY, "no memory");
    pdu->non_repeaters = 0;
    pdu->max_repetitions = REPETITIONS;
    for (size_t c = 0; c < w->n; c++) {
        if (w->col[c].done)
            continue;
        snmp.snmp_add_null_var(pdu, w->col[c].last.name, w->col[c].last.n);
        asked[n++] = c;
    }
    *active = n;
    if (n == 0) {
        snmp.snmp_free_pdu(pdu);
        return 0;
    }
    if ((err = snmp_session_ask(s, pdu, &answer, why)) < 0)
        return err;
    for (const netsnmp_variable_list *v = answer->variables; v && err >= 0; v = v->next_variable, i++) {
        size_t c = asked[i % n];

        if (!w->col[c].done && (err = take_cell(w, c, v, why)) == 0)
            w->col[c].done = true;
    }
    if (err >= 0 && i < n)
        err = em_fail(why, EM_ERR_INPUT, "snmpd's answer has fewer objects than were asked for");
    snmp.snmp_free_pdu(answer);
    return err < 0 ? err : 0;
}

static int walk(struct snmp_session_state *s, struct fact_rows *rows, const char *const *fields,
                struct em_why *why)
{
    struct walk w = { .table = &em_catalogue[rows->table], .rows = rows };
    size_t active = 1;
    int err = 0;

    for (; *fields && w.n < COLUMNS_MAX; fields++, w.n++) {
        w.col[w.n].field = em_field_find(w.table, *fields);
        w.col[w.n].base = w.col[w.n].last = column(w.table, w.col[w.n].field);
    }
    while (err == 0 && active > 0)
        err = walk_step(s, &w, &active, why);
    return err;
}

int source_snmp(const struct conf *c, struct facts *f, struct em_why *why)
{
    const struct mode_def *mode = &mode_defs[c->mode];
    struct snmp_session_state s;
    int err = snmp_session_open(&s, c, f->origin, sizeof f->origin, why);

    if (err < 0)
        return err;
    err = get_scalars(&s, mode, f, why);
    if (err == 0 && mode->checks)
        err = walk(&s, &f->checks, fact_check_fields, why);
    if (err == 0 && mode->checks && (err = walk(&s, &f->ranges, fact_range_fields, why)) == 0)
        err = facts_ranges_as_checks(f, why);
    if (err == 0 && mode->sources)
        err = walk(&s, &f->sources, fact_source_fields, why);
    if (err == 0 && mode->findings)
        err = walk(&s, &f->findings, fact_finding_fields, why);
    snmp_session_close(&s);
    f->have_calls = f->have_windows = mode->calls;
    f->have_checks = mode->checks;
    f->have_sources = mode->sources;
    f->have_findings = mode->findings;
    return err;
}
