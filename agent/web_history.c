/* SPDX-License-Identifier: GPL-3.0-or-later
 * /api/v1/history: which series there are, and how each is written. */
#include "agent/web_history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/esc.h"
#include "store/history.h"

/* What is needed while an answer is written. */
struct answer {
    struct em_store *store;
    const struct em_snapshot *snapshot;
    struct buf *to;
    struct em_history_frame frame;
    const char *edge, *check; /* "": any */
    uint64_t *values;
    struct em_history_probe *slots;
    bool first, truncated;
    struct em_why *why;
};

struct series;
typedef int (*series_fn)(struct answer *a, const struct series *series);

struct series {
    const char *name;
    series_fn write;
    uint32_t id; /* of an event or a phase */
    size_t off;  /* of a path's number in struct em_history_probe */
    bool of_paths;
};

static void open_series(struct answer *a, const char *name)
{
    buf_print(a->to, "%s{\"series\":\"%s\",", a->first ? "" : ",", name);
    a->first = false;
}

static int write_calls(struct answer *a, const char *name, const char *label, enum em_history_kind kind,
                       uint32_t id)
{
    int err = em_store_history(a->store, kind, id, &a->frame, a->values, a->why);

    if (err < 0)
        return err;
    open_series(a, name);
    buf_print(a->to, "%s\"values\":[", label);
    for (uint32_t i = 0; i < a->frame.n; i++)
        buf_print(a->to, "%s%" PRIu64, i > 0 ? "," : "", a->values[i]);
    buf_text(a->to, "]}");
    return 0;
}

static int events(struct answer *a, const struct series *series)
{
    return write_calls(a, series->name, "", EM_HISTORY_EVENT, series->id);
}

/* The most calls first. */
static int by_calls(const void *x, const void *y)
{
    const struct em_code_row *const *a = x, *const *b = y;

    if ((*a)->calls != (*b)->calls)
        return (*a)->calls > (*b)->calls ? -1 : 1;
    return (*a)->number < (*b)->number ? -1 : (*a)->number > (*b)->number;
}

static int codes(struct answer *a, const struct series *series)
{
    const struct em_code_row *row[EM_CODES_MAX] = { NULL };
    size_t n = 0;
    int err = 0;

    for (size_t i = 0; i < a->snapshot->t[EM_T_CODE].n && n < EM_CODES_MAX; i++) {
        row[n] = em_snapshot_row(a->snapshot, EM_T_CODE, i);
        n += row[n]->calls > 0 ? 1 : 0;
    }
    qsort(row, n, sizeof *row, by_calls);
    a->truncated = a->truncated || n > EM_WEB_HISTORY_CODES_MAX;
    for (size_t i = 0; i < n && i < EM_WEB_HISTORY_CODES_MAX && err == 0; i++) {
        char text[32];
        struct buf label = buf_over(text, sizeof text);

        buf_print(&label, "\"code\":%" PRIu32 ",", row[i]->number);
        err = write_calls(a, series->name, buf_str(&label), EM_HISTORY_CODE, row[i]->number);
    }
    return err;
}

static int ice_warnings(struct answer *a, const struct series *series)
{
    int err = 0;

    for (size_t i = 0; i < a->snapshot->t[EM_T_ICE].n && err == 0; i++) {
        const struct em_ice_row *row = em_snapshot_row(a->snapshot, EM_T_ICE, i);
        char text[EM_TEXT_MAX];
        struct buf label = buf_over(text, sizeof text);

        buf_print(&label, "\"value\":\"%s\",\"name\":\"%s\",", row->value, row->name);
        if (row->calls > 0)
            err = write_calls(a, series->name, buf_str(&label), EM_HISTORY_ICE, row->bit - 1);
    }
    return err;
}

static int media(struct answer *a, const struct series *series)
{
    int err = 0;

    for (size_t i = 0; i < a->snapshot->t[EM_T_MEDIA].n && err == 0; i++) {
        const struct em_media_row *row = em_snapshot_row(a->snapshot, EM_T_MEDIA, i);
        char text[EM_TEXT_MAX];
        struct buf label = buf_over(text, sizeof text);

        buf_print(&label, "\"media\":\"%s\",", row->name);
        err = write_calls(a, series->name, buf_str(&label), EM_HISTORY_MEDIA, row->media - 1);
    }
    return err;
}

static void member(struct buf *to, const char *name, const char *text)
{
    buf_print(to, "\"%s\":\"", name);
    esc_json(to, slice_of(text));
    buf_text(to, "\",");
}

