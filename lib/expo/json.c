/* SPDX-License-Identifier: GPL-3.0-or-later
 * JSON faces: written as a stream, members in the order of the catalogue, so that the same snapshot gives the same bytes. */
#include "expo/expo.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/esc.h"
#include "probe/path_payload.h"

/* `open` writes the bracket; `key` and `item` write the comma that is due. */
struct json {
    struct buf *to;
    bool first;
};

static void open_with(struct json *j, char bracket)
{
    buf_u8(j->to, (uint8_t)bracket);
    j->first = true;
}

static void close_with(struct json *j, char bracket)
{
    buf_u8(j->to, (uint8_t)bracket);
    j->first = false;
}

static void item(struct json *j)
{
    if (!j->first)
        buf_u8(j->to, ',');
    j->first = false;
}

static void text(struct json *j, const char *s)
{
    buf_u8(j->to, '"');
    esc_json(j->to, slice_of(s));
    buf_u8(j->to, '"');
}

static void key(struct json *j, const char *name)
{
    item(j);
    text(j, name);
    buf_u8(j->to, ':');
}

static void member_text(struct json *j, const char *name, const char *s)
{
    key(j, name);
    text(j, s);
}

static void member_number(struct json *j, const char *name, uint64_t n)
{
    key(j, name);
    buf_print(j->to, "%" PRIu64, n);
}

static void member_signed(struct json *j, const char *name, int64_t n)
{
    key(j, name);
    buf_print(j->to, "%" PRId64, n);
}

static void member_time(struct json *j, const char *name, int64_t us)
{
    char t[EM_TIME_TEXT_MAX];

    em_time_text(us, t);
    member_text(j, name, t);
}

static void member_null(struct json *j, const char *name)
{
    key(j, name);
    buf_text(j->to, "null");
}

/* What the peer did not tell is null. */
static void member_text_or_null(struct json *j, const char *name, const char *s)
{
    if (*s)
        member_text(j, name, s);
    else
        member_null(j, name);
}

static void member_count(struct json *j, const char *name, uint64_t n)
{
    if (n > 0)
        member_number(j, name, n);
}

static void begin(struct json *j)
{
    open_with(j, '{');
    member_number(j, "schema_version", 1);
}

static void end(struct json *j)
{
    buf_text(j->to, "}\n");
}

/* ICE bits of a row whose ice_known says that there are none are null. */
static void field_ice(struct json *j, const struct em_table *t, const struct em_field *f, const void *row)
{
    const struct em_field *known = f->flags & EM_FIELD_ICE_KNOWN ? em_field_find(t, "ice_known") : NULL;

    key(j, f->json);
    if (known && strcmp(em_name_of(known->names, (uint32_t)em_field_number(known, row)), "true") != 0)
        buf_text(j->to, "null");
    else
        buf_print(j->to, "\"0x%" PRIx64 "\"", em_field_number(f, row));
}

static void field_enum(struct json *j, const struct em_field *f, const void *row)
{
    const char *name = em_name_of(f->names, (uint32_t)em_field_number(f, row));

    if (f->names != &em_truth_names) {
        member_text(j, f->json, name);
        return;
    }
    key(j, f->json);
    buf_text(j->to, strcmp(name, "true") == 0 ? "true" : "false");
}

static bool is_absent(const struct em_field *f, const void *row)
{
    bool if_zero = f->flags & EM_FIELD_ABSENT_IF_ZERO;

    switch (f->kind) {
    case EM_KIND_TIME:
    case EM_KIND_STAMP:
        return em_field_time(f, row) == 0;
    case EM_KIND_TEXT:
        return if_zero && !*em_field_text(f, row);
    default:
        return if_zero && em_field_number(f, row) == 0;
    }
}

static void field(struct json *j, const struct em_table *t, const struct em_field *f, const void *row)
{
    if ((f->flags & EM_FIELD_NO_JSON) || is_absent(f, row))
        return;
    switch (f->kind) {
    case EM_KIND_TEXT:
        member_text(j, f->json, em_field_text(f, row));
        break;
    case EM_KIND_ENUM:
        field_enum(j, f, row);
        break;
    case EM_KIND_ICE:
        field_ice(j, t, f, row);
        break;
    case EM_KIND_TIME:
    case EM_KIND_STAMP:
        member_time(j, f->json, em_field_time(f, row));
        break;
    case EM_KIND_INDEX:
    case EM_KIND_NUMBER:
    case EM_KIND_GAUGE:
    case EM_KIND_COUNTER:
        member_number(j, f->json, em_field_number(f, row));
        break;
    }
}