static int by_failures(const void *x, const void *y)
{
    const struct em_peer_row *const *a = x, *const *b = y;

    if ((*a)->media_failures != (*b)->media_failures)
        return (*a)->media_failures > (*b)->media_failures ? -1 : 1;
    return (*a)->peer < (*b)->peer ? -1 : (*a)->peer > (*b)->peer;
}

/* Peers of the kind that is the series' id, and the others of it. */
static int peers(struct answer *a, const struct series *series)
{
    uint32_t others = series->id == EM_PEER_RELAY ? EM_PEER_OTHER_RELAYS : EM_PEER_OTHER_DOMAINS;
    const struct em_peer_row *row[EM_PEERS_MAX] = { NULL };
    size_t n = 0;
    int err = 0;

    for (size_t i = 0; i < a->snapshot->t[EM_T_PEER].n && n < EM_PEERS_MAX; i++) {
        row[n] = em_snapshot_row(a->snapshot, EM_T_PEER, i);
        n += row[n]->kind == series->id || row[n]->kind == others ? 1 : 0;
    }
    qsort(row, n, sizeof *row, by_failures);
    a->truncated = a->truncated || n > EM_WEB_HISTORY_CODES_MAX;
    for (size_t i = 0; i < n && i < EM_WEB_HISTORY_CODES_MAX && err == 0; i++) {
        char text[2 * EM_TEXT_MAX];
        struct buf label = buf_over(text, sizeof text);

        member(&label, "kind", em_name_of(&em_peer_kind_names, row[i]->kind));
        member(&label, "peer", row[i]->name);
        err = write_calls(a, series->name, buf_str(&label), EM_HISTORY_PEER, row[i]->peer);
    }
    return err;
}

/* --- paths ---------------------------------------------------------------------------------------------------------- */

struct path {
    uint32_t edge, item, address;
    const char *edge_name, *name, *text;
};

static void write_verdict(struct buf *to, const struct em_history_probe *p)
{
    if (p->verdict > 0)
        buf_print(to, "\"%s\"", em_name_of(&em_verdict_names, (uint32_t)p->verdict));
    else
        buf_text(to, "null");
}

static void write_slot(struct buf *to, const struct series *series, const struct em_history_probe *p)
{
    uint64_t n = *(const uint64_t *)(const void *)((const char *)p + series->off);
    bool phase = series->off >= offsetof(struct em_history_probe, us) &&
                 series->off < offsetof(struct em_history_probe, us) + sizeof p->us;

    if (series->off == offsetof(struct em_history_probe, verdict))
        write_verdict(to, p);
    else if (phase && n == 0)
        buf_text(to, "null");
    else
        buf_print(to, "%" PRIu64, n);
}

static int write_path(struct answer *a, const struct series *series, const struct path *p)
{
    int err = em_store_path_history(a->store, p->edge, p->item, p->address, &a->frame, a->slots, a->why);

    if (err < 0)
        return err;
    open_series(a, series->name);
    member(a->to, "edge", p->edge_name);
    member(a->to, "check", p->name);
    member(a->to, "address", p->text);
    buf_text(a->to, "\"values\":[");
    for (uint32_t i = 0; i < a->frame.n; i++) {
        buf_text(a->to, i > 0 ? "," : "");
        write_slot(a->to, series, &a->slots[i]);
    }
    buf_text(a->to, "]}");
    return 0;
}

static struct path path_of(const struct em_snapshot *s, enum em_table_id t, size_t i)
{
    if (t == EM_T_CHECK) {
        const struct em_check_row *row = em_snapshot_row(s, t, i);

        return (struct path) { row->edge,      row->check, row->address_index,
                               row->edge_name, row->name,  row->address };
    } else {
        const struct em_range_row *row = em_snapshot_row(s, t, i);

        return (struct path) { row->edge, row->range, 1, row->edge_name, row->name, "" };
    }
}

static int paths(struct answer *a, const struct series *series)
{
    static const enum em_table_id tables[] = { EM_T_CHECK, EM_T_RANGE };
    size_t written = 0;
    int err = 0;

    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (size_t i = 0; i < a->snapshot->t[tables[t]].n && err == 0; i++) {
            struct path p = path_of(a->snapshot, tables[t], i);

            if (strcmp(p.edge_name, a->edge) != 0 || (*a->check && strcmp(p.name, a->check) != 0))
                continue;
            if (written++ < EM_WEB_HISTORY_PATHS_MAX)
                err = write_path(a, series, &p);
            else
                a->truncated = true;
        }
    return err;
}

#define PATH(name, member)                                                                                   \
    {                                                                                                        \
        name, paths, 0, offsetof(struct em_history_probe, member), true                                      \
    }