static void members(struct json *j, enum em_table_id id, const void *row)
{
    for (size_t i = 0; i < em_catalogue[id].fields_n; i++)
        field(j, &em_catalogue[id], &em_catalogue[id].fields[i], row);
}

static void table(struct json *j, const struct em_snapshot *s, enum em_table_id id)
{
    bool group = em_catalogue[id].index_n == 0;

    key(j, em_catalogue[id].json);
    if (!group)
        open_with(j, '[');
    for (size_t i = 0; i < s->t[id].n && !j->to->full; i++) {
        if (!group)
            item(j);
        open_with(j, '{');
        members(j, id, em_snapshot_row(s, id, i));
        close_with(j, '}');
    }
    if (!group)
        close_with(j, ']');
}

/* "codes", "ice_warnings" and "media" of the scan contract, from the rows that have calls. */
static void counted(struct json *j, const struct em_snapshot *s)
{
    char number[16];

    key(j, "codes");
    open_with(j, '{');
    for (size_t i = 0; i < s->t[EM_T_CODE].n; i++) {
        const struct em_code_row *row = em_snapshot_row(s, EM_T_CODE, i);

        snprintf(number, sizeof number, "%" PRIu32, row->number);
        member_count(j, number, row->calls);
    }
    close_with(j, '}');
    key(j, "ice_warnings");
    open_with(j, '{');
    for (size_t i = 0; i < s->t[EM_T_ICE].n; i++) {
        const struct em_ice_row *row = em_snapshot_row(s, EM_T_ICE, i);

        member_count(j, row->value, row->calls);
    }
    close_with(j, '}');
    key(j, "media");
    open_with(j, '{');
    for (size_t i = 0; i < s->t[EM_T_MEDIA].n; i++) {
        const struct em_media_row *row = em_snapshot_row(s, EM_T_MEDIA, i);

        member_count(j, row->name, row->calls);
    }
    close_with(j, '}');
}

void em_expo_status(const struct em_snapshot *s, struct buf *to)
{
    struct json j = { .to = to };

    begin(&j);
    members(&j, EM_T_TOTALS, em_snapshot_row(s, EM_T_TOTALS, 0));
    counted(&j, s);
    for (size_t t = 0; t < EM_T_COUNT; t++)
        if (t != EM_T_TOTALS)
            table(&j, s, (enum em_table_id)t);
    end(&j);
}

static void evidence_of(struct json *j, const struct em_snapshot *s, uint32_t id)
{
    const struct em_evidence_row *row;
    uint32_t index[2] = { id, 0 };

    key(j, "evidence");
    open_with(j, '[');
    while ((row = em_snapshot_next(s, EM_T_EVIDENCE, index, 2)) && row->id == id) {
        item(j);
        open_with(j, '{');
        members(j, EM_T_EVIDENCE, row);
        close_with(j, '}');
        index[1] = row->evidence;
    }
    close_with(j, ']');
}

void em_expo_findings(const struct em_snapshot *s, struct buf *to)
{
    struct json j = { .to = to, .first = true };

    key(&j, em_catalogue[EM_T_FINDING].json);
    open_with(&j, '[');
    for (size_t i = 0; i < s->t[EM_T_FINDING].n && !to->full; i++) {
        const struct em_finding_row *row = em_snapshot_row(s, EM_T_FINDING, i);

        item(&j);
        open_with(&j, '{');
        members(&j, EM_T_FINDING, row);
        evidence_of(&j, s, row->id);
        close_with(&j, '}');
    }
    close_with(&j, ']');
}

/* Of what has ended only these are kept. */
void em_expo_past_finding(const struct em_finding_row *row, int64_t ended_us, struct buf *to)
{
    static const char *const kept[] = { "id", "kind", "severity", "edge", "path", "text", "since" };
    const struct em_table *t = &em_catalogue[EM_T_FINDING];
    struct json j = { .to = to };

    open_with(&j, '{');
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        field(&j, t, em_field_find(t, kept[i]), row);
    member_time(&j, "ended", ended_us);
    close_with(&j, '}');
}

void em_expo_scan(const struct em_scan_result *r, struct buf *to)
{
    struct json j = { .to = to };
    char name[16];

    begin(&j);
    members(&j, EM_T_TOTALS, &r->totals);
    key(&j, "codes");
    open_with(&j, '{');
    for (size_t i = 0; i < r->codes_n; i++) {
        snprintf(name, sizeof name, "%" PRIu32, r->codes[i].code);
        member_count(&j, name, r->codes[i].calls);
    }
    close_with(&j, '}');
    key(&j, "ice_warnings");
    open_with(&j, '{');
    for (unsigned bit = 0; bit < EM_ICE_BITS; bit++) {
        snprintf(name, sizeof name, "0x%" PRIx32, UINT32_C(1) << bit);
        member_count(&j, name, r->ice[bit]);
    }
    close_with(&j, '}');
    key(&j, "media");
    open_with(&j, '{');
    for (uint32_t m = 1; m <= EM_MEDIA_COUNT; m++)
        member_count(&j, em_name_of(&em_media_names, m), r->media[m - 1]);
    close_with(&j, '}');
    end(&j);
}