static const struct series all_series[] = {
    { "media_failures", events, 0, 0, false },
    { "code_23", events, 1, 0, false },
    { "tcp_nat_check", events, 2, 0, false },
    { "code_23_tcp_nat", events, 3, 0, false },
    { "codes", codes, 0, 0, false },
    { "ice_warnings", ice_warnings, 0, 0, false },
    { "media", media, 0, 0, false },
    { "relays", peers, EM_PEER_RELAY, 0, false },
    { "domains", peers, EM_PEER_DOMAIN, 0, false },
    PATH("verdict", verdict),
    PATH("probes", probes),
    PATH("failed_probes", failed_probes),
    PATH("rtt_us", us[EM_HISTORY_RTT]),
    PATH("resolve_us", us[EM_HISTORY_RESOLVE]),
    PATH("connect_us", us[EM_HISTORY_CONNECT]),
    PATH("tls_us", us[EM_HISTORY_TLS]),
    PATH("stun_us", us[EM_HISTORY_STUN]),
    PATH("allocate_us", us[EM_HISTORY_ALLOCATE]),
    PATH("relay_us", us[EM_HISTORY_RELAY]),
    PATH("stun_retransmits", stun_retransmits),
    PATH("tcp_retransmits", tcp_retransmits),
};
enum { SERIES = sizeof all_series / sizeof *all_series };

/* --- the page ------------------------------------------------------------------------------------------------------- */

static const char *const ranges[EM_HISTORY_RANGES] = { "1h", "24h", "7d", "60d" };

static int write_named(struct answer *a, struct slice name)
{
    for (size_t i = 0; i < SERIES; i++) {
        if (!slice_eq(name, slice_of(all_series[i].name)))
            continue;
        if (all_series[i].of_paths && !*a->edge)
            return em_fail(a->why, EM_ERR_INPUT,
                           "series %s is of the checks of one edge: add edge=", all_series[i].name);
        return all_series[i].write(a, &all_series[i]);
    }
    return em_fail(a->why, EM_ERR_INPUT, "a series is not known; doc/store.md lists those that are there");
}

static int write_all(struct answer *a, const char *names)
{
    struct slice rest = slice_of(names), one;
    int err = 0;

    while (err == 0 && rest.n > 0) {
        if (!slice_until(&rest, ',', &one)) {
            one = rest;
            rest = slice_from(rest, rest.n);
        }
        err = write_named(a, one);
    }
    return err;
}

static bool find_range(const char *word, size_t *range)
{
    for (*range = 0; *range < EM_HISTORY_RANGES; ++*range)
        if (strcmp(word, ranges[*range]) == 0)
            return true;
    return false;
}

void em_web_history(const struct em_web_source *source, const struct em_web_request *request,
                    struct em_web_page *page)
{
    char names[EM_WEB_HISTORY_QUERY_MAX] = "media_failures,code_23,tcp_nat_check,code_23_tcp_nat";
    char edge[EM_NAME_MAX + 1] = "", check[EM_NAME_MAX + 1] = "", word[8] = "24h";
    struct em_why why;
    struct answer a = { .store = source->store(source->arg),
                        .snapshot = source->snapshot(source->arg),
                        .to = &page->body,
                        .edge = edge,
                        .check = check,
                        .first = true,
                        .why = &why };
    size_t range;
    int err;

    (void)em_web_parameter(request->query, "series", names, sizeof names);
    (void)em_web_parameter(request->query, "edge", edge, sizeof edge);
    (void)em_web_parameter(request->query, "check", check, sizeof check);
    (void)em_web_parameter(request->query, "range", word, sizeof word);
    if (!find_range(word, &range)) {
        em_web_refuse(page, 400, "range is not 1h, 24h, 7d or 60d");
        return;
    }
    a.frame = em_history_frame((enum em_history_range)range, a.snapshot->wall_us);
    a.values = calloc(EM_HISTORY_SLOTS_MAX, sizeof *a.values);
    a.slots = calloc(EM_HISTORY_SLOTS_MAX, sizeof *a.slots);
    page->type = EM_WEB_JSON;
    buf_print(&page->body,
              "{\"schema_version\":1,\"range\":\"%s\",\"start\":%" PRId64 ",\"step\":%" PRIu32
              ",\"slots\":%" PRIu32 ",\"series\":[",
              word, a.frame.start_s, a.frame.step_s, a.frame.n);
    err = a.values && a.slots ? write_all(&a, names)
                              : em_fail(&why, EM_ERR_MEMORY, "no memory for the history");
    if (err < 0)
        em_web_refuse(page, err == EM_ERR_INPUT ? 400 : 500, why.text);
    else
        buf_print(&page->body, "],\"truncated\":%s}\n", a.truncated ? "true" : "false");
    free(a.values);
    free(a.slots);
}