void em_expo_failure(const struct em_failure_row *row, struct buf *to)
{
    struct json j = { .to = to };

    begin(&j);
    members(&j, EM_T_FAILURE, row);
    end(&j);
}

/* Phases that did not happen took no time at all, not 0: they are absent. */
static void phases(struct json *j, const struct em_probe_result *r)
{
    const struct {
        const char *name;
        int64_t us;
    } all[] = { { "resolve_us", r->resolve_us },   { "connect_us", r->connect_us },
                { "tls_us", r->tls_us },           { "stun_us", r->stun_us },
                { "allocate_us", r->allocate_us }, { "relay_us", r->relay_us } };

    key(j, "phases");
    open_with(j, '{');
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].us > 0)
            member_number(j, all[i].name, (uint64_t)all[i].us);
    close_with(j, '}');
}

/* Of packets through the relay. */
static void loss(struct json *j, const struct em_probe_result *r)
{
    if (r->packets_sent == 0) {
        member_null(j, "loss");
        return;
    }
    key(j, "loss");
    buf_print(j->to, "%.4f", (double)(r->packets_sent - r->packets_back) / r->packets_sent);
    member_number(j, "packets_sent", r->packets_sent);
    member_number(j, "packets_received", r->packets_back);
    if (r->packets_back) {
        member_number(j, "rtt_min_us", (uint64_t)r->rtt_min_us);
        member_number(j, "rtt_max_us", (uint64_t)r->rtt_max_us);
        member_number(j, "jitter_us", (uint64_t)r->jitter_us);
    }
    key(j, "relayed_port_in_range");
    buf_text(j->to, r->relayed_port_in_range ? "true" : "false");
}

void em_expo_probe(const struct em_probe_uri *uri, const struct em_probe_result *r, struct buf *to)
{
    struct json j = { .to = to };

    begin(&j);
    member_text(&j, "uri", uri->text);
    member_text_or_null(&j, "address", r->address);
    member_number(&j, "port", r->port);
    member_text(&j, "transport", em_name_of(&em_transport_names, r->transport));
    member_text(&j, "dialect", em_name_of(&em_dialect_names, r->dialect));
    member_text(&j, "verdict", em_name_of(&em_verdict_names, r->verdict));
    member_text(&j, "reason", r->reason);
    phases(&j, r);
    if (r->rtt_us > 0)
        member_number(&j, "rtt_us", (uint64_t)r->rtt_us);
    else
        member_null(&j, "rtt_us");
    member_number(&j, "retransmits", (uint64_t)r->retransmits + r->tcp_retransmits);
    member_number(&j, "tcp_retransmits", r->tcp_retransmits);
    member_text_or_null(&j, "mapped_address", r->mapped_address);
    member_text_or_null(&j, "relayed_address", r->relayed_address);
    member_text_or_null(&j, "software", r->software);
    if (r->certificate_expiry_us)
        member_signed(&j, "certificate_days_left", r->certificate_days_left);
    else
        member_null(&j, "certificate_days_left");
    member_text_or_null(&j, "certificate_issuer", r->certificate_issuer);
    if (r->path_filter[0]) {
        member_text(&j, "path_filter", r->path_filter);
        member_number(&j, "path_hop", r->path_hop);
        member_text_or_null(&j, "path_hop_address", r->path_hop_address);
    }
    member_number(&j, "sent", r->sent);
    member_number(&j, "received", r->received);
    loss(&j, r);
    end(&j);
}

static void member_seconds(struct json *j, const char *name, int64_t us)
{
    key(j, name);
    buf_print(j->to, "%.6f", (double)us / 1e6);
}

static void exceptions(struct json *j, const struct em_sweep *s)
{
    struct em_sweep_run runs[64];
    uint32_t from = 0;

    key(j, "exceptions");
    open_with(j, '[');
    do {
        size_t n = em_sweep_runs(s, &from, runs, sizeof runs / sizeof *runs);

        for (size_t i = 0; i < n; i++) {
            item(j);
            open_with(j, '{');
            member_number(j, "first", runs[i].first);
            member_number(j, "last", runs[i].last);
            member_text(j, "verdict", em_name_of(&em_verdict_names, runs[i].verdict));
            close_with(j, '}');
        }
    } while (from > 0);
    close_with(j, ']');
}

void em_expo_sweep(const struct em_sweep *s, bool sharing, struct buf *to)
{
    struct json j = { .to = to };
    struct em_sweep_result r;

    em_sweep_result(s, &r);
    begin(&j);
    member_number(&j, "tested", r.tested);
    key(&j, "verdicts");
    open_with(&j, '{');
    for (uint32_t v = 1; v <= EM_VERDICT_COUNT; v++)
        member_count(&j, em_name_of(&em_verdict_names, v), r.verdicts[v]);
    close_with(&j, '}');
    member_seconds(&j, "seconds", r.took_us);
    key(&j, "ports_per_second");
    buf_print(to, "%.1f", r.took_us > 0 ? (double)r.tested * 1e6 / (double)r.took_us : 0.0);
    exceptions(&j, s);
    member_number(&j, "retransmits", r.retransmits);
    member_number(&j, "tested_again", r.again);
    if (sharing) {
        member_number(&j, "bytes", r.bytes);
        member_number(&j, "stalls", r.stalls);
    }
    end(&j);
}

/* --- the differential test ------------------------------------------------------------------------------------------------------ */

static void member_real(struct json *j, const char *name, double x)
{
    key(j, name);
    buf_print(j->to, "%.4f", x);
}

/* A handshake without an answer is dropped, too; how many of them there were is told beside it. */
static void path_payload(struct json *j, size_t i, const struct em_path_counts *c)
{
    const struct {
        const char *name;
        uint64_t n;
    } all[] = { { "tries", c->tries },
                { "answered", c->answered },
                { "acknowledged", c->acknowledged },
                { "dropped", (uint64_t)c->dropped + c->unconnected },
                { "reset", c->reset },
                { "closed", c->closed },
                { "intercepted", c->intercepted },
                { "unconnected", c->unconnected },
                { "refused", c->refused },
                { "prohibited", c->prohibited },
                { "unreachable", c->unreachable },
                { "retransmits", c->retransmits } };

    item(j);
    open_with(j, '{');
    member_text(j, "name", em_path_kinds[i].name);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        member_number(j, all[k].name, all[k].n);
    if (c->answered && c->rtt_us_sum)
        member_number(j, "rtt_us", c->rtt_us_sum / c->answered);
    else
        member_null(j, "rtt_us");
    close_with(j, '}');
}

static void path_hops(struct json *j, const struct em_path_result *r)
{
    static const char *const ends[] = { [EM_PATH_END_HOP] = "hop",
                                        [EM_PATH_END_ARRIVED] = "arrived",
                                        [EM_PATH_END_RESET] = "reset",
                                        [EM_PATH_END_SILENT] = "silent" };

    key(j, "hops");
    open_with(j, '[');
    for (size_t i = 0; i < r->hops_n; i++) {
        const struct em_path_hop *h = &r->hop[i];

        item(j);
        open_with(j, '{');
        member_number(j, "ttl", h->ttl);
        member_text_or_null(j, "address", h->address);
        member_text_or_null(j, "tested", h->tested ? ends[h->tested] : "");
        member_text_or_null(j, "good", h->good ? ends[h->good] : "");
        close_with(j, '}');
    }
    close_with(j, ']');
    if (!r->located) {
        member_null(j, "dropped_after");
        return;
    }
    key(j, "dropped_after");
    open_with(j, '{');
    member_number(j, "ttl", r->after_ttl);
    member_text_or_null(j, "address", r->after);
    close_with(j, '}');
}

void em_expo_path(const struct em_addr *at, const struct em_path_result *r, struct buf *to)
{
    const struct em_path_judgement *v = &r->judgement;
    char address[EM_ADDRESS_MAX];
    struct json j = { .to = to };

    em_addr_text(at, address);
    begin(&j);
    member_text(&j, "address", address);
    member_number(&j, "port", em_addr_port(at));
    member_text(&j, "transport", em_name_of(&em_transport_names, r->table.transport));
    member_number(&j, "rounds", r->rounds);
    key(&j, "payloads");
    open_with(&j, '[');
    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++)
        if (r->table.payload[i].tries > 0)
            path_payload(&j, i, &r->table.payload[i]);
    close_with(&j, ']');
    member_text(&j, "filter", em_name_of(&em_path_filter_names, v->filter));
    member_text(&j, "verdict", em_name_of(&em_verdict_names, v->verdict));
    member_text(&j, "reason", v->reason);
    member_real(&j, "confidence", v->confidence);
    member_real(&j, "share", v->share);
    member_real(&j, "background", v->background);
    member_real(&j, "unseen", v->unseen);
    path_hops(&j, r);
    member_seconds(&j, "seconds", r->took_us);
    end(&j);
}
